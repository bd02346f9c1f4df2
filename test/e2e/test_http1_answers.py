"""An upstream's answers to the letter, whole and byte by byte: what is malformed is a 502 or visibly broken off, what
is sound arrives, and nothing that is left over ever answers the next call. The table is http1/answers.py."""
import pytest

from http1.answers import BROKEN, CASES, CLOSE, HEAD, KEEP, OLD, UPGRADE, Last
from http1.notation import SAME, hold
from support.exchange import Answers, Stage
from support.places import free_port, fresh_folder
from support.shunt import Shunt
from support.strict_http import FRAMING, read_response
from test_http1_requests import CONFIG, OK

NEXT = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"
REQUESTS = {HEAD: b"HEAD /p HTTP/1.1\r\nHost: up\r\n\r\n", OLD: b"GET /p HTTP/1.0\r\nHost: up\r\n\r\n",
            UPGRADE: b"GET /p HTTP/1.1\r\nHost: up\r\nConnection: Upgrade\r\nUpgrade: tea/2\r\n\r\n"}
GET = b"GET %s HTTP/1.1\r\nHost: up\r\n\r\n"
OURS = (b"via", b"shunt-message-id", b"date", b"connection")


@pytest.fixture(scope="module")
def stage():
    with Stage() as stage:
        stage.listen = free_port()
        sidecar = Shunt("http1", fresh_folder("e2e", "http1-answers"), CONFIG % (stage.listen, stage.port)).start()
        yield stage
        sidecar.stop()


def script(stage, sent, whole, end):
    """What is asked for as /p gets the case's bytes, and then the case's end; all else is answered soundly."""
    stage.served = []

    def answer(side, request):
        stage.served.append((request.line.split(b" ")[1], side))
        if stage.served[-1][0] != b"/p":
            side.send(NEXT, True)
        elif not sent:
            finish(side)
        else:
            side.send(sent, whole, None if end == KEEP else finish)

    def finish(side):
        side.half_close() if end == CLOSE else side.reset()
    stage.answer = answer


def meaning(message, given):
    """Line, fields and body; what we add ourselves counts only where the upstream had it too."""
    fields, missing = [], [name for name in OURS if name not in given]
    for name, value in message.fields:
        own = name.lower() in missing or (name.lower() == b"via" and value in (b"1.1 shunt", b"1.0 shunt"))
        if not own and name.lower() not in FRAMING:
            fields.append((name, value))
    framing = sorted((name.lower(), value) for name, value in message.fields if name.lower() in FRAMING)
    return message.line, fields, framing, message.body, message.trailers


def names(answers):
    return {name.lower() for answer in answers for name, _ in answer.fields} - {b"connection"}


def wanted(data, method, ended):
    found = []
    while data:
        message, taken = read_response(data, method, ended)
        found.append(message)
        data = data[taken:]
    return found


def check_arrival(stage, client, expected, how):
    method = HEAD if how == HEAD else b"GET"
    answers = Answers(client, [method])
    stage.until(lambda: client.ended if how == OLD else answers.are_complete(), "the answer is there")
    found, surplus = answers.read()
    want = wanted(expected, method, how == OLD)
    given = names(want)
    assert [meaning(answer, given) for answer in found] == [meaning(answer, given) for answer in want]
    assert all(answer.complete for answer in found) and not surplus and client.ended in ("", "end")


def check_broken(stage, client, how, only_502):
    """Our own answer, or one that nobody can take for whole."""
    answers = Answers(client, [HEAD if how == HEAD else b"GET"])

    def told():
        final = answers.final()
        return client.ended or (final and final[0].status == 502 and final[0].complete)
    stage.until(told, "the client is told")
    final = answers.final()
    if final and final[0].status == 502:
        assert b"bad_response" in final[0].body or b"connection_lost" in final[0].body or how == HEAD, final
        return
    assert not only_502, client.received
    assert not final or not final[0].complete, final
    framed = final and final[0].values(b"content-length") + final[0].values(b"transfer-encoding")
    assert framed or client.ended == "reset"


def check_next(stage, reused):
    """The next call gets its own answer, by the same connection only if that was left clean."""
    before = [side for path, side in stage.served if path == b"/p"]
    if not reused:
        stage.until(lambda: all(side.ended for side in before), "the connection to the upstream ends")
    client = stage.client(stage.listen)
    client.send(GET % b"/next", True)
    answers = Answers(client, [b"GET"])
    stage.until(answers.are_complete, "the next call is answered")
    assert [answer.body for answer in answers.final()] == [b"next"], client.received
    assert (stage.served[-1][1] in before) == reused and stage.served[-1][0] == b"/next"
    client.close()


def check(stage, case, outcome, whole):
    sent, _, how, end = case
    script(stage, sent, whole, end)
    client = stage.client(stage.listen)
    client.send(REQUESTS.get(how, GET % b"/p"), True)
    try:
        last = isinstance(outcome, Last)
        arrives = outcome.answer if last else outcome
        if arrives is BROKEN or arrives == 502:
            check_broken(stage, client, how, arrives == 502)
        else:
            check_arrival(stage, client, sent if arrives is SAME else arrives, how)
        check_next(stage, isinstance(arrives, bytes) and not last or outcome is SAME)
    finally:
        client.close()
        for _, side in stage.served:
            side.queue.clear()
        stage.forget()


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "bytes"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_answer(stage, case, whole):
    hold(case[1], lambda one: check(stage, case, one, whole))


@pytest.mark.parametrize("unasked", [b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", OK, b"\r\n", b"x"],
                         ids=["408", "200", "blank", "byte"])
def test_unasked(stage, unasked):
    """What comes while nothing was asked ends the connection, and answers nobody."""
    script(stage, NEXT, True, KEEP)
    first = stage.client(stage.listen)
    first.send(GET % b"/p", True)
    stage.until(Answers(first, [b"GET"]).are_complete, "the first call is answered")
    stage.served[-1][1].send(unasked, True)
    check_next(stage, False)
    first.close()
    stage.forget()
