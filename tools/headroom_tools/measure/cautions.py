"""What about this machine, now, makes a measurement unreliable: one line each, with the cure.

A line comes only when it matters to what is about to be measured. Lines go to the terminal and into
the record's notes, so they name no program of the user's but known benchmarks.
"""

from __future__ import annotations

import os
import re
import time
from typing import Iterator, NamedTuple

from headroom_tools.base import paths
from headroom_tools.base.text import counted, safe, size
from headroom_tools.machine import allowance, cores
from headroom_tools.machine.sources import read, root
from headroom_tools.measure.types import Catalogue, CatalogueLadder
from headroom_tools.record import source
from headroom_tools.record.types import Missing

SAMPLE_S = 0.4
OTHERS = 0.1  # cores that other programs use
STOLEN_NOW = 0.1  # cores that the hypervisor takes: coarse, in ticks of 10 ms
STOLEN_EVER = 0.01  # of all CPU time since the machine started
HOT = 85_000  # thousandths of a degree; above it laptops throttle
ABSURD = 200_000
LITTLE_MEMORY = 0.1  # of all of it
HUGE_FROM = 1 << 20  # bytes; smaller buffers don't ask for huge pages
BENCHMARKS = re.compile(
    r"(headroom-bench|stress|stress-ng.*|sysbench|fio|iperf3?|geekbench.*|cinebench.*|mprime"
    r"|prime95|linpack|xhpl|stream|bonnie\+\+|phoronix-test-s|y-cruncher.*|hyperfine|wrk|pgbench"
    r"|redis-benchmar)"
)


class Subject(NamedTuple):
    """What is about to be measured. ladders: by kernel. missing: what can't be."""

    catalogue: Catalogue
    ladders: dict[str, list[CatalogueLadder]]
    missing: list[Missing]

    @property
    def several_threads(self) -> bool:
        return any(one["threads"] > 1 for found in self.ladders.values() for one in found)

    @property
    def storage(self) -> bool:
        return any(
            kernel["name"] in self.ladders and kernel["axis"].startswith("storage-")
            for kernel in self.catalogue["kernels"]
        )

    @property
    def memory(self) -> int:
        """Bytes of the largest ladder."""
        ladders = [ladder for found in self.ladders.values() for ladder in found]
        return max((ladder["memory_bytes"] for ladder in ladders), default=0)


def _read(path: str) -> str | None:
    return read(root() / path)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"-?\d{1,18}", text) else None


class Ticks(NamedTuple):
    """counts: user nice system idle iowait irq softirq steal, over all `cpus` since the start."""

    counts: list[int]
    cpus: int


def _ticks() -> Ticks | None:
    """None where nothing is counted, or no idle time, as in some sandboxes."""
    lines = (_read("proc/stat") or "").split("\n")
    fields = lines[0].split()[1:9]
    if len(fields) < 8 or not all(field.isdigit() for field in fields):
        return None
    counts = [int(field) for field in fields]
    # A container may be shown fewer CPUs here than the machine has.
    cpus = sum(bool(re.match(r"cpu\d", line)) for line in lines) or os.cpu_count() or 1
    return Ticks(counts, cpus) if counts[3] + counts[4] > 0 else None


class Sample(NamedTuple):
    """Cores in use, and stolen, over a moment in which this program slept."""

    busy: float
    stolen: float
    ever_stolen: float  # share of all CPU time since the start
    cpus: int = 0  # that this is of


def _sample() -> Sample:
    before, began = _ticks(), time.monotonic()
    time.sleep(SAMPLE_S if before else 0)
    after, seconds = _ticks(), time.monotonic() - began
    if not before or not after or before.cpus != after.cpus:
        return Sample(0.0, 0.0, 0.0)
    tick = os.sysconf("SC_CLK_TCK") * seconds
    spent = [(b - a) / tick for a, b in zip(before.counts, after.counts)]
    # Idle time is counted exactly, the use of it only sampled.
    busy = max(0.0, after.cpus - spent[3] - spent[4] - spent[7])
    if sum(spent) < after.cpus / 2:
        busy = 0.0  # counts that stand still: no real /proc
    return Sample(busy, spent[7], after.counts[7] / max(1, sum(after.counts)), after.cpus)


def _power(_: Subject) -> Iterator[str]:
    mains, batteries = [], []
    for supply in sorted((root() / "sys/class/power_supply").glob("*")):
        kind = _read(f"{supply}/type")
        if kind in ("Mains", "USB"):
            mains.append((kind, _read(f"{supply}/online")))
        elif kind == "Battery" and _read(f"{supply}/scope") != "Device":  # not a mouse's
            batteries.append(_read(f"{supply}/status"))
    plugged = any(online == "1" for _, online in mains)
    if not plugged and (("Mains", "0") in mains or "Discharging" in batteries):
        yield "on battery, which holds the clock down; plug in"


def _heat(_: Subject) -> Iterator[str]:
    zones = (root() / "sys/class/thermal").glob("thermal_zone*/temp")
    degrees = [_number(_read(str(zone))) or 0 for zone in zones]
    hottest = max((d for d in degrees if d < ABSURD), default=0)
    if hottest >= HOT:
        yield f"hot ({hottest // 1000} degrees C), so the clock may be throttled; let it cool"


def _clock(subject: Subject) -> Iterator[str]:
    folder = "sys/devices/system/cpu/cpufreq"
    policies = sorted((root() / folder).glob("policy*"))
    drivers = {_read(f"{policy}/scaling_driver") or "" for policy in policies}
    governors = {_read(f"{policy}/scaling_governor") or "" for policy in policies} - {""}
    saving = {_read(f"{policy}/energy_performance_preference") or "" for policy in policies}
    saving &= {"power", "balance_power"}
    # With these drivers "powersave" is the usual governor, and does not hold the clock down.
    if drivers & {"intel_pstate", "amd-pstate-epp"}:
        governors -= {"powersave"}
    governors -= {"performance"}
    if governors:
        yield (
            f"the frequency governor is {safe(' or '.join(sorted(governors)), 40)}, so the clock "
            "follows the load; sudo cpupower frequency-set -g performance"
        )
    elif saving:
        yield (
            f"the clock is held down to save energy ({', '.join(sorted(saving))}); "
            f"echo performance | sudo tee /{folder}/policy*/energy_performance_preference"
        )
    boost = _read(f"{folder}/boost")
    no_turbo = _read("sys/devices/system/cpu/intel_pstate/no_turbo")
    if subject.several_threads and (boost == "1" or no_turbo == "0"):
        off = f"echo 0 | sudo tee /{folder}/boost"
        if boost is None:
            off = "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"
        yield (
            "boost is on, and one busy core clocks higher than many, which flatters one thread "
            f"against several; for figures of scaling {off}"
        )


def _competition(subject: Subject, sample: Sample) -> Iterator[str]:
    names = set()
    for comm in (root() / "proc").glob("[0-9]*/comm"):
        match = BENCHMARKS.fullmatch(_read(str(comm)) or "")
        if match:
            names.add(match[0])
    if names:
        yield f"another benchmark is running ({safe(', '.join(sorted(names)), 60)}); end it first"
    if sample.busy >= OTHERS:
        cpus = sample.cpus or os.cpu_count()
        yield (
            f"other programs use {sample.busy:.1f} of {cpus} cores now; end them "
            "(`top` names them), or wait"
        )
        if _read("sys/devices/system/cpu/smt/active") == "1":
            yield (
                "SMT is on, so that those programs share cores with what is measured; end them, or "
                "echo off | sudo tee /sys/devices/system/cpu/smt/control"
            )


def _kinds(_: Subject) -> Iterator[str]:
    line = cores.caution(root() / "sys", root() / "proc")
    if line is not None:
        yield line


def _virtual(subject: Subject, sample: Sample) -> Iterator[str]:
    stolen, when = sample.stolen, "now"
    if stolen < STOLEN_NOW:
        cpus = sample.cpus or os.cpu_count() or 1
        stolen, when = sample.ever_stolen * cpus, "on average since its start"
        if sample.ever_stolen < STOLEN_EVER:
            stolen = 0.0
    if stolen:
        yield (
            f"the hypervisor takes {stolen:.2f} of this machine's cores {when}; measure on a "
            "machine of its own, or at a quieter hour"
        )
    words = (_read("proc/cpuinfo") or "").split("\n\n")[0].split()
    unseen = []
    if "hypervisor" in words or _read("sys/hypervisor/type"):
        unseen += ["which of its CPUs share a core"] if subject.several_threads else []
        unseen += ["what its host caches of the disk"] if subject.storage else []
    if unseen:
        yield (
            f"a virtual machine does not show {' or '.join(unseen)}; for figures of "
            "threads or storage measure on the bare machine"
        )


def _space(subject: Subject) -> Iterator[str]:
    total, free = allowance.memory_total() or 0, allowance.memory_available() or 0
    given = allowance.memory_limit()
    little = given is not None and total == given
    cure = "raise the memory limit of its control group" if little else "close programs"
    by_name = {kernel["name"]: kernel for kernel in subject.catalogue["kernels"]}
    lost = 0
    for entry in subject.missing:
        if entry["needs"].endswith(" of memory") and entry["n"] is not None:
            needed = [
                ladder["memory_bytes"]
                for ladder in by_name[entry["kernel"]]["ladders"]
                if (ladder["n"], ladder["input"], ladder["threads"])
                == (entry["n"], entry["input"], entry["threads"])
            ]
            lost += bool(needed) and needed[0] <= 0.7 * total  # it would fit an empty machine
    if lost:
        are = "is" if lost == 1 else "are"
        yield (
            f"{counted(lost, 'ladder')} {are} left out, because only {size(free)} of memory are "
            f"free; {cure}"
        )
    elif total and free < LITTLE_MEMORY * total:
        yield f"only {size(free)} of {size(total)} of memory are free; {cure}"
    pages = re.search(r"\[(\w+)\]", _read("sys/kernel/mm/transparent_hugepage/enabled") or "")
    if pages and pages[1] == "never" and subject.memory >= HUGE_FROM:
        yield (
            "transparent huge pages are off, so that large inputs lie on 4 KiB pages; "
            "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"
        )


def _checkout(_: Subject) -> Iterator[str]:
    line = source.why_no_commit(paths.root())
    if line is not None:
        yield f"the record can't say which commit is measured: {line}"


def _allowed(subject: Subject) -> Iterator[str]:
    """What this process may use is less than the machine has."""
    quota = allowance.quota()
    all_ = counted(allowance.count(), "CPU")
    if quota is not None and quota < allowance.count():
        yield (
            f"a control group gives the time of {quota:.3g} of {all_}, and "
            "stops what takes more: rounds that met that are run again, longer ones are called "
            "disturbed; raise its limit (docker run --cpus, systemd CPUQuota=)"
        )
    needed = [re.fullmatch(r"(\d+) cores", entry["needs"]) for entry in subject.missing]
    few, cpus = allowance.count(), os.cpu_count() or 1
    if few < cpus and any(match and int(match[1]) <= cpus for match in needed):
        yield (
            f"this process may run on {few} of {cpus} CPUs, so ladders of more threads are left "
            "out; start it without taskset, or widen its cpuset"
        )
    if subject.catalogue.get("pinned") is False and subject.catalogue.get("cluster"):
        yield "ranks aren't bound to cores, so they may move and share one"
    elif subject.catalogue.get("pinned") is False:
        yield (
            "threads can't be kept on a core here (sched_setaffinity is refused), so they may move "
            "and share one; allow that system call"
        )


def _build(subject: Subject) -> Iterator[str]:
    build = subject.catalogue["build"]
    kind = build["build_type"]
    if "-fsanitize=" in build["flags"]:
        yield "this build has a sanitizer in it; make bench PRESET=release"
    elif kind.lower() not in ("release", "relwithdebinfo"):
        yield f"this build is not optimized ({safe(kind, 30) or 'no build type'}); " + (
            "make bench PRESET=release"
        )


def found(subject: Subject) -> list[str]:
    """The lines, most serious first, each once."""
    sample = _sample()
    lines = [
        *_build(subject),
        *_checkout(subject),
        *_allowed(subject),
        *_power(subject),
        *_heat(subject),
        *_competition(subject, sample),
        *_virtual(subject, sample),
        *_kinds(subject),
        *_clock(subject),
        *_space(subject),
    ]
    return list(dict.fromkeys(safe(line) for line in lines))
