"""Builds and tests as processes that never outlive the run."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

from bugs import Failure

PRESET = "release"
END_S = 5.0


class Processes:
    """Those that run now, each in a group of its own, so that all of them end with the run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self.stopped = False

    def run(self, command: list[str], cwd: Path, limit_s: float) -> tuple[int | None, str]:
        """Its exit status, or None where it was ended after limit_s; what it printed."""
        with self._lock:
            if self.stopped:
                raise Failure("stopped", 130)
            process = subprocess.Popen(
                command,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
                env=environment(),
            )
            self._running.add(process)
        try:
            out, _ = process.communicate(timeout=limit_s)
            if self.stopped:  # it was killed, which says nothing about a bug
                raise Failure("stopped", 130)
            return process.returncode, out
        except subprocess.TimeoutExpired:
            _end([process])
            out, _ = process.communicate()
            return None, out
        finally:
            with self._lock:
                self._running.discard(process)

    def stop(self) -> None:
        with self._lock:
            self.stopped = True
            _end(list(self._running))


def _end(processes: list[subprocess.Popen[str]]) -> None:
    """Ends them and what they started. Asks first: ninja's compilers are in groups of their own,
    and only ninja can end them."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                pass
        until = time.monotonic() + END_S
        while time.monotonic() < until and any(process.poll() is None for process in processes):
            time.sleep(0.01)


def environment() -> dict[str, str]:
    """What tests and builds see: not what the user's make was told, nor where the checkout is."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HEADROOM_", "ARG_", "PYTEST_"))
        and name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "GIT_DIR", "GIT_WORK_TREE")
    }
    # Two versions of a module within a second have the same stamp, if they are also as long.
    return {**kept, "HEADROOM_PRESET": PRESET, "PYTHONDONTWRITEBYTECODE": "1"}
