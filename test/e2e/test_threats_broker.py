"""Threats that come by the broker: what messages, replies and loops could do, and must not."""
import re
import sys
import threading
import time
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from support import configs
from support.amqp import Amqp, PlainRpcServer
from support.faults import SOAK
from support.places import free_port
from support.raw_http import request
from support.reckoning import reason_of
from support.service import Service
from support.waiting import wait_until

# 3: header injection from a message

INJECTIONS = {
    "crlf": {"x-a": "b\r\nx-evil: 1"}, "cr": {"x-a": "b\rx"}, "lf": {"x-a": "b\nx"}, "nul": {"x-a": "b\x00"},
    "empty-name": {"": "x"}, "colon": {"a:b": "c"}, "space": {"a b": "c"}, "crlf-name": {"a\r\nb": "c"},
    "method-crlf": {":method": "GET / HTTP/1.1\r\nx"}, "method-space": {":method": "GET /x"},
    "path-crlf": {":path": "/x HTTP/1.1\r\nx-evil: 1"}, "path-space": {":path": "/x y"}, "path-bare": {":path": "x"},
    "path-nul": {":path": "/x\x00"}, "unknown-pseudo": {":evil": "1"}, "table": {"x-a": {"b": "c"}},
    "array-crlf": {"x-a": ["fine", "b\r\nx-evil: 1"]}, "nested": {"x-a": [["b"]]},
}


@pytest.mark.parametrize("headers", INJECTIONS.values(), ids=INJECTIONS)
def test_what_cannot_be_http_is_a_dead_letter(scene, word, headers):
    with scene.amqp() as amqp:
        amqp.publish(scene.events_queue, word.encode(), {":path": f"/from/{word}", **headers})
    letter, = scene.wait_dead(scene.events_queue)
    assert letter.body == word.encode() and reason_of(letter) in ("bad_message", "not_allowed")
    assert word.encode() not in scene.service.bodies()


@pytest.mark.parametrize("headers", [INJECTIONS[name] for name in ("crlf", "space", "path-space", "table")])
def test_what_cannot_be_http_is_an_error_reply(scene, headers):
    with scene.amqp() as amqp:
        reply = amqp.ask(scene.calls_queue, b"x", {":path": "/from/x", **headers})
    assert 400 <= int(reply.headers[":status"]) < 600 and b'"reason"' in reply.body


def test_framing_names_in_a_message_are_ignored(scene, word):
    evil = {"connection": "close", "transfer-encoding": "chunked", "content-length": "1", "host": "evil",
            "upgrade": "h2c", "keep-alive": "1", "te": "trailers", "x-forwarded-for": "10.0.0.1",
            "forwarded": "for=evil", "x-fine": "1"}
    with scene.amqp() as amqp:
        amqp.publish(scene.events_queue, b"twelve bytes", {":path": f"/from/{word}", **evil})
    received, = scene.service.wait_for(f"/from/{word}")
    assert received.body == b"twelve bytes" and received.values("x-fine") == ["1"]
    assert received.values("content-length") == ["12"] and "evil" not in str(received.headers)
    assert not received.values("transfer-encoding") and not received.values("x-forwarded-for")


@pytest.mark.parametrize("headers", [
    {f"x-{number}": "v" for number in range(8000)}, {"x-a": "v" * 100_000}, {"x-a": ["v"] * 10_000},
    {"x-a": 1, "x-b": Decimal("2.5"), "x-c": True, "x-d": None, "x-e": datetime(2020, 1, 1), "x-f": -1 << 40}],
    ids=["many", "long", "array", "types"])
def test_odd_headers_end_somewhere(scene, word, headers):
    """… at the service or among the dead letters, and the consumer lives."""
    with scene.amqp() as amqp:
        amqp.publish(scene.events_queue, word.encode(), {":path": f"/from/{word}", **headers})
    scene.wait_done_or_dead(scene.events_queue, word.encode())
    assert scene.works("event", 202)


@pytest.mark.parametrize("depth", [100, 20_000])
def test_deeply_nested_headers(scene, word, depth):
    sys.setrecursionlimit(200_000)
    nested = "x"
    for _ in range(depth):
        nested = [nested]
    with scene.amqp() as amqp:
        amqp.publish(scene.events_queue, word.encode(), {":path": f"/from/{word}", "x-a": nested})
    assert scene.wait_dead(scene.events_queue)[0].body == word.encode()
    scene.callee.check_alive()


def test_what_is_not_allowed_is_not_called(scene, word):
    with scene.amqp() as amqp:
        amqp.publish(scene.events_queue, word.encode(), {":path": f"/from/{word}", ":method": "TRACE"})
        reply = amqp.ask(scene.calls_queue, b"", {":path": f"/from/{word}", ":method": "OPTIONS"})
    assert str(reply.headers[":status"]) == "403" and b"not_allowed" in reply.body
    letter, = scene.wait_dead(scene.events_queue)
    assert reason_of(letter) in ("not_allowed", "bad_message") and not scene.service.received(f"/from/{word}")


# 5: forged replies

class Forger(PlainRpcServer):
    """Replies for others, the last that was asked among them, and with rubbish first, then rightly, then once more."""

    last = "f" * 32

    def replies(self, correlation, body):
        stale, self.last = self.last, correlation
        return [("0" * 32, b"guessed"), ("", b"forged"), (correlation[:-1], b"forged"), (correlation + "x", b"forged"),
                (stale, b"stale"), (correlation, body), (correlation, b"second")]


def dropped(sidecar):
    return sidecar.count("shunt_broker_events_total", event="replies_dropped")


def test_forged_replies_are_dropped(scene):
    before = dropped(scene.caller)
    with Forger(scene.rabbit, "scene.plain", None):
        outcomes = scene.load("plain", 200, connections=16).finish()
    assert all(outcome.status == 200 and outcome.body == outcome.question for outcome in outcomes)
    wait_until(lambda: dropped(scene.caller) == before + 6 * 200, 10, "each of them is counted")
    assert scene.works("request_reply", 200)


def test_a_reply_that_comes_too_late_is_dropped(scene):
    """Whoever asks next gets their own."""
    before, late = dropped(scene.caller), threading.Event()

    def answer(body):
        return b"late" if body == b"first" and late.wait(60) else body
    with PlainRpcServer(scene.rabbit, "scene.plain", answer):
        assert scene.call("plain", "x", body=b"first").status == 504
        late.set()
        assert scene.call("plain", "x", body=b"second").body == b"second"
    assert dropped(scene.caller) == before + 1


@pytest.mark.parametrize("reply", [
    {":status": "99"}, {":status": "x"}, {"x-a": "b\r\nc: d"}, {":status": "200\r\nx: y"}])
def test_a_reply_that_cannot_be_http_is_502(scene, reply):
    class Liar(PlainRpcServer):
        def _serve(self, channel, method, properties, body):
            properties.headers = reply
            channel.basic_publish("", properties.reply_to, body, properties)
            channel.basic_ack(method.delivery_tag)
    with Liar(scene.rabbit, "scene.plain", None):
        answer = scene.call("plain", "x")
    assert answer.status == 502 and b"bad_reply" in answer.body


# 6: the reply queue flooded

JUNK = 1_000_000 if SOAK else 20_000
ROOM_KIB = 448 * 1024 if SOAK else 64 * 1024    # AddressSanitizer keeps 256 MiB of what was freed, and books of it


def resident_kib(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


@pytest.mark.limit(3600 if SOAK else 120)
def test_a_flooded_reply_queue(scene):
    with PlainRpcServer(scene.rabbit, "scene.plain", bytes) as server:
        scene.call("plain", "who")
        reply_to, before = server.asked[0].properties.reply_to, resident_kib(scene.caller.process.pid)
    assert re.fullmatch(r".*[0-9a-f]{32}", reply_to)
    channel = scene.rabbit.connect().channel()
    for number in range(JUNK):
        channel.basic_publish("", reply_to, b"junk" * 100)
        if number % (JUNK // 10) == 0:
            assert scene.works("request_reply", 200)
    assert scene.works("request_reply", 200)
    channel.connection.close()
    assert resident_kib(scene.caller.process.pid) < before + ROOM_KIB


# 7: reply_to as a weapon

def test_replies_never_go_to_what_we_consume(scene, word):
    with scene.amqp() as amqp:
        for target in (scene.events_queue, scene.calls_queue):
            amqp.publish(scene.calls_queue, b"weapon", {":path": f"/from/{word}"}, reply_to=target, correlation_id="x")
        assert amqp.ask(scene.calls_queue, b"x").body == b"x"
        scene.wait_idle()
    assert b"weapon" not in [request.body for request in scene.service.received("/") if word not in request.target]
    assert len(scene.service.received(f"/from/{word}")) <= 2


def test_replies_go_where_the_subscription_allows_only(scene, word):
    """A queue of somebody else, whose name is none of those that replies may have."""
    with scene.amqp() as amqp:
        amqp.declare("weapon.victim")
        amqp.publish(scene.calls_queue, b"weapon", {":path": f"/from/{word}"}, reply_to="weapon.victim",
                     correlation_id="x")
        assert amqp.ask(scene.calls_queue, b"x").body == b"x"
        scene.wait_idle()
        assert amqp.depth("weapon.victim") == 0


@pytest.mark.parametrize("target", ["", "no.such.queue", "x" * 255, "amq.rabbitmq.reply-to.forged", "a\r\nb"])
def test_replies_that_go_nowhere_harm_nobody(scene, target):
    with scene.amqp() as amqp:
        amqp.publish(scene.calls_queue, b"x", {":path": "/from/x"}, reply_to=target, correlation_id="x")
    assert scene.works("request_reply", 200)
    scene.callee.check_alive()


# 8: a delivery goes to `deliver` only

@pytest.mark.parametrize("path", ["http://127.0.0.1:%d/x", "//127.0.0.1:%d/x", "@127.0.0.1:%d/x", "/\\127.0.0.1:%d/x",
                                  "/../../x?%d", "/%%2e%%2e/x%d", "/%%2f%%2f127.0.0.1:%d", "*", "127.0.0.1:%d"])
def test_paths_never_change_where_it_goes(scene, folder, word, path):
    elsewhere = Service("elsewhere", folder).start()
    aimed = path % elsewhere.port if "%d" in path else path
    with scene.amqp() as amqp:
        amqp.publish(scene.events_queue, word.encode(), {":path": aimed, ":authority": f"127.0.0.1:{elsewhere.port}"})
    scene.wait_done_or_dead(scene.events_queue, word.encode())
    assert not elsewhere.received()
    elsewhere.stop()


@pytest.mark.parametrize("copies", [["weapon.q"], ["weapon.q", "weapon.r"]])
def test_a_dead_letter_goes_to_no_other_queue(scene, word, copies):
    """RabbitMQ delivers to each queue that the header CC names: what we publish of somebody's message has none."""
    scene.service.behave({"path": f"/from/{word}", "answer": {"status": 404}})
    with scene.amqp() as amqp:
        amqp.declare("weapon.q")
        amqp.drain("weapon.q")
        amqp.publish(scene.events_queue, word.encode(), {":path": f"/from/{word}", "CC": copies})
        letter, = scene.wait_dead(scene.events_queue)
        assert letter.body == word.encode() and reason_of(letter) == "service_failed"
        assert len(amqp.drain("weapon.q")) == 1    # the sender's own


def test_thousands_of_headers_hold_nobody_up(scene, word):
    headers = {f"{number:05}": "" for number in range(10_000)}
    with scene.amqp() as amqp:
        for _ in range(5):
            amqp.publish(scene.events_queue, word.encode(), {":path": f"/from/{word}", **headers})
        began = time.monotonic()
        wait_until(lambda: amqp.depth(f"{scene.events_queue}.dead") == 5, 30, "all are dead letters")
        assert scene.works("event", 202) and time.monotonic() - began < 5


# 14: poison and loops

def test_a_missing_dead_letter_queue(scene, word):
    scene.service.behave({"path": f"/event/{word}", "answer": {"status": 404}})
    dead = f"{scene.events_queue}.dead"
    with scene.amqp() as amqp:
        amqp.channel.queue_delete(dead)
        assert scene.call("event", word, body=word.encode()).status == 202
        scene.service.wait_for(f"/event/{word}")
        assert scene.works("event", 202)
        wait_until(lambda: amqp.exists(dead) and amqp.depth(dead), 60, "the dead letter has its queue again")
        assert [letter.body for letter in amqp.drain(dead)] == [word.encode()]
    assert len(scene.service.received(f"/event/{word}")) < 30


def test_a_full_dead_letter_queue(scene, word):
    scene.service.behave({"path": f"/event/{word}", "answer": {"status": 404}})
    dead = f"{scene.events_queue}.dead"
    scene.rabbit.ctl("set_policy", "full", f"^{dead}$", '{"max-length": 1, "overflow": "reject-publish"}')
    try:
        for _ in range(3):
            assert scene.call("event", word, body=word.encode()).status == 202
        scene.service.wait_for(f"/event/{word}", 3)
        assert scene.works("event", 202)
    finally:
        scene.rabbit.ctl("clear_policy", "full")
    with scene.amqp() as amqp:
        found = []
        wait_until(lambda: found.extend(amqp.drain(dead)) or len(found) >= 3, 60, "all three are dead letters")
    assert len(scene.service.received(f"/event/{word}")) < 60


@pytest.mark.limit(180)
def test_two_sidecars_that_call_each_other_stop(launch, rabbit):
    """orders publishes, inventory delivers to orders' own listener, which publishes …"""
    listen = free_port()
    callee = configs.callee(rabbit.url, [configs.subscription("loop", "loop.queue", listen)])
    there = launch(callee, "there")
    routes = [configs.route("loop", "/*", "event", "loop.queue")]
    here = launch(configs.caller(listen, free_port(), rabbit.url, routes), "here")
    assert request(listen, "POST", "/x", body=b"round and round").status == 202
    with Amqp(rabbit) as amqp:
        wait_until(lambda: amqp.depth("loop.queue.dead") == 1, 120, "the loop has ended in a dead letter")
        assert amqp.depth("loop.queue") == 0
    assert len(here.log()) < 200 and there.process.alive
