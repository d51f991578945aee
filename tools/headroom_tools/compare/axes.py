"""Axis indices: one figure for each resource, with an interval that knows what a launch is."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy

from headroom_tools import stats
from headroom_tools.compare.rows import best_of, key_of_row
from headroom_tools.compare.sides import Side, key_of, spread_of
from headroom_tools.compare.types import AxisIndex, CellKey, Index, Row
from headroom_tools.record.types import Kernel, LadderKey

if TYPE_CHECKING:
    from headroom_tools.compare.sides import Floats

RESAMPLES = 1000
SEED = 1
# A cell on BASE and one on NEW, and by kernel those that are held against each other.
Pair = tuple[CellKey, CellKey]
Pairs = dict[str, list[Pair]]


def _profile(side: Side, kernels: list[list[CellKey]]) -> Floats:
    """By launch, the mean over kernels of the mean over their cells of log times.

    kernels: for each kernel the keys of its cells. A cell's missing launches are filled with its
    mean, so that every launch weighs alike.
    """
    total = numpy.zeros(side.numbers.logs.shape[1])
    for keys in kernels:
        at = [side.numbers.index[key] for key in keys]
        values = side.numbers.logs[at]
        filled = numpy.where(numpy.isnan(values), side.numbers.mean[at][:, None], values)
        total += filled.mean(axis=0) / len(kernels)
    return total


def _index(base: Side, new: Side, axis: str, pairs: Pairs) -> Index:
    """Ratio and interval of an axis. pairs: by kernel, its cells as (key on BASE, key on NEW).

    The interval is a bootstrap over launches (a launch of all kernels is drawn as one, since what
    disturbs a pass disturbs all of it), widened as Student's t is wider than the normal and by both
    sides' spread between runs, which the kernels of an axis share.
    """
    profiles = [
        _profile(side, [[pair[at] for pair in cells] for cells in pairs.values()])
        for at, side in enumerate((base, new))
    ]
    ratio = float(profiles[0].mean() - profiles[1].mean())
    entry: Index = {"ratio": stats.factor_of(ratio), "lo": None, "hi": None}
    if min(len(profile) for profile in profiles) < 2:
        return entry
    draw = numpy.random.default_rng(SEED)
    drawn = []
    for profile in profiles:
        count = len(profile)
        means = profile[draw.integers(0, count, (RESAMPLES, count))].mean(axis=1)
        # A bootstrap of few launches is too narrow: its variance lacks (n-1)/n, its tails t's.
        small = math.sqrt(count / (count - 1)) * stats.t_quantile(count - 1) / 1.96
        drawn.append((means - profile.mean()) * small)
    low, high = numpy.percentile(drawn[0] - drawn[1], [2.5, 97.5])
    drift = spread_of(base, axis) ** 2 + spread_of(new, axis) ** 2
    entry["lo"] = stats.factor_of(ratio - math.sqrt(low**2 + drift))
    entry["hi"] = stats.factor_of(ratio + math.sqrt(high**2 + drift))
    return entry


def _counts(kernel: Kernel) -> bool:
    return not (kernel["placebo"] or kernel["probe"])


def _best_pairs(base: Side, new: Side, known: set[CellKey]) -> dict[LadderKey, Pair]:
    """By ladder, the cells of each side's own fastest variant, of those that both have."""
    pairs: dict[LadderKey, Pair] = {}
    for ladder in base.rungs:
        best = [best_of(side, ladder, known) for side in (base, new)]
        if best[0] is not None and best[1] is not None:
            pairs[ladder] = (key_of(best[0]), key_of(best[1]))
    return pairs


def axes_of(base: Side, new: Side, rows: list[Row]) -> list[AxisIndex]:
    """The geometric mean of each axis's kernels, each counting once, with an interval.

    `least` and `most` are the kernels' own ratios, `kernels` and `of` how many both sides have of
    those that either has. `naive` and `best` are the same index over the baselines and over each
    side's fastest variants alone: whether careless code gains more than good code. Placebos and
    probes don't count.
    """
    cells = [key_of_row(row) for row in rows]
    cells = [key for key in cells if _counts(new.cells[key].kernel)]
    known: dict[str, set[str]] = defaultdict(set)
    for side in (base, new):
        for cell in side.cells.values():
            if _counts(cell.kernel):
                known[cell.kernel["axis"]].add(cell.kernel["name"])
    everything: dict[str, Pairs] = defaultdict(lambda: defaultdict(list))
    naive: dict[str, Pairs] = defaultdict(lambda: defaultdict(list))
    best: dict[str, Pairs] = defaultdict(lambda: defaultdict(list))
    for key in cells:
        cell = new.cells[key]
        everything[cell.kernel["axis"]][key[0]].append((key, key))
        if cell.variant == cell.baseline == base.cells[key].baseline:
            naive[cell.kernel["axis"]][key[0]].append((key, key))
    for pair in _best_pairs(base, new, set(cells)).values():
        axis = new.cells[pair[1]].kernel["axis"]
        best[axis][pair[1][0]].append(pair)
    by_kernel: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_kernel[row["axis"]][row["kernel"]].append(math.log(row["ratio"]))
    axes: list[AxisIndex] = []
    for axis, kernels in sorted(everything.items()):
        logs = [values for name, values in by_kernel[axis].items() if name in kernels]
        own = [stats.factor_of(sum(values) / len(values)) for values in logs]
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
