"""What every scenario finds ready: one broker and one scene for all that break nothing, a broker to be broken for
those that do; and that no test hangs and none leaves a process behind."""
import os
import shutil
import signal
import time
import uuid

import pytest

from support.places import fresh_folder, shunt_binary
from support.process import command_name, descendants
from support.rabbit import Rabbit
from support.shunt import Shunt
from support.world import World


def pytest_sessionstart():
    if not shunt_binary().exists():
        pytest.exit(f"{shunt_binary()} is not built (make build, or say SHUNT_BIN)", 2)


def interrupted(seconds):
    """What hangs is interrupted; whatever it had begun is then torn down, under a limit of its own."""
    def interrupt(*_):
        raise TimeoutError(f"it took longer than {seconds} s")
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup():
    yield from interrupted(180)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    mark = item.get_closest_marker("limit")
    yield from interrupted(mark.args[0] if mark else 120)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown():
    yield from interrupted(180)


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind():
    """What is ending when the last test is over gets a moment; what does not end is one failure."""
    yield
    until = time.monotonic() + 5
    while descendants(os.getpid()) and time.monotonic() < until:
        time.sleep(0.1)
    left = {pid: command_name(pid) for pid in descendants(os.getpid())}
    for pid in left:
        kill(pid)
    if left:
        pytest.fail(f"processes were left behind: {left}", pytrace=False)


@pytest.fixture(scope="session")
def rabbit(nothing_left_behind):
    """The broker that nobody breaks."""
    node = Rabbit(fresh_folder("e2e", "rabbit")).start()
    yield node
    node.stop()


@pytest.fixture(scope="module")
def breakable(nothing_left_behind):
    """A broker of the module's own, to be killed, paused and alarmed."""
    node = Rabbit(fresh_folder("e2e", "breakable")).start()
    yield node
    node.stop()


@pytest.fixture(scope="session")
def everyone(rabbit):
    with World("scene", rabbit) as world:
        yield world


@pytest.fixture
def scene(everyone):
    """The shared scene: no dead letters of earlier tests, everybody alive afterwards, the service back to normal."""
    everyone.forget_dead()
    yield everyone
    everyone.service.behave()
    everyone.caller.check_alive()
    everyone.callee.check_alive()


@pytest.fixture
def word():
    """A word that no other test uses: in a path, it tells whose request it was."""
    return uuid.uuid4().hex[:12]


@pytest.fixture
def folder(request):
    """An empty folder of the test's own."""
    return fresh_folder("e2e", "".join(c if c.isalnum() else "-" for c in request.node.name)[:100])


@pytest.fixture
def launch(folder):
    """Starts sidecars that end with the test: launch(config, ready=…)."""
    started = []

    def start(config, name="shunt", ready=True, env=None):
        sidecar = Shunt(name, folder, config, env)
        started.append(sidecar)
        return sidecar.start(ready)
    yield start
    for sidecar in started:
        sidecar.stop()


@pytest.fixture(scope="session")
def promtool():
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian's prometheus)")
    return "promtool"
