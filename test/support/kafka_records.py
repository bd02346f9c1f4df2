"""Records as a client that is not ours sees them (confluent-kafka)."""
import time
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition


@dataclass
class Record:
    """`key` and `body`, the value, are None where the record has null."""
    topic: str
    partition: int
    offset: int
    key: bytes
    body: bytes
    fields: list
    time: int

    def values(self, name):
        return [value for given, value in self.fields if given == name]

    @property
    def headers(self):
        """By name, as text: the last of each."""
        return {name: value.decode("latin-1") for name, value in self.fields}

    @property
    def message_id(self):
        return self.headers.get("shunt-message-id")


def read(bootstrap, topic):
    """All records of a topic, each partition's in order; nothing when there is no such topic."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reads", "enable.auto.commit": False,
                         "enable.partition.eof": True, "log_level": 0})
    try:
        known = consumer.list_topics(topic, timeout=20).topics[topic]
        if known.error is not None:
            return []
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in known.partitions])
        return sorted(_up_to_the_ends(consumer, len(known.partitions)), key=lambda one: (one.partition, one.offset))
    finally:
        consumer.close()


def _up_to_the_ends(consumer, partitions):
    found, ended, until = [], set(), time.monotonic() + 60
    while len(ended) < partitions:
        assert time.monotonic() < until, f"only {len(found)} records came"
        for message in consumer.consume(500, timeout=0.05):
            if message.error() is None:
                found.append(_record(message))
            else:
                assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                ended.add(message.partition())
    return found


def _record(message):
    return Record(message.topic(), message.partition(), message.offset(), message.key(), message.value(),
                  [(name, value) for name, value in message.headers() or ()], message.timestamp()[1])


def produce(bootstrap, topic, body, headers=(), key=None):
    """One record, stored when we return."""
    produce_all(bootstrap, topic, [(key, body)], headers)


def produce_all(bootstrap, topic, pairs, headers=()):
    """Records of these keys and values, each where a JVM producer would put it."""
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0, "message.timeout.ms": 20000,
                         "partitioner": "murmur2_random"})
    reports = []
    for key, body in pairs:
        producer.produce(topic, value=body, key=key, headers=list(headers),
                         on_delivery=lambda error, _: reports.append(error))
    producer.flush(30)
    assert reports == [None] * len(pairs), f"not stored in {topic}: {reports}"
