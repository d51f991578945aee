"""The core clock that the runs' own probes saw: a virtual machine reports any number, or none."""

from __future__ import annotations

import math

from headroom_tools.compare.sides import Side
from headroom_tools.compare.types import Clock

PROBE = "machine/clock"
NOTABLE = 0.005  # differences below are not told


def _hertz(side: Side) -> float | None:
    """Cycles per second, of the run's fastest kind of core; None without the probe."""
    found = [
        cell.items / float(side.numbers.ns[side.numbers.index[key]]) * 1e9
        for key, cell in side.cells.items()
        if key[0] == PROBE
    ]
    return max((hertz for hertz in found if math.isfinite(hertz)), default=None)


def clock_of(base: Side, new: Side) -> Clock | None:
    """Both clocks; None where a side has no probe of it."""
    old, now = _hertz(base), _hertz(new)
    if old is None or now is None:
        return None
    return {"base_hz": old, "new_hz": now, "ratio": now / old}


def told(clock: Clock | None) -> str:
    """What the clock has to do with the ratios; nothing where it is the same."""
    if clock is None or abs(math.log(clock["ratio"])) < NOTABLE:
        return ""
    base, new = clock["base_hz"] / 1e9, clock["new_hz"] / 1e9
    return (
        f"the probes saw a core clock of {base:.2f} GHz on BASE and {new:.2f} GHz on NEW: of what "
        f"computes, {clock['ratio']:.3f}x is the clock"
    )
