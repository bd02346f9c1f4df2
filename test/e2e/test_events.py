"""Events: what 202 means, what lies on the broker, what becomes of what the service does not want."""
import time

import pytest

from support.reckoning import reason_of


@pytest.mark.short
def test_confirmed_and_delivered(scene, word):
    answer = scene.call("event", word, body=b"it happened")
    assert answer.status == 202
    received, = scene.service.wait_for(f"/event/{word}")
    assert received.body == b"it happened" and received.method == "POST"
    assert received.values("shunt-message-id") == answer.values("shunt-message-id")
    assert received.values("shunt-attempt") == ["1"]


def test_what_lies_on_the_broker(scene, word):
    secret = [("Authorization", "Bearer secret"), ("Cookie", "secret=1"), ("Content-Type", "text/plain")]
    with scene.amqp() as amqp:
        queue = amqp.declare("scene.parked")
        answer = scene.call("parked", word, headers=[*secret, ("X-Twice", "a"), ("X-Twice", "b")], body=b"parked",
                            query="q=1")
        message = amqp.get(queue)
    properties, headers = message.properties, message.headers
    assert answer.status == 202 and message.body == b"parked"
    assert properties.delivery_mode == 2 and properties.expiration is None and properties.app_id == "orders"
    assert properties.message_id == answer.first("shunt-message-id") and properties.content_type == "text/plain"
    assert headers[":method"] == "POST" and headers[":path"] == f"/parked/{word}?q=1"
    assert headers["x-twice"] == ["a", "b"] and "secret" not in str(message)


def test_names_of_ours_and_of_the_broker_are_stripped(scene, word):
    theirs = [("Shunt-Deadline", "1"), ("Shunt-Hops", "7"), ("X-Death", "a"), ("X-Delay", "1"), ("X-Fine", "1")]
    with scene.amqp() as amqp:
        queue = amqp.declare("scene.parked")
        assert scene.call("parked", word, headers=theirs).status == 202
        headers = amqp.get(queue).headers
    assert headers["x-fine"] == "1" and not headers.keys() & {"x-death", "x-delay", "shunt-deadline"}
    assert str(headers["shunt-hops"]) == "8"    # a claim to have come a long way counts, and only that way


def test_a_refused_event_is_a_dead_letter(scene, word):
    scene.service.behave({"path": f"/event/{word}", "answer": {"status": 404}})
    assert scene.call("event", word, body=b"unwanted").status == 202
    letter, = scene.wait_dead(scene.events_queue)
    assert letter.body == b"unwanted" and reason_of(letter) == "service_failed"
    assert "404" in str(letter.headers) and len(scene.service.received(f"/event/{word}")) == 1


@pytest.mark.parametrize("answer", [{"status": 302, "headers": [["Location", "http://127.0.0.1:1/"]]}, {"status": 410}])
def test_what_is_never_tried_again(scene, word, answer):
    scene.service.behave({"path": f"/event/{word}", "answer": answer})
    assert scene.call("event", word, body=word.encode()).status == 202
    letter, = scene.wait_dead(scene.events_queue)
    assert letter.body == word.encode()
    assert len(scene.service.received(f"/event/{word}")) == 1


def test_a_failing_event_is_tried_five_times(scene, word):
    scene.service.behave({"path": f"/event/{word}", "answer": {"status": 500}})
    assert scene.call("event", word, body=word.encode()).status == 202
    letter, = scene.wait_dead(scene.events_queue)
    assert letter.body == word.encode() and reason_of(letter) == "attempts_exhausted"
    attempts = scene.service.received(f"/event/{word}")
    assert [request.values("shunt-attempt") for request in attempts] == [[str(n)] for n in range(1, 6)]
    assert len({request.values("shunt-message-id")[0] for request in attempts}) == 1
    gaps = [later.time - earlier.time for earlier, later in zip(attempts, attempts[1:])]
    assert gaps[-1] > gaps[0] > 0.1


def test_a_failing_event_recovers(scene, word):
    scene.service.behave({"path": f"/event/{word}", "answer": {"status": 503}})
    assert scene.call("event", word).status == 202
    scene.service.wait_for(f"/event/{word}", 2)
    scene.service.behave()
    scene.service.wait_for(f"/event/{word}", 3)
    last = scene.service.received(f"/event/{word}")[-1]
    assert int(last.values("shunt-attempt")[0]) >= 3


def test_get_is_no_event(scene, word):
    """It takes the route's sync block."""
    answer = scene.call("event", word, "GET")
    assert answer.status == 200
    assert scene.service.received(f"/event/{word}")[0].method == "GET"


def test_events_are_confirmed_before_they_are_done(scene, word):
    scene.service.behave({"path": f"/event/{word}", "answer": {"delay": 2}})
    began = time.monotonic()
    assert scene.call("event", word).status == 202
    assert time.monotonic() - began < 1.5
