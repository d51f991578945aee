"""The sentinel's readings, a launch's median each: what the core was worth over a run.

A launch is held against the middle one of the launches around it. Against the fastest of all it
would not do: the more launches there are, the further below the others the fastest lies by chance,
and the more quiet ones look slow beside it. Where most launches around are slow the machine itself
has another speed there (a laptop grew hot, a neighbour stays), and to measure again gains nothing.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Iterable, NamedTuple, Sequence

from headroom_tools.record.types import Run

LIMIT = 0.05  # slower than its reference by more, a launch was disturbed
LEAST_WINDOW = 20  # launches around a launch, at least; else as many as a pass has
QUARTER = 4  # parts of which the fastest tells what a kernel does, and what the others around do
KNOWN_FROM = 3  # launches of a kernel that tell what it does to the sentinel


class Told(NamedTuple):
    """What a launch's readings come to (speaks). counts: whether that tells what its kernel does
    (no pilot does)."""

    kernel: str
    value: float
    counts: bool = True


def makes_others_run(noise_class: str) -> bool:
    """Whether a kernel of this noise class has threads, servers or the system at work for it on
    other cores than the one that the sentinel sees."""
    return noise_class in ("storage", "threads", "ranks")


def speaks(noise_class: str, middle: float | None, least: float | None) -> float | None:
    """Of a launch's readings the one that tells what the core was worth, by its kernel's class.

    The middle one, but where a kernel makes others run the least: they may have the core's other
    hardware thread, and are still at work when the round has ended, more or less by chance. That is
    the kernel's own doing. A neighbour that stays is in the least one too.
    """
    return least if middle is not None and makes_others_run(noise_class) else middle


def window_of(kernels: Iterable[object]) -> int:
    """How many launches in a row tell the speed of the machine itself: those of a pass.

    kernels: of each launch. What takes whole passes is the machine's; what ends sooner is an event.
    """
    return max(LEAST_WINDOW, len(set(kernels)))


def references(values: Sequence[float], window: int, parts: int = 2) -> list[float]:
    """Of each launch the middle one of the `window` around it, of two the faster. values: of all
    launches, in the order of time. parts: 4: where the fastest quarter ends, instead."""
    found = []
    around: list[float] = []
    first = last = 0  # around has values[first:last], sorted
    for at in range(len(values)):
        start = max(0, min(at - window // 2, len(values) - window))
        while last < min(len(values), start + window):
            insort(around, values[last])
            last += 1
        while first < start:
            del around[bisect_left(around, values[first])]
            first += 1
        found.append(around[(len(around) - 1) // parts])
    return found


class Expected(NamedTuple):
    """What the sentinel is held against. references: of each launch, those of `expected`; habits:
    by kernel how much slower the sentinel is beside it, as a factor."""

    references: list[float]
    habits: dict[str, float]

    def slower(self, kernel: str, value: float, at: int) -> float:
        """How much slower a reading is than it should be beside a kernel, at the time of launch
        number `at`, as a share."""
        return value / (self.references[at] * self.habits.get(kernel, 1.0)) - 1


def expected(launches: Sequence[Told]) -> Expected:
    """What launches, in the order of time, say that the sentinel should come to."""
    window = window_of(one.kernel for one in launches)
    habits = _habits(launches, references([one.value for one in launches], window, QUARTER))
    # Without what kernels do: where there are few, the middle one would be now of one, now of
    # another.
    own = [one.value / habits.get(one.kernel, 1.0) for one in launches]
    return Expected(references(own, window), habits)


def _habits(launches: Sequence[Told], around: Sequence[float]) -> dict[str, float]:
    """How much slower the sentinel is beside each kernel.

    Wide vectors lower the clock of some processors, and threads that spin after their work may have
    the core's other hardware thread: the kernel's own doing, not a disturbance. A single launch
    can't tell the two apart; the fastest quarter of several, spread over the run, can.
    """
    found: dict[str, list[float]] = {}
    for one, reference in zip(launches, around):
        if one.counts:
            found.setdefault(one.kernel, []).append(one.value / reference)
    return {
        kernel: max(1.0, sorted(ratios)[(len(ratios) - 1) // QUARTER])
        for kernel, ratios in found.items()
        if len(ratios) >= KNOWN_FROM
    }


class OverRun(NamedTuple):
    """What a record's readings come to.

    best: ns of an iteration in the fastest launch. spread: how much slower the slowest one's is, as
    a share. slowed: launches around which the machine itself was slower than at its best, as the
    fastest tenth of the launches have it; by: by how much at most. rounds: left out beside a slow
    reading. again: run again for that; waited: seconds that launches waited for a quiet core.
    """

    best: float
    spread: float
    slowed: int
    by: float
    rounds: int
    again: int
    waited: float


def over_run(run: Run) -> OverRun | None:
    """None where the record has no readings."""
    table = run["launches"]
    classes = [kernel["noise_class"] for kernel in run["kernels"]]
    columns = zip(table["start"], table["kernel"], table["sentinel"], table["sentinel_min"])
    rows = sorted(
        (start or 0.0, index, value)
        for index, (start, kernel, middle, least) in enumerate(columns)
        if (value := speaks(classes[kernel], middle, least)) is not None
    )
    if not rows:
        return None
    values = [value for _, _, value in rows]
    best = min(values)
    usual = sorted(values)[(len(values) - 1) // 10]
    names = [kernel["name"] for kernel in run["kernels"]]
    told = [Told(names[table["kernel"][index]], value) for _, index, value in rows]
    held = [one for one in expected(told).references if one > usual * (1 + LIMIT)]
    by = max(held, default=usual) / usual - 1
    rounds = sum(count or 0 for count in table["slow_rounds"])
    again = sum(count or 0 for count in table.get("rounds_again", []))
    waited = sum(seconds or 0.0 for seconds in table.get("quiet_wait", []))
    return OverRun(best, max(values) / best - 1, len(held), by, rounds, again, waited)
