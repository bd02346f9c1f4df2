"""HTTP/2 floods (each costs its sender the connection, soon, and nobody else anything), as server and as client."""
import socket
import struct
import threading
import time

import pytest

from support.h2_frames import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, PRIORITY,
                               RST_STREAM, SETTINGS, WINDOW_UPDATE, H2Frames, block, frame)
from support.places import free_port, fresh_folder
from support.raw_http import request
from support.recorder import Recorder
from support.shunt import Shunt
from support.waiting import wait_until

CONFIG = """
service = "caller"; admin = { address = "127.0.0.1:@ADMIN@"; };
listeners = ( { name = "in"; address = "127.0.0.1:%d"; host = "up:80"; } );
upstreams = ( { name = "up"; endpoints = ( "127.0.0.1:%d" ); protocol = "%s"; } );
timeouts = { head = "2s"; body = "2s"; };
routes = ( { name = "up"; style = "sync"; sync = { upstream = "up"; }; timeout = "3s"; } );
"""
GET = [(":method", "GET"), (":scheme", "http"), (":authority", "up"), (":path", "/x")]
POST = [(":method", "POST"), *GET[1:]]
ENHANCE_YOUR_CALM = 11


def resets(number):
    """Asked, and given up at once."""
    stream = 2 * number + 1
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, block(GET)) + frame(RST_STREAM, 0, stream, b"\0\0\0\x08")


def forced_resets(number):
    """Asked, and then so wrong that we must give it up."""
    stream = 2 * number + 1
    return frame(HEADERS, END_HEADERS, stream, block([*POST, ("content-length", "1")])) + frame(DATA, END_STREAM, stream, b"ab")


def continuations(number):
    return frame(CONTINUATION, 0, 1, b"") if number else frame(HEADERS, END_STREAM, 1, block(GET))


def tiny_data(number):
    opening = frame(HEADERS, END_HEADERS, 1, block(POST)) if number == 0 else b""
    return opening + frame(DATA, 0, 1, b"x")


# what is sent over and over, how often at most, and the event that counts it
FLOODS = {
    "resets": (resets, 500, "h2_flood_resets"),
    "forced-resets": (forced_resets, 100, "h2_flood_forced_resets"),
    "continuations": (continuations, 10, None),
    "settings": (lambda _: frame(SETTINGS), 1000, "h2_flood_settings"),
    "pings": (lambda _: frame(PING, payload=b"8 bytes."), 1000, "h2_flood_pings"),
    "priorities": (lambda _: frame(PRIORITY, 0, 1, b"\0\0\0\0\1"), 3000, "h2_flood_priorities"),
    "windows": (lambda _: frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1"), 3000, "h2_flood_windows"),
    "empty-data": (lambda number: tiny_data(number) if number == 0 else frame(DATA, 0, 1), 9000, "h2_flood_data"),
    "tiny-data": (tiny_data, 10000, "h2_flood_data"),
}


@pytest.fixture(scope="module")
def upstream():
    with Recorder() as recorder:
        yield recorder


@pytest.fixture(scope="module")
def sidecar(upstream):
    started = Shunt("floods", fresh_folder("e2e", "floods"), CONFIG % (free_port(), upstream.port, "http1")).start()
    started.listen = int(started.config.split("127.0.0.1:")[2].split('"')[0])
    yield started
    started.stop()


def events(sidecar, event):
    return sidecar.count("shunt_events_total", event=event)


def cut_after(client, make, limit):
    """Sends until the connection is cut, at most twice the limit; how many it took, in hundreds or less."""
    step = max(1, limit // 20)
    reader = threading.Thread(target=client.end, daemon=True)
    reader.start()
    for sent in range(0, 2 * limit, step):
        try:
            client.send(b"".join(make(number) for number in range(sent, sent + step)))
        except OSError:
            return sent
        reader.join(0.02)
        if not reader.is_alive():
            return sent
    reader.join(20)
    return None if reader.is_alive() else 2 * limit


@pytest.mark.parametrize("make, limit, event", FLOODS.values(), ids=FLOODS)
def test_a_flood_ends_its_connection(sidecar, make, limit, event):
    before = events(sidecar, event) if event else 0
    with H2Frames(sidecar.listen) as good, H2Frames(sidecar.listen) as bad:
        taken = cut_after(bad, make, limit)
        assert taken is not None and taken <= 2 * limit
        good.ask(GET)
        assert good.outcome().status == 200
    assert not event or events(sidecar, event) == before + 1


def test_a_block_without_end_is_cut(sidecar):
    """64 KiB of CONTINUATION, in few frames."""
    with H2Frames(sidecar.listen) as client:
        client.send(frame(HEADERS, END_STREAM, 1, block(GET)))
        for _ in range(8):
            client.send(frame(CONTINUATION, 0, 1, block([("x-a", "b" * 15000)])))
        assert client.outcome().gone or client.goaway is not None


def test_a_block_that_stops_half_way_is_cut(sidecar):
    with H2Frames(sidecar.listen, acknowledge=False) as client:
        client.send(frame(HEADERS, END_STREAM, 1, block(GET)))
        assert client.end() == ENHANCE_YOUR_CALM


def test_a_compressed_bomb_is_refused(sidecar):
    """One large field in the table, named a thousand times."""
    big = b"\x40\x01a" + b"\x7f\x81\x1e" + b"b" * 4000 + b"\xbe" * 15000
    with H2Frames(sidecar.listen) as client:
        client.send(frame(HEADERS, END_STREAM, 1, block(GET)) + frame(CONTINUATION, 0, 1, big[:16000]) +
                    frame(CONTINUATION, END_HEADERS, 1, big[16000:]))
        found = client.outcome()
        assert found.status == 431 or found.gone or found.reset, found
    assert request(sidecar.listen, "GET", "/x").status == 200


def test_too_many_fields_are_refused(sidecar):
    with H2Frames(sidecar.listen) as client:
        client.ask(GET + [("x", "y")] * 300)
        assert client.outcome().status == 431


def test_a_window_that_stays_shut_costs_its_stream(sidecar):
    with H2Frames(sidecar.listen, settings=struct.pack(">HI", 4, 0)) as client:
        client.ask(GET)
        found = client.outcome()
        assert found.status == 200 and found.reset is not None


@pytest.mark.parametrize("acknowledged", [False, True])
def test_more_streams_than_allowed_are_refused(sidecar, acknowledged):
    """One by one to a client that may not have known better; one that has said it does loses its connection."""
    before = events(sidecar, "streams_full")
    with H2Frames(sidecar.listen) as client:
        if acknowledged:
            assert client.read_frame()[0] == SETTINGS
        client.send(b"".join(frame(HEADERS, END_HEADERS, 2 * n + 1, block(POST)) for n in range(103)))
        found = client.outcome(205)
        assert found.gone if acknowledged else found.reset == 7
    assert events(sidecar, "streams_full") - before == (1 if acknowledged else 3)


# as a client of a hostile upstream

def raw_upstream(behave):
    """Accepts connections and lets `behave(socket, first stream)` do its worst once a request is there."""
    server = socket.create_server(("127.0.0.1", 0), backlog=64)

    def talk(client):
        with client:
            try:
                data = b""
                client.sendall(frame(SETTINGS))
                while len(data) < len(PREFACE) + 40 or b"\x01" not in data[len(PREFACE):]:
                    data += client.recv(65536)
                behave(client)
                while client.recv(65536):
                    pass
            except OSError:
                pass

    def serve():
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(client,), daemon=True).start()
    threading.Thread(target=serve, daemon=True).start()
    return server


def over_and_over(data, times):
    def behave(client):
        for _ in range(times):
            client.sendall(data)
            time.sleep(0)
    return behave


HOSTILE = {
    "settings": over_and_over(frame(SETTINGS) * 100, 50), "pings": over_and_over(frame(PING, payload=b"8 bytes.") * 100, 50),
    "priorities": over_and_over(frame(PRIORITY, 0, 1, b"\0\0\0\0\1") * 100, 100),
    "windows": over_and_over(frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * 100, 100),
    "push": over_and_over(frame(5, END_HEADERS, 1, b"\0\0\0\2" + block(GET)), 1),
    "bomb": over_and_over(frame(HEADERS, 0, 1, block([(":status", "200")])) + frame(CONTINUATION, 0, 1, b"\x40\x01a\x7f\x81\x1e" +
                          b"b" * 4000 + b"\xbe" * 12000) * 4, 1),
    "interims": over_and_over(frame(HEADERS, END_HEADERS, 1, block([(":status", "103")])), 50),
    "switching": over_and_over(frame(HEADERS, END_HEADERS, 1, block([(":status", "101")])), 1),
    "no-status": over_and_over(frame(HEADERS, END_HEADERS | END_STREAM, 1, block([("x", "y")])), 1),
    "odd-status": over_and_over(frame(HEADERS, END_HEADERS | END_STREAM, 1, block([(":status", "2x0")])), 1),
    "rubbish": over_and_over(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1),
    "reset": over_and_over(frame(RST_STREAM, 0, 1, b"\0\0\0\2"), 1),
    "goaway": over_and_over(frame(GOAWAY, 0, 0, b"\0\0\0\1\0\0\0\2"), 1),
    "crlf": over_and_over(frame(HEADERS, END_HEADERS | END_STREAM, 1, block([(":status", "200"), ("x", "a\r\nb: c")])), 1),
    "upper": over_and_over(frame(HEADERS, END_HEADERS | END_STREAM, 1, block([(":status", "200"), ("X-A", "b")])), 1),
    "coding": over_and_over(frame(HEADERS, END_HEADERS | END_STREAM, 1, block([(":status", "200"),
                                                                              ("transfer-encoding", "chunked")])), 1),
}


@pytest.mark.parametrize("behave", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_upstream_costs_only_its_call(behave, launch):
    server, port = raw_upstream(behave), free_port()
    with server:
        sidecar = launch(CONFIG % (port, server.getsockname()[1], "h2"))
        answer = request(port, "POST", "/x", body=b"hello")
        assert answer.status in (502, 503, 504), answer
        sidecar.check_alive()
        server.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: request(port, "GET", "/x").status in (502, 503), 30, "the upstream is known to be gone")


def test_a_refused_stream_is_sent_again(launch):
    """REFUSED_STREAM says that nothing was done: another connection gets the same call."""
    tries = []

    def behave(client):
        tries.append(client)
        if len(tries) == 1:
            client.sendall(frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\0"))
        else:
            client.sendall(frame(SETTINGS, ACK) + frame(HEADERS, END_HEADERS | END_STREAM, 1, block([(":status", "204")])))
    server, port = raw_upstream(behave), free_port()
    with server:
        launch(CONFIG % (port, server.getsockname()[1], "h2"))
        assert request(port, "GET", "/x").status == 204
        server.shutdown(socket.SHUT_RDWR)
    assert len(tries) == 2
