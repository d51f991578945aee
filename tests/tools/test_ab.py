"""`ab`: whole comparisons, launches in turn."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pytest
from conftest import CHECKOUT, Headroom, long_test
from made_ab import SUM, kept, rows_by_name

from headroom_tools.ab import record


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


@pytest.mark.parametrize("kind", ["scratch", "simd"])
def test_what_a_side_can_run_is_asked_for_its_folder(headroom, tmp_path, kind):
    """On a disk a variant of O_DIRECT is there, in memory it is not: each side has its own."""
    asked, folders = tmp_path / "asked", [tmp_path / "one", tmp_path / "two"]
    both = {
        "scratch": [f"scratch:{folder}" for folder in folders],
        "simd": ["simd:AVX2", "simd:SSE4", "--scratch", str(folders[0])],
    }[kind]
    done = headroom("ab", *both, "--filter", "^simd/sum$", "--pairs", "6", FAKE_ASKED=str(asked))
    assert done.returncode == 0, done.stderr
    wanted = folders if kind == "scratch" else [folders[0]]
    assert set(asked.read_text().splitlines()) == {str(folder) for folder in wanted}


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


# --- the real program

BENCH = CHECKOUT / "build" / "release" / "bench" / "headroom-bench"


@long_test
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
