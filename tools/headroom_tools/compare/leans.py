"""Which resource a cell leans on: its kernel's axis, unless its working set says otherwise."""

from __future__ import annotations

from headroom_tools.machine.types import Machine
from headroom_tools.record import device as devices
from headroom_tools.record.cells import Cell

# Axes of kernels whose cells may lie in a cache or in memory, as their size has it.
BY_SIZE = ("scalar", "simd", "cores", "cache", "memory-bandwidth", "memory-latency")
CHASES = ("cache", "memory-latency")  # wait for an address before they can ask for the next


def last_cache(machine: Machine) -> int | None:
    """The bytes of the largest data cache that one thread can use; None where it isn't known: a
    machine that tells of its L1 alone has others that it doesn't tell of."""
    sizes = [
        cache["bytes"]
        for cache in machine["cpu"]["caches"]
        if cache["bytes"] and cache["kind"] != "Instruction" and (cache["level"] or 1) > 1
    ]
    return max(sizes, default=None)


class Caches:
    """The last-level caches of both sides of a comparison.

    A working set larger than both is memory's, one smaller than both is not. In between, one side
    holds it and the other doesn't: then the size of the cache is what is compared.
    """

    def __init__(self, base: Machine, new: Machine):
        sizes = [size for size in map(last_cache, (base, new)) if size]
        self._least = min(sizes, default=None)
        self._most = max(sizes, default=None)

    def axis_of(self, cell: Cell) -> str:
        """What the cell leans on: a sum over 64 MiB on memory, the same sum in L1 on SIMD."""
        own = cell.axis
        if cell.kernel["axis"] == devices.AXIS:
            return own
        if own not in BY_SIZE or self._least is None or self._most is None or not cell.working_set:
            return own
        if cell.working_set > self._most:
            return "memory-latency" if own in CHASES else "memory-bandwidth"
        if cell.working_set > self._least or own in ("memory-bandwidth", "memory-latency"):
            return "cache"
        return own
