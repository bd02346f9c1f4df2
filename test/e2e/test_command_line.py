"""The command line: 0 done, 1 found a problem, 2 usage; and a file's mistakes all told in one run."""
import json
import re

import pytest

from support import configs
from support.places import ROOT
from support.shunt import shunt

GOOD = configs.caller(15001, 8080, "${RABBIT_URL:-amqp://127.0.0.1/}", [
    configs.route("reserve", "/reservations", "request_reply", "inventory.reserve"),
    configs.route("orders", "/orders/*", "event", "orders")]).replace("@ADMIN@", "15000")

MISTAKES = [
    ('timeout = "5s"', 'tiemout = "5s"', "timeout"),
    ('timeout = "5s"', 'timeout = 5', "unit"),
    ('style = "request_reply"', 'style = "request_replay"', "request_reply"),
    ('broker = "rabbit"', 'broker = "rabit"', "rabbit"),
    ('upstream = "inventory"', 'upstream = "inventroy"', "inventory"),
    ('"orders"; match', '"reserve"; match', "reserve"),
    ("127.0.0.1:15001", "127.0.0.1:99999", "99999"),
    ("127.0.0.1:15001", "127.0.0.1:15000", "15000"),
    ("amqp://127.0.0.1/", "ampq://127.0.0.1/", "amqp"),
    ("${RABBIT_URL:-amqp://127.0.0.1/}", "${SHUNT_TEST_UNSET}", "SHUNT_TEST_UNSET"),
    ('path = "/reservations"', 'path = "/*"', "orders"),
    ('grace = "8s";', 'grace = "8s"; grace = "9s";', "grace"),
    ('grace = "8s";', 'grace = "-8s";', "grace"),
    ('plugin = "amqp"', 'plugin = "../amqp"', "amqp"),
    ('event         = { broker = "rabbit"; queue = "orders"; };', "", "event"),
    ("routes = (", "routes = ( ( ", ""),
]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "shunt.conf"


@pytest.mark.short
def test_a_good_file_gets_not_a_line(file):
    file.write_text(GOOD)
    done = shunt("check", "-c", file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("right, wrong, named", MISTAKES, ids=[wrong for _, wrong, _ in MISTAKES])
def test_a_mistake_is_found_at_its_place(file, right, wrong, named):
    assert right in GOOD
    file.write_text(GOOD.replace(right, wrong, 1))
    done = shunt("check", "-c", file)
    told = done.stdout + done.stderr
    assert done.returncode == 1 and named in told
    line = GOOD[:GOOD.index(right)].count("\n") + 1
    places = [int(place) for place in re.findall(rf"{re.escape(str(file))}:(\d+):\d+", told)]
    assert places and "^" in told
    assert not wrong or any(abs(place - line) <= 6 for place in places)


def test_six_mistakes_in_one_run(file):
    text = GOOD
    six = [0, 2, 3, 6, 8, 12]
    for right, wrong, _ in (MISTAKES[number] for number in six):
        text = text.replace(right, wrong, 1)
    file.write_text(text)
    done = shunt("check", "-c", file)
    told = done.stdout + done.stderr
    assert done.returncode == 1
    assert [MISTAKES[number][2] for number in six if MISTAKES[number][2] not in told] == []
    assert len(set(re.findall(rf"{re.escape(str(file))}:\d+:\d+", told))) >= 6


@pytest.mark.parametrize("content", [
    b"\x7fELF\x02\x01\x01" + bytes(64), b"routes = ( { name = \"x", b"\xff\xfe", b"{" * 9999],
    ids=["program", "cut", "no-text", "deep"])
def test_rubbish_is_refused(file, content):
    file.write_bytes(content)
    assert shunt("check", "-c", file).returncode == 1
    assert shunt("run", "-c", file).returncode == 1


def test_an_include_loop_ends(file):
    file.write_text(f'@include "{file.name}"\n{GOOD}')
    assert shunt("check", "-c", file).returncode == 1


@pytest.mark.parametrize("arguments", [["frobnicate"], ["check"], ["run", "--frobnicate"], ["check", "-c"], []])
def test_usage_is_2(arguments):
    done = shunt(*arguments)
    assert done.returncode == 2 and done.stderr


@pytest.mark.parametrize("arguments", [[], ["check"], ["explain"], ["run"], ["health"]])
def test_help(arguments):
    done = shunt(*arguments, "--help")
    assert done.returncode == 0 and not done.stderr
    assert "-c" in done.stdout and "example" in done.stdout and "exit codes" in done.stdout


@pytest.mark.short
def test_version_names_libraries_and_plugins():
    told = shunt("--version").stdout
    for name in ("libuv", "llhttp", "libconfig", "c-ares", "PCRE2", "jansson", "nghttp2", "nettle", "rabbitmq-c",
                 "amqp"):
        assert name in told
    said = json.loads(shunt("--version", "--json").stdout)
    assert f"shunt {said['version']}\n" in told and "rabbitmq-c" in str(said["plugins"])
    assert all(f"{name} {version}" in told for name, version in said["libraries"].items())
    assert shunt("--version", "--yaml").returncode == 2


@pytest.mark.parametrize("example", sorted((ROOT / "config").glob("*.cfg")), ids=lambda file: file.stem)
def test_the_examples_are_right(example):
    """… with the real plugins, and not a line is said about them."""
    done = shunt("check", "-c", example, env={"RABBIT_URL": "amqp://guest:guest@127.0.0.1:5672/"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_reference_is_what_the_program_says():
    assert shunt("reference").stdout == (ROOT / "config" / "reference.md").read_text(), "run `make reference`"


def test_the_reference_for_programs():
    """The same settings in the same order."""
    rows = json.loads(shunt("reference", "--json").stdout)
    told = re.findall(r"^\| `(\w+)` \|", (ROOT / "config" / "reference.md").read_text(), re.M)
    assert [row["setting"] for row in rows] == told
    url, = (row for row in rows if row["setting"] == "url" and row["plugin"] == "amqp")
    assert url["group"] == "brokers" and url["secret"] and url["required"]


def test_run_tells_mistakes_to_programs(file):
    file.write_text(GOOD.replace('timeout = "5s"', 'tiemout = "5s"', 1))
    done = shunt("run", "-c", file, "--json")
    mistake, = json.loads(done.stderr)
    assert done.returncode == 1 and "tiemout" in mistake["what"] and mistake["line"] and not done.stdout


def test_no_file_is_a_problem(tmp_path):
    assert shunt("check", "-c", tmp_path / "none.conf").returncode in (1, 2)


@pytest.mark.short
def test_explain_tells_the_message(file):
    file.write_text(GOOD)
    done = shunt("explain", "-c", file, "-X", "POST", "-H", "X-Tenant: acme", "-d", "{}",
                 "http://inventory/reservations")
    assert done.returncode == 0
    for told in ("reserve", "request_reply", "inventory.reserve", "x-tenant", "acme", "/reservations"):
        assert told in done.stdout


def test_explain_tells_the_upstream_and_why_others_lost(file):
    file.write_text(GOOD.replace('"request_reply"', '"sync"', 1))
    done = shunt("explain", "-c", file, "http://inventory/reservations")
    assert done.returncode == 0 and "127.0.0.1:8080" in done.stdout
    done = shunt("explain", "-c", file, "-X", "POST", "-d", "x", "http://inventory/orders/1")
    assert "orders" in done.stdout and "reserve" in done.stdout and "202" in done.stdout


def test_health(scene):
    assert shunt("health", "-c", scene.caller.file).returncode == 0
    nobody = scene.caller.file.with_name("nobody.conf")
    nobody.write_text(GOOD.replace("127.0.0.1:15000", "127.0.0.1:1"))
    assert shunt("health", "-c", nobody).returncode == 1
