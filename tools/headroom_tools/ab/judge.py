"""What the pairs say: for each cell how many times as fast NEW is, judged like a speedup.

The pair of launches is the unit: what drifts, and what is drawn, is the same for both of it.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Sequence

from headroom_tools import stats
from headroom_tools.record.ab_file import PAIRS_LEAST
from headroom_tools.record.ab_types import Ab, Cell, Kernel
from headroom_tools.record.types import Launched

# Of a whole comparison of two identical builds, how often any of its cells may be called different.
ALPHA = 0.01


class Row(NamedTuple):
    """A cell. base, new: the medians of its launches by the kernel's measure. ratio: above 1 NEW is
    better. detected: after Holm's adjustment over all rows; None for a placebo or too few pairs.
    pairs: that gave both values; needed: about so many would decide, None where it is decided."""

    kernel: Kernel
    cell: Cell
    base: float | None
    new: float | None
    ratio: float | None
    lo: float | None
    hi: float | None
    p: float | None
    detected: bool | None
    verdict: str | None
    pairs: int
    needed: int | None


def _median(values: Launched) -> float | None:
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    half = len(known) // 2
    return known[half] if len(known) % 2 else (known[half - 1] + known[half]) / 2


def logs_of(kernel: Kernel, cell: Cell) -> list[float]:
    """ln(how many times as good NEW is), one for each pair that gave both values."""
    sign = 1 if kernel["measure"]["better"] == "less" else -1
    return [
        sign * math.log(base / new)
        for base, new in zip(cell["base"], cell["new"])
        if base is not None and new is not None and base > 0 and new > 0
    ]


def _needed(intervals: Sequence[stats.Interval | None], pairs: int, band: float) -> int | None:
    """About how many pairs make the wider interval as wide as half the band.

    Half: a difference may lie anywhere within the band, and the interval has to fit beside it.
    """
    known = [(one.hi - one.lo) / 2 for one in intervals if one is not None]
    if not known:
        return None
    return max(pairs + 2, math.ceil(pairs * (max(known) / (math.log1p(band) / 2)) ** 2 / 2) * 2)


def rows_of(tree: Ab, band: float) -> list[Row]:
    """Every cell of a comparison. Placebos are judged too, but are no part of the family."""
    judged = []
    for cell in tree["cells"]:
        kernel = tree["kernels"][cell["kernel"]]
        logs = logs_of(kernel, cell)
        judged.append((kernel, cell, len(logs), stats.speedup_of(logs)))
    family = [
        found.p if found and not kernel["placebo"] else None for kernel, _, _, found in judged
    ]
    rows = []
    for (kernel, cell, pairs, found), adjusted in zip(judged, stats.holm(family)):
        verdict = stats.verdict(found.intervals, band) if found else None
        needed = None
        if found and verdict == "unresolved":
            needed = _needed(found.intervals, pairs, band)
            if needed is not None:  # it takes part in that share of all pairs
                needed = math.ceil(needed * tree["done"] / pairs / 2) * 2
        rows.append(
            Row(
                kernel,
                cell,
                _median(cell["base"]),
                _median(cell["new"]),
                found.speedup if found else None,
                found.lo if found else None,
                found.hi if found else None,
                found.p if found else None,
                None if adjusted is None else adjusted < ALPHA,
                verdict,
                pairs,
                needed,
            )
        )
    return rows


def control(rows: list[Row]) -> list[Row]:
    """The placebos whose difference is no chance: code that no change to a kernel can touch."""
    placebos = [row for row in rows if row.kernel["placebo"] and row.p is not None]
    adjusted = stats.holm([row.p for row in placebos])
    return [row for row, p in zip(placebos, adjusted) if p is not None and p < ALPHA]


def failing(rows: list[Row], verdict: str) -> list[Row]:
    """The rows that have the verdict and are no chance in the whole of the comparison.

    No row is, where there are too few pairs for verdicts.
    """
    return [row for row in rows if row.verdict == verdict and row.detected]


def enough(tree: Ab) -> bool:
    """Whether there are pairs enough for verdicts."""
    return tree["done"] >= PAIRS_LEAST


def lost(tree: Ab) -> list[str]:
    """What BASE has and NEW lacks, or what failed there."""
    return [one["what"] for one in tree["only"] if one["side"] == "base"]
