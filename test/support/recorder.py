"""An upstream that speaks HTTP/1.1 and keeps every byte that it was sent, and answers when a request is whole.

It reads requests by a parser of its own, the simplest that can be: a head up to an empty line, then a body by
Content-Length or in chunks, with nothing else tolerated."""
import socket
import threading


class Request:
    def __init__(self, head, body, trailers):
        lines = head.split(b"\r\n")
        self.line, self.body, self.trailers = lines[0], body, trailers
        self.headers = [tuple(line.split(b": ", 1)) for line in lines[1:]]

    def values(self, name):
        return [value for given, value in self.headers if given.lower() == name]


class Recorder:
    def __init__(self, answer=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"):
        self._answer, self.requests, self.bytes = answer, [], b""
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)

    def asked(self, word):
        """Requests whose first line has this word."""
        return [request for request in self.requests if word in request.line]

    def _serve(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client):
        with client, client.makefile("rb") as file:
            try:
                while self._take(file):
                    client.sendall(self._answer)
            except (OSError, ValueError):
                pass

    def _line(self, file):
        line = file.readline()
        self.bytes += line
        if not line.endswith(b"\r\n"):
            raise ValueError("the connection ended")
        return line[:-2]

    def _read(self, file, size):
        data = file.read(size)
        self.bytes += data
        if len(data) < size:
            raise ValueError("the connection ended")
        return data

    def _take(self, file):
        lines = list(iter(lambda: self._line(file), b""))
        if not lines:
            return False
        request = Request(b"\r\n".join(lines), b"", [])
        if request.values(b"transfer-encoding") == [b"chunked"]:
            self._take_chunks(file, request)
        elif request.values(b"content-length"):
            request.body = self._read(file, int(request.values(b"content-length")[0]))
        self.requests.append(request)
        return True

    def _take_chunks(self, file, request):
        while size := int(self._line(file), 16):
            request.body += self._read(file, size)
            self._line(file)
        request.trailers = [tuple(line.split(b": ", 1)) for line in iter(lambda: self._line(file), b"")]
