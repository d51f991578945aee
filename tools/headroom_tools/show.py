"""What one run says: ladders with speedup, interval and verdict; noise floor; what was missing."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from headroom_tools import counters, disturbance, paths, stats, terminal
from headroom_tools.errors import HeadroomError
from headroom_tools.record import Cell, cells_of
from headroom_tools.text import (
    duration,
    ladder_label,
    rate_of,
    safe,
    shortened,
    three_digits,
    time_of,
)

BAND = 0.02
ALONE_LIMIT = 1.15  # ratio of a ladder's speedup to that of the variants run alone
OVERHEAD_KERNEL = "machine/overhead"
OVERHEAD_TIMES = 20  # a call shorter than this many empty calls is flagged
MOVED = ("faster", "slower")
ABOVE = 1.05  # a share of the ceiling whose whole interval lies above this is an error


class Share(NamedTuple):
    """How much of its ceiling a cell reaches: ceiling time over own; None with too few launches."""

    of_ceiling: float
    lo: float | None
    hi: float | None


def share_of(cell: Cell) -> Share | None:
    """A cell's share of its ceiling, from the paired ratios of its launches."""
    speedup = stats.speedup_of(of_launches(cell.of_ceiling))
    return Share(speedup.speedup, speedup.lo, speedup.hi) if speedup else None


class Row(NamedTuple):
    """A cell with what its launches say. speedup, lo and hi are factors; None where not known."""

    cell: Cell
    baseline: str | None
    ns: float | None
    speedup: float | None
    lo: float | None
    hi: float | None
    coverage: float | None
    detected: bool | None
    verdict: str | None
    share: Share | None

    @property
    def impossible(self) -> bool:
        """Above its ceiling: the kernel or the probe is wrong, and the figure is withheld."""
        return bool(self.share and self.share.lo and self.share.lo > ABOVE)

    @property
    def ceiling_per_item(self) -> float | None:
        """ns an item that the ceiling leaves at least."""
        times = of_launches(self.cell.ceiling)
        return median(times) / self.cell.items if times else None

    @property
    def ns_per_item(self) -> float | None:
        return None if self.ns is None else self.ns / self.cell.items

    @property
    def intensity(self) -> float | None:
        """Arithmetic intensity: floating-point operations for each byte that has to move."""
        cell = self.cell
        return cell.flops / cell.bytes if cell.flops and cell.bytes else None

    @property
    def flops_per_second(self) -> float | None:
        return self.cell.flops / self.ns * 1e9 if self.ns and self.cell.flops else None

    @property
    def bytes_per_second(self) -> float | None:
        return self.cell.bytes / self.ns * 1e9 if self.ns and self.cell.bytes else None


def of_launches(values: list) -> list[float]:
    """The launches that gave something."""
    return [value for value in values if value is not None]


def noise_floors(cells: list[Cell]) -> dict[str, float]:
    """{class: ratio >= 1}: how far each class's placebos strayed from 1."""
    by_class: dict[str, list[list[float]]] = {}
    for cell in cells:
        if cell.kernel["placebo"] and not (cell.is_baseline(cell.baseline) or cell.beside):
            by_class.setdefault(cell.kernel["placebo"], []).append(of_launches(cell.log_ratio))
    floors = {name: stats.noise_floor(values) for name, values in by_class.items()}
    return {name: floor for name, floor in floors.items() if floor is not None}


def _rebased(cells: list[Cell], baseline: str | None) -> list[tuple[Cell, str | None, list[float]]]:
    """Each cell with its baseline's name and its log ratios to it, one a launch."""
    if baseline is None:
        return [(cell, cell.baseline, of_launches(cell.log_ratio)) for cell in cells]
    bases = {}
    for cell in cells:
        if cell.is_baseline(baseline):
            bases[cell.ladder()] = cell
    if not bases:
        known = sorted({cell.variant for cell in cells})
        shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
        raise HeadroomError(
            f"--baseline {safe(baseline, 60)}: no such variant here; there are {shown}"
        )
    rebased = []
    for cell in cells:
        base = bases.get(cell.ladder())
        pairs = zip(cell.log_ratio, base.log_ratio) if base else ()
        ratios = [a - b for a, b in pairs if a is not None and b is not None]
        rebased.append((cell, baseline if base else None, ratios))
    return rebased


def rows_of(run: dict, baseline: str | None = None, band: float = BAND) -> list[Row]:
    """All rows of a run. A verdict's band is `band` or its class's noise floor, the larger.

    Placebos are judged by `band` alone: a verdict there says that the run is not to be trusted.
    """
    cells = cells_of(run)
    floors = noise_floors(cells)
    rebased = _rebased(cells, baseline)
    judged = []
    for cell, base, ratios in rebased:
        claims = not (cell.kernel["probe"] or base is None or cell.is_baseline(base))
        judged.append(stats.speedup_of(ratios) if claims else None)
    family = [
        speedup.p if speedup and not cell.kernel["placebo"] else None
        for (cell, _, _), speedup in zip(rebased, judged)
    ]
    rows = []
    for (cell, base, _), speedup, adjusted in zip(rebased, judged, stats.holm(family)):
        times = of_launches(cell.median)
        ns = median(times) if times else None
        if speedup is None:
            is_base = cell.is_baseline(base) and not cell.kernel["probe"]
            own = 1.0 if is_base and ns else None
            rows.append(Row(cell, base, ns, own, *[None] * 5, share_of(cell)))
            continue
        floor = 1.0 if cell.kernel["placebo"] else floors.get(cell.kernel["noise_class"], 1.0)
        rows.append(
            Row(
                cell,
                base,
                ns,
                speedup.speedup,
                speedup.lo,
                speedup.hi,
                speedup.coverage,
                None if adjusted is None else adjusted < stats.ALPHA,
                stats.verdict(speedup.intervals, max(band, floor - 1)),
                share_of(cell),
            )
        )
    return rows


def alone_differs(rows: list[Row]) -> list[dict]:
    """The rows whose speedup in the ladder is over 15% off that of the variants run alone."""
    bases = {
        row.cell.ladder(): row.cell.alone_ns
        for row in rows
        if row.cell.is_baseline(row.baseline)
    }
    found = []
    for row in rows:
        base, own = bases.get(row.cell.ladder()), row.cell.alone_ns
        if not base or not own or not row.speedup or row.cell.is_baseline(row.baseline):
            continue
        ratio = base / own
        if abs(math.log(row.speedup / ratio)) > math.log(ALONE_LIMIT):
            found.append(
                {
                    **row.cell.key(),
                    "ladder_threads": row.cell.ladder_threads,
                    "speedup": row.speedup,
                    "alone": ratio,
                }
            )
    return found


def alone_checked(rows: list[Row]) -> int:
    """How many speedups could be held against the variants run alone."""
    bases = {
        row.cell.ladder()
        for row in rows
        if row.cell.is_baseline(row.baseline) and row.cell.alone_ns
    }
    return sum(
        1
        for row in rows
        if row.cell.alone_ns
        and not row.cell.is_baseline(row.baseline)
        and row.cell.ladder() in bases
    )


def short_calls(rows: list[Row]) -> list[dict]:
    """The cells whose call takes under 20 times an empty kernel's."""
    empty = [row.ns for row in rows if row.cell.kernel["name"] == OVERHEAD_KERNEL and row.ns]
    if not empty:
        return []
    limit = OVERHEAD_TIMES * min(empty)
    return [
        {**row.cell.key(), "ladder_threads": row.cell.ladder_threads, "ns": row.ns}
        for row in rows
        if row.ns is not None and row.ns < limit and not row.cell.kernel["probe"]
    ]


def needs_of(entry: dict, kernels: dict[str, dict]) -> str:
    """What a missing variant or ladder needs, and the cure, in one line."""
    needs = entry["needs"]
    if entry["n"] is not None:
        kernel = kernels.get(entry["kernel"])
        inputs = len(kernel["inputs"]) if kernel else 2
        label = ladder_label(entry["n"], entry["input"], entry["threads"], inputs)
        needs = f"{label}: {needs}"
    return f"{needs} ({entry['cure']})" if entry["cure"] else needs


def as_json(run: dict, rows: list[Row]) -> dict:
    """`show --json`. Beyond DESIGN.md's keys a row names its ladder (ladder_threads), and has
    `counters` where the machine had some."""
    kernels = {kernel["name"]: kernel for kernel in run["kernels"]}
    return {
        "run": run["name"],
        "rows": [
            {
                **row.cell.key(),
                "ladder_threads": row.cell.ladder_threads,
                "role": row.cell.role,
                "baseline": row.baseline,
                "ns_per_item": None if row.impossible else row.ns_per_item,
                "bytes_per_second": None if row.impossible else row.bytes_per_second,
                "flops_per_second": None if row.impossible else row.flops_per_second,
                "intensity": row.intensity,
                "speedup": None if row.impossible else row.speedup,
                "lo": None if row.impossible else row.lo,
                "hi": None if row.impossible else row.hi,
                "detected": row.detected,
                "verdict": "withheld" if row.impossible else row.verdict,
                "ceiling": row.ceiling_per_item,
                "of_ceiling": row.share.of_ceiling if row.share else None,
                "of_ceiling_lo": row.share.lo if row.share else None,
                "of_ceiling_hi": row.share.hi if row.share else None,
                "probe": row.cell.probe,
                **(
                    {"counters": counters.per_item(row.cell.counters, row.cell.items)}
                    if row.cell.counters
                    else {}
                ),
            }
            for row in rows
        ],
        "noise_floor": noise_floors(cells_of(run)),
        "missing": [
            {
                "kernel": entry["kernel"],
                "variant": entry["variant"],
                "needs": needs_of(entry, kernels),
            }
            for entry in run["missing"]
        ],
        "left_out": run["left_out"],
        "failures": run["failures"],
        "alone_differs": alone_differs(rows),
        "short_calls": short_calls(rows),
        "disturbed": disturbance.totals(run),
        "notes": run["notes"],
    }


_VERDICT_STYLE = {
    "faster": "bold green",
    "slower": "bold red",
    "equivalent": "cyan",
    "unresolved": "yellow",
}


def _factor(value: float) -> str:
    return f"{three_digits(value)}x"


def _bounds(row: Row) -> str:
    if row.lo is None:
        return ""
    if row.hi < 1.1 and row.lo > 0.9:
        return f"{row.lo:.3f} .. {row.hi:.3f}"
    return f"{three_digits(row.lo)} .. {three_digits(row.hi)}"


def _head(run: dict, rows: list[Row], band: float, to: Console) -> None:
    build, plan = run["build"], run["plan"]
    commit = run["commit"][:8] if run["commit"] else "no commit"
    commit += " + changes" if run["dirty"] else ""
    to.print(
        Text(safe(run["machine"]), style="bold"),
        Text(safe(f"· {run['label']} · {run['profile']} · {run['started']}")),
        soft_wrap=True,
    )
    simd = ", ".join(run["simd"]["taken"]) or "none"
    line = f"{build['compiler']} {build['flags']} · {build['preset']} · SIMD {simd} · {commit}"
    to.print(Text(safe(line), style="dim"), soft_wrap=True)
    how = next((row for row in rows if row.coverage is not None), None)
    if how is None:
        count = f"{plan['launches']} launch" + ("es" if plan["launches"] > 1 else "")
        text = f"{count}: too few for an interval or a verdict"
    else:
        rank, coverage = stats.order_ranks(plan["launches"]) or (1, how.coverage)
        text = (
            f"speedup: median of {plan['launches']} launches [{rank} to "
            f"{plan['launches'] + 1 - rank} in order: {100 * coverage:.1f}%], band ±{100 * band:g}%, "
            "✓ detected: p < 0.05 (Holm)"
        )
    to.print(Text(text, style="dim"), soft_wrap=True)


def print_ladders(rows: list[Row], to: Console) -> None:
    """Prints rows as ladders, with what bounds each."""
    table = terminal.Table("<<>>>><<>", limits={0: 30})
    kernel = ladder = None
    slowest: dict[tuple, float] = {}
    for row in rows:
        if row.ns:
            key = row.cell.ladder()
            slowest[key] = max(slowest.get(key, 0.0), row.ns)
    last: Row | None = None
    for row in [*rows, None]:
        if last and (row is None or row.cell.ladder() != last.cell.ladder()):
            _ceiling(table, last, slowest.get(last.cell.ladder(), 0.0))
        last = None
        if row is None:
            break
        cell = row.cell
        if cell.kernel["placebo"]:
            continue
        last = row
        if cell.kernel is not kernel:
            kernel, ladder = cell.kernel, None
            header = ["time", "per item", "rate", "speedup", "interval", "verdict", ""]
            header.append("ceiling" if any(cell.ceiling) else "")
            about = f"{kernel['axis']} · {kernel['technique']}"
            table.heading()
            table.heading(
                (kernel["name"], "bold"),
                ("  " + shortened(about, 98 - len(kernel["name"])), "dim"),
            )
        if cell.ladder() != ladder:
            ladder = cell.ladder()
            label = ladder_label(
                cell.n,
                cell.input,
                cell.ladder_threads,
                len(kernel["inputs"]),
                len(kernel["threads"]) > 1,
            )
            table.row((label, "cyan"), *((name, "dim") for name in header))
            header = [""] * len(header)
        name = f"  {cell.variant}" + (f", {cell.threads} thread" if cell.beside else "")
        if cell.role == "peer":
            name += " (peer)"
        if row.ns is None:
            table.row(name, "", "-", "", "", "", ("no launch", "red"), "", "")
            continue
        if row.impossible:
            share = f"{row.share.of_ceiling:.2f}"
            table.row(name, "", "withheld", "", "", "", ("above its ceiling", "bold red"), "", share)
            continue
        is_base = cell.is_baseline(row.baseline)
        rate = row.bytes_per_second
        table.row(
            (name, "" if is_base else "bold"),
            (terminal.bar(row.ns / slowest[ladder]), "blue"),
            time_of(row.ns_per_item),
            rate_of(rate) if rate else "",
            (_factor(row.speedup) if row.speedup else "", "" if is_base else "bold"),
            _bounds(row),
            (row.verdict or "", _VERDICT_STYLE.get(row.verdict or "", "")),
            ("✓" if row.detected else "", "green"),
            f"{row.share.of_ceiling:.2f}" if row.share else "",
        )
    table.print(to)


def _ceiling(table: terminal.Table, row: Row, slowest: float) -> None:
    """The last line of a ladder: what the machine's own probe leaves."""
    least = row.ceiling_per_item
    if least is None or not slowest:
        return
    rate = row.cell.bytes / row.cell.items / least * 1e9
    table.row(
        (f"  ceiling: {row.cell.probe.removeprefix('machine/')}", "dim"),
        (terminal.bar(least * row.cell.items / slowest), "dim"),
        (time_of(least), "dim"),
        (rate_of(rate) if rate else "", "dim"),
        *[""] * 5,
    )


def _withheld(rows: list[Row], to: Console) -> None:
    """Figures above their ceiling, loudly."""
    for row in rows:
        if not row.impossible:
            continue
        share, names = row.share, row.cell.key()
        terminal.paragraph(
            to,
            f"!! {names['kernel']}/{row.cell.variant} n:{row.cell.n:,} is withheld: at "
            f"{share.of_ceiling:.2f} [{share.lo:.2f}, {share.hi:.2f}] of {row.cell.probe} it is "
            "faster than the machine can be: a wrong byte count, work that was dropped, a page "
            "cache that poses as a disk, or a bad probe",
            "bold red",
            0,
        )


def _noise(run: dict, rows: list[Row], to: Console) -> None:
    floors = noise_floors([row.cell for row in rows])
    to.print()
    terminal.title(to, "noise floor", "a kernel against its own copy: no claim below this")
    for name, ratio in floors.items():
        kernels = sorted({r.cell.kernel["name"] for r in rows if r.cell.kernel["placebo"] == name})
        moved = [r for r in rows if r.cell.kernel["placebo"] == name and r.verdict in MOVED]
        few = (
            ""
            if stats.order_ranks(run["plan"]["launches"])
            else ", too few launches for an interval"
        )
        to.print(
            Text(f"  {name:<8} ±{100 * (ratio - 1):.2f}%  {', '.join(kernels)}{few}"),
            soft_wrap=True,
        )
        for row in moved:
            terminal.paragraph(
                to,
                f"! {row.cell.kernel['name']} was judged {row.verdict} than its own copy: "
                "something disturbed this run, or favours one placement",
                "bold yellow",
            )
    used = {row.cell.kernel["noise_class"] for row in rows if not row.cell.kernel["placebo"]}
    unknown = sorted(used - set(floors))
    if unknown:
        to.print(
            Text(
                f"  {', '.join(unknown)}: no placebo was measured, so this floor is unknown",
                style="yellow",
            ),
            soft_wrap=True,
        )


def _alone(rows: list[Row], to: Console) -> None:
    checked, differing = alone_checked(rows), alone_differs(rows)
    if not checked:
        return
    to.print()
    terminal.title(
        to,
        "ladder against variants run alone",
        f"{checked - len(differing)} of {checked} speedups agree within 15%",
    )
    table = terminal.Table("<<>>")
    sweeps = {row.cell.kernel["name"]: row.cell.kernel for row in rows}
    for entry in differing:
        kernel = sweeps[entry["kernel"]]
        label = ladder_label(
            entry["n"],
            entry["input"],
            entry["ladder_threads"],
            len(kernel["inputs"]),
            len(kernel["threads"]) > 1,
        )
        table.row(
            f"{entry['kernel']}/{entry['variant']}",
            label,
            f"ladder {_factor(entry['speedup'])}",
            f"alone {_factor(entry['alone'])}",
        )
    table.print(to)


def _short(rows: list[Row], to: Console) -> None:
    flagged = short_calls(rows)
    if not flagged:
        return
    to.print()
    terminal.title(
        to, "short calls", f"under {OVERHEAD_TIMES} times an empty call: its overhead dilutes these"
    )
    names = sorted({f"{e['kernel']}/{e['variant']} n {e['n']:,}" for e in flagged})
    terminal.paragraph(to, ", ".join(names))


def _cure_of(reason: str) -> str:
    """What measures a ladder that was left out for this reason."""
    if reason.startswith("set-up takes"):
        return ": --profile thorough"
    return ": --filter, or --profile thorough" if "too long for" in reason else ""


def _absent(run: dict, to: Console) -> None:
    kernels = {kernel["name"]: kernel for kernel in run["kernels"]}
    if run["missing"]:
        to.print()
        terminal.title(to, "missing", "this machine or build lacks what these need")
        table = terminal.Table("<<", limits={0: 44, 1: 300})
        for entry in run["missing"]:
            name = "/".join(filter(None, (entry["kernel"], entry["variant"])))
            table.row(name, needs_of(entry, kernels))
        table.print(to)
    if run["left_out"]:
        to.print()
        terminal.title(to, "left out", "and what measures it")
        table = terminal.Table("<<<")
        for entry in run["left_out"]:
            label = ladder_label(entry["n"], entry["input"], entry["threads"], 2)
            table.row(entry["kernel"], label, entry["reason"] + _cure_of(entry["reason"]))
        table.print(to)
    if run["failures"]:
        to.print()
        to.print(Text("failures", style="bold red"), soft_wrap=True)
        for entry in run["failures"]:
            what = "pilot" if entry["launch"] == 0 else f"launch {entry['launch']}"
            where = f" n {entry['n']:,}" if entry["n"] is not None else ""
            terminal.paragraph(
                to, f"{entry['kernel']}{where} {what}: {entry['kind']}: {entry['message']}", "red"
            )


def print_run(
    run: dict,
    folder: Path,
    to: Console,
    baseline: str | None = None,
    band: float = BAND,
    with_counters: bool = False,
) -> None:
    """Prints what a run says, for 100 columns."""
    rows = rows_of(run, baseline, band)
    _head(run, rows, band, to)
    print_ladders(rows, to)
    _withheld(rows, to)
    if with_counters:
        counters.print_table(rows, to)
    _noise(run, rows, to)
    _alone(rows, to)
    _short(rows, to)
    _absent(run, to)
    to.print()
    for note in run["notes"]:
        terminal.paragraph(to, f"note: {note}", "yellow", 0)
    if disturbed := disturbance.line(run):
        terminal.paragraph(to, disturbed, "yellow", 0)
    lost = sum(status != "ok" for status in run["launches"]["status"])
    text = f"{len(run['launches']['status'])} launches in {duration(run['seconds'])}"
    if lost:
        text += f", {lost} of them failed"
    to.print(Text(f"{text}; record: {paths.shown(folder)}", style="dim"), soft_wrap=True)
