"""The scene with Kafka in its middle: orders' sidecar, a topic, inventory's sidecar, inventory.

    us ──HTTP──▶ caller (Shunt) ──▶ [relay] ──▶ Kafka ──▶ [relay] ──▶ callee (Shunt) ──HTTP──▶ service

/event/… goes to the topic that the callee consumes, /parked/… to one that nobody reads, /nowhere/… to none at all, with
the header x-key as the key; topics and group are named after the scene. The relays are the node's: it was told of them
before it started."""
import time

from support import configs, kafka_configs
from support.kafka_records import produce, read
from support.waiting import wait_until
from support.world import Stage

KEYS, PARTITIONS = 50, 4


def key_of(number):
    return f"k{number % KEYS}"


def until_taken(ask, seconds=30):
    """The answer to an event that shall be taken. A 503 promises that a retry doubles nothing, and on a busy machine a
    broker may be silent for a second, which is an outage as any other."""
    answer = wait_until(lambda: (answer := ask()).status != 503 and answer, seconds, "the event is taken", every=0.2)
    assert 200 <= answer.status < 300, answer
    return answer


def taken(outcomes):
    """The questions of a load that were answered 202; all others were refused, and surely not stored."""
    outcomes = list(outcomes)
    others = [outcome for outcome in outcomes if outcome.status != 202 and outcome.executed != "no"]
    assert not others, f"{len(others)} neither taken nor refused, such as {others[0]}"
    return {outcome.question for outcome in outcomes if outcome.status == 202}


class KafkaWorld(Stage):
    styles = {"event": 202}

    def __init__(self, name, kafka, relays=False, timeout="5s", delivery_timeout="4s", concurrency=32):
        super().__init__(name)
        self.kafka, self.group, self.topic, self.parked = kafka, name, f"{name}.events", f"{name}.parked"
        self.relays = kafka.relays if relays else []
        for topic in (self.topic, self.parked):
            kafka.create_topic(topic, PARTITIONS)
        by_relay = [kafka_configs.broker(f"127.0.0.1:{relay.port}") for relay in self.relays]
        ours = by_relay or [kafka_configs.broker(kafka.bootstrap)] * 2
        topics = {"event": self.topic, "parked": self.parked, "nowhere": f"{name}.nowhere"}
        self.place(
            configs.caller_of(self.listen, self.service.port, ours[:1], [
                kafka_configs.route(path, f"/{path}/*", kafka_configs.event(topic, more='key = "header:x-key";'),
                                    timeout) for path, topic in topics.items()]),
            configs.callee_of(ours[1:], [
                kafka_configs.subscription("events", [self.topic], self.service.port, self.group, "earliest",
                                           concurrency, delivery_timeout)]))

    def publish(self, path, word, **settings):
        """An event that is taken."""
        return until_taken(lambda: self.call(path, word, **settings))

    def load(self, style, count, **settings):
        """Numbered events, of which each KEYS-th has the same key."""
        return super().load(style, count, headers=lambda number: f"X-Key: {key_of(number)}\r\n", **settings)

    def expect_normal(self, within=15, in_a_row=10):
        """Events are taken again, and what was taken last is delivered, of every key. Returns how long it took."""
        began = time.monotonic()
        super().expect_normal(within, in_a_row)
        body = f"delivered after {time.monotonic()}".encode()
        for number in range(KEYS):
            self.publish("event", "probe", headers=[("X-Key", key_of(number))], body=body)
        wait_until(lambda: self.service.bodies("/event/probe").count(body) >= KEYS,
                   max(5, within - (time.monotonic() - began)), "events are delivered again")
        return time.monotonic() - began

    def records(self, topic=None):
        return read(self.kafka.bootstrap, topic or self.topic)

    def produce(self, body, headers=(), key=None, topic=None):
        """One record of a client that is not ours."""
        produce(self.kafka.bootstrap, topic or self.topic, body, headers, key)

    def dead_letters(self, topic):
        return read(self.kafka.bootstrap, f"{topic}.{self.group}.dead")

    def wait_dead(self, body, topic=None, seconds=30):
        """The dead letter of a record with that value."""
        return wait_until(lambda: next((letter for letter in self.dead_letters(topic or self.topic)
                                        if letter.body == body), None), seconds, "it is a dead letter", every=0.1)
