"""The sentinel's readings, a launch's median each: what the core was worth over a run.

A launch is held against the run's best. Where most of the launches around it are beyond the limit
too, the machine itself has another speed there (a laptop grew hot, a neighbour stays), and to
measure again gains nothing: then they are what a launch is held against.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Iterable, NamedTuple, Sequence

from headroom_tools.record.types import Run

LIMIT = 0.05  # slower than its reference by more, a launch was disturbed
LEAST_WINDOW = 20  # launches around a launch, at least; else as many as a pass has


def window_of(kernels: Iterable[object]) -> int:
    """How many launches in a row tell the speed of the machine itself: those of a pass.

    kernels: of each launch. What takes whole passes is the machine's; what ends sooner is an event.
    """
    return max(LEAST_WINDOW, len(set(kernels)))


def references(values: Sequence[float], window: int) -> list[float]:
    """What each launch is held against. values: of all launches, in the order of time."""
    best = min(values, default=0.0)
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
        middle = around[(len(around) - 1) // 2]
        found.append(best if middle <= best * (1 + LIMIT) else middle)
    return found


class OverRun(NamedTuple):
    """What a record's readings come to.

    best: ns of an iteration in the fastest launch. spread: how much slower the slowest one's is, as
    a share. slowed: launches that were held against those around them, because the machine itself
    was slower than at its best; by: by how much at most. rounds: left out beside a slow reading.
    again: run again for that; waited: seconds that launches waited for a quiet core.
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
    rows = sorted(
        (start or 0.0, index, value)
        for index, (start, value) in enumerate(zip(table["start"], table["sentinel"]))
        if value is not None
    )
    if not rows:
        return None
    values = [value for _, _, value in rows]
    best = min(values)
    held = [one for one in references(values, window_of(table["kernel"])) if one > best]
    by = max(held, default=best) / best - 1
    rounds = sum(count or 0 for count in table["slow_rounds"])
    again = sum(count or 0 for count in table.get("rounds_again", []))
    waited = sum(seconds or 0.0 for seconds in table.get("quiet_wait", []))
    return OverRun(best, max(values) / best - 1, len(held), by, rounds, again, waited)
