"""What one run says: each cell with its speedup, interval and verdict."""

from __future__ import annotations

import math
from statistics import median
from typing import NamedTuple

from headroom_tools import stats
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe, time_of, value_of
from headroom_tools.record.cells import Cell, cells_of, of_launches
from headroom_tools.record.noise import noise_floors
from headroom_tools.record.types import LadderKey, Launched, Run

BAND = 0.02
MOVED = ("faster", "slower")
ALONE_LIMIT = 1.10  # ratio of a ladder's speedup to that of the variants run alone
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


class OverStandard(NamedTuple):
    """A cell against its ladder's standard rung: factors; bounds are None with too few launches."""

    standard: str
    speedup: float
    lo: float | None
    hi: float | None


class Row(NamedTuple):
    """A cell with what its launches say. speedup, lo and hi are factors; None where not known.

    ns: a call. value: what its ladder is judged by, ns a call where that is time.
    break_even_calls: after how many calls making its State has paid, None where it never does.
    alone: the speedup of the variants run alone, None where they weren't.
    """

    cell: Cell
    baseline: str | None
    ns: float | None
    value: float | None
    speedup: float | None
    lo: float | None
    hi: float | None
    coverage: float | None
    detected: bool | None
    verdict: str | None
    share: Share | None
    over_standard: OverStandard | None
    break_even_calls: float | None
    alone: float | None

    @property
    def alone_differs(self) -> bool:
        """Whether ladder and variants alone disagree by more than they may."""
        if not self.alone or not self.speedup:
            return False
        return abs(math.log(self.speedup / self.alone)) > math.log(ALONE_LIMIT)

    @property
    def told(self) -> str:
        """What its ladder is judged by, with its unit: the time of an item, or `1.20 ms`."""
        if not self.cell.by_time:
            unit = self.cell.measure["unit"]
            return "-" if self.value is None else value_of(self.value, unit)
        return "-" if self.ns_per_item is None else time_of(self.ns_per_item)

    @property
    def marked(self) -> str:
        """`told`, and where it is simulated, that it is."""
        return self.told + self.cell.marked

    @property
    def build_ns(self) -> float | None:
        """What making its State takes; None where it has none."""
        times = of_launches(self.cell.build_ns)
        return median(times) if times else None

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
        paired = base is not None and base.baseline == cell.baseline
        pairs = zip(cell.log_ratio, base.log_ratio) if base and paired else ()
        ratios = [a - b for a, b in pairs if a is not None and b is not None]
        rebased.append((cell, baseline if base else None, ratios))
    return rebased


def rows_of(run: Run, baseline: str | None = None, band: float = BAND) -> list[Row]:
    """All rows of a run. A claim lies outside of `band` and of its class's noise floor.

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
    standards = {c.ladder(): c for c in cells if c.role == "standard" and not c.beside}
    base_ns = {
        cell.ladder(): _middle(cell.median) for cell, base, _ in rebased if cell.is_baseline(base)
    }
    alone = {
        cell.ladder(): cell.alone_ns for cell, base, _ in rebased if cell.is_baseline(base)
    }
    rows = []
    for (cell, base, _), speedup, adjusted in zip(rebased, judged, stats.holm(family)):
        ns = _middle(cell.median)
        is_base = speedup is None and cell.is_baseline(base) and not cell.kernel["probe"]
        floor = 1.0 if cell.kernel["placebo"] else floors.get(cell.kernel["noise_class"], 1.0)
        rows.append(
            Row(
                cell=cell,
                baseline=base,
                ns=ns,
                value=_middle(cell.measured),
                speedup=speedup.speedup if speedup else 1.0 if is_base and ns else None,
                lo=speedup.lo if speedup else None,
                hi=speedup.hi if speedup else None,
                coverage=speedup.coverage if speedup else None,
                detected=None if not speedup or adjusted is None else adjusted < stats.ALPHA,
                verdict=stats.verdict(speedup.intervals, band, floor) if speedup else None,
                share=share_of(cell),
                over_standard=_over_standard(cell, standards.get(cell.ladder())),
                break_even_calls=_break_even(cell, base_ns.get(cell.ladder()), ns),
                alone=_alone(cell, alone.get(cell.ladder())) if speedup else None,
            )
        )
    return rows


def _middle(values: Launched) -> float | None:
    """The median over the launches that gave something."""
    known = of_launches(values)
    return median(known) if known else None


def _over_standard(cell: Cell, standard: Cell | None) -> OverStandard | None:
    """`cell` against its ladder's standard rung, paired by launch; None without one."""
    if standard is None or standard.baseline != cell.baseline:
        return None
    if cell is standard:
        return OverStandard(standard.variant, 1.0, None, None)
    pairs = zip(cell.log_ratio, standard.log_ratio)
    found = stats.speedup_of([a - b for a, b in pairs if a is not None and b is not None])
    return OverStandard(standard.variant, found.speedup, found.lo, found.hi) if found else None


def _alone(cell: Cell, base_ns: float | None) -> float | None:
    """The speedup of the variants run alone, where both were and it is time that counts."""
    return base_ns / cell.alone_ns if base_ns and cell.alone_ns and cell.by_time else None


def _break_even(cell: Cell, base_ns: float | None, ns: float | None) -> float | None:
    """After how many calls a cell's State has paid: its cost over what a call saves."""
    build = _middle(cell.build_ns)
    if build is None or base_ns is None or ns is None or base_ns <= ns:
        return None
    return build / (base_ns - ns)


def best_rows(rows: list[Row]) -> list[Row]:
    """Of each ladder the best variant of those that keep the baseline's promise and aren't
    withheld; probes and placebos have none."""
    best: dict[LadderKey, tuple[float, Row]] = {}
    for row in rows:
        kernel, key = row.cell.kernel, row.cell.ladder()
        if kernel["probe"] or kernel["placebo"] or row.impossible or row.cell.lacks:
            continue
        if not row.speedup or row.value is None:
            continue
        cost = row.cell.cost(row.value)
        if key not in best or cost < best[key][0]:
            best[key] = cost, row
    return [row for _, row in best.values()]
