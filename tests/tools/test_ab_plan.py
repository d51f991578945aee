"""`ab`: one plan for both sides, and as many pairs as there is time for."""

from __future__ import annotations

import pytest

from headroom_tools.ab import plan


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
    for seconds, pairs in ((0.05, 200), (0.3, 120), (2.3, 24), (2.4, 22), (30.0, plan.PAIRS_MIN)):
        found = plan.schedule({"simd/sum": [seconds]}, None, True)
        assert found.pairs == pairs and found.every == {"simd/sum": [1]}
        assert found.seconds == pytest.approx(pairs * (seconds + 0.2))
    assert plan.schedule({"simd/sum": [0.1]}, None, False).pairs == plan.PAIRS_MIN
    assert plan.schedule({"simd/sum": [9.0]}, 34, True).pairs == 34


def test_what_takes_long_takes_part_in_fewer_pairs():
    found = plan.schedule({"simd/sum": [0.1, 1.6]}, None, True)
    assert found.every == {"simd/sum": [1, 5]}
    assert found.pairs == 96 and found.seconds == pytest.approx(96 * 0.62)
    whole = {"kernel": "simd/sum", "ladders": ["small", "large"]}
    did = [found.plan_of(whole, pair)["ladders"] for pair in range(1, 97)]
    assert all("small" in ladders for ladders in did)
    large = [pair for pair, ladders in enumerate(did, 1) if "large" in ladders]
    assert large == [pair for at in range(1, 97, 10) for pair in (at, at + 1)]
    # Where there are few pairs, it is in all of them, or in ten.
    assert plan.schedule({"simd/sum": [0.1, 1.0]}, 12, True).every == {"simd/sum": [1, 1]}
    assert plan.schedule({"simd/sum": [0.1, 9.0]}, 40, True).every == {"simd/sum": [1, 4]}
