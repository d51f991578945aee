"""`ab`: sides that differ in one thing, their builds, launches in turn, verdicts by pair."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import CHECKOUT, HERE, Headroom
from generated import golden_pair

from headroom_tools import stats
from headroom_tools.ab import builds, judge, output, plan, record, sides
from headroom_tools.base.errors import HeadroomError

SUM = ("--filter", "^simd/sum$", "--pairs", "6")


@pytest.fixture
def repository(headroom: Headroom, monkeypatch) -> Headroom:
    """A checkout with one commit, and a cmake that builds the fake program from it."""
    tools = headroom.root / "tools-of-the-test"
    tools.mkdir()
    cmake = tools / "cmake"
    cmake.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE / "fake_cmake.py"} "$@"\n')
    cmake.chmod(0o755)
    headroom.env["PATH"] = f"{tools}{os.pathsep}{os.environ['PATH']}"
    headroom.env["FAKE_CMAKE_LOG"] = str(headroom.root / "cmake.log")
    headroom.env.pop("HEADROOM_BENCH")
    for name in ("CXX", "CXXFLAGS", "CMAKE_CXX_COMPILER_LAUNCHER", "HEADROOM_PRESET"):
        headroom.env.pop(name, None)
    shutil.copy(CHECKOUT / "CMakePresets.json", headroom.root)
    (headroom.root / "CMakeLists.txt").write_text("project(fake)\n")
    (headroom.root / ".gitignore").write_text(
        "build/\nstarts.log\ncmake.log\ntools-of-the-test/\nsystem/\nstopped\n"
    )
    for name in ("simd/sum", "algorithm/sort", "machine/placebo_cpu"):
        source(headroom, name, f"// {name}")
    git(headroom, "init", "-q")
    commit(headroom, "first")
    return headroom


def source(headroom: Headroom, name: str, *lines: str) -> None:
    path = headroom.root / "kernels" / f"{name}.cpp"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def git(headroom: Headroom, *arguments: str) -> str:
    own = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t.invalid", "GIT_COMMITTER_NAME": "t",
           "GIT_COMMITTER_EMAIL": "t@t.invalid"}  # fmt: skip
    command = ["git", "-C", str(headroom.root), *arguments]
    return subprocess.run(
        command, env={**os.environ, **own}, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(headroom: Headroom, message: str) -> str:
    git(headroom, "add", "-A")
    git(headroom, "commit", "-q", "-m", message)
    return git(headroom, "rev-parse", "HEAD")


def cmake_calls(headroom: Headroom) -> list[str]:
    log = headroom.root / "cmake.log"
    return log.read_text().splitlines() if log.exists() else []


def kept(headroom: Headroom) -> dict:
    """The one comparison there is."""
    (path,) = (headroom.root / "build" / "ab-runs").glob("*/ab.json")
    return json.loads(path.read_text())


def rows_by_name(tree: dict) -> dict[str, dict]:
    return {f"{row['kernel']}/{row['variant']}/n:{row['n']}": row for row in tree["rows"]}


# --- what a side is


@pytest.mark.parametrize(
    ("base", "new", "cure"),
    [
        ("smid:AVX2", None, "there are rev:REV or REV, preset:, cxx:"),
        ("simd:AVX2", None, "name a second simd: as NEW"),
        ("simd:", "simd:AVX2", "simd: takes a SIMD target"),
        ("rev:HEAD", "simd:AVX2", "name two of one kind"),
        ("preset:fastest", "preset:release", "there are release, native, clang"),
        ("cxx:no-such-compiler", "cxx:c++", "name one that is on PATH"),
        ("env:2X=1", "env:2X=2", "env: takes NAME=VALUE"),
        ("env:A=1", "env:B=1", "name two values of one"),
        ("env:HEADROOM_PAD=1", "env:HEADROOM_PAD=2", "choose another variable"),
        ("build:/nonexistent", "build:/nonexistent", "a folder that CMake built"),
        ("rev:--exec=x", None, "no git revision begins with -"),
    ],
)
def test_what_is_no_side_is_one_line_with_the_cure(tmp_path, monkeypatch, base, new, cure):
    monkeypatch.setenv("HEADROOM_ROOT", str(tmp_path))
    shutil.copy(CHECKOUT / "CMakePresets.json", tmp_path)
    with pytest.raises(HeadroomError) as error:
        sides.read(base, new)
    assert cure in str(error.value) and "\n" not in str(error.value)
    assert error.value.status == 2


def test_sides_are_read():
    base, new = sides.read("HEAD~1", None)
    assert (base.kind, base.value, new.kind, new.value) == ("rev", "HEAD~1", "rev", "worktree")
    assert sides.read("rev:v1.0", "main")[0].value == "v1.0"
    assert sides.read("env:A=x:y=z", "env:A")[0].variable == ("A", "x:y=z")
    assert sides.read("env:A=", "env:A")[1].variable == ("A", None)
    assert sides.read("flags:", "flags:-O2 -g")[1].value == "-O2 -g"


def test_what_both_share_can_not_be_what_differs(headroom):
    for words in (
        ("simd:AVX2", "simd:SSE4", "--simd-target", "AVX2"),
        ("scratch:a", "scratch:b", "--scratch", "c"),
    ):
        done = headroom("ab", *words)
        assert done.returncode == 2 and "leave it out" in done.stderr
        assert done.stderr.count("\n") == 1
    assert headroom.starts() == []


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ((), "say what with: BASE"),
        (("simd:AVX2", "simd:NEON"), "not supported here; there are AVX2, SSE4"),
        (("simd:AVX2", "simd:SSE4", "--pairs", "7"), "an even number, 6 or more"),
        (("simd:AVX2", "simd:SSE4", "--filter", "^no/such$"), "matches no kernel"),
        (("simd:AVX2", "simd:SSE4", "--filter", "("), "no regular expression"),
        (("HEAD~1",), "is no git repository"),
        (("simd:AVX2", "--show", "latest"), "leave out BASE"),
        (("--show", "latest", "--pairs", "8"), "leave out --pairs"),
        (("--show", "latest"), "holds 0 comparisons"),
    ],
)
def test_wrong_usage_is_one_line(headroom, words, cure):
    done = headroom("ab", *words)
    assert done.returncode == 2 and cure in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1


def _catalogue(**build):
    facts = {"compiler": "GNU 12", "flags": "-O3", "build_type": "Release", "isa": "x86-64",
             "preset": "release", "benchmark_library_debug": False, **build}  # fmt: skip
    return {"build": facts, "libraries": {"absl": "1"}, "simd_targets": ["AVX2"],
            "threads_available": 2}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "fact", "allowed"),
    [
        ("rev", "compiler", False), ("rev", "flags", True), ("rev", "build_type", False),
        ("cxx", "compiler", True), ("cxx", "build_type", False),
        ("preset", "flags", True), ("preset", "benchmark_library_debug", False),
        ("flags", "flags", True), ("flags", "compiler", False),
        ("simd", "flags", False), ("env", "compiler", False), ("build", "compiler", True),
    ],
)  # fmt: skip
def test_what_was_not_asked_for_is_refused(kind, fact, allowed):
    base, new = _catalogue(), _catalogue(**{fact: "another"})
    assert sides.differences(kind, base, base) == []
    if allowed:
        (note,) = sides.differences(kind, base, new)
        assert "another" in note
        return
    with pytest.raises(HeadroomError, match=f"more than {kind}: .*another") as error:
        sides.differences(kind, base, new)
    assert error.value.status == 1


def test_a_library_of_another_version_is_refused_and_one_that_is_lacking_is_not():
    base, new = _catalogue(), _catalogue()
    new["libraries"] = {"tbb": "2"}
    assert sides.differences("cxx", base, new) == []
    new["libraries"] = {"absl": "2"}
    with pytest.raises(HeadroomError, match="library absl: 1 -> 2"):
        sides.differences("cxx", base, new)


# --- pairs and verdicts


def _tree(pairs: int, effect: float, spread: float, seed: int = 1, cells: int = 1) -> dict:
    """A comparison made up: NEW takes 1 / (1 + effect) of the time; launches drift together."""
    draw = random.Random(f"{seed} {effect}")
    kernel = {"name": "simd/sum", "axis": "simd", "technique": "less", "placebo": "",
              "measure": {"name": "time", "unit": "ns", "better": "less"},
              "inputs": ["random"], "threads": [1]}  # fmt: skip
    made = []
    for at in range(cells):
        drift = [draw.gauss(0, 0.05) for _ in range(pairs)]
        base = [1000 * math.exp(d + draw.gauss(0, spread)) for d in drift]
        new = [1000 / (1 + effect) * math.exp(d + draw.gauss(0, spread)) for d in drift]
        made.append({"kernel": 0, "variant": f"v{at}", "n": 64, "input": "random", "threads": 1,
                     "params": {}, "ladder_threads": 1, "items": 64.0, "clock": "cpu", "calls": 1,
                     "rounds": 60, "base": base, "new": new})  # fmt: skip
    return {"kernels": [kernel], "cells": made, "done": pairs, "pairs": pairs}


def test_a_true_percent_is_found_and_nothing_is_not():
    """Launches that differ by 1%, as those of a kernel in caches do, and drift by 5%."""
    found, false = 0, 0
    for seed in range(200):
        (row,) = judge.rows_of(_tree(100, 0.01, 0.01, seed), 0.02)
        found += bool(row.detected)
        (row,) = judge.rows_of(_tree(100, 0.0, 0.01, seed), 0.02)
        false += bool(row.detected)
        assert row.verdict == "equivalent"
    assert found >= 190 and false <= 6  # 1% of 200 at most, and chance: 7 would be 1 in 300


def test_verdicts_are_those_of_a_speedup():
    (row,) = judge.rows_of(_tree(10, 0.2, 0.003), 0.02)
    logs = [math.log(b / n) for b, n in zip(row.cell["base"], row.cell["new"])]
    whole = stats.speedup_of(logs)
    assert (row.ratio, row.lo, row.hi, row.p) == (whole.speedup, whole.lo, whole.hi, whole.p)
    assert row.verdict == "faster" and row.ratio == pytest.approx(1.2, rel=0.01)
    (row,) = judge.rows_of(_tree(10, -0.2, 0.003), 0.02)
    assert row.verdict == "slower" and judge.failing([row], "slower")
    (row,) = judge.rows_of(_tree(10, 0.02, 0.02), 0.02)
    assert row.verdict == "unresolved" and row.needed > 10 and row.needed % 2 == 0
    (row,) = judge.rows_of(_tree(4, 0.2, 0.003), 0.02)
    assert row.verdict is None and row.detected is None


def test_where_more_is_better_the_ratio_is_turned():
    tree = _tree(10, 0.2, 0.003)
    tree["kernels"][0]["measure"] = {"name": "hit_ratio", "unit": "ratio", "better": "more"}
    (row,) = judge.rows_of(tree, 0.02)
    assert row.verdict == "slower"


def test_the_whole_table_is_one_family():
    alone = judge.rows_of(_tree(10, 0.0045, 0.003, 3), 0.02)
    (p,) = [row.p for row in alone]
    tree = _tree(10, 0.0, 0.003, 5, cells=400)
    tree["cells"][0] = _tree(10, 0.0045, 0.003, 3)["cells"][0]
    rows = judge.rows_of(tree, 0.02)
    assert rows[0].p == p < judge.ALPHA and alone[0].detected
    assert not any(row.detected for row in rows)
    assert judge.failing([rows[0]._replace(verdict="faster")], "faster") == []


def test_a_pair_without_a_launch_is_left_out():
    tree = _tree(10, 0.2, 0.003)
    tree["cells"][0]["new"][3] = None
    (row,) = judge.rows_of(tree, 0.02)
    assert row.pairs == 9 and row.verdict == "faster"


# --- one plan for both


def _pilot(calls: int, rounds: int, ns: float, **more) -> dict:
    where = {"n": 64, "input": "random", "threads": 1, "params": {}}
    arms = [{"variant": "naive", "threads": 1, "calls": calls},
            {"variant": "better", "threads": 1, "calls": 2 * calls},
            {"variant": "ceiling", "threads": 1, "calls": 1, "probe": "read/two"}]  # fmt: skip
    measured = [{"variant": arm["variant"], "threads": 1, "wall_ns": [ns, ns, ns]} for arm in arms]
    ladder = {**where, "group": 0, "rounds": rounds, "clock": "cpu", "arms": arms}
    return {
        "status": "ok", "message": "",
        "plan": {"version": 2, "kernel": "simd/sum", "budget_s": 0.05, "rounds_max": 60,
                 "seed": 1, "deadline_s": 120, "ladders": [ladder]},
        "measured": [{**where, "group": 0, "baseline": "naive", "setup_s": 0.01, "failed": [],
                      "arms": measured}],
        **more,
    }  # fmt: skip


def test_both_sides_follow_one_plan():
    fitted = plan.fit("simd/sum", (_pilot(10, 60, 10_000), _pilot(20, 50, 5_000)), False)
    (ladder,) = fitted.plan["ladders"]
    assert [(arm["variant"], arm["calls"]) for arm in ladder["arms"]] == [
        ("naive", 20), ("better", 40),
    ]  # fmt: skip
    # 60 calls of 10 us, and as much again for warming, are 1.2 ms: 20 of them fit into 25 ms.
    assert ladder["rounds"] == 20
    assert fitted.seconds == pytest.approx([2 * (0.01 + 0.025)], rel=0.05)
    again = plan.fit("simd/sum", (_pilot(20, 50, 5_000), _pilot(10, 60, 10_000)), False)
    assert again.plan["ladders"] == fitted.plan["ladders"]


def test_what_failed_in_one_pilot_is_named():
    failed = _pilot(10, 60, 10_000, plan=None, message="needs a file")
    fitted = plan.fit("simd/sum", (_pilot(10, 60, 10_000), failed), False)
    assert fitted.plan is None
    assert fitted.only == [
        {"side": "base", "what": "simd/sum", "why": "failed in new: needs a file"}
    ]
    other = _pilot(10, 60, 10_000)
    del other["plan"]["ladders"][0]["arms"][1]
    other["measured"][0]["failed"] = [{"variant": "better"}]
    fitted = plan.fit("simd/sum", (_pilot(10, 60, 10_000), other), False)
    assert [arm["variant"] for arm in fitted.plan["ladders"][0]["arms"]] == ["naive"]
    assert [one["what"] for one in fitted.only] == ["simd/sum/better n:64"]
    other["measured"][0]["baseline"] = "better"
    fitted = plan.fit("simd/sum", (_pilot(10, 60, 10_000), other), False)
    assert fitted.plan is None and "baseline" in fitted.left_out[0]


def test_a_slow_set_up_is_left_out_where_no_one_asked_for_it():
    slow = _pilot(10, 60, 10_000)
    slow["measured"][0]["setup_s"] = 3.0
    assert plan.fit("simd/sum", (slow, slow), True).plan is not None
    fitted = plan.fit("simd/sum", (slow, slow), False)
    assert fitted.plan is None and "set-up takes 3.0 s" in fitted.left_out[0]


def test_as_many_pairs_as_a_minute_takes():
    for seconds, pairs in ((0.1, 200), (0.4, 120), (2.4, 24), (2.5, 22), (30.0, plan.PAIRS_MIN)):
        found = plan.schedule({"simd/sum": [seconds]}, None, True)
        assert found.pairs == pairs and found.every == {"simd/sum": [1]}
        assert found.seconds == pytest.approx(pairs * (seconds + 0.1))
    assert plan.schedule({"simd/sum": [0.1]}, None, False).pairs == plan.PAIRS_MIN
    assert plan.schedule({"simd/sum": [9.0]}, 34, True).pairs == 34


def test_what_takes_long_takes_part_in_fewer_pairs():
    found = plan.schedule({"simd/sum": [0.1, 1.0]}, None, True)
    assert found.every == {"simd/sum": [1, 5]}
    assert found.pairs == 150 and found.seconds == pytest.approx(60)
    whole = {"kernel": "simd/sum", "ladders": ["small", "large"]}
    did = [found.plan_of(whole, pair)["ladders"] for pair in range(1, 151)]
    assert all("small" in ladders for ladders in did)
    large = [pair for pair, ladders in enumerate(did, 1) if "large" in ladders]
    assert large == [pair for at in range(1, 151, 10) for pair in (at, at + 1)]
    # Where there are few pairs, it is in all of them, or in ten.
    assert plan.schedule({"simd/sum": [0.1, 1.0]}, 12, True).every == {"simd/sum": [1, 1]}
    assert plan.schedule({"simd/sum": [0.1, 9.0]}, 40, True).every == {"simd/sum": [1, 4]}


# --- whole comparisons


def test_a_difference_is_found_shown_and_shown_again(headroom):
    done = headroom(
        "ab", "env:FAKE_TIMES=x/y:1", "env:FAKE_TIMES=simd/sum/better:1.10", *SUM, "--json"
    )
    assert done.returncode == 0, done.stderr
    tree = json.loads(done.stdout)
    rows = rows_by_name(tree)
    better = rows["simd/sum/better/n:4096"]
    assert better["verdict"] == "slower" and better["detected"]
    assert better["ratio"] == pytest.approx(1 / 1.1, rel=0.005)
    assert better["lo"] <= better["ratio"] <= better["hi"]
    assert rows["simd/sum/naive/n:4096"]["verdict"] == "equivalent"
    assert rows["machine/placebo_cpu/copy/n:4096"]["placebo"]
    assert tree["done"] == tree["pairs"] == 6 and not tree["stopped"]
    again = headroom("ab", "--show", "latest", "--json")
    assert again.returncode == 0 and json.loads(again.stdout) == tree
    shown = headroom("ab", "--show", tree["ab"])
    assert f"{better['ratio']:.3f}x" in shown.stdout
    assert "slower     ✓" in shown.stdout
    table = headroom("ab", "--show", "latest", "--markdown").stdout
    assert "**slower**" in table and "placebo" not in table
    failed = headroom("ab", "--show", "latest", "--fail-on", "slower")
    assert failed.returncode == 1
    assert "2 of 8 cells are slower, the worst is simd/sum/better/n:" in failed.stderr


def test_launches_take_turns_and_pairs_are_adjacent(headroom):
    done = headroom("ab", "simd:AVX2", "simd:SSE4", *SUM)
    assert done.returncode == 0, done.stderr
    tree = kept(headroom)
    assert tree["base"]["simd_taken"] == ["AVX2"]
    launches = tree["launches"]
    for first, second in zip(launches[::2], launches[1::2]):
        assert (first["kernel"], first["pair"]) == (second["kernel"], second["pair"])
        assert {first["side"], second["side"]} == {"base", "new"}
        assert first["first"] and not second["first"]
    for kernel in (0, 1):
        begin = [one["side"] for one in launches if one["kernel"] == kernel and one["first"]]
        assert begin.count("base") == begin.count("new") == 3
        assert all(a != b for a, b in zip(begin[::2], begin[1::2]))
    # The pilots, and then each pair once on each side.
    assert headroom.starts().count("simd/sum 0") == 2 == headroom.starts().count("simd/sum 6")
    assert list((headroom.root / "build" / "scratch").iterdir()) == []
    assert [path.name for path in record.find(str(next(
        (headroom.root / "build" / "ab-runs").iterdir()))).parent.iterdir()] == ["ab.json"]


def test_a_ladder_that_takes_long_is_in_fewer_pairs(headroom):
    done = headroom(
        "ab", "simd:AVX2", "simd:SSE4", "--filter", "^simd/sum$", "--pairs", "20",
        FAKE_MODE="slowest:simd/sum",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "measured in fewer pairs, in no fewer than 10" in done.stdout
    naive = {cell["n"]: cell for cell in kept(headroom)["cells"] if cell["variant"] == "naive"}
    assert None not in naive[4096]["base"] + naive[4096]["new"]
    for side in ("base", "new"):
        took = [pair for pair, ns in enumerate(naive[65536][side], 1) if ns is not None]
        assert took == [1, 2, 5, 6, 9, 10, 13, 14, 17, 18]


def test_a_disturbed_pair_is_measured_again_as_a_pair(headroom):
    done = headroom("ab", "simd:AVX2", "simd:SSE4", *SUM, FAKE_MODE="busyonce:simd/sum:2")
    assert done.returncode == 0, done.stderr
    assert headroom.starts().count("simd/sum 2") == 4
    tree = kept(headroom)
    again = [one for one in tree["launches"] if one["attempts"] == 2]
    assert [(one["pair"], one["side"]) for one in again] in (
        [(2, "base"), (2, "new")], [(2, "new"), (2, "base")],
    )  # fmt: skip
    assert all(one["disturbed"] <= 1 for one in tree["launches"])
    assert "disturbed pairs that were measured again: 1; launches" in done.stdout


def test_what_fails_on_one_side_is_named(headroom):
    done = headroom(
        "ab", "env:FAKE_MODE", "env:FAKE_MODE=crash:simd/sum:3,throws:simd/sum:4", *SUM
    )
    assert done.returncode == 1, done.stderr
    assert "new failed: simd/sum, pair 3: crash: SIGSEGV about to fail in PATH" in " ".join(
        done.stdout.split()
    )
    tree = kept(headroom)
    better = next(cell for cell in tree["cells"] if cell["variant"] == "better")
    assert [value is None for value in better["new"]] == [False, False, True, True, False, False]
    assert None not in better["base"]
    assert {one["side"] for one in tree["failures"]} == {"new"}


def test_a_wrong_answer_withholds_the_ladder(headroom):
    done = headroom("ab", "env:FAKE_MODE", "env:FAKE_MODE=mismatch:simd/sum", *SUM)
    assert done.returncode == 1, done.stderr
    tree = kept(headroom)
    assert {kernel["name"] for kernel in tree["kernels"]} == {"machine/placebo_cpu"}
    assert {one["kind"] for one in tree["failures"]} == {"mismatch"}
    assert tree["only"][0]["what"] == "simd/sum" and tree["only"][0]["side"] == "base"


def test_what_new_lacks_fails_unless_allowed(headroom):
    words = ("ab", "env:FAKE_WITHOUT", "env:FAKE_WITHOUT=simd/sum/peer,simd/other",
             "--filter", "^simd/", "--pairs", "6", "--fail-on", "slower")  # fmt: skip
    done = headroom(*words)
    assert done.returncode == 1 and "NEW lacks simd/sum/peer" in done.stderr, done.stderr
    assert "only in base: simd/sum/peer: new has no such variant" in done.stdout
    shown = headroom("ab", "--show", "latest", "--fail-on", "slower", "--allow-missing")
    assert shown.returncode == 0, shown.stderr
    turned = headroom("ab", "env:FAKE_WITHOUT=simd/sum", "env:FAKE_WITHOUT", *SUM)
    assert turned.returncode == 2 and "simd/sum is only in new" in turned.stderr
    assert turned.stderr.count("\n") == 1


def test_a_control_that_moves_is_told(headroom):
    done = headroom(
        "ab", "env:FAKE_TIMES=x/y:1", "env:FAKE_TIMES=machine/placebo_cpu/copy:1.10", *SUM
    )
    assert done.returncode == 0, done.stderr
    assert "the control moved: machine/placebo_cpu/copy is 0.90" in " ".join(done.stdout.split())


def test_ctrl_c_keeps_what_was_measured(headroom):
    process = headroom.start(
        "ab", "simd:AVX2", "simd:SSE4", "--filter", "^simd/sum$", "--pairs", "40",
        FAKE_MODE="sleep:*",
    )  # fmt: skip
    end = time.monotonic() + 60
    while "simd/sum 7" not in headroom.starts() and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "of 40 pairs are kept; `headroom ab --show " in err and err.count("\n") == 1
    shown = headroom("ab", "--show", "latest")
    assert shown.returncode == 0 and "stopped after" in shown.stdout
    tree = kept(headroom)
    assert tree["stopped"] and tree["done"] >= 6
    assert all(len(cell["base"]) == tree["done"] for cell in tree["cells"])
    assert list((headroom.root / "build" / "scratch").iterdir()) == []


def test_ctrl_c_before_the_first_pair_leaves_nothing(headroom):
    process = headroom.start("ab", "simd:AVX2", "simd:SSE4", *SUM, FAKE_MODE="hang:simd/sum:0")
    end = time.monotonic() + 60
    while not headroom.starts() and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "nothing is kept" in err
    assert list((headroom.root / "build" / "ab-runs").iterdir()) == []


def test_a_damaged_comparison_is_refused(headroom):
    assert headroom("ab", "simd:AVX2", "simd:SSE4", *SUM).returncode == 0
    (path,) = (headroom.root / "build" / "ab-runs").glob("*/ab.json")
    text = path.read_text()
    for damage in (
        text[:-40],
        text.replace('"headroom-ab"', '"headroom-run"'),
        text.replace('"done":6', '"done":7'),
        text.replace('"kind":"simd"', '"kind":"magic"'),
        text.replace('"variant":"naive"', '"variant":"../naive"'),
        text.replace('"headroom-machine"', '"machine"'),
    ):
        assert damage != text
        path.write_text(damage)
        done = headroom("ab", "--show", "latest")
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr


def test_text_of_strangers_is_text():
    tree = _tree(10, 0.2, 0.003)
    tree["kernels"][0]["name"] = "simd/[red]x|<b>"
    facts = {"asked": "a|b<script>", "commit": None, "dirty": None, "program": "0"}
    tree.update(base=facts, new={**facts, "program": "1"}, machine={"slug": "m"}, kind="rev",
                only=[], left_out=[], failures=[], notes=[], launches=[], stopped=False)
    table = output.as_markdown(tree, 0.02)
    assert "<b>" not in table and "<script>" not in table


def _samples(pairs: int, effect: float, spread: float) -> dict:
    """A comparison made up of selfcheck/chain with itself, of many pairs."""
    tree = _tree(pairs, effect, spread)
    tree["kernels"][0]["name"] = "selfcheck/chain"
    draw = random.Random("samples")
    (naive,) = tree["cells"]
    naive["variant"] = "naive"
    for name, more in (("plus_0.5", 0.005), ("plus_1", 0.01)):
        new = [ns * (1 + more) * math.exp(draw.gauss(0, spread)) for ns in naive["base"]]
        tree["cells"].append({**naive, "variant": name, "base": new, "new": new})
    facts = {"asked": "worktree", "commit": None, "dirty": None, "program": "0" * 64,
             "libraries": {}, "simd_taken": [], "build": _catalogue()["build"]}  # fmt: skip
    return {
        "format": "headroom-ab", "version": 1, "name": "x", "started": "2026-01-01T00:00:00Z",
        "seconds": 1.0, "stopped": False, "kind": "rev", "filter": None, "budget_s": 0.05,
        "rounds_max": 60, "seed": 1, "machine": golden_pair()[1],
        "base": facts, "new": facts, "launches": [], "only": [], "left_out": [], "failures": [],
        "notes": [], **tree,
    }  # fmt: skip


def test_selfcheck_judges_comparisons_of_a_program_with_itself(headroom):
    path = headroom.root / "ab.json"
    path.write_text(json.dumps(_samples(2000, 0.0, 0.01)))
    done = headroom("selfcheck", "--ab", path, "--json")
    assert done.returncode == 0, done.stderr
    tree = json.loads(done.stdout)
    assert (tree["trials"], tree["pairs"]) == (20, 100)
    by_variant = {row["variant"]: row["detected"]["hits"] for row in tree["effects"]}
    assert by_variant["plus_1"] >= 19
    assert all(goal["status"] in ("met", "open") for goal in tree["goals"])
    shown = headroom("selfcheck", "--ab", path)
    assert "1% detected, selfcheck/chain" in shown.stdout
    for biased in (_samples(2000, 0.03, 0.01), _samples(2000, 0.0, 0.1)):
        path.write_text(json.dumps(biased))
        done = headroom("selfcheck", "--ab", path)
        assert done.returncode == 1 and "missed" in done.stdout
    other = _samples(80, 0.0, 0.003)
    other["new"] = {**other["new"], "program": "1" * 64}
    path.write_text(json.dumps(other))
    done = headroom("selfcheck", "--ab", path)
    assert done.returncode == 2 and "not the same code" in done.stderr


def test_the_kernels_of_selfcheck_are_measured_where_they_are_named(headroom):
    done = headroom("ab", "simd:AVX2", "simd:AVX2", "--filter", "^selfcheck/", "--pairs", "6")
    assert done.returncode == 0, done.stderr
    assert {kernel["name"] for kernel in kept(headroom)["kernels"]} == {"selfcheck/chain"}
    judged = headroom("selfcheck", "--ab", "latest", "--json")
    assert judged.returncode == 0, judged.stderr
    assert {row["variant"] for row in json.loads(judged.stdout)["effects"]} == {
        "plus_0.5", "plus_1", "plus_2", "plus_5",
    }  # fmt: skip


# --- builds of revisions


def test_a_revision_against_the_worktree(repository):
    first = git(repository, "rev-parse", "HEAD")
    source(repository, "simd/sum", "// FAKE_TIMES=simd/sum/better:1.20")  # not committed
    done = repository("ab", "HEAD", *SUM, "--json")
    assert done.returncode == 0, done.stderr
    tree = json.loads(done.stdout)
    assert rows_by_name(tree)["simd/sum/better/n:65536"]["verdict"] == "slower"
    assert (tree["base"]["commit"], tree["base"]["dirty"]) == (first, False)
    assert (tree["new"]["commit"], tree["new"]["dirty"]) == (first, True)
    # Both have the same kernels, the ones that are asked for and the placebos.
    configured = [call for call in cmake_calls(repository) if "--preset" in call]
    assert len(configured) == 2
    assert all("^(machine/placebo_cpu|simd/sum)$" in call for call in configured)
    assert (repository.root / "build" / "ab" / first / ".git").is_file()
    assert git(repository, "status", "--porcelain") == "M kernels/simd/sum.cpp"
    shown = repository("ab", "--show", "latest").stdout
    assert f"worktree ({first[:8]} and changes) against HEAD ({first[:8]})" in shown


def test_builds_are_kept_and_follow_the_source(repository):
    first = git(repository, "rev-parse", "HEAD")
    told = repository("ab", "HEAD", *SUM)
    assert told.returncode == 0 and told.stdout.count("for the first time") == 2, told.stderr
    assert "both sides are the same program" in " ".join(told.stdout.split())
    assert repository("ab", "HEAD", *SUM).stdout.count("for the first time") == 0
    # `make clean` takes the checkouts, and git still knows of them; someone edits one.
    shutil.rmtree(repository.root / "build")
    again = repository("ab", first[:10], *SUM)
    assert again.returncode == 0, again.stderr
    checkout = repository.root / "build" / "ab" / first
    (checkout / "kernels" / "simd" / "sum.cpp").write_text("syntax error\n")
    again = repository("ab", first[:10], *SUM)
    assert again.returncode == 0, again.stderr


def test_a_revision_that_does_not_build(repository):
    source(repository, "simd/sum", "#include <x>", "", "syntax error")
    broken = commit(repository, "broken")
    source(repository, "simd/sum", "// good again")
    done = repository("ab", "HEAD", *SUM)
    assert done.returncode == 2
    *lines, last = done.stderr.splitlines()
    assert last.startswith("headroom: HEAD can't be built: ")
    assert "sum.cpp:3:1: error: expected declaration" in last
    assert f"build/ab/{broken}/build/release/ab-build.log" in last
    assert [line.strip() for line in lines] == [
        f"{repository.root}/build/ab/{broken}/kernels/simd/sum.cpp:3:1: error: expected "
        "declaration before end of line",
        "3 | syntax error",
        "| ^~~~~~",
    ]
    assert repository.starts() == []


def test_ctrl_c_ends_the_build(repository):
    source(repository, "simd/sum", "// sleeps")
    process = repository.start("ab", "HEAD", *SUM)
    end = time.monotonic() + 60
    noted = repository.root / "stopped"
    while not noted.exists() and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == "headroom: stopped\n"
    assert noted.read_text() == "by SIGINT"
    source(repository, "simd/sum", "// quick again")
    assert repository("ab", "HEAD", *SUM).returncode == 0


def test_a_revision_that_can_not_be_configured(repository):
    (repository.root / "CMakeLists.txt").write_text("message(FATAL_ERROR x)\n")
    done = repository("ab", "HEAD", *SUM)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("headroom: worktree can't be configured: CMake Error at CMakeLists.txt")


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (("no-such-branch",), "no such git revision; `git log --oneline` shows them"),
        (("native",), "did you mean preset:native?"),
    ],
)
def test_no_such_revision(repository, words, cure):
    done = repository("ab", *words)
    assert done.returncode == 2 and cure in done.stderr and done.stderr.count("\n") == 1


def test_a_kernel_that_the_revision_lacks(repository):
    source(repository, "simd/sum", "// FAKE_WITHOUT=simd/sum/peer")
    commit(repository, "without a peer")
    source(repository, "simd/sum", "//")
    done = repository("ab", "HEAD", *SUM)
    assert done.returncode == 0, done.stderr
    assert "only in new: simd/sum/peer: base has no such variant" in done.stdout


def test_another_compiler_by_chance_is_refused_and_by_wish_is_not(repository):
    source(repository, "simd/sum", "// FAKE_COMPILER=Clang 14")
    done = repository("ab", "HEAD", *SUM)
    assert done.returncode == 1, done.stderr
    assert "more than rev: compiler: GNU 12.2.0 -> Clang 14; build both alike" in done.stderr
    source(repository, "simd/sum", "//")
    done = repository("ab", "cxx:true", "cxx:false", *SUM, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["notes"][0].startswith("both sides are the same") is False
    assert "compiler: true -> false" in json.loads(done.stdout)["notes"]
    folders = {call.split(" -B ")[1].split()[0] for call in cmake_calls(repository)
               if "COMPILER" in call}  # fmt: skip
    assert len(folders) == 2


def test_presets_and_flags_reach_cmake(repository):
    done = repository("ab", "preset:release", "preset:native", *SUM)
    assert done.returncode == 0, done.stderr
    done = repository("ab", "flags:", "flags:-fno-inline -g", *SUM, "--preset", "native")
    assert done.returncode == 0, done.stderr
    calls = [call for call in cmake_calls(repository) if "--preset" in call]
    assert [call.split("--preset ")[1].split()[0] for call in calls] == [
        "release", "native", "native", "native",
    ]  # fmt: skip
    assert "-DCMAKE_CXX_FLAGS=-fno-inline -g" in calls[3]


def test_old_builds_are_swept(repository, monkeypatch):
    monkeypatch.setenv("HEADROOM_ROOT", str(repository.root))
    monkeypatch.setattr(builds, "KEPT", 2)
    made = []
    for at in range(4):
        source(repository, "simd/sum", f"// {at}")
        made.append(builds.Recipe(commit(repository, str(at)), "release", None, None))
        folder = builds._check_out(made[-1].commit)
        os.utime(folder, (at, at))
    builds.sweep([made[0]])
    left = {path.name for path in (repository.root / "build" / "ab").iterdir()}
    assert left == {made[0].commit, made[3].commit}
    assert len(git(repository, "worktree", "list").splitlines()) == 3


def test_a_filter_means_the_files_that_register_a_name(repository, monkeypatch):
    monkeypatch.setenv("HEADROOM_ROOT", str(repository.root))
    source(repository, "algorithm/sort", 'name = "algorithm/sort_u64"')
    here = [builds.Recipe(None, "release", None, None)]
    assert builds.subset(here, "^algorithm/sort_u64$") == "^(algorithm/sort|machine/placebo_cpu)$"
    assert builds.subset(here, "nothing") == "" == builds.subset(here, None)


# --- the real program

BENCH = CHECKOUT / "build" / "release" / "bench" / "headroom-bench"


@pytest.mark.skipif(not BENCH.is_file(), reason="the benchmark program isn't built: run `make`")
def test_two_simd_targets_of_the_real_program(tmp_path):
    headroom = Headroom(tmp_path, BENCH)
    told = subprocess.run([BENCH, "--headroom_catalogue"], capture_output=True, check=True).stdout
    targets = json.loads(told)["simd_targets"]
    if len(targets) < 2:
        pytest.skip("this machine has one SIMD target")
    done = headroom("ab", f"simd:{targets[-1]}", f"simd:{targets[0]}", *SUM, "--json")
    assert done.returncode == 0, done.stderr
    tree = json.loads(done.stdout)
    assert tree["base"]["simd_taken"] == [targets[-1]]
    assert tree["new"]["simd_taken"] == [targets[0]]
    assert tree["base"]["program"] == tree["new"]["program"]
    names = {row["variant"] for row in tree["rows"] if row["kernel"] == "simd/sum"}
    assert {"naive", "highway"} <= names
    assert all(row["pairs"] == 6 and row["ratio"] > 0 for row in tree["rows"])
    assert any(row["placebo"] for row in tree["rows"])
    assert not tree["failures"] and not tree["only"]
