"""Runs of identical code: told apart, drawn as the two sides of a comparison, and resampled."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any, Hashable, Iterator, Mapping, NamedTuple, Sequence

import numpy

from headroom_tools.compare import between_runs
from headroom_tools.compare.between_runs import Runs
from headroom_tools.compare.leans import Caches
from headroom_tools.compare.pooling import same_code
from headroom_tools.compare.rows import rungs_of, speedups_of
from headroom_tools.compare.sides import Side, read_alone
from headroom_tools.record.cells import Cell

MOST_SPLITS = 60  # of a group of runs; more than these tell nothing new


class Table(NamedTuple):
    """Rows that a group's runs all have.

    kernels: by row, the name; nothing for a probe or a placebo, which no axis counts.
    """

    keys: list[Hashable]
    axes: list[str]
    kernels: list[str]
    runs: Runs

    def rows(self, at: list[int]) -> Table:
        """Some rows."""
        axes, kernels = ([own[i] for i in at] for own in (self.axes, self.kernels))
        return Table([self.keys[i] for i in at], axes, kernels, self.runs.rows(at))


class Group(NamedTuple):
    """Two or more runs of identical code: their cells and ladders."""

    machine: str
    names: list[str]
    cells: Table
    ladders: Table


class Draw(NamedTuple):
    """Two sides of identical code. base, new: their runs."""

    table: Table
    base: Runs
    new: Runs


def _table(sides: list[Side], found: Sequence[Mapping[Any, Cell]], runs: list[Runs]) -> Table:
    """found: by run, the cell of each key in the order of the rows of `runs`."""
    index = [{key: row for row, key in enumerate(own)} for own in found]
    keys = [key for key in index[0] if all(key in own for own in index)]
    values, variances = (
        numpy.column_stack([
            own[at][[rows[key] for key in keys], 0] for own, rows in zip(runs, index)
        ])
        for at in (0, 1)
    )  # fmt: skip
    whole = ~numpy.isnan(values).any(axis=1) & ~numpy.isnan(variances).any(axis=1)
    caches = Caches(sides[0].machine, sides[0].machine)
    cells = [found[0][key] for key in keys]
    table = Table(
        keys,
        [caches.axis_of(cell) for cell in cells],
        [
            "" if cell.kernel["probe"] or cell.kernel["placebo"] else cell.kernel["name"]
            for cell in cells
        ],
        Runs(values, variances),
    )
    return table.rows(numpy.flatnonzero(whole).tolist())


def _group(sides: list[Side]) -> Group:
    rungs = [rungs_of(side) for side in sides]
    return Group(
        sides[0].run["machine"],
        [side.name for side in sides],
        _table(sides, [side.cells for side in sides], [side.numbers.runs for side in sides]),
        _table(
            sides,
            rungs,
            [speedups_of(list(own.values()), side) for own, side in zip(rungs, sides)],
        ),
    )


def groups_of(folders: list[Path]) -> list[Group]:
    """The runs by identical code; those that no other run repeats are left out."""
    found: list[list[Side]] = []
    for folder in folders:
        side = read_alone(folder)
        known = next((group for group in found if same_code(group[0], side)), None)
        if known is None:
            found.append([side])
        else:
            known.append(side)
    return [_group(sides) for sides in found if len(sides) > 1]


def splits(table: Table, runs: int) -> Iterator[Draw]:
    """The table's runs as two sides of `runs` each, in every way, or evenly chosen MOST_SPLITS."""
    count = table.runs.value.shape[1]
    ways = [
        (base, new)
        for base in itertools.combinations(range(count), runs)
        for new in itertools.combinations(sorted(set(range(count)) - set(base)), runs)
        if base < new
    ]
    step = max(1, math.ceil(len(ways) / MOST_SPLITS))
    for base, new in ways[::step]:
        yield Draw(table, table.runs.some(list(base)), table.runs.some(list(new)))


def residuals(tables: list[Table]) -> Table:
    """What each run strayed from the mean of its group: the runs of several groups as one table.

    A mean of few runs follows each of them: the root makes up for it. Rows are those of all groups.
    """
    known = [{key: row for row, key in enumerate(table.keys)} for table in tables]
    keys = [key for key in known[0] if all(key in rows for rows in known)]
    parts = []
    for table, rows in zip(tables, known):
        own = table.rows([rows[key] for key in keys])
        count = own.runs.value.shape[1]
        apart = own.runs.value - between_runs.mean_of(own.runs.value)[:, None]
        value = apart * math.sqrt(count / (count - 1))
        parts.append(own._replace(runs=own.runs._replace(value=value)))
    values, variances = (numpy.hstack([part.runs[at] for part in parts]) for at in (0, 1))
    return parts[0]._replace(runs=Runs(values, variances))


def resampled(table: Table, runs: int, draws: int, seed: int) -> Iterator[Draw]:
    """Sides of `runs` runs each, drawn from residuals without putting back, each run's with a sign.

    A run stays whole, so that what its cells share stays shared. With its sign turned it is a run
    that strayed the other way: which was base and which new is chance.
    """
    draw = numpy.random.default_rng(seed)
    count = table.runs.value.shape[1]
    for _ in range(draws):
        at = draw.permutation(count)[: 2 * runs].tolist()
        signs = draw.choice([-1.0, 1.0], 2 * runs)
        values = table.runs.value[:, at] * signs
        made = Runs(values, table.runs.variance[:, at])
        halves = list(range(runs)), list(range(runs, 2 * runs))
        yield Draw(table, made.some(halves[0]), made.some(halves[1]))
