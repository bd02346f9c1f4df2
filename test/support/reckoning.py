"""What the promises say, counted: one function for every fault.

An event that was acknowledged has been carried out or is a dead letter with its reason; a call that was answered
"not executed" never reached the service; every call ended by its deadline; an answer is the caller's own."""
from dataclasses import dataclass

from support.waiting import patient, wait_until

MARGIN = 3.0


@dataclass
class Account:
    """What a load left behind: outcomes by question, what the service got and finished, the dead letters."""
    outcomes: list
    arrived: set
    finished: set
    dead: dict

    @property
    def acknowledged(self):
        return {outcome.question for outcome in self.outcomes if outcome.status == 202}

    @property
    def refused_unexecuted(self):
        return {outcome.question for outcome in self.outcomes if outcome.executed == "no"}

    @property
    def missing(self):
        return self.acknowledged - self.finished - self.dead.keys()

    def summary(self):
        statuses = {}
        for outcome in self.outcomes:
            key = f"{outcome.status} {outcome.reason or ''} {outcome.executed or ''}".strip()
            statuses[key] = statuses.get(key, 0) + 1
        told = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
        longest = max((outcome.took for outcome in self.outcomes), default=0)
        lag = max((outcome.lag for outcome in self.outcomes), default=0)
        return (f"{told}; {len(self.arrived)} arrived, {len(self.finished)} finished, {len(self.dead)} dead; "
                f"the longest took {longest:.1f} s, where the load itself was up to {lag:.1f} s late")


class Books:
    """Keeps the account of one world and one path; dead letters are collected from the broker as they appear."""

    def __init__(self, world, path, queue):
        self.world, self.path, self.queue, self.dead = world, path, queue, {}

    def account(self, outcomes):
        received = self.world.service.received(self.path)
        return Account(outcomes, {request.body for request in received},
                       {request.body for request in received if request.status and request.status < 300}, self.dead)

    def settle(self, outcomes, seconds=90, stored=frozenset()):
        """Waits until nothing is missing that was acknowledged or is known to be stored; returns the final account."""
        def done():
            self._collect_dead()
            account = self.account(outcomes)
            return not account.missing and not stored - account.finished - account.dead.keys()
        wait_until(done, seconds, lambda: f"nothing is missing; {self._tell(outcomes)}", every=0.25)
        return self.account(outcomes)

    def _tell(self, outcomes):
        account = self.account(outcomes)
        return f"missing {len(account.missing)}: {sorted(account.missing)[:5]}; {account.summary()}"

    def _collect_dead(self):
        self.dead.update((letter.body, letter) for letter in self.world.dead_letters(self.queue))


def check_promises(account, deadline):
    """The invariants; `deadline` is the route's timeout in seconds."""
    assert not account.missing
    did_happen = account.refused_unexecuted & (account.arrived | account.dead.keys())
    assert not did_happen, f'answered executed="no", and yet there: {sorted(did_happen)[:5]}'
    late = [outcome for outcome in account.outcomes if outcome.took > deadline + patient(MARGIN) + outcome.lag]
    assert not late, f"{len(late)} calls ended late, such as {late[0]}"
    nameless = [letter for letter in account.dead.values() if not reason_of(letter)]
    assert not nameless, f"dead letters without a reason, such as {nameless[0].headers}"
    foreign = [outcome for outcome in account.outcomes if outcome.status == 200 and outcome.body != outcome.question]
    assert not foreign, f"{len(foreign)} answers were another call's, such as {foreign[0]}"
    unnamed = [outcome for outcome in account.outcomes if outcome.status in (502, 503, 504) and not (
        outcome.executed in ("no", "unknown") and outcome.headers.get("proxy-status"))]
    assert not unnamed, f"{len(unnamed)} refusals do not say whether it happened, such as {unnamed[0]}"


def reason_of(letter):
    """The reason that a dead letter keeps, or None."""
    return next((value for name, value in letter.headers.items()
                 if name.startswith("shunt-") and name.endswith("reason")), None)
