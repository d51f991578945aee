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


class Fit(TypedDict):
    """A sweep, with the laws that its points can fix."""

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
