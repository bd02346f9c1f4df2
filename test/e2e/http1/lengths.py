"""How long a body is: RFC 9112 §6. Each row is field lines, parted by '|', and what stands behind the head; a request
follows, which must be seen as one, whatever is made of the first."""
from .notation import SAME, Ends, request, table

NEXT = request(b"GET /next HTTP/1.1")
HIDDEN = request(b"GET /hidden HTTP/1.1")


def message(lines, body, line=b"POST /p HTTP/1.1"):
    return request(line, b"".join(one + b"\r\n" for one in lines.split(b"|") if one), body)


def framed(rows, line=b"POST /p HTTP/1.1"):
    """A refusal hides what follows; else both arrive, the first as a length or as one chunk."""
    cases = {}
    for name, (lines, body, outcome) in rows.items():
        if not isinstance(outcome, int):
            outcome = [message(lines if outcome is SAME else outcome, body, line), NEXT]
        cases[name] = (message(lines, body, line) + NEXT, outcome)
    return cases


CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"
CASES = framed({
    # Content-Length
    "none": (b"", b"", SAME), "zero": (b"Content-Length: 0", b"", SAME), "five": (b"Content-Length: 5", b"hello", SAME),
    "case": (b"cOnTeNt-LeNgTh: 5", b"hello", b"Content-Length: 5"),
    "blanks": (b"Content-Length:  5 ", b"hello", b"Content-Length: 5"),
    "tight": (b"Content-Length:5", b"hello", b"Content-Length: 5"),
    "zeros": (b"Content-Length: 0005", b"hello", b"Content-Length: 5"),
    "all-zeros": (b"Content-Length: 000", b"", b"Content-Length: 0"),
    "binary": (b"Content-Length: 6", b"\0\r\n\r\n\xff", SAME),
    "request-inside": (b"Content-Length: %d" % len(HIDDEN), HIDDEN, SAME),
    "chunks-inside": (b"Content-Length: %d" % len(CHUNKED), CHUNKED, SAME),
    "large": (b"Content-Length: 100000", b"0123456789" * 10000, SAME),
    "twice-alike": (b"Content-Length: 5|Content-Length: 5", b"hello", 400),
    "twice": (b"Content-Length: 5|Content-Length: 6", b"hello", 400),
    "twice-zero": (b"Content-Length: 0|Content-Length: 38", HIDDEN, 400),
    "twice-apart": (b"Content-Length: 0|X-A: b|content-length: 5", b"hello", 400),
    "list-alike": (b"Content-Length: 5, 5", b"hello", 400), "list": (b"Content-Length: 5, 6", b"hello", 400),
    "list-tight": (b"Content-Length: 5,5", b"hello", 400),
    "comma": (b"Content-Length: 5,", b"hello", 400), "comma-first": (b"Content-Length: ,5", b"hello", 400),
    "plus": (b"Content-Length: +5", b"hello", 400),
    "minus": (b"Content-Length: -5", b"hello", 400), "minus-zero": (b"Content-Length: -0", b"", 400),
    "hex": (b"Content-Length: 0x5", b"hello", 400),
    "hex-letter": (b"Content-Length: a", b"0123456789", 400), "empty": (b"Content-Length:", b"", 400),
    "blank": (b"Content-Length:  ", b"", 400),
    "word": (b"Content-Length: five", b"hello", 400), "space-inside": (b"Content-Length: 1 1", b"hello hello", 400),
    "point": (b"Content-Length: 5.0", b"hello", 400), "exponent": (b"Content-Length: 5e0", b"hello", 400),
    "tail": (b"Content-Length: 5x", b"hello", 400),
    "semicolon": (b"Content-Length: 5;a=b", b"hello", 400), "quoted": (b'Content-Length: "5"', b"hello", 400),
    "comment": (b"Content-Length: 5 (bytes)", b"hello", 400),
    "underscores": (b"Content-Length: 1_0", b"0123456789", 400), "8bit": (b"Content-Length: 5\xb2", b"hello", 400),
    "nbsp": (b"Content-Length: \xa05", b"hello", 400),
    "vt": (b"Content-Length: \x0b5", b"hello", 400), "ff": (b"Content-Length: 5\x0c", b"hello", 400),
    "nul": (b"Content-Length: 5\0", b"hello", 400),
    "cr": (b"Content-Length: 5\r", b"hello", 400), "lf": (b"Content-Length: 5\n", b"hello", 400),
    "fold": (b"Content-Length: 5| 6", b"hello", 400),
    "fold-first": (b"Content-Length:| 5", b"hello", 400), "2^64": (b"Content-Length: 18446744073709551616", b"", 400),
    "2^64+5": (b"Content-Length: 18446744073709551621", b"hello", 400),
    "2^64-1": (b"Content-Length: 18446744073709551615", b"hello", 400),
    "2^63": (b"Content-Length: 9223372036854775808", b"hello", 400),
    "endless": (b"Content-Length: " + b"9" * 300, b"hello", 400),
    "zeros-endless": (b"Content-Length: " + b"0" * 299 + b"5", b"hello", b"Content-Length: 5"),
    "name-space": (b"Content-Length : 5", b"hello", 400), "name-tab": (b"Content-Length\t: 5", b"hello", 400),
    "name-before": (b" Content-Length: 5", b"hello", 400),
    "name-nul": (b"Content-Length\0: 5", b"hello", 400), "name-vt": (b"\x0bContent-Length: 5", b"hello", 400),
    # names that only look like it say nothing
    "name-underscore": (b"Content_Length: 38", b"", SAME), "name-longer": (b"Content-Lengths: 38", b"", SAME),
    "name-other": (b"X-Content-Length: 38", b"", SAME),
    # Transfer-Encoding
    "chunked": (b"Transfer-Encoding: chunked", CHUNKED, SAME),
    "chunked-case": (b"transfer-ENCODING: ChUnKeD", CHUNKED, b"Transfer-Encoding: chunked"),
    "chunked-blanks": (b"Transfer-Encoding: \t chunked \t", CHUNKED, b"Transfer-Encoding: chunked"),
    "chunked-tight": (b"Transfer-Encoding:chunked", CHUNKED, b"Transfer-Encoding: chunked"),
    "chunked-empty": (b"Transfer-Encoding: chunked", b"0\r\n\r\n", SAME),
    "chunked-twice": (b"Transfer-Encoding: chunked|Transfer-Encoding: chunked", CHUNKED, 400),
    "chunked-list": (b"Transfer-Encoding: chunked, chunked", CHUNKED, 400),
    "gzip": (b"Transfer-Encoding: gzip", b"hello", 400),
    "gzip-chunked": (b"Transfer-Encoding: gzip, chunked", CHUNKED, 501),
    "gzip-then-chunked": (b"Transfer-Encoding: gzip|Transfer-Encoding: chunked", CHUNKED, 400),
    "chunked-gzip": (b"Transfer-Encoding: chunked, gzip", CHUNKED, 400),
    "chunked-then-gzip": (b"Transfer-Encoding: chunked|Transfer-Encoding: gzip", CHUNKED, 400),
    "identity": (b"Transfer-Encoding: identity", b"", 400),
    "identity-chunked": (b"Transfer-Encoding: identity, chunked", CHUNKED, 501),
    "chunked-identity": (b"Transfer-Encoding: chunked, identity", CHUNKED, 400),
    "identity-then": (b"Transfer-Encoding: identity|Transfer-Encoding: chunked", CHUNKED, 400),
    "identity-length": (b"Transfer-Encoding: identity|Content-Length: 5", b"hello", 400),
    "xchunked": (b"Transfer-Encoding: xchunked", CHUNKED, 400),
    "chunkedx": (b"Transfer-Encoding: chunkedx", CHUNKED, 400), "chunk": (b"Transfer-Encoding: chunk", CHUNKED, 400),
    "x-chunked": (b"Transfer-Encoding: x, chunked", CHUNKED, 501),
    "parameter": (b"Transfer-Encoding: chunked;q=1", CHUNKED, 400),
    "parameter-blank": (b"Transfer-Encoding: chunked ; a=b", CHUNKED, 400),
    "coding-quoted": (b'Transfer-Encoding: "chunked"', CHUNKED, 400),
    "coding-single": (b"Transfer-Encoding: 'chunked'", CHUNKED, 400),
    "coding-empty": (b"Transfer-Encoding:", b"", 400), "coding-blank": (b"Transfer-Encoding: \t", b"", 400),
    "coding-comma": (b"Transfer-Encoding: chunked,", CHUNKED, 400),
    "coding-comma-first": (b"Transfer-Encoding: ,chunked", CHUNKED, 400),
    "coding-commas": (b"Transfer-Encoding: ,", CHUNKED, 400),
    "coding-vt": (b"Transfer-Encoding: \x0bchunked", CHUNKED, 400),
    "coding-vt-last": (b"Transfer-Encoding: chunked\x0b", CHUNKED, 400),
    "coding-ff": (b"Transfer-Encoding: \x0cchunked", CHUNKED, 400),
    "coding-nul": (b"Transfer-Encoding: chunked\0", CHUNKED, 400),
    "coding-8bit": (b"Transfer-Encoding: chunked\xff", CHUNKED, 400),
    "coding-nbsp": (b"Transfer-Encoding: \xa0chunked", CHUNKED, 400),
    "coding-space": (b"Transfer-Encoding: chun ked", CHUNKED, 400),
    "coding-two-words": (b"Transfer-Encoding: gzip chunked", CHUNKED, 400),
    "coding-cr": (b"Transfer-Encoding: chunked\r", CHUNKED, 400),
    "coding-lf": (b"Transfer-Encoding: chunked\nX-A: b", CHUNKED, 400),
    "coding-fold": (b"Transfer-Encoding: chunked| , identity", CHUNKED, 400),
    "coding-fold-first": (b"Transfer-Encoding:| chunked", CHUNKED, 400),
    "coding-name-space": (b"Transfer-Encoding : chunked", CHUNKED, 400),
    "coding-name-tab": (b"Transfer-Encoding\t: chunked", CHUNKED, 400),
    "coding-name-before": (b" Transfer-Encoding: chunked", CHUNKED, 400),
    "coding-name-cr": (b"X-A: b\rTransfer-Encoding: chunked", CHUNKED, 400),
    "coding-name-vt": (b"Transfer-Encoding\x0b: chunked", CHUNKED, 400),
    "coding-name-nul": (b"\0Transfer-Encoding: chunked", CHUNKED, 400),
    "coding-bws-utf8": (b"Transfer-Encoding: \xe2\x80\x8bchunked", CHUNKED, 400),
    "coding-name-underscore": (b"Transfer_Encoding: chunked", b"", SAME),
    "coding-name-other": (b"X-Transfer-Encoding: chunked", b"", SAME),
    # both
    "both": (b"Content-Length: 15|Transfer-Encoding: chunked", CHUNKED, 400),
    "both-turned": (b"Transfer-Encoding: chunked|Content-Length: 15", CHUNKED, 400),
    "both-short": (b"Content-Length: 4|Transfer-Encoding: chunked", CHUNKED, 400),
    "both-zero": (b"Content-Length: 0|Transfer-Encoding: chunked", CHUNKED, 400),
    "both-hidden": (b"Content-Length: 5|Transfer-Encoding: chunked", b"0\r\n\r\n" + HIDDEN, 400),
    "both-empty": (b"Content-Length:|Transfer-Encoding: chunked", CHUNKED, 400),
    "both-unknown": (b"Content-Length: 5|Transfer-Encoding: x", b"hello", 400),
})

METHODS = (b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"PUT", b"PATCH", b"PROPFIND")
for method in METHODS:
    # a body is what the framing says, whatever the method
    CASES.update(framed({
        f"{method.decode().lower()}-length": (b"Content-Length: 5", b"hello", SAME),
        f"{method.decode().lower()}-chunked": (b"Transfer-Encoding: chunked", CHUNKED, SAME),
        f"{method.decode().lower()}-request": (b"Content-Length: %d" % len(HIDDEN), HIDDEN, SAME),
    }, method + b" /p HTTP/1.1"))

CASES.update(framed({
    "connect-length": (b"Content-Length: 5", b"hello", 400),
    "connect-chunked": (b"Transfer-Encoding: chunked", CHUNKED, 400),
}, b"CONNECT evil.example:443 HTTP/1.1"))

CASES.update(table({
    # HTTP/1.0 knows no chunks
    "old-chunked": (b"Transfer-Encoding: chunked\r\n", 400),
    "old-both": (b"Transfer-Encoding: chunked\r\nContent-Length: 15\r\n", 400),
    "old-keep-chunked": (b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", 400),
    "old-identity": (b"Transfer-Encoding: identity\r\n", 400),
}, lambda lines: request(b"POST /p HTTP/1.0", lines, CHUNKED)))
CASES.update({
    "old-length": (request(b"POST /p HTTP/1.0", b"Content-Length: 5\r\n", b"hello") + NEXT,
        Ends(message(b"Content-Length: 5", b"hello"))),
    "old-none": (request(b"POST /p HTTP/1.0", b"", b"hello") + NEXT, Ends(message(b"", b""))),
})
