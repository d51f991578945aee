"""How far repeated runs of one commit on one machine differ, by axis, and what `compare` says."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from pathlib import Path
from statistics import median

from rich.console import Console

from headroom_tools.base import terminal
from headroom_tools.base.errors import HeadroomError
from headroom_tools.compare.comparison import compared
from headroom_tools.compare.sides import configuration, logs, read_side
from headroom_tools.selfcheck.judge import Share, share
from headroom_tools.show.rows import BAND, MOVED


def _quantile(values: list[float], at: float) -> float:
    """The `at` quantile by linear interpolation."""
    ordered = sorted(values)
    position = at * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def spreads(folders: list[Path]) -> dict:
    """`selfcheck --between --json`.

    By axis: `spread`, the deviation of a cell's log time from its mean over the runs that 95% of
    cells and runs stay below (corrected for the mean being theirs), as a share; and what compare
    makes of every pair of runs with the spread that it would use anyway.
    """
    sides = [read_side(folder) for folder in folders]
    if len(sides) < 2:
        raise HeadroomError("--between: takes two or more runs of one commit and machine")
    first = sides[0]
    for side in sides[1:]:
        if configuration(side.run) != configuration(first.run):
            raise HeadroomError(
                f"--between: {side.name} is of another machine, build or profile than {first.name}"
            )
        if side.run["commit"] != first.run["commit"]:
            raise HeadroomError(f"--between: {side.name} is of another commit than {first.name}")
    deviations = defaultdict(list)
    kernels = defaultdict(set)
    correction = math.sqrt(len(sides) / (len(sides) - 1))
    shared = set.intersection(*(set(side.cells) for side in sides))
    for key in shared:
        cells = [side.cells[key] for side in sides]
        if cells[0].kernel["placebo"]:
            continue
        found = [logs(cell) for cell in cells]
        if not all(found):
            continue
        centres = [median(values) for values in found]
        mean = math.fsum(centres) / len(centres)
        axis = cells[0].kernel["axis"]
        kernels[axis].add(cells[0].kernel["name"])
        deviations[axis] += [correction * abs(centre - mean) for centre in centres]
    moved = defaultdict(list)
    for base, new in itertools.combinations(sides, 2):
        for row in compared(base, new, BAND)["rows"]:
            moved[row["axis"]].append(row["verdict"] in MOVED)
    return {
        "runs": [side.name for side in sides],
        "pairs": len(sides) * (len(sides) - 1) // 2,
        "axes": [
            {
                "axis": axis,
                "kernels": len(kernels[axis]),
                "spread": math.expm1(_quantile(values, 0.95)),
                "typical": math.expm1(_quantile(values, 0.5)),
                "false_verdicts": share(moved[axis])._asdict(),
            }
            for axis, values in sorted(deviations.items())
        ],
        "false_verdicts": share(flag for flags in moved.values() for flag in flags)._asdict(),
    }


def print_spreads(found: dict, to: Console) -> None:
    """The same as a table."""
    terminal.title(
        to, "between runs", f"{len(found['runs'])} runs, {found['pairs']} pairs by `compare`"
    )
    table = terminal.Table("<>>>>>")
    names = ("axis", "kernels", "typical", "95% within", "faster or slower", "95%")
    table.row(*((name, "dim") for name in names))
    for row in [*found["axes"], {"axis": "all", "false_verdicts": found["false_verdicts"]}]:
        moved = Share(**row["false_verdicts"])
        table.row(
            row["axis"],
            f"{row['kernels']}" if "kernels" in row else "",
            f"±{100 * row['typical']:.1f}%" if "typical" in row else "",
            f"±{100 * row['spread']:.1f}%" if "spread" in row else "",
            f"{moved.hits} of {moved.trials}",
            f"{100 * moved.lo:.1f}% .. {100 * moved.hi:.1f}%",
        )
    table.print(to)
