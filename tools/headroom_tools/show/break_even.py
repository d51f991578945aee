"""From which size on a device is faster than every variant of the CPU's own, by what `show` found.

A device wins at a size where its fastest variant beats the CPU's fastest one, and their paired
ratio's interval lies above 1; with too few launches for an interval, where the ratio does.
"""

from __future__ import annotations

from typing import NamedTuple

from headroom_tools import stats
from headroom_tools.base.text import ladder_label, three_digits
from headroom_tools.record import device as devices
from headroom_tools.record.cells import Cell
from headroom_tools.record.types import Params, key_of
from headroom_tools.show.rows import Row


class BreakEven(NamedTuple):
    """A sweep over n of a kernel. from_n: from that size on the device wins at every size measured,
    None where there is none; ratio: how many times as fast it is there, or at `at_n`, where it
    comes closest. sizes: how many were measured."""

    kernel: str
    input: str
    params: Params
    label: str
    device: str
    device_type: str
    from_n: int | None
    below_n: int | None
    at_n: int
    ratio: float
    lo: float | None
    hi: float | None
    variant: str
    against: str
    sizes: int

    @property
    def told(self) -> str:
        """`from n 65,536 on; not at 16,384; 1.80x [1.75, 1.86] there (opencl over cores)`."""
        factor = f"{three_digits(self.ratio)}x"
        if self.lo is not None and self.hi is not None:
            factor += f" [{three_digits(self.lo)}, {three_digits(self.hi)}]"
        who = f"{self.variant} over {self.against}"
        if self.from_n is None:
            sizes = "the one size" if self.sizes == 1 else f"any of {self.sizes} sizes"
            return f"at {sizes} measured not; closest at n {self.at_n:,}: {factor} ({who})"
        not_at = f"; not at {self.below_n:,}" if self.below_n is not None else ""
        return f"from n {self.from_n:,} on{not_at}; {factor} there ({who})"


class _Size(NamedTuple):
    """The fastest of both at a size."""

    n: int
    device: Cell
    cpu: Cell
    ratio: float
    lo: float | None
    hi: float | None

    @property
    def wins(self) -> bool:
        return (self.ratio if self.lo is None else self.lo) > 1


def _fastest(rows: list[Row]) -> Row | None:
    known = [row for row in rows if row.ns and not (row.impossible or row.cell.lacks)]
    return min(known, key=lambda row: row.ns or 0.0) if known else None


def _size(n: int, rows: list[Row]) -> _Size | None:
    """None where either has no figure."""
    device = _fastest([row for row in rows if row.cell.device])
    cpu = _fastest([row for row in rows if not row.cell.device])
    if device is None or cpu is None or not (device.ns and cpu.ns):
        return None
    pairs = zip(device.cell.log_ratio, cpu.cell.log_ratio)
    found = stats.speedup_of([a - b for a, b in pairs if a is not None and b is not None])
    if found is None:
        return _Size(n, device.cell, cpu.cell, cpu.ns / device.ns, None, None)
    return _Size(n, device.cell, cpu.cell, found.speedup, found.lo, found.hi)


def break_evens(rows: list[Row]) -> list[BreakEven]:
    """One for each sweep over n of a kernel about devices that has figures of one."""
    sweeps: dict[tuple[object, ...], dict[int, list[Row]]] = {}
    for row in rows:
        cell = row.cell
        if cell.kernel["axis"] == devices.AXIS and not cell.kernel["probe"] and cell.by_time:
            key = cell.kernel["name"], cell.input, cell.ladder_threads, key_of(cell.params)
            sweeps.setdefault(key, {}).setdefault(cell.n, []).append(row)
    found = []
    for by_n in sweeps.values():
        told = [_size(n, by_n[n]) for n in sorted(by_n)]
        sizes = [one for one in told if one is not None]
        if sizes:
            found.append(_break_even(sizes))
    return found


def _break_even(sizes: list[_Size]) -> BreakEven:
    """sizes: ascending, not none."""
    first = len(sizes)
    while first > 0 and sizes[first - 1].wins:
        first -= 1
    wins = first < len(sizes)
    at = sizes[first] if wins else max(sizes, key=lambda one: one.ratio)
    cell, device = at.device, at.device.device
    assert device is not None
    label = ladder_label(0, cell.input, 1, cell.params, len(cell.kernel["inputs"]))
    return BreakEven(
        kernel=cell.kernel["name"],
        input=cell.input,
        params=cell.params,
        label=" · ".join(label.split(" · ")[1:]),
        device=devices.told(device),
        device_type=device["type"],
        from_n=at.n if wins else None,
        below_n=sizes[first - 1].n if wins and first > 0 else None,
        at_n=at.n,
        ratio=at.ratio,
        lo=at.lo,
        hi=at.hi,
        variant=cell.variant,
        against=at.cpu.variant,
        sizes=len(sizes),
    )
