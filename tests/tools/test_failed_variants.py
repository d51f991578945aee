"""A variant that throws costs itself, never the ladder: the bench program of the faulty kernels."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from conftest import CHECKOUT

PRESET = os.environ.get("HEADROOM_PRESET", "release")
BENCH = CHECKOUT / "build" / PRESET / "tests" / "headroom-bench-faulty"


def _launch(folder, plan, *options):
    """One launch of the plan: its exit status and what it wrote."""
    if not BENCH.is_file():
        pytest.skip(f"build/{PRESET} has no headroom-bench-faulty: make test builds it")
    asked, out = folder / "plan.json", folder / "out.json"
    asked.write_text(json.dumps(plan))
    done = subprocess.run(
        [BENCH, f"--headroom_plan={asked}", f"--headroom_out={out}", *options,
         f"--headroom_scratch={folder}"],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    return done, json.loads(out.read_text())


def _pilot(folder, kernel):
    ladder = {"n": 256, "input": "default", "threads": 1}
    plan = {
        "version": 2, "kernel": kernel, "budget_s": 0.01, "rounds_max": 5, "seed": 1,
        "ladders": [ladder],
    }  # fmt: skip
    return _launch(folder, plan, "--headroom_pilot")


def test_the_pilot_goes_on_without_it(tmp_path):
    done, out = _pilot(tmp_path, "faulty/throws")
    assert done.returncode == 0, done.stderr
    (ladder,) = out["ladders"]
    assert ladder["status"] == "ok"
    assert ladder["failed"][0] == {"variant": "broken", "threads": 1, "message": "no such luck"}
    assert {arm["variant"] for arm in ladder["arms"]} >= {"naive", "sound"}
    assert all(arm["wall_ns"] for arm in ladder["arms"])
    planned = [arm["variant"] for arm in out["plan"]["ladders"][0]["arms"]]
    assert "broken" not in planned and {"naive", "sound"} <= set(planned)


def test_a_later_launch_follows_the_plan_without_it(tmp_path):
    _, pilot = _pilot(tmp_path, "faulty/throws")
    done, out = _launch(tmp_path, pilot["plan"], "--headroom_launch=1")
    assert done.returncode == 0, done.stderr
    (ladder,) = out["ladders"]
    assert ladder["status"] == "ok"
    assert "broken" not in {arm["variant"] for arm in ladder["arms"]}


def test_one_that_throws_while_it_is_timed_is_lost_to_that_launch(tmp_path):
    _, pilot = _pilot(tmp_path, "faulty/throws")
    plan = pilot["plan"]
    arms = plan["ladders"][0]["arms"]
    naive = next(arm for arm in arms if arm["variant"] == "naive")
    if not any(arm["variant"] == "later" for arm in arms):
        arms.insert(1, {**naive, "variant": "later"})
    for arm in arms:
        arm["calls"] = 40
    done, out = _launch(tmp_path, plan, "--headroom_launch=1")
    assert done.returncode == 0, done.stderr
    (ladder,) = out["ladders"]
    assert ladder["status"] == "ok"
    assert [failed["variant"] for failed in ladder["failed"]] == ["later"]
    assert {arm["variant"] for arm in ladder["arms"]} == {"naive", "sound"}


def test_where_the_baseline_throws_the_next_one_takes_its_place(tmp_path):
    done, out = _pilot(tmp_path, "faulty/baseline_throws")
    assert done.returncode == 0, done.stderr
    (ladder,) = out["ladders"]
    assert (ladder["status"], ladder["baseline"]) == ("ok", "second")
    assert [failed["variant"] for failed in ladder["failed"]] == ["naive"]
    again, out = _launch(tmp_path, out["plan"], "--headroom_launch=1")
    assert again.returncode == 0, again.stderr
    assert out["ladders"][0]["baseline"] == "second"


def test_a_measurement_that_is_refused_is_repeated_before_its_variant_is_lost(tmp_path):
    _, pilot = _pilot(tmp_path, "faulty/refuses")
    assert pilot["ladders"][0]["failed"] == [], "a pilot keeps no figure"
    done, out = _launch(tmp_path, pilot["plan"], "--headroom_launch=1")
    assert done.returncode == 0, done.stderr
    (ladder,) = out["ladders"]
    assert ladder["status"] == "ok"
    assert ladder["failed"] == [
        {"variant": "always", "threads": 1, "message": "the load generator was late"}
    ]
    assert {arm["variant"] for arm in ladder["arms"]} == {"naive", "at_times"}
