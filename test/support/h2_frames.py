"""HTTP/2 by hand: frames whose every byte is the test's own, and what comes back of them."""
import contextlib
import socket
import struct

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 0x1, 0x1, 0x4, 0x8, 0x20


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A field that is neither indexed nor Huffman-coded: any bytes at all."""
    def text(data):
        assert len(data) < 127 + 128 + 128 * 128
        if len(data) < 127:
            return bytes([len(data)]) + data
        rest = len(data) - 127
        return bytes([127, rest & 127 | 128, rest >> 7]) + data if rest > 127 else bytes([127, rest]) + data
    return b"\0" + text(name) + text(value)


def block(fields):
    as_bytes = ((part.encode("latin-1") if isinstance(part, str) else part for part in field) for field in fields)
    return b"".join(literal(*field) for field in as_bytes)


class Outcome:
    """What became of one stream: `status` of an answer, `reset` by which code, or `gone` with the connection."""

    def __init__(self):
        self.status, self.headers, self.body, self.trailers = None, [], b"", []
        self.interims, self.reset, self.gone, self.ended = [], None, False, False

    def __repr__(self):
        return f"status {self.status}, reset {self.reset}, gone {self.gone}, ended {self.ended}, body {self.body[:80]}"


class H2Frames:
    """One connection, with prior knowledge."""

    def __init__(self, port, seconds=30, settings=b"", acknowledge=True):
        self._acknowledge = acknowledge
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self._file = self._socket.makefile("rb")
        self._decoder = hpack.Decoder()
        self.goaway = None
        self.send(PREFACE + frame(SETTINGS, payload=settings))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()
        self._socket.close()

    def hang_up(self):
        """Also for whoever reads in another thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def send(self, data):
        self._socket.sendall(data)

    def ask(self, fields, stream=1, flags=END_HEADERS | END_STREAM):
        self.send(frame(HEADERS, flags, stream, block(fields)))

    def read_frame(self):
        """Kind, flags, stream, payload; None at the end of the connection."""
        try:
            head = self._file.read(9)
            if len(head) < 9:
                return None
            length = int.from_bytes(head[:3], "big")
            payload = self._file.read(length)
        except ConnectionError:
            return None
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
        if kind == SETTINGS and not flags & ACK and self._acknowledge:
            try:
                self.send(frame(SETTINGS, ACK))
            except OSError:
                pass
        if kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")
        return kind, flags, stream, payload

    def outcome(self, stream=1):
        """Reads until that stream is over."""
        found = Outcome()
        while not found.ended and found.reset is None:
            got = self.read_frame()
            if got is None:
                found.gone = True
                return found
            if got[2] == stream:
                self.take(found, *got)
        return found

    def take(self, found, kind, flags, _, payload):
        if kind == HEADERS:
            assert flags & END_HEADERS
            fields = [(name, value) for name, value in self._decoder.decode(payload, raw=True)]
            status = dict(fields).get(b":status")
            if status is None:
                found.trailers = fields
            elif status.startswith(b"1"):
                found.interims.append(int(status))
            else:
                found.status, found.headers = int(status), fields
        elif kind == DATA:
            found.body += payload
        elif kind == RST_STREAM:
            found.reset = int.from_bytes(payload, "big")
        found.ended = kind in (HEADERS, DATA) and bool(flags & END_STREAM)

    def end(self):
        """Reads to the end of the connection; the code of its GOAWAY, or None."""
        while self.read_frame() is not None:
            pass
        return self.goaway
