"""Both ends of an exchange through Shunt, by hand: a client of HTTP/1 or HTTP/2 that is asked for the same things in
the same words, and an upstream of HTTP/1 whose every byte is the test's."""
import socket
import struct

from support.h2_frames import DATA, END_HEADERS, END_STREAM, RST_STREAM, H2Frames, HEADERS, Outcome, block, frame


def read_head(connection):
    """Byte by byte, so that nothing behind it is taken."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        got = connection.recv(1)
        assert got, f"the connection ended within a head: {data}"
        data += got
    return data


def read_until(connection, end):
    data = b""
    while not data.endswith(end):
        got = connection.recv(65536)
        assert got, f"the connection ended: {data}"
        data += got
    return data


def read_rest(connection):
    """All to the end, whichever way it ends."""
    data = b""
    try:
        while got := connection.recv(65536):
            data += got
    except ConnectionResetError:
        pass
    return data


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class One:
    """HTTP/1.1."""

    def __init__(self, port):
        self.socket, self.data, self.end, self.method = socket.create_connection(("127.0.0.1", port), 20), b"", None, None

    def ask(self, method, path, headers=(), more=False):
        """`more`: a body follows, by `say` and `finish`."""
        self.method = method
        lines = [f"{method} {path} HTTP/1.1", "Host: up", *(f"{name}: {value}" for name, value in headers)]
        lines += ["Transfer-Encoding: chunked"] * more
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")

    def say(self, data):
        self.socket.sendall(b"%x\r\n%b\r\n" % (len(data), data))

    def finish(self, trailers=()):
        self.socket.sendall(b"0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in trailers).encode() + b"\r\n")

    def give_up(self):
        reset(self.socket)

    def close(self):
        self.socket.close()

    def until(self, enough):
        """What has come as soon as it is enough, or all of it."""
        while not enough(found := self._parsed()) and self.end is None:
            try:
                got = self.socket.recv(65536)
            except ConnectionResetError:
                got, self.end = b"", "reset"
            self.data += got
            self.end = self.end or (None if got else "closed")
        return found if enough(found) else self._parsed()

    def _parsed(self):
        found, rest = Outcome(), self.data
        while b"\r\n\r\n" in rest and found.status is None:
            head, rest = rest.split(b"\r\n\r\n", 1)
            lines = head.split(b"\r\n")
            status = int(lines[0].split()[1])
            found.headers = [tuple(line.split(b": ", 1)) for line in lines[1:]]
            if status < 200:
                found.interims.append(status)
            else:
                found.status = status
        if found.status is not None:
            self._take_body(found, {name.lower(): value for name, value in found.headers}, rest)
        found.gone = self.end is not None
        return found

    def _take_body(self, found, headers, rest):
        if self.method == "HEAD" or found.status in (204, 304):
            found.body, found.ended = rest, True
        elif b"transfer-encoding" in headers:
            self._take_chunks(found, rest)
        elif b"content-length" in headers:
            found.body, found.ended = rest, len(rest) >= int(headers[b"content-length"])
        else:
            found.body, found.ended = rest, self.end == "closed"

    @staticmethod
    def _take_chunks(found, rest):
        while b"\r\n" in rest:
            size, rest = rest.split(b"\r\n", 1)
            size = int(size, 16)
            if size == 0:
                found.ended = rest == b"\r\n" or rest.endswith(b"\r\n\r\n")
                found.trailers = [tuple(line.split(b": ", 1)) for line in rest.split(b"\r\n") if line]
                return
            found.body, rest = found.body + rest[:size], rest[size + 2:]


class Two:
    """HTTP/2 with prior knowledge, one stream."""

    def __init__(self, port):
        self.frames, self.found = H2Frames(port, seconds=20), Outcome()

    def ask(self, method, path, headers=(), more=False):
        fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "up")]
        fields += [(name.lower(), value) for name, value in headers]
        self.frames.ask(fields, flags=END_HEADERS | (0 if more else END_STREAM))

    def say(self, data):
        self.frames.send(frame(DATA, 0, 1, data))

    def finish(self, trailers=()):
        if trailers:
            self.frames.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block((n.lower(), v) for n, v in trailers)))
        else:
            self.frames.send(frame(DATA, END_STREAM, 1))

    def give_up(self):
        self.frames.send(frame(RST_STREAM, 0, 1, b"\0\0\0\x08"))

    def close(self):
        self.frames.__exit__()

    def until(self, enough):
        while not enough(self.found) and not self.found.gone and self.found.reset is None:
            got = self.frames.read_frame()
            if got is None:
                self.found.gone = True
            elif got[2] == 1:
                self.frames.take(self.found, *got)
        return self.found
