"""What a run prints at its end: one screen, whatever it measured. `show` has the ladders."""

from __future__ import annotations

import shlex
import textwrap
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Iterable, NamedTuple

from rich.console import Console
from rich.text import Text

from headroom_tools.base import paths, terminal
from headroom_tools.base.text import counted, duration, safe, shortened, three_digits
from headroom_tools.machine.terminal import in_one_line
from headroom_tools.machine.types import Machine
from headroom_tools.record import device as devices, hosts
from headroom_tools.record.noise import noise_floors
from headroom_tools.record.types import Kernel, Run
from headroom_tools.show import disturbance
from headroom_tools.show.remarks import (
    alone_checked,
    alone_told,
    alone_differs,
    failed_grouped,
    failures_grouped,
)
from headroom_tools.show.rows import MOVED, Row, best_rows, rows_of
from headroom_tools.show.terminal import print_run

LINES = 45  # a summary has fewer,
WIDTH = 80  # and every line of it fits into this, but for a path
FEW = 3  # kernels whose ladders are printed at once
GROUPS = 15
EXTREMES = 3  # the kernels closest to their ceiling, and those furthest from it
REMARKS = 6  # lines of what went wrong or is missing


def print_end(run: Run, machine: Machine, folder: Path, to: Console) -> None:
    """Prints the end of a run: its summary, or of a few kernels all that `show` prints."""
    if len(_asked_for(run)) in range(1, FEW + 1):
        print_run(run, folder, to)
    else:
        _print_summary(run, machine, folder, to)
    _print_next(run, folder, to)


def _asked_for(run: Run) -> list[Kernel]:
    """What a run was for: neither the machine's probes nor placebos."""
    return [kernel for kernel in run["kernels"] if not (kernel["probe"] or kernel["placebo"])]


def _line(to: Console, text: str, style: str = "") -> None:
    to.print(Text(shortened(text, WIDTH), style=style), soft_wrap=True)


def _print_summary(run: Run, machine: Machine, folder: Path, to: Console) -> None:
    rows = rows_of(run)
    _print_head(run, machine, to)
    to.print()
    if run["profile"] == "smoke":
        ladders = {row.cell.ladder() for row in rows}
        told = ", ".join((
            counted(len(run["kernels"]), "kernel"), counted(len(ladders), "ladder"),
            counted(len(rows), "cell"),
        ))  # fmt: skip
        _line(to, f"only checked, not measured: {told}")
    elif _asked_for(run):
        best = best_rows(rows)
        _print_groups(best, to)
        _print_headroom(best, to)
        _print_trust(rows, to)
    else:
        _line(to, "what the machine itself can do: `tools/headroom machine` prints it")
    _print_remarks(_remarks(run, rows), to)
    to.print(Text(f"record: {paths.shown(folder)}", style="bold"), soft_wrap=True)


def _print_head(run: Run, machine: Machine, to: Console) -> None:
    launches = run["launches"]["status"]
    told = f"{run['machine']} · {run['label']} · {run['profile']}"
    told += f" · {counted(len(launches), 'launch', 'launches')} in {duration(run['seconds'])}"
    _line(to, told, "bold")
    _line(to, in_one_line(machine), "dim")
    simd = ", ".join(run["simd"]["taken"]) or "none"
    commit = run["commit"][:8] if run["commit"] else "no commit"
    commit += " + changes" if run["dirty"] else ""
    build = run["build"]
    _line(to, f"{build['compiler']} · {build['preset']} · SIMD {simd} · {commit}", "dim")
    if device := run.get("device"):
        _line(to, f"OpenCL {devices.told(device)}", "dim")
    if job := run.get("cluster"):
        _line(to, hosts.in_full(job), "dim")


def _factor(value: float | None) -> str:
    return "" if value is None else f"{three_digits(value)}x"


def _middle(values: Iterable[float | None]) -> float | None:
    """The median of what is known."""
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _fair(row: Row) -> float:
    """The speedup over the standard rung where there is one, else over the baseline."""
    return row.over_standard.speedup if row.over_standard else row.speedup or 0.0


def _print_groups(best: list[Row], to: Console) -> None:
    """By group what the best variants of its ladders come to in the middle, and the largest."""
    groups: dict[str, list[Row]] = {}
    for row in best:
        mark = ", sim." if row.cell.simulated else ""
        if row.cell.hosts is not None:
            mark = f", {hosts.told(row.cell.hosts)}"
        groups.setdefault(row.cell.kernel["group"] + mark, []).append(row)
    for text in (
        "the best variant of each ladder: the median speedup over std (the standard way,",
        "in ladders with one) and over naive, the median share of the ceiling; most: the",
        "largest speedup, over std or else naive" + (
            "; sim.: simulated" if any(row.cell.simulated for row in best) else ""
        ),
    ):
        _line(to, text, "dim")
    table = terminal.Table("<>>>>><", limits={0: 17, 6: 22})
    names = ("", "kernels", "std", "naive", "ceiling", "most", "")
    table.row(*((name, "dim") for name in names))
    for group, rungs in list(groups.items())[:GROUPS]:
        top = max(rungs, key=_fair)
        share = _middle(row.share.of_ceiling if row.share else None for row in rungs)
        table.row(
            (group, "cyan"),
            f"{len({row.cell.kernel['name'] for row in rungs})}",
            _factor(_middle(r.over_standard.speedup if r.over_standard else None for r in rungs)),
            _factor(_middle(row.speedup for row in rungs)),
            "" if share is None else f"{share:.2f}",
            (_factor(_fair(top)), "bold"),
            (f"{top.cell.kernel['name'].partition('/')[2]}/{top.cell.variant}", "dim"),
        )
    if len(groups) > GROUPS:
        table.heading(f"  and {counted(len(groups) - GROUPS, 'more group')}")
    table.print(to)


class Extremes(NamedTuple):
    """(share of the ceiling, row) of the kernels with the least headroom, and with the most."""

    least: list[tuple[float, Row]]
    most: list[tuple[float, Row]]


def extremes_of(best: list[Row]) -> Extremes:
    """Each kernel once in each, by its ladder that is closest to its ceiling, or furthest."""
    known = [
        (row.share.of_ceiling, row) for row in best if row.share and row.share.of_ceiling > 0
    ]
    known.sort(key=lambda entry: entry[0])

    def first(entries: Iterable[tuple[float, Row]], count: int) -> list[tuple[float, Row]]:
        kernels: dict[str, tuple[float, Row]] = {}
        for share, row in entries:
            kernels.setdefault(row.cell.kernel["name"], (share, row))
        return list(kernels.values())[:count]

    count = min(EXTREMES, len(known) // 2)
    return Extremes(first(reversed(known), count), first(known, count))


def _print_headroom(best: list[Row], to: Console) -> None:
    """The ladders that are closest to their ceiling, and those that are furthest from it."""
    least, most = extremes_of(best)
    if not least:
        return
    table = terminal.Table("<><<", limits={2: 34, 3: 18})
    for title, entries in (("least headroom", least), ("most headroom", most)):
        for share, row in entries:
            table.row(
                (title, "bold"),
                _factor(1 / share),
                f"{row.cell.kernel['name']}/{row.cell.variant}",
                (row.cell.place, "dim"),
            )
            title = ""
    to.print()
    table.print(to)


def _print_trust(rows: list[Row], to: Console) -> None:
    """The noise floor, and how far the ladders agree with variants run alone."""
    floors = noise_floors([row.cell for row in rows])
    to.print()
    told = ", ".join(f"{name} {100 * (ratio - 1):.2f}%" for name, ratio in floors.items())
    _line(to, f"noise floor ±: {told}" if told else "noise floor: unknown, no placebo was measured")
    checked = alone_checked(rows)
    if checked:
        agree = checked - len(alone_differs(rows))
        _line(to, alone_told(checked, agree))


class _Remark(NamedTuple):
    """What there is no figure of, or a doubtful one. kind: in a word, for those that find no
    room."""

    kind: str
    text: str
    style: str


def _remarks(run: Run, rows: list[Row]) -> list[_Remark]:
    """What went wrong or is missing, the gravest first."""
    told = [_Remark("failures", lost.told, "red") for lost in failures_grouped(run)]
    withheld = [row for row in rows if row.impossible]
    if withheld:
        names = sorted({f"{row.cell.kernel['name']}/{row.cell.variant}" for row in withheld})
        figures = counted(len(withheld), "figure")
        text = f"withheld, above their ceiling: {figures} of {', '.join(names)}"
        told.append(_Remark("withheld", text, "red"))
    suspect = {
        row.cell.kernel["name"]
        for row in rows
        if row.cell.kernel["placebo"] and row.verdict in MOVED
    }
    if suspect:
        who = "a placebo differs from its copy" if len(suspect) == 1 else (
            "placebos differ from their copies"
        )
        text = f"this run is suspect, {who}: {', '.join(sorted(suspect))}"
        told.append(_Remark("suspect", text, "red"))
    told += [_Remark("failed", lost.told, "yellow") for lost in failed_grouped(run)]
    told += [_Remark("missing", text, "") for text in _missing(run)]
    if run["left_out"]:
        kernels = {entry["kernel"] for entry in run["left_out"]}
        ladders = counted(len(run["left_out"]), "ladder")
        them = "it" if len(run["left_out"]) == 1 else "them"
        text = f"left out: {ladders} of {counted(len(kernels), 'kernel')}: " \
            f"`make bench PROFILE=thorough` measures {them}"
        told.append(_Remark("left out", text, ""))
    if disturbed := disturbance.line(run):
        told.append(_Remark("disturbed", disturbed, "yellow"))
    return told + [_Remark("notes", f"note: {note}", "dim") for note in run["notes"]]


def _missing(run: Run) -> list[str]:
    """What variants and ladders lack, by need, the need of most first."""
    variants: Counter[tuple[str, str]] = Counter()
    ladders: Counter[tuple[str, str]] = Counter()
    for entry in run["missing"]:
        kind = ladders if entry["variant"] is None else variants
        kind[entry["needs"], entry["cure"]] += 1
    return [
        f"missing: {counted(count, what)}: {needs}{f' ({cure})' if cure else ''}"
        for what, kind in (("variant", variants), ("ladder", ladders))
        for (needs, cure), count in kind.most_common()
    ]


def _print_remarks(told: list[_Remark], to: Console) -> None:
    """Two lines each at most, REMARKS in all; what finds no room is counted by kind."""
    left = REMARKS
    for index, remark in enumerate(told):
        lines = textwrap.wrap(safe(remark.text, 1000), WIDTH, subsequent_indent="  ")
        if len(lines) > 2:
            lines = [lines[0], "  " + shortened(" ".join(lines[1:]).strip(), WIDTH - 2)]
        needed = len(lines) if index + 1 == len(told) else len(lines) + 1
        if needed > left:
            kinds = Counter(remark.kind for remark in told[index:])
            more = ", ".join(f"{kind} ({count})" for kind, count in kinds.items())
            _line(to, f"`show` has {counted(len(told) - index, 'more remark')}: {more}", "yellow")
            return
        left -= len(lines)
        for line in lines:
            to.print(Text(line, style=remark.style), soft_wrap=True)


def _print_next(run: Run, folder: Path, to: Console) -> None:
    """The commands to go on with, which work as they stand."""
    name, where = shlex.quote(paths.shown(folder)), ""
    results = folder.parent.parent
    if run["profile"] != "smoke" and paths.complete_runs(results)[:1] == [folder]:
        name = "latest"
        if results.resolve() != paths.results().resolve():
            where = shlex.quote(paths.shown(results))
    option = f" --results {where}" if where else ""
    lines = [(f"tools/headroom show {name}{option}", "every ladder")]
    if run["profile"] == "smoke":
        job = run.get("cluster")
        lines.append((f"make bench-cluster NP={job['ranks']}" if job else "make bench", "measures"))
    else:
        setting = f" RESULTS={where}" if where else ""
        lines.append((f"make report RUNS={name}{setting}", "one page for a browser"))
        earlier = "latest~1" if name == "latest" else "BASE"
        lines.append((f"tools/headroom compare {earlier} {name}{option}", "with the run before"))
    width = max(len(command) for command, _ in lines)
    for command, what in lines:
        to.print(Text.assemble(f"  {command:<{width}}  ", (what, "dim")), soft_wrap=True)
