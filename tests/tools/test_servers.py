"""The kernels that need a server, with real ones: a run, and the C++ tests; and without."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from conftest import CHECKOUT, Headroom, lacking, skip_unless_built

from headroom_tools.base import processes
from headroom_tools.fixtures import held, postgresql
from headroom_tools.record.cells import cells_of

BENCH = CHECKOUT / "build" / "release" / "bench" / "headroom-bench"
TESTS = CHECKOUT / "build" / "release" / "tests" / "headroom-tests"
KERNELS = {
    "postgresql": "database/pg_connection",
    "redis": "caching/redis_get",
    "redis-durable": "database/redis_stream_add",
    "rabbitmq": "database/broker_publish",
    "nginx": "network/request",  # of which only the peers need it
    "pgbouncer": "database/pg_connection",  # of which one variant needs it
}

pytestmark = pytest.mark.skipif(
    not BENCH.is_file(), reason=f"{BENCH.relative_to(CHECKOUT)} isn't built: run `make` first"
)


def environment(**more: str) -> dict[str, str]:
    """Ours, without the servers that it may name."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HEADROOM_", "PG", "REDIS"))}
    return {**kept, **more}


def kernel_of(fixture: str, **more: str) -> dict:
    """The fixture's kernel as the program lists it."""
    skip_unless_built(KERNELS[fixture])
    done = subprocess.run(
        [BENCH, "--headroom_catalogue"], env=environment(**more), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not any(secret in done.stdout + done.stderr for secret in more.values())
    kernels = json.loads(done.stdout)["kernels"]
    (kernel,) = [kernel for kernel in kernels if kernel["name"] == KERNELS[fixture]]
    return kernel


def needing(kernel: dict, fixture: str) -> list[dict]:
    """The variants that need the fixture."""
    return [
        variant
        for variant in kernel["variants"]
        if any(need["name"].split(" ")[0] == fixture for need in variant["needs"])
    ]


@pytest.fixture(params=KERNELS)
def fixture(request) -> str:
    """The name of a fixture that can be had here, and whose library was there for the build."""
    name = request.param
    cure = held.KINDS[name].missing()
    if cure is not None:
        pytest.skip(f"{name}: {cure}")
    kernel = kernel_of(name)
    for need in needing(kernel, name)[-1]["needs"]:
        if not (need["available"] or need["name"].split(" ")[0] in kernel["fixtures"]):
            pytest.skip(f"{need['name']}: {need['cure']}")
    return name


def had_by(kernel: dict) -> list[str]:
    """Those of the kernel's fixtures that can be had here."""
    return [name for name in kernel["fixtures"] if held.KINDS[name].missing() is None]


def test_a_run_with_its_server(fixture: str, tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="headroom-test-"))
    folder.chmod(0o755)
    headroom = Headroom(tmp_path, BENCH)
    for name in [name for name in headroom.env if name.startswith(("PG", "REDIS"))]:
        del headroom.env[name]
    for kind in held.KINDS.values():
        headroom.env.pop(kind.variable, None)
    out = tmp_path / "out"
    command = ("run", "--profile", "smoke", "--filter", f"^{KERNELS[fixture]}$", "--out", out)
    try:
        result = headroom(*command, "--scratch", folder)
        assert result.returncode == 0, result.stdout + result.stderr
        assert f"started for this run: {fixture} " in result.stdout
        assert list(folder.iterdir()) == [] and processes.working_below(folder) == []
    finally:
        shutil.rmtree(folder)
    (path,) = out.glob("*/*/run.json")
    run = json.loads(path.read_text())
    (kernel,) = run["kernels"]
    had = had_by(kernel)
    absent = {
        variant["name"]
        for name in set(kernel["fixtures"]) - set(had)
        for variant in needing(kernel_of(fixture), name)
    }
    assert {entry["variant"] for entry in run["missing"]} == absent and run["failures"] == []
    assert [facts["name"] for facts in run["fixtures"]] == had
    measured = {cell.variant for cell in cells_of(run)}
    assert measured == {variant["name"] for variant in kernel["variants"]} - absent
    assert {cell: CLIENT in names for cell, names in told_by(run).items()} == dict.fromkeys(
        range(len(run["cells"]["variant"])), True
    ), "whose limit a figure is"


CLIENT, SERVER = "client_cpu_share", "server_cpu_share"


def told_by(run: dict) -> dict[int, set[str]]:
    """The names of the quantities of each cell."""
    told: dict[int, set[str]] = {cell: set() for cell in range(len(run["cells"]["variant"]))}
    for cell, name in zip(run["quantities"]["cell"], run["quantities"]["name"], strict=True):
        told[cell].add(name)
    return told


@pytest.mark.skipif(not TESTS.is_file(), reason="the C++ tests aren't built: run `make test`")
def test_its_kernel_through_the_registry(fixture: str, tmp_path: Path) -> None:
    with held.Held(tmp_path, pytest.fail) as servers:
        servers.start(had_by(kernel_of(fixture)))
        more = {k: v for k, v in servers.environment.items() if v is not None}
        for case in ("variants agree*", "each kernel's comparison refuses*"):
            done = subprocess.run(
                [TESTS, case, "-c", KERNELS[fixture]],
                env=environment(**more), cwd=tmp_path, capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            assert "All tests passed" in done.stdout


@pytest.mark.skipif(not TESTS.is_file(), reason="the C++ tests aren't built: run `make test`")
def test_cache_aside_needs_two_servers(tmp_path: Path) -> None:
    names, kernel = ["postgresql", "redis"], "caching/cache_aside"
    skip_unless_built(kernel)
    for name in names:
        cure = held.KINDS[name].missing()
        if cure is not None:
            pytest.skip(f"{name}: {cure}")
    with held.Held(tmp_path, pytest.fail) as servers:
        servers.start(names)
        more = {k: v for k, v in servers.environment.items() if v is not None}
        for case in (["cache-aside: *"], ["variants agree*", "-c", kernel]):
            done = subprocess.run(
                [TESTS, *case],
                env=environment(**more), cwd=tmp_path, capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            assert "All tests passed" in done.stdout


needs_postgresql = pytest.mark.skipif(
    held.KINDS["postgresql"].missing() is not None or not TESTS.is_file(),
    reason="needs PostgreSQL and the C++ tests: make deps SERVICES=1, make test",
)


@needs_postgresql
def test_what_is_said_of_postgresql_alone(tmp_path: Path) -> None:
    """The C++ tests that need a server: promises of its kernels, and what they share."""
    skip_unless_built(KERNELS["postgresql"])
    with held.Held(tmp_path, pytest.fail) as servers:
        servers.start(["postgresql"])
        more = {k: v for k, v in servers.environment.items() if v is not None}
        done = subprocess.run(
            [TESTS, "[postgresql]"],
            env=environment(**more), cwd=tmp_path, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "All tests passed" in done.stdout
        ours = "SELECT relname FROM pg_class WHERE relname ~ '^headroom'"
        assert queried(more["HEADROOM_PG"], ours) == [], "tables of ours go with the program"


def queried(server: str, sql: str) -> list[str]:
    """The rows that psql prints."""
    if shutil.which("psql") is None:
        pytest.skip("needs psql")
    done = subprocess.run(["psql", "-XAtqc", sql, server], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@needs_postgresql
@pytest.mark.parametrize(
    "way, batch", [("each", 1), ("transaction", 8), ("pipeline", 8), ("copy", 8)]
)
def test_what_postgresql_has_acknowledged_outlives_kill_9(way: str, batch: int) -> None:
    """All its processes are killed while a writer is at work; then it starts over the same data."""
    skip_unless_built("database/pg_insert")
    folder = Path(tempfile.mkdtemp(prefix="headroom-test-"))
    folder.chmod(0o755)
    told: list[str] = []
    try:
        with held.Held(folder, told.append) as servers:
            servers.start(["postgresql"])
            place = servers._places["postgresql"]
            more = {k: v for k, v in servers.environment.items() if v is not None}
            writer = subprocess.Popen(
                [TESTS, "insert into PostgreSQL until it goes"],
                env=environment(HEADROOM_TEST_WAY=way, **more), stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            with writer:
                assert writer.stdout is not None
                lines = []
                for line in writer.stdout:
                    word, _, text = line.partition(" ")
                    lines.append((word, text))
                    if word == "acknowledged" and int(text) == 80:
                        for pid in processes.working_below(place.outer):
                            os.kill(pid, signal.SIGKILL)
            limit = time.monotonic() + 30
            while processes.working_below(place.outer) and time.monotonic() < limit:
                time.sleep(0.02)
            assert lacking(servers, ["postgresql"]) == "postgresql died"
            assert len(told) == 1 and "SIGKILL" in told[0] and "\n" not in told[0]
            (table,) = [text.strip() for word, text in lines if word == "table"]
            acknowledged = [int(text) for word, text in lines if word == "acknowledged"][-1]
            (error,) = [text for word, text in lines if word == "error"]
            assert error.startswith("postgresql: ") and str(folder) not in error
            assert acknowledged >= 80
            (place.inner / "data" / "postmaster.pid").unlink()
            again = postgresql.PostgreSql().serve(place, 60)
            (row,) = queried(
                again.environment["HEADROOM_PG"] or "", f"SELECT count(*), max(key) FROM {table}"
            )
            rows, last = row.split("|")
            assert int(rows) == int(last) >= acknowledged
            assert int(rows) % batch == 0, "all rows of a transaction are there, or none"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@needs_postgresql
def test_a_postgresql_that_does_not_flush_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_unless_built("database/pg_insert")
    monkeypatch.setitem(postgresql._SETTINGS, "fsync", "off")
    with held.Held(tmp_path, pytest.fail) as servers:
        servers.start(["postgresql"])
        more = {k: v for k, v in servers.environment.items() if v is not None}
        done = subprocess.run(
            [TESTS, "insert into PostgreSQL until it goes"],
            env=environment(HEADROOM_TEST_WAY="each", **more), capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode != 0
        assert "postgresql: fsync is off there, so no commit is durable" in done.stdout


@pytest.mark.parametrize("name", KERNELS)
def test_without_a_server_its_kernel_is_missing_and_says_what_helps(name: str) -> None:
    variants = needing(kernel_of(name), name)
    assert variants
    for variant in variants:
        assert not variant["available"]
        cures = {need["cure"] for need in variant["needs"] if not need["available"]}
        assert cures and all("make deps SERVICES=1" in cure for cure in cures)


@pytest.mark.parametrize(
    "name, more",
    [
        ("postgresql", {"HEADROOM_PG": "host=/nowhere user=bob password=hunter2"}),
        ("postgresql", {"HEADROOM_PG": "postgresql://bob:hunter2@127.0.0.1:1/x"}),
        ("postgresql", {"HEADROOM_PG": "no connection string"}),
        ("redis", {"HEADROOM_REDIS": "127.0.0.1:1,/nowhere/x", "REDISCLI_AUTH": "hunter2"}),
        ("redis", {"HEADROOM_REDIS": "no address"}),
        ("pgbouncer", {"HEADROOM_PGBOUNCER": "host=/nowhere user=bob password=hunter2"}),
        ("redis-durable", {"HEADROOM_REDIS_DURABLE": "127.0.0.1:1"}),
        ("rabbitmq", {"HEADROOM_RABBITMQ": "amqp://bob:hunter2@127.0.0.1:1/x"}),
        ("rabbitmq", {"HEADROOM_RABBITMQ": "amqps://bob:hunter2@127.0.0.1/x"}),
        ("rabbitmq", {"HEADROOM_RABBITMQ": "no address"}),
        ("nginx", {"HEADROOM_NGINX": "127.0.0.1:1"}),
        ("nginx", {"HEADROOM_NGINX": "db.example:80"}),
    ],
)
def test_a_server_that_does_not_answer_is_missing(name: str, more: dict[str, str]) -> None:
    kernel = kernel_of(name, **more)
    assert not any(variant["available"] for variant in needing(kernel, name))
