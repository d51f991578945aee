"""What the tools' tests share: a checkout of their own, the fake benchmark program, records."""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
sys.path[:0] = [str(CHECKOUT / "tools"), str(HERE)]

from headroom_tools.fixtures import held  # noqa: E402
from headroom_tools.record import publish  # noqa: E402

COMMAND = CHECKOUT / "tools" / "headroom"
GOLDEN = HERE / "golden"  # records as version 1 wrote them
GOLDEN2 = HERE / "golden2"  # as they are written now


def _for_this_python(program: Path) -> Path:
    """A copy that this Python runs.

    `env python3` may be a version manager's shim, which takes longer to find Python than Python to
    start; the tests start some thousand of these.
    """
    folder = Path(tempfile.mkdtemp(prefix="headroom-tests-"))
    folder.chmod(0o755)  # a test runs it as another user
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = folder / program.name
    _, _, body = program.read_text().partition("\n")
    copy.write_text(f"#!{sys.executable}\n{body}")
    copy.chmod(0o755)
    return copy


FAKE = _for_this_python(HERE / "fake_bench.py")

# Tests of size, which take many seconds: only where HEADROOM_LONG is set, as in `make check-all`.
long_test = pytest.mark.skipif(
    not os.environ.get("HEADROOM_LONG"), reason="many seconds: HEADROOM_LONG=1"
)

# Which kernels `make test SUBSET=` built, a regular expression; empty: all.
SUBSET = os.environ.get("ARG_SUBSET", "")


def skip_unless_built(*kernels: str) -> None:
    """Skips a test of the real program in whose build these kernels were left out."""
    for kernel in kernels:
        if not re.search(SUBSET, kernel):
            pytest.skip(f"{kernel} isn't built: SUBSET={SUBSET}")


def lacking(servers: held.Held, names: list[str]) -> str | None:
    """What is told of a server that was killed; its parent learns of it a moment later."""
    limit = time.monotonic() + 20
    while (told := servers.lacking(names)) is None and time.monotonic() < limit:
        time.sleep(0.02)
    return told


class Ready:
    """A process that has imported the command (ready.py), begun at the first call."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def call(
        self, arguments: list[str], environment: dict[str, str], cwd: Path, limit_s: float = 120
    ) -> tuple[int, str, str]:
        """The command's exit status, output and errors."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, HERE / "ready.py"],
                env={**os.environ, "PYTHONPATH": str(CHECKOUT / "tools")},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            atexit.register(self.process.kill)
        assert self.process.stdin is not None and self.process.stdout is not None
        with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
            request = {
                "arguments": arguments, "environment": environment, "cwd": str(cwd),
                "out": out.name, "err": err.name,
            }  # fmt: skip
            print(json.dumps(request), file=self.process.stdin, flush=True)
            child = int(self.process.stdout.readline())
            late = threading.Timer(limit_s, os.kill, (child, signal.SIGKILL))
            late.start()
            status = int(self.process.stdout.readline())
            late.cancel()
            told = [file.read().decode("utf-8") for file in (out, err)]
        return status, told[0], told[1]


_READY = Ready()


class Headroom:
    """Runs the command in a checkout of its own, with a lock of its own."""

    def __init__(self, root: Path, bench: Path = FAKE):
        self.root = root
        self.log = root / "starts.log"
        # A machine of its own, that does nothing: what this one does is no test.
        memory = root / "system" / "proc" / "meminfo"
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_text("MemTotal: 8000000 kB\nMemAvailable: 6000000 kB\n")
        self.env = {
            **os.environ,
            "HEADROOM_ROOT": str(root),
            "HEADROOM_BENCH": str(bench),
            "HEADROOM_LOCK": f"test-{uuid.uuid4()}",
            "HEADROOM_PYTHON": sys.executable,
            "HEADROOM_SYSTEM": str(root / "system"),
            "FAKE_LOG": str(self.log),
        }

    def start(self, *arguments: object, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            [str(COMMAND), *map(str, arguments)],
            env={**self.env, **environment},
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A background job of a shell inherits SIGINT as ignored; Ctrl-C is tested all the same.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def __call__(self, *arguments: object, **environment: str):
        if any(name.startswith(("PYTHON", "LD_")) for name in environment):
            process = self.start(*arguments, **environment)  # they matter to Python's own start
            try:
                out, err = process.communicate(timeout=120)
            finally:
                process.kill()
            status = process.returncode
        else:
            status, out, err = _READY.call(
                [str(argument) for argument in arguments], {**self.env, **environment}, self.root
            )
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(arguments, status, out, err)

    def starts(self) -> list[str]:
        """`kernel launch` of each process that was started, in order."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def results(self) -> list[Path]:
        return sorted((self.root / "results").glob("*/*/run.json"))

    def run_json(self) -> dict:
        """The one record there is."""
        (path,) = self.results()
        return json.loads(path.read_text())


@pytest.fixture
def headroom(tmp_path: Path) -> Headroom:
    return Headroom(tmp_path)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A scratch folder that a server's user can reach (pytest's own is shut for others)."""
    folder = Path(tempfile.mkdtemp(prefix="headroom test ä "))
    folder.chmod(0o755)
    for kind in held.KINDS.values():
        monkeypatch.delenv(kind.variable, raising=False)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def golden() -> dict:
    """A valid run.json of version 1, free to damage."""
    return json.loads((golden_run(BASE) / "run.json").read_text())


@pytest.fixture
def golden2() -> dict:
    """A valid run.json of version 2, free to damage."""
    return json.loads((golden_run(BASE2) / "run.json").read_text())


BASE = "20260101T000000Z-0123abcd-base"
NEW = "20260102T000000Z-0123abcd-new"


BASE2 = "20260201T000000Z-0123abcd-base"
NEW2 = "20260202T000000Z-0123abcd-new"


def golden_run(name: str) -> Path:
    return (GOLDEN2 if name in (BASE2, NEW2) else GOLDEN) / "test-2c-8g" / name


def shown_on(leader: int) -> str:
    """All that is written to the other end of this pseudo-terminal until it is closed."""
    shown = b""
    while True:
        try:
            block = os.read(leader, 4096)
        except OSError:  # Linux says so when the other end is closed
            block = b""
        if not block:
            return shown.decode()
        shown += block


def valid_files(path: Path) -> list[Path]:
    """The files below `path` that may be published; the first that may not is raised."""
    valid = []
    for found, error in publish.checked(path):
        if error is not None:
            raise error
        valid.append(found)
    return valid
