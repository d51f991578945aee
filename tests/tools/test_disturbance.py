"""Disturbed launches: how they are judged, repeated within bounds, recorded and told."""

from __future__ import annotations

import copy
import json
import time

import pytest

from headroom_tools.base import files
from headroom_tools.base.errors import HeadroomError
from headroom_tools.measure import alone, disturbance, plan, unfinished
from headroom_tools.measure.disturbance import Judge
from headroom_tools.record import validate
from headroom_tools.show import disturbance as shown

QUICK = ("run", "--profile", "quick", "--filter", "simd/sum", "--label", "t")
STARTS = 2 * (1 + 6)
QUIET = {"seconds": 0.3, "waited": 0.001, "stolen": 0.0, "others": 0.03, "switches": 3}
KERNELS = {
    "simd/sum": {"noise_class": "cpu", "threads": [1]},
    "parallel/sum": {"noise_class": "threads", "threads": [1, 2]},
    "machine/read": {"noise_class": "dram", "threads": [1, 2]},
    "io/write": {"noise_class": "storage", "threads": [1]},
}


def _tree(kernel, launch, conditions=QUIET, **more):
    return {"kernel": kernel, "launch": launch, "status": "ok", "seconds": 0.4,
            "conditions": conditions, **more}  # fmt: skip


def _judge(*trees):
    return Judge(KERNELS, {(tree["kernel"], tree["launch"]): tree for tree in trees})


@pytest.mark.parametrize(
    ("kernel", "changes", "disturbed"),
    [
        ("simd/sum", {}, False),
        ("simd/sum", {"waited": 0.024}, False),
        ("simd/sum", {"waited": 0.026}, True),
        ("simd/sum", {"waited": 0.1, "seconds": 0.015}, False),  # 1.5 ms: any daemon's
        ("simd/sum", {"waited": 0.5, "seconds": 0.015}, True),
        ("simd/sum", {"others": 0.09}, False),
        ("simd/sum", {"others": 1.0}, True),
        ("simd/sum", {"others": 1.0, "seconds": 0.03}, False),  # three ticks of 10 ms
        ("simd/sum", {"stolen": 0.04}, False),
        ("simd/sum", {"stolen": 0.2}, True),
        ("simd/sum", {"switches": 10_000}, False),  # how often says nothing of how long
        ("simd/sum", {"waited": None, "stolen": None, "others": None, "switches": None}, False),
        ("parallel/sum", {"waited": 0.5}, False),  # its threads wait for each other
        ("machine/read", {"waited": 0.5}, False),
        ("simd/sum", {"throttled": 0.02}, False),
        ("simd/sum", {"throttled": 0.03}, True),
        ("parallel/sum", {"throttled": 0.8}, True),  # its own threads don't limit its time
        ("machine/read", {"others": 0.3}, True),
    ],
)
def test_the_limits(kernel, changes, disturbed):
    tree = _tree(kernel, 1, {**QUIET, **changes})
    judge = _judge(tree)
    if kernel == "parallel/sum":
        judge = _judge(tree, _tree(kernel, 2), _tree(kernel, 3))
    assert judge.verdict(kernel, tree["conditions"]).disturbed is disturbed
    assert judge.attempts(tree) == (1, int(disturbed))


def test_what_a_kernel_brings_on_itself_is_no_disturbance():
    """Its files are written by the kernel's threads: they are 'others' in every launch."""
    usual = [_tree("io/write", i, {**QUIET, "others": 0.3, "waited": 0.03}) for i in (1, 2, 3)]
    worse = _tree("io/write", 4, {**QUIET, "others": 0.6})
    judge = _judge(*usual, worse)
    assert [judge.attempts(tree)[1] for tree in (*usual, worse)] == [0, 0, 0, 1]
    same = [_tree("simd/sum", i, {**QUIET, "others": 0.3}) for i in (1, 2, 3)]
    assert all(_judge(*same).attempts(tree)[1] for tree in same), "arithmetic has no such excuse"


def test_the_worst_are_repeated_first_and_a_fifth_at_most():
    busy = [_tree("simd/sum", i, {**QUIET, "waited": i / 20}) for i in range(1, 11)]
    assert _judge(*busy).to_repeat() == [("simd/sum", 10), ("simd/sum", 9)]
    busy[9].update(attempts=2, discarded=QUIET)
    assert _judge(*busy).to_repeat() == [("simd/sum", 9)]
    busy[8].update(attempts=2, discarded=QUIET)
    assert _judge(*busy).to_repeat() == []
    failed = _tree("simd/sum", 1, {**QUIET, "waited": 0.5}, status="crash")
    pilot = _tree("simd/sum", 0, {**QUIET, "waited": 0.5})
    assert _judge(failed, pilot).to_repeat() == []


def test_the_better_attempt_is_kept_whatever_it_measured():
    first = _tree("simd/sum", 1, {**QUIET, "waited": 0.2}, ladders=["slow"])
    again = _tree("simd/sum", 1, ladders=["slower"], seconds=0.5)
    judge = _judge(first)
    kept = judge.better(first, again)
    assert kept["ladders"] == ["slower"] and kept["discarded"]["waited"] == 0.2
    assert disturbance.seconds_of(kept) == pytest.approx(0.9)
    assert judge.attempts(kept) == (2, 1)
    worse = judge.better(first, _tree("simd/sum", 1, {**QUIET, "waited": 0.4}, ladders=["x"]))
    assert worse["ladders"] == ["slow"] and judge.attempts(worse) == (2, 2)
    crashed = judge.better(first, {**again, "status": "crash", "conditions": None})
    assert crashed["status"] == "crash", "a failure is not repeated away"
    busier = _tree("simd/sum", 1, {**QUIET, "waited": 0.4}, status="mismatch")
    assert judge.better(first, busier)["status"] == "mismatch", "under any conditions"


def test_pilots_are_judged_apart_from_launches():
    busy = {**QUIET, "waited": 0.5}
    pilots = [_tree("simd/sum", 0, busy), _tree("io/write", 0, {**QUIET, "others": 0.5})]
    judge = _judge(*pilots, _tree("simd/sum", 1, busy))
    assert judge.to_repeat(pilots=True) == [("simd/sum", 0)], "a storage kernel's own, maybe"
    assert judge.to_repeat() == [("simd/sum", 1)]
    stolen = _judge(_tree("io/write", 0, {**QUIET, "stolen": 0.5}))
    assert stolen.to_repeat(pilots=True) == [("io/write", 0)]
    again = {**_tree("simd/sum", 0), "attempts": 2, "discarded": busy}
    assert _judge(again).to_repeat(pilots=True) == []


@pytest.mark.parametrize(
    "told",
    (None, 3, {}, {"seconds": 0}, {"seconds": "1"}, {"seconds": True}, {"seconds": float("nan")}),
)
def test_conditions_that_are_none(told):
    assert disturbance.read({"conditions": told}) is None


def test_what_the_program_told_is_kept_as_shares():
    """Each by its own name, of the launch's seconds."""
    told = {"seconds": 4, "waited_s": 0.5, "stolen_s": 1, "others_s": 2, "switches": 7}
    kept = disturbance.read({"conditions": told})
    assert kept == {"seconds": 4.0, "waited": 0.125, "stolen": 0.25, "others": 0.5, "switches": 7,
                    "sentinel": None, "sentinel_min": None,
                    "rounds_again": None, "quiet_wait": None}  # fmt: skip
    (columns,) = [disturbance.columns(KERNELS, [_tree("simd/sum", 1, kept)])]
    assert columns["waited"] == [0.125] and columns["stolen"] == [0.25]
    assert columns["others"] == [0.5] and columns["switches"] == [7]


def test_a_limit_of_cpu_time_is_told_where_there_is_one(golden2):
    kept = disturbance.read({"conditions": {"seconds": 4, "throttled_s": 1}})
    assert kept is not None and kept["throttled"] == 0.25
    columns = disturbance.columns(KERNELS, [_tree("simd/sum", 1, kept), _tree("simd/sum", 2)])
    assert columns["throttled"] == [0.25, None] and columns["cause"] == ["throttled", None]
    assert "throttled" not in disturbance.columns(KERNELS, [_tree("simd/sum", 1)])
    count = len(golden2["launches"]["kernel"])
    golden2["launches"]["throttled"] = [0.25] * count
    golden2["launches"]["cause"] = ["throttled"] * count
    golden2["launches"].setdefault("attempts", [1] * count)
    golden2["launches"]["disturbed"] = [1] * count
    validate.run_tree(golden2, "run.json")
    assert "by the limit of CPU time" in (shown.line(golden2) or "")


def test_conditions_that_are_partly_unknown():
    kept = disturbance.read({"conditions": {"seconds": 2, "waited_s": None, "others_s": 1}})
    assert kept == {"seconds": 2.0, "waited": None, "stolen": None, "others": 0.5,
                    "switches": None, "sentinel": None, "sentinel_min": None,
                    "rounds_again": None, "quiet_wait": None}  # fmt: skip


def test_a_quiet_run_repeats_nothing_and_says_nothing(headroom):
    result = headroom(*QUICK)
    assert result.returncode == 0 and "disturbed" not in result.stdout
    run = headroom.run_json()
    assert set(run["launches"]["attempts"]) == {1} and set(run["launches"]["disturbed"]) == {0}
    assert run["launches"]["switches"] == [2] * 12
    tree = json.loads(headroom("show", "--json").stdout)
    assert tree["disturbed"] == {"launches": 12, "disturbed": 0, "repeated": 0, "remaining": 0,
                                 "cleared": 0, "causes": {}}  # fmt: skip


def test_a_disturbed_launch_is_repeated_at_the_end_of_its_pass(headroom):
    result = headroom(*QUICK, FAKE_MODE="busyonce:simd/sum:3")
    assert result.returncode == 0
    starts = headroom.starts()
    assert len(starts) == STARTS + 1 and starts.count("simd/sum 3") == 2
    assert starts.index("simd/sum 4") > len(starts) - 1 - starts[::-1].index("simd/sum 3")
    run = headroom.run_json()
    validate.run_tree(run, "run.json")
    at = [i for i, n in enumerate(run["launches"]["attempts"]) if n == 2]
    assert [run["launches"]["launch"][i] for i in at] == [3]
    assert [run["launches"]["disturbed"][i] for i in at] == [1]
    assert max(run["launches"]["waited"]) < 0.01, "the quiet attempt is the one that was kept"
    told = "1 of 12 launches was disturbed (1 by programs on their core), 1 was measured again"
    assert " ".join(result.stdout.split()).count(told + ", none stayed disturbed") == 1
    assert headroom(*QUICK[:-1], "u", "--strict", "--json").returncode == 1  # avx9 is missing


def test_a_disturbed_pilot_is_run_again_before_the_plan_is_made(headroom):
    result = headroom(*QUICK, FAKE_MODE="busyonce:simd/sum:0")
    assert result.returncode == 0
    starts = headroom.starts()
    assert len(starts) == STARTS + 1 and starts.count("simd/sum 0") == 2
    assert starts[2] == "simd/sum 0", "when all pilots are through, before the first launch"
    run = headroom.run_json()
    validate.run_tree(run, "run.json")
    note = "1 of 2 pilots was disturbed, 1 was run again, none stayed disturbed"
    assert note in run["notes"] and note in " ".join(result.stdout.split())
    assert set(run["launches"]["attempts"]) == {1}, "no timed launch was repeated"


def test_a_pilot_that_stays_disturbed_is_told(headroom):
    result = headroom(*QUICK, FAKE_MODE="busy:simd/sum:0")
    assert result.returncode == 0 and headroom.starts().count("simd/sum 0") == 2
    note = "1 of 2 pilots was disturbed, 1 was run again, 1 stayed disturbed"
    assert note in headroom.run_json()["notes"]


def test_a_busy_machine_repeats_a_fifth_of_its_pilots(headroom):
    assert headroom("run", "--profile", "quick", FAKE_MODE="busy:*:0").returncode == 0
    pilots = [start for start in headroom.starts() if start.endswith(" 0")]
    # Six kernels; those with threads or files have nothing to be compared with.
    assert len(pilots) == 6 + 2


def test_killed_while_a_pilot_is_run_again(headroom):
    process = headroom.start(*QUICK, FAKE_MODE="sleep:*,busyonce:simd/sum:0")
    while headroom.starts().count("simd/sum 0") < 2:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert headroom("run", "--resume").returncode == 0
    run = headroom.run_json()
    assert "1 of 2 pilots was disturbed, 1 was run again, none stayed disturbed" in run["notes"]
    assert headroom.starts().count("simd/sum 0") in (2, 3)


def test_no_pilot_is_run_again_beyond_the_time_in_reserve(headroom):
    process = headroom.start(*QUICK, FAKE_MODE="sleep:*,busy:simd/sum:0")
    found = []
    while not found:
        time.sleep(0.01)
        found = list((headroom.root / "build" / "runs").glob("*/launches/000-simd*.json"))
    process.kill()
    process.wait()
    tree = json.loads(found[0].read_text())
    tree["seconds"] = plan.REPEAT_RESERVE * plan.PROFILES["quick"].time_s + 1
    files.write_atomic(found[0], files.dump(tree))
    before = headroom.starts().count("simd/sum 0")
    assert headroom("run", "--resume", FAKE_MODE="busy:simd/sum:0").returncode == 0
    assert headroom.starts().count("simd/sum 0") == before


def test_a_busy_machine_is_repeated_up_to_a_bound(headroom):
    result = headroom(*QUICK, "--json", FAKE_MODE="busy:simd/sum")
    assert result.returncode == 0
    tree = json.loads(result.stdout)
    # A fifth of 12 launches, rounded up; the placebo was quiet.
    assert tree["disturbed"] == {"launches": 12, "disturbed": 6, "repeated": 3, "remaining": 6,
                                 "cleared": 0, "causes": {"waited": 6}}  # fmt: skip
    assert len(headroom.starts()) == STARTS + 3 + 1  # and the pilot
    assert headroom.run_json()["launches"]["disturbed"].count(2) == 3


def test_strict_fails_for_launches_that_stayed_disturbed(headroom):
    only = ("run", "--profile", "quick", "--filter", "machine/placebo_cpu", "--strict")
    quiet = headroom(*only)
    assert quiet.returncode == 0, quiet.stdout + quiet.stderr
    busy = headroom(*only, FAKE_MODE="busy:machine/placebo_cpu:2")
    assert busy.returncode == 1 and "disturbed" in busy.stdout


def test_no_repeats_beyond_the_profiles_time(headroom, monkeypatch):
    """The time is that of the launches on disk, so that it also holds for a run that is resumed."""
    process = headroom.start(*QUICK, FAKE_MODE="sleep:*,busy:simd/sum")
    while len(headroom.starts()) < 4:
        time.sleep(0.02)
    process.kill()
    process.wait()
    (state,) = (headroom.root / "build" / "runs").glob("*/state.json")
    path = next((state.parent / "launches").glob("000-simd*.json"))
    tree = json.loads(path.read_text())
    tree["seconds"] = plan.PROFILES["quick"].time_s
    files.write_atomic(path, files.dump(tree))
    assert headroom("run", "--resume", FAKE_MODE="busy:simd/sum").returncode == 0
    assert set(headroom.run_json()["launches"]["attempts"]) == {1}


def test_killed_while_it_repeats(headroom):
    process = headroom.start(*QUICK, FAKE_MODE="sleep:*,busyonce:simd/sum:1")
    while headroom.starts().count("simd/sum 1") < 2:
        time.sleep(0.01)
    process.kill()
    process.wait()
    (state,) = (headroom.root / "build" / "runs").glob("*/state.json")
    kept = unfinished.read_launches(state.parent)["simd/sum", 1]
    result = headroom("run", "--resume", FAKE_MODE="sleep:*")
    assert result.returncode == 0, result.stderr
    run = headroom.run_json()
    at = list(zip(run["launches"]["kernel"], run["launches"]["launch"])).index(
        ([k["name"] for k in run["kernels"]].index("simd/sum"), 1)
    )
    assert run["launches"]["attempts"][at] == 2 and run["launches"]["disturbed"][at] == 1
    assert run["launches"]["status"] == ["ok"] * 12
    again = 2 if kept.get("attempts") == 2 else 3  # the attempt that was cut short is made anew
    assert headroom.starts().count("simd/sum 1") == again


def test_a_repeat_that_fails_is_a_failure(headroom):
    mode = "busyonce:simd/sum:2"
    process = headroom.start(*QUICK, FAKE_MODE=f"sleep:*,{mode}")
    while headroom.starts().count("simd/sum 2") < 1:
        time.sleep(0.01)
    time.sleep(0.25)
    process.kill()
    process.wait()
    result = headroom("run", "--resume", FAKE_MODE="crash:simd/sum:2")
    assert result.returncode == 1 and "simd/sum launch 2: crash" in result.stdout
    run = headroom.run_json()
    assert [(f["kernel"], f["launch"]) for f in run["failures"]] == [("simd/sum", 2)]


def test_the_reserve_is_part_of_the_profiles_time():
    pilot = {
        "plan": {"ladders": [{"n": 1, "input": "x", "threads": 1, "params": {}, "group": 0,
                              "rounds": 100,
                              "arms": [{"variant": "a", "threads": 1, "calls": 1}]}]},
        "measured": [{"n": 1, "input": "x", "threads": 1, "params": {}, "group": 0,
                      "setup_s": 0.0,
                      "arms": [{"variant": "a", "threads": 1, "wall_ns": [1e6]}]}],
    }  # fmt: skip

    def fitted(count):
        pilots = {f"a/k{i}": copy.deepcopy(pilot) for i in range(count)}
        return plan.fit(pilots, list(pilots), "standard", 0.0, 0.0)

    tree = fitted(2000)
    # Set-up alone exceeds the time here: it takes longer, with fewer launches.
    assert tree["launches"] < 10 and tree["time_s"] > 600
    tree = fitted(500)
    assert sum(tree["seconds"].values()) * 10 == pytest.approx(0.95 * 600, rel=0.01)


def test_the_check_alone_takes_what_time_is_left():
    kernels = {f"a/k{at}": {"probe": False} for at in range(100)}
    selection = {name: [{"groups": [["v"]]}] for name in kernels}

    def budget(profile, spent):
        return alone.budget_s(plan.PROFILES[profile], kernels, selection, spent)

    assert [budget("standard", spent) for spent in (0, 510, 570, 700)] == [90, 90, 30, 0]
    assert budget("thorough", 1e6) == 100  # of no limit; a second an arm
    # A hundredth of the profile's for each kernel, or what a few need.
    for count, seconds in ((50, 45), (10, 9), (2, 2)):
        few = dict(list(selection.items())[:count])
        assert alone.budget_s(plan.PROFILES["standard"], kernels, few) == seconds
    one = {"a/k0": [{"groups": [["v"] * 100]}]}
    assert alone.budget_s(plan.PROFILES["quick"], kernels, one) == 5


def test_more_disturbed_than_attempts_is_refused(golden):
    count = len(golden["launches"]["launch"])
    golden["launches"].update(attempts=[1] * count, disturbed=[0] * count)
    validate.run_tree(golden, "run.json")
    golden["launches"]["disturbed"][0] = 2
    with pytest.raises(HeadroomError, match="launches.disturbed"):
        validate.run_tree(golden, "run.json")
    del golden["launches"]["disturbed"][0]
    with pytest.raises(HeadroomError, match="launches"):
        validate.run_tree(golden, "run.json")
