"""What one run says: ladders with speedup, interval and verdict; noise floor; what was missing."""

from __future__ import annotations

import math
from statistics import median
from typing import NamedTuple

from headroom_tools import counters, disturbance, stats
from headroom_tools.errors import HeadroomError
from headroom_tools.record import Cell, cells_of
from headroom_tools.text import ladder_label, safe

BAND = 0.02
ALONE_LIMIT = 1.15  # ratio of a ladder's speedup to that of the variants run alone
OVERHEAD_KERNEL = "machine/overhead"
OVERHEAD_TIMES = 20  # a call shorter than this many empty calls is flagged
MOVED = ("faster", "slower")
ABOVE = 1.05  # a share of the ceiling whose whole interval lies above this is an error


class Share(NamedTuple):
    """How much of its ceiling a cell reaches: ceiling time over own; None with too few launches."""

    of_ceiling: float
    lo: float | None
    hi: float | None

    @property
    def impossible(self) -> bool:
        """Its whole interval lies above the ceiling: a mistake of measuring, never a record."""
        return bool(self.lo and self.lo > ABOVE)


def share_of(cell: Cell) -> Share | None:
    """A cell's share of its ceiling, from the paired ratios of its launches."""
    speedup = stats.speedup_of(of_launches(cell.of_ceiling))
    return Share(speedup.speedup, speedup.lo, speedup.hi) if speedup else None


class Row(NamedTuple):
    """A cell with what its launches say. speedup, lo and hi are factors; None where not known."""

    cell: Cell
    baseline: str | None
    ns: float | None
    speedup: float | None
    lo: float | None
    hi: float | None
    coverage: float | None
    detected: bool | None
    verdict: str | None
    share: Share | None

    @property
    def impossible(self) -> bool:
        """Above its ceiling: the kernel or the probe is wrong, and the figure is withheld."""
        return bool(self.share and self.share.impossible)

    @property
    def ceiling_per_item(self) -> float | None:
        """ns an item that the ceiling leaves at least."""
        times = of_launches(self.cell.ceiling)
        return median(times) / self.cell.items if times else None

    @property
    def ns_per_item(self) -> float | None:
        return None if self.ns is None else self.ns / self.cell.items

    @property
    def intensity(self) -> float | None:
        """Arithmetic intensity: floating-point operations for each byte that has to move."""
        cell = self.cell
        return cell.flops / cell.bytes if cell.flops and cell.bytes else None

    @property
    def flops_per_second(self) -> float | None:
        return self.cell.flops / self.ns * 1e9 if self.ns and self.cell.flops else None

    @property
    def bytes_per_second(self) -> float | None:
        return self.cell.bytes / self.ns * 1e9 if self.ns and self.cell.bytes else None


def of_launches(values: list) -> list[float]:
    """The launches that gave something."""
    return [value for value in values if value is not None]


def noise_floors(cells: list[Cell]) -> dict[str, float]:
    """{class: ratio >= 1}: how far each class's placebos strayed from 1."""
    by_class: dict[str, list[list[float]]] = {}
    for cell in cells:
        if cell.kernel["placebo"] and not (cell.is_baseline(cell.baseline) or cell.beside):
            by_class.setdefault(cell.kernel["placebo"], []).append(of_launches(cell.log_ratio))
    floors = {name: stats.noise_floor(values) for name, values in by_class.items()}
    return {name: floor for name, floor in floors.items() if floor is not None}


def _rebased(cells: list[Cell], baseline: str | None) -> list[tuple[Cell, str | None, list[float]]]:
    """Each cell with its baseline's name and its log ratios to it, one a launch."""
    if baseline is None:
        return [(cell, cell.baseline, of_launches(cell.log_ratio)) for cell in cells]
    bases = {}
    for cell in cells:
        if cell.is_baseline(baseline):
            bases[cell.ladder()] = cell
    if not bases:
        known = sorted({cell.variant for cell in cells})
        shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
        raise HeadroomError(
            f"--baseline {safe(baseline, 60)}: no such variant here; there are {shown}"
        )
    rebased = []
    for cell in cells:
        base = bases.get(cell.ladder())
        pairs = zip(cell.log_ratio, base.log_ratio) if base else ()
        ratios = [a - b for a, b in pairs if a is not None and b is not None]
        rebased.append((cell, baseline if base else None, ratios))
    return rebased


def rows_of(run: dict, baseline: str | None = None, band: float = BAND) -> list[Row]:
    """All rows of a run. A verdict's band is `band` or its class's noise floor, the larger.

    Placebos are judged by `band` alone: a verdict there says that the run is not to be trusted.
    """
    cells = cells_of(run)
    floors = noise_floors(cells)
    rebased = _rebased(cells, baseline)
    judged = []
    for cell, base, ratios in rebased:
        claims = not (cell.kernel["probe"] or base is None or cell.is_baseline(base))
        judged.append(stats.speedup_of(ratios) if claims else None)
    family = [
        speedup.p if speedup and not cell.kernel["placebo"] else None
        for (cell, _, _), speedup in zip(rebased, judged)
    ]
    rows = []
    for (cell, base, _), speedup, adjusted in zip(rebased, judged, stats.holm(family)):
        times = of_launches(cell.median)
        ns = median(times) if times else None
        if speedup is None:
            is_base = cell.is_baseline(base) and not cell.kernel["probe"]
            own = 1.0 if is_base and ns else None
            rows.append(Row(cell, base, ns, own, *[None] * 5, share_of(cell)))
            continue
        floor = 1.0 if cell.kernel["placebo"] else floors.get(cell.kernel["noise_class"], 1.0)
        rows.append(
            Row(
                cell,
                base,
                ns,
                speedup.speedup,
                speedup.lo,
                speedup.hi,
                speedup.coverage,
                None if adjusted is None else adjusted < stats.ALPHA,
                stats.verdict(speedup.intervals, max(band, floor - 1)),
                share_of(cell),
            )
        )
    return rows


def alone_differs(rows: list[Row]) -> list[dict]:
    """The rows whose speedup in the ladder is over 15% off that of the variants run alone."""
    bases = {
        row.cell.ladder(): row.cell.alone_ns
        for row in rows
        if row.cell.is_baseline(row.baseline)
    }
    found = []
    for row in rows:
        base, own = bases.get(row.cell.ladder()), row.cell.alone_ns
        if not base or not own or not row.speedup or row.cell.is_baseline(row.baseline):
            continue
        ratio = base / own
        if abs(math.log(row.speedup / ratio)) > math.log(ALONE_LIMIT):
            found.append(
                {
                    **row.cell.key(),
                    "ladder_threads": row.cell.ladder_threads,
                    "speedup": row.speedup,
                    "alone": ratio,
                }
            )
    return found


def alone_checked(rows: list[Row]) -> int:
    """How many speedups could be held against the variants run alone."""
    bases = {
        row.cell.ladder()
        for row in rows
        if row.cell.is_baseline(row.baseline) and row.cell.alone_ns
    }
    return sum(
        1
        for row in rows
        if row.cell.alone_ns
        and not row.cell.is_baseline(row.baseline)
        and row.cell.ladder() in bases
    )


def short_calls(rows: list[Row]) -> list[dict]:
    """The cells whose call takes under 20 times an empty kernel's."""
    empty = [row.ns for row in rows if row.cell.kernel["name"] == OVERHEAD_KERNEL and row.ns]
    if not empty:
        return []
    limit = OVERHEAD_TIMES * min(empty)
    return [
        {**row.cell.key(), "ladder_threads": row.cell.ladder_threads, "ns": row.ns}
        for row in rows
        if row.ns is not None and row.ns < limit and not row.cell.kernel["probe"]
    ]


def needs_of(entry: dict, kernels: dict[str, dict]) -> str:
    """What a missing variant or ladder needs, and the cure, in one line."""
    needs = entry["needs"]
    if entry["n"] is not None:
        kernel = kernels.get(entry["kernel"])
        inputs = len(kernel["inputs"]) if kernel else 2
        label = ladder_label(entry["n"], entry["input"], entry["threads"], inputs)
        needs = f"{label}: {needs}"
    return f"{needs} ({entry['cure']})" if entry["cure"] else needs


def as_json(run: dict, rows: list[Row]) -> dict:
    """`show --json`. Beyond DESIGN.md's keys a row names its ladder (ladder_threads), and has
    `counters` where the machine had some."""
    kernels = {kernel["name"]: kernel for kernel in run["kernels"]}
    return {
        "run": run["name"],
        "rows": [
            {
                **row.cell.key(),
                "ladder_threads": row.cell.ladder_threads,
                "role": row.cell.role,
                "baseline": row.baseline,
                "ns_per_item": None if row.impossible else row.ns_per_item,
                "bytes_per_second": None if row.impossible else row.bytes_per_second,
                "flops_per_second": None if row.impossible else row.flops_per_second,
                "intensity": row.intensity,
                "speedup": None if row.impossible else row.speedup,
                "lo": None if row.impossible else row.lo,
                "hi": None if row.impossible else row.hi,
                "detected": row.detected,
                "verdict": "withheld" if row.impossible else row.verdict,
                "ceiling": row.ceiling_per_item,
                "of_ceiling": row.share.of_ceiling if row.share else None,
                "of_ceiling_lo": row.share.lo if row.share else None,
                "of_ceiling_hi": row.share.hi if row.share else None,
                "probe": row.cell.probe,
                **(
                    {"counters": counters.per_item(row.cell.counters, row.cell.items)}
                    if row.cell.counters
                    else {}
                ),
            }
            for row in rows
        ],
        "noise_floor": noise_floors(cells_of(run)),
        "missing": [
            {
                "kernel": entry["kernel"],
                "variant": entry["variant"],
                "needs": needs_of(entry, kernels),
            }
            for entry in run["missing"]
        ],
        "left_out": run["left_out"],
        "failures": run["failures"],
        "alone_differs": alone_differs(rows),
        "short_calls": short_calls(rows),
        "disturbed": disturbance.totals(run),
        "notes": run["notes"],
    }
