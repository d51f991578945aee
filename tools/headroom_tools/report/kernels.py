"""The kernels of the page: their pictures by axis, and the table of all rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Callable

from headroom_tools.base.text import rate_of, safe, three_digits
from headroom_tools.plot import of_kernels, of_load, svg
from headroom_tools.plot.spec import Chart
from headroom_tools.plot.view import View
from headroom_tools.report.runs import name_of
from headroom_tools.report.sentences import best_of
from headroom_tools.show.rows import Row

# Marks text as HTML already, for jinja2.
Markup = Callable[[str], object]


@dataclass
class KernelEntry:
    """What is shown of a kernel: pictures, as HTML."""

    name: str
    axis: str
    technique: str
    ladders: list[object] = field(default_factory=list)
    launches: list[object] = field(default_factory=list)
    charts: list[object] = field(default_factory=list)
    curves: list[object] = field(default_factory=list)

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


class Pictures:
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
            whose = f" · {name_of(view, self.views)}" if several else ""
            for name, rows in by_kernel.items():
                kernel = rows[0].cell.kernel
                simulated = rows[0].cell.simulated
                technique = kernel["technique"] + (" · simulated" if simulated else "")
                axis = "simulated" if simulated else kernel["axis"]
                entry = found.setdefault(name, KernelEntry(name, axis, technique))
                for own in of_kernels.ladders_of(rows):
                    bars = of_kernels.ladder(own)
                    entry.ladders.append(markup(svg.table(bars, own[0].cell.place + whose)))
                    if self._detailed(at):
                        bars = of_kernels.launches(own)
                        if bars.rows:
                            caption = f"launches, {own[0].cell.place}{whose}"
                            entry.launches.append(markup(svg.table(bars, caption)))
                if self._detailed(at):
                    entry.curves += [
                        markup(self.chart(chart._replace(title=chart.title + whose)))
                        for chart in of_load.load_of(name, by_kernel)
                    ]
                    entry.ladders += [
                        markup(svg.table(bars, f"{bars.title.partition(', ')[2]}{whose}"))
                        for bars in of_load.measures(rows)
                        if bars.rows and not of_load.has_load(rows[0])
                    ]  # fmt: skip
                    charts = of_kernels.sizes(rows, view.machine)
                    charts += of_kernels.threads(view.fits, kernel)
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
                    lines.append(_row(row, name_of(view, self.views) if several else None,
                                      self.level < 4, standard))  # fmt: skip
        return columns, "\n".join(lines)


def _cell(text: str, value: float | None = None) -> str:
    known = "" if value is None else f' data-v="{value:.5g}"'
    return f'<td class="n"{known}>{escape(text)}</td>'


def _judged(row: Row) -> str:
    """The time of an item, or what else the row's ladder is judged by."""
    if row.cell.by_time:
        return "<td></td>" if row.ns_per_item is None else _cell(row.told, row.ns_per_item)
    return _cell(f"{row.cell.measure['name']} {row.marked}")


def _row(row: Row, run: str | None, linked: bool, with_standard: bool) -> str:
    cell = row.cell
    name = escape(cell.kernel["name"])
    if linked:
        name = f'<a href="#k-{name.replace("/", "-")}">{name}</a>'
    verdict = "withheld" if row.impossible else row.verdict or ""
    parts = [f'<tr data-verdict="{verdict}">' if verdict else "<tr>"]
    parts += [f"<td>{escape(safe(run))}</td>"] if run is not None else []
    parts += [f"<td>{name}</td><td>{escape(cell.name)}</td>",
              f'<td data-v="{cell.n}">{escape(row.cell.place)}</td>']  # fmt: skip
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
    parts.append("<td></td>" if share is None else _cell(of_kernels.share_told(share), share))
    return "".join(parts) + "</tr>"
