"""Hardware counters of a run: what a call counted, per item and as instructions per cycle."""

from __future__ import annotations

import math
from statistics import median

from rich.console import Console

from headroom_tools import terminal
from headroom_tools.text import five, ladder_label, safe, three_digits

# The columns of `cells` in run.json that a machine with counters has, and how they are headed.
NAMES = {
    "cycles": "cycles",
    "instructions": "instr.",
    "branch_misses": "branch miss",
    "cache_misses": "cache miss",
    "l1d_misses": "L1d miss",
}


def of_arm(arm: dict) -> dict[str, float]:
    """What a call of an arm of the program's output counted, by counter; {} without counters.

    Raises TypeError, ValueError or AttributeError for what the interface doesn't allow.
    """
    found = {}
    for name, value in arm.get("counters", {}).items():
        if name in NAMES and math.isfinite(float(value)) and float(value) >= 0:
            found[name] = float(value)
    return found


def columns(by_cell: dict[int, list[dict[str, float]]], cells: int) -> dict[str, list]:
    """The columns of the counters that any launch has, medians over launches; {} without any.

    by_cell: for a cell's index what its launches counted a call. cells: how many there are.
    """
    made = {}
    for name in NAMES:
        column = []
        for index in range(cells):
            values = [counts[name] for counts in by_cell.get(index, ()) if name in counts]
            column.append(five(median(values)) if values else None)
        if any(value is not None for value in column):
            made[name] = column
    return made


def of_cell(cells: dict[str, list], index: int) -> dict[str, float]:
    """What a call of the cell counted, of a record's `cells`; {} without counters."""
    return {
        name: cells[name][index]
        for name in NAMES
        if name in cells and cells[name][index] is not None
    }


def missing_note(launches: list[dict]) -> list[str]:
    """One line on why the launches counted nothing, with the cure; [] where they did."""
    for tree in launches:
        why = tree.get("no_counters")
        if why:
            return [f"no hardware counters: {why['why']}; cure: {why['cure']}"]
    return []


def read_missing(out: dict) -> dict | None:
    """Why a launch's output has no counters: {"why", "cure"}, or None where it has."""
    why = out.get("no_counters")
    if not isinstance(why, dict):
        return None
    return {name: safe(why.get(name, ""), 200) for name in ("why", "cure")}


def per_item(counts: dict[str, float], items: float) -> dict[str, float]:
    """`show --json`'s counters of a cell: per item, and `ipc`, instructions per cycle."""
    found = {name: value / items for name, value in counts.items()}
    if counts.get("cycles") and counts.get("instructions") is not None:
        found["ipc"] = counts["instructions"] / counts["cycles"]
    return found


def print_table(rows: list, to: Console) -> None:
    """Prints the counters of all rows that have some, a ladder below the other."""
    counted = [row for row in rows if row.cell.counters and not row.cell.kernel["placebo"]]
    to.print()
    if not counted:
        terminal.title(to, "hardware counters", "this run has none: its notes say why")
        return
    terminal.title(
        to,
        "hardware counters",
        "per item, user space; a cache miss is what the CPU's maker takes for one (Intel: of the "
        "last level, AMD: of L2)",
    )
    names = [name for name in NAMES if any(name in row.cell.counters for row in counted)]
    table = terminal.Table("<" + ">" * (len(names) + 1), limits={0: 34})
    kernel = ladder = None
    for row in counted:
        cell = row.cell
        if cell.kernel is not kernel:
            kernel, ladder = cell.kernel, None
            heads = [*(NAMES[name] for name in names), "IPC"]
            table.heading()
            table.heading((kernel["name"], "bold"))
        if cell.ladder() != ladder:
            ladder = cell.ladder()
            inputs, sweep = len(kernel["inputs"]), len(kernel["threads"]) > 1
            label = ladder_label(cell.n, cell.input, cell.ladder_threads, inputs, sweep)
            table.row((label, "cyan"), *((head, "dim") for head in heads))
            heads = [""] * len(heads)
        values = per_item(cell.counters, cell.items)
        shown = [three_digits(values[n]) if n in values else "-" for n in (*names, "ipc")]
        name = f"  {cell.variant}" + (f", {cell.threads} thread" if cell.beside else "")
        table.row(name, *shown)
    table.print(to)
