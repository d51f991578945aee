"""The statistics of the measuring rules. The unit of evidence is the launch.

Values are logarithms throughout (of a time, or of a ratio); None is a launch that gave nothing.
scipy.special has what is needed of Student's t; scipy.stats would cost half a second to import.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import median
from typing import NamedTuple, Sequence

from scipy.special import bdtr, ndtri, stdtr, stdtrit

COVERAGE = 0.95  # of Student's interval
# Least coverage of an order-statistic interval. More than 95%: with 20 launches, a tenth of them
# disturbed and always to the same side, the 95.9% of the 6th to the 15th came to 94.2% in
# `headroom selfcheck`; the 5th to the 16th hold.
ORDER_COVERAGE = 0.96
TRIM = 0.2  # of the launches, at each end, that Student's t leaves out: 1 of 6, 2 of 10, 4 of 20
ALPHA = 0.05


def factor_of(log: float) -> float:
    """exp, without overflow: no record is so strange that a factor of it can't be printed."""
    return math.exp(max(-700.0, min(700.0, log)))


class Interval(NamedTuple):
    """Bounds in logs, and the coverage they have."""

    lo: float
    hi: float
    coverage: float


@lru_cache(maxsize=None)
def order_ranks(count: int, coverage: float = ORDER_COVERAGE) -> tuple[int, float] | None:
    """(k, coverage) for the interval from the k-th smallest to the k-th largest of `count` values.

    k is the largest rank whose interval covers the median with at least `coverage`; None where
    even the extremes don't (fewer than 6 values).
    """
    best = None
    for rank in range(1, count // 2 + 1):
        tail = float(bdtr(rank - 1, count, 0.5))
        if 1 - 2 * tail < coverage:
            break
        best = (rank, 1 - 2 * tail)
    return best


def order_interval(values: Sequence[float], coverage: float = ORDER_COVERAGE) -> Interval | None:
    """The order-statistic interval of the median, or None for fewer than 6 values."""
    ranks = order_ranks(len(values), coverage)
    if ranks is None:
        return None
    ordered = sorted(values)
    return Interval(ordered[ranks[0] - 1], ordered[-ranks[0]], ranks[1])


@lru_cache(maxsize=4096)
def t_quantile(freedom: float, coverage: float = COVERAGE) -> float:
    """How many standard errors the two-sided t interval reaches to each side."""
    return float(stdtrit(freedom, 0.5 + coverage / 2))


def mean_and_variance(values: Sequence[float]) -> tuple[float, float]:
    """The mean and the sample variance (n - 1) of two or more values."""
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


class Trimmed(NamedTuple):
    """A trimmed mean, its standard error and the degrees of freedom of Student's t."""

    mean: float
    error: float
    freedom: int


def trimmed(values: Sequence[float]) -> Trimmed:
    """The mean without the TRIM smallest and largest share, of two or more values.

    Its standard error is that of Tukey and McLaughlin (1963), from the winsorized variance. Now and
    then memory falls badly and a launch lies far off; an ordinary t would take its error from it.
    For few values t is too narrow with that error (by up to 1.2 at p = 0.001, in 10^6 simulated
    samples of 6 to 20 values): 1 + 1 / freedom makes up for it.
    """
    count = len(values)
    cut = int(TRIM * count)
    ordered = sorted(values)
    kept = ordered[cut : count - cut]
    mean = math.fsum(kept) / len(kept)
    _, variance = mean_and_variance([kept[0]] * cut + kept + [kept[-1]] * cut)
    freedom = len(kept) - 1
    error = math.sqrt(variance / count) / (1 - 2 * cut / count) * (1 + 1 / freedom)
    return Trimmed(mean, error, freedom)


def t_interval(values: Sequence[float], coverage: float = COVERAGE) -> Interval | None:
    """Student's interval of the trimmed mean, or None for fewer than 2 values."""
    if len(values) < 2:
        return None
    found = trimmed(values)
    half = t_quantile(found.freedom, coverage) * found.error
    return Interval(found.mean - half, found.mean + half, coverage)


def t_test(values: Sequence[float]) -> float | None:
    """The two-sided p of a t test of the trimmed mean against 0, None for fewer than 2 values."""
    if len(values) < 2:
        return None
    found = trimmed(values)
    if found.error == 0:
        return 1.0 if found.mean == 0 else 0.0
    return float(2 * stdtr(found.freedom, -abs(found.mean / found.error)))


def robust_scale(values: Sequence[float]) -> float:
    """A standard deviation that a quarter of the values, or one, can't make large; 0 for one value.

    Of the distances between all pairs the rank that those of three quarters of the values leave
    below, over what it is of normal values: Rousseeuw and Croux's Qn (1993), whose rank is half of
    the values', so that of two groups it sees only one. Two groups are a spread here.
    """
    count = len(values)
    if count < 2:
        return 0.0
    ordered = sorted(values)
    apart = sorted(two - one for at, one in enumerate(ordered) for two in ordered[at + 1 :])
    kept = count - max(1, count // 4)
    rank = max(1, kept * (kept - 1) // 2)
    return apart[rank - 1] / (math.sqrt(2) * float(ndtri((1 + rank / (len(apart) + 1)) / 2)))


def robust_freedom(count: int) -> float:
    """The degrees of freedom that `robust_scale` of so many normal values has, as fitted to 20,000
    samples of 3 to 40."""
    return max(0.5, 0.86 * (count - 1) - 0.9)


def holm(probabilities: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment over those that are not None, in the given order."""
    order = sorted((p, index) for index, p in enumerate(probabilities) if p is not None)
    adjusted: list[float | None] = [None] * len(probabilities)
    largest = 0.0
    for position, (p, index) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - position) * p))
        adjusted[index] = largest
    return adjusted


def benjamini_hochberg(probabilities: Sequence[float | None]) -> list[float | None]:
    """The step-up adjustment of Benjamini and Hochberg (1995) over those that are not None.

    Of the rows whose adjusted p is at most 5%, at most 5% are wrong on average; and where nothing
    changed at all, at most one family of twenty has any. It holds for rows that move together, too
    (Benjamini and Yekutieli 2001).
    """
    order = sorted((p, index) for index, p in enumerate(probabilities) if p is not None)
    adjusted: list[float | None] = [None] * len(probabilities)
    least = 1.0
    for rank in range(len(order), 0, -1):
        p, index = order[rank - 1]
        least = min(least, p * len(order) / rank)
        adjusted[index] = least
    return adjusted


def verdict(
    intervals: Sequence[Interval | None], band: float, floor: float = 1.0
) -> str | None:
    """`faster`, `slower`, `equivalent` or `unresolved`: what all intervals agree on.

    intervals: of a log speedup; one that is None means too few launches, and no verdict (None).
    band: the practical band as a share, 0.02 for +-2%; its edges are 1 + band and 1 / (1 + band).
    floor: the noise floor, a ratio: no claim is made below it. Noise makes nothing equivalent: that
    takes intervals within the band itself.
    """
    known = [interval for interval in intervals if interval is not None]
    if len(known) < len(intervals):
        return None
    edge = math.log1p(band)
    claim = max(edge, math.log(floor))
    if all(interval.lo > claim for interval in known):
        return "faster"
    if all(interval.hi < -claim for interval in known):
        return "slower"
    if all(-edge < interval.lo and interval.hi < edge for interval in known):
        return "equivalent"
    return "unresolved"


class Speedup(NamedTuple):
    """What the launches say about one variant: factors, not logs; None where they are too few."""

    speedup: float
    lo: float | None
    hi: float | None
    coverage: float | None
    p: float | None
    intervals: tuple[Interval | None, Interval | None]


def speedup_of(log_ratios: Sequence[float]) -> Speedup | None:
    """Rule 6 for one variant's log ratios, one a launch; None where there is no launch."""
    if not log_ratios:
        return None
    order = order_interval(log_ratios)
    return Speedup(
        math.exp(median(log_ratios)),
        math.exp(order.lo) if order else None,
        math.exp(order.hi) if order else None,
        order.coverage if order else None,
        t_test(log_ratios) if order else None,
        (order, t_interval(log_ratios) if order else None),
    )


def noise_floor(placebos: Sequence[Sequence[float]]) -> float | None:
    """How far a comparison of a program with itself strayed: a ratio >= 1, or None without one.

    placebos: for each placebo variant its log ratios, one a launch. The farthest edge of their
    order-statistic intervals counts; with too few launches for one, the farthest launch.
    """
    farthest = None
    for log_ratios in placebos:
        if not log_ratios:
            continue
        interval = order_interval(log_ratios)
        edges = interval[:2] if interval else (min(log_ratios), max(log_ratios))
        farthest = max(farthest or 0.0, abs(edges[0]), abs(edges[1]))
    return None if farthest is None else math.exp(farthest)


class Difference(NamedTuple):
    """A difference of two means in logs, with its standard error and Welch's degrees of freedom."""

    mean: float
    error: float
    freedom: float


def welch(base: Sequence[float], new: Sequence[float]) -> Difference | None:
    """mean(base) - mean(new), so that positive logs of times mean faster; None below 2 values."""
    if len(base) < 2 or len(new) < 2:
        return None
    base_mean, base_variance = mean_and_variance(base)
    new_mean, new_variance = mean_and_variance(new)
    a, b = base_variance / len(base), new_variance / len(new)
    if a + b == 0:
        return Difference(base_mean - new_mean, 0.0, len(base) + len(new) - 2.0)
    freedom = (a + b) ** 2 / (a**2 / (len(base) - 1) + b**2 / (len(new) - 1))
    return Difference(base_mean - new_mean, math.sqrt(a + b), freedom)
