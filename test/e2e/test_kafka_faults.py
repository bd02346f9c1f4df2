"""The fault matrix over Kafka: numbered events before, during and after each fault, then counted in the topic itself.

The counts are the issue's with SHUNT_SOAK=1. What must hold is said once, in support/reckoning.py for every broker and
in support/kafka_reckoning.py for a topic."""
import re

import pytest

from support.faults import SOAK
from support.kafka_faults import FAULTS, STUCK
from support.kafka_reckoning import check_topic, told
from support.kafka_world import KafkaWorld, taken
from support.reckoning import Books, check_promises
from support.waiting import patient, wait_until

COUNT, PATIENCE = (50_000, 400) if SOAK else (2_000, 90)
DEADLINE = 3
NORMAL = 15


@pytest.fixture
def world(request, breakable_kafka):
    name = request.node.callspec.id if hasattr(request.node, "callspec") else request.node.name.replace("_", "-")
    with KafkaWorld(name, breakable_kafka, relays=True, timeout=f"{DEADLINE}s", delivery_timeout="1500ms") as world:
        yield world


def settle(world, outcomes):
    """What the load left behind, what the service got of it and what stands in the topic, when all is done."""
    books = Books(world, "/event/load", world.topic)
    books.settle(outcomes, PATIENCE)
    records = [record for record in world.records() if record.body.startswith(b"/event/load")]
    account = books.settle(outcomes, PATIENCE, stored={record.body for record in records})
    return account, world.service.received("/event/load"), records


@pytest.mark.limit(1800 if SOAK else 240)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_promises_hold(fault, world):
    load = world.load("event", COUNT, rate=min(COUNT / (fault.seconds + fault.takes + 3), 400), connections=300)
    wait_until(lambda: load.done > COUNT // 10, PATIENCE, "a tenth of the load is through")
    with fault.lasting(world):
        pass
    normal = world.expect_normal(within=patient(NORMAL))
    account, received, records = settle(world, load.finish())
    print(f"normal after {normal:.1f} s; {account.summary()}; {told(received, records)}")
    check_promises(account, DEADLINE)
    check_topic(account, received, records)


def test_one_stuck_key_stops_no_other(world):
    """While the first record of a key fails again and again, those behind it wait, and all other keys are done."""
    world.service.behave({"body": STUCK, "answer": {"status": 500}})
    load = world.load("event", 500, rate=400)
    outcomes = load.finish()
    events = taken(outcomes)
    behind = {event for event in events if re.search(STUCK.encode(), event)}
    wait_until(lambda: events - behind <= set(world.service.bodies("/event/load")), 30, "all other keys are done")
    assert behind - set(world.service.bodies("/event/load"))
    world.service.behave()
    account, received, records = settle(world, outcomes)
    check_promises(account, DEADLINE)
    check_topic(account, received, records)


def test_a_known_outage_is_refused_at_once(world):
    """… within two seconds of its beginning, and by then nothing waits for a timeout."""
    world.kafka.pause()
    try:
        wait_until(lambda: not world.works("event", 202), 5, "the outage is noticed")
        wait_until(lambda: world.call("event", "x").status == 503, 3, "events are refused")
        outcomes = world.load("event", 100, connections=10).finish()
    finally:
        world.kafka.resume()
    assert {(outcome.status, outcome.executed) for outcome in outcomes} == {(503, "no")}
    assert max(outcome.took for outcome in outcomes) < 1
    assert all("retry-after" in outcome.headers for outcome in outcomes)
    world.expect_normal(within=patient(NORMAL))
    assert not [record for record in world.records() if record.body.startswith(b"/event/load")]


@pytest.mark.short
def test_a_broker_that_comes_later(world):
    """Both sidecars start without a broker, and are ready when it is there."""
    world.caller.stop()
    world.callee.stop()
    for relay in world.relays:
        relay.turn("refuse")
    world.callee.start(ready=False)
    world.caller.start(ready=False)
    wait_until(lambda: "kafka" in world.caller.admin_says("/healthz/ready"), 20, "the caller names what is missing")
    for relay in world.relays:
        relay.turn("pass")
    world.caller.wait_ready(patient(NORMAL))
    world.callee.wait_ready(patient(NORMAL))
    world.expect_normal(within=patient(NORMAL))
