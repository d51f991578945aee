"""The self-check: that it counts rightly, and that it can fail."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from conftest import CHECKOUT
from scipy import stats as reference

from headroom_tools import stats
from headroom_tools.base import processes, terminal
from headroom_tools.selfcheck import coverage, judge, measure, output


def _sample(variant, effect=0.0, noise=0.001, condition="quiet", group=0, launches=10):
    draw = random.Random(f"{variant} {effect} {condition} {group}")
    base = [100.0 * math.exp(draw.gauss(0, noise)) for _ in range(launches)]
    log_ratio = [-effect + draw.gauss(0, noise) for _ in range(launches)]
    new = [b / math.exp(r) for b, r in zip(base, log_ratio)]
    rounds = [[100.0 * math.exp(draw.gauss(0, noise) + shift) for _ in range(40)]
              for shift in (0.0, effect)]  # fmt: skip
    return measure.Sample(
        condition, group, "selfcheck/chain", variant, log_ratio, base, new, *rounds
    )


def _judged(samples):
    return [judge.judged(sample) for sample in samples]


@pytest.mark.parametrize(("hits", "trials"), [(0, 60), (1, 60), (30, 60), (60, 60), (3, 7)])
def test_shares_have_the_exact_interval(hits, trials):
    found = judge.share([True] * hits + [False] * (trials - hits))
    exact = reference.binomtest(hits, trials).proportion_ci(0.95, "exact")
    assert (found.lo, found.hi) == (pytest.approx(exact.low), pytest.approx(exact.high))
    assert found.value == hits / trials


def test_identical_code_meets_the_goals_and_a_biased_copy_misses_them():
    sound = _judged(_sample("copy", group=group) for group in range(60))
    biased = _judged(_sample("copy", 0.05, group=group) for group in range(60))
    assert all(goal.status in ("met", "open") for goal in judge.goals(sound))
    status = {goal.what: goal.status for goal in judge.goals(biased)}
    assert status["identical code detected, selfcheck/chain"] == "missed"
    assert status["identical code faster or slower"] == "missed"
    assert status["whole runs with a false verdict"] == "missed"
    assert judge.failed(judge.goals(biased), "quick")
    assert not judge.failed(judge.goals(sound), "full")


def test_power_is_counted_by_known_effect():
    samples = [_sample("plus_1", 0.01, group=group) for group in range(30)]
    (row,) = judge.effects(_judged(samples))
    assert (row["nominal"], row["detected"].hits) == (0.01, 30)
    assert row["calibrated"] == pytest.approx(math.expm1(0.01), rel=0.05)
    blind = [_sample("plus_1", 0.01, 0.05, group=group) for group in range(30)]
    goals = {goal.what: goal for goal in judge.goals(_judged(blind))}
    assert goals["1% detected, selfcheck/chain"].status == "missed"


def test_noise_fails_no_quick_check_and_says_so(capsys):
    noisy = [_sample("plus_1", 0.01, 0.05, group=group) for group in range(30)]
    noisy += [_sample("copy", 0, 0.05, group=group) for group in range(30)]
    found = _judged(noisy)
    missed = {goal.what for goal in judge.goals(found) if goal.status == "missed"}
    assert missed == {
        "1% detected, selfcheck/chain", "half-width of the interval (median), selfcheck/chain",
    }  # fmt: skip
    for mode, fails in (("quick", False), ("full", True)):
        assert judge.failed(judge.goals(found), mode) == fails
        profile = measure.MODES[mode].profile
        head: measure.Head = {"version": measure.VERSION, "mode": mode, "profile": profile}
        output.print_all(head, found, [], terminal.console())
        assert ("too noisy" in capsys.readouterr().out.replace("\n", " ")) == (not fails)


def test_goals_are_open_where_only_the_point_misses_them():
    few = judge.share([True] + [False] * 11)
    assert judge.of_share("x", 0.05, True, few).status == "open"
    assert judge.of_share("x", 0.05, True, judge.share([True] * 12)).status == "missed"
    assert judge.of_share("x", 0.05, True, judge.share([False] * 12)).status == "met"
    assert judge.of_share("x", 0.95, False, judge.share([True] * 11 + [False])).status == "open"


def test_a_goal_is_missed_only_beyond_the_999_in_1000_interval():
    lo, hi = judge.exact(6, 20, judge.SURE)
    known = reference.binomtest(6, 20).proportion_ci(0.999, "exact")
    assert (lo, hi) == pytest.approx(tuple(known))
    four, six = (judge.share([True] * hits + [False] * (20 - hits)) for hits in (4, 6))
    assert four.lo > 0.05  # at 95% four of twenty would be beyond it
    assert judge.of_share("x", 0.05, True, four).status == "open"
    assert judge.of_share("x", 0.05, True, six).status == "missed"
    assert judge.of_widths("x", 0.0025, [0.001] * 12).status == "met"
    assert judge.of_widths("x", 0.0025, [0.004] * 12).status == "missed"
    assert judge.of_widths("x", 0.0025, [0.004] * 7 + [0.001] * 5).status == "open"
    assert judge.of_widths("x", 0.0025, [0.004] * 5).status == "open"  # too few to be sure


def test_the_interval_covers_and_one_that_is_too_narrow_does_not(monkeypatch):
    assert all(row.good for row in coverage.covered())
    ranks = {6: (2, 0.96875), 10: (3, 0.978), 20: (6, 0.988)}
    monkeypatch.setattr(stats, "order_ranks", lambda count: ranks[count])
    assert not any(row.good for row in coverage.covered() if row.scenario.startswith("independent"))


def test_incomplete_groups_are_left_out():
    assert judge.complete(_sample("copy"))
    assert not judge.complete(_sample("copy", launches=5))
    whole = _sample("copy")
    assert not judge.complete(whole._replace(log_ratio=[None, *whole.log_ratio[1:]]))


@pytest.mark.skipif(judge.gbench_compare() is None, reason="libbenchmark-tools is not installed")
def test_google_benchmarks_own_u_test_judges_the_same_samples():
    samples = [_sample("copy", group=group) for group in range(5)]
    samples += [_sample("plus_1", 0.1, group=group) for group in range(5)]
    tests, missing = judge.others(_judged(samples))
    assert missing is None
    by_name = {row["test"]: row for row in tests}
    for name in ("launches as repetitions", "rounds of one launch as repetitions"):
        row = by_name[f"compare.py, {name}"]
        assert (row["same"].trials, row["one_per_cent"].hits) == (5, 5)


def test_without_compare_py_it_says_so(monkeypatch):
    monkeypatch.setenv("HEADROOM_GBENCH_COMPARE", "/nonexistent")
    tests, missing = judge.others(_judged([_sample("copy")]))
    assert len(tests) == 3 and "libbenchmark-tools" in missing


def test_quick_from_launches_to_goals(headroom):
    done = headroom("selfcheck", "--quick", "--json")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    tree = json.loads(done.stdout)
    assert sum(row["detected"]["trials"] for row in tree["identical"]) == 20
    assert {row["condition"] for row in tree["identical"]} == {"quiet", "cpu", "memory"}
    five = next(row for row in tree["effects"] if row["variant"] == "plus_5")
    assert five["detected"]["share"] == 1 and five["calibrated"] == pytest.approx(0.05, abs=0.005)
    (file,) = (headroom.root / "build" / "selfcheck").iterdir()
    assert headroom.starts().count("selfcheck/chain 0") == 20
    again = headroom("selfcheck", "--samples", file)
    assert again.returncode == 0 and "identical code" in again.stdout
    text = file.read_text()
    file.write_text(text[:-40])  # as a kill leaves it
    assert headroom("selfcheck", "--samples", file).returncode == 0
    file.write_text(text.replace('"log_ratio"', '"ratio"'))
    damaged = headroom("selfcheck", "--samples", file)
    assert damaged.returncode == 1 and damaged.stderr.count("\n") == 1


def test_a_biased_machine_fails_the_check(headroom):
    done = headroom("selfcheck", "--only", "quiet", FAKE_MODE="biased:selfcheck/chain")
    assert done.returncode == 1 and "missed" in done.stdout


def test_a_crash_is_one_line(headroom):
    done = headroom("selfcheck", FAKE_MODE="crash:selfcheck/chain:2")
    assert done.returncode == 1 and "selfcheck/chain: crash: SIGSEGV" in done.stderr
    assert list((headroom.root / "build" / "scratch").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: /proc, prctl")
@pytest.mark.parametrize("condition", ["cpu", "memory"])
def test_the_load_ends_with_a_check_that_is_killed(condition):
    code = (
        "import os, time\n"
        "from headroom_tools.selfcheck import measure\n"
        f"with measure._load({condition!r}):\n"
        "    with open(f'/proc/self/task/{os.getpid()}/children') as stream:\n"
        "        print(stream.read(), flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(CHECKOUT / "tools")},
        stdout=subprocess.PIPE, text=True,
    ) as check:  # fmt: skip
        load = int(check.stdout.readline())
        when = processes.started(load)
        assert when is not None
        check.kill()
    try:
        limit = time.monotonic() + 10
        while processes.started(load) == when and time.monotonic() < limit:
            time.sleep(0.01)
        assert processes.started(load) != when
    finally:
        processes.end(load, when, ((signal.SIGKILL, 5.0),))


def test_no_other_command_measures_its_kernels(headroom):
    done = headroom("run", "--profile", "smoke", "--filter", "selfcheck")
    assert done.returncode == 2 and "matches no kernel" in done.stderr
