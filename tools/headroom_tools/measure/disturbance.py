"""Which launches were disturbed: judged by what else went on, never by the kernels' times.

To look at those would bias them: the slow half of all launches would be measured again. What
counts is what the benchmark program saw from its first round to its last (bench/conditions.h), as
shares of that stretch, and what a loop that has nothing to do with the kernels took between the
rounds (bench/sentinel.h). bench/README.md has the measurements behind the limits.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from statistics import median
from typing import NamedTuple, TypedDict

from headroom_tools.base.text import counted, five
from headroom_tools.measure import readings
from headroom_tools.measure.types import CatalogueKernel, Conditions, Launch, LaunchKey, Output
from headroom_tools.record import sentinel
from headroom_tools.record.types import Launched

# By kind of disturbance: the largest share of a launch, and the seconds that it must come to at
# least (ticks of 10 ms, and a launch of 20 ms, tell nothing of smaller ones).
#   waited: a thread of ours was ready to run and waited for its core
#   stolen: the hypervisor ran others instead of this machine's CPUs
#   others: other programs ran, on any core: they share caches, memory, power and hardware threads
#   throttled: a control group stopped us, for its share of the CPUs' time was used up
LIMITS = {
    "waited": (0.025, 0.002),
    "stolen": (0.05, 0.03),
    "others": (0.10, 0.04),
    "throttled": (0.025, 0.002),
}
REPEAT_SHARE = 0.2  # of the launches so far that may be measured again


def read(out: Output) -> Conditions | None:
    """The conditions in a launch's output as the run keeps them; None where it has none."""
    told = out.get("conditions")
    if not isinstance(told, dict):
        return None
    seconds, switches = readings.number(told.get("seconds")), readings.number(told.get("switches"))
    if not seconds:
        return None
    told_of = out.get("sentinel") or {}
    spent = [readings.number(told.get(f"{name}_s")) for name in LIMITS]
    waited, stolen, others, throttled = (
        None if value is None else value / seconds for value in spent
    )
    own = readings.of(out)
    again = readings.number(told_of.get("rounds_again")) if own else None
    waited_s = readings.number(told_of.get("waited_s")) if own else None
    found: Conditions = {
        "seconds": seconds,
        "waited": waited,
        "stolen": stolen,
        "others": others,
        "switches": None if switches is None else int(switches),
        "sentinel": readings.slowest(own) if own else None,
        "sentinel_min": min(own["ns"]) if own else None,
        "rounds_again": None if again is None else int(again),
        "quiet_wait": waited_s,
    }
    if throttled is not None:
        found["throttled"] = throttled
    return found


def _shares(conditions: Conditions | None) -> dict[str, float | None]:
    """The shares that LIMITS has limits for; {} where nothing is known."""
    if conditions is None:
        return {}
    return {
        "waited": conditions["waited"],
        "stolen": conditions["stolen"],
        "others": conditions["others"],
        "throttled": conditions.get("throttled"),
    }


def conditions_of(tree: Launch) -> list[Conditions]:
    """The conditions of a launch's attempts, the one that was kept first."""
    found = [tree.get("conditions"), tree.get("discarded")]
    return [conditions for conditions in found if conditions]


class Verdict(NamedTuple):
    """How far beyond its limit the worst of an attempt's conditions is, and which one that is."""

    score: float = 0.0
    cause: str | None = None

    @property
    def disturbed(self) -> bool:
        return self.score > 1


class Judge:
    """Judges launches (as runner.py keeps them) by all that is known so far."""

    def __init__(self, kernels: dict[str, CatalogueKernel], launches: dict[LaunchKey, Launch]):
        self._kernels = kernels
        self._launches = launches
        seen: dict[str, list[Conditions]] = {}
        for (name, index), tree in launches.items():
            if index > 0:
                seen.setdefault(name, []).extend(conditions_of(tree))
        self._seen = seen
        # Of the attempts that were kept: most others are slow, and would pass for the machine.
        told = []
        for (name, index), tree in launches.items():
            conditions = tree.get("conditions")
            value = self._reading(name, conditions) if conditions else None
            if value is not None:
                told.append((tree.get("start", 0.0), sentinel.Told(name, value, index > 0)))
        self._told = told
        self._learn()

    def _reading(self, kernel: str, conditions: Conditions) -> float | None:
        """What the sentinel says of an attempt; None where it was not read."""
        noise_class = self._kernels[kernel]["noise_class"]
        return sentinel.speaks(
            noise_class, conditions.get("sentinel"), conditions.get("sentinel_min")
        )

    def _learn(self) -> None:
        self._told.sort()
        self._starts = [start for start, _ in self._told]
        self._expected = sentinel.expected([one for _, one in self._told])

    def hear(self, kernel: str, value: float, start: float) -> None:
        """Of what ran after the launches: what the sentinel came to beside it. It tells the speed
        of the machine then, and nothing of what a kernel does."""
        self._told.append((start, sentinel.Told(kernel, value, False)))
        self._learn()

    def reference(self) -> float | None:
        """What the sentinel's loop takes on this machine now; None before the first readings."""
        return self._expected.references[-1] if self._starts else None

    def slowed(self, kernel: str, value: float, start: float) -> bool:
        """Whether a reading beside a kernel says that a neighbour had a part of its core."""
        return self._slower(kernel, value, start) > sentinel.LIMIT

    def _slower(self, kernel: str, value: float, start: float) -> float:
        """How much slower the sentinel was than it should be beside a kernel then, as a share."""
        if not self._starts:
            return 0.0
        at = max(0, bisect_right(self._starts, start) - 1)
        return self._expected.slower(kernel, value, at)

    def _own(self, kernel: str, kind: str) -> float:
        """The share that a kernel brings on itself: what most of its launches have.

        Files are written by threads of the kernel, and programs of several threads wait for each
        other; what runs on one core and touches no file has no such excuse.
        """
        own = sentinel.makes_others_run(self._kernels[kernel]["noise_class"])
        if kind in ("stolen", "throttled") or not own:
            return 0.0
        values = [_shares(conditions)[kind] for conditions in self._seen.get(kernel, ())]
        known = [value for value in values if value is not None]
        return median(known) if known else math.inf  # a pilot: nothing to compare it with yet

    def verdict(self, kernel: str, conditions: Conditions | None, start: float = 0.0) -> Verdict:
        """What is thought of an attempt. start: of the launch, in seconds since the run's."""
        if conditions is None:
            return Verdict()
        worst = Verdict()
        several = self._kernels[kernel]["noise_class"] == "threads"
        several = several or len(self._kernels[kernel]["threads"]) > 1
        shares = _shares(conditions)
        for kind, (share, seconds) in LIMITS.items():
            found = shares.get(kind)
            if found is None or (kind == "waited" and several):
                continue
            excess = found - self._own(kernel, kind)
            if excess * conditions["seconds"] >= seconds:
                worst = max(worst, Verdict(excess / share, kind), key=lambda one: one.score)
        value = self._reading(kernel, conditions)
        if value is not None:
            score = self._slower(kernel, value, start) / sentinel.LIMIT
            worst = max(worst, Verdict(score, "sentinel"), key=lambda one: one.score)
        return worst

    def _kept(self, tree: Launch) -> Verdict:
        """What is thought of the attempt of a launch that was kept."""
        return self.verdict(tree["kernel"], tree.get("conditions"), tree.get("start", 0.0))

    def _verdicts(self, tree: Launch) -> list[Verdict]:
        """What is thought of a launch's attempts, the one that was kept first."""
        start = tree.get("start", 0.0)
        return [self.verdict(tree["kernel"], one, start) for one in conditions_of(tree)]

    def attempts(self, tree: Launch) -> tuple[int, int]:
        """(attempts of a launch, how many of them were disturbed)."""
        return tree.get("attempts", 1), sum(one.disturbed for one in self._verdicts(tree))

    def cause(self, tree: Launch) -> str | None:
        """What disturbed a launch most, in all its attempts; None where nothing did."""
        worst = max(self._verdicts(tree), key=lambda one: one.score, default=Verdict())
        return worst.cause if worst.disturbed else None

    def to_repeat(self, pilots: bool = False) -> list[tuple[str, int]]:
        """The launches that were disturbed and may be measured again, the worst first.

        pilots: of the pilots, else of the launches that are timed.
        """
        timed = {key: tree for key, tree in self._launches.items() if (key[1] == 0) is pilots}
        repeated = sum(tree.get("attempts", 1) > 1 for tree in timed.values())
        allowed = math.ceil(REPEAT_SHARE * len(timed)) - repeated
        found = []
        for key, tree in timed.items():
            if tree["status"] == "ok" and tree.get("attempts", 1) == 1:
                verdict = self._kept(tree)
                if verdict.disturbed:
                    found.append((-verdict.score, key))
        return [key for _, key in sorted(found)[: max(0, allowed)]]

    def better(self, first: Launch, again: Launch) -> Launch:
        """What is kept of two attempts: the one under better conditions, or the one that failed."""
        kept, other = first, again
        if again["status"] != "ok" or self._kept(again).score < self._kept(first).score:
            kept, other = again, first
        made = kept.copy()
        made["attempts"] = 2
        made["discarded"] = other.get("conditions")
        made["extra_seconds"] = other["seconds"]
        return made


def seconds_of(tree: Launch) -> float:
    """Seconds that a launch took, all its attempts together."""
    return tree["seconds"] + extra_seconds_of(tree)


def extra_seconds_of(tree: Launch) -> float:
    """Of them, those of the attempt that was not kept."""
    return tree.get("extra_seconds", 0.0)


def pilots_note(
    kernels: dict[str, CatalogueKernel], launches: dict[LaunchKey, Launch]
) -> str | None:
    """What the record says of disturbed pilots; None where there was none."""
    judge = Judge(kernels, launches)
    judged = [judge.attempts(tree) for (_, index), tree in launches.items() if index == 0]
    if not any(disturbed for _, disturbed in judged):
        return None
    repeated = sum(attempts > 1 for attempts, _ in judged)
    remaining = sum(attempts == disturbed for attempts, disturbed in judged)
    count = sum(disturbed > 0 for _, disturbed in judged)
    of = counted(len(judged), "pilot")
    were, again = ("was" if number == 1 else "were" for number in (count, repeated))
    return (
        f"{count} of {of} {were} disturbed, {repeated or 'none'} {again} run again, "
        f"{remaining or 'none'} stayed disturbed"
    )


class Columns(TypedDict, total=False):
    """The columns of run.json's `launches` that say how each went."""

    attempts: list[int]
    disturbed: list[int]
    waited: Launched
    stolen: Launched
    others: Launched
    throttled: Launched
    switches: list[int | None]
    sentinel: Launched
    sentinel_min: Launched
    slow_rounds: list[int | None]
    rounds_again: list[int | None]
    quiet_wait: Launched
    cause: list[str | None]


def columns(kernels: dict[str, CatalogueKernel], launches: list[Launch]) -> Columns:
    """How each launch went; {} where nothing is known."""
    if not any(tree.get("conditions") for tree in launches):
        return {}
    judge = Judge(kernels, {(tree["kernel"], tree["launch"]): tree for tree in launches})
    judged = [judge.attempts(tree) for tree in launches]
    known = [tree.get("conditions") for tree in launches]

    def shares(name: str) -> Launched:
        values = [_shares(conditions).get(name) for conditions in known]
        return [None if value is None else five(round(value, 3)) for value in values]

    middles = [conditions.get("sentinel") if conditions else None for conditions in known]
    waits = [conditions.get("quiet_wait") if conditions else None for conditions in known]
    leasts = [conditions.get("sentinel_min") if conditions else None for conditions in known]

    columns_: Columns = {
        "attempts": [attempts for attempts, _ in judged],
        "disturbed": [disturbed for _, disturbed in judged],
        "waited": shares("waited"),
        "stolen": shares("stolen"),
        "others": shares("others"),
        "switches": [conditions["switches"] if conditions else None for conditions in known],
        "sentinel": [five(value) for value in middles],
        "sentinel_min": [five(value) for value in leasts],
        "slow_rounds": [
            None
            if middle is None
            else sum(ladder.get("slow_rounds", 0) for ladder in tree["ladders"])
            for middle, tree in zip(middles, launches)
        ],
        "rounds_again": [c.get("rounds_again") if c else None for c in known],
        "quiet_wait": [None if wait is None else five(round(wait, 3)) for wait in waits],
        "cause": [judge.cause(tree) for tree in launches],
    }
    if any("throttled" in conditions for conditions in known if conditions):
        columns_["throttled"] = shares("throttled")
    return columns_
