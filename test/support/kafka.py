"""A Kafka node of our own (KRaft, broker and controller in one): free ports, all files in one folder.

Clients of a node go where its metadata says, whatever address they asked first, so a relay alone catches nothing:
`behind` gives a relay and a listener of its own, whose told address is the relay's. The node is one Java process; it
dies with us, by PID."""
import shutil
import signal
import subprocess

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from support import kafka_classpath
from support.kafka_settings import LOGGING, node_settings
from support.places import free_port
from support.process import Process
from support.relay import Relay
from support.waiting import is_listening, wait_until


class Kafka:
    def __init__(self, folder, settings=None):
        """`settings` are further ones of the broker, by name. KafkaMissing where there can be none."""
        self.folder, self.settings = folder, settings
        self.port, self._controller_port = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.node = None
        self._listeners = {"PLAINTEXT": (self.port, self.port)}
        self._logging = folder / "log4j.properties"
        self._logging.write_text(LOGGING)
        self._distribution = kafka_classpath.prepare()

    def behind(self, name, folder):
        """A relay, not started, through which every byte between the node and those who bootstrap from it goes.
        To be asked for before `start`."""
        port = free_port()
        relay = Relay(name, folder, port)
        self._listeners[f"RELAY{len(self._listeners)}"] = (port, relay.port)
        return relay

    def start(self, seconds=90):
        """The first start makes the data, later ones find it."""
        data, config = self.folder / "data", self.folder / "server.properties"
        if not data.exists():
            shutil.copytree(self._distribution.formatted, data)
        config.write_text(node_settings(data, self._controller_port, self._listeners, self.settings))
        self.node = Process("kafka", self._distribution.java(self._logging, "kafka.Kafka", config), self.folder)
        wait_until(self.answers, seconds, f"Kafka is up (see {self.folder})", every=0.1)
        return self

    def answers(self):
        """True when a client learns of the broker from itself."""
        if not self.node.alive:
            raise AssertionError(f"Kafka ended by itself, see {self.node.err}")
        return is_listening(self.port) and knows_brokers(self.bootstrap)

    def kill(self):
        """kill -9; its files stay."""
        self.node.kill()

    def stop(self):
        if self.node:
            self.resume()
            self.node.stop()
            self.node = None

    def pause(self):
        self.node.signal(signal.SIGSTOP)

    def resume(self):
        self.node.signal(signal.SIGCONT)

    def create_topic(self, name, partitions=1, **settings):
        """Back when its leaders are known. Dots in the names of settings are written as underscores."""
        config = {key.replace("_", "."): str(value) for key, value in settings.items()}
        admin = client(self.bootstrap)      # which must outlive the answer
        admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(30)
        wait_until(lambda: led(self.bootstrap, name, partitions), 30, f"topic {name} has leaders")

    def delete_topic(self, name):
        admin = client(self.bootstrap)
        admin.delete_topics([name])[name].result(30)

    def tool(self, name, *arguments, text="", seconds=60):
        """Runs one of Kafka's own Java programs, such as kafka.tools.ConsoleProducer; what it printed."""
        command = self._distribution.java(self._logging, name, *arguments, classes=False)
        done = subprocess.run(command, input=text, timeout=seconds, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout


def client(bootstrap):
    """An administrator's client that keeps quiet about refused connections."""
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "socket.timeout.ms": 10000})


def knows_brokers(bootstrap, seconds=2):
    try:
        return bool(client(bootstrap).list_topics(timeout=seconds).brokers)
    except KafkaException:
        return False


def led(bootstrap, topic, partitions):
    """Whether a topic has that many partitions, each with a leader."""
    known = client(bootstrap).list_topics(topic, timeout=10).topics[topic]
    return known.error is None and len(known.partitions) == partitions and all(
        partition.leader >= 0 for partition in known.partitions.values())


def kcat(bootstrap, *arguments, text="", seconds=60):
    """Runs kcat to its end; what it printed."""
    command = ["kcat", "-b", bootstrap, "-m", "10", *map(str, arguments)]
    done = subprocess.run(command, input=text, timeout=seconds, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout
