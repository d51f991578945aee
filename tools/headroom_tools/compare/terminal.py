"""Prints a comparison on a terminal or into a pipe: what differs, axes, then kernels by axis."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from headroom_tools.base import terminal
from headroom_tools.base.text import safe, shortened, three_digits
from headroom_tools.compare import absent, clock, prose, simulated, tables
from headroom_tools.compare.price import Prices, priced
from headroom_tools.compare.sides import Side, label_of, pooling_of
from headroom_tools.compare.types import Axis, CellKey, Comparison, Row
from headroom_tools.show.rows import MOVED

LEGEND = (
    "ratio: BASE's time over NEW's, above 1 is faster; 95% intervals, with the spread between runs"
)
NAME_WIDTH = 30
CHANGE_STYLE = {"higher": "bold green", "lower": "bold red"}


def _heading(base: Side, news: list[Side], to: Console) -> None:
    names = [tables.letters(at) for at in range(len(news))] if len(news) > 1 else ["NEW"]
    if len(news) > 1:
        table = terminal.Table("<<<")
        for at, side in enumerate((base, *news)):
            what = "BASE" if at == 0 else tables.letters(at - 1)
            table.row((what, "bold"), label_of(side), (side.name, "dim"))
        table.print(to)
    else:
        (new,) = news
        to.print(Text(f"{base.name} -> {new.name}", style="bold"), soft_wrap=True)
        same = base.run["machine"] == new.run["machine"]
        both = [safe(side.run["machine"]) for side in (base, new)]
        text = f"both on {both[0]}" if same else " -> ".join(both)
        to.print(Text(text, style="dim"), soft_wrap=True)
    for name, side in zip(("BASE", *names), (base, *news)):
        # Of many the table has the number of runs: only what is not pooled is told as well.
        told = pooling_of(side) if len(news) == 1 or side.not_pooled or side.older else ""
        if told:
            terminal.paragraph(to, f"{name}: {told}", "dim")


def _facts(base: Side, news: list[Side], to: Console) -> None:
    sides = [base, *news]
    rows, same = tables.differing_facts(sides)
    to.print()
    terminal.title(to, "what differs", "" if rows else "nothing that a record tells")
    if len(sides) == 2:
        table = terminal.Table("<<<", limits={0: 20, 1: 36, 2: 36})
        if rows:
            table.row("", ("base", "dim"), ("new", "dim"))
        for name, old, new in rows:
            table.row((name, "cyan"), old, (new, "bold"))
        table.print(to)
    else:  # a column for each machine would be too narrow for names: who has what, instead
        names = ["BASE", *(tables.letters(at) for at in range(len(news)))]
        table = terminal.Table("<<<", limits={0: 20, 1: 60, 2: 400})
        for name, *values in rows:
            for at, value in enumerate(dict.fromkeys(values)):
                whose = ", ".join(n for n, own in zip(names, values) if own == value)
                table.row((name if at == 0 else "", "cyan"), value, (whose, "bold"))
        table.print(to)
    if same:
        terminal.paragraph(to, f"the same: {same}", "dim")
    if unknown := tables.unknown_facts(sides):
        terminal.paragraph(to, f"not known, as no record tells it: {unknown}", "dim")


def _warnings(news: list[Side], trees: list[Comparison], to: Console) -> None:
    """Each warning once, with the sides that it holds for."""
    whose: dict[str, list[str]] = {}
    for at, tree in enumerate(trees):
        for line in tree["warnings"]:
            whose.setdefault(line, []).append(tables.letters(at))
    clocks = [tree["clock"] for tree in trees]
    names = [tables.letters(at) for at in range(len(news))]
    told = clock.told_of_many(clocks, names) if len(news) > 1 else clock.told(clocks[0])
    if told:
        matters = any(one and clock.notable(one) for one in clocks)
        terminal.paragraph(to, told, "" if matters else "dim", 0)
    for line, names in whose.items():
        told = f"{', '.join(names)}: " if len(names) < len(news) else ""
        terminal.paragraph(to, f"! {told}{line}", "yellow", 0)


def _absent(trees: list[Comparison], to: Console) -> None:
    """What only one side has: a paragraph for each side and reason, once for all NEWs alike."""
    many = len(trees) > 1
    whose: dict[tuple[str, str], list[str]] = {}
    for at, tree in enumerate(trees):
        for line in absent.told(tree):
            text = f"{absent.cells(line.cells)} only on {line.side}: {line.why}"
            whose.setdefault((text, absent.few(line.names)), []).append(tables.letters(at))
    if not whose:
        return
    to.print()
    terminal.title(to, "on one side only", "not compared")
    for (text, names), letters in whose.items():
        told = f"{', '.join(letters)}: " if many else ""
        terminal.paragraph(to, f"{told}{text}: {names}")


def _simulated(trees: list[Comparison], to: Console) -> None:
    """What is said of simulated figures, once for all NEWs alike."""
    whose: dict[str, list[str]] = {}
    for at, tree in enumerate(trees):
        if text := simulated.told(tree):
            whose.setdefault(text, []).append(tables.letters(at))
    if not whose:
        return
    to.print()
    terminal.title(to, "simulated", "not compared: the same on every machine")
    for text, letters in whose.items():
        terminal.paragraph(to, f"{', '.join(letters)}: {text}" if len(trees) > 1 else text)


def _axis_pair(tree: Comparison, to: Console) -> None:
    to.print()
    if not tree["axes"]:
        terminal.title(to, "axes", "none: both have no kernel in common but probes and placebos")
        return
    terminal.title(to, "axes", "geometric means over kernels, each counting once")
    table = terminal.Table("<>>>>><<")
    head = ("", "ratio", "interval", "kernels from .. to", "naive", "best", "of", "")
    table.row(*((name, "dim") for name in head))
    for axis in tree["axes"]:
        note = ("control" if axis["control"] else "", "")
        if axis["contaminated"]:
            note = ("moved: contaminated", "bold red")
        table.row(
            axis["axis"],
            (tables.factor(axis["ratio"]), "bold"),
            tables.interval(axis),
            f"{three_digits(axis['least'])} .. {three_digits(axis['most'])}",
            *(tables.factor(one["ratio"]) if one else "" for one in (axis["naive"], axis["best"])),
            (f"{axis['kernels']} of {axis['of']} kernels", "dim"),
            note,
        )
    table.print(to)


SWEEPS = "each side's fastest thread count, where one has more threads"


def _sweeps(trees: list[Comparison], everything: bool, to: Console) -> None:
    """What more cores buy, a line for each variant and NEW."""
    if not any(tree["sweeps"] for tree in trees):
        return
    to.print()
    terminal.title(to, "cores", SWEEPS)
    table = terminal.Table("<<>>>><", limits={0: 3, 1: 40})
    for at, tree in enumerate(trees):
        name = tables.letters(at) if len(trees) > 1 else ""
        for row in tables.sweep_rows(tree, everything):
            table.row(
                (name, "bold"),
                tables.sweep_name(row),
                (tables.threads_told(row), "cyan"),
                tables.sweep_value(row, False),
                tables.sweep_value(row, True),
                (tables.factor(row["ratio"]), "bold"),
                (row["verdict"] or "", terminal.VERDICT_STYLE.get(row["verdict"] or "", "")),
            )
    table.print(to)


class _Headings:
    """The headings of a table by axis and kernel, each once."""

    def __init__(self, table: terminal.Table):
        self._table = table
        self._axis = self._kernel = ""

    def before(self, view: tables.LadderView) -> None:
        if view.axis != self._axis:
            self._axis, self._kernel = view.axis, ""
            self._table.heading()
            self._table.heading((view.axis, "bold underline"))
        if view.kernel["name"] != self._kernel:
            self._kernel = view.kernel["name"]
            self._table.heading()
            technique = shortened(view.kernel["technique"], 98 - len(self._kernel))
            self._table.heading((self._kernel, "bold"), (f"  {technique}", "dim"))
            if view.measure:
                self._table.heading((f"  {view.measure}", "dim"))


def _kernels_pair(base: Side, tree: Comparison, everything: bool, to: Console) -> None:
    table = terminal.Table("<<>>>><", limits={0: NAME_WIDTH})
    headings = _Headings(table)
    rows = tables.by_key(tree)
    for view in tables.ladder_views(base, [tree], everything):
        headings.before(view)
        header = ("", "base", "new", "ratio", "interval", "")
        table.row((view.label, "cyan"), *((name, "dim") for name in header))
        for key in view.rungs:
            row = rows[key]
            share = row["new_value"] / max(row["new_value"], row["base_value"])
            table.row(
                "  " + tables.rung_name(key, [row]),
                (terminal.bar(share, 8), "blue"),
                tables.judged(row, False),
                tables.judged(row, True),
                (tables.factor(row["ratio"]), "bold"),
                tables.interval(row),
                (tables.verdict(row), terminal.VERDICT_STYLE.get(row["verdict"] or "", "")),
            )
        for line in tables.over_standard(view):
            cells = ((cell, "dim") for cell in line.cells(True))
            table.row((f"  {line.name}", "dim"), "", *cells, "", "")
        change = tables.change_of(view.pairs[0])
        if change is not None:
            told = {"higher": "ladder higher", "lower": "ladder lower"}
            how = change["change"] or ""
            table.row(
                (f"  {tables.pair_name(view.pairs[0])}", "dim"),
                "",
                (f"{three_digits(change['base_speedup'])}x", "dim"),
                (f"{three_digits(change['new_speedup'])}x", "dim"),
                (tables.factor(change["ratio"]), "dim"),
                (tables.interval(change), "dim"),
                (told.get(how, ""), CHANGE_STYLE.get(how, "")),
            )
    table.print(to)


def _axis_matrix(trees: list[Comparison], block: range, to: Console) -> None:
    axes = dict.fromkeys(axis["axis"] for tree in trees for axis in tree["axes"])
    table = terminal.Table("<" + ">" * len(block))
    table.row("", *((tables.letters(at), "bold") for at in block))
    by_axis = [{axis["axis"]: axis for axis in tree["axes"]} for tree in trees]
    for axis in sorted(axes):
        cells = []
        for at in block:
            entry = by_axis[at].get(axis)
            cells.append(_coloured(entry) if entry else ("-", "dim"))
        table.row(axis, *cells)
    table.print(to)


def _coloured(axis: Axis) -> tuple[str, str]:
    """An axis index, coloured where its interval lies on one side of 1."""
    lo, hi = axis["lo"], axis["hi"]
    if lo is None or hi is None:
        return tables.factor(axis["ratio"]), ""
    moved = "faster" if lo > 1 else "slower" if hi < 1 else "unresolved"
    style = terminal.VERDICT_STYLE[moved] if moved in MOVED else ""
    mark = "!" if axis["contaminated"] else tables.MARKS[moved]
    return f"{tables.factor(axis['ratio'])} {mark}", style


def _kernels_matrix(
    views: list[tables.LadderView], rows: list[dict[CellKey, Row]], block: range, to: Console
) -> None:
    """Ratios against BASE, a column for each NEW of `block`. rows: by CELL, for each NEW."""
    table = terminal.Table("<>" + ">" * len(block), limits={0: NAME_WIDTH})
    headings = _Headings(table)
    for view in views:
        headings.before(view)
        names = ((tables.letters(at), "dim") for at in block)
        table.row((view.label, "cyan"), ("base", "dim"), *names)
        for key in view.rungs:
            found = [table_.get(key) for table_ in rows]
            known = next(row for row in found if row is not None)
            verdicts = [row["verdict"] or "" if row else "" for row in found]
            cells = [
                (tables.marked(found[at]), terminal.VERDICT_STYLE.get(verdicts[at], "dim"))
                for at in block
            ]
            name = "  " + tables.rung_name(key, found)
            table.row(name, tables.judged(known, False), *cells)
        for line in tables.over_standard(view):
            told = [f"{line.news[at]}  " for at in block]
            table.row((f"  {line.name}", "dim"), (line.base, "dim"), *((t, "dim") for t in told))
        changes = [tables.change_of(pair) for pair in view.pairs]
        if any(changes):
            own = next(change for change in changes if change)["base_speedup"]
            told = [
                f"{three_digits(change['new_speedup'])}x  " if change else "-  "
                for change in (changes[at] for at in block)
            ]
            first = f"{three_digits(own)}x"
            table.row(("  best over baseline", "dim"), (first, "dim"), *((t, "dim") for t in told))
    table.print(to)


def _prices(trees: list[Comparison], prices: Prices, to: Console) -> None:
    """Speed and speed per price by axis, a table for each NEW."""
    for at, (tree, paid) in enumerate(zip(trees, priced(prices, trees))):
        to.print()
        name = f" of {tables.letters(at)}" if len(trees) > 1 else ""
        note = f"NEW at {paid['new']:g}, BASE at {paid['base']:g}; above 1 is more for less"
        terminal.title(to, f"speed per price{name}", note)
        table = terminal.Table("<>>>")
        table.row("", *((head, "dim") for head in ("speed", "speed per price", "interval")))
        for axis, own in zip(tree["axes"], paid["axes"]):
            speed, bold = tables.factor(axis["ratio"]), (tables.factor(own["ratio"]), "bold")
            table.row(axis["axis"], speed, bold, tables.interval(own))
        table.print(to)


def print_all(
    base: Side,
    news: list[Side],
    trees: list[Comparison],
    everything: bool,
    to: Console,
    prices: Prices | None = None,
) -> None:
    """Prints the comparison of BASE with each of `news`, whose trees are `compared`'s."""
    _heading(base, news, to)
    to.print(Text(LEGEND, style="dim"), soft_wrap=True)
    _facts(base, news, to)
    _warnings(news, trees, to)
    _absent(trees, to)
    _simulated(trees, to)
    if len(news) == 1:
        _axis_pair(trees[0], to)
        _sweeps(trees, everything, to)
        if prices:
            _prices(trees, prices, to)
        _kernels_pair(base, trees[0], everything, to)
    else:
        wide = max(1, (to.width - NAME_WIDTH - 14) // 11)
        blocks = [range(at, min(at + wide, len(news))) for at in range(0, len(news), wide)]
        to.print()
        note = "▲ ▼ the interval lies above or below 1, ? it has 1 in it; ! a control that moved"
        terminal.title(to, "axes", note)
        for block in blocks:
            _axis_matrix(trees, block, to)
        _sweeps(trees, everything, to)
        if prices:
            _prices(trees, prices, to)
        to.print()
        terminal.title(to, "kernels", "▲ faster ▼ slower = equivalent ? unresolved")
        views = tables.ladder_views(base, trees, everything)
        rows = [tables.by_key(tree) for tree in trees]
        for block in blocks:
            _kernels_matrix(views, rows, block, to)
    to.print()
    letters = [tables.letters(at) for at in range(len(news))]
    lead = prose.lead(trees, ["BASE", *(letters if len(news) > 1 else ["NEW"])])
    terminal.paragraph(to, lead, "", 0)
    for at, tree in enumerate(trees):
        moved = any(row["verdict"] in MOVED for row in tree["rows"])
        name = f"{tables.letters(at)}: " if len(news) > 1 else ""
        to.print(Text(name + tables.summary(tree), style="bold" if moved else ""), soft_wrap=True)
    open_ = tables.needed(trees)
    if open_:
        terminal.paragraph(to, open_, "dim", 0)
    if not everything:
        text = "each ladder's baseline and its best on a side are shown; --all shows every variant"
        to.print(Text(text, style="dim"), soft_wrap=True)
