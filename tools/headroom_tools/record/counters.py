"""Hardware counters in a record: their columns, and what a call of a cell counted."""

from __future__ import annotations

from statistics import median

from headroom_tools.base.text import five

# The columns of `cells` in run.json that a machine with counters has, and how they are headed.
NAMES = {
    "cycles": "cycles",
    "instructions": "instr.",
    "branch_misses": "branch miss",
    "cache_misses": "cache miss",
    "l1d_misses": "L1d miss",
}


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


def per_item(counts: dict[str, float], items: float) -> dict[str, float]:
    """`show --json`'s counters of a cell: per item, and `ipc`, instructions per cycle."""
    found = {name: value / items for name, value in counts.items()}
    if counts.get("cycles") and counts.get("instructions") is not None:
        found["ipc"] = counts["instructions"] / counts["cycles"]
    return found
