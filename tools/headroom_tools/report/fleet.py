"""A page about many machines: its first sentences, its table, and which of them it shows whole."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from headroom_tools.base import files
from headroom_tools.compare.sides import Side
from headroom_tools.compare.tables import factor, interval
from headroom_tools.fleet import records, words
from headroom_tools.fleet.fleet import fleet_of
from headroom_tools.fleet.types import Fleet, Machine, MachineAxis
from headroom_tools.plot import svg
from headroom_tools.plot.spec import Axis, Bar, Bars
from headroom_tools.show.rows import BAND

LEAST = 5  # machines; fewer are compared with the first one by one
_SHOWN_ODD = 2


class Cell(NamedTuple):
    """A machine's axis in the table. css: where it is odd, to which side."""

    told: str
    about: str
    css: str


class Line(NamedTuple):
    """A machine in the table."""

    name: str
    odd: bool
    runs: int
    cells: list[Cell]


class FleetPart(NamedTuple):
    """The fleet's section. shown: the machines that the rest of the page is about, the first being
    the most typical. facts: by axis."""

    fleet: Fleet
    lead: str
    picture: str
    columns: list[str]
    lines: list[Line]
    facts: list[tuple[str, str, str, str]]
    sides: list[Side]
    shown: list[Side]
    notice: str


def is_fleet(folders: list[Path]) -> bool:
    """Whether these runs are of LEAST machines or more."""
    if len(folders) < LEAST:
        return False
    names = {str(files.read_json(folder / "machine.json").get("slug")) for folder in folders}
    return len(names) >= LEAST


def _typical(fleet: Fleet) -> Machine:
    """The machine whose oddest axis is the least odd, of those that have the most axes."""

    def distance(one: Machine) -> tuple[int, float]:
        return -len(one["axes"]), max(abs(axis["ratio"] - 1) for axis in one["axes"])

    return min(fleet["machines"], key=distance)


def _cell(axis: MachineAxis | None) -> Cell:
    if axis is None:
        return Cell("-", "not measured", "")
    css = ("slower" if axis["ratio"] < 1 else "faster") if axis["odd"] else ""
    mark = {"slower": " ▼", "faster": " ▲", "": ""}[css]
    return Cell(factor(axis["ratio"]) + mark, interval(axis) or "no interval", css)


def _picture(fleet: Fleet) -> str:
    """Where the machines lie on each axis, and the limits."""
    bars = []
    for axis in fleet["axes"]:
        found = [
            own["ratio"]
            for one in fleet["machines"]
            for own in one["axes"]
            if own["axis"] == axis["axis"]
        ]
        told = f"{axis['least']:.3f} to {axis['most']:.3f}"
        limits = words.limits_told(axis)
        note = f"limits {limits}" if limits else "no limits"
        bars.append(Bar(axis["axis"], None, None, None, told, 0, dots=found, note=note))
    scale = Axis("speed over the fleet's median", "factor", True)
    picture = Bars("Machines by axis", "", scale, 1.0, bars, bars=False)
    return svg.table(picture, "Each line is a machine; 1 is the fleet's median.")


def part_of(folders: list[Path]) -> FleetPart:
    """The fleet of these runs. HeadroomError where they share no cell."""
    found = records.chosen([str(folder) for folder in folders])
    names = records.names_of(found.sides)
    fleet = fleet_of(found.sides, names, BAND, [None] * len(names), found.left_out)
    of = dict(zip(names, found.sides))
    typical = _typical(fleet)
    odd = [one for one in fleet["machines"] if one["odd"] and one is not typical]
    oddest = [one for one in fleet["machines"] if one is not typical]
    shown = [typical, *(odd[:_SHOWN_ODD] or oddest[:1])]
    columns = [axis["axis"] for axis in fleet["axes"]]
    lines = []
    for one in fleet["machines"]:
        own = {axis["axis"]: axis for axis in one["axes"]}
        cells = [_cell(own.get(axis)) for axis in columns]
        lines.append(Line(one["name"], one["odd"], len(one["runs"]), cells))
    facts = [
        (axis["axis"], words.spread_told(axis), words.limits_told(axis),
         f"{axis['kernels']} kernels, {axis['cells']} cells")
        for axis in fleet["axes"]
    ]  # fmt: skip
    rest = words.listed([one["name"] for one in shown[1:]])
    notice = (
        f"Below the table of machines this page is about {len(shown)} of {len(names)}: the most "
        f"typical, {typical['name']}, and {'the odd' if odd else 'the least typical'} {rest}. It "
        "leaves out the ladders, probes and rows of the others: headroom show has them."
    )
    return FleetPart(fleet, words.lead(fleet), _picture(fleet), columns, lines, facts,
                     found.sides, [of[one["name"]] for one in shown], notice)  # fmt: skip
