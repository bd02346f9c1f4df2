"""What concerns one connection and not the other: RFC 9110 §7.6, §7.8, §10.1, RFC 9112 §9. Each row is field lines,
parted by '|', and those that arrive; a request follows on the same connection."""
from .lengths import HIDDEN, NEXT, message
from .notation import SAME, Ends, Late, request

CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"


def kept(rows, line=b"GET /p HTTP/1.1", body=b""):
    cases = {}
    for name, (lines, outcome) in rows.items():
        ends = isinstance(outcome, Ends)
        if not isinstance(outcome, int):
            arrives = outcome.arrives if ends else lines if outcome is SAME else outcome
            first = message(arrives, body, line.replace(b"/1.0", b"/1.1"))
            outcome = Ends([first]) if ends else [first, NEXT]
        cases[name] = (message(lines, body, line) + NEXT, outcome)
    return cases


CASES = kept({
    # Connection, and what it nominates
    "close": (b"Connection: close", Ends(b"")), "close-case": (b"connection: CLOSE", Ends(b"")),
    "close-list": (b"Connection: x-a, close", Ends(b"")),
    "close-twice": (b"Connection: close|Connection: close", Ends(b"")),
    "close-second": (b"Connection: keep-alive|Connection: close", Ends(b"")),
    "keep-alive": (b"Connection: keep-alive", b""),
    "keep-alive-field": (b"Connection: keep-alive|Keep-Alive: timeout=5", b""), "empty": (b"Connection:", b""),
    "commas": (b"Connection: ,, ,", b""), "named": (b"Connection: X-A|X-A: b|X-B: c", b"X-B: c"),
    "named-case": (b"Connection: x-a|X-A: b", b""),
    "named-twice": (b"Connection: X-A, X-B|X-A: b|X-C: d|X-B: c", b"X-C: d"),
    "named-before": (b"X-A: b|Connection: X-A", b""), "named-repeated": (b"X-A: b|X-A: c|Connection: X-A", b""),
    "named-lines": (b"Connection: X-A|Connection: X-B|X-A: b|X-B: c", b""), "named-host": (b"Connection: Host", b""),
    "named-host-close": (b"Connection: close, Host", Ends(b"")),
    "named-via": (b"Connection: Via|Via: 1.1 a", b""), "named-absent": (b"Connection: X-A", b""),
    "named-itself": (b"Connection: Connection", b""),
    "named-authorization": (b"Connection: Authorization|Authorization: x", b""),
    "named-quoted": (b'Connection: "X-A"|X-A: b', b"X-A: b"), "named-malformed": (b"Connection: X A|X-A: b", b"X-A: b"),
    "named-too-many": (b"Connection: " + b", ".join(b"x-%d" % i for i in range(65)), 400),
    "five-lines": (b"|".join([b"Connection: x-a"] * 5), 400),
    "proxy-connection": (b"Proxy-Connection: keep-alive", b""),
    "proxy-connection-close": (b"Proxy-Connection: close", b""), "keep-alive-alone": (b"Keep-Alive: timeout=5", b""),
    "proxy-authorization": (b"Proxy-Authorization: Basic x", b""), "trailer": (b"Trailer: X-A", SAME),
    "authorization": (b"Authorization: Basic x", SAME),
    # TE
    "te-trailers": (b"TE: trailers|Connection: TE", b"Connection: TE|TE: trailers"),
    "te-gzip": (b"TE: gzip|Connection: TE", b""),
    "te-list": (b"TE: gzip;q=0.5, trailers|Connection: TE", b"Connection: TE|TE: trailers"),
    "te-chunked": (b"TE: chunked|Connection: TE", b""), "te-empty": (b"TE:|Connection: TE", b""),
    # Via: one more, and a loop ends
    "via": (b"Via: 1.1 other", SAME), "via-comment": (b"Via: 1.0 fred, 1.1 p.example.net (Apache/1.1)", SAME),
    "via-lines": (b"Via: 1.1 a|X-A: b|Via: 1.1 b", SAME),
    # Upgrade: not without Connection, not to HTTP/2, not twice
    "upgrade-alone": (b"Upgrade: websocket", b""),
    "upgrade-h2c": (b"Connection: Upgrade, HTTP2-Settings|Upgrade: h2c|HTTP2-Settings: AAMAAABkAAQAAP__", b""),
    "upgrade-h2c-case": (b"Connection: upgrade|Upgrade: H2C", b""),
    "upgrade-two": (b"Connection: Upgrade|Upgrade: websocket|Upgrade: h2c", b""),
    "upgrade-list": (b"Connection: Upgrade|Upgrade: websocket, h2c", b""),
    "upgrade-empty": (b"Connection: Upgrade|Upgrade:", b""), "upgrade-none": (b"Connection: Upgrade", b""),
    "upgrade-refused": (b"Connection: Upgrade|Upgrade: websocket", SAME),
    "upgrade-h2": (b"Connection: Upgrade|Upgrade: h2", b""),
    "upgrade-tls": (b"Connection: Upgrade|Upgrade: TLS/1.3", SAME),
    "upgrade-malformed": (b"Connection: Upgrade|Upgrade: web socket", b""),
    "settings-alone": (b"HTTP2-Settings: AAMAAABkAAQAAP__", SAME),
    # Expect without a body asks for nothing
    "expect": (b"Expect: 100-continue", b""), "expect-other": (b"Expect: 200-maybe", 417),
    "expect-empty": (b"Expect:", 417), "expect-list": (b"Expect: 100-continue, x", 417),
    "expect-two": (b"Expect: 100-continue|Expect: 100-continue", 417),
    "expect-parameter": (b"Expect: 100-continue;a=b", 417), "expect-quoted": (b'Expect: "100-continue"', 417),
    # Max-Forwards counts for OPTIONS and TRACE alone
    "max-forwards": (b"Max-Forwards: 0", SAME), "max-forwards-two": (b"Max-Forwards: 1|Max-Forwards: x", SAME),
})

CASES.update(kept({
    "body-named-length": (b"Connection: Content-Length|Content-Length: 5", b"Content-Length: 5"),
    "body-named-coding-length": (b"Connection: Transfer-Encoding|Content-Length: 5", b"Content-Length: 5"),
    "body-expect": (b"Expect: 100-continue|Content-Length: 5", b"Expect: 100-continue|Content-Length: 5"),
    "body-expect-case": (b"expect: 100-CONTINUE|Content-Length: 5", b"Expect: 100-continue|Content-Length: 5"),
    "body-close": (b"Connection: close|Content-Length: 5", Ends(b"Content-Length: 5")),
    "body-upgrade": (b"Connection: Upgrade|Upgrade: websocket|Content-Length: 5", b"Content-Length: 5"),
    "body-te": (b"Connection: TE|TE: trailers|Content-Length: 5", b"Connection: TE|TE: trailers|Content-Length: 5"),
    "body-expect-other": (b"Expect: x|Content-Length: 5", 417),
}, b"POST /p HTTP/1.1", b"hello"))
CASES.update(kept({
    "chunks-named-coding": (b"Connection: Transfer-Encoding|Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "chunks-named-both": (b"Connection: Content-Length, Transfer-Encoding|Transfer-Encoding: chunked",
        b"Transfer-Encoding: chunked"),
    "chunks-expect": (b"Expect: 100-continue|Transfer-Encoding: chunked",
        b"Expect: 100-continue|Transfer-Encoding: chunked"),
    "chunks-close": (b"Connection: close|Transfer-Encoding: chunked", Ends(b"Transfer-Encoding: chunked")),
    "chunks-named-length-both": (b"Connection: Content-Length|Content-Length: 15|Transfer-Encoding: chunked", 400),
}, b"POST /p HTTP/1.1", CHUNKED))
CASES.update(kept({
    # HTTP/1.0 stays only when it asks for it
    "old": (b"", Ends(b"")), "old-keep-alive": (b"Connection: keep-alive", b""),
    "old-keep-alive-case": (b"connection: Keep-Alive", b""), "old-close": (b"Connection: close", Ends(b"")),
    "old-both": (b"Connection: keep-alive, close", Ends(b"")),
    "old-proxy": (b"Proxy-Connection: keep-alive", Ends(b"")), "old-expect": (b"Expect: 100-continue", Ends(b"")),
    "old-upgrade": (b"Connection: Upgrade|Upgrade: websocket", Ends(b"")),
    "old-named": (b"Connection: X-A|X-A: b", Ends(b"")), "old-expect-other": (b"Expect: x", Ends(b"")),
}, b"GET /p HTTP/1.0"))
CASES.update(kept({
    "options-forwards": (b"Max-Forwards: 5", b"Max-Forwards: 4"),
    "options-forwards-1": (b"Max-Forwards: 1", b"Max-Forwards: 0"), "options-none": (b"", SAME),
    "options-forwards-0": (b"Max-Forwards: 0", 501), "options-forwards-x": (b"Max-Forwards: x", 400),
    "options-forwards-two": (b"Max-Forwards: 5|Max-Forwards: 4", 400),
    "options-forwards-same": (b"Max-Forwards: 5|X-A: b|max-forwards: 5", 400),
    "options-forwards-list": (b"Max-Forwards: 5, 4", 400), "options-forwards-empty": (b"Max-Forwards:", 400),
}, b"OPTIONS /p HTTP/1.1"))
CASES.update(kept({
    "star-forwards": (b"Max-Forwards: 5", b"Max-Forwards: 4"), "star": (b"", SAME),
    "star-forwards-two": (b"Max-Forwards: 5|Max-Forwards: 5", 400),
    "star-body": (b"Content-Length: 0", SAME),
}, b"OPTIONS * HTTP/1.1"))
CASES.update(kept({
    "trace-forwards": (b"Max-Forwards: 2", b"Max-Forwards: 1"), "trace-forwards-0": (b"Max-Forwards: 0", 501),
    "trace-forwards-zeros": (b"Max-Forwards: 002", b"Max-Forwards: 1"),
    "trace-forwards-two": (b"Max-Forwards: 0|Max-Forwards: 5", 400),
    "trace-forwards-signed": (b"Max-Forwards: +2", 400), "trace-forwards-negative": (b"Max-Forwards: -1", 400),
    "trace-forwards-hex": (b"Max-Forwards: 0x2", 400), "trace-forwards-fraction": (b"Max-Forwards: 1.5", 400),
    "trace-length": (b"Content-Length: 5", 400), "trace-chunks": (b"Transfer-Encoding: chunked", 400),
    "trace-empty": (b"Content-Length: 0", SAME),
    "trace-forwards-huge": (b"Max-Forwards: 99999999999999999999", b"Max-Forwards: 18446744073709551614"),
}, b"TRACE /p HTTP/1.1"))

# One behind the other: each body ends where it ends, and what is wrong later does not undo what was right.
GET, LENGTH = request(b"GET /p HTTP/1.1"), message(b"Content-Length: 5", b"hello")
CHUNKS, HEAD = message(b"Transfer-Encoding: chunked", CHUNKED), request(b"HEAD /p HTTP/1.1")
CASES.update({f"pipe-{name}": (b"".join(parts), [part for part in parts if part.strip(b"\r\n")]) for name, parts in {
    "gets": [GET] * 20, "get-length": [GET, LENGTH, GET], "lengths": [LENGTH] * 5, "chunks": [CHUNKS] * 5,
    "all": [GET, LENGTH, CHUNKS, HEAD, GET, CHUNKS, LENGTH],
    "heads": [HEAD, GET, HEAD], "blank-between": [GET, b"\r\n", GET], "blank-behind-length": [LENGTH, b"\r\n", GET],
    "blank-behind-chunks": [CHUNKS, b"\r\n\r\n", GET],
    "hidden-length": [message(b"Content-Length: %d" % len(HIDDEN), HIDDEN), GET],
    "options-star": [request(b"OPTIONS * HTTP/1.1"), GET],
}.items()})
CASES.update({f"pipe-then-{name}": (b"".join(parts) + wrong + NEXT, [*parts, status]) for name,
(parts, wrong, status) in {
    "two-hosts": ([GET], request(b"GET /p HTTP/1.1", b"Host: up\r\n"), 400),
    "rubbish": ([LENGTH], b"rubbish\r\n\r\n", 400), "more-than-length": ([LENGTH], b"world", 501),
    "fold": ([CHUNKS], request(b"GET /p HTTP/1.1", b"X-A: b\r\n c\r\n"), 400),
    "version": ([GET, GET], request(b"GET /p HTTP/2.0"), 505),
    "both": ([CHUNKS, LENGTH], message(b"Content-Length: 5|Transfer-Encoding: chunked", CHUNKED), 400),
    "data-behind-chunks": ([CHUNKS], b"5\r\nhello\r\n0\r\n\r\n", 400),
}.items()})
CASES["pipe-then-bad-chunk"] = (GET + message(b"Transfer-Encoding: chunked", b"5\r\nhelloX"), [GET, Late(400)])
