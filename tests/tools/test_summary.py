"""What is kept of rounds: which clock, which statistic, which pairs; and figures that need
several arms. Made-up rounds, so that each wrong choice gives another number."""

from __future__ import annotations

import math

import pytest

from headroom_tools.measure import summary
from headroom_tools.record.types import TIME

NOT_A_TIME = (0.0, -5.0, None, math.nan, math.inf, "fast")


def _arm(variant, wall, cpu=None, **more):
    return {"variant": variant, "role": "x", "threads": 1, "calls": 7, "wall_ns": wall,
            "cpu_ns": wall if cpu is None else cpu, "held_bytes": 0, "quantities": {},
            "build_ns": None, **more}  # fmt: skip


def _ladder(*arms, clock="cpu", **more):
    return {"n": 1, "input": "x", "threads": 1, "params": {}, "group": 0, "baseline": "naive",
            "clock": clock, "working_set": 1, "empty_wall_ns": 33.0, "empty_cpu_ns": 574.0,
            "setup_s": 0.0, "status": "ok", "failed": [], "arms": list(arms), **more}  # fmt: skip


def _kept(*arms, **more):
    return summary.ladder(_ladder(*arms, **more), TIME)["arms"]


def test_the_ratio_is_the_median_of_paired_rounds():
    """A machine that drifts slows both of a round: the ratio of the medians would be 1.5 here."""
    naive = _arm("naive", [10.0, 20.0, 30.0])
    fast = _arm("fast", [2.0, 20.0, 25.0])
    _, kept = _kept(naive, fast)
    assert math.exp(kept["log_ratio"]) == pytest.approx(30 / 25)
    assert 20.0 / 20.0 != pytest.approx(30 / 25)


def test_a_round_without_a_usable_time_has_no_pair():
    for none in NOT_A_TIME:
        naive = _arm("naive", [10.0, none, 10.0, 40.0])
        fast = _arm("fast", [5.0, 1.0, none, 5.0])
        kept = _kept(naive, fast)
        assert kept[1]["log_ratio"] == pytest.approx((math.log(2) + math.log(8)) / 2), none
        assert [arm["rounds"] for arm in kept] == [3, 3]
        assert kept[0]["median"] == 10.0 and kept[1]["min"] == 1.0


@pytest.mark.parametrize("clock, scale, empty", [("cpu", 10, 574.0), ("wall", 1, 33.0)])
def test_all_figures_are_by_the_ladders_clock(clock, scale, empty):
    walls = [4.0, 5.0, 6.0]
    naive = _arm("naive", walls, [10 * ns for ns in walls])
    fast = _arm("fast", [2.0, 2.5, 3.0], [1.0, 1.25, 1.5])
    kept = summary.ladder(_ladder(naive, fast, clock=clock), TIME)
    assert kept["clock"] == clock and kept["empty_ns"] == empty
    base, own = kept["arms"]
    assert (base["min"], base["median"]) == (4.0 * scale, 5.0 * scale)
    assert math.exp(own["log_ratio"]) == pytest.approx(40 if clock == "cpu" else 2)


def test_the_baseline_is_the_one_that_is_named():
    """Wherever it stands among the arms."""
    fast, naive = _arm("fast", [2.0]), _arm("naive", [10.0])
    kept = _kept(fast, naive)
    assert [math.exp(arm["log_ratio"]) for arm in kept] == pytest.approx([5.0, 1.0])


def test_another_clock_is_refused():
    with pytest.raises(ValueError, match="clock tsc"):
        summary.ladder(_ladder(_arm("naive", [1.0]), clock="tsc"), TIME)


def test_median_p10_and_min():
    times = [float(ns) for ns in range(100, 201)]  # 101 values: the p10 is the 11th
    (kept,) = _kept(_arm("naive", times[::-1]))
    assert (kept["min"], kept["p10"], kept["median"]) == (100.0, 110.0, 150.0)
    assert summary.p10([10.0, 20.0]) == 11.0
    assert summary.p10([7.0]) == 7.0


def test_a_ceiling_is_paired_with_the_baseline_too():
    naive = _arm("naive", [10.0, 20.0, 30.0])
    top = _arm("ceiling", [1.0, 10.0, 20.0], role="ceiling", probe="machine/read/probe")
    kept = _kept(naive, top)
    assert kept[1]["probe"] == "machine/read/probe" and kept[0]["probe"] == ""
    assert math.exp(kept[1]["log_ratio"]) == pytest.approx(2.0)  # of 10, 2 and 1.5


def test_an_arms_own_figures_are_kept():
    arm = _arm("naive", [1.0], held_bytes=4096, build_ns=1.5e6,
               quantities={"hit_ratio": {"value": 0.5, "unit": "ratio"}})  # fmt: skip
    (kept,) = _kept(arm)
    assert (kept["held_bytes"], kept["build_ns"], kept["calls"]) == (4096, 1.5e6, 7)
    assert kept["quantities"] == {"hit_ratio": {"value": 0.5, "unit": "ratio"}}


def test_a_ladder_that_was_not_ok_has_no_arms():
    """Its times are of an answer that may be wrong."""
    for status in ("mismatch", "no-memory", "error"):
        assert _kept(_arm("naive", [1.0]), status=status) == []
