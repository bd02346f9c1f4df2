"""More than one worker: the same promises, whichever of them has the connection, the reply or the message."""
import pytest

from support.world import World


@pytest.fixture(scope="module")
def crowd(rabbit):
    """Both sidecars with three workers each."""
    world = World("workers", rabbit)
    for sidecar in (world.caller, world.callee):
        sidecar.write(sidecar.config.replace('grace = "8s";', 'workers = 3; grace = "8s";'))
    with world:
        yield world


@pytest.mark.short
@pytest.mark.parametrize("style, status", [("sync", 200), ("request_reply", 200), ("event", 202)])
def test_everyone_is_answered(crowd, style, status):
    outcomes = crowd.load(style, 600, connections=30).finish()
    assert {outcome.status for outcome in outcomes} == {status}
    assert status == 202 or all(outcome.body == outcome.question for outcome in outcomes)
    received = crowd.service.wait_for(f"/{style}/load", 600)
    assert sorted(request.body for request in received) == sorted(outcome.question for outcome in outcomes)


@pytest.mark.short
def test_reloads_reach_all_of_them(crowd):
    loads = [crowd.load(style, 600, rate=200, connections=30) for style in ("sync", "request_reply")]
    for sidecar in (crowd.caller, crowd.callee) * 3:
        sidecar.reload(sidecar.config)
    for load in loads:
        assert {outcome.status for outcome in load.finish()} == {200}


def test_concurrency_is_the_process_s(crowd):
    """Eight at a time, whatever the number of workers."""
    config = crowd.callee.config
    crowd.callee.reload(config.replace("concurrency = 32", "concurrency = 8"))
    crowd.service.behave({"path": "/event/slow", "answer": {"delay": 0.2}})
    for number in range(40):
        assert crowd.call("event", f"slow/{number}").status == 202
    events = []
    for request in crowd.service.wait_for("/event/slow", 40):
        events += [(request.time, 1), (request.time + 0.2, -1)]
    crowd.service.behave()
    crowd.callee.reload(config)
    under_way = [sum(change for _, change in sorted(events)[:count + 1]) for count in range(len(events))]
    assert 4 <= max(under_way) <= 8


@pytest.mark.short
def test_all_of_them_drain(crowd):
    before = len(crowd.service.received("/event/load"))
    loads = [crowd.load(style, 200, rate=200, connections=30) for style in ("sync", "request_reply", "event")]
    crowd.service.wait_for("/event/load", before + 100)
    crowd.callee.terminate()
    crowd.callee.wait_end()
    crowd.callee.start()
    for load, status in zip(loads, (200, 200, 202)):
        assert {outcome.status for outcome in load.finish()} == {status}
