"""A sidecar under test: its config file, its process, its admin address, its log lines.

Whatever way it ends, it must have ended as expected and no sanitizer may have said a word, neither on its standard
error nor in the files that ASAN_OPTIONS and the like may name (log_path, as test/run sets it)."""
import json
import os
import re
import signal
import subprocess
from pathlib import Path

from support.places import free_port, shunt_binary
from support.process import Process
from support.raw_http import request
from support.waiting import wait_until

REPORT = re.compile(r"(ERROR|WARNING|SUMMARY): \w*Sanitizer|runtime error:|Assertion .* failed|assertion failed", re.I)
SANITIZERS = {
    "ASAN_OPTIONS": "exitcode=99:detect_leaks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "exitcode=99:print_stacktrace=1",
    "TSAN_OPTIONS": "exitcode=99:second_deadlock_stack=1",
}


def environment(more=None):
    """Ours, where the sanitizers' options are not set already, and what a test adds."""
    return {**SANITIZERS, **os.environ, **(more or {})}


def reports(pid, env):
    """What sanitizers have written to files about a process."""
    paths = {path for name in SANITIZERS for path in re.findall(r"(?:^|:)log_path=([^:]+)", env.get(name, ""))}
    files = [Path(f"{path}.{pid}") for path in paths]
    return "".join(file.read_text(errors="replace") for file in files if file.exists())


class Shunt:
    def __init__(self, name, folder, config, env=None, admin=None):
        """`config` is the text of the file, in which @ADMIN@ stands for our admin port."""
        self.name, self.folder, self.env = name, folder, environment(env)
        self.admin = admin or free_port()
        self.file = folder / f"{name}.conf"
        self.process, self.accounted = None, True
        self.write(config)

    def write(self, config):
        self.config = config
        self.file.write_text(config.replace("@ADMIN@", str(self.admin)))

    def start(self, ready=True, seconds=60):
        self.process = Process(self.name, [shunt_binary(), "run", "-c", self.file], self.folder, self.env)
        self.accounted = False
        if ready:
            self.wait_ready(seconds)
        return self

    def is_ready(self):
        assert self.process.alive, f"{self.name} exited with {self.process.status}: {self.stderr()[-2000:]}"
        try:
            return request(self.admin, "GET", "/healthz/ready", [("Host", "localhost")]).status == 200
        except (OSError, AssertionError):
            return False

    def wait_ready(self, seconds=60):
        wait_until(self.is_ready, seconds, lambda: f"{self.name} is ready; {self.admin_says('/healthz/ready')}")

    def admin_says(self, path):
        try:
            return request(self.admin, "GET", path, [("Host", "localhost")]).body.decode()
        except (OSError, AssertionError) as failure:
            return str(failure)

    def metrics(self):
        """Samples by their whole name with labels."""
        lines = self.admin_says("/metrics").splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line.startswith(("shunt_", "process_")))
        return {name: float(value) for name, value in pairs}

    def count(self, name, **labels):
        """The sum of all samples of a metric that have these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(value for sample, value in self.metrics().items()
                   if sample.partition("{")[0] == name and all(label in sample for label in wanted))

    def reload(self, config):
        """Back when the new config is in force."""
        before = self.count("shunt_config_generation")
        self.write(config)
        self.process.signal(signal.SIGHUP)
        wait_until(lambda: self.count("shunt_config_generation") > before and self.is_ready(), 20,
                   lambda: f"{self.name} has taken its config: {self.stderr()[-2000:]}")

    def reload_refused(self, config):
        """Back when the new config has been refused."""
        self.write(config)
        self.process.signal(signal.SIGHUP)
        wait_until(lambda: self.count("shunt_config_last_reload_successful") == 0, 20,
                   f"{self.name} has refused its config")

    def kill(self):
        """kill -9: no exit status to expect, but it must have lived until now, and what it said before counts."""
        self.check_alive()
        self.process.kill()
        self.accounted = True

    def terminate(self):
        self.process.signal(signal.SIGTERM)

    def wait_end(self, expect=0, seconds=40):
        status = self.process.wait(seconds)
        self.accounted = True
        self._no_report()
        assert status == expect, f"{self.name} exited with {status}: {self.stderr()[-2000:]}"

    def stop(self, expect=0, seconds=40):
        """Ends it, unless a test has ended it already; one that ended by itself has failed."""
        if self.accounted:
            return
        self.terminate()
        try:
            self.wait_end(expect, seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.accounted = True
            raise AssertionError(f"{self.name} did not end within {seconds} s of SIGTERM") from None

    def check_alive(self):
        self._no_report()
        assert self.process.alive, f"{self.name} exited with {self.process.status}: {self.stderr()[-2000:]}"

    def _no_report(self):
        said = self.stderr() + reports(self.process.pid, self.env)
        found = REPORT.search(said)
        assert not found, f"{self.name}: {said[max(0, found.start() - 200):found.start() + 4000]}"

    def stdout(self):
        return self.process.out.read_text(errors="surrogateescape")

    def stderr(self):
        return self.process.err.read_text(errors="replace")

    def log(self):
        """Each line of the log, parsed; one that is no JSON object fails."""
        return [json.loads(line) for line in self.process.out.read_bytes().splitlines()]


def shunt(*arguments, env=None, cwd=None, seconds=60, binary=None):
    """Runs one command of the binary to its end; the finished process, with text output."""
    env = environment(env)
    with subprocess.Popen([str(binary or shunt_binary()), *map(str, arguments)], cwd=cwd, env=env, text=True,
                          errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as child:
        try:
            out, err = child.communicate(timeout=seconds)
        finally:
            child.kill()
    said = err + reports(child.pid, env)
    assert child.returncode >= 0 and not REPORT.search(said), f"status {child.returncode}: {said}"
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)
