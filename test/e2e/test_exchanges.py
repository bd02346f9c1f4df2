"""Events to exchanges and full queues: what a broker's refusal proves, and what it does not (promises 2 and 3)."""
import json

import pytest

from support import configs
from support.amqp import Amqp
from support.places import free_port
from support.raw_http import request
from support.waiting import wait_until

DESTINATIONS = {
    "/topic": 'exchange = "ex.topic"; routing_key = "orders.placed"',
    "/nobody": 'exchange = "ex.topic"; routing_key = "nobody.binds.this"',
    "/everyone": 'exchange = "ex.fanout"; routing_key = ""',
    "/missing": 'exchange = "ex.missing"; routing_key = "x"',
    "/full": 'queue = "ex.full"',
    "/work": 'queue = "ex.work"',
}


@pytest.fixture(scope="module")
def amqp(rabbit):
    with Amqp(rabbit) as amqp:
        amqp.channel.exchange_declare("ex.topic", "topic", durable=True)
        amqp.channel.exchange_declare("ex.fanout", "fanout", durable=True)
        for queue in ("ex.work", "ex.orders", "ex.roomy"):
            amqp.declare(queue)
        amqp.declare("ex.full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
        amqp.publish("ex.full", b"the one that fits")
        amqp.channel.queue_bind("ex.orders", "ex.topic", "orders.*")
        for queue in ("ex.full", "ex.roomy"):
            amqp.channel.queue_bind(queue, "ex.fanout", "")
        yield amqp


@pytest.fixture
def publish(launch, rabbit, amqp):
    """publish(path, body): an event to where the path leads."""
    listen = free_port()
    routes = [configs.route(path[1:], path, "event", "?").replace('event         = { broker = "rabbit"; queue = "?"; }',
                                                                  f'event = {{ broker = "rabbit"; {where}; }}')
              for path, where in DESTINATIONS.items()]
    launch(configs.caller(listen, free_port(), rabbit.url, routes))
    return lambda path, body=b"x": request(listen, "POST", path, body=body)


def problem(answer):
    found = json.loads(answer.body)
    return answer.status, found["reason"], found["executed"]


def test_to_whoever_has_bound_it(publish, amqp, word):
    assert publish("/topic", word.encode()).status == 202
    message = amqp.get("ex.orders")
    assert (message.body, message.exchange, message.routing_key) == (word.encode(), "ex.topic", "orders.placed")


def test_nobody_has_bound_it(publish):
    assert problem(publish("/nobody")) == (502, "unroutable", "no")


def test_a_full_queue_refuses_and_that_is_a_promise(publish, amqp):
    assert problem(publish("/full")) == (503, "broker_refused", "no")
    assert amqp.depth("ex.full") == 1


def test_one_full_queue_of_two_proves_nothing(publish, amqp, word):
    """The other one has it, so a retry would double it."""
    assert problem(publish("/everyone", word.encode())) == (504, "broker_unsure", "unknown")
    wait_until(lambda: amqp.depth("ex.roomy"), 5, "the other queue has it")
    assert [message.body for message in amqp.drain("ex.roomy")] == [word.encode()]


def test_an_exchange_that_is_not_there_harms_no_other(publish, amqp):
    for _ in range(3):
        assert problem(publish("/missing")) == (502, "unroutable", "no")
    assert publish("/work", b"work").status == 202 and amqp.get("ex.work").body == b"work"
    wait_until(lambda: publish("/topic", b"again").status == 202, 5, "other exchanges are reached again")
    amqp.drain("ex.orders")


def test_a_queue_that_does_not_confirm_takes_no_other_along(launch, rabbit, amqp):
    """Its process stands still; the window is small, and what goes elsewhere is several times as much."""
    listen = free_port()
    routes = [configs.route(name, f"/{name}", "event", f"ex.{name}", "1s") for name in ("stuck", "work")]
    launch(configs.caller(listen, free_port(), rabbit.url, routes).replace('"amqp";', '"amqp"; window = 8;'))
    amqp.declare("ex.stuck")
    stand = "{ok, Queue} = rabbit_amqqueue:lookup(rabbit_misc:r(<<\"/\">>, queue, <<\"ex.stuck\">>)), " \
            "sys:%s(amqqueue:get_pid(Queue))."
    rabbit.ctl("eval", stand % "suspend")
    try:
        assert request(listen, "POST", "/stuck", body=b"x").status == 504
        assert problem(request(listen, "POST", "/stuck", body=b"x")) == (503, "broker_blocked", "no")
        assert {request(listen, "POST", "/work", body=b"x").status for _ in range(50)} == {202}
    finally:
        rabbit.ctl("eval", stand % "resume")
    assert len(amqp.drain("ex.work")) == 50
