"""HTTP/2 beside HTTP/1.1 on one port, and between them, by clients and servers that are not ours."""
import hashlib
import shutil
import subprocess

import pytest

from support.places import free_port, fresh_folder
from support.process import Process
from support.shunt import Shunt
from support.waiting import wait_listening

CONFIG = """
service = "caller"; admin = { address = "127.0.0.1:@ADMIN@"; };
listeners = ( { name = "to-1"; address = "127.0.0.1:%d"; host = "one:80"; },
              { name = "to-2"; address = "127.0.0.1:%d"; host = "two:80"; } );
upstreams = ( { name = "one"; endpoints = ( "127.0.0.1:%d" ); },
              { name = "two"; endpoints = ( "127.0.0.1:%d" ); protocol = "h2"; } );
routes = ( { name = "one"; match = { host = "one"; }; style = "sync"; sync = { upstream = "one"; }; },
           { name = "two"; match = { host = "two"; }; style = "sync"; sync = { upstream = "two"; }; } );
log = { level = "warning"; };
"""
CLIENTS = {"1": "--http1.1", "2": "--http2-prior-knowledge"}
LARGE = bytes(range(256)) * 40000


@pytest.fixture(scope="module")
def ports():
    """Listeners of one sidecar by the version behind them: the same nghttpd, with a proxy before it for HTTP/1.1."""
    for program, package in (("nghttpd", "nghttp2-server"), ("nghttpx", "nghttp2-proxy")):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed (Debian's {package})")
    folder = fresh_folder("e2e", "h2")
    (folder / "large").write_bytes(LARGE)
    (folder / "small").write_bytes(b"small")
    two, one = free_port(), free_port()
    listen = {"1": free_port(), "2": free_port(), "two": two}
    server = Process("nghttpd", ["nghttpd", "--no-tls", "-d", folder, "--echo-upload", "--trailer", "x-trailer: kept",
                                 str(two)], folder)
    proxy = Process("nghttpx", ["nghttpx", f"-f127.0.0.1,{one};no-tls", f"-b127.0.0.1,{two};;proto=h2", "--conf=/dev/null",
                                "--single-process"], folder)
    wait_listening(two)
    wait_listening(one)
    sidecar = Shunt("h2", folder, CONFIG % (listen["1"], listen["2"], one, two)).start()
    yield listen
    sidecar.stop()
    proxy.kill()
    server.kill()


def curl(port, client, path, *options, data=None):
    ran = subprocess.run(["curl", "-sS", "--max-time", "60", CLIENTS[client], *options, f"http://127.0.0.1:{port}{path}"],
                         input=data, capture_output=True, check=True)
    return ran.stdout


@pytest.mark.parametrize("server", ["1", "2"])
@pytest.mark.parametrize("client", ["1", "2"])
class TestBetween:
    def test_a_small_answer(self, ports, client, server):
        said = curl(ports[server], client, "/small", "-i", "--raw").decode()
        assert said.startswith("HTTP/2 200" if client == "2" else "HTTP/1.1 200 OK")
        assert said.count("small") == 1 and said.lower().count("\ncontent-length") <= 1

    def test_a_large_answer(self, ports, client, server):
        got = curl(ports[server], client, "/large")
        assert hashlib.sha256(got).digest() == hashlib.sha256(LARGE).digest()

    @pytest.mark.parametrize("framing", ["Content-Length: %d" % len(LARGE), "Transfer-Encoding: chunked"], ids=["length", "chunked"])
    def test_a_large_request(self, ports, client, server, framing):
        headers = ["-H", framing] if client == "1" or "Content" in framing else ["-H", "Content-Length:"]
        got = curl(ports[server], client, "/echo", "-H", "Expect:", *headers, "--data-binary", "@-", data=LARGE)
        assert hashlib.sha256(got).digest() == hashlib.sha256(LARGE).digest()

    def test_head_and_missing(self, ports, client, server):
        assert b"200" in curl(ports[server], client, "/large", "-I").splitlines()[0]
        assert b" 404" in curl(ports[server], client, "/missing", "-i").splitlines()[0]

    def test_many_at_once(self, ports, client, server):
        if not shutil.which("h2load"):
            pytest.skip("h2load is not installed (Debian's nghttp2-client)")
        version = ["--h1"] if client == "1" else ["-m", "10"]
        said = subprocess.run(["h2load", *version, "-n", "2000", "-c", "20", f"http://127.0.0.1:{ports[server]}/small"],
                              capture_output=True, text=True, check=True, timeout=100).stdout
        assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in said, said


def test_few_connections_carry_many_calls(ports):
    """Streams of few connections to the upstream, not a connection for each of 200 calls at a time."""
    if not shutil.which("h2load"):
        pytest.skip("h2load is not installed (Debian's nghttp2-client)")
    load = subprocess.Popen(["h2load", "--h1", "-n", "6000", "-c", "200", f"http://127.0.0.1:{ports['2']}/small"],
                            stdout=subprocess.PIPE, text=True)
    most = 0
    while load.poll() is None:
        said = subprocess.run(["ss", "-tnH", "state", "established", "dport", "=", f":{ports['two']}"], capture_output=True,
                              text=True, check=True).stdout
        most = max(most, len(said.splitlines()))
    assert "6000 succeeded" in load.stdout.read() and 1 <= most <= 8, most
