"""What is compared: a run, or several that pool into one side."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Hashable, NamedTuple, TypeVar

import numpy

from headroom_tools import stats
from headroom_tools.base.text import safe
from headroom_tools.compare import between_runs
from headroom_tools.compare.between_runs import Runs
from headroom_tools.compare.loaded import Loaded, columns, key_of, loaded, signed, signs_of
from headroom_tools.compare.pooling import NotPooled, Pool, pools_of
from headroom_tools.compare.types import CellKey
from headroom_tools.machine.types import Machine
from headroom_tools.record.cells import Cell, of_launches
from headroom_tools.record.types import LadderKey, Launched, Run
from headroom_tools.show.rows import ABOVE

if TYPE_CHECKING:
    from headroom_tools.compare.between_runs import Floats

MOST_NAMES = 4  # of pooled runs, in one line
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Numbers:
    """Columns of a side, a row for each of `keys`; NaN where there is none.

    logs: of each launch's time, or of what else its ladder is judged by; where more of that is
    better, with the other sign, so that less is better everywhere. runs: what each run makes of
    them. beside: the same of runs that are not pooled. value: the mean over runs in the unit of the
    measure, ns: of the times. shape of logs: (rows, launches).
    """

    index: dict[CellKey, int]
    logs: Floats
    runs: Runs
    beside: Floats
    value: Floats
    ns: Floats


class Side(NamedTuple):
    """One side of a comparison.

    runs: those pooled, the one that was named first. cells: by CELL, with the launches of all
    runs. rungs: by ladder (kernel, n, input, threads) the cells that stand in it. repeats: the
    names of further runs of the same code, that only tell how far runs lie apart. not_pooled: runs
    of its label that are neither; older: how many more there may be, not read. withheld: cells left
    out, as they lie above their ceiling. simulated: what was not measured (compare/simulated.py),
    of the run that was named first: runs of the same code have the same.
    """

    name: str
    runs: list[Run]
    machine: Machine
    cells: dict[CellKey, Cell]
    rungs: dict[LadderKey, list[Cell]]
    repeats: list[str]
    not_pooled: list[NotPooled]
    older: int
    withheld: list[CellKey]
    numbers: Numbers
    simulated: dict[CellKey, Cell]

    @property
    def run(self) -> Run:
        """The run that was named; what its pooled repeats share with it is read here."""
        return self.runs[0]


def by_run(values: Floats, launches: list[int]) -> list[Floats]:
    """The columns of each run, of those of all runs one after the other."""
    if not values.size:
        return [numpy.full((len(values), 1), numpy.nan) for _ in launches]
    return numpy.split(values, numpy.cumsum(launches)[:-1], axis=1)


def launches_of(runs: list[Run]) -> list[int]:
    """How many launches each run planned: the columns that are its own."""
    return [run["plan"]["launches"] for run in runs]


def _numbers(
    cells: dict[CellKey, Cell], launches: list[int], beside: list[Loaded]
) -> Numbers:
    index = {key: row for row, key in enumerate(cells)}
    logs_ = signed(cells.values())
    runs = between_runs.joined(
        [between_runs.of_times(own) for own in by_run(logs_, launches)], len(cells)
    )
    apart = numpy.full((len(cells), len(beside)), numpy.nan)
    for at, one in enumerate(beside):
        shared = [key for key in cells if key in one.cells]
        if shared:
            values, _ = one.times(shared)
            apart[[index[key] for key in shared], at] = values
    # In the unit of the measure: exactly what the ratio is of, so that both agree.
    signs = signs_of(list(cells.values()))[:, 0]
    value = numpy.exp(signs * between_runs.mean_of(runs.value))
    times = columns([cell.median for cell in cells.values()])
    with numpy.errstate(invalid="ignore"):
        times = numpy.log(numpy.where(times > 0, times, numpy.nan))
    own_times = [between_runs.of_times(own)[0] for own in by_run(times, launches)]
    ns = numpy.exp(between_runs.mean_of(between_runs.joined(
        [(own, own) for own in own_times], len(cells)
    ).value))  # fmt: skip
    return Numbers(index, logs_, runs, apart, value, ns)


def _joined(columns_: list[Launched | None], launches: list[int]) -> Launched:
    """The launches of several runs one after the other; None for those of a run without any."""
    return [
        value
        for column, count in zip(columns_, launches)
        for value in (column or [None] * count)
    ]


def _pooled(tables: list[dict[Key, Cell]], launches: list[int]) -> dict[Key, Cell]:
    """The tables' cells, each with the launches of all tables; None where one lacks the cell."""
    if len(tables) == 1:
        return tables[0]
    pooled = {}
    for key in dict.fromkeys(key for table in tables for key in table):
        found = [table.get(key) for table in tables]
        first = next(cell for cell in found if cell is not None)
        pooled[key] = first._replace(
            median=_joined([cell and cell.median for cell in found], launches),
            p10=_joined([cell and cell.p10 for cell in found], launches),
            min=_joined([cell and cell.min for cell in found], launches),
            value=_joined([cell and cell.value for cell in found], launches),
            log_ratio=_joined([cell and cell.log_ratio for cell in found], launches),
            ceiling=_joined([cell and cell.ceiling for cell in found], launches),
            of_ceiling=_joined([cell and cell.of_ceiling for cell in found], launches),
        )
    return pooled


def _above_ceiling(cell: Cell) -> bool:
    """Whether `show` would withhold the cell: faster than the machine can be."""
    shares = of_launches(cell.of_ceiling)
    interval = stats.order_interval(shares) if shares else None
    return interval is not None and interval.lo > math.log(ABOVE)


def _side(pool: Pool) -> Side:
    """The side that a pool makes."""
    runs = [one.run for one in pool.runs]
    launches = launches_of(runs)
    cells = _pooled([one.cells for one in pool.runs], launches)
    rows = _pooled(
        [{(*cell.ladder(), *key_of(cell)): cell for cell in one.rows} for one in pool.runs],
        launches,
    )
    withheld = {where for where, cell in rows.items() if _above_ceiling(cell)}
    rungs: dict[LadderKey, list[Cell]] = {}
    for where, cell in rows.items():
        if where not in withheld:
            rungs.setdefault(cell.ladder(), []).append(cell)
    out = [key for key, cell in cells.items() if (*cell.ladder(), *key) in withheld]
    gone = set(out)
    kept = {key: cell for key, cell in cells.items() if key not in gone}
    more = f" and {len(pool.runs) - 1} more" if len(pool.runs) > 1 else ""
    return Side(
        safe(pool.runs[0].folder.name, 80) + more,
        runs,
        pool.runs[0].machine,
        kept,
        rungs,
        [one.run["name"] for one in pool.beside],
        pool.left,
        pool.older,
        out,
        _numbers(kept, launches, pool.beside),
        pool.runs[0].simulated,
    )


def read_alone(folder: Path) -> Side:
    """The run in `folder` and nothing beside it."""
    return _side(Pool([loaded(folder)], [], [], 0))


def read_sides(folders: list[Path], pool: bool = True) -> list[Side]:
    """The sides that `folders` make, in their order: the first is the base (pooling.pools_of)."""
    return [_side(own) for own in pools_of([loaded(folder) for folder in folders], pool)]


def label_of(side_: Side) -> str:
    """`machine · label`, and how many runs."""
    count = f" · {len(side_.runs)} runs" if len(side_.runs) > 1 else ""
    return safe(f"{side_.run['machine']} · {side_.run['label']}{count}", 120)


def pooling_of(side_: Side) -> str:
    """Which runs make a side, in one line; nothing where it is one run and no other was met."""
    parts = []
    if len(side_.runs) > 1:
        parts.append(f"{len(side_.runs)} runs pooled ({_few([r['name'] for r in side_.runs])})")
    if side_.repeats:
        parts.append(f"{len(side_.repeats)} beside only for the spread between runs")
    why = Counter(one.why for one in side_.not_pooled)
    parts += [f"{count} not pooled: {reason}" for reason, count in sorted(why.items())]
    if side_.older:
        parts.append(f"{side_.older} older not read")
    return "; ".join(parts)


def _few(names: list[str]) -> str:
    """Names, of many the first ones."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return safe(", ".join(names[:MOST_NAMES]), 400) + more
