"""How things are measured: the processor's time of a process and of what came of it, a load, a comparison in rounds.

Absolute numbers of a shared machine mean little, so nothing here reports one: contenders take turns within each
round, and what is kept is the ratio of two that ran side by side."""
import json
import re
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from support.places import ROOT
from support.process import descendants


def cpu_seconds(*pids):
    """User and system time so far of these processes, of all that came of them and of all their threads."""
    family = {one for pid in pids for one in (pid, *descendants(pid))}
    return sum(_nanoseconds(pid) for pid in family) / 1e9


def _nanoseconds(pid):
    """From the scheduler: `stat` counts in hundredths of a second, too coarse for a thousand calls."""
    return sum(int(task.read_text().split()[0]) for task in Path("/proc", str(pid), "task").glob("*/schedstat"))


def resident_mb(pid, row="VmRSS"):
    status = Path("/proc", str(pid), "status").read_text(errors="replace")
    return int(re.search(rf"^{row}:\s+(\d+) kB", status, re.M)[1]) / 1024


def peak_mb(pid):
    """The most that it ever was."""
    return resident_mb(pid, "VmHWM")


@dataclass
class Sample:
    count: int
    seconds: float
    cpu: float
    p50_ms: float = 0   # where latencies were measured
    p99_ms: float = 0

    @property
    def rate(self):
        return self.count / self.seconds

    @property
    def cost(self):
        """Processor seconds per call."""
        return self.cpu / self.count


def load(port, path, connections, seconds, post, *pids):
    """wrk's load on one port; what it cost these processes. An answer that is no 2xx spoils the measurement."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    command += ["-s", str(ROOT / "test" / "bench" / "post.lua")] if post else []
    before = cpu_seconds(*pids)
    done = subprocess.run([*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True,
                          timeout=seconds + 60)
    used = cpu_seconds(*pids) - before
    bad = re.search(r"Non-2xx.*|Socket errors.*", done.stdout)
    if bad:
        raise AssertionError(f"{path} on port {port}: {bad[0]}")
    count, took = re.search(r"(\d+) requests in ([\d.]+)(?=s)", done.stdout).groups()
    return Sample(int(count), float(took), used)


def h2load(port, path, options, seconds, *pids):
    """h2load's load; what it cost these processes, and how long a call took. A failure spoils the measurement."""
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        command = ["h2load", "-t1", f"-D{seconds}", f"--log-file={log.name}", *options]
        before = cpu_seconds(*pids)
        done = subprocess.run([*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True,
                              timeout=seconds + 60)
        used = cpu_seconds(*pids) - before
        took = sorted(int(line.split(b"\t")[2]) for line in log)
    count, good = re.search(r"(\d+) done, (\d+) succeeded", done.stdout).groups()
    if count != good:
        raise AssertionError(f"port {port}: {good} of {count} requests succeeded")
    return Sample(int(count), seconds, used, took[len(took) // 2] / 1000, took[len(took) * 99 // 100] / 1000)


def program(*command, seconds=60):
    """One of our bare clients, which says itself what it did."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True,
                          timeout=seconds)
    return Sample(**json.loads(done.stdout))


def paced(binary, port, path, rate, connections, seconds, body, *pids):
    """http_calls' load, at a fixed and even rate: what it cost these processes, and how long a call took."""
    before = cpu_seconds(*pids)
    sample = program(binary, port, path, connections, rate, seconds, body)
    sample.cpu = cpu_seconds(*pids) - before
    return sample


def rounds(contenders, count):
    """A list of samples for each name; who begins changes from round to round."""
    samples = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(count):
        for place in range(len(names)):
            name = names[(number + place) % len(names)]
            samples[name].append(contenders[name]())
    return samples


@dataclass
class Ratio:
    """What was found, and its range over the rounds."""
    median: float
    low: float
    high: float


def each_round(of, *samples):
    """Of what `of` says of one sample of each of these lists, round by round."""
    found = [of(*one) for one in zip(*samples)]
    return Ratio(statistics.median(found), min(found), max(found))


def ratio(ours, theirs, of):
    """Of what `of` says of a sample: ours to theirs."""
    return each_round(lambda one, other: of(one) / of(other), ours, theirs)
