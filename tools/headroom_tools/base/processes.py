"""Processes that must not outlive the tool, and what tells one process from another."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Iterator

_STOPPING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_IPC_RMID = 0
_SEGMENTS = Path("/proc/sysvipc/shm")


@contextlib.contextmanager
def uninterrupted() -> Iterator[Callable[[], object]]:
    """Holds back the signals that stop a run until the block is through; gives what undoes it in a
    child: between a process and the note that it runs, nothing may be raised."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        yield lambda: signal.pthread_sigmask(signal.SIG_SETMASK, before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def die_with(parent: int, number: int) -> None:
    """In a child of process `parent`, as the last step before exec: it gets signal `number` when
    the parent ends, however that ends (Linux; elsewhere the next run sweeps)."""
    if _libc is not None:
        _libc.prctl(_PARENT_DEATH_SIGNAL, number)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(1)


def started(pid: int) -> int | None:
    """When process `pid` started: ticks since boot, or seconds where there is no /proc.

    With the pid it tells one process from every other. None: there is no such process, or nothing
    but its exit status is left of it.
    """
    if os.path.isdir("/proc/self"):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:
                fields = stream.read().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else int(fields[19])
    told = subprocess.run(
        ["ps", "-o", "state=", "-o", "lstart=", "-p", str(pid)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C"},
        text=True,
    ).stdout.split(maxsplit=1)
    if len(told) != 2 or told[0].startswith("Z"):
        return None
    return int(time.mktime(time.strptime(told[1].strip(), "%a %b %d %H:%M:%S %Y")))


def end(pid: int, when: int, signals: tuple[tuple[int, float], ...]) -> None:
    """Ends process `pid` if it is still the one that started at `when`: each signal in turn, until
    it is gone, with the seconds that it has."""
    for number, seconds in signals:
        if started(pid) != when:
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        limit = time.monotonic() + seconds
        while started(pid) == when and time.monotonic() < limit:
            time.sleep(0.01)


def working_below(folder: Path) -> list[int]:
    """The processes whose working folder is `folder` or lies below it (where /proc tells)."""
    found = []
    inside = os.path.realpath(folder)
    for entry in os.scandir("/proc") if os.path.isdir("/proc/self") else ():
        try:
            where = os.readlink(f"/proc/{entry.name}/cwd") if entry.name.isdigit() else ""
        except OSError:  # it has ended, or is another user's
            continue
        if where == inside or where.startswith(inside + "/"):
            found.append(int(entry.name))
    return found


def free_shared_memory(key: int, number: int) -> None:
    """Frees a segment of System V's that nobody is attached to, if `number` still has this `key`
    (Linux; elsewhere it stays, as after any server that was killed)."""
    try:
        rows = [line.split() for line in _SEGMENTS.read_text(encoding="ascii").splitlines()[1:]]
    except (OSError, ValueError):
        return
    # key shmid perms size cpid lpid nattch ...
    here = {(int(row[0]), int(row[1])) for row in rows if len(row) > 6 and row[6] == "0"}
    if _libc is not None and (key, number) in here:
        _libc.shmctl(number, _IPC_RMID, None)
