"""Threats that come by HTTP: the admin address, smuggling, forged targets, ways round a route, secrets."""
import json

import pytest

from support import configs
from support.places import free_port
from support.raw_http import RawHttp, request, request_bytes, send_raw
from support.raw_server import RawServer
from support.shunt import shunt
from support.waiting import wait_listening, wait_until
from support.world import World

SPELLINGS = ["127.0.0.1", "localhost", "localhost.", "LOCALHOST", "[::1]", "0.0.0.0", "[::]", "2130706433",
             "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "127.0.0.2"]
METADATA = ["169.254.169.254", "169.254.1.1", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "2852039166",
            "0xa9fea9fe"]


# 1: the admin address from a browser

@pytest.mark.parametrize("headers", [
    [("Host", "evil.example")], [("Host", "127.0.0.1.evil.example")],
    [("Host", "localhost"), ("Origin", "http://evil.example")], [("Host", "localhost"), ("Origin", "null")]],
    ids=["host", "prefix", "origin", "null-origin"])
@pytest.mark.parametrize("path", ["/metrics", "/healthz/ready", "/healthz/live"])
def test_admin_refuses_browsers_from_elsewhere(scene, headers, path):
    assert request(scene.caller.admin, "GET", path, headers).status == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_admin_is_only_read(scene, method):
    """… by whatever a browser can send from a form or a script."""
    headers = [("Host", "localhost"), ("Content-Type", "application/x-www-form-urlencoded")]
    answer = request(scene.caller.admin, method, "/metrics", headers, b"a=b")
    assert answer.status in (403, 405) and b"# HELP" not in answer.body


def test_admin_elsewhere_than_loopback_is_refused_by_check(tmp_path):
    file = tmp_path / "shunt.conf"
    file.write_text('service = "x"; admin = { address = "0.0.0.0:15000"; };')
    assert shunt("check", "-c", file).returncode == 1


# 2: the admin address, and the listener itself, through the proxy

@pytest.mark.parametrize("host", SPELLINGS)
def test_no_way_to_ourselves_through_ourselves(scene, host):
    for port in (scene.caller.admin, scene.listen):
        target = f"http://{host}:{port}/metrics"
        answer = request(scene.listen, "GET", target, [("Host", f"{host}:{port}")])
        assert answer.status in (400, 403, 421, 502, 503) and b"# HELP" not in answer.body
        answer = request(scene.listen, "CONNECT", f"{host}:{port}", [("Host", f"{host}:{port}")])
        assert answer.status in (400, 403, 421, 502, 503)


def test_two_sidecars_that_forward_to_each_other_stop(launch, rabbit):
    ports = [free_port(), free_port()]
    for listen, other, name in zip(ports, reversed(ports), ("here", "there")):
        routes = [configs.route("loop", "/*", "sync", "q")]
        launch(configs.caller(listen, other, rabbit.url, routes), name)
    answer = request(ports[0], "POST", "/x", body=b"round and round")
    assert answer.status == 508 and json.loads(answer.body)["reason"] == "loop"


# 4: request smuggling

HEAD = b"POST /sync/%s HTTP/1.1\r\nHost: inventory\r\n"
HIDDEN = b"GET /sync/%s-smuggled HTTP/1.1\r\nHost: inventory\r\n\r\n"
SMUGGLING = {
    "length-and-chunked": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two-lengths": HEAD + b"Content-Length: 0\r\nContent-Length: 60\r\n\r\n" + HIDDEN,
    "length-list": HEAD + b"Content-Length: 0, 60\r\n\r\n" + HIDDEN,
    "length-sign": HEAD + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "length-hex": HEAD + b"Content-Length: 0x0\r\n\r\n" + HIDDEN,
    "length-huge": HEAD + b"Content-Length: 18446744073709551616\r\n\r\n" + HIDDEN,
    "unknown-coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked-not-last": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked-twice": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "coding-with-vt": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "name-space": HEAD + b"Content-Length : 0\r\n\r\n" + HIDDEN,
    "fold": HEAD + b"X-A: b\r\n Content-Length: 60\r\n\r\n" + HIDDEN,
    "fold-first": b"POST /sync/%s HTTP/1.1\r\n Host: inventory\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "bare-cr": HEAD + b"X-A: \rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "bare-lf": HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n" + HIDDEN,
    "nul": HEAD + b"X-A: a\x00b\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "empty-name": HEAD + b": x\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "chunk-size-cr": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\rZ\r\n\r\n" + HIDDEN,
    "chunk-size-sign": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + HIDDEN,
    "chunk-size-hex": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + HIDDEN,
    "chunk-size-huge": HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n" + HIDDEN,
    "chunk-without-end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n" + HIDDEN,
    "length-in-trailer": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 60\r\n\r\n" + HIDDEN,
    "old-and-chunked": HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "no-host": b"POST /sync/%s HTTP/1.1\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "two-hosts": HEAD + b"Host: other\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "two-targets": HEAD.replace(b"/sync", b"http://other/sync") + b"Content-Length: 0\r\n\r\n" + HIDDEN,
    "space-in-target": HEAD.replace(b" HTTP", b" x HTTP") + b"Content-Length: 0\r\n\r\n" + HIDDEN,
    "no-version": b"POST /sync/%s\r\nHost: inventory\r\n\r\n" + HIDDEN,
}


@pytest.mark.parametrize("style", ["sync", "request_reply"])
@pytest.mark.parametrize("data", SMUGGLING.values(), ids=SMUGGLING)
def test_smuggling_is_refused(scene, word, data, style):
    raw = data.replace(b"%s", word.encode()).replace(b"/sync/", f"/{style}/".encode())
    answer = send_raw(scene.listen, raw)
    assert answer is None or 400 <= answer.status <= 505, answer
    assert scene.works("sync", 200)
    assert not scene.service.received(f"/{style}/{word}-smuggled")
    assert not scene.service.received(f"/{style}/{word}") or "trailer" in str(data)


UPSTREAM_LIES = {
    "length-and-chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "fold": b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "bare-cr": b"HTTP/1.1 200 OK\r\nX-A: \rX-B: c\r\nContent-Length: 0\r\n\r\n",
    "nul": b"HTTP/1.1 200 OK\r\nX-A: a\x00\r\nContent-Length: 0\r\n\r\n",
    "empty-name": b"HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 0\r\n\r\n",
    "low-status": b"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
    "wrong-version": b"HTTP/3.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "rubbish": b"\x16\x03\x01\x02\x00\x01\x00",
    "nothing": b"",
    "half-a-head": b"HTTP/1.1 200 OK\r\nX-A: b",
    "endless-header": b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 2_000_000,
}


@pytest.mark.parametrize("answer", UPSTREAM_LIES.values(), ids=UPSTREAM_LIES)
def test_a_lying_upstream_is_502(launch, rabbit, answer):
    listen = free_port()
    with RawServer(answer) as upstream:
        launch(configs.caller(listen, upstream.port, rabbit.url, [configs.route("sync", "/*", "sync", "q")]))
        got = request(listen, "POST", "/x")
    assert got.status == 502 and json.loads(got.body)["executed"] == "unknown"


def test_an_answer_that_breaks_off_is_told(launch, rabbit):
    """The client must see that it is not whole: the connection ends before the announced length."""
    listen = free_port()
    with RawServer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf") as upstream:
        launch(configs.caller(listen, upstream.port, rabbit.url, [configs.route("sync", "/*", "sync", "q")]))
        with RawHttp(listen) as client:
            client.send(request_bytes("POST", "/x"))
            answer = client.read()
            assert len(answer.body) < 100 or answer.status == 502


# 8: calls to where nobody should call

@pytest.mark.parametrize("host", METADATA)
def test_metadata_addresses_are_never_called(scene, host):
    answer = request(scene.listen, "GET", f"http://{host}/latest/meta-data/", [("Host", host)])
    assert answer.status in (400, 403) and json.loads(answer.body)["executed"] == "no"
    assert request(scene.listen, "CONNECT", f"{host}:443", [("Host", f"{host}:443")]).status in (400, 403)


# 9: secrets

def test_secrets_appear_nowhere(launch):
    secret, listen = "Xyzzy-Secret-42", free_port()
    url = f"amqp://guest:${{SHUNT_TEST_PASSWORD}}@127.0.0.1:{free_port()}/"
    config = configs.caller(listen, free_port(), url, [configs.route("call", "/*", "request_reply", "q")])
    config = config.replace('format = "json";', 'format = "json"; level = "debug";')
    sidecar = launch(config, ready=False, env={"SHUNT_TEST_PASSWORD": secret})
    wait_listening(listen)
    answers = [request(listen, "POST", "/x", [("Authorization", secret)]).body,
               sidecar.admin_says("/metrics"), sidecar.admin_says("/healthz/ready")]
    for command in (["check"], ["explain", "-X", "POST", "-d", "x"]):
        tail = ["http://inventory/x"] if command[0] == "explain" else []
        done = shunt(command[0], "-c", sidecar.file, *command[1:], *tail, env={"SHUNT_TEST_PASSWORD": secret})
        answers += [done.stdout, done.stderr]
    sidecar.write(config.replace("amqp://", "ampq://"))
    answers += [shunt("check", "-c", sidecar.file, env={"SHUNT_TEST_PASSWORD": secret}).stderr]
    sidecar.write(config)
    assert secret not in str(answers) + sidecar.stdout() + sidecar.stderr()


def test_a_wrong_password_is_told_without_it(launch, rabbit):
    secret, listen = "Xyzzy-Secret-42", free_port()
    url = rabbit.url.replace("guest@", f"{secret}@")
    routes = [configs.route("call", "/*", "request_reply", "q")]
    sidecar = launch(configs.caller(listen, free_port(), url, routes), ready=False)
    wait_listening(listen)
    wait_until(lambda: "ACCESS_REFUSED" in sidecar.stdout() + sidecar.stderr(), 20, "the refusal is logged")
    assert secret not in sidecar.stdout() + sidecar.stderr() + sidecar.admin_says("/healthz/ready")


# 10: long and odd lines

@pytest.mark.parametrize("path", ["/sync/" + "a" * 1_000_000, "/sync/x?" + "b" * 200_000])
def test_endless_paths(scene, path):
    answer = send_raw(scene.listen, request_bytes("GET", path))
    assert answer is None or answer.status in (414, 431)
    assert scene.works("sync", 200) and scene.caller.log()


def test_endless_headers(scene):
    answer = send_raw(scene.listen, b"GET /sync/x HTTP/1.1\r\nHost: inventory\r\n" + b"X-A: b\r\n" * 100_000)
    assert answer is None or answer.status == 431
    assert scene.works("sync", 200)


# 12: ways round a route

AMBIGUOUS = ["/guarded%2fx", "/x/..%2fguarded/x", "/guarded%00/x", "/guarded\\x", "/x/%2e%2e/guarded/x",
             "/x/../guarded/x", "/./guarded/x", "/x/.%2e/guarded/x", "/%5cguarded/x", "//guarded/x",
             "/guarded/%2e%2e/guarded/x"]


@pytest.fixture(scope="module", params=configs.STYLES)
def guarded(request, rabbit):
    """Everything under /guarded is refused by a route to nowhere, in each style; all else is forwarded."""
    with World("guarded", rabbit) as world:
        nowhere = configs.route("guarded", "/guarded/*", request.param, "guarded.nowhere")
        routes = [nowhere.replace('upstream = "inventory"', 'upstream = "nowhere"'),
                  configs.route("all", "/*", "sync", "q")]
        config = configs.caller(world.listen, world.service.port, rabbit.url, routes)
        world.caller.reload(config.replace(
            "upstreams = (", f'upstreams = ( {{ name = "nowhere"; endpoints = ( "127.0.0.1:{free_port()}" ); }},'))
        world.refusals = {503 if request.param == "sync" else 502}
        yield world


@pytest.mark.parametrize("path", AMBIGUOUS)
def test_ambiguous_paths_are_refused(guarded, path):
    answer = request(guarded.listen, "POST", path)
    arrived = [received.target for received in guarded.service.received("/") if "guarded" in received.target]
    assert answer.status in {400} | guarded.refusals or (path.startswith("//") and answer.status == 200), answer
    assert not arrived or path.startswith("//")


@pytest.mark.parametrize("path", [
    "/%67uarded/x", "/guarde%64", "/guarded/", "/guarded/%78", "/guarded?x", "/guarded/x;y"])
def test_what_is_matched_is_what_is_forwarded(guarded, path):
    assert request(guarded.listen, "POST", path).status in guarded.refusals


@pytest.mark.parametrize("host", ["INVENTORY", "inventory.", "inventory:80", "Inventory.:8080"])
def test_hosts_in_any_spelling(guarded, host):
    assert request(guarded.listen, "POST", "/guarded/x", [("Host", host)]).status in guarded.refusals
