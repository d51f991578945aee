"""The kernels that need a server, with real ones: a run, and the C++ tests; and without."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from conftest import CHECKOUT, Headroom, skip_unless_built

from headroom_tools.base import processes
from headroom_tools.fixtures import held
from headroom_tools.record.cells import cells_of

BENCH = CHECKOUT / "build" / "release" / "bench" / "headroom-bench"
TESTS = CHECKOUT / "build" / "release" / "tests" / "headroom-tests"
KERNELS = {
    "postgresql": "database/pg_connection",
    "redis": "caching/redis_get",
    "redis-durable": "database/redis_stream_add",
    "rabbitmq": "database/broker_publish",
    "nginx": "network/request",  # of which only the peers need it
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
    for need in kernel_of(name)["variants"][-1]["needs"]:
        if not (need["available"] or need["name"] == name):
            pytest.skip(f"{need['name']}: {need['cure']}")
    return name


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
    assert run["missing"] == [] and run["failures"] == []
    assert [facts["name"] for facts in run["fixtures"]] == [fixture]
    measured = {cell.variant for cell in cells_of(run)}
    assert measured == {variant["name"] for variant in run["kernels"][0]["variants"]}


@pytest.mark.skipif(not TESTS.is_file(), reason="the C++ tests aren't built: run `make test`")
def test_its_kernel_through_the_registry(fixture: str, tmp_path: Path) -> None:
    with held.Held(tmp_path, pytest.fail) as servers:
        servers.start([fixture])
        more = {k: v for k, v in servers.environment.items() if v is not None}
        for case in ("variants agree*", "each kernel's comparison refuses*"):
            done = subprocess.run(
                [TESTS, case, "-c", KERNELS[fixture]],
                env=environment(**more), cwd=tmp_path, capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            assert "All tests passed" in done.stdout


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
