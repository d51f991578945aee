"""`headroom list`: the kernels of this build."""

from __future__ import annotations

import textwrap
from typing import TypedDict

from rich.console import Console

from headroom_tools.base import terminal
from headroom_tools.base.text import safe
from headroom_tools.measure.types import Catalogue
from headroom_tools.record.types import Measure, Variant


class Listed(TypedDict):
    """A kernel as `list --json` gives it."""

    name: str
    group: str
    axis: str
    technique: str
    measure: Measure
    simulated: bool
    promise: list[str]
    fixtures: list[str]
    sizes: list[int]
    headline: list[int]
    inputs: list[str]
    threads: list[int]
    params: dict[str, list[int]]
    ceiling: str | None
    variants: list[Variant]


def listed(catalogue: Catalogue) -> list[Listed]:
    """The kernels as `list --json` gives them."""
    return [
        {
            "name": kernel["name"],
            "group": kernel["group"],
            "axis": kernel["axis"],
            "technique": kernel["technique"],
            "measure": kernel["measure"],
            "simulated": kernel.get("simulated", False),
            "promise": kernel["promise"],
            "fixtures": kernel["fixtures"],
            "sizes": kernel["sizes"],
            "headline": kernel["headline"],
            "inputs": kernel["inputs"],
            "threads": kernel["threads"],
            "params": kernel["params"],
            "ceiling": kernel["ceiling"] or None,
            "variants": [
                {
                    "name": variant["name"],
                    "role": variant["role"],
                    "what": variant["what"],
                    "promise": variant["promise"],
                    "lacks": variant["lacks"],
                    "promise_note": variant["promise_note"],
                    "needs": [need["name"] for need in variant["needs"]],
                    "available": variant["available"],
                }
                for variant in kernel["variants"]
            ],
        }
        for kernel in catalogue["kernels"]
    ]


def print_list(kernels: list[Listed], to: Console) -> None:
    """Prints the kernels with their variants, what each does in full."""
    table = terminal.Table("<<<", limits={0: 28})
    for kernel in kernels:
        table.heading()
        sizes = ", ".join(f"{n:,}" for n in kernel["sizes"])
        table.heading(
            (kernel["name"], "bold"), (f"  {kernel['axis']} · {kernel['technique']}", "dim")
        )
        more = f" · inputs {', '.join(kernel['inputs'])}" if len(kernel["inputs"]) > 1 else ""
        if len(kernel["threads"]) > 1:
            more += f" · threads {', '.join(map(str, kernel['threads']))}"
        for param, values in kernel["params"].items():
            more += f" · {param} {', '.join(map(str, values))}"
        above = f" · ceiling {kernel['ceiling']}" if kernel["ceiling"] else ""
        if not (above or kernel["name"].startswith("machine/")):
            above = " · no ceiling"
        measure = kernel["measure"]
        if measure["name"] != "time":
            above += f" · judged by {measure['name']}, {measure['better']} is better"
        if kernel["simulated"]:
            above += " · simulated"
        if kernel["fixtures"]:
            above += f" · with {', '.join(kernel['fixtures'])}"
        table.heading((f"  n {sizes}{more}{above}", "cyan"))
        for variant in kernel["variants"]:
            what = variant["what"]
            if variant["lacks"]:
                note = f" ({variant['promise_note']})" if variant["promise_note"] else ""
                what = f"weaker: not {', not '.join(variant['lacks'])}{note}; {what}"
            if not variant["available"]:
                what = f"missing: needs {', '.join(variant['needs'])}; {what}"
            style = "" if variant["available"] else "yellow"
            role = "" if variant["role"] == "optimized" else variant["role"]
            lines = textwrap.wrap(safe(what, 1000), 68) or [""]
            table.row(variant["name"], (role, "dim"), (lines[0], style))
            for line in lines[1:]:
                table.row("", "", (f"  {line}", style))
    variants = [variant for kernel in kernels for variant in kernel["variants"]]
    here = sum(variant["available"] for variant in variants)
    table.heading()
    table.heading(
        f"{len(kernels)} kernels, {len(variants)} variants, {here} of them available here"
    )
    table.print(to)
