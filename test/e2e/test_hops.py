"""What a service is told of the hops behind a call: Via, X-Forwarded-*, Forwarded, as the listener says, whatever
version the call comes by and goes by, and in each style; explain says the same."""
import json

import pytest

from support import configs
from support.h2_frames import H2Frames
from support.places import free_port, fresh_folder
from support.raw_http import request
from support.recorder import Recorder
from support.shunt import Shunt, shunt

LISTENER = '{ name = "%s"; address = "127.0.0.1:%d"; host = "up:80"; %s }'
CONFIG = """
service = "caller"; admin = { address = "127.0.0.1:@ADMIN@"; };
listeners = ( %s );
upstreams = ( { name = "up"; endpoints = ( "127.0.0.1:%d" ); protocol = "%s"; } );
routes = ( { name = "up"; style = "sync"; sync = { upstream = "up"; }; } );
log = { level = "warning"; };
"""
RULES = {
    "default": "", "append": 'forwarded = "append";', "replace": 'forwarded = "replace"; forwarded_as = "forwarded";',
    "remove": 'forwarded = "remove";', "trusting": 'trusted_proxies = ( "::1", "127.0.0.0/8" );',
    "distrusting": 'forwarded = "keep"; trusted_proxies = ( "10.0.0.0/8", "fd00::/8" );',
    "quiet": 'via = "off";', "half-quiet": 'via = "request";',
}
CLAIMS = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https"), ("forwarded", "for=1.2.3.4"), ("x-real-ip", "9")]
SAID = {
    "default": CLAIMS,
    "append": [("x-forwarded-for", "1.2.3.4, 127.0.0.1"), *CLAIMS[1:], ("x-forwarded-host", "up:80")],
    "replace": [("forwarded", 'for=127.0.0.1;host="up:80";proto=http')],
    "remove": [],
    "trusting": [("x-forwarded-for", "1.2.3.4, 127.0.0.1"), *CLAIMS[1:], ("x-forwarded-host", "up:80")],
    "distrusting": [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "http"), ("x-forwarded-host", "up:80")],
    "quiet": [*CLAIMS, ("shunt-hops", "1")],
    "half-quiet": CLAIMS,
}


@pytest.fixture(scope="module")
def hops():
    """Two sidecars with a listener for each rule, the first with an upstream of HTTP/1, the second by HTTP/2 through
    a third one that adds nothing but a Via."""
    folder, started = fresh_folder("e2e", "hops"), []
    with Recorder() as upstream:
        last = free_port()
        chain = {"http1": upstream.port, "h2": last}
        plain = CONFIG % (LISTENER % ("last", last, 'via = "both";'), upstream.port, "http1")
        started.append(Shunt("last", folder, plain).start())
        listen = {(protocol, rule): free_port() for protocol in chain for rule in RULES}
        for protocol, port in chain.items():
            listeners = ",".join(LISTENER % (rule, listen[protocol, rule], text) for rule, text in RULES.items())
            started.append(Shunt(protocol, folder, CONFIG % (listeners, port, protocol)).start())
        yield listen, upstream, folder
        for sidecar in started:
            sidecar.stop()


def ask(port, version, path):
    """Whether the answer has a Via."""
    if version == "1":
        return bool(request(port, "GET", path, [("Host", "up:80"), *CLAIMS]).values("via"))
    with H2Frames(port) as client:
        client.ask([(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "up:80"), *CLAIMS])
        return any(name == b"via" for name, _ in client.outcome().headers)


def about_hops(headers):
    names = {name for rule in SAID.values() for name, _ in rule}
    return sorted((name.lower(), value) for name, value in headers if name.lower() in names)


@pytest.mark.parametrize("protocol", ["http1", "h2"])
@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("rule", RULES)
def test_what_the_service_is_told(hops, rule, version, protocol, word):
    listen, upstream, _ = hops
    signed = ask(listen[protocol, rule], version, f"/{word}")
    got, = upstream.asked(word.encode())
    assert about_hops((n.decode(), v.decode()) for n, v in got.headers) == sorted(SAID[rule])
    vias = ([] if rule == "quiet" else [b"1.1 shunt" if version == "1" else b"2.0 shunt"]) + [b"2.0 shunt"] * (protocol == "h2")
    assert got.values(b"via") == vias
    assert signed == (protocol == "h2" or rule not in ("quiet", "half-quiet"))   # the last one signs as well


@pytest.mark.parametrize("rule", RULES)
def test_explain_says_the_same(hops, rule):
    """But for the caller's address, which only a connection has; without one nobody is in a network."""
    listen, _, folder = hops
    headers = [part for name, value in CLAIMS for part in ("-H", f"{name}: {value}")]
    said = shunt("explain", "-c", folder / "http1.conf", "--json", *headers, f"http://127.0.0.1:{listen['http1', rule]}/x")
    lines = [(line["name"].removeprefix("header "), line["value"]) for line in json.loads(said.stdout)]
    expected = [(name, value.replace("127.0.0.1", "unknown")) for name, value in
                SAID["distrusting" if rule == "trusting" else rule]]
    assert about_hops(lines) == sorted(expected)
    assert (("Via", "1.1 shunt") in lines) == (rule != "quiet")


def test_a_listener_for_others_believes_nobody(launch, word):
    listen = free_port()
    with Recorder() as upstream:
        listener = (LISTENER % ("in", listen, "")).replace("127.0.0.1", "0.0.0.0")
        launch(CONFIG % (listener, upstream.port, "http1"))
        assert request(listen, "GET", f"/{word}", [("Host", "up:80"), *CLAIMS]).status == 200
        got, = upstream.asked(word.encode())
    assert [v for n, v in got.headers if n.lower().startswith(b"x-forwarded")] == [b"127.0.0.1", b"http", b"up:80"]
    assert not got.values(b"forwarded") and not got.values(b"x-real-ip")


def test_a_reload_changes_whom_it_believes(launch, word):
    listen = free_port()
    with Recorder() as upstream:
        config = CONFIG % (LISTENER % ("in", listen, 'trusted_proxies = "%s";'), upstream.port, "http1")
        sidecar = launch(config % "127.0.0.1")
        for i, (network, said) in enumerate([(None, b"1.2.3.4, 127.0.0.1"), ("10.0.0.0/8", b"127.0.0.1"),
                                             ("0.0.0.0/0", b"1.2.3.4, 127.0.0.1")]):
            if network:
                sidecar.reload(config % network)
            assert request(listen, "GET", f"/{word}{i}", [("Host", "up:80"), *CLAIMS]).status == 200
            got, = upstream.asked(f"{word}{i}".encode())
            assert got.values(b"x-forwarded-for") == [said]


@pytest.mark.parametrize("style", ["event", "request_reply"])
def test_messages_carry_it_too(scene, style, word):
    """And the receiving side takes of it what its `trust` names."""
    caller, callee = scene.caller.config, scene.callee.config
    try:
        scene.caller.reload(caller.replace('host = "inventory"; }', 'host = "inventory"; forwarded = "append"; }', 1))
        scene.callee.reload(callee.replace("concurrency", 'trust = ( "x-forwarded-for" ); concurrency'))
        assert scene.call(style, word, headers=[("X-Forwarded-For", "1.2.3.4")]).status in (200, 202)
        received, = scene.service.wait_for(f"/{style}/{word}")
        assert received.values("x-forwarded-for") == ["1.2.3.4, 127.0.0.1"] and not received.values("x-forwarded-host")
    finally:
        scene.caller.reload(caller)
        scene.callee.reload(callee)


def test_loops_end_without_a_via(launch, rabbit):
    """Two sidecars that forward to each other, neither of which says Via: the count stops it."""
    ports = [free_port(), free_port()]
    for mine, other in (ports, ports[::-1]):
        listener = LISTENER % ("in", mine, 'via = "off";')
        launch(CONFIG % (listener, other, "http1"), name=f"loop-{mine}", ready=True)
    answer = request(ports[0], "GET", "/x", [("Host", "up:80")])
    assert (answer.status, json.loads(answer.body)["reason"]) == (508, "loop")
