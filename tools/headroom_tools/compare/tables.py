"""A comparison laid out as tables of text, whatever form they are printed in afterwards.

Cells are plain text, or (text, verdict) where a verdict colours them. Nothing is escaped here.
"""

from __future__ import annotations

from typing import NamedTuple

from headroom_tools.base.text import ladder_label, three_digits
from headroom_tools.compare.differs import facts
from headroom_tools.compare.rows import CELL
from headroom_tools.compare.sides import Side, key_of

MARKS = {"faster": "▲", "slower": "▼", "equivalent": "=", "unresolved": "?"}


class LadderView(NamedTuple):
    """What is shown of a ladder of BASE.

    rungs: the keys of its lines, in order. pairs: for each NEW the rows of `ladders_of` for what is
    best on BASE and on NEW, or None where there is none.
    """

    axis: str
    kernel: dict
    label: str
    rungs: list[tuple]
    pairs: list[tuple[dict | None, dict | None]]


def letters(index: int) -> str:
    """A, B, ... Z, AA, AB, ..."""
    text = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        text = chr(65 + rest) + text
    return text


def interval(entry: dict) -> str:
    """The interval of a row or an axis, or nothing."""
    if entry["lo"] is None:
        return ""
    if entry["hi"] < 1.1 and entry["lo"] > 0.9:
        return f"{entry['lo']:.3f} .. {entry['hi']:.3f}"
    return f"{three_digits(entry['lo'])} .. {three_digits(entry['hi'])}"


def factor(value: float) -> str:
    """`1.503x`, `0.91x`, `12.0x`."""
    return f"{value:.3f}x" if 0.1 <= value < 10 else f"{three_digits(value)}x"


def key_of_row(row: dict) -> tuple:
    """CELL of a row, as the keys of Side.cells."""
    return tuple(row[name] for name in CELL)


def _best_pairs(tree: dict) -> dict[tuple, tuple]:
    """By ladder, the rows of `ladders_of` for what is best on BASE and on NEW."""
    pairs: dict[tuple, tuple] = {}
    for row in tree["ladders"]:
        if row["best_base"] or row["best_new"]:
            where = (row["kernel"], row["n"], row["input"], row["ladder_threads"])
            old, new = pairs.get(where, (None, None))
            pairs[where] = (row if row["best_base"] else old, row if row["best_new"] else new)
    return pairs


def ladder_views(base: Side, trees: list[dict], everything: bool) -> list[LadderView]:
    """The ladders of BASE by axis and kernel: the baseline and the best, or every rung."""
    shared = {key_of_row(row) for tree in trees for row in tree["rows"]}
    by_tree = [_best_pairs(tree) for tree in trees]
    views = []
    for where, rungs in base.rungs.items():
        kernel = rungs[0].kernel
        pairs = [found.get(where, (None, None)) for found in by_tree]
        best = {key_of_row(row) for pair in pairs for row in pair if row is not None}
        keys = []
        for cell in rungs:
            key = key_of(cell)
            own = base.cells.get(key)
            if key not in shared or own is None or own.ladder_threads != cell.ladder_threads:
                continue  # the one-thread row of a sweep is shown once, in its own ladder
            if everything or not best or key in best or cell.is_baseline(cell.baseline):
                keys.append(key)
        if keys:
            inputs, sweep = len(kernel["inputs"]), len(kernel["threads"]) > 1
            label = ladder_label(*where[1:], inputs, sweep)
            views.append(LadderView(kernel["axis"], kernel, label, keys, pairs))
    return sorted(views, key=lambda view: view.axis)


def pair_name(pair: tuple[dict, dict]) -> str:
    """`speedup of highway`, or of what is best on each side."""
    old, new = pair[0]["variant"], pair[1]["variant"]
    return f"speedup of {old}" if old == new else f"speedup of {old} / {new}"


def change_of(pair: tuple[dict | None, dict | None]) -> dict | None:
    """How a ladder's best speedup changed: as a row of `ladders_of`, without an interval where
    another variant is the best one on the other side."""
    if pair[0] is None or pair[1] is None:
        return None
    if pair[0] is pair[1]:
        return pair[0]
    old, new = pair[0]["base_speedup"], pair[1]["new_speedup"]
    return {**pair[0], "new_speedup": new, "ratio": new / old, "lo": None, "hi": None,
            "change": None}  # fmt: skip


def differing_facts(sides: list[Side]) -> tuple[list[list[str]], str]:
    """(name and one value a side for each fact that differs, the names of what is the same)."""
    differing, same = facts(sides)
    rows = [[row["name"], *row["values"]] for row in differing]
    return rows, ", ".join(row["name"] for row in same)


def by_key(tree: dict) -> dict[tuple, dict]:
    """A comparison's rows by CELL."""
    return {key_of_row(row): row for row in tree["rows"]}


def rung_name(key: tuple, rows: list[dict | None]) -> str:
    """The variant, marked where it is a library's."""
    role = next((row["role"] for row in rows if row is not None), "")
    return f"{key[1]} (peer)" if role == "peer" else key[1]


def marked(row: dict | None) -> str:
    """`1.503x ▲`: ratio and verdict in one cell."""
    if row is None:
        return "-"
    return f"{factor(row['ratio'])} {MARKS.get(row['verdict'] or '', ' ')}"


def summary(tree: dict) -> str:
    """`1,003 rows: 6 faster, 1 slower, 996 unresolved`."""
    counts: dict[str, int] = {}
    for row in tree["rows"]:
        name = row["verdict"] or "without a verdict"
        counts[name] = counts.get(name, 0) + 1
    told = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
    return f"{len(tree['rows']):,} rows: {told}"
