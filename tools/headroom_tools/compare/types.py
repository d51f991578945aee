"""What a comparison is made of, as `compare --json` has it."""

from __future__ import annotations

from typing import TypedDict

from headroom_tools.record.types import CellKey as _Cell, Params, ParamsKey

# kernel, variant, n, input, threads, params: CELL as a tuple
CellKey = tuple[str, str, int, str, int, ParamsKey]


class Row(_Cell):
    """A cell on both sides. ratio: base's time over new's, or of another measure how much better
    new's is; lo, hi: its interval. base_value, new_value: of the measure, in its unit. adjusted: p
    of a difference beyond the band to that side, adjusted for the whole family. run_spread: the
    standard deviation of a run, in logs. runs_for_5_percent: the runs a side that would show 5%;
    None where too many. base_over_standard, new_over_standard: its speedup over the ladder's
    standard rung; None where there is none."""

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
    base_over_standard: float | None
    new_over_standard: float | None


class LadderRow(_Cell):
    """How a pair's speedup over its baseline changed. change: `higher`, `lower` or as a verdict."""

    ladder_threads: int
    axis: str
    baseline: str
    best_base: bool
    best_new: bool
    base_speedup: float
    new_speedup: float
    base_over_standard: float | None
    new_over_standard: float | None
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


class NotPooledRun(TypedDict):
    """A run with the label of a side that isn't part of it. speed, axes: where it differs as
    machines do, its speed over the side's, on which axes; clearest first."""

    run: str
    why: str
    speed: float | None
    axes: list[str]


class SideOf(TypedDict):
    """A side: runs, what was pooled. beside: repeats that only tell the spread; not_pooled: runs
    of its label that are neither; not_read: how many older ones were not looked at. spread: by
    axis."""

    machine: str
    label: str
    runs: list[str]
    beside: list[str]
    not_pooled: list[NotPooledRun]
    not_read: int
    spread: dict[str, Spread]


class Clock(TypedDict):
    """The core clock that each side's own probe saw, in Hz. ratio: NEW's over BASE's; lo, hi: its
    interval by the probes' launches, None with too few."""

    base_hz: float
    new_hz: float
    ratio: float
    lo: float | None
    hi: float | None


class SweepRow(TypedDict):
    """A variant of a kernel about cores at each side's fastest thread count, where the sides ran
    different counts. base_value, new_value: time of an item in ns, or its measure in its unit.
    best_base, best_new: it is its side's fastest. The rest is as in Row."""

    kernel: str
    variant: str
    n: int
    input: str
    params: Params
    axis: str
    measure: str
    unit: str
    base_threads: int
    new_threads: int
    base_value: float
    new_value: float
    best_base: bool
    best_new: bool
    ratio: float
    lo: float | None
    hi: float | None
    verdict: str | None
    adjusted: float | None


class SimulatedRow(_Cell):
    """A simulated cell on both sides, in the unit of its measure. same_code: whether both records
    have one hash of its source; None where one has none."""

    measure: str
    unit: str
    base_value: float
    new_value: float
    validated: bool | None
    same: bool
    same_code: bool | None


class Absent(TypedDict):
    """What only one side measured: a kernel, or all of it with the coordinates that aren't None.
    cells: how many. reason: why the other has no figure, one of absent.REASONS; detail: more of it,
    what it needs or a message. renamed: what it may be called there."""

    kernel: str
    variant: str | None
    n: int | None
    input: str | None
    threads: int | None
    params: Params | None
    cells: int
    reason: str
    detail: str
    renamed: str | None


class Comparison(TypedDict):
    """`compare --json` of one NEW. only_base, only_new: what isn't in rows, as the other lacks
    it. simulated: figures that no machine has a part in, without a verdict."""

    rows: list[Row]
    axes: list[Axis]
    changed: list[Difference]
    warnings: list[str]
    ladders: list[LadderRow]
    sides: list[SideOf]
    clock: Clock | None
    sweeps: list[SweepRow]
    simulated: list[SimulatedRow]
    only_base: list[Absent]
    only_new: list[Absent]
