"""Each machine's axes, how far the fleet's machines lie apart, and which of them is odd.

A machine is odd on an axis where its whole interval lies beyond the limits of the fleet. The
interval is that of the between-run model (compare/between_runs), so that one machine's restless
runs don't make it odd. The limits come from a robust spread of all machines, which a quarter
of them can't make large, and are adjusted for the number of machines and axes.
"""

from __future__ import annotations

import math
from statistics import median
from typing import NamedTuple

import numpy
from scipy.special import stdtrit

from headroom_tools import stats
from headroom_tools.compare import axes as indices, between_runs
from headroom_tools.compare.between_runs import SHARED_FREEDOM, Runs
from headroom_tools.fleet.table import Table, by_kernel

LEAST_MACHINES = 3  # of two neither can be the odd one
# Machines that tell the same processor and RAM are expected to differ as the runs of one do; this
# many degrees of freedom is that expectation worth. Of machines of several kinds nothing is known.
ALIKE_FREEDOM = 4.0


class Own(NamedTuple):
    """A machine's index of an axis. value: its log speed over the fleet's median. error: its
    standard error, NaN with too few launches; half: of its 95% interval."""

    value: float
    error: float
    half: float
    kernels: int


class Spread(NamedTuple):
    """How far the machines lie apart on an axis, in logs. limit: beyond it an interval is odd;
    infinite where nothing can be."""

    deviation: float
    limit: float


def own_index(axis: str, table: Table, machine: int) -> Own | None:
    """The index of one machine's cells of an axis, over the fleet's cells; None without any."""
    runs = table.runs[machine]
    there = ~numpy.isnan(runs.value).all(axis=1)
    rows = [at for at, own in enumerate(table.axes) if own == axis and there[at]]
    if not rows:
        return None
    kernels = by_kernel(table, rows)
    own = runs.rows(rows)
    found = between_runs.moderated(
        Runs(numpy.zeros((1, 1)), numpy.zeros((1, 0))),  # the fleet: what it errs by is not his
        Runs(indices.over_kernels(own.value, kernels)[None, :], numpy.zeros((1, 0))),
        numpy.array([indices.prior_of(axis, own, own, kernels)]),
        numpy.array([SHARED_FREEDOM]),
    )
    error = float(found.deviation[0]) / math.sqrt(float(found.new[0]))
    half = stats.t_quantile(float(found.freedom[0])) * error
    return Own(float(found.mean[0]), error, half, len(kernels))  # of costs: base less new is speed


def centered(found: list[Own | None]) -> list[Own | None]:
    """An axis's indices, over their median."""
    middle = median(own.value for own in found if own)
    return [own._replace(value=own.value - middle) if own else None for own in found]


def spread_of(found: list[Own], family: int, alike: bool, band: float) -> Spread:
    """family: how many indices are judged in all. alike: of machines of one kind."""
    known = [own for own in found if not math.isnan(own.error)]
    deviation = stats.robust_scale([own.value for own in found])
    if len(known) < LEAST_MACHINES:
        return Spread(deviation, math.inf)
    expected = median(own.error for own in known)
    freedom = stats.robust_freedom(len(known))
    robust = stats.robust_scale([own.value for own in known])
    if alike:
        total = ALIKE_FREEDOM * expected**2 + freedom * robust**2
        freedom += ALIKE_FREEDOM
        deviation = math.sqrt(total / freedom)
    else:
        deviation = max(robust, expected)
    # What one run's index strays by has tails of its own: no more is known of a fleet's.
    reach = float(stdtrit(min(freedom, SHARED_FREEDOM), 1 - stats.ALPHA / (2 * family)))
    return Spread(deviation, max(reach * deviation, math.log1p(band)))


def beyond(own: Own, spread: Spread) -> float | None:
    """How far the near end of its interval lies from the fleet's median, the limit being 1; below 0
    where the interval covers the median. None without an interval or a limit."""
    if math.isnan(own.half) or math.isinf(spread.limit):
        return None
    return (abs(own.value) - own.half) / spread.limit
