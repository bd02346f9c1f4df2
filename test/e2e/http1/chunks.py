"""Chunks and trailers: RFC 9112 §7.1, RFC 9110 §6.5. Each row is what stands behind the head of a chunked request,
and the content (and trailers) that must arrive; a request follows."""
from .lengths import NEXT
from .notation import Either, Late, request, shaped

HEAD = b"Transfer-Encoding: chunked\r\n"
BAD = Late(400)


def whole(content, trailers=b""):
    chunk = b"%x\r\n%s\r\n" % (len(content), content) if content else b""
    return request(b"POST /p HTTP/1.1", HEAD, chunk + b"0\r\n" + trailers + b"\r\n")


def chunked(rows):
    def expect(content):
        return [whole(*content) if isinstance(content, tuple) else whole(content), NEXT]
    return {name: (request(b"POST /p HTTP/1.1", HEAD, body) + NEXT, shaped(outcome, expect)) for name,
    (body, outcome) in rows.items()}


LAST = b"0\r\n\r\n"
CASES = chunked({
    # sizes
    "one": (b"5\r\nhello\r\n" + LAST, b"hello"), "none": (LAST, b""),
    "two": (b"2\r\nhe\r\n3\r\nllo\r\n" + LAST, b"hello"),
    "single-bytes": (b"1\r\na\r\n" * 50 + LAST, b"a" * 50), "lower": (b"a\r\n0123456789\r\n" + LAST, b"0123456789"),
    "upper": (b"A\r\n0123456789\r\n" + LAST, b"0123456789"),
    "mixed": (b"1aB\r\n" + b"x" * 0x1ab + b"\r\n" + LAST, b"x" * 0x1ab),
    "zeros": (b"005\r\nhello\r\n" + LAST, b"hello"),
    "zeros-last": (b"5\r\nhello\r\n0000\r\n\r\n", b"hello"),
    "framing-inside": (b"b\r\n0\r\n\r\nGET /\r\r\n" + LAST, b"0\r\n\r\nGET /\r"),
    "zeros-endless": (b"5\r\nhello\r\n" + b"0" * 70000 + b"\r\n\r\n", BAD),
    "binary": (b"4\r\n\0\r\n\xff\r\n" + LAST, b"\0\r\n\xff"),
    "large": (b"4000\r\n" + b"x" * 16384 + b"\r\n" + LAST, b"x" * 16384),
    "0x": (b"0x5\r\nhello\r\n" + LAST, BAD), "x": (b"x5\r\nhello\r\n" + LAST, BAD),
    "plus": (b"+5\r\nhello\r\n" + LAST, BAD), "minus": (b"-5\r\nhello\r\n" + LAST, BAD),
    "minus-zero": (b"-0\r\n\r\n", BAD), "space-before": (b" 5\r\nhello\r\n" + LAST, BAD),
    "tab-before": (b"\t5\r\nhello\r\n" + LAST, BAD),
    "space-behind": (b"5 \r\nhello\r\n" + LAST, BAD), "tab-behind": (b"5\t\r\nhello\r\n" + LAST, BAD),
    "space-inside": (b"0 5\r\nhello\r\n" + LAST, BAD),
    "empty": (b"\r\nhello\r\n" + LAST, BAD), "g": (b"g\r\nhello\r\n" + LAST, BAD),
    "tail": (b"5g\r\nhello\r\n" + LAST, BAD), "comma": (b"5,5\r\nhello\r\n" + LAST, BAD),
    "underscore": (b"0_5\r\nhello\r\n" + LAST, BAD), "point": (b"5.0\r\nhello\r\n" + LAST, BAD),
    "quoted": (b'"5"\r\nhello\r\n' + LAST, BAD),
    "h": (b"5h\r\nhello\r\n" + LAST, BAD), "nul": (b"5\0\r\nhello\r\n" + LAST, BAD),
    "8bit": (b"\xb5\r\nhello\r\n" + LAST, BAD), "vt": (b"5\x0b\r\nhello\r\n" + LAST, BAD),
    "2^64": (b"10000000000000000\r\nhello\r\n" + LAST, BAD), "2^64+5": (b"10000000000000005\r\nhello\r\n" + LAST, BAD),
    "endless-size": (b"f" * 300 + b"\r\nhello\r\n" + LAST, BAD),
    "2^64-1": (b"ffffffffffffffff\r\nhello\r\n" + LAST, BAD), "2^63": (b"8000000000000000\r\nhello\r\n" + LAST, BAD),
    "extension-empty": (b"5;\r\nhello\r\n" + LAST, Either(b"hello", BAD)),
    # ends of lines
    "lf": (b"5\nhello\r\n" + LAST, BAD), "cr": (b"5\rhello\r\n" + LAST, BAD), "cr-x": (b"5\rXhello\r\n" + LAST, BAD),
    "lf-cr": (b"5\n\rhello\r\n" + LAST, BAD),
    "data-lf": (b"5\r\nhello\n" + LAST, BAD), "data-cr": (b"5\r\nhello\r" + LAST, BAD),
    "data-none": (b"5\r\nhello" + LAST, BAD), "data-xx": (b"5\r\nhelloXX" + LAST, BAD),
    "data-more": (b"5\r\nhello!\r\n" + LAST, BAD), "data-less": (b"5\r\nhell\r\n" + LAST, BAD),
    "data-crlf-crlf": (b"5\r\nhello\r\n\r\n" + LAST, BAD),
    "last-lf": (b"5\r\nhello\r\n0\n\r\n", BAD), "last-cr": (b"5\r\nhello\r\n0\r\r\n\r\n", BAD),
    "end-lf": (b"5\r\nhello\r\n0\r\n\n", BAD), "end-cr": (b"5\r\nhello\r\n0\r\n\rX", BAD),
    "all-lf": (b"5\nhello\n0\n\n", BAD), "cr-cr-lf": (b"5\r\r\nhello\r\n" + LAST, BAD),
    "data-blank": (b"5\r\nhello \r\n" + LAST, BAD), "data-cr-x": (b"5\r\nhello\rX" + LAST, BAD),
    # extensions: read over, never sent on
    "extension": (b"5;a=b\r\nhello\r\n" + LAST, b"hello"), "extension-name": (b"5;a\r\nhello\r\n" + LAST, b"hello"),
    "extension-last": (b"5\r\nhello\r\n0;a=b\r\n\r\n", b"hello"),
    "extension-quoted": (b'5;a="b"\r\nhello\r\n' + LAST, b"hello"),
    "extension-quoted-more": (b'5;a="b;c d"\r\nhello\r\n' + LAST, Either(b"hello", BAD)),
    "extensions": (b"5;a=b;c=d\r\nhello\r\n" + LAST, Either(b"hello", BAD)),
    "extension-long": (b"5;a=" + b"b" * 3000 + b"\r\nhello\r\n" + LAST, b"hello"),
    "extension-blank": (b"5 ;a=b\r\nhello\r\n" + LAST, Either(BAD, b"hello")),
    "extension-lf": (b"5;a=b\nhello\r\n" + LAST, BAD), "extension-cr": (b"5;a=b\rX\r\nhello\r\n" + LAST, BAD),
    "extension-nul": (b"5;a=\0\r\nhello\r\n" + LAST, BAD), "extension-control": (b"5;a=\x01\r\nhello\r\n" + LAST, BAD),
    "extension-quoted-lf": (b'5;a="\n"\r\nhello\r\n' + LAST, BAD),
    "extension-hidden": (b"2;\nxx\r\n4c\r\n" + LAST, BAD),
    "extension-huge": (b"5;a=" + b"b" * 70000 + b"\r\nhello\r\n" + LAST, BAD),
    "extension-open": (b'5;a="b\r\nhello\r\n' + LAST, BAD),
    "extension-many": (b"1;a=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\nx\r\n" * 1000 + LAST, BAD),
    "extension-crlf-inside": (b'5;a="\r\n"\r\nhello\r\n' + LAST, BAD),
    # trailers
    "trailer": (b"5\r\nhello\r\n0\r\nX-A: b\r\n\r\n", (b"hello", b"X-A: b\r\n")),
    "trailer-alone": (b"0\r\nX-A: b\r\n\r\n", (b"", b"X-A: b\r\n")),
    "trailers": (b"0\r\nX-A: b\r\nx-a: c\r\nX-B:\r\n\r\n", (b"", b"X-A: b\r\nx-a: c\r\nX-B: \r\n")),
    "trailer-blanks": (b"0\r\nX-A: \t b \t\r\n\r\n", (b"", b"X-A: b\r\n")),
    "trailer-obs-text": (b"0\r\nX-A: \xe9\r\n\r\n", (b"", b"X-A: \xe9\r\n")),
    "trailer-checksum": (b"0\r\nDigest: sha-256=x\r\nServer-Timing: a\r\n\r\n",
        (b"", b"Digest: sha-256=x\r\nServer-Timing: a\r\n")),
    **{f"trailer-{name.decode().lower()}": (b"0\r\n%s: x\r\nX-A: b\r\n\r\n" % name, (b"", b"X-A: b\r\n")) for name in (
        # routing, authentication, how content is read, how a request is to be handled: dropped (RFC 9110 §6.5.1)
        b"Host", b"Authorization", b"Cookie", b"Set-Cookie", b"Content-Type", b"Content-Encoding", b"Content-Range",
        b"Trailer", b"Expect", b"Location",
        b"Proxy-Authorization", b"Connection", b"Keep-Alive", b"Proxy-Connection", b"TE", b"Upgrade", b"Max-Forwards",
        b"Range", b"If-Match", b"If-None-Match",
        b"If-Modified-Since", b"If-Unmodified-Since", b"If-Range", b"Cache-Control", b"Forwarded", b"X-Forwarded-For",
        b"X-Forwarded-Host", b"X-Forwarded-Proto",
        b"X-Real-IP", b"X_Forwarded_For", b"x-FORWARDED_user", b"Set_Cookie", b"Via", b"Idempotency-Key", b"Shunt-Message-Id", b"Shunt-Hops", b"WWW-Authenticate")},
    "trailer-length": (b"0\r\nContent-Length: 5\r\n\r\nhello", BAD),
    "trailer-coding": (b"0\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST, BAD),
    "trailer-length-case": (b"0\r\ncontent-LENGTH: 0\r\n\r\n", BAD),
    "trailer-fold": (b"0\r\nX-A: b\r\n c\r\n\r\n", BAD), "trailer-fold-first": (b"0\r\n X-A: b\r\n\r\n", BAD),
    "trailer-tab-first": (b"0\r\n\tX-A: b\r\n\r\n", BAD), "trailer-no-colon": (b"0\r\nX-A\r\n\r\n", BAD),
    "trailer-no-name": (b"0\r\n: b\r\n\r\n", BAD),
    "trailer-space": (b"0\r\nX-A : b\r\n\r\n", BAD), "trailer-name": (b"0\r\nX A: b\r\n\r\n", BAD),
    "trailer-name-8bit": (b"0\r\nX\xe9: b\r\n\r\n", BAD), "trailer-nul": (b"0\r\nX-A: \0\r\n\r\n", BAD),
    "trailer-control": (b"0\r\nX-A: \x01\r\n\r\n", BAD), "trailer-cr": (b"0\r\nX-A: b\rX-B: c\r\n\r\n", BAD),
    "trailer-lf": (b"0\r\nX-A: b\n\r\n", BAD), "trailer-lf-lf": (b"0\r\nX-A: b\n\n", BAD),
    "trailer-request": (b"0\r\nGET /hidden HTTP/1.1\r\n\r\n", BAD),
    "trailer-too-many": (b"0\r\n" + b"X-A: b\r\n" * 65 + b"\r\n", BAD), "trailer-del": (b"0\r\nX-A: \x7f\r\n\r\n", BAD),
    "trailer-too-long": (b"0\r\nX-A: " + b"b" * 70000 + b"\r\n\r\n", BAD),
    "trailer-many": (b"0\r\n" + b"X-A: b\r\n" * 60 + b"\r\n", (b"", b"X-A: b\r\n" * 60)),
})
