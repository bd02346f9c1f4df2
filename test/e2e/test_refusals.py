"""Every refusal says whether it happened, and is what promises say it is."""
import json
import time

import pytest

from support import configs
from support.places import free_port
from support.raw_http import RawHttp, request, request_bytes
from support.service import Service
from support.waiting import wait_listening


def assert_refusal(answer, status, executed, reason=None):
    assert answer.status == status, answer
    assert answer.first("content-type") == "application/problem+json" and answer.first("proxy-status")
    problem = json.loads(answer.body)
    assert problem["executed"] == executed and problem["message_id"] == answer.first("shunt-message-id")
    assert reason in (None, problem["reason"])
    assert status != 503 or int(answer.first("retry-after")) > 0


@pytest.mark.short
@pytest.mark.parametrize("kind", ["event", "call"])
def test_no_queue_is_502_and_did_not_happen(scene, kind):
    assert_refusal(scene.call(f"nowhere/{kind}"), 502, "no", "unroutable")


@pytest.mark.short
def test_the_deadline_is_504_and_unknown(scene, word):
    began = time.monotonic()
    answer = scene.call("brief", word, headers=[("X-Answer", '{"delay": 3}')])
    assert_refusal(answer, 504, "unknown", "timeout")
    assert 0.9 < time.monotonic() - began < 2


@pytest.fixture
def offline(launch, folder):
    """A caller whose broker is not there; yields the port of its listener, and the service behind `sync`."""
    service, listen = Service("inventory", folder).start(), free_port()
    routes = [configs.route(style, f"/{style}/*", style, "nothing") for style in configs.STYLES]
    broker = f"amqp://guest:guest@127.0.0.1:{free_port()}/"
    yield launch(configs.caller(listen, service.port, broker, routes), ready=False), listen
    service.stop()


@pytest.mark.parametrize("style", ["event", "request_reply"])
def test_no_broker_is_503_at_once(offline, style):
    sidecar, listen = offline
    wait_listening(listen)
    began = time.monotonic()
    assert_refusal(request(listen, "POST", f"/{style}/x"), 503, "no", "broker_down")
    assert time.monotonic() - began < 2.5
    assert request(listen, "POST", "/sync/x", body=b"still").body == b"still"
    assert "rabbit" in sidecar.admin_says("/healthz/ready")


def test_an_upstream_that_is_not_there(launch):
    listen = free_port()
    launch(configs.caller(listen, free_port(), f"amqp://127.0.0.1:{free_port()}/",
                          [configs.route("sync", "/*", "sync", "q")]), ready=False)
    wait_listening(listen)
    assert_refusal(request(listen, "POST", "/x"), 503, "no", "connection_refused")


def test_an_upstream_that_hangs_up(scene, word):
    answer = scene.call("sync", word, headers=[("X-Answer", '{"close": true}')])
    assert_refusal(answer, 502, "unknown", "connection_lost")


@pytest.mark.parametrize("name_length, value_length", [(300, 10), (10, 200_000), (200, 140_000)])
def test_headers_that_no_message_can_hold(scene, name_length, value_length):
    """… are refused, and everybody else's calls go on over the same connection to the broker."""
    answer = scene.call("request_reply", "large", headers=[("x" * name_length, "v" * value_length)])
    assert_refusal(answer, 431, "no")
    assert scene.works("request_reply", 200)


def test_many_headers_that_do_not_fit_one_frame(scene):
    answer = scene.call("event", "large", headers=[(f"x-{number}", "v" * 1000) for number in range(60)])
    assert answer.status in (202, 431)
    assert scene.works("event", 202)


@pytest.mark.parametrize("style", ["event", "request_reply"])
def test_a_body_over_the_limit(scene, style):
    with RawHttp(scene.listen) as client:
        client.send(request_bytes("POST", f"/{style}/large", [("Content-Length", str(1 << 33))]))
        assert_refusal(client.read(), 413, "no", "body_too_large")


def test_a_reply_over_the_limit_is_small_and_final(scene, word):
    scene.service.behave({"path": f"/request_reply/{word}", "answer": {"body": "x" * (11 << 20)}})
    assert_refusal(scene.call("request_reply", word), 502, "unknown", "reply_too_large")
    assert len(scene.service.received(f"/request_reply/{word}")) == 1


@pytest.mark.parametrize("style", ["event", "request_reply"])
def test_an_upgrade_is_no_message(scene, style):
    with RawHttp(scene.listen) as client:
        client.send(f"POST /{style}/ws HTTP/1.1\r\nHost: inventory\r\nConnection: Upgrade\r\n"
                    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        assert_refusal(client.read(), 501, "no", "upgrade_refused")


@pytest.mark.parametrize("style, status", [("sync", 200), ("event", 202), ("request_reply", 200)])
def test_an_offer_of_http2_is_passed_over(scene, word, style, status):
    """Java's client makes it with every request (RFC 9110 §7.8: it may be ignored)."""
    headers = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")]
    assert scene.call(style, word, "POST", headers, b"x").status == status
    received = scene.service.wait_for(f"/{style}/{word}")[0]
    assert not received.values("upgrade") and not received.values("http2-settings")


@pytest.mark.parametrize("style", ["event", "request_reply"])
def test_a_tunnel_is_no_message(scene, style):
    answer = scene.call(style, "x", "CONNECT")
    assert answer.status in (400, 403, 501)


def test_expect_is_answered_before_the_body(scene, word):
    with RawHttp(scene.listen) as client:
        headers = [("Expect", "100-continue"), ("Content-Length", "4")]
        client.send(request_bytes("POST", f"/request_reply/{word}", headers))
        assert client.read().status == 100
        client.send(b"body")
        assert client.read().body == b"body"


def test_expect_is_refused_before_the_body(scene):
    with RawHttp(scene.listen) as client:
        headers = [("Expect", "100-continue"), ("Content-Length", str(1 << 33))]
        client.send(request_bytes("POST", "/event/large", headers))
        assert_refusal(client.read(), 413, "no")


def test_the_service_down_is_told_to_callers(scene, word):
    scene.service.kill()
    try:
        answer = scene.call("request_reply", word)
        assert answer.status == 503 and json.loads(answer.body)["reason"] == "service_down"
    finally:
        scene.service.start()


def test_a_service_that_hangs_up_is_told_to_callers(scene, word):
    answer = scene.call("request_reply", word, headers=[("X-Answer", '{"close": true}')])
    assert answer.status in (502, 503, 504) and json.loads(answer.body)["executed"] == "unknown"
    assert len(scene.service.received(f"/request_reply/{word}")) == 1
