"""What more cores buy: each side's fastest thread count, where the two ran different ones.

Only cells that both sides have make rows: of 64 cores against 2 these are what one and two threads
do. So of a kernel whose subject is cores, where the sides' thread counts differ, each variant's
fastest count on BASE is held against its fastest on NEW.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy

from headroom_tools.compare import between_runs
from headroom_tools.compare.between_runs import Runs
from headroom_tools.compare.leans import Caches
from headroom_tools.compare.rows import judged
from headroom_tools.compare.sides import Side
from headroom_tools.compare.types import CellKey, SweepRow
from headroom_tools.record.types import ParamsKey
from headroom_tools.show.rows import BAND

if TYPE_CHECKING:
    from headroom_tools.compare.between_runs import Floats

AXIS = "cores"
# kernel, n, input, params: what a sweep is of
Place = tuple[str, int, str, ParamsKey]


class Fastest(NamedTuple):
    """A variant at its fastest thread count on BASE, and on NEW. best_base, best_new: whether it is
    its side's fastest of all that keep the baseline's promise."""

    base: CellKey
    new: CellKey
    best_base: bool
    best_new: bool

    @property
    def place(self) -> Place:
        """Which sweep it belongs to."""
        return place_of(self.base)


def place_of(key: CellKey) -> Place:
    """The sweep that a cell belongs to, if it belongs to any."""
    return key[0], key[2], key[3], key[5]


def _work(side: Side, key: CellKey) -> float:
    """The log of the items of a call, where it is judged by time: they may go with threads."""
    cell = side.cells[key]
    return math.log(cell.items) if cell.by_time and cell.items > 0 else 0.0


def costs(side: Side, keys: list[CellKey]) -> Runs:
    """What each run has of some cells, in logs and for an item, so that less is better."""
    work = numpy.array([_work(side, key) for key in keys]).reshape(-1, 1)
    own = side.numbers.runs.rows([side.numbers.index[key] for key in keys])
    return Runs(own.value - work, own.variance)


def _sweeps(side: Side) -> dict[tuple[Place, str], dict[int, CellKey]]:
    """The cells that have a figure of kernels about cores, by variant and thread count."""
    found: dict[tuple[Place, str], dict[int, CellKey]] = defaultdict(dict)
    for key, value in zip(side.cells, side.numbers.value.tolist()):
        kernel = side.cells[key].kernel
        if kernel["axis"] == AXIS and not (kernel["probe"] or kernel["placebo"]):
            if not math.isnan(value):
                found[place_of(key), key[1]][key[4]] = key
    return found


def _fastest(side: Side, cells: dict[int, CellKey]) -> tuple[CellKey, float]:
    keys = list(cells.values())
    values = between_runs.mean_of(costs(side, keys).value)
    at = int(numpy.argmin(values))
    return keys[at], float(values[at])


def fastest_of(base: Side, new: Side) -> list[Fastest]:
    """A pair for each variant that both sides swept, over thread counts that differ because one
    has more threads; where a count failed there is nothing to hold others against it."""
    if base.run["threads_available"] == new.run["threads_available"]:
        return []
    sweeps = [_sweeps(side) for side in (base, new)]
    found: list[tuple[CellKey, CellKey]] = []
    best: list[dict[Place, tuple[float, CellKey]]] = [{}, {}]
    for where, own in sweeps[0].items():
        other = sweeps[1].get(where)
        if other is None or set(own) == set(other) or max(*own, *other) == 1:
            continue
        one, another = next(iter(own.values())), next(iter(other.values()))
        if base.cells[one].measure != new.cells[another].measure:
            continue
        pair = []
        for side, cells, leading in zip((base, new), (own, other), best):
            key, cost = _fastest(side, cells)
            pair.append(key)
            if not side.cells[key].lacks and cost < leading.get(where[0], (math.inf, key))[0]:
                leading[where[0]] = cost, key
        found.append((pair[0], pair[1]))
    firsts = [{key for _, key in leading.values()} for leading in best]
    return [Fastest(old, now, old in firsts[0], now in firsts[1]) for old, now in found]


def gains(base: Side, new: Side, pairs: list[Fastest]) -> list[float]:
    """By pair, the log of how much faster NEW is."""
    if not pairs:
        return []
    old = costs(base, [pair.base for pair in pairs]).value
    now = costs(new, [pair.new for pair in pairs]).value
    found: list[float] = (between_runs.mean_of(old) - between_runs.mean_of(now)).tolist()
    return found


def sweeps_of(base: Side, new: Side, pairs: list[Fastest], band: float = BAND) -> list[SweepRow]:
    """A row for each of `pairs`; a family of their own."""
    if not pairs:
        return []
    caches = Caches(base.machine, new.machine)
    axes = [caches.axis_of(new.cells[pair.new]) for pair in pairs]
    keys = [[pair.base for pair in pairs], [pair.new for pair in pairs]]
    sides = [costs(side, own) for side, own in zip((base, new), keys)]
    found = between_runs.differences(sides[0], sides[1], axes, between_runs.CELLS)
    told = judged(found, band)
    values = [_values(side, own) for side, own in zip((base, new), keys)]
    rows: list[SweepRow] = []
    for at, pair in enumerate(pairs):
        cell = base.cells[pair.base]
        rows.append(
            {
                "kernel": cell.kernel["name"],
                "variant": cell.variant,
                "n": cell.n,
                "input": cell.input,
                "params": cell.params,
                "axis": axes[at],
                "measure": cell.measure["name"],
                "unit": cell.measure["unit"],
                "base_threads": pair.base[4],
                "new_threads": pair.new[4],
                "base_value": float(values[0][at]),
                "new_value": float(values[1][at]),
                "best_base": pair.best_base,
                "best_new": pair.best_new,
                "ratio": told.ratio[at],
                "lo": told.lo[at],
                "hi": told.hi[at],
                "verdict": told.verdict[at],
                "adjusted": told.adjusted[at],
            }
        )
    return rows


def _values(side: Side, keys: list[CellKey]) -> Floats:
    """What each is judged by: the time of an item, or its measure in its unit."""
    values: Floats = side.numbers.value[[side.numbers.index[key] for key in keys]]
    return values / numpy.exp([_work(side, key) for key in keys])
