"""A small fast load: numbered calls over keep-alive connections, each with what became of it.

Each call is due at its own time and goes out on an idle connection, or on a new one up to a limit, whether or not
earlier calls have been answered: slow answers do not slow the questions. Without a rate the connections are
callers that each wait for their answer before they ask again."""
import asyncio
import json
import threading
import time
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What became of one call. Status 0: no whole answer came back; `executed` is then None, which is "unknown" too.
    `lag` is how late the load itself has been by then, at most: where the machine is busy, everything is."""
    number: int
    question: bytes
    began: float
    took: float = 0.0
    lag: float = 0.0
    status: int = 0
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    sent: bool = False

    @property
    def problem(self):
        """The problem body of an answer by Shunt itself, else empty."""
        if "problem+json" not in self.headers.get("content-type", ""):
            return {}
        return json.loads(self.body)

    @property
    def executed(self):
        return self.problem.get("executed") if self.sent else "no"

    @property
    def reason(self):
        return self.problem.get("reason")


class Load(threading.Thread):
    """Asks `count` questions of the form "NAME NUMBER" (or what `question` makes of a number) of one path."""

    def __init__(self, port, path, count, rate=None, connections=64, question=None, headers=None, patience=60):
        super().__init__(daemon=True)
        self.port, self.path, self.count, self.rate, self.patience = port, path, count, rate, patience
        self.limit = connections
        self.question = question or (lambda number: f"{path} {number}".encode())
        self.headers = headers or (lambda number: "")
        self.outcomes, self._stopped, self._failure, self._lag = [], False, None, 0.0
        self._numbers = iter(range(count))

    def run(self):
        try:
            asyncio.run(self._everyone())
        except BaseException as failure:
            self._failure = failure
            raise

    def finish(self, seconds=600):
        """Waits for the last answer and returns all outcomes."""
        self.join(seconds)
        assert not self.is_alive(), f"the load on {self.path} did not end within {seconds} s"
        assert self._failure is None, self._failure
        return self.outcomes

    def stop_asking(self):
        self._stopped = True

    @property
    def done(self):
        return len(self.outcomes)

    async def _everyone(self):
        self._start, self._idle = time.monotonic(), []
        yardstick = asyncio.create_task(self._measure_lag())
        await asyncio.gather(*(self._caller() for _ in range(self.limit)))
        yardstick.cancel()

    async def _measure_lag(self):
        while True:
            due = time.monotonic() + 0.05
            await asyncio.sleep(0.05)
            self._lag = max(self._lag, time.monotonic() - due)

    async def _caller(self):
        for number in self._numbers:
            if self._stopped:
                break
            if self.rate:
                await asyncio.sleep(self._start + number / self.rate - time.monotonic())
            outcome = Outcome(number, self.question(number), time.time())
            await self._ask(outcome)
            self.outcomes.append(outcome)
        while self._idle:
            self._idle.pop().close()

    async def _ask(self, outcome):
        connection = self._idle.pop() if self._idle else Connection(self.port)
        began = time.monotonic()
        request = (f"POST {self.path} HTTP/1.1\r\nHost: inventory\r\n{self.headers(outcome.number)}"
                   f"Content-Length: {len(outcome.question)}\r\n\r\n").encode() + outcome.question
        try:
            await asyncio.wait_for(connection.ask(request, outcome), self.patience)
        except (OSError, EOFError, asyncio.TimeoutError):
            connection.close()
        outcome.took, outcome.lag = time.monotonic() - began, self._lag
        self._idle.append(connection)


class Connection:
    def __init__(self, port):
        self.port, self.reader, self.writer = port, None, None

    async def ask(self, request, outcome):
        if self.writer is None or self.reader.at_eof():
            self.close()
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
        outcome.sent = True
        self.writer.write(request)
        status, headers = _parse(await self.reader.readuntil(b"\r\n\r\n"))
        outcome.body = await self._body(headers)
        outcome.headers, outcome.status = headers, status
        if headers.get("connection", "").lower() == "close":
            self.close()

    async def _body(self, headers):
        if "chunked" not in headers.get("transfer-encoding", ""):
            return await self.reader.readexactly(int(headers.get("content-length", 0)))
        body = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readuntil(b"\r\n")
        return body

    def close(self):
        if self.writer is not None:
            self.writer.transport.abort()
            self.writer = None


def _parse(head):
    lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}
