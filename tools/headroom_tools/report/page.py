"""`headroom report`: one page that needs nothing but itself.

Text of records reaches the page through jinja2 with autoescape, or through html.escape in
`plot.svg`; the page's policy lets only its own script and style sheet run, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from statistics import median
from typing import Any, Callable, NamedTuple

from headroom_tools import stats
from headroom_tools.base import paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import duration, rate_of, safe, size, three_digits
from headroom_tools.compare import tables
from headroom_tools.compare.comparison import compared
from headroom_tools.compare.differs import FACTS, moved_of
from headroom_tools.compare.sides import label_of, read_sides
from headroom_tools.compare.types import Comparison
from headroom_tools.plot import make, svg
from headroom_tools.plot.make import View
from headroom_tools.plot.spec import Chart
from headroom_tools.record.noise import noise_floors
from headroom_tools.show import probes
from headroom_tools.show.remarks import needs_of
from headroom_tools.show.rows import MOVED, Row, best_rows

# Marks text as HTML already, for jinja2.
Markup = Callable[[str], object]
LIMIT = 2_000_000  # bytes of a page
_HERE = Path(__file__).resolve().parent
# What is left out, in this order, of a page that would be larger than LIMIT.
DETAIL = ("", "the launches and sweeps of all runs but the first",
          "all launches and sweeps",
          "all launches and sweeps, and the ladders of all runs but the first",
          "all launches, sweeps and ladders, and of the table what is no ladder's best",
          )  # fmt: skip
_MOST_MOVED = 12


def chosen_runs() -> list[Path]:
    """Of each machine in results/ the newest run with kernels beyond probes; else the newest."""
    found: dict[str, list[Path]] = {}
    for folder in paths.complete_runs(paths.results()):
        found.setdefault(folder.parent.name, []).append(folder)
    if not found:
        paths.find_run("latest")  # says that there is none
    chosen = []
    for name in sorted(found):
        for folder in found[name]:
            try:
                view = make.view_of(folder)
            except HeadroomError:
                continue
            if view.claims:
                chosen.append(folder)
                break
        else:
            chosen.append(found[name][0])
    return chosen


def _sentence_of_runs(views: list[View]) -> str:
    rows = [row for view in views for row in view.claims]
    kernels = len({row.cell.kernel["name"] for row in rows})
    counts = Counter(row.verdict for row in rows if row.verdict)
    judged = sum(counts.values())
    where = f"On {views[0].run['machine']}" if len(views) == 1 else f"In {len(views)} runs"
    names = ("faster", "slower", "equivalent", "unresolved")
    told = ", ".join(f"{counts[name]} are {name}" for name in names if counts[name])
    verdicts = ", with too few launches for a verdict"
    if judged:
        verdicts = f": of {judged} comparisons with a baseline {told}"
    return f"{where}, {kernels} kernels were measured with {len(rows)} results{verdicts}."


def best_of(view: View) -> list[Row]:
    """Each ladder's best variant, of the kernels' headline sizes where they have any."""
    rows = best_rows(view.claims)
    return [row for row in rows if row.cell.n in row.cell.kernel["headline"]] or rows


def _sentence_of_standards(best: list[Row]) -> str:
    """How much the best variants gain over what the standard library or plain good C++ gives."""
    found = [
        (row.over_standard.speedup, row.cell.kernel["name"]) for row in best if row.over_standard
    ]
    if not found:
        return ""
    middle = median(speedup for speedup, _ in found)
    most, name = max(found)
    ladders = "ladder has" if len(found) == 1 else "ladders have"
    return (
        f"{len(found)} {ladders} a standard rung, what the standard library or plain good C++ "
        f"gives: the best variant is {three_digits(middle)} times as fast as it in the middle, at "
        f"most {three_digits(most)} times ({name}). "
    )


def _sentence_of_gains(views: list[View]) -> str:
    best = best_of(views[0])
    speedups = [
        (row.speedup, row.cell.kernel["name"]) for row in best if row.speedup is not None
    ]
    if not speedups:
        return "No ladder has a speedup."
    middle = median(speedup for speedup, _ in speedups)
    most, least = (f(speedups, key=lambda pair: pair[0]) for f in (max, min))
    where = "In the first run the" if len(views) > 1 else "The"
    return _sentence_of_standards(best) + (
        f"{where} best variant of a ladder is {three_digits(middle)} times as fast as its baseline "
        f"in the middle, from {three_digits(least[0])} times ({least[1]}) to "
        f"{three_digits(most[0])} times ({most[1]})."
    )


def _sentence_of_rest(view: View, trees: list[Comparison], names: list[str]) -> str:
    for tree, name in zip(trees, names):
        axes = [axis for axis in tree["axes"] if axis["lo"] is not None]
        if axes:
            sure = [axis for axis in axes if moved_of(axis)]
            sure.sort(key=lambda axis: -abs(axis["ratio"] - 1))
            told = ", ".join(f"{three_digits(a['ratio'])} times on {a['axis']}" for a in sure[1:3])
            if not sure:
                return f"Against the first run, no axis of {name} moved beyond what runs vary by."
            rest = "; the other axes have not moved" if len(sure) < len(axes) else ""
            first = f"{three_digits(sure[0]['ratio'])} times the speed of the first run on"
            told = ", ".join(filter(None, (f"{first} {sure[0]['axis']}", told)))
            return f"{name} has {told}{rest}."
    shares = [(row.share.of_ceiling, row) for row in best_of(view) if row.share]
    if shares:
        lowest = min(shares, key=lambda pair: pair[0])
        return (
            f"Of what the machine's own probes allow the best variants reach "
            f"{median(share for share, _ in shares):.2f} in the middle; the most headroom is left "
            f"in {lowest[1].cell.kernel['name']}, at {lowest[0]:.2f}."
        )
    floors = noise_floors([row.cell for row in view.rows])
    if floors:
        name, worst = max(floors.items(), key=lambda pair: pair[1])
        return (f"Kernels against their own copies strayed by up to {100 * (worst - 1):.2g}% "
                f"({name}): no claim is made below that.")  # fmt: skip
    return "No kernel was held against a ceiling, and no placebo was measured."


class MachineRow(NamedTuple):
    """A row of the table of machines. label: of its runs here; runs: kept in all."""

    name: str
    cpu: str
    cores: str
    memory: str
    system: str
    runs: int
    label: str


def _machines(views: list[View]) -> list[MachineRow]:
    kept = Counter(folder.parent.name for folder in paths.complete_runs(paths.results()))
    rows: list[MachineRow] = []
    for view in views:
        cpu, ram = view.machine["cpu"], view.machine["ram"]
        core = f" ({cpu['microarchitecture']})" if cpu["microarchitecture"] else ""
        name = view.run["machine"]
        virtual = view.machine["virtualization"]
        row = MachineRow(
            name,
            f"{cpu['model_name'] or cpu['vendor'] or 'unknown'}{core}",
            f"{cpu['cores'] or '?'} cores, {cpu['threads'] or '?'} threads",
            size(ram["bytes"]) if ram["bytes"] else "unknown",
            f"{view.machine['system'] or ''} {view.machine['kernel'] or ''}"
            + (f", {virtual}" if virtual else ""),
            kept.get(name, 0),
            f"{view.run['label']}, {view.run['started'][:10]}",
        )
        same = (at for at, one in enumerate(rows) if one._replace(label=row.label) == row)
        known = next(same, None)
        if known is None:
            rows.append(row)
        else:
            rows[known] = rows[known]._replace(label=f"{rows[known].label}; {row.label}")
    return rows


def _name(view: View, views: list[View]) -> str:
    """What a run is called on the page: what tells it apart of machine, label and time."""
    machines = {(v.run["machine"], str(v.machine["cpu"])) for v in views}

    def short(one: View) -> str:
        alone = len(machines) == 1 and len(views) > 1
        return one.run["label"] if alone else f"{one.run['machine']} · {one.run['label']}"

    same = sum(short(one) == short(view) for one in views)
    return f"{short(view)} · {view.run['started']}" if same > 1 else short(view)


@dataclass
class KernelEntry:
    """What is shown of a kernel: pictures, as HTML."""

    name: str
    axis: str
    technique: str
    ladders: list[object] = field(default_factory=list)
    launches: list[object] = field(default_factory=list)
    charts: list[object] = field(default_factory=list)

    @property
    def id(self) -> str:
        """What a link to it says."""
        return "k-" + self.name.replace("/", "-")

    @property
    def more(self) -> bool:
        """Whether there is more than ladders."""
        return bool(self.launches or self.charts)

    @property
    def what(self) -> str:
        """What more there is."""
        return "Launches" + (", and by size and threads" if self.charts else "")


class _Page:
    """Numbers the pictures, and knows how much detail there is to be."""

    def __init__(self, views: list[View], level: int):
        self.views, self.level, self._count = views, level, 0

    def chart(self, chart: Chart) -> str:
        self._count += 1
        return svg.figure(chart, self._count)

    def _detailed(self, at: int) -> bool:
        return self.level == 0 or (self.level == 1 and at == 0)

    def kernels(self, markup: Markup) -> list[tuple[str, list[KernelEntry]]]:
        """By axis, what is shown of each kernel."""
        found: dict[str, KernelEntry] = {}
        several = len(self.views) > 1
        for at, view in enumerate(self.views):
            if self.level >= 4 or (self.level >= 3 and at > 0):
                continue
            by_kernel: dict[str, list[Row]] = {}
            for row in view.claims:
                by_kernel.setdefault(row.cell.kernel["name"], []).append(row)
            whose = f" · {_name(view, self.views)}" if several else ""
            for name, rows in by_kernel.items():
                kernel = rows[0].cell.kernel
                entry = found.setdefault(
                    name, KernelEntry(name, kernel["axis"], kernel["technique"])
                )
                for own in make.ladders_of(rows):
                    bars = make.ladder(own)
                    entry.ladders.append(markup(svg.table(bars, own[0].cell.label + whose)))
                    if self._detailed(at):
                        bars = make.launches(own)
                        if bars.rows:
                            caption = f"launches, {own[0].cell.label}{whose}"
                            entry.launches.append(markup(svg.table(bars, caption)))
                if self._detailed(at):
                    charts = make.sizes(rows, view.machine) + make.threads(view.fits, kernel)
                    entry.charts += [
                        markup(self.chart(chart._replace(title=chart.title + whose)))
                        for chart in charts
                    ]
        by_axis: dict[str, list[KernelEntry]] = {}
        for entry in found.values():
            by_axis.setdefault(entry.axis, []).append(entry)
        return sorted(by_axis.items())

    def rows(self) -> tuple[list[str], str]:
        """The columns of the table of all rows, and its rows as HTML."""
        several = len(self.views) > 1
        standard = any(row.over_standard for view in self.views for row in view.claims)
        columns = ["run"] * several + ["kernel", "variant", "size", "per item", "rate"]
        columns += ["over standard"] * standard
        columns += ["speedup", "interval", "verdict", "of ceiling"]
        lines = []
        for view in self.views:
            only = {id(row) for row in best_of(view)} if self.level >= 4 else None
            for row in view.claims:
                if only is None or id(row) in only:
                    lines.append(_row(row, _name(view, self.views) if several else None,
                                      self.level < 4, standard))  # fmt: skip
        return columns, "\n".join(lines)


def _cell(text: str, value: float | None = None) -> str:
    known = "" if value is None else f' data-v="{value:.5g}"'
    return f'<td class="n"{known}>{escape(text)}</td>'


def _judged(row: Row) -> str:
    """The time of an item, or what else the row's ladder is judged by."""
    if row.cell.by_time:
        return "<td></td>" if row.ns_per_item is None else _cell(row.told, row.ns_per_item)
    return _cell(f"{row.cell.measure['name']} {row.told}")


def _row(row: Row, run: str | None, linked: bool, with_standard: bool) -> str:
    cell = row.cell
    name = escape(cell.kernel["name"])
    if linked:
        name = f'<a href="#k-{name.replace("/", "-")}">{name}</a>'
    verdict = "withheld" if row.impossible else row.verdict or ""
    parts = [f'<tr data-verdict="{verdict}">' if verdict else "<tr>"]
    parts += [f"<td>{escape(safe(run))}</td>"] if run is not None else []
    parts += [f"<td>{name}</td><td>{escape(cell.name)}</td>",
              f'<td data-v="{cell.n}">{escape(row.cell.label)}</td>']  # fmt: skip
    if row.impossible:
        parts += ["<td></td><td></td><td></td><td></td>", "<td></td>" * with_standard]
    else:
        rate = row.bytes_per_second if cell.by_time else None
        parts.append(_judged(row))
        parts.append(_cell(rate_of(rate), rate) if rate else "<td></td>")
        if with_standard:
            over = row.over_standard
            told = f"{three_digits(over.speedup)}x" if over else ""
            parts.append(_cell(told, over.speedup if over else None))
        speedup = f"{three_digits(row.speedup)}x" if row.speedup else ""
        parts.append(_cell(speedup, row.speedup))
        if row.lo is None or row.hi is None:
            parts.append("<td></td>")
        else:
            parts.append(_cell(f"{three_digits(row.lo)} .. {three_digits(row.hi)}", row.lo))
    parts += [f'<td class="{verdict}">{verdict}</td>' if verdict else "<td></td>"]
    share = row.share.of_ceiling if row.share else None
    parts.append("<td></td>" if share is None else _cell(make.share_told(share), share))
    return "".join(parts) + "</tr>"


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
    folders: list[Path], markup: Markup
) -> tuple[Section | None, list[Comparison], list[str]]:
    """(the section, trees, names of the NEWs); None for a single run."""
    if len(folders) < 2:
        return None, [], []
    base, *news = read_sides(folders)
    parts: list[Part] = []
    trees: list[Comparison] = []
    names: list[str] = []
    lines: list[str] = []
    for new in news:
        name = label_of(new)
        try:
            tree = compared(base, new)
        except HeadroomError as error:
            lines.append(str(error))
            continue
        trees.append(tree)
        names.append(name)
        facts, _ = tables.differing_facts([base, new])
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
        parts.append(Part(about, tree["warnings"], markup(table), facts, told))
    return Section(parts, lines), trees, names


def _figures(view: View) -> list[tuple[str, str, str, str, str]]:
    """The probes as rows of a table."""
    rows = []
    sizes = Counter(name for name, _ in {(probe.probe, probe.n) for probe in view.probes})
    for probe in view.probes:
        of = [] if probe.input == "default" else [probe.input]
        of += [size(probe.n)] if sizes[probe.probe] > 1 else []
        of.append(f"{probe.threads} thread" + ("s" if probe.threads > 1 else ""))
        bounds = ""
        if probe.lo is not None and probe.hi is not None:
            bounds = " .. ".join(
                probes.value_of(probe._replace(value=v)) for v in (probe.lo, probe.hi)
            )
        variant = "" if probe.variant == "probe" else probe.variant
        rows.append((probe.probe, " · ".join(of), variant, probes.value_of(probe), bounds))
    return rows


class Provenance(NamedTuple):
    """Where the figures of a run come from."""

    name: str
    facts: list[tuple[str, str]]
    missing: list[str]
    warnings: list[str]


def _provenance(view: View, name: str) -> Provenance:
    run = view.run
    plan = run["plan"]
    ranks = stats.order_ranks(plan["launches"])
    told = f", intervals from the {ranks[0]}. to the {plan['launches'] + 1 - ranks[0]}. of them " \
        f"({100 * ranks[1]:.1f}%)" if ranks else ", too few for an interval"
    facts = [("run", run["name"]), ("measured", f"{run['started']} to {run['finished']}, "
             f"{duration(run['seconds'])}"), ("launches", f"{plan['launches']}{told}")]  # fmt: skip
    facts += [(fact.name, safe(fact.of(view))) for fact in FACTS if fact.name != "machine"]
    floors = noise_floors([row.cell for row in view.rows])
    told = ", ".join(f"{name} ±{100 * (ratio - 1):.2f}%" for name, ratio in floors.items())
    facts.append(("noise floor", told or "no placebo"))
    libraries = ", ".join(f"{name} {value}" for name, value in sorted(run["libraries"].items()))
    facts.append(("libraries", libraries or "none"))
    kernels = {kernel["name"]: kernel for kernel in run["kernels"]}
    missing = [
        f"{'/'.join(filter(None, (e['kernel'], e['variant'])))}: {needs_of(e, kernels)}"
        for e in run["missing"]
    ] + [f"{e['kernel']} n {e['n']:,}: {e['reason']}" for e in run["left_out"]]
    warnings = [f"{e['kernel']}: {e['kind']}: {e['message']}" for e in run["failures"]]
    warnings += [
        f"{row.cell.kernel['name']}/{row.cell.variant} n {row.cell.n:,} is withheld: "
        f"{row.share.of_ceiling:.2f} of {row.cell.probe}"
        for row in view.rows if row.share and row.impossible
    ]  # fmt: skip
    warnings += [
        f"{row.cell.kernel['name']} was judged {row.verdict} than its own copy: something "
        "disturbed this run"
        for row in view.rows if row.cell.kernel["placebo"] and row.verdict in MOVED
    ]  # fmt: skip
    warnings += [f"note: {note}" for note in run["notes"]]
    return Provenance(name, facts, missing[:200], warnings[:50])


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
    views = [make.view_of(folder) for folder in folders]
    comparison, trees, names = _comparison(folders, markup)
    summary = " ".join((_sentence_of_runs(views), _sentence_of_gains(views),
                        _sentence_of_rest(views[0], trees, names)))  # fmt: skip
    style, script = ((_HERE / name).read_text("utf-8") for name in ("style.css", "script.js"))
    title = f"Headroom: {views[0].run['machine']}"
    machines = len({view.run["machine"] for view in views})
    if machines > 1:
        title += f" and {machines - 1} more machine" + ("s" if machines > 2 else "")
    elif len(views) > 1:
        title += f", {len(views)} runs"
    for level in range(len(DETAIL)):
        pictures = _Page(views, level)
        mountain = [
            {"name": _name(view, views), "run": view.probes_from, "figures": _figures(view),
             "charts": [markup(pictures.chart(chart)) for chart in make.memory(view)]}
            for view in views
        ]  # fmt: skip
        roofs = [markup(pictures.chart(c)) for view in views for c in make.roofline(view)]
        columns, rows = pictures.rows()
        sections = [("machines", "Machines"), ("memory", "The machine itself"),
                    ("roofline", "Roofline")]  # fmt: skip
        sections += [("compare", "Comparison")] if comparison else []
        sections += [("kernels", "Ladders"), ("all", "All rows"), ("method", "Method")]
        notices = [f"To keep this page small it leaves out {DETAIL[level]}."] if level else []
        text = template.render(
            title=title, summary=summary, sections=sections, notices=notices,
            machines=_machines(views), mountain=mountain, roofs=roofs, comparison=comparison,
            by_axis=pictures.kernels(markup), columns=columns, rows=markup(rows),
            verdicts=("faster", "slower", "equivalent", "unresolved", "withheld"),
            provenance=[_provenance(view, _name(view, views)) for view in views],
            style=markup(style), script=markup(script), style_hash=_hash(style),
            script_hash=_hash(script),
        )  # fmt: skip
        if len(text.encode()) <= LIMIT:
            return text
    raise HeadroomError(f"{len(folders)} runs make a page over {LIMIT:,} bytes: name fewer")
