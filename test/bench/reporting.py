"""What a benchmark prints, and the folder that one part of it works in."""
import contextlib
import os

from measuring import Ratio
from support.kafka import Kafka
from support.places import fresh_folder
from support.rabbit import Rabbit

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "3"))


class Report:
    """Lines as they come, and how many goals were met and missed."""

    def __init__(self):
        self.met, self.missed = 0, 0

    def title(self, text):
        print(f"\n{text}", flush=True)

    def line(self, what, found, unit="", most=None, least=None):
        """`found`: a Ratio or a number; `most`, `least`: the goal."""
        value, spread = found, ""
        if isinstance(found, Ratio):
            value, spread = found.median, f"({found.low:.2f} to {found.high:.2f})"
        text = f"  {what:<52} {value:6.2f}{unit:<3} {spread:<17}"
        if most is not None or least is not None:
            good = value <= most if most is not None else value >= least
            goal = f"≤ {most:g}{unit}" if most is not None else f"≥ {least:g}{unit}"
            text += f" goal {goal:<8} {'met' if good else 'missed'}"
            self.met += good
            self.missed += not good
        print(text.rstrip(), flush=True)

    def note(self, text):
        print(f"  {text}", flush=True)


class Bench:
    """The folder of a part and what runs in it; everything is ended at its end."""

    def __init__(self, name):
        self.folder = fresh_folder("bench", name)
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def keep(self, thing):
        self._stack.callback(thing.stop)
        return thing

    def rabbit(self):
        (self.folder / "rabbit").mkdir()
        return self.keep(Rabbit(self.folder / "rabbit").start())

    def kafka(self):
        """A node with one topic that keeps little."""
        (self.folder / "kafka").mkdir()
        node = self.keep(Kafka(self.folder / "kafka", {"log.retention.check.interval.ms": 2000})).start()
        node.create_topic("bench.events", retention_bytes=64 << 20, segment_bytes=32 << 20, file_delete_delay_ms=1000)
        return node


def cost(sample):
    return sample.cost


def rate(sample):
    return sample.rate
