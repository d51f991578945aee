"""A run as `compare` reads it, before it is known which runs make a side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Sequence

import numpy

from headroom_tools.compare import between_runs
from headroom_tools.compare.types import CellKey
from headroom_tools.machine.types import Machine
from headroom_tools.record.cells import Cell, cells_of
from headroom_tools.record.types import Launched, Run, key_of as params_key
from headroom_tools.record.validate import load

if TYPE_CHECKING:
    from headroom_tools.compare.between_runs import Floats


def key_of(cell: Cell) -> CellKey:
    """CELL as a tuple: what both sides must have for a row."""
    params = params_key(cell.params)
    return cell.kernel["name"], cell.variant, cell.n, cell.input, cell.threads, params


def columns(rows: list[Launched]) -> Floats:
    """Values by row and launch; None becomes NaN."""
    return numpy.array(rows, dtype=float) if rows else numpy.zeros((0, 1))


def signs_of(cells: Sequence[Cell]) -> Floats:
    """A column: 1 where less is better, -1 where more is."""
    return numpy.array([[cell.cost(1.0)] for cell in cells]).reshape(-1, 1)


def signed(cells: Iterable[Cell]) -> Floats:
    """Logs of what each cell is judged by, so that less is better."""
    rows = list(cells)
    judged = columns([cell.measured for cell in rows])
    with numpy.errstate(invalid="ignore"):
        judged[judged <= 0] = numpy.nan
    return signs_of(rows) * numpy.log(judged)


@dataclass(frozen=True, eq=False)
class Loaded:
    """A run and where it lies."""

    folder: Path
    run: Run
    machine: Machine

    @cached_property
    def rows(self) -> list[Cell]:
        """All measured cells, as often as they stand in a ladder; what is simulated is apart."""
        return [cell for cell in cells_of(self.run) if not cell.simulated]

    @cached_property
    def simulated(self) -> dict[CellKey, Cell]:
        """The simulated ones, by CELL: they are no figures of the machine."""
        return {key_of(cell): cell for cell in cells_of(self.run) if cell.simulated}

    @cached_property
    def cells(self) -> dict[CellKey, Cell]:
        """By CELL, each once: of its own ladder where it stands in several."""
        chosen: dict[CellKey, Cell] = {}
        for cell in self.rows:
            known = chosen.get(key_of(cell))
            own = cell.ladder_threads == cell.threads
            if known is None or (own and known.ladder_threads != known.threads):
                chosen[key_of(cell)] = cell
        return chosen

    def times(self, keys: list[CellKey]) -> tuple[Floats, Floats]:
        """The (values, variances) of some cells, as this run's launches give them."""
        return between_runs.of_times(signed(self.cells[key] for key in keys))


def loaded(folder: Path) -> Loaded:
    """The run in `folder`, checked."""
    return Loaded(folder.resolve(), *load(folder))
