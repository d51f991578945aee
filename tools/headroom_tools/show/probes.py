"""The machine's own figures: what a run's probes say, as rows and as a page for a person."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from headroom_tools import stats
from headroom_tools.base import paths, terminal
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import rate_of, size, three_digits, time_of
from headroom_tools.machine.types import Machine
from headroom_tools.record import device as devices
from headroom_tools.record.cells import Cell, cells_of, of_launches
from headroom_tools.record.types import Device, Run
from headroom_tools.record.validate import load

RUNS_READ = 20  # the newest runs that are looked through for probes of this machine
# Probes whose variants are different things rather than ways to the same one.
APART = ("machine/core_to_core",)


class Probe(NamedTuple):
    """One figure. value: in `unit` (B/s, FLOP/s, Hz, ns), the best of the variants; lo, hi: its
    order-statistic interval over the launches, None with too few of them."""

    probe: str
    variant: str
    n: int
    input: str
    threads: int
    unit: str
    value: float
    lo: float | None
    hi: float | None
    device: Device | None = None


def _figure(cell: Cell, ns: float) -> float:
    """A cell's time of a call in the unit of its probe."""
    unit = cell.kernel["unit"]
    if unit == "ns":
        return ns / cell.items
    amount = {"B/s": cell.bytes, "FLOP/s": cell.flops, "Hz": cell.items}[unit]
    return amount / ns * 1e9


def probes_of(run: Run) -> list[Probe]:
    """The figures of a run, in the catalogue's order."""
    best: dict[tuple[str, int, str, int, str], Probe] = {}
    for cell in cells_of(run):
        values = of_launches(cell.median)
        if not cell.kernel["probe"] or not cell.kernel.get("unit") or not values:
            continue
        figures = [_figure(cell, ns) for ns in values]
        interval = stats.order_interval(figures)
        name = cell.kernel["name"]
        probe = Probe(
            name, cell.variant, cell.n, cell.input, cell.threads, cell.kernel["unit"],
            stats.median(figures), interval.lo if interval else None,
            interval.hi if interval else None, cell.device,
        )  # fmt: skip
        key = (name, cell.n, cell.input, cell.threads, cell.variant if name in APART else "")
        known = best.get(key)
        lower = probe.unit == "ns"
        if known is None or (probe.value < known.value) == lower:
            best[key] = probe
    return list(best.values())


def newest_of(slug: str) -> Path | None:
    """The newest run of machine `slug` that measured probes; None where there is none."""
    found = paths.complete_runs(paths.results())
    found += [path.parent for path in paths.runs().glob("*/run.json")]
    found.sort(key=lambda path: path.name, reverse=True)
    for folder in found[:RUNS_READ]:
        try:
            run = load(folder)[0]
        except HeadroomError:
            continue
        if run["machine"] == slug and any(kernel.get("unit") for kernel in run["kernels"]):
            return folder
    return None


# --- the page

_MEMORY = (
    # heading, probe, input
    ("read", "machine/read", "default"),
    ("write", "machine/write", "default"),
    ("copy", "machine/copy", "default"),
    ("triad", "machine/triad", "default"),
    ("latency", "machine/latency", "huge_pages"),
    ("4 KiB pages", "machine/latency", "small_pages"),
    ("misses together", "machine/miss_throughput", "huge_pages"),
)
_WORDS = {
    "machine/clock": "core clock",
    "machine/int_add": "32-bit integer adds",
    "machine/fma": "fused multiply-add",
    "machine/overhead": "empty kernel",
    "machine/mispredict": "branch mispredicted",
    "machine/syscall": "system call",
    "machine/context_switch": "context switch",
    "machine/thread_start": "thread start and join",
    "machine/clock_read": "clock read",
    "machine/openmp_region": "OpenMP region",
    "machine/malloc_free": "malloc and free",
    "machine/first_touch": "first touch of 4 KiB",
    "machine/core_to_core": "core to core and back",
    "machine/loopback": "loopback round trip",
    "machine/page_cache_read": "page cache, read",
    "machine/disk_sequential": "disk, 1 MiB at a time",
    "machine/disk_random": "disk, random 4 KiB reads",
    "machine/disk_sync": "disk, 4 KiB and sync",
    "machine/device_launch": "device, a launch",
    "machine/device_copy": "device, copies",
    "machine/device_read": "device memory, read",
    "machine/device_fma": "device, multiply-adds",
}


def value_of(probe: Probe) -> str:
    """A figure with its unit, as people read it."""
    if probe.unit == "ns":
        return time_of(probe.value)
    if probe.unit == "B/s":
        return rate_of(probe.value)
    clock = probe.probe == "machine/clock"
    return scaled(probe.value, "FLOP/s" if probe.unit == "FLOP/s" else "Hz" if clock else "/s")


def scaled(value: float, unit: str) -> str:
    """`281 GFLOP/s`: a figure with a decimal prefix."""
    for prefix in ("", "k", "M", "G"):
        if value < 999.5:
            return f"{three_digits(value)} {prefix}{unit}"
        value /= 1000
    return f"{three_digits(value)} T{unit}"


def level_of(n: int, threads: int, machine: Machine) -> str:
    """The smallest data cache that holds n bytes, shared out to threads; or memory."""
    caches = [
        cache
        for cache in machine["cpu"]["caches"]
        if cache["bytes"] and (cache["kind"] or "").lower() != "instruction"
    ]
    for cache in sorted(caches, key=lambda cache: cache["level"] or 0):
        own = n / threads if cache["shared_by"] in (None, 1) else n
        if own <= (cache["bytes"] or 0):
            return f"L{cache['level']}"
    return "memory"


def print_probes(probes: list[Probe], machine: Machine, name: str, to: Console) -> None:
    """The figures as two tables: memory by working set, then all others."""
    to.print()
    terminal.title(to, "measured", f"medians of {name}; of several ways to one thing, the best")
    to.print()
    _print_memory(probes, machine, to)
    in_memory = {probe for _, probe, _ in _MEMORY}
    table = terminal.Table("<<<>>")
    last = ""
    for told in dict.fromkeys(devices.told(probe.device) for probe in probes if probe.device):
        table.heading((f"device: what OpenCL runs {told}", "magenta"))
    for probe in probes:
        if probe.probe in in_memory:
            continue
        words = _WORDS.get(probe.probe, probe.probe)
        label = [] if probe.input == "default" else [probe.input]
        if probe.probe == "machine/first_touch":
            label.append(f"of {size(probe.n)}")
        if probe.probe in ("machine/page_cache_read", "machine/device_copy", "machine/device_read"):
            label.append(size(probe.n))
        sweeps = {other.threads for other in probes if other.probe == probe.probe}
        if len(sweeps) > 1:
            label.append(f"{probe.threads} thread" + ("s" if probe.threads > 1 else ""))
        variant = "" if probe.variant == "probe" else probe.variant
        bounds = ""
        if probe.lo is not None and probe.hi is not None:
            bounds = " .. ".join(value_of(probe._replace(value=v)) for v in (probe.lo, probe.hi))
        table.row(
            "" if words == last else words, (" · ".join(label), "cyan"), (variant, "dim"),
            (value_of(probe), "bold"), (bounds, "dim"),
        )  # fmt: skip
        last = words
    table.print(to)


def _print_memory(probes: list[Probe], machine: Machine, to: Console) -> None:
    by_key = {(p.probe, p.input, p.n, p.threads): p for p in probes}
    rows = sorted(
        {(p.threads, p.n) for p in probes if p.probe in {probe for _, probe, _ in _MEMORY}}
    )
    if not rows:
        return
    table = terminal.Table("<<<" + ">" * len(_MEMORY))
    heads = ("", "set", "threads", *(name for name, _, _ in _MEMORY))
    table.row(*((text, "dim") for text in heads))
    for threads, n in rows:
        found = [by_key.get((probe, name, n, threads)) for _, probe, name in _MEMORY]
        table.row(
            (level_of(n, threads, machine), "cyan"), size(n), f"{threads}",
            *(value_of(probe) if probe else "" for probe in found),
        )  # fmt: skip
    table.print(to)
    to.print()
