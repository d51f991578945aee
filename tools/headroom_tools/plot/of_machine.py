"""Pictures of the machine: the memory mountain, and the roofline with what runs below it."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import NamedTuple

from headroom_tools.base.text import rate_of, safe, size, time_of
from headroom_tools.plot.spec import Axis, Chart, Point, Series
from headroom_tools.plot.style import BASELINE, LIMIT
from headroom_tools.plot.view import View, caches_of, series_told, usable
from headroom_tools.show import probes as probes_
from headroom_tools.show.probes import Probe
from headroom_tools.show.rows import Row

_BANDWIDTHS = (("read", "machine/read"), ("write", "machine/write"), ("copy", "machine/copy"),
               ("triad", "machine/triad"))  # fmt: skip
_LATENCIES = (
    ("latency, huge pages", "machine/latency", "huge_pages"),
    ("latency, 4 KiB pages", "machine/latency", "small_pages"),
    ("misses together", "machine/miss_throughput", "huge_pages"),
)
ROLES = ("baseline", "optimized", "peer", "standard")
LABELS = 12  # points of the roofline that are named in it


def _point(probe: Probe) -> Point:
    value = probes_.value_of(probe)
    return Point(float(probe.n), probe.value, probe.lo, probe.hi, f"{size(probe.n)}: {value}")


def memory(view: View) -> list[Chart]:
    """The memory mountain: bandwidth and latency against working set."""
    name = safe(view.run["machine"])
    by_probe: dict[tuple[str, str, int], list[Probe]] = defaultdict(list)
    for probe in view.probes:
        by_probe[probe.probe, probe.input, probe.threads].append(probe)
    series: list[Series] = []
    counts = sorted({p.threads for p in view.probes if p.probe in dict(_BANDWIDTHS).values()})
    for dash, threads in enumerate((counts[:1] + counts[-1:])[: len(counts)]):
        for index, (words, name_) in enumerate(_BANDWIDTHS):
            points = usable([_point(p) for p in by_probe.get((name_, "default", threads), [])])
            on = "1 thread" if threads == 1 else f"{threads} threads"
            if points:
                series.append(Series(f"{words}, {on}", sorted(points), index, dash))
    charts = []
    set_ = Axis("working set", "bytes", True)
    guides = caches_of(view.machine)
    if series:
        charts.append(Chart(
            f"{name}: bandwidth", "Memory bandwidth against working set: "
            + series_told(series, rate_of),
            set_, Axis("bandwidth", "B/s", True), series, guides,
        ))  # fmt: skip
    series = []
    for index, (words, name_, input_) in enumerate(_LATENCIES):
        points = usable([_point(p) for p in by_probe.get((name_, input_, 1), [])])
        if points:
            series.append(Series(words, sorted(points), index))
    if series:
        charts.append(Chart(
            f"{name}: latency", "Time of a load against working set: "
            + series_told(series, time_of),
            set_, Axis("time of a load", "ns", True), series, guides,
        ))  # fmt: skip
    return charts


class Roof(NamedTuple):
    """A limit of the roofline: bandwidth (B/s) or, with `peak`, FLOP/s."""

    name: str
    value: float
    peak: bool
    threads: int


class _Work(NamedTuple):
    """A row that does floating-point work. flops: a second."""

    row: Row
    intensity: float
    flops: float


def roofs_of(view: View) -> list[Roof]:
    """The machine's ceilings: read bandwidth by level, multiply-adds by type and threads."""
    found = []
    counts = sorted({p.threads for p in view.probes if p.probe in ("machine/fma", "machine/read")})
    for threads in counts[:1] + counts[-1:][: len(counts) - 1]:
        for probe in view.probes:
            if probe.threads != threads or not probe.value > 0:
                continue
            if probe.probe == "machine/read":
                level = probes_.level_of(probe.n, threads, view.machine)
                found.append(Roof(f"{level} {rate_of(probe.value)}", probe.value, False, threads))
            elif probe.probe == "machine/fma":
                told = probes_.value_of(probe)
                found.append(Roof(f"{probe.input} {told}", probe.value, True, threads))
    return found


def roofline(view: View) -> list[Chart]:
    """Every variant that does floating-point work, under what the machine's probes leave."""
    roofs = roofs_of(view)
    peaks = [roof.value for roof in roofs if roof.peak]
    slopes = [roof.value for roof in roofs if not roof.peak]
    works = [
        _Work(row, row.intensity, row.flops_per_second)
        for row in view.claims
        if row.intensity and row.flops_per_second and not row.impossible
    ]
    if not (peaks and slopes):
        return []
    ridge = max(peaks) / min(slopes)
    xs = [work.intensity for work in works]
    lo = min([*xs, min(peaks) / max(slopes)]) / 16  # room for the names of the roofs
    hi = max([*xs, ridge]) * 2
    if not (0 < lo < hi < math.inf) or hi / lo > 1e12:
        return []
    series: list[Series] = []
    labels: list[Point] = []
    for roof in roofs:
        top = max((p.value for p in roofs if p.peak and p.threads == roof.threads), default=None)
        if top is None:
            continue
        first = roof.threads == min(r.threads for r in roofs)
        if roof.peak:
            ends = [(lo, roof.value), (hi, roof.value)]
        else:
            corner = min(max(top / roof.value, lo), hi)
            ends = [(lo, min(top, lo * roof.value)), (corner, min(top, corner * roof.value))]
        on = "1 thread" if roof.threads == 1 else f"{roof.threads} threads"
        points = [Point(x, y, name=f"{roof.name}, {on}") for x, y in ends]
        name = f"limits of {on}"
        name = "" if name in {one.name for one in series} else name
        series.append(Series(name, points, LIMIT, 0 if first else 1, False))
        # Slopes lie close together: how they are drawn tells the threads.
        labels.append(points[0] if roof.peak else points[0]._replace(name=roof.name))
    for at, role in enumerate(ROLES):
        points = [
            Point(work.intensity, work.flops, name=_full_name(work.row))
            for work in works if work.row.cell.role == role
        ]  # fmt: skip
        if points:
            series.append(Series(role, usable(points), BASELINE if at == 0 else at - 1, None))
    best: dict[str, _Work] = {}
    for work in works:
        kernel = work.row.cell.kernel["name"]
        if kernel not in best or work.flops > best[kernel].flops:
            best[kernel] = work
    named = sorted(best.items(), key=lambda item: -item[1].flops)[:LABELS]
    labels = [Point(work.intensity, work.flops, name=kernel) for kernel, work in named] + labels
    about = f"Roofline of {len(works)} variants: arithmetic intensity against operations a second."
    return [Chart(
        f"{safe(view.run['machine'])} · {safe(view.run['label'])}: roofline", about,
        Axis("FLOP a byte that has to move", "number", True), Axis("FLOP/s", "FLOP/s", True),
        series, [], labels,
    )]  # fmt: skip


def _full_name(row: Row) -> str:
    return f"{row.cell.kernel['name']}/{row.cell.variant} {row.cell.place}"
