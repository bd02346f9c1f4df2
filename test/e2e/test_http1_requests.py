"""HTTP/1.1 requests to the letter, whole and byte by byte: what is refused before the upstream sees a byte of it,
and what the rest is when it arrives there. The tables are in http1/, one line a case; notation.py says how to read
them."""
import pytest

from http1 import chunks, connection, fields, hosts, lengths, lines, paths
from http1.notation import SAME, Ends, Late, hold
from support.exchange import Answers, Stage
from support.places import free_port, fresh_folder
from support.shunt import Shunt
from support.strict_http import FRAMING, read_request

TABLES = (lines, hosts, fields, lengths, chunks, connection, paths)
CASES = {f"{table.__name__.split('.')[1]}-{name}": case for table in TABLES for name, case in table.CASES.items()}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
AT_ONCE = 64 * 1024     # what a read takes
CONFIG = """
service = "caller"; admin = { address = "127.0.0.1:@ADMIN@"; };
listeners = ( { name = "in"; address = "127.0.0.1:%d"; } );
upstreams = ( { name = "up"; endpoints = ( "127.0.0.1:%d" ); } );
routes = ( { name = "up"; style = "sync"; sync = { upstream = "up"; }; } );
"""


@pytest.fixture(scope="module")
def stage():
    with Stage() as stage:
        stage.answer = lambda side, request: side.send(OK if request.method != b"HEAD" else OK[:-2], True)
        stage.listen = free_port()
        sidecar = Shunt("http1", fresh_folder("e2e", "http1-requests"), CONFIG % (stage.listen, stage.port)).start()
        yield stage
        sidecar.stop()


def meaning(message):
    """Host, framing and the rest in its order, without the Via that is ours."""
    rest = [(name, value) for name, value in message.fields if name.lower() not in (b"host", *FRAMING)]
    framing = sorted((name.lower(), value) for name, value in message.fields if name.lower() in FRAMING)
    return message.line, message.values(b"host"), rest, framing, message.body, message.trailers


def arrived(message):
    """What it means, once the Via and the trace that are ours are taken out."""
    vias = [value for name, value in message.fields if name == b"Via"]
    assert vias and vias[-1] in (b"1.1 shunt", b"1.0 shunt"), message.fields
    last = max(i for i, field in enumerate(message.fields) if field[0] == b"Via")
    message.fields = [field for i, field in enumerate(message.fields) if i != last and field[0] != b"traceparent"]
    return meaning(message)


def expected(stage, data):
    """`UPSTREAM` stands for the endpoint's own name."""
    data = data.replace(b"UPSTREAM", b"127.0.0.1:%d" % stage.port)
    message, taken = read_request(data)
    assert message.complete and taken == len(data), "the table is wrong"
    return meaning(message)


def check_arrival(stage, client, messages, ends, refusal):
    """All of them arrive and are answered in order; then a refusal, an end, or neither."""
    wanted = [expected(stage, message) for message in messages]
    answers = Answers(client, [line.split(b" ")[0] for line, *_ in wanted])
    stage.until(lambda: client.ended or (answers.are_complete() and not ends and not refusal), "all is answered")
    if not (ends or refusal):
        assert not client.ended, client.received
        client.half_close()
        stage.until(lambda: client.ended, "the connection ends")
    stage.settle()
    assert [arrived(message) for message in stage.requests] == wanted
    final, surplus = answers.final(), answers.read()[1]
    assert [answer.status for answer in final] == [200] * len(wanted) + ([refusal] if refusal else []), final
    assert all(answer.complete for answer in final) and not surplus and client.ended == "end"


def check_refusal(stage, client, status, late):
    answers = Answers(client, [b"GET"])
    stage.until(lambda: client.ended, "the answer, and the end")
    final = answers.final()
    assert [answer.status for answer in final] == [status] and final[0].complete, client.received
    assert final[0].close and client.ended == "end"
    heard = stage.heard()
    assert not stage.requests and (late or not heard), heard
    if late:
        stage.until(lambda: all(side.ended for side in stage.upstreams if side.received), "the upstream is told")
        assert not stage.requests


def check(stage, sent, outcome, whole):
    client = stage.client(stage.listen)
    client.send(sent, whole)
    try:
        if isinstance(outcome, int):
            late = isinstance(outcome, Late) and not (whole and len(sent) <= AT_ONCE)
            check_refusal(stage, client, int(outcome), late)
            return
        arrives = outcome.arrives if isinstance(outcome, Ends) else outcome
        messages = [sent] if arrives is SAME else arrives if isinstance(arrives, list) else [arrives]
        refusal = next((message for message in messages if isinstance(message, int)), None)
        messages = [message for message in messages if message != refusal]
        check_arrival(stage, client, messages, isinstance(outcome, Ends), refusal)
    finally:
        client.close()
        stage.forget()


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "bytes"])
@pytest.mark.parametrize("sent, outcome", CASES.values(), ids=CASES)
def test_request(stage, sent, outcome, whole):
    hold(outcome, lambda one: check(stage, sent, one, whole))
