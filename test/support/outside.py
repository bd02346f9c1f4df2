"""Clients and servers that others wrote, each asked for the same things, by HTTP/1 and by HTTP/2: Node and Go's net/http
on both sides, httpx as a client. What a client got is told in one form, to be compared with what it should be."""
import hashlib
import json
import os
import shutil
import subprocess

import httpx
import pytest

from support.places import BUILD, ROOT
from support.process import Process
from support.waiting import wait_listening, wait_until

HERE = ROOT / "test" / "support" / "outside"
LARGE = bytes(i % 251 for i in range(3 << 20))
DIGEST = hashlib.sha256(LARGE).hexdigest()
EXPECTED = {
    "small": [200, "small"], "hash": DIGEST, "echo": DIGEST, "cookies": ["a=1, x", "b=2"],
    "hints": [["</style.css>; rel=preload"], "hinted"], "trailers": ["body", "got 1"], "none": 204, "head": [200, 0],
    "refuse": 413, "parallel": 60, "aborted": "1",
}


def built_go(folder, package, name):
    """A Go program; where there is no Go that is new enough, the test is skipped and says so."""
    if not shutil.which("go"):
        pytest.skip(f"{name} is not run: there is no Go to build it")
    binary = BUILD / "tools" / name
    env = {**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GOCACHE": str(BUILD / "tools" / "go")}
    made = subprocess.run(["go", "build", "-o", str(binary), package], env=env, cwd=folder, capture_output=True, text=True,
                          timeout=1500)
    if made.returncode:
        pytest.skip(f"{name} cannot be built: {made.stderr.strip()[-200:]}")
    return binary


def program(side, language):
    """The command of a client ("ask") or a server ("serve"), up to its protocol."""
    if language == "go":
        return [built_go(HERE / "go", ".", "outside"), side]
    if not shutil.which("node"):
        pytest.skip("there is no Node (Debian's nodejs)")
    return ["node", HERE / ("node_client.js" if side == "ask" else "node_server.js")]


def serve(language, protocol, port, folder):
    server = Process(f"{language}-{protocol}", [*program("serve", language), protocol, str(port)], folder)
    wait_listening(port)
    return server


def ask(language, protocol, port):
    if language == "httpx":
        return ask_httpx(protocol, port)
    ran = subprocess.run([*map(str, program("ask", language)), protocol, str(port)], capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout)


def ask_httpx(protocol, port):
    """It knows no trailers and no interim answers, and gives up by hanging up."""
    def begin():
        return httpx.Client(base_url=f"http://127.0.0.1:{port}", http1=protocol == "http1", http2=protocol == "h2",
                            timeout=60, trust_env=False)
    said = {}
    with begin() as client:
        small = client.get("/small")
        assert small.http_version == ("HTTP/2" if protocol == "h2" else "HTTP/1.1")
        said["small"] = [small.status_code, small.text]
        said["hash"] = client.post("/hash", content=LARGE).text
        said["echo"] = hashlib.sha256(client.post("/echo", content=iter([LARGE[:99999], LARGE[99999:]])).content).hexdigest()
        said["cookies"] = client.get("/cookies").headers.get_list("set-cookie")
        said["none"] = client.get("/none").status_code
        head = client.head("/small")
        said["head"] = [head.status_code, len(head.content)]
        said["refuse"] = client.post("/refuse", content=b"y").status_code
        said["parallel"] = sum(client.post("/echo", content=b"z").content == b"z" for _ in range(60))
        with begin() as leaving, leaving.stream("GET", "/endless") as endless:
            next(endless.iter_bytes(10))
        wait_until(lambda: client.get("/aborted").text == "1", 20, "the server was told")
        said["aborted"] = "1"
    return said
