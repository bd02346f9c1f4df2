"""Many callers at once, answered in any order: everyone gets their own answer."""
import json
import random

import pytest

from support.faults import SOAK
from support.raw_http import RawHttp, request_bytes

CALLS = 100_000 if SOAK else 4_000


def slow_by_chance(number):
    delay = random.Random(number).choice([0, 0, 0.001, 0.005, 0.02])
    return f"X-Answer: {json.dumps({'delay': delay})}\r\nX-Number: {number}\r\n"


@pytest.mark.limit(1800 if SOAK else 180)
@pytest.mark.parametrize("style", ["sync", "request_reply"])
def test_everyone_gets_their_own_answer(scene, style):
    load = scene.load(style, CALLS, connections=64, headers=slow_by_chance)
    outcomes = load.finish(1700)
    assert {outcome.status for outcome in outcomes} == {200}
    assert all(outcome.body == outcome.question for outcome in outcomes)
    assert len({outcome.headers["shunt-message-id"] for outcome in outcomes}) == CALLS


@pytest.mark.short
def test_sixty_four_callers_for_a_moment(scene):
    outcomes = scene.load("request_reply", 640, connections=64, headers=slow_by_chance).finish(100)
    assert {outcome.status for outcome in outcomes} == {200}
    assert all(outcome.body == outcome.question for outcome in outcomes)


def test_pipelined_requests_are_answered_in_order(scene, word):
    delays = [0.2, 0, 0.1, 0, 0.05]
    with RawHttp(scene.listen) as client:
        client.send(b"".join(
            request_bytes("POST", f"/{style}/{word}", [("X-Answer", json.dumps({"delay": delay}))], b"%d" % number)
            for number, (style, delay) in enumerate(zip(["sync", "request_reply"] * 3, delays))))
        assert [client.read().body for _ in delays] == [b"%d" % number for number in range(len(delays))]
