"""The faults: how each begins and ends, and how long it lasts: short for `make test`, as long as the issue asks for a
soak. `lasting` ends a fault even when the test between has failed, so that a broker stays usable."""
import contextlib
import os
import time
from dataclasses import dataclass
from typing import Callable

SOAK = os.environ.get("SHUNT_SOAK") == "1"


@dataclass
class Fault:
    name: str
    begin: Callable
    end: Callable
    short: float
    long: float
    takes: float = 0    # seconds beyond it until the end has happened
    meanwhile: Callable = lambda _, seconds: time.sleep(seconds)

    @property
    def seconds(self):
        return self.long if SOAK else self.short

    @contextlib.contextmanager
    def lasting(self, world):
        try:
            self.begin(world)
            self.meanwhile(world, self.seconds)
            yield
        finally:
            self.end(world)


def turn(mode, sides=(0, 1)):
    return lambda world: [world.relays[side].turn(mode) for side in sides]


def behave(*rules):
    return lambda world: world.service.behave(*rules)


def kill(name):
    return lambda world: getattr(world, name).kill()


def start(name):
    return lambda world: getattr(world, name).start()


def poison(world):
    world.service.behave({"body": " [0-9]*500$", "answer": {"crash": True}})
    world.service.keep_up()


FAULTS = [
    Fault("broker-killed", kill("rabbit"), start("rabbit"), 1, 1, takes=8),
    Fault("broker-paused", lambda world: world.rabbit.pause(), lambda world: world.rabbit.resume(), 5, 15),
    Fault("memory-alarm", lambda world: world.rabbit.memory_alarm(True),
          lambda world: world.rabbit.memory_alarm(False), 4, 15, takes=2),
    Fault("connection-cut", turn("cut"), turn("cut"), 1, 1),
    Fault("connection-refused", turn("refuse"), turn("pass"), 3, 15),
    Fault("black-hole", turn("black_hole"), turn("pass"), 6, 15),
    Fault("answer-lost", turn("lose_answers", [0]), turn("pass", [0]), 5, 15),
    Fault("answer-lost-to-callee", turn("lose_answers", [1]), turn("pass", [1]), 5, 15),
    Fault("caller-killed", kill("caller"), start("caller"), 0.5, 1),
    Fault("callee-killed", kill("callee"), start("callee"), 0.5, 1),
    Fault("service-killed", kill("service"), start("service"), 2, 15),
    Fault("service-hangs", behave({"answer": {"hang": True}}), behave(), 4, 15),
    Fault("service-answers-500", behave({"answer": {"status": 500}}), behave(), 6, 60),
    Fault("service-answers-404-to-some", behave({"body": "[37]$", "answer": {"status": 404}}), behave(), 4, 15),
    Fault("poison", poison, behave(), 6, 15),
]
