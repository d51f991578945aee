"""The rows of a record: one for each cell, with what its launches gave."""

from __future__ import annotations

from typing import NamedTuple

from headroom_tools.record import counters


class Cell(NamedTuple):
    """One row of a record. Times are ns a call, one a launch, None where a launch failed;
    log_ratio is ln(baseline / this variant) of each launch."""

    kernel: dict
    variant: str
    role: str
    n: int
    input: str
    threads: int
    ladder_threads: int
    group: int
    baseline: str
    clock: str
    items: int
    bytes: int
    flops: int
    working_set: int
    median: list
    p10: list
    min: list
    log_ratio: list
    alone_ns: float | None
    probe: str | None  # what its ladder's ceiling was measured with
    ceiling: list  # ns a call that the ceiling leaves at least
    of_ceiling: list  # ln(ceiling / this variant) of each launch, within its group; [] if unknown
    counters: dict  # what a call counted, by hardware counter; {} where there were none
    beside: bool  # the one-thread row of a variant that the ladder also runs on all its threads

    def is_baseline(self, baseline: str | None) -> bool:
        """Whether this is the row that `baseline`, a variant, means in its ladder."""
        return self.variant == baseline and not self.beside

    def ladder(self) -> tuple:
        """The ladder's key."""
        return self.kernel["name"], self.n, self.input, self.ladder_threads

    def key(self) -> dict:
        """CELL, and the ladder it stands in."""
        return {
            "kernel": self.kernel["name"],
            "variant": self.variant,
            "n": self.n,
            "input": self.input,
            "threads": self.threads,
        }


def _ceiling_of(ceilings: dict, index: int | None, log_ratio: list) -> tuple:
    """(probe, ceiling, of_ceiling) of a cell whose ladder has ceiling `index`, or none."""
    if index is None:
        return None, [], []
    pairs = zip(log_ratio, ceilings["log_ratio"][index])
    shares = [None if own is None or top is None else own - top for own, top in pairs]
    return ceilings["probe"][index], ceilings["median"][index], shares


def cells_of(run: dict) -> list[Cell]:
    """The rows of a (valid) run.json: by kernel and ladder, the baseline first."""
    ladders, cells, rows = run["ladders"], run["cells"], []
    most: dict[tuple, int] = {}
    key = [
        (*(ladders[name][at] for name in ("kernel", "n", "input", "threads")), variant)
        for at, variant in zip(cells["ladder"], cells["variant"])
    ]
    for where, threads in zip(key, cells["threads"]):
        most[where] = max(most.get(where, 0), threads)
    above = {at: index for index, at in enumerate(run["ceilings"]["ladder"])}
    # A SIMD target that was asked for holds the probe down, but not a library.
    held_down = run["simd"]["asked"] is not None
    for index, at in enumerate(cells["ladder"]):
        kernel = run["kernels"][ladders["kernel"][at]]
        variant = kernel["variants"][cells["variant"][index]]
        baseline = kernel["variants"][ladders["baseline"][at]]["name"]
        probe, ceiling, shares = _ceiling_of(
            run["ceilings"], above.get(at), cells["log_ratio"][index]
        )
        if held_down and variant["role"] == "peer":
            shares = []
        rows.append(
            Cell(
                kernel, variant["name"], variant["role"], ladders["n"][at],
                kernel["inputs"][ladders["input"][at]], cells["threads"][index],
                ladders["threads"][at], ladders["group"][at], baseline, ladders["clock"][at],
                ladders["items"][at], ladders["bytes"][at], ladders["flops"][at],
                ladders["working_set"][at],
                cells["median"][index], cells["p10"][index], cells["min"][index],
                cells["log_ratio"][index], cells["alone_ns"][index],
                probe, ceiling, shares,
                counters.of_cell(cells, index),
                cells["threads"][index] < most[key[index]],
            )
        )  # fmt: skip
    order = {id(kernel): index for index, kernel in enumerate(run["kernels"])}
    rows.sort(
        key=lambda cell: (
            order[id(cell.kernel)],
            cell.kernel["inputs"].index(cell.input),
            cell.n,
            cell.ladder_threads,
            not cell.is_baseline(cell.baseline),
            [variant["name"] for variant in cell.kernel["variants"]].index(cell.variant),
        )
    )
    return rows


def of_launches(values: list) -> list[float]:
    """The launches that gave something."""
    return [value for value in values if value is not None]
