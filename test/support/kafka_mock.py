"""librdkafka's mock cluster in a process of its own: what stands in where no Apache Kafka can be had.

    python3 -m support.kafka_mock      prints where it listens, serves until its standard input closes

It keeps nothing over its end, has no relay and no settings, and makes topics (of four partitions) when they are asked
for."""
import signal
import subprocess
import sys
import time

from confluent_kafka import Producer

from support.kafka import led
from support.places import PYTHON, ROOT
from support.process import Process
from support.waiting import wait_until


class KafkaMock:
    def __init__(self, folder):
        self.folder, self.node, self.bootstrap = folder, None, None

    def start(self, seconds=30):
        self.node = Process("kafka-mock", [PYTHON, "-m", "support.kafka_mock"], self.folder,
                            {"PYTHONPATH": str(ROOT / "test")}, stdin=subprocess.PIPE)
        self.bootstrap = wait_until(self._address, seconds, f"the mock cluster is up (see {self.node.err})")
        return self

    def _address(self):
        assert self.node.alive, f"the mock cluster ended by itself, see {self.node.err}"
        return self.node.out.read_text().strip()

    def create_topic(self, name, _partitions=4, **_settings):
        wait_until(lambda: led(self.bootstrap, name, 4), 30, f"topic {name} has leaders")

    def stop(self):
        if self.node:
            self.resume()
            self.node.kill()
            self.node.stdin.close()
            self.node = None

    def pause(self):
        self.node.signal(signal.SIGSTOP)

    def resume(self):
        self.node.signal(signal.SIGCONT)


def main():
    cluster = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    while not (brokers := cluster.list_topics(timeout=5).brokers):
        time.sleep(0.05)
    print(",".join(f"{broker.host}:{broker.port}" for broker in brokers.values()), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
