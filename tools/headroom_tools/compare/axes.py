"""Axis indices: one figure for each resource, and what it is worth."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Sequence

import numpy

from headroom_tools import stats
from headroom_tools.compare import between_runs, sweeps
from headroom_tools.compare.between_runs import CELLS, KEPT, SHARED, SHARED_FREEDOM, Runs
from headroom_tools.compare.leans import Caches
from headroom_tools.compare.loaded import key_of
from headroom_tools.compare.rows import best_of, key_of_row
from headroom_tools.compare.sides import Side
from headroom_tools.compare.sweeps import Fastest
from headroom_tools.compare.types import AxisIndex, CellKey, Index, Row
from headroom_tools.record.types import Kernel

if TYPE_CHECKING:
    from headroom_tools.compare.between_runs import Floats

# A cell on BASE and one on NEW, and by kernel those that are held against each other.
Pair = tuple[CellKey, CellKey]
Pairs = dict[str, list[Pair]]


def over_kernels(values: Floats, kernels: list[list[int]]) -> Floats:
    """By column, the mean over kernels of the means over their rows: each kernel counts once.

    A row's missing values are filled with its mean, so that every column weighs alike.
    """
    filled = numpy.where(numpy.isnan(values), between_runs.mean_of(values)[:, None], values)
    total = numpy.zeros(values.shape[1])
    for rows in kernels:
        total += filled[rows].mean(axis=0) / len(kernels)
    return total


def prior_of(axis: str, base: Runs, new: Runs, kernels: list[list[int]]) -> float:
    """The variance of an index that is expected of a run; NaN with too few launches.

    Two parts: what all cells of the axis share in a run (the clock, the neighbours) does not
    average out; what each kernel has of its own does.
    """
    own = between_runs.expected(base, new, [axis] * len(base.value), CELLS)
    of_kernels = [float(own[rows].mean()) for rows in kernels]
    return SHARED[axis] ** 2 + KEPT * sum(of_kernels) / len(kernels) ** 2


def index_of(axis: str, base: Runs, new: Runs, kernels: list[list[int]]) -> Index:
    """Ratio and interval of an axis, of the rows of its cells. kernels: the rows of each."""
    old, now = (
        Runs(over_kernels(side.value, kernels)[None, :], numpy.zeros((1, 0)))
        for side in (base, new)
    )
    prior = numpy.array([prior_of(axis, base, new, kernels)])
    found = between_runs.moderated(old, now, prior, numpy.array([SHARED_FREEDOM]))
    mean, half = float(found.mean[0]), float(between_runs.halves(found)[0])
    known = not math.isnan(half)
    return {
        "ratio": stats.factor_of(mean),
        "lo": stats.factor_of(mean - half) if known else None,
        "hi": stats.factor_of(mean + half) if known else None,
    }


def _index(base: Side, new: Side, axis: str, pairs: Pairs) -> Index:
    """The same for pairs of cells: by kernel, as (key on BASE, key on NEW)."""
    cells = [pair for own in pairs.values() for pair in own]
    swept = any(old[4] != now[4] for old, now in cells)
    sides = []
    for at, side in enumerate((base, new)):
        keys = [pair[at] for pair in cells]
        rows = [side.numbers.index[key] for key in keys]
        sides.append(sweeps.costs(side, keys) if swept else side.numbers.runs.rows(rows))
    kernels, first = [], 0
    for own in pairs.values():
        kernels.append(list(range(first, first + len(own))))
        first += len(own)
    return index_of(axis, sides[0], sides[1], kernels)


def _counts(kernel: Kernel) -> bool:
    return not (kernel["placebo"] or kernel["probe"])


def _best_pairs(
    base: Side, new: Side, known: set[CellKey], swept: list[Fastest]
) -> list[Pair]:
    """The cells of each side's own fastest variant, of those that both have: by ladder, or of a
    whole sweep."""
    places = {pair.place for pair in swept}
    pairs: list[Pair] = []
    for ladder in base.rungs:
        if (ladder[0], ladder[1], ladder[2], ladder[4]) in places:
            continue
        best = [best_of(side, ladder, known) for side in (base, new)]
        if best[0] is not None and best[1] is not None:
            pairs.append((key_of(best[0]), key_of(best[1])))
    old = {pair.place: pair.base for pair in swept if pair.best_base}
    now = {pair.place: pair.new for pair in swept if pair.best_new}
    return pairs + [(key, now[place]) for place, key in old.items() if place in now]


def axes_of(
    base: Side, new: Side, rows: list[Row], swept: Sequence[Fastest] = ()
) -> list[AxisIndex]:
    """The geometric mean of each axis's kernels, each counting once, with an interval.

    swept: pairs of cells that count instead of those of their sweeps: what more cores buy shows at
    each side's own fastest thread count, and a baseline of one thread says nothing of it.

    `least` and `most` are the kernels' own ratios, `kernels` and `of` how many both sides have of
    those that either has. `naive` and `best` are the same index over the baselines and over each
    side's fastest variants alone: whether careless code gains more than good code. Placebos and
    probes don't count.
    """
    leans = {key_of_row(row): row["axis"] for row in rows}
    cells = [key for key in leans if _counts(new.cells[key].kernel)]
    caches = Caches(base.machine, new.machine)
    known: dict[str, set[str]] = defaultdict(set)
    for side in (base, new):
        for cell in side.cells.values():
            if _counts(cell.kernel):
                known[caches.axis_of(cell)].add(cell.kernel["name"])
    everything: dict[str, Pairs] = defaultdict(lambda: defaultdict(list))
    naive: dict[str, Pairs] = defaultdict(lambda: defaultdict(list))
    best: dict[str, Pairs] = defaultdict(lambda: defaultdict(list))
    gains = {(key_of_row(row), key_of_row(row)): math.log(row["ratio"]) for row in rows}
    places = {pair.place for pair in swept}
    for key in cells:
        cell = new.cells[key]
        if sweeps.place_of(key) not in places:
            everything[leans[key]][key[0]].append((key, key))
        if cell.variant == cell.baseline == base.cells[key].baseline:
            naive[leans[key]][key[0]].append((key, key))
    for one, gain in zip(swept, sweeps.gains(base, new, list(swept))):
        gains[one.base, one.new] = gain
        leaning = caches.axis_of(new.cells[one.new])
        everything[leaning][one.new[0]].append((one.base, one.new))
    for pair in _best_pairs(base, new, set(cells), list(swept)):
        best[caches.axis_of(new.cells[pair[1]])][pair[1][0]].append(pair)
    axes: list[AxisIndex] = []
    for axis, kernels in sorted(everything.items()):
        own = [
            stats.factor_of(sum(gains[pair] for pair in pairs) / len(pairs))
            for pairs in kernels.values()
        ]
        index = _index(base, new, axis, kernels)
        axes.append(
            {
                "axis": axis,
                "ratio": index["ratio"],
                "lo": index["lo"],
                "hi": index["hi"],
                "kernels": len(kernels),
                "of": len(known[axis]),
                "least": min(own),
                "most": max(own),
                "naive": _index(base, new, axis, naive[axis]) if naive[axis] else None,
                "best": _index(base, new, axis, best[axis]) if best[axis] else None,
            }
        )
    return axes
