"""What a comparison is made of, as `compare --json` has it."""

from __future__ import annotations

from typing import TypedDict

from headroom_tools.record.types import CellKey as _Cell, ParamsKey

# kernel, variant, n, input, threads, params: CELL as a tuple
CellKey = tuple[str, str, int, str, int, ParamsKey]


class Row(_Cell):
    """A cell on both sides. ratio: base's time over new's, or of another measure how much better
    new's is; lo, hi: its interval. base_value, new_value: of the measure, in its unit. adjusted: p
    of a difference beyond the band to that side, adjusted for the whole family. run_spread: the
    standard deviation of a run, in logs. runs_for_5_percent: the runs a side that would show 5%;
    None where too many."""

    axis: str
    measure: str
    unit: str
    base_value: float
    new_value: float
    base_ns: float
    new_ns: float
    ratio: float
    lo: float | None
    hi: float | None
    verdict: str | None
    adjusted: float | None
    run_spread: float | None
    runs_for_5_percent: int | None
    role: str
    lacks: list[str]
    base_ns_per_item: float
    new_ns_per_item: float


class LadderRow(_Cell):
    """How a pair's speedup over its baseline changed. change: `higher`, `lower` or as a verdict."""

    ladder_threads: int
    axis: str
    baseline: str
    best_base: bool
    best_new: bool
    base_speedup: float
    new_speedup: float
    ratio: float
    lo: float | None
    hi: float | None
    change: str | None
    adjusted: float | None
    runs_for_5_percent: int | None


class Index(TypedDict):
    """A geometric mean of ratios, with its interval."""

    ratio: float
    lo: float | None
    hi: float | None


class AxisIndex(Index):
    """An axis. kernels: that both sides have, of those that either has; least, most: their own
    ratios. naive, best: the index of baselines, and of each side's best."""

    axis: str
    kernels: int
    of: int
    least: float
    most: float
    naive: Index | None
    best: Index | None


class Axis(AxisIndex):
    """An axis in a comparison. control: the change can't have touched it; contaminated: and it
    moved all the same."""

    control: bool
    contaminated: bool


class AxisPrice(Index):
    """NEW's speed per price on an axis, over BASE's."""

    axis: str


class Priced(TypedDict):
    """What both sides cost, and what NEW's speed is worth by axis."""

    base: float
    new: float
    axes: list[AxisPrice]


class Difference(TypedDict):
    """A field that differs between two sides."""

    field: str
    base: object
    new: object


class FactRow(TypedDict):
    """A fact, with its value on each side."""

    name: str
    values: list[str]


class Spread(TypedDict):
    """How far runs lie apart in an axis, in logs: what covers 95% of a side's values of a typical
    cell. measured: by runs of this side, too; else it is only what such machines showed."""

    half_width: float | None
    measured: bool


class SideOf(TypedDict):
    """A side: what was pooled. spread: by axis."""

    machine: str
    label: str
    runs: list[str]
    spread: dict[str, Spread]


class Clock(TypedDict):
    """The core clock that each side's own probe saw, in Hz. ratio: NEW's over BASE's."""

    base_hz: float
    new_hz: float
    ratio: float


class Comparison(TypedDict):
    """`compare --json` of one NEW."""

    rows: list[Row]
    axes: list[Axis]
    changed: list[Difference]
    warnings: list[str]
    ladders: list[LadderRow]
    sides: list[SideOf]
    clock: Clock | None
