"""`ab`: verdicts by pair."""

from __future__ import annotations

import math

import pytest
from made_ab import comparison

from headroom_tools import stats
from headroom_tools.ab import judge, output


def test_a_true_percent_is_found_and_nothing_is_not():
    """Launches that differ by 1%, as those of a kernel in caches do, and drift by 5%."""
    found, false = 0, 0
    for seed in range(200):
        (row,) = judge.rows_of(comparison(100, 0.01, 0.01, seed), 0.02)
        found += bool(row.detected)
        (row,) = judge.rows_of(comparison(100, 0.0, 0.01, seed), 0.02)
        false += bool(row.detected)
        assert row.verdict == "equivalent"
    assert found >= 190 and false <= 6  # 1% of 200 at most, and chance: 7 would be 1 in 300


def test_verdicts_are_those_of_a_speedup():
    (row,) = judge.rows_of(comparison(10, 0.2, 0.003), 0.02)
    logs = [math.log(b / n) for b, n in zip(row.cell["base"], row.cell["new"])]
    whole = stats.speedup_of(logs)
    assert (row.ratio, row.lo, row.hi, row.p) == (whole.speedup, whole.lo, whole.hi, whole.p)
    assert row.verdict == "faster" and row.ratio == pytest.approx(1.2, rel=0.01)
    (row,) = judge.rows_of(comparison(10, -0.2, 0.003), 0.02)
    assert row.verdict == "slower" and judge.failing([row], "slower")
    (row,) = judge.rows_of(comparison(10, 0.02, 0.02), 0.02)
    assert row.verdict == "unresolved" and row.needed > 10 and row.needed % 2 == 0
    (row,) = judge.rows_of(comparison(4, 0.2, 0.003), 0.02)
    assert row.verdict is None and row.detected is None


def test_where_more_is_better_the_ratio_is_turned():
    tree = comparison(10, 0.2, 0.003)
    tree["kernels"][0]["measure"] = {"name": "hit_ratio", "unit": "ratio", "better": "more"}
    (row,) = judge.rows_of(tree, 0.02)
    assert row.verdict == "slower"


def test_the_whole_table_is_one_family():
    alone = judge.rows_of(comparison(10, 0.0045, 0.003, 3), 0.02)
    (p,) = [row.p for row in alone]
    tree = comparison(10, 0.0, 0.003, 5, cells=400)
    tree["cells"][0] = comparison(10, 0.0045, 0.003, 3)["cells"][0]
    rows = judge.rows_of(tree, 0.02)
    assert rows[0].p == p < judge.ALPHA and alone[0].detected
    assert not any(row.detected for row in rows)
    assert judge.failing([rows[0]._replace(verdict="faster")], "faster") == []


def test_a_pair_without_a_launch_is_left_out():
    tree = comparison(10, 0.2, 0.003)
    tree["cells"][0]["new"][3] = None
    (row,) = judge.rows_of(tree, 0.02)
    assert row.pairs == 9 and row.verdict == "faster"


def test_text_of_strangers_is_text():
    tree = comparison(10, 0.2, 0.003)
    tree["kernels"][0]["name"] = "simd/[red]x|<b>"
    facts = {"asked": "a|b<script>", "commit": None, "dirty": None, "program": "0"}
    tree.update(base=facts, new={**facts, "program": "1"}, machine={"slug": "m"}, kind="rev",
                only=[], left_out=[], failures=[], notes=[], launches=[], stopped=False)
    table = output.as_markdown(tree, 0.02)
    assert "<b>" not in table and "<script>" not in table
