"""Speedups over the `standard` rung: what the standard library or plain good C++ gives."""

from __future__ import annotations

import math

from headroom_tools import stats
from headroom_tools.compare import between_runs
from headroom_tools.compare.loaded import columns
from headroom_tools.compare.sides import Side, by_run, launches_of
from headroom_tools.record.cells import Cell


def over_standard(side: Side, cells: list[Cell]) -> list[float | None]:
    """The speedup of each cell of a side over its ladder's standard rung, paired by launch; None
    where there is no such rung, or nothing of it.

    As every speedup of several runs it is the mean, in logs, of what each run makes of it.
    """
    rungs = {
        where: cell
        for where, rungs in side.rungs.items()
        for cell in rungs
        if cell.role == "standard" and not cell.beside
    }
    found: list[float | None] = [None] * len(cells)
    pairs = []
    for at, cell in enumerate(cells):
        rung = rungs.get(cell.ladder()) if rungs else None
        if rung is not None and rung.baseline == cell.baseline:
            pairs.append((at, cell, rung))
    if not pairs:
        return found
    own = columns([cell.log_ratio for _, cell, _ in pairs])
    over = own - columns([rung.log_ratio for _, _, rung in pairs])
    parts = [between_runs.of_ratios(part) for part in by_run(over, launches_of(side.runs))]
    means = between_runs.mean_of(between_runs.joined(parts, len(pairs)).value).tolist()
    for (at, _, _), mean in zip(pairs, means):
        found[at] = None if math.isnan(mean) else stats.factor_of(mean)
    return found
