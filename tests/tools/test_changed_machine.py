"""The machine changes under a run: that is refused or said in one line, and what is kept stays."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from conftest import Headroom

from headroom_tools.base.errors import HeadroomError
from headroom_tools.measure import bench, finish, unfinished
from headroom_tools.record import publish

RUN = ("run", "--profile", "quick", "--filter", "simd/sum", "--label", "t")


def _stopped(headroom: Headroom) -> Path:
    """The folder of a run that was killed after some launches."""
    process = headroom.start(*RUN, FAKE_MODE="sleep:*")
    deadline = time.monotonic() + 60
    while len(headroom.starts()) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    (state,) = (headroom.root / "build" / "runs").glob("*/state.json")
    return state.parent


def _changed(folder: Path, change) -> None:
    state = json.loads((folder / "state.json").read_text())
    change(state)
    (folder / "state.json").write_text(json.dumps(state))


@pytest.mark.parametrize(
    "change",
    (
        lambda machine: machine["cpu"].update(model_name="Another CPU"),
        lambda machine: machine["cpu"].update(cores=(machine["cpu"]["cores"] or 1) + 1),
        lambda machine: machine.update(kernel="1.2.3"),
        lambda machine: machine.update(
            allowed={"cpus": None, "cpu_quota": 0.5, "memory_bytes": None}
        ),
    ),
)
def test_a_run_is_not_resumed_elsewhere(headroom, change):
    folder = _stopped(headroom)
    kept = sorted(path.name for path in (folder / "launches").iterdir())
    good = (folder / "state.json").read_bytes()
    _changed(folder, lambda state: change(state["fingerprint"]))
    starts = len(headroom.starts())
    result = headroom("run", "--resume")
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert "not the machine that the run began on" in result.stderr
    assert sorted(path.name for path in (folder / "launches").iterdir()) == kept
    assert len(headroom.starts()) == starts
    (folder / "state.json").write_bytes(good)
    assert headroom("run", "--resume").returncode == 0


def test_what_may_change_is_no_other_machine(headroom):
    folder = _stopped(headroom)
    _changed(folder, lambda state: state["fingerprint"]["cpu"].update(governor="other", boost=True))
    _changed(folder, lambda state: state["fingerprint"]["ram"].update(type="DDR9"))
    _changed(folder, lambda state: state["fingerprint"]["cpu"].update(microcode=None))
    assert headroom("run", "--resume").returncode == 0


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two CPUs and affinity",
)
def test_cpus_that_are_taken_away_end_a_run_in_one_line(headroom):
    process = headroom.start(*RUN, FAKE_MODE="sleep:*")
    deadline = time.monotonic() + 60
    while len(headroom.starts()) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    ours = os.sched_getaffinity(process.pid)
    os.sched_setaffinity(process.pid, {min(ours)})
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and err.count("\n") == 1, err
    assert "1 CPU of " in err and "may not be used any more" in err and "are kept in" in err
    assert headroom("run", "--resume").returncode == 0
    assert headroom.run_json()["launches"]["status"] == ["ok"] * 12


def test_another_share_of_the_cpus_ends_a_run_in_one_line(headroom, tmp_path):
    """A control group's quota that changes under a run; as it was again, the run goes on."""
    files = {
        "proc/self/cgroup": "0::/box\n",
        "proc/self/mountinfo": "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        "sys/fs/cgroup/box/cpu.max": "150000 100000\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    headroom.env["HEADROOM_SYSTEM"] = str(tmp_path)
    process = headroom.start(*RUN, FAKE_MODE="sleep:*")
    deadline = time.monotonic() + 60
    while len(headroom.starts()) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    quota = tmp_path / "sys/fs/cgroup/box/cpu.max"
    quota.write_text("50000 100000\n")
    _, err = process.communicate(timeout=60)
    said = [line for line in err.splitlines() if "warning" not in line]
    assert process.returncode == 2 and len(said) == 1, err
    assert "changed from 1.5 to 0.5" in said[0] and "are kept in" in said[0]
    assert "not the machine that the run began on" in headroom("run", "--resume").stderr
    quota.write_text("150000 100000\n")
    assert headroom("run", "--resume").returncode == 0
    assert headroom.run_json()["launches"]["status"] == ["ok"] * 12


def test_a_clock_that_is_set_back(headroom):
    """A run whose start is still to come by the clock of its end: its record is sound."""
    folder = _stopped(headroom)
    later = datetime.now(timezone.utc) + timedelta(hours=2)

    def change(state):
        name = f"{later:%Y%m%dT%H%M%SZ}{state['name'][16:]}"
        state.update(started=f"{later:%Y-%m-%dT%H:%M:%SZ}", name=name)

    _changed(folder, change)
    assert headroom("run", "--resume").returncode == 0
    run = headroom.run_json()
    assert run["finished"] >= run["started"]
    assert all(start >= 0 for start in run["launches"]["start"])
    assert any("the clock was set back" in note for note in run["notes"])
    (record,) = headroom.results()
    assert publish.checked is not None and headroom("validate", record).returncode == 0


def test_when_a_run_ended():
    now = datetime.now(timezone.utc)
    started = f"{now - timedelta(seconds=100):%Y-%m-%dT%H:%M:%SZ}"
    end, note = finish._finished(started, 90.0)
    assert end >= f"{now:%Y-%m-%dT%H:%M:%SZ}" and note is None
    end, note = finish._finished(started, 110.0)
    assert end > f"{now:%Y-%m-%dT%H:%M:%SZ}" and note is None
    assert "set back" in (finish._finished(started, 1000.0)[1] or "")


def test_the_catalogue_is_asked_where_the_kernels_will_run(headroom, tmp_path, monkeypatch):
    """In the scratch folder, wherever the command is started; nothing is written elsewhere."""
    told = tmp_path / "told"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho \"$@\" >>{told}\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("HEADROOM_ROOT", str(tmp_path / "checkout"))
    for scratch, where in ((None, tmp_path / "checkout/build/scratch"), (tmp_path / "s",) * 2):
        with pytest.raises(HeadroomError):
            bench.catalogue(program=program, scratch=scratch)
        assert told.read_text().splitlines()[-1].endswith(f"--headroom_scratch={where}")


def test_the_facts_that_are_held_against_each_other():
    tree = {"slug": "x", "cpu": {"cores": 2, "boost": True}, "disk": {"kind": "ssd"}, "kernel": "6"}
    assert unfinished._facts(tree) == {"cpu.cores": 2, "kernel": "6"}
