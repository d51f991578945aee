"""Brokers with real servers: their kernels, consumers that are killed, and servers that are."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest
from conftest import CHECKOUT

from headroom_tools.base import processes
from headroom_tools.fixtures import held, places, rabbitmq, redis, server

BENCH = CHECKOUT / "build" / "release" / "bench" / "headroom-bench"
TESTS = CHECKOUT / "build" / "release" / "tests" / "headroom-tests"
LIMIT = 120.0

pytestmark = pytest.mark.skipif(
    not TESTS.is_file(), reason="the C++ tests aren't built: run `make test`"
)


def skip_without(name: str, case: str) -> None:
    """Skips where a server isn't installed, or its library wasn't there for the build."""
    cure = held.KINDS[name].missing()
    if cure is not None:
        pytest.skip(f"{name}: {cure}")
    listed = subprocess.run(
        [TESTS, "--list-test-names-only", case], capture_output=True, text=True
    ).stdout
    if case not in listed:
        pytest.skip(f"{name}: the tests were built without its library")


@pytest.fixture
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="headroom-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def environment(more: dict[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HEADROOM_", "REDIS"))}
    return {**kept, **more}


def passes(case: str, more: dict[str, str], *options: str) -> None:
    done = subprocess.run(
        [TESTS, case, *options], env=environment(more), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All tests passed" in done.stdout, done.stdout


def built_kernels() -> set[str]:
    told = subprocess.run([BENCH, "--headroom_catalogue"], capture_output=True, check=True).stdout
    return {kernel["name"] for kernel in json.loads(told)["kernels"]}


CONSUMERS = {
    "rabbitmq": (
        "database/broker_consume",
        [
            "a RabbitMQ consumer that is killed loses nothing and doubles only what is open",
            "a RabbitMQ consumer without acknowledgements loses what it was sent",
            "what a RabbitMQ refuses is one line without a name",
        ],
    ),
    "redis-durable": (
        "database/redis_stream_read",
        ["a Redis consumer that is killed loses nothing and doubles only what is open"],
    ),
}


@pytest.mark.parametrize("name", CONSUMERS)
def test_consumers_agree_and_a_killed_one_keeps_its_promise(scratch: Path, name: str) -> None:
    kernel, cases = CONSUMERS[name]
    skip_without(name, cases[0])
    with held.Held(scratch, pytest.fail, LIMIT) as servers:
        servers.start([name])
        more = {k: v for k, v in servers.environment.items() if v is not None}
        if kernel in built_kernels():
            passes("variants agree*", more, "-c", kernel)
        for case in cases:
            passes(case, more)


Restart = Callable[[], dict[str, str]]


def rabbit(place: places.Place) -> tuple[Restart, Callable[[], int]]:
    home = rabbitmq._home()
    assert home is not None
    erl = Path(shutil.which("erl") or "")
    broker = rabbitmq.Broker(home, rabbitmq._version(home) or "", erl, place, LIMIT)

    def start() -> dict[str, str]:
        server.on_a_free_port(broker.start)
        return {"HEADROOM_RABBITMQ": broker.address}

    return start, lambda: broker.process.pid


def durable_redis(place: places.Place) -> tuple[Restart, Callable[[], int]]:
    running = []

    def start() -> dict[str, str]:
        running.append(redis.DurableRedis().start(place, LIMIT))
        return {k: v for k, v in running[-1].environment.items() if v is not None}

    return start, lambda: running[-1].process.pid


SERVERS = {
    "rabbitmq": (
        rabbit,
        "a publisher notes what RabbitMQ confirms until it dies",
        "a RabbitMQ that was killed has what it confirmed",
    ),
    "redis-durable": (
        durable_redis,
        "a publisher notes what Redis acknowledges until it dies",
        "a Redis that was killed has what it acknowledged",
    ),
}


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_that_is_killed_has_what_it_acknowledged(scratch: Path, name: str) -> None:
    starter, publish, check = SERVERS[name]
    skip_without(name, publish)
    place = places.make(scratch, held.KINDS[name].socket)
    try:
        start, pid = starter(place)
        ledger = scratch / "ledger"
        found = {**start(), "HEADROOM_TEST_LEDGER": str(ledger)}
        with subprocess.Popen(
            [TESTS, publish], env=environment(found), stdout=subprocess.PIPE, text=True
        ) as publisher:
            limit = time.monotonic() + LIMIT
            while not ledger.exists() or ledger.read_bytes().count(b"\n") < 500:
                assert publisher.poll() is None and time.monotonic() < limit
                time.sleep(0.01)
            killed = pid()
            when = processes.started(killed)
            assert when is not None
            os.kill(killed, signal.SIGKILL)
            told = publisher.communicate(timeout=60)[0]
        assert publisher.returncode == 0, told
        while processes.started(killed) == when:
            time.sleep(0.01)
        passes(check, {**start(), "HEADROOM_TEST_LEDGER": str(ledger)})
    finally:
        place.remove()
