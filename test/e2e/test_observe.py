"""What can be seen from outside: log lines that parse whatever is in a path, metrics, health."""
import json
import signal
import subprocess

import pytest

from support import configs
from support.places import free_port
from support.raw_http import RawHttp, request, request_bytes
from support.shunt import shunt
from support.waiting import wait_until

HOSTILE = ['/sync/x"y', "/sync/x%0a%0d{}", "/sync/x\\u0000", "/sync/" + "long" * 1500, "/sync/x'<script>&",
           "/sync/%ff%fe", "/sync/x?a=\"b\"&c={\"d\":1}"]


def lines_with(sidecar, word):
    return [line for line in sidecar.log() if word in json.dumps(line)]


@pytest.mark.short
@pytest.mark.parametrize("style, status", [("sync", 200), ("request_reply", 200), ("event", 202)])
def test_one_line_per_call(scene, word, style, status):
    answer = scene.call(style, word, body=b"12345")
    line, = wait_until(lambda: lines_with(scene.caller, word), 5, "the call is logged")
    assert (line["status"], line["style"], line["method"]) == (status, style, "POST")
    assert line["message_id"] == answer.first("shunt-message-id")
    assert "time" in line and "route" in line and "reason" in line


@pytest.mark.parametrize("path", HOSTILE)
def test_lines_parse_whatever_is_in_the_path(scene, path):
    with RawHttp(scene.listen) as client:
        client.send(request_bytes("POST", path, [("X-Evil", '"}\t{"')], b"x"))
        assert client.read().status >= 200
    assert scene.caller.log()


def test_a_broken_request_does_not_break_the_log(scene):
    for data in (b"\x00\x01\x02", b"GET /\x1b[31m HTTP/1.1", b"\xff" * 5000, b'GET /"\n HTTP/1.1'):
        with RawHttp(scene.listen) as client:
            client.send(data + b"\r\n\r\n")
            client.read()
    text = scene.caller.stdout()
    assert scene.caller.log() and "\x1b" not in text and "\x00" not in text


def test_promtool_has_nothing_to_say(scene, promtool):
    scene.works("request_reply", 200)
    for sidecar in (scene.caller, scene.callee):
        text = sidecar.admin_says("/metrics")
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60,
                              check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.short
def test_metrics_count_calls(scene, word):
    def seen():
        return scene.caller.count("shunt_calls_total", style="sync", route="sync")
    before = seen()
    for _ in range(7):
        scene.call("sync", word)
    wait_until(lambda: seen() == before + 7, 5, "seven more calls are counted")


def test_labels_come_from_the_config_only(scene, word):
    scene.call("sync", f"{word}/label", "POST", [("X-Name", word)])
    scene.call("nowhere/event", word)
    assert word not in scene.caller.admin_says("/metrics")


@pytest.mark.short
def test_health_and_readiness(scene):
    for sidecar in (scene.caller, scene.callee):
        for path in ("/healthz/live", "/healthz/ready"):
            assert request(sidecar.admin, "GET", path, [("Host", "localhost")]).status == 200
    assert request(scene.caller.admin, "GET", "/nothing", [("Host", "localhost")]).status == 404


def test_health_by_a_unix_socket(launch, folder):
    config = configs.caller(free_port(), free_port(), f"amqp://127.0.0.1:{free_port()}/",
                            [configs.route("sync", "/*", "sync", "q")])
    config = config.replace('"127.0.0.1:@ADMIN@"', f'"unix:{folder}/admin"')
    sidecar = launch(config, ready=False)
    wait_until(lambda: "rabbit" in shunt("health", "-c", sidecar.file).stdout, 10, "it names what is missing")
    assert shunt("health", "-c", sidecar.file).returncode == 1
    brokerless = config[:config.index("brokers")] + config[config.index("routes"):]
    sidecar.write("\n".join(line for line in brokerless.splitlines() if 'broker = "rabbit"' not in line))
    sidecar.process.signal(signal.SIGHUP)
    wait_until(lambda: shunt("health", "-c", sidecar.file).returncode == 0, 10, "nothing is missing any more")


def test_traceparent_is_passed_on_or_started(scene, word):
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for style in ("sync", "request_reply"):
        scene.call(style, f"{word}/given", headers=[("Traceparent", given)])
        scene.call(style, f"{word}/none")
        received = scene.service.received(f"/{style}/{word}/given")[0].values("traceparent")
        assert len(received) == 1 and received[0].split("-")[1] == given.split("-")[1]
        started, = scene.service.received(f"/{style}/{word}/none")[0].values("traceparent")
        assert len(started) == 55
