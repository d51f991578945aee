"""How much runs of one machine differ, and what a difference between two sides' runs is worth.

The unit is the run: its launches, minutes apart at most, don't show all of how runs differ. What a
cell's runs may differ by is known from three sources, joined as limma's moderated t does for genes
(Smyth 2004): the spread of its launches, which tells a cell that suffers from its neighbours from
one that doesn't; the priors below, which are what runs of identical code showed; and, with more
than one run a side, the runs themselves. The prior has degrees of freedom of its own, so that one
run a side has an interval, and more runs only add to what is known.
"""

from __future__ import annotations

import bisect
import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Sequence

import numpy
from scipy.special import ndtr, stdtr, stdtrit

from headroom_tools import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float64]

LEAST_LAUNCHES = 4  # of a run, or the spread of its launches says nothing
QUARTILE, TENTH = 0.25, 0.1
_NORMAL_QUARTILES = 1.349  # how far a normal's quartiles lie apart, in its sd
_NORMAL_TENTHS = 2.563
_OF_MEDIAN = math.pi / 2  # variance of a median over that of a mean, of normal values
EFFECT = 0.05  # whose cost in runs is told where a row is unresolved
POWER = 0.8  # with which those runs would show it
MOST_RUNS = 100


class Prior(NamedTuple):
    """What a run's value varies by: variance = between**2 + within * that of its launches.

    between: a standard deviation in logs. freedom: the degrees of freedom that this knowledge is
    worth; the fewer, the more cells are far from what it says.
    """

    between: float
    within: float
    freedom: float


# THE priors, by axis: of a cell's time, of a ladder's speedup, and (SHARED) the standard deviation
# of what all cells of an axis share in a run. `headroom selfcheck --between` fits the first two to
# the runs that it is given, and prints them beside these. With these, false verdicts stay at 1% of
# what ten standard runs on a Zen 5 and four on a Zen 4 virtual machine gave, hours apart. Degrees
# of freedom are about half of the fitted ones: what a fit calls an outlier is a wrong verdict here.
# No run has measured ladders of storage-sequential and network: theirs are guesses, and wide.
CELLS = {
    "scalar": Prior(0.010, 1.0, 3.2),
    "simd": Prior(0.010, 1.0, 3.2),
    "cores": Prior(0.010, 0.7, 3.2),
    "cache": Prior(0.010, 1.2, 2.1),
    "memory-bandwidth": Prior(0.010, 1.6, 3.5),
    "memory-latency": Prior(0.010, 1.6, 2.0),
    "coherence": Prior(0.010, 1.0, 2.0),
    "storage-sequential": Prior(0.010, 1.5, 3.0),
    "storage-random": Prior(0.010, 1.5, 3.0),
    "storage-sync": Prior(0.030, 1.3, 3.0),
    "syscall": Prior(0.010, 1.1, 3.5),
    "network": Prior(0.010, 1.9, 3.0),
    "gpu": Prior(0.010, 1.9, 3.0),  # no record of a GPU yet: as wide as the network's
}
LADDERS = {
    "scalar": Prior(0.012, 1.1, 1.8),
    "simd": Prior(0.012, 1.5, 2.2),
    "cores": Prior(0.012, 1.0, 1.8),
    "cache": Prior(0.012, 1.4, 1.4),
    "memory-bandwidth": Prior(0.012, 2.8, 3.0),
    "memory-latency": Prior(0.012, 3.0, 1.4),
    "coherence": Prior(0.012, 1.5, 1.8),
    "storage-sequential": Prior(0.020, 1.5, 1.8),
    "storage-random": Prior(0.012, 2.0, 1.8),
    "storage-sync": Prior(0.012, 1.5, 1.8),
    "syscall": Prior(0.012, 1.4, 2.2),
    "network": Prior(0.020, 2.0, 1.8),
    "gpu": Prior(0.020, 2.0, 1.8),
}
SHARED = {
    "scalar": 0.010,
    "simd": 0.008,
    "cores": 0.004,
    "cache": 0.018,
    "memory-bandwidth": 0.021,
    "memory-latency": 0.035,
    "coherence": 0.030,
    "storage-sequential": 0.040,
    "storage-random": 0.040,
    "storage-sync": 0.040,
    "syscall": 0.008,
    "network": 0.040,
    "gpu": 0.040,
}
# Of a kernel's own part, what the mean of its cells keeps: they err together, but not wholly.
KEPT = 0.5
SHARED_FREEDOM = 12.0

# Now and then a cell has two levels, by run: memory fell another way. No spread of launches tells
# that beforehand. These are the share of cells that do so, and how far (sd in logs); they count
# where one error in the whole family would be one too many.
JUMPS = 0.02
JUMP = 0.35


class Runs(NamedTuple):
    """By row and run: the run's value in logs, and its variance as its launches show it.

    NaN where a run has no such value; the variance alone is NaN where it has too few launches.
    """

    value: Floats
    variance: Floats

    def rows(self, at: list[int]) -> Runs:
        """Some rows."""
        return Runs(self.value[at], self.variance[at])

    def some(self, at: list[int]) -> Runs:
        """Some runs."""
        return Runs(self.value[:, at], self.variance[:, at])


def quantile_of(values: Floats, at: float) -> Floats:
    """Each row's quantile, by linear interpolation, over the values that are there; NaN without."""
    if not values.size:
        return numpy.full(len(values), numpy.nan)
    ordered = numpy.sort(values, axis=1)  # NaNs go last
    last = numpy.maximum(numpy.sum(~numpy.isnan(values), axis=1) - 1, 0)
    position = at * last
    low = position.astype(int)
    rows = numpy.arange(len(values))
    under, over = ordered[rows, low], ordered[rows, numpy.minimum(low + 1, last)]
    return under + (over - under) * (position - low)


def _enough(values: Floats, variance: Floats) -> Floats:
    count = numpy.sum(~numpy.isnan(values), axis=1)
    return numpy.where(count >= LEAST_LAUNCHES, variance / numpy.maximum(count, 1), numpy.nan)


def of_times(launches: Floats) -> tuple[Floats, Floats]:
    """A run's (values, variances) of log times, by row: the lower quartile of its launches.

    Whoever shares the machine makes launches slower and never faster. So the faster half is what
    the cell itself does, and between runs of identical code its quartile differed by half as much
    as the median did: 95% of compute cells by 2.6 to 3.4% instead of 5.2 to 7.7%.
    """
    half = quantile_of(launches, 0.5) - quantile_of(launches, 0.0)
    return quantile_of(launches, QUARTILE), _enough(launches, half**2)


def of_ratios(launches: Floats) -> tuple[Floats, Floats]:
    """A run's (values, variances) of log speedups, by row: the median, as everywhere; a launch may
    err to both sides. The spread is that of the quartiles or of the tenths, the larger: launches
    far off are common, and one alone is not to count."""
    spread = numpy.zeros(len(launches))
    for at, apart in ((QUARTILE, _NORMAL_QUARTILES), (TENTH, _NORMAL_TENTHS)):
        reach = quantile_of(launches, 1 - at) - quantile_of(launches, at)
        spread = numpy.maximum(spread, reach / apart)
    return quantile_of(launches, 0.5), _enough(launches, _OF_MEDIAN * spread**2)


def joined(runs: list[tuple[Floats, Floats]], rows: int) -> Runs:
    """The (values, variances) of several runs side by side."""
    if not runs:
        return Runs(numpy.zeros((rows, 0)), numpy.zeros((rows, 0)))
    values, variances = (numpy.column_stack([run[at] for run in runs]) for at in (0, 1))
    return Runs(values, variances)


def mean_of(values: Floats) -> Floats:
    """Each row's mean over the values that are there; NaN for a row without any."""
    count = numpy.sum(~numpy.isnan(values), axis=1)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = numpy.nansum(values, axis=1) / count
    return mean


def _squares(values: Floats) -> tuple[Floats, Floats]:
    """(sum of squares about the mean, its degrees of freedom) of each row."""
    there = ~numpy.isnan(values)
    deviations = numpy.where(there, values - mean_of(values)[:, None], 0.0)
    return (deviations**2).sum(axis=1), numpy.maximum(there.sum(axis=1) - 1, 0).astype(float)


class Differences(NamedTuple):
    """Base less new, by row, so that positive logs of times mean faster.

    error: its standard error, NaN where there is none; freedom: of Student's t; deviation: of one
    run; prior: the degrees of freedom that came from the prior; base, new: how many runs.
    """

    mean: Floats
    error: Floats
    freedom: Floats
    deviation: Floats
    prior: Floats
    base: Floats
    new: Floats


def moderated(
    base: Runs,
    new: Runs,
    prior: Floats,
    prior_freedom: Floats,
    beside: Sequence[Floats] = (),
) -> Differences:
    """The moderated t of many rows. prior: the variance of a run's value that is expected.

    beside: values of further runs of one side's code, by row, that only tell how runs differ.
    """
    squares, freedom = numpy.zeros(len(prior)), numpy.zeros(len(prior))
    for values in (base.value, new.value, *beside):
        own, degrees = _squares(values)
        squares, freedom = squares + own, freedom + degrees
    counts = [numpy.sum(~numpy.isnan(side.value), axis=1) for side in (base, new)]
    with numpy.errstate(invalid="ignore", divide="ignore"):
        variance = (prior_freedom * prior + squares) / (prior_freedom + freedom)
        error = numpy.sqrt(variance * (1 / counts[0] + 1 / counts[1]))
    return Differences(
        mean_of(base.value) - mean_of(new.value),
        error,
        prior_freedom + freedom,
        numpy.sqrt(variance),
        prior_freedom,
        counts[0].astype(float),
        counts[1].astype(float),
    )


def expected(base: Runs, new: Runs, axes: list[str], priors: dict[str, Prior]) -> Floats:
    """By row, the variance that the prior expects of a run's value; NaN without launches enough.

    A run in which the cell was calm by luck doesn't vouch for the others: the variances of all runs
    count, on both sides.
    """
    within = mean_of(numpy.hstack([base.variance, new.variance]))
    known = numpy.array([priors[axis][:2] for axis in axes]).reshape(-1, 2)
    some = [mean_of(side.variance) for side in (base, new)]
    unknown = numpy.isnan(some[0]) | numpy.isnan(some[1])
    variance: Floats = known[:, 0] ** 2 + known[:, 1] * within
    return numpy.where(unknown, numpy.nan, variance)


def differences(
    base: Runs,
    new: Runs,
    axes: list[str],
    priors: dict[str, Prior],
    beside: Sequence[Floats] = (),
) -> Differences:
    """Base less new of cells or ladders, by row; axes: what each leans on."""
    freedom = numpy.array([priors[axis].freedom for axis in axes])
    return moderated(base, new, expected(base, new, axes, priors), freedom, beside)


def halves(found: Differences) -> Floats:
    """The half-widths of the 95% intervals, in logs; NaN where there is none."""
    known, at = numpy.unique(found.freedom, return_inverse=True)
    half: Floats = stdtrit(known, 0.5 + stats.COVERAGE / 2)[at] * found.error
    return half


def p_beyond(found: Differences, band: float) -> tuple[Floats, Floats]:
    """By row, the p of being faster, and of being slower, by more than the practical band.

    Not of t alone: cells that jump between runs (JUMPS) would, in a family of a thousand, always
    find one row to accuse. With two runs a side both must have jumped, and so on.
    """
    edge = math.log1p(band)
    fewer = numpy.minimum(found.base, found.new)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        reach = JUMP * numpy.sqrt(1 / found.base + 1 / found.new)
        tails = [
            stdtr(found.freedom, -beyond / found.error) + JUMPS**fewer * ndtr(-beyond / reach)
            for beyond in (found.mean - edge, -found.mean - edge)
        ]
    return numpy.minimum(1.0, tails[0]), numpy.minimum(1.0, tails[1])


def runs_needed(found: Differences, band: float) -> list[int | None]:
    """By row, how many runs a side would show a true 5% (EFFECT) with 80% probability (POWER), if
    runs differ as they do here; None where MOST_RUNS don't, or nothing is known."""
    room = math.log1p(EFFECT) - math.log1p(band)
    if room <= 0:  # 5% lies within the band
        return [None] * len(found.mean)
    needed: list[int | None] = []
    for freedom, deviation in zip(found.prior.tolist(), found.deviation.tolist()):
        if math.isnan(deviation):
            needed.append(None)
            continue
        # The reach falls with more runs: from the last that is small enough back to the first.
        reach = _reach(freedom)
        enough = bisect.bisect_right(reach, room / deviation if deviation else math.inf)
        needed.append(MOST_RUNS + 1 - enough if enough else None)
    return needed


@lru_cache(maxsize=None)
def _reach(prior_freedom: float) -> list[float]:
    """Of MOST_RUNS, ..., 2, 1 runs a side: what they would show, in deviations of a run."""
    runs = numpy.arange(MOST_RUNS, 0, -1)
    freedom = prior_freedom + 2 * runs - 2
    sure = stdtrit(freedom, 0.5 + stats.COVERAGE / 2) + stdtrit(freedom, POWER)
    reach: list[float] = (sure * numpy.sqrt(2 / runs)).tolist()
    return reach
