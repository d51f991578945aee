"""The priors of compare/between_runs, fitted to runs of identical code: what its table is from."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy
from scipy.special import gammaln

from headroom_tools.compare.between_runs import CELLS, LADDERS, Prior
from headroom_tools.selfcheck.repeats import Table

if TYPE_CHECKING:
    from headroom_tools.compare.between_runs import Floats

LEAST_ROWS = 30  # differences, for a fit
FLOOR = 0.0075  # differences below don't matter within a band of 2%; a fit must not follow them
_MOST_FREEDOM = 1000.0


class Fit(NamedTuple):
    """An axis: how many differences, and the prior fitted to them beside the one in use."""

    what: str
    axis: str
    differences: int
    fitted: Prior
    used: Prior


def _likelihood(logs: Floats, apart: Floats, within: Floats) -> float:
    """Minus the log likelihood of differences of two runs, as Student's t with a scale by row."""
    between, factor, freedom = numpy.exp(numpy.minimum(logs, math.log(_MOST_FREEDOM)))
    scale = numpy.sqrt(2 * (between**2 + FLOOR**2) + factor * within)
    z = apart / scale
    constant = gammaln((freedom + 1) / 2) - gammaln(freedom / 2) - math.log(freedom * math.pi) / 2
    tails = (freedom + 1) / 2 * numpy.log1p(z * z / freedom)
    return -float(numpy.sum(constant - numpy.log(scale) - tails))


def fit(apart: Floats, within: Floats) -> Prior:
    """The prior that makes these differences of two runs likeliest. within: their variances by
    their launches, added."""
    from scipy.optimize import minimize

    start = numpy.log([0.01, 1.5, 4.0])
    found = minimize(
        _likelihood, start, (apart, within), method="Nelder-Mead", options={"maxiter": 2000}
    )
    between, factor, freedom = numpy.exp(numpy.minimum(found.x, math.log(_MOST_FREEDOM)))
    return Prior(math.hypot(float(between), FLOOR), float(factor), float(freedom))


def _differences(table: Table) -> tuple[list[str], Floats, Floats]:
    """By axis, row and pair of runs: the difference and the variances by launches, added."""
    pairs = list(itertools.combinations(range(table.runs.value.shape[1]), 2))
    value, variance = table.runs
    apart = numpy.concatenate([value[:, a] - value[:, b] for a, b in pairs])
    within = numpy.concatenate([variance[:, a] + variance[:, b] for a, b in pairs])
    return table.axes * len(pairs), apart, within


def fits(cells: list[Table], ladders: list[Table]) -> list[Fit]:
    """The priors of all axes that have enough differences."""
    found = []
    for what, tables, priors in (("cells", cells, CELLS), ("ladders", ladders, LADDERS)):
        parts = [_differences(table) for table in tables]
        axes = numpy.array([axis for own, _, _ in parts for axis in own])
        apart, within = (numpy.concatenate([part[at] for part in parts]) for at in (1, 2))
        for axis in sorted(set(axes.tolist())):
            own = axes == axis
            if own.sum() >= LEAST_ROWS:
                fitted = fit(apart[own], within[own])
                found.append(Fit(what, axis, int(own.sum()), fitted, priors[axis]))
    return found
