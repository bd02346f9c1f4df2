"""The relay as the tests hold it: between a sidecar and its broker, switched by name while it runs."""
import subprocess

from support.places import PYTHON, ROOT, free_port
from support.process import Process
from support.waiting import wait_listening, wait_until


class Relay:
    def __init__(self, name, folder, to_port):
        self.name, self.folder, self.to_port, self.port = name, folder, to_port, free_port()
        self._process, self._turns = None, 0

    @property
    def amqp_url(self):
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def start(self):
        command = [PYTHON, "-m", "support.relay_program", self.port, self.to_port]
        self._process = Process(self.name, command, self.folder, {"PYTHONPATH": str(ROOT / "test")},
                                stdin=subprocess.PIPE)
        wait_listening(self.port)
        return self

    def turn(self, mode):
        """Returns when the new mode is in force; the modes are those of relay_program."""
        self._process.stdin.write(mode.encode() + b"\n")
        self._process.stdin.flush()
        self._turns += 1
        wait_until(lambda: len(self._process.out.read_text().split()) >= self._turns, 10, f"the relay turns to {mode}")

    def stop(self):
        if self._process:
            self._process.kill()
            self._process.stdin.close()
