"""What a route to Kafka may say: keys and their partitions, several topics, targets on two brokers, limits, properties;
and what `check` and `explain` make of it."""
import json

import pytest

from support import configs, kafka_configs
from support.amqp import Amqp
from support.kafka_records import read
from support.kafka_world import until_taken
from support.places import free_port, fresh_folder
from support.raw_http import request
from support.shunt import Shunt, shunt
from support.waiting import wait_until

KEYS = {
    "header": ('"header:order-id"', "", b'{"order":{"id":7}}', b"o-7"),
    "header-none": ('"header:nobody"', "", b"", None),
    "segment": ('"path:2"', "", b"", b"here"),
    "named": ('"path:id"', "", b"", b"here"),
    "query": ('"query:customer"', "a=1&customer=b%20c+d&customer=e", b"", b"b c d"),
    "query-none": ('"query:nobody"', "a=1", b"", None),
    "json-number": ('"json:/order/id"', "", b'{"order":{"id":7}}', b"7"),
    "json-text": ('"json:/a~1b/1"', "", b'{"a/b":["x","seven"]}', b"seven"),
    "json-none": ('"json:/order/id"', "", b"no json", None),
    "text": ('"text:all of them"', "", b"", b"all of them"),
}
REFUSED = [
    "acks=1", "request.required.acks=0", "enable.idempotence=false", "retries=0", "partitioner=consistent",
    "transactional.id=x", "enable.auto.commit=true", "enable.auto.offset.store=true", "auto.offset.reset=earliest",
    "partition.assignment.strategy=cooperative-sticky", "group.id=x", "group.instance.id=x",
    "allow.auto.create.topics=true", "delivery.report.only.error=true", "plugin.library.paths=x",
    "bootstrap.servers=x:1", "message.max.bytes=5", "queue.buffering.max.messages=1", "no.such.property=1",
    "linger.ms=long",
]
KEYED, FIRST, SECOND, SMALL, MISSING = (f"routes.{name}" for name in ("keyed", "first", "second", "small", "missing"))
KAFKA, RABBIT = '{ broker = "kafka"; topics = ( "%s" ); }', '{ broker = "rabbit"; queue = "%s"; }'
EVENTS = {
    "two": kafka_configs.event(FIRST, SECOND),
    "one-missing": kafka_configs.event(FIRST, MISSING),
    "careless": kafka_configs.event(FIRST, more='ack = "none";'),
    "small": kafka_configs.event(SMALL),
    "answering": kafka_configs.event(FIRST, more='respond = { status = 201; body = "thank you"; };'),
    "both": f"targets = ( {KAFKA % FIRST}, {RABBIT % 'routes.work'} );",
    "half": f"targets = ( {KAFKA % FIRST}, {RABBIT % 'routes.nobody'} );",
    "neither": f"targets = ( {KAFKA % MISSING}, {RABBIT % 'routes.nobody'} );",
    "jvm": kafka_configs.event(KEYED, more='key = "header:order-id";'),
}


def routes():
    for name, (key, _, _, _) in KEYS.items():
        block = kafka_configs.event(KEYED, more=f"key = {key};")
        yield kafka_configs.route(f"key-{name}", f"/key-{name}/{{id}}", block)
    for name, block in EVENTS.items():
        yield kafka_configs.route(name, f"/{name}/*", block)


def config(bootstrap, rabbit="amqp://127.0.0.1/", listen=15001, properties=""):
    brokers = [kafka_configs.broker(bootstrap, properties), configs.RABBIT % rabbit]
    return configs.caller_of(listen, 8080, brokers, routes())


@pytest.fixture(scope="module")
def publish(kafka, rabbit):
    """publish(route, word, …): the answer to an event by that route, whose path has the word. One sidecar for all."""
    kafka.create_topic(KEYED, 20)
    kafka.create_topic(SMALL, 1, max_message_bytes=2000)
    for topic in (FIRST, SECOND):
        kafka.create_topic(topic)
    with Amqp(rabbit) as amqp:
        amqp.declare("routes.work")
    listen = free_port()
    properties = 'properties = ( "compression.type=gzip", "linger.ms=2" );'
    sidecar = Shunt("caller", fresh_folder("e2e", "kafka-routes"), config(
        kafka.bootstrap, rabbit.url, listen, properties)).start()

    def publish(route, word, headers=(), body=b"", query=""):
        return request(listen, "POST", f"/{route}/{word}" + (f"?{query}" if query else ""), headers, body)
    yield publish
    sidecar.stop()


@pytest.fixture
def store(publish):
    """The same for what is taken."""
    return lambda *arguments, **more: until_taken(lambda: publish(*arguments, **more))


@pytest.fixture
def records(kafka, word):
    """records(topic): those whose path has the word."""
    return lambda topic: [record for record in read(kafka.bootstrap, topic) if word in record.headers.get(":path", "")]


def problem(answer):
    found = json.loads(answer.body)
    return answer.status, found["reason"], found["executed"]


@pytest.mark.parametrize("name", KEYS)
def test_where_a_key_comes_from(store, records, word, name):
    _, query, body, key = KEYS[name]
    headers = [("Order-Id", "o-7"), ("X-Word", word)]
    store(f"key-{name}", "here", headers, body, f"{query}&{word}")
    record, = records(KEYED)
    assert record.key == key and record.body == body


def test_partitions_are_those_of_a_jvm_producer(store, records, real_kafka, word):
    keys = [f"{word}-{number}" for number in range(40)] + ["a", "grüße", "x" * 300]
    for key in keys:
        store("jvm", word, [("Order-Id", key.encode().decode("latin-1"))])
    real_kafka.tool("kafka.tools.ConsoleProducer", "--bootstrap-server", real_kafka.bootstrap, "--topic", KEYED,
                    "--property", "parse.key=true", "--property", "key.separator=:",
                    text="".join(f"{key}:by a JVM\n" for key in keys))
    ours = {record.key: record.partition for record in records(KEYED)}
    theirs = {record.key: record.partition for record in read(real_kafka.bootstrap, KEYED)
              if record.body == b"by a JVM"}
    assert len(ours) == len(keys) and ours == theirs and len(set(ours.values())) > 10


def test_every_topic_has_it(store, records, word):
    store("two", word, body=b"both")
    assert [record.body for topic in (FIRST, SECOND) for record in records(topic)] == [b"both"] * 2
    assert len({record.message_id for topic in (FIRST, SECOND) for record in records(topic)}) == 1


def test_better_none_than_a_part(publish, records, real_kafka, word):
    wait_until(lambda: problem(publish("one-missing", f"{word}/probe")) == (502, "unroutable", "no"), 10, "it is known")
    assert problem(publish("one-missing", word)) == (502, "unroutable", "no")
    assert not [record for record in records(FIRST) if record.headers[":path"].endswith(word)]


def test_careless_events_are_answered_at_once(store, records, word):
    store("careless", word)
    wait_until(lambda: records(FIRST), 10, "it is stored all the same")


def test_the_answer_that_a_route_says(store, word):
    answer = store("answering", word)
    assert (answer.status, answer.body) == (201, b"thank you")


@pytest.mark.parametrize("route, size", [("small", 3000), ("two", 1_000_001)])
def test_what_is_too_large_is_refused_before(publish, store, records, real_kafka, word, route, size):
    def refused():
        answer = publish(route, word, body=b"x" * size)
        return answer.status == 413 and b'"executed":"no"' in answer.body
    wait_until(refused, 10, "the topic's limit is known")
    store(route, word, body=b"x" * 1000)
    assert {len(record.body) for record in records(SMALL if route == "small" else FIRST)} == {1000}


def test_both_brokers_have_it(store, records, rabbit, word):
    store("both", word, body=b"both")
    with Amqp(rabbit) as amqp:
        message = amqp.get("routes.work")
    record, = records(FIRST)
    assert record.body == message.body == b"both" and record.message_id == message.properties.message_id


def test_partly_stored_is_told(publish, records, word):
    answer = wait_until(lambda: (answer := publish("half", word, body=b"half")).status != 503 and answer, 20, "a part")
    assert problem(answer) == (504, "partly_stored", "unknown")
    states = {target["target"]: target["state"] for target in json.loads(answer.body)["partial"]}
    assert sorted(states.values()) == ["not_stored", "stored"] and len(records(FIRST)) == 1
    assert states[next(target for target in states if "kafka" in target)] == "stored"


def test_none_is_a_promise(publish, real_kafka, word):
    status, _, executed = problem(publish("neither", word))
    assert (status, executed) in ((502, "no"), (503, "no"))


# ---- check and explain

def checked(tmp_path, text):
    file = tmp_path / "shunt.conf"
    file.write_text(text.replace("@ADMIN@", "15000"))
    done = shunt("check", "-c", file)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("text", REFUSED)
def test_properties_that_break_a_promise_are_refused(tmp_path, text):
    status, told = checked(tmp_path, config("127.0.0.1:9092", properties=f'properties = ( "{text}" );'))
    assert status == 1 and text.partition("=")[0] in told


def test_properties_are_secrets(tmp_path):
    secret = 'properties = ( "sasl.mechanism=PLAIN", "sasl.password=hunter2", "acks=1" );'
    status, told = checked(tmp_path, config("127.0.0.1:9092", properties=secret))
    assert status == 1 and "acks" in told and "hunter2" not in told
    assert checked(tmp_path, config("127.0.0.1:9092", properties=secret.replace(', "acks=1"', ""))) == (0, "")


@pytest.mark.parametrize("right, wrong, named", [
    ('start = "earliest";', "", "start"), ('start = "earliest"', 'start = "now"', "start"),
    ('topics = ( "orders" )', "topics = ( )", "topics"), ("bootstrap", "boot", "bootstrap"),
    ('broker = "kafka";', 'broker = "kafka"; queue = "q";', "queue")])
def test_mistakes_of_a_subscription(tmp_path, right, wrong, named):
    good = configs.callee_of([kafka_configs.broker("127.0.0.1:9092")],
                             [kafka_configs.subscription("events", ["orders"], 8080)])
    assert right in good and checked(tmp_path, good) == (0, "")
    status, told = checked(tmp_path, good.replace(right, wrong, 1))
    assert status == 1 and named in told


@pytest.mark.parametrize("right, wrong, named", [
    (FIRST, "or/ders", "topic"), (f'"{SECOND}"', f'"{FIRST}"', "twice"), (f'topics = ( "{FIRST}" );', "", "topics")])
def test_mistakes_of_a_route(tmp_path, right, wrong, named):
    status, told = checked(tmp_path, config("127.0.0.1:9092").replace(right, wrong, 1))
    assert status == 1 and named in told


@pytest.mark.parametrize("wrong", ['"orders"', '"cookie:x"', '"path:name"', '"path:0"', '"json:id"', '"header:"'])
def test_mistakes_of_a_key(tmp_path, wrong):
    status, told = checked(tmp_path, config("127.0.0.1:9092").replace('"header:order-id"', wrong, 1))
    assert status == 1 and "key" in told


def test_explain_tells_the_record(tmp_path):
    file = tmp_path / "shunt.conf"
    file.write_text(config("127.0.0.1:9092").replace("@ADMIN@", "15000"))
    done = shunt("explain", "-c", file, "-X", "POST", "-H", "Order-Id: o-7", "-H", "Authorization: secret", "-d", "{}",
                 "http://inventory/key-header/7")
    assert done.returncode == 0 and "secret" not in done.stdout
    for told in ("key-header", "event", KEYED, "o-7", "murmur2", ":path", "order-id", "202", "delivered"):
        assert told in done.stdout
