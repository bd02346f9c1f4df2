"""What a route may say besides its style: where the ID comes from, what crosses, what is answered, when it dies."""
import json

import pytest

from support import configs
from support.amqp import Amqp
from support.places import free_port
from support.raw_http import request
from support.waiting import wait_until

QUEUE = "route.settings"
ROUTES = {
    "by-header": ('message_id = "header:order-id";', ""),
    "by-body": ('message_id = "json:/order/id";', ""),
    "carrying": ('carry = "authorization";', ""),
    "small": ('max_body = "1KB";', ""),
    "answering": ("", 'respond = { status = 201; headers = ( "X-Told: by the route" ); body = "thank you"; };'),
    "brief": ("", 'ttl = "20s";'),
    "careless": ("", 'ack = "none";'),
}


@pytest.fixture(scope="module")
def amqp(rabbit):
    with Amqp(rabbit) as amqp:
        amqp.declare(QUEUE)
        yield amqp


@pytest.fixture
def publish(launch, rabbit, amqp):
    """publish(route, headers, body): the answer, and the message that lies on the broker for it."""
    listen = free_port()
    routes = [configs.route(name, f"/{name}", "event", QUEUE, more=more).replace(
        f'event         = {{ broker = "rabbit"; queue = "{QUEUE}"; }}',
        f'event = {{ broker = "rabbit"; queue = "{QUEUE}"; {block} }}') for name, (more, block) in ROUTES.items()]
    launch(configs.caller(listen, free_port(), rabbit.url, routes))

    def publish(route, headers=(), body=b"x"):
        answer = request(listen, "POST", f"/{route}", headers, body)
        return answer, wait_until(lambda: amqp.get(QUEUE), 5, "it is on the broker") if answer.status < 300 else None
    return publish


@pytest.mark.parametrize("given, taken", [("order-7", True), ("", False), ("a b", False), ("x" * 256, False)],
                         ids=["taken", "empty", "blank", "long"])
def test_the_id_from_a_header(publish, given, taken):
    answer, message = publish("by-header", [("Order-Id", given)])
    assert message.properties.message_id == answer.first("shunt-message-id")
    assert (answer.first("shunt-message-id") == given) == taken


@pytest.mark.parametrize("body, taken", [
    ({"order": {"id": "seven"}}, "seven"), ({"order": {"id": 7}}, "7"), ({"order": []}, None), ("no object", None)])
def test_the_id_from_the_body(publish, body, taken):
    answer, message = publish("by-body", body=json.dumps(body).encode())
    given = answer.first("shunt-message-id")
    assert message.properties.message_id == given and (given == taken if taken else len(given) == 32)


def test_the_secrets_that_are_named_cross(publish):
    _, message = publish("carrying", [("Authorization", "Bearer x"), ("Cookie", "a=1"), ("Proxy-Authorization", "y")])
    assert message.headers["authorization"] == "Bearer x" and "cookie" not in message.headers
    assert "proxy-authorization" not in message.headers


def test_the_largest_body(publish):
    assert publish("small", body=b"x" * 1024)[0].status == 202
    chunks = b"401\r\n" + b"x" * 1025 + b"\r\n0\r\n\r\n"
    for headers, body in (([], b"x" * 1025), ([("Transfer-Encoding", "chunked")], chunks)):
        answer, _ = publish("small", headers, body)
        assert answer.status == 413 and json.loads(answer.body)["executed"] == "no"


def test_an_answer_of_its_own(publish):
    answer, _ = publish("answering")
    assert (answer.status, answer.first("x-told"), answer.body) == (201, "by the route", b"thank you")
    assert answer.first("shunt-message-id")


def test_a_message_that_may_expire(publish, amqp):
    _, message = publish("brief")
    assert message.properties.expiration == "20000" and message.properties.delivery_mode == 2


def test_an_event_that_may_be_lost(publish):
    assert publish("careless")[0].status == 202
