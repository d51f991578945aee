"""run.json, version 2, as schemas/run-2.json has it: tables are columns of one length.

A record of version 1 is read as one of version 2 (record/older.py).
"""

from __future__ import annotations

from typing import Optional, TypedDict

# One value a launch; None where it gave nothing.
Launched = list[Optional[float]]
# A kernel's further coordinates, by name: {"clients": 16}
Params = dict[str, int]
# The same as part of a key, by name in order
ParamsKey = tuple[tuple[str, int], ...]
# kernel, n, input, threads, params
LadderKey = tuple[str, int, str, int, ParamsKey]


class CellKey(TypedDict):
    """CELL: what a time is of."""

    kernel: str
    variant: str
    n: int
    input: str
    threads: int
    params: Params


class Build(TypedDict):
    """How the benchmark program was built."""

    compiler: str
    flags: str
    build_type: str
    isa: str
    preset: str
    benchmark_library_debug: bool


class Simd(TypedDict):
    """SIMD targets: the one asked for, those the program has, those that were taken."""

    asked: str | None
    supported: list[str]
    taken: list[str]


class Plan(TypedDict):
    """What every launch did. launches: without the pilot."""

    launches: int
    budget_s: float
    rounds_max: int
    scale: float
    seed: int


class Measure(TypedDict):
    """What a kernel's ladders are judged by. better: "less" or "more"."""

    name: str
    unit: str
    better: str


# What disturbs a launch: a thread of ours waited for its core, the hypervisor ran others, other
# programs ran, a control group stopped us in rounds that count, the core itself was slow.
CAUSES = ("waited", "stolen", "others", "throttled", "sentinel")

TIME: Measure = {"name": "time", "unit": "ns", "better": "less"}


class Variant(TypedDict):
    """One way to solve a kernel's problem. promise: what it guarantees, in words, None where that
    is unknown; lacks: the baseline's words that it doesn't keep; promise_note: what words don't
    say."""

    name: str
    role: str
    what: str
    promise: list[str] | None
    lacks: list[str]
    promise_note: str
    available: bool
    needs: list[str]


class _KernelOfAll(TypedDict):
    name: str
    group: str
    axis: str
    placebo: str
    noise_class: str
    probe: bool
    technique: str
    measure: Measure
    promise: list[str] | None
    fixtures: list[str]
    source_hash: str | None
    cache: str
    sizes: list[int]
    headline: list[int]
    inputs: list[str]
    threads: list[int]
    params: dict[str, list[int]]
    variants: list[Variant]


class Kernel(_KernelOfAll, total=False):
    """What was measured of a kernel. simulated: in simulated time, so that its figures are the
    same on every machine, and in each launch: such a kernel has one, and null for the others; not
    there in records of older tools, which knew no such kernel."""

    unit: str
    simulated: bool


class Ladders(TypedDict):
    """A row for each ladder's group of variants; kernel, input, baseline: indexes."""

    kernel: list[int]
    n: list[int]
    input: list[int]
    threads: list[int]
    params: list[Params]
    group: list[int]
    baseline: list[int]
    items: list[float]
    bytes: list[float]
    flops: list[float]
    clock: list[str]
    working_set: list[int]
    rounds: list[int]
    empty_ns: list[float]
    setup_s: list[float]


class _CellsOfAll(TypedDict):
    ladder: list[int]
    variant: list[int]
    threads: list[int]
    calls: list[int]
    held_bytes: list[int]
    alone_ns: Launched
    median: list[Launched]
    p10: list[Launched]
    min: list[Launched]
    value: list[Launched | None]
    log_ratio: list[Launched]
    build_ns: list[Launched | None]


class Cells(_CellsOfAll, total=False):
    """A row for each variant of a ladder; ladder, variant: indexes. value: by the kernel's measure,
    None where that is time; build_ns: None where it has no State to make."""

    cycles: Launched
    instructions: Launched
    branch_misses: Launched
    cache_misses: Launched
    l1d_misses: Launched


class Ceilings(TypedDict):
    """What ladders' probes measured; ladder: an index."""

    ladder: list[int]
    probe: list[str]
    threads: list[int]
    median: list[Launched]
    log_ratio: list[Launched]


class Quantities(TypedDict):
    """What variants told besides times; cell: an index."""

    cell: list[int]
    name: list[str]
    unit: list[str]
    value: list[float]


class _LaunchesOfAll(TypedDict):
    kernel: list[int]
    launch: list[int]
    start: Launched
    status: list[str]
    seconds: list[float]
    load: list[float]
    steal: list[float]
    sentinel: Launched
    sentinel_min: Launched
    slow_rounds: list[int | None]
    cause: list[str | None]


class Launches(_LaunchesOfAll, total=False):
    """A row for each process; kernel: an index. sentinel, sentinel_min: ns of an iteration of the
    sentinel's loop, the median and the least of its readings; slow_rounds: left out because it was
    slow beside them; rounds_again: run again because of that, and quiet_wait: seconds waited for a
    quiet core. cause: by what most of its attempts'
    disturbances, one of CAUSES; None where there was none, or where the record doesn't tell."""

    attempts: list[int]
    disturbed: list[int]
    waited: Launched
    stolen: Launched
    others: Launched
    throttled: Launched
    switches: list[int | None]
    rounds_again: list[int | None]
    quiet_wait: Launched


class Missing(TypedDict):
    """A variant, or where `n` is known a ladder, that the host can't run."""

    kernel: str
    variant: str | None
    n: int | None
    input: str | None
    threads: int | None
    params: Params | None
    needs: str
    cure: str


class LeftOut(TypedDict):
    """A ladder that takes too long for the profile."""

    kernel: str
    n: int
    input: str
    threads: int
    params: Params
    reason: str


class Failure(TypedDict):
    """What went wrong in a launch, of a ladder where `n` is known."""

    kernel: str
    launch: int
    kind: str
    n: int | None
    input: str | None
    threads: int | None
    params: Params | None
    message: str


class Failed(CellKey):
    """A variant that failed beside others that went on. ladder_threads: of the ladder that it
    stands in; launches: in which it failed, 0 for the pilot, after which no launch has it."""

    ladder_threads: int
    launches: list[int]
    message: str


class Fixture(TypedDict):
    """A server or data set that the run's launches shared, as it was started. version: None where
    it was another's."""

    name: str
    version: str | None
    settings: dict[str, str]


class Device(TypedDict):
    """A device of OpenCL's. type: "gpu", "accelerator", "cpu" or "other". version: of OpenCL."""

    name: str
    vendor: str
    type: str
    platform: str
    driver: str
    version: str
    compute_units: int
    memory_bytes: int
    shares_memory: bool


class Cluster(TypedDict):
    """The MPI job that a run's launches were. library: "Open MPI 4.1.4". yields: whether a rank
    that waits gives its CPU away."""

    ranks: int
    hosts: int
    library: str
    yields: bool


def key_of(params: Params) -> ParamsKey:
    """`params` as part of a key."""
    return tuple(sorted(params.items()))


class _RunOfAll(TypedDict):
    format: str
    version: int
    name: str
    label: str
    profile: str
    started: str
    finished: str
    seconds: float
    machine: str
    changed: list[str]
    commit: str | None
    dirty: bool | None
    build: Build
    libraries: dict[str, str]
    simd: Simd
    threads_available: int
    plan: Plan
    kernels: list[Kernel]
    ladders: Ladders
    cells: Cells
    ceilings: Ceilings
    quantities: Quantities
    launches: Launches
    missing: list[Missing]
    left_out: list[LeftOut]
    failures: list[Failure]
    failed: list[Failed]
    fixtures: list[Fixture]
    noise_floor: dict[str, float]
    notes: list[str]


class Run(_RunOfAll, total=False):
    """A run.json. device: on which variants that need OpenCL ran; None without one. It isn't there
    where nothing that was measured needs OpenCL. cluster: only where launches were MPI jobs."""

    device: Optional[Device]
    cluster: Cluster
