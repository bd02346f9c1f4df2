"""SIGTERM finishes what is under way; a second one does not wait."""
import json
import signal
import time

import pytest

from support.waiting import wait_until
from support.world import World


@pytest.fixture
def world(rabbit, request):
    with World(f"drain-{request.node.name}", rabbit) as world:
        yield world


def begin_slow_calls(world, styles, delay):
    """One call in flight per style, seen by the service."""
    slow = f"X-Answer: {json.dumps({'delay': delay})}\r\n"
    loads = [world.load(style, 8, connections=8, headers=lambda _: slow) for style in styles]
    for style in styles:
        world.service.wait_for(f"/{style}/load", 8)
    return loads


@pytest.mark.short
def test_the_caller_finishes_its_calls(world):
    loads = begin_slow_calls(world, ["sync", "request_reply"], 1)
    world.caller.terminate()
    for load in loads:
        assert {outcome.status for outcome in load.finish()} == {200}
    world.caller.wait_end(expect=0, seconds=10)


def test_the_callee_finishes_its_deliveries(world):
    load, = begin_slow_calls(world, ["request_reply"], 1)
    world.callee.terminate()
    assert {outcome.status for outcome in load.finish()} == {200}
    world.callee.wait_end(expect=0, seconds=10)
    assert len(world.service.received("/request_reply/load")) == 8


def test_events_that_were_not_begun_go_back(world):
    """One at a time and slow: what the leaving callee holds is given back and done by the next one, once each."""
    world.service.behave({"path": "/event/load", "answer": {"delay": 0.2}})
    load = world.load("event", 100)
    world.service.wait_for("/event/load", 10)
    world.callee.stop()
    assert {outcome.status for outcome in load.finish()} == {202}
    world.service.behave()
    world.callee.start()
    world.service.wait_for("/event/load", 100)
    assert len(world.service.received("/event/load")) == 100


def test_attempts_outlive_the_callee(world):
    """A message that was tried says so when it comes again: a rollout gives none that is poison its attempts back."""
    world.service.behave({"path": "/event/load", "answer": {"status": 503, "delay": 0.05}})
    world.load("event", 20).finish()
    for attempts in (1, 3):
        wait_until(lambda: any(int(request.values("shunt-attempt")[0]) >= attempts
                               for request in world.service.received("/event/load")), 20, "it is tried")
        world.callee.stop()
        world.callee.start()
    world.service.wait_for("/event/load", 5 * 20)
    tried = {}
    for request in world.service.received("/event/load"):
        tried.setdefault(request.body, []).append(int(request.values("shunt-attempt")[0]))
    assert len(tried) == 20 and all(attempts == [1, 2, 3, 4, 5] for attempts in tried.values()), tried


def test_a_draining_sidecar_is_not_ready(world):
    begin_slow_calls(world, ["request_reply"], 3)
    world.caller.terminate()
    wait_until(lambda: not world.caller.is_ready(), 2, "it says that it is not ready")
    assert world.caller.process.alive
    world.caller.wait_end(expect=0, seconds=15)


def test_a_second_sigterm_ends_at_once(world):
    world.service.behave({"answer": {"hang": True}})
    load = world.load("request_reply", 4, connections=4)
    world.service.wait_for("/request_reply/load", 4)
    world.caller.terminate()
    wait_until(lambda: not world.caller.is_ready(), 2, "it drains")
    began = time.monotonic()
    world.caller.process.signal(signal.SIGTERM)
    world.caller.wait_end(expect=0, seconds=5)
    assert time.monotonic() - began < 2
    load.finish()


def test_it_does_not_wait_longer_than_the_grace_period(world):
    world.caller.stop()
    world.caller.write(world.caller.config.replace('timeout = "5s"', 'timeout = "60s"').replace('"8s"', '"2s"'))
    world.caller.start()
    world.service.behave({"answer": {"hang": True}})
    load = world.load("sync", 2, connections=2, patience=20)
    world.service.wait_for("/sync/load", 2)
    began = time.monotonic()
    world.caller.terminate()
    world.caller.wait_end(expect=0, seconds=10)
    assert 1 < time.monotonic() - began < 5
    load.finish()


def test_it_drains_without_its_broker(rabbit):
    with World("drain-alone", rabbit, relays=True) as world:
        for relay in world.relays:
            relay.turn("refuse")
        for sidecar in (world.caller, world.callee):
            began = time.monotonic()
            sidecar.terminate()
            sidecar.wait_end(expect=0, seconds=15)
            assert time.monotonic() - began < 4


def test_a_broker_that_says_nothing_does_not_keep_it(rabbit):
    """… for longer than the grace period."""
    with World("drain-mute", rabbit, relays=True) as world:
        world.service.behave({"path": "/event/load", "answer": {"delay": 1}})
        world.load("event", 20)
        world.service.wait_for("/event/load", 5)
        for relay in world.relays:
            relay.turn("black_hole")
        for sidecar in (world.callee, world.caller):
            sidecar.terminate()
            sidecar.wait_end(expect=0, seconds=12)
