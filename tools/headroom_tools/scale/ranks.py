"""How kernels scale with the ranks of an MPI job: sweeps for the laws, and weak scaling.

What grows with the ranks is told by a kernel's items per call. Strong scaling: as many items shared
by more ranks (Amdahl's law and the Universal Scalability Law, laws.py). Weak scaling: as many items
for each rank. There the efficiency on N ranks is t(1) / t(N), the speedup is N times that, and
Gustafson's law has it as N - s (N - 1), with s the share of a rank's time that doesn't shrink
(J. L. Gustafson, "Reevaluating Amdahl's Law", 1988): least squares through the points.
"""

from __future__ import annotations

import math
from typing import Iterator, NamedTuple

from headroom_tools import stats
from headroom_tools.record import hosts
from headroom_tools.record.cells import Cell, cells_of, of_launches
from headroom_tools.record.types import ParamsKey, Run, key_of
from headroom_tools.scale.types import Weak, WeakPoint


class Place(NamedTuple):
    """Which cells are of one curve but for their ranks, and what they share."""

    kernel: str
    variant: str
    input: str
    params: ParamsKey
    n: int  # strong: of all points; weak: 0
    items: float  # strong: of all ranks; weak: of one


def _of_jobs(run: Run) -> Iterator[Cell]:
    """What was measured on ranks that share work: not what needs two to be there at all."""
    for cell in cells_of(run):
        if cell.hosts is None or not cell.by_time or cell.kernel["placebo"]:
            continue
        if cell.kernel["params"][hosts.PARAM][0] == 1:
            yield cell


def _curves(run: Run, weak: bool) -> dict[Place, dict[int, Cell]]:
    found: dict[Place, dict[int, Cell]] = {}
    for cell in _of_jobs(run):
        ranks = cell.params[hosts.PARAM]
        rest = {name: value for name, value in cell.params.items() if name != hosts.PARAM}
        items = cell.items / ranks if weak else cell.items
        place = Place(cell.kernel["name"], cell.variant, cell.input, key_of(rest),
                      0 if weak else cell.n, items)  # fmt: skip
        found.setdefault(place, {})[ranks] = cell
    return {place: dict(sorted(by.items())) for place, by in found.items() if len(by) > 1}


def strong(run: Run) -> dict[Place, dict[int, Cell]]:
    """The curves over ranks that share as many items, with their cells by ranks."""
    return {place: by for place, by in _curves(run, False).items() if 1 in by}


def weak(run: Run) -> list[Weak]:
    """`scale --json`'s weak scaling: one entry for each curve."""
    entries: list[Weak] = []
    for place, by in _curves(run, True).items():
        if 1 not in by:
            continue
        points = [_point(by[1], cell, ranks) for ranks, cell in by.items()]
        known = [(p["ranks"], p["efficiency"]) for p in points if p["efficiency"] is not None]
        above = sum((n - 1) * (n - n * efficiency) for n, efficiency in known)
        below = sum((n - 1) ** 2 for n, _ in known)
        entries.append(
            {
                "kernel": place.kernel,
                "variant": place.variant,
                "input": place.input,
                "params": dict(place.params),
                "items_per_rank": place.items,
                "points": points,
                "serial": above / below if below else None,
            }
        )
    return entries


def _point(one: Cell, cell: Cell, ranks: int) -> WeakPoint:
    """On so many ranks; one: the same work on one. A launch has measured both."""
    pairs = zip(one.median, cell.median)
    ratios = [math.log(a / b) for a, b in pairs if a is not None and b is not None]
    found = stats.speedup_of(ratios)
    values = sorted(of_launches(cell.median))
    return {
        "ranks": ranks,
        "hosts": cell.hosts or 1,
        "n": cell.n,
        "ns": values[len(values) // 2] if values else None,
        "efficiency": found.speedup if found else None,
        "lo": found.lo if found else None,
        "hi": found.hi if found else None,
    }
