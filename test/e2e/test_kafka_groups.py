"""Groups over Kafka: where they start, what reloads and drains do to them and to callers, and what is told of it."""
import json
import subprocess
import time

import pytest
from confluent_kafka import Consumer, TopicPartition

from support import configs, kafka_configs
from support.kafka import client
from support.kafka_records import produce, produce_all, read
from support.kafka_world import KafkaWorld, taken, until_taken
from support.places import free_port
from support.raw_http import request
from support.service import Service
from support.waiting import wait_until


@pytest.fixture
def services(folder):
    services = [Service(f"service-{number}", folder).start() for number in range(4)]
    yield services
    for service in services:
        service.stop()


@pytest.fixture
def service(folder):
    service = Service("service", folder).start()
    yield service
    service.stop()


@pytest.fixture
def subscribe(launch, kafka, service):
    """subscribe(name, topics, …): a sidecar of service `inventory` that consumes them, ready."""
    def start(name, topics, port=None, **settings):
        block = kafka_configs.subscription(name, topics, port or service.port, **settings)
        return launch(configs.callee_of([kafka_configs.broker(kafka.bootstrap)], [block]), name)
    return start


@pytest.fixture
def own(kafka, request):
    """A world of the test's own."""
    with KafkaWorld(f"kafka-{request.node.name.replace('_', '-')}", kafka) as world:
        yield world


def bodies_come(service, *bodies, seconds=20):
    wait_until(lambda: set(service.bodies()) >= set(bodies), seconds, lambda: f"{bodies} of {service.bodies()}")


@pytest.mark.short
def test_three_topics_and_three_subscribers(launch, kafka, services, word):
    """… each with its group, and a fourth that reads the first topic, too: each topic's groups get all of it."""
    topics = [f"{word}.{letter}" for letter in "abc"]
    for topic in topics:
        kafka.create_topic(topic)
    listen = free_port()
    broker = [kafka_configs.broker(kafka.bootstrap)]
    launch(configs.callee_of(broker, [
        kafka_configs.subscription(f"{word}-{number}", [topic], service.port)
        for number, (topic, service) in enumerate(zip([*topics, topics[0]], services))]), "callee")
    launch(configs.caller_of(listen, 1, broker, [
        kafka_configs.route("all", "/*", kafka_configs.event(*topics))]), "caller")
    answers = [until_taken(lambda: request(listen, "POST", "/all", body=b"to all")) for _ in range(10)]
    for service in services:
        received = service.wait_for("/", 10)
        assert sorted(one.values("shunt-message-id") for one in received) == sorted(
            answer.values("shunt-message-id") for answer in answers)


def test_a_new_group_starts_where_it_says(subscribe, kafka, service, word):
    """The latest begins at its first assignment, and from then on misses nothing, whether it is there or not."""
    kafka.create_topic(word)
    produce(kafka.bootstrap, word, "before")
    late = subscribe("late", [word], group=f"{word}-late", start="latest")
    wait_until(lambda: late.count("shunt_broker_events_total", event="assignments"), 20, "it has its partitions")
    produce(kafka.bootstrap, word, "first")
    bodies_come(service, b"first")
    late.stop()
    produce(kafka.bootstrap, word, "between")
    late.start()
    bodies_come(service, b"between")
    assert service.bodies() == [b"first", b"between"]
    subscribe("early", [word], group=f"{word}-early")
    wait_until(lambda: sorted(service.bodies()[2:]) == [b"before", b"between", b"first"], 20, "the earliest gets all")


def test_topics_are_declared_by_who_consumes_them(subscribe, real_kafka, service, word):
    subscribe("declares", [word], more="declare = { partitions = 3; };")
    admin = client(real_kafka.bootstrap)

    def made():
        topics = admin.list_topics(timeout=10).topics
        return word in topics and len(topics[word].partitions) == 3 and f"{word}.inventory.declares.dead" in topics
    wait_until(made, 20, "the topics are there")
    produce(real_kafka.bootstrap, word, "declared")
    bodies_come(service, b"declared", seconds=40)


def test_an_offset_that_is_gone_stops_its_partition(subscribe, real_kafka, service, word):
    real_kafka.create_topic(word, 2)
    consumer = Consumer({"bootstrap.servers": real_kafka.bootstrap, "group.id": f"{word}-group"})
    consumer.commit(offsets=[TopicPartition(word, 0, 1_000_000)], asynchronous=False)
    consumer.close()
    sidecar = subscribe("gone", [word], group=f"{word}-group")
    wait_until(lambda: sidecar.count("shunt_broker_events_total", event="partitions_stopped") == 1, 20, "it stops")
    wait_until(lambda: [line for line in sidecar.log() if "read no further" in line.get("text", "") and
                        word in line["text"]], 5, "and says so")
    produce_all(real_kafka.bootstrap, word, [(f"{number}", f"{number}") for number in range(20)])
    others = [record.body for record in read(real_kafka.bootstrap, word) if record.partition == 1]
    bodies_come(service, *others)
    assert sorted(service.bodies()) == sorted(others)


def test_a_partition_that_is_far_ahead_pauses(subscribe, kafka, service, word):
    kafka.create_topic(word)
    service.behave({"answer": {"delay": 0.01}})
    sidecar = subscribe("slow", [word], concurrency=2, more="span = 20;")
    produce_all(kafka.bootstrap, word, [(f"{number % 10}", f"{number}") for number in range(300)])
    bodies_come(service, *(f"{number}".encode() for number in range(300)), seconds=60)
    assert sidecar.count("shunt_broker_events_total", event="partitions_paused") > 0


@pytest.mark.short
def test_reloads_under_load(own):
    """The caller goes to another topic and back, the callee's concurrency changes; nothing fails, nothing is lost."""
    caller, callee = own.caller.config, own.callee.config
    load = own.load("event", 100_000, rate=300, connections=64)
    for concurrency in (8, 64, 32):
        own.callee.reload(callee.replace("concurrency = 32", f"concurrency = {concurrency}"))
    own.caller.reload(caller.replace(f'"{own.topic}"', f'"{own.parked}"'))
    elsewhere = load.done
    wait_until(lambda: load.done > elsewhere + 100, 20, "events go elsewhere")
    own.caller.reload(caller)
    load.stop_asking()
    events = taken(load.finish())
    here = {record.body for record in own.records()}
    there = {record.body for record in own.records(own.parked)}
    assert there and not here & there and here | there == events
    wait_until(lambda: set(own.service.bodies("/event/load")) == here, 30, "all are delivered")


def test_a_reload_brings_topics_and_styles(own, kafka, word):
    """… a topic that was not known before, and the one word to another style and back."""
    kafka.create_topic(word)
    caller = own.caller.config
    own.caller.reload(caller.replace(f'"{own.parked}"', f'"{word}"'))
    own.publish("parked", "new", body=b"new")
    assert [record.body for record in read(kafka.bootstrap, word)] == [b"new"]
    own.caller.reload(caller.replace('style = "event"', 'style = "sync"'))
    assert own.call("event", "called", body=b"called").status == 200
    own.caller.reload(caller)
    own.publish("event", "stored", body=b"stored")
    own.service.wait_for("/event/stored")


def test_the_caller_drains(own):
    """What it was asked before SIGTERM is answered; then it ends."""
    load = own.load("event", 100_000, rate=400, connections=64)
    wait_until(lambda: load.done > 100, 20, "a hundred are through")
    own.caller.terminate()
    own.caller.wait_end(expect=0, seconds=12)
    load.stop_asking()
    outcomes = load.finish()
    stored = {record.body for record in own.records()}
    assert taken(outcome for outcome in outcomes if outcome.status) <= stored
    assert not {outcome.question for outcome in outcomes if outcome.executed == "no"} & stored


@pytest.mark.short
def test_the_callee_drains(own):
    """What it had begun is finished and committed, what it had not comes to the next one: each once."""
    own.service.behave({"path": "/event/load", "answer": {"delay": 0.1}})
    load = own.load("event", 300)
    own.service.wait_for("/event/load", 50)
    own.callee.stop()
    events = taken(load.finish())
    own.service.behave()
    own.callee.start()
    own.service.wait_for("/event/load", len(events))
    assert sorted(own.service.bodies("/event/load")) == sorted(events)


def test_more_workers_than_one(own):
    for sidecar in (own.caller, own.callee):
        sidecar.stop()
        sidecar.write(sidecar.config.replace('grace = "8s";', 'workers = 3; grace = "8s";'))
        sidecar.start()
    events = taken(own.load("event", 600, connections=30).finish())
    own.service.wait_for("/event/load", len(events))
    assert sorted(own.service.bodies("/event/load")) == sorted(events)


# ---- what is told

@pytest.mark.short
def test_lines_and_metrics_speak_of_kafka(kafka_scene, word):
    answer = kafka_scene.publish("event", word, body=b"12345")
    kafka_scene.service.wait_for(f"/event/{word}")

    def lines_of(sidecar):
        return [line for line in sidecar.log() if word in json.dumps(line)]
    line, = wait_until(lambda: lines_of(kafka_scene.caller), 5, "the call is logged")
    assert (line["status"], line["style"], line["broker"]) == (202, "event", "kafka")
    line, = wait_until(lambda: lines_of(kafka_scene.callee), 5, "the delivery is logged")
    assert line["subscription"] == "events" and line["message_id"] == answer.first("shunt-message-id")
    counted = ((kafka_scene.caller, ("produced", "stored")), (kafka_scene.callee, ("consumed", "assignments")))
    for sidecar, events in counted:
        assert sidecar.count("shunt_broker_up", broker="kafka") == 1
        for event in events:
            assert sidecar.count("shunt_broker_events_total", broker="kafka", event=event) > 0


def test_promtool_has_nothing_to_say_of_kafka(kafka_scene, promtool):
    for sidecar in (kafka_scene.caller, kafka_scene.callee):
        done = subprocess.run([promtool, "check", "metrics"], input=sidecar.admin_says("/metrics"), capture_output=True,
                              text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_cluster_that_is_not_there(launch):
    """It is named as what is missing, events are refused at once, and both halves end when they are told to."""
    listen, nobody = free_port(), [kafka_configs.broker(f"127.0.0.1:{free_port()}")]
    caller = launch(configs.caller_of(listen, 1, nobody, [
        kafka_configs.route("event", "/*", kafka_configs.event("x"))]), "caller", ready=False)
    callee = launch(configs.callee_of(nobody, [kafka_configs.subscription("events", ["x"], 1)]), "callee", ready=False)
    for sidecar in (caller, callee):
        wait_until(lambda: "kafka" in sidecar.admin_says("/healthz/ready"), 20, "it names what is missing")
        assert not sidecar.is_ready() and sidecar.count("shunt_broker_up", broker="kafka") == 0
    answer = request(listen, "POST", "/x", body=b"x")
    assert answer.status == 503 and b'"executed":"no"' in answer.body and answer.first("retry-after")
    for sidecar in (caller, callee):
        began = time.monotonic()
        sidecar.stop()
        assert time.monotonic() - began < 8 + 4
