"""The recording service as the tests hold it: start it, tell it how to answer, kill it, read what it was asked.

What it was asked is in a file that survives it. `keep_up` starts it again whenever it has ended, as a
supervisor would."""
import base64
import json
import os
import threading
from dataclasses import dataclass

from support.places import PYTHON, ROOT, free_port
from support.process import Process
from support.waiting import wait_listening, wait_until


@dataclass
class Received:
    """One request as it arrived; `status` is that of the answer, None while or if there was none. `began` and `ended`
    are the lines of the record that say so: what came before what."""
    method: str
    target: str
    headers: list
    body: bytes
    time: float
    began: int
    ended: int = None
    status: int = None

    def values(self, name):
        return [value for given, value in self.headers if given.lower() == name.lower()]


class Service:
    def __init__(self, name, folder):
        self.name, self.folder, self.port = name, folder, free_port()
        self.record, self._rules = folder / f"{name}.record", folder / f"{name}.rules"
        self._process = self._keeper = None
        self._received, self._read_up_to, self._lines = {}, 0, 0
        self.record.touch()
        self.behave()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def alive(self):
        return self._process is not None and self._process.alive

    def start(self):
        self._launch()
        wait_listening(self.port)
        return self

    def keep_up(self):
        """From now on, starts it again whenever it ends."""
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def _keep(self):
        while not self._stopping.wait(0.02):
            if not self._process.alive:
                self._launch()
                wait_listening(self.port)

    def _launch(self):
        command = [PYTHON, "-m", "support.service_program", self.port, self.record, self._rules]
        self._process = Process(self.name, command, self.folder, {"PYTHONPATH": str(ROOT / "test")})

    def kill(self):
        self._process.kill()

    def stop(self):
        if self._keeper:
            self._stopping.set()
            self._keeper.join()
        if self.alive:
            self.kill()

    def behave(self, *rules):
        """Rules as service_program describes them; none: back to normal. In force for the next request."""
        new = self._rules.with_suffix(".new")
        new.write_text(json.dumps(rules))
        os.replace(new, self._rules)

    def received(self, path=""):
        """All requests so far whose target starts with `path`, in the order of their arrival."""
        self._read_on()
        return [request for request in self._received.values() if request.target.startswith(path)]

    def bodies(self, path=""):
        return [request.body for request in self.received(path)]

    def wait_for(self, path, count=1, seconds=20):
        wait_until(lambda: len(self.received(path)) >= count, seconds, f"{self.name} received {count} × {path}")
        return self.received(path)

    def _read_on(self):
        with open(self.record, "rb") as file:
            file.seek(self._read_up_to)
            data = file.read()
        whole = data.rfind(b"\n") + 1
        self._read_up_to += whole
        for line in data[:whole].splitlines():
            self._note(json.loads(line))

    def _note(self, line):
        self._lines += 1
        if line["event"] == "answered":
            request = self._received[line["id"]]
            request.status, request.ended = line["status"], self._lines
        else:
            self._received[line["id"]] = Received(
                line["method"], line["target"], [tuple(pair) for pair in line["headers"]],
                base64.b64decode(line["body"]), line["time"], self._lines)
