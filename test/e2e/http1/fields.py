"""Field lines: RFC 9112 §5, RFC 9110 §5. Each row is the lines behind Host, parted by '|'."""
from .notation import SAME, request, table


def get(lines):
    return request(b"GET /p HTTP/1.1", b"".join(line + b"\r\n" for line in lines.split(b"|") if line))


CONTROLS = {f"value-{byte:02x}": (b"X-A: a%cb" % byte, 400) for byte in (*range(1, 9), 0x0b, 0x0c, 0x0e, 0x1b, 0x1f,
0x7f)}
NAMES = {f"name-{byte:02x}": (b"X%cA: b" % byte, 400) for byte in b"\t \"(),/;<=>?@[\\]{}\x01\x7f\x80\xe9\xff"}
CASES = table({
    **CONTROLS, **NAMES,
    # names
    "plain": (b"X-A: b", SAME), "all-of-token": (b"!#$%&'*+-.^_`~09azAZ: b", SAME), "one-letter": (b"x: b", SAME),
    "digits": (b"123: b", SAME),
    "underscore": (b"X_A: b", SAME), "long-name": (b"X" * 1000 + b": b", SAME), "case": (b"x-CaSe: b", SAME),
    "empty-name": (b": b", 400), "no-colon": (b"X-A", 400), "no-colon-blank": (b"X-A b", 400),
    "only-blanks": (b"  ", 400), "only-colon": (b":", 400),
    "space-colon": (b"X-A : b", 400), "tab-colon": (b"X-A\t: b", 400), "space-name": (b"X A: b", 400),
    "space-before": (b" X-A: b", 400),
    "tab-before": (b"\tX-A: b", 400), "nul-name": (b"X\0A: b", 400), "cr-name": (b"X\rA: b", 400),
    "lf-name": (b"X\nA: b", 400),
    "colon-first": (b":X-A: b", 400), "vt-colon": (b"X-A\x0b: b", 400), "nbsp-colon": (b"X-A\xa0: b", 400),
    "cr-colon": (b"X-A\r: b", 400),
    "equals": (b"X-A=b", 400), "request-line": (b"GET /hidden HTTP/1.1", 400),
    # values
    "empty": (b"X-A:", b"X-A: "), "blanks-only": (b"X-A: \t ", b"X-A: "), "no-blank": (b"X-A:b", b"X-A: b"),
    "blanks": (b"X-A: \t b \t", b"X-A: b"),
    "inner-blanks": (b"X-A: b \t c", SAME), "colons": (b"X-A: b:c: d", SAME), "obs-text": (b"X-A: b\x80\xe9\xff", SAME),
    "utf8": (b"X-A: \xc3\xbc", SAME),
    "quoted": (b'X-A: "b\\"c, d"', SAME), "comment": (b"X-A: b (c (d))", SAME), "commas": (b"X-A: , b,, c,", SAME),
    "del-8bit": (b"X-A: \xa0", SAME),
    "nul": (b"X-A: b\0c", 400), "nul-last": (b"X-A: b\0", 400), "cr": (b"X-A: b\rc", 400), "lf": (b"X-A: b\nc", 400),
    "cr-cr-lf": (b"X-A: b\r", 400),
    "cr-first": (b"X-A:\rb", 400), "cr-coding": (b"X-A: \rTransfer-Encoding: chunked", 400),
    "lf-coding": (b"X-A: b\nTransfer-Encoding: chunked", 400),
    "long-value": (b"X-A: " + b"b" * 30000, SAME),
    "many-blanks": (b"X-A: " + b" " * 5000 + b"b" + b"\t" * 5000, b"X-A: b"),
    # folds
    "fold": (b"X-A: b| c", 400), "fold-tab": (b"X-A: b|\tc", 400), "fold-empty": (b"X-A:| b", 400),
    "fold-blank": (b"X-A: b| ", 400),
    "fold-many": (b"X-A: b| c| d", 400), "fold-length": (b"X-A: b| Content-Length: 5", 400),
    "fold-coding": (b"Transfer-Encoding:| chunked", 400),
    "fold-first": (b" X-A: b|X-B: c", 400), "fold-host": (b"X-A: b| Host: evil", 400),
    "fold-cr": (b"X-A: b\r|\rc: d", 400),
    # order and repetition are kept
    "repeated": (b"X-A: 1|X-B: 2|x-a: 3", SAME), "cookies": (b"Cookie: a=1|Cookie: b=2", SAME),
    "many": (b"|".join(b"X-%d: b" % i for i in range(150)), SAME),
    "alike": (b"|".join([b"X-A: b"] * 50), SAME),
    # limits
    "too-many": (b"|".join(b"X-%d: b" % i for i in range(201)), 431), "too-long": (b"X-A: " + b"b" * 70000, 431),
    "too-long-name": (b"X" * 70000 + b": b", 431),
    "too-many-bytes": (b"|".join(b"X-%d: " % i + b"b" * 700 for i in range(100)), 431),
    "endless-blanks": (b"X-A: " + b" " * 70000 + b"b", 431),
}, get)

CASES.update(table({
    # what looks like the end of the head and is not
    "end-lf-lf": (b"X-A: b\n\nGET /hidden HTTP/1.1\r\nHost: up", 400),
    "end-cr-cr": (b"X-A: b\r\rGET /hidden HTTP/1.1\r\nHost: up", 400),
    "end-crlf-lf": (b"X-A: b\r\n\nGET /hidden HTTP/1.1\r\nHost: up", 400),
    "end-blank": (b"X-A: b\r\n \r\nGET /hidden HTTP/1.1\r\nHost: up", 400),
    "end-crlf-cr": (b"X-A: b\r\n\rX-B: c", 400), "end-nul": (b"X-A: b\r\n\0\r\nX-B: c", 400),
}, get))
