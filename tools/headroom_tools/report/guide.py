"""The guide's section: what each technique gained in the runs that the page is about."""

from __future__ import annotations

import re
from html import escape
from typing import Callable, NamedTuple, Sequence

from headroom_tools.base.text import counted, three_digits
from headroom_tools.guide import drawing
from headroom_tools.guide.techniques import INTRO, TECHNIQUES, Technique
from headroom_tools.guide.text import filled, wanted
from headroom_tools.guide.trees import SETUP, TREES, Tree
from headroom_tools.plot.view import View
from headroom_tools.report.runs import name_of
from headroom_tools.report.sentences import best_of
from headroom_tools.show.rows import Row, rows_of

UNMEASURED = "not measured in this run"
Markup = Callable[[str], object]
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_CODE = re.compile(r"`([^`]*)`")
_STRONG = re.compile(r"\*\*([^*]*)\*\*")
_NAMED = 3  # kernels of a command, where no figure names any


class Gain(NamedTuple):
    """What a technique gained in a run, in its best ladder. run: what it is called, of several.
    kernel: of the link, empty where it was not measured. command: then, what measures it."""

    run: str
    told: str
    kernel: str
    where: str
    command: str


class Example(NamedTuple):
    """A cell that the guide shows, as it was measured in the first run."""

    what: str
    told: str
    kernel: str
    where: str


class Entry(NamedTuple):
    """A technique on the page: its texts are HTML."""

    key: str
    title: str
    about: str
    what: object
    no_gain: object
    gains: list[Gain]
    examples: list[Example]
    kernels: object
    lacks: object


class Question(NamedTuple):
    """A row of a tree's table. yes: (where a link leads, its text)."""

    number: str
    asked: str
    how: str
    read: str
    yes: list[tuple[str, str]]


class Drawn(NamedTuple):
    """A tree on the page."""

    key: str
    title: str
    about: object
    load: str
    ways: str
    picture: object
    questions: list[Question]
    ends: list[tuple[str, list[tuple[str, str]]]]


class GuidePart(NamedTuple):
    """The section."""

    intro: object
    setup: str
    trees: list[Drawn]
    entries: list[Entry]
    of: str


def target(key: str) -> str:
    """Where a technique, or a tree, is on the page."""
    kind, _, tree = key.partition(":")
    return f"#t-{tree}" if kind == "tree" else f"#g-{key}"


def fair(row: Row) -> float:
    """The speedup over the standard rung where there is one, else over the baseline."""
    return row.over_standard.speedup if row.over_standard else row.speedup or 0.0


def best_gain(rows: Sequence[Row], best: Sequence[Row], kernels: Sequence[str]) -> Row | None:
    """Of the kernels' ladders that were measured the row that gains most. best: each ladder's best
    variant of those that keep the promise; where none of these is better than its baseline, it is
    one that promises less."""

    def own(candidates: Sequence[Row]) -> list[Row]:
        return [
            row for row in candidates
            if row.cell.kernel["name"] in kernels and row.speedup and not row.impossible
            and not row.cell.is_baseline(row.baseline)
        ]  # fmt: skip

    found = own(best) or own([row for row in rows if row.cell.lacks])
    return max(found, key=fair) if found else None


def best_over(view: View, technique: Technique) -> Row | None:
    """Of the rows that are figures of the technique the one that gains most over a variant that is
    not the baseline; None without any."""
    own = {
        (row.cell.variant, row.cell.ladder()) for row in view.claims
        if row.cell.kernel["name"] in technique.kernels and technique.only in row.cell.remark
    }  # fmt: skip
    again = [
        row for row in (rows_of(view.run, technique.over) if own else [])
        if (row.cell.variant, row.cell.ladder()) in own and row.speedup and not row.impossible
    ]  # fmt: skip
    return max(again, key=fair) if again else None


def told_of(row: Row) -> str:
    """`4.12x over standard, 58.1x over the baseline`, `4.12x (unresolved)`, as `show` has them."""
    told = f"{three_digits(row.speedup or 0)}x"
    if row.over_standard:
        told = f"{three_digits(row.over_standard.speedup)}x over standard, {told} over the baseline"
    if row.verdict in ("unresolved", "equivalent", "slower"):
        told += f" ({row.verdict})"
    return told + row.cell.marked


def command_of(technique: Technique) -> str:
    """What measures a technique: the kernels of its figures, or its first ones."""
    shown = [wanted(show.cell).kernel for show in technique.shows]
    names = list(dict.fromkeys(one for one in shown if one in technique.kernels))
    chosen = "|".join(names or technique.kernels[:_NAMED])
    return f"make bench PROFILE=quick FILTER='^({chosen})$'"


def figure_of(rows: Sequence[Row], cell: str, quantity: str) -> str | None:
    """A cell's figure; None where it has none."""
    want = wanted(cell)
    found = [
        row for row in rows
        if row.cell.kernel["name"] == want.kernel and row.cell.variant == want.variant
        and row.cell.n == want.n and want.input in (None, row.cell.input)
        and want.threads in (None, row.cell.threads)
        and want.params.items() <= row.cell.params.items()
    ]  # fmt: skip
    found = [row for row in found if row.cell.ladder_threads == row.cell.threads] or found
    if not found:
        return None
    row = found[0]
    if row.impossible:
        return "withheld"
    over = row.over_standard
    value = row.speedup if quantity == "speedup" else over.speedup if over else None
    if value is None:
        return None
    verdict = row.verdict if quantity == "speedup" else None
    open_ = f" ({verdict})" if verdict in ("unresolved", "equivalent") else ""
    return f"{three_digits(value)}x{open_}{row.cell.marked}"


def _examples(technique: Technique, rows: Sequence[Row]) -> list[Example]:
    """Those that were measured."""
    found = []
    for show in technique.shows:
        told = figure_of(rows, show.cell, show.quantity)
        if told:
            own = wanted(show.cell)
            threads = f", {own.threads} threads" if own.threads else ""
            what = f"{show.what[0].upper()}{show.what[1:]}"
            where = f"{own.variant}, n {own.n:,}{threads}"
            found.append(Example(what, told, own.kernel, where))
    return found


def _gains(technique: Technique, views: list[View]) -> list[Gain]:
    gains = []
    for view in views:
        run = name_of(view, views) if len(views) > 1 else ""
        if technique.only:
            row = best_over(view, technique)
        else:
            row = best_gain(view.claims, best_of(view), technique.kernels)
        if row:
            name = row.cell.kernel["name"]
            where = f"{row.cell.name}, {row.cell.place}"
            over = f" over {technique.over}" if technique.over else ""
            gains.append(Gain(run, told_of(row) + over, name, where, ""))
        elif technique.kernels:
            gains.append(Gain(run, UNMEASURED, "", "", command_of(technique)))
    return gains


class _Text:
    """Turns the guide's texts into HTML. linked: the kernels that the page has ladders of."""

    def __init__(self, rows: Sequence[Row], linked: set[str], markup: Markup):
        self.rows, self.linked, self.markup = rows, linked, markup

    def kernel(self, name: str) -> str:
        if name not in self.linked:
            return name
        return f'<a href="#k-{name.replace("/", "-")}">{name}</a>'

    def _figure(self, cell: str, quantity: str) -> str:
        return escape(figure_of(self.rows, cell, quantity) or f"({UNMEASURED})")

    def html(self, text: str) -> object:
        text = filled(_LINK.sub(r"\1", escape(text, quote=False)), self._figure, self.kernel)
        text = _STRONG.sub(r"<strong>\1</strong>", text)
        return self.markup(_CODE.sub(r"<code>\1</code>", text))

    def kernels(self, names: Sequence[str]) -> object:
        return self.markup(", ".join(map(self.kernel, names)))


def _links(keys: Sequence[str]) -> list[tuple[str, str]]:
    return [(target(key), drawing.name_of(key)) for key in keys]


def _tree(tree: Tree, text: _Text) -> Drawn:
    questions = [
        Question(step.number, step.question, step.how, step.read, _links(step.yes))
        for step in tree.steps
    ]
    ends = [
        (f"No to question {branch.steps[-1].number}", _links(branch.otherwise))
        for branch in (tree.yes, tree.no)
    ]
    picture = text.markup(drawing.drawn(tree, target))
    about = text.html(tree.about)
    return Drawn(
        tree.key, tree.title, about, tree.load, tree.ways, picture, questions, ends
    )  # fmt: skip


def part_of(views: list[View], linked: set[str], markup: Markup) -> GuidePart:
    """The section about these runs. linked: the kernels that the page has ladders of."""
    text = _Text(views[0].claims, linked, markup)
    entries = [
        Entry(
            one.key, one.title, f"{one.about} · leans on: {one.axes}", text.html(one.what),
            text.html(one.no_gain), _gains(one, views), _examples(one, views[0].claims),
            text.kernels(one.kernels),
            text.html(one.lacks),
        )
        for one in TECHNIQUES
    ]  # fmt: skip
    measured = sum(any(gain.kernel for gain in one.gains) for one in entries)
    was = "was" if measured == 1 else "were"
    of = f"{measured} of {counted(len(entries), 'technique')} {was} measured"
    if len(views) > 1:
        of += f"; figures within a text are those of {name_of(views[0], views)}"
    return GuidePart(text.html(INTRO), SETUP, [_tree(tree, text) for tree in TREES], entries, of)
