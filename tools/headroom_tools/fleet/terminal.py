"""Prints a fleet on a terminal or into a pipe: who is odd, the axes, then a row a machine."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from headroom_tools.base import terminal
from headroom_tools.compare.tables import factor, interval
from headroom_tools.fleet import words
from headroom_tools.fleet.types import Fleet, Machine, MachineAxis

LEGEND = (
    "speed over the fleet's median, above 1 is faster; 95% intervals, with the spread between runs"
)
_NAME = 40  # characters of a machine's name
_MARGIN = 4


def _heads(axis: str) -> tuple[str, str]:
    """An axis's name on two lines."""
    first, dash, second = axis.partition("-")
    return (first + dash, second) if dash else ("", first)


def _blocks(names: list[str], axes: list[str], to: Console) -> list[list[str]]:
    """The axes, as many side by side as there is room for."""
    room = to.width - min(_NAME, max(map(len, names))) - _MARGIN
    blocks: list[list[str]] = [[]]
    used = 0
    for axis in axes:
        width = 2 + max(8, *map(len, _heads(axis)))
        if blocks[-1] and used + width > room:
            blocks.append([])
            used = 0
        blocks[-1].append(axis)
        used += width
    return blocks


def _cell(axis: MachineAxis | None) -> tuple[str, str]:
    if axis is None:
        return "-", "dim"
    if not axis["odd"]:
        return f"{factor(axis['ratio'])}  ", ""
    slow = axis["ratio"] < 1
    style = terminal.VERDICT_STYLE["slower" if slow else "faster"]
    return f"{factor(axis['ratio'])} {'▼' if slow else '▲'}", style


def _machines(fleet: Fleet, to: Console) -> None:
    by_axis = [{axis["axis"]: axis for axis in one["axes"]} for one in fleet["machines"]]
    names = [one["name"] for one in fleet["machines"]]
    for block in _blocks(names, [axis["axis"] for axis in fleet["axes"]], to):
        table = terminal.Table("<" + ">" * len(block), limits={0: _NAME})
        for line in (0, 1):
            heads = [_heads(axis)[line] for axis in block]
            if any(heads):
                table.row("", *((head, "dim") for head in heads))
        for one, axes in zip(fleet["machines"], by_axis):
            style = "bold" if one["odd"] else "cyan"
            table.row((one["name"], style), *(_cell(axes.get(axis)) for axis in block))
        table.print(to)
        to.print()


def _spreads(fleet: Fleet, to: Console) -> None:
    table = terminal.Table("<>>>>")
    table.row("", *((head, "dim") for head in ("spread", "limits", "machines from .. to", "of")))
    for axis in fleet["axes"]:
        table.row(
            axis["axis"],
            words.spread_told(axis),
            words.limits_told(axis),
            f"{axis['least']:.3f} .. {axis['most']:.3f}",
            (f"{axis['kernels']} kernel{'s'[: axis['kernels'] != 1]}", "dim"),
        )
    table.print(to)


def _intervals(machine: Machine, to: Console) -> None:
    """An odd machine in words; and each of its odd axes, where the words leave them out."""
    terminal.paragraph(to, f"{machine['name']}: {machine['told']}", "bold", 2)
    odd = [axis for axis in machine["axes"] if axis["odd"]]
    if len(odd) > words.MOST_AXES:
        table = terminal.Table("<>>", indent=4)
        for axis in odd:
            table.row(axis["axis"], _cell(axis), (interval(axis), "dim"))
        table.print(to)


def _prices(fleet: Fleet, to: Console) -> None:
    priced = [one for one in fleet["machines"] if one["price"] is not None]
    if not priced:
        return
    terminal.title(to, "speed per price", "over the fleet's median of it, above 1 is more for less")
    names = [one["name"] for one in priced]
    axes = [axis["axis"] for axis in fleet["axes"]]
    for block in _blocks(names, axes, to):
        table = terminal.Table("<>" + ">" * len(block), limits={0: _NAME})
        for line in (0, 1):
            heads = [_heads(axis)[line] for axis in block]
            if any(heads):
                table.row("", ("price" if line else "", "dim"), *((head, "dim") for head in heads))
        for one in priced:
            own = {axis["axis"]: axis["per_price"] for axis in one["axes"]}
            found = [own.get(axis) for axis in block]
            cells = [factor(index["ratio"]) if index else "-" for index in found]
            table.row((one["name"], "cyan"), f"{one['price']:g}", *cells)
        table.print(to)
        to.print()


def print_fleet(fleet: Fleet, to: Console) -> None:
    """Prints all of it."""
    odd = [one for one in fleet["machines"] if one["odd"]]
    terminal.paragraph(to, words.verdict(fleet), "bold red" if odd else "bold", 0)
    to.print(Text(LEGEND, style="dim"), soft_wrap=True)
    for line in fleet["warnings"]:
        terminal.paragraph(to, f"! {line}", "yellow", 0)
    for line in fleet["notes"]:
        terminal.paragraph(to, line, "dim", 0)
    to.print()
    if odd:
        terminal.title(to, "odd", "the whole interval lies beyond the fleet's limits")
        for one in odd:
            _intervals(one, to)
        to.print()
    terminal.title(to, "machines", "the most unlike first; ▼ ▲ odd")
    _machines(fleet, to)
    _prices(fleet, to)
    kind = "of one kind" if fleet["alike"] else "of several kinds"
    note = f"how far these {len(fleet['machines'])} machines {kind} lie apart"
    terminal.title(to, "axes", note)
    _spreads(fleet, to)
