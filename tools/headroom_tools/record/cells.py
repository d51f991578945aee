"""The rows of a record: one for each cell, with what its launches gave."""

from __future__ import annotations

from typing import NamedTuple

from headroom_tools.base.text import ladder_label
from headroom_tools.record import counters, device as devices, hosts as hosts_
from headroom_tools.record.types import (
    Ceilings,
    CellKey,
    Device,
    Kernel,
    LadderKey,
    Launched,
    Measure,
    Params,
    Run,
    key_of,
)


class Cell(NamedTuple):
    """One row of a record. Times are ns a call, one a launch, None where a launch failed;
    log_ratio is ln(baseline / this variant) of each launch, of the kernel's measure, and above 0
    where this variant is better."""

    kernel: Kernel
    variant: str
    role: str
    lacks: list[str]  # what the baseline promises and this doesn't
    n: int
    input: str
    threads: int
    params: Params
    ladder_threads: int
    group: int
    baseline: str
    clock: str
    items: float
    bytes: float
    flops: float
    working_set: int
    median: Launched
    p10: Launched
    min: Launched
    value: Launched  # of a measure that is not time; [] where it is
    log_ratio: Launched
    build_ns: Launched  # what making its State took; [] where it has none
    alone_ns: float | None
    probe: str | None  # what its ladder's ceiling was measured with
    ceiling: Launched  # ns a call that the ceiling leaves at least
    of_ceiling: Launched  # ln(ceiling / this variant) by launch, within its group; [] if unknown
    counters: dict[str, float]  # what a call counted, by hardware counter; {} where there were none
    quantities: dict[str, float]  # what its variant told besides, medians over launches
    beside: bool  # the one-thread row of a variant that the ladder also runs on all its threads
    validated: bool | None  # of a simulated figure: within the range its model was held against
    device: Device | None = None  # that it ran on; None where that is the CPU, by its own code
    hosts: int | None = None  # of the ranks of an MPI job that it ran on; None where it is none

    def is_baseline(self, baseline: str | None) -> bool:
        """Whether this is the row that `baseline`, a variant, means in its ladder."""
        return self.variant == baseline and not self.beside

    @property
    def measure(self) -> Measure:
        """What its ladder is judged by."""
        return self.kernel["measure"]

    @property
    def measure_told(self) -> str:
        """`p99, less is better`."""
        told = f"{self.measure['name']}, {self.measure['better']} is better"
        return f"{told}, simulated" if self.simulated else told

    @property
    def by_time(self) -> bool:
        """Whether that is time."""
        return self.measure["name"] == "time"

    @property
    def simulated(self) -> bool:
        """Whether its figures are of a simulation: the same on every machine."""
        return self.kernel.get("simulated", False)

    @property
    def mark(self) -> str:
        """What stands with each of its figures: `simulated`, and whether beyond the range; of an
        MPI job's on how many hosts it was, `one host`."""
        if not self.simulated:
            return hosts_.told(self.hosts)
        beyond = self.validated is False
        return "simulated, beyond the validated range" if beyond else "simulated"

    @property
    def marked(self) -> str:
        """The same after a figure: ` (simulated)`."""
        return f" ({self.mark})" if self.mark else ""

    @property
    def measured(self) -> Launched:
        """What the ladder is judged by, of each launch: ns a call where that is time."""
        return self.median if self.by_time else self.value

    def cost(self, value: float) -> float:
        """`value` of its measure, so that less of it is better."""
        return value if self.measure["better"] == "less" else -value

    @property
    def remark(self) -> str:
        """What of its variant a reader should know: `peer`, `peer, weaker: not durable`, `on a GPU:
        its name`."""
        role = self.role if self.role in ("peer", "standard") else ""
        device = devices.told(self.device) if self.device else ""
        return ", ".join(filter(None, (role, self.weaker, device)))

    @property
    def kind(self) -> str:
        """What of hardware beside the machine it is of: figures of different kinds aren't compared.
        A device's kind; on how many hosts ranks were."""
        return devices.kind_of(self.device) or hosts_.told(self.hosts)

    @property
    def axis(self) -> str:
        """What it leans on: its kernel's axis; but only a GPU's figures are of axis gpu, and what
        stands beside them, or is computed on the CPU in its place, is of its cores."""
        own = self.kernel["axis"]
        return "cores" if own == devices.AXIS and devices.kind_of(self.device) != "gpu" else own

    @property
    def name(self) -> str:
        """Its variant with the remark: `vqsort (peer)`."""
        name = f"{self.variant} ({self.remark})" if self.remark else self.variant
        return f"{name}, one thread" if self.beside else name

    @property
    def weaker(self) -> str:
        """What its promise lacks: `weaker: not durable`; nothing where it keeps the baseline's."""
        return f"weaker: not {', not '.join(self.lacks)}" if self.lacks else ""

    @property
    def label(self) -> str:
        """Its ladder as people read it: `n 4,096 · sorted · 2 threads`."""
        inputs, sweep = len(self.kernel["inputs"]), len(self.kernel["threads"]) > 1
        threads = self.ladder_threads
        return ladder_label(self.n, self.input, threads, self.params, inputs, sweep)

    @property
    def place(self) -> str:
        """The same, of an MPI job's with its hosts: `n 8 · ranks 2 · one host`."""
        return " · ".join(filter(None, (self.label, hosts_.told(self.hosts))))

    def ladder(self) -> LadderKey:
        """The ladder's key."""
        name = self.kernel["name"]
        return name, self.n, self.input, self.ladder_threads, key_of(self.params)

    def key(self) -> CellKey:
        """CELL, and the ladder it stands in."""
        return {
            "kernel": self.kernel["name"],
            "variant": self.variant,
            "n": self.n,
            "input": self.input,
            "threads": self.threads,
            "params": self.params,
        }


def _ceiling_of(
    ceilings: Ceilings, index: int | None, log_ratio: Launched
) -> tuple[str | None, Launched, Launched]:
    """(probe, ceiling, of_ceiling) of a cell whose ladder has ceiling `index`, or none."""
    if index is None:
        return None, [], []
    pairs = zip(log_ratio, ceilings["log_ratio"][index])
    shares = [None if own is None or top is None else own - top for own, top in pairs]
    return ceilings["probe"][index], ceilings["median"][index], shares


def _of_simulation(values: Launched) -> Launched:
    """What a simulation came to in one launch, for all: it would have come to the same in each."""
    known = next((value for value in values if value is not None), None)
    return values if None not in values else [known] * len(values)


def _hosts_of(kernel: Kernel, told: dict[str, float]) -> int | None:
    """On how many hosts a cell of this kernel was, which told these quantities."""
    hosts = told.get(hosts_.QUANTITY) if hosts_.PARAM in kernel["params"] else None
    return None if hosts is None else round(hosts)


def cells_of(run: Run) -> list[Cell]:
    """The rows of a (valid) run.json: by kernel and ladder, the baseline first."""
    ladders, cells = run["ladders"], run["cells"]
    rows: list[Cell] = []
    most: dict[tuple[object, ...], int] = {}
    key = [
        (ladders["kernel"][at], ladders["n"][at], ladders["input"][at], ladders["threads"][at],
         key_of(ladders["params"][at]), variant)  # fmt: skip
        for at, variant in zip(cells["ladder"], cells["variant"])
    ]
    for where, threads in zip(key, cells["threads"]):
        most[where] = max(most.get(where, 0), threads)
    told = run["quantities"]
    within = {
        at: value != 0
        for at, name, value in zip(told["cell"], told["name"], told["value"])
        if name == "validated"
    }
    above = {at: index for index, at in enumerate(run["ceilings"]["ladder"])}
    # A SIMD target that was asked for holds the probe down, but not a library.
    held_down = run["simd"]["asked"] is not None
    besides: dict[int, dict[str, float]] = {}
    table = run["quantities"]
    for index, name, value in zip(table["cell"], table["name"], table["value"]):
        besides.setdefault(index, {})[name] = value
    for index, at in enumerate(cells["ladder"]):
        kernel = run["kernels"][ladders["kernel"][at]]
        variant = kernel["variants"][cells["variant"][index]]
        baseline = kernel["variants"][ladders["baseline"][at]]["name"]
        # A ceiling is a time: it bounds no other measure.
        bound = above.get(at) if kernel["measure"]["name"] == "time" else None
        device = devices.device_of(run, variant)
        values, log_ratio = cells["value"][index] or [], cells["log_ratio"][index]
        if kernel.get("simulated", False):
            values, log_ratio = _of_simulation(values), _of_simulation(log_ratio)
        if bound is not None and device is None:
            # What a device can't pass, a CPU may.
            bound = None if run["ceilings"]["probe"][bound].startswith(devices.PROBES) else bound
        probe, ceiling, shares = _ceiling_of(run["ceilings"], bound, cells["log_ratio"][index])
        if held_down and variant["role"] == "peer":
            shares = []
        rows.append(
            Cell(
                kernel, variant["name"], variant["role"], variant["lacks"], ladders["n"][at],
                kernel["inputs"][ladders["input"][at]], cells["threads"][index],
                ladders["params"][at], ladders["threads"][at], ladders["group"][at], baseline,
                ladders["clock"][at],
                ladders["items"][at], ladders["bytes"][at], ladders["flops"][at],
                ladders["working_set"][at],
                cells["median"][index], cells["p10"][index], cells["min"][index],
                values, log_ratio,
                cells["build_ns"][index] or [], cells["alone_ns"][index],
                probe, ceiling, shares,
                counters.of_cell(cells, index),
                besides.get(index, {}),
                cells["threads"][index] < most[key[index]],
                within.get(index),
                device,
                _hosts_of(kernel, besides.get(index, {})),
            )
        )  # fmt: skip
    order = {id(kernel): index for index, kernel in enumerate(run["kernels"])}
    rows.sort(
        key=lambda cell: (
            order[id(cell.kernel)],
            cell.kernel["inputs"].index(cell.input),
            cell.n,
            cell.ladder_threads,
            list(cell.params.values()),
            not cell.is_baseline(cell.baseline),
            [variant["name"] for variant in cell.kernel["variants"]].index(cell.variant),
        )
    )
    return rows


def of_launches(values: Launched) -> list[float]:
    """The launches that gave something."""
    return [value for value in values if value is not None]
