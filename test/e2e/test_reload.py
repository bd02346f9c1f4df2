"""SIGHUP: the one word changes under load and no call fails; a broken file changes nothing."""
import signal
import socket

import pytest

from support.places import free_port
from support.raw_http import request
from support.reckoning import reason_of
from support.waiting import is_listening, wait_until


@pytest.fixture
def restored(scene):
    before = scene.caller.config
    yield scene
    scene.caller.reload(before)


def styled(config, path, style):
    """The config with the one word changed in the route of a path."""
    head, found, rest = config.partition(f'path = "{path}"')
    assert found
    before, word, after = rest.partition('style = "')
    return head + found + before + word + style + '"' + after.partition('"')[2]


def carried_by_broker(scene, path):
    """Whether the service got its last call there through a subscription, which tells its attempts."""
    assert scene.call(path, "which").status in (200, 202)
    return bool(scene.service.wait_for(f"/{path}/which")[-1].values("shunt-attempt"))


@pytest.mark.short
def test_the_one_word_under_load(restored):
    scene, config = restored, restored.caller.config
    load = scene.load("sync", 3000, rate=400, connections=32)
    for style in ["request_reply", "sync", "request_reply"]:
        scene.caller.reload(styled(config, "/sync/*", style))
        assert carried_by_broker(scene, "sync") == (style != "sync")
    outcomes = load.finish()
    assert {outcome.status for outcome in outcomes} == {200}
    assert all(outcome.body == outcome.question for outcome in outcomes)


def test_to_an_event_and_back(restored, word):
    scene, config = restored, restored.caller.config
    scene.caller.reload(styled(config, "/sync/*", "event"))
    assert scene.call("sync", word).status == 202
    scene.caller.reload(config)
    assert scene.call("sync", word).status == 200


@pytest.mark.parametrize("broken", ["", "routes = (", "style = 1;", None], ids=["empty", "cut", "wrong", "one-word"])
def test_a_broken_config_changes_nothing(restored, broken):
    scene, config = restored, restored.caller.config
    said = len(scene.caller.stderr())
    scene.caller.reload_refused(styled(config, "/sync/*", "smoke-signals") if broken is None else broken)
    assert scene.caller.file.name in scene.caller.stderr()[said:]
    assert scene.works("sync", 200) and scene.works("request_reply", 200) and scene.works("event", 202)
    scene.caller.check_alive()


def test_reloading_the_callee_under_load(scene):
    load = scene.load("request_reply", 1500, rate=300, connections=32)
    config = scene.callee.config
    for concurrency in (8, 64, 32):
        scene.callee.reload(config.replace("concurrency = 32", f"concurrency = {concurrency}"))
        done = load.done
        wait_until(lambda: load.done > done + 200, 20, "calls go on")
    assert {outcome.status for outcome in load.finish()} == {200}


def test_another_way_to_the_broker_under_load(restored):
    """New connections are there before the first call takes them, and the old ones go after the last."""
    scene, before = restored, restored.callee.config
    loads = [scene.load(style, 1200, rate=300, connections=32) for style in ("sync", "request_reply", "event")]
    for sidecar in (scene.caller, scene.callee):
        config = sidecar.config
        sidecar.reload(config.replace(scene.rabbit.url, f"{scene.rabbit.url}%2f"))
        sidecar.reload(config)
    assert scene.callee.config == before
    for load, status in zip(loads, (200, 200, 202)):
        assert {outcome.status for outcome in load.finish()} == {status}
    scene.wait_idle()
    assert len(scene.service.received("/event/load")) >= 1200


def with_listener(config, port):
    """The config with a second listener."""
    listener = f'{{ name = "second"; address = "127.0.0.1:{port}"; host = "inventory"; }}'
    return config.replace("listeners = (", f"listeners = ( {listener},")


def test_listeners_come_and_go(restored):
    scene, config, second = restored, restored.caller.config, free_port()
    load = scene.load("sync", 600, rate=300, connections=16)
    scene.caller.reload(with_listener(config, second))
    assert request(second, "POST", "/sync/second", body=b"x").status == 200
    scene.caller.reload(config)
    wait_until(lambda: not is_listening(second), 5, "the second listener is gone")
    assert {outcome.status for outcome in load.finish()} == {200}


def test_a_listener_that_comes_back_before_it_is_gone(restored):
    """A worker that waits for a broker of the config between has not closed it yet; the next reload waits for that."""
    scene, config, second = restored, restored.caller.config, free_port()
    scene.caller.reload(with_listener(config, second))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"amqp://127.0.0.1:{silent.getsockname()[1]}/"
        broker = f'{{ name = "silent"; plugin = "amqp"; url = "{url}"; }}'
        between = config.replace("brokers   = (", f"brokers = ( {broker},")
        before = scene.caller.count("shunt_config_generation")
        scene.caller.write(between)
        scene.caller.process.signal(signal.SIGHUP)
        wait_until(lambda: scene.caller.count("shunt_config_generation") > before, 10, "the config between is taken")
        scene.caller.reload(with_listener(config, second))
    assert request(second, "POST", "/sync/second", body=b"x").status == 200


def test_a_reload_does_not_start_attempts_anew(scene, word):
    """An event that waits for its next attempt goes on where it was while other things change."""
    config = scene.callee.config
    scene.service.behave({"path": f"/event/{word}", "answer": {"status": 503}})
    assert scene.call("event", word).status == 202
    for attempts, calls_at_once in ((1, 16), (2, 8), (3, 32)):
        scene.service.wait_for(f"/event/{word}", attempts)
        scene.callee.reload(config.replace("concurrency = 32", f"concurrency = {calls_at_once}", 1))
    letter, = scene.wait_dead(scene.events_queue)
    received = scene.service.received(f"/event/{word}")
    assert [request.values("shunt-attempt") for request in received] == [[str(number)] for number in range(1, 6)]
    assert reason_of(letter) == "attempts_exhausted" and scene.callee.config == config


def test_a_subscription_moves_to_another_queue(scene):
    config = scene.callee.config
    with scene.amqp() as amqp:
        scene.callee.reload(config.replace(f'"{scene.events_queue}"', '"scene.moved"'))
        wait_until(lambda: amqp.consumers("scene.moved") == 1, 5, "it consumes there")
        wait_until(lambda: amqp.consumers(scene.events_queue) == 0, 5, "and here no more")
    scene.callee.reload(config)
    assert scene.works("event", 202) and scene.works("request_reply", 200)


def test_many_reloads(restored):
    scene = restored
    load = scene.load("sync", 2000, rate=400, connections=16)
    while load.is_alive():
        scene.caller.reload(scene.caller.config)
    assert {outcome.status for outcome in load.finish()} == {200}
