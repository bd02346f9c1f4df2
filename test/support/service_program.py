"""A plain HTTP/1.1 service that writes down exactly what it is asked, and answers as it is told.

    python3 -m support.service_program PORT RECORD BEHAVIOUR

RECORD gets a line of JSON when a request has arrived and another when its answer has been written; a line is in
the kernel before we go on, so a kill -9 loses none. BEHAVIOUR is a file of rules, read again whenever it changes:
a list of objects, the first whose `path` (prefix) and `body` (regular expression) match decides. Without one, the
request's own header x-answer decides (the same object as JSON), else the request's body comes back with 200.

    status, headers [[name, value]…], body or body_base64   what to answer
    delay       seconds to wait before it
    hang        never answer
    close       hang up without an answer
    crash       end the whole process at once
"""
import asyncio
import base64
import itertools
import json
import os
import re
import sys
import time


class Recorder:
    def __init__(self, path):
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._numbers = itertools.count()

    def arrived(self, request):
        identity = f"{os.getpid()}-{next(self._numbers)}"
        self._write(event="arrived", id=identity, method=request.method, target=request.target,
                    headers=request.headers, body=base64.b64encode(request.body).decode())
        return identity

    def answered(self, identity, status):
        self._write(event="answered", id=identity, status=status)

    def _write(self, **line):
        os.write(self._file, json.dumps({"time": time.time(), **line}).encode() + b"\n")


class Behaviour:
    """The rules in force: a file, so that they survive us and change while we run."""

    def __init__(self, path):
        self._path, self._version, self._rules = path, None, []

    def answer_to(self, request):
        for rule in self._current():
            if request.target.startswith(rule.get("path", "")) and re.search(
                    rule.get("body", "").encode(), request.body):
                return rule.get("answer", {})
        return json.loads(request.first("x-answer") or "{}")

    def _current(self):
        version = os.stat(self._path).st_mtime_ns
        if version != self._version:
            with open(self._path, encoding="utf-8") as file:
                self._version, self._rules = version, json.load(file)
        return self._rules


class Request:
    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ", 2)
        self.headers = [tuple(_name_and_value(line)) for line in lines[1:] if line]
        self.body = b""

    def first(self, name):
        return next((value for given, value in self.headers if given.lower() == name), None)


def _name_and_value(line):
    name, _, value = line.partition(":")
    return name, value.strip(" \t")


async def read_request(reader, writer):
    """The next request, or None when the client has hung up."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    request = Request(head)
    if (request.first("expect") or "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in (request.first("transfer-encoding") or ""):
        request.body = await _read_chunks(reader)
    else:
        request.body = await reader.readexactly(int(request.first("content-length") or 0))
    return request


async def _read_chunks(reader):
    body = b""
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        body += await reader.readexactly(size)
        if size == 0:
            while await reader.readuntil(b"\r\n") != b"\r\n":
                pass
            return body
        await reader.readexactly(2)


def response(request, answer):
    """The bytes of the answer and its status."""
    status = answer.get("status", 200)
    body = request.body
    if "body_base64" in answer:
        body = base64.b64decode(answer["body_base64"])
    elif "body" in answer:
        body = answer["body"].encode()
    headers = [tuple(pair) for pair in answer.get("headers", [["Content-Type", "application/octet-stream"]])]
    bodyless = status in (204, 304)
    if not bodyless:
        headers.append(("Content-Length", str(len(body))))
    head = f"HTTP/1.1 {status} Told\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
    return head.encode("latin-1") + (b"" if bodyless or request.method == "HEAD" else body), status


class Server:
    def __init__(self, recorder, behaviour):
        self.recorder, self.behaviour = recorder, behaviour

    async def serve(self, reader, writer):
        try:
            while (request := await read_request(reader, writer)) is not None:
                if not await self._answer(request, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, request, reader, writer):
        identity = self.recorder.arrived(request)
        answer = self.behaviour.answer_to(request)
        if answer.get("crash"):
            os._exit(3)
        if answer.get("hang"):
            await reader.read()
        if answer.get("hang") or answer.get("close"):
            return False
        if answer.get("delay"):
            await asyncio.sleep(answer["delay"])
        data, status = response(request, answer)
        writer.write(data)
        await writer.drain()
        self.recorder.answered(identity, status)
        return True


async def main(port, record, behaviour):
    server = Server(Recorder(record), Behaviour(behaviour))
    listening = await asyncio.start_server(server.serve, "127.0.0.1", int(port), limit=1 << 22, backlog=1024)
    async with listening:
        await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
