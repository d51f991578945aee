"""Fixtures: real servers where they are installed, made-up ones for what goes wrong."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import lacking
from fixture_parts import (
    HOLD,
    OBEDIENT,
    REAL,
    STUBBORN,
    WITH_CHILD,
    Fake,
    fake,
    gone,
    hold,
    left,
    needs_proc,
    noted,
    process_of,
    until,
    with_those_behind,
)

from headroom_tools.base import processes
from headroom_tools.fixtures import held, kinds, places, server


@pytest.mark.parametrize("name", REAL)
def test_a_real_server_answers_and_leaves_nothing(scratch: Path, name: str) -> None:
    told: list[str] = []
    with held.Held(scratch, told.append) as fixtures:
        fixtures.start([name])
        assert told == [] and fixtures.lacking([name]) is None
        pids = [noted(folder) for folder in left(scratch)]
        if os.geteuid() == 0:
            for pid in pids:
                assert os.stat(f"/proc/{pid}").st_uid != 0, "it runs as root"
        all_facts = fixtures.facts()
        assert [facts["name"] for facts in all_facts] == with_those_behind(name)
        assert all(facts["version"] for facts in all_facts) and len(pids) == len(all_facts)
        assert str(scratch) not in json.dumps(all_facts)
        assert set(fixtures.environment) >= {held.KINDS[name].variable}
        fixtures.start([name])  # held already
        assert [noted(folder) for folder in left(scratch)] == pids
    assert not any(processes.started(pid) for pid in pids) and left(scratch) == []
    assert fixtures.facts() == all_facts, "what the record says outlives the server"


def test_slow_servers_start_beside_the_others(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    class Slow(Fake):
        def begin(self, place: places.Place, limit: float):
            order.append("begun")
            return lambda: (order.append("awaited"), self.start(place, limit))[1]

    class Quick(Fake):
        def start(self, place: places.Place, limit: float) -> kinds.Running:
            order.append("other")
            return super().start(place, limit)

    monkeypatch.setitem(held.KINDS, "slow", Slow("slow", OBEDIENT))
    monkeypatch.setitem(held.KINDS, "quick", Quick("quick", OBEDIENT))
    with held.Held(scratch, pytest.fail) as fixtures:
        fixtures.start(["quick", "slow"])
        assert order == ["begun", "other", "awaited"]
        assert fixtures.lacking(["quick", "slow"]) is None
    assert left(scratch) == []


@pytest.mark.parametrize(
    "name", [p for p in REAL if p.values in (("redis",), ("nginx",), ("rabbitmq",))]
)
def test_a_port_that_another_took_is_chosen_anew(
    scratch: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        choose, ports = server.free_port, [other.getsockname()[1]]
        monkeypatch.setattr(server, "free_port", lambda: ports.pop() if ports else choose())
        with held.Held(scratch, pytest.fail) as fixtures:
            fixtures.start([name])
            assert fixtures.lacking([name]) is None and ports == []


@pytest.mark.parametrize("name", [p for p in REAL if held.KINDS[str(p.values[0])].socket])
def test_a_scratch_folder_too_deep_for_a_socket(scratch: Path, name: str) -> None:
    deep = scratch / ("x" * 60) / ("ü" * 30)
    deep.mkdir(parents=True)
    with held.Held(deep, pytest.fail) as fixtures:
        fixtures.start([name])
        assert fixtures.lacking([name]) is None
        all_places = [fixtures._places[each] for each in with_those_behind(name)]
        for place in all_places:
            assert deep in place.inner.parents, "its data lie in the scratch folder all the same"
            assert deep not in place.socket_folder.parents
    assert not any(outer.exists() for place in all_places for outer in place.outers)


@needs_proc
@pytest.mark.parametrize("name", REAL)
def test_kill_9_ends_a_real_server_and_the_next_run_sweeps(scratch: Path, name: str) -> None:
    process = hold(scratch, name)
    with process:
        assert "None" in until(process, "holding")
        pids = [noted(folder) for folder in left(scratch)]
        process.kill()
    assert len(pids) == len(with_those_behind(name))
    assert all(gone(pid) for pid in pids), "the parent-death signal ends it"
    assert len(left(scratch)) == len(pids)
    places.sweep(scratch)
    assert left(scratch) == []


@needs_proc
@pytest.mark.parametrize("name", [p for p in REAL if p.values == ("postgresql",)])
def test_memory_that_outlives_a_killed_server_is_freed(scratch: Path, name: str) -> None:
    process = hold(scratch, name)
    with process:
        until(process, "holding")
        (folder,) = left(scratch)
        told = json.loads((folder / "memory.json").read_text())
        assert list(folder.glob("s/data/pg_dynshmem/mmap.*")), "no file of the system's"
        os.kill(noted(folder), signal.SIGKILL)
        process.kill()
    assert gone(noted(folder)) and has_memory(told)
    places.sweep(scratch)
    assert left(scratch) == [] and not has_memory(told)


def has_memory(told: dict[str, int]) -> bool:
    """Whether the system has the segment that a fixture has noted."""
    rows = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    return [str(told["key"]), str(told["number"])] in [row[:2] for row in rows]


@needs_proc
@pytest.mark.parametrize("script", [STUBBORN, WITH_CHILD])
def test_what_outlives_kill_9_is_swept(
    scratch: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_SIGNALS", tuple((n, 0.3) for n, _ in places._SIGNALS))
    process = hold(scratch, f"fake={script}")
    with process:
        until(process, "holding")
        (folder,) = left(scratch)
        alive = processes.working_below(folder)
        assert len(alive) == (2 if script == WITH_CHILD else 1)
        held_by_this_run = places.make(scratch, "s")
        places.sweep(scratch)
        assert folder.exists(), "its owner is alive"
        process.kill()
    places.sweep(scratch)
    assert left(scratch) == held_by_this_run.outers and all(gone(pid, 2) for pid in alive)
    held_by_this_run.remove()


def test_a_process_that_only_has_the_number_is_left_alone(scratch: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        folder = scratch / "headroom-fixture-999999999-1-abc"
        folder.mkdir()
        told = {"pid": stranger.pid, "started": (processes.started(stranger.pid) or 0) + 1}
        (folder / "process.json").write_text(json.dumps(told))
        places.sweep(scratch)
        assert not folder.exists() and stranger.poll() is None
        stranger.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a folder of another user's")
def test_the_folder_of_another_user_is_left_alone(scratch: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        folder = scratch / "headroom-fixture-999999999-1-abc"
        folder.mkdir()
        told = {"pid": stranger.pid, "started": processes.started(stranger.pid)}
        (folder / "process.json").write_text(json.dumps(told))
        os.chown(folder, 65534, 65534)
        (scratch / "headroom-fixture-999999999-1-link").symlink_to("/")
        places.sweep(scratch)
        assert folder.exists() and stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("when", ["starting", "holding"])
def test_a_signal_leaves_nothing(scratch: Path, number: int, when: str) -> None:
    """SIGTERM as `headroom run` takes it: as Ctrl-C."""
    script = OBEDIENT if when == "holding" else "import time; time.sleep(600)"
    take = "import signal; signal.signal(signal.SIGTERM, signal.default_int_handler)"
    process = subprocess.Popen(
        [sys.executable, "-c", take + HOLD, str(scratch), f"fake={script}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with process:
        until(process, when)
        limit = time.monotonic() + 20
        while not list(scratch.glob("*/process.json")) and time.monotonic() < limit:
            time.sleep(0.01)
        pid = process_of(scratch)
        process.send_signal(number)
        assert process.wait(30) != 0
        assert process.stderr is not None and "KeyboardInterrupt" in process.stderr.read()
    assert processes.started(pid) is None and left(scratch) == []


def test_an_exception_leaves_nothing(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = fake(monkeypatch, "fake", OBEDIENT)
    with pytest.raises(ZeroDivisionError), held.Held(scratch, pytest.fail) as fixtures:
        fixtures.start([name])
        pid = process_of(scratch)
        1 / 0
    assert processes.started(pid) is None and left(scratch) == []


def test_a_stubborn_server_is_killed(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_SIGNALS", tuple((n, 0.3) for n, _ in places._SIGNALS))
    name = fake(monkeypatch, "fake", STUBBORN)
    with held.Held(scratch, pytest.fail) as fixtures:
        fixtures.start([name])
        pid = process_of(scratch)
    assert processes.started(pid) is None and left(scratch) == []


@pytest.mark.parametrize(
    "script, told",
    [
        ("import sys; sys.exit('no room in /var/lib/x')", "ended with status 1: no room in PATH"),
        ("print('oh\\nno', flush=True); import os; os.abort()", "ended with SIGABRT: oh | no"),
        ("import time; time.sleep(600)", "was not ready after 0 s: it said nothing"),
    ],
)
def test_a_server_that_does_not_start_costs_its_kernels(
    scratch: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    lines: list[str] = []
    bad, good = fake(monkeypatch, "bad", script), fake(monkeypatch, "good", OBEDIENT)
    limit = 0.3 if "sleep" in script else 20
    with held.Held(scratch, lines.append, limit) as fixtures:
        fixtures.start([bad])
        assert len(lines) == 1 and "\n" not in lines[0]
        assert lines[0].startswith("bad did not start: ") and told in lines[0]
        assert lines == [f"{line}; what needs it is left out" for line in fixtures.failures()]
        fixtures.start([bad])
        assert len(lines) == 1, "it is neither tried nor told again"
        fixtures._limit = 20
        fixtures.start([bad, good])
        assert fixtures.lacking([good]) is None
        assert fixtures.lacking([good, bad]) == "bad did not start"
        assert [facts["name"] for facts in fixtures.facts()] == ["good"]
        assert list(fixtures.environment) == ["HEADROOM_GOOD", "HEADROOM_GOOD_PROCESS"]
    assert left(scratch) == [] and len(lines) == 1


def test_a_server_that_dies_is_told_once(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    name, good = fake(monkeypatch, "fake", OBEDIENT), fake(monkeypatch, "good", OBEDIENT)
    with held.Held(scratch, lines.append) as fixtures:
        fixtures.start([name])
        pid = process_of(scratch)
        fixtures.start([good])
        os.kill(pid, signal.SIGKILL)
        assert gone(pid)
        for _ in range(2):
            assert lacking(fixtures, [name]) == "fake died"
            assert fixtures.lacking([good]) is None
        assert lines == [
            "fake died: python3 ended with SIGKILL: ready; what needs it is left out"
        ]
    assert left(scratch) == []


@pytest.mark.parametrize("name", held.KINDS)
def test_a_server_of_the_users_is_used_and_never_shown(
    scratch: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    secret = "postgresql://someone:hunter2@db.example/x"
    monkeypatch.setenv(held.KINDS[name].variable, secret)
    monkeypatch.setattr(held.KINDS[name], "start", pytest.fail)
    assert held.users_own(name) and held.started_for([{"fixtures": [name]}]) == []
    with held.Held(scratch, lines.append) as fixtures:
        fixtures.start([name])
        assert fixtures.lacking([name]) is None and fixtures.environment == {}
        (facts,) = fixtures.facts()
        assert facts == {
            "name": name, "version": None, "settings": {"server": "named by the user"}
        }  # fmt: skip
    assert lines == [] and left(scratch) == []


def test_missing_programs_are_no_failure(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = fake(monkeypatch, "fake", OBEDIENT, missing="install fake-server")
    assert held.started_for([{"fixtures": [name, "unheard-of"]}]) == []
    lines: list[str] = []
    with held.Held(scratch, lines.append) as fixtures:
        fixtures.start([name, "unheard-of"])
        assert fixtures.lacking([name]) == "fake is not installed"
        assert "unheard-of" in (fixtures.lacking(["unheard-of"]) or "")
        assert fixtures.facts() == [] and fixtures.environment == {}
    assert lines == []


@pytest.mark.parametrize("name", held.KINDS)
def test_without_its_programs_a_kind_names_the_cure(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("headroom_tools.fixtures.postgresql._FOLDERS", ())
    monkeypatch.setattr("headroom_tools.fixtures.nginx._FOLDERS", ())
    monkeypatch.setattr("headroom_tools.fixtures.pgbouncer._FOLDERS", ())
    monkeypatch.setattr("headroom_tools.fixtures.rabbitmq._FOLDERS", ())
    cure = held.KINDS[name].missing()
    assert cure and "make deps SERVICES=1" in cure and held.KINDS[name].variable in cure


def test_only_named_fixtures_are_named() -> None:
    found = held.named([{"fixtures": []}, {"fixtures": ["a", "b"]}, {"fixtures": ["b"]}])
    assert found == ["a", "b"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as another user")
def test_a_scratch_folder_that_the_servers_user_cannot_reach(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch.chmod(0o700)
    name = fake(monkeypatch, "fake", OBEDIENT)
    with held.Held(scratch, pytest.fail) as fixtures:
        fixtures.start([name])
        place = fixtures._places[name]
        assert not place.in_scratch and scratch not in place.inner.parents
        assert fixtures.lacking([name]) is None
    assert left(scratch) == [] and not any(outer.exists() for outer in place.outers)
