"""Prints what the calls counted: per item, and as instructions per cycle."""

from __future__ import annotations

from rich.console import Console

from headroom_tools.base import terminal
from headroom_tools.base.text import three_digits
from headroom_tools.record.counters import NAMES, per_item
from headroom_tools.record.types import Kernel, LadderKey
from headroom_tools.show.rows import Row


def print_table(rows: list[Row], to: Console) -> None:
    """Prints the counters of all rows that have some, a ladder below the other."""
    counted = [row for row in rows if row.cell.counters and not row.cell.kernel["placebo"]]
    to.print()
    if not counted:
        terminal.title(to, "hardware counters", "this run has none: its notes say why")
        return
    terminal.title(
        to,
        "hardware counters",
        "per item, user space; a cache miss is what the CPU's maker takes for one (Intel: of the "
        "last level, AMD: of L2)",
    )
    names = [name for name in NAMES if any(name in row.cell.counters for row in counted)]
    table = terminal.Table("<" + ">" * (len(names) + 1), limits={0: 34})
    kernel: Kernel | None = None
    ladder: LadderKey | None = None
    for row in counted:
        cell = row.cell
        if kernel is None or cell.kernel is not kernel:
            kernel, ladder = cell.kernel, None
            heads = [*(NAMES[name] for name in names), "IPC"]
            table.heading()
            table.heading((kernel["name"], "bold"))
        if cell.ladder() != ladder:
            ladder = cell.ladder()
            table.row((cell.label, "cyan"), *((head, "dim") for head in heads))
            heads = [""] * len(heads)
        values = per_item(cell.counters, cell.items)
        shown = [three_digits(values[n]) if n in values else "-" for n in (*names, "ipc")]
        name = f"  {cell.variant}" + (f", {cell.threads} thread" if cell.beside else "")
        table.row(name, *shown)
    table.print(to)
