"""The sentinel's readings in a launch's output, and which rounds they speak against."""

from __future__ import annotations

import math
from statistics import median

from headroom_tools.measure.types import Output, Readings
from headroom_tools.record.sentinel import LIMIT

LEAST = 4  # readings of a launch: fewer tell nothing
LEAST_ROUNDS = 5  # that must be left of a ladder, or all stay


def number(value: object) -> float | None:
    """`value` where it is a number that can be a count or a time."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def of(out: Output) -> Readings | None:
    """The readings; None where they are none, or too few."""
    told = out.get("sentinel")
    if not isinstance(told, dict):
        return None
    columns = [told.get(name) for name in ("ns", "ladder", "round", "arm")]
    lists = [column for column in columns if isinstance(column, list)]
    rows = list(zip(*lists))
    if len(lists) < 4 or len({len(column) for column in lists}) > 1 or len(rows) < LEAST:
        return None
    for ns, ladder, round_, arm in rows:
        if None in (number(ns), number(ladder), number(round_)) or not 0 < ns <= 1e6:
            return None
        if arm is not None and number(arm) is None:
            return None
    return {
        "iterations": int(number(told.get("iterations")) or 0),
        "ns": [float(ns) for ns, _, _, _ in rows],
        "ladder": [int(ladder) for _, ladder, _, _ in rows],
        "round": [int(round_) for _, _, round_, _ in rows],
        "arm": [None if arm is None else int(arm) for _, _, _, arm in rows],
    }


def slowest(told: Readings) -> float:
    """ns of an iteration: of each ladder with LEAST readings their median, and of these the
    greatest. A neighbour that came for one ladder of several shows in the launch's verdict so."""
    by_ladder: dict[int, list[float]] = {}
    for ns, ladder in zip(told["ns"], told["ladder"]):
        by_ladder.setdefault(ladder, []).append(ns)
    middles = [median(found) for found in by_ladder.values() if len(found) >= LEAST]
    return max(middles, default=median(told["ns"]))


def slow_rounds(told: Readings, ladder: int, rounds: int) -> set[int]:
    """Of `rounds`, counted from 0, those beside which the sentinel was slow.

    Beside a round are the last reading before it and the first one after. Each is held against the
    fast ones after the same arm: what an arm does to the clock is no reason to leave out the rounds
    that it ends. Where hardly any would be left all stay, and the launch is judged as a whole.
    """
    places: dict[int, list[float]] = {}
    arms: dict[int, int | None] = {}
    for ns, where, round_, arm in zip(told["ns"], told["ladder"], told["round"], told["arm"]):
        if where == ladder:
            places.setdefault(round_, []).append(ns)
            arms[round_] = arm
    values = {round_: median(found) for round_, found in places.items()}
    by_arm: dict[int | None, list[float]] = {}
    for round_, value in values.items():
        by_arm.setdefault(arms[round_], []).append(value)
    fast = {arm: sorted(found)[len(found) // 10] for arm, found in by_arm.items()}
    slow = {
        round_ for round_, value in values.items() if value > fast[arms[round_]] * (1 + LIMIT)
    }
    found = set()
    before: int | None = None
    known = sorted(values)
    at = 0
    for round_ in range(rounds):  # between its place `round_` and the next
        while at < len(known) and known[at] <= round_:
            before = known[at]
            at += 1
        after = known[at] if at < len(known) else None
        if before in slow or after in slow:
            found.add(round_)
    return found if rounds - len(found) >= LEAST_ROUNDS else set()
