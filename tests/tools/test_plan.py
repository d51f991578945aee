"""What a run plans: which ladders a profile takes, rounds and costs, what fits its time."""

from __future__ import annotations

import copy
import json

import fake_bench
import pytest

from headroom_tools.measure import plan

CATALOGUE = fake_bench.CATALOGUE
STANDARD = plan.PROFILES["standard"]


def _taken(selection, kernel):
    return [ladder["n"] for ladder in selection.ladders.get(kernel, [])]


def test_which_sizes_a_profile_takes():
    for profile, sizes in (
        ("smoke", [256]), ("quick", [4096, 65536]), ("standard", [4096, 65536]),
        ("thorough", [256, 4096, 65536]),
    ):  # fmt: skip
        assert _taken(plan.select(CATALOGUE, profile, "^simd/sum$", None), "simd/sum") == sizes


def test_the_kernels_placebo_rides_along():
    """Without it a filtered run would have no noise floor; a smoke run has none anyhow."""
    chosen = plan.select(CATALOGUE, "quick", "^simd/sum$", None)
    assert sorted(chosen.ladders) == ["machine/placebo_cpu", "simd/sum"]
    assert chosen.added == ["machine/placebo_cpu"]
    assert sorted(plan.select(CATALOGUE, "smoke", "^simd/sum$", None).ladders) == ["simd/sum"]
    # No disk's noise is known from a placebo of the processor's.
    assert sorted(plan.select(CATALOGUE, "quick", "^io/", None).ladders) == ["io/write_records"]


def test_a_ladder_takes_seventy_percent_of_the_memory_at_most():
    tree = copy.deepcopy(CATALOGUE)
    (kernel,) = [kernel for kernel in tree["kernels"] if kernel["name"] == "simd/sum"]
    for ladder in kernel["ladders"]:
        ladder["memory_bytes"] = {256: 100, 4096: 700, 65536: 701}[ladder["n"]]
    chosen = plan.select(tree, "thorough", "^simd/sum$", 1000)
    assert _taken(chosen, "simd/sum") == [256, 4096]
    told = [(entry["n"], entry["needs"]) for entry in chosen.missing
            if entry["kernel"] == "simd/sum" and entry["n"]]  # fmt: skip
    assert told == [(65536, "701 B of memory")]
    # Unknown is not none.
    assert len(_taken(plan.select(tree, "thorough", "^simd/sum$", None), "simd/sum")) == 3


def test_what_the_pilot_is_told():
    ladders = [ladder for k in CATALOGUE["kernels"] if k["name"] == "simd/sum"
               for ladder in k["ladders"]]  # fmt: skip
    quick = plan.PROFILES["quick"]
    told = plan.pilot_plan("simd/sum", ladders, STANDARD, False)
    assert (told["budget_s"], told["seed"]) == (0.1, 1)
    assert (told["rounds_min"], told["rounds_max"]) == (5, 100)
    assert "rounds" not in told and [one["n"] for one in told["ladders"]] == [256, 4096, 65536]
    told = plan.pilot_plan("simd/sum", ladders, quick, False)
    assert (told["budget_s"], told["rounds_min"]) == (0.05, 3)
    # A probe has one figure to give.
    assert plan.pilot_plan("machine/read", ladders, STANDARD, False)["budget_s"] == 0.05
    assert plan.pilot_plan("simd/sum", ladders, plan.PROFILES["smoke"], True)["rounds"] == 5
    once = plan.pilot_plan("scaling/x", ladders, plan.PROFILES["standard"], False, True)
    assert (once["rounds_min"], once["rounds_max"]) == (1, 1), "a simulation comes to the same"
    checked = plan.pilot_plan("scaling/x", ladders, plan.PROFILES["smoke"], True, True)
    assert checked["rounds"] == 1


def test_launches_by_profile():
    found = {name: profile.launches for name, profile in plan.PROFILES.items()}
    assert found == {"smoke": 1, "quick": 6, "standard": 10, "thorough": 20}


WHERE = {"n": 1, "input": "x", "threads": 1, "params": {}, "group": 0}


def _planned(rounds, calls, n=1):
    arms = [{"variant": name, "threads": 1, "calls": count} for name, count in calls.items()]
    return {**WHERE, "n": n, "rounds": rounds, "arms": arms}


def _measured(times, setup_s=0.0, n=1):
    arms = [{"variant": name, "threads": 1, "wall_ns": values} for name, values in times.items()]
    return {**WHERE, "n": n, "setup_s": setup_s, "arms": arms}


def test_what_a_ladder_costs():
    """Twice its epochs (warming) by the rounds, its set-up, and a call of each arm to check it."""
    planned = _planned(5, {"a": 10, "b": 2})
    measured = _measured({"a": [1e6, 9e6, 2e6], "b": [5e6]}, 0.75)  # epochs of 20 and 10 ms
    setup = 0.75 + 0.002 + 0.005
    assert plan.cost_of_ladder(planned, measured, STANDARD) == pytest.approx((setup, 0.3))
    # At the least rounds they take more than the budget, never less.
    longer = STANDARD._replace(budget_s=0.5)
    assert plan.cost_of_ladder(planned, measured, longer) == pytest.approx((setup, 0.5))
    # Fewest is what the profile says.
    quick = STANDARD._replace(rounds_min=3)
    assert plan.cost_of_ladder(planned, measured, quick) == pytest.approx((setup, 0.1))
    # Between the clamps the rounds fill the budget.
    many = _planned(50, {"a": 10, "b": 2})
    assert plan.cost_of_ladder(many, measured, STANDARD) == pytest.approx((setup, 0.1))


def test_nothing_comes_before_a_call_that_takes_long():
    planned = _planned(5, {"a": 1, "b": 1})
    planned["arms"][0]["long_call"] = True
    measured = _measured({"a": [2e8], "b": [1e7]})
    found = plan.cost_of_ladder(planned, measured, STANDARD)
    assert found == pytest.approx((0.21, 5 * (0.2 + 0.02)))


def _fit(pilots, profile="standard", spent_s=0.0, alone_s=0.0, once=()):
    trees = {
        name: {"plan": {"ladders": [planned for planned, _ in found]},
               "measured": [measured for _, measured in found]}
        for name, found in pilots.items()
    }  # fmt: skip
    # Each with a plan of its own, as read from its file: fit() cuts their rounds in place.
    read = {name: json.loads(json.dumps(tree)) for name, tree in trees.items()}
    return plan.fit(read, list(read), profile, spent_s, alone_s, once)


LIGHT = (_planned(100, {"a": 1}), _measured({"a": [1e5]}))


def test_what_fits_keeps_its_rounds():
    tree = _fit({"a/k": [LIGHT]})
    assert tree["scale"] == 1.0 and tree["notes"] == [] and tree["left_out"] == []
    assert tree["rounds"] == {"a/k/1/x/1/0": 100}
    assert (tree["launches"], tree["budget_s"], tree["rounds_max"]) == (10, 0.1, 100)
    # 100 rounds of 2 x 0.1 ms, a check, and a process.
    assert tree["seconds"] == {"a/k": pytest.approx(0.02 + 0.0001 + plan.START_S)}


def test_time_that_is_spent_is_not_there_any_more():
    """Of 600 s 5% are for repeats; 10 launches of 0.12 s and 450 kernels need 540 s."""
    pilots = {f"a/k{i}": [LIGHT] for i in range(450)}
    assert _fit(pilots)["scale"] == 1.0
    for spent_s, alone_s in ((75.0, 0.0), (0.0, 75.0), (37.5, 37.5)):
        tree = _fit(pilots, spent_s=spent_s, alone_s=alone_s)
        # 495 s less 450 of set-up are left for 90 s of rounds; checks take half a second.
        assert tree["scale"] == pytest.approx(45 / 90, abs=0.01)
        assert set(tree["rounds"].values()) == {49}
        assert "cut to 0.50 of the plan" in tree["notes"][0]
        assert 10 * sum(tree["seconds"].values()) == pytest.approx(495, rel=0.01)


def test_what_is_launched_once_takes_its_time_once_and_keeps_its_rounds():
    heavy = (_planned(5, {"a": 1}), _measured({"a": [8e9]}))  # a launch of 88 s, or 56 s
    many = {"a/k": [heavy], "b/k": [heavy]}
    assert _fit(many)["launches"] < 10
    assert _fit(many, once={"b/k"})["launches"] == 10
    # Rounds that have to give way are others'.
    rounds = (_planned(100, {"a": 1}), _measured({"a": [5e6]}))
    cut = _fit({f"{name}/k": [rounds] for name in range(600)} | {"b/k": [rounds]}, once={"b/k"})
    assert cut["scale"] < 1 and cut["rounds"]["b/k/1/x/1/0"] == 100 > cut["rounds"]["0/k/1/x/1/0"]


def test_what_comes_before_an_epoch_costs_too():
    """An epoch, or as many calls as the pilot found that it takes."""
    planned = _planned(5, {"a": 10, "b": 2})
    planned["arms"][1]["settle"] = 18
    measured = _measured({"a": [1e6], "b": [5e6]})
    assert plan.cost_of_ladder(planned, measured, STANDARD)[1] == pytest.approx(5 * (0.02 + 0.1))
    planned["arms"][1]["settle"] = 1
    assert plan.cost_of_ladder(planned, measured, STANDARD)[1] == pytest.approx(5 * (0.02 + 0.02))


def _slow(setup_s, profile="standard", alone_s=90.0):
    """The plan of a machine on which each of 100 kernels takes so long to set up, and 0.2 s for the
    rounds of its two sizes, or 0.01 s for five of each; the pilots took a minute."""
    made = (setup_s - plan.START_S) / 2 - 0.001  # without the check
    sizes = [(_planned(100, {"a": 1}, n), _measured({"a": [1e6]}, made, n)) for n in (1, 2)]
    return _fit({f"a/k{i}": sizes for i in range(100)}, profile, 60.0, alone_s)


@pytest.mark.parametrize(
    ("setup_s", "minutes", "launches"),
    [
        (0.15, 10.0, 10),
        (0.35, 10.0, 10),
        (0.47, 10.0, 10),
        (0.65, 12.6, 10),
        (0.85, 15.0, 9),
        (1.25, 15.0, 6),
        (2.05, 22.7, 6),
    ],
)
def test_a_slow_machine_leaves_no_headline_size_out(setup_s, minutes, launches):
    """It takes fewer rounds, then up to 15 minutes, then three rounds where five were the fewest,
    then fewer launches, then longer."""
    tree = _slow(setup_s)
    assert tree["left_out"] == [] and len(tree["rounds"]) == 200
    assert tree["launches"] == launches
    assert tree["time_s"] / 60 == pytest.approx(minutes, abs=0.1)
    assert tree["time_s"] <= 900 or launches == plan.LAUNCHES_MIN
    told = [note for note in tree["notes"] if "this machine is too slow for 10 min" in note]
    assert len(told) == (tree["time_s"] > 600)
    assert ("for more than" in "".join(told)) == (launches < 10)
    assert (tree["scale"] < 1) == (setup_s > 0.15)
    assert min(tree["rounds"].values()) >= (5 if minutes < 15 else 3)
    # It ends when it says.
    took = 60 + launches * sum(tree["seconds"].values())
    assert took <= tree["time_s"]


def test_three_rounds_where_five_take_too_long():
    """60 kernels whose calls take 250 ms: five rounds of both arms in six launches would take 19
    minutes with what comes before and after, three take 13. Of 40, three rounds in nine launches
    take 13 minutes, five in six as long."""
    long = _planned(5, {"a": 1, "b": 1})
    for arm in long["arms"]:
        arm["long_call"] = True
    ladder = (long, _measured({"a": [2.5e8], "b": [2.5e8]}))
    tree = _fit({f"a/k{i}": [ladder] for i in range(60)})
    assert tree["launches"] == plan.LAUNCHES_MIN and set(tree["rounds"].values()) == {3}
    assert tree["time_s"] == 900
    tree = _fit({f"a/k{i}": [ladder] for i in range(40)})
    assert tree["launches"] > 8 and set(tree["rounds"].values()) == {3}
    # Where five fit they stay.
    tree = _fit({f"a/k{i}": [ladder] for i in range(20)})
    assert tree["launches"] == 10 and set(tree["rounds"].values()) == {5}


def test_rounds_go_before_the_variants_alone():
    """Those are left out only where the least rounds don't fit beside them."""
    # 570 s less 60 and 90 for 10 launches; and less 60.
    assert 10 * sum(_slow(0.35)["seconds"].values()) == pytest.approx(420, rel=0.01)
    assert 10 * sum(_slow(0.47)["seconds"].values()) == pytest.approx(510, rel=0.01)


def test_quick_takes_four_minutes_where_it_can():
    tree = _slow(0.15, "quick", 15.0)
    assert (tree["time_s"], tree["launches"]) == (240, 6)
    slow = _slow(0.65, "quick", 15.0)
    assert slow["launches"] == 6 and slow["time_s"] > 240 and slow["left_out"] == []


def test_quick_takes_the_first_size_of_what_is_not_named():
    assert _taken(plan.select(CATALOGUE, "quick", None, None), "simd/sum") == [4096]
    assert _taken(plan.select(CATALOGUE, "quick", "sum", None), "simd/sum") == [4096, 65536]
    # A filter that finds many kernels names none of them.
    many = copy.deepcopy(CATALOGUE)
    for at in range(plan.FEW):
        many["kernels"].append({**copy.deepcopy(many["kernels"][0]), "name": f"simd/more{at}"})
    named = _taken(plan.select(many, "quick", "^simd/(sum|more[1-9])$", None), "simd/sum")
    assert named == [4096, 65536]
    assert _taken(plan.select(many, "quick", "^simd/(sum|more.)$", None), "simd/sum") == [4096]
    assert _taken(plan.select(CATALOGUE, "standard", None, None), "simd/sum") == [4096, 65536]
    # A probe's sizes are figures of the machine.
    tree = copy.deepcopy(CATALOGUE)
    (probe,) = [kernel for kernel in tree["kernels"] if kernel["probe"]]
    probe["headline"] = [1, 2]
    probe["ladders"].append({**probe["ladders"][0], "n": 2})
    assert _taken(plan.select(tree, "quick", None, None), probe["name"]) == [1, 2]


def test_every_input_in_the_sizes_of_the_default_one():
    def taken(profile, **how):
        tree = copy.deepcopy(CATALOGUE)
        (sort,) = [kernel for kernel in tree["kernels"] if kernel["name"] == "algorithm/sort"]
        sort["headline"] = [1000]
        for ladder in sort["ladders"]:
            ladder["headline"] = ladder["n"] == 1000 and ladder["input"] == "random"
        found = plan.select(tree, profile, "^algorithm/sort$", None, **how)
        return [(ladder["n"], ladder["input"]) for ladder in found.ladders["algorithm/sort"]]

    for profile in ("smoke", "quick", "standard"):
        assert taken(profile) == [(1000, "random")]
        assert taken(profile, every_input=True) == [(1000, "random"), (1000, "sorted")]
    assert taken("thorough", every_input=True) == taken("thorough")
    assert len(taken("thorough")) == 4
    # Further coordinates are kept apart: what the default input has only with one thread, or one
    # value of a param, others have so too.
    tree = copy.deepcopy(CATALOGUE)
    (sort,) = [kernel for kernel in tree["kernels"] if kernel["name"] == "algorithm/sort"]
    sort["ladders"] += [
        {**ladder, "threads": 2, "headline": False} for ladder in sort["ladders"]
    ]
    found = plan.select(tree, "standard", "^algorithm/sort$", None, every_input=True)
    assert {ladder["threads"] for ladder in found.ladders["algorithm/sort"]} == {1}


def test_the_estimate():
    """Before anything is measured: what the catalogue and the profile say."""
    chosen = plan.select(CATALOGUE, "quick", "^(io/write_records|simd/sum)$", None)
    found = plan.estimate(chosen, "quick")
    ladders = 2 + 1 + 1  # simd/sum, the placebo, io/write_records
    assert found.launches == 7 * 3
    assert found.cells == 3 * 2 + 2 + 3
    assert found.seconds == pytest.approx(21 * 0.1 + 7 * ladders * 0.05 * 1.15 + 0.2 * 11)
    assert found.scratch_bytes == 4096 and found.written_bytes == 4096 * 60 * 7
    assert found.memory_bytes == 4 * 65536
    assert found.most_seconds == found.seconds  # there is time enough
    # What does not fit is cut, and takes longer where the machine is too slow for what is left.
    many = {f"simd/sum{i}": chosen.ladders["simd/sum"] for i in range(500)}
    full = plan.estimate(chosen._replace(ladders=many), "quick")
    assert (full.seconds, full.most_seconds) == (240, 360)
