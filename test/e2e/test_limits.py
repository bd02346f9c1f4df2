"""Each queue filled by hand: full means an answer at once that says which one it was (threats: the unbounded queue)."""
import contextlib
import json
import socket
import time

import pytest

from support import configs
from support.places import free_port
from support.raw_http import RawHttp, request, request_bytes
from support.relay import Relay
from support.waiting import wait_until

ROUTES = [configs.route("sync", "/sync/*", "sync", "limits.q"), configs.route("event", "/event/*", "event", "limits.q")]


@contextlib.contextmanager
def more(sidecar, gauge, count):
    """Waits at its end until what began within it has arrived there."""
    before = sidecar.count(gauge)
    yield
    wait_until(lambda: sidecar.count(gauge) == before + count, 20, f"{count} more of {gauge}")


@pytest.fixture
def limited(launch, rabbit, folder):
    """limited(what the configuration says, in place of what): such a sidecar, the port of its listener, its relay."""
    relay = Relay("relay", folder, rabbit.port).start()

    def start(old, new):
        listen, upstream = free_port(), socket.create_server(("127.0.0.1", 0))
        stack.enter_context(upstream)
        config = configs.caller(listen, upstream.getsockname()[1], relay.amqp_url, ROUTES)
        assert old in config
        return launch(config.replace(old, new)), listen, relay
    with contextlib.ExitStack() as stack:
        yield start
    relay.stop()


def refusal(answer):
    problem = json.loads(answer.body)
    assert answer.status != 503 or int(answer.first("retry-after")) > 0
    return answer.status, problem["reason"], problem["executed"]


def test_connections_of_callers(limited):
    sidecar, listen, _ = limited('grace = "8s";', 'grace = "8s"; limits = { connections = 4; };')
    with contextlib.ExitStack() as stack:
        with more(sidecar, "shunt_connections", 4):
            for _ in range(4):
                stack.enter_context(RawHttp(listen)).send(b"GET /x HTTP/1.1\r\n")
        assert refusal(request(listen, "GET", "/sync/x")) == (503, "callers_full", "no")
    wait_until(lambda: request(listen, "PUT", "/event/x").status != 503, 5, "there is room again")


def test_connections_to_an_upstream(limited):
    few = 'connections = 1; waiting = 1; connect_timeout = "300ms"; endpoints = '
    sidecar, listen, _ = limited("endpoints = ", few)
    with RawHttp(listen) as first:
        with more(sidecar, "shunt_calls_in_flight", 1):
            first.send(request_bytes("POST", "/sync/slow"))
        began = time.monotonic()
        assert refusal(request(listen, "POST", "/sync/x")) == (503, "connections_full", "no")
        assert time.monotonic() - began < 2


def test_messages_that_wait_for_their_confirm(limited, rabbit):
    sidecar, listen, relay = limited('url = "', 'window = 2; url = "')
    relay.turn("black_hole")
    with contextlib.ExitStack() as stack:
        with more(sidecar, "shunt_calls_in_flight", 2):
            for _ in range(2):
                stack.enter_context(RawHttp(listen)).send(request_bytes("POST", "/event/x", body=b"x"))
        assert refusal(request(listen, "POST", "/event/x", body=b"x")) == (503, "broker_full", "no")


def test_what_does_not_come_in_time(limited):
    times = 'timeouts = { head = "300ms"; idle = "500ms"; body = "400ms"; };'
    _, listen, _ = limited('grace = "8s";', f'grace = "8s"; {times}')
    with RawHttp(listen) as client:
        client.send(b"GET /sync/x HTTP/1.1\r\nHost: inv")
        assert refusal(client.read()) == (408, "head_timeout", "no") and client.is_closed()
    with RawHttp(listen) as client:
        client.send(b"POST /event/x HTTP/1.1\r\nHost: inventory\r\nContent-Length: 10\r\n\r\nhalf")
        assert refusal(client.read()) == (408, "body_timeout", "no") and client.is_closed()
    with RawHttp(listen, seconds=5) as client:
        assert client.is_closed()


@pytest.mark.parametrize("head", [
    b"GET /sync/x HTTP/1.1\r\nHost: inventory\r\n" + b"X-A: b\r\n" * 21 + b"\r\n",
    b"GET /sync/x HTTP/1.1\r\nHost: inventory\r\nX-A: " + b"b" * 4096 + b"\r\n\r\n"], ids=["fields", "bytes"])
def test_a_head_that_is_too_large(limited, head):
    _, listen, _ = limited('grace = "8s";', 'grace = "8s"; limits = { head = "4KB"; head_fields = 20; };')
    with RawHttp(listen) as client:
        client.send(head)
        assert refusal(client.read()) == (431, "head_too_large", "no")
