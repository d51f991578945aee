"""What a marker stands for, as Markdown. All of it comes from records, and none of it is markup."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Callable, NamedTuple, Sequence

from rich.console import Console

from headroom_tools import stats
from headroom_tools.ab import output
from headroom_tools.base import terminal
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import ladder_label, rate_of, three_digits, time_of, value_of
from headroom_tools.cite.markers import BLOCKS, Request
from headroom_tools.cite.records import Kept, Loaded, Records, Unbacked, link_to
from headroom_tools.compare.comparison import compared
from headroom_tools.compare.forms import axes_table, escaped, kernel_tables, markdown_table
from headroom_tools.compare.sides import Side, read_sides
from headroom_tools.record import device as devices
from headroom_tools.record.cells import of_launches
from headroom_tools.record.types import Device, LadderKey, Launched
from headroom_tools.show import probes
from headroom_tools.show.rows import BAND, Row, best_rows
from headroom_tools.show.terminal import print_ladders

UNBACKED = "(no record)"


class Figure(NamedTuple):
    """text: what belongs between the markers. used: the kernels that it cites, by record."""

    text: str
    used: Sequence[tuple[Kept, set[str]]]


def _plain() -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    width = terminal.WIDTH
    return Console(file=text, markup=False, emoji=False, highlight=False, width=width), text


def fenced(text: str) -> str:
    """Text as a code block that none of it can end, nor end the marker."""
    text = text.replace("`", "'").replace("<!--", "<! --").strip("\n")
    return f"\n```\n{text}\n```\n"


def with_interval(
    told: Callable[[float], str], value: float, lo: float | None, hi: float | None, brief: bool
) -> str:
    """`42.0x [41.0, 43.0]`, `1.66 us [1.61, 1.68]`; units once where they are the same."""
    text = told(value)
    if brief:
        return text
    if lo is None or hi is None:
        return f"{text} (no interval)"
    bounds = [told(bound) for bound in (lo, hi)]
    unit = text.lstrip("0123456789.,-e")
    if unit and all(bound.endswith(unit) for bound in bounds):
        bounds = [bound[: -len(unit)] for bound in bounds]
    return f"{text} [{', '.join(bounds)}]"


def factor(value: float) -> str:
    """`42.0x`."""
    return f"{three_digits(value)}x"


def _bounds_of(values: Launched) -> tuple[float | None, float | None]:
    """The order-statistic interval of what launches gave."""
    interval = stats.order_interval(of_launches(values))
    return (interval.lo, interval.hi) if interval else (None, None)


# What of a simulated kernel is the machine's: how long the simulation takes, which is no result.
_REAL = ("ns_per_item", "time", "rate", "flops", "of_ceiling", "alone")


def cell_figure(quantity: str, row: Row, brief: bool) -> str:
    """One quantity of a cell, marked where it is simulated. Unbacked where the record lacks it."""
    if row.cell.simulated and quantity in _REAL:
        raise Unbacked("it is simulated: the only time it has is that of the simulation")
    return _measured_figure(quantity, row, brief) + row.cell.marked


def _measured_figure(quantity: str, row: Row, brief: bool) -> str:
    """The same without the mark."""
    cell = row.cell
    if row.impossible and quantity != "of_ceiling":
        return "withheld (above its ceiling)"
    lo, hi = _bounds_of(cell.median)
    if quantity == "speedup":
        if row.speedup is None:
            raise Unbacked("the record has no speedup for it: it is a probe, or no launch has both")
        if cell.is_baseline(row.baseline):
            return factor(1.0)
        text = with_interval(factor, row.speedup, row.lo, row.hi, brief)
        remarks = [row.verdict] if row.verdict in ("unresolved", "equivalent") else []
        if row.alone and row.alone_differs and not brief:
            remarks.append(f"alone {factor(row.alone)}")
        return f"{text} ({', '.join(remarks)})" if remarks else text
    if quantity == "alone":
        if row.alone is None:
            raise Unbacked("the record has no speedup of the variants run alone for it")
        return factor(row.alone)
    if quantity == "over_standard":
        over = row.over_standard
        if over is None:
            raise Unbacked("the record has no standard rung beside it")
        if over.standard == cell.variant:
            return factor(1.0)
        return with_interval(factor, over.speedup, over.lo, over.hi, brief)
    if quantity == "value":
        if row.value is None:
            raise Unbacked("the record has no value for it: no launch gave one")
        unit = cell.measure["unit"]
        bounds = _bounds_of(cell.measured)
        return with_interval(lambda value: value_of(value, unit), row.value, *bounds, brief)
    if quantity == "verdict":
        if row.verdict is None:
            raise Unbacked("the record has no verdict on it: a baseline, or too few launches")
        return row.verdict
    if quantity == "of_ceiling":
        if row.share is None:
            raise Unbacked("the record has no ceiling for it")
        share = row.share
        return with_interval(lambda v: f"{v:.2f}", share.of_ceiling, share.lo, share.hi, brief)
    scales: dict[str, tuple[Callable[[float], float], Callable[[float], str]]] = {
        "ns_per_item": (lambda ns: ns / cell.items, time_of),
        "time": (lambda ns: ns, time_of),
        "rate": (lambda ns: cell.bytes / ns * 1e9, rate_of),
        "flops": (lambda ns: cell.flops / ns * 1e9, lambda v: probes.scaled(v, "FLOP/s")),
    }
    scale, told = scales[quantity]
    if row.ns is None:
        raise Unbacked("the record has no time for it: no launch gave one")
    if (quantity == "rate" and not cell.bytes) or (quantity == "flops" and not cell.flops):
        raise Unbacked(f"the record has no {quantity} for it")
    if lo is None or hi is None:
        return with_interval(told, scale(row.ns), None, None, brief)
    least, most = sorted((scale(lo), scale(hi)))
    return with_interval(told, scale(row.ns), least, most, brief)


def with_device(text: str, device: Device | None) -> str:
    """A figure with the device that it is of: none is a GPU's that isn't, and none is nobody's."""
    return f"{text} ({escaped(devices.told(device))})" if device else text


def probe_figure(probe: probes.Probe, brief: bool) -> str:
    """A probe's figure in its unit."""
    told = lambda value: probes.value_of(probe._replace(value=value))  # noqa: E731
    return with_interval(told, probe.value, probe.lo, probe.hi, brief)


def _rate(row: Row) -> str:
    rate = row.bytes_per_second if row.cell.by_time else None
    return rate_of(rate) if rate else ""


def _speedup_cells(row: Row, with_standard: bool) -> list[str]:
    """Speedups and the share of the ceiling, over the standard rung first where there are some."""
    over = [""] if with_standard else []
    if row.impossible:
        return [*over, "withheld", ""]
    if row.over_standard:
        over = [cell_figure("over_standard", row, False)]
    return [*over, cell_figure("speedup", row, False) if row.speedup else "",
            f"{row.share.of_ceiling:.2f}" if row.share else ""]  # fmt: skip


def _judged(row: Row) -> str:
    """The time of an item, or `p99 1.20 ms`."""
    return row.told if row.cell.by_time else f"{row.cell.measure['name']} {row.marked}"


def _speedup_heads(rows: list[Row]) -> list[str]:
    standard = ["over standard"] if any(row.over_standard for row in rows) else []
    return [*standard, "speedup", "of ceiling"]


def _name(row: Row) -> str:
    """The variant, with what a reader should know of it."""
    cell = row.cell
    name = escaped(cell.variant) + (f" ({escaped(cell.remark)})" if cell.remark else "")
    return f"{name}, one thread" if cell.beside else name


def _ladder_tables(rows: list[Row]) -> str:
    """Ladders as Markdown tables, one each."""
    lines: list[str] = []
    by_ladder: dict[LadderKey, list[Row]] = {}
    for row in rows:
        by_ladder.setdefault(row.cell.ladder(), []).append(row)
    for ladder in by_ladder.values():
        first, heads = ladder[0].cell, _speedup_heads(ladder)
        measured = "per item" if first.by_time else escaped(first.measure_told)
        head = f"{escaped(first.kernel['name'])}, {escaped(first.place)}"
        table = [[head, measured, "rate", *heads]]
        for row in sorted(ladder, key=lambda row: row.cell.weaker):
            name = _name(row)
            if row.value is None or row.impossible:
                told = "-" if row.value is None else "withheld"
                table.append([name, told, "", *("" for _ in heads)])
                continue
            table.append([name, row.marked, _rate(row), *_speedup_cells(row, len(heads) > 2)])
        lines += markdown_table("<>>" + ">" * len(heads), table)
    return "\n" + "\n".join(lines)


def _best(records: Records, request: Request, document: Path) -> Figure:
    """The best variants of groups or kernels, each kernel from the newest run that has it."""
    chosen: dict[str, tuple[Loaded, list[Row]]] = {}
    for subject in request.subjects:
        found = False
        for loaded in records.runs(request.machines[0], subject.kernel or subject.group):
            for row in best_rows(loaded.rows):
                kernel = row.cell.kernel
                if kernel["group"] != subject.group or subject.kernel not in (None, kernel["name"]):
                    continue
                if subject.n not in (None, row.cell.n):
                    continue
                found = True
                if row.cell.n in kernel["headline"] or subject.n:
                    known = chosen.setdefault(kernel["name"], (loaded, []))
                    if known[0].folder == loaded.folder and row not in known[1]:
                        known[1].append(row)
        if not found:
            raise Unbacked(f"{subject.text}: no record of {request.machines[0]} has it")
    heads = _speedup_heads([row for _, rows in chosen.values() for row in rows])
    table = [["kernel", "size", "best", "per item", *heads]]
    for name in sorted(chosen):
        for row in chosen[name][1]:
            table.append([escaped(name), escaped(row.cell.place), _name(row),
                          escaped(_judged(row)), *_speedup_cells(row, len(heads) > 2)])
    used = [(loaded, {name}) for name, (loaded, _) in chosen.items()]
    links = dict.fromkeys(link_to(loaded, document) for loaded, _ in chosen.values())
    lines = [*markdown_table("<<<>" + ">" * len(heads), table), f"From {', '.join(links)}.", ""]
    return Figure("\n" + "\n".join(lines), used)


def _compare(records: Records, request: Request, document: Path) -> Figure:
    loaded = [next(records.runs(machine)) for machine in request.machines]
    # A run that is named stands for itself; a machine or a label for all its runs that agree.
    named = any(one.folder.name == asked.run for one, asked in zip(loaded, request.machines))
    base, *news = read_sides([one.folder for one in loaded], pool=not named)
    trees = [compared(base, new) for new in news]
    kernels = {subject.kernel for subject in request.subjects if subject.kernel is not None}
    if any(subject.kernel is None for subject in request.subjects):
        raise HeadroomError("compare takes KERNELs, GROUP/KERNEL, not a group", 1)
    lines: list[str] = []
    if "axes" in request.options or not kernels:
        if not trees[0]["axes"]:
            raise Unbacked(f"{base.name} and {new_name(news)} share no kernel but placebos, probes")
        lines += axes_table(trees[0])
    if kernels:
        known = {row["kernel"] for row in trees[0]["rows"]}
        if not kernels <= known:
            lacking = ", ".join(sorted(kernels - known))
            raise Unbacked(f"{lacking}: not in both {base.name} and {new_name(news)}")
        lines += kernel_tables(base, trees, ["new"], False, kernels)
    used = {row["kernel"] for row in trees[0]["rows"] if not kernels or row["kernel"] in kernels}
    return Figure("\n" + "\n".join(lines), [(one, used) for one in loaded])


def _ab(records: Records, request: Request, document: Path) -> Figure:
    compared, rows = records.compared(request.machines[0], request.subjects)
    told = f"{output.caption(compared.tree)} ({link_to(compared, document)}):"
    warnings = output.lines_of(compared.tree, compared.rows, BAND).warnings
    lines = ["\n".join(f"- {escaped(line)}" for line in warnings)] if warnings else []
    text = "\n\n".join([told, *output.markdown_tables(rows), *lines])
    return Figure(f"\n{text}\n", [(compared, {row.kernel["name"] for row in rows})])


def _ab_ratio(records: Records, request: Request) -> Figure:
    compared, rows = records.compared(request.machines[0], request.subjects)
    (subject,) = request.subjects
    if len(rows) > 1:
        cells = [row.cell for row in rows[:4]]
        names = ", ".join(
            ladder_label(one["n"], one["input"], one["threads"], one["params"], 2) for one in cells
        )
        raise HeadroomError(f"{subject.text}: means several: {names}", 1)
    (row,) = rows
    text = output.ratio_of(row)
    if "brief" not in request.options:
        interval = output.interval_of(row).replace(" .. ", ", ")
        text += f" [{interval}]" if interval else " (no interval)"
    unresolved = row.verdict in ("unresolved", "equivalent")
    text = f"{text} ({row.verdict})" if unresolved else text
    return Figure(text, [(compared, {row.kernel["name"]})])


def new_name(news: list[Side]) -> str:
    """The names of the sides that are held against the base."""
    return ", ".join(side.name for side in news)


def _ladders(records: Records, request: Request, document: Path) -> Figure:
    rows, used = [], []
    for subject in request.subjects:
        if not subject.kernel:
            raise HeadroomError(f"{subject.text}: {request.quantity} takes GROUP/KERNEL", 1)
        loaded, found = records.ladder(request.machines[0], subject)
        rows += found
        used.append((loaded, {subject.kernel}))
    if request.quantity == "table":
        return Figure(_ladder_tables(rows), used)
    to, text = _plain()
    print_ladders(rows, to)
    return Figure(fenced(text.getvalue()), used)


def _probes(records: Records, request: Request, document: Path) -> Figure:
    for loaded in records.runs(request.machines[0]):
        if loaded.probes:
            to, text = _plain()
            probes.print_probes(loaded.probes, loaded.machine, loaded.run["name"], to)
            used = {probe.probe for probe in loaded.probes}
            return Figure(fenced(text.getvalue()), [(loaded, used)])
    raise Unbacked(f"no record of {request.machines[0]} has probes")


def figure_of(request: Request, records: Records, document: Path) -> Figure:
    """What a marker in `document` stands for.

    Unbacked where no record says it, HeadroomError where the request itself is wrong.
    """
    quantity, machine = request.quantity, request.machines[0]
    if quantity in BLOCKS:
        make = {"ladder": _ladders, "table": _ladders, "best": _best, "probes": _probes,
                "compare": _compare, "ab": _ab}[quantity]  # fmt: skip
        return make(records, request, document)
    (subject,) = request.subjects
    brief = "brief" in request.options
    if quantity == "run":
        loaded, rows = records.ladder(machine, subject)
        used = {row.cell.kernel["name"] for row in rows}
        return Figure(link_to(loaded, document), [(loaded, used)])
    if not subject.kernel:
        raise HeadroomError(f"{subject.text}: {quantity} takes GROUP/KERNEL/...", 1)
    if quantity == "probe":
        loaded, probe = records.probe(machine, subject)
        text = with_device(probe_figure(probe, brief), probe.device)
        return Figure(text, [(loaded, {subject.kernel})])
    if not subject.variant or subject.n is None:
        raise HeadroomError(
            f"{subject.text}: {quantity} takes a cell: GROUP/KERNEL/VARIANT/n:N", 1
        )
    if quantity == "ab_ratio":
        return _ab_ratio(records, request)
    loaded, row = records.cell(machine, subject)
    try:
        text = with_device(cell_figure(quantity, row, brief), row.cell.device)
        return Figure(text, [(loaded, {subject.kernel})])
    except Unbacked as error:
        raise Unbacked(f"{subject.text} in {loaded.name}: {error}") from None
