"""What is compared: a run, or several that agree in everything and pool into one side."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Hashable, Iterable, NamedTuple, Sequence, TypeVar

import numpy

from headroom_tools import stats
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe
from headroom_tools.compare import between_runs
from headroom_tools.compare.between_runs import Runs
from headroom_tools.compare.types import CellKey
from headroom_tools.machine.types import Machine
from headroom_tools.record.cells import Cell, cells_of, of_launches
from headroom_tools.record.types import LadderKey, Launched, Run, key_of as params_key
from headroom_tools.record.validate import load
from headroom_tools.show.rows import ABOVE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float64]

NEIGHBOURS = 8  # runs beside a side's that are read at most, and the bytes of all sides' neighbours
NEIGHBOUR_BYTES = 2 << 20
ALL_NEIGHBOUR_BYTES = 8 << 20
Key = TypeVar("Key", bound=Hashable)
_NAME = re.compile(r"\d{8}T\d{6}Z-(?:[0-9a-f]{8}|nocommit)-(?P<label>.+)")


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
    names of further runs of the same code, that only tell how far runs lie apart. withheld: cells
    left out, as they lie above their ceiling.
    """

    name: str
    runs: list[Run]
    machine: Machine
    cells: dict[CellKey, Cell]
    rungs: dict[LadderKey, list[Cell]]
    repeats: list[str]
    withheld: list[CellKey]
    numbers: Numbers

    @property
    def run(self) -> Run:
        """The run that was named; what its pooled repeats share with it is read here."""
        return self.runs[0]


def key_of(cell: Cell) -> CellKey:
    """CELL as a tuple: what both sides must have for a row."""
    params = params_key(cell.params)
    return cell.kernel["name"], cell.variant, cell.n, cell.input, cell.threads, params


def columns(rows: list[Launched]) -> Floats:
    """Values by row and launch; None becomes NaN."""
    return numpy.array(rows, dtype=float) if rows else numpy.zeros((0, 1))


def by_run(values: Floats, launches: list[int]) -> list[Floats]:
    """The columns of each run, of those of all runs one after the other."""
    if not values.size:
        return [numpy.full((len(values), 1), numpy.nan) for _ in launches]
    return numpy.split(values, numpy.cumsum(launches)[:-1], axis=1)


def launches_of(runs: list[Run]) -> list[int]:
    """How many launches each run planned: the columns that are its own."""
    return [run["plan"]["launches"] for run in runs]


def _signed(cells: Iterable[Cell]) -> Floats:
    """Logs of what each cell is judged by, so that less is better."""
    rows = list(cells)
    judged = columns([cell.measured for cell in rows])
    with numpy.errstate(invalid="ignore"):
        judged[judged <= 0] = numpy.nan
    return signs_of(rows) * numpy.log(judged)


def signs_of(cells: Sequence[Cell]) -> Floats:
    """A column: 1 where less is better, -1 where more is."""
    return numpy.array([[cell.cost(1.0)] for cell in cells]).reshape(-1, 1)


def _numbers(
    cells: dict[CellKey, Cell], launches: list[int], beside: list[dict[CellKey, Cell]]
) -> Numbers:
    index = {key: row for row, key in enumerate(cells)}
    logs_ = _signed(cells.values())
    runs = between_runs.joined(
        [between_runs.of_times(own) for own in by_run(logs_, launches)], len(cells)
    )
    apart = numpy.full((len(cells), len(beside)), numpy.nan)
    for at, table in enumerate(beside):
        shared = [key for key in cells if key in table]
        if shared:
            values, _ = between_runs.of_times(_signed(table[key] for key in shared))
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


def configuration(run: Run) -> tuple[object, ...]:
    """What can be chosen on one machine, and the code that was measured."""
    build = run["build"]
    return (
        run["profile"],
        run["plan"]["launches"],
        build["compiler"],
        build["flags"],
        build["build_type"],
        build["isa"],
        run["simd"]["asked"],
        tuple(run["simd"]["taken"]),
        tuple(sorted(run["libraries"].items())),
        tuple(sorted((kernel["name"], kernel["source_hash"]) for kernel in run["kernels"])),
    )


def _fingerprint(machine: Machine) -> Machine:
    """A fingerprint for comparing: RAM by the GiB, as kernels keep more or less of it."""
    ram, alike = machine["ram"].copy(), machine.copy()
    ram["bytes"] = -(-ram["bytes"] // (1 << 30)) if ram["bytes"] else None
    alike["ram"] = ram
    return alike


class _Loaded(NamedTuple):
    folder: Path
    run: Run
    machine: Machine

    def agrees(self, other: _Loaded) -> bool:
        """Whether both are repeats of one measurement, so that they pool."""
        return (
            self.run["label"] == other.run["label"]
            and self.run["changed"] == other.run["changed"]
            and configuration(self.run) == configuration(other.run)
            and _fingerprint(self.machine) == _fingerprint(other.machine)
        )


def _load(folder: Path) -> _Loaded:
    return _Loaded(folder.resolve(), *load(folder))


def _neighbours(of: _Loaded, named: set[Path], budget: list[int]) -> list[_Loaded]:
    """The runs beside `of`, newest first, that agree with it and were not named themselves.

    budget: [bytes that may still be read for this, over all sides]
    """
    found: list[_Loaded] = []
    left = NEIGHBOUR_BYTES
    read = 0
    for path in sorted(of.folder.parent.glob("*/run.json"), reverse=True):
        name = _NAME.fullmatch(path.parent.name)
        other_label = name is not None and name["label"] != of.run["label"]
        if other_label or path.parent.resolve() in named or read >= NEIGHBOURS:
            continue
        try:
            size = path.stat().st_size
            if size > min(left, budget[0]):
                break
            left, budget[0], read = left - size, budget[0] - size, read + 1
            other = _load(path.parent)
        except (HeadroomError, OSError):
            continue  # a damaged neighbour is no reason to refuse these two
        if of.agrees(other):
            found.append(other)
    return found


def _cells(run: Run) -> tuple[dict[CellKey, Cell], list[Cell]]:
    """A run's cells by CELL, each once (of its own ladder where it stands in several), and all."""
    rows = cells_of(run)
    chosen: dict[CellKey, Cell] = {}
    for cell in rows:
        known = chosen.get(key_of(cell))
        own = cell.ladder_threads == cell.threads
        if known is None or (own and known.ladder_threads != known.threads):
            chosen[key_of(cell)] = cell
    return chosen, rows


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


def _side(pool: list[_Loaded], beside: list[_Loaded]) -> Side:
    """A side made of the runs of `pool`; those `beside` only tell how far runs lie apart."""
    runs = [loaded.run for loaded in pool]
    launches = launches_of(runs)
    read = [_cells(run) for run in runs]
    cells = _pooled([table for table, _ in read], launches)
    rows = _pooled([{(*cell.ladder(), *key_of(cell)): cell for cell in all_} for _, all_ in read],
                   launches)  # fmt: skip
    withheld = {where for where, cell in rows.items() if _above_ceiling(cell)}
    rungs: dict[LadderKey, list[Cell]] = {}
    for where, cell in rows.items():
        if where not in withheld:
            rungs.setdefault(cell.ladder(), []).append(cell)
    out = [key for key, cell in cells.items() if (*cell.ladder(), *key) in withheld]
    for key in out:
        del cells[key]
    more = f" and {len(pool) - 1} more" if len(pool) > 1 else ""
    return Side(
        safe(pool[0].folder.name, 80) + more,
        runs,
        pool[0].machine,
        cells,
        rungs,
        [loaded.run["name"] for loaded in beside],
        out,
        _numbers(cells, launches, [_cells(loaded.run)[0] for loaded in beside]),
    )


def read_side(folder: Path) -> Side:
    """The run in `folder` by itself; neighbours that agree only tell the spread between runs."""
    loaded = _load(folder)
    return _side([loaded], _neighbours(loaded, {loaded.folder}, [ALL_NEIGHBOUR_BYTES]))


def read_alone(folder: Path) -> Side:
    """The run in `folder` and nothing beside it."""
    return _side([_load(folder)], [])


def same_code(one: Side, other: Side) -> bool:
    """Whether two runs measured one commit, built alike, on one machine: repeats, however they are
    labelled."""
    return (
        one.run["commit"] == other.run["commit"]
        and one.run["changed"] == other.run["changed"]
        and configuration(one.run) == configuration(other.run)
        and _fingerprint(one.machine) == _fingerprint(other.machine)
    )


def read_sides(folders: list[Path], pool: bool = True) -> list[Side]:
    """The sides that `folders` make, in their order: the first is the base.

    Runs that agree (fingerprint, compiler, flags, configuration, label) pool into one side, and so
    do unnamed ones beside them. Where all that were named agree, there would be nothing left to
    compare: then each stands by itself, as with pool=False, and as does a folder named twice.
    """
    budget = [ALL_NEIGHBOUR_BYTES]
    loaded = [_load(folder) for folder in folders]
    named = {one.folder for one in loaded}
    groups: list[list[_Loaded]] = []
    seen: set[Path] = set()
    for one in loaded:
        twice = one.folder in seen
        seen.add(one.folder)
        known = next((group for group in groups if group[0].agrees(one)), None)
        if known is None or twice:
            groups.append([one])
        else:
            known.append(one)
    pools = pool and any(not loaded[0].agrees(one) for one in loaded)
    if not pools:
        groups = [[one] for one in loaded]
    made = []
    for group in groups:
        beside = _neighbours(group[0], named, budget)
        alone = not pools or any(
            other is not group and other[0].agrees(group[0]) for other in groups
        )
        made.append(_side(group, beside) if alone else _side(group + beside, []))
    return made


def label_of(side_: Side) -> str:
    """`machine · label`, and how many runs."""
    count = f" · {len(side_.runs)} runs" if len(side_.runs) > 1 else ""
    return safe(f"{side_.run['machine']} · {side_.run['label']}{count}", 120)
