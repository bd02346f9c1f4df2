"""Every test of h2spec, against the server side and with an HTTP/2 upstream behind it."""
import os
import re
import shutil
import subprocess

import pytest

from support.places import BUILD, ROOT, free_port, fresh_folder
from support.recorder import Recorder
from support.shunt import Shunt

CONFIG = """
service = "caller"; admin = { address = "127.0.0.1:@ADMIN@"; };
listeners = ( { name = "in"; address = "127.0.0.1:%d"; host = "up:80"; } );
upstreams = ( { name = "up"; endpoints = ( "127.0.0.1:%d" ); } );
routes = ( { name = "up"; style = "sync"; sync = { upstream = "up"; }; } );
"""


def built():
    """Built once, from the Go module proxy; where there is no Go that is new enough, it is skipped."""
    if not shutil.which("go"):
        pytest.skip("h2spec is not run: there is no Go to build it (1.26 or later)")
    binary = BUILD / "tools" / "h2spec"
    if not binary.exists():
        env = {**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GOCACHE": str(BUILD / "tools" / "go")}
        made = subprocess.run(["go", "build", "-o", str(binary), "github.com/summerwind/h2spec/cmd/h2spec"], env=env,
                              cwd=ROOT / "test" / "support" / "h2spec", capture_output=True, text=True, timeout=400)
        if made.returncode:
            pytest.skip(f"h2spec cannot be built: {made.stderr.strip()[-200:]}")
    return binary


@pytest.mark.soak
@pytest.mark.limit(600)
def test_every_test_of_h2spec():
    h2spec = built()
    with Recorder(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000) as upstream:
        port = free_port()
        sidecar = Shunt("h2spec", fresh_folder("e2e", "h2spec"), CONFIG % (port, upstream.port)).start()
        said = subprocess.run([h2spec, "-h", "127.0.0.1", "-p", str(port), "-o", "10"], capture_output=True, text=True,
                              timeout=500).stdout
        sidecar.stop()
    total = re.search(r"(\d+) tests, (\d+) passed, 0 skipped, 0 failed", said)
    assert total and total[1] == total[2] == "145", said[-4000:]
