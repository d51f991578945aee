"""What one run says: each cell with its speedup, interval and verdict."""

from __future__ import annotations

from statistics import median
from typing import NamedTuple

from headroom_tools import stats
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe
from headroom_tools.record.cells import Cell, cells_of, of_launches
from headroom_tools.record.noise import noise_floors

BAND = 0.02
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
