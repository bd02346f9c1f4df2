"""Ten minutes of everything at once, with something broken now and then."""
import os
import random
import time

import pytest

from support.faults import FAULTS
from support.reckoning import Books, check_promises
from support.world import World

SECONDS = int(os.environ.get("SHUNT_SOAK_SECONDS", "600"))
RATE = {"sync": 100, "request_reply": 100, "event": 100}
SPARE = {"poison", "caller-killed"}


@pytest.mark.soak
@pytest.mark.limit(SECONDS + 600)
def test_mixed_load(breakable):
    dice = random.Random(os.environ.get("SHUNT_SEED", "1"))
    with World("soak", breakable, relays=True, timeout="3s", delivery_timeout="1500ms") as world:
        loads = {style: world.load(style, rate * SECONDS, rate=rate, connections=300) for style, rate in RATE.items()}
        end = time.monotonic() + SECONDS
        while time.monotonic() < end - 60:
            fault = dice.choice([fault for fault in FAULTS if fault.name not in SPARE])
            with fault.lasting(world):
                pass
            world.expect_normal(within=10)
        outcomes = {style: load.finish(SECONDS) for style, load in loads.items()}
        accounts = {"event": Books(world, "/event/load", world.events_queue).settle(outcomes["event"])}
        for style in ("sync", "request_reply"):
            accounts[style] = Books(world, f"/{style}/load", world.calls_queue).account(outcomes[style])
        for style, account in accounts.items():
            print(f"{style}: {account.summary()}")
            check_promises(account, 3)
