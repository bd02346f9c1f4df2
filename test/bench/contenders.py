"""Whom we compare with, each set up as its own manual would have it for this job: one worker, keep-alive on both
sides, no log of calls."""
import os
import re
import shutil
import subprocess

from support.places import BUILD, ROOT, free_port, shunt_binary
from support.process import Process
from support.shunt import Shunt
from support.waiting import wait_listening, wait_until

HERE = ROOT / "test" / "bench"
AMQPLIB = "amqplib@2.3.1"
COMPILE = ["gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}", f"-I{ROOT / 'proxy'}"]

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log; {user}
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 1024; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
}}
"""

HAPROXY = """
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend in
  bind 127.0.0.1:{port}
  default_backend origin
backend origin
  http-reuse always
  server one 127.0.0.1:{origin}
"""

SYNC = """
service = "bench"; admin = {{ address = "127.0.0.1:@ADMIN@"; }}; log = {{ calls = {calls}; }};
listeners = ( {{ name = "in"; address = "127.0.0.1:{port}"; host = "origin"; }} );
upstreams = ( {{ name = "origin"; endpoints = ( "127.0.0.1:{origin}" ); connections = 4096; }} );
routes = ( {{ name = "all"; style = "sync"; sync = {{ upstream = "origin"; }}; }} );
"""

H2 = """
service = "bench"; admin = {{ address = "127.0.0.1:@ADMIN@"; }}; log = {{ calls = false; }};
listeners = ( {{ name = "in"; address = "127.0.0.1:{port}"; host = "origin"; }} );
upstreams = ( {{ name = "origin"; endpoints = ( "127.0.0.1:{origin}" ); protocol = "h2"; }} );
routes = ( {{ name = "all"; style = "sync"; sync = {{ upstream = "origin"; }}; }} );
"""

CALLER = """
service = "bench"; admin = {{ address = "127.0.0.1:@ADMIN@"; }}; log = {{ calls = false; }};
listeners = ( {{ name = "in"; address = "127.0.0.1:{port}"; host = "origin"; }} );
brokers = ( {{ name = "rabbit"; plugin = "amqp"; url = "amqp://guest:guest@127.0.0.1:{amqp}"; }} );
routes = (
  {{ name = "rpc"; match = {{ path = "/rpc"; }}; style = "request_reply";
    request_reply = {{ broker = "rabbit"; queue = "bench.rpc"; reply = "await"; }}; }},
  {{ name = "pair"; match = {{ path = "/pair"; }}; style = "request_reply";
    request_reply = {{ broker = "rabbit"; queue = "bench.pair"; reply = "await"; }}; }},
  {{ name = "event"; match = {{ path = "/event"; }}; style = "event";
    event = {{ broker = "rabbit"; queue = "bench.events"; }}; }}
);
"""

KAFKA = """
service = "bench"; admin = {{ address = "127.0.0.1:@ADMIN@"; }}; log = {{ calls = false; }};
listeners = ( {{ name = "in"; address = "127.0.0.1:{port}"; host = "origin"; }} );
brokers = ( {{ name = "kafka"; plugin = "kafka"; bootstrap = "{kafka}"; }} );
routes = ( {{ name = "kafka"; match = {{ path = "/kafka"; }}; style = "event";
             event = {{ broker = "kafka"; topics = ( "bench.events" ); }}; }} );
"""

BOTH = """
service = "bench"; admin = {{ address = "127.0.0.1:@ADMIN@"; }}; log = {{ calls = false; }};
listeners = ( {{ name = "in"; address = "127.0.0.1:{port}"; host = "origin"; }} );
brokers = ( {{ name = "rabbit"; plugin = "amqp"; url = "amqp://guest:guest@127.0.0.1:{amqp}"; }},
            {{ name = "kafka"; plugin = "kafka"; bootstrap = "{kafka}"; }} );
routes = (
  {{ name = "rpc"; match = {{ path = "/rpc"; }}; style = "request_reply";
    request_reply = {{ broker = "rabbit"; queue = "bench.rpc"; reply = "await"; }}; }},
  {{ name = "event"; match = {{ path = "/event"; }}; style = "event";
    event = {{ broker = "rabbit"; queue = "bench.events"; }}; }},
  {{ name = "kafka"; match = {{ path = "/kafka"; }}; style = "event";
    event = {{ broker = "kafka"; topics = ( "bench.events" ); }}; }}
);
"""

CALLEE = """
service = "bench"; admin = {{ address = "127.0.0.1:@ADMIN@"; }}; log = {{ calls = false; }};
brokers = ( {{ name = "rabbit"; plugin = "amqp"; url = "amqp://guest:guest@127.0.0.1:{amqp}"; }} );
subscriptions = ( {{ name = "pair"; broker = "rabbit"; queue = "bench.pair"; deliver = "http://127.0.0.1:{origin}";
                    allow = ( {{ method = "POST"; path = "/pair"; }} ); concurrency = 64; }} );
"""


def compiled(name, *more):
    """One of our C programs, built into build/bench; `more` are libraries and sources beside its own."""
    binary = BUILD / "bench" / name
    binary.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([*COMPILE, str(HERE / f"{name}.c"), "-o", str(binary), *map(str, more)], check=True)
    return binary


def routes_program():
    """routes.c with everything of Shunt but its main."""
    subprocess.run(["make", "-C", ROOT, "--no-print-directory", "build/release/shunt.a"], check=True,
                   stdout=subprocess.DEVNULL)
    libraries = subprocess.run(["pkg-config", "--libs", "libuv", "libnghttp2", "libconfig", "libcares", "libpcre2-8",
                                "jansson", "nettle"], check=True, capture_output=True, text=True).stdout.split()
    llhttp = subprocess.run(["pkg-config", "--libs", "libllhttp"], check=False, capture_output=True,
                            text=True).stdout.split()
    return compiled("routes", "-g", ROOT / "build" / "release" / "shunt.a", *libraries, *llhttp, "-lm", "-pthread")


class Contender:
    """A process that listens on a port of its own; ended with `stop`."""

    def __init__(self, name, folder, command, port=None, env=None):
        self.port = port
        self._process = Process(name, command, folder, env)
        self.pid = self._process.pid
        if port:
            wait_listening(port)

    def says(self, word):
        wait_until(lambda: word in self._process.out.read_text(), 20, f"{self._process.name} says {word}")
        return self

    def stop(self):
        self._process.kill()


def origin(folder, answer=1024):
    port = free_port()
    return Contender("origin", folder, [compiled("origin"), port, answer], port)


def relay(folder, upstream):
    port = free_port()
    return Contender("relay", folder, [compiled("relay"), port, upstream], port)


def nginx(folder, upstream):
    port = free_port()
    file = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    file.write_text(NGINX.format(folder=folder, port=port, origin=upstream, user=user))
    return Nginx("nginx", folder, ["nginx", "-p", folder, "-c", file], port)


class Nginx(Contender):
    """Its worker outlives a master that is killed."""

    def stop(self):
        self._process.stop()


def haproxy(folder, upstream):
    port = free_port()
    file = folder / "haproxy.cfg"
    file.write_text(HAPROXY.format(port=port, origin=upstream))
    return Contender("haproxy", folder, ["haproxy", "-db", "-q", "-f", file], port)


def nghttpx(folder, upstream, protocol):
    """`protocol`: of the service behind it, "h2" or "http/1.1"; clients choose their own."""
    port = free_port()
    return Contender("nghttpx", folder, [
        "nghttpx", "--conf=/dev/null", f"--frontend=127.0.0.1,{port};no-tls",
        f"--backend=127.0.0.1,{upstream};;proto={protocol}", "--workers=1", "--errorlog-file=nghttpx.log",
        "--pid-file=nghttpx.pid"], port)


def nghttpd(folder, answer=1024):
    """A service of HTTP/2: a file to GET, and for POSTs the same with a trailer, as gRPC ends."""
    port = free_port()
    (folder / "answer").write_bytes(b"x" * answer)
    return Contender("nghttpd", folder, ["nghttpd", "--no-tls", f"--htdocs={folder}", "--trailer=grpc-status: 0",
                                         "-a", "127.0.0.1", port], port)


class Sidecar(Shunt):
    """A Shunt that is ready; `port` is its listener's."""

    def __init__(self, name, folder, config, **words):
        self.port = free_port()
        super().__init__(name, folder, config.format(port=self.port, **words))
        self.start()
        self.pid = self.process.pid


class Counted(Sidecar):
    """One whose instructions are counted."""

    def start(self, ready=True, seconds=60):
        self._count = self.folder / f"{self.name}.callgrind"
        self.process = Process(self.name, ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self._count}",
                                           shunt_binary(), "run", "-c", self.file], self.folder, self.env)
        self.wait_ready(seconds)
        return self

    def instructions(self):
        """All of its life's; it ends with that."""
        self.process.stop()
        return int(re.search(r"^(?:summary|totals): (\d+)", self._count.read_text(), re.M)[1])


def amqplib():
    """The folder of node's modules, filled from the npm registry; None when that does not work."""
    folder = BUILD / "bench" / "node"
    modules = folder / "node_modules"
    if (modules / "amqplib").is_dir():
        return modules
    if not shutil.which("npm"):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent", AMQPLIB],
                          check=False, timeout=300)
    return modules if done.returncode == 0 else None


def bridge(folder, modules, role, *words, port=None):
    env = {"NODE_PATH": str(modules), "NODE_ENV": "production"}
    words = [port, *words] if port else words
    return Contender(f"node-{role}", folder, ["node", HERE / "bridge.js", role, *words], port, env)
