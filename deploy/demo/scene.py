"""Everything that the demo runs: two brokers, plain services, a Shunt beside each. Whatever starts here ends here, in
the opposite order, by PID; all of it lives below build/demo, on free ports.

Kafka is slow to start (and on the first run to fetch), so it does that in the background of the first two acts."""
import difflib
import json
import pathlib
import re
import subprocess
import threading
import urllib.request

from support.amqp import Amqp
from support.kafka import Kafka
from support.kafka_classpath import VERSION, KafkaMissing
from support.kafka_mock import KafkaMock
from support.places import PYTHON, ROOT, free_port, fresh_folder
from support.process import Process
from support.rabbit import Rabbit
from support.shunt import Shunt
from support.waiting import wait_listening, wait_until

from story import fact, paint

HERE = pathlib.Path(__file__).resolve().parent
SERVICES = {"orders": "orders.py", "inventory": "receiver.py", "analytics": "receiver.py"}


class KafkaMeanwhile:
    """A Kafka that starts while other things happen. The thread that starts it lives until the end: the kernel ends
    children with the thread that made them."""

    def __init__(self, folder):
        self.folder, self.node, self.instead_of, self._problem = folder, None, None, None
        self._known, self._over = threading.Event(), threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        try:
            try:
                self.node = Kafka(self.folder)
            except KafkaMissing as missing:
                self.instead_of, self.node = str(missing), KafkaMock(self.folder)
            self.node.start()
        except Exception as problem:
            self._problem = problem
        self._known.set()
        self._over.wait()

    def wait(self, seconds=480):
        """Back when it is up."""
        wait_until(self._known.is_set, seconds, "Kafka is up, or known to be missing")
        if self._problem:
            raise self._problem
        return self.node

    @property
    def is_known(self):
        """Whether `wait` comes back at once."""
        return self._known.is_set()

    @property
    def title(self):
        return "librdkafka's mock cluster" if self.instead_of else f"Apache Kafka {VERSION}"

    def stop(self):
        self._over.set()
        if self.node and self.node.node:
            self.node.node.kill()


class Scene:
    def __init__(self, stack):
        self.stack, self.folder = stack, fresh_folder("demo")
        self.kafka = KafkaMeanwhile(fresh_folder("demo", "kafka"))
        stack.callback(self.kafka.stop)
        self.ports = {}
        for name in SERVICES:
            self.ports |= {key: free_port() for key in (name, f"{name}_shunt", f"{name}_admin")}
        self.rabbit = Rabbit(fresh_folder("demo", "rabbitmq"))
        self.env = {"RABBIT_URL": self.rabbit.url, **{name.upper(): str(port) for name, port in self.ports.items()},
                    "INVENTORY_URL": f"http://127.0.0.1:{self.ports['orders_shunt']}"}
        self.services, self.sidecars = {}, {}

    def start(self):
        self.stack.callback(self.rabbit.stop)
        self.rabbit.start()
        self.rabbit.ctl("trace_on")
        self.watcher = self.stack.enter_context(Amqp(self.rabbit))
        self.trace = self.watcher.bind_trace("publish.#")
        for name in ("inventory", "orders"):
            self.start_service(name)
            self.start_sidecar(name)

    def start_service(self, name):
        service = Process(name, [PYTHON, HERE / SERVICES[name], self.ports[name]], self.folder, self.env)
        self.stack.callback(service.kill)
        self.services[name] = service
        wait_listening(self.ports[name])

    def start_sidecar(self, name):
        config = self._with_kafka((HERE / f"{name}.conf").read_text())
        sidecar = Shunt(f"shunt-{name}", self.folder, config, self.env, self.ports[f"{name}_admin"])
        self.stack.callback(sidecar.stop)
        self.sidecars[name] = sidecar.start()

    def change_the_word(self, old, new):
        """As anybody would: sed on orders' file, SIGHUP to its sidecar."""
        sidecar = self.sidecars["orders"]
        change = f's/style   = "{old}"/style   = "{new}"/'
        config = subprocess.run(["sed", change, sidecar.file], check=True, capture_output=True, text=True).stdout
        command = f"sed -i '{change}' {sidecar.file.relative_to(ROOT)}; kill -HUP {sidecar.process.pid}"
        self._change("one word", sidecar, config, command)

    def change_lines(self, title, name, *changes):
        """Pairs of old and new text in a sidecar's file, and SIGHUP."""
        sidecar = self.sidecars[name]
        config = sidecar.config
        for old, new in changes:
            assert config.count(old) == 1, f"{name}.conf has {config.count(old)} times {old}"
            config = config.replace(old, self._with_kafka(new))
        self._change(title, sidecar, config, f"kill -HUP {sidecar.process.pid}")

    def _with_kafka(self, config):
        return config.replace("@KAFKA@", self.kafka.wait().bootstrap) if "@KAFKA@" in config else config

    def _change(self, title, sidecar, config, command):
        """Back when the sidecar says that it has read its file again, and is ready."""
        lines = difflib.ndiff(sidecar.config.splitlines(), config.splitlines())
        shown = [re.sub(r" +", " ", line) for line in lines if line[0] in "+-"]
        sidecar.reload(config)
        fact(title, *[paint("green" if line[0] == "+" else "red", line) for line in shown], paint("dim", command))

    def reservations(self, name="inventory"):
        """What a service itself says that it was asked."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}/reservations", timeout=5) as answer:
            return json.load(answer)

    def published(self, count):
        """The messages with HTTP in them that were published since we last looked, as RabbitMQ's trace shows them."""
        found = []

        def enough():
            found.extend(message for message in self.watcher.drain(self.trace) if is_a_call(message))
            return len(found) >= count
        wait_until(enough, 30, f"{count} messages are on the broker")
        return found


def is_a_call(message):
    """Shunt also sends empty probes by which it notices a broker that is stuck; they are none."""
    headers = message.headers["properties"].get("headers", {})
    return ":method" in headers or ":status" in headers
