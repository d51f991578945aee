"""What pictures need of a run, computed once."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Callable

from headroom_tools.machine.types import Machine
from headroom_tools.plot.spec import Point, Series
from headroom_tools.record.types import Run
from headroom_tools.record.validate import load
from headroom_tools.scale.laws import fits
from headroom_tools.scale.types import Fit
from headroom_tools.show import probes as probes_
from headroom_tools.show.probes import Probe
from headroom_tools.show.rows import Row, rows_of


class View:
    """A run, and what pictures need of it, computed once. probes_from: the run that has them."""

    def __init__(self, run: Run, machine: Machine, probes_run: Run | None = None):
        self.run, self.machine = run, machine
        self.rows = rows_of(run)
        own = probes_.probes_of(run)
        self.probes: list[Probe] = own or (probes_.probes_of(probes_run) if probes_run else [])
        self.probes_from = run["name"] if own or not probes_run else probes_run["name"]
        self._fits: list[Fit] | None = None

    @property
    def claims(self) -> list[Row]:
        """The rows of what is no probe and no placebo, and was measured."""
        return [
            row for row in self.rows
            if not (row.cell.kernel["probe"] or row.cell.kernel["placebo"]) and row.value
        ]  # fmt: skip

    @property
    def fits(self) -> list[Fit]:
        """`scale`'s fits."""
        if self._fits is None:
            self._fits = fits(self.run, self.machine)
        return self._fits


def view_of(folder: Path) -> View:
    """The run in `folder`; where it measured no probes, those of its machine's newest run."""
    run, machine = load(folder)
    if any(kernel.get("unit") for kernel in run["kernels"]):
        return View(run, machine)
    other = probes_.newest_of(run["machine"])
    return View(run, machine, load(other)[0] if other else None)


def caches_of(machine: Machine) -> list[tuple[float, str]]:
    """(bytes, name) of the data caches."""
    found = {}
    for cache in machine["cpu"]["caches"]:
        if cache["bytes"] and (cache["kind"] or "").lower() != "instruction":
            found[cache["level"]] = (float(cache["bytes"]), f"L{cache['level']}")
    return [found[level] for level in sorted(found, key=lambda level: level or 0)]


def usable(points: list[Point]) -> list[Point]:
    return [p for p in points if p.x > 0 and p.y > 0 and math.isfinite(p.x) and math.isfinite(p.y)]


def series_told(series: list[Series], told: Callable[[float], str]) -> str:
    """Each series from its first to its last point, in words."""
    parts = [f"{s.name} from {told(s.points[0].y)} to {told(s.points[-1].y)}" for s in series]
    return "; ".join(parts) + "."
