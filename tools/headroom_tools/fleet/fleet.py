"""A fleet put together: its machines, judged, with what is unlike where, and what confounds it."""

from __future__ import annotations

import math
from collections import Counter
from statistics import median
from typing import NamedTuple

from headroom_tools import stats
from headroom_tools.base.text import safe
from headroom_tools.compare import clock, differs
from headroom_tools.compare.sides import Side
from headroom_tools.fleet import judge, price, words
from headroom_tools.fleet.judge import Own, Spread
from headroom_tools.fleet.table import Table, table_of
from headroom_tools.fleet.types import Fleet, FleetAxis, Machine, MachineAxis, Unlike

# Of compare's facts, those that are no hardware: where they differ, the figures are of more.
CONFOUNDS = ("compiler", "flags", "build", "SIMD asked for", "profile")
# Those that tell nothing of why a machine is slow, or are told apart.
_NO_REASON = ("machine", "commit", "kernel sources")
_KIND = ("CPU", "cores", "caches", "RAM size")


class _Judged(NamedTuple):
    """An axis: each machine's index, and how far they lie apart."""

    own: list[Own | None]
    spread: Spread


def axes_of(table: Table, alike: bool, band: float) -> dict[str, _Judged]:
    found = {
        axis: judge.centered([judge.own_index(axis, table, at) for at in range(len(table.runs))])
        for axis in sorted(set(table.axes))
    }
    family = sum(own is not None for indices in found.values() for own in indices)
    return {
        axis: _Judged(own, judge.spread_of([one for one in own if one], family, alike, band))
        for axis, own in found.items()
    }


def _machine_axis(axis: str, own: Own, spread: Spread) -> MachineAxis:
    known = not math.isnan(own.half)
    beyond = judge.beyond(own, spread)
    return {
        "axis": axis,
        "ratio": stats.factor_of(own.value),
        "lo": stats.factor_of(own.value - own.half) if known else None,
        "hi": stats.factor_of(own.value + own.half) if known else None,
        "kernels": own.kernels,
        "odd": beyond is not None and beyond > 1,
        "beyond": beyond,
        "per_price": None,
    }


def _fleet_axis(axis: str, table: Table, judged: _Judged) -> FleetAxis:
    rows = [at for at, own in enumerate(table.axes) if own == axis]
    values = [own.value for own in judged.own if own]
    limit = judged.spread.limit
    bounded = not math.isinf(limit)
    return {
        "axis": axis,
        "spread": judged.spread.deviation if len(values) >= judge.LEAST_MACHINES else None,
        "lo": stats.factor_of(-limit) if bounded else None,
        "hi": stats.factor_of(limit) if bounded else None,
        "least": stats.factor_of(min(values)),
        "most": stats.factor_of(max(values)),
        "kernels": len({table.kernels[at] for at in rows}),
        "cells": len(rows),
        "machines": len(values),
    }


def _usual(values: list[str]) -> str | None:
    """What more than half of the machines have; None where there is no such thing."""
    value, count = Counter(values).most_common(1)[0]
    return value if 2 * count > len(values) else None


def _unlike(sides: list[Side]) -> list[list[Unlike]]:
    """By machine, the facts in which it differs from most of the fleet."""
    found: list[list[Unlike]] = [[] for _ in sides]
    for row in differs.facts(sides)[0]:
        usual = _usual(row["values"])
        if usual is None or row["name"] in _NO_REASON:
            continue
        for own, value in zip(found, row["values"]):
            if value != usual:
                own.append({"name": row["name"], "own": value, "fleet": usual})
    return found


def _clocks(sides: list[Side]) -> list[float | None]:
    """The core clock that each machine's probe saw, over the fleet's median."""
    seen = [clock.clock_of(side, side) for side in sides]
    known = [one["base_hz"] for one in seen if one]
    middle = median(known) if known else 1.0
    return [one["base_hz"] / middle if one else None for one in seen]


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _warnings(sides: list[Side], names: list[str]) -> list[str]:
    """What a reader must know before believing the figures, one line each."""
    lines = []
    for row in differs.facts(sides)[0]:
        if row["name"] not in CONFOUNDS:
            continue
        told = [
            f"{value} on {_some([name for name, own in zip(names, row['values']) if own == value])}"
            for value, _ in Counter(row["values"]).most_common(3)
        ]
        lines.append(f"{row['name']} differs, it isn't only the machines: {'; '.join(told)}")
    sources = [tuple(sorted((k["name"], k["source_hash"] or "") for k in side.run["kernels"]))
               for side in sides]  # fmt: skip
    usual = sides[sources.index(Counter(sources).most_common(1)[0][0])]
    other = [differs.differing_sources(usual, side) for side in sides]
    if any(other):
        kernels = sorted({kernel for found in other for kernel in found})
        whose = _some([name for name, found in zip(names, other) if found])
        lines.append(
            f"other source code was measured on {whose}, in {_some(kernels)}: there the figures "
            "are no comparison of machines"
        )
    if len({side.run["version"] > 1 for side in sides}) > 1:
        lines.append("some records are of version 1: whether all measured the same source is "
                     "unknown")  # fmt: skip
    return lines


def _notes(sides: list[Side], judged: dict[str, _Judged], left_out: int) -> list[str]:
    lines = []
    if left_out:
        runs = "1 run is" if left_out == 1 else f"{left_out} runs are"
        lines.append(
            f"{runs} left out, which other labels or configurations of these machines have: "
            "--label chooses, and a run that is named itself always counts"
        )
    if len(sides) < judge.LEAST_MACHINES:
        lines.append("of two machines neither can be the odd one: `headroom compare` tells them "
                     "apart")  # fmt: skip
    elif all(math.isinf(one.spread.limit) for one in judged.values()):
        lines.append("too few launches for intervals, so that nothing is called odd: measure with "
                     "--profile quick or more")  # fmt: skip
    return lines


def _oddity(machine: Machine, judged: dict[str, _Judged]) -> tuple[bool, float]:
    """The odd ones first, then by how far they lie from the median on their oddest axis, the limit
    being 1."""
    limits = {axis: min(one.spread.limit, 1.0) for axis, one in judged.items()}
    far = [abs(math.log(own["ratio"])) / limits[own["axis"]] for own in machine["axes"]]
    return machine["odd"], max(far)


def fleet_of(
    sides: list[Side],
    names: list[str],
    band: float,
    prices: list[float | None],
    left_out: int = 0,
) -> Fleet:
    """`fleet --json`. names: as `records.names_of`; prices: as `price.prices_of`."""
    table = table_of(sides, names)
    kinds = [row["name"] for row in differs.facts(sides)[0] if row["name"] in _KIND]
    judged = axes_of(table, not kinds, band)
    unlike, clocks = _unlike(sides), _clocks(sides)
    machines: list[Machine] = []
    for at, side in enumerate(sides):
        axes = [
            _machine_axis(axis, own, one.spread)
            for axis, one in judged.items()
            for own in [one.own[at]]
            if own is not None
        ]
        machine: Machine = {
            "name": names[at],
            "machine": safe(side.run["machine"]),
            "label": safe(side.run["label"]),
            "runs": sorted(run["name"] for run in side.runs),
            "odd": any(axis["odd"] for axis in axes),
            "told": "",
            "axes": axes,
            "clock": clocks[at],
            "price": prices[at],
            "unlike": unlike[at],
        }
        machine["told"] = words.machine_told(machine)
        machines.append(machine)
    price.add(machines)
    machines.sort(key=lambda one: _oddity(one, judged), reverse=True)
    return {
        "machines": machines,
        "axes": [_fleet_axis(axis, table, one) for axis, one in judged.items()],
        "cells": len(table.axes),
        "alike": not kinds,
        "notes": _notes(sides, judged, left_out),
        "warnings": _warnings(sides, names),
    }
