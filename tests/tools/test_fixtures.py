"""Fixtures: real servers where they are installed, made-up ones for what goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import CHECKOUT, lacking

from headroom_tools.base import processes
from headroom_tools.fixtures import (
    held, kinds, nginx, pgbouncer, places, rabbitmq, redis, server,
)  # fmt: skip
from headroom_tools.record.types import Fixture

REAL = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(kind.missing() is not None, reason=f"{name}: {kind.missing()}"),
    )
    for name, kind in held.KINDS.items()
]
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: /proc, prctl")
OBEDIENT = "import time; print('ready', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time\n"
    "for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):\n"
    "    signal.signal(number, signal.SIG_IGN)\n"
    "print('ready', flush=True); time.sleep(600)"
)
# A child in a session of its own, which nothing but its working folder tells from a stranger.
WITH_CHILD = (
    "import subprocess, sys, time\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],\n"
    "                 start_new_session=True)\n"
    "print('ready', flush=True); time.sleep(600)"
)
# Holds fixtures until it is stopped: `-c HOLD SCRATCH NAME=SCRIPT...`, where a real one has none.
HOLD = f"""
import sys, time
from pathlib import Path
sys.path[:0] = [{str(CHECKOUT / "tools")!r}, {str(Path(__file__).parent)!r}]
from headroom_tools.fixtures import held
from test_fixtures import Fake
names = []
for word in sys.argv[2:]:
    name, _, script = word.partition("=")
    names.append(name)
    if script:
        held.KINDS[name] = Fake(name, script)
with held.Held(Path(sys.argv[1]), print) as fixtures:
    print("starting", flush=True)
    fixtures.start(names)
    print("holding", fixtures.lacking(names), flush=True)
    time.sleep(600)
"""


class Fake:
    """A made-up kind of server: a Python script that is ready once it says so in its log."""

    socket = "fake.sock"

    def __init__(self, name: str, script: str, missing: str | None = None):
        self.name = name
        self.variable = f"HEADROOM_{name.upper()}"
        self.script = script
        self.absent = missing

    def missing(self) -> str | None:
        return self.absent

    def start(self, place: places.Place, limit: float) -> kinds.Running:
        # The system's Python: under root the server's user can't always reach a version manager's.
        program = Path("/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable)
        process = server.Process(place, program, ["-c", self.script], dict(os.environ))
        process.wait_until(lambda: "ready" in place.log.read_text(), limit)
        facts: Fixture = {"name": self.name, "version": "1.0", "settings": {"fsync": "on"}}
        return kinds.Running(process, {self.variable: str(place.socket_folder)}, facts)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A scratch folder that a server's user can reach (pytest's own is shut for others)."""
    folder = Path(tempfile.mkdtemp(prefix="headroom test ä "))
    folder.chmod(0o755)
    for kind in held.KINDS.values():
        monkeypatch.delenv(kind.variable, raising=False)
    yield folder
    shutil.rmtree(folder)


def fake(monkeypatch: pytest.MonkeyPatch, name: str, script: str, **more: str) -> str:
    monkeypatch.setitem(held.KINDS, name, Fake(name, script, **more))
    return name


def left(scratch: Path) -> list[Path]:
    """The folders of fixtures below `scratch`."""
    return sorted(scratch.glob("headroom-fixture-*"))


def process_of(scratch: Path) -> int:
    """The process that the one fixture below `scratch` has noted."""
    (folder,) = left(scratch)
    return noted(folder)


def noted(folder: Path) -> int:
    """The process that the fixture in this folder has noted."""
    return json.loads((folder / "process.json").read_text())["pid"]


def with_those_behind(name: str) -> list[str]:
    """The fixtures that run where `name` does, itself the last."""
    kind = held.KINDS[name]
    return [*([kind.behind] if isinstance(kind, kinds.Front) else []), name]


def gone(pid: int, seconds: float = 20) -> bool:
    limit = time.monotonic() + seconds
    while processes.started(pid) is not None and time.monotonic() < limit:
        time.sleep(0.02)
    return processes.started(pid) is None


def hold(scratch: Path, *words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(scratch), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def until(process: subprocess.Popen, word: str) -> str:
    """The line of `process` that begins with `word`."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(word):
            return line
    raise AssertionError(f"no line {word}: {process.stderr and process.stderr.read()}")


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


@pytest.mark.skipif(shutil.which("psql") is None, reason="needs psql")
@pytest.mark.parametrize("name", [p for p in REAL if p.values == ("postgresql",)])
def test_postgresql_is_durable_and_on_its_socket_alone(
    scratch: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")  # the user's, for a server of theirs
    monkeypatch.setenv("PGOPTIONS", "-c fsync=off")
    with held.Held(scratch, pytest.fail) as fixtures:
        fixtures.start([name])
        assert fixtures.environment["PGPORT"] is None and fixtures.environment["PGOPTIONS"] is None
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        asked = [
            "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_connections",
            "listen_addresses",
        ]  # fmt: skip
        words = [part for setting in asked for part in ("-c", f"SHOW {setting}")]
        address = fixtures.environment["HEADROOM_PG"] or ""
        done = subprocess.run(
            ["psql", "-XAtq", address, *words], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found = dict(zip(asked, done.stdout.splitlines()))
        assert found.pop("listen_addresses", "") == ""
        (facts,) = fixtures.facts()
        assert found.items() <= facts["settings"].items()
        assert facts["settings"]["transport"] == "unix socket"
        assert facts["settings"]["folder"] == "scratch"


@pytest.mark.parametrize("name", [p for p in REAL if p.values == ("redis",)])
def test_redis_wants_its_password_on_both_addresses(scratch: Path, name: str) -> None:
    with held.Held(scratch, pytest.fail) as fixtures:
        fixtures.start([name])
        environment = fixtures.environment
        path, _, address = (environment["HEADROOM_REDIS"] or "").rpartition(",")
        host, _, port = address.partition(":")
        for family, where in ((socket.AF_UNIX, path), (socket.AF_INET, (host, int(port)))):
            assert redis._answers(family, where, environment["REDISCLI_AUTH"] or "")
            assert not redis._answers(family, where, "guess")
        (facts,) = fixtures.facts()
        assert facts["settings"]["durability"] == "volatile"
        assert (environment["REDISCLI_AUTH"] or "") not in json.dumps(facts)
        command = Path(f"/proc/{process_of(scratch)}/cmdline")
        if command.exists():
            assert (environment["REDISCLI_AUTH"] or "").encode() not in command.read_bytes()


@pytest.mark.skipif(shutil.which("psql") is None, reason="needs psql")
@pytest.mark.parametrize("name", [p for p in REAL if p.values == ("pgbouncer",)])
def test_pgbouncer_shares_few_connections_to_our_postgresql(scratch: Path, name: str) -> None:
    with held.Held(scratch, pytest.fail) as fixtures:
        fixtures.start([name])
        found = {}
        for variable in ("HEADROOM_PG", "HEADROOM_PGBOUNCER"):
            done = subprocess.run(
                ["psql", "-XAtq", fixtures.environment[variable] or "", "-c",
                 "SELECT pg_postmaster_start_time()", "-c", "SELECT pg_backend_pid()"],
                capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            found[variable] = done.stdout.split("\n")[:2]
        assert found["HEADROOM_PG"][0] == found["HEADROOM_PGBOUNCER"][0], "the same server"
        # A client that comes later has the connection that the first one has left.
        done = subprocess.run(
            ["psql", "-XAtq", fixtures.environment["HEADROOM_PGBOUNCER"] or "", "-c",
             "SELECT pg_backend_pid()"],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.stdout.strip() == found["HEADROOM_PGBOUNCER"][1]
        pid = noted(fixtures._places[name].outer)
        opened = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True).stdout
        assert f"pid={pid}," not in opened, "it listens on a port"
        facts = fixtures.facts()[1]
        assert facts["settings"]["pool_mode"] == "transaction"


@pytest.mark.parametrize("name", [p for p in REAL if p.values == ("pgbouncer",)])
def test_pgbouncer_stands_in_front_of_ours_alone(
    scratch: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = {"fixtures": ["postgresql", name]}
    assert held.started_for([kernel]) == ["postgresql", name]
    monkeypatch.setenv("HEADROOM_PG", "postgresql://someone:hunter2@db.example/x")
    assert held.started_for([kernel]) == []
    with held.Held(scratch, pytest.fail) as fixtures:
        fixtures.start(kernel["fixtures"])
        why = "pgbouncer has no postgresql of ours to stand in front of"
        assert fixtures.lacking([name]) == why
        assert fixtures.lacking(["postgresql"]) is None
        assert [facts["name"] for facts in fixtures.facts()] == ["postgresql"]
    assert left(scratch) == []


@pytest.mark.parametrize("name", [p for p in REAL if p.values == ("pgbouncer",)])
def test_a_server_that_dies_behind_pgbouncer_is_told_once(scratch: Path, name: str) -> None:
    lines: list[str] = []
    with held.Held(scratch, lines.append) as fixtures:
        fixtures.start([name])
        pid = noted(fixtures._places["postgresql"].outer)
        os.kill(pid, signal.SIGKILL)
        assert gone(pid)
        assert lacking(fixtures, ["postgresql", name]) == "postgresql died"
        os.kill(noted(fixtures._places[name].outer), signal.SIGKILL)
        assert gone(noted(fixtures._places[name].outer))
        assert lacking(fixtures, [name]) == "pgbouncer died"
        assert [line.split(": ")[0] for line in lines] == ["postgresql died", "pgbouncer died"]
        assert all("\n" not in line and str(scratch) not in line for line in lines)
    assert left(scratch) == []


@pytest.mark.parametrize("name", [p for p in REAL if p.values == ("pgbouncer",)])
def test_a_pgbouncer_that_refuses_to_start_says_why(
    scratch: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headroom_tools.fixtures.pgbouncer._SETTINGS", {"pool_mode": "no such"})
    lines: list[str] = []
    with held.Held(scratch, lines.append) as fixtures:
        fixtures.start([name])
        assert fixtures.lacking(["postgresql"]) is None, "what needs that alone goes on"
        assert fixtures.lacking([name]) == "pgbouncer did not start"
        (line,) = lines
        assert "pgbouncer ended with status 1: " in line and "pool_mode" in line, line
    assert left(scratch) == []


def test_what_a_server_is_found_by_is_read_back() -> None:
    assert pgbouncer._host(r"host='/a b/it\'s \\ ä/s' port=5432 dbname=x") == "/a b/it's \\ ä/s"
    for text in ("", "postgresql://someone@db.example/x", "host=/plain"):
        with pytest.raises(places.FixtureError):
            pgbouncer._host(text)


@pytest.mark.parametrize("name", [p for p in REAL if p.values == ("postgresql",)])
def test_a_postgresql_that_refuses_to_start_says_why(
    scratch: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headroom_tools.fixtures.postgresql._SETTINGS", {"max_connections": "no"})
    lines: list[str] = []
    with held.Held(scratch, lines.append) as fixtures:
        fixtures.start([name])
        (line,) = lines
        assert line.startswith("postgresql did not start: postgres ended with status 1: ")
        assert 'invalid value for parameter "max_connections"' in line and "\n" not in line
    assert left(scratch) == []


@pytest.mark.parametrize("name", [p for p in REAL if p.values == ("redis-durable",)])
def test_two_kinds_of_redis_differ_in_what_they_keep(scratch: Path, name: str) -> None:
    with held.Held(scratch, pytest.fail) as fixtures:
        fixtures.start(["redis", name])
        told = {facts["name"]: facts["settings"] for facts in fixtures.facts()}
        assert told["redis"]["appendonly"] == "no"
        assert told[name]["appendonly"] == "yes" and told[name]["appendfsync"] == "always"
        assert told[name]["durability"] == "durable"
        environment = fixtures.environment
        passwords = environment["REDISCLI_AUTH"], environment["HEADROOM_REDIS_DURABLE_AUTH"]
        assert passwords[0] != passwords[1]
        path = (environment["HEADROOM_REDIS_DURABLE"] or "").rpartition(",")[0]
        asked = f"AUTH {passwords[1]}\r\nCONFIG GET appendfsync\r\n"
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            connection.sendall(asked.encode())
            answer = b""
            while b"always" not in answer:
                more = connection.recv(256)
                assert more, answer
                answer += more


@pytest.mark.parametrize("name", [p for p in REAL if p.values == ("rabbitmq",)])
def test_rabbitmq_is_alone_on_loopback_and_keeps_its_password(
    scratch: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = scratch / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("RABBITMQ_NODENAME", "another@localhost")  # the user's, for theirs
    monkeypatch.setenv("ERL_FLAGS", "-no_such_flag +no")
    with held.Held(scratch, pytest.fail, 120) as fixtures:
        fixtures.start([name])
        pid = process_of(scratch)
        address = fixtures.environment["HEADROOM_RABBITMQ"] or ""
        password, _, where = address.partition("headroom:")[2].partition("@")
        assert len(password) == 32 and where.startswith("127.0.0.1:")
        (facts,) = fixtures.facts()
        assert password not in json.dumps(facts)
        place = fixtures._places[name]
        assert password not in place.log.read_text(errors="replace")
        settings = place.inner / "advanced.config"
        assert settings.stat().st_mode & 0o777 == 0o600
        assert list(home.iterdir()) == [], "it has a cookie of its own"
        if sys.platform == "linux":
            port = int(where.partition("/")[0].partition(":")[2])
            assert listening(pid) == {("127.0.0.1", port)}, "no port for other nodes"
            running = processes.working_below(scratch)
            commands = {p: Path(f"/proc/{p}/cmdline").read_bytes() for p in running}
            assert pid in running
            for command in commands.values():
                assert b"epmd" not in command.split(b"\0")[0] and password.encode() not in command
    assert processes.working_below(scratch) == []
    home.rmdir()


def listening(pid: int) -> set[tuple[str, int]]:
    """The TCP addresses at which a process listens."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(descriptor)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                host, port = fields[1].split(":")
                if table == "tcp":
                    packed = bytes.fromhex(host)[::-1 if sys.byteorder == "little" else 1]
                    host = socket.inet_ntoa(packed)
                found.add((host, int(port, 16)))
    return found


def a_home(folder: Path, version: str) -> Path:
    (folder / "plugins" / f"rabbit-{version}" / "ebin").mkdir(parents=True, exist_ok=True)
    return folder


def fake_erl(monkeypatch: pytest.MonkeyPatch, scratch: Path, script: str) -> None:
    """An Erlang that is a shell script, and a RabbitMQ for it."""
    programs = scratch / "programs"
    programs.mkdir()
    (programs / "erl").write_text(f"#!/bin/sh\n{script}\n")
    (programs / "erl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(rabbitmq, "_home", lambda: a_home(scratch / "rabbit", "3.9.1"))


@pytest.mark.parametrize(
    "script, told",
    [
        ("echo 'no room in /var/lib/x'; exit 1", "ended with status 1: no room in PATH"),
        (
            "echo BOOT FAILED; echo ====; echo 'Error: no room in /var/lib/x'; "
            "seq 100; exit 1",
            "rabbitmq-server: Error: no room in PATH",
        ),
        ("echo 'error: eaddrinuse'; exit 1", "is in use"),
        (f"echo {'x' * 900}; exit 3", "xxx..."),
    ],
)
def test_a_rabbitmq_that_does_not_start_says_why(
    scratch: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    fake_erl(monkeypatch, scratch, script)
    lines: list[str] = []
    with held.Held(scratch, lines.append) as fixtures:
        fixtures.start(["rabbitmq"])
        assert fixtures.lacking(["rabbitmq"]) == "rabbitmq did not start"
    (line,) = lines
    assert line.startswith("rabbitmq did not start: ") and told in line
    assert "\n" not in line and len(line) < 400
    assert left(scratch) == []


def test_a_rabbitmq_that_is_too_old_is_told_so(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_erl(monkeypatch, scratch, "exit 1")
    monkeypatch.setattr(rabbitmq, "_home", lambda: a_home(scratch / "old", "3.6.10"))
    lines: list[str] = []
    with held.Held(scratch, lines.append) as fixtures:
        fixtures.start(["rabbitmq"])
    assert len(lines) == 1 and "RabbitMQ 3.6.10 is too old: install 3.8 or later" in lines[0]
    assert left(scratch) == []


def test_of_its_plugins_only_those_that_it_needs(tmp_path: Path) -> None:
    for name, needs in (
        ("rabbit-3.9.1", "kernel, rabbit_common,\n ra"), ("rabbit_common-3.9.1", "stdlib,jsx"),
        ("ra-2.0.0", "rabbit"), ("jsx-3.1.0", "kernel"), ("rabbitmq_management-3.9.1", "rabbit"),
    ):  # fmt: skip
        ebin = tmp_path / name / "ebin"
        ebin.mkdir(parents=True)
        application = name.partition("-")[0]
        (ebin / f"{application}.app").write_text(
            f"{{application, {application}, [{{applications, [{needs}]}}]}}."
        )
    found = {path.name for path in rabbitmq._needed(tmp_path)}
    assert found == {"rabbit-3.9.1", "rabbit_common-3.9.1", "ra-2.0.0", "jsx-3.1.0"}


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


def fetched(address: str, request: str) -> bytes:
    """All that a server answers to `request` until it closes."""
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request.encode())
        told = b""
        while True:
            more = connection.recv(4096)
            if not more:
                return told
            told += more


def test_an_item_is_the_kernels() -> None:
    """Golden: tests/http_items_test.cpp has the same."""
    assert nginx.item(0) == (
        "e220a8397b1dcdaf6e789e6aa1b965f406c45d188009454ff88bb8a8724c81ec1b39896a51a8749"
    )
    assert nginx.item(999) == "6d39b25aa8f508d96b137d66f8fa8b85e48a8df63b90eb919f70949d7"
    sizes = {len(nginx.item(number)) for number in range(nginx.ITEMS)}
    assert (min(sizes), max(sizes)) == (32, 95)


@pytest.mark.parametrize("name", [p for p in REAL if p.values == ("nginx",)])
def test_nginx_has_all_items_keeps_connections_and_logs_none(scratch: Path, name: str) -> None:
    with held.Held(scratch, pytest.fail) as fixtures:
        fixtures.start([name])
        address = fixtures.environment["HEADROOM_NGINX"] or ""
        assert address.startswith("127.0.0.1:")
        numbers = [*range(nginx.ITEMS), nginx.ITEMS]
        asked = "".join(f"GET /items/{i} HTTP/1.1\r\nHost: x\r\n\r\n" for i in numbers)
        told = fetched(address, f"{asked}GET /items/ HTTP/1.0\r\n\r\n").decode()
        parts = told.split("HTTP/1.1 ")[1:]
        assert len(parts) == nginx.ITEMS + 2
        for number, part in enumerate(parts[: nginx.ITEMS]):
            head, _, body = part.partition("\r\n\r\n")
            assert body == nginx.item(number)
            assert head.startswith("200 OK") and f"Content-Length: {len(body)}" in head
        assert all(part.startswith("404 ") for part in parts[nginx.ITEMS :])
        (facts,) = fixtures.facts()
        assert facts["settings"]["worker_processes"] == "1"
        log = fixtures._places[name].log.read_text()
        assert "items" not in log, log
        if os.geteuid() == 0:
            for pid in processes.working_below(scratch):
                assert os.stat(f"/proc/{pid}").st_uid != 0, "it runs as root"


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
        assert list(fixtures.environment) == ["HEADROOM_GOOD"]
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
