"""Calls that no route takes: passed on to where they were going, or refused, as the configuration says."""
import json

import pytest

from support import configs
from support.places import free_port
from support.raw_http import RawHttp, request, request_bytes
from support.service import Service
from support.waiting import wait_listening


@pytest.fixture
def elsewhere(folder):
    service = Service("elsewhere", folder).start()
    yield service
    service.stop()


def test_what_no_route_takes_passes(scene, elsewhere, word):
    """… as HTTP_PROXY sends it, and counted."""
    def passed():
        return scene.caller.count("shunt_calls_total", kind="unmatched")
    before = passed()
    answer = request(scene.listen, "POST", f"http://127.0.0.1:{elsewhere.port}/{word}?q=1",
                     [("Host", f"127.0.0.1:{elsewhere.port}")], b"body")
    assert (answer.status, answer.body) == (200, b"body")
    received, = elsewhere.received()
    assert received.target == f"/{word}?q=1" and received.values("host") == [f"127.0.0.1:{elsewhere.port}"]
    assert passed() == before + 1


def test_by_its_host_alone(scene, elsewhere, word):
    answer = request(scene.listen, "GET", f"/{word}", [("Host", f"127.0.0.1:{elsewhere.port}")])
    assert answer.status == 200 and elsewhere.received(f"/{word}")


def test_a_name_that_does_not_resolve(scene):
    answer = request(scene.listen, "GET", "http://no.such.name.invalid/x", [("Host", "no.such.name.invalid")])
    assert answer.status == 502 and json.loads(answer.body)["executed"] == "no"


def test_refused_where_that_is_written(launch, elsewhere):
    listen = free_port()
    config = configs.caller(listen, elsewhere.port, f"amqp://127.0.0.1:{free_port()}/",
                            [configs.route("sync", "/sync/*", "sync", "q")])
    launch(config.replace('grace = "8s";', 'grace = "8s"; unmatched = "refuse";'), ready=False)
    wait_listening(listen)
    answer = request(listen, "POST", "/elsewhere", body=b"x")
    assert answer.status == 404 and json.loads(answer.body)["reason"] == "no_route"
    assert request(listen, "POST", "/sync/x", body=b"x").status == 200


@pytest.mark.parametrize("port", ["80", "22", "", "0", "65536"])
def test_tunnels_lead_to_port_443_only(scene, port):
    with RawHttp(scene.listen) as client:
        target = f"192.0.2.1:{port}"
        client.send(request_bytes("CONNECT", target, [("Host", target)]))
        assert client.read("CONNECT").status in (400, 403)
