"""What a fleet says, in sentences: which machine is odd, where, and what else is unlike there."""

from __future__ import annotations

from headroom_tools.compare.tables import factor, interval
from headroom_tools.fleet.types import Fleet, FleetAxis, Machine

MOST_AXES, _MOST_FACTS, _MOST_ODD = 3, 4, 3
CLOCK = 0.03  # a core clock that is farther from the fleet's is told


def listed(parts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1]))) if parts else ""


_MEDIAN = "the fleet's median speed"


def how_far(machine: Machine) -> str:
    """`0.780x [0.77 .. 0.79] the fleet's median speed on simd`, the farthest axis first; nothing
    where it isn't odd."""
    odd = [axis for axis in machine["axes"] if axis["odd"]]
    odd.sort(key=lambda axis: -(axis["beyond"] or 0.0))
    if not odd:
        return ""
    if len(odd) <= MOST_AXES:
        told = [f"{factor(axis['ratio'])} [{interval(axis)}]" for axis in odd]
        told[0] += f" {_MEDIAN}"
        return listed([f"{text} on {axis['axis']}" for text, axis in zip(told, odd)])
    least, most = (f(odd, key=lambda axis: axis["ratio"]) for f in (min, max))
    every = "all" if len(odd) == len(machine["axes"]) else f"{len(odd)} of"
    where = f"on {every} {len(machine['axes'])} axes"
    low, high = (factor(axis["ratio"]) for axis in (least, most))
    if low == high:
        return f"{low} {_MEDIAN} {where}"
    return f"{low} ({least['axis']}) to {high} ({most['axis']}) {_MEDIAN} {where}"


def machine_told(machine: Machine) -> str:
    """Why a machine is odd, and what may have to do with it."""
    if not machine["odd"]:
        return ""
    told = how_far(machine)
    clock = machine["clock"]
    if clock is not None and abs(clock - 1) > CLOCK:
        told += f"; its probe saw {factor(clock)} of the fleet's median core clock"
    facts = [f"{one['name']} {one['own']} instead of {one['fleet']}" for one in machine["unlike"]]
    if facts:
        more = len(facts) - _MOST_FACTS
        told += f"; unlike most: {'; '.join(facts[:_MOST_FACTS])}"
        told += f"; and {more} more" if more > 0 else ""
    if len(machine["runs"]) == 1:
        told += "; of one run: measure it again to see whether it stays"
    return told


def spread_told(axis: FleetAxis) -> str:
    """`1.2%`: a standard deviation."""
    return "" if axis["spread"] is None else f"{100 * axis['spread']:.1f}%"


def limits_told(axis: FleetAxis) -> str:
    """`0.950 .. 1.050`."""
    if axis["lo"] is None or axis["hi"] is None:
        return ""
    return f"{axis['lo']:.3f} .. {axis['hi']:.3f}"


def verdict(fleet: Fleet) -> str:
    """One sentence: who is odd."""
    odd = [machine for machine in fleet["machines"] if machine["odd"]]
    count = len(fleet["machines"])
    if not any(axis["lo"] is not None for axis in fleet["axes"]):
        return f"Which of {count} machines is odd can't be told."
    if not odd:
        return f"None of {count} machines is odd."
    verb = "is" if len(odd) == 1 else "are"
    shown = odd[:_MOST_ODD]
    told = "; ".join(f"{machine['name']} has {how_far(machine)}" for machine in shown)
    more = f"; and {len(odd) - len(shown)} more" if len(odd) > len(shown) else ""
    return f"{len(odd)} of {count} machines {verb} odd: {told}{more}."


def spreads(fleet: Fleet) -> str:
    """One sentence: by how much the machines differ, by axis."""
    known = [axis for axis in fleet["axes"] if axis["spread"] is not None]
    known.sort(key=lambda axis: -(axis["spread"] or 0.0))
    if not known:
        return ""
    told = listed([f"{spread_told(axis)} on {axis['axis']}" for axis in known])
    return f"The machines' spread (a robust standard deviation) is {told}."


def lead(fleet: Fleet) -> str:
    """The first sentences of a page about a fleet: who is odd, by how much all differ, on what."""
    axes = len(fleet["axes"])
    of = f"{fleet['cells']:,} cells on {axes} ax{'i' if axes == 1 else 'e'}s"
    return f"{verdict(fleet)} {spreads(fleet)} Each is held against the fleet's median in {of}."
