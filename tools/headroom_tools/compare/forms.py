"""A comparison as Markdown, CSV or JSON. Text in a record is anyone's: it is escaped for each."""

from __future__ import annotations

import csv
import io
import re
from typing import Mapping, cast

from headroom_tools.base.text import csv_text, params_text, safe, three_digits
from headroom_tools.compare import absent, clock, prose, simulated, tables
from headroom_tools.compare.price import Prices, per_price, priced
from headroom_tools.compare.differs import moved_of
from headroom_tools.compare.rows import CELL
from headroom_tools.compare.sides import Side, label_of, pooling_of
from headroom_tools.compare.types import Comparison, Index

CSV_COLUMNS = ("base", "new", *CELL, "axis", "role", "measure", "unit", "base_value", "new_value",
               "base_ns_per_item", "new_ns_per_item", "ratio", "lo", "hi", "verdict", "adjusted",
               "runs_for_5_percent", "base_over_standard", "new_over_standard")  # fmt: skip
PRICE_COLUMNS = ("per_price", "per_price_lo", "per_price_hi")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#!|~])")


def as_json(
    base: Side, news: list[Side], trees: list[Comparison], prices: Prices | None = None
) -> Comparison | dict[str, object]:
    """`compare --json`: one comparison as it is, several under "comparisons"; "price" in each where
    prices are given."""
    paid: list[dict[str, object]] = [{} for _ in trees]
    if prices:
        paid = [{"price": own} for own in priced(prices, trees)]
    if len(trees) == 1 and not prices:
        return trees[0]
    named: list[dict[str, object]] = []
    for new, tree, price in zip(news, trees, paid):
        fields: Mapping[str, object] = tree
        named.append({"new": new.name, **fields, **price})
    if len(trees) == 1:
        del named[0]["new"]
        return named[0]
    return {"base": base.name, "comparisons": named}


def as_csv(
    base: Side, news: list[Side], trees: list[Comparison], prices: Prices | None = None
) -> str:
    """A line for each cell and NEW, with CSV_COLUMNS; five significant digits. With prices also
    PRICE_COLUMNS."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((*CSV_COLUMNS, *(PRICE_COLUMNS if prices else ())))
    for at, (new, tree) in enumerate(zip(news, trees)):
        names = (csv_text(base.name), csv_text(new.name))
        for row in tree["rows"]:
            fields: Mapping[str, object] = row
            values = [
                params_text(row["params"]) if name == "params" else fields[name]
                for name in CSV_COLUMNS[2:]
            ]
            if prices:
                own = {"ratio": row["ratio"], "lo": row["lo"], "hi": row["hi"]}
                values += per_price(cast(Index, own), prices.share(at)).values()
            told = [f"{v:.5g}" if isinstance(v, float) else "" if v is None else v for v in values]
            writer.writerow([*names, *told])
    return out.getvalue()


def escaped(text: object, limit: int = 300) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no link, no cell of its own."""
    line = safe(text, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"(?i)\b(https?|ftp|www)(?=[:.])", "\\1\u200b", line)
    return _MARKDOWN.sub(r"\\\1", line).replace("@", "&#64;")


def markdown_table(align: str, rows: list[list[str]]) -> list[str]:
    """A table whose cells are escaped already; the first row is the heading."""
    rules = [{"<": "---", ">": "---:"}[a] for a in align]
    lines = [rows[0], rules, *rows[1:]]
    return [f"| {' | '.join(cells)} |" for cells in lines] + [""]


def _bold_if(moved: bool, text: str) -> str:
    return f"**{text}**" if moved else text


def as_markdown(
    base: Side,
    news: list[Side],
    trees: list[Comparison],
    everything: bool,
    prices: Prices | None = None,
) -> str:
    """Tables for a pull request or a report: what differs, axes, kernels."""
    sides = [base, *news]
    names = ["base"] + (
        ["new"] if len(news) == 1 else [tables.letters(at) for at in range(len(news))]
    )
    lines = ["# Comparison", ""]
    lines += markdown_table(
        "<<<",
        [["", "machine", "runs"]]
        + [
            [name, escaped(label_of(side)), escaped(", ".join(run["name"] for run in side.runs))]
            for name, side in zip(names, sides)
        ],
    )
    pooled = [f"{name}: {pooling_of(side)}" for name, side in zip(names, sides) if pooling_of(side)]
    lines += [f"- {escaped(text)}" for text in pooled] + ([""] if pooled else [])
    lead = prose.lead(trees, names)
    lines += [escaped(lead, 2000), ""] if lead else []
    lines += [
        "Ratios are the base's time over the new one's: above 1 is faster. Intervals are of 95%, "
        "with the spread between runs.",
        "",
        "## What differs",
        "",
    ]
    rows, same = tables.differing_facts(sides)
    if rows:
        table = [["", *names], *([escaped(cell) for cell in row] for row in rows)]
        lines += markdown_table("<" * (1 + len(names)), table)
    lines += [f"The same: {escaped(same)}.", ""] if same else []
    unknown = tables.unknown_facts(sides)
    lines += [f"Not known, as no record tells it: {escaped(unknown)}.", ""] if unknown else []
    told = dict.fromkeys(line for tree in trees for line in tree["warnings"])
    lines += [f"- **!** {escaped(line)}" for line in told]
    lines += [f"- {escaped(text)}" for text in _notes(trees, names[1:])] + [""]
    lines += _absent(trees, names[1:])
    lines += ["## Axes", "", *(axes_table(trees[0]) if len(news) == 1 else _axes(trees, names))]
    lines += _sweeps(trees, names[1:], everything)
    lines += _prices(trees, names[1:], prices) if prices else []
    lines += ["## Kernels", ""]
    lines += kernel_tables(base, trees, names[1:], everything)
    return "\n".join(lines)


def _absent(trees: list[Comparison], names: list[str]) -> list[str]:
    """What only one side has, as a section; nothing where nothing was dropped."""
    table = [["only on", "cells", "why", "which"]]
    for name, tree in zip(names, trees):
        for line in absent.told(tree, new=name, base="base"):
            which = absent.few(line.names)
            table.append([*map(escaped, (line.side, f"{line.cells:,}", line.why, which))])
    return ["## On one side only", "", *markdown_table("<><<", table)] if len(table) > 1 else []


def _notes(trees: list[Comparison], names: list[str]) -> list[str]:
    """What the clock has to do with it, and what would resolve what is open."""
    clocks = [tree["clock"] for tree in trees]
    one = clock.told(clocks[0]) if len(trees) == 1 else clock.told_of_many(clocks, names)
    other = dict.fromkeys(simulated.told(tree) for tree in trees)
    return [text for text in (one, tables.needed(trees), *other) if text]


def axes_table(tree: Comparison) -> list[str]:
    """The axes of one comparison as a Markdown table."""
    table = [["axis", "ratio", "interval", "kernels from .. to", "naive", "best", "kernels", ""]]
    for axis in tree["axes"]:
        note = ("contaminated" if axis["contaminated"] else "control") if axis["control"] else ""
        naive, best = (
            tables.factor(one["ratio"]) if one else "" for one in (axis["naive"], axis["best"])
        )
        spread = f"{three_digits(axis['least'])} .. {three_digits(axis['most'])}"
        of = f"{axis['kernels']} of {axis['of']}"
        ratio = tables.factor(axis["ratio"])
        table.append([axis["axis"], ratio, tables.interval(axis), spread, naive, best, of, note])
    return markdown_table("<>>>>>><", table)


def _sweeps(trees: list[Comparison], names: list[str], everything: bool) -> list[str]:
    """What more cores buy; nothing where both sides have as many threads."""
    table = [["", "each side's fastest thread count", "threads", "base", "new", "ratio", "interval",
              "verdict"]]  # fmt: skip
    for name, tree in zip(names, trees):
        for row in tables.sweep_rows(tree, everything):
            moved = row["verdict"] in ("faster", "slower")
            cells = (name, tables.sweep_name(row), tables.threads_told(row))
            values = (tables.sweep_value(row, False), tables.sweep_value(row, True))
            table.append([*map(escaped, (*cells, *values)), tables.factor(row["ratio"]),
                          tables.interval(row), _bold_if(moved, row["verdict"] or "")])
    return markdown_table("<<<>>>><", table) if len(table) > 1 else []


def _axes(trees: list[Comparison], names: list[str]) -> list[str]:
    by_axis = [{axis["axis"]: axis for axis in tree["axes"]} for tree in trees]
    table = [["axis", *names[1:]]]
    for axis in sorted(dict.fromkeys(name for found in by_axis for name in found)):
        cells = []
        for found in by_axis:
            entry = found.get(axis)
            cells.append(_bold_if(moved_of(entry), tables.factor(entry["ratio"])) if entry else "-")
        table.append([axis, *cells])
    return markdown_table("<" + ">" * len(trees), table)


def _prices(trees: list[Comparison], names: list[str], prices: Prices) -> list[str]:
    """Speed per price by axis, a column for each NEW."""
    found = priced(prices, trees)
    own = [{axis["axis"]: axis for axis in one["axes"]} for one in found]
    costs = [f"{name} at {one['new']:g}" for name, one in zip(names, found)]
    table = [[f"base at {prices.base:g}", *costs]]
    for axis in sorted({name for axes in own for name in axes}):
        cells = [axes.get(axis) for axes in own]
        told = [f"{tables.factor(i['ratio'])} [{tables.interval(i)}]" if i else "-" for i in cells]
        table.append([axis, *told])
    return ["## Speed per price", "", *markdown_table("<" + ">" * len(found), table)]


def kernel_tables(
    base: Side,
    trees: list[Comparison],
    names: list[str],
    everything: bool,
    only: set[str] | None = None,
) -> list[str]:
    """The ladders of a comparison by axis as Markdown tables. only: the names of the kernels."""
    lines: list[str] = []
    axis = ""
    by_key = [tables.by_key(tree) for tree in trees]
    single = len(trees) == 1
    for view in tables.ladder_views(base, trees, everything):
        if only is not None and view.kernel["name"] not in only:
            continue
        if view.axis != axis:
            axis = view.axis
            lines += [f"### {axis}", ""] if only is None else []
        heading = f"{escaped(view.kernel['name'])}, {escaped(view.label)}"
        heading += f", {escaped(view.measure)}" if view.measure else ""
        head = ["base", "new", "ratio", "interval", "verdict"] if single else ["base", *names]
        table = [[heading, *head]]
        for key in view.rungs:
            found = [rows.get(key) for rows in by_key]
            known = next(row for row in found if row is not None)
            name = escaped(tables.rung_name(key, found))
            first = tables.judged(known, False)
            if single:
                moved = known["verdict"] in ("faster", "slower")
                verdict = _bold_if(moved, tables.verdict(known))
                ratio, own = tables.factor(known["ratio"]), tables.judged(known, True)
                table.append([name, first, own, ratio, tables.interval(known), verdict])
            else:
                table.append([name, first, *(tables.marked(row) for row in found)])
        changes = [tables.change_of(pair) for pair in view.pairs]
        table += [[escaped(line.name), *line.cells(single), *([""] * 2 * single)]
                  for line in tables.over_standard(view)]  # fmt: skip
        if any(changes):
            known_change = next(change for change in changes if change)
            told = [f"{three_digits(c['new_speedup'])}x" if c else "-" for c in changes]
            cells = [f"{three_digits(known_change['base_speedup'])}x", *told]
            if single:
                words = {"higher": "ladder higher", "lower": "ladder lower"}
                cells += [tables.factor(known_change["ratio"]), tables.interval(known_change),
                          words.get(known_change["change"] or "", "")]  # fmt: skip
                table.append([escaped(tables.pair_name(view.pairs[0])), *cells])
            else:
                table.append(["best over baseline", *cells])
        lines += markdown_table("<" + ">" * len(head), table)
    return lines
