"""The faults of the scene with Kafka in its middle, in the shape of faults.py; a soak has some more of them."""
import time

from support.faults import SOAK, Fault, behave, kill, poison, start, turn
from support.shunt import Shunt

STUCK = "[ 05]7$"     # the questions of one key, of KEYS
FAILS = {"answer": {"status": 500}}


def _members_come_and_go(world, seconds):
    """Every two seconds one joins the group or leaves it, every third that leaves by kill -9."""
    others, steps, until = [], 0, time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            if len(others) < 2:
                others.append(Shunt(f"member{steps}", world.folder, world.callee.config).start(ready=False))
            elif steps % 3 == 2:
                others.pop(0).kill()
            else:
                others.pop(0).stop()
            steps += 1
            time.sleep(2)  # the fault itself: the group rebalances every 2 s
    finally:
        for member in others:
            member.stop()


def _cut_in_flight(world):
    """What was sent by then is in doubt, and an idempotent producer may lose its place over it."""
    world.kafka.pause()
    time.sleep(0.8)  # the fault itself: what is sent meanwhile has no answer yet
    turn("cut")(world)


def _resume(world):
    world.kafka.resume()


def _nothing(_):
    pass


FAULTS = [
    Fault("broker-killed", kill("kafka"), start("kafka"), 1, 1, takes=6),
    Fault("broker-paused", lambda world: world.kafka.pause(), _resume, 12, 20),
    Fault("connection-cut", turn("cut"), turn("cut"), 1, 1),
    Fault("connection-cut-in-flight", _cut_in_flight, _resume, 0.3, 0.3),
    Fault("black-hole", turn("black_hole"), turn("pass"), 5, 15),
    Fault("answer-lost", turn("lose_answers", [0]), turn("pass", [0]), 4, 15),
    Fault("caller-killed", kill("caller"), start("caller"), 0.5, 1),
    Fault("callee-killed", kill("callee"), start("callee"), 0.5, 1),
    Fault("members-come-and-go", _nothing, _nothing, 8, 60, meanwhile=_members_come_and_go),
    Fault("service-answers-500", behave(FAILS), behave(), 5, 60),
    Fault("poison-key", behave({"body": STUCK, **FAILS}), behave(), 5, 60),
]
if SOAK:
    FAULTS += [
        Fault("connection-refused", turn("refuse"), turn("pass"), 3, 15),
        Fault("answer-lost-to-callee", turn("lose_answers", [1]), turn("pass", [1]), 5, 15),
        Fault("service-killed", kill("service"), start("service"), 2, 15),
        Fault("service-answers-404-to-some", behave({"body": "[37]$", "answer": {"status": 404}}), behave(), 3, 15),
        Fault("poison", poison, behave(), 4, 15),
    ]
