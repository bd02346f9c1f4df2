"""Whoever is slow or greedy costs little, and others nothing: what is held has a bound whatever the number of calls, at
each cap new work gets its 503 at once while what is under way goes on, and who takes nothing for too long is cut.

What is held is told by the program itself (`shunt_held_bytes`), since a sanitizer's resident memory says nothing."""
import concurrent.futures
import contextlib
import json
import re
import resource
import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from support import h2_frames as h2
from support.bodies import PIECE, Bodies
from support.faults import SOAK
from support.h2_frames import H2Frames
from support.places import free_port
from support.raw_http import RawHttp, request, request_bytes
from support.shunt import shunt
from support.waiting import wait_until

CONFIG = """
service = "orders"; log = { format = "json"; }; admin = { address = "127.0.0.1:@ADMIN@"; }; %(more)s
listeners = ( { name = "outbound"; address = "127.0.0.1:%(listen)s"; host = "inventory"; } );
upstreams = ( { name = "inventory"; endpoints = ( "127.0.0.1:%(service)s" ); } );
routes    = ( { name = "all"; style = "sync"; timeout = "300s"; sync = { upstream = "inventory"; }; } );
"""
ENDLESS, MB = 32 << 20, 1 << 20
GET = [(":method", "GET"), (":scheme", "http"), (":authority", "inventory"), (":path", "/x")]
WIDE = struct.pack(">I", (1 << 31) - 65536)
HALF_A_HEAD = b"GET /x HTTP/1.1\r\nHost: inventory\r\nX-Half: "


def post(length):
    return [(":method", "POST"), *GET[1:], ("content-length", str(length))]


@pytest.fixture
def beside(launch):
    """beside(a service, further settings): the sidecar before it, and the port of its listener."""
    def start(service, more=""):
        listen = free_port()
        return launch(CONFIG % {"listen": listen, "service": service.port, "more": more}), listen
    return start


@pytest.fixture
def connect():
    """connect(port): a connection of HTTP/2 whose own window never ends; of the streams' windows, nothing is given."""
    with contextlib.ExitStack() as opened:
        def to(port):
            client = opened.enter_context(H2Frames(port))
            opened.callback(client.hang_up)
            client.send(h2.frame(h2.WINDOW_UPDATE, payload=WIDE))
            return client
        yield to


def held(sidecar):
    return sidecar.count("shunt_held_bytes")


def settled(value):
    """What `value` says once it says the same for a while."""
    said = [value()]

    def is_steady():
        said.append(value())
        return len(said) > 10 and len(set(said[-10:])) == 1
    wait_until(is_steady, 60, lambda: f"it comes to rest: {said[-10:]}", every=0.05)
    return said[-1]


def length_of(client, stream):
    """Of a body, whatever else comes."""
    length, ended = 0, False
    while not ended:
        kind, flags, whose, payload = client.read_frame()
        length += len(payload) if (kind, whose) == (h2.DATA, stream) else 0
        ended = whose == stream and bool(flags & h2.END_STREAM)
    return length


# ---- what is held

def test_streams_that_nobody_reads_share_one_budget(beside, connect):
    """The hundred and first is not stalled by the hundred before it."""
    with Bodies(ENDLESS) as service:
        sidecar, listen = beside(service, "limits = { streams = 200; };")
        client = connect(listen)
        for number in range(100):
            client.ask(GET, 2 * number + 1)
        settled(lambda: service.sent)
        assert 100 * 4096 < held(sidecar) < 6 * MB
        client.ask(GET, 201)
        client.send(h2.frame(h2.WINDOW_UPDATE, stream=201, payload=WIDE))
        assert length_of(client, 201) == ENDLESS
        assert held(sidecar) < 6 * MB


@pytest.mark.parametrize("streams", [1, 100])
def test_uploads_that_nobody_reads_share_one_budget(beside, connect, streams):
    with Bodies(0, pace=1) as service:
        sidecar, listen = beside(service)
        client, sent = connect(listen), [0]
        room = {2 * number + 1: 32768 for number in range(streams)}
        for stream in room:
            client.ask(post(ENDLESS), stream, h2.END_HEADERS)

        def send():
            with contextlib.suppress(OSError, TypeError):
                while True:
                    for stream in room:
                        while room[stream] > 0:
                            piece = PIECE[:min(16384, room[stream])]
                            client.send(h2.frame(h2.DATA, 0, stream, piece))
                            room[stream], sent[0] = room[stream] - len(piece), sent[0] + len(piece)
                    kind, _, stream, payload = client.read_frame()
                    if kind == h2.WINDOW_UPDATE and stream:
                        room[stream] += int.from_bytes(payload, "big")
        threading.Thread(target=send, daemon=True).start()
        settled(lambda: sent[0])
        assert streams * 4096 < held(sidecar) < 10 * MB
        assert sent[0] >= streams * 32768


def test_connections_that_nobody_reads_share_the_budget(beside):
    """Without it, they held up to half a megabyte each."""
    count = 400 if SOAK else 60
    with Bodies(ENDLESS) as service, contextlib.ExitStack() as clients:
        sidecar, listen = beside(service, 'limits = { memory = "4MB"; };')
        for _ in range(count):
            client = clients.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", listen))
            client.sendall(request_bytes("GET", "/x"))
        settled(lambda: service.sent)
        assert held(sidecar) < 4 * MB + count * 32768


def test_half_a_head_costs_little(beside):
    count = 10000 if SOAK else 200
    with Bodies(1) as service, contextlib.ExitStack() as clients:
        sidecar, listen = beside(service, "limits = { connections = 20000; };")
        before = held(sidecar)
        for _ in range(count):
            clients.enter_context(RawHttp(listen)).send(HALF_A_HEAD)
        wait_until(lambda: sidecar.count("shunt_connections") >= count, 60, "all are there")
        assert all(request(listen, "GET", "/x").status == 200 for _ in range(100))
        assert held(sidecar) - before <= count * 4.9 * 1024


# ---- at the cap

def fill(sidecar, listen, clients):
    """Halves of heads, 60 KB each, until there is room for no more; what one more is told."""
    for _ in range(17):
        clients.enter_context(RawHttp(listen)).send(HALF_A_HEAD + b"x" * 60000)
    wait_until(lambda: held(sidecar) >= MB, 8, "it is full")
    late = clients.enter_context(RawHttp(listen))
    late.send(HALF_A_HEAD)
    return late.read()


def refusal(answer):
    assert int(answer.first("retry-after")) > 0
    problem = json.loads(answer.body)
    return answer.status, problem["reason"], problem["executed"]


def test_at_the_cap_of_memory_new_calls_are_refused(beside, connect):
    refused = (503, "memory_full", "no")
    with Bodies(4 * MB) as service, contextlib.ExitStack() as clients:
        sidecar, listen = beside(service, 'limits = { memory = "1MB"; };')
        under_way, other = clients.enter_context(RawHttp(listen)), connect(listen)
        under_way.send(b"POST /x HTTP/1.1\r\nHost: inventory\r\nContent-Length: 300000\r\n\r\n" + b"x" * 100000)
        wait_until(lambda: service.taken >= 65536, 20, "a call is under way")
        assert refusal(fill(sidecar, listen, clients)) == refused
        began = time.monotonic()
        assert refusal(request(listen, "GET", "/x")) == refused and time.monotonic() - began < 2
        other.ask(GET)
        assert (answer := other.outcome()).status == 503 and b'"memory_full"' in answer.body
        assert shunt("health", "-c", sidecar.file).returncode == 0 and sidecar.is_ready()
        under_way.send(b"x" * 200000)
        assert under_way.read().status == 200
        assert sidecar.count("shunt_call_failures_total", reason="memory_full") >= 3
    wait_until(lambda: held(sidecar) < 65536, 20, "all is given back")


GRAPHQL = '''{ name = "placing"; match = { graphql = { type = "mutation"; }; }; max_body = "8MB"; style = "sync";
                                sync = { upstream = "inventory"; }; }, '''


def test_bodies_that_decide_the_route_are_not_collected_beyond_it(launch):
    """Nobody reads them yet, so that nothing but the cap bounds them."""
    listen = free_port()
    with Bodies(1) as service, contextlib.ExitStack() as clients:
        config = CONFIG.replace("routes    = ( ", "routes    = ( " + GRAPHQL)
        sidecar = launch(config % {"listen": listen, "service": service.port, "more": 'limits = { memory = "1MB"; };'})
        callers = [clients.enter_context(RawHttp(listen)) for _ in range(6)]
        for caller in callers:
            caller.send(b"POST /x HTTP/1.1\r\nHost: inventory\r\nContent-Type: application/json\r\n"
                        b"Content-Length: 700000\r\n\r\n")
        wait_until(lambda: sidecar.count("shunt_calls_in_flight") >= 6, 20, "all are under way")
        for caller in callers:
            caller.send(b" " * 400000)
        wait_until(lambda: failures(sidecar, "memory_full") >= 2, 20, "some are refused")
        assert held(sidecar) < 3 * MB
        assert {refusal(caller.read()) for caller in callers[-1:]} == {(503, "memory_full", "no")}
    wait_until(lambda: held(sidecar) < 65536, 20, "all is given back")


def test_what_a_broker_was_given_counts_until_its_call_ends(scene, word):
    """Long after the broker has all of it; the plugin's own copy has its own bound, `window_bytes`."""
    scene.service.behave({"path": f"/request_reply/{word}", "answer": {"delay": 2}})
    with concurrent.futures.ThreadPoolExecutor(4) as callers:
        calls = [callers.submit(scene.call, "request_reply", word, body=b"x" * MB) for _ in range(4)]
        assert scene.service.wait_for(f"/request_reply/{word}", 4) and not any(call.done() for call in calls)
        assert held(scene.caller) >= 4 * MB
        assert {call.result().status for call in calls} == {200}
    wait_until(lambda: held(scene.caller) < 65536, 20, "all is given back")


def test_at_the_cap_halves_of_heads_end_their_connections(beside, connect):
    """By HTTP/2, where an answer would have to wait for the other half."""
    with Bodies(1) as service:
        sidecar, listen = beside(service, 'limits = { memory = "1MB"; };')
        half = h2.frame(h2.HEADERS, h2.END_STREAM, 1, h2.block(GET)) + b"".join(
            h2.frame(h2.CONTINUATION, 0, 1, h2.block([(f"x-{number}", "x" * 15000)])) for number in range(4))
        clients = [connect(listen) for _ in range(18)]
        for client in clients:
            client.send(half)
        wait_until(lambda: sidecar.count("shunt_events_total", event="memory_full") >= 1, 8, "one is too many")
        assert held(sidecar) < 1.2 * MB
        for client in clients:
            client.hang_up()
        wait_until(lambda: held(sidecar) < 65536, 20, "all is given back")
        assert request(listen, "GET", "/x").status == 200


def test_at_the_cap_of_connections_health_is_still_told(beside):
    with Bodies(1) as service, contextlib.ExitStack() as clients:
        sidecar, listen = beside(service, "limits = { connections = 3; };")
        held_open = [clients.enter_context(RawHttp(listen)) for _ in range(3)]
        wait_until(lambda: sidecar.count("shunt_connections") >= 3, 20, "all are there")
        assert refusal(request(listen, "GET", "/x")) == (503, "callers_full", "no")
        assert shunt("health", "-c", sidecar.file).returncode == 0 and sidecar.is_ready()
        assert sidecar.count("shunt_events_total", event="callers_full") == 1
        for client in held_open:
            client.send(request_bytes("GET", "/x"))
            assert client.read().status == 200


def test_when_descriptors_are_few_health_is_still_told(beside):
    with Bodies(1) as service, contextlib.ExitStack() as clients:
        sidecar, listen = beside(service)
        resource.prlimit(sidecar.process.pid, resource.RLIMIT_NOFILE, (200, 200))
        sidecar.reload(sidecar.config)
        for _ in range(150):
            clients.enter_context(RawHttp(listen)).send(HALF_A_HEAD)
        wait_until(lambda: sidecar.count("shunt_connections") >= 150, 20, "all are there")
        assert refusal(request(listen, "GET", "/x")) == (503, "callers_full", "no")
        assert shunt("health", "-c", sidecar.file).returncode == 0 and sidecar.is_ready()


def test_many_calls_at_a_time(beside):
    """More than there may be connections to the service: the rest waits in line, and none fails."""
    count = 1000 if SOAK else 300
    with Bodies(1024) as service, contextlib.ExitStack() as clients:
        _, listen = beside(service)
        callers = [clients.enter_context(RawHttp(listen)) for _ in range(count)]
        for caller in callers:
            caller.send(request_bytes("GET", "/x"))
        assert {caller.read().status for caller in callers} == {200}


# ---- who takes nothing

CUT = 'timeouts = { body = "600ms"; };'


def failures(sidecar, reason):
    return sidecar.count("shunt_call_failures_total", reason=reason)


def test_a_reader_that_takes_nothing_is_cut(beside, connect):
    with Bodies(ENDLESS) as service:
        sidecar, listen = beside(service, CUT)
        with socket.create_connection(("127.0.0.1", listen)) as client:
            client.sendall(request_bytes("GET", "/x"))
            wait_until(lambda: failures(sidecar, "answer_not_read") == 1, 20, "it is cut")
        client = connect(listen)
        client.ask(GET)
        assert client.outcome().reset is not None
        assert failures(sidecar, "answer_not_read") == 2
        assert sidecar.count("shunt_events_total", event="answer_not_read") == 2
        wait_until(lambda: sum(line.get("reason") == "answer_not_read" for line in sidecar.log()) == 2, 20, "lines")


def test_a_reader_that_takes_little_is_not(beside):
    """The kernel's buffers hide it: seen from here, nothing moves for seconds."""
    with Bodies(ENDLESS) as service:
        sidecar, listen = beside(service, 'timeouts = { body = "3s"; };')
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
            client.connect(("127.0.0.1", listen))
            client.sendall(request_bytes("GET", "/x"))
            until = time.monotonic() + 7
            while time.monotonic() < until:
                assert client.recv(4096)
                time.sleep(0.05)
        assert failures(sidecar, "answer_not_read") == 0


def test_silence_after_the_answer_has_begun_is_no_slow_body(launch):
    """Both sides of a dialogue may think for as long as the call's own time allows."""
    listen = free_port()
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        sidecar = launch(CONFIG % {"listen": listen, "service": upstream.getsockname()[1], "more": CUT})
        with RawHttp(listen) as client:
            client.send(b"POST /x HTTP/1.1\r\nHost: inventory\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            with upstream.accept()[0] as service:
                service.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n")
                time.sleep(1.5)  # more than twice the limit that must not cut it
                client.send(b"0\r\n\r\n")
                service.sendall(b"0\r\n\r\n")
                assert client.read().body == b"b"
        assert failures(sidecar, "body_timeout") == 0


# ---- resident memory, which only the release build tells

def resident(sidecar):
    status = Path("/proc", str(sidecar.process.pid), "status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024


class Watch:
    """How much the resident memory grows while it lasts."""

    def __init__(self, sidecar):
        self._sidecar, self._over = sidecar, threading.Event()

    def __enter__(self):
        self._before = self._most = resident(self._sidecar)
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self):
        while not self._over.wait(0.02):
            self._most = max(self._most, resident(self._sidecar))

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self.growth = self._most - self._before


@pytest.mark.soak
def test_500_mb_each_way_grow_by_less_than_2(beside):
    size, pace = 500 * MB, 50 * MB
    with Bodies(size, pace) as service:
        sidecar, listen = beside(service)
        with Watch(sidecar) as up, RawHttp(listen, seconds=60) as client:
            client.send(b"POST /x HTTP/1.1\r\nHost: inventory\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(size // len(PIECE)):
                client.send(PIECE)
            assert client.read().status == 200
        with Watch(sidecar) as down, socket.create_connection(("127.0.0.1", listen)) as client:
            client.sendall(request_bytes("GET", "/x"))
            got = 0
            while got < size:
                got += len(client.recv(1 << 18))
                time.sleep((1 << 18) / pace / 4)
        assert up.growth <= 2 * MB and down.growth <= 2 * MB


@pytest.mark.soak
def test_streams_that_are_over_leave_nothing(beside):
    with Bodies(1) as service, contextlib.ExitStack() as opened:
        sidecar, listen = beside(service)
        clients = [opened.enter_context(H2Frames(listen)) for _ in range(100)]

        def ask_each(streams):
            for stream in streams:
                for client in clients:
                    client.ask(GET, stream)
                assert all(client.outcome(stream).status == 200 for client in clients)
        ask_each(range(1, 21, 2))
        with Watch(sidecar) as later:
            ask_each(range(21, 221, 2))
        assert later.growth <= len(clients) * 8192
