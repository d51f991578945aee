"""What a comparison says of the axes, in sentences: of one NEW by axis, of many the extremes.

A sentence says no more than the data: an axis whose interval has 1 in it and is wider than the
practical band has not "stayed", it is not resolved, and by how much it could differ is said.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Sequence

from headroom_tools.base.text import counted, listed, parts_told, percent_at_most
from headroom_tools.compare.tables import factor
from headroom_tools.compare.types import AxisIndex, Comparison, SideOf
from headroom_tools.show.rows import BAND

NAMED = 3  # axes that are named, of each kind
EXTREME = 3  # axes whose extremes are told, of many machines


class Tally(NamedTuple):
    """Axes by what is known of them, the farthest from 1 first. same: the whole interval within the
    band; unresolved: none of these; unknown: without an interval."""

    faster: list[AxisIndex]
    slower: list[AxisIndex]
    same: list[AxisIndex]
    unresolved: list[AxisIndex]
    unknown: list[AxisIndex]


def tally_of(axes: Sequence[AxisIndex], band: float = BAND) -> Tally:
    """`axes` by what is known of each; every axis is in one list."""
    found = Tally([], [], [], [], [])
    for axis in sorted(axes, key=lambda one: -max(one["ratio"], 1 / one["ratio"])):
        lo, hi = axis["lo"], axis["hi"]
        if lo is None or hi is None:
            found.unknown.append(axis)
        elif lo > 1:
            found.faster.append(axis)
        elif hi < 1:
            found.slower.append(axis)
        elif lo > 1 / (1 + band) and hi < 1 + band:
            found.same.append(axis)
        else:
            found.unresolved.append(axis)
    return found


def off_by(axes: Sequence[AxisIndex]) -> float:
    """How far from 1 any of these axes could be, as a share: the farthest end of an interval."""
    ends = [end for axis in axes for end in (axis["lo"], axis["hi"]) if end is not None]
    return max((abs(end - 1) for end in ends), default=0.0)


def _with_ratios(axes: Sequence[AxisIndex]) -> str:
    return listed([f"{axis['axis']} {factor(axis['ratio'])}" for axis in axes], NAMED)


def _named(axes: Sequence[AxisIndex]) -> str:
    return listed([axis["axis"] for axis in axes], NAMED)


def _open(axes: Sequence[AxisIndex]) -> str:
    """`2 are not resolved (cores and simd): each could differ by up to 12%`."""
    if len(axes) == 1:
        told = f"1 is not resolved ({_named(axes)}): it"
    else:
        told = f"{len(axes)} are not resolved ({_named(axes)}): each"
    return f"{told} could differ by up to {percent_at_most(off_by(axes))}"


def axes_told(
    axes: Sequence[AxisIndex], base: str = "BASE", new: str = "NEW", band: float = BAND
) -> str:
    """On how many axes NEW is faster, slower, the same and unknown; nothing without any axis."""
    if not axes:
        return ""
    found = tally_of(axes, band)
    of = f" of {counted(len(axes), 'axis', 'axes')}"
    claims = []
    for told, known in (
        ("faster on", found.faster),
        ("slower on", found.slower),
        (f"within {100 * band:g}% on", found.same),
    ):
        if known:
            named = _named(known) if known is found.same else _with_ratios(known)
            claims.append(f"{told} {len(known)}{of} ({named})")
            of = ""
    rest = [_open(found.unresolved)] if found.unresolved else []
    if found.unknown:
        are = "1 has" if len(found.unknown) == 1 else f"{len(found.unknown)} have"
        rest.append(f"{are} no interval, for too few launches ({_named(found.unknown)})")
    if not claims:
        claims = [f"not told apart on any{of}"]
    return "; ".join([f"Against {base}, {new} is {listed(claims)}", *rest]) + "."


def names_of(sides: Sequence[SideOf]) -> list[str]:
    """What each side is called beside the others: its machine, where that tells it apart, or its
    label on one machine; else both, and the name of its first run where these are the same too."""
    machines = [side["machine"] for side in sides]
    labels = [side["label"] for side in sides]
    if len(set(machines)) == len(sides):
        return machines
    if len(set(machines)) == 1 and len(set(labels)) == len(sides):
        return labels
    both = [f"{side['machine']} · {side['label']}" for side in sides]
    return [
        name if both.count(name) == 1 else f"{name} · {side['runs'][0]}"
        for name, side in zip(both, sides)
    ]


class Extremes(NamedTuple):
    """The lowest and the highest of an axis, BASE's 1 among them, and who has it."""

    axis: str
    least: float
    most: float
    slowest: list[str]
    fastest: list[str]

    @property
    def spread(self) -> float:
        return self.most / self.least


def extremes_of(trees: Sequence[Comparison], names: Sequence[str]) -> list[Extremes]:
    """Of each axis who is slowest and fastest, the widest spread first. names: BASE's, and each
    NEW's."""
    by_axis: dict[str, dict[int, float]] = {}
    for at, tree in enumerate(trees, 1):
        for axis in tree["axes"]:
            by_axis.setdefault(axis["axis"], {0: 1.0})[at] = axis["ratio"]
    found = []
    for axis_, ratios in sorted(by_axis.items()):
        least, most = min(ratios.values()), max(ratios.values())
        who = [[names[at] for at, own in ratios.items() if own == end] for end in (least, most)]
        found.append(Extremes(axis_, least, most, who[0], who[1]))
    return sorted(found, key=lambda one: -one.spread)


def _most_often(found: Sequence[list[str]]) -> tuple[list[str], int]:
    """(who stands in most of these lists, in how many)."""
    counts: dict[str, int] = {}
    for names in found:
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    most = max(counts.values())
    return [name for name, count in counts.items() if count == most], most


def many_told(
    trees: Sequence[Comparison], names: Sequence[str], band: float = BAND
) -> str:
    """Several sides against BASE: what is known of all their axes, and who is where. names: BASE's,
    and each NEW's. Nothing where no side has an axis."""
    axes = [axis for tree in trees for axis in tree["axes"]]
    if not axes:
        return ""
    tally = tally_of(axes, band)
    off = percent_at_most(off_by(tally.unresolved))
    parts = parts_told([
        (len(tally.faster), "faster"),
        (len(tally.slower), "slower"),
        (len(tally.same), f"within {100 * band:g}%"),
        (len(tally.unknown), "without an interval"),
        (len(tally.unresolved), f"not resolved (could differ by up to {off})"),
    ])  # fmt: skip
    others = sum(bool(tree["axes"]) for tree in trees)
    whose = f"{counted(others, 'other')} {'has' if others == 1 else 'have'}"
    told = (
        f"Of the {counted(len(axes), 'axis figure')} that {whose} against {names[0]}, {parts}."
    )
    extremes = extremes_of(trees, names)
    where = [
        f"{factor(one.least)} ({listed(one.slowest, 2)}) to {factor(one.most)} "
        f"({listed(one.fastest, 2)}) on {one.axis}"
        for one in extremes[:EXTREME]
    ]
    told += f" With {names[0]} as 1, the range is {listed(where)}"
    rest = extremes[EXTREME:]
    if rest:
        on = "the other axis" if len(rest) == 1 else f"each of the other {len(rest)} axes"
        most = math.ceil(round(100 * rest[0].spread, 6)) / 100
        told += f"; on {on} the highest is at most {most:,.2f}x the lowest"
    high, highs = _most_often([one.fastest for one in extremes])
    low, lows = _most_often([one.slowest for one in extremes])
    of = counted(len(extremes), "axis", "axes")
    return (
        f"{told}. {_have(high)} the highest figure on {highs} of {of}, "
        f"{_have(low)} the lowest on {lows}."
    )


def _have(names: list[str]) -> str:
    """`m1 and m3 each have`."""
    return f"{listed(names, 3)} {'has' if len(names) == 1 else 'each have'}"


def lead(trees: Sequence[Comparison], names: Sequence[str], band: float = BAND) -> str:
    """What the comparison of BASE with one or several says of the axes. names: BASE's, and each
    NEW's; nothing where there is no axis."""
    if len(trees) == 1:
        return axes_told(trees[0]["axes"], names[0], names[1], band)
    return many_told(trees, names, band)
