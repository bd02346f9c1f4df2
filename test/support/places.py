"""Where things are: the project's folders, and ports that nobody else holds.

Ports come from below the kernel's ephemeral range, so that an outgoing connection does not take one between
our choice and the listener's bind."""
import os
import random
import shutil
import socket
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SHUNT_BUILD", ROOT / "build"))
PYTHON = "/usr/bin/python3"

# Tests that run beside others (test/run) have folders and ports of their own: `0` or `1`.
SHARE = os.environ.get("SHUNT_SHARE", "")
PORTS = {"": (18000, 32000), "0": (18000, 25000), "1": (25000, 32000)}[SHARE]

_given = set()


def shunt_binary():
    """The binary under test: $SHUNT_BIN, or the release build."""
    return Path(os.environ.get("SHUNT_BIN", BUILD / "release" / "shunt")).resolve()


def fresh_folder(*names):
    """An empty folder below build/; what an earlier run left there is gone."""
    folder = BUILD.joinpath(names[0] + SHARE, *names[1:])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def free_port():
    while True:
        port = random.randrange(*PORTS)
        if port not in _given and _can_bind(port):
            _given.add(port)
            return port


def _can_bind(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
