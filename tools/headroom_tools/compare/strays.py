"""Runs that agree in all that a record tells, and yet differ as machines do.

Two computers of one model have the same fingerprint, but need not be alike: one is throttled, has
half of its memory channels filled, or shares its cores. Their runs must not be pooled as repeats.
Runs of one machine differ by what all cells of an axis share (between_runs.SHARED) and by what
each kernel has of its own, which mostly averages out. What is far beyond that is another machine.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy

from headroom_tools.compare import between_runs
from headroom_tools.compare.between_runs import CELLS, SHARED, Runs
from headroom_tools.compare.leans import Caches
from headroom_tools.compare.loaded import Loaded

if TYPE_CHECKING:
    from headroom_tools.compare.between_runs import Floats

# How far two runs may lie apart in an axis, in standard deviations of such a difference: for scalar
# 8%, for memory-bandwidth 21%, for memory-latency 37%. By Student's t with SHARED_FREEDOM degrees
# one pair in 3,000 lies farther; repeats in results/, hours apart, lie at most 2.9 apart.
REACH = 5.0
LEAST_KERNELS = 3  # of an axis, or one that jumps between runs would pass for the machine
CORE = "core speed"  # what the sentinel of each launch shows, whatever was measured


class Apart(NamedTuple):
    """That a run is no repeat of another. factor: its speed over the other's on `axes`, of which
    the one that says so most clearly is the first."""

    factor: float
    axes: list[str]


class _Axis(NamedTuple):
    """What each run has of an axis, in logs, less being faster; deviation: that of one run."""

    name: str
    values: Floats
    deviation: float


def _core(runs: list[Loaded]) -> list[_Axis]:
    """The sentinel: a fixed loop in every launch; nothing where a run has none."""
    values = []
    for one in runs:
        readings = [ns for ns in one.run["launches"]["sentinel"] if ns]
        if not readings:
            return []
        values.append(math.log(sorted(readings)[len(readings) // 4]))
    return [_Axis(CORE, numpy.array(values), SHARED["scalar"])]


def _axes(runs: list[Loaded]) -> list[_Axis]:
    """The axes of which all runs measured LEAST_KERNELS kernels.

    By the median over kernels, so that none decides alone.
    """
    keys = [key for key in runs[0].cells if all(key in one.cells for one in runs)]
    if not keys:
        return []
    read = between_runs.joined([one.times(keys) for one in runs], len(keys))
    whole = ~numpy.isnan(read.value).any(axis=1)
    caches = Caches(runs[0].machine, runs[0].machine)
    kernels: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in numpy.flatnonzero(whole).tolist():
        kernels[caches.axis_of(runs[0].cells[keys[row]])][keys[row][0]].append(row)
    found = []
    for axis, rows_of in kernels.items():
        if len(rows_of) >= LEAST_KERNELS:
            values = numpy.array([read.value[rows].mean(axis=0) for rows in rows_of.values()])
            own = sum(_expected(read, axis, rows) for rows in rows_of.values()) / len(rows_of)
            variance = SHARED[axis] ** 2 + math.pi / 2 * own / len(rows_of)
            found.append(_Axis(axis, numpy.median(values, axis=0), math.sqrt(variance)))
    return found


def _expected(read: Runs, axis: str, rows: list[int]) -> float:
    """The variance of a kernel's cells in a run, as the prior and the launches have it."""
    within = numpy.nan_to_num(between_runs.mean_of(read.variance[rows]))
    return float(CELLS[axis].between ** 2 + CELLS[axis].within * within.mean())


def apart(runs: list[Loaded]) -> dict[tuple[int, int], Apart]:
    """The pairs of `runs` (first and second index, the first being less) that differ as machines
    do, with what the second's speed is over the first's."""
    if len(runs) < 2:
        return {}
    axes = _core(runs) + _axes(runs)
    found: dict[tuple[int, int], Apart] = {}
    for second in range(1, len(runs)):
        for first in range(second):
            far = {}
            for axis in axes:
                log = float(axis.values[first] - axis.values[second])
                strength = abs(log) / (math.sqrt(2) * axis.deviation)
                if strength > REACH:
                    far[axis.name] = strength, log
            names = sorted(far, key=lambda name: -far[name][0])
            if names:
                found[first, second] = Apart(math.exp(far[names[0]][1]), names)
    return found
