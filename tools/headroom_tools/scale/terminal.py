"""Prints what `scale` found: speedups by thread count, the two laws, and what they can't say."""

from __future__ import annotations

from rich.console import Console

from headroom_tools.base import terminal
from headroom_tools.base.text import ladder_label, safe, shortened, three_digits
from headroom_tools.record.types import Run
from headroom_tools.scale.types import Fit, Parameter


def _percent(parameter: Parameter) -> str:
    text = "unknown" if parameter["value"] is None else f"{100 * parameter['value']:.3g}%"
    if parameter["lo"] is None or parameter["hi"] is None:
        return text
    return f"{text} [{100 * parameter['lo']:.3g}, {100 * parameter['hi']:.3g}]"


def _count(parameter: Parameter) -> str:
    if parameter["value"] is None:
        return "none"
    text = f"{parameter['value']:.0f}"
    if parameter["lo"] is None:
        return text
    high = "no end" if parameter["hi"] is None else f"{parameter['hi']:.0f}"
    return f"{text} [{parameter['lo']:.0f}, {high}]"


def _laws(entry: Fit) -> list[tuple[str, str]]:
    lines = []
    amdahl, usl = entry["amdahl"], entry["usl"]
    if amdahl:
        told = f"serial {_percent(amdahl['serial'])}"
        limit = amdahl["limit"]["value"]
        told += f", at most {three_digits(limit)}x" if limit else ", no limit seen"
        unchecked = "" if amdahl["checked"] else ", unchecked"
        lines.append(("Amdahl", f"{told} (misses up to {100 * amdahl['worst_miss']:.1f}%"
                                f"{unchecked})"))  # fmt: skip
    if usl:
        told = f"contention {_percent(usl['contention'])}, coherence {_percent(usl['coherence'])}"
        best = usl["best_threads"]
        told += f", best on {_count(best)} threads" if best["value"] else ", no best count in reach"
        unchecked = "" if usl["checked"] else ", unchecked"
        lines.append(("Scalability Law", f"{told} (misses up to {100 * usl['worst_miss']:.1f}%"
                                         f"{unchecked})"))  # fmt: skip
    return lines


def print_fits(run: Run, fits: list[Fit], to: Console) -> None:
    """Prints the fits by kernel and ladder."""
    kernels = {kernel["name"]: kernel for kernel in run["kernels"]}
    terminal.title(to, f"{run['machine']} · {run['label']}", "how kernels scale with threads")
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
        speedups = ", ".join(
            f"{point['threads']}: {three_digits(point['speedup'])}x"
            for point in entry["points"]
            if point["speedup"] is not None
        )
        terminal.paragraph(to, f"{safe(entry['variant'])}  threads {speedups}", "bold", 4)
        for name, told in _laws(entry):
            terminal.paragraph(to, f"{name}: {told}", "", 6)
        for line in (note for note in entry["notes"] if note not in shared):
            terminal.paragraph(to, f"! {line}", "yellow", 6)
