"""A client and an upstream in one thread, with the sidecar between them: every byte of both is the test's own.

Bytes leave whole or one by one. Nothing is waited for but conditions: an answer that is complete, a connection that
has ended. Both sides read with support.strict_http."""
import contextlib
import selectors
import socket
import time

from support.strict_http import read_request, read_response

CHUNK = 65536
ALONE = 700         # so many bytes at either end of what is long are sent one by one, what lies between in pieces


def pieces(data, whole):
    """What is to be sent, cut up."""
    if whole:
        return [data] if data else []
    ends = [data] if len(data) <= 2 * ALONE else [data[:ALONE], data[-ALONE:]]
    cut = [[bytes([byte]) for byte in end] for end in ends]
    middle = data[ALONE:-ALONE] if len(ends) == 2 else b""
    return cut[0] + [middle[i:i + 1000] for i in range(0, len(middle), 1000)] + (cut[1] if len(ends) == 2 else [])


class Side:
    """One socket: what it still has to send, what it has received, and how it ended ("" while it has not)."""

    def __init__(self, stage, sock):
        self.stage, self.socket, self.received, self.ended = stage, sock, b"", ""
        self.queue, self.after, self.taken, self.continued = [], None, 0, None
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stage.add(self)

    def send(self, data, whole, after=None):
        """`after`: what follows when all is out."""
        self.queue += pieces(data, whole)
        self.after = after

    def push(self):
        """Sends the next piece."""
        try:
            while self.queue and not self.ended:
                sent = self.socket.send(self.queue[0])
                self.queue[0] = self.queue[0][sent:]
                if self.queue[0]:
                    return
                self.queue.pop(0)
                break
        except BlockingIOError:
            return
        except OSError:
            self.queue.clear()
        if not self.queue and self.after and not self.ended:
            after, self.after = self.after, None
            after(self)

    def pull(self):
        try:
            data = self.socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self.finish("reset")
            return
        self.received += data
        if not data:
            self.finish("end")

    def finish(self, how):
        self.ended = how
        self.stage.remove(self)

    def half_close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        if not self.ended:
            self.finish("ours")
        self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()


class Stage:
    """`answer(connection, request)` is called for each request that an upstream connection has read to its end."""

    def __init__(self):
        self.selector, self.sides, self.upstreams, self.requests = selectors.DefaultSelector(), [], [], []
        self.answer = None
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.selector.register(self.listener, selectors.EVENT_READ, None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for side in list(self.sides):
            side.close()
        self.listener.close()
        self.selector.close()

    def add(self, side):
        self.sides.append(side)
        self.selector.register(side.socket, selectors.EVENT_READ, side)

    def remove(self, side):
        self.sides.remove(side)
        self.selector.unregister(side.socket)

    def client(self, port):
        return Side(self, socket.create_connection(("127.0.0.1", port), timeout=20))

    def turn(self, seconds):
        """Sends a piece on each side that has one, and takes what has come."""
        for side in list(self.sides):
            side.push()
        busy = any(side.queue for side in self.sides)
        for key, _ in self.selector.select(0 if busy else seconds):
            if key.data is None:
                self.upstreams.append(Side(self, self.listener.accept()[0]))
            elif not key.data.ended:
                key.data.pull()
                if key.data in self.upstreams:
                    self.read(key.data)

    def read(self, side):
        while found := read_request(side.received[side.taken:]):
            request, length = found
            if not request.complete:
                self.go_on(side, request)
                return
            side.taken += length
            self.requests.append(request)
            self.answer(side, request)

    def go_on(self, side, request):
        """A body that waits for it may come."""
        if request.values(b"expect") and side.continued != side.taken:
            side.continued = side.taken
            side.send(b"HTTP/1.1 100 Continue\r\n\r\n", True)

    def until(self, condition, what, seconds=30):
        """Looks when all is sent that there is to send."""
        deadline = time.monotonic() + seconds
        while any(side.queue for side in self.sides) or not condition():
            left = deadline - time.monotonic()
            assert left > 0, f"not within {seconds} s: {what}"
            self.turn(left)

    def settle(self):
        """Takes what has come already."""
        before = -1
        while before != (before := sum(len(side.received) for side in self.upstreams) + len(self.upstreams)):
            self.turn(0)

    def heard(self):
        """All that the upstream's connections have received."""
        self.settle()
        return b"".join(side.received for side in self.upstreams)

    def forget(self):
        """What was heard until now is settled."""
        self.settle()
        self.requests.clear()
        self.upstreams = [side for side in self.upstreams if not side.ended]
        for side in self.upstreams:
            side.received, side.taken, side.continued = side.received[side.taken:], 0, None


class Answers:
    """What a client has received, read as answers to these methods."""

    def __init__(self, client, methods):
        self.client, self.methods = client, methods

    def read(self):
        """All answers, the last of which may be incomplete, and the bytes behind them."""
        found, data, methods = [], self.client.received, list(self.methods)
        while data and (part := read_response(data, methods[0] if methods else b"GET", self.client.ended == "end")):
            found.append(part[0])
            data = data[part[1]:]
            if part[0].status >= 200 and methods:
                methods.pop(0)
        return found, data

    def final(self):
        return [answer for answer in self.read()[0] if answer.status >= 200]

    def are_complete(self):
        final = self.final()
        return self.client.ended or (len(final) >= len(self.methods) and all(answer.complete for answer in final))
