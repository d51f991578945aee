"""What the benchmark program says and is told, and what an unfinished run keeps on disk.

The program's output (`--headroom_out`) is no type here: summary.py, counters.py and disturbance.py
read it as anyone's, and make of it what is kept.
"""

from __future__ import annotations

from typing import Any, Optional, TypedDict

from headroom_tools.machine.types import Machine
from headroom_tools.record.types import (
    Build,
    Cluster,
    Device,
    Fixture,
    LeftOut,
    Measure,
    Missing,
    Params,
)

INTERFACE = 2  # version of the program's catalogue, of its plans and of its output

# What the program wrote, before anything of it was looked at.
Output = dict[str, Any]
# kernel, number of the launch; number 0 is the pilot
LaunchKey = tuple[str, int]


class Coordinates(TypedDict):
    """Which of its kernel's ladders it is."""

    n: int
    input: str
    threads: int
    params: Params


# --- the program's catalogue


class Need(TypedDict):
    """What a variant needs of the host, and what provides it."""

    name: str
    available: bool
    cure: str


class CatalogueVariant(TypedDict):
    """A variant, as the program has it."""

    name: str
    role: str
    what: str
    promise: list[str]
    lacks: list[str]
    promise_note: str
    available: bool
    needs: list[Need]


class CatalogueLadder(Coordinates):
    """A ladder, as the program would measure it. blocked: why it can't be, or nothing."""

    headline: bool
    groups: list[list[str]]
    items: float
    bytes: float
    flops: float
    memory_bytes: int
    scratch_bytes: int
    written_bytes: int
    blocked: str


class CatalogueKernel(TypedDict):
    """A kernel, as the program has it. fixtures: the servers that it needs."""

    name: str
    group: str
    axis: str
    placebo: str
    noise_class: str
    probe: bool
    unit: str
    ceiling: str
    technique: str
    measure: Measure
    simulated: bool
    promise: list[str]
    fixtures: list[str]
    source: str
    cache: str
    sizes: list[int]
    headline: list[int]
    inputs: list[str]
    threads: list[int]
    params: dict[str, list[int]]
    variants: list[CatalogueVariant]
    ladders: list[CatalogueLadder]


class _CatalogueOfAll(TypedDict):
    version: int
    build: Build
    libraries: dict[str, str]
    simd_targets: list[str]
    threads_available: int
    kernels: list[CatalogueKernel]
    environment: dict[str, str | None]
    pinned: bool


class Catalogue(_CatalogueOfAll, total=False):
    """`--headroom_catalogue`. device: the one that OpenCL's variants run on. cluster: the MPI job
    that the program is the first rank of."""

    device: Optional[Device]
    cluster: Optional[Cluster]


# --- what the program is told


class _PlannedArmOfAll(TypedDict):
    variant: str
    threads: int
    calls: int


class PlannedArm(_PlannedArmOfAll, total=False):
    """calls: in a round. long_call: takes so long that none comes before, untimed. settle: calls
    that come before, untimed, where the usual ones are not enough."""

    long_call: bool
    settle: int


class _PlannedLadderOfAll(Coordinates):
    group: int
    rounds: int
    arms: list[PlannedArm]


class PlannedLadder(_PlannedLadderOfAll, total=False):
    """A group of a ladder, as the pilot planned it. clock: "cpu" or "wall". estimate_s: what a
    launch of it takes, set-up included."""

    clock: str
    estimate_s: float


class _PlanOfAll(TypedDict):
    version: int
    kernel: str
    budget_s: float
    rounds_min: int
    rounds_max: int
    seed: int
    deadline_s: float


class PilotPlan(_PlanOfAll, total=False):
    """What the pilot gets."""

    ladders: list[Coordinates]
    rounds: int


class _KernelPlanOfAll(_PlanOfAll):
    ladders: list[PlannedLadder]


class KernelPlan(_KernelPlanOfAll, total=False):
    """What the pilot made of it, for every later launch. sentinel_ns: what the sentinel's loop
    takes on this machine, as far as the run knows."""

    sentinel_ns: float


# --- what is kept


class _ConditionsOfAll(TypedDict):
    seconds: float
    waited: float | None
    stolen: float | None
    others: float | None
    switches: int | None


class Conditions(_ConditionsOfAll, total=False):
    """How a launch was disturbed: shares of `seconds`, None where unknown (throttled: in rounds
    that count, None where no limit of CPU time holds); context switches; ns of
    an iteration of the sentinel's loop: the median of its readings beside the ladder where that is
    the greatest, and the least of all. rounds_again: run again because a reading beside them was
    slow; quiet_wait: seconds that the launch waited for its core to be quiet."""

    throttled: float | None
    sentinel: float | None
    sentinel_min: float | None
    rounds_again: int | None
    quiet_wait: float | None


class Readings(TypedDict):
    """The sentinel's readings of a launch: ns of an iteration, after how many rounds of which of
    its ladders, and which arm ran last there."""

    iterations: int
    ns: list[float]
    ladder: list[int]
    round: list[int]
    arm: list[int | None]


class NoCounters(TypedDict):
    """Why there are no hardware counters."""

    why: str
    cure: str


class Quantity(TypedDict):
    """What a variant told besides times."""

    value: float
    unit: str


class _RoundsOfAll(TypedDict):
    wall_ns: list[float]
    cpu_ns: list[float]


class Rounds(_RoundsOfAll, total=False):
    """Every round of an arm. values: of a measure that is not time."""

    values: list[float]


class _ArmOfAll(TypedDict):
    variant: str
    probe: str
    threads: int
    calls: int
    rounds: int
    held_bytes: int
    build_ns: float | None
    median: float | None
    p10: float | None
    min: float | None
    value: float | None
    log_ratio: float | None
    counters: dict[str, float]
    quantities: dict[str, Quantity]


class KeptArm(_ArmOfAll, total=False):
    """What is kept of an arm, times in ns a call. raw: with --raw."""

    raw: Rounds


class FailedArm(TypedDict):
    """A variant that failed, beside others that went on."""

    variant: str
    threads: int
    message: str


class KeptLadder(Coordinates):
    """What is kept of a group of a ladder."""

    group: int
    baseline: str
    clock: str
    working_set: int
    empty_ns: float
    setup_s: float
    skipped_rounds: int
    slow_rounds: int
    status: str
    message: str
    failed: list[FailedArm]
    arms: list[KeptArm]


class _LaunchOfAll(TypedDict):
    kernel: str
    launch: int
    start: float
    status: str
    message: str
    seconds: float
    load: float
    steal: float
    simd_target: str | None
    ladders: list[KeptLadder]


class Launch(_LaunchOfAll, total=False):
    """launches/*.json: a process and what it gave. start: in seconds since the run's. plan,
    measured: of a pilot. discarded, extra_seconds: of the attempt that was not kept. readings: with
    --raw."""

    no_counters: NoCounters | None
    conditions: Conditions | None
    readings: Readings | None
    plan: KernelPlan | None
    measured: list[Output]
    attempts: int
    discarded: Conditions | None
    extra_seconds: float


class _Alone(TypedDict):
    status: str
    message: str
    seconds: float
    cells: dict[str, float | None]


class Alone(_Alone, total=False):
    """alone/*.json: what the variants of a kernel took alone, ns a call by CELL name; None where a
    neighbour met every attempt. again: how many cells were measured again for that."""

    again: int


class RunPlan(TypedDict):
    """plan.json: what the pilot fixed. time_s: of the whole run, None for no limit. plans, seconds
    (of a launch): by kernel. rounds: by plan.rounds_key."""

    launches: int
    time_s: float | None
    budget_s: float
    rounds_max: int
    seed: int
    scale: float
    plans: dict[str, KernelPlan]
    seconds: dict[str, float]
    left_out: list[LeftOut]
    notes: list[str]
    rounds: dict[str, int]


class Ranks(TypedDict):
    """A run's MPI job, as it was asked for. hosts: the hostfile."""

    ranks: int
    hosts: str | None


class _StateOfAll(TypedDict):

    version: int
    name: str
    label: str
    profile: str
    started: str
    machine: str
    fingerprint: Machine
    changed: list[str]
    commit: str | None
    dirty: bool | None
    simd_target: str | None
    binary: str
    catalogue: Catalogue
    selection: dict[str, list[CatalogueLadder]]
    missing: list[Missing]
    notes: list[str]
    fixtures: list[Fixture]
    out: str | None
    scratch: str
    raw: bool


class State(_StateOfAll, total=False):
    """state.json: what is fixed at the start of a run. job: where its launches are MPI jobs."""

    job: Ranks | None
