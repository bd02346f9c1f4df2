"""What stays as it was on the way: between HTTP/1 and HTTP/2 in all four directions, judged by what the upstream and the
client really get. A second sidecar turns what goes by HTTP/2 back, so that one kind of upstream serves for both."""
import contextlib
import socket
import time

import pytest

from support.ends import One, Two, read_head, read_rest, read_until, reset
from support.places import free_port, fresh_folder
from support.shunt import Shunt
from support.waiting import patient

CONFIG = """
service = "caller"; admin = { address = "127.0.0.1:@ADMIN@"; };
listeners = ( { name = "in"; address = "127.0.0.1:%d"; } );
upstreams = ( { name = "up"; endpoints = ( "127.0.0.1:%d" ); protocol = "%s"; } );
routes = ( { name = "up"; style = "sync"; sync = { upstream = "up"; }; } );
"""
BETWEEN = pytest.mark.parametrize("way", ["1-1", "1-2", "2-1", "2-2"], indirect=True)
FROM_1 = pytest.mark.parametrize("way", ["1-1", "1-2"], indirect=True)
CLOSE = b"Connection: close\r\n"
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(scope="module")
def scenery():
    """The upstream's socket, and the listeners by the version that the sidecar speaks to what is behind it."""
    folder, listen, started = fresh_folder("e2e", "kept"), {"1": free_port(), "2": free_port()}, []
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        upstream.settimeout(20)
        port, middle = upstream.getsockname()[1], free_port()
        for name, mine, other, protocol in (("last", middle, port, "http1"), ("to-1", listen["1"], port, "http1"),
                                            ("to-2", listen["2"], middle, "h2")):
            started.append(Shunt(name, folder, CONFIG % (mine, other, protocol)).start())
        yield listen, upstream
        for sidecar in started:
            sidecar.stop()


@pytest.fixture
def way(request):
    """What the client speaks, and what Shunt speaks to the upstream."""
    return request.param


@pytest.fixture
def ends(scenery, way):
    """A client on its way, and a function that accepts at the other end; all that is opened is closed."""
    listen, upstream = scenery
    with contextlib.ExitStack() as opened:
        def accept():
            server = opened.enter_context(upstream.accept()[0])
            server.settimeout(20)
            return server
        client = (One if way[0] == "1" else Two)(listen[way[2]])
        opened.callback(client.close)
        yield client, accept


def names_of(head):
    return [line.split(b":")[0] for line in head.split(b"\r\n")[1:] if line]


def values(fields, name):
    return [value for given, value in fields if given.lower() == name]


def fields_of(head):
    return [tuple(line.split(b": ", 1)) for line in head.split(b"\r\n")[1:] if line]


def whole(found):
    return found.ended


@BETWEEN
def test_trailers_of_the_request(ends):
    """… but for what would say something about routing, framing, access or who calls."""
    client, accept = ends
    client.ask("POST", "/x", more=True)
    client.say(b"body")
    client.finish([("X-Sum", "1"), ("Authorization", "no"), ("X-Sum", "2"), ("X-Forwarded-For", "no"), ("Host-Like", "y")])
    server = accept()
    read_head(server)
    said = read_until(server, b"\r\n\r\n")
    assert said.split(b"\r\n", 3)[:3] == [b"4", b"body", b"0"]
    trailers = [(name.lower(), value) for name, value in fields_of(said.split(b"0\r\n", 1)[1].join([b"x\r\n", b""]))]
    assert trailers == [(b"x-sum", b"1"), (b"x-sum", b"2"), (b"host-like", b"y")]


@BETWEEN
def test_trailers_of_the_answer(ends):
    client, accept = ends
    client.ask("GET", "/x")
    server = accept()
    read_head(server)
    server.sendall(b"HTTP/1.1 200 OK\r\n%bTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 1\r\nSet-Cookie: no\r\n"
                   b"X-Sum: 2\r\n\r\n" % CLOSE)
    found = client.until(whole)
    assert found.body == b"body"
    assert [(name.lower(), value) for name, value in found.trailers] == [(b"x-sum", b"1"), (b"x-sum", b"2")]


@BETWEEN
def test_100_before_the_body(ends):
    client, accept = ends
    client.ask("POST", "/x", [("Expect", "100-continue")], more=True)
    server = accept()
    assert values(fields_of(read_head(server)), b"expect") == [b"100-continue"]
    server.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert client.until(lambda found: found.interims).interims == [100]
    client.say(b"body")
    client.finish()
    assert b"body" in read_until(server, b"0\r\n\r\n")
    server.sendall(OK)
    assert client.until(whole).status == 200


@BETWEEN
def test_a_refusal_of_the_body_comes_before_it(ends):
    client, accept = ends
    client.ask("POST", "/x", [("Expect", "100-continue")], more=True)
    server = accept()
    read_head(server)
    server.sendall(b"HTTP/1.1 401 Unauthorized\r\nX-Why: who\r\nContent-Length: 2\r\n\r\nno")
    found = client.until(whole)
    assert (found.status, found.interims, found.body) == (401, [], b"no") and values(found.headers, b"x-why") == [b"who"]
    assert read_rest(server) == b""      # not a byte of a body, nor the end of one


@BETWEEN
def test_early_hints(ends):
    client, accept = ends
    client.ask("GET", "/x")
    server = accept()
    read_head(server)
    server.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\n")
    found = client.until(lambda found: found.interims)
    assert found.interims == [103] and found.status is None
    server.sendall(OK)
    found = client.until(whole)
    assert (found.status, found.interims, found.body) == (200, [103], b"ok")


@FROM_1
def test_a_client_of_http_1_0(ends):
    """It gets no interim answer and no chunks, and the end of the connection as the end of the body."""
    client, accept = ends
    client.method = "GET"
    client.socket.sendall(b"GET /x HTTP/1.0\r\nHost: up\r\n\r\n")
    server = accept()
    assert read_head(server).startswith(b"GET /x HTTP/1.1\r\n")
    server.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    found = client.until(whole)
    assert (found.status, found.interims, found.body, client.end) == (200, [], b"ok", "closed")
    assert not values(found.headers, b"transfer-encoding") and values(found.headers, b"connection") == [b"close"]


@FROM_1
def test_a_client_of_http_1_0_that_stays(ends):
    client, accept = ends
    client.method = "GET"
    for _ in range(2):
        client.data = b""
        client.socket.sendall(b"GET /x HTTP/1.0\r\nHost: up\r\nConnection: keep-alive\r\n\r\n")
        server = accept()
        read_head(server)
        server.sendall(OK)
        found = client.until(whole)
        assert found.body == b"ok" and values(found.headers, b"connection") == [b"keep-alive"]


@BETWEEN
def test_options_of_the_server_itself(ends):
    client, accept = ends
    client.ask("OPTIONS", "*")
    server = accept()
    assert read_head(server).startswith(b"OPTIONS * HTTP/1.1\r\n")
    server.sendall(b"HTTP/1.1 204 No Content\r\nAllow: GET\r\n%b\r\n" % CLOSE)
    found = client.until(whole)
    assert found.status == 204 and values(found.headers, b"allow") == [b"GET"] and not found.body


@BETWEEN
@pytest.mark.parametrize("method, status, length", [("HEAD", 200, [b"1000"]), ("GET", 204, []), ("GET", 304, [b"1000"])])
def test_answers_without_a_body(ends, method, status, length):
    client, accept = ends
    client.ask(method, "/x")
    server = accept()
    read_head(server)
    server.sendall(b"HTTP/1.1 %d X\r\nETag: \"e\"\r\n%b%b\r\n" % (status, b"Content-Length: 1000\r\n" * bool(length), CLOSE))
    found = client.until(whole)
    assert (found.status, found.body) == (status, b"") and values(found.headers, b"etag") == [b'"e"']
    assert values(found.headers, b"content-length") == length


@pytest.mark.parametrize("way", ["1-1"], indirect=True)
def test_case_and_order(ends):
    """Of HTTP/1, both ways: ours come behind."""
    client, accept = ends
    client.ask("GET", "/x", [("X-b", "1"), ("aCCEPT", "2"), ("x-A", "3"), ("X-B", "4")])
    server = accept()
    assert names_of(read_head(server))[:5] == [b"Host", b"X-b", b"aCCEPT", b"x-A", b"X-B"]
    server.sendall(b"HTTP/1.1 200 Very Fine\r\nX-b: 1\r\ndAtE: 2\r\nx-A: 3\r\nX-B: 4\r\n" + OK.split(b"\r\n", 1)[1])
    found = client.until(whole)
    assert [name for name, _ in found.headers][:4] == [b"X-b", b"dAtE", b"x-A", b"X-B"]
    assert client.data.startswith(b"HTTP/1.1 200 Very Fine\r\n")


@BETWEEN
def test_repeated_fields_stay_apart(ends):
    client, accept = ends
    client.ask("GET", "/x", [("X-A", "1, 2"), ("X-B", ""), ("X-A", "3")])
    server = accept()
    head = fields_of(read_head(server).replace(b"x-b:\r\n", b"x-b: \r\n"))
    assert values(head, b"x-a") == [b"1, 2", b"3"] and values(head, b"x-b") == [b""]
    server.sendall(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1, b\r\nX-A: x\r\nSet-Cookie: c=2\r\n" + OK.split(b"\r\n", 1)[1])
    assert values(client.until(whole).headers, b"set-cookie") == [b"a=1, b", b"c=2"]


@BETWEEN
def test_what_concerns_the_connection_stays_on_it(ends, way):
    client, accept = ends
    hops = [("Connection", "X-Mine, close"), ("X-Mine", "1"), ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "x"),
            ("TE", "gzip"), ("Upgrade", "tea"), ("Trailer", "X-T")] if way[0] == "1" else [("te", "trailers")]
    client.ask("GET", "/x", [*hops, ("X-Kept", "1")])
    server = accept()
    names = [name.lower() for name in names_of(read_head(server))]
    gone = {b"x-mine", b"keep-alive", b"proxy-connection", b"upgrade"}
    assert b"x-kept" in names and not gone & set(names) and (way[0] == "2" or b"connection" not in names)
    server.sendall(b"HTTP/1.1 200 OK\r\nConnection: X-Mine, close\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: tea\r\n"
                   b"Proxy-Connection: x\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nok")
    found = client.until(whole)
    names = {name.lower() for name, _ in found.headers}
    assert b"x-kept" in names and not names & gone


@FROM_1
def test_pipelined_requests_in_order(ends):
    """The second is not even sent before the first has its answer."""
    client, accept = ends
    for path in ("/1", "/2", "/3"):
        client.ask("GET", path)
    for number in (b"1", b"2", b"3"):
        server = accept()
        assert read_head(server).startswith(b"GET /%b " % number)
        server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n%b\r\n%b" % (CLOSE, number))
    client.until(lambda _: client.data.count(b"HTTP/1.1 200") == 3 and client.data.endswith(b"\r\n\r\n3"))
    assert [part[-1:] for part in client.data.split(b"HTTP/1.1 200 OK")[1:]] == [b"1", b"2", b"3"]


@BETWEEN
@pytest.mark.parametrize("when", ["before the answer", "within it", "within the request"])
def test_a_client_that_gives_up_ends_the_upstreams_work(ends, when):
    client, accept = ends
    client.ask("POST", "/x", more=True)
    server = accept()
    read_head(server)
    if when != "within the request":
        client.finish()
        read_until(server, b"0\r\n\r\n")
    if when == "within it":
        server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        client.until(lambda found: found.body == b"half")
    began = time.monotonic()
    client.give_up()
    assert b"0\r\n\r\n" not in read_rest(server)
    assert time.monotonic() - began < patient(1)


ENDS = {"clean": lambda server: server.close(), "reset": reset}
BODIES = {
    "length": b"Content-Length: 1000\r\n\r\nhalf",
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "within a chunk": b"Transfer-Encoding: chunked\r\n\r\nff\r\nhalf",
}


@BETWEEN
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_breaks_off_is_not_taken_for_whole(ends, body, end):
    client, accept = ends
    client.ask("GET", "/x")
    server = accept()
    read_head(server)
    server.sendall(b"HTTP/1.1 200 OK\r\n" + BODIES[body])
    client.until(lambda found: found.body == b"half")
    ENDS[end](server)
    found = client.until(whole)
    assert (found.status, found.body, found.ended) == (200, b"half", False) and (found.gone or found.reset)


@BETWEEN
@pytest.mark.parametrize("end", ENDS)
def test_a_body_that_lasts_until_the_end_of_the_connection(ends, end):
    """A close is its end, a reset is not."""
    client, accept = ends
    client.ask("GET", "/x")
    server = accept()
    read_head(server)
    server.sendall(b"HTTP/1.1 200 OK\r\n\r\nall")
    client.until(lambda found: found.body == b"all")
    ENDS[end](server)
    assert client.until(whole).ended == (end == "clean")


@pytest.mark.parametrize("way", ["1-1", "2-1"], indirect=True)
@pytest.mark.parametrize("method, body, again", [("GET", False, True), ("PUT", True, False), ("DELETE", False, True),
                                                 ("POST", False, False), ("POST", True, False), ("PATCH", True, False)])
def test_a_pooled_connection_that_closes_before_it_answers(ends, scenery, way, method, body, again):
    """Once more on a new one, if that is safe: what is not idempotent may have happened, and of a body nothing is kept."""
    client, accept = ends
    first = (One if way[0] == "1" else Two)(scenery[0]["1"])
    first.ask("GET", "/first")
    old = accept()
    read_head(old)
    old.sendall(OK.replace(CLOSE, b""))
    assert first.until(whole).status == 200
    client.ask(method, "/x", more=body)
    assert read_head(old).startswith(method.encode())     # the connection was kept for it
    old.close()
    if again:
        server = accept()
        assert read_head(server).startswith(method.encode())
        server.sendall(OK)
    found = client.until(lambda found: found.status)
    assert found.status == (200 if again else 502)
    assert again or b"executed" in client.until(whole).body
    first.close()
