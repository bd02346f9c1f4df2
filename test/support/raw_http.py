"""HTTP/1.1 by hand: every byte that is sent is the test's own, every byte that comes back is kept."""
import socket
from dataclasses import dataclass, field


@dataclass
class Response:
    status: int
    headers: list = field(default_factory=list)
    body: bytes = b""
    head: bytes = b""

    def values(self, name):
        return [value for given, value in self.headers if given.lower() == name.lower()]

    def first(self, name):
        return next(iter(self.values(name)), None)


class RawHttp:
    """One connection. `send` takes bytes as they are, `read` gives the next response or None at the end."""

    def __init__(self, port, host="127.0.0.1", seconds=30):
        self._socket = socket.create_connection((host, port), timeout=seconds)
        self._file = self._socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._file.close()
        self._socket.close()

    def send(self, data):
        self._socket.sendall(data)

    def is_closed(self):
        """True when the other side hangs up; waits for it as long as the socket's time limit."""
        try:
            return self._file.read(1) == b""
        except ConnectionError:
            return True

    def read(self, method="GET"):
        lines = self._read_head()
        if not lines:
            return None
        headers = [_name_and_value(line) for line in lines[1:]]
        response = Response(int(lines[0].split()[1]), headers, head=b"\r\n".join(lines))
        if method != "HEAD" and response.status not in (204, 304) and response.status >= 200:
            response.body = self._read_body(response)
        return response

    def _read_head(self):
        lines = []
        try:
            while (line := self._file.readline()) not in (b"", b"\r\n"):
                lines.append(line.rstrip(b"\r\n"))
        except ConnectionError:
            return []
        return lines

    def _read_body(self, response):
        if "chunked" in (response.first("transfer-encoding") or ""):
            return b"".join(iter(self._read_chunk, b""))
        if response.first("content-length") is None:
            return self._file.read()
        return self._file.read(int(response.first("content-length")))

    def _read_chunk(self):
        size = int(self._file.readline().split(b";")[0], 16)
        data = self._file.read(size)
        while size == 0 and self._file.readline() not in (b"\r\n", b""):
            pass
        if size:
            self._file.readline()
        return data


def _name_and_value(line):
    name, _, value = line.decode("latin-1").partition(":")
    return name, value.strip(" \t")


def request_bytes(method, target, headers=(), body=b""):
    """A request with exactly these headers, and Content-Length where there is a body or the method wants one."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    names = {name.lower() for name, _ in headers}
    if "host" not in names:
        lines.insert(1, "Host: inventory")
    if (body or method in ("POST", "PUT", "PATCH")) and not names & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def request(port, method, target, headers=(), body=b"", seconds=30):
    """One call on a connection of its own; the final response."""
    with RawHttp(port, seconds=seconds) as client:
        client.send(request_bytes(method, target, headers, body))
        while (response := client.read(method)) is not None and response.status < 200:
            pass
        assert response is not None, f"{method} {target}: the connection closed without an answer"
        return response


def send_raw(port, data, seconds=10):
    """Sends bytes as they are; the first response, or None when the connection just closes."""
    with RawHttp(port, seconds=seconds) as client:
        try:
            client.send(data)
            return client.read()
        except ConnectionError:
            return None
