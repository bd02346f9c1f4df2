"""Ordinary AMQP programs (pika) on either side, which have never heard of Shunt."""
import pytest

from support.amqp import PlainRpcServer
from support.waiting import wait_until


@pytest.mark.short
def test_a_plain_rpc_server_answers_a_caller(scene):
    with PlainRpcServer(scene.rabbit, "scene.plain", lambda body: body[::-1]) as server:
        answer = scene.call("plain", "reverse", body=b"stressed")
        assert (answer.status, answer.body) == (200, b"desserts")
        asked, = server.asked
    assert asked.body == b"stressed" and asked.properties.reply_to
    assert len(asked.properties.correlation_id) == 32
    assert asked.headers[":method"] == "POST" and asked.headers[":path"] == "/plain/reverse"


@pytest.mark.short
def test_a_plain_client_calls_a_service(scene, word):
    with scene.amqp() as amqp:
        reply = amqp.ask(scene.calls_queue, b"from pika", {":method": "PUT", ":path": f"/from/{word}?x=1", "x-a": "b"},
                         content_type="text/plain")
    assert (reply.body, reply.properties.correlation_id) == (b"from pika", "asked-by-pika")
    assert str(reply.headers[":status"]) == "200"
    received, = scene.service.received(f"/from/{word}")
    assert (received.method, received.target) == ("PUT", f"/from/{word}?x=1")
    assert received.values("x-a") == ["b"] and received.values("content-type") == ["text/plain"]


def test_a_client_with_direct_reply_to(scene, word):
    """RabbitMQ's own way: no reply queue at all, and the request leaves on the channel that listens."""
    with scene.amqp() as amqp:
        replies = []
        amqp.channel.basic_consume("amq.rabbitmq.reply-to", lambda *reply: replies.append(reply), auto_ack=True)
        amqp.publish(scene.calls_queue, word.encode(), reply_to="amq.rabbitmq.reply-to", correlation_id="direct")
        wait_until(lambda: amqp.connection.process_data_events(0.1) or replies, 10, "the reply has come")
    (_, _, properties, body), = replies
    assert (properties.correlation_id, body) == ("direct", word.encode())


def test_a_client_without_any_header(scene, word):
    with scene.amqp() as amqp:
        reply = amqp.ask(scene.calls_queue, word.encode())
    assert reply.body == word.encode()
    received = next(request for request in scene.service.received("/") if request.body == word.encode())
    assert (received.method, received.target) == ("POST", "/")


def test_a_plain_publisher_of_events(scene, word):
    with scene.amqp() as amqp:
        amqp.publish(scene.events_queue, b"event", {":path": f"/from/{word}"}, message_id=word)
    received, = scene.service.wait_for(f"/from/{word}")
    assert received.body == b"event" and received.values("shunt-message-id") == [word]


def test_an_array_is_a_repeated_header(scene, word):
    with scene.amqp() as amqp:
        reply = amqp.ask(scene.calls_queue, b"", {":path": f"/from/{word}", "x-many": ["a", "b"]})
    assert str(reply.headers[":status"]) == "200"
    assert scene.service.received(f"/from/{word}")[0].values("x-many") == ["a", "b"]
