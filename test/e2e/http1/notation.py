"""How the tables say what must become of a request.

    400              refused with that status: the connection ends, and the upstream has not seen a byte
    Late(400)        the same where the fault comes with the head; behind it, the upstream never sees a whole request
    b"GET …"         what arrives, as a message
    [b"…", b"…"]     several that arrive
    SAME             it arrives as it was sent
    Ends(…)          the same, and the connection ends with the answer
    Either(…, …)     what the versions of llhttp differ in

Fields are compared in their order, names and values to the letter; only Host and framing may stand elsewhere, and our
Via comes on top."""
from dataclasses import dataclass

from support.strict_http import Malformed

SAME = object()


class Late(int):
    pass


@dataclass
class Ends:
    arrives: object


class Either(tuple):
    def __new__(cls, *outcomes):
        return super().__new__(cls, outcomes)


def hold(outcome, check):
    """Checks the outcome; of several, that one of them is what came."""
    for one in outcome if isinstance(outcome, Either) else [outcome]:
        try:
            check(one)
            return
        except (AssertionError, Malformed) as failure:
            wrong = failure
    raise wrong


def shaped(outcome, shape):
    """An outcome with its messages put into their shape."""
    if outcome is SAME or isinstance(outcome, int):
        return outcome
    if isinstance(outcome, Either):
        return Either(*(shaped(one, shape) for one in outcome))
    if isinstance(outcome, Ends):
        return Ends(shaped(outcome.arrives, shape))
    return [shape(one) for one in outcome] if isinstance(outcome, list) else shape(outcome)


def table(rows, shape, expected=None):
    """Cases from rows that hold only what differs."""
    return {name: (shape(sent), shaped(outcome, expected or shape)) for name, (sent, outcome) in rows.items()}


def request(line, fields=b"", body=b"", host=b"Host: up\r\n"):
    """A whole request; each line of `fields` has its end already."""
    return line + b"\r\n" + host + fields + b"\r\n" + body
