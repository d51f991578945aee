"""The machines' cells side by side, held against the fleet's median cell by cell."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy

from headroom_tools.base.errors import HeadroomError
from headroom_tools.compare import between_runs
from headroom_tools.compare.between_runs import Runs
from headroom_tools.compare.leans import Caches, last_cache
from headroom_tools.compare.sides import Side
from headroom_tools.compare.types import CellKey

if TYPE_CHECKING:
    from headroom_tools.compare.between_runs import Floats

# A cell, and what its ladder is judged by, on which kind of device or how many hosts: only like is
# held against like.
Key = tuple[CellKey, str]


class Table(NamedTuple):
    """Cells that more than half of the machines have.

    axes, kernels: by row. center: the median over the machines, in logs. runs: each machine's, less
    the center; NaN where it has no such cell.
    """

    axes: list[str]
    kernels: list[str]
    center: Floats
    runs: list[Runs]


def _measured(side: Side) -> dict[Key, int]:
    """The cells of a side that measured something, with their rows in its numbers."""
    known = ~numpy.isnan(side.numbers.value)
    return {
        (key, f"{cell.measure['name']} {cell.kind}"): side.numbers.index[key]
        for key, cell in side.cells.items()
        if known[side.numbers.index[key]]
        and not (cell.kernel["probe"] or cell.kernel["placebo"])
    }


def _caches(sides: list[Side]) -> Caches:
    """The fleet's smallest last cache and its largest: in between a cell is about the cache."""
    machines = [side.machine for side in sides if last_cache(side.machine)] or [sides[0].machine]
    by_size = sorted(machines, key=lambda machine: last_cache(machine) or 0)
    return Caches(by_size[0], by_size[-1])


def table_of(sides: list[Side], names: list[str]) -> Table:
    """HeadroomError where a machine shares nothing with the fleet. names: as people read them."""
    found = [_measured(side) for side in sides]
    counts = Counter(key for own in found for key in own)
    keys = sorted(key for key, count in counts.items() if 2 * count > len(sides))
    if not keys:
        raise HeadroomError(
            "these runs share no cell but probes and placebos: measure all machines with one "
            "profile and filter"
        )
    lost = [name for name, own in zip(names, found) if not any(key in own for key in keys)]
    if lost:
        raise HeadroomError(
            f"{', '.join(lost[:4])}: shares no cell with the rest of the fleet: measure all "
            "machines with one profile and filter"
        )
    caches = _caches(sides)
    first = {key: side.cells[key[0]] for side, own in zip(sides, found) for key in own}
    runs = [_rows(side, own, keys) for side, own in zip(sides, found)]
    means = numpy.column_stack([between_runs.mean_of(own.value) for own in runs])
    center = numpy.nanmedian(means, axis=1)
    return Table(
        [caches.axis_of(first[key]) for key in keys],
        [key[0][0] for key in keys],
        center,
        [own._replace(value=own.value - center[:, None]) for own in runs],
    )


def _rows(side: Side, found: dict[Key, int], keys: list[Key]) -> Runs:
    """A side's values of those cells, NaN where it has none."""
    own = side.numbers.runs
    made = [numpy.full((len(keys), own.value.shape[1]), numpy.nan) for _ in range(2)]
    there = [at for at, key in enumerate(keys) if key in found]
    rows = [found[keys[at]] for at in there]
    made[0][there], made[1][there] = own.value[rows], own.variance[rows]
    return Runs(*made)


def by_kernel(table: Table, rows: list[int]) -> list[list[int]]:
    """Of some rows, the places of each kernel's among them."""
    found: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        found[table.kernels[row]].append(place)
    return list(found.values())
