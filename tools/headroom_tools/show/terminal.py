"""Prints what `show` found: ladders, noise floor, what was withheld, disturbed or missing."""

from __future__ import annotations

import math
import textwrap
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.text import Text

from headroom_tools import stats
from headroom_tools.base import paths, terminal
from headroom_tools.base.text import (
    counted,
    duration,
    ladder_label,
    rate_of,
    safe,
    shortened,
    three_digits,
    time_of,
)
from headroom_tools.record import device as devices, hosts
from headroom_tools.record.noise import noise_floors
from headroom_tools.record.types import Kernel, Run
from headroom_tools.show import break_even, counters, disturbance
from headroom_tools.show.remarks import (
    OVERHEAD_TIMES,
    alone_checked,
    alone_differs,
    alone_told,
    failures_grouped,
    needs_of,
    short_calls,
)
from headroom_tools.show.rows import BAND, MOVED, Row, rows_of


# After a simulated figure that its model was asked for beyond what it was held against.
BEYOND = "†"


def _factor(value: float) -> str:
    return f"{three_digits(value)}x"


def _bounds(row: Row) -> str:
    if row.lo is None or row.hi is None:
        return ""
    if row.hi < 1.1 and row.lo > 0.9:
        return f"{row.lo:.3f} .. {row.hi:.3f}"
    return f"{three_digits(row.lo)} .. {three_digits(row.hi)}"


def _alone_told(row: Row) -> terminal.Cell:
    """The speedup of the variants run alone, marked where the ladder's differs."""
    if not row.alone:
        return ""
    return (f"≠{_factor(row.alone)}", "yellow") if row.alone_differs else _factor(row.alone)


def _head(run: Run, rows: list[Row], band: float, to: Console) -> None:
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
    if device := run.get("device"):
        to.print(Text(devices.in_full(device), style="dim"), soft_wrap=True)
    if job := run.get("cluster"):
        to.print(Text(hosts.in_full(job), style="dim"), soft_wrap=True)
    to.print(Text(how_told(plan["launches"], _judged(rows), band), style="dim"), soft_wrap=True)


def _judged(rows: list[Row]) -> bool:
    """Whether there is anything that has a speedup over another."""
    return any(row.speedup and not row.cell.is_baseline(row.baseline) for row in rows)


def how_told(launches: int, judged: bool, band: float) -> str:
    """What the speedups, intervals and verdicts are, of so many launches; judged: whether there are
    any speedups."""
    count = counted(launches, "launch", "launches")
    ranks = stats.order_ranks(launches)
    if ranks is None:
        return f"{count}: too few for an interval or a verdict"
    if not judged:
        return f"{count}; nothing here is compared with a baseline"
    rank, coverage = ranks
    return (
        f"speedup: median of {count} [{rank} to {launches + 1 - rank} in order: "
        f"{100 * coverage:.1f}%], band ±{100 * band:g}%, ✓ detected: p < 0.05 (Holm)"
    )


def print_ladders(rows: list[Row], to: Console) -> None:
    """Prints rows as ladders, with what bounds each; rungs of a weaker promise below the others."""
    # Bars give way to the columns that not every run has.
    further = any(row.over_standard for row in rows) + any(row.alone for row in rows)
    width = (10, 4, 0)[further]
    longest = 26 if further else 30
    table = terminal.Table("<<>>>>>><>", limits={0: longest})
    kernel: Kernel | None = None
    shown = [row for row in rows if not row.cell.kernel["placebo"]]
    for _, found in groupby(shown, key=lambda row: row.cell.ladder()):
        rungs = list(found)
        cell = rungs[0].cell
        header = [""] * 9
        if cell.kernel is not kernel:
            kernel = cell.kernel
            header = _header(rungs, width)
            about = f"{kernel['axis']} · {kernel['technique']}"
            table.heading()
            table.heading(
                (kernel["name"], "bold"),
                ("  " + shortened(about, 98 - len(kernel["name"])), "dim"),
            )
            if told := _devices(shown, kernel):
                table.heading((shortened(f"  {told}", 100), "magenta"))
            if told := _hosts(shown, kernel):
                table.heading((f"  on {told}", "magenta"))
            if not cell.by_time:
                table.heading((f"  judged by {cell.measure_told}", "dim"))
        if len(cell.label) <= longest:
            table.row((cell.label, "cyan"), *((name, "dim") for name in header))
        else:  # the columns begin below it: its end is what tells it from the next
            table.heading((f"  {shortened(cell.label, 100)}", "cyan"))
            if any(header):
                table.row("", *((name, "dim") for name in header))
        most = max((row.value for row in rungs if row.value), default=0.0)
        weaker = ""
        for row in sorted(rungs, key=lambda row: row.cell.weaker):
            if row.cell.weaker != weaker:
                weaker = row.cell.weaker
                table.heading((f"    {weaker}", "yellow"))
            _rung(table, row, most, width)
        if any(row.cell.validated is False for row in rungs):
            table.heading((f"    {BEYOND} beyond the validated range of the simulation", "yellow"))
        _ceiling(table, rungs[-1], most, width)
        _builds(table, rungs)
    table.print(to)


def _devices(rows: list[Row], kernel: Kernel) -> str:
    """Which variants of a kernel ran on a device, and on which: `opencl_naive on a CPU: PoCL`."""
    cells = [row.cell for row in rows if row.cell.kernel is kernel and row.cell.device]
    names = dict.fromkeys(cell.variant for cell in cells)
    on = dict.fromkeys(devices.told(cell.device) for cell in cells if cell.device)
    return f"{', '.join(on)}: {', '.join(names)}" if cells else ""


def _hosts(rows: list[Row], kernel: Kernel) -> str:
    """On how many hosts a kernel's ranks were."""
    cells = [row.cell for row in rows if row.cell.kernel is kernel]
    return hosts.by_ranks((c.hosts, c.params.get(hosts.PARAM, 1)) for c in cells)


def _header(rungs: list[Row], width: int) -> list[str]:
    """What the columns of a kernel's ladders are called. width: of the bars."""
    cell = rungs[0].cell
    measure = "per item" if cell.by_time else cell.measure["name"]
    measure = f"{measure}, simulated" if cell.simulated else measure
    standard = "over std" if any(row.over_standard for row in rungs) else ""
    ceiling = "ceiling" if any(cell.ceiling) else ""
    rate = "rate" if cell.by_time else ""
    first = "time" if cell.by_time and width else ""
    alone = "alone" if any(row.alone for row in rungs) else ""
    return [first, measure, rate, standard, "speedup", "interval", alone, "verdict", ceiling]


def _builds(table: terminal.Table, rungs: list[Row]) -> None:
    """What making the rungs' States takes, and after how many calls of the baseline it has paid."""
    told = []
    for row in rungs:
        if row.build_ns is None or row.impossible:
            continue
        text = f"{row.cell.variant} {time_of(row.build_ns)}"
        if row.break_even_calls is not None:
            text += f" ({math.ceil(row.break_even_calls):,})"
        elif not row.cell.is_baseline(row.baseline):
            text += " (never)"
        told.append(text)
    lines = textwrap.wrap(f"build (calls until it has paid): {', '.join(told)}", 92)
    for line in lines if told else ():
        table.heading((f"    {line}", "dim"))


def _rung(table: terminal.Table, row: Row, most: float, width: int) -> None:
    """The line of a variant. most: of what its ladder is judged by, for the bar of `width`."""
    cell = row.cell
    name = f"  {cell.variant}" + (f", {cell.threads} thread" if cell.beside else "")
    name += {"peer": " (peer)", "standard": " (std)"}.get(cell.role, "")
    if row.value is None:
        table.row(name, "", "-", "", "", "", "", "", ("no launch", "red"), "")
        return
    share = f"{row.share.of_ceiling:.2f}" if row.share else ""
    if row.impossible:
        above = ("above its ceiling", "bold red")
        table.row(name, "", "withheld", "", "", "", "", "", above, share)
        return
    is_base = cell.is_baseline(row.baseline)
    rate = row.bytes_per_second if cell.by_time else None
    over = row.over_standard
    table.row(
        (name, "" if is_base else "bold"),
        (terminal.bar(row.value / most, width) if most and width else "", "blue"),
        row.told + (f" {BEYOND}" if cell.validated is False else ""),
        rate_of(rate) if rate else "",
        (_factor(over.speedup) if over else "", "" if is_base else "bold"),
        (_factor(row.speedup) if row.speedup else "", "" if is_base else "bold"),
        _bounds(row),
        _alone_told(row),
        (
            (row.verdict or "") + (" ✓" if row.detected else ""),
            terminal.VERDICT_STYLE.get(row.verdict or "", ""),
        ),
        share,
    )


def _ceiling(table: terminal.Table, row: Row, slowest: float, width: int) -> None:
    """The last line of a ladder: what the machine's own probe leaves."""
    least, probe = row.ceiling_per_item, row.cell.probe
    if least is None or probe is None or not slowest:
        return
    rate = row.cell.bytes / row.cell.items / least * 1e9
    table.row(
        (f"  ceiling: {probe.removeprefix('machine/')}", "dim"),
        (terminal.bar(least * row.cell.items / slowest, width) if width else "", "dim"),
        (time_of(least), "dim"),
        (rate_of(rate) if rate else "", "dim"),
        *[""] * 6,
    )


def _withheld(rows: list[Row], to: Console) -> None:
    """Figures above their ceiling, loudly."""
    for row in rows:
        share, names = row.share, row.cell.key()
        if share is None or not share.impossible:
            continue
        terminal.paragraph(
            to,
            f"!! {names['kernel']}/{row.cell.variant} n:{row.cell.n:,} is withheld: at "
            f"{share.of_ceiling:.2f} [{share.lo:.2f}, {share.hi:.2f}] of {row.cell.probe} it is "
            "faster than the machine can be: a wrong byte count, work that was dropped, a page "
            "cache that poses as a disk, or a bad probe",
            "bold red",
            0,
        )


def _break_even(rows: list[Row], to: Console) -> None:
    """From which size on a device is worth it, kernel by kernel."""
    found = break_even.break_evens(rows)
    if not found:
        return
    to.print()
    on = ", ".join(dict.fromkeys(one.device for one in found))
    terminal.title(to, "break-even", f"what OpenCL runs {on}, over the CPU's fastest variant")
    table = terminal.Table("<<<", limits={2: 100})
    last = ""
    for one in found:
        table.row("" if one.kernel == last else one.kernel, (one.label, "cyan"), one.told)
        last = one.kernel
    table.print(to)


def _noise(run: Run, rows: list[Row], to: Console) -> None:
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
                f"  {', '.join(unknown)}: no placebo was measured, so "
                f"{'this floor is' if len(unknown) == 1 else 'these floors are'} unknown",
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
        "alone",
        f"{alone_told(checked, checked - len(differing))}; ≠ is at the others",
    )


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


def launches_told(launches: list[int]) -> str:
    """`in the pilot`, `in launches 2, 3`."""
    later = [str(launch) for launch in launches if launch > 0]
    parts = ["the pilot"] if 0 in launches else []
    parts += [f"launch{'es' if len(later) > 1 else ''} {', '.join(later)}"] if later else []
    return f"in {' and '.join(parts)}"


def _absent(run: Run, to: Console) -> None:
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
        for left in run["left_out"]:
            label = ladder_label(left["n"], left["input"], left["threads"], left["params"], 2)
            table.row(left["kernel"], label, left["reason"] + _cure_of(left["reason"]))
        table.print(to)
    if run["failed"]:
        to.print()
        terminal.title(to, "failed", "these variants; the others of their ladders were measured")
        table = terminal.Table("<<<", limits={0: 44, 2: 300})
        for failed in run["failed"]:
            label = ladder_label(
                failed["n"], failed["input"], failed["threads"], failed["params"], 2
            )
            told = f"{launches_told(failed['launches'])}: {failed['message']}"
            table.row(f"{failed['kernel']}/{failed['variant']}", label, told)
        table.print(to)
    if run["failures"]:
        to.print()
        to.print(Text("failures", style="bold red"), soft_wrap=True)
        for lost in failures_grouped(run):
            terminal.paragraph(to, lost.told, "red")


def print_run(
    run: Run,
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
    _break_even(rows, to)
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
    if told := disturbance.line(run):
        terminal.paragraph(to, told, "dim" if disturbance.calm(run) else "yellow", 0)
    lost = sum(status != "ok" for status in run["launches"]["status"])
    count = len(run["launches"]["status"])
    text = f"{counted(count, 'launch', 'launches')} in {duration(run['seconds'])}"
    if lost:
        text += f", {lost:,} of them failed"
    to.print(Text(f"{text}; record: {paths.shown(folder)}", style="dim"), soft_wrap=True)
