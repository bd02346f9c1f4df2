"""Clients and servers that others wrote, on both sides of a sidecar, in all four directions."""
import subprocess

import pytest

from support import outside
from support.places import ROOT, free_port, fresh_folder
from support.process import Process
from support.shunt import Shunt
from support.waiting import wait_listening

CONFIG = """
service = "caller"; admin = { address = "127.0.0.1:@ADMIN@"; };
listeners = ( { name = "in"; address = "127.0.0.1:%d"; } );
upstreams = ( { name = "up"; endpoints = ( "127.0.0.1:%d" ); protocol = "%s"; } );
routes = ( { name = "up"; style = "sync"; sync = { upstream = "up"; }; } );
"""


def through(client, server):
    """What a client got of a server, each a language and a protocol."""
    folder, port, listen = fresh_folder("e2e", f"{'-'.join(client)}-to-{'-'.join(server)}"), free_port(), free_port()
    serving = outside.serve(*server, port, folder)
    sidecar = Shunt("shunt", folder, CONFIG % (listen, port, server[1])).start()
    try:
        return outside.ask(*client, listen)
    finally:
        sidecar.stop()
        serving.kill()


@pytest.mark.parametrize("server", ["http1", "h2"])
@pytest.mark.parametrize("protocol", ["http1", "h2"])
@pytest.mark.parametrize("client", ["node", "httpx"])
def test_node_behind(client, protocol, server):
    said = through((client, protocol), ("node", server))
    assert said == {name: value for name, value in outside.EXPECTED.items() if name in said}
    assert client == "httpx" or len(said) == len(outside.EXPECTED)


@pytest.mark.soak
@pytest.mark.limit(1600)
@pytest.mark.parametrize("server", ["http1", "h2"])
@pytest.mark.parametrize("protocol", ["http1", "h2"])
@pytest.mark.parametrize("client, behind", [("go", "go"), ("go", "node"), ("node", "go"), ("httpx", "go")])
def test_go_on_either_side(client, behind, protocol, server):
    said = through((client, protocol), (behind, server))
    assert said == {name: value for name, value in outside.EXPECTED.items() if name in said}
    assert client == "httpx" or len(said) == len(outside.EXPECTED)


# What the gRPC project asks of every implementation (its doc/interop-test-descriptions.md), without TLS and accounts.
INTEROP = ["empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
           "timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message",
           "special_status_message", "custom_metadata", "unimplemented_method", "unimplemented_service"]


@pytest.mark.soak
@pytest.mark.limit(3200)
def test_grpc_go_with_itself():
    """Its own interoperability tests, both sides, with a sidecar between them."""
    source = ROOT / "test" / "support" / "interop"
    client, server = (outside.built_go(source, f"google.golang.org/grpc/interop/{side}", f"interop-{side}")
                      for side in ("client", "server"))
    folder, port, listen = fresh_folder("e2e", "interop"), free_port(), free_port()
    serving = Process("interop-server", [server, f"-port={port}"], folder)
    wait_listening(port)
    sidecar = Shunt("shunt", folder, CONFIG % (listen, port, "h2")).start()
    failed = {}
    for case in INTEROP:
        ran = subprocess.run([client, "-server_host=127.0.0.1", f"-server_port={listen}", f"-test_case={case}"],
                                     capture_output=True, text=True, timeout=60)
        if ran.returncode:
            failed[case] = ran.stderr[-400:]
    sidecar.stop()
    serving.kill()
    assert not failed
