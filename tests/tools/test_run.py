"""`headroom run` against a program that crashes, hangs, lies, or is killed; what stays on disk."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import time

import pytest
from conftest import COMMAND, FAKE, Headroom

from headroom_tools.base import text
from headroom_tools.measure import plan
from headroom_tools.record import validate
from headroom_tools.record.cells import cells_of
from headroom_tools.show.rows import rows_of

QUICK = ("run", "--profile", "quick", "--filter", "simd/sum", "--label", "t")
STARTS = 2 * (1 + 6)  # simd/sum and the placebo that rides along: a pilot and six launches


def _one_line(result, status=2):
    assert result.returncode == status, result.stderr
    assert result.stderr.startswith("headroom: ") and result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def _unfinished(headroom):
    return list((headroom.root / "build" / "runs").glob("*/state.json"))


def _scratch_is_empty(headroom):
    return list((headroom.root / "build" / "scratch").iterdir()) == []


def test_a_run_end_to_end(headroom):
    result = headroom(*QUICK)
    assert result.returncode == 0, result.stderr + result.stdout
    assert "riding along for the noise floor: machine/placebo_cpu" in result.stdout
    assert "\x1b" not in result.stdout
    run = headroom.run_json()
    validate.run_tree(run, "run.json")
    assert run["plan"]["launches"] == 6 and len(headroom.starts()) == STARTS
    assert set(run["launches"]["status"]) == {"ok"}
    rows = {
        (r.cell.variant, r.cell.n): r for r in rows_of(run) if not r.cell.kernel["placebo"]
    }
    assert rows["better", 4096].speedup == pytest.approx(4, rel=0.02)
    assert rows["better", 4096].verdict == "faster"
    assert "cpu" in run["noise_floor"]
    assert all(value is None or value > 0 for value in run["cells"]["alone_ns"])
    assert any(run["cells"]["alone_ns"])
    assert run["build"]["flags"] == "-O3 -DNDEBUG", "the include path is no part of the record"
    written = headroom.results()[0].read_text()
    assert "\n" not in written
    assert str(headroom.root) not in written and os.uname().nodename not in written
    assert _scratch_is_empty(headroom) and not _unfinished(headroom)
    assert headroom("validate", headroom.root / "results").returncode == 0


def test_the_whole_catalogue_and_its_size(headroom):
    result = headroom("run", "--profile", "quick", "--filter", "/", "--json")
    assert result.returncode == 0, result.stderr
    tree = json.loads(result.stdout)
    assert tree["ok"] and tree["failures"] == []
    run = headroom.run_json()
    size = headroom.results()[0].stat().st_size
    assert size / len(run["cells"]["ladder"]) <= 700
    missing = {(e["kernel"], e["variant"], e["threads"]): e for e in run["missing"]}
    assert missing["simd/sum", "wide", None]["cure"] == "buy another CPU"
    assert missing["parallel/sum", None, 64]["needs"] == "64 cores"
    assert missing["algorithm/sort", None, 1]["needs"] == "1024 TiB of memory"
    # The one-thread naive stands in the ladder of two threads too.
    cells = [c for c in cells_of(run) if c.kernel["name"] == "parallel/sum"]
    assert {(c.variant, c.threads, c.ladder_threads) for c in cells} >= {
        ("naive", 1, 1), ("naive", 1, 2), ("better", 1, 1), ("better", 2, 2),
    }  # fmt: skip
    assert run["quantities"]["name"] == ["hit_ratio"] * len(run["quantities"]["cell"]) != []


def test_a_record_of_twenty_launches_stays_small(golden):
    for name in ("median", "p10", "min", "log_ratio"):
        for values in golden["cells"][name]:
            values.extend(list(values))
    for name in ("median", "log_ratio"):
        for values in golden["ceilings"][name]:
            values.extend(list(values))
    golden["plan"]["launches"] = 20
    for name, values in golden["launches"].items():
        more = [value + 10 for value in values] if name == "launch" else list(values)
        values.extend(more)
    validate.run_tree(golden, "run.json")
    # What grows with the cells; a thorough run has many more cells a kernel than this record.
    grown = json.dumps([golden["cells"], golden["ladders"]], separators=(",", ":"))
    assert len(grown) / len(golden["cells"]["ladder"]) <= 640


def test_smoke_stays_below_build(headroom):
    result = headroom("run", "--profile", "smoke", "--filter", "sum")
    assert result.returncode == 0, result.stderr
    assert headroom.results() == []
    (path,) = (headroom.root / "build" / "runs").glob("*/run.json")
    run = json.loads(path.read_text())
    assert [r.verdict for r in rows_of(run)] == [None] * len(run["cells"]["ladder"])
    assert sorted({cell.n for cell in cells_of(run)}) == [256, 65536]
    assert set(run["ladders"]["rounds"]) == {5}
    assert sorted(p.name for p in path.parent.iterdir()) == ["machine.json", "run.json"]
    assert headroom("show", path.parent).returncode == 0
    assert headroom("show", "latest").returncode == 2


def test_passes_go_through_all_kernels_and_the_pilot_comes_first(headroom):
    assert headroom("run", "--profile", "quick", "--filter", "sum").returncode == 0
    launches = [int(line.split()[1]) for line in headroom.starts()]
    kernels = len(set(line.split()[0] for line in headroom.starts()))
    assert launches == sorted(launches) and launches.count(0) == kernels == 3


@pytest.mark.parametrize("kind", ("crash", "truncate", "silent"))
def test_a_launch_that_fails_costs_that_launch(headroom, kind):
    result = headroom(*QUICK, FAKE_MODE=f"{kind}:simd/sum:3")
    assert result.returncode == 1
    run = headroom.run_json()
    assert [f["launch"] for f in run["failures"]] == [3]
    assert len(headroom.starts()) == STARTS
    cell = next(c for c in cells_of(run) if c.kernel["name"] == "simd/sum")
    assert [value is None for value in cell.median] == [False, False, True, False, False, False]
    if kind == "crash":
        assert run["failures"][0]["message"] == "SIGSEGV about to fail in PATH"


def test_a_pilot_that_crashes_fails_its_kernel_only(headroom):
    result = headroom(*QUICK, FAKE_MODE="crash:simd/sum:0")
    assert result.returncode == 1
    run = headroom.run_json()
    assert [(f["kernel"], f["launch"], f["kind"]) for f in run["failures"]] == [
        ("simd/sum", 0, "crash")
    ]
    assert {cell.kernel["name"] for cell in cells_of(run)} == {"machine/placebo_cpu"}
    assert "simd/sum pilot: crash: SIGSEGV" in result.stdout


def test_a_kernel_that_hangs_is_given_up(headroom):
    began = time.monotonic()
    result = headroom(*QUICK, FAKE_MODE="hang:simd/sum:2,hang:simd/sum:3", HEADROOM_TIME_LIMIT="2")
    assert result.returncode == 1
    assert time.monotonic() - began < 30
    run = headroom.run_json()
    assert [(f["launch"], f["kind"]) for f in run["failures"]] == [(2, "hang"), (3, "hang")]
    assert "simd/sum 4" not in headroom.starts()
    assert "machine/placebo_cpu 6" in headroom.starts()


def test_a_mismatch_is_loud_and_withheld(headroom):
    result = headroom(*QUICK, FAKE_MODE="mismatch:simd/sum:0")
    assert result.returncode == 1
    assert "wrong answer: better n:4096 seed 1" in result.stdout and "FAILED" in result.stdout
    run = headroom.run_json()
    assert {f["kind"] for f in run["failures"]} == {"mismatch"}
    assert "simd/sum 1" not in headroom.starts(), "what is wrong is not timed"


def test_a_mismatch_in_a_later_launch_withholds_the_ladder(headroom):
    result = headroom(*QUICK, FAKE_MODE="mismatch:simd/sum:4")
    assert result.returncode == 1
    run = headroom.run_json()
    assert {cell.kernel["name"] for cell in cells_of(run)} == {"machine/placebo_cpu"}
    assert {f["launch"] for f in run["failures"]} == {4}


def test_no_room_for_a_ladder_is_missing_not_failed(headroom):
    result = headroom(*QUICK, FAKE_MODE="nospace:simd/sum:0")
    assert result.returncode == 0, result.stdout
    run = headroom.run_json()
    (entry, _) = [e for e in run["missing"] if e["kernel"] == "simd/sum" and e["n"]]
    assert entry["needs"] == "more space" and entry["cure"] == "needs 1 GiB"


def test_strict(headroom):
    assert headroom(*QUICK, "--strict").returncode == 1


def test_a_size_that_is_slow_to_set_up_is_measured(headroom):
    result = headroom(*QUICK, FAKE_MODE="slow:simd/sum:0")
    assert result.returncode == 0
    run = headroom.run_json()
    assert run["left_out"] == []
    assert {cell.n for cell in cells_of(run) if cell.kernel["name"] == "simd/sum"} == {4096, 65536}


def test_a_plan_over_the_profiles_time_is_shrunk(headroom):
    result = headroom(*QUICK, FAKE_MODE="heavy:simd/sum:0")
    assert result.returncode == 0
    run = headroom.run_json()
    assert run["plan"]["scale"] < 1 or set(run["ladders"]["rounds"]) <= {5, 60}
    assert any("rounds were cut" in note for note in run["notes"]) == (run["plan"]["scale"] < 1)


def test_shrink_keeps_the_fewest_rounds():
    plans = {"a/b": {"ladders": [{"rounds": 100}, {"rounds": 8}, {"rounds": 3}]}}
    plan.shrink(plans, 0.25, 5)
    assert [ladder["rounds"] for ladder in plans["a/b"]["ladders"]] == [25, 5, 3]


def test_kill_and_resume_measures_nothing_twice(headroom):
    process = headroom.start(*QUICK, FAKE_MODE="sleep:*")
    deadline = time.monotonic() + 60
    while len(headroom.starts()) < 6 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    killed_in = headroom.starts()[-1]
    (state,) = _unfinished(headroom)
    kept = {
        path.name: path.read_bytes() for path in (state.parent / "launches").glob("[0-9]*.json")
    }
    assert len(kept) in (len(headroom.starts()) - 1, len(headroom.starts()))
    assert headroom("show", state.parent).returncode == 2
    time.sleep(0.5)  # what the killed run started is killed with it
    result = headroom("run", "--resume", FAKE_MODE="sleep:*")
    assert result.returncode == 0, result.stderr
    starts = headroom.starts()
    twice = {line for line in starts if starts.count(line) > 1}
    assert twice <= {killed_in}, "only the launch that was cut short is measured again"
    run = headroom.run_json()
    validate.run_tree(run, "run.json")
    assert run["launches"]["status"] == ["ok"] * 12
    for name, data in kept.items():
        tree = json.loads(data)
        for ladder in tree["ladders"] if tree["launch"] else ():
            kept_ns = text.five(ladder["arms"][0]["median"])
            assert any(row[tree["launch"] - 1] == kept_ns for row in run["cells"]["median"])
    assert _scratch_is_empty(headroom) and not _unfinished(headroom)


def test_killed_again_and_again(headroom):
    """However often it is killed, the run ends with each launch once."""
    process = headroom.start(*QUICK, FAKE_MODE="sleep:*")
    for pause in (1.2, 1.0, 0.9, 0.8):
        time.sleep(pause)
        process.kill()
        process.wait()
        if not _unfinished(headroom):
            break
        time.sleep(0.3)
        process = headroom.start("run", "--resume", FAKE_MODE="sleep:*")
    out, err = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGKILL), err
    if process.returncode == 0:
        run = headroom.run_json()
        assert run["launches"]["status"] == ["ok"] * 12


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_stopping(headroom, number):
    process = headroom.start(*QUICK, FAKE_MODE="sleep:*")
    deadline = time.monotonic() + 60
    while len(headroom.starts()) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert err.count("\n") == 1 and "headroom run --resume" in err
    assert _scratch_is_empty(headroom) and len(_unfinished(headroom)) == 1
    assert headroom("run", "--resume").returncode == 0
    assert len(headroom.run_json()["launches"]["status"]) == 12


def test_one_at_a_time(headroom):
    process = headroom.start(*QUICK, FAKE_MODE="sleep:*")
    while not headroom.starts():
        time.sleep(0.02)
    assert "another headroom run" in _one_line(headroom(*QUICK))
    assert "another headroom run" in _one_line(headroom("run", "--resume"))
    process.kill()
    process.wait()


def test_stale_scratch_is_swept_and_a_living_one_is_not(headroom):
    scratch = headroom.root / "build" / "scratch"
    scratch.mkdir(parents=True)
    dead = subprocess.Popen(["true"])
    dead.wait()
    (scratch / f"headroom-{dead.pid}-1-x").mkdir()
    with open(f"/proc/{os.getpid()}/stat", encoding="ascii") as stream:
        started = stream.read().rpartition(")")[2].split()[19]
    living = scratch / f"headroom-{os.getpid()}-{started}-x"
    living.mkdir()
    other = scratch / "precious"
    other.mkdir()
    (scratch / f"headroom-{dead.pid}-1-link").symlink_to(other)
    assert headroom("run", "--profile", "smoke", "--filter", "simd/sum").returncode == 0
    left = {path.name for path in scratch.iterdir()}
    assert left == {living.name, "precious", f"headroom-{dead.pid}-1-link"}


def test_out_and_scratch_that_are_no_folders(headroom):
    (headroom.root / "file").write_text("")
    for flag in ("--out", "--scratch"):
        line = _one_line(headroom(*QUICK, flag, headroom.root / "file" / "x"))
        assert flag in line and "file/x" in line
    assert headroom.starts() == []


def test_non_root(tmp_path):
    """The whole path as a user without rights, and the line for a folder that isn't theirs."""
    drop = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("runs as root, and setpriv to drop privileges is missing")
        drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    base = tmp_path
    while drop and not base.stat().st_mode & 0o005:  # pytest keeps its folders to their owner
        base.chmod(base.stat().st_mode | 0o055)
        base = base.parent
    home, locked = tmp_path / "home", tmp_path / "locked"
    home.mkdir()
    locked.mkdir(mode=0o555)
    if drop:
        os.chown(home, 65534, 65534)
    if subprocess.run([*drop, "test", "-r", str(FAKE)], check=False).returncode != 0:
        pytest.skip("the checkout may not be read by another user")
    headroom = Headroom(home)
    done = [
        subprocess.run(
            [*drop, str(COMMAND), "run", "--profile", "smoke", "--filter", "simd/sum", *more],
            env={**headroom.env, "HOME": str(home)}, cwd=home, capture_output=True, text=True,
        )
        for more in ((), ("--out", str(locked / "x")), ("--scratch", str(locked / "x")))
    ]  # fmt: skip
    assert done[0].returncode == 0, done[0].stderr
    assert "--out" in _one_line(done[1]) and "Permission denied" in done[1].stderr
    assert "--scratch" in _one_line(done[2]) and "Permission denied" in done[2].stderr


def test_no_space_for_the_run(headroom):
    """A limit on the size of files stands in for a full disk: what was measured is kept."""
    limited = subprocess.run(
        [str(COMMAND), *QUICK],
        env=headroom.env,
        cwd=headroom.root,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)),
    )
    line = _one_line(limited)
    assert "File too large" in line or "output" in line
    (state,) = _unfinished(headroom) or [None]
    if state is not None:
        assert headroom("run", "--resume").returncode == 0


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 1 MiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a tiny file system needs root")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True
    )
    if done.returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=False)


def test_a_full_results_disk_keeps_the_run(headroom, tiny_disk):
    process = headroom.start(*QUICK, "--out", tiny_disk, FAKE_MODE="sleep:*")
    while not headroom.starts():
        time.sleep(0.02)
    filler = os.open(tiny_disk / "filler", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(filler, b"x" * 4096)
    os.close(filler)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "No space left" in err and err.count("\n") == 1
    assert len(_unfinished(headroom)) == 1
    (tiny_disk / "filler").unlink()
    before = len(headroom.starts())
    assert headroom("run", "--resume").returncode == 0
    assert len(headroom.starts()) == before, "nothing is measured again"
    assert list(tiny_disk.glob("*/*/run.json"))


def test_a_full_scratch_disk(headroom, tiny_disk):
    (tiny_disk / "filler").write_bytes(b"x" * (1 << 20))
    line = _one_line(headroom(*QUICK, "--scratch", tiny_disk))
    assert "No space left" in line and "--scratch" in line


def test_scratch_without_room_for_a_kernel(headroom, tiny_disk):
    result = headroom("run", "--profile", "quick", "--filter", "^io/", "--scratch", tiny_disk)
    assert result.returncode == 0, result.stderr
    run = headroom.run_json()
    assert "needs 4.0 KiB in the scratch folder" in run["missing"][-1]["cure"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--filter", "nothing"), "matches no kernel"),
        (("--filter", "simd/sun"), "did you mean simd/sum?"),
        (("--filter", "("), "not a regular expression"),
        (("--profile", "slow"), "invalid choice"),
        (("--label", "a/b"), "--label"),
        (("--label", "x" * 37), "at most 36"),
        (("--label", "\x1b[2J"), "--label"),
        (("--machine", "../x"), "--machine"),
        (("--changed", "ram,/etc"), "--changed"),
        (("--changed", "ram,fan"), "`fan` is none of ram, disk, cpu, network, other"),
        (("--simd-target", "AVX1024"), "not supported here"),
        (("--resume", "--filter", "x"), "leave out --filter"),
        (("--resume",), "no unfinished run"),
        (("--nothing",), "unrecognized"),
    ],
)
def test_bad_usage(headroom, arguments, expected):
    line = _one_line(headroom("run", *arguments))
    assert expected in line and line[:-1].isprintable()


def test_no_program(headroom):
    headroom.env["HEADROOM_BENCH"] = str(headroom.root / "none")
    for command in ("list", "run"):
        assert "`make`" in _one_line(headroom(command))


def test_a_program_that_is_none(headroom):
    for content in ("/bin/sh\necho hello", "/bin/sh\nexit 3", "/nothing", "/bin/echo {}"):
        program = headroom.root / "program"
        program.write_text(f"#!{content}\n")
        program.chmod(0o755)
        headroom.env["HEADROOM_BENCH"] = str(program)
        assert "`make`" in _one_line(headroom("list"))
    program.chmod(0o644)
    assert "may not be executed" in _one_line(headroom("list"))


def test_resuming_with_another_program(headroom):
    process = headroom.start(*QUICK, FAKE_MODE="sleep:*")
    while len(headroom.starts()) < 3:
        time.sleep(0.02)
    process.kill()
    process.wait()
    other = headroom.root / "other.py"
    other.write_text(FAKE.read_text() + "# built anew\n")
    other.chmod(0o755)
    headroom.env["HEADROOM_BENCH"] = str(other)
    assert "built anew" in _one_line(headroom("run", "--resume"))


def test_dry_run_measures_nothing(headroom):
    tree = json.loads(headroom("run", "--dry-run", "--json").stdout)
    assert headroom.starts() == [] and not (headroom.root / "build").exists()
    assert tree["launches"] == 11 * 6
    assert tree["memory_bytes"] == 4 * 65536 and tree["written_bytes"] == 4096 * 100 * 11
    assert 0 < tree["seconds"] <= 600
    printed = headroom("run", "--dry-run", "--profile", "thorough").stdout
    assert "time" in printed and "bytes written" in printed


def test_all_inputs(headroom):
    cells = {}
    for inputs in ("default", "all"):
        asked = ("run", "--dry-run", "--json", "--filter", "^algorithm/sort$", "--inputs", inputs)
        cells[inputs] = json.loads(headroom(*asked).stdout)["cells"]
    assert cells["all"] > cells["default"]
    assert "--inputs" in headroom("run", "--inputs", "some").stderr


def test_raw(headroom):
    assert headroom(*QUICK, "--raw").returncode == 0
    folder = headroom.results()[0].parent
    raw = json.loads((folder / "raw.json").read_text())
    arm = raw["launches"][0]["ladders"][0]["arms"][0]
    assert len(arm["wall_ns"]) == len(arm["cpu_ns"]) == 60


def test_machine_label_out_and_changed(headroom):
    out = headroom.root / "elsewhere"
    result = headroom(
        *QUICK[:-1], "after-ram", "--machine", "my-box", "--changed", "ram,disk", "--out", out
    )
    assert result.returncode == 0, result.stderr
    (path,) = out.glob("my-box/*-after-ram/run.json")
    run = json.loads(path.read_text())
    assert run["changed"] == ["ram", "disk"] and run["label"] == "after-ram"
    assert json.loads((path.parent / "machine.json").read_text())["slug"] == "my-box"
    assert headroom("validate", path.parent).returncode == 0


def test_two_runs_of_one_second_have_two_names(headroom):
    smoke = ("run", "--profile", "smoke", "--filter", "overhead", "--label", "x" * 36)
    for _ in range(3):
        assert headroom(*smoke).returncode == 0
    assert len(list((headroom.root / "build" / "runs").glob("*/run.json"))) == 3


def test_two_runs_of_one_program_agree(headroom):
    for seed in ("1", "2"):
        assert headroom(*QUICK, FAKE_SEED=seed).returncode == 0
    tree = json.loads(headroom("compare", "latest~1", "latest", "--json").stdout)
    assert not {row["verdict"] for row in tree["rows"]} & {"faster", "slower"}
