"""What each of them saw: the application by its own answer, the brokers by clients that are not ours."""
import json
import subprocess

from support.kafka import kcat
from support.waiting import wait_until

from story import expect, fact, paint, say

TOPIC = QUEUE = "inventory.reserve"
ORDER = '{"item": "book", "count": 1}'
WORTH_SHOWING = ("content-type", "location", "proxy-status", "retry-after", "shunt-message-id")
SHOWN_OF_A_RECORD = (":method", ":path", "content-type", "shunt-message-id", "traceparent")


def curl(scene, expected, times=1):
    """The same call each time; returns what orders saw of inventory each time, after telling of the last."""
    command = ["curl", "-sS", "-X", "POST", "-d", ORDER, f"http://127.0.0.1:{scene.ports['orders']}/orders"]
    shown = f"curl -X POST -d '{ORDER}' {command[-1]}"
    say(f"   $ {shown}" if times == 1 else f"   $ for n in {' '.join(map(str, range(1, times + 1)))}; do {shown}; done")
    saw = [ask(command) for _ in range(times)]
    expect(all(one["status"] == expected for one in saw), f"the answer is {expected}, not {saw}")
    last, often = saw[-1], "" if times == 1 else ", each time"
    headers = [f"{name}: {value}" for name, value in last["headers"] if name.lower() in WORTH_SHOWING]
    fact("orders saw", paint("bold", f"{last['status']} {last['reason']}") + f" in {last['ms']:.0f} ms" + often,
         *(headers if times == 1 else []), *[line for line in [last["body"]] if line])
    return saw


def ask(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    expect(done.returncode == 0, f"curl: {done.stderr}")
    return json.loads(done.stdout)["inventory_said"]


def message_id(saw):
    return next((value for name, value in saw["headers"] if name.lower() == "shunt-message-id"), None)


def arrivals(scene, count, name="inventory"):
    """What a service has been asked, oldest first, once that is `count` calls."""
    wait_until(lambda: len(scene.reservations(name)) >= count, 60, f"{name} has {count} reservations")
    found = scene.reservations(name)
    expect(len(found) == count, f"{name} has {count} reservations, not {len(found)}")
    expect(all(one["order"] == ORDER for one in found), f"{name} got the orders that orders sent")
    return found


def ids(reservations):
    return [dict((name.lower(), value) for name, value in one["headers"]).get("shunt-message-id")
            for one in reservations]


def tell_arrival(scene, count, *how, name="inventory"):
    """Tells of the last one; returns its ID."""
    last = arrivals(scene, count, name)[-1]
    fact(f"{name} saw", f"POST /reservations {last['order']}", *[paint("dim", line) for line in how])
    return ids([last])[0]


def tell_message(who, message):
    """One message as RabbitMQ's trace shows it, read by pika."""
    properties = message.headers["properties"]
    headers = properties.get("headers", {})
    line = headers.get(":status") and f"status {headers[':status']}" or f"{headers[':method']} {headers[':path']}"
    told = [f"{name} {properties[name]}" for name in ("correlation_id", "reply_to", "message_id", "expiration")
            if name in properties]
    told.append("persistent" if properties.get("delivery_mode") == 2 else "transient")
    fact(who, f"{line} ▶ queue {', '.join(message.headers['routed_queues'])}", *told, message.body.decode())


def waiting_messages(scene):
    """Queues that are not empty, in the words of rabbitmqctl."""
    listed = scene.rabbit.ctl("list_queues", "--no-table-headers", "name", "messages", "messages_unacknowledged")
    rows = [row.split("\t") for row in listed.splitlines()]
    lines = [f"{count} message in {name}" + (", with Shunt" if unacknowledged != "0" else "")
             for name, count, unacknowledged in rows if count != "0" and name.startswith(QUEUE)]
    expect(lines, "the accepted event is on the broker")
    return lines


def records(scene):
    """All that is in the topic, oldest first, read by kcat; each as a dictionary with its headers in another."""
    printed = kcat(scene.kafka.node.bootstrap, "-C", "-J", "-e", "-q", "-t", TOPIC)
    found = sorted((json.loads(line) for line in printed.splitlines()), key=lambda record: record["offset"])
    for record in found:
        names = record["headers"]
        record["headers"] = dict(zip(names[::2], names[1::2]))
    return found


def tell_record(scene):
    """The last record of the topic; returns its ID."""
    say(f"   $ kcat -C -J -e -b {scene.kafka.node.bootstrap} -t {TOPIC}")
    record = records(scene)[-1]
    headers = [f"{name}: {record['headers'][name]}" for name in SHOWN_OF_A_RECORD if name in record["headers"]]
    more = len(record["headers"]) - len(headers)
    fact("Kafka has", f"partition {record['partition']}, offset {record['offset']}")
    fact("  key", record["key"])
    fact("  headers", *headers, *([paint("dim", f"and {more} more")] if more else []))
    fact("  value", record["payload"])
    expect(record["payload"] == ORDER, "the record's value is the body that orders sent")
    return record["headers"]["shunt-message-id"]
