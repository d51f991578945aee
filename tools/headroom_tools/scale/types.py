"""What `scale --json` says of a sweep."""

from __future__ import annotations

from typing import TypedDict

from headroom_tools.record.types import Params


class Parameter(TypedDict):
    """A law's parameter with its interval; None where it can't be told."""

    value: float | None
    lo: float | None
    hi: float | None


class Point(TypedDict):
    """A thread count that was measured. speedup: over the fewest threads."""

    threads: int
    ns_per_item: float
    speedup: float | None
    lo: float | None
    hi: float | None


class Amdahl(TypedDict):
    """Amdahl's law. worst_miss: of a point, as a share. checked: by more points than parameters."""

    serial: Parameter
    limit: Parameter
    worst_miss: float
    checked: bool


class Usl(TypedDict):
    """The Universal Scalability Law; the rest as of Amdahl's."""

    contention: Parameter
    coherence: Parameter
    best_threads: Parameter
    best_speedup: Parameter
    worst_miss: float
    checked: bool


class WeakPoint(TypedDict):
    """So many ranks with as many items each. ns: of a call. efficiency: time on one rank over
    it."""

    ranks: int
    hosts: int
    n: int
    ns: float | None
    efficiency: float | None
    lo: float | None
    hi: float | None


class Weak(TypedDict):
    """Weak scaling over the ranks of an MPI job. serial: of Gustafson's law."""

    kernel: str
    variant: str
    input: str
    params: Params
    items_per_rank: float
    points: list[WeakPoint]
    serial: float | None


class Fit(TypedDict):
    """A sweep, with the laws that its points can fix. over: "threads", or "ranks" of an MPI job: a
    point's threads are those. hosts: on how many hosts the ranks were; None for threads."""

    over: str
    hosts: int | None
    kernel: str
    variant: str
    n: int
    input: str
    params: Params
    role: str
    paired: bool
    points: list[Point]
    fastest_measured: int
    amdahl: Amdahl | None
    usl: Usl | None
    predicted_best: int | None
    notes: list[str]
