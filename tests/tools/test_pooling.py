"""Which runs make a side of a comparison: by rule, whatever their order, size and number."""

from __future__ import annotations

import itertools
import json

import pytest
from generated import golden_pair, large, written

from headroom_tools.compare import pooling, strays
from headroom_tools.compare.comparison import compared
from headroom_tools.compare.loaded import Loaded
from headroom_tools.compare.sides import pooling_of, read_sides
from headroom_tools.record.cells import cells_of

COMMIT = "0123abcd" + "0" * 32


def _run(tmp_path, day, label="before", change=None, pair=None, machine_name="m", commit=COMMIT):
    run, machine = pair or golden_pair()
    run["machine"] = machine["slug"] = machine_name
    run.update(label=label, commit=commit, dirty=False)
    run["name"] = f"202601{day:02d}T000000Z-{(commit or 'nocommit')[:8]}-{label}"
    if change:
        change(run, machine)
    return written(tmp_path / machine_name / run["name"], run, machine)


def _slower(factor, kernel=None, axis=None):
    def change(run, machine):
        for cell in cells_of(run):
            if kernel in (None, cell.kernel["name"]) and axis in (None, cell.kernel["axis"]):
                for values in (cell.median, cell.p10, cell.min):
                    values[:] = [None if ns is None else ns * factor for ns in values]

    return change


def _days(side):
    return sorted(int(run["name"][6:8]) for run in side.runs)


def _other(tmp_path):
    return _run(tmp_path, 25, "after")


# --- the rule


def test_neither_size_nor_order_decides(tmp_path):
    """Six runs of over half a megabyte each, and the other side's two: all of them, always."""
    runs = [_run(tmp_path, day, pair=large(1200, day)) for day in range(1, 7)]
    after = [_run(tmp_path, day, "after", pair=large(1200, day)) for day in (11, 12)]
    assert sum((run / "run.json").stat().st_size for run in runs) > 2 << 20
    for named in (
        [runs[0], after[0]], [after[1], runs[5]], [runs[2], after[0], runs[4]],
        [after[0], runs[4], after[1], runs[3]],
    ):  # fmt: skip
        found = {side.run["label"]: _days(side) for side in read_sides(named)}
        assert found == {"before": [1, 2, 3, 4, 5, 6], "after": [11, 12]}


def test_the_newest_are_read_of_every_side_alike(tmp_path):
    runs = [_run(tmp_path, day) for day in range(1, 13)]
    after = [_run(tmp_path, day, "after") for day in range(13, 25)]
    for first, second in ((runs[0], after[0]), (after[0], runs[0])):
        found = {side.run["label"]: side for side in read_sides([first, second])}
        assert _days(found["before"]) == [1, 5, 6, 7, 8, 9, 10, 11, 12]
        assert _days(found["after"]) == [13, 17, 18, 19, 20, 21, 22, 23, 24]
        assert pooling_of(found["before"]) == (
            "9 runs pooled (20260101T000000Z-0123abcd-before, 20260112T000000Z-0123abcd-before, "
            "20260111T000000Z-0123abcd-before, 20260110T000000Z-0123abcd-before and 5 more); "
            "3 older not read"
        )
    named = read_sides([*runs, after[0]])
    assert _days(named[0]) == list(range(1, 13)), "what is named is taken, however many"


def test_runs_of_other_commits_are_no_repeats(tmp_path):
    first = _run(tmp_path, 1)
    _run(tmp_path, 2)
    _run(tmp_path, 3, commit="fedcba98" + "0" * 32)
    hidden, machine = golden_pair()
    hidden.update(label="before", commit="f" * 40, dirty=False)
    machine["slug"] = hidden["machine"] = "m"
    written(tmp_path / "m" / "by-hand", hidden, machine)
    base, new = read_sides([first, _other(tmp_path)])
    assert _days(base) == [1, 2] and pooling_of(new) == ""
    assert {one.why for one in base.not_pooled} == {"other commit"}
    assert pooling_of(base).endswith("-before); 2 not pooled: other commit")
    told = compared(base, new)["sides"][0]
    assert [entry["run"][:8] for entry in told["not_pooled"]] == ["by-hand", "20260103"]
    assert told["not_read"] == 0 and told["beside"] == []


def test_many_runs_of_a_later_commit_hide_none_of_this_one(tmp_path):
    first = _run(tmp_path, 1)
    _run(tmp_path, 2)
    for day in range(3, 20):
        _run(tmp_path, day, commit="f" * 40)
    base, _ = read_sides([first, _other(tmp_path)])
    assert _days(base) == [1, 2]
    assert pooling_of(base).endswith("; 17 not pooled: other commit")


def _loaded(tmp_path, **changes):
    run, machine = golden_pair()
    run.update(commit=COMMIT, dirty=False)
    run.update(changes)
    return Loaded(tmp_path, run, machine)


@pytest.mark.parametrize(
    ("changes", "why"),
    [({}, None),
     ({"version": 1}, None),
     ({"dirty": True}, None),
     ({"commit": None, "dirty": None}, None),
     ({"version": 1, "dirty": True}, "unknown source"),
     ({"version": 1, "dirty": None}, "unknown source"),
     ({"version": 1, "commit": None, "dirty": None}, "unknown source")],
)  # fmt: skip
def test_what_tells_the_code(tmp_path, changes, why):
    """A clean commit does, and so do hashes that cover all headers; version 1's don't."""
    one, other = (_loaded(tmp_path, **changes) for _ in range(2))
    assert pooling.why_apart(one, other) == why
    if changes:
        assert pooling.why_apart(one, _loaded(tmp_path)) is not None or changes == {"version": 1}


def test_without_a_hash_a_changed_tree_is_unknown(tmp_path):
    one, other = (_loaded(tmp_path, dirty=True) for _ in range(2))
    for run in (one.run, other.run):
        run["kernels"][1]["source_hash"] = None
    assert pooling.why_apart(one, other) == "unknown source"


def test_why_not_is_told_in_words(tmp_path):
    base = _loaded(tmp_path)
    told = []
    for change in (
        lambda run, machine: machine["cpu"].update(microcode="0x2"),
        lambda run, machine: run.update(changed=["ram"]),
        lambda run, machine: run["build"].update(compiler="Clang 14.0.6"),
        lambda run, machine: run["build"].update(build_type="Debug"),
        lambda run, machine: run["libraries"].update(benchmark="9"),
        lambda run, machine: run.update(dirty=True),
        lambda run, machine: run["kernels"][2].update(source_hash="f" * 16),
    ):
        other = _loaded(tmp_path)
        change(other.run, other.machine)
        told.append(pooling.why_apart(base, other))
    assert told == ["another machine (cpu.microcode)", "another declared change", "other compiler",
                    "other flags", "other libraries", "uncommitted changes",
                    "other source"]  # fmt: skip


def test_repeats_beside_are_told(tmp_path):
    runs = [_run(tmp_path, day) for day in (1, 2, 3)]
    base, new = read_sides(runs[:2])
    assert pooling_of(base) == pooling_of(new) == "1 beside only for the spread between runs"


def test_a_run_named_twice_stands_by_itself(tmp_path):
    first, second, other = _run(tmp_path, 1), _run(tmp_path, 2), _other(tmp_path)
    base, new, again = read_sides([first, other, first])
    assert _days(base) == _days(again) == [1] and _days(new) == [25]
    assert base.repeats == again.repeats == [second.name]


# --- machines of one model


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_machine_of_the_same_model_that_is_slower_is_not_pooled(tmp_path, order):
    made = [_run(tmp_path, 1), _run(tmp_path, 2), _run(tmp_path, 3, change=_slower(1 / 0.7))]
    base, new, *rest = read_sides([_other(tmp_path), *(made[at] for at in order)])
    assert sorted(_days(side) for side in (new, *rest)) == [[1, 2], [3]]
    told = [line for line in compared(base, new)["warnings"] if "as machines do" in line]
    assert len(told) == 1 and "name machines apart with --machine" in told[0]
    speed = "0.70x" if _days(new) == [1, 2] else "1.43x"
    assert f"has {speed} of the speed of 2026" in told[0] or f"has {speed}, 2026" in told[0]


def test_a_slow_machine_beside_a_named_run_is_left_out(tmp_path):
    first, second = _run(tmp_path, 1), _run(tmp_path, 2)
    slow = _run(tmp_path, 3, change=_slower(1 / 0.7))
    base, new = read_sides([first, _other(tmp_path)])
    assert _days(base) == [1, 2] and [one.name for one in base.not_pooled] == [slow.name]
    assert pooling_of(base).endswith("; 1 not pooled: differs as machines do")
    told = compared(base, new)["sides"][0]["not_pooled"][0]
    assert told["speed"] == pytest.approx(0.7) and told["axes"]
    base, _ = read_sides([slow, _other(tmp_path / "more")])
    assert _days(base) == [3] and len(base.not_pooled) == 2
    line, other = [
        line for line in compared(*read_sides([first, second]))["warnings"] if "as machines" in line
    ]
    assert f"{slow.name} has 0.70x of the speed of {first.name}" in line
    assert f"of the speed of {second.name}" in other


def test_half_the_memory_channels_are_another_machine(tmp_path):
    def half(run, machine):
        for kernel in run["kernels"]:
            if kernel["axis"] == "memory-bandwidth":
                _slower(1.9, kernel["name"])(run, machine)

    first = _run(tmp_path, 1, pair=large(200, 1))
    _run(tmp_path, 2, pair=large(200, 1), change=half)
    base, _ = read_sides([first, _run(tmp_path, 25, "after", pair=large(200, 1))])
    (one,) = base.not_pooled
    assert one.apart.axes == ["memory-bandwidth"] or one.apart.axes == ["cache"]
    assert one.apart.factor == pytest.approx(1 / 1.9, rel=0.01)


def test_a_kernel_that_jumps_between_runs_makes_no_other_machine(tmp_path):
    first = _run(tmp_path, 1, pair=large(320, 1))
    kernel = large(320, 1)[0]["kernels"][0]["name"]
    _run(tmp_path, 2, pair=large(320, 1), change=_slower(3.0, kernel))
    base, _ = read_sides([first, _run(tmp_path, 25, "after", pair=large(320, 1))])
    assert _days(base) == [1, 2]


@pytest.mark.parametrize(("factor", "runs"), [(1.06, [1, 2]), (1.1, [1])])
def test_the_sentinel_tells_machines_apart_whatever_was_measured(tmp_path, factor, runs):
    def beats(ns):
        def change(run, machine):
            launches = run["launches"]
            launches["sentinel"] = launches["sentinel_min"] = [ns] * len(launches["kernel"])

        return change

    first = _run(tmp_path, 1, change=beats(1.0))
    _run(tmp_path, 2, change=beats(factor))
    base, _ = read_sides([first, _other(tmp_path)])
    assert _days(base) == runs
    if len(runs) == 1:
        assert base.not_pooled[0].apart.axes == [strays.CORE]


def test_runs_that_differ_as_repeats_do_pool(tmp_path):
    """Of scalar 4%, the most that runs in results/ lie apart."""
    first = _run(tmp_path, 1)
    _run(tmp_path, 2, change=_slower(1.04))
    base, _ = read_sides([first, _other(tmp_path)])
    assert _days(base) == [1, 2]


def test_the_command_tells_what_is_pooled(headroom, tmp_path):
    first = _run(tmp_path, 1)
    _run(tmp_path, 2)
    _run(tmp_path, 3, commit="f" * 40)
    other = _other(tmp_path)
    line = "2 runs pooled (20260101T000000Z-0123abcd-before, 20260102T000000Z-0123abcd-before); " \
           "1 not pooled: other commit"  # fmt: skip
    out = headroom("compare", first, other).stdout
    assert f"BASE: {line}" in " ".join(out.split())
    assert "NEW: " not in out
    text = headroom("compare", first, other, "--markdown").stdout
    assert "base: 2 runs pooled" in text and "1 not pooled: other commit" in text
    tree = json.loads(headroom("compare", first, other, "--json").stdout)
    assert [len(side["runs"]) for side in tree["sides"]] == [2, 1]
    many = headroom("compare", other, first, other).stdout
    assert "A: 2 runs pooled" in " ".join(many.split())
