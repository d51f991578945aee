"""`headroom run` with kernels that need a server: a made-up Redis, found on PATH."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import Headroom

from headroom_tools.base import processes
from headroom_tools.record import validate
from headroom_tools.record.cells import cells_of

FAKE_REDIS = Path(__file__).with_name("fake_redis.py")
KERNEL = "caching/fake_get"
QUICK = ("run", "--profile", "quick", "--filter", "fake_get|simd/sum", "--label", "t")


class Served(Headroom):
    """A checkout whose benchmark program has a kernel that needs a Redis, and a PATH with one."""

    def __init__(self, root: Path, programs: Path):
        super().__init__(root)
        self.programs = programs
        for name in ("HEADROOM_REDIS", "REDISCLI_AUTH", "HEADROOM_PG"):
            self.env.pop(name, None)
        self.env["FAKE_SERVED"] = "1"
        self.env["TMPDIR"] = str(programs)  # where places are made that others must reach
        self.env["PATH"] = f"{programs}:{self.env['PATH']}"

    def install(self) -> None:
        python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else "python3"
        script = FAKE_REDIS.read_text().split("\n", 1)[1]
        program = self.programs / "redis-server"
        program.write_text(f"#!/usr/bin/env {python}\n{script}")
        program.chmod(0o755)

    def places(self) -> list[Path]:
        found = [*self.programs.glob("headroom-fixture-*")]
        return found + [*(self.root / "build" / "scratch").glob("headroom-fixture-*")]

    def server(self) -> int:
        """The process of the one server, once there is one."""
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            for place in self.places():
                if (place / "process.json").exists():
                    return json.loads((place / "process.json").read_text())["pid"]
            time.sleep(0.02)
        raise AssertionError("no server was started")

    def clean(self) -> bool:
        return self.places() == [] and processes.working_below(self.programs) == []


@pytest.fixture
def served(tmp_path: Path):
    folder = Path(tempfile.mkdtemp(prefix="headroom-test-"))
    folder.chmod(0o755)
    headroom = Served(tmp_path, folder)
    headroom.install()
    yield headroom
    shutil.rmtree(folder)


def state_of(headroom: Served) -> dict:
    (path,) = (headroom.root / "build" / "runs").glob("*/state.json")
    return json.loads(path.read_text())


def interrupted(headroom: Served, number: int, *arguments: str) -> tuple[str, int]:
    """Ends a run with signal `number` in its second pass: what it said, and its server."""
    slow = f"sleep:{KERNEL},sleep:simd/sum"
    process = headroom.start(*arguments, FAKE_MODE=slow)
    limit = time.monotonic() + 60
    while f"{KERNEL} 2" not in headroom.starts() and time.monotonic() < limit:
        time.sleep(0.02)
    pid = headroom.server()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return out + err, pid


def gone(pid: int) -> bool:
    limit = time.monotonic() + 20
    while processes.started(pid) is not None and time.monotonic() < limit:
        time.sleep(0.02)
    return processes.started(pid) is None


def test_a_run_starts_its_server_and_leaves_nothing(served: Served) -> None:
    done = served(*QUICK)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "started for this run: redis 9.8.7\n" in done.stdout
    run = served.run_json()
    validate.run_tree(run, "run.json")
    (kernel,) = [kernel for kernel in run["kernels"] if kernel["name"] == KERNEL]
    assert kernel["fixtures"] == ["redis"]
    (facts,) = run["fixtures"]
    assert (facts["name"], facts["version"]) == ("redis", "9.8.7")
    assert facts["settings"]["appendonly"] == "no" and facts["settings"]["server"] == "private"
    available = {v["name"]: v["available"] for k in run["kernels"] for v in k["variants"]}
    assert available["better"], "the catalogue was asked again, with the server"
    assert [line for line in served.starts() if line.startswith(KERNEL)] == [
        f"{KERNEL} {launch}" for launch in range(7)
    ]
    assert served.clean()
    assert not [e for e in run["missing"] if e["kernel"] == KERNEL and e["needs"] == "redis"]


def test_nothing_that_is_kept_says_how_to_reach_its_server(served: Served) -> None:
    told, _ = interrupted(served, signal.SIGINT, *QUICK)
    assert [facts["name"] for facts in state_of(served)["fixtures"]] == ["redis"]
    everything = told + "".join(
        path.read_text(errors="replace")
        for path in (served.root / "build").rglob("*")
        if path.is_file()
    )
    assert str(served.programs) not in everything, "no address of the server"
    assert "REDISCLI_AUTH" not in everything


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_server_and_the_run_goes_on_with_another(
    served: Served, number: int
) -> None:
    told, pid = interrupted(served, number, *QUICK)
    assert "go on with `headroom run --resume`" in told and "Traceback" not in told
    assert processes.started(pid) is None and served.clean()
    done = served("run", "--resume")
    assert done.returncode == 0, done.stderr
    assert "started for this run: redis" in done.stdout
    assert sorted(served.starts()).count(f"{KERNEL} 0") == 1, "what was measured stays so"
    assert served.clean() and len(served.results()) == 1


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux")
def test_kill_9_ends_the_server_too_and_the_next_run_sweeps(served: Served) -> None:
    _, pid = interrupted(served, signal.SIGKILL, *QUICK)
    assert gone(pid), "the parent-death signal ends it"
    assert len(served.places()) == 1
    done = served("run", "--profile", "smoke", "--filter", "simd/sum")
    assert done.returncode == 0 and served.clean(), "any run sweeps"
    done = served("run", "--resume")
    assert done.returncode == 0, done.stderr
    assert served.clean() and len(served.results()) == 1


def test_a_run_does_not_go_on_with_another_server(served: Served) -> None:
    interrupted(served, signal.SIGINT, *QUICK)
    done = served("run", "--resume", FAKE_REDIS="version:10.0.0")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "redis has another version or other settings than when this run began" in done.stderr
    assert served.clean()


def test_a_server_that_does_not_start_costs_its_kernels_alone(served: Served) -> None:
    done = served(*QUICK, FAKE_REDIS="fail")
    assert done.returncode == 0, done.stderr
    line = "redis did not start: redis-server ended with status 1: FATAL CONFIG FILE ERROR in PATH"
    assert done.stdout.count(line) == 2, "said when it happened, and in the run's notes"
    run = served.run_json()
    assert any(note.startswith(line) for note in run["notes"])
    assert {k["name"] for k in run["kernels"]} == {
        "machine/placebo_cpu", "machine/placebo_threads", "simd/sum"
    } - {"machine/placebo_threads"}  # fmt: skip
    missing = [entry for entry in run["missing"] if entry["kernel"] == KERNEL]
    assert {entry["cure"] for entry in missing} >= {"make deps SERVICES=1"}
    assert served.clean()


def test_a_server_that_dies_costs_what_its_kernels_lack(served: Served) -> None:
    done = served(*QUICK, FAKE_MODE=f"shutdown:{KERNEL}:3")
    assert done.returncode == 1
    said = "redis died: redis-server ended with status 0: User requested shutdown...; what needs it"
    assert done.stdout.count(said) == 1
    run = served.run_json()
    failed = [(entry["kernel"], entry["launch"]) for entry in run["failures"]]
    assert failed == [(KERNEL, 3)], "after the launch that saw it die nothing is tried"
    others = [line for line in served.starts() if line.startswith("simd/sum")]
    assert len(others) == 7, "the others are measured to the end"
    assert any(note.startswith("redis died: ") for note in run["notes"])
    assert served.clean()


def test_a_server_of_the_users_is_used(served: Served, tmp_path: Path) -> None:
    password, path = "hunter2", served.programs / "own.sock"
    settings = f'unixsocket "{path}"\nbind 127.0.0.1\nport 0\nrequirepass {password}\n'
    (served.programs / "own.conf").write_text(settings)
    program = served.programs / "redis-server"
    with subprocess.Popen([program, served.programs / "own.conf"]) as own:
        while not path.exists():
            time.sleep(0.01)
        try:
            done = served(
                *QUICK, HEADROOM_REDIS=str(path), REDISCLI_AUTH=password, FAKE_REDIS="fail"
            )
        finally:
            own.terminate()
    assert done.returncode == 0, done.stderr
    assert "started for this run" not in done.stdout
    written = served.results()[0].read_text()
    assert KERNEL in written and served.run_json()["fixtures"][0]["version"] is None
    for text in (written, done.stdout, done.stderr):
        assert password not in text and str(path) not in text


def test_list_says_what_a_run_would_have(served: Served, tmp_path: Path) -> None:
    def variants() -> dict[str, bool]:
        tree = json.loads(served("list", "--json").stdout)
        (kernel,) = [kernel for kernel in tree["kernels"] if kernel["name"] == KERNEL]
        return {variant["name"]: variant["available"] for variant in kernel["variants"]}

    assert variants() == {"naive": True, "better": True, "peer": True, "wide": False}
    bare = tmp_path / "bare"  # a PATH without a Redis of any name
    bare.mkdir()
    for name in ("sh", "env", "dirname", "readlink"):
        (bare / name).symlink_to(shutil.which(name) or "")
    (bare / "python3").symlink_to(sys.executable)
    served.env["PATH"] = str(bare)
    assert not any(variants().values())
    assert served.places() == []


@pytest.mark.parametrize("there", [True, False])
def test_a_server_that_only_a_peer_needs_costs_the_peer_alone(served: Served, there: bool) -> None:
    served.env["FAKE_SERVED"] = "peer"
    if not there:
        (served.programs / "redis-server").unlink()
        for name in ("redis-server", "valkey-server", "redis-check-rdb", "valkey-check-rdb"):
            if shutil.which(name):
                pytest.skip("a Redis is installed")
    done = served(*QUICK, FAKE_REDIS="fail")
    assert done.returncode == 0, done.stderr
    assert ("redis did not start: " in done.stdout) == there
    run = served.run_json()
    measured = {cell.variant for cell in cells_of(run) if cell.kernel["name"] == KERNEL}
    assert measured == {"naive", "better"}
    assert [e["variant"] for e in run["missing"] if e["kernel"] == KERNEL] == ["peer", "wide"]
    assert served.clean()


def test_a_dry_run_starts_nothing_and_says_what_it_leaves_open(served: Served) -> None:
    done = served(*QUICK, "--dry-run", FAKE_REDIS="fail")
    assert done.returncode == 0 and "redis would be started" in done.stdout
    tree = json.loads(served(*QUICK, "--dry-run", "--json").stdout)
    assert tree["served"] == [KERNEL] and tree["starts"] == ["redis"]
    assert KERNEL not in tree["kernels"]
    assert not [entry for entry in tree["missing"] if entry["kernel"] == KERNEL]
    assert served.clean()


def test_without_kernels_that_need_one_no_server_is_started(served: Served) -> None:
    done = served("run", "--profile", "smoke", "--filter", "simd/sum", FAKE_REDIS="fail")
    assert done.returncode == 0 and "redis" not in done.stdout
