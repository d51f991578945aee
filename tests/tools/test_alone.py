"""`selfcheck --alone` and `--peers`: what they make of samples, and how they are taken."""

from __future__ import annotations

import json
import math

import pytest

from headroom_tools.base.errors import HeadroomError
from headroom_tools.selfcheck import alone, apart

HEAD = {"version": 1, "kind": "alone", "kernels": {"a/k": "cache", "b/k": "simd"}}


def _cell(name, ns, other_ns, log_ratio=None, baseline=False):
    kernel = name.rpartition("/")[0]
    variant = name.rpartition("/")[2]
    return {"name": f"{name}/n:1", "ladder": f"{kernel} n 1", "variant": variant, "ns": ns,
            "baseline": baseline, "log_ratio": log_ratio, "other_ns": other_ns}  # fmt: skip


def _sample(kernel, launch, base, *others):
    """base: (ns in the ladder, ns alone); others: (speedup in the ladder, ns alone)."""
    cells = [_cell(f"{kernel}/naive", *base, baseline=True)]
    for index, (speedup, other_ns) in enumerate(others):
        own = base[0] / speedup if speedup else None
        cells.append(_cell(f"{kernel}/v{index}", own, other_ns, speedup and math.log(speedup)))
    return {"kernel": kernel, "launch": launch, "cells": cells}


def test_speedups_are_held_against_those_alone():
    """By the median of the launches: what moves baseline and variant alike is no difference."""
    samples = [
        _sample("a/k", 1, (100.0, 200.0), (2.0, 100.0), (4.0, 40.0)),
        _sample("a/k", 2, (100.0, 200.0), (2.0, 100.0), (4.0, 40.0)),
        _sample("a/k", 3, (900.0, 700.0), (9.0, 10.0), (9.0, 900.0)),
        _sample("b/k", 1, (100.0, 100.0), (2.0, 55.0)),
    ]
    found = apart.judged(HEAD, samples)
    rows = {row.cell: row for row in found.rows}
    assert set(rows) == {"a/k/v0/n:1", "a/k/v1/n:1", "b/k/v0/n:1"}  # no baseline
    same, faster, near = (rows[name] for name in sorted(rows))
    assert (same.ladder, same.other, same.launches) == (pytest.approx(2), pytest.approx(2), 3)
    assert (same.base_ratio, same.own_ratio) == (pytest.approx(2), pytest.approx(2))
    assert (faster.ladder, faster.other) == (pytest.approx(4), pytest.approx(5))
    assert faster.own_ratio == pytest.approx(1.6) and faster.axis == "cache"
    assert near.ratio == pytest.approx(100 / 55 / 2)
    assert found.whole == {"name": "all", "cells": 3, "within": 2 / 3, "further": 2 / 3}
    assert [(part["name"], part["cells"], part["within"]) for part in found.groups] == [
        ("a", 2, 0.5), ("b", 1, 1.0)]  # fmt: skip
    assert [part["name"] for part in found.axes] == ["cache", "simd"]
    assert apart.worst(found.rows)[0] is faster


@pytest.mark.parametrize(
    "speedup, within", [(1.8, False), (1.83, True), (2.19, True), (2.21, False)]
)
def test_ten_percent_is_a_factor_to_either_side(speedup, within):
    found = apart.judged(HEAD, [_sample("a/k", 1, (100.0, 100.0), (2.0, 100.0 / speedup))])
    assert found.whole["within"] == within


def test_what_has_no_figure_both_ways_is_left_out():
    samples = [
        _sample("a/k", 1, (100.0, 100.0), (2.0, None), (None, 50.0)),
        _sample("b/k", 1, (100.0, None), (2.0, 50.0)),
    ]
    assert apart.judged(HEAD, samples) is None
    samples[0]["cells"][1]["other_ns"] = 50.0
    assert [row.cell for row in apart.judged(HEAD, samples).rows] == ["a/k/v0/n:1"]


@pytest.mark.parametrize("count, missed", [(0, "met"), (5, "met"), (6, "open"), (40, "missed")])
def test_the_goal_is_95_percent_of_cells(count, missed):
    good = [(2.0, 50.0)] * (100 - count)
    found = apart.judged(HEAD, [_sample("a/k", 1, (100.0, 100.0), *good, *[(2.0, 20.0)] * count)])
    assert found.goal.status == missed and found.goal.trials == 100
    assert found.goal.measured == pytest.approx(1 - count / 100)


def test_times_are_held_against_those_in_the_other_build():
    """The baseline's too, within 5%."""
    head = {**HEAD, "kind": "peers"}
    sample = _sample("a/k", 1, (100.0, 104.0), (2.0, 47.0), (4.0, 25.0))
    found = apart.judged(head, [sample])
    assert {row.cell: row.ratio for row in found.rows} == {
        "a/k/naive/n:1": pytest.approx(1.04), "a/k/v0/n:1": pytest.approx(0.94),
        "a/k/v1/n:1": pytest.approx(1.0),
    }  # fmt: skip
    assert found.limit == 1.05 and found.whole["within"] == pytest.approx(2 / 3)


def _measured(headroom, *arguments, **environment):
    done = headroom("selfcheck", *arguments, "--minutes", "0.001", "--json", **environment)
    return done, json.loads(done.stdout) if done.stdout else None


def test_a_check_of_ladders_against_variants_alone(headroom):
    """Three launches where the time is short; the samples can be judged again."""
    done, tree = _measured(headroom, "--alone", "--filter", "^(simd|machine)/")
    assert done.returncode == 0, done.stderr
    both = [(name, n) for name in ("better", "peer") for n in (4096, 65536)]
    assert {row["cell"] for row in tree["rows"]} == {f"simd/sum/{name}/n:{n}" for name, n in both}
    assert len(tree["rows"]) == len(both)
    assert all(row["launches"] == 3 and 0.95 < row["ratio"] < 1.05 for row in tree["rows"])
    assert tree["all"]["within"] == 1 and tree["goals"][0]["status"] == "met"
    (file,) = (headroom.root / "build" / "selfcheck").glob("*-alone.jsonl")
    again = headroom("selfcheck", "--alone", file, "--json")
    assert json.loads(again.stdout) == tree
    assert "cells within a factor of the variants alone" in headroom(
        "selfcheck", "--alone", file).stdout  # fmt: skip


def test_a_ladder_that_disagrees_is_found(headroom):
    done, tree = _measured(
        headroom, "--alone", "--filter", "^simd/", FAKE_MODE="alone:simd/sum:0"
    )  # fmt: skip
    ratios = {row["cell"]: row["ratio"] for row in tree["rows"]}
    assert ratios["simd/sum/better/n:4096"] == pytest.approx(2, rel=0.05)
    assert ratios["simd/sum/peer/n:4096"] == pytest.approx(1, rel=0.05)
    assert tree["all"]["within"] == 0.5


def test_a_check_against_another_build(headroom):
    """Each ladder is held against the same of that build; what only one has is no row."""
    program = headroom.root / "other"
    program.write_text(
        "#!/bin/sh\nFAKE_WITHOUT=simd/sum/peer FAKE_TIMES=simd/sum/better:1.1 "
        'exec "$HEADROOM_BENCH" "$@"\n'
    )
    program.chmod(0o755)
    done, tree = _measured(headroom, "--peers", program, "--filter", "^simd/")
    assert done.returncode in (0, 1), done.stderr
    assert tree["kind"] == "peers"
    ratios = {row["cell"]: row["ratio"] for row in tree["rows"]}
    both = [(name, n) for name in ("naive", "better") for n in (4096, 65536)]
    assert set(ratios) == {f"simd/sum/{name}/n:{n}" for name, n in both}
    assert ratios["simd/sum/better/n:4096"] == pytest.approx(1.1, rel=0.03)
    assert ratios["simd/sum/naive/n:4096"] == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--peers", "gone"], "gone: no preset that is built, and no folder with a build"),
        (["--alone", "--minutes", "0"], "--minutes 0: more than 0, at most a day"),
        (["--alone", "--filter", "^machine/"], "no kernel of these compares variants by time"),
        (["--alone", "x.jsonl", "--minutes", "3"], "leave out the FILEs"),
        (["--filter", "simd"], "--filter and --minutes go with --alone or --peers"),
        (["--alone", "gone.jsonl"], "gone.jsonl: cannot be read"),
    ],
)
def test_bad_usage_is_one_line(headroom, arguments, told):
    done = headroom("selfcheck", *arguments)
    assert done.returncode == 2 and told in done.stderr and done.stderr.count("\n") == 1


def test_files_of_two_kinds_are_not_judged_together(tmp_path):
    files = []
    for kind in ("alone", "peers"):
        files.append(tmp_path / kind)
        files[-1].write_text(json.dumps({**HEAD, "kind": kind}) + "\n")
    with pytest.raises(HeadroomError, match="of kind peers, not alone"):
        alone.read_all(files)
    files[1].write_text("{}\n")
    with pytest.raises(HeadroomError, match="holds no samples"):
        alone.read_all(files[1:])
