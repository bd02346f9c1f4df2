"""Child processes that are known by their PID and never outlive us.

Each child has a session of its own, so that Ctrl-C on the terminal reaches us alone, and dies with us by the
kernel's parent-death signal. Its output goes to files beside its other files."""
import os
import signal
import subprocess
from pathlib import Path


class Process:
    def __init__(self, name, command, folder, env=None, stdin=None):
        self.name = name
        self.folder = Path(folder)
        self.out = self.folder / f"{name}.out"
        self.err = self.folder / f"{name}.err"
        with open(self.out, "ab") as out, open(self.err, "ab") as err:
            self._child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)],
                stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=err, cwd=self.folder,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}, start_new_session=True)

    @property
    def pid(self):
        return self._child.pid

    @property
    def stdin(self):
        return self._child.stdin

    @property
    def alive(self):
        return self._child.poll() is None

    @property
    def status(self):
        """The exit status, negative for a signal, None while it runs."""
        return self._child.poll()

    def signal(self, number):
        if self.alive:
            os.kill(self.pid, number)

    def wait(self, seconds):
        return self._child.wait(seconds)

    def stop(self, seconds=20):
        """SIGTERM, and what it exits with. One that does not end in time is killed, and that is an error."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} (PID {self.pid}) did not end within {seconds} s of SIGTERM") from None

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.wait(20)


def descendants(root):
    """PIDs of everything alive that came of the process `root`, itself not included."""
    parents = dict(_parents())
    found = []
    for pid in parents:
        above = parents.get(pid)
        while above not in (None, 0, 1, root):
            above = parents.get(above)
        if above == root:
            found.append(pid)
    return found


def _parents():
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path("/proc", entry, "stat").read_text(errors="replace")
            except OSError:
                continue
            state, parent = stat.rpartition(")")[2].split()[:2]
            if state != "Z":
                yield int(entry), int(parent)


def command_name(pid):
    try:
        return Path("/proc", str(pid), "comm").read_text().strip()
    except OSError:
        return ""
