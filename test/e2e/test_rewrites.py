"""What a route changes on the way, the same in each style, and paths that can be read in several ways."""
import json

import pytest

from support import configs
from support.raw_http import request
from support.world import World
from test_threats_http import AMBIGUOUS

CHANGES = """rewrite = { path = "/new/{id}/*"; host = "stock.svc"; };
    encoded_slash = "keep";
    request_headers = { set = ( "X-Item: item-{id}" ); add = ( "X-Via: b" ); remove = ( "X-Secret" ); };
    response_headers = { set = ( "X-Item: {id}" ); remove = ( "content-type" ); };"""


@pytest.fixture(scope="module")
def rewriting(rabbit):
    with World("rewriting", rabbit) as world:
        queues = {"sync": "none", "request_reply": world.calls_queue, "event": world.events_queue}
        routes = [configs.route(style, f"/{style}/{{id}}/*", style, queues[style], more=CHANGES)
                  for style in configs.STYLES]
        routes.append(configs.route("regex", "@", "sync", "none", more='rewrite = { path = "/{b}/{a}"; };').replace(
            'path = "@"', 'path_regex = "/swap/(?<a>[a-z]+)-(?<b>.*)"'))
        world.caller.reload(configs.caller(world.listen, world.service.port, rabbit.url, routes))
        world.callee.reload(world.callee_config(rabbit.url).replace('path = "/*";', 'path = "/*"; encoded_slash = "keep";'))
        yield world


@pytest.mark.parametrize("style", configs.STYLES)
@pytest.mark.parametrize("path, target", [("7/x?q=1", "/new/7/x?q=1"), ("8", "/new/8"), ("9%2Fa/", "/new/9%2Fa/")])
def test_path_and_headers(rewriting, style, path, target):
    word = path.split("?")[0].split("/")[0]
    before = len(rewriting.service.received(target))
    answer = rewriting.call(style, path, headers=[("x-item", "1"), ("X-ITEM", "2"), ("x-via", "a"), ("x-secret", "s")])
    assert answer.status == (202 if style == "event" else 200), answer
    assert answer.values("x-item") == [word] and answer.first("content-type") is None
    received = rewriting.service.wait_for(target, before + 1)[before]
    assert received.target == target and received.values("x-item") == [f"item-{word}"]
    assert received.values("x-via") == ["a", "b"] and not received.values("x-secret")
    assert style != "sync" or received.values("host") == ["stock.svc"]


@pytest.mark.parametrize("path, target", [("/swap/ab-c/d", "/c/d/ab"), ("/swap/ab-.", None), ("/swap/ab-", None),
                                          ("/swap/ab-c/%0d%0aX:y", "/c/%0D%0AX:y/ab")])
def test_captures_of_an_expression_stay_in_the_path(rewriting, path, target):
    answer = request(rewriting.listen, "GET", path)
    assert answer.status == (200 if target else 400), answer
    assert not target or rewriting.service.received()[-1].target == target
    assert target or "rewritten" in json.loads(answer.body)["detail"]


@pytest.fixture(scope="module", params=["keep", "decode"])
def lenient(request, rabbit):
    """Everything under /guarded goes nowhere; whatever is left is forwarded, however it is spelled."""
    with World("lenient", rabbit) as world:
        rules = f'encoded_slash = "{request.param}"; double_slash = "{request.param.replace("decode", "merge")}";'
        routes = [configs.route("guarded", "/guarded/*", "event", "lenient.nowhere"),
                  configs.route("all", "/*", "sync", "none", more=rules)]
        world.caller.reload(configs.caller(world.listen, world.service.port, rabbit.url, routes))
        world.kept = request.param == "keep"
        yield world


@pytest.mark.parametrize("path", AMBIGUOUS + ["/guarded%2F", "/guarded%2f%2fx", "/%2fguarded/x", "//guarded%2fx",
                                              "/guarded//x", "/%67uarded%2fx"])
def test_a_lenient_route_is_no_way_round_one_above_it(lenient, path):
    assert request(lenient.listen, "POST", path).status in (400, 502)
    assert not [received for received in lenient.service.received() if "guarded" in received.target]


@pytest.mark.parametrize("path, kept", [("/a%2fb", "/a%2Fb"), ("/a//b", "/a//b")])
def test_what_a_lenient_route_reads_is_what_it_forwards(lenient, path, kept):
    assert request(lenient.listen, "GET", path).status == 200
    assert lenient.service.received()[-1].target == (kept if lenient.kept else "/a/b")
