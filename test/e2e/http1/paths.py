"""Paths and queries: RFC 3986 §3.3, §3.4, §6.2.2, and what two readers could take for two things."""
from .notation import SAME, Either, request, table

ENCODED = {f"encoded-{byte:02x}": (b"/a%cb" % byte, b"/a%%%02Xb" % byte) for byte in b"\"<>[]^`{|}"}
PLAIN = {f"plain-{byte:02x}": (b"/a%cb" % byte, SAME) for byte in b"!$&'()*+,-.:;=@_~09azAZ"}
REFUSED = {f"refused-{byte:02x}": (b"/a%cb" % byte, 400) for byte in b"\x01\t\x0b\x0c\x1b\x7f\\#\x80\xe9\xff"}
UNESCAPED = {f"unreserved-{byte:02x}": (b"/a%%%02xb" % byte, b"/a%cb" % byte) for byte in b"-_~09azAZ"}
ESCAPED = {f"escape-{byte:02x}": (b"/a%%%02xb" % byte,
b"/a%%%02Xb" % byte) for byte in b" !\"#$%&'()*+,:;<=>?@[]^`{|}\x01\x0a\x0d\x7f\x80\xe9\xff"}
CASES = table({
    **ENCODED, **PLAIN, **REFUSED, **UNESCAPED, **ESCAPED,
    "root": (b"/", SAME), "slash-last": (b"/a/", SAME), "deep": (b"/a" * 200, SAME),
    "long-segment": (b"/" + b"a" * 2000, SAME),
    "utf8": (b"/b%c3%bccher", b"/b%C3%BCcher"), "upper-hex": (b"/%C3%BC", SAME), "double": (b"/a%252e%252e/b", SAME),
    "double-slash-escape": (b"/a%252fb", SAME),
    "dots-in-name": (b"/a..b/...c/d...", SAME), "three-dots": (b"/.../a", SAME),
    "hidden-file": (b"/.well-known/x", SAME), "tilde": (b"/~me", SAME), "equals": (b"/a;b=c,d/e", SAME),
    # dot segments, however they are written
    "dot": (b"/./p", 400), "dots": (b"/a/../p", 400), "dots-first": (b"/../p", 400), "dot-last": (b"/a/.", 400),
    "dots-last": (b"/a/..", 400), "dot-alone": (b"/.", 400),
    "dot-escape": (b"/%2e/p", 400), "dots-escape": (b"/a/%2e%2e/p", 400), "dots-escape-upper": (b"/a/%2E%2E/p", 400),
    "dots-half": (b"/a/.%2e/p", 400), "dots-half-first": (b"/a/%2e./p", 400),
    "dots-parameter": (b"/a/..;x/p", 400), "dot-parameter": (b"/a/.;/p", 400), "dots-slash-escape": (b"/a/..%2fp", 400),
    "slash-escape-dots": (b"/a%2f../p", 400),
    "all-escaped": (b"/a%2f%2e%2e%2fp", 400), "dots-query": (b"/a/..?b", 400), "dots-backslash": (b"/a/..\\p", 400),
    "dots-backslash-escape": (b"/a/..%5cp", 400),
    # slashes and what some take for one
    "slashes": (b"/a//b", 400), "slashes-first": (b"//a", 400), "slashes-last": (b"/a//", 400),
    "slashes-three": (b"///", 400), "slash-escape": (b"/a%2fb", 400),
    "slash-escape-upper": (b"/a%2Fb", 400), "slash-escape-first": (b"/%2fa", 400),
    "slash-escape-last": (b"/a%2f", 400), "backslash": (b"/a\\b", 400), "backslash-first": (b"\\a", 400),
    "backslash-escape": (b"/a%5cb", 400), "overlong-slash": (b"/a%c0%afb", 400),
    "overlong-dot": (b"/a/%c0%ae%c0%ae/p", 400), "overlong-three": (b"/%e0%80%af", 400),
    # escapes that are none
    "nul-escape": (b"/a%00b", 400), "escape-short": (b"/a%2", 400), "escape-alone": (b"/a%", 400),
    "escape-word": (b"/a%zz", 400), "escape-half": (b"/a%2g", 400), "escape-u": (b"/a%u002f", 400),
    "escape-space": (b"/a%2 0", 400), "escape-sign": (b"/a%+1", 400), "escape-double-percent": (b"/a%%41", 400),
    "escape-minus": (b"/a%-1b", 400),
    "fragment": (b"/p#f", 400), "fragment-alone": (b"/#", 400), "fragment-query": (b"/p?a#f", 400),
    "nul": (b"/p\0", 400), "cr": (b"/p\rq", 400),
    # queries go on to the letter
    "query": (b"/p?a=b&c=d", SAME), "query-empty": (b"/p?", SAME), "query-marks": (b"/p?a?b?", SAME),
    "query-path": (b"/p?/a/../b//c%2f%00", SAME), "query-escape": (b"/p?a=%41%zz%", SAME),
    "query-odd": (b"/p?a[0]={\"x\":1}|^`\\<>", SAME), "query-plus": (b"/p?a+b", SAME),
    "query-url": (b"/p?u=http://me@evil/", SAME), "query-semicolon": (b"/p?a;b", SAME),
    "query-space": (b"/p?a b", 400), "query-tab": (b"/p?a\tb", 400), "query-8bit": (b"/p?a\xe9", Either(400, SAME)),
    "query-del": (b"/p?a\x7f", 400), "query-control": (b"/p?a\x01", 400),
    "query-nul": (b"/p?a\0", 400), "query-cr": (b"/p?a\rb", 400), "query-lf": (b"/p?a\nb", 400),
    "query-utf8": (b"/p?\xc3\xbc", Either(400, SAME)),
}, lambda path: request(b"GET " + path + b" HTTP/1.1"))
