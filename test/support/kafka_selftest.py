"""Shows that the private Kafka node does what tests need of it; the last line is `N passed, N failed`.

    python3 -m support.kafka_selftest"""
import sys
import time

from support.kafka import Kafka, kcat
from support.kafka_classpath import KafkaMissing
from support.kafka_mock import KafkaMock
from support.places import fresh_folder
from support.waiting import wait_until

TOPIC = "numbers"


class Node:
    """One node with a relay, and a check for each thing it can do, in this order."""

    def __init__(self):
        self.folder = fresh_folder("kafka", "selftest")
        self.kafka = Kafka(self.folder)
        self.relay = self.kafka.behind("relay", self.folder)
        self.relayed = f"127.0.0.1:{self.relay.port}"

    def stop(self):
        self.kafka.stop()
        self.relay.stop()

    def starts(self):
        self.relay.start()
        self.kafka.start()
        self.kafka.create_topic(TOPIC, 3, retention_ms=-1)

    def produce(self, bootstrap, *lines):
        kcat(bootstrap, "-P", "-t", TOPIC, "-K", ":", "-H", "color=green", "-X", "acks=all", "-X",
             "partitioner=murmur2_random", text="".join(f"{line}\n" for line in lines))

    def consumed(self, *more):
        printed = kcat(self.kafka.bootstrap, "-C", "-e", "-q", "-t", TOPIC, "-f", "%k:%s %h\\n", *more)
        return sorted(printed.splitlines())

    def keeps_records_over_kill_9(self):
        self.produce(self.kafka.bootstrap, "a:1", "b:2", "c:3")
        self.kafka.kill()
        self.kafka.start()
        assert self.consumed() == ["a:1 color=green", "b:2 color=green", "c:3 color=green"], self.consumed()

    def serves_a_group(self):
        printed = kcat(self.kafka.bootstrap, "-G", "selftest", "-e", "-q", "-X", "auto.offset.reset=earliest",
                       "-f", "%k\\n", TOPIC)
        assert sorted(printed.split()) == ["a", "b", "c"], printed

    def agrees_with_a_jvm_on_partitions(self):
        self.kafka.tool("kafka.tools.ConsoleProducer", "--bootstrap-server", self.kafka.bootstrap, "--topic",
                        TOPIC, "--property", "parse.key=true", "--property", "key.separator=:", text="a:4\nb:5\nc:6\n")
        printed = kcat(self.kafka.bootstrap, "-C", "-e", "-q", "-t", TOPIC, "-f", "%k%p\\n")
        assert len(set(printed.split())) == 3, printed

    def is_paused_and_goes_on(self):
        self.kafka.pause()
        try:
            kcat(self.kafka.bootstrap, "-P", "-t", TOPIC, "-X", "message.timeout.ms=1000", text="late\n")
            raise RuntimeError("a paused node confirmed a record")
        except AssertionError:
            pass
        self.kafka.resume()
        self.produce(self.kafka.bootstrap, "d:8")
        assert "d:8 color=green" in self.consumed()

    def is_reached_through_the_relay_only(self):
        self.produce(self.relayed, "e:9")
        self.relay.turn("refuse")
        try:
            kcat(self.relayed, "-P", "-t", TOPIC, "-X", "message.timeout.ms=1000", text="lost\n")
            raise RuntimeError("a record came past the relay")
        except AssertionError:
            pass
        self.relay.turn("pass")
        wait_until(lambda: "e:9 color=green" in self.consumed(), 10, "the relayed record is there")
        assert not any(":lost" in line for line in self.consumed()), self.consumed()


class Mock:
    """What stands in for a node."""

    def __init__(self):
        self.mock = KafkaMock(fresh_folder("kafka", "selftest"))
        self.stop = self.mock.stop

    def starts(self):
        self.mock.start()
        self.mock.create_topic(TOPIC)

    def carries_a_record(self):
        kcat(self.mock.bootstrap, "-P", "-t", TOPIC, text="one\n")
        assert kcat(self.mock.bootstrap, "-C", "-e", "-q", "-t", TOPIC).split() == ["one"]


def main():
    try:
        node = Node()
        checks = (node.starts, node.keeps_records_over_kill_9, node.serves_a_group,
                  node.agrees_with_a_jvm_on_partitions, node.is_paused_and_goes_on,
                  node.is_reached_through_the_relay_only)
    except KafkaMissing as problem:
        print(problem)
        node = Mock()
        checks = (node.starts, node.carries_a_record)
    passed = failed = 0
    try:
        for check in checks:
            began = time.monotonic()
            try:
                check()
                passed += 1
                print(f"ok {check.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
            except Exception as problem:
                failed += 1
                print(f"FAILED {check.__name__}: {type(problem).__name__}: {problem}", flush=True)
    finally:
        node.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
