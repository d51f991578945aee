"""A comparison laid out as tables of text, whatever form they are printed in afterwards.

Cells are plain text, or (text, verdict) where a verdict colours them. Nothing is escaped here.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple, Optional, Sequence

from headroom_tools.base.text import counted, listed, params_text, three_digits, time_of, value_of
from headroom_tools.compare import differs
from headroom_tools.compare.between_runs import MOST_RUNS
from headroom_tools.compare.loaded import key_of
from headroom_tools.compare.rows import key_of_row
from headroom_tools.compare.sides import Side
from headroom_tools.compare.types import CellKey, Comparison, Index, LadderRow, Row, SweepRow
from headroom_tools.record import hosts
from headroom_tools.record.types import Kernel, LadderKey, key_of as params_key

MARKS = {"faster": "▲", "slower": "▼", "equivalent": "=", "unresolved": "?"}


# The rows of `ladders_of` for what is best on BASE and on NEW, or None where there is none.
Pair = tuple[Optional[LadderRow], Optional[LadderRow]]


class LadderView(NamedTuple):
    """What is shown of a ladder of BASE.

    measure: what it is judged by, nothing where that is time. rungs: the keys of its lines, in
    order. pairs: for each NEW what is best.
    """

    axis: str
    kernel: Kernel
    label: str
    measure: str
    rungs: list[CellKey]
    pairs: list[Pair]


def letters(index: int) -> str:
    """A, B, ... Z, AA, AB, ..."""
    text = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        text = chr(65 + rest) + text
    return text


def interval(entry: Index | Row | LadderRow | SweepRow) -> str:
    """The interval of a row or an axis, or nothing."""
    lo, hi = entry["lo"], entry["hi"]
    if lo is None or hi is None:
        return ""
    if hi < 1.1 and lo > 0.9:
        return f"{lo:.3f} .. {hi:.3f}"
    return f"{three_digits(lo)} .. {three_digits(hi)}"


def factor(value: float) -> str:
    """`1.503x`, `0.91x`, `12.0x`."""
    return f"{value:.3f}x" if 0.1 <= value < 10 else f"{three_digits(value)}x"


def _best_pairs(tree: Comparison) -> dict[LadderKey, Pair]:
    """By ladder, the rows of `ladders_of` for what is best on BASE and on NEW."""
    pairs: dict[LadderKey, Pair] = {}
    for row in tree["ladders"]:
        if row["best_base"] or row["best_new"]:
            params = params_key(row["params"])
            where = (row["kernel"], row["n"], row["input"], row["ladder_threads"], params)
            old, new = pairs.get(where, (None, None))
            pairs[where] = (row if row["best_base"] else old, row if row["best_new"] else new)
    return pairs


def ladder_views(base: Side, trees: list[Comparison], everything: bool) -> list[LadderView]:
    """The ladders of BASE by axis and kernel: the baseline and the best, or every rung."""
    leans = {key_of_row(row): row["axis"] for tree in reversed(trees) for row in tree["rows"]}
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
            if key not in leans or own is None or own.ladder_threads != cell.ladder_threads:
                continue  # the one-thread row of a sweep is shown once, in its own ladder
            if everything or not best or key in best or cell.is_baseline(cell.baseline):
                keys.append(key)
        if keys:
            first = rungs[0]
            judged = "" if first.by_time else f"judged by {first.measure_told}"
            # On a kernel's first ladder stands what holds for all of them.
            of_kernel = (cells[0] for cells in base.rungs.values() if cells[0].kernel is kernel)
            on = hosts.by_ranks((c.hosts, c.params.get(hosts.PARAM, 1)) for c in of_kernel)
            measure = ", ".join(filter(None, (judged, on and f"on {on}")))
            views.append(LadderView(leans[keys[0]], kernel, first.label, measure, keys, pairs))
    return sorted(views, key=lambda view: view.axis)


def pair_name(pair: Pair) -> str:
    """`speedup of highway`, or of what is best on each side."""
    old, new = (row["variant"] if row else "none" for row in pair)
    return f"speedup of {old}" if old == new else f"speedup of {old} / {new}"


def sweep_rows(tree: Comparison, everything: bool) -> list[SweepRow]:
    """The rows of sweeps to show: what is fastest on either side, or all."""
    return [row for row in tree["sweeps"] if everything or row["best_base"] or row["best_new"]]


def sweep_name(row: SweepRow) -> str:
    """`parallel/sum/v1 n 65,536`, with its input and params."""
    given = f" {row['input']}" if row["input"] else ""
    params = f" {params_text(row['params'])}" if row["params"] else ""
    return f"{row['kernel']}/{row['variant']} n {row['n']:,}{given}{params}"


def threads_told(row: SweepRow) -> str:
    """`2 -> 64 threads`."""
    return f"{row['base_threads']} -> {row['new_threads']} threads"


def sweep_value(row: SweepRow, new: bool) -> str:
    """The time of an item, or what else it is judged by, on BASE or on NEW."""
    value = row["new_value"] if new else row["base_value"]
    return time_of(value) if row["measure"] == "time" else value_of(value, row["unit"])


def change_of(pair: Pair) -> LadderRow | None:
    """How a ladder's best speedup changed: as a row of `ladders_of`, without an interval where
    another variant is the best one on the other side."""
    if pair[0] is None or pair[1] is None:
        return None
    if pair[0] is pair[1]:
        return pair[0]
    made = pair[0].copy()
    made["new_speedup"] = pair[1]["new_speedup"]
    made["ratio"] = made["new_speedup"] / made["base_speedup"]
    made["new_over_standard"] = pair[1]["new_over_standard"]
    made["lo"] = made["hi"] = made["change"] = None
    return made


class OverStandard(NamedTuple):
    """A ladder's best over its standard rung, on BASE and on each NEW."""

    name: str
    base: str
    news: list[str]
    ratio: str

    def cells(self, single: bool) -> list[str]:
        """BASE, NEWs, and for a single one the ratio."""
        return [self.base, *self.news, *([self.ratio] if single else [])]


def over_standard(view: LadderView) -> list[OverStandard]:
    """A line, before that of the speedup over the baseline; none where the ladder has no standard
    rung, or where that is itself what is best."""
    changes = [change_of(pair) for pair in view.pairs]
    known = [change for change in changes if change and change["base_over_standard"]]
    base = known[0]["base_over_standard"] if known else None
    if base is None:
        return []
    news = [change["new_over_standard"] if change else None for change in changes]
    if all(value in (None, 1.0) for value in (base, *news)):
        return []
    single = len(view.pairs) == 1
    name = pair_name(view.pairs[0])[len("speedup of ") :] if single else "best"
    return [
        OverStandard(
            f"{name} over standard",
            f"{three_digits(base)}x",
            [f"{three_digits(value)}x" if value else "-" for value in news],
            factor(news[0] / base) if news[0] else "",
        )
    ]


def differing_facts(sides: list[Side]) -> tuple[list[list[str]], str]:
    """(name and one value a side for each fact that differs, the names of what is the same)."""
    differing, same = differs.facts(sides)
    rows = [[row["name"], *row["values"]] for row in differing]
    return rows, ", ".join(row["name"] for row in same)


def unknown_facts(sides: list[Side]) -> str:
    """The names of what no record here tells, so that nobody knows whether it is the same."""
    return listed(differs.unknown_facts(sides))


def by_key(tree: Comparison) -> dict[CellKey, Row]:
    """A comparison's rows by CELL."""
    return {key_of_row(row): row for row in tree["rows"]}


def rung_name(key: CellKey, rows: Sequence[Row | None]) -> str:
    """The variant, marked where it is a library's, the standard, or of a weaker promise."""
    row = next((row for row in rows if row is not None), None)
    if row is None:
        return key[1]
    notes = [row["role"]] if row["role"] in ("peer", "standard") else []
    notes += [f"weaker: not {', not '.join(row['lacks'])}"] if row["lacks"] else []
    return f"{key[1]} ({', '.join(notes)})" if notes else key[1]


def judged(row: Row, new: bool) -> str:
    """What the row's ladder is judged by, on BASE or on NEW: the time of an item, or `1.20 ms`."""
    if row["measure"] == "time":
        return time_of(row["new_ns_per_item"] if new else row["base_ns_per_item"])
    return value_of(row["new_value"] if new else row["base_value"], row["unit"])


def marked(row: Row | None) -> str:
    """`1.503x ▲`: ratio and verdict in one cell."""
    if row is None:
        return "-"
    return f"{factor(row['ratio'])} {MARKS.get(row['verdict'] or '', ' ')}"


def verdict(row: Row) -> str:
    """The verdict; where it is open, with the runs a side that would show 5%: `unresolved (3)`."""
    if row["verdict"] != "unresolved":
        return row["verdict"] or ""
    return f"unresolved ({_runs(row)})"


def _runs(row: Row) -> str:
    return str(row["runs_for_5_percent"] or f"over {MOST_RUNS}")


def needed(trees: Sequence[Comparison]) -> str:
    """What would resolve the unresolved rows; nothing where there are none."""
    runs = sorted(
        row["runs_for_5_percent"] or math.inf
        for tree in trees
        for row in tree["rows"]
        if row["verdict"] == "unresolved"
    )
    if not runs:
        return ""
    typical = runs[(len(runs) - 1) // 2]
    told = "unresolved (N): to see 5% here takes N runs a side (found 4 times of 5)"
    if len(runs) == 1:
        return f"{told}; in the one unresolved row {_count(typical)}"
    if math.isinf(typical):
        never = sum(map(math.isinf, runs))
        return f"{told}; in {never:,} of the {len(runs):,} unresolved rows {_count(typical)}"
    return f"{told}; in half of the {len(runs):,} unresolved rows {_count(typical)} or fewer"


def _count(runs: float) -> str:
    return f"over {MOST_RUNS}" if math.isinf(runs) else f"{runs:.0f}"


def summary(tree: Comparison) -> str:
    """`1,003 rows: 6 faster, 1 slower, 996 unresolved`."""
    counts = Counter(row["verdict"] or "without a verdict" for row in tree["rows"])
    told = ", ".join(f"{counts[name]:,} {name}" for name in (*MARKS, "without a verdict")
                     if counts[name])  # fmt: skip
    return f"{counted(len(tree['rows']), 'row')}: {told}"
