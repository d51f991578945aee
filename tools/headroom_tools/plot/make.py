"""Which pictures there are, and what `headroom plot` draws of runs."""

from __future__ import annotations

import re

from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe
from headroom_tools.compare.sides import Side
from headroom_tools.compare.tables import factor as ratio_of, interval as interval_of
from headroom_tools.compare.types import Comparison
from headroom_tools.plot import of_load
from headroom_tools.plot.of_kernels import ladder, ladders_of, launches, sizes, threads
from headroom_tools.plot.of_machine import memory, roofline
from headroom_tools.plot.spec import Axis, Bar, Bars, Chart
from headroom_tools.plot.view import View
from headroom_tools.show.rows import Row


def axes(base: Side, new: Side, tree: Comparison) -> Bars:
    """The axis indices of a comparison."""
    rows = []
    for axis in tree["axes"]:
        note = ("contaminated" if axis["contaminated"] else "control") if axis["control"] else ""
        told = f"{ratio_of(axis['ratio'])} [{interval_of(axis) or 'no interval'}]"
        note = ", ".join(filter(None, (f"{axis['kernels']} of {axis['of']} kernels", note)))
        rows.append(Bar(axis["axis"], axis["ratio"], axis["lo"], axis["hi"], told, 0, note=note))
    words = "; ".join(f"{bar.label} {bar.told}" for bar in rows)
    names = [safe(f"{side.run['machine']} · {side.run['label']}") for side in (base, new)]
    return Bars(f"{names[1]} against {names[0]}", f"Axis indices: {words}.",
                Axis("the base's time over the new one's: above 1x it is faster", "factor", True),
                1.0, rows)  # fmt: skip


KINDS = {
    "memory": "the memory mountain: bandwidth and latency against working set",
    "roofline": "every variant that does floating-point work, under the machine's ceilings",
    "ladders": "speedups with intervals against the ceiling",
    "launches": "how the launches of each variant lie around their median",
    "sizes": "time of an item by size",
    "threads": "thread sweeps, with Amdahl's or the Universal Scalability Law",
    "load": "latency percentiles and goodput against the load that is offered",
    "measures": "hit ratios, latencies and whatever else than time ladders are judged by",
    "axes": "axis indices of BASE against each NEW",
}
PANELS = 24
_ANY = re.compile("")


def _by_kernel(view: View, pattern: re.Pattern[str]) -> list[list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in view.claims:
        if pattern.search(row.cell.kernel["name"]):
            found.setdefault(row.cell.kernel["name"], []).append(row)
    return list(found.values())


def panels_of(kind: str, views: list[View], pattern: re.Pattern[str]) -> list[Chart | Bars]:
    """The pictures of one kind, except `axes`. HeadroomError for none, or too many for one page."""
    panels: list[Chart | Bars] = []
    names = [safe(f"{view.run['machine']} · {view.run['label']}") for view in views]
    if len(set(names)) < len(names):  # repeats of one configuration
        names = [safe(f"{view.run['machine']} · {view.run['name']}") for view in views]
    for view, name in zip(views, names):
        first = len(panels)
        if kind == "memory":
            panels += memory(view)
        elif kind == "roofline":
            panels += roofline(view)
        all_rows = {rows[0].cell.kernel["name"]: rows for rows in _by_kernel(view, _ANY)}
        for rows in _by_kernel(view, pattern) if kind not in ("memory", "roofline") else ():
            if kind == "load":
                panels += of_load.load_of(rows[0].cell.kernel["name"], all_rows)
            elif kind == "measures":
                panels += of_load.measures(rows)
            elif kind in ("ladders", "launches"):
                make = ladder if kind == "ladders" else launches
                panels += [make(own) for own in ladders_of(rows)]
            elif kind == "sizes":
                panels += sizes(rows, view.machine)
            else:
                panels += threads(view.fits, rows[0].cell.kernel)
        # Each picture says whose it is: it will stand in a document without this page.
        panels[first:] = [panel._replace(title=f"{panel.title} · {name}")
                          if view.run["machine"] not in panel.title else panel
                          for panel in panels[first:]]  # fmt: skip
    panels = [panel for panel in panels if isinstance(panel, Chart) or panel.rows]
    if not panels:
        cure = {
            "memory": "measure probes: `headroom run --filter '^machine/'`",
            "roofline": "measure probes: `headroom run --filter '^machine/'`",
            "sizes": "measure more sizes, with --profile thorough",
            "load": "measure a kernel with loads: --filter '^scenario/'",
            "measures": "measure a kernel that is judged so: --filter '^caching/hit_ratio$'",
            "threads": "measure on two thread counts: --filter '^(parallel|concurrency)/'",
        }.get(kind, "see --filter")
        raise HeadroomError(f"{kind}: nothing to draw in {views[0].run['name']}; {cure}")
    if len(panels) > PANELS:
        raise HeadroomError(
            f"{kind}: {len(panels)} pictures are too many for one page: choose up to {PANELS} with "
            "--filter RE, or `headroom report`"
        )
    return panels
