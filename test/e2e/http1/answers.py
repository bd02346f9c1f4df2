"""Answers to the letter, and what must become of them: RFC 9112 §4 to §7, RFC 9110 §15.

    502              our own answer, and the upstream's connection ends
    BROKEN           the same, or an answer of which the client can tell that it is not whole
    b"HTTP/1.1 …"    what the client gets, interim answers included; the upstream's connection is used again
    SAME             as it was sent
    Last(…)          the same, but the upstream's connection ends

A row is (answer, outcome[, how the answer is asked for, and what the upstream does behind it])."""
from dataclasses import dataclass

from .notation import SAME, Either

BROKEN = object()
GET, HEAD, OLD, UPGRADE = b"GET", b"HEAD", b"OLD", b"UPGRADE"    # OLD: a GET by HTTP/1.0; UPGRADE: one to tea/2
KEEP, CLOSE, RESET = "keep", "close", "reset"


@dataclass
class Last:
    answer: object = SAME


def answer(lines=b"Content-Length: 2", body=b"ok", start=b"HTTP/1.1 200 OK"):
    return start + b"\r\n" + b"".join(line + b"\r\n" for line in lines.split(b"|") if line) + b"\r\n" + body


def chunked(body, trailers=b""):
    chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
    return answer(b"Transfer-Encoding: chunked", chunk + b"0\r\n" + trailers + b"\r\n")


def rows(prefix, table, shape):
    """(sent, outcome, how, end); what arrives is shaped as what is sent."""
    def expect(outcome):
        if isinstance(outcome, Either):
            return Either(*map(expect, outcome))
        if isinstance(outcome, Last):
            return Last(expect(outcome.answer))
        return shape(outcome) if isinstance(outcome, (bytes, tuple)) else outcome
    cases = {}
    for name, (sent, outcome, *more) in table.items():
        how, end = (*more, GET, KEEP)[:2] if len(more) != 1 else (more[0], KEEP)
        cases[f"{prefix}-{name}"] = (shape(sent), expect(outcome), how, end)
    return cases


CASES = rows("line", {
    "plain": (b"HTTP/1.1 200 OK", SAME), "phrase": (b"HTTP/1.1 200 All is well", SAME),
    "phrase-none": (b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK"), "phrase-8bit": (b"HTTP/1.1 200 \xd6k", SAME),
    "phrase-missing": (b"HTTP/1.1 200", b"HTTP/1.1 200 OK"), "phrase-tab": (b"HTTP/1.1 200 a\tb", SAME),
    "phrase-digits": (b"HTTP/1.1 200 200", SAME), "phrase-long": (b"HTTP/1.1 200 " + b"x" * 2000, SAME),
    "201": (b"HTTP/1.1 201 Created", SAME), "299": (b"HTTP/1.1 299 Odd", SAME),
    "404": (b"HTTP/1.1 404 Not Found", SAME), "500": (b"HTTP/1.1 500 No", SAME), "599": (b"HTTP/1.1 599 No", SAME),
    "418": (b"HTTP/1.1 418 I'm a teapot", SAME), "999": (b"HTTP/1.1 999 Denied", Either(SAME, 502)),
    "503": (b"HTTP/1.1 503 Busy", SAME), "301": (b"HTTP/1.1 301 Moved", SAME),
    "old": (b"HTTP/1.0 200 OK", Last(b"HTTP/1.1 200 OK")), "1.2": (b"HTTP/1.2 200 OK", Either(502, b"HTTP/1.1 200 OK")),
    "2.0": (b"HTTP/2.0 200 OK", 502), "0.9": (b"HTTP/0.9 200 OK", 502), "3": (b"HTTP/3 200 OK", 502),
    "lower": (b"http/1.1 200 OK", 502), "version-none": (b"200 OK", 502), "icy": (b"ICY 200 OK", 502),
    "1.": (b"HTTP/1. 200 OK", 502), "1.10": (b"HTTP/1.10 200 OK", 502), "11": (b"HTTP/11 200 OK", 502),
    "https": (b"HTTPS/1.1 200 OK", 502), "rtsp": (b"RTSP/1.0 200 OK", 502), "status-none": (b"HTTP/1.1", 502),
    "status-word": (b"HTTP/1.1 OK", 502), "099": (b"HTTP/1.1 099 Low", 502), "000": (b"HTTP/1.1 000 Low", 502),
    "20": (b"HTTP/1.1 20 Short", 502), "2000": (b"HTTP/1.1 2000 Long", 502), "0200": (b"HTTP/1.1 0200 OK", 502),
    "2x0": (b"HTTP/1.1 2x0 OK", 502), "plus": (b"HTTP/1.1 +200 OK", 502), "minus": (b"HTTP/1.1 -200 OK", 502),
    "point": (b"HTTP/1.1 200.1 OK", 502), "two-spaces": (b"HTTP/1.1  200 OK", 502), "tab": (b"HTTP/1.1\t200 OK", 502),
    "tab-phrase": (b"HTTP/1.1 200\tOK", 502), "no-space": (b"HTTP/1.1200 OK", 502),
    "status-glued": (b"HTTP/1.1 200OK", 502), "space-first": (b" HTTP/1.1 200 OK", 502),
    "nul": (b"HTTP/1.1 200 O\0K", 502),
    "cr": (b"HTTP/1.1 200 O\rK", 502), "lf": (b"HTTP/1.1 200 OK\nX-A: b", 502), "cr-cr": (b"HTTP/1.1 200 OK\r", 502),
    "control": (b"HTTP/1.1 200 O\x01K", 502), "del": (b"HTTP/1.1 200 O\x7fK", 502),
    "blank": (b"\r\nHTTP/1.1 200 OK", 502),
    "blank-lf": (b"\nHTTP/1.1 200 OK", 502), "request": (b"GET /p HTTP/1.1", 502), "8bit": (b"HTTP/1.1 2\xb20 OK", 502),
    "bom": (b"\xef\xbb\xbfHTTP/1.1 200 OK", 502), "fold": (b"HTTP/1.1 200\r\n OK", 502),
    "surplus-first": (b"xHTTP/1.1 200 OK", 502),
}, lambda start: answer(start=start))

CASES.update(rows("field", {
    "plain": (b"X-A: b", SAME), "case": (b"x-A: b", SAME), "blanks": (b"X-A: \t b \t", b"X-A: b"),
    "tight": (b"X-A:b", b"X-A: b"), "empty": (b"X-A:", b"X-A: "), "obs-text": (b"X-A: \x80\xff", SAME),
    "inner": (b"X-A: b \t c", SAME),
    "cookies": (b"Set-Cookie: a=1|X-B: c|Set-Cookie: b=2", SAME), "long": (b"X-A: " + b"b" * 30000, SAME),
    "many": (b"|".join([b"X-A: b"] * 150), SAME), "date": (b"Date: Sun, 06 Nov 1994 08:49:37 GMT|Server: x", SAME),
    "underscore": (b"X_A: b", SAME), "token": (b"!#$%&'*+-.^_`~: b", SAME), "via": (b"Via: 1.1 other", SAME),
    "trailer": (b"Trailer: X-A", SAME), "www": (b"WWW-Authenticate: Basic realm=x", SAME),
    "keep-alive": (b"Connection: keep-alive|Keep-Alive: timeout=5", b""), "close": (b"Connection: close", Last(b"")),
    "close-case": (b"connection: Close", Last(b"")), "close-list": (b"Connection: x, close", Last(b"")),
    "named": (b"Connection: X-A|X-A: b|X-B: c", b"X-B: c"), "named-length": (b"Connection: Content-Length", b""),
    "named-coding": (b"Connection: Transfer-Encoding", b""), "named-date": (b"Connection: Date|Date: x", b""),
    "proxy-connection": (b"Proxy-Connection: close", b""), "upgrade": (b"Upgrade: h2c|Connection: Upgrade", b""),
    "te": (b"TE: x", b""),
    "space-colon": (b"X-A : b", Either(502, b"X-A: b")), "tab-colon": (b"X-A\t: b", 502),
    "name-space": (b"X A: b", 502), "name-none": (b": b", 502), "no-colon": (b"X-A", 502),
    "name-8bit": (b"X\xe9: b", 502), "name-paren": (b"X(A): b", 502),
    "name-nul": (b"X\0A: b", 502), "name-at": (b"X@A: b", 502), "fold": (b"X-A: b| c", 502),
    "fold-tab": (b"X-A: b|\tc", 502), "fold-first": (b" X-A: b", 502),
    "fold-length": (b"X-A: b| Content-Length: 9", 502), "nul": (b"X-A: b\0", 502),
    "cr": (b"X-A: b\rc", 502), "lf": (b"X-A: b\nX-B: c", 502), "cr-last": (b"X-A: b\r", 502),
    "cr-coding": (b"X-A: \rTransfer-Encoding: chunked", 502), "control": (b"X-A: \x01", 502),
    "del": (b"X-A: \x7f", 502), "vt": (b"X-A: a\x0bb", 502),
    "too-many": (b"|".join([b"X-A: b"] * 201), 502), "too-long": (b"X-A: " + b"b" * 70000, 502),
    "end-lf": (b"X-A: b\n\nHTTP/1.1 200 OK", 502),
    "named-too-many": (b"Connection: " + b", ".join(b"x-%d" % i for i in range(65)), 502),
}, lambda lines: answer(lines + b"|Content-Length: 2")))

CASES.update(rows("length", {
    "zero": ((b"Content-Length: 0", b""), SAME), "five": ((b"Content-Length: 5", b"hello"), SAME),
    "zeros": ((b"Content-Length: 0005", b"hello"), (b"Content-Length: 5", b"hello")),
    "case": ((b"content-LENGTH: 5", b"hello"), (b"Content-Length: 5", b"hello")),
    "answer-inside": ((b"Content-Length: 42", answer() + b"12"), SAME),
    "large": ((b"Content-Length: 200000", b"0123456789" * 20000), SAME),
    "twice-alike": ((b"Content-Length: 5|Content-Length: 5", b"hello"), Either(502, (b"Content-Length: 5", b"hello"))),
    "twice": ((b"Content-Length: 5|Content-Length: 3", b"hello"), 502),
    "list": ((b"Content-Length: 5, 3", b"hello"), 502),
    "list-alike": ((b"Content-Length: 5, 5", b"hello"), Either(502, (b"Content-Length: 5", b"hello"))),
    "plus": ((b"Content-Length: +5", b"hello"), 502), "minus": ((b"Content-Length: -5", b"hello"), 502),
    "hex": ((b"Content-Length: 0x5", b"hello"), 502),
    "empty": ((b"Content-Length:", b"hello"), 502), "word": ((b"Content-Length: x", b"hello"), 502),
    "tail": ((b"Content-Length: 5x", b"hello"), 502), "space": ((b"Content-Length: 1 1", b"hello"), 502),
    "point": ((b"Content-Length: 5.0", b"hello"), 502),
    "2^64": ((b"Content-Length: 18446744073709551616", b""), 502),
    "2^64+5": ((b"Content-Length: 18446744073709551621", b"hello"), 502),
    "2^63": ((b"Content-Length: 9223372036854775808", b"hello"), 502),
    "name-space": ((b"Content-Length : 5", b"hello"), Either(502, (b"Content-Length: 5", b"hello"))),
    "both": ((b"Content-Length: 5|Transfer-Encoding: chunked", b"0\r\n\r\n"), 502),
    "both-turned": ((b"Transfer-Encoding: chunked|Content-Length: 5", b"0\r\n\r\n"), 502),
    "coding-twice": ((b"Transfer-Encoding: chunked|Transfer-Encoding: chunked", b"0\r\n\r\n"), 502),
    "chunked-list": ((b"Transfer-Encoding: chunked, chunked", b"0\r\n\r\n"), 502),
    "gzip": ((b"Transfer-Encoding: gzip", b"hello"), 502, GET, CLOSE),
    "gzip-chunked": ((b"Transfer-Encoding: gzip, chunked", b"0\r\n\r\n"), 502),
    "chunked-gzip": ((b"Transfer-Encoding: chunked, gzip", b"0\r\n\r\n"), 502),
    "identity": ((b"Transfer-Encoding: identity", b"hello"), 502, GET, CLOSE),
    "xchunked": ((b"Transfer-Encoding: xchunked", b"0\r\n\r\n"), 502),
    "coding-vt": ((b"Transfer-Encoding: \x0bchunked", b"0\r\n\r\n"), 502),
    "coding-empty": ((b"Transfer-Encoding:", b"hello"), 502),
    "coding-parameter": ((b"Transfer-Encoding: chunked;a=b", b"0\r\n\r\n"), 502),
    "coding-quoted": ((b'Transfer-Encoding: "chunked"', b"0\r\n\r\n"), 502),
    "coding-case": ((b"Transfer-Encoding: Chunked", b"2\r\nok\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked", b"2\r\nok\r\n0\r\n\r\n")),
    # ended by the connection: a complete answer becomes chunks, and one that was cut must show
    "none": ((b"", b"hello"), Last((b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n")), GET, CLOSE),
    "none-empty": ((b"", b""), Last((b"Transfer-Encoding: chunked", b"0\r\n\r\n")), GET, CLOSE),
    "none-reset": ((b"", b"hello"), BROKEN, GET, RESET),
    "none-old": ((b"", b"hello"), Last(), OLD, CLOSE), "none-old-reset": ((b"", b"hello"), BROKEN, OLD, RESET),
    "short": ((b"Content-Length: 9", b"hello"), BROKEN, GET, CLOSE),
    "short-reset": ((b"Content-Length: 9", b"hello"), BROKEN, GET, RESET),
    "short-old": ((b"Content-Length: 9", b"hello"), BROKEN, OLD, CLOSE),
    "short-empty": ((b"Content-Length: 9", b""), BROKEN, GET, CLOSE),
    "close": ((b"Content-Length: 5", b"hello"), Last(), GET, CLOSE),
    # a surplus is nobody's
    "surplus": ((b"Content-Length: 5", b"helloworld"), Last((b"Content-Length: 5", b"hello"))),
    "surplus-answer": ((b"Content-Length: 5", b"hello" + answer(body=b"no")), Last((b"Content-Length: 5", b"hello"))),
    "surplus-crlf": ((b"Content-Length: 5", b"hello\r\n"), Last((b"Content-Length: 5", b"hello"))),
    "surplus-zero": ((b"Content-Length: 0", answer(body=b"no")), Last((b"Content-Length: 0", b""))),
    "surplus-nul": ((b"Content-Length: 5", b"hello\0"), Last((b"Content-Length: 5", b"hello"))),
    "surplus-chunks": ((b"Transfer-Encoding: chunked", b"0\r\n\r\n" + answer(body=b"no")),
        Last((b"Transfer-Encoding: chunked", b"0\r\n\r\n"))),
    "surplus-interim": ((b"Content-Length: 5", b"helloHTTP/1.1 100 Continue\r\n\r\n"),
        Last((b"Content-Length: 5", b"hello"))),
    # HEAD: the head says how long it would be
    "head": ((b"Content-Length: 5", b""), SAME, HEAD), "head-none": ((b"", b""), SAME, HEAD),
    "head-chunked": ((b"Transfer-Encoding: chunked", b""), SAME, HEAD),
    "head-zero": ((b"Content-Length: 0", b""), SAME, HEAD),
    "head-surplus": ((b"Content-Length: 5", b"hello"), Last((b"Content-Length: 5", b"")), HEAD),
    "head-chunks": ((b"Transfer-Encoding: chunked", b"0\r\n\r\n"), Last((b"Transfer-Encoding: chunked", b"")), HEAD),
    "head-bad": ((b"Content-Length: x", b""), 502, HEAD),
    "head-both": ((b"Content-Length: 5|Transfer-Encoding: chunked", b""), 502, HEAD),
    "head-answer": ((b"Content-Length: 38", answer(body=b"no")), Last((b"Content-Length: 38", b"")), HEAD),
    # HTTP/1.0 knows no chunks
    "old-client-chunks": ((b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"), (b"", b"hello"), OLD),
    "old-client-bad-chunk": ((b"Transfer-Encoding: chunked", b"5\r\nhello\r\nx\r\n"), BROKEN, OLD),
    "old-client-cut-chunks": ((b"Transfer-Encoding: chunked", b"5\r\nhello\r\n"), BROKEN, OLD, CLOSE),
}, lambda pair: answer(*pair)))

CASES.update(rows("old", {
    "chunked": ((b"Transfer-Encoding: chunked", b"0\r\n\r\n"), 502),
    "keep-alive": ((b"Connection: keep-alive|Content-Length: 2", b"ok"), answer()),
    "none": ((b"", b"ok"), Last(answer(b"Transfer-Encoding: chunked", b"2\r\nok\r\n0\r\n\r\n")), GET, CLOSE),
}, lambda pair: answer(*pair, start=b"HTTP/1.0 200 OK") if isinstance(pair, tuple) else pair))

for status in (b"204 No Content", b"304 Not Modified"):
    bare = (b"", b"") if status[:1] == b"2" else SAME     # a 204 cannot say a length (RFC 9110 §8.6), a 304 may
    CASES.update(rows(status[:3].decode(), {
        "plain": ((b"X-A: b", b""), SAME),
        "zero": ((b"Content-Length: 0", b""), bare),
        "length": ((b"Content-Length: 5", b""), bare),
        "chunked": ((b"Transfer-Encoding: chunked", b""), bare),
        "body": ((b"X-A: b", b"hello"), Last((b"X-A: b", b""))),
        "length-body": ((b"Content-Length: 5", b"hello"), Last((b"Content-Length: 5", b"") if bare is SAME else bare)),
        "answer": ((b"X-A: b", answer(body=b"no")), Last((b"X-A: b", b""))),
        "bad-length": ((b"Content-Length: x", b""), 502),
        "both": ((b"Content-Length: 5|Transfer-Encoding: chunked", b""), 502),
    }, lambda pair, start=b"HTTP/1.1 " + status: answer(*pair, start=start)))

LAST = b"0\r\n\r\n"
CASES.update(rows("chunk", {
    "one": (b"5\r\nhello\r\n" + LAST, SAME), "none": (LAST, SAME),
    "upper": (b"A\r\n0123456789\r\n" + LAST, (b"0123456789",)), "zeros": (b"0005\r\nhello\r\n000\r\n\r\n", (b"hello",)),
    "extension": (b"5;a=b\r\nhello\r\n0;c\r\n\r\n", (b"hello",)),
    "extension-quoted": (b'5;a="b"\r\nhello\r\n' + LAST, (b"hello",)),
    "large": (b"20000\r\n" + b"x" * 131072 + b"\r\n" + LAST, SAME), "small": (b"1\r\nx\r\n" * 20 + LAST, (b"x" * 20,)),
    "trailer": (b"0\r\nX-A: b\r\n\r\n", SAME), "trailers": (b"5\r\nhello\r\n0\r\nX-A: b\r\nX-A: c\r\n\r\n", SAME),
    "trailer-dropped": (b"0\r\nSet-Cookie: a\r\nContent-Type: x\r\nConnection: close\r\nLocation: /\r\nX-A: b\r\n\r\n",
        (b"", b"X-A: b\r\n")),
    "trailer-length": (b"0\r\nContent-Length: 5\r\n\r\n", BROKEN),
    "trailer-coding": (b"0\r\nTransfer-Encoding: x\r\n\r\n", BROKEN),
    "trailer-fold": (b"0\r\nX-A: b\r\n c\r\n\r\n", BROKEN), "trailer-bad": (b"0\r\nX A: b\r\n\r\n", BROKEN),
    "trailer-lf": (b"0\r\nX-A: b\n\r\n", BROKEN),
    "trailer-nul": (b"0\r\nX-A: \0\r\n\r\n", BROKEN), "trailer-many": (b"0\r\n" + b"X-A: b\r\n" * 65 + b"\r\n", BROKEN),
    "trailer-cr": (b"0\r\nX-A: b\rc\r\n\r\n", BROKEN), "trailer-empty-name": (b"0\r\n: b\r\n\r\n", BROKEN),
    "trailer-answer": (b"0\r\nHTTP/1.1 200 OK\r\n\r\n", BROKEN),
    "0x": (b"0x5\r\nhello\r\n" + LAST, BROKEN), "plus": (b"+5\r\nhello\r\n" + LAST, BROKEN),
    "minus": (b"-5\r\nhello\r\n" + LAST, BROKEN), "space": (b" 5\r\nhello\r\n" + LAST, BROKEN),
    "space-behind": (b"5 \r\nhello\r\n" + LAST, Either(BROKEN, (b"hello",))), "g": (b"g\r\nhello\r\n" + LAST, BROKEN),
    "empty": (b"\r\nhello\r\n" + LAST, BROKEN), "2^64": (b"10000000000000000\r\nhello\r\n" + LAST, BROKEN),
    "2^64+5": (b"10000000000000005\r\nhello\r\n" + LAST, BROKEN),
    "2^63": (b"8000000000000000\r\nhello\r\n" + LAST, BROKEN), "nul": (b"5\0\r\nhello\r\n" + LAST, BROKEN),
    "lf": (b"5\nhello\n0\n\n", BROKEN), "cr": (b"5\rhello\r\n" + LAST, BROKEN),
    "cr-x": (b"5\rXhello\r\n" + LAST, BROKEN), "data-more": (b"5\r\nhello!\r\n" + LAST, BROKEN),
    "data-less": (b"5\r\nhell\r\n" + LAST, BROKEN), "data-none": (b"5\r\nhello" + LAST, BROKEN),
    "data-xx": (b"5\r\nhelloXX" + LAST, BROKEN),
    "data-lf": (b"5\r\nhello\n" + LAST, BROKEN), "last-lf": (b"5\r\nhello\r\n0\n\n", BROKEN),
    "end-lf": (b"5\r\nhello\r\n0\r\n\n", BROKEN), "end-xx": (b"5\r\nhello\r\n0\r\nxx\r\n\r\n", BROKEN),
    "extension-lf": (b"5;a\nhello\r\n" + LAST, BROKEN),
    "extension-huge": (b"5;a=" + b"b" * 70000 + b"\r\nhello\r\n" + LAST, BROKEN),
    "size-huge": (b"0" * 70000 + b"5\r\nhello\r\n" + LAST, BROKEN), "text": (b"hello", BROKEN, GET, CLOSE),
    # cut at each point
    "cut-at-once": (b"", BROKEN, GET, CLOSE), "cut-size": (b"5", BROKEN, GET, CLOSE),
    "cut-line": (b"5\r\n", BROKEN, GET, CLOSE), "cut-data": (b"5\r\nhel", BROKEN, GET, CLOSE),
    "cut-behind-data": (b"5\r\nhello", BROKEN, GET, CLOSE), "cut-chunk": (b"5\r\nhello\r\n", BROKEN, GET, CLOSE),
    "cut-last": (b"5\r\nhello\r\n0", BROKEN, GET, CLOSE), "cut-last-line": (b"5\r\nhello\r\n0\r\n", BROKEN, GET, CLOSE),
    "cut-last-cr": (b"5\r\nhello\r\n0\r\n\r", BROKEN, GET, CLOSE),
    "cut-trailer": (b"5\r\nhello\r\n0\r\nX-A: b\r\n", BROKEN, GET, CLOSE),
    "reset-data": (b"5\r\nhel", BROKEN, GET, RESET), "reset-chunk": (b"5\r\nhello\r\n", BROKEN, GET, RESET),
    "reset-last-line": (b"5\r\nhello\r\n0\r\n", BROKEN, GET, RESET),
}, lambda body: chunked(*body) if isinstance(body, tuple) else answer(b"Transfer-Encoding: chunked", body)))

CONTINUE, EARLY = b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
CASES.update(rows("interim", {
    "100": (CONTINUE + answer(), SAME), "103": (EARLY + answer(), SAME),
    "102": (b"HTTP/1.1 102 Processing\r\n\r\n" + answer(), SAME), "199": (b"HTTP/1.1 199 Odd\r\n\r\n" + answer(), SAME),
    "several": (EARLY * 3 + answer(), SAME),
    "32": (EARLY * 32 + answer(), SAME), "33": (EARLY * 33 + answer(), BROKEN),
    "length": (b"HTTP/1.1 103 Early\r\nContent-Length: 5\r\n\r\n" + answer(),
        Either(b"HTTP/1.1 103 Early\r\n\r\n" + answer(), 502)),
    "body": (b"HTTP/1.1 103 Early\r\nContent-Length: 5\r\n\r\nhello" + answer(), BROKEN),
    "alone": (CONTINUE, BROKEN, GET, CLOSE),
    "101": (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 502),
    "101-bare": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + answer(), 502),
    "bad": (b"HTTP/1.1 103 Early\r\nX A: b\r\n\r\n" + answer(), BROKEN),
    "connection": (b"HTTP/1.1 103 Early\r\nConnection: X-A\r\nX-A: b\r\n\r\n" + answer(),
        b"HTTP/1.1 103 Early\r\n\r\n" + answer()),
    "old": (CONTINUE + EARLY + answer(), answer(), OLD), "final-first": (answer() + CONTINUE, Last(answer())),
    "204": (EARLY + b"HTTP/1.1 204 No\r\n\r\n", SAME), "head": (EARLY + answer(body=b""), SAME, HEAD),
    "lf": (b"HTTP/1.1 100 Continue\n\n" + answer(), 502),
}, lambda data: data))

# A protocol that was not asked for is none to switch to: RFC 9110 §7.8.
CASES.update(rows("switch", {
    "other": (b"Upgrade: coffee|Connection: Upgrade", 502, UPGRADE),
    "none": (b"Connection: Upgrade", 502, UPGRADE), "empty": (b"Upgrade:|Connection: Upgrade", 502, UPGRADE),
    "alone": (b"Upgrade: tea/2", 502, UPGRADE), "two": (b"Upgrade: tea/2, coffee|Connection: Upgrade", 502, UPGRADE),
    "lines": (b"Upgrade: tea/2|Upgrade: tea/2|Connection: Upgrade", 502, UPGRADE),
    "version": (b"Upgrade: tea/3|Connection: Upgrade", 502, UPGRADE),
    "versionless": (b"Upgrade: tea|Connection: Upgrade", 502, UPGRADE),
    "h2c": (b"Upgrade: h2c|Connection: Upgrade", 502, UPGRADE),
    "unasked": (b"Upgrade: tea/2|Connection: Upgrade", 502), "head": (b"Upgrade: tea/2|Connection: Upgrade", 502, HEAD),
    "old": (b"Upgrade: tea/2|Connection: Upgrade", 502, OLD),
    "refused": (b"", SAME, UPGRADE),
}, lambda lines: answer() if not lines else answer(lines, b"coffee", b"HTTP/1.1 101 Switching Protocols")))

CASES.update(rows("whole", {
    # what is no answer at all, and what breaks off before one is there
    "nothing": (b"", 502, GET, CLOSE), "nothing-reset": (b"", 502, GET, RESET),
    "text": (b"<html>hello</html>", 502, GET, CLOSE), "text-lines": (b"hello\r\nworld\r\n\r\n", 502),
    "text-lf": (b"hello\n\n", 502), "tls": (b"\x15\x03\x01\0\x02\x02\x16", 502, GET, CLOSE),
    "half-line": (b"HTTP/1.1 20", 502, GET, CLOSE), "line": (b"HTTP/1.1 200 OK\r\n", 502, GET, CLOSE),
    "half-head": (b"HTTP/1.1 200 OK\r\nContent-Le", 502, GET, CLOSE),
    "head-but-lf": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r", 502, GET, CLOSE),
    "half-head-reset": (b"HTTP/1.1 200 OK\r\nCont", 502, GET, RESET),
    "h2": (b"\0\0\0\4\0\0\0\0\0", 502), "endless-line": (b"HTTP/1.1 200 " + b"x" * 100000, 502),
    "endless-head": (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 20000, 502), "nul": (b"\0" * 100, 502),
    "lf-only": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 502), "crlf": (b"\r\n\r\n", 502),
    "no-head-end": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nok", 502, GET, CLOSE),
}, lambda data: data))
