"""What is sent arrives, to the byte, and so does what is answered, in both styles that bring an answer."""
import json
import os

import pytest

STYLES = pytest.mark.parametrize("style", ["sync", "request_reply"])
BODIES = {
    "empty": b"",
    "text": "grüße\r\n".encode(),
    "binary": bytes(range(256)) * 5,
    "900-KiB": os.urandom(900 * 1024),
}
HEADERS = [
    ("X-Repeated", "one"), ("Accept", "text/html;q=0.5, */*"), ("X-Repeated", "two, three"), ("X-Empty", ""),
    ("Content-Type", "application/vnd.order+json; charset=utf-8"), ("X-Latin", "caf\xe9"), ("X-Repeated", "one"),
    ("x-lower", "a  b"), ("User-Agent", "curl/7.88.1"), ("Cookie", "a=1; b=2"), ("Authorization", "Basic Zm9vOmJhcg=="),
]


@pytest.mark.short
@STYLES
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bodies_both_ways(scene, word, style, body):
    answer = scene.call(style, word, body=body)
    assert (answer.status, answer.body) == (200, body)
    received, = scene.service.received(f"/{style}/{word}")
    assert received.body == body and received.method == "POST"
    assert answer.first("shunt-message-id")


@pytest.mark.short
@STYLES
def test_headers_of_the_request(scene, word, style):
    assert scene.call(style, word, headers=HEADERS, body=b"{}").status == 200
    received, = scene.service.received(f"/{style}/{word}")
    for name, _ in HEADERS:
        sent = [value for given, value in HEADERS if given == name]
        assert received.values(name) == sent, name


def test_names_of_ours_are_not_the_clients_to_say(scene, word):
    """Hops are counted on from what a client claims; nothing else that it says in our name reaches the service."""
    forged = [("Shunt-Hops", "7"), ("Shunt-Deadline", "1"), ("Shunt-Attempt", "9"), ("Shunt-Message-Id", "forged")]
    answer = scene.call("request_reply", word, headers=forged)
    assert answer.status == 200
    received, = scene.service.received(f"/request_reply/{word}")
    assert received.values("shunt-hops") == ["8"] and received.values("shunt-attempt") == ["1"]
    assert not received.values("shunt-deadline")
    assert received.values("shunt-message-id") == answer.values("shunt-message-id") != ["forged"]


def test_sync_keeps_case_and_order(scene, word):
    scene.call("sync", word, headers=HEADERS, body=b"{}")
    received, = scene.service.received(f"/sync/{word}")
    sent = [name for name, _ in HEADERS]
    assert [name for name, _ in received.headers if name in sent] == sent


@STYLES
@pytest.mark.parametrize("query", ["a=1&a=2&b=%20x%2f&c", "x=%C3%BC&y=a+b;c", "?", ""])
def test_targets(scene, word, style, query):
    assert scene.call(style, f"{word}/deeper/~a:b@c,;=", query=query).status == 200
    received, = scene.service.received(f"/{style}/{word}")
    assert received.target == f"/{style}/{word}/deeper/~a:b@c,;=" + (f"?{query}" if query else "")


@STYLES
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
def test_methods(scene, word, style, method):
    answer = scene.call(style, word, method)
    received, = scene.service.received(f"/{style}/{word}")
    assert (answer.status, received.method, received.body) == (200, method, b"")


@pytest.mark.short
@STYLES
@pytest.mark.parametrize("status", [200, 201, 204, 302, 304, 404, 422, 500])
def test_answers(scene, word, style, status):
    headers = [["X-Twice", "a"], ["Set-Cookie", "a=1; Path=/"], ["Set-Cookie", "b=2"], ["X-Twice", "b, c"],
               ["Content-Type", "text/plain"]]
    told = json.dumps({"status": status, "headers": headers, "body": "told so"})
    answer = scene.call(style, word, headers=[("X-Answer", told)])
    assert answer.status == status
    assert answer.body == (b"" if status in (204, 304) else b"told so")
    for name in ("X-Twice", "Set-Cookie", "Content-Type"):
        assert answer.values(name) == [value for given, value in headers if given == name]


@STYLES
def test_chunked_request(scene, word, style):
    chunks = b"5\r\nhello\r\n1;ext=1\r\n \r\n5\r\nworld\r\n0\r\n\r\n"
    headers = [("Transfer-Encoding", "chunked"), ("Content-Type", "text/plain")]
    answer = scene.call(style, word, headers=headers, body=chunks)
    assert (answer.status, answer.body) == (200, b"hello world")
    assert scene.service.received(f"/{style}/{word}")[0].body == b"hello world"


@STYLES
def test_hop_by_hop_headers_stay_behind(scene, word, style):
    headers = [("Connection", "X-Private, keep-alive"), ("X-Private", "1"), ("Keep-Alive", "timeout=5"), ("TE", "gzip"),
               ("Proxy-Authorization", "Basic eA=="), ("X-Kept", "1")]
    scene.call(style, word, headers=headers)
    received, = scene.service.received(f"/{style}/{word}")
    for name in ("X-Private", "Keep-Alive", "Proxy-Authorization"):
        assert not received.values(name), name
    assert received.values("X-Kept") == ["1"]
