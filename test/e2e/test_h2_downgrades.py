"""Requests that come by HTTP/2, framed by hand, and go on by HTTP/1.1: what is refused before the upstream sees a byte
of it, and what the rest becomes there. One line a case, from RFC 9113 §8 and RFC 9112."""
import pytest

from support.h2_frames import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, PRIORITIZED, H2Frames, block,
                               frame)
from support.places import free_port, fresh_folder
from support.recorder import Recorder
from support.shunt import Shunt

METHOD, SCHEME, AUTHORITY, PATH = (":method", "POST"), (":scheme", "http"), (":authority", "up"), (":path", "/@")
BASE = [METHOD, SCHEME, AUTHORITY, PATH]
HIDDEN = "GET /smuggled HTTP/1.1\r\nHost: up\r\n\r\n"


def swap(name, *values):
    """The usual pseudo-headers with another value, several, or none, of one."""
    return [field for given in BASE for field in ([(name, value) for value in values] if given[0] == name else [given])]


def get(path):
    return [(":method", "GET"), SCHEME, AUTHORITY, (":path", path)]


def with_body(fields, data, *more):
    """HEADERS, then DATA that ends the stream, unless `more` follows."""
    return [(HEADERS, END_HEADERS, fields), (DATA, 0 if more else END_STREAM, data), *more]


def trailers(*fields, flags=END_HEADERS | END_STREAM):
    return (HEADERS, flags, list(fields))


def shaped(flags, shape):
    """A block by itself, in another shape."""
    return [(HEADERS, END_STREAM | flags, (BASE, shape))]


REFUSED = {
    # pseudo-header fields: RFC 9113 §8.3
    "no-method": swap(":method"), "no-scheme": swap(":scheme"), "no-path": swap(":path"), "empty-path": swap(":path", ""),
    "no-authority": swap(":authority"), "empty-authority": swap(":authority", ""),
    "two-methods": swap(":method", "GET", "POST"), "two-schemes": swap(":scheme", "http", "http"),
    "two-paths": swap(":path", "/@", "/b"), "two-authorities": swap(":authority", "up", "up"),
    "unknown-pseudo": [*BASE, (":foo", "x")], "status": [*BASE, (":status", "200")],
    "upper-pseudo": swap(":method") + [(":Method", "POST")], "pseudo-late": [METHOD, SCHEME, ("a", "b"), AUTHORITY, PATH],
    "protocol": [*BASE, (":protocol", "websocket")], "bare-colon": [*BASE, (":", "x")],
    # method
    "method-empty": swap(":method", ""), "method-space": swap(":method", "GET /x"),
    "method-crlf": swap(":method", "GET / HTTP/1.1\r\nX: y"), "method-colon": swap(":method", "GE:T"),
    "method-nul": swap(":method", "GE\0T"), "method-8bit": swap(":method", "G\xcbT"),
    # path
    "path-no-slash": swap(":path", "x/@"), "path-space": swap(":path", "/@ x"), "path-tab": swap(":path", "/@\tx"),
    "path-version": swap(":path", "/@ HTTP/1.1"), "path-crlf": swap(":path", "/@ HTTP/1.1\r\nX: y\r\n\r\n"),
    "path-lf": swap(":path", "/@\nx"), "path-cr": swap(":path", "/@\rx"), "path-nul": swap(":path", "/@\0"),
    "path-fragment": swap(":path", "/@#x"), "path-8bit": swap(":path", "/@\xff"), "path-dots": swap(":path", "/a/../@"),
    "path-encoded-dots": swap(":path", "/a/%2e%2e/@"), "path-slashes": swap(":path", "//@"),
    "path-encoded-slash": swap(":path", "/@%2fb"), "path-encoded-nul": swap(":path", "/@%00"),
    "path-backslash": swap(":path", "/@\\b"), "path-absolute": swap(":path", "http://evil/@"),
    "path-star-post": swap(":path", "*"), "query-space": swap(":path", "/@?a b"), "query-crlf": swap(":path", "/@?a\r\nb: c"),
    # scheme and authority
    "scheme-ftp": swap(":scheme", "ftp"), "scheme-crlf": swap(":scheme", "http\r\nX: y"), "scheme-url": swap(":scheme", "http://evil/?"),
    "authority-user": swap(":authority", "me@up"), "authority-space": swap(":authority", "up evil"),
    "authority-crlf": swap(":authority", "up\r\nX: y"), "authority-path": swap(":authority", "up/x"),
    "authority-list": swap(":authority", "up, evil"), "authority-ports": swap(":authority", "up:80:81"),
    "authority-port": swap(":authority", "up:8x"), "authority-nul": swap(":authority", "up\0"),
    "host-other": [*BASE, ("host", "evil")], "host-twice": [*swap(":authority"), ("host", "up"), ("host", "up")],
    "host-port": [*BASE, ("host", "up:81")], "host-empty": [*BASE, ("host", "")],
    # names and values: §8.2.1
    "name-upper": [*BASE, ("X-A", "b")], "name-empty": [*BASE, ("", "b")], "name-space": [*BASE, ("x a", "b")],
    "name-colon": [*BASE, ("x:a", "b")], "name-crlf": [*BASE, ("x\r\ny", "b")], "name-nul": [*BASE, ("x\0", "b")],
    "name-8bit": [*BASE, ("x\xe9", "b")], "name-length": [*BASE, ("content-length ", "60")],
    "value-cr": [*BASE, ("x-a", "b\rc")], "value-lf": [*BASE, ("x-a", "b\nc")], "value-nul": [*BASE, ("x-a", "b\0c")],
    "value-crlf": [*BASE, ("x-a", "b\r\n\r\n" + HIDDEN)], "value-space": [*BASE, ("x-a", " b")],
    "value-space-end": [*BASE, ("x-a", "b ")], "value-tab": [*BASE, ("x-a", "\tb")],
    # what belongs to a connection: §8.2.2
    "connection": [*BASE, ("connection", "close")], "connection-name": [*BASE, ("connection", "x-a"), ("x-a", "b")],
    "proxy-connection": [*BASE, ("proxy-connection", "keep-alive")], "keep-alive": [*BASE, ("keep-alive", "5")],
    "coding": with_body([*BASE, ("transfer-encoding", "chunked")], b"0\r\n\r\n" + HIDDEN.encode()),
    "coding-identity": [*BASE, ("transfer-encoding", "identity")], "upgrade": [*BASE, ("upgrade", "websocket")],
    "te": [*BASE, ("te", "gzip")], "te-list": [*BASE, ("te", "trailers, gzip")],
    # lengths: §8.1.1
    "length-less": with_body([*BASE, ("content-length", "3")], b"hello"),
    "length-more": with_body([*BASE, ("content-length", "9")], b"hello"),
    "length-none": [*BASE, ("content-length", "5")], "length-sign": with_body([*BASE, ("content-length", "+5")], b"hello"),
    "length-minus": with_body([*BASE, ("content-length", "-5")], b"hello"),
    "length-hex": with_body([*BASE, ("content-length", "0x5")], b"hello"),
    "length-list": with_body([*BASE, ("content-length", "5, 5")], b"hello"),
    "length-twice": with_body([*BASE, ("content-length", "5"), ("content-length", "5")], b"hello"),
    "length-empty": with_body([*BASE, ("content-length", "")], b"hello"),
    "length-huge": with_body([*BASE, ("content-length", "18446744073709551621")], b"hello"),
    "length-smuggle": with_body([*BASE, ("content-length", "0")], HIDDEN.encode()),
    # trailers: §8.1
    "trailer-pseudo": with_body(BASE, b"hello", trailers((":path", "/b"))),
    "trailer-upper": with_body(BASE, b"hello", trailers(("X-A", "b"))),
    "trailer-coding": with_body(BASE, b"hello", trailers(("transfer-encoding", "chunked"))),
    "trailer-crlf": with_body(BASE, b"hello", trailers(("x-a", "b\r\n\r\n" + HIDDEN))),
    "trailer-late-length": with_body([*BASE, ("content-length", "9"), ("trailer", "x-a")], b"hello",
                                     trailers(("x-a", "b"))),
    "trailer-length-zero": with_body([*BASE, ("content-length", "0"), ("trailer", "x-a")], HIDDEN.encode(),
                                     trailers(("x-a", "b"))),
    "trailer-open": with_body(BASE, b"hello", trailers(("x-a", "b"), flags=END_HEADERS)),
    # the rest
    "expect": [*BASE, ("expect", "the worst")], "connect-path": [(":method", "CONNECT"), AUTHORITY, PATH],
    "connect-scheme": [(":method", "CONNECT"), SCHEME, AUTHORITY], "connect-nowhere": [(":method", "CONNECT")],
}

LINE = b"POST /@ HTTP/1.1"
ACCEPTED = {
    "get": (get("/@"), b"GET /@ HTTP/1.1", b"", []),
    "empty": (BASE, LINE, b"", []),
    "length": (with_body([*BASE, ("content-length", "5")], b"hello"), LINE, b"hello", [(b"Content-Length", b"5")]),
    "no-length": (with_body(BASE, b"hello"), LINE, b"hello", [(b"Transfer-Encoding", b"chunked")]),
    "length-zero": ([*BASE, ("content-length", "0")], LINE, b"", [(b"Content-Length", b"0")]),
    "hidden-in-body": (with_body(BASE, HIDDEN.encode()), LINE, HIDDEN.encode(), []),
    "chunk-in-body": (with_body(BASE, b"0\r\n\r\n"), LINE, b"0\r\n\r\n", []),
    "cookies": ([*BASE, ("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")], LINE, b"", [(b"cookie", b"a=1; b=2")]),
    "te": ([*BASE, ("te", "trailers")], LINE, b"", [(b"TE", b"trailers")]),
    "host-same": ([*BASE, ("host", "UP")], LINE, b"", [(b"Host", b"up")]),
    "host-port": ([*BASE, ("host", "up:80")], LINE, b"", [(b"Host", b"up")]),
    "host-alone": ([*swap(":authority"), ("host", "up")], LINE, b"", [(b"Host", b"up")]),
    "authority-port": (swap(":authority", "up:8080"), LINE, b"", [(b"Host", b"up:8080")]),
    "https": (swap(":scheme", "https"), LINE, b"", []),
    "repeated": ([*BASE, ("x-a", "1"), ("x-a", "2")], LINE, b"", [(b"x-a", b"1"), (b"x-a", b"2")]),
    "empty-value": ([*BASE, ("x-a", "")], LINE, b"", []),
    "inner-tab": ([*BASE, ("x-a", "b\tc d")], LINE, b"", [(b"x-a", b"b\tc d")]),
    "8bit-value": ([*BASE, ("x-a", "b\xe9")], LINE, b"", [(b"x-a", b"b\xe9")]),
    "long-value": ([*BASE, ("x-a", "b" * 8000)], LINE, b"", [(b"x-a", b"b" * 8000)]),
    "query": (swap(":path", "/@?a=1&b=%2f//..;?"), b"POST /@?a=1&b=%2f//..;? HTTP/1.1", b"", []),
    "path-escape": (swap(":path", "/%7e@"), b"POST /~@ HTTP/1.1", b"", []),
    "path-parameter": (swap(":path", "/@;v=1"), b"POST /@;v=1 HTTP/1.1", b"", []),
    "options-star": ([(":method", "OPTIONS"), SCHEME, AUTHORITY, (":path", "*"), ("x-a", "@")], b"OPTIONS * HTTP/1.1", b"",
                     []),
    "trailers": (with_body(BASE, b"hello", trailers(("x-a", "b"))), LINE, b"hello", []),
    "trailers-announced": (with_body([*BASE, ("content-length", "5"), ("trailer", "x-a")], b"hello",
                                     trailers(("x-a", "b"))), LINE, b"hello",
                           [(b"trailer", b"x-a"), (b"Transfer-Encoding", b"chunked"), (b"x-a", b"b")]),
    "trailers-unannounced": (with_body([*BASE, ("content-length", "5")], b"hello", trailers(("x-a", "b"))), LINE,
                             b"hello", [(b"Content-Length", b"5")]),
    "trailers-alone": ([(HEADERS, END_HEADERS, BASE), trailers(("x-a", "b"))], LINE, b"", []),
    "data-empty": (with_body(BASE, b""), LINE, b"", []),
    "data-pieces": (with_body(BASE, b"hel", (DATA, 0, b""), (DATA, END_STREAM, b"lo")), LINE, b"hello", []),
    "data-padded": ([(HEADERS, END_HEADERS, BASE), (DATA, PADDED | END_STREAM, b"\x03hello\0\0\0")], LINE, b"hello", []),
    "block-padded": (shaped(END_HEADERS | PADDED, lambda block: b"\x02" + block + b"\0\0"), LINE, b"", []),
    "block-priority": (shaped(END_HEADERS | PRIORITIZED, lambda block: b"\0\0\0\0\x10" + block), LINE, b"", []),
    "block-split": ([(HEADERS, END_STREAM, (BASE, lambda block: block[:9])), (CONTINUATION, 0, (BASE, lambda block: block[9:20])),
                     (CONTINUATION, END_HEADERS, (BASE, lambda block: block[20:]))], LINE, b"", []),
}
CONFIG = """
service = "caller"; admin = { address = "127.0.0.1:@ADMIN@"; };
listeners = ( { name = "in"; address = "127.0.0.1:%d"; } );
upstreams = ( { name = "up"; endpoints = ( "127.0.0.1:%d" ); } );
routes = ( { name = "up"; match = { host = "up"; }; style = "sync"; sync = { upstream = "up"; }; } );
unmatched = "refuse";
"""


@pytest.fixture(scope="module")
def upstream():
    with Recorder() as recorder:
        yield recorder


@pytest.fixture(scope="module")
def listen(upstream):
    port = free_port()
    sidecar = Shunt("downgrades", fresh_folder("e2e", "downgrades"), CONFIG % (port, upstream.port)).start()
    yield port
    sidecar.stop()


def payload(what, word):
    """Bytes as they are; fields as a block, in which '@' is a word that no other case has."""
    if isinstance(what, bytes):
        return what
    fields, shape = what if isinstance(what, tuple) else (what, bytes)
    return shape(block([(name, value.replace("@", word) if "me@" not in value else value) for name, value in fields]))


def say(client, what, word):
    frames = what if len(what[0]) == 3 else [(HEADERS, END_HEADERS | END_STREAM, what)]
    for kind, flags, data in frames:
        client.send(frame(kind, flags, 1, payload(data, word)))


@pytest.mark.parametrize("what", REFUSED.values(), ids=REFUSED)
def test_refused(listen, upstream, word, what):
    name = word.encode()
    with H2Frames(listen) as client:
        say(client, what, word)
        found = client.outcome()
    assert found.reset or found.gone or (found.status and 400 <= found.status <= 505), found
    whole = [request for request in upstream.asked(name)]
    assert not whole and b"smuggled" not in upstream.bytes, whole


@pytest.mark.parametrize("what, line, body, headers", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(listen, upstream, word, what, line, body, headers):
    name = word.encode()
    before = len(upstream.requests)
    with H2Frames(listen) as client:
        say(client, what, word)
        found = client.outcome()
    assert found.status == 200 and found.body == b"ok" and found.ended, found
    request = upstream.requests[before]
    assert request.line == line.replace(b"@", name) and request.body == body
    found = request.headers + request.trailers
    assert all(header in found for header in headers), found
    assert len(request.values(b"host")) == 1
    assert len(request.values(b"content-length")) + len(request.values(b"transfer-encoding")) <= 1
