"""ab.json, as record/schemas/ab-1.json has it."""

from __future__ import annotations

from typing import TypedDict

from headroom_tools.machine.types import Machine
from headroom_tools.record.types import Build, Launched, Measure, Params

NAMES = ("base", "new")  # the sides


class SideFacts(TypedDict):
    """A side. asked: as it was named; program: SHA-256 of the benchmark program (in
    results/ `first` or `second`); simd_taken: by its launches."""

    asked: str
    commit: str | None
    dirty: bool | None
    program: str
    build: Build
    libraries: dict[str, str]
    simd_taken: list[str]


class Hashes(TypedDict):
    """A kernel's source on each side, hashed as in run.json; None where it isn't known."""

    base: str | None
    new: str | None


class _KernelOfAll(TypedDict):
    name: str
    axis: str
    technique: str
    placebo: str
    measure: Measure
    inputs: list[str]
    threads: list[int]
    source_hash: Hashes


class Kernel(_KernelOfAll, total=False):
    """What is kept of a kernel that both sides have."""

    simulated: bool


class Cell(TypedDict):
    """A cell that both sides have; kernel: an index. base, new: what a pair's launch came to by the
    kernel's measure, None where it gave nothing or took no part; value n of both is of pair n."""

    kernel: int
    variant: str
    n: int
    input: str
    threads: int
    params: Params
    ladder_threads: int
    items: float
    clock: str
    calls: int
    rounds: int
    base: Launched
    new: Launched


class LaunchRow(TypedDict):
    """A launch. side: "base" or "new"; kernel: an index; first: whether it was the pair's first;
    start: seconds since the comparison's; attempts: how often the pair was measured; disturbed: how
    far the one that was kept was beyond its limits, above 1 where it was disturbed."""

    kernel: int
    pair: int
    side: str
    first: bool
    start: float
    seconds: float
    status: str
    attempts: int
    disturbed: float


class Only(TypedDict):
    """What one side has, and what the other lacks or what failed there: a kernel, or a ladder or
    variant of it. side: the one that has it."""

    side: str
    what: str
    why: str


class Failure(TypedDict):
    """What went wrong on a side. pair: 0 for its pilot."""

    side: str
    kernel: str
    pair: int
    kind: str
    message: str


class Ab(TypedDict):
    """An ab.json. pairs: as planned; done: those that were measured. stopped: by Ctrl-C. kind: what
    differs between the sides."""

    format: str
    version: int
    name: str
    started: str
    seconds: float
    stopped: bool
    kind: str
    filter: str | None
    pairs: int
    done: int
    budget_s: float
    rounds_max: int
    seed: int
    machine: Machine
    base: SideFacts
    new: SideFacts
    kernels: list[Kernel]
    cells: list[Cell]
    launches: list[LaunchRow]
    only: list[Only]
    left_out: list[str]
    failures: list[Failure]
    notes: list[str]
