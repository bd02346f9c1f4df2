"""Events over Kafka: what stands in a topic for programs that have never heard of Shunt (confluent-kafka, kcat), and
what becomes of what they put there."""
import os
import time

import pytest
from confluent_kafka.admin import ConfigResource

from support.kafka import client, kcat
from support.reckoning import reason_of
from support.waiting import wait_until

BODIES = {
    "empty": b"",
    "text": "grüße\r\n".encode(),
    "binary": bytes(range(256)) * 5,
    "900-KiB": os.urandom(900 * 1024),
}
HEADERS = [
    ("X-Repeated", "one"), ("Accept", "text/html;q=0.5, */*"), ("X-Repeated", "two, three"), ("X-Empty", ""),
    ("Content-Type", "application/vnd.order+json; charset=utf-8"), ("X-Latin", "caf\xe9"), ("X-Repeated", "one"),
    ("x-lower", "a  b"), ("User-Agent", "curl/7.88.1"),
]
MALFORMED = {
    "path": [(":path", "no-slash")],
    "method": [(":method", "P T")],
    "line-break": [("x-a", "one\r\nx-b: two")],
    "name": [("bad name", "x")],
    "nul": [("x-a", b"a\0b")],
}


def parked(scene, word):
    """The one record for nobody whose path has the word."""
    record, = [record for record in scene.records(scene.parked) if word in record.headers.get(":path", "")]
    return record


@pytest.mark.short
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_stored_and_delivered(kafka_scene, word, body):
    answer = kafka_scene.publish("event", word, body=body)
    received, = kafka_scene.service.wait_for(f"/event/{word}")
    assert (received.method, received.body) == ("POST", body)
    assert received.values("shunt-message-id") == answer.values("shunt-message-id")
    assert received.values("shunt-attempt") == ["1"] and not received.values("shunt-tombstone")


@pytest.mark.short
def test_headers_of_the_request(kafka_scene, word):
    kafka_scene.publish("event", word, headers=HEADERS, body=b"{}", query="a=1&a=2&b=%20x%2f")
    received, = kafka_scene.service.wait_for(f"/event/{word}")
    assert received.target == f"/event/{word}?a=1&a=2&b=%20x%2f"
    for name, _ in HEADERS:
        assert received.values(name) == [value for given, value in HEADERS if given == name], name


@pytest.mark.short
def test_what_stands_in_the_topic(kafka_scene, word):
    secret = [("Authorization", "Bearer secret"), ("Cookie", "secret=1"), ("Content-Type", "text/plain")]
    answer = kafka_scene.publish("parked", word, body=b"parked", query="q=1", headers=[
        *secret, ("X-Key", "seven"), ("X-Twice", "a"), ("X-Twice", "b"), ("Shunt-Deadline", "1")])
    record, headers = parked(kafka_scene, word), parked(kafka_scene, word).headers
    assert (record.key, record.body) == (b"seven", b"parked")
    assert record.message_id == answer.first("shunt-message-id") and headers["shunt-app-id"] == "orders"
    assert headers[":method"] == "POST" and headers[":path"] == f"/parked/{word}?q=1"
    assert headers["content-type"] == "text/plain" and record.values("x-twice") == [b"a", b"b"]
    assert "secret" not in str(record) and "shunt-deadline" not in headers
    assert abs(time.time() - record.time / 1000) < 60


def test_no_key_is_null_and_no_body_is_empty(kafka_scene, word):
    kafka_scene.publish("parked", word)
    record = parked(kafka_scene, word)
    assert record.key is None and record.body == b""


def test_kcat_reads_it(kafka_scene, word):
    kafka_scene.publish("parked", word, headers=[("X-Key", "k"), ("X-Color", "green")], body=b"kcat")
    printed = kcat(kafka_scene.kafka.bootstrap, "-C", "-e", "-q", "-t", kafka_scene.parked, "-f", "%k|%s|%S|%h\\n")
    line, = [line for line in printed.splitlines() if word in line]
    key, value, size, headers = line.split("|")
    assert (key, value, size) == ("k", "kcat", "4") and "x-color=green" in headers.split(",")


@pytest.mark.short
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_plain_producer_calls_the_service(kafka_scene, word, body):
    kafka_scene.produce(body, [(":method", "PUT"), (":path", f"/from/{word}?x=1"), ("x-many", "a"), ("x-none", None),
                               ("x-many", "b"), ("content-type", "text/plain"), ("shunt-message-id", word)], key="k")
    received, = kafka_scene.service.wait_for(f"/from/{word}")
    assert (received.method, received.target, received.body) == ("PUT", f"/from/{word}?x=1", body)
    assert received.values("x-many") == ["a", "b"] and received.values("x-none") == [""]
    assert received.values("content-type") == ["text/plain"] and received.values("shunt-message-id") == [word]
    assert not received.values("shunt-tombstone")


def test_kcat_calls_the_service(kafka_scene, word):
    """A value, an empty one and a null."""
    def send(*arguments, text):
        kcat(kafka_scene.kafka.bootstrap, "-P", "-t", kafka_scene.topic, "-K", ":", "-H", f":path=/from/{word}",
             *arguments, text=text)
    send(text="k:value\n")
    send("-Z", text="k:\n")
    value, null = kafka_scene.service.wait_for(f"/from/{word}", 2)
    assert value.body == b"value" and not value.values("shunt-tombstone")
    assert null.body == b"" and null.values("shunt-tombstone") == ["1"]


def test_a_record_without_any_header(kafka_scene, word):
    kafka_scene.produce(word)
    wait_until(lambda: word.encode() in kafka_scene.service.bodies("/"), 20, "it is delivered")
    received, = [request for request in kafka_scene.service.received("/") if request.body == word.encode()]
    assert (received.method, received.target) == ("POST", "/")
    assert len(received.values("shunt-message-id")) == 1


@pytest.mark.short
@pytest.mark.parametrize("headers", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_request_is_a_dead_letter(kafka_scene, word, headers):
    kafka_scene.produce(word, [("x-kept", "1"), *headers], key="seven")
    letter = kafka_scene.wait_dead(word.encode())
    assert letter.key == b"seven" and reason_of(letter) == "bad_message"
    assert letter.headers["shunt-origin"].startswith(kafka_scene.topic)
    assert word.encode() not in kafka_scene.service.bodies()


def test_what_is_not_allowed_is_a_dead_letter(kafka_scene, word):
    kafka_scene.produce(word, [(":method", "TRACE"), (":path", f"/from/{word}")])
    assert reason_of(kafka_scene.wait_dead(word.encode())) == "not_allowed"
    assert not kafka_scene.service.received(f"/from/{word}")


def test_a_refused_event_is_a_dead_letter(kafka_scene, word):
    kafka_scene.service.behave({"path": f"/event/{word}", "answer": {"status": 404}})
    answer = kafka_scene.publish("event", word, headers=[("X-Key", word), ("X-Kept", "1")], body=word.encode())
    letter = kafka_scene.wait_dead(word.encode())
    assert letter.key == word.encode() and letter.message_id == answer.first("shunt-message-id")
    assert reason_of(letter) == "service_failed" and letter.headers["shunt-status"] == "404"
    assert letter.headers["x-kept"] == "1" and letter.headers[":path"] == f"/event/{word}"
    assert len(kafka_scene.service.received(f"/event/{word}")) == 1


def test_a_failing_event_is_tried_five_times_where_it_is(kafka_scene, word):
    kafka_scene.service.behave({"path": f"/event/{word}/fails", "answer": {"status": 500}})
    for path in ("fails", "waits"):
        kafka_scene.publish("event", f"{word}/{path}", headers=[("X-Key", word)], body=path.encode())
    kafka_scene.service.wait_for(f"/event/{word}/waits")
    attempts = kafka_scene.service.received(f"/event/{word}/fails")
    assert [request.values("shunt-attempt") for request in attempts] == [[str(n)] for n in range(1, 6)]
    assert len({request.values("shunt-message-id")[0] for request in attempts}) == 1
    letter, = [letter for letter in kafka_scene.dead_letters(kafka_scene.topic) if letter.key == word.encode()]
    assert letter.body == b"fails" and reason_of(letter) == "attempts_exhausted"


def test_a_null_stays_null_in_its_dead_letter(kafka_scene, word):
    kafka_scene.service.behave({"path": f"/from/{word}", "answer": {"status": 410}})
    kafka_scene.produce(None, [(":path", f"/from/{word}")], key=word)
    def letters():
        return [letter for letter in kafka_scene.dead_letters(kafka_scene.topic) if letter.key == word.encode()]
    letter, = wait_until(letters, 20, "it is a dead letter")
    assert letter.body is None and reason_of(letter) == "service_failed"


def test_dead_letters_are_kept_for_ever(kafka_scene, real_kafka, word):
    kafka_scene.produce(word, MALFORMED["path"])
    kafka_scene.wait_dead(word.encode())
    resource = ConfigResource("topic", f"{kafka_scene.topic}.{kafka_scene.group}.dead")
    admin = client(real_kafka.bootstrap)
    settings = admin.describe_configs([resource])[resource].result(20)
    assert settings["retention.ms"].value == settings["retention.bytes"].value == "-1"


def test_get_is_no_event(kafka_scene, word):
    """It takes the route's sync block."""
    assert kafka_scene.call("event", word, "GET").status == 200
    assert kafka_scene.service.received(f"/event/{word}")[0].method == "GET"


def test_nobody_makes_a_topic_by_writing_to_it(kafka_scene, real_kafka, word):
    answer = kafka_scene.call("nowhere", word, body=b"lost")
    assert answer.status == 502 and b'"unroutable"' in answer.body and b'"executed":"no"' in answer.body
    admin = client(real_kafka.bootstrap)
    assert "kafka-scene.nowhere" not in admin.list_topics(timeout=20).topics
