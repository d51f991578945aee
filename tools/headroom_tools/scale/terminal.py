"""Prints what `scale` found: speedups by thread count, the two laws, and what they can't say."""

from __future__ import annotations

from typing import Sequence

from rich.console import Console

from headroom_tools.base import terminal
from headroom_tools.base.text import (
    counted,
    ladder_label,
    percent_at_most,
    safe,
    shortened,
    three_digits,
)
from headroom_tools.record.hosts import told as told_hosts
from headroom_tools.record.types import Run
from headroom_tools.scale.types import Amdahl, Fit, Parameter, Point, Usl, Weak


def _percent(parameter: Parameter) -> str:
    text = "unknown" if parameter["value"] is None else f"{100 * parameter['value']:.3g}%"
    if parameter["lo"] is None or parameter["hi"] is None:
        return text
    return f"{text} [{100 * parameter['lo']:.3g}, {100 * parameter['hi']:.3g}]"


def _best(parameter: Parameter) -> str:
    """`, best on 31 threads [28, 35]`, or that there is no such count in reach."""
    value, lo, hi = parameter["value"], parameter["lo"], parameter["hi"]
    if not value:
        return ", no best count in reach"
    told = f", best on {counted(round(value), 'thread')}"
    return told if lo is None else f"{told} [{lo:.0f}, {'no end' if hi is None else f'{hi:.0f}'}]"


def _limit(parameter: Parameter) -> str:
    """`, at most 11.6x [4.40, no end]`, or that none is seen."""
    value, lo, hi = parameter["value"], parameter["lo"], parameter["hi"]
    if value is None:
        return ", no limit seen"
    told = f", at most {three_digits(value)}x"
    if lo is None:
        return told
    return f"{told} [{three_digits(lo)}, {'no end' if hi is None else three_digits(hi)}]"


def _checked(law: Amdahl | Usl) -> str:
    """How far the law misses the points, or that no point is left to check it."""
    misses = f"misses up to {percent_at_most(law['worst_miss'])}"
    if law["checked"]:
        return misses
    return "unchecked" if law["worst_miss"] < 0.0005 else f"unchecked, and {misses}"


def laws_told(entry: Fit) -> list[tuple[str, str]]:
    """Each law that was fitted, and what it says."""
    lines = []
    amdahl, usl = entry["amdahl"], entry["usl"]
    if amdahl:
        told = f"serial {_percent(amdahl['serial'])}{_limit(amdahl['limit'])}"
        lines.append(("Amdahl", f"{told} ({_checked(amdahl)})"))
    if usl:
        told = f"contention {_percent(usl['contention'])}, coherence {_percent(usl['coherence'])}"
        told += _best(usl["best_threads"])
        lines.append(("Scalability Law", f"{told} ({_checked(usl)})"))
    return lines


def points_told(points: Sequence[Point], of: str = "thread") -> str:
    """`1 thread 1.00x, 2 threads 1.98x`, without what has no speedup."""
    return ", ".join(
        f"{counted(point['threads'], of)} {three_digits(point['speedup'])}x"
        for point in points
        if point["speedup"] is not None
    )


def print_fits(run: Run, fits: list[Fit], to: Console) -> None:
    """Prints the fits by kernel and ladder."""
    kernels = {kernel["name"]: kernel for kernel in run["kernels"]}
    over = " and ".join(dict.fromkeys(entry["over"] for entry in fits))
    terminal.title(to, f"{run['machine']} · {run['label']}", f"how kernels scale with {over}")
    shared = [n for n in fits[0]["notes"] if all(n in entry["notes"] for entry in fits)]
    for line in shared:  # once, where it holds for every curve
        terminal.paragraph(to, f"! {line}", "yellow", 0)
    kernel = label = ""
    for entry in fits:
        known = kernels[entry["kernel"]]
        if entry["kernel"] != kernel:
            kernel, label = entry["kernel"], ""
            to.print()
            about = f"{known['axis']} · {known['technique']}"
            terminal.title(to, kernel, shortened(about, 98 - len(kernel)))
        own = ladder_label(
            entry["n"], entry["input"], 1, entry["params"], len(known["inputs"])
        )
        if own != label:
            label = own
            terminal.paragraph(to, own, "cyan")
        of = entry["over"][:-1]
        speedups = points_told(entry["points"], of)
        if entry["hosts"]:
            speedups += f" ({told_hosts(entry['hosts'])})"
        terminal.paragraph(to, f"{safe(entry['variant'])}: {speedups}", "bold", 4)
        for name, told in laws_told(entry):
            terminal.paragraph(to, f"{name}: {told.replace('thread', of)}", "", 6)
        for line in (note for note in entry["notes"] if note not in shared):
            terminal.paragraph(to, f"! {line}", "yellow", 6)


def print_weak(run: Run, entries: list[Weak], to: Console) -> None:
    """Prints weak scaling by kernel."""
    kernels = {kernel["name"]: kernel for kernel in run["kernels"]}
    to.print()
    terminal.title(to, "weak scaling", "as many items for each rank: 1.00 is ideal")
    last = ""
    for entry in entries:
        if entry["kernel"] != last:
            last = entry["kernel"]
            terminal.paragraph(to, last, "bold", 0)
        input_ = f"{entry['input']}, " if len(kernels[last]["inputs"]) > 1 else ""
        points = ", ".join(
            f"{counted(point['ranks'], 'rank')} {point['efficiency']:.2f} "
            f"({told_hosts(point['hosts'])})"
            for point in entry["points"]
            if point["efficiency"] is not None
        )
        serial = entry["serial"]
        law = "" if serial is None else f"; Gustafson: serial {100 * serial:.3g}%"
        head = f"{safe(entry['variant'])}, {input_}{entry['items_per_rank']:,.0f} items a rank"
        terminal.paragraph(to, f"{head}: {points}{law}", "", 4)
