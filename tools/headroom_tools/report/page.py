"""`headroom report`: one page that needs nothing but itself.

Text of records reaches the page through jinja2 with autoescape, or through html.escape in
`plot.svg` and `kernels`; the page's policy lets only its own script and style sheet run, by their
hashes.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from headroom_tools.base.errors import HeadroomError
from headroom_tools.compare import clock, simulated, tables
from headroom_tools.compare.comparison import compared
from headroom_tools.compare.pooling import Measured
from headroom_tools.compare.sides import Side, label_of, read_sides
from headroom_tools.compare.types import Comparison
from headroom_tools.guide import drawing
from headroom_tools.plot import make, of_machine, svg
from headroom_tools.plot.view import View, view_of
from headroom_tools.report import fleet as fleets
from headroom_tools.report import guide
from headroom_tools.report.kernels import Markup, Pictures
from headroom_tools.report.runs import figures_of, machines_of, name_of, provenance_of
from headroom_tools.report.sentences import summary
from headroom_tools.show.rows import MOVED

LIMIT = 4_000_000  # bytes of a page
_HERE = Path(__file__).resolve().parent
# What is left out, in this order, of a page that would be larger than LIMIT.
DETAIL = ("", "the launches and sweeps of all runs but the first",
          "all launches and sweeps",
          "all launches and sweeps, and the ladders of all runs but the first",
          "all launches, sweeps and ladders, and of the table what is no ladder's best",
          )  # fmt: skip
_MOST_MOVED = 12


class Part(NamedTuple):
    """The comparison with one NEW. facts: what differs; moved: (row, ratio, verdict)."""

    name: str
    warnings: list[str]
    table: object
    facts: list[list[str]]
    moved: list[tuple[str, str, str]]


class Section(NamedTuple):
    """The comparison of all runs. lines: what can't be compared."""

    parts: list[Part]
    lines: list[str]


def _comparison(
    sides: list[Side], markup: Markup
) -> tuple[Section | None, list[Comparison]]:
    """(the section, trees); None for a single run."""
    if len(sides) < 2:
        return None, []
    base, *news = sides
    parts: list[Part] = []
    trees: list[Comparison] = []
    lines: list[str] = []
    for new in news:
        name = label_of(new)
        try:
            tree = compared(base, new)
        except HeadroomError as error:
            lines.append(str(error))
            continue
        trees.append(tree)
        facts = [*tables.differing_facts([base, new])[0], *clock.fact(tree["clock"])]
        moved = [row for row in tree["rows"] if row["verdict"] in MOVED]
        moved.sort(key=lambda row: -max(row["ratio"], 1 / row["ratio"]))
        bars = make.axes(base, new, tree)
        table = svg.table(bars, f"Axis indices. {tables.summary(tree)}") if bars.rows else ""
        told = [
            (f"{row['kernel']}/{row['variant']} n {row['n']:,}",
             f"{tables.factor(row['ratio'])} [{tables.interval(row)}]", row["verdict"] or "")
            for row in moved[:_MOST_MOVED]
        ]  # fmt: skip
        about = f"{name} against {label_of(base)}"
        notes = [*tree["warnings"], *filter(None, [simulated.told(tree)])]
        parts.append(Part(about, notes, markup(table), facts, told))
    return Section(parts, lines), trees


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _jinja() -> tuple[Any, Markup]:
    """The template, and what marks text as HTML already."""
    try:
        import jinja2
        import markupsafe
    except ImportError:
        raise HeadroomError(
            "report needs the Python package jinja2: apt install python3-jinja2, or make report"
        ) from None
    loader = jinja2.FileSystemLoader(_HERE)
    strict = jinja2.StrictUndefined
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=strict)
    return environment.get_template("page.html"), markupsafe.Markup


def page(folders: list[Path]) -> str:
    """The report of these runs, the first being the base: at most LIMIT bytes of HTML."""
    template, markup = _jinja()
    fleet = fleets.part_of(folders) if fleets.is_fleet(folders) else None
    if fleet:
        sides, views = fleet.shown, [View(side.run, side.machine) for side in fleet.shown]
    else:
        views = [view_of(folder) for folder in folders]
        sides = read_sides(folders) if len(folders) > 1 else []
    comparison, trees = _comparison(sides, markup)
    style, script = ((_HERE / name).read_text("utf-8") for name in ("style.css", "script.js"))
    style += drawing.RULES
    title = f"Headroom: {views[0].run['machine']}"
    machines = len({view.run["machine"] for view in views})
    if fleet:
        title = f"Headroom: a fleet of {len(fleet.sides)} machines"
    elif machines > 1:
        title += f" and {machines - 1} more machine" + ("s" if machines > 2 else "")
    elif len(views) > 1:
        title += f", {len(views)} runs"
    measured: list[Measured] = [*fleet.sides] if fleet else [*views]
    lacking = len(comparison.lines) if comparison else 0
    lead = fleet.lead if fleet else summary(views, trees, lacking)
    for level in range(len(DETAIL)):
        pictures = Pictures(views, level)
        mountain = [
            {"name": name_of(view, views), "run": view.probes_from, "figures": figures_of(view),
             "charts": [markup(pictures.chart(chart)) for chart in of_machine.memory(view)]}
            for view in views
        ]  # fmt: skip
        roofs = [markup(pictures.chart(c)) for view in views for c in of_machine.roofline(view)]
        columns, rows = pictures.rows()
        by_axis = pictures.kernels(markup)
        linked = {kernel.name for _, kernels in by_axis for kernel in kernels}
        sections = [("fleet", "Fleet")] if fleet else []
        sections += [("machines", "Machines"), ("memory", "The machine itself")]
        sections += [("roofline", "Roofline")]
        sections += [("compare", "Comparison")] if comparison else []
        sections += [("guide", "Guide"), ("kernels", "Ladders"), ("all", "All rows")]
        sections += [("method", "Method")]
        notices = [fleet.notice] if fleet else []
        notices += [f"To keep this page small it leaves out {DETAIL[level]}."] if level else []
        text = template.render(
            title=title, summary=lead, sections=sections, notices=notices, fleet=fleet,
            fleet_picture=markup(fleet.picture) if fleet else "",
            machines=machines_of(measured), mountain=mountain, roofs=roofs, comparison=comparison,
            guide=guide.part_of(views, linked, markup), linked=linked,
            by_axis=by_axis, columns=columns, rows=markup(rows),
            verdicts=("faster", "slower", "equivalent", "unresolved", "withheld"),
            provenance=[provenance_of(view, name_of(view, views)) for view in views],
            style=markup(style), script=markup(script), style_hash=_hash(style),
            script_hash=_hash(script),
        )  # fmt: skip
        if len(text.encode()) <= LIMIT:
            return text
    raise HeadroomError(f"{len(folders)} runs make a page over {LIMIT:,} bytes: name fewer")
