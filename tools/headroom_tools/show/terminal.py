"""Prints what `show` found: ladders, noise floor, what was withheld, disturbed or missing."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from headroom_tools import stats
from headroom_tools.base import paths, terminal
from headroom_tools.base.text import (
    duration,
    ladder_label,
    rate_of,
    safe,
    shortened,
    three_digits,
    time_of,
)
from headroom_tools.record.noise import noise_floors
from headroom_tools.show import counters, disturbance
from headroom_tools.show.remarks import (
    OVERHEAD_TIMES,
    alone_checked,
    alone_differs,
    needs_of,
    short_calls,
)
from headroom_tools.show.rows import BAND, MOVED, Row, rows_of


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
            (row.verdict or "", terminal.VERDICT_STYLE.get(row.verdict or "", "")),
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
