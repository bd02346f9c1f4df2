"""Tunnels, and clients that have said all: who goes on, who is gone. Byte by byte, and with `websockets` on both ends."""
import asyncio
import contextlib
import socket
import struct
import threading
import time

import pytest
import websockets

from support.ends import read_head
from support.h2_frames import ACK, DATA, END_HEADERS, END_STREAM, H2Frames, HEADERS, SETTINGS, Outcome, frame
from support.places import free_port, fresh_folder
from support.shunt import Shunt
from support.waiting import patient, wait_until

CONFIG = """
service = "caller"; admin = { address = "127.0.0.1:@ADMIN@"; };
listeners = ( { name = "in"; address = "127.0.0.1:%d"; host = "up:80"; %s } );
upstreams = ( { name = "up"; endpoints = ( "127.0.0.1:%d" ); } );
routes = ( { name = "up"; style = "sync"; timeout = "%s"; sync = { upstream = "up"; }; } );
"""
UPGRADE = b"GET /x HTTP/1.1\r\nHost: up\r\nConnection: Upgrade\r\nUpgrade: tea\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tea\r\n\r\n"
GET = b"GET /x HTTP/1.1\r\nHost: up\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Through:
    """A sidecar, the socket that listens behind it, and connections through it."""

    def __init__(self, launch, more="", timeout="30s", limits=""):
        self.listen = free_port()
        self.upstream = socket.create_server(("127.0.0.1", 0))
        self.upstream.settimeout(20)
        self.sidecar = launch(CONFIG % (self.listen, more, self.upstream.getsockname()[1], timeout) + limits)

    def dial(self, data=b""):
        client = socket.create_connection(("127.0.0.1", self.listen), timeout=20)
        client.sendall(data)
        return client

    def accept(self):
        server = self.upstream.accept()[0]
        server.settimeout(20)
        return server

    def tunnel(self):
        """Both ends of an open one."""
        client = self.dial(UPGRADE)
        server = self.accept()
        read_head(server)
        server.sendall(SWITCH)
        assert read_head(client).startswith(b"HTTP/1.1 101 ")
        return client, server

    def gone(self):
        return self.sidecar.count("shunt_call_failures_total", reason="client_gone")


def rest(connection):
    """All to the end; None: it was reset."""
    data = b""
    try:
        while got := connection.recv(65536):
            data += got
    except ConnectionResetError:
        return None
    return data


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.fixture
def through(launch):
    made = Through(launch)
    yield made
    made.upstream.close()


@pytest.mark.parametrize("first", ["client", "server"])
def test_a_tunnel_goes_on_when_one_side_has_said_all(through, first):
    client, server = through.tunnel()
    one, other = (client, server) if first == "client" else (server, client)
    one.sendall(b"my last words")
    one.shutdown(socket.SHUT_WR)
    assert rest(other) == b"my last words"
    large = b"x" * (5 << 20)
    sender = threading.Thread(target=lambda: (other.sendall(large), other.shutdown(socket.SHUT_WR)))
    sender.start()
    assert rest(one) == large
    sender.join(20)
    wait_until(lambda: through.sidecar.count("shunt_calls_total", route="up") == 1, 20, "the tunnel has ended")


@pytest.mark.parametrize("first", ["client", "server"])
def test_a_reset_ends_both_sides(through, first):
    client, server = through.tunnel()
    one, other = (client, server) if first == "client" else (server, client)
    reset(one)
    assert not rest(other)


@pytest.mark.parametrize("said", [UPGRADE, UPGRADE[:-2] + b"Content-Length: 0\r\n\r\n"], ids=["no length", "0"])
def test_what_is_said_with_the_request_reaches_the_tunnel(through, said):
    client = through.dial(said + b"all of it")
    client.shutdown(socket.SHUT_WR)
    server = through.accept()
    read_head(server)
    server.sendall(SWITCH + b"answer")
    assert rest(server) == b"all of it"
    server.close()
    assert rest(client).endswith(b"\r\n\r\nanswer")


def test_no_timeout_of_calls_ends_a_tunnel_and_rest_does(launch):
    through = Through(launch, timeout="300ms", limits='timeouts = { tunnel = "2s"; half_tunnel = "1500ms"; };')
    for half in (False, True):
        client, server = through.tunnel()
        if half:
            client.shutdown(socket.SHUT_WR)
            assert server.recv(10) == b""
        began = time.monotonic()
        while time.monotonic() - began < 1:
            server.sendall(b"moves")
            assert client.recv(5)
            time.sleep(0.05)
        assert rest(client) is None
    wait_until(lambda: through.sidecar.count("shunt_call_failures_total", reason="tunnel_idle") == 2, 10, "it is counted")
    through.upstream.close()


def test_connect_over_http2_half_closes(launch):
    """The server's side first, then the client's, each goes on without the other."""
    through = Through(launch)
    try:
        target = socket.create_server(("127.0.0.1", 443))
    except PermissionError:
        pytest.skip("CONNECT leads to port 443 only, which takes root to listen on")
    with target, H2Frames(through.listen) as client:
        client.send(frame(HEADERS, END_HEADERS, 1, b"\x02\x07CONNECT\x01\x0d127.0.0.1:443"))
        target.settimeout(10)
        with target.accept()[0] as server:
            server.sendall(b"first")
            server.shutdown(socket.SHUT_WR)
            found = client.outcome()
            assert (found.status, found.body, found.ended, found.reset) == (200, b"first", True, None)
            client.send(frame(DATA, 0, 1, b"goes on") + frame(DATA, END_STREAM, 1, b", ends"))
            server.settimeout(10)
            assert rest(server) == b"goes on, ends"
    through.upstream.close()


# --- clients that close their sending side behind a request -----------------------------------------------------------

def test_a_client_that_half_closes_is_answered(through):
    """As `nc -N` does; what it has pipelined is answered too, and then the connection ends."""
    client = through.dial(GET + GET)
    client.shutdown(socket.SHUT_WR)
    server = through.accept()
    for _ in range(2):
        read_head(server)
        time.sleep(0.1)  # so that the end of what the client says comes before the answer
        server.sendall(OK)
    said = rest(client)
    assert said.count(b"HTTP/1.1 200 OK") == 2 and said.endswith(b"\r\n\r\nok") and said.count(b"Connection: close") == 1


@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["closes", "resets"])
def test_a_client_that_is_gone_ends_its_call(through, leave):
    """At once: it has closed, or was killed, or reset."""
    client = through.dial(GET)
    server = through.accept()
    read_head(server)
    began = time.monotonic()
    leave(client)
    assert not rest(server)
    assert time.monotonic() - began < patient(1)
    wait_until(lambda: through.gone() == 1, 10, "it is counted")


def test_a_client_that_half_closes_and_goes_later(through):
    client = through.dial(GET)
    server = through.accept()
    read_head(server)
    client.shutdown(socket.SHUT_WR)
    time.sleep(0.2)  # it is looked at after 20 ms, and must not count as gone
    assert through.gone() == 0
    client.close()
    assert not rest(server)


def test_half_a_request_is_none(through):
    client = through.dial(b"POST /x HTTP/1.1\r\nHost: up\r\nContent-Length: 10\r\n\r\nhalf")
    server = through.accept()
    read_head(server)
    client.shutdown(socket.SHUT_WR)
    assert rest(client) == b"" and rest(server) in (b"half", None)


def test_where_that_is_written_it_is_taken_for_gone(launch):
    through = Through(launch, 'half_closed = "cancel";')
    client = through.dial(GET)
    server = through.accept()
    read_head(server)
    client.shutdown(socket.SHUT_WR)
    assert rest(client) == b"" and not rest(server)
    through.upstream.close()


def test_over_a_broker_as_well(scene, word):
    client = socket.create_connection(("127.0.0.1", scene.listen), timeout=20)
    client.sendall(f"POST /request_reply/{word} HTTP/1.1\r\nHost: inventory\r\nContent-Length: 2\r\n\r\nhi".encode())
    client.shutdown(socket.SHUT_WR)
    assert b" 200 " in rest(client)


# --- WebSocket ----------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def websocket_server(handler, **settings):
    """A server of `websockets` on a thread of its own; its port."""
    started, loop, port = threading.Event(), asyncio.new_event_loop(), free_port()

    async def serve():
        stop = loop.create_future()
        async with websockets.serve(handler, "127.0.0.1", port, **settings):
            serve.stop = lambda: loop.call_soon_threadsafe(stop.set_result, None)
            started.set()
            await stop
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(20)
    yield port
    serve.stop()
    thread.join(20)
    loop.close()


async def echo(connection):
    async for message in connection:
        if message == "close":
            await connection.close(4001, "as asked")
        await connection.send(message)


@pytest.fixture(scope="module", params=["http1", "http2"])
def web_socket(request):
    """The URL of a sidecar with an echo behind it, at once or beyond a second sidecar that is called by HTTP/2."""
    sidecars, folder = [], fresh_folder("e2e", "ws-" + request.param)
    with websocket_server(echo, subprotocols=["tea", "coffee"], max_size=None) as port:
        for protocol in ["http1"] if request.param == "http1" else ["http1", "h2"]:
            listen = free_port()
            config = (CONFIG % (listen, "", port, "1s")).replace("endpoints", f'protocol = "{protocol}"; endpoints')
            sidecars.append(Shunt("ws-" + protocol, folder, config).start())
            port = listen
        yield f"ws://127.0.0.1:{port}/room?x=1"
        for sidecar in sidecars:
            sidecar.stop()


def over(url, talk, **settings):
    async def run():
        async with websockets.connect(url, max_size=None, subprotocols=["coffee"], **settings) as connection:
            return await asyncio.wait_for(talk(connection), 60)
    return asyncio.run(run())


@pytest.mark.parametrize("compression", ["deflate", None])
@pytest.mark.parametrize("message", ["", "text ü", b"\0\xff" * 10, b"x" * (3 << 20), "y" * 70000], ids=len)
def test_messages_come_back(web_socket, message, compression):
    async def talk(connection):
        for _ in range(3):
            await connection.send(message)
            assert await connection.recv() == message
    over(web_socket, talk, compression=compression)


def test_many_messages_both_ways_at_once(web_socket):
    async def talk(connection):
        async def send():
            for i in range(2000):
                await connection.send(str(i))
        sending = asyncio.ensure_future(send())
        got = [await connection.recv() for _ in range(2000)]
        await sending
        return got
    assert over(web_socket, talk) == [str(i) for i in range(2000)]


def test_subprotocol_and_pings(web_socket):
    """… and longer than the route's timeout."""
    async def talk(connection):
        assert connection.subprotocol == "coffee"
        for _ in range(4):
            await asyncio.wait_for(await connection.ping(), 20)
            await asyncio.sleep(0.4)
    over(web_socket, talk)


def test_the_server_closes_with_its_code(web_socket):
    async def talk(connection):
        await connection.send("close")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await connection.recv()
        return closed.value.rcvd.code, closed.value.rcvd.reason
    assert over(web_socket, talk) == (4001, "as asked")


def test_the_client_closes_with_its_code(launch):
    codes, listen = [], free_port()

    async def remember(connection):
        await connection.wait_closed()
        codes.append((connection.close_code, connection.close_reason))
    with websocket_server(remember) as port:
        launch(CONFIG % (listen, "", port, "5s"))

        async def talk(connection):
            await connection.close(4002, "enough")
        over(f"ws://127.0.0.1:{listen}/", talk)
        wait_until(lambda: codes, 20, "the server was told")
    assert codes == [(4002, "enough")]


def masked(kind, data):
    """A short frame as a client sends it (RFC 6455 §5.2)."""
    mask = b"\1\2\3\4"
    return bytes([0x80 | kind, 0x80 | len(data)]) + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


def test_a_web_socket_over_http2(web_socket):
    """By extended CONNECT (RFC 8441), to a server that has never heard of it."""
    with H2Frames(int(web_socket.split(":")[2].split("/")[0])) as client:
        fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/room?x=1"),
                  (":authority", "up"), ("sec-websocket-version", "13"), ("sec-websocket-protocol", "coffee")]
        client.ask(fields, flags=END_HEADERS)
        found = Outcome()

        def until(enough):
            while not enough() and (got := client.read_frame()):
                assert got[0] != SETTINGS or got[1] & ACK or b"\0\x08\0\0\0\1" in got[3]    # ENABLE_CONNECT_PROTOCOL
                if got[2] == 1:
                    client.take(found, *got)
        until(lambda: found.status)
        assert found.status == 200 and dict(found.headers)[b"sec-websocket-protocol"] == b"coffee"
        assert not {name for name, _ in found.headers} & {b"sec-websocket-accept", b"upgrade", b"connection"}
        client.send(frame(DATA, 0, 1, masked(1, b"hello")))
        until(lambda: found.body)
        assert found.body == b"\x81\5hello"
        client.send(frame(DATA, 0, 1, masked(8, b"\x0f\xa0bye")))
        until(lambda: found.ended)
        assert found.body == b"\x81\5hello\x88\5\x0f\xa0bye" and found.reset is None
        client.send(frame(DATA, END_STREAM, 1))


def test_a_server_that_does_not_want_to(launch):
    """It answers as to any other request."""
    listen = free_port()
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        launch(CONFIG % (listen, "", upstream.getsockname()[1], "5s"))

        def refuse():
            with upstream.accept()[0] as server:
                read_head(server)
                server.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                server.recv(1)
        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        with pytest.raises(websockets.InvalidHandshake, match="403"):
            over(f"ws://127.0.0.1:{listen}/", None)
        thread.join(20)
