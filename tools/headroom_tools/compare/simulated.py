"""Simulated figures of two sides: the same on every machine, so they say nothing of either.

They stand on no axis, have no part in how far runs lie apart, and get no verdict. Where one
differs, the code or the input does, and that is what is said.
"""

from __future__ import annotations

from statistics import median

from headroom_tools.base.text import counted, listed, value_of
from headroom_tools.compare.sides import Side
from headroom_tools.compare.types import Comparison, SimulatedRow
from headroom_tools.record.cells import Cell, of_launches

NAMED = 4  # figures that differ, by name; the rest by number


def _value(cell: Cell) -> float | None:
    known = of_launches(cell.measured)
    return median(known) if known else None


def simulated_of(base: Side, new: Side) -> list[SimulatedRow]:
    """A row for each simulated cell that both sides have, by the same measure."""
    hashes = [{k["name"]: k["source_hash"] for k in side.run["kernels"]} for side in (base, new)]
    rows: list[SimulatedRow] = []
    for key, old in base.simulated.items():
        now = new.simulated.get(key)
        if now is None or old.measure != now.measure:
            continue
        values = _value(old), _value(now)
        if values[0] is None or values[1] is None:
            continue
        ours, theirs = (by_name.get(key[0]) for by_name in hashes)
        same_code = None if ours is None or theirs is None else ours == theirs
        rows.append(
            {
                "kernel": key[0],
                "variant": key[1],
                "n": key[2],
                "input": key[3],
                "threads": key[4],
                "params": now.params,
                "measure": now.measure["name"],
                "unit": now.measure["unit"],
                "base_value": values[0],
                "new_value": values[1],
                "validated": now.validated,
                "same": values[0] == values[1],
                "same_code": same_code,
            }
        )
    return rows


def _why(row: SimulatedRow) -> str:
    """Where a difference comes from, as far as records tell."""
    if row["same_code"] is None:
        return "another code or input"
    return "another input, library or seed" if row["same_code"] else "another code"


def _difference(row: SimulatedRow) -> str:
    before, after = (value_of(v, row["unit"]) for v in (row["base_value"], row["new_value"]))
    name = f"{row['kernel']}/{row['variant']} n {row['n']:,} {row['input']}"
    return f"{name}: {row['measure']} {before} -> {after} ({_why(row)})"


def told(tree: Comparison) -> str:
    """What a comparison says of simulated figures, in one paragraph; nothing where it has none."""
    rows = tree["simulated"]
    if not rows:
        return ""
    other = [row for row in rows if not row["same"]]
    figures = counted(len(rows), "simulated figure")
    text = f"{figures}, on no axis: the machine has no part in them"
    if not other:
        return f"{text}, and {'it is' if len(rows) == 1 else 'all are'} the same on both sides"
    differ = f"{len(other)} differs" if len(other) == 1 else f"{len(other)} differ"
    which = listed([_difference(row) for row in other], NAMED)
    return f"{text}. {differ}, which no hardware makes: {which}"
