"""The cores axis of machines with different numbers of cores: each at its own fastest count."""

from __future__ import annotations

import json
import math

import pytest
from generated import golden_pair, sweep, written

from headroom_tools.compare import between_runs
from headroom_tools.compare.comparison import compared
from headroom_tools.compare.sides import read_sides
from headroom_tools.record.cells import cells_of

TWO = [1, 2]
MANY = [1, 2, 4, 8, 16, 32, 64]


def _machine(folder, name, threads, time_of, seed=1, change=None):
    run, machine = sweep(threads, time_of, seed=seed)
    run["machine"] = machine["slug"] = run["label"] = name
    if change:
        change(run, machine)
    return written(folder / name / "run", run, machine)


def _small(folder, change=None):
    return _machine(folder, "small", TWO, lambda threads: 1 / threads, change=change)


def _big(folder, most=64, change=None):
    """Each thread is a tenth slower; from `most` on more of them only get in each other's way."""
    def time_of(threads):
        return 1.1 / min(threads, most) * (1 + 0.01 * max(0, threads - most))

    return _machine(folder, "big", MANY, time_of, seed=2, change=change)


def _tree(*folders):
    return compared(*read_sides(list(folders)))


@pytest.mark.parametrize("most", (16, 64))
def test_the_axis_tells_what_64_cores_gain_over_2(tmp_path, most):
    tree = _tree(_small(tmp_path), _big(tmp_path, most))
    (axis,) = tree["axes"]
    gain = most / 1.1 / 2
    assert axis["axis"] == "cores" and axis["ratio"] == pytest.approx(gain, rel=0.03)
    assert axis["lo"] < gain < axis["hi"] and axis["hi"] / axis["lo"] < 1.3
    assert (axis["least"], axis["most"]) == (pytest.approx(axis["ratio"]),) * 2
    assert axis["best"]["ratio"] == pytest.approx(gain, rel=0.03)
    assert axis["naive"]["ratio"] == pytest.approx(1, rel=0.03), "which has one thread on both"
    (row,) = tree["sweeps"]
    assert (row["variant"], row["base_threads"], row["new_threads"]) == ("v1", 2, most)
    assert row["ratio"] == pytest.approx(gain, rel=0.03) and row["verdict"] == "faster"
    assert row["base_value"] == pytest.approx(0.5, rel=0.1) and row["best_base"] and row["best_new"]
    # What both have is compared as before, count by count.
    same = {(r["variant"], r["threads"]): r["ratio"] for r in tree["rows"]}
    assert set(same) == {("naive", 1), ("v1", 1), ("v1", 2)}
    assert same["v1", 2] == pytest.approx(1 / 1.1, rel=0.03)


def test_the_other_way_round_it_is_the_reciprocal(tmp_path):
    small, big = _small(tmp_path), _big(tmp_path)
    there, back = (_tree(*pair) for pair in ((small, big), (big, small)))
    assert there["axes"][0]["ratio"] == pytest.approx(1 / back["axes"][0]["ratio"])
    (one,), (other,) = there["sweeps"], back["sweeps"]
    assert one["ratio"] == pytest.approx(1 / other["ratio"]) and other["verdict"] == "slower"
    assert (other["base_threads"], other["new_threads"]) == (64, 2)


def test_the_interval_is_that_of_two_cells_of_the_axis(tmp_path):
    base, new = read_sides([_small(tmp_path), _big(tmp_path)])
    (row,) = compared(base, new)["sweeps"]
    keys = [key for key in new.cells if key[1] == "v1" and key[4] == 64]
    old = [key for key in base.cells if key[1] == "v1" and key[4] == 2]
    runs = [s.numbers.runs.rows([s.numbers.index[k[0]]]) for s, k in ((base, old), (new, keys))]
    found = between_runs.differences(*runs, ["cores"], between_runs.CELLS)
    assert math.log(row["ratio"]) == pytest.approx(float(found.mean[0]))
    half = float(between_runs.halves(found)[0])
    assert math.log(row["hi"] / row["ratio"]) == pytest.approx(half)


def test_machines_with_as_many_threads_are_compared_count_by_count(tmp_path):
    one = _machine(tmp_path, "one", TWO, lambda threads: 1 / threads)
    other = _machine(tmp_path, "other", TWO, lambda threads: 0.5 / threads)
    tree = _tree(one, other)
    assert tree["sweeps"] == []
    assert tree["axes"][0]["ratio"] == pytest.approx(2 ** (2 / 3), rel=0.03)

    def failed(run, machine):
        for cell in cells_of(run):
            if cell.threads == 2:
                for values in (cell.median, cell.p10, cell.min, cell.log_ratio):
                    values[:] = [None] * len(values)

    lost = _machine(tmp_path, "lost", TWO, lambda threads: 1 / threads, change=failed)
    assert _tree(one, lost)["sweeps"] == [], "a count that failed is no machine with fewer"


def test_what_is_done_per_call_may_go_with_the_threads(tmp_path):
    """64 threads that do 64 times the work in the same time are 32 times two threads."""
    def scaled(run, machine):
        ladders = run["ladders"]
        ladders["items"] = [n * t for n, t in zip(ladders["n"], ladders["threads"])]

    small = _machine(tmp_path, "small", TWO, lambda threads: 1.0, change=scaled)
    big = _machine(tmp_path, "big", MANY, lambda threads: 1.0, seed=2, change=scaled)
    tree = _tree(small, big)
    (row,) = tree["sweeps"]
    assert row["ratio"] == pytest.approx(32, rel=0.03)
    assert row["base_value"] / row["new_value"] == pytest.approx(row["ratio"])
    assert tree["axes"][0]["ratio"] == pytest.approx(32, rel=0.03)
    assert tree["axes"][0]["least"] == pytest.approx(row["ratio"])


def test_contention_stays_count_by_count(tmp_path):
    """A kernel about what threads do to each other is not compared where it avoids them."""
    def coherence(run, machine):
        run["kernels"][0]["axis"] = "coherence"

    tree = _tree(_small(tmp_path, coherence), _big(tmp_path, 64, coherence))
    assert tree["sweeps"] == [] and {r["threads"] for r in tree["rows"]} == {1, 2}


def test_a_weaker_promise_is_nobodys_fastest(tmp_path):
    def weaker(run, machine):
        run["kernels"][0]["variants"][1]["lacks"] = ["exact"]

    (row,) = _tree(_small(tmp_path, weaker), _big(tmp_path, 64, weaker))["sweeps"]
    assert not row["best_base"] and not row["best_new"]


def test_the_forms_tell_the_thread_counts(headroom, tmp_path):
    pair = _small(tmp_path), _big(tmp_path)
    out = headroom("compare", *pair).stdout
    assert "2 -> 64 threads" in out and max(map(len, out.splitlines())) <= 100
    text = headroom("compare", *pair, "--markdown").stdout
    assert "| 2 -&gt; 64 threads |" in text
    tree = json.loads(headroom("compare", *pair, "--json").stdout)
    assert [row["new_threads"] for row in tree["sweeps"]] == [64]
    run, machine = golden_pair()
    third = written(tmp_path / "third" / "run", run, machine)
    many = headroom("compare", *pair, third).stdout
    assert "2 -> 64 threads" in many and max(map(len, many.splitlines())) <= 100
