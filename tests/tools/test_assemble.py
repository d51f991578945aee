"""The tables of run.json, from launches: each figure in its row, at its launch."""

from __future__ import annotations

import copy
import math

import fake_bench
import pytest

from headroom_tools.measure import assemble, summary
from headroom_tools.record.cells import cells_of
from headroom_tools.record.types import TIME

KERNEL = "simd/sum"
LAUNCHES = 3


def _catalogue():
    """simd/sum with one size, whose three variants run as two groups, each with the baseline."""
    tree = copy.deepcopy(fake_bench.CATALOGUE)
    (kernel,) = [kernel for kernel in tree["kernels"] if kernel["name"] == KERNEL]
    kernel["ladders"] = kernel["ladders"][:1]
    kernel["ladders"][0]["groups"] = [["naive", "better"], ["naive", "peer"]]
    return {**tree, "kernels": [kernel]}


CATALOGUE = _catalogue()


def _arm(variant, times, **more):
    return {"variant": variant, "role": "x", "threads": 1, "calls": 1, "wall_ns": times,
            "cpu_ns": times, "held_bytes": 0, "quantities": {}, "build_ns": None,
            **more}  # fmt: skip


def _ladder(group, *arms, status="ok"):
    return summary.ladder(
        {"n": 256, "input": "random", "threads": 1, "params": {}, "group": group,
         "baseline": "naive", "clock": "cpu", "working_set": 1024, "empty_wall_ns": 1.0,
         "empty_cpu_ns": 2.0, "setup_s": 0.0, "status": status, "failed": [], "arms": arms},
        TIME,
    )  # fmt: skip


def _top(times):
    return _arm("ceiling", times, role="ceiling", probe="machine/read/probe")


def _launch(index, ladders, **more):
    return {"kernel": KERNEL, "launch": index, "start": 1.0 * index, "status": "ok", "message": "",
            "seconds": 0.5, "load": 1.0, "steal": 0.0, "simd_target": "AVX2",
            "ladders": ladders, **more}  # fmt: skip


def _run(launches, withheld=(), alone=None):
    state = {
        "catalogue": CATALOGUE, "selection": {KERNEL: CATALOGUE["kernels"][0]["ladders"]},
        "name": "x", "label": "x", "profile": "quick", "started": "x", "machine": "x",
        "changed": [], "commit": None, "dirty": None, "simd_target": None,
    }  # fmt: skip
    plan = {"launches": LAUNCHES, "budget_s": 0.1, "rounds_max": 100, "scale": 1.0, "seed": 1,
            "rounds": {"simd/sum/256/random/1/0": 40, "simd/sum/256/random/1/1": 60}}  # fmt: skip
    end = assemble.End(set(withheld), "x", 1.0, [], [], [], [], [], [])
    return assemble.run_json(state, plan, launches, alone or {}, end)


def _two_groups(index):
    """Launch `index`: in the second group all is twice as slow as in the first."""
    base = [1000.0 * index, 1100.0 * index, 1200.0 * index]
    twice = [2 * ns for ns in base]
    return _launch(index, [
        _ladder(0, _arm("naive", base), _arm("better", [ns / 4 for ns in base]),
                _top([ns / 8 for ns in base])),
        _ladder(1, _arm("naive", twice), _arm("peer", [ns / 5 for ns in twice]),
                _top([ns / 20 for ns in twice])),
    ])  # fmt: skip


@pytest.fixture
def cells():
    run = _run([_two_groups(index) for index in (1, 2, 3)])
    return {cell.variant: cell for cell in cells_of(run)}, run


def test_the_baselines_row_is_the_first_groups(cells):
    by_variant, run = cells
    assert sorted(by_variant) == ["better", "naive", "peer"] and len(run["cells"]["ladder"]) == 3
    assert by_variant["naive"].median == [1100.0, 2200.0, 3300.0]
    assert by_variant["naive"].group == 0
    # Each is held against the baseline of its own rounds.
    for variant, times in (("better", 4), ("peer", 5)):
        for ratio in by_variant[variant].log_ratio:
            assert math.exp(ratio) == pytest.approx(times, rel=1e-4)


def test_each_launch_has_its_own_column(cells):
    by_variant, _ = cells
    assert by_variant["better"].median == [275.0, 550.0, 825.0]
    assert by_variant["better"].min == [250.0, 500.0, 750.0]
    assert by_variant["better"].p10 == [255.0, 510.0, 765.0]


def test_a_share_of_the_ceiling_is_paired_within_its_group(cells):
    """The probe runs in each group: half of it in the first, a quarter in the second."""
    by_variant, _ = cells
    for variant, share in (("naive", 1 / 8), ("better", 1 / 2), ("peer", 1 / 4)):
        assert len(by_variant[variant].of_ceiling) == LAUNCHES
        for log in by_variant[variant].of_ceiling:
            assert math.exp(log) == pytest.approx(share, rel=1e-4)
    assert by_variant["better"].ceiling == [137.5, 275.0, 412.5]
    assert by_variant["peer"].ceiling == [110.0, 220.0, 330.0]


def test_the_rounds_are_the_groups(cells):
    _, run = cells
    assert run["ladders"]["rounds"] == [40, 60]
    assert run["ladders"]["group"] == [0, 1]


def test_a_launch_that_failed_leaves_a_gap():
    run = _run([_two_groups(1), _two_groups(3)])
    (better,) = [cell for cell in cells_of(run) if cell.variant == "better"]
    assert better.median == [275.0, None, 825.0]
    assert better.log_ratio[1] is None


def test_a_withheld_ladder_has_no_row():
    """Also of the launches in which its answers were right: they may have been so by luck."""
    key = (KERNEL, 256, "random", 1, ())
    run = _run([_two_groups(1), _two_groups(2)], {key})
    assert cells_of(run) == [] and run["ceilings"]["ladder"] == []


def test_quantities_builds_and_alone():
    def launch(index):
        told = {"hit_ratio": {"value": (0.2, 0.9, 0.4)[index - 1], "unit": "ratio"}}
        return _launch(index, [
            _ladder(0, _arm("naive", [100.0]),
                    _arm("better", [50.0], quantities=told, build_ns=1000.0 * index)),
        ])  # fmt: skip

    alone = {KERNEL: {"simd/sum/better/n:256": 47.0, "simd/sum/naive/n:256": 0.0}}
    run = _run([launch(index) for index in (1, 2, 3)], alone=alone)
    assert run["quantities"] == {"cell": [1], "name": ["hit_ratio"], "unit": ["ratio"],
                                 "value": [0.4]}  # fmt: skip
    naive, better = cells_of(run)
    assert better.build_ns == [1000.0, 2000.0, 3000.0] and naive.build_ns == []
    assert better.alone_ns == 47.0 and naive.alone_ns is None


def test_how_each_launch_went():
    conditions = {"seconds": 2.0, "waited": 0.25, "stolen": 0.125, "others": 0.5, "switches": 7}
    launches = [_two_groups(1), {**_two_groups(2), "conditions": conditions, "load": 2.5,
                                 "steal": 0.125, "seconds": 1.25}]  # fmt: skip
    told = _run(launches)["launches"]
    assert told["launch"] == [1, 2] and told["start"] == [1.0, 2.0]
    assert told["load"] == [1.0, 2.5] and told["steal"] == [0.0, 0.125]
    assert told["seconds"] == [0.5, 1.25]
    assert told["waited"] == [None, 0.25] and told["stolen"] == [None, 0.125]
    assert told["others"] == [None, 0.5] and told["switches"] == [None, 7]
    assert told["attempts"] == [1, 1] and told["disturbed"] == [0, 1]
