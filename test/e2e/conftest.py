"""What every scenario finds ready: one broker and one scene for all that break nothing, a broker to be broken for
those that do; and that no test hangs and none leaves a process behind."""
import contextlib
import os
import shutil
import signal
import time
import uuid

import pytest

from support import kafka_classpath
from support.kafka import Kafka
from support.kafka_classpath import KafkaMissing
from support.kafka_mock import KafkaMock
from support.kafka_world import KafkaWorld
from support.places import fresh_folder, shunt_binary
from support.process import command_name, descendants
from support.rabbit import Rabbit
from support.shunt import Shunt
from support.world import World


stand_ins = []      # what stood in, and for what


def pytest_sessionstart():
    if not shunt_binary().exists():
        pytest.exit(f"{shunt_binary()} is not built (make build, or say SHUNT_BIN)", 2)


def pytest_collection_finish(session):
    """The first time, Kafka is fetched, which may take longer than a test may."""
    if any("kafka" in name for item in session.items for name in item.fixturenames):
        with contextlib.suppress(KafkaMissing):
            kafka_classpath.prepare()


def pytest_terminal_summary(terminalreporter):
    for text in stand_ins:
        terminalreporter.write_line(text)


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
def kafka(nothing_left_behind):
    """The node that nobody breaks; librdkafka's mock cluster where there can be no Apache Kafka."""
    folder = fresh_folder("e2e", "kafka")
    try:
        node = Kafka(folder)
    except KafkaMissing as problem:
        stand_ins.append(str(problem))
        node = KafkaMock(folder)
    yield node.start()
    node.stop()


@pytest.fixture(scope="session")
def real_kafka(kafka):
    """The same, for those whom a stand-in does not serve."""
    if isinstance(kafka, KafkaMock):
        pytest.skip(stand_ins[0])
    return kafka


@pytest.fixture(scope="module")
def breakable_kafka(nothing_left_behind):
    """A node of the module's own, to be killed and paused, with a relay for each of two sidecars."""
    folder = fresh_folder("e2e", "breakable-kafka")
    try:
        node = Kafka(folder)
    except KafkaMissing as problem:
        pytest.skip(str(problem))
    node.relays = [node.behind(f"relay-{side}", folder).start() for side in ("caller", "callee")]
    yield node.start()
    for part in (node, *node.relays):
        part.stop()


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


@pytest.fixture(scope="session")
def everyone_at_kafka(kafka):
    with KafkaWorld("kafka-scene", kafka) as world:
        yield world


@pytest.fixture
def kafka_scene(everyone_at_kafka):
    """The shared scene over Kafka, everybody alive afterwards, the service back to normal."""
    yield everyone_at_kafka
    everyone_at_kafka.service.behave()
    everyone_at_kafka.caller.check_alive()
    everyone_at_kafka.callee.check_alive()


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
    with contextlib.ExitStack() as started:
        def start(config, name="shunt", ready=True, env=None):
            sidecar = Shunt(name, folder, config, env)
            started.callback(sidecar.stop)  # each is stopped, whatever another one's end brings to light
            return sidecar.start(ready)
        yield start


@pytest.fixture(scope="session")
def promtool():
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian's prometheus)")
    return "promtool"
