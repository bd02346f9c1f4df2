"""The fault matrix: numbered events and numbered calls before, during and after each fault, then counted.

The counts are the issue's with SHUNT_SOAK=1. What must hold is said once, in support/reckoning.py."""
import contextlib

import pytest

from support.faults import FAULTS, SOAK
from support.reckoning import Books, check_promises, reason_of
from support.waiting import wait_until
from support.world import World

COUNT = 20_000 if SOAK else 2_000
DEADLINE = 3


@pytest.fixture
def world(request, breakable):
    name = request.node.callspec.id if hasattr(request.node, "callspec") else request.node.name
    with World(f"fault-{name}", breakable, relays=True, timeout=f"{DEADLINE}s", delivery_timeout="1500ms") as world:
        yield world


def begin_loads(world, seconds):
    """Both loads, spread over a while, at a rate that leaves a small machine room for the fault; returns when a tenth
    is through."""
    rate = min(COUNT / seconds, 200)
    loads = [world.load(style, COUNT, rate=rate, connections=300) for style in ("event", "request_reply")]
    wait_until(lambda: all(load.done > COUNT // 10 for load in loads), 60, "a tenth of the load is through")
    return loads


def settle(world, loads):
    """The accounts of events and calls, when all is done."""
    outcomes = [load.finish() for load in loads]
    events = Books(world, "/event/load", world.events_queue).settle(outcomes[0])
    world.wait_idle()
    calls = Books(world, "/request_reply/load", world.calls_queue).account(outcomes[1])
    print(f"events: {events.summary()}\ncalls: {calls.summary()}")
    return events, calls


@pytest.mark.limit(1200 if SOAK else 240)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_promises_hold(fault, world):
    loads = begin_loads(world, fault.seconds + fault.takes + 5)
    with fault.lasting(world):
        pass
    world.expect_normal(within=10)
    for account in settle(world, loads):
        check_promises(account, DEADLINE)


TOGETHER = [("broker-killed", "callee-killed"), ("memory-alarm", "caller-killed"), ("broker-paused", "service-killed"),
            ("answer-lost", "service-hangs"), ("black-hole", "service-answers-500"),
            ("answer-lost-to-callee", "broker-killed"), ("connection-refused", "poison")]


@pytest.mark.limit(1200 if SOAK else 240)
@pytest.mark.parametrize("names", TOGETHER if SOAK else TOGETHER[:3], ids="+".join)
def test_promises_hold_in_two_faults_at_once(names, world):
    """The second begins in the midst of the first and ends after it."""
    first, second = (next(fault for fault in FAULTS if fault.name == name) for name in names)
    loads = begin_loads(world, first.seconds + first.takes + second.seconds + second.takes + 5)
    with contextlib.ExitStack() as stack:
        with first.lasting(world):
            stack.enter_context(second.lasting(world))
    world.expect_normal(within=10)
    for account in settle(world, loads):
        check_promises(account, DEADLINE)


def test_a_poison_message_burns_only_its_own_attempts(world):
    """What kills the service each time becomes a dead letter after five of them, and all others are delivered."""
    world.service.behave({"body": "poison", "answer": {"crash": True}})
    world.service.keep_up()
    load = world.load("event", 200, rate=50)
    assert world.call("event", "poison", body=b"poison").status == 202
    account = Books(world, "/event/load", world.events_queue).settle(load.finish())
    letter = account.dead.pop(b"poison", None) or world.wait_dead(world.events_queue)[0]
    assert letter.body == b"poison" and reason_of(letter) == "attempts_exhausted" and not account.dead
    assert len(world.service.received("/event/poison")) == 5


@pytest.mark.limit(900 if SOAK else 240)
def test_queue_deleted_while_empty_then_published_to(world):
    """Nobody consumes, the queues are gone: everything is refused. The consumer comes back: all is normal."""
    assert world.works("event", 202)
    world.callee.stop()
    with world.amqp() as amqp:
        for queue in (world.calls_queue, world.events_queue):
            amqp.channel.queue_delete(queue, if_empty=True)
    loads = [world.load(style, COUNT) for style in ("event", "request_reply")]
    for load in loads:
        assert {(outcome.status, outcome.reason, outcome.executed) for outcome in load.finish()} == {
            (502, "unroutable", "no")}
    world.callee.start()
    world.expect_normal(within=10)
    assert not world.service.received("/event/load") and not world.service.received("/request_reply/load")


def test_queue_deleted_under_its_consumer(world):
    """The consumer declares it again by itself."""
    assert world.works("event", 202)
    with world.amqp() as amqp:
        amqp.channel.queue_delete(world.events_queue)
        amqp.channel.queue_delete(world.calls_queue)
    world.expect_normal(within=10)


def test_a_known_outage_is_refused_at_once(world):
    """… within two seconds of its beginning, and by then nothing waits for a timeout."""
    world.rabbit.pause()
    try:
        wait_until(lambda: not world.works("event", 202), 5, "the outage is noticed")
        wait_until(lambda: world.call("event", "x").status == 503, 3, "events are refused")
        outcomes = world.load("event", 100, connections=10).finish()
    finally:
        world.rabbit.resume()
    assert {(outcome.status, outcome.executed) for outcome in outcomes} == {(503, "no")}
    assert max(outcome.took for outcome in outcomes) < 1
    assert all("retry-after" in outcome.headers for outcome in outcomes)
    world.expect_normal(within=10)


def test_a_broker_that_comes_later(world):
    """Both sidecars start without a broker, and are ready when it is there."""
    world.caller.stop()
    world.callee.stop()
    for relay in world.relays:
        relay.turn("refuse")
    world.callee.start(ready=False)
    world.caller.start(ready=False)
    wait_until(lambda: "rabbit" in world.caller.admin_says("/healthz/ready"), 20, "the caller names what is missing")
    for relay in world.relays:
        relay.turn("pass")
    world.caller.wait_ready(10)
    world.callee.wait_ready(10)
    world.expect_normal(within=10)
