"""A service of HTTP/1.1 that answers GET with a long body, as fast as it is read, and reads what is sent to it at a
pace of its own; it counts both."""
import contextlib
import re
import socket
import threading
import time

PIECE = b"x" * 65536


class Bodies:
    """`size` of each answer's body; `pace`, bytes a second, None: as fast as they come."""

    def __init__(self, size, pace=None):
        self.size, self.pace, self.sent, self.taken = size, pace, 0, 0
        self._socket, self._open = socket.create_server(("127.0.0.1", 0), backlog=1024), []
        self.port = self._socket.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        for each in (self._socket, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self._socket.accept()[0]
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError, ValueError), client.makefile("rb") as requests:
            while head := self._head(requests):
                length = re.search(rb"^content-length: (\d+)", head, re.I | re.M)
                if length:
                    self._read(requests, int(length[1]))
                self._answer(client, 0 if length else self.size)

    @staticmethod
    def _head(requests):
        """Without its empty line; nothing when it broke off."""
        head = b""
        while (line := requests.readline()) not in (b"\r\n", b""):
            head += line
        return head if line else b""

    def _read(self, requests, left):
        while left > 0:
            got = len(requests.read(min(left, len(PIECE))))
            if got == 0:
                raise OSError("the request broke off")
            left, self.taken = left - got, self.taken + got
            time.sleep(got / self.pace if self.pace else 0)

    def _answer(self, client, left):
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % left)
        while left > 0:
            sent = client.send(PIECE[:left])
            left, self.sent = left - sent, self.sent + sent
