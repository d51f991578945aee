"""What a fleet is made of, as `fleet --json` has it."""

from __future__ import annotations

from typing import TypedDict

from headroom_tools.compare.types import Index


class MachineAxis(Index):
    """A machine's speed on an axis over the fleet's median. kernels: whose cells it has. odd: its
    interval lies outside the fleet's limits. beyond: how far the near end of it lies from 1, the
    limit being 1, in logs; below 0 where it covers 1, None where nothing is judged. per_price: its
    speed per price, over the fleet's median."""

    axis: str
    kernels: int
    odd: bool
    beyond: float | None
    per_price: Index | None


class Unlike(TypedDict):
    """A fact in which a machine differs from most of the fleet."""

    name: str
    own: str
    fleet: str


class Machine(TypedDict):
    """A machine. runs: those pooled. clock: what its probe saw, over the fleet's median."""

    name: str
    machine: str
    label: str
    runs: list[str]
    odd: bool
    told: str
    axes: list[MachineAxis]
    clock: float | None
    price: float | None
    unlike: list[Unlike]


class FleetAxis(TypedDict):
    """An axis over the fleet. spread: of machines, a robust standard deviation in logs. lo, hi: the
    limits beyond which an interval is odd; None where nothing can be. least, most: the machines'
    own. machines: that have it."""

    axis: str
    spread: float | None
    lo: float | None
    hi: float | None
    least: float
    most: float
    kernels: int
    cells: int
    machines: int


class Fleet(TypedDict):
    """`fleet --json`. machines: the odd ones first. alike: all tell the same processor and RAM.
    notes: what was left out, and what to do; warnings: what confounds the figures."""

    machines: list[Machine]
    axes: list[FleetAxis]
    cells: int
    alike: bool
    notes: list[str]
    warnings: list[str]
