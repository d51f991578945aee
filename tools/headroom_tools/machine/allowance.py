"""What this process may use of the machine, which may be less than the machine has.

A container, a service or `taskset` gives a process some of the CPUs, a share of their time, some of
the memory: its affinity, and the limits of its control groups (version 1 and 2), each with those
above it. Whatever needs the number of cores or the size of memory asks here. kernels/core/
allowance.cpp does for the benchmark program what this does for the tools, and tools/jobs for make.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from headroom_tools.base.text import counted, size
from headroom_tools.machine.sources import read, root
from headroom_tools.machine.types import Allowed

_UNLIMITED = 1 << 60  # version 1 tells no limit as a number of pages that no machine has
_JOB_BYTES = 1 << 29  # of memory for a compiler


def _read(path: Path) -> str:
    return read(path) or ""


def _number(text: str) -> int | None:
    """What a file of a control group says; None for "max", for -1 and for nothing."""
    match = re.match(r"\d{1,20}(?=\s|$)", text.strip())
    return int(match[0]) if match else None


def _field(text: str, *names: str) -> int | None:
    """The first of the lines `NAME NUMBER` that is there."""
    found = dict(re.findall(r"^(\w+) (\d{1,20})$", text, re.M))
    return next((int(found[name]) for name in names if name in found), None)


def _folders(controller: str) -> tuple[int, list[Path]]:
    """(version, the control groups of this process, its own first) where `controller` limits it.

    (0, []) where there are none. Version 1 has a hierarchy for each controller; where one is named
    there, version 2 does not have it.
    """
    base_root = root()
    own: dict[str, str] = {}
    for line in _read(base_root / "proc/self/cgroup").splitlines():
        _, names, path = (line.split(":", 2) + ["", ""])[:3]
        for name in names.split(","):
            own.setdefault(name, path)
    version = 1 if controller in own else 2
    name = controller if version == 1 else ""
    if name not in own:
        return 0, []
    path = own[name]
    for line in _read(base_root / "proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if len(fields) < 5 or len(kind) < 3:
            continue
        if version == 2 and kind[0] != "cgroup2":
            continue
        if version == 1 and (kind[0] != "cgroup" or controller not in kind[2].split(",")):
            continue
        top, mount = (re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), f) for f in fields[3:5])
        base = base_root / mount.lstrip("/")
        # A container may see its own group as the top, under its name outside or as "/".
        below = path[len(top) :] if top != "/" and (path + "/").startswith(top + "/") else path
        if top != "/" and below == path:
            below = ""
        parts = [part for part in below.split("/") if part]
        if ".." in parts:
            parts = []
        return version, [base.joinpath(*parts[:count]) for count in range(len(parts), -1, -1)]
    return 0, []


def quota() -> float | None:
    """CPUs whose time this process may use, like 0.5; None where no control group limits it."""
    version, folders = _folders("cpu")
    found = []
    for folder in folders:
        if version == 2:
            words = _read(folder / "cpu.max").split()
            time, period = (_number(word) for word in (words + ["", ""])[:2])
        else:
            time = _number(_read(folder / "cpu.cfs_quota_us"))
            period = _number(_read(folder / "cpu.cfs_period_us"))
        if time and period:
            found.append(time / period)
    return min(found, default=None)


def throttled() -> float | None:
    """Seconds that control groups kept this process from running for, each CPU counted; None where
    none limits its time."""
    if quota() is None:
        return None
    _, folders = _folders("cpu")
    total = 0.0
    for folder in folders:
        text = _read(folder / "cpu.stat")
        total += (_field(text, "throttled_usec") or 0) / 1e6
        total += (_field(text, "throttled_time") or 0) / 1e9
    return total


def cpus() -> set[int]:
    """The CPUs that this process may run on, by its affinity and its cpuset; empty: not told."""
    try:
        return os.sched_getaffinity(0)
    except (AttributeError, OSError):
        return set()


def count() -> int:
    """How many CPUs that are; those of the machine where the system doesn't tell."""
    return len(cpus()) or os.cpu_count() or 1


def _memory_limits() -> list[tuple[int, int]]:
    """(bytes allowed, bytes of them that can still be taken) of each control group with a limit."""
    version, folders = _folders("memory")
    found = []
    for folder in folders:
        if version == 2:
            limits = [_number(_read(folder / name)) for name in ("memory.max", "memory.high")]
            used = _number(_read(folder / "memory.current"))
        else:
            limits = [_number(_read(folder / "memory.limit_in_bytes"))]
            used = _number(_read(folder / "memory.usage_in_bytes"))
        known = [limit for limit in limits if limit is not None and limit < _UNLIMITED]
        if known:
            # Pages of files that nobody used lately are given up before anything is killed.
            stat = _read(folder / "memory.stat")
            spare = _field(stat, "total_inactive_file", "inactive_file") or 0
            limit = min(known)
            found.append((limit, max(0, limit - max(0, (used or 0) - spare))))
    return found


def memory_limit() -> int | None:
    """Bytes of memory that control groups allow; None: as much as the machine has."""
    return min((limit for limit, _ in _memory_limits()), default=None)


def _meminfo(name: str) -> int | None:
    match = re.search(rf"^{name}:\s+(\d+) kB", _read(root() / "proc/meminfo"), re.M)
    return int(match[1]) * 1024 if match else None


def memory_total() -> int | None:
    """Bytes of memory that this process may have at most; None where nothing says."""
    known = [bytes_ for bytes_ in (_meminfo("MemTotal"), memory_limit()) if bytes_ is not None]
    return min(known, default=None)


def memory_available() -> int | None:
    """Bytes that can be taken now without swapping, or being killed; None where nothing says."""
    known = [_meminfo("MemAvailable"), *(free for _, free in _memory_limits())]
    return min((bytes_ for bytes_ in known if bytes_ is not None), default=None)


class Kills(NamedTuple):
    """How many processes the kernel has killed because the memory of this one's control group was
    used up, and how many for want of memory at all."""

    group: int
    all: int


def out_of_memory_kills() -> Kills:
    version, folders = _folders("memory")
    name = "memory.events" if version == 2 else "memory.oom_control"
    group = sum(_field(_read(folder / name), "oom_kill") or 0 for folder in folders[:1])
    return Kills(group, _field(_read(root() / "proc/vmstat"), "oom_kill") or 0)


def why_killed(before: Kills) -> str | None:
    """Why the kernel killed a process since `before`; None where it has no such reason."""
    now = out_of_memory_kills()
    if now.group > before.group:
        limit = memory_limit()
        of = f" of {size(limit)}" if limit is not None else ""
        return f"out of memory: the limit{of} of its control group was reached"
    return "out of memory: the machine's was used up" if now.all > before.all else None


def jobs() -> int:
    """How many processes that compute it makes sense to run at once."""
    most = float(count())
    time, memory = quota(), memory_limit()
    if time is not None:
        most = min(most, -(-time // 1))
    if memory is not None:
        most = min(most, memory // _JOB_BYTES)
    return max(1, int(most))


def allowed(threads: int | None, memory: int | None) -> Allowed | None:
    """What a fingerprint says of it; None where the whole machine may be used.

    threads, memory: what the machine has.
    """
    few, time, limit = len(cpus()), quota(), memory_limit()
    given: Allowed = {
        "cpus": few if few and threads and few < threads else None,
        "cpu_quota": round(time, 3) if time and (not threads or time < threads) else None,
        "memory_bytes": limit if limit is not None and (memory is None or limit < memory) else None,
    }
    return given if any(value is not None for value in given.values()) else None


def allowed_told(given: Allowed) -> str:
    """What the process could use, where that is less than the machine."""
    parts = []
    if given["cpus"] is not None:
        parts.append(counted(given["cpus"], "CPU"))
    if given["cpu_quota"] is not None:
        parts.append(f"the time of {given['cpu_quota']:g} CPUs")
    if given["memory_bytes"] is not None:
        parts.append(f"{size(given['memory_bytes'])} of memory")
    return ", ".join(parts)
