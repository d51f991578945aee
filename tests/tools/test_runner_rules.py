"""The rules of a run that no figure shows: what the program may tell, chance, steal, alone."""

from __future__ import annotations

import json
import re
import sys

import pytest

from headroom_tools.measure import alone, bench, launched, plan
from headroom_tools.measure.runner import Run

COORDINATES = {"n": 1, "input": "x", "threads": 1, "params": {}}
KERNEL = {"name": "a/k", "variants": [{"name": "naive"}, {"name": "fast"}], "fixtures": []}


def _ladder(group=0, status="ok", **more):
    return {**COORDINATES, "group": group, "status": status, "baseline": "naive", "failed": [],
            "arms": [{"variant": "naive", "probe": ""}], **more}  # fmt: skip


def _planned(group=0, **more):
    return {**COORDINATES, "group": group, "rounds": 10, "arms": [{"variant": "naive"}], **more}


def test_a_ladder_with_a_wrong_group_is_not_planned():
    """What failed its check in one group is measured in none; another ladder goes on."""
    other = {"n": 2}
    out = {"plan": {"ladders": [_planned(0), _planned(1), _planned(0, **other)]}}
    ladders = [_ladder(0), _ladder(1, "mismatch"), _ladder(0, **other)]
    found = launched.usable_plan("a/k", out, ladders)
    assert [(one["n"], one["group"]) for one in found["ladders"]] == [(2, 0)]


def test_a_ladder_without_memory_rounds_or_arms_is_not_planned():
    for ladder, planned in (
        (_ladder(status="no-memory"), _planned()), (_ladder(), _planned(rounds=0)),
        (_ladder(), _planned(arms=[])),
    ):  # fmt: skip
        assert launched.usable_plan("a/k", {"plan": {"ladders": [planned]}}, [ladder]) is None


@pytest.fixture
def bare_run():
    """A Run that knows its kernels and nothing of a folder."""
    run = object.__new__(Run)
    run._selection = {"a/k": [COORDINATES]}
    run._kernels = {"a/k": KERNEL}
    return run


def test_what_the_program_may_not_tell():
    launched.check_known(KERNEL, [COORDINATES], [_ladder(arms=[
        {"variant": "naive", "probe": ""}, {"variant": "ceiling", "probe": "machine/read"},
    ])])  # fmt: skip
    for ladder, message in (
        (_ladder(n=2), "not asked for: n 2"),
        (_ladder(params={"clients": 4}), "not asked for"),
        (_ladder(arms=[{"variant": "other", "probe": ""}]), "the catalogue lacks"),
        (_ladder(baseline="other"), "the catalogue lacks"),
        (_ladder(failed=[{"variant": "other"}]), "the catalogue lacks"),
    ):
        with pytest.raises(ValueError, match=message):
            launched.check_known(KERNEL, [COORDINATES], [ladder])


class _Quiet:
    """A reporter that says nothing."""

    def __getattr__(self, name):
        return lambda *_: None


def _passes(bare_run, monkeypatch, names, status=lambda name, index: "ok"):
    """The launches of all passes, in order; `status` says how each ends."""
    bare_run._kernels = {name: {**KERNEL, "name": name} for name in names}
    made = []

    def timed(name, index, again):
        made.append((name, index))
        how = status(name, index)
        return {"kernel": name, "launch": index, "status": how, "seconds": 0.1,
                "ladders": [{"status": how, "failed": []}]}  # fmt: skip

    bare_run._launches = {}
    bare_run._state = {"started": "2026-01-01T00:00:00Z"}
    bare_run._fixed = {"plans": dict.fromkeys(names), "launches": 6, "seconds": {}}
    bare_run._report = _Quiet()
    bare_run._timed = timed
    bare_run._keep = lambda tree: bare_run._launches.update(
        {(tree["kernel"], tree["launch"]): tree}
    )
    for name in ("_tell", "_repeat", "_left_s"):
        setattr(bare_run, name, lambda *_: 0.0)
    monkeypatch.setattr(Run, "_without", lambda self, kernel: None)
    bare_run._passes()
    return made


def test_passes_go_through_the_kernels_in_an_order_of_their_own(bare_run, monkeypatch):
    """Else a kernel would always run in the wake of the same other one."""
    names = [f"a/k{index}" for index in range(5)]
    made = _passes(bare_run, monkeypatch, names)
    passes = [made[at : at + 5] for at in range(0, 30, 5)]
    assert [{index for _, index in one} for one in passes] == [{at} for at in range(1, 7)]
    orders = [tuple(name for name, _ in one) for one in passes]
    assert all(sorted(order) == names for order in orders) and len(set(orders)) >= 5


def test_when_a_kernel_is_given_up(bare_run, monkeypatch):
    """After a wrong answer at once; after failures only when two follow each other."""

    def status(name, index):
        if name == "a/wrong" and index == 2:
            return "mismatch"
        if (name, index) in {("a/twice", 2), ("a/twice", 3), ("a/once", 2), ("a/once", 4)}:
            return "crash"
        return "ok"

    made = _passes(bare_run, monkeypatch, ["a/wrong", "a/twice", "a/once"], status)
    of = {name: [index for other, index in made if other == name]
          for name in ("a/wrong", "a/twice", "a/once")}  # fmt: skip
    assert of == {"a/wrong": [1, 2], "a/twice": [1, 2, 3], "a/once": [1, 2, 3, 4, 5, 6]}


# --- a launch as the program sees it


def _program(folder, body):
    path = folder / "program"
    path.write_text(f"#!{sys.executable}\nimport os\n{body}\n")
    path.chmod(0o755)
    return path


def _pads(folder, monkeypatch, chance, indexes):
    """How long the environment of each launch was made."""
    log = folder / "pads"
    program = _program(folder, f"open({str(log)!r}, 'a').write("
                       "f\"{len(os.environ['HEADROOM_PAD'])}\\n\")")  # fmt: skip
    monkeypatch.setenv("HEADROOM_BENCH", str(program))
    for index in indexes:
        bench.launch({"kernel": "a/k"}, index, folder, folder, chance, 60)
    found = [int(line) for line in log.read_text().split()]
    log.unlink()
    return found


def test_each_launch_is_padded_by_chance(tmp_path, monkeypatch):
    """So that where the stack lies is none of the result. The same launch, the same pad."""
    first = _pads(tmp_path, monkeypatch, 1, (1, 2, 3, 4, 1))
    assert len(set(first[:4])) == 4 and first[4] == first[0] and max(first) < 4096
    assert _pads(tmp_path, monkeypatch, 2, (1,)) != first[:1]


def test_each_run_draws_its_own_chance(tmp_path, monkeypatch, bare_run):
    """Of its kernel and its start, the same for all launches: they differ by their index."""
    seen = []

    def launch(plan_, index, work, own, chance, *_):
        seen.append((index, chance))
        return bench.Ended("error", "", 0.0, 0.0, 0.0), None

    monkeypatch.setattr(bench, "launch", launch)
    bare_run._scratch = bare_run._work = bare_run._folder = tmp_path
    bare_run._selection = {name: [{**COORDINATES, "scratch_bytes": 0}] for name in ("a/k", "a/j")}
    bare_run._kernels = {name: {**KERNEL, "name": name} for name in ("a/k", "a/j")}
    bare_run._environment = {}
    bare_run._cpus, bare_run._quota = set(), None
    bare_run._passed, bare_run._began = 0.0, 0.0
    monkeypatch.setattr(Run, "_without", lambda self, kernel: None)
    for started in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"):
        bare_run._state = {"started": started, "simd_target": None, "raw": False}
        for kernel, index in (("a/k", 1), ("a/k", 2), ("a/j", 1)):
            bare_run._launch(kernel, index, {"kernel": kernel}, 1.0, lambda: None)
    chances = [chance for _, chance in seen]
    assert chances[0] == chances[1] and chances[3] == chances[4]
    assert len({chances[0], chances[2], chances[3], chances[5]}) == 4


def test_a_launchs_steal_is_its_share_of_all_ticks(tmp_path, monkeypatch):
    ticks = iter([(100, 1000), (130, 1200), (130, 1200), (120, 1300)])
    monkeypatch.setattr(bench, "steal_ticks", lambda: next(ticks))
    monkeypatch.setenv("HEADROOM_BENCH", str(_program(tmp_path, "pass")))
    assert bench.start([], tmp_path, 60).steal == pytest.approx(30 / 200)
    assert bench.start([], tmp_path, 60).steal == 0, "a counter that went back took nothing"


def test_alone_is_the_median_of_repetitions(tmp_path, monkeypatch):
    """By the program's own counter, of those that finished."""

    def entry(name, told, unit="us", **more):
        return {"name": name, "run_type": "iteration", "real_time": 7.0, "cpu_time": 1e9,
                "time_unit": unit, "median_ns": told, **more}  # fmt: skip

    told = [
        entry("a/k/v/n:1/manual_time", 3.0, sentinel_ns=1.5),
        entry("a/k/v/n:1/manual_time", 1.0, sentinel_ns=1.0),
        entry("a/k/v/n:1/manual_time", 2.0, sentinel_ns=1.25),
        entry("a/k/v/n:1/manual_time_stddev", 9.0, run_type="aggregate"),
        entry("a/k/v/n:1/manual_time", 99.0, run_type="aggregate"),
        entry("a/k/w/n:1/repeats:3", 5.0, "ns"), entry("a/k/w/n:1/repeats:3", 7.0, "ms"),
        entry("a/k/w/n:1/repeats:3", 6.0, "ns"),
        entry("a/k/w/n:1/repeats:3", 0.0, "ns", error_occurred=True),
        entry("a/k/w/n:1/repeats:3", 0.0, "ns", error_occurred=True),
    ]  # fmt: skip
    (tmp_path / "told").write_text(json.dumps({"benchmarks": told}))
    program = _program(tmp_path, f"print(open({str(tmp_path / 'told')!r}).read())")
    monkeypatch.setenv("HEADROOM_BENCH", str(program))
    ended, cells = bench.alone(".", tmp_path, tmp_path, 60)
    assert ended.status == "ok"
    assert cells == {"a/k/v/n:1": (2.0, 1.25), "a/k/w/n:1": (6.0, None)}


@pytest.mark.parametrize(
    ("inputs", "runs", "leaves"),
    [
        (["x"], ["a/k/v/n:64", "a/k/w/n:4096", "a/k/v/n:64/threads:2", "a/k/v/n:64/clients:4"],
         ["a/k/v/n:16", "a/k/v/n:6400", "b/a/k/v/n:64", "a/k2/v/n:64"]),
        (["x", "y"], ["a/k/v/n:64/input:x", "a/k/v/n:64/input:x/threads:2"],
         ["a/k/v/n:64/input:y", "a/k/v/n:64/input:xx", "a/k/v/n:16/input:x"]),
    ],
)  # fmt: skip
def test_what_is_run_alone(inputs, runs, leaves):
    """Every variant at the headline sizes that were measured, with the default input."""
    kernel = {"name": "a/k", "headline": [64, 4096, 9999], "inputs": inputs}
    ladders = [{"n": n, "input": name} for n in (16, 64, 4096) for name in inputs]
    pattern = alone._pattern(kernel, {"ladders": ladders})
    assert [name for name in runs + leaves if re.search(pattern, name)] == runs
    assert alone._pattern(kernel, {"ladders": [{"n": 16, "input": "x"}]}) is None


def test_the_seed_is_every_runs():
    """Inputs must be the same on every machine."""
    assert plan.SEED == 1
