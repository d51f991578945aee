"""A fleet as Markdown or CSV. Text in a record is anyone's: it is escaped for each."""

from __future__ import annotations

import csv
import io

from headroom_tools.base.text import csv_text
from headroom_tools.compare.forms import escaped, markdown_table
from headroom_tools.compare.tables import factor, interval
from headroom_tools.fleet import words
from headroom_tools.fleet.types import Fleet, Machine, MachineAxis

CSV_COLUMNS = ("name", "machine", "label", "runs", "axis", "kernels", "ratio", "lo", "hi", "odd",
               "beyond", "price", "per_price", "per_price_lo", "per_price_hi")  # fmt: skip


def _told(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def as_csv(fleet: Fleet) -> str:
    """A line for each machine and axis, with CSV_COLUMNS; five significant digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for one in fleet["machines"]:
        names = [csv_text(text) for text in (one["name"], one["machine"], one["label"])]
        for axis in one["axes"]:
            own = [_told(value) for value in (axis["ratio"], axis["lo"], axis["hi"])]
            paid = axis["per_price"]
            worth = (paid["ratio"], paid["lo"], paid["hi"]) if paid else (None, None, None)
            writer.writerow([*names, len(one["runs"]), axis["axis"], axis["kernels"], *own,
                             int(axis["odd"]), _told(axis["beyond"]), _told(one["price"]),
                             *map(_told, worth)])  # fmt: skip
    return out.getvalue()


def _cell(axis: MachineAxis | None) -> str:
    if axis is None:
        return "-"
    return f"**{factor(axis['ratio'])}**" if axis["odd"] else factor(axis["ratio"])


def _machines(fleet: Fleet) -> list[str]:
    names = [axis["axis"] for axis in fleet["axes"]]
    rows = [["machine", *names]]
    for one in fleet["machines"]:
        own = {axis["axis"]: axis for axis in one["axes"]}
        name = f"**{escaped(one['name'])}**" if one["odd"] else escaped(one["name"])
        rows.append([name, *(_cell(own.get(axis)) for axis in names)])
    return markdown_table("<" + ">" * len(names), rows)


def _prices(fleet: Fleet) -> list[str]:
    priced: list[Machine] = [one for one in fleet["machines"] if one["price"] is not None]
    if not priced:
        return []
    names = [axis["axis"] for axis in fleet["axes"]]
    rows = [["speed per price", "price", *names]]
    for one in priced:
        own = {axis["axis"]: axis["per_price"] for axis in one["axes"]}
        found = [own.get(axis) for axis in names]
        cells = [f"{factor(i['ratio'])} [{interval(i)}]" if i else "-" for i in found]
        rows.append([escaped(one["name"]), f"{one['price']:g}", *cells])
    return markdown_table("<>" + ">" * len(names), rows)


def as_markdown(fleet: Fleet) -> str:
    """Tables for a pull request or a report: who is odd, machines, axes."""
    lines = ["# Fleet", "", _sentence(words.verdict(fleet)), ""]
    lines += [f"- **!** {_sentence(line)}" for line in fleet["warnings"]]
    lines += [f"- {_sentence(line)}" for line in fleet["notes"]]
    lines += [
        f"- **{escaped(one['name'])}**: {_sentence(one['told'])}"
        for one in fleet["machines"]
        if one["odd"]
    ]
    lines += ["", "Speeds over the fleet's median: above 1 is faster; bold is odd.", ""]
    lines += _machines(fleet)
    lines += _prices(fleet)
    table = [["axis", "spread", "limits", "machines from .. to", "kernels"]]
    for axis in fleet["axes"]:
        between = f"{axis['least']:.3f} .. {axis['most']:.3f}"
        limits = words.limits_told(axis)
        table.append([axis["axis"], words.spread_told(axis), limits, between, str(axis["kernels"])])
    return "\n".join([*lines, *markdown_table("<>>>>", table)])


def _sentence(text: str) -> str:
    """`escaped`, which cuts after 300 characters, of a sentence that may be longer."""
    parts = text.split(" ")
    return " ".join(escaped(part) for part in parts)
