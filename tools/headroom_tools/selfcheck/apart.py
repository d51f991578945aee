"""How far ladders agree with the same variants run another way: alone, or in another build."""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import median
from typing import Callable, NamedTuple, TypedDict

from rich.console import Console

from headroom_tools.base import terminal
from headroom_tools.base.text import three_digits
from headroom_tools.record.cells import of_launches
from headroom_tools.selfcheck.alone import Cell, Head, Sample
from headroom_tools.selfcheck.judge import Goal, of_share, share
from headroom_tools.selfcheck.output import goals_table

GOAL = 0.95  # of cells
LIMITS = {"alone": 1.10, "peers": 1.05}
FURTHER = 1.15
WORST = 30


class Row(NamedTuple):
    """A cell. ladder, other: what is compared (speedups; of `peers` the ns of a call). ratio: other
    over ladder. base_ratio, own_ratio: the times of the baseline and of the variant the other way,
    over those in the ladder."""

    kernel: str
    axis: str
    cell: str
    ladder_name: str
    launches: int
    ladder: float
    other: float
    base_ratio: float
    own_ratio: float

    @property
    def ratio(self) -> float:
        return self.other / self.ladder

    def within(self, limit: float) -> bool:
        """Whether the two differ by less than a factor."""
        return abs(math.log(self.ratio)) <= math.log(limit)


class Part(TypedDict):
    """The rows of a group, of an axis, or all. within: `limit`; further: FURTHER."""

    name: str
    cells: int
    within: float
    further: float


class Found(NamedTuple):
    """What the samples say. parts: by group of kernels, by axis, and all."""

    kind: str
    limit: float
    rows: list[Row]
    groups: list[Part]
    axes: list[Part]
    whole: Part
    goal: Goal


def _gathered(samples: list[Sample]) -> dict[tuple[str, str, str], list[Cell]]:
    cells: dict[tuple[str, str, str], list[Cell]] = defaultdict(list)
    for sample in samples:
        for cell in sample["cells"]:
            cells[sample["kernel"], cell["ladder"], cell["name"]].append(cell)
    return cells


def _middle(values: list[float | None]) -> float | None:
    known = of_launches(values)
    return median(known) if known else None


def _times(cells: list[Cell]) -> tuple[float | None, float | None]:
    """The median time of a cell's launches, in the ladder and the other way."""
    return _middle([c["ns"] for c in cells]), _middle([c["other_ns"] for c in cells])


def rows_of(head: Head, samples: list[Sample]) -> list[Row]:
    """Every variant that has a figure both ways: against its baseline where they ran alone, the
    baselines too where it is their time in two builds that is compared."""
    cells = _gathered(samples)
    bases = {(key[0], key[1]): found for key, found in cells.items() if found[0]["baseline"]}
    rows = []
    for (kernel, ladder, name), found in cells.items():
        base = bases.get((kernel, ladder))
        if base is None or (found[0]["baseline"] and head["kind"] == "alone"):
            continue
        own, own_other = _times(found)
        first, first_other = _times(base)
        if not own or not own_other or not first or not first_other:
            continue
        figure, other = own, own_other
        if head["kind"] == "alone":
            ratio = _middle([c["log_ratio"] for c in found])
            if ratio is None:
                continue
            figure, other = math.exp(ratio), first_other / own_other
        axis = head["kernels"][kernel]
        rows.append(
            Row(kernel, axis, name, ladder, len(found), figure, other,
                first_other / first, own_other / own)
        )  # fmt: skip
    return rows


def _parts(rows: list[Row], limit: float, name_of: Callable[[Row], str]) -> list[Part]:
    named = defaultdict(list)
    for row in rows:
        named[name_of(row)].append(row)
    return [
        {
            "name": name,
            "cells": len(some),
            "within": sum(row.within(limit) for row in some) / len(some),
            "further": sum(row.within(FURTHER) for row in some) / len(some),
        }
        for name, some in sorted(named.items())
    ]


def judged(head: Head, samples: list[Sample]) -> Found | None:
    """What the samples say; None where no cell has a figure both ways."""
    rows = rows_of(head, samples)
    if not rows:
        return None
    kind = head["kind"]
    limit = LIMITS[kind]
    what = {
        "alone": "speedups within 10% of the variants run alone",
        "peers": "times within 5% of those without the optional peers",
    }[kind]
    return Found(
        kind,
        limit,
        rows,
        _parts(rows, limit, lambda row: row.kernel.partition("/")[0]),
        _parts(rows, limit, lambda row: row.axis),
        _parts(rows, limit, lambda _: "all")[0],
        of_share(what, GOAL, False, share(row.within(limit) for row in rows)),
    )


def worst(rows: list[Row], count: int = WORST) -> list[Row]:
    """Those that differ most, the worst first."""
    return sorted(rows, key=lambda row: -abs(math.log(row.ratio)))[:count]


def as_json(found: Found) -> dict[str, object]:
    """`selfcheck --alone --json`, with every row."""
    return {
        "kind": found.kind,
        "limit": found.limit,
        "groups": found.groups,
        "axes": found.axes,
        "all": found.whole,
        "rows": [
            {**row._asdict(), "ratio": row.ratio} for row in worst(found.rows, len(found.rows))
        ],
        "goals": [found.goal._asdict()],
    }


def print_found(found: Found, to: Console) -> None:
    """The shares by group and axis, the worst cells, and whether the goal is met."""
    alone = found.kind == "alone"
    about = "of the variants alone" if alone else "of the build without the optional peers"
    terminal.title(to, "ladders", f"cells within a factor {about}")
    table = terminal.Table("<>>>")
    limit = f"within {100 * (found.limit - 1):.0f}%"
    table.row(*((name, "dim") for name in ("", "cells", limit, "within 15%")))
    for part in [*found.groups, *found.axes, found.whole]:
        table.row(
            part["name"], f"{part['cells']}", f"{100 * part['within']:.0f}%",
            f"{100 * part['further']:.0f}%",
        )  # fmt: skip
    table.print(to)
    terminal.title(to, "the worst", "baseline, variant: their time over that in the ladder")
    table = terminal.Table("<>>>>", limits={0: 62})
    named = ("", "ladder", "alone" if alone else "without", "baseline", "variant")
    table.row(*((name, "dim") for name in named))
    for row in worst(found.rows):
        unit = "x" if alone else " ns"
        table.row(
            row.cell, f"{three_digits(row.ladder)}{unit}", f"{three_digits(row.other)}{unit}",
            f"{row.base_ratio:.2f}", f"{row.own_ratio:.2f}",
        )  # fmt: skip
    table.print(to)
    terminal.title(to, "goal", "")
    goals_table([found.goal]).print(to)
