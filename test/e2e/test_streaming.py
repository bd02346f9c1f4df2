"""`sync` streams both ways: nobody's slowness is made up for with memory, and nothing waits for the end of a body."""
import socket
import threading
import time

import pytest

from support import configs
from support.places import free_port
from support.raw_http import RawHttp

BOUND = 24 << 20        # the kernel's buffers on both connections, and a window of ours
PIECE = b"x" * 65536


class Flow:
    """Bytes pushed into a socket until it takes no more for a second."""

    def __init__(self, connection):
        self.connection, self.sent = connection, 0
        connection.settimeout(1)

    def push(self, most):
        try:
            while self.sent < most:
                self.sent += self.connection.send(PIECE)
        except TimeoutError:
            pass
        return self.sent


@pytest.fixture
def through(launch, rabbit):
    """(the port of a sidecar, the socket that listens behind it)"""
    listen = free_port()
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        upstream.settimeout(10)
        port = upstream.getsockname()[1]
        launch(configs.caller(listen, port, rabbit.url, [configs.route("sync", "/*", "sync", "q", "30s")]))
        yield listen, upstream


def read_head(connection):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    return head


def test_an_upload_waits_for_its_reader(through):
    listen, upstream = through
    size = 200 << 20
    with socket.create_connection(("127.0.0.1", listen)) as client:
        client.sendall(b"POST /x HTTP/1.1\r\nHost: inventory\r\nContent-Length: %d\r\n\r\n" % size)
        with upstream.accept()[0] as server:
            assert b"content-length: %d" % size in read_head(server).lower()
            assert len(PIECE) < Flow(client).push(size) < BOUND


def test_a_download_waits_for_its_reader(through):
    listen, upstream = through
    size = 200 << 20
    with socket.create_connection(("127.0.0.1", listen)) as client:
        client.sendall(b"GET /x HTTP/1.1\r\nHost: inventory\r\n\r\n")
        with upstream.accept()[0] as server:
            read_head(server)
            server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            assert len(PIECE) < Flow(server).push(size) < BOUND


def test_pieces_arrive_as_they_are_sent(through):
    """Each chunk is answered before the next one is sent."""
    listen, upstream = through
    with RawHttp(listen) as client:
        client.send(b"POST /x HTTP/1.1\r\nHost: inventory\r\nTransfer-Encoding: chunked\r\n\r\n")
        with upstream.accept()[0] as server:
            read_head(server)
            server.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in (b"1\r\na\r\n", b"2\r\nbb\r\n", b"3\r\nccc\r\n"):
                client.send(piece)
                assert server.recv(100) == piece
                server.sendall(piece)
            client.send(b"0\r\nX-Trailer: up\r\n\r\n")
            assert b"up" in server.recv(100)
            server.sendall(b"0\r\nX-Trailer: down\r\n\r\n")
        assert client.read().body == b"abbccc"


def test_a_client_that_goes_away_ends_the_call(through):
    listen, upstream = through
    client = socket.create_connection(("127.0.0.1", listen))
    client.sendall(b"POST /x HTTP/1.1\r\nHost: inventory\r\nContent-Length: 10\r\n\r\nhalf")
    with upstream.accept()[0] as server:
        read_head(server)
        client.close()
        server.settimeout(5)
        try:
            while server.recv(100):
                pass
        except ConnectionResetError:
            pass


def test_a_large_body_arrives_whole(through):
    listen, upstream = through
    size, seen = 40 << 20, []

    def serve():
        with upstream.accept()[0] as server:
            read_head(server)
            while sum(seen) < size:
                seen.append(len(server.recv(1 << 20)))
                time.sleep(0.0005)
            server.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    reader = threading.Thread(target=serve, daemon=True)
    reader.start()
    with RawHttp(listen) as client:
        client.send(b"POST /x HTTP/1.1\r\nHost: inventory\r\nContent-Length: %d\r\n\r\n" % size)
        client.send(b"y" * size)
        assert client.read().status == 204
    reader.join(10)
    assert sum(seen) == size
