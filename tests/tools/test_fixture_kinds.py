"""What PostgreSQL, PgBouncer, Redis, RabbitMQ and nginx each promise as fixtures."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import lacking
from fixture_parts import REAL, gone, left, noted, process_of

from headroom_tools.base import processes
from headroom_tools.fixtures import held, nginx, pgbouncer, places, rabbitmq, redis


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
