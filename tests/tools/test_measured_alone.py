"""Variants run alone in a run: what a neighbour met is measured again, and left out if need be."""

from __future__ import annotations

import pytest

from headroom_tools.measure import alone
from headroom_tools.measure.bench import Ended, TakenAlone
from headroom_tools.measure.disturbance import Judge

QUICK = ("run", "--profile", "quick", "--filter", "simd/sum", "--label", "t")
OK = Ended("ok", "", 2.0, 0.0, 0.0)


def _undisturbed(*attempts, ended=OK):
    """What is kept of attempts, {cell: (ns, sentinel)} each, and what was asked for."""
    asked = []
    taken = ({name: TakenAlone(*one) for name, one in found.items()} for found in attempts)
    kept = alone.undisturbed(
        ((ended if at == 0 else OK, found) for at, found in enumerate(taken)),
        lambda ns: ns > 1.05,
        asked.append,
    )
    return kept, asked


def test_what_nobody_met_is_measured_once():
    kept, asked = _undisturbed({"a": (10.0, 1.0), "b": (20.0, 1.04)}, {"a": (1.0, 0.5)})
    assert kept["cells"] == {"a": 10.0, "b": 20.0} and asked == []
    assert kept["seconds"] == 2.0 and kept["again"] == 0


def test_only_what_was_met_is_measured_again():
    kept, asked = _undisturbed(
        {"a": (10.0, 1.0), "b": (99.0, 1.3), "c": (99.0, 1.4)},
        {"b": (20.0, 1.0), "c": (98.0, 1.2)},
        {"c": (30.0, 1.0)},
        {"c": (1.0, 1.0)},
    )
    assert kept["cells"] == {"a": 10.0, "b": 20.0, "c": 30.0}
    assert asked == [["b", "c"], ["c"]]
    assert kept["seconds"] == 6.0 and kept["again"] == 2


def test_what_stays_disturbed_is_withheld():
    """Also where an attempt at it failed, and whatever it took: times decide nothing."""
    kept, asked = _undisturbed(
        {"a": (10.0, 1.0), "b": (5.0, 1.3)}, {"b": (4.0, 1.2)}, {}, {"b": (3.0, 1.25)}
    )
    assert kept["cells"] == {"a": 10.0, "b": None} and asked == [["b"]] * 4


def test_the_better_of_two_attempts_stays():
    """Where what is quiet enough has become slower meanwhile, as on a laptop that grew hot."""
    attempts = [(OK, {"a": TakenAlone(10.0, 1.2)}), (OK, {"a": TakenAlone(5.0, 1.4)})]
    for limit_then, expected in ((1.15, None), (1.25, 10.0)):
        limits = [1.05]
        kept = alone.undisturbed(
            iter(attempts), lambda ns: ns > limits[-1], lambda cells: limits.append(limit_then)
        )
        assert kept["cells"] == {"a": expected}


def test_what_the_sentinel_does_not_tell_of_is_kept():
    """Of several threads, of a disk, of programs from before it."""
    kept, asked = _undisturbed({"a": (10.0, None)})
    assert kept["cells"] == {"a": 10.0} and asked == []


def test_the_first_attempt_says_how_it_ended():
    kept, _ = _undisturbed({"a": (1.0, 1.3)}, {"a": (1.0, 1.0)},
                           ended=OK._replace(status="hang", message="stopped"))  # fmt: skip
    assert (kept["status"], kept["message"]) == ("hang", "stopped") and kept["cells"] == {"a": 1.0}
    assert _undisturbed({})[0]["cells"] == {}


def _launch(kernel, index, value):
    conditions = {"seconds": 0.3, "waited": 0.0, "stolen": 0.0, "others": 0.0, "switches": 1,
                  "sentinel": value}  # fmt: skip
    return {"kernel": kernel, "launch": index, "status": "ok", "seconds": 0.4,
            "start": float(index), "conditions": conditions}  # fmt: skip


def _judge(**values):
    kernels = {name: {"noise_class": "cpu", "threads": [1]} for name in values}
    trees = [_launch(name, at, value) for name, value in values.items() for at in range(1, 11)]
    return Judge(kernels, {(tree["kernel"], tree["launch"]): tree for tree in trees})


def test_a_reading_is_held_against_the_launches():
    """By the limit of launches, and by what the kernel itself does to the sentinel."""
    judge = _judge(a=1.0, b=1.0, wide=1.2)
    assert not judge.slowed("a", 1.04, 11.0) and judge.slowed("a", 1.06, 11.0)
    assert not judge.slowed("wide", 1.25, 11.0) and judge.slowed("wide", 1.3, 11.0)
    assert not Judge({}, {}).slowed("a", 9.0, 0.0)


def test_a_machine_that_has_become_slower_has_no_neighbour():
    """A laptop that grew hot: what most readings of late have is its speed now."""
    judge = _judge(a=1.0, b=1.0)
    for at in range(19):
        judge.hear("a" if at % 2 else "b", 1.2, 20.0 + at)
        assert judge.slowed("a", 1.2, 20.0 + at) is (at < 10), at


def test_a_run_measures_them_again(headroom):
    """The second process's figure counts: in the first a neighbour made it half as long again."""
    log = headroom.root / "alone"
    result = headroom(*QUICK, FAKE_MODE="nexttoonce:simd/sum", FAKE_ALONE=str(log))
    assert result.returncode == 0, result.stderr
    first, second = log.read_text().splitlines()
    assert "better" in second and "naive" not in second and "better" not in first
    cells = headroom.run_json()["cells"]
    assert [ns for ns in cells["alone_ns"] if ns is not None]
    assert not any("left out" in note for note in headroom.run_json()["notes"])
    quiet = {(n, round(ns)) for n, ns in zip(_sizes(headroom), cells["alone_ns"]) if ns}
    assert {(4096, 8192), (4096, 2048), (4096, 4096)} <= quiet


def _sizes(headroom):
    run = headroom.run_json()
    return [run["ladders"]["n"][at] for at in run["cells"]["ladder"]]


def test_a_run_withholds_what_stays_disturbed(headroom):
    log = headroom.root / "alone"
    result = headroom(*QUICK, FAKE_MODE="nextto:simd/sum", FAKE_ALONE=str(log))
    assert result.returncode == 0, result.stderr
    assert len(log.read_text().splitlines()) == 1 + alone.AGAIN
    run = headroom.run_json()
    told = [
        (variant, ns)
        for variant, ladder, ns in zip(
            run["cells"]["variant"], run["cells"]["ladder"], run["cells"]["alone_ns"]
        )
        if run["kernels"][run["ladders"]["kernel"][ladder]]["name"] == "simd/sum"
        and run["ladders"]["n"][ladder] == 4096
    ]
    names = next(k for k in run["kernels"] if k["name"] == "simd/sum")["variants"]
    by_name = {(v if isinstance(v, str) else names[v]["name"]): ns for v, ns in told}
    assert by_name["better"] is None and by_name["naive"] == pytest.approx(8192)
    (note,) = [note for note in run["notes"] if "left out" in note]
    assert "simd/sum" in note and "run alone" in note
