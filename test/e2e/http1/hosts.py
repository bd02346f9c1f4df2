"""Host, and what an absolute target says beside it: RFC 9112 §3.2, RFC 3986 §3.2, RFC 9110 §4.2 and §7.2."""
from .notation import SAME, Ends, request, table


def get(lines, target=b"/p", version=b"1.1"):
    return b"GET %s HTTP/%s\r\n%s\r\n" % (target, version,
    b"".join(line + b"\r\n" for line in lines.split(b"|") if line))


CASES = table({
    # how often
    "one": (b"Host: up", SAME), "none": (b"X-A: b", 400), "no-field-at-all": (b"", 400),
    "two": (b"Host: up|Host: evil", 400),
    "two-alike": (b"Host: up|Host: up", 400), "two-apart": (b"Host: up|X-A: b|host: up", 400),
    "five": (b"|".join([b"Host: up"] * 5), 400),
    "list": (b"Host: up, evil", 400), "list-tight": (b"Host: up,evil", 400), "fold": (b"Host:| up", 400),
    "fold-more": (b"Host: up| evil", 400),
    "name-space": (b"Host : up", 400), "name-tab": (b"Host\t: up", 400), "name-lookalike": (b"X-Host: up", 400),
    "last": (b"X-A: b|Host: up", SAME), "case": (b"hOST: up", b"Host: up"), "empty-first": (b"Host:|Host: up", 400),
    "empty": (b"Host:", b"Host: UPSTREAM"), "blank": (b"Host: \t", b"Host: UPSTREAM"),
    # names
    "blanks": (b"Host: \t up \t ", b"Host: up"), "tight": (b"Host:up", b"Host: up"),
    "upper": (b"Host: UP.Example", SAME),
    "underscore": (b"Host: my_up", SAME), "dashes": (b"Host: -up-", SAME), "dot": (b"Host: up.", SAME),
    "digits": (b"Host: 10.1.2.3", SAME),
    "punycode": (b"Host: xn--bcher-kva.example", SAME), "long-name": (b"Host: " + b"a" * 250, SAME),
    "sub-delims": (b"Host: a!$&'()*+;=b", SAME),
    "port": (b"Host: up:8080", SAME), "port-empty": (b"Host: up:", b"Host: up"), "port-default": (b"Host: up:80", SAME),
    "port-most": (b"Host: up:65535", SAME), "port-beyond": (b"Host: up:65536", 400),
    "port-huge": (b"Host: up:99999999999999999999", 400),
    "port-sign": (b"Host: up:+80", 400), "port-minus": (b"Host: up:-1", 400), "port-hex": (b"Host: up:0x50", 400),
    "port-word": (b"Host: up:http", 400),
    "port-space": (b"Host: up: 80", 400), "port-before-space": (b"Host: up :80", 400),
    "ports": (b"Host: up:80:81", 400),
    "port-tail": (b"Host: up:80x", 400), "port-only": (b"Host: :80", 400), "port-comma": (b"Host: up:80,81", 400),
    "user": (b"Host: me@up", 400), "password": (b"Host: me:x@up", 400), "user-empty": (b"Host: @up", 400),
    "user-last": (b"Host: up@", 400),
    "path": (b"Host: up/p", 400), "query": (b"Host: up?q", 400), "fragment": (b"Host: up#f", 400),
    "url": (b"Host: http://up", 400),
    "slashes": (b"Host: //up", 400), "backslash": (b"Host: up\\evil", 400), "space": (b"Host: up evil", 400),
    "tab": (b"Host: up\tevil", 400),
    "8bit": (b"Host: \xfcp", 400), "utf8": (b"Host: b\xc3\xbccher", 400), "nul": (b"Host: up\0", 400),
    "del": (b"Host: up\x7f", 400),
    "control": (b"Host: u\x01p", 400), "quote": (b'Host: "up"', 400), "brackets": (b"Host: [up]", 400),
    "angle": (b"Host: <up>", 400),
    "bar": (b"Host: up%7Cevil", 400), "percent": (b"Host: up%2eevil", 400), "percent-nul": (b"Host: up%00", 400),
    "caret": (b"Host: up^", 400),
    "cr": (b"Host: up\rX-A: b", 400), "lf": (b"Host: up\nX-A: b", 400), "brace": (b"Host: {up}", 400),
    "semicolon-cut": (b"Host: up;evil/", 400),
    # IPv6
    "ipv6": (b"Host: [2001:db8::1]", SAME), "ipv6-port": (b"Host: [2001:db8::1]:8080", SAME),
    "ipv6-mapped": (b"Host: [::ffff:10.1.2.3]", SAME),
    "ipv6-port-empty": (b"Host: [2001:db8::1]:", b"Host: [2001:db8::1]"), "ipv6-open": (b"Host: [2001:db8::1", 400),
    "ipv6-bare": (b"Host: 2001:db8::1", 400), "ipv6-close": (b"Host: 2001:db8::1]", 400),
    "ipv6-tail": (b"Host: [2001:db8::1]x", 400),
    "ipv6-two": (b"Host: [::1]:80[::2]", 400), "ipv6-long": (b"Host: [1:2:3:4:5:6:7:8:9]", 400),
    "ipv6-short": (b"Host: [1:2]", 400),
    "ipv6-letter": (b"Host: [2001:db8::g]", 400), "ipv6-empty": (b"Host: []", 400),
    "ipv6-twice": (b"Host: [1::2::3]", 400),
    "ipv6-nested": (b"Host: [[::2]]", 400), "ipv6-zone": (b"Host: [fe80::2%25eth0]", 400),
    "ipv6-name": (b"Host: [up]:80", 400),
    "ipv6-before": (b"Host: up[::2]", 400), "ipv6-user": (b"Host: [::2]@up", 400),
}, get)

CASES.update({f"target-{name}": case for name, case in table({
    # an absolute target beside Host: they must agree
    "same": (b"Host: up", b"Host: up"), "case": (b"Host: UP", b"Host: up"), "port": (b"Host: up:80", b"Host: up"),
    "other": (b"Host: evil", 400),
    "other-port": (b"Host: up:81", 400), "longer": (b"Host: up.evil", 400), "empty": (b"Host:", 400),
    "none": (b"X-A: b", 400), "two": (b"Host: up|Host: up", 400),
    "malformed": (b"Host: me@up", 400), "dot": (b"Host: up.", 400),
}, lambda lines: get(lines, b"http://up/p"), get).items()})

CASES.update({f"old-{name}": case for name, case in table({
    # HTTP/1.0 need not say it; what is said must be right
    "one": (b"Host: up", Ends(b"Host: up")), "none": (b"", Ends(b"Host: UPSTREAM")),
    "empty": (b"Host:", Ends(b"Host: UPSTREAM")), "two": (b"Host: up|Host: up", 400), "malformed": (b"Host: u p", 400),
}, lambda lines: get(lines, version=b"1.0"), get).items()})

CASES.update({
    "target-other-connect": (request(b"CONNECT evil.example:22 HTTP/1.1"), 400),
    "target-connect-no-port": (request(b"CONNECT up:22 HTTP/1.1"), 403),
    "target-ipv6": (get(b"Host: [2001:db8::1]:81", b"http://[2001:db8::1]:81/p"), get(b"Host: [2001:db8::1]:81")),
    "target-ipv6-broken": (get(b"Host: [2001:db8::1]", b"http://[2001:db8::1/p"), 400),
    "target-userinfo-host": (get(b"Host: up", b"http://up@evil/p"), 400),
    "target-two-ports": (get(b"Host: up", b"http://up:80:80/p"), 400),
    "target-bad-port": (get(b"Host: up", b"http://up:x/p"), 400),
    "target-percent": (get(b"Host: up", b"http://%75p/p"), 400),
    "target-query-at": (get(b"Host: up", b"http://up?@evil/p"), b"GET /?@evil/p HTTP/1.1\r\nHost: up\r\n\r\n"),
    "target-backslash-at": (get(b"Host: up", b"http://up\\@evil/p"), 400),
})
