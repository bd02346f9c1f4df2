"""HTTP/1.1 as RFC 9112 has it, read with nothing tolerated: what of a peer's bytes is a message, and what they mean.

`read_request` and `read_response` return the message at the start of the bytes and how long it was, or None while it is
not complete; what no two readers need agree about is Malformed. They share nothing with what they judge."""
import re
from dataclasses import dataclass, field

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
REQUEST_LINE = re.compile(rb"(%s) ([\x21-\x7e]+) HTTP/1\.1" % TOKEN)
STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-9][0-9][0-9]) ([\t \x21-\x7e\x80-\xff]*)")
FIELD = re.compile(rb"(%s): ?([\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?" % TOKEN)
SIZE = re.compile(rb"[0-9a-f]{1,15}")
FRAMING = (b"content-length", b"transfer-encoding")


class Malformed(Exception):
    pass


@dataclass
class Message:
    line: bytes
    fields: list
    body: bytes = b""
    trailers: list = field(default_factory=list)
    complete: bool = True       # False: the connection ended, or has not brought the rest yet

    def values(self, name):
        return [value for given, value in self.fields if given.lower() == name]

    @property
    def method(self):
        return self.line.split(b" ")[0]

    @property
    def status(self):
        return int(self.line.split(b" ")[1])

    @property
    def close(self):
        return b"close" in self.values(b"connection")


def _match(pattern, line):
    found = pattern.fullmatch(line)
    if not found:
        raise Malformed(line)
    return found


def _head(data, start_line):
    """The message without its body, and where that begins."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None, 0
    first, *lines = data[:end].split(b"\r\n")
    _match(start_line, first)
    fields = [_match(FIELD, line).groups(b"") for line in lines]
    message = Message(first, fields)
    lengths, codings = (message.values(name) for name in FRAMING)
    if len(lengths) + len(codings) > 1 or any(coding.lower() != b"chunked" for coding in codings):
        raise Malformed(f"framing: {lengths} {codings}")
    if lengths:
        _match(re.compile(rb"0|[1-9][0-9]*"), lengths[0])
    return message, end + 4


def _counted(message, data, start, length):
    message.body = data[start:start + length]
    message.complete = len(message.body) == length
    return message, start + len(message.body)


def _chunked(message, data, start):
    """Chunks as they must be written: a size without extensions, data, CRLF; at the end the trailers."""
    message.complete = False
    while (end := data.find(b"\r\n", start)) >= 0:
        size = int(_match(SIZE, data[start:end])[0], 16)
        start = end + 2
        if size == 0:
            return _trailers(message, data, start)
        message.body += data[start:start + size]
        if len(data) < start + size + 2:
            return message, len(data)
        if data[start + size:start + size + 2] != b"\r\n":
            raise Malformed(data[start + size:][:20])
        start += size + 2
    return message, len(data)


def _trailers(message, data, start):
    while (end := data.find(b"\r\n", start)) >= 0:
        line, start = data[start:end], end + 2
        if not line:
            message.complete = True
            return message, start
        message.trailers.append(_match(FIELD, line).groups(b""))
    return message, len(data)


def _framed(message, data, start):
    if message.values(b"transfer-encoding"):
        return _chunked(message, data, start)
    length = message.values(b"content-length")
    return _counted(message, data, start, int(length[0])) if length else None


def read_request(data):
    """(Message, bytes taken), or None when not even the head is complete."""
    message, start = _head(data, REQUEST_LINE)
    if message is None:
        return None
    if len(message.values(b"host")) != 1:
        raise Malformed("Host must be there once")
    return _framed(message, data, start) or (message, start)


def read_response(data, method, ended=False):
    """The same for an answer to `method`. `ended`: the connection has, cleanly, and with it a body without framing."""
    message, start = _head(data, STATUS_LINE)
    if message is None:
        return None
    if message.status < 200 or message.status in (204, 304) or method == b"HEAD":
        if message.status < 200 or message.status == 204:
            if message.values(b"content-length") + message.values(b"transfer-encoding"):
                raise Malformed("framing where no body can be")
        return message, start
    framed = _framed(message, data, start)
    if framed:
        return framed
    message.body, message.complete = data[start:], ended
    return message, len(data)
