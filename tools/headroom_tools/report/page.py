"""`headroom report`: one page that needs nothing but itself.

Text of records reaches the page through jinja2 with autoescape, or through html.escape in
`pictures.svg`; the page's policy lets only its own script and style sheet run, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from html import escape
from pathlib import Path
from statistics import median

from headroom_tools import stats
from headroom_tools.base import paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import duration, rate_of, safe, size, three_digits, time_of
from headroom_tools.compare import tables
from headroom_tools.compare.comparison import compared
from headroom_tools.compare.differs import FACTS
from headroom_tools.compare.sides import label_of, read_sides
from headroom_tools.plot import make, svg
from headroom_tools.plot.make import View
from headroom_tools.record.noise import noise_floors
from headroom_tools.show import probes
from headroom_tools.show.remarks import needs_of
from headroom_tools.show.rows import MOVED, Row

LIMIT = 2_000_000  # bytes of a page
_HERE = Path(__file__).resolve().parent
# What is left out, in this order, of a page that would be larger than LIMIT.
DETAIL = ("", "the launches and sweeps of all runs but the first",
          "all launches and sweeps",
          "all launches and sweeps, and the ladders of all runs but the first",
          "all launches, sweeps and ladders, and of the table what is no ladder's best")  # fmt: skip
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
    """Each ladder's fastest variant, of the kernels' headline sizes where they have any."""
    best: dict[tuple, Row] = {}
    for row in view.claims:
        key = row.cell.ladder()
        if not row.impossible and row.speedup and (key not in best or row.ns < best[key].ns):
            best[key] = row
    rows = list(best.values())
    return [row for row in rows if row.cell.n in row.cell.kernel["headline"]] or rows


def _sentence_of_gains(views: list[View]) -> str:
    rows = best_of(views[0])
    if not rows:
        return "No ladder has a speedup."
    middle = median(row.speedup for row in rows)
    most, least = (f(rows, key=lambda row: row.speedup) for f in (max, min))
    where = "In the first run the" if len(views) > 1 else "The"
    return (
        f"{where} best variant of a ladder is {three_digits(middle)} times as fast as its baseline in "
        f"the middle, from {three_digits(least.speedup)} times ({least.cell.kernel['name']}) to "
        f"{three_digits(most.speedup)} times ({most.cell.kernel['name']})."
    )


def _sentence_of_rest(view: View, trees: list[dict], names: list[str]) -> str:
    for tree, name in zip(trees, names):
        axes = [axis for axis in tree["axes"] if axis["lo"] is not None]
        if axes:
            sure = [axis for axis in axes if axis["lo"] > 1 or axis["hi"] < 1]
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


def _machines(views: list[View]) -> list[dict]:
    kept = Counter(folder.parent.name for folder in paths.complete_runs(paths.results()))
    rows = []
    for view in views:
        cpu, ram = view.machine["cpu"], view.machine["ram"]
        core = f" ({cpu['microarchitecture']})" if cpu["microarchitecture"] else ""
        name = view.run["machine"]
        row = {
            "name": name, "cpu": f"{cpu['model_name'] or cpu['vendor'] or 'unknown'}{core}",
            "cores": f"{cpu['cores'] or '?'} cores, {cpu['threads'] or '?'} threads",
            "memory": size(ram["bytes"]) if ram["bytes"] else "unknown",
            "system": f"{view.machine['system'] or ''} {view.machine['kernel'] or ''}"
            + (f", {view.machine['virtualization']}" if view.machine["virtualization"] else ""),
            "runs": kept.get(name, 0),
        }  # fmt: skip
        told = f"{view.run['label']}, {view.run['started'][:10]}"
        known = next((one for one in rows if {**row, "label": one["label"]} == one), None)
        if known:
            known["label"] += f"; {told}"
        else:
            rows.append({**row, "label": told})
    return rows


def _name(view: View, views: list[View]) -> str:
    """What a run is called on the page: what tells it apart of machine, label and time."""
    machines = {(v.run["machine"], str(v.machine["cpu"])) for v in views}

    def short(one: View) -> str:
        alone = len(machines) == 1 and len(views) > 1
        return one.run["label"] if alone else f"{one.run['machine']} · {one.run['label']}"

    same = sum(short(one) == short(view) for one in views)
    return f"{short(view)} · {view.run['started']}" if same > 1 else short(view)


class _Page:
    """Numbers the pictures, and knows how much detail there is to be."""

    def __init__(self, views: list[View], level: int):
        self.views, self.level, self._count = views, level, 0

    def chart(self, chart) -> str:
        self._count += 1
        return svg.figure(chart, self._count)

    def _detailed(self, at: int) -> bool:
        return self.level == 0 or (self.level == 1 and at == 0)

    def kernels(self, markup) -> list[tuple[str, list[dict]]]:
        """By axis, what is shown of each kernel."""
        found: dict[str, dict] = {}
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
                entry = found.setdefault(name, {
                    "name": name, "id": "k-" + name.replace("/", "-"), "axis": kernel["axis"],
                    "technique": kernel["technique"], "ladders": [], "launches": [], "charts": [],
                })  # fmt: skip
                for own in make.ladders_of(rows):
                    bars = make.ladder(own)
                    entry["ladders"].append(markup(svg.table(bars, make.label_of(own[0]) + whose)))
                    if self._detailed(at):
                        bars = make.launches(own)
                        if bars.rows:
                            caption = f"launches, {make.label_of(own[0])}{whose}"
                            entry["launches"].append(markup(svg.table(bars, caption)))
                if self._detailed(at):
                    charts = make.sizes(rows, view.machine) + make.threads(view.fits, kernel)
                    entry["charts"] += [
                        markup(self.chart(chart._replace(title=chart.title + whose)))
                        for chart in charts
                    ]
        for entry in found.values():
            entry["more"] = bool(entry["launches"] or entry["charts"])
            entry["what"] = "Launches" + (", and by size and threads" if entry["charts"] else "")
        by_axis: dict[str, list[dict]] = {}
        for entry in found.values():
            by_axis.setdefault(entry["axis"], []).append(entry)
        return sorted(by_axis.items())

    def rows(self) -> tuple[list[str], str]:
        """The columns of the table of all rows, and its rows as HTML."""
        several = len(self.views) > 1
        columns = ["run"] * several + ["kernel", "variant", "size", "per item", "rate", "speedup",
                                       "interval", "verdict", "of ceiling"]  # fmt: skip
        lines = []
        for view in self.views:
            only = {id(row) for row in best_of(view)} if self.level >= 4 else None
            for row in view.claims:
                if only is None or id(row) in only:
                    lines.append(_row(row, _name(view, self.views) if several else None,
                                      self.level < 4))  # fmt: skip
        return columns, "\n".join(lines)


def _cell(text: str, value: float | None = None) -> str:
    known = "" if value is None else f' data-v="{value:.5g}"'
    return f'<td class="n"{known}>{escape(text)}</td>'


def _row(row: Row, run: str | None, linked: bool) -> str:
    cell = row.cell
    name = escape(cell.kernel["name"])
    if linked:
        name = f'<a href="#k-{name.replace("/", "-")}">{name}</a>'
    variant = cell.variant + (" (peer)" if cell.role == "peer" else "")
    variant += ", one thread" if cell.beside else ""
    verdict = "withheld" if row.impossible else row.verdict or ""
    parts = [f'<tr data-verdict="{verdict}">' if verdict else "<tr>"]
    parts += [f"<td>{escape(safe(run))}</td>"] if run is not None else []
    parts += [f"<td>{name}</td><td>{escape(variant)}</td>",
              f'<td data-v="{cell.n}">{escape(make.label_of(row))}</td>']  # fmt: skip
    if row.impossible:
        parts += ["<td></td><td></td><td></td><td></td>"]
    else:
        rate = row.bytes_per_second
        parts.append(_cell(time_of(row.ns_per_item), row.ns_per_item))
        parts.append(_cell(rate_of(rate), rate) if rate else "<td></td>")
        speedup = f"{three_digits(row.speedup)}x" if row.speedup else ""
        parts.append(_cell(speedup, row.speedup))
        known = row.lo is not None
        bounds = f"{three_digits(row.lo)} .. {three_digits(row.hi)}" if known else ""
        parts += [_cell(bounds, row.lo) if known else "<td></td>"]
    parts += [f'<td class="{verdict}">{verdict}</td>' if verdict else "<td></td>"]
    share = row.share.of_ceiling if row.share else None
    parts.append("<td></td>" if share is None else _cell(make.share_told(share), share))
    return "".join(parts) + "</tr>"


def _comparison(folders: list[Path]) -> tuple[dict | None, list[dict], list[str]]:
    """(the section, trees, names of the NEWs); None for a single run."""
    if len(folders) < 2:
        return None, [], []
    base, *news = read_sides(folders)
    parts, trees, names, lines = [], [], [], []
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
        parts.append({
            "name": f"{name} against {label_of(base)}", "warnings": tree["warnings"],
            "table": svg.table(bars, f"Axis indices. {tables.summary(tree)}") if bars.rows else "",
            "facts": facts,
            "moved": [
                (f"{row['kernel']}/{row['variant']} n {row['n']:,}",
                 f"{tables.factor(row['ratio'])} [{tables.interval(row)}]", row["verdict"])
                for row in moved[:_MOST_MOVED]
            ],
        })  # fmt: skip
    return {"parts": parts, "lines": lines}, trees, names


def _figures(view: View) -> list[tuple]:
    """The probes as rows of a table."""
    rows = []
    sizes = Counter(name for name, _ in {(probe.probe, probe.n) for probe in view.probes})
    for probe in view.probes:
        of = [] if probe.input == "default" else [probe.input]
        of += [size(probe.n)] if sizes[probe.probe] > 1 else []
        of.append(f"{probe.threads} thread" + ("s" if probe.threads > 1 else ""))
        bounds = ""
        if probe.lo is not None:
            bounds = " .. ".join(
                probes.value_of(probe._replace(value=v)) for v in (probe.lo, probe.hi)
            )
        variant = "" if probe.variant == "probe" else probe.variant
        rows.append((probe.probe, " · ".join(of), variant, probes.value_of(probe), bounds))
    return rows


def _provenance(view: View, name: str) -> dict:
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
        for row in view.rows if row.impossible
    ]  # fmt: skip
    warnings += [
        f"{row.cell.kernel['name']} was judged {row.verdict} than its own copy: something "
        "disturbed this run" for row in view.rows if row.cell.kernel["placebo"] and row.verdict in MOVED
    ]  # fmt: skip
    warnings += [f"note: {note}" for note in run["notes"]]
    return {"name": name, "facts": facts, "missing": missing[:200], "warnings": warnings[:50]}


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _jinja():
    try:
        import jinja2
        import markupsafe
    except ImportError:
        raise HeadroomError(
            "report needs the Python package jinja2: apt install python3-jinja2, or make deps"
        ) from None
    loader = jinja2.FileSystemLoader(_HERE)
    strict = jinja2.StrictUndefined
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=strict)
    return environment.get_template("page.html"), markupsafe.Markup


def page(folders: list[Path]) -> str:
    """The report of these runs, the first being the base: at most LIMIT bytes of HTML."""
    template, markup = _jinja()
    views = [make.view_of(folder) for folder in folders]
    comparison, trees, names = _comparison(folders)
    if comparison:
        for part in comparison["parts"]:
            part["table"] = markup(part["table"])
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
