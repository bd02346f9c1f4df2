"""GraphQL and gRPC as conditions of routes: what is asked for decides, however it is written."""
import json
from urllib.parse import urlencode

import pytest

from support.places import free_port, fresh_folder
from support.raw_http import request
from support.recorder import Recorder
from support.shunt import Shunt, shunt

CONFIG = """
service = "caller"; admin = { address = "127.0.0.1:@ADMIN@"; };
listeners = ( { name = "in"; address = "127.0.0.1:%d"; host = "api:80"; } );
upstreams = ( { name = "orders"; endpoints = ( "127.0.0.1:%d" ); }, { name = "rest"; endpoints = ( "127.0.0.1:%d" ); } );
routes = ( { name = "place"; match = { path = "/graphql"; graphql = { type = "mutation"; field = "placeOrder"; }; };
             style = "sync"; sync = { upstream = "orders"; }; max_body = "20KB"; },
           { name = "known"; match = { graphql = { hash = "abc123"; }; }; style = "sync"; sync = { upstream = "orders"; }; },
           { name = "named"; match = { graphql = { name = "Stock"; }; }; style = "sync"; sync = { upstream = "orders"; }; },
           { name = "rest"; style = "sync"; sync = { upstream = "rest"; }; } );
"""
PLACE = "mutation { placeOrder(id: 1) { ok } }"


@pytest.fixture(scope="module")
def shop():
    with Recorder() as orders, Recorder() as rest:
        port = free_port()
        sidecar = Shunt("graphql", fresh_folder("e2e", "graphql"), CONFIG % (port, orders.port, rest.port)).start()
        yield port, orders, rest
        sidecar.stop()


def said(**members):
    return json.dumps(members).encode()


def hashed(value):
    return {"persistedQuery": {"version": 1, "sha256Hash": value}}


TO_ORDERS = {
    "mutation": said(query=PLACE),
    "alias": said(query="mutation M { mine: placeOrder { ok } }"),
    "fragment": said(query="mutation { ...F } fragment F on Mutation { placeOrder { ok } }"),
    "inline": said(query="mutation { ... on Mutation { placeOrder { ok } } }"),
    "chosen": said(query="query A { stock } mutation B { placeOrder { ok } }", operationName="B"),
    "escaped": said(query=PLACE).replace(b"placeOrder", b"place\\u004frder"),
    "persisted": said(extensions=hashed("abc123")),
    "named": said(query="query Stock { stock }"),
}
LONG = "# " + "x" * 900_000 + "\n"
TO_NAMED_ROUTE = {
    "document": said(query=LONG + "query Stock { stock }"),
    "variables": said(query="query Stock { stock }", variables={"x": LONG}),
}
TO_REST = {
    "query": said(query="{ placeOrder }"),
    "other": said(query="mutation { cancel }"),
    "both": said(query="mutation { placeOrder { ok } cancel }"),
    "comment": said(query="# mutation { placeOrder }\n{ stock }"),
    "string": said(query='{ stock(x: "mutation { placeOrder }") }'),
    "unclear": said(query="mutation A { placeOrder } mutation B { placeOrder }"),
    "persisted": said(extensions=hashed("other")),
    "batch": b"[" + said(query=PLACE) + b"]",
    "broken": said(query=PLACE)[:-1],
}


def post(port, word, body, content_type="application/json", path="/graphql"):
    answer = request(port, "POST", f"{path}?{word}", [("Content-Type", content_type)], body)
    assert answer.status == 200, answer
    return word.encode()


@pytest.mark.parametrize("body", TO_ORDERS.values(), ids=TO_ORDERS)
def test_what_is_asked_for_decides(shop, word, body):
    port, orders, rest = shop
    (got,) = orders.asked(post(port, word, body))
    assert got.body == body and not rest.asked(word.encode())


@pytest.mark.parametrize("body", TO_REST.values(), ids=TO_REST)
def test_anything_else_goes_on(shop, word, body):
    port, orders, rest = shop
    (got,) = rest.asked(post(port, word, body))
    assert got.body == body and not orders.asked(word.encode())


def test_other_ways_of_asking(shop, word):
    port, orders, rest = shop
    assert orders.asked(post(port, word + "g", PLACE.encode(), "application/graphql"))
    assert rest.asked(post(port, word + "t", said(query=PLACE), "text/plain"))
    assert rest.asked(post(port, word + "p", said(query=PLACE), path="/elsewhere"))
    request(port, "GET", f"/graphql?{urlencode({'query': 'query Stock { stock }'})}&x={word}q")
    assert orders.asked((word + "q").encode())


@pytest.mark.parametrize("body", TO_NAMED_ROUTE.values(), ids=TO_NAMED_ROUTE)
def test_a_long_document_is_read_to_its_end(shop, word, body):
    port, orders, rest = shop
    (got,) = orders.asked(post(port, word, body, path="/other"))
    assert len(got.body) == len(body) and not rest.asked(word.encode())


def test_a_name_of_any_length_hides_nothing(shop, word):
    port, orders, rest = shop
    place = "mutation %s { placeOrder(id: 1) { ok } }" % ("n" * 15000)
    assert orders.asked(post(port, word, said(query=place)))
    assert not rest.asked(word.encode())


def test_a_body_that_cannot_be_looked_at_is_refused(shop):
    large = said(query=PLACE, variables={"x": "y" * 30000})
    answer = request(shop[0], "POST", "/graphql", [("Content-Type", "application/json")], large)
    assert answer.status == 413
    chunked = b"8000\r\n" + b"y" * 32768 + b"\r\n0\r\n\r\n"
    answer = request(shop[0], "POST", "/graphql", [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")],
                     chunked)
    assert answer.status == 413


@pytest.mark.parametrize("match, words", [
    ('grpc = "Service"', "no gRPC method"), ('grpc = "a/b/c"', "no gRPC method"), ('grpc = "/a"', "no gRPC method"),
    ('graphql = { type = "mutate"; }', "mutation"), ('graphql = { fields = "x"; }', "did you mean 'field'")])
def test_check_tells_what_is_wrong(folder, match, words):
    file = folder / "shunt.conf"
    text = CONFIG.replace("@ADMIN@", "1") % (1000, 1001, 1002)
    file.write_text(text.replace('graphql = { name = "Stock"; }', match))
    ran = shunt("check", "-c", file)
    assert ran.returncode == 1 and words in ran.stdout + ran.stderr, ran.stdout + ran.stderr
