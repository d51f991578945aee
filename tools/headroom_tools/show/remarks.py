"""What a run's rows give reason to remark: variants run alone, short calls, what was missing."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from headroom_tools.base.text import counted, ladder_label, without_numbers
from headroom_tools.record.types import CellKey, Kernel, Missing, Run
from headroom_tools.show.rows import ALONE_LIMIT, Row

OVERHEAD_KERNEL = "machine/overhead"
OVERHEAD_TIMES = 20  # a call shorter than this many empty calls is flagged


class AloneDiffers(CellKey):
    """A speedup, and what it was of the variants run alone."""

    ladder_threads: int
    speedup: float
    alone: float


class ShortCall(CellKey):
    """A call of `ns` that is too short to be told from an empty one."""

    ladder_threads: int
    ns: float


def alone_differs(rows: list[Row]) -> list[AloneDiffers]:
    """The rows whose speedup in the ladder is over 10% off that of the variants run alone."""
    return [
        {
            "kernel": row.cell.kernel["name"],
            "variant": row.cell.variant,
            "n": row.cell.n,
            "input": row.cell.input,
            "threads": row.cell.threads,
            "params": row.cell.params,
            "ladder_threads": row.cell.ladder_threads,
            "speedup": row.speedup,
            "alone": row.alone,
        }
        for row in rows
        if row.alone_differs and row.speedup and row.alone
    ]


def alone_told(checked: int, agree: int) -> str:
    """How many of the speedups that were checked are about those of the variants run alone."""
    within = f"within {100 * (ALONE_LIMIT - 1):.0f}%"
    of = counted(checked, "speedup")
    return f"ladder and variants run alone agree {within} in {agree} of {of}"


def alone_checked(rows: list[Row]) -> int:
    """How many speedups could be held against the variants run alone."""
    return sum(1 for row in rows if row.alone and row.speedup)


def short_calls(rows: list[Row]) -> list[ShortCall]:
    """The cells whose call takes under 20 times an empty kernel's."""
    empty = [row.ns for row in rows if row.cell.kernel["name"] == OVERHEAD_KERNEL and row.ns]
    if not empty:
        return []
    limit = OVERHEAD_TIMES * min(empty)
    return [
        {
            "kernel": row.cell.kernel["name"],
            "variant": row.cell.variant,
            "n": row.cell.n,
            "input": row.cell.input,
            "threads": row.cell.threads,
            "params": row.cell.params,
            "ladder_threads": row.cell.ladder_threads,
            "ns": row.ns,
        }
        for row in rows
        if row.ns is not None and row.ns < limit and not row.cell.kernel["probe"]
    ]


class Lost(NamedTuple):
    """What went wrong in launches of a kernel for one reason. variants: those that failed while the
    others of their ladder went on, none where no variant did; message: as the first launch told it;
    pilot: whether that was the pilot."""

    kernel: str
    variants: list[str]
    launches: int
    of: int
    message: str
    pilot: bool

    @property
    def told(self) -> str:
        """`group/kernel/variant: 3 of 11 launches: reason`."""
        name = self.kernel
        if len(self.variants) == 1:
            name += f"/{self.variants[0]}"
        elif self.variants:
            name += f" ({', '.join(self.variants)})"
        if self.pilot and self.launches == 1:
            return f"{name}: in the pilot: {self.message}"
        of = counted(self.of, "launch", "launches")
        return f"{name}: {self.launches} of {of}: {self.message}"


def _lost(told: list[tuple[str, str | None, int, str]], run: Run) -> list[Lost]:
    """told: (kernel, variant, launch, message)."""
    known = Counter(run["kernels"][kernel]["name"] for kernel in run["launches"]["kernel"])
    found: dict[tuple[str, str], list[tuple[str | None, int, str]]] = {}
    for kernel, variant, launch, message in told:
        found.setdefault((kernel, without_numbers(message)), []).append((variant, launch, message))
    return [
        Lost(
            kernel,
            sorted({variant for variant, _, _ in entries if variant}),
            len({launch for _, launch, _ in entries}),
            known[kernel] + 1,  # and the pilot
            entries[0][2],
            entries[0][1] == 0,
        )
        for (kernel, _), entries in found.items()
    ]


def failures_grouped(run: Run) -> list[Lost]:
    """What went wrong in launches, by kernel and reason."""
    return _lost(
        [(f["kernel"], None, f["launch"], f"{f['kind']}: {f['message']}") for f in run["failures"]],
        run,
    )


def failed_grouped(run: Run) -> list[Lost]:
    """The variants that failed beside others that went on, by kernel and reason."""
    return _lost(
        [
            (f["kernel"], f["variant"], launch, f["message"])
            for f in run["failed"]
            for launch in f["launches"]
        ],
        run,
    )


def needs_of(entry: Missing, kernels: dict[str, Kernel]) -> str:
    """What a missing variant or ladder needs, and the cure, in one line."""
    needs = entry["needs"]
    if entry["n"] is not None and entry["input"] is not None and entry["threads"] is not None:
        kernel = kernels.get(entry["kernel"])
        inputs = len(kernel["inputs"]) if kernel else 2
        label = ladder_label(
            entry["n"], entry["input"], entry["threads"], entry["params"] or {}, inputs
        )
        needs = f"{label}: {needs}"
    return f"{needs} ({entry['cure']})" if entry["cure"] else needs
