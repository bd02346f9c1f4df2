"""The whole scene: orders' sidecar, a broker, inventory's sidecar, inventory.

    us ──HTTP──▶ caller (Shunt) ──▶ [relay] ──▶ RabbitMQ ──▶ [relay] ──▶ callee (Shunt) ──HTTP──▶ service

The path of a call says its style: /sync/…, /request_reply/…, /event/…; the two queues are named after the scene.
A few more paths lead to a queue of a plain AMQP program (/plain/…), to one that nobody reads (/parked/…), to none at
all (/nowhere/event/…, /nowhere/call/…), or leave a second only (/brief/…)."""
import sys
import time

from support import configs
from support.amqp import Amqp
from support.load import Load
from support.places import fresh_folder, free_port
from support.raw_http import request
from support.relay import Relay
from support.service import Service
from support.shunt import Shunt
from support.waiting import wait_until


class Stage:
    """What every scene has: two sidecars with a broker between them, the service, perhaps relays, and calls through
    all of it. `styles`, those that must succeed when all is well, each with its status."""
    styles = {}

    def __init__(self, name):
        self.name, self.folder = name, fresh_folder("e2e", name)
        self.relays, self.own_relays = [], []
        self.listen, self.service = free_port(), Service("inventory", self.folder)
        self.loads, self.refused = [], None

    def place(self, caller, callee):
        """The sidecars by their configs, as soon as those can be told."""
        self.caller, self.callee = Shunt("caller", self.folder, caller), Shunt("callee", self.folder, callee)

    def __enter__(self):
        try:
            for part in (*self.own_relays, self.service, self.callee, self.caller):
                part.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, *_):
        """Ends everything; a part that did not end well fails the test, unless it has failed already."""
        for load in self.loads:
            load.stop_asking()
        failures = []
        for part in (self.caller, self.callee, self.service, *self.own_relays):
            try:
                part.stop()
            except Exception as failure:
                failures.append(failure)
        if failures and kind is None:
            raise failures[0]

    def call(self, style, path="", method="POST", headers=(), body=b"", query="", seconds=30):
        """One call in a style; `path` goes below the style's."""
        target = f"/{style}/{path}" + (f"?{query}" if query else "")
        return request(self.listen, method, target, headers, body, seconds)

    def load(self, style, count, **settings):
        """A load on one style, begun."""
        load = Load(self.listen, f"/{style}/load", count, **settings)
        load.start()
        self.loads.append(load)
        return load

    def expect_normal(self, within=10, in_a_row=10):
        """All styles succeed again, so many times in a row. What is asked after `within` seconds must not fail any
        more; that a busy machine answers slowly is no failure."""
        began, run = time.monotonic(), 0
        while run < in_a_row:
            asked = time.monotonic() - began
            good = all(self.works(style, status) for style, status in self.styles.items())
            assert good or asked < within, f"not normal after {asked:.1f} s: {self.refused}"
            run = run + 1 if good else 0
            time.sleep(0 if good else 0.02)

    def works(self, style, status):
        """Whether a call in a style gets that status now; `refused` keeps what it got instead."""
        try:
            answer = self.call(style, "probe", body=b"probe", seconds=10)
        except (OSError, AssertionError) as failure:
            answer = failure
        if getattr(answer, "status", None) == status:
            return True
        self.refused = f"{style}: {answer}"
        return False


class World(Stage):
    styles = {"event": 202, "request_reply": 200}

    def __init__(self, name, rabbit, relays=False, timeout="5s", delivery_timeout="4s", concurrency=32):
        super().__init__(name)
        self.rabbit, self.timeout = rabbit, timeout
        self.calls_queue, self.events_queue = f"{name}.calls", f"{name}.events"
        self.delivery_timeout, self.concurrency = delivery_timeout, concurrency
        self.relays = self.own_relays = [Relay(f"relay-{side}", self.folder, rabbit.port)
                                         for side in ("caller", "callee") if relays]
        urls = [relay.amqp_url for relay in self.relays] or [rabbit.url] * 2
        self.place(self.caller_config(urls[0]), self.callee_config(urls[1]))

    def caller_config(self, broker):
        return configs.caller(self.listen, self.service.port, broker, [
            configs.route("sync", "/sync/*", "sync", self.calls_queue, self.timeout),
            configs.route("call", "/request_reply/*", "request_reply", self.calls_queue, self.timeout),
            configs.route("event", "/event/*", "event", self.events_queue, self.timeout),
            configs.route("brief", "/brief/*", "request_reply", self.calls_queue, "1s"),
            configs.route("plain", "/plain/*", "request_reply", f"{self.name}.plain", self.timeout),
            configs.route("parked", "/parked/*", "event", f"{self.name}.parked", self.timeout),
            configs.route("nowhere-event", "/nowhere/event/*", "event", f"{self.name}.nowhere", self.timeout),
            configs.route("nowhere-call", "/nowhere/call/*", "request_reply", f"{self.name}.nowhere", self.timeout)])

    def callee_config(self, broker):
        return configs.callee(broker, [
            configs.subscription("calls", self.calls_queue, self.service.port, self.concurrency,
                                 self.delivery_timeout),
            configs.subscription("events", self.events_queue, self.service.port, self.concurrency,
                                 self.delivery_timeout)])

    def wait_idle(self, seconds=60):
        """Both queues are empty."""
        with self.amqp() as amqp:
            wait_until(lambda: amqp.depth(self.calls_queue) + amqp.depth(self.events_queue) == 0, seconds,
                       "both queues are empty", every=0.1)

    def amqp(self):
        return Amqp(self.rabbit)

    def dead_letters(self, queue):
        """Takes out the dead letters of a queue that are there."""
        with self.amqp() as amqp:
            return amqp.drain(f"{queue}.dead")

    def forget_dead(self):
        self.dead_letters(self.events_queue)

    def wait_done_or_dead(self, queue, body, seconds=20):
        """Waits until a message has reached the service or the dead letters, whose queue is emptied."""
        dead = f"{queue}.dead"
        with self.amqp() as amqp:
            wait_until(lambda: body in self.service.bodies() or (amqp.exists(dead) and amqp.depth(dead)), seconds,
                       "the message has reached the service or the dead letters", every=0.05)
            assert all(letter.body == body for letter in amqp.drain(dead))

    def wait_dead(self, queue, count=1, seconds=30):
        """Takes the dead letters of a queue when there are `count`."""
        with self.amqp() as amqp:
            wait_until(lambda: amqp.exists(f"{queue}.dead") and amqp.depth(f"{queue}.dead") >= count, seconds,
                       f"{count} dead letters of {queue}", every=0.05)
            return amqp.drain(f"{queue}.dead")
