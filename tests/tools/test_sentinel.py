"""The sentinel: which launches a slow core disturbed, and what is recorded and told of it."""

from __future__ import annotations

import copy
import json
import random
import re
from statistics import median, median_low

import pytest
from conftest import BASE, BASE2, golden_run

from headroom_tools.base.errors import HeadroomError
from headroom_tools.measure import disturbance, readings, summary
from headroom_tools.measure.disturbance import Judge
from headroom_tools.record import sentinel, validate
from headroom_tools.record.types import TIME
from headroom_tools.record.validate import load
from headroom_tools.show import disturbance as shown

QUICK = ("run", "--profile", "quick", "--filter", "simd/sum", "--label", "t")
STARTS = 2 * (1 + 6)
QUIET = {"seconds": 0.3, "waited": 0.001, "stolen": 0.0, "others": 0.03, "switches": 3}


def _run(kernels, passes, slow=lambda kernel, launch, start: 1.0, pilots=True):
    """The launches of a run whose sentinel takes 1 ns an iteration, times what `slow` says."""
    draw = random.Random(1)
    trees = {}
    for launch in range(0 if pilots else 1, passes + 1):
        for at in range(kernels):
            name, start = f"a/k{at}", launch + at / kernels
            value = draw.uniform(1, 1.01) * slow(at, launch, start)
            trees[name, launch] = {
                "kernel": name, "launch": launch, "start": start, "status": "ok", "seconds": 0.4,
                "conditions": {**QUIET, "sentinel": value, "sentinel_min": value},
            }  # fmt: skip
    return trees


def _judge(trees):
    names = {name for name, _ in trees}
    return Judge({name: {"noise_class": "cpu", "threads": [1]} for name in names}, trees)


def _found(trees):
    judge = _judge(trees)
    return {
        (int(name[3:]), launch)
        for (name, launch), tree in trees.items()
        if launch > 0 and judge.attempts(tree)[1]
    }


# --- judged


@pytest.mark.parametrize("factor, disturbed", [(1.03, False), (1.07, True), (1.3, True)])
def test_a_slow_launch_is_disturbed_whatever_else_is_known(factor, disturbed):
    trees = _run(30, 6, lambda kernel, launch, _: factor if (kernel, launch) == (7, 4) else 1.0)
    assert _found(trees) == ({(7, 4)} if disturbed else set())
    judge = _judge(trees)
    assert judge.cause(trees["a/k7", 4]) == ("sentinel" if disturbed else None)
    assert judge.cause(trees["a/k8", 4]) is None
    assert judge.to_repeat() == ([("a/k7", 4)] if disturbed else [])


def test_the_worst_of_all_causes_is_told():
    trees = _run(30, 2, lambda kernel, launch, _: 1.1 if (kernel, launch) == (0, 1) else 1.0)
    conditions = trees["a/k0", 1]["conditions"]
    assert _judge(trees).verdict("a/k0", conditions, 1.0).score == pytest.approx(2, abs=0.2)
    conditions["waited"] = 0.5
    assert _judge(trees).cause(trees["a/k0", 1]) == "waited"


def test_a_tenth_of_launches_is_found_after_every_pass():
    """As a neighbour on the core's other thread makes them: 15% slower, each by itself."""
    draw = random.Random(2)
    slow = {(at, launch) for at in range(60) for launch in range(1, 7) if draw.random() < 0.1}
    trees = _run(60, 6, lambda kernel, launch, _: 1.15 if (kernel, launch) in slow else 1.0)
    for passes in range(1, 7):
        known = {key: tree for key, tree in trees.items() if key[1] <= passes}
        assert _found(known) == {key for key in slow if key[1] <= passes}
    assert len(slow) > 20


def test_a_neighbour_that_stays_for_some_seconds_is_found():
    """A third of a pass, all of it slow: it is held against the rest of a pass's length."""
    trees = _run(60, 4, lambda kernel, launch, _: 1.2 if launch == 2 and kernel < 20 else 1.0)
    assert _found(trees) == {(kernel, 2) for kernel in range(20)}


@pytest.mark.parametrize("fell", [0.7, 2.5, 4.0, 8.0])
def test_a_clock_that_falls_for_good_is_no_disturbance(fell):
    """A laptop that grows hot: the launches before it fell are the fast ones, and stay."""
    trees = _run(60, 10, lambda kernel, launch, start: 1.25 if start > fell else 1.0)
    wrong = [launch + kernel / 60 for kernel, launch in _found(trees)]
    assert len(wrong) <= 30 and all(abs(start - fell) < 1 for start in wrong)
    slow = _run(60, 10, lambda kernel, launch, start: 1.25 if start > 2 else 1.0)
    slow["a/k5", 7]["conditions"]["sentinel"] *= 1.2
    assert (5, 7) in _found(slow), "beside those around it, it is slow all the same"


def test_a_clock_that_wanders_repeats_no_more_than_a_fifth():
    draw = random.Random(3)
    trees = _run(60, 10, lambda *_: draw.uniform(1, 1.3))
    repeated = 0
    for passes in range(1, 11):
        known = {key: tree for key, tree in trees.items() if key[1] <= passes}
        for key in _judge(known).to_repeat():
            again = copy.deepcopy(trees[key])
            again["conditions"]["sentinel"] = draw.uniform(1, 1.3)
            trees[key] = _judge(known).better(trees[key], again)
            repeated += 1
    assert 0 < repeated <= 0.2 * 600 + 1


def test_what_a_kernel_does_to_the_clock_is_its_own():
    """Wide vectors lower some processors' clocks: always beside the same kernel."""
    trees = _run(30, 6, lambda kernel, *_: 1.12 if kernel == 3 else 1.0)
    assert _found(trees) == set()
    few = {key: tree for key, tree in trees.items() if key[1] <= 2}
    assert _found(few) == {(3, 1), (3, 2)}, "two launches can't tell yet"
    trees["a/k3", 5]["conditions"]["sentinel"] *= 1.1
    assert _found(trees) == {(3, 5)}


def test_launches_without_readings_are_not_judged_by_it():
    trees = _run(30, 4, lambda kernel, launch, _: 1.2 if kernel == 2 else 1.0)
    for tree in trees.values():
        tree["conditions"]["sentinel"] = None
    assert _found(trees) == set()
    for tree in trees.values():
        del tree["conditions"]["sentinel"]
    assert _found(trees) == set() and _judge({}).to_repeat() == []


def test_the_attempt_with_the_faster_sentinel_is_kept():
    trees = _run(30, 4, lambda kernel, launch, _: 1.2 if (kernel, launch) == (2, 3) else 1.0)
    first = trees["a/k2", 3]
    again = copy.deepcopy(first)
    again["conditions"]["sentinel"] = 1.004
    judge = _judge(trees)
    kept = judge.better({**first, "ladders": ["fast"]}, {**again, "ladders": ["slow"]})
    assert kept["ladders"] == ["slow"] and kept["discarded"]["sentinel"] > 1.19
    assert judge.attempts(kept) == (2, 1) and judge.cause(kept) == "sentinel"
    again["conditions"]["sentinel"] = 1.4
    assert judge.better({**first, "ladders": ["fast"]}, again)["ladders"] == ["fast"]


def _reading(draw, slower=1.0):
    """A launch's median reading: launches differ by 1%, readings by 2%, and one of fifty is off."""
    level = slower * (1 + draw.gauss(0, 0.01))
    count = draw.randint(4, 30)
    return median(
        level * (1 + draw.gauss(0, 0.02)) * (1.5 if draw.random() < 0.02 else 1)
        for _ in range(count)
    )


@pytest.mark.parametrize(("kernels", "passes"), [(2, 6), (2, 100), (4, 200), (60, 10)])
def test_however_many_launches_there_are_quiet_ones_are_quiet(kernels, passes):
    """And a neighbour that takes a tenth, beside one launch of twelve, is seen."""
    draw = random.Random(kernels * passes)
    wrong = quiet = seen = slow = 0
    for _ in range(max(1, 2400 // (kernels * passes))):
        beside = {(at, launch) for at in range(kernels) for launch in range(passes + 1)
                  if draw.random() < 1 / 12}  # fmt: skip
        trees = _run(kernels, passes)
        for (name, launch), tree in trees.items():
            slower = 1.10 if (int(name[3:]), launch) in beside else 1.0
            tree["conditions"]["sentinel"] = _reading(draw, slower)
        found = _found(trees)
        timed = {key for key in beside if key[1] > 0}
        slow, seen = slow + len(timed), seen + len(found & timed)
        quiet, wrong = quiet + kernels * passes - len(timed), wrong + len(found - timed)
    assert wrong <= 0.005 * quiet and seen >= 0.985 * slow > 100


@pytest.mark.parametrize("own", (1.08, 1.3))
@pytest.mark.parametrize("slow_ones", (1, 2, 3))
def test_a_few_kernels_of_which_some_lower_the_clock(own, slow_ones):
    """As in `ab --filter`: the middle launch around is now of one kernel, now of another."""
    draw = random.Random(6)
    trees = _run(4, 100, lambda kernel, *_: own if kernel < slow_ones else 1.0)
    for tree in trees.values():
        tree["start"] = draw.random() + tree["launch"]  # passes are shuffled
        tree["conditions"]["sentinel"] *= 1 + draw.gauss(0, 0.008)
    assert len(_found(trees)) <= 2
    trees["a/k0", 50]["conditions"]["sentinel"] = 1.15 * own
    assert (0, 50) in _found(trees)


def _own_work(noise_class, least=1.0):
    """Thirty kernels, one of them of this class, beside which the middle reading is 1.0 to 1.9
    times what it is beside the others, and the least one in its fourth launch `least` times."""
    draw = random.Random(7)
    trees = _run(30, 6)
    for launch in range(7):
        told = trees["a/k0", launch]["conditions"]
        told["sentinel"] = told["sentinel_min"] * draw.choice((1.0, 1.2, 1.5, 1.9))
    told = trees["a/k0", 4]["conditions"]
    told["sentinel_min"] *= least
    told["sentinel"] = max(told["sentinel"], told["sentinel_min"])
    kernels = {name: {"noise_class": "cpu", "threads": [1]} for name, _ in trees}
    kernels["a/k0"]["noise_class"] = noise_class
    judge = Judge(kernels, trees)
    return [key for key, tree in sorted(trees.items()) if key[1] and judge.attempts(tree)[1]]


@pytest.mark.parametrize("noise_class", ("threads", "storage"))
def test_servers_and_threads_at_work_for_a_kernel_are_no_neighbour(noise_class):
    """What is still at work when a round has ended, on the core's other hardware thread, slows most
    readings; a neighbour that stays slows all of them."""
    assert _own_work(noise_class) == []
    assert _own_work(noise_class, least=1.15) == [("a/k0", 4)]
    assert len(_own_work("cpu")) >= 3, "one core and no files: nobody's but a neighbour's"


def test_a_record_judges_by_the_same_readings(golden2):
    """Of kernels that make others run the least one, of others the middle one."""
    launches = golden2["launches"]
    for kernel in golden2["kernels"]:
        kernel["noise_class"] = "threads"
    launches["sentinel_min"] = [2.0] * len(launches["kernel"])
    launches["sentinel"] = [2.0 + at % 5 for at in range(len(launches["kernel"]))]
    assert sentinel.over_run(golden2).spread == 0
    for kernel in golden2["kernels"]:
        kernel["noise_class"] = "cpu"
    assert sentinel.over_run(golden2).spread == 2.0


@pytest.mark.parametrize("parts", (2, 4))
def test_references_slide(parts):
    draw = random.Random(5)
    values = [draw.uniform(1, 1.2) * (1.1 if 40 < at < 90 else 1) for at in range(130)]
    values[10] = values[11] = values[12]
    window = 31
    for at, found in enumerate(sentinel.references(values, window, parts)):
        start = max(0, min(at - window // 2, len(values) - window))
        assert found == sorted(values[start : start + window])[(window - 1) // parts]


def test_references_of_few():
    assert sentinel.references([2.0, 1.0], 20) == [1.0, 1.0]
    assert sentinel.references([], 20) == [] == sentinel.expected([]).references
    assert sentinel.window_of(["a"] * 100) == 20 and sentinel.window_of(range(50)) == 50


def test_a_single_fast_launch_is_not_what_the_machine_is_held_against():
    """The more launches, the further below the others the fastest of them lies."""
    run = json.loads((golden_run(BASE2) / "run.json").read_text())
    told = run["launches"]["sentinel"]
    table = [1.0 + 0.0001 * at for at in range(len(told))]
    run["launches"]["sentinel"] = [0.9, *table[1:]]
    found = sentinel.over_run(run)
    assert found.best == 0.9 and found.slowed == 0
    half = len(table) // 2
    run["launches"]["sentinel"] = table[:half] + [1.2 * value for value in table[half:]]
    assert sentinel.over_run(run).slowed > 0


# --- read


GOOD = {"iterations": 16384, "ns": [1.2, 1.1, 1.3, 1.1, 9], "ladder": [0] * 5,
        "round": [0, 0, 0, 0, 7], "arm": [None, None, None, None, 2]}  # fmt: skip


def test_readings_are_kept_by_median_and_least():
    kept = disturbance.read({"conditions": {"seconds": 1}, "sentinel": GOOD})
    assert kept["sentinel"] == 1.2 and kept["sentinel_min"] == 1.1
    assert readings.of({"sentinel": GOOD}) == GOOD


def test_a_launch_is_told_by_its_slowest_ladder():
    ns = [1.0] * 8 + [1.4] * 5 + [9.0] * 3
    told = {"iterations": 1, "ns": ns, "ladder": [0] * 8 + [1] * 5 + [2] * 3,
            "round": [*range(8), *range(5), *range(3)], "arm": [0] * 16}  # fmt: skip
    assert readings.slowest(told) == 1.4, "three readings tell nothing"
    assert readings.slowest({**told, "ladder": list(range(16))}) == 1.2
    kept = disturbance.read({"conditions": {"seconds": 1}, "sentinel": told})
    assert kept["sentinel"] == 1.4 and kept["rounds_again"] is None
    told.update(rounds_again=3, waited_s=0.125)
    kept = disturbance.read({"conditions": {"seconds": 1}, "sentinel": told})
    assert kept["rounds_again"] == 3 and kept["quiet_wait"] == 0.125


@pytest.mark.parametrize(
    "told",
    [
        None, 3, {}, {**GOOD, "ns": [1.0] * 4}, {**GOOD, "ns": None},
        {**GOOD, "ns": [1, 1, 1, 1, 0]}, {**GOOD, "ns": [1, 1, 1, 1, "1"]},
        {**GOOD, "ns": [1, 1, 1, 1, float("nan")]}, {**GOOD, "ns": [1, 1, 1, 1, 1e9]},
        {**GOOD, "round": [0, 0, 0, 0, -1]}, {**GOOD, "arm": [None] * 4},
        {**GOOD, "arm": [None, None, None, None, "1"]},
        {name: value[:3] if name != "iterations" else value for name, value in GOOD.items()},
    ],
)  # fmt: skip
def test_readings_that_are_none(told):
    kept = disturbance.read({"conditions": {"seconds": 1}, "sentinel": told})
    assert kept["sentinel"] is None and kept["sentinel_min"] is None


# --- single rounds


def _told(slow, rounds=40, every=2, ladder=0):
    """Readings after every other round, by four arms in turn, slow where `slow` says so."""
    places = [0, 0, 0, 0, *range(every, rounds + 1, every)]
    arms = [None] * 4 + [place % 4 for place in places[4:]]
    ns = [1.3 if slow(place, arm) else 1.0 for place, arm in zip(places, arms)]
    return {"iterations": 1, "ns": ns, "ladder": [ladder] * len(places), "round": places,
            "arm": arms}  # fmt: skip


def test_rounds_beside_a_slow_reading_are_left_out():
    told = _told(lambda place, _: place in (10, 12))
    assert readings.slow_rounds(told, 0, 40) == {8, 9, 10, 11, 12, 13}
    assert readings.slow_rounds(told, 1, 40) == set(), "another ladder's"
    # After the last reading, the one before is all there is.
    assert readings.slow_rounds(_told(lambda place, _: place == 40), 0, 42) == {38, 39, 40, 41}


def test_what_an_arm_does_to_the_clock_costs_no_round():
    assert readings.slow_rounds(_told(lambda _, arm: arm == 2), 0, 40) == set()
    told = _told(lambda place, arm: arm == 2 or place == 4)
    assert readings.slow_rounds(told, 0, 40) == {2, 3, 4, 5}


def test_too_few_rounds_left_are_none_left_out():
    most = _told(lambda place, arm: place > 4)
    assert len(readings.slow_rounds(most, 0, 40)) == 0
    assert readings.slow_rounds(_told(lambda place, _: place == 2, 5, 1), 0, 5) == set()


def _launch(told, threads=1, values=None):
    """A launch of which rounds 8 to 13 are slow, the variant's more than the baseline's."""
    def times(level, slower):
        return [level * (slower if 8 <= at < 14 else 1) for at in range(20)]

    arm = {"threads": 1, "calls": 1, "held_bytes": 0, "quantities": {}, "build_ns": None,
           "role": "x"}  # fmt: skip
    arms = [
        {**arm, "variant": name, "wall_ns": times(level, slower), "cpu_ns": times(level, slower)}
        for name, level, slower in (("naive", 100.0, 1.5), ("better", 50.0, 3.0))
    ]
    ladder = {
        "n": 1, "input": "x", "threads": threads, "params": {}, "group": 0, "baseline": "naive",
        "clock": "wall", "working_set": 1, "empty_wall_ns": 1.0, "empty_cpu_ns": 1.0,
        "setup_s": 0.0, "status": "ok", "failed": [], "arms": arms,
    }  # fmt: skip
    return summary.launch({"ladders": [ladder], "sentinel": told}, TIME, True)[0]


def test_what_is_kept_of_an_arm_lacks_the_slow_rounds():
    told = _told(lambda place, _: place in (10, 12), 20)
    kept = _launch(told)
    assert kept["slow_rounds"] == 6 and [arm["rounds"] for arm in kept["arms"]] == [14, 14]
    assert kept["arms"][1]["log_ratio"] == pytest.approx(0.6931, abs=1e-4)
    assert len(kept["arms"][0]["raw"]["wall_ns"]) == 20, "raw rounds are all there"
    whole = _launch(None)
    assert whole["slow_rounds"] == 0 and whole["arms"][0]["rounds"] == 20
    assert _launch(told, threads=2)["slow_rounds"] == 0


def test_on_made_up_launches_single_rounds_matter():
    """A neighbour comes and goes, 30 of 100 rounds at a time, for three tenths of the time: with
    the rounds beside slow readings left out, the speedup is that of the quiet machine."""
    draw = random.Random(4)
    errors = {True: [], False: []}
    for _ in range(60):
        busy = [False] * 101
        at = 0
        while at < 101:
            quiet, on = int(draw.expovariate(1 / 70)), int(draw.expovariate(1 / 30))
            busy[at + quiet : at + quiet + on] = [True] * len(busy[at + quiet : at + quiet + on])
            at += quiet + on
        told = _told(lambda place, _: busy[place], 100)
        without = readings.slow_rounds(told, 0, 100)
        ratios = [draw.gauss(0, 0.003) + (0.13 if busy[at] else 0) for at in range(100)]
        for left_out in errors:
            used = [r for at, r in enumerate(ratios) if not (left_out and at in without)]
            errors[left_out].append(abs(median_low(used)))
    assert max(errors[True]) < 0.005
    assert sum(error > 0.1 for error in errors[False]) >= 10, "what it would be with all rounds"


# --- a run


def _words(result):
    return " ".join(result.stdout.split())


def test_a_launch_with_a_slow_sentinel_is_measured_again(headroom):
    result = headroom(*QUICK, FAKE_MODE="slowcoreonce:simd/sum:3")
    assert result.returncode == 0, result.stderr
    starts = headroom.starts()
    assert len(starts) == STARTS + 1 and starts.count("simd/sum 3") == 2
    run = headroom.run_json()
    validate.run_tree(run, "run.json")
    table = run["launches"]
    at = table["attempts"].index(2)
    assert table["launch"][at] == 3 and table["cause"][at] == "sentinel"
    assert table["disturbed"][at] == 1 and table["cause"].count(None) == 11
    assert max(table["sentinel"]) < 1.15 and min(table["sentinel_min"]) > 1
    assert "clock and neighbours: sentinel within " in _words(result)
    told = "1 of 12 launches was disturbed (1 by a slow core), 1 was measured again, none stayed"
    assert told in _words(result)
    tree = json.loads(headroom("show", "--json").stdout)
    assert tree["disturbed"]["causes"] == {"sentinel": 1}
    assert tree["sentinel"]["slowed"] == 0 and tree["sentinel"]["spread"] < 0.03


def test_a_quiet_run_says_how_steady_the_clock_was(headroom):
    result = headroom(*QUICK)
    assert "over the run; no launch was measured again" in _words(result)
    (spread,) = [
        float(part.split("%")[0]) for part in _words(result).split("sentinel within ")[1:]
    ]
    assert 0 < spread < 3


def test_rounds_run_again_are_recorded_and_told(headroom):
    """And every launch is told by its plan what the sentinel takes on this machine."""
    result = headroom(*QUICK, FAKE_MODE="waits:simd/sum")
    assert result.returncode == 0, result.stderr
    run = headroom.run_json()
    validate.run_tree(run, "run.json")
    of_sum = [run["kernels"][at]["name"] == "simd/sum" for at in run["launches"]["kernel"]]
    again, waited = run["launches"]["rounds_again"], run["launches"]["quiet_wait"]
    assert again == [2 if one else None for one in of_sum] and sum(of_sum) == 6
    assert waited == [0.25 if one else None for one in of_sum]
    assert "12 rounds beside a slow reading were run again; launches waited 2 s" in _words(result)
    assert json.loads(headroom("show", "--json").stdout)["sentinel"]["again"] == 12


def test_repeats_for_a_slow_sentinel_are_bounded(headroom):
    """Both kernels, every other launch: six of twelve, and no more than a fifth is repeated."""
    modes = ",".join(f"slowcore:*:{launch}" for launch in (2, 4, 6))
    result = headroom(*QUICK, FAKE_MODE=modes)
    assert result.returncode == 0
    run = headroom.run_json()
    assert run["launches"]["attempts"].count(2) == 3 and len(headroom.starts()) == STARTS + 3
    assert "6 of 12 launches were disturbed (6 by a slow core), 3 were measured again, 6 stayed" \
        in _words(result)  # fmt: skip


def test_a_laptop_that_grows_hot_cries_no_wolf(headroom):
    result = headroom(*QUICK, FAKE_MODE="hot:*:3")
    assert result.returncode == 0
    run = headroom.run_json()
    assert run["launches"]["disturbed"].count(0) >= 8, "the eight launches after it fell are fine"
    assert len(headroom.starts()) <= STARTS + 3
    assert re.search(r"the machine itself was up to (19|2\d)% slower", _words(result))
    again = headroom("show")
    assert "(its clock, or a neighbour that stays)" in _words(again)


def test_a_program_without_a_sentinel_is_recorded_as_such(headroom):
    result = headroom(*QUICK, FAKE_MODE="nosentinel:*")
    assert result.returncode == 0 and "sentinel" not in result.stdout
    run = headroom.run_json()
    assert set(run["launches"]["sentinel"]) == set(run["launches"]["sentinel_min"]) == {None}
    assert json.loads(headroom("show", "--json").stdout)["sentinel"] is None


def test_raw_has_every_reading(headroom):
    assert headroom(*QUICK, "--raw").returncode == 0
    (path,) = (headroom.root / "results").glob("*/*/raw.json")
    launches = json.loads(path.read_text())["launches"]
    assert len(launches) == 12
    assert all(len(one["sentinel"]["ns"]) == 7 for one in launches)
    assert launches[0]["sentinel"]["round"] == [0, 0, 0, 0, 3, 9, 15]


# --- records


def test_records_from_before_the_sentinel_are_read_as_null():
    old = json.loads((golden_run(BASE2) / "run.json").read_text())
    for name in ("sentinel", "sentinel_min", "slow_rounds", "cause"):
        del old["launches"][name]
    first, second = validate.run_tree(old, "run.json"), load(golden_run(BASE))[0]
    for run in (first, second):
        for name in ("sentinel", "sentinel_min", "slow_rounds", "cause"):
            assert set(run["launches"][name]) == {None}
            assert len(run["launches"][name]) == len(run["launches"]["kernel"])
        assert sentinel.over_run(run) is None and shown.line(run) is None
    now = load(golden_run(BASE2))[0]
    assert min(now["launches"]["sentinel"]) > 1 and "sentinel within" in shown.line(now)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("sentinel_min", 5.0, "launches.sentinel"),
        ("sentinel", None, "launches.sentinel"),
        ("sentinel", -1.0, "launches.sentinel"),
        ("cause", "gremlins", "launches.cause"),
        ("slow_rounds", -1, "launches.slow_rounds"),
    ],
)
def test_damaged_columns_are_refused(name, value, match):
    run = json.loads((golden_run(BASE2) / "run.json").read_text())
    run["launches"][name][3] = value
    with pytest.raises(HeadroomError, match=match):
        validate.run_tree(run, "run.json")
