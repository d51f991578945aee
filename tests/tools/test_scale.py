"""`scale`: fits of synthetic curves with known parameters, and honesty where points are few."""

from __future__ import annotations

import json
import math
import re

import numpy
import pytest
from generated import sweep, written

from headroom_tools.record import validate
from headroom_tools.scale.laws import best_threads, fits, fitted, time_at

MANY = [1, 2, 4, 8, 16, 32, 64]


def usl_time(contention, coherence, one=1.0):
    return lambda n: one * (1 + contention * (n - 1) + coherence * n * (n - 1)) / n


def _fit(threads, time_of, **options):
    run, machine = sweep(threads, time_of, **options)
    validate.run_tree(run, "run.json")
    (entry,) = fits(run, machine)
    return entry


@pytest.mark.parametrize("contention", (0.0, 0.01, 0.2, 0.9))
@pytest.mark.parametrize("coherence", (0.0, 0.0005, 0.02))
def test_exact_curves_are_fitted_exactly(contention, coherence):
    time_of = usl_time(contention, coherence, 3.0)
    times = [time_of(n) for n in MANY]
    ((p, q, r),) = fitted(MANY, numpy.array(times), "usl")
    assert p + q == pytest.approx(3.0)
    assert q / (p + q) == pytest.approx(contention, abs=1e-9)
    assert r / (p + q) == pytest.approx(coherence, abs=1e-9)
    for n, time in zip(MANY, times):
        assert time_at((p, q, r), n) == pytest.approx(time)


def test_the_best_thread_count_is_the_fastest_whole_one():
    for contention, coherence in ((0.02, 0.001), (0.3, 0.01), (0.0, 0.7), (0.9, 0.0001),
                                  (0.0, 0.0657)):
        time_of = usl_time(contention, coherence)
        fastest = min(range(1, 2000), key=time_of)
        parameters = (1 - contention, contention, coherence)
        assert time_of(best_threads(parameters)) == pytest.approx(time_of(fastest))
    assert best_threads((0.9, 0.1, 0.0)) == math.inf


def test_noisy_usl_curve():
    entry = _fit(MANY, usl_time(0.03, 0.0008), noise=0.01)
    usl = entry["usl"]
    assert usl["contention"]["lo"] <= 0.03 <= usl["contention"]["hi"]
    assert usl["coherence"]["lo"] <= 0.0008 <= usl["coherence"]["hi"]
    assert usl["checked"] and usl["worst_miss"] < 0.03
    best = math.sqrt(0.97 / 0.0008)
    assert entry["predicted_best"] == pytest.approx(best, rel=0.1)
    assert usl["best_threads"]["lo"] <= round(best) <= usl["best_threads"]["hi"]
    assert entry["fastest_measured"] == 32
    assert "doesn't describe" in " ".join(entry["notes"]), "Amdahl's law has no peak"


def test_noisy_amdahl_curve():
    entry = _fit(MANY, usl_time(0.05, 0.0), noise=0.01)
    serial = entry["amdahl"]["serial"]
    assert serial["lo"] <= 0.05 <= serial["hi"] and serial["hi"] - serial["lo"] < 0.01
    assert entry["amdahl"]["limit"]["value"] == pytest.approx(20, rel=0.1)
    assert entry["usl"]["coherence"]["lo"] == 0
    told = "there may be no best count" in " ".join(entry["notes"])
    assert entry["predicted_best"] is None or told


@pytest.mark.parametrize("contention, coherence", [(0.02, 0.0001), (0.005, 0.00002), (0.1, 0.001)])
def test_a_sweep_of_128_threads_gives_its_parameters_back(contention, coherence):
    threads = [2**k for k in range(8)]
    assert threads[-1] == 128
    entry = _fit(threads, usl_time(contention, coherence), noise=0.01)
    usl = entry["usl"]
    for name, truth in (("contention", contention), ("coherence", coherence)):
        assert usl[name]["lo"] <= truth <= usl[name]["hi"], name
        assert usl[name]["value"] == pytest.approx(truth, rel=0.2, abs=2e-6), name
    assert usl["checked"] and usl["worst_miss"] < 0.04
    best = math.sqrt((1 - contention) / coherence)
    assert entry["predicted_best"] == pytest.approx(best, rel=0.15)
    assert [point["threads"] for point in entry["points"]] == threads


def test_intervals_cover_the_truth():
    inside = total = 0
    for seed in range(40):
        run, machine = sweep([1, 2, 4, 8, 16], usl_time(0.04, 0.002), noise=0.01, seed=seed)
        (entry,) = fits(run, machine)
        for name, truth in (("contention", 0.04), ("coherence", 0.002)):
            parameter = entry["usl"][name]
            inside += parameter["lo"] <= truth <= parameter["hi"]
            total += 1
    assert inside / total > 0.85, "a bootstrap of ten launches covers a little less than it states"


def test_pairing_takes_the_drift_out():
    entry = _fit([1, 2, 4, 8], usl_time(0.1, 0.0), noise=0.001)
    serial = entry["amdahl"]["serial"]  # the launches drift by 5%, their ratios by 0.1%
    assert entry["paired"] and serial["hi"] - serial["lo"] < 0.005


def test_two_thread_counts_fix_one_parameter():
    entry = _fit([1, 2], usl_time(0.1, 0.0))
    assert entry["usl"] is None and entry["predicted_best"] is None
    assert entry["amdahl"]["checked"] is False
    assert entry["amdahl"]["serial"]["value"] == pytest.approx(0.1, abs=0.02)
    assert "two thread counts fix Amdahl's one parameter" in entry["notes"][0]
    assert entry["fastest_measured"] == 2


def test_three_thread_counts_leave_nothing_to_check():
    entry = _fit([1, 2, 4], usl_time(0.1, 0.01))
    assert entry["usl"]["checked"] is False and entry["amdahl"]["checked"] is True
    assert "three thread counts" in " ".join(entry["notes"])


def test_a_best_count_far_beyond_is_not_told():
    entry = _fit([1, 2, 4], usl_time(0.0, 1e-5), noise=1e-5)
    assert entry["predicted_best"] is None
    near = _fit([1, 2, 4, 8], usl_time(0.0, 0.004), noise=1e-4)
    assert near["predicted_best"] == pytest.approx(15.8, abs=1)
    assert "extrapolated" in " ".join(near["notes"])


def test_slower_with_threads_and_faster_than_linear():
    slower = _fit([1, 2, 4], lambda n: 1.0 * n)
    assert "more threads are slower than one" in " ".join(slower["notes"])
    assert slower["fastest_measured"] == 1 and slower["amdahl"] is None
    assert slower["usl"]["coherence"]["value"] > 0 and slower["predicted_best"] == 1
    faster = _fit([1, 2, 4], lambda n: 1.0 / n**1.3)
    assert "faster than linear" in " ".join(faster["notes"])
    assert faster["amdahl"]["limit"]["value"] is None


def test_hardware_threads_and_few_launches_are_told():
    notes = " ".join(_fit([1, 2, 4, 8], usl_time(0.05, 0.0), cores=4)["notes"])
    assert "beyond 4 threads two of them share a core" in notes
    entry = _fit([1, 2, 4], usl_time(0.05, 0.0), launches=3)
    assert entry["amdahl"]["serial"]["lo"] is None
    assert "too few launches" in " ".join(entry["notes"])


def test_launches_that_failed_are_left_out():
    run, machine = sweep([1, 2, 4, 8], usl_time(0.05, 0.0))
    for name in ("median", "p10", "min", "log_ratio"):
        run["cells"][name][3][2] = None
    validate.run_tree(run, "run.json")
    (entry,) = fits(run, machine)
    assert entry["amdahl"]["serial"]["value"] == pytest.approx(0.05, abs=0.01)


def test_the_command(headroom):
    folder = written(headroom.root / "r" / "sweep", *sweep(MANY, usl_time(0.03, 0.001)))
    tree = json.loads(headroom("scale", folder, "--json").stdout)
    assert list(tree) == ["run", "machine", "threads_available", "cores", "fits", "weak"]
    assert list(tree["fits"][0]) == [
        "kernel", "variant", "n", "input", "params", "role", "paired", "points", "fastest_measured",
        "amdahl",
        "usl", "predicted_best", "notes", "over", "hosts",
    ]  # fmt: skip
    out = headroom("scale", folder).stdout
    told = " ".join(out.split())
    assert "contention 3" in told and "coherence 0.1" in told
    assert "1 thread 1.00x, 2 threads 1.9" in told and re.search(r"best on \d+ threads \[", told)
    assert max(map(len, out.splitlines())) <= 100 and "\x1b" not in out


def test_a_run_without_sweeps_says_so(headroom):
    folder = written(headroom.root / "r" / "one", *sweep([1], usl_time(0.1, 0.0)))
    result = headroom("scale", folder)
    assert result.returncode == 2 and "no kernel was measured on two thread counts" in result.stderr
    assert result.stderr.count("\n") == 1
