"""The statistics, held against scipy.stats, known values and a simulation."""

from __future__ import annotations

import math
import random

import numpy
import pytest
from scipy import stats as reference

from headroom_tools import stats


def test_order_ranks_are_those_of_the_design():
    assert stats.order_ranks(5) is None
    assert stats.order_ranks(6) == (1, pytest.approx(0.96875))
    assert stats.order_ranks(10) == (2, pytest.approx(0.978515625))
    assert stats.order_ranks(20) == (5, pytest.approx(0.98818, abs=1e-5))


@pytest.mark.parametrize("count", range(6, 41))
def test_order_ranks_cover_as_the_binomial_says(count):
    rank, coverage = stats.order_ranks(count)
    expected = 1 - 2 * reference.binom.cdf(rank - 1, count, 0.5)
    assert coverage == pytest.approx(expected)
    assert coverage >= stats.ORDER_COVERAGE
    wider = 1 - 2 * reference.binom.cdf(rank, count, 0.5)
    assert wider < stats.ORDER_COVERAGE, "a narrower interval would have covered enough"


def test_order_interval_takes_second_to_ninth_of_ten():
    interval = stats.order_interval([3, 1, 2, 5, 4, 9, 8, 7, 6, 10])
    assert (interval.lo, interval.hi) == (2, 9)
    assert stats.order_interval([1, 2, 3, 4, 5]) is None


@pytest.mark.parametrize("seed", range(5))
def test_t_against_scipy(seed):
    values = numpy.random.default_rng(seed).normal(0.01, 0.02, 10)
    interval = stats.t_interval(list(values))
    low, high = reference.mstats.trimmed_mean_ci(values, (stats.TRIM, stats.TRIM), alpha=0.05)
    assert interval.hi - interval.lo == pytest.approx((high - low) * (1 + 1 / 5))
    assert interval.hi + interval.lo == pytest.approx(high + low)
    assert stats.trimmed(list(values)).mean == pytest.approx(reference.trim_mean(values, 0.2))
    # p is where the interval begins to hold 0.
    p = stats.t_test(list(values))
    edge = stats.t_interval(list(values), 1 - p)
    assert min(abs(edge.lo), abs(edge.hi)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("count", (6, 7, 8, 9, 10, 12, 15, 20))
@pytest.mark.parametrize("alpha", (0.05, 0.001))
def test_p_is_no_smaller_than_it_should_be(count, alpha):
    draws = numpy.random.default_rng(count).normal(size=(20_000, count)).tolist()
    small = sum(stats.t_test(values) < alpha for values in draws)
    assert small <= reference.binom.ppf(0.999, len(draws), alpha)


def test_a_launch_far_off_does_not_hide_a_difference():
    quiet = [0.010, 0.011, 0.009, 0.010, 0.012, 0.008, 0.010, 0.011, 0.009, 0.010]
    assert stats.t_test([*quiet[:9], 0.3]) < 0.001
    assert reference.ttest_1samp([*quiet[:9], 0.3], 0).pvalue > 0.1


def test_t_of_constant_and_of_too_few_values():
    assert stats.t_test([0.125] * 6) == 0.0
    assert stats.t_test([0.0] * 6) == 1.0
    assert stats.t_test([0.1]) is None
    assert stats.t_interval([0.1]) is None


def test_holm_known_values():
    # The textbook example: 0.01 x 4, 0.02 x 3 -> 0.06, 0.03 x 2 -> 0.06, 0.04 -> 0.06.
    assert stats.holm([0.01, 0.04, 0.03, 0.02]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert stats.holm([0.5, None, 0.9]) == [1.0, None, 1.0]
    assert stats.holm([]) == []


def test_benjamini_hochberg_known_values():
    # The 15 p of the authors' paper (1995): four are rejected at 5%, where Holm rejects three.
    paper = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240,
             0.4262, 0.5719, 0.6528, 0.7590, 1.0000]  # fmt: skip
    adjusted = stats.benjamini_hochberg(paper)
    assert sum(p <= 0.05 for p in adjusted) == 4
    assert sum(p <= 0.05 for p in stats.holm(paper)) == 3
    assert adjusted[:2] == pytest.approx([0.0015, 0.003]) and adjusted[-1] == 1.0
    assert stats.benjamini_hochberg([0.04, None, 0.01, 0.03]) == pytest.approx(
        [0.04, None, 0.03, 0.04]
    )
    assert stats.benjamini_hochberg([]) == []


@pytest.mark.parametrize("seed", range(5))
def test_benjamini_hochberg_rejects_what_its_definition_does(seed):
    p = numpy.random.default_rng(seed).beta(0.4, 1.0, 60)
    adjusted = numpy.array(stats.benjamini_hochberg(p.tolist()))
    for alpha in (0.01, 0.05, 0.2):
        ordered = numpy.sort(p)
        fits = [k for k in range(1, 61) if ordered[k - 1] <= alpha * k / 60]
        limit = ordered[max(fits) - 1] if fits else -1.0
        assert ((adjusted <= alpha) == (p <= limit)).all()


def test_benjamini_hochberg_keeps_the_family_where_nothing_changed():
    """Rows that move together, as those of a run do: at most one family of twenty has any."""
    draw, trials, false = numpy.random.default_rng(3), 1000, 0
    for _ in range(trials):
        z = draw.normal() * 0.7 + draw.normal(size=50) * math.sqrt(0.51)
        false += any(p <= 0.05 for p in stats.benjamini_hochberg(reference.norm.sf(z).tolist()))
    assert false / trials < 0.065


@pytest.mark.parametrize("seed", range(3))
def test_welch_against_scipy(seed):
    draw = numpy.random.default_rng(seed)
    base, new = draw.normal(1, 0.1, 10), draw.normal(0.9, 0.3, 7)
    found = stats.welch(list(base), list(new))
    expected = reference.ttest_ind(base, new, equal_var=False)
    assert found.mean / found.error == pytest.approx(expected.statistic)
    p = 2 * reference.t.sf(abs(found.mean / found.error), found.freedom)
    assert p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("count", (6, 10, 20))
def test_intervals_cover_what_they_state(count):
    draw, trials = random.Random(count), 3000
    order = student = 0
    for _ in range(trials):
        values = [draw.gauss(0.1, 0.02) for _ in range(count)]
        low, high, _ = stats.order_interval(values)
        order += low <= 0.1 <= high
        low, high, _ = stats.t_interval(values)
        student += low <= 0.1 <= high
    stated = stats.order_ranks(count)[1]
    assert order / trials == pytest.approx(stated, abs=0.012)
    assert 0.94 < student / trials < 0.985


@pytest.mark.parametrize("count", (3, 4, 5, 8, 12, 23, 40))
def test_the_robust_scale_is_a_standard_deviation(count):
    draw = numpy.random.default_rng(count)
    found = [stats.robust_scale((3 * draw.standard_normal(count)).tolist()) for _ in range(4000)]
    assert numpy.mean(found) == pytest.approx(3, rel=0.12 if count < 8 else 0.06)
    squares = numpy.square(found)
    freedom = 2 * numpy.mean(squares) ** 2 / numpy.var(squares)
    assert stats.robust_freedom(count) == pytest.approx(freedom, rel=0.25)
    assert stats.robust_scale([]) == stats.robust_scale([1.0]) == 0


@pytest.mark.parametrize("count", (4, 5, 8, 23, 40))
def test_a_quarter_of_the_values_makes_no_spread_and_a_third_does(count):
    few = max(1, count // 4)
    near = [0.01 * (-1) ** at for at in range(count)]
    assert stats.robust_scale([*near[few:], *[5.0] * few]) < 0.2
    half = count // 2
    assert count < 8 or stats.robust_scale([*near[half:], *[5.0] * half]) > 2


def test_holm_keeps_the_family_error():
    draw, trials, false = random.Random(3), 300, 0
    for _ in range(trials):
        family = [stats.t_test([draw.gauss(0, 1) for _ in range(10)]) for _ in range(15)]
        false += any(p < 0.05 for p in stats.holm(family))
    assert false / trials < 0.09


def _both(low, high):
    return [stats.Interval(low, high, 0.95)] * 2


def test_verdicts():
    assert stats.verdict(_both(0.03, 0.05), 0.02) == "faster"
    assert stats.verdict(_both(-0.05, -0.03), 0.02) == "slower"
    assert stats.verdict(_both(-0.01, 0.01), 0.02) == "equivalent"
    assert stats.verdict(_both(0.01, 0.05), 0.02) == "unresolved"
    # The edges lie at ln 1.02 to both sides, so that exchanging the two exchanges the verdict.
    assert stats.verdict(_both(-0.0199, -0.0199), 0.02) == "slower"
    assert stats.verdict(_both(-0.0197, 0.0197), 0.02) == "equivalent"
    # Both intervals have to agree.
    mixed = [stats.Interval(0.03, 0.05, 0.97), stats.Interval(0.01, 0.06, 0.95)]
    assert stats.verdict(mixed, 0.02) == "unresolved"
    assert stats.verdict([None, None], 0.02) is None
    # A real but small difference: below the noise floor no claim is made, and noise makes nothing
    # equivalent.
    assert stats.verdict(_both(0.03, 0.05), 0.02, 1.06) == "unresolved"
    assert stats.verdict(_both(-0.05, 0.05), 0.02, 1.10) == "unresolved"
    assert stats.verdict(_both(0.07, 0.08), 0.02, 1.06) == "faster"
    assert stats.verdict(_both(-0.08, -0.07), 0.02, 1.06) == "slower"
    assert stats.verdict(_both(-0.01, 0.01), 0.02, 1.06) == "equivalent"


def test_noise_floor_is_the_farthest_edge():
    assert stats.noise_floor([]) is None
    assert stats.noise_floor([[]]) is None
    quiet = [0.0] * 9 + [0.5]  # one wild launch in ten lies outside the 2nd to the 9th
    assert stats.noise_floor([quiet]) == 1.0
    assert stats.noise_floor([quiet, [-0.02] * 10]) == pytest.approx(math.exp(0.02))
    assert stats.noise_floor([[0.01, -0.03]]) == pytest.approx(math.exp(0.03))


def test_a_program_against_itself_is_rarely_judged():
    draw, judged, trials = random.Random(5), 0, 1000
    for _ in range(trials):
        found = stats.speedup_of([draw.gauss(0, 0.01) for _ in range(10)])
        judged += stats.verdict(found.intervals, 0.02) in ("faster", "slower")
    assert judged / trials < 0.01


def test_a_difference_of_five_percent_is_found():
    draw, judged, trials = random.Random(6), 0, 300
    for _ in range(trials):
        found = stats.speedup_of([draw.gauss(0.05, 0.01) for _ in range(10)])
        judged += stats.verdict(found.intervals, 0.02) == "faster"
    assert judged / trials > 0.95
