"""The cores of a CPU as the kernel shows them, and of how many kinds they are.

Arm's big.LITTLE, Intel's P- and E-cores, or chiplets of one CPU with other caches: what holds for
the first core does not hold for all.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from headroom_tools.base.text import counted, listed
from headroom_tools.machine import sources
from headroom_tools.machine.microarchitecture import microarchitecture
from headroom_tools.machine.types import Cache, CoreKind

# What the kernel calls the counters of Intel's kinds of cores.
_INTEL_KINDS = {"cpu_core": "P-core", "cpu_atom": "E-core", "cpu_lowpower": "LP E-core"}
# Arm's implementers, as lscpu names them.
_IMPLEMENTERS = {
    0x41: "ARM", 0x42: "Broadcom", 0x43: "Cavium", 0x46: "FUJITSU", 0x48: "HiSilicon",
    0x4E: "NVIDIA", 0x51: "Qualcomm", 0x53: "Samsung", 0x61: "Apple", 0x6D: "Microsoft",
    0x70: "Phytium", 0xC0: "Ampere",
}  # fmt: skip


def allowed() -> set[int]:
    """The CPUs that this process may run on; empty where the system doesn't tell."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def of_each(proc: Path) -> dict[int, dict[str, str]]:
    """/proc/cpuinfo by CPU. What it says of all at once (before the first, or after the last, as
    older kernels for Arm do) is under -1."""
    every: dict[int, dict[str, str]] = {}
    for block in re.split(r"\n\s*\n", sources.read(proc / "cpuinfo") or ""):
        lines = [line.partition(":") for line in block.splitlines()]
        facts: dict[str, str] = {}
        for name, _, value in lines:
            facts.setdefault(name.strip(), value.strip())
        at = facts.get("processor", "")
        every.setdefault(int(at) if re.fullmatch(r"\d{1,6}", at) else -1, {}).update(facts)
    return every


def online(sys: Path, proc: Path) -> set[int]:
    """The CPUs that are switched on; empty where the kernel doesn't tell."""
    cpus = sys / "devices/system/cpu"
    return sources.span(sources.read(cpus / "online")) or {at for at in of_each(proc) if at >= 0}


def vendor_of(facts: dict[str, str]) -> str | None:
    """Who made the CPU that /proc/cpuinfo describes."""
    implementer = sources.number(facts.get("CPU implementer"))
    named = _IMPLEMENTERS.get(implementer) if implementer is not None else None
    return sources.words(facts.get("vendor_id"), 40) or named


def siblings(cpu: int, sys: Path) -> set[int]:
    """The CPUs that are threads of one core with `cpu`, itself among them."""
    folder = sys / f"devices/system/cpu/cpu{cpu}/topology"
    for name in ("core_cpus_list", "thread_siblings_list"):
        found = sources.span(sources.read(folder / name))
        if found:
            return found
    return {cpu}


def topology_is_told(cpu: int, sys: Path) -> bool:
    """Whether the kernel shows which CPUs are threads of one core."""
    folder = sys / f"devices/system/cpu/cpu{cpu}/topology"
    names = ("core_cpus_list", "thread_siblings_list")
    return any(sources.read(folder / name) for name in names)


def caches_of(cpu: int, sys: Path) -> list[Cache]:
    """A CPU's caches: level, kind, size in bytes, line in bytes, threads that share it."""
    caches: list[Cache] = []
    for folder in sorted((sys / f"devices/system/cpu/cpu{cpu}/cache").glob("index*")):
        size = re.fullmatch(r"(\d+)([KMG]?)", sources.read(folder / "size") or "")
        unit = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
        caches.append(
            {
                "level": sources.number(sources.read(folder / "level")),
                "kind": sources.words(sources.read(folder / "type"), 20),
                "bytes": int(size[1]) * unit[size[2]] if size else None,
                "line_bytes": sources.number(sources.read(folder / "coherency_line_size")),
                "shared_by": len(sources.span(sources.read(folder / "shared_cpu_list"))) or None,
            }
        )
    return caches


def max_mhz(cpu: int, sys: Path) -> int | None:
    """The highest clock that the kernel asks this CPU for."""
    told = sources.read(sys / f"devices/system/cpu/cpu{cpu}/cpufreq/cpuinfo_max_freq")
    kilohertz = sources.number(told)
    return kilohertz // 1000 if kilohertz else None


class Kind(NamedTuple):
    """Cores that are alike. name: None where only their caches tell them apart."""

    name: str | None
    cpus: set[int]


def kinds(sys: Path, proc: Path) -> list[Kind]:
    """The kinds of the cores that are switched on, that of the first CPU first.

    The highest clock doesn't make a kind: of cores that are alike the best are allowed more.
    """
    info = of_each(proc)
    typed = {
        cpu: name
        for folder, name in _INTEL_KINDS.items()
        for cpu in sources.span(sources.read(sys / "devices" / folder / "cpus"))
    }
    found: dict[object, set[int]] = {}
    names: dict[object, str | None] = {}
    for cpu in sorted(online(sys, proc)):
        facts = info.get(cpu, {})
        part = sources.number(facts.get("CPU part"))
        name = typed.get(cpu)
        capacity = None
        if part is not None:
            name = microarchitecture(vendor_of(facts), None, part) or f"part 0x{part:03x}"
            capacity = sources.read(sys / f"devices/system/cpu/cpu{cpu}/cpu_capacity")
        caches = tuple(
            (cache["level"], cache["kind"], cache["bytes"]) for cache in caches_of(cpu, sys)
        )
        key = (facts.get("CPU implementer"), name, capacity, caches)
        found.setdefault(key, set()).add(cpu)
        names[key] = name
    return [Kind(names[key], cpus) for key, cpus in found.items()]


def told(found: list[Kind], sys: Path) -> list[CoreKind]:
    """The kinds as a fingerprint has them; none where all cores are of one."""
    if len(found) < 2:
        return []
    first = measured_on(found)
    return [
        {
            "name": kind.name,
            "cores": len({min(siblings(cpu, sys)) for cpu in kind.cpus}),
            "threads": len(kind.cpus),
            "max_mhz": max((max_mhz(cpu, sys) or 0 for cpu in kind.cpus), default=0) or None,
            "caches": caches_of(min(kind.cpus), sys),
            "one_thread_runs_here": kind is first,
        }
        for kind in found
    ]


def first_allowed(cpus: set[int]) -> int:
    """The CPU that a launch of one thread is pinned to: the first that it may run on."""
    return min(cpus & allowed() or cpus, default=0)


def measured_on(found: list[Kind]) -> Kind:
    """The kind whose core a launch of one thread is pinned to."""
    first = first_allowed({cpu for kind in found for cpu in kind.cpus})
    return next(kind for kind in found if first in kind.cpus)


def in_words(kinds_told: list[CoreKind]) -> str:
    """`4 cortex-a55 and 4 cortex-a76`; cores without a name by their largest cache."""
    return listed([f"{kind['cores']} {name_of(kind)}" for kind in kinds_told])


def name_of(kind: CoreKind) -> str:
    """What tells these cores from the others."""
    caches = [cache for cache in kind["caches"] if cache["bytes"]]
    name = kind["name"]
    if name is None and caches:
        largest = max(caches, key=lambda cache: (cache["level"] or 0, cache["bytes"] or 0))
        name = f"L{largest['level']} {(largest['bytes'] or 0) >> 10:,} KiB"
    name = name or "unnamed"
    return f"{name} up to {kind['max_mhz']} MHz" if kind["max_mhz"] else name


def caution(sys: Path, proc: Path) -> str | None:
    """What a run should be told of cores of several kinds."""
    mine = allowed()
    found = [Kind(one.name, one.cpus & mine or one.cpus) for one in kinds(sys, proc)
             if one.cpus & mine or not mine]  # fmt: skip
    if len(found) < 2:
        return None
    here = measured_on(found)
    every = told(found, sys)
    own = next(name_of(kind) for kind in every if kind["one_thread_runs_here"])
    other = max((kind for kind in found if kind is not here), key=lambda kind: max(kind.cpus))
    return (
        f"the cores are of {counted(len(found), 'kind')} ({in_words(every)}): one thread is "
        f"measured on {own}, several on whichever they meet; measure each kind by itself, as with "
        f"taskset -c {sources.spelled(other.cpus)}, or {sources.spelled(here.cpus)}"
    )
