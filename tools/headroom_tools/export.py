"""A run for other tools: Google Benchmark's JSON, and CSV with a data dictionary.

The unit of evidence is the launch, so each launch is one repetition, or one line. What lies above
its ceiling is left out, as `show` withholds it. Text is anyone's: spreadsheets get no formulas.
"""

from __future__ import annotations

import csv
import io
import math
from statistics import fmean, median, stdev
from typing import Any, Callable, NamedTuple

from headroom_tools import stats
from headroom_tools.base.text import cell_name, csv_text, five, params_text, safe
from headroom_tools.machine.types import Machine
from headroom_tools.record import device as devices, hosts
from headroom_tools.record.cells import Cell, cells_of
from headroom_tools.record.types import Run
from headroom_tools.show.rows import share_of

FORMATS = ("google-benchmark", "csv")
# What Google Benchmark's JSON holds of a cell: its launches as repetitions, then the aggregates
# that Google Benchmark makes of them; or the median alone, for what keeps one number by name.
ENTRIES = ("all", "launches", "aggregates", "median")
# A median whose interval is wider than this factor is no number to hold a threshold against: the
# cell has two levels, or was disturbed. Of 34,850 pairs of medians of identical code (30 ordered
# pairs of runs) 29 differ by more than 2x. Without the wide ones, one in six, the largest
# difference is 1.53x; at 1.3 one pair of 2.1x remains.
STEADY = 1.25
# By Google Benchmark's name: (what it does to values, whether the result is a share of the mean).
_AGGREGATES: dict[str, tuple[Callable[[list[float]], float], bool]] = {
    "mean": (fmean, False),
    "median": (median, False),
    "stddev": (stdev, False),
    "cv": (lambda values: stdev(values) / fmean(values) if fmean(values) else 0.0, True),
}


def _device(cell: Cell) -> str:
    return devices.told(cell.device) if cell.device else ""


def _withheld(cell: Cell) -> bool:
    share = share_of(cell) if cell.of_ceiling else None
    return bool(share and share.impossible)


def _own_ladders(run: Run) -> tuple[list[Cell], int]:
    """(the cells that may be shown, each once; how many were withheld).

    The one-thread row of a sweep stands in every ladder of it: its own one counts.
    """
    cells = cells_of(run)
    chosen: dict[tuple[object, ...], Cell] = {}
    for cell in cells:
        key = (name_of(cell), cell.input, cell.threads)
        known = chosen.get(key)
        own = cell.ladder_threads == cell.threads
        if known is None or (own and known.ladder_threads != known.threads):
            chosen[key] = cell
    kept = [cell for cell in chosen.values() if not _withheld(cell)]
    return kept, len(chosen) - len(kept)


def name_of(cell: Cell) -> str:
    """CELL as the benchmark program names it: what a kernel doesn't vary is left out."""
    inputs, threads = len(cell.kernel["inputs"]) > 1, len(cell.kernel["threads"]) > 1
    return cell_name(
        cell.kernel["name"],
        cell.variant,
        cell.n,
        cell.input if inputs else None,
        cell.threads if threads else None,
        cell.params,
    )


def steady(times: list[float]) -> bool:
    """Whether the launches of a cell agree on their median to within STEADY; those that are too few
    for an interval don't."""
    found = stats.order_interval([math.log(ns) for ns in times])
    return found is not None and found.hi - found.lo <= math.log(STEADY)


def _entries(cell: Cell, family: int, member: int) -> list[dict[str, Any]]:
    """A cell's launches as the repetitions of a benchmark."""
    triples = zip(cell.median, cell.measured, cell.log_ratio)
    launches = [(ns, value, ratio) for ns, value, ratio in triples if ns]
    name = name_of(cell)
    found = []
    for index, (ns, value, ratio) in enumerate(launches):
        entry: dict[str, Any] = {
            "name": name,
            "family_index": family,
            "per_family_instance_index": member,
            "run_name": name,
            "run_type": "iteration",
            "repetitions": len(launches),
            "repetition_index": index,
            "threads": cell.threads,
            "iterations": 1,
            "real_time": ns,
            "cpu_time": ns,
            "time_unit": "ns",
            "label": ", ".join(filter(None, (f"{cell.clock} clock", cell.mark, _device(cell)))),
            "items_per_second": five(cell.items / ns * 1e9),
        }
        if not cell.by_time and value is not None:
            entry[cell.measure["name"]] = value
        if cell.bytes:
            entry["bytes_per_second"] = five(cell.bytes / ns * 1e9)
        if ratio is not None and not cell.is_baseline(cell.baseline) and not cell.beside:
            entry["speedup"] = five(math.exp(ratio))
        found.append(entry)
    return found


# What an entry has beside numbers that are measured.
_FIXED = (
    "name",
    "family_index",
    "per_family_instance_index",
    "run_name",
    "run_type",
    "repetitions",
    "repetition_index",
    "threads",
    "iterations",
    "time_unit",
    "label",
)


def _aggregates(launches: list[dict[str, Any]], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """What Google Benchmark makes of a benchmark's repetitions; of one it makes nothing."""
    if len(launches) < 2:
        return []
    first = launches[0]
    measured = [name for name in first if name not in _FIXED]
    found = []
    for name in names:
        made, is_share = _AGGREGATES[name]
        own = [key for key in _FIXED if key not in ("repetition_index", "time_unit")]
        entry = {key: first[key] for key in own}
        entry.update(
            name=f"{first['name']}_{name}",
            run_type="aggregate",
            iterations=len(launches),
            aggregate_name=name,
            aggregate_unit="percentage" if is_share else "time",
        )
        for key in measured:
            values = [launch[key] for launch in launches if key in launch]
            entry[key] = five(made(values)) if len(values) > 1 else five(values[0])
        entry["time_unit"] = first["time_unit"]
        found.append(entry)
    return found


def google_benchmark(run: Run, machine: Machine, what: str = "all") -> dict[str, object]:
    """The run as Google Benchmark's JSON. what: of ENTRIES.

    A record keeps each ladder's reported clock alone: `real_time` and `cpu_time` both have it, and
    the benchmark's label says which it is.
    """
    cells, withheld = _own_ladders(run)
    families: dict[str, int] = {}
    members: dict[int, int] = {}
    benchmarks: list[dict[str, Any]] = []
    unsteady = 0
    for cell in cells:
        family = families.setdefault(f"{cell.kernel['name']}/{cell.variant}", len(families))
        member = members[family] = members.get(family, -1) + 1
        launches = _entries(cell, family, member)
        if what in ("all", "launches"):
            benchmarks += launches
        if what in ("all", "aggregates"):
            benchmarks += _aggregates(launches, tuple(_AGGREGATES))
        if what == "median" and launches:
            if steady([launch["real_time"] for launch in launches]):
                benchmarks += _aggregates(launches, ("median",))
            else:
                unsteady += 1
    cpu = machine["cpu"]
    kinds = {"Data": "Data", "Instruction": "Instruction"}
    return {
        "context": {
            "date": run["started"],
            "host_name": run["machine"],
            "executable": "headroom-bench",
            "num_cpus": cpu["threads"] or run["threads_available"],
            "mhz_per_cpu": cpu["max_mhz"] or 0,
            "cpu_scaling_enabled": cpu["governor"] not in (None, "performance"),
            "caches": [
                {
                    "type": kinds.get(cache["kind"] or "", "Unified"),
                    "level": cache["level"] or 0,
                    "size": cache["bytes"],
                    "num_sharing": cache["shared_by"] or 0,
                }
                for cache in cpu["caches"]
                if cache["bytes"]
            ],
            "load_avg": [],
            "library_build_type": "debug" if run["build"]["benchmark_library_debug"] else "release",
            "headroom_run": run["name"],
            "headroom_label": run["label"],
            "headroom_commit": run["commit"] or "none",
            "headroom_compiler": safe(run["build"]["compiler"]),
            "headroom_flags": safe(run["build"]["flags"], 1000),
            "headroom_withheld": str(withheld),
            "headroom_unsteady": str(unsteady),
        },
        "benchmarks": benchmarks,
    }


class Column(NamedTuple):
    """A column of the CSV. unit: of its numbers, empty for text."""

    name: str
    type: str
    unit: str
    meaning: str


DICTIONARY = (
    Column("run", "text", "", "name of the run: start (UTC), commit, label"),
    Column("machine", "text", "", "slug of the machine, or the name that was given with --machine"),
    Column("label", "text", "", "label of the run"),
    Column("kernel", "text", "", "group/name of the problem"),
    Column("axis", "text", "", "the resource that the kernel leans on"),
    Column("variant", "text", "", "the way it is solved"),
    Column("role", "text", "", "baseline (the others are held against it), optimized, or peer"),
    Column("lacks", "text", "", "what the baseline promises and the variant doesn't, by blanks"),
    Column("n", "integer", "", "size of the problem"),
    Column("input", "text", "", "kind of input"),
    Column("threads", "integer", "threads", "threads that the variant ran on"),
    Column("params", "text", "", "further coordinates, as clients:16/value_bytes:128"),
    Column("ladder_threads", "integer", "threads", "threads of the ladder that the line stands in: "
           "the one-thread baseline stands in every ladder of a sweep"),
    Column("baseline", "text", "", "the variant that log_ratio compares with"),
    Column("clock", "text", "", "cpu (thread CPU time) or wall: what all times of the line are by"),
    Column("items", "number", "items", "items that one call works on"),
    Column("bytes", "number", "B", "bytes that one call moves at least; 0 where that has no sense"),
    Column("working_set", "integer", "B", "bytes that calls come back to"),
    Column("launch", "integer", "", "process of the benchmark program, from 1; lines of one launch "
           "and kernel are paired"),
    Column("median_ns", "number", "ns", "time of a call: median over the launch's rounds"),
    Column("p10_ns", "number", "ns", "time of a call: 10th percentile over the launch's rounds"),
    Column("min_ns", "number", "ns", "time of a call: shortest of the launch's rounds"),
    Column("ns_per_item", "number", "ns", "median_ns over items"),
    Column("measure", "text", "", "what the ladder is judged by: time, or a quantity like p99"),
    Column("better", "text", "", "less or more: which of it is better"),
    Column("unit", "text", "", "the unit of value"),
    Column("value", "number", "unit", "what the launch came to by the measure"),
    Column("simulated", "text", "", "empty where value was measured; simulated: in simulated time, "
           "the same on every machine (times are then of the simulation itself); or simulated, "
           "beyond the validated range"),
    Column("log_ratio", "number", "ln", "median over rounds of ln(baseline's time / this time), or "
           "of the measure, above 0 where this is better: its exponential is the launch's speedup"),
    Column("probe", "text", "", "probe that bounds the ladder, empty where there is none"),
    Column("ceiling_ns", "number", "ns", "the shortest time of a call that the probe leaves"),
    Column("placebo", "text", "", "noise class, where the kernel is a placebo"),
    Column("build_ns", "number", "ns", "what making the variant's State took, if it has one"),
    Column("alone_ns", "number", "ns", "time of a call of the variant run alone; no launch's own"),
    Column("device", "text", "", "what OpenCL ran it on, empty for the CPU's own code; a CPU that "
           "OpenCL runs on is told as one"),
    Column("hosts", "text", "", "on how many hosts the ranks of an MPI job were, empty where it "
           "was none; on one host messages went through memory"),
)  # fmt: skip


def csv_rows(run: Run) -> list[dict[str, object]]:
    """A row for each cell and launch that gave something, with the columns of DICTIONARY."""
    rows = []
    for cell in cells_of(run):
        if _withheld(cell):
            continue
        common = {
            "run": run["name"],
            "machine": run["machine"],
            "label": run["label"],
            "kernel": cell.kernel["name"],
            "axis": cell.axis,
            "variant": cell.variant,
            "role": cell.role,
            "lacks": " ".join(cell.lacks),
            "n": cell.n,
            "input": cell.input,
            "threads": cell.threads,
            "params": params_text(cell.params),
            "ladder_threads": cell.ladder_threads,
            "baseline": cell.baseline,
            "clock": cell.clock,
            "items": cell.items,
            "bytes": cell.bytes,
            "working_set": cell.working_set,
        }
        for at, ns in enumerate(cell.median):
            if ns is None:
                continue
            rows.append(
                {
                    **common,
                    "launch": at + 1,
                    "median_ns": ns,
                    "p10_ns": cell.p10[at],
                    "min_ns": cell.min[at],
                    "ns_per_item": five(ns / cell.items),
                    "measure": cell.measure["name"],
                    "better": cell.measure["better"],
                    "unit": cell.measure["unit"],
                    "value": cell.measured[at],
                    "simulated": cell.mark if cell.simulated else "",
                    "log_ratio": cell.log_ratio[at],
                    "probe": cell.probe,
                    "ceiling_ns": cell.ceiling[at] if cell.ceiling else None,
                    "placebo": cell.kernel["placebo"],
                    "build_ns": cell.build_ns[at] if cell.build_ns else None,
                    "alone_ns": cell.alone_ns,
                    "device": _device(cell),
                    "hosts": hosts.told(cell.hosts),
                }
            )
    return rows


def _csv(names: list[str], rows: list[list[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        told = ["" if v is None else csv_text(v) if isinstance(v, str) else v for v in row]
        writer.writerow(told)
    return out.getvalue()


def as_csv(run: Run) -> str:
    """`csv_rows` as text."""
    names = [column.name for column in DICTIONARY]
    return _csv(names, [[row[name] for name in names] for row in csv_rows(run)])


def dictionary_csv() -> str:
    """The data dictionary of `as_csv`, itself as CSV."""
    return _csv(list(Column._fields), [list(column) for column in DICTIONARY])
