"""What changed between two runs: rule 8 of DESIGN.md. Across runs nothing is paired."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from headroom_tools import record, stats, terminal
from headroom_tools.errors import HeadroomError
from headroom_tools.record import Cell
from headroom_tools.show import BAND, MOVED, _VERDICT_STYLE, noise_floors, of_launches
from headroom_tools.text import ladder_label, safe, three_digits, time_of

# The half-width, in logs, that covers 95% of the runs of one machine and configuration, where too
# few runs were kept to tell.
_DEFAULT_SPREAD = {
    **dict.fromkeys(("scalar", "simd", "cores", "cache"), math.log(1.05)),
    **dict.fromkeys(("memory-bandwidth", "memory-latency", "coherence"), math.log(1.10)),
    **dict.fromkeys(
        ("storage-sequential", "storage-random", "storage-sync", "syscall", "network"),
        math.log(1.25),
    ),
}
RUNS_FOR_SPREAD = 3
SIBLINGS = 8  # runs read at most, and their bytes: to stay under a second
SIBLING_BYTES = 2 << 20
RESAMPLES = 400
# What an upgrade can touch; `cpu` and any other word touch everything.
_TOUCHES = {
    "disk": {"storage-sequential", "storage-random", "storage-sync"},
    "ram": {"memory-bandwidth", "memory-latency", "cache", "coherence", "cores", "simd"},
    "network": {"network"},
}
_PARTS = {"cpu": "cpu", "ram": "ram", "disk": "disk"}


class Side(NamedTuple):
    """One side of a comparison. cells: by CELL. spread: by axis, half-width in logs."""

    name: str
    run: dict
    machine: dict
    cells: dict[tuple, Cell]
    floors: dict[str, float]
    spread: dict[str, float]
    repeats: int


def _cells(run: dict) -> tuple[dict[tuple, Cell], dict[str, float]]:
    """A run's cells by CELL, each once (of its own ladder where it stands in several)."""
    rows = record.cells_of(run)
    chosen: dict[tuple, Cell] = {}
    for cell in rows:
        key = tuple(cell.key().values())
        known = chosen.get(key)
        own = cell.ladder_threads == cell.threads
        if known is None or (own and known.ladder_threads != known.threads):
            chosen[key] = cell
    return chosen, noise_floors(rows)


def logs(cell: Cell) -> list[float]:
    """The logarithms of the launches' medians."""
    return [math.log(value) for value in of_launches(cell.median) if value > 0]


def configuration(run: dict) -> tuple:
    """What must be equal for two runs to be repeats of each other."""
    build = run["build"]
    return (
        run["machine"],
        run["profile"],
        build["compiler"],
        build["flags"],
        build["isa"],
        run["simd"]["asked"],
        tuple(run["simd"]["taken"]),
        tuple((kernel["name"], kernel["source_hash"]) for kernel in run["kernels"]),
    )


def _repeats(folder: Path, run: dict) -> list[dict]:
    """Other runs beside `folder` of the same machine and configuration, newest first."""
    found = []
    beside = sorted(folder.resolve().parent.glob("*/run.json"), reverse=True)
    left = SIBLING_BYTES
    for path in [path for path in beside if path.parent != folder.resolve()][:SIBLINGS]:
        try:
            left -= path.stat().st_size
            if left < 0:
                break
            other = record.load(path.parent)[0]
        except (HeadroomError, OSError):
            continue  # a damaged neighbour is no reason to refuse these two
        if configuration(other) == configuration(run):
            found.append(other)
    return found


def spreads(runs: list[dict]) -> dict[str, float]:
    """Between-run spread by axis, in logs, pooled over cells; {} for fewer than 3 runs."""
    if len(runs) < RUNS_FOR_SPREAD:
        return {}
    tables = [_cells(run)[0] for run in runs]
    variances: dict[str, list[float]] = defaultdict(list)
    for key, cell in tables[0].items():
        values = [logs(table[key]) for table in tables if key in table]
        if len(values) == len(runs) and all(values):
            _, variance = stats.mean_and_variance([sum(v) / len(v) for v in values])
            variances[cell.kernel["axis"]].append(variance)
    reach = stats.t_quantile(len(runs) - 1)
    return {axis: reach * math.sqrt(sum(v) / len(v)) for axis, v in variances.items()}


def side(folder: Path) -> Side:
    """Reads a run folder, and what its repeats say of the drift between runs."""
    run, machine = record.load(folder)
    repeats = _repeats(folder, run)
    cells, floors = _cells(run)
    return Side(
        safe(folder.name, 80), run, machine, cells, floors, spreads([run, *repeats]), len(repeats)
    )


def _spread(side_: Side, axis: str) -> float:
    return side_.spread.get(axis, _DEFAULT_SPREAD[axis])


def rows_of(base: Side, new: Side, band: float = BAND) -> list[dict]:
    """One row for each cell that both sides have: ratio > 1 means that NEW is faster."""
    rows = []
    for key, old in base.cells.items():
        cell = new.cells.get(key)
        if cell is None:
            continue
        old_logs, new_logs = logs(old), logs(cell)
        if not old_logs or not new_logs:
            continue
        axis = cell.kernel["axis"]
        difference = stats.welch(old_logs, new_logs)
        base_ns, new_ns = median(of_launches(old.median)), median(of_launches(cell.median))
        lo = hi = verdict = None
        ratio = base_ns / new_ns
        if difference is not None:
            interval = stats.widened(difference, _spread(base, axis), _spread(new, axis))
            class_ = cell.kernel["noise_class"]
            floor = max(base.floors.get(class_, 1.0), new.floors.get(class_, 1.0))
            ratio, lo, hi = (math.exp(v) for v in (difference.mean, interval.lo, interval.hi))
            verdict = stats.verdict([interval], max(band, floor - 1))
        rows.append(
            {
                **cell.key(),
                "axis": axis,
                "base_ns": base_ns,
                "new_ns": new_ns,
                "ratio": ratio,
                "lo": lo,
                "hi": hi,
                "verdict": verdict,
            }
        )
    return rows


def axes_of(base: Side, new: Side, rows: list[dict]) -> list[dict]:
    """The geometric mean of each axis's kernels, each counting once, with an interval.

    The interval is a bootstrap over launches (a launch of all kernels is drawn as one, since what
    disturbs a pass disturbs all of it), widened by both sides' spread between runs, which the
    kernels of an axis share. Placebos and probes don't count.
    """
    by_axis: dict[str, dict[str, list[tuple]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        key = tuple(row[name] for name in ("kernel", "variant", "n", "input", "threads"))
        kernel = new.cells[key].kernel
        if not kernel["placebo"] and not kernel["probe"]:
            by_axis[row["axis"]][row["kernel"]].append(key)
    known: dict[str, set] = defaultdict(set)
    for table in (base.cells, new.cells):
        for cell in table.values():
            if not cell.kernel["placebo"] and not cell.kernel["probe"]:
                known[cell.kernel["axis"]].add(cell.kernel["name"])
    draw = random.Random(1)
    axes = []
    for axis, kernels in sorted(by_axis.items()):
        sides = []
        for table in (base.cells, new.cells):
            sides.append(
                _profile_of_launches([[table[k] for k in keys] for keys in kernels.values()])
            )
        ratio = sum(sides[0]) / len(sides[0]) - sum(sides[1]) / len(sides[1])
        entry = {"axis": axis, "ratio": math.exp(ratio), "lo": None, "hi": None}
        if min(len(values) for values in sides) >= 2:
            means = sorted(
                _resampled(sides[0], draw) - _resampled(sides[1], draw) for _ in range(RESAMPLES)
            )
            below = ratio - means[int(0.025 * RESAMPLES)]
            above = means[int(0.975 * RESAMPLES)] - ratio
            drift = _spread(base, axis) ** 2 + _spread(new, axis) ** 2
            entry["lo"] = math.exp(ratio - math.sqrt(below**2 + drift))
            entry["hi"] = math.exp(ratio + math.sqrt(above**2 + drift))
        axes.append({**entry, "kernels": len(kernels), "of": len(known[axis])})
    return axes


def _profile_of_launches(kernels: list[list[Cell]]) -> list[float]:
    """By launch, the mean over kernels of the mean over cells of log times.

    Each cell's missing launches are filled with its mean, so that every launch weighs alike.
    """
    total: list[float] = []
    for cells in kernels:
        for cell in cells:
            values = logs(cell)
            mean = sum(values) / len(values)
            filled = [math.log(v) if v else mean for v in cell.median]
            total = total or [0.0] * len(filled)
            weight = 1 / (len(kernels) * len(cells))
            for index, value in enumerate(filled):
                total[index] += weight * value
    return total


def _resampled(values: list[float], draw: random.Random) -> float:
    return sum(draw.choices(values, k=len(values))) / len(values)


def _flat(tree: object, prefix: str = "") -> dict[str, object]:
    if isinstance(tree, dict):
        return {
            key: value
            for name, inner in tree.items()
            for key, value in _flat(inner, f"{prefix}.{name}" if prefix else name).items()
        }
    return {prefix: tree}


def changed(base: Side, new: Side) -> list[dict]:
    """What differs between the machines and configurations: [{"field", "base", "new"}]."""
    found = []
    skip = {"slug", "format", "version"}
    old, now = _flat(base.machine), _flat(new.machine)
    for field in [f for f in dict.fromkeys([*old, *now]) if f not in skip]:
        if old.get(field) != now.get(field):
            found.append(
                {"field": field, "base": _brief(old.get(field)), "new": _brief(now.get(field))}
            )
    for name, of in (
        ("compiler", lambda run: run["build"]["compiler"]),
        ("flags", lambda run: run["build"]["flags"]),
        ("build_type", lambda run: run["build"]["build_type"]),
        ("isa", lambda run: run["build"]["isa"]),
        ("simd", lambda run: ", ".join(run["simd"]["taken"])),
        ("profile", lambda run: run["profile"]),
        ("commit", lambda run: (run["commit"] or "none")[:12]),
    ):
        if of(base.run) != of(new.run):
            found.append({"field": name, "base": of(base.run), "new": of(new.run)})
    old, now = base.run["libraries"], new.run["libraries"]
    for name in sorted({*old, *now}):
        if old.get(name) != now.get(name):
            found.append(
                {"field": f"libraries.{name}", "base": old.get(name), "new": now.get(name)}
            )
    return found


def _brief(value: object) -> object:
    if isinstance(value, (list, dict)):
        return safe(value, 120)
    return value


def warnings(base: Side, new: Side, differences: list[dict], axes: list[dict]) -> list[str]:
    """What a reader must know before believing the numbers, one line each."""
    lines = []
    fields = {entry["field"]: entry for entry in differences}
    for name in ("compiler", "flags", "isa", "simd", "profile"):
        if name in fields:
            lines.append(f"{name} differs: {fields[name]['base']} against {fields[name]['new']}")
    hashes = [{k["name"]: k["source_hash"] for k in side_.run["kernels"]} for side_ in (base, new)]
    differing = sorted(n for n in hashes[0] if n in hashes[1] and hashes[0][n] != hashes[1][n])
    if differing:
        lines.append(
            f"other source code was measured in {', '.join(differing[:8])}"
            + (f" and {len(differing) - 8} more" if len(differing) > 8 else "")
        )
    elif "commit" in fields:
        lines.append("the commits differ, but the kernels' sources don't")
    for side_ in (base, new):
        if side_.run["dirty"]:
            lines.append(f"{side_.name} was measured with uncommitted changes")
    declared = set(new.run["changed"])
    actual = {
        part
        for part in _PARTS
        if any(f.split(".")[0] == part and not f.startswith("cpu.mitigations") for f in fields)
    }
    if declared:
        for part in sorted(actual - declared):
            names = [f for f in fields if f.split(".")[0] == part]
            lines.append(
                f"only {', '.join(sorted(declared))} was declared as changed, but "
                f"{', '.join(names[:3])} differs too"
            )
        for part in sorted((declared & set(_PARTS)) - actual):
            lines.append(
                f"{part} was declared as changed, but nothing that can be read of it differs"
            )
        if all(part in _TOUCHES for part in declared):
            touched = set().union(*(_TOUCHES[part] for part in declared))
            for axis in axes:
                moved = axis["lo"] is not None and (axis["lo"] > 1 or axis["hi"] < 1)
                if moved and axis["axis"] not in touched:
                    lines.append(
                        f"{axis['axis']} moved to {axis['ratio']:.2f}, which "
                        f"{', '.join(sorted(declared))} can't have touched: the comparison is "
                        "contaminated"
                    )
    for axis in sorted({row_axis["axis"] for row_axis in axes}):
        if axis not in base.spread or axis not in new.spread:
            lines.append(
                "the drift between runs is taken from defaults (5% scalar, simd, cores, cache; 10% "
                "memory, coherence; 25% storage, syscall, network): three runs or more of each side, "
                "kept beside each other, would tell"
            )
            break
    return lines


def compared(base: Side, new: Side, band: float = BAND) -> dict:
    """`compare --json` for one NEW. HeadroomError where the runs share no cell."""
    rows = rows_of(base, new, band)
    if not rows:
        raise HeadroomError(
            f"{base.name} and {new.name} have no cell in common: measure both with one profile"
        )
    axes = axes_of(base, new, rows)
    differences = changed(base, new)
    return {
        "rows": rows,
        "axes": axes,
        "changed": differences,
        "warnings": warnings(base, new, differences, axes),
    }


def print_comparison(base: Side, new: Side, tree: dict, to: Console) -> None:
    """Prints a comparison for 100 columns."""
    to.print(Text(f"{base.name} -> {new.name}", style="bold"), soft_wrap=True)
    if base.run["machine"] == new.run["machine"]:
        to.print(Text(f"both on {safe(base.run['machine'])}", style="dim"), soft_wrap=True)
    else:
        both = f"{safe(base.run['machine'])} -> {safe(new.run['machine'])}"
        to.print(Text(both, style="dim"), soft_wrap=True)
    to.print(
        Text(
            "ratio: BASE's time over NEW's, above 1 is faster; 95% intervals, with drift between runs",
            style="dim",
        ),
        soft_wrap=True,
    )
    table = terminal.Table("<<>>>><", limits={0: 24})
    kernel = ladder = None
    for row in tree["rows"]:
        entry = new.cells[
            tuple(row[k] for k in ("kernel", "variant", "n", "input", "threads"))
        ].kernel
        if row["kernel"] != kernel:
            kernel, ladder = row["kernel"], None
            table.heading()
            table.heading((kernel, "bold"), (f"  {row['axis']}", "dim"))
        label = ladder_label(
            row["n"], row["input"], row["threads"], len(entry["inputs"]), len(entry["threads"]) > 1
        )
        if label != ladder:
            ladder = label
            table.row(
                (label, "cyan"), "", *((n, "dim") for n in ("base", "new", "ratio", "interval", ""))
            )
        bounds = (
            "" if row["lo"] is None else f"{three_digits(row['lo'])} .. {three_digits(row['hi'])}"
        )
        table.row(
            f"  {row['variant']}",
            (terminal.bar(row["new_ns"] / max(row["new_ns"], row["base_ns"])), "blue"),
            time_of(row["base_ns"]),
            time_of(row["new_ns"]),
            (
                f"{row['ratio']:.3f}x" if row["ratio"] < 10 else f"{three_digits(row['ratio'])}x",
                "bold",
            ),
            bounds,
            (row["verdict"] or "", _VERDICT_STYLE.get(row["verdict"] or "", "")),
        )
    table.print(to)
    to.print()
    terminal.title(to, "axes", "geometric means over kernels")
    table = terminal.Table("<>>><")
    by_axis = defaultdict(list)
    for row in tree["rows"]:
        by_axis[row["axis"]].append(row["ratio"])
    for axis in tree["axes"]:
        bounds = (
            ""
            if axis["lo"] is None
            else f"{three_digits(axis['lo'])} .. {three_digits(axis['hi'])}"
        )
        ratios = by_axis[axis["axis"]]
        table.row(
            axis["axis"],
            (f"{axis['ratio']:.3f}x", "bold"),
            bounds,
            f"rows {three_digits(min(ratios))} .. {three_digits(max(ratios))}",
            (f"{axis['kernels']} of {axis['of']} kernels", "dim"),
        )
    table.print(to)
    counts = defaultdict(int)
    for row in tree["rows"]:
        counts[row["verdict"] or "no verdict"] += 1
    moved = sum(counts[name] for name in MOVED)
    summary = ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
    to.print()
    to.print(
        Text(f"{len(tree['rows'])} rows: {summary}", style="bold" if moved else ""), soft_wrap=True
    )
    if tree["changed"]:
        to.print(Text("differs", style="bold"), soft_wrap=True)
        table = terminal.Table("<<", limits={1: 70})
        for entry in tree["changed"]:
            table.row(entry["field"], f"{entry['base']} -> {entry['new']}")
        table.print(to)
    for line in tree["warnings"]:
        terminal.paragraph(to, f"! {line}", "yellow", 0)
