"""What the tests of fixtures share: made-up servers, and what is left of any."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import CHECKOUT

from headroom_tools.base import processes
from headroom_tools.fixtures import held, kinds, places, server
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
from fixture_parts import Fake
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
