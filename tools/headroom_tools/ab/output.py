"""A comparison printed, as JSON, and as Markdown for a pull request."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable, Iterator, NamedTuple

from rich.console import Console
from rich.text import Text

from headroom_tools.ab import judge
from headroom_tools.base import paths, terminal
from headroom_tools.base.text import (
    counted,
    duration,
    ladder_label,
    listed,
    safe,
    three_digits,
    time_of,
    value_of,
)
from headroom_tools.compare.forms import escaped, markdown_table
from headroom_tools.compare.tables import factor
from headroom_tools.record.ab_file import PAIRS_LEAST
from headroom_tools.record.ab_types import Ab, SideFacts

SHOWN = 12  # of what only one side has


def interval_of(row: judge.Row) -> str:
    """`0.998 .. 1.004`, or nothing."""
    if row.lo is None or row.hi is None:
        return ""
    if 0.9 < row.lo and row.hi < 1.1:
        return f"{row.lo:.3f} .. {row.hi:.3f}"
    return f"{three_digits(row.lo)} .. {three_digits(row.hi)}"


def ratio_of(row: judge.Row) -> str:
    """`1.012x`, or a dash."""
    return "-" if row.ratio is None else factor(row.ratio)


def _told(row: judge.Row, value: float | None) -> str:
    """A side's time of an item, or what it came to by another measure."""
    if value is None:
        return "-"
    if row.kernel["measure"]["name"] != "time":
        mark = " (simulated)" if row.kernel.get("simulated") else ""
        return value_of(value, row.kernel["measure"]["unit"]) + mark
    return time_of(value / row.cell["items"])


def verdict_of(row: judge.Row) -> str:
    """The verdict, with a mark where the difference is no chance."""
    if row.verdict is None:
        return ""
    return f"{row.verdict:<10} ✓" if row.detected else row.verdict


def _label(row: judge.Row) -> str:
    cell, kernel = row.cell, row.kernel
    return ladder_label(
        cell["n"],
        cell["input"],
        cell["ladder_threads"],
        cell["params"],
        len(kernel["inputs"]),
        len(kernel["threads"]) > 1,
    )


def side_text(facts: SideFacts) -> str:
    """`HEAD~1 (0123abcd)`, `worktree (0123abcd and changes)`."""
    commit = (facts["commit"] or "")[:8]
    if not commit:
        return facts["asked"]
    changes = " and changes" if facts["dirty"] else ""
    known = facts["asked"] in (commit, facts["commit"])
    return facts["asked"] if known and not changes else f"{facts['asked']} ({commit}{changes})"


class Lines(NamedTuple):
    """What is said of a comparison beside its table."""

    warnings: list[str]
    remarks: list[str]


def lines_of(tree: Ab, rows: list[judge.Row], band: float) -> Lines:
    """What deserves a line."""
    warnings, remarks = [], []
    if tree["stopped"]:
        warnings.append(f"stopped after {tree['done']} of {counted(tree['pairs'], 'pair')}")
    if not judge.enough(tree):
        are = "is" if tree["done"] == 1 else "are"
        warnings.append(
            f"{counted(tree['done'], 'pair')} {are} too few for intervals and verdicts, which take "
            f"{PAIRS_LEAST}"
        )
    for row in judge.control(rows):
        warnings.append(
            f"the control moved: {row.kernel['name']}/{row.cell['variant']} is {ratio_of(row)} "
            f"[{interval_of(row)}], code that no change to another kernel touches: the sides "
            "differ in more than one kernel"
        )
    if tree["base"]["program"] == tree["new"]["program"] and tree["kind"] not in (
        "simd", "env", "scratch",
    ):  # fmt: skip
        remarks.append("both sides are the same program, byte by byte: what differs is chance")
    lost = {"base": "new", "new": "base"}
    shown = tree["only"][:SHOWN]
    for one in shown:
        line = f"only in {one['side']}: {one['what']}: {one['why']}"
        (warnings if lost[one["side"]] == "new" else remarks).append(line)
    if len(tree["only"]) > SHOWN:
        remarks.append(f"and {len(tree['only']) - SHOWN} more that one side lacks: see --json")
    for text in tree["left_out"][:SHOWN]:
        remarks.append(f"left out: {text}")
    if len(tree["left_out"]) > SHOWN:
        remarks.append(f"and {len(tree['left_out']) - SHOWN} more that were left out: see --json")
    for failure in tree["failures"][:SHOWN]:
        warnings.append(
            f"{failure['side']} failed: {failure['kernel']}, pair {failure['pair']}: "
            f"{failure['kind']}: {failure['message']}"
        )
    if len(tree["failures"]) > SHOWN:
        warnings.append(f"and {counted(len(tree['failures']) - SHOWN, 'more failure')}: see --json")
    fewest = min((row.pairs for row in rows), default=tree["done"])
    if fewest < tree["done"] and not tree["failures"]:
        remarks.append(f"what takes long was measured in fewer pairs, in no fewer than {fewest}")
    again = sum(row["attempts"] > 1 for row in tree["launches"]) // 2
    still = sum(row["disturbed"] > 1 for row in tree["launches"])
    if again or still:
        remarks.append(
            f"disturbed pairs that were measured again: {again}; launches that stayed disturbed: "
            f"{still}"
        )
    open_ = [row for row in rows if row.verdict == "unresolved" and not row.kernel["placebo"]]
    if open_:
        needed = [row.needed for row in open_ if row.needed is not None]
        remarks.append(f"{len(open_)} unresolved at +-{band * 100:g}%: {needed_told(needed)}")
    remarks += tree["notes"]
    return Lines(warnings, remarks)


def needed_told(needed: list[int]) -> str:
    """How many pairs would decide. needed: by row, of those of which it is known."""
    if not needed:
        return "how many pairs would decide is not known"
    least, most = min(needed), max(needed)
    return f"about {least}{f' to {most}' if most > least else ''} pairs would decide (--pairs)"


def closing_told(rows: list[judge.Row]) -> str:
    """`2 faster and 1 unresolved of 3 cells`, placebos apart."""
    judged = [row.verdict or "without a verdict" for row in rows if not row.kernel["placebo"]]
    names = ("faster", "slower", "equivalent", "unresolved", "without a verdict")
    told = listed([f"{judged.count(name):,} {name}" for name in names if name in judged])
    return f"{told or 'nothing'} of {counted(len(judged), 'cell')}"


def _by_kernel(rows: Iterable[judge.Row]) -> Iterator[tuple[str, str, list[judge.Row]]]:
    """(kernel, ladder, its rows), placebos last."""
    found: dict[tuple[bool, str, str], list[judge.Row]] = {}
    for row in rows:
        key = (bool(row.kernel["placebo"]), row.kernel["name"], _label(row))
        found.setdefault(key, []).append(row)
    for (_, kernel, label), own in sorted(found.items(), key=lambda item: item[0][0]):
        yield kernel, label, own


def _rung(row: judge.Row) -> str:
    threads = row.cell["threads"]
    other = threads != row.cell["ladder_threads"]
    return row.cell["variant"] + (f", {threads} thread" if other else "")


def print_ab(tree: Ab, path: Path, band: float, to: Console) -> None:
    """The table by kernel, what it is of, and what deserves a line."""
    rows = judge.rows_of(tree, band)
    base, new = side_text(tree["base"]), side_text(tree["new"])
    terminal.title(to, f"{new} against {base}", f"{tree['kind']} · {tree['machine']['slug']}")
    terminal.paragraph(
        to,
        "ratio: above 1 NEW is faster; intervals of the median of "
        f"{counted(tree['done'], 'pair')} of launches taken in turn; practical band "
        f"+-{band * 100:g}%; ✓: the difference is no chance (99% for the whole table)",
        "dim",
    )
    table = terminal.Table("<>>>><", limits={0: 40})
    last = ""
    for kernel, label, own in _by_kernel(rows):
        if kernel != last:
            last = kernel
            table.heading()
            placebo = "  control: code that was not changed" if own[0].kernel["placebo"] else ""
            technique = placebo or f"  {own[0].kernel['axis']} · {own[0].kernel['technique']}"
            measure = own[0].kernel["measure"]
            if measure["name"] != "time":
                technique += f" · judged by {measure['name']}, {measure['better']} is better"
            table.heading((kernel, "bold"), (technique[:90], "dim"))
        header = ("base", "new", "ratio", "interval", "")
        table.row((label, "cyan"), *((name, "dim") for name in header))
        for row in own:
            table.row(
                f"  {_rung(row)}",
                _told(row, row.base),
                _told(row, row.new),
                (ratio_of(row), "bold"),
                interval_of(row),
                (verdict_of(row), terminal.VERDICT_STYLE.get(row.verdict or "", "")),
            )
    table.print(to)
    lines = lines_of(tree, rows, band)
    to.print()
    for line in lines.warnings:
        terminal.paragraph(to, f"! {line}", "yellow")
    for line in lines.remarks:
        terminal.paragraph(to, line, "dim")
    to.print(
        Text(
            f"{closing_told(rows)}, in {duration(tree['seconds'])}; kept in "
            f"{paths.shown(path.parent)}"
        ),
        soft_wrap=True,
    )


def as_json(tree: Ab, path: Path, band: float) -> dict[str, object]:
    """`ab --json`."""
    rows = judge.rows_of(tree, band)
    lines = lines_of(tree, rows, band)
    return {
        "ab": paths.shown(path),
        "kind": tree["kind"],
        "stopped": tree["stopped"],
        "pairs": tree["pairs"],
        "done": tree["done"],
        "band": band,
        "base": tree["base"],
        "new": tree["new"],
        "rows": [
            {
                "kernel": row.kernel["name"],
                "variant": row.cell["variant"],
                "n": row.cell["n"],
                "input": row.cell["input"],
                "threads": row.cell["threads"],
                "params": row.cell["params"],
                "ladder_threads": row.cell["ladder_threads"],
                "axis": row.kernel["axis"],
                "placebo": bool(row.kernel["placebo"]),
                "measure": row.kernel["measure"]["name"],
                "base": row.base,
                "new": row.new,
                "ratio": row.ratio,
                "lo": row.lo,
                "hi": row.hi,
                "detected": row.detected,
                "verdict": row.verdict,
                "pairs": row.pairs,
                "pairs_needed": row.needed,
            }
            for row in rows
        ],
        "only": tree["only"],
        "left_out": tree["left_out"],
        "failures": tree["failures"],
        "warnings": [safe(line) for line in lines.warnings],
        "notes": [safe(line) for line in lines.remarks],
    }


def as_markdown(tree: Ab, band: float) -> str:
    """A table for each ladder, and what deserves a line."""
    rows = judge.rows_of(tree, band)
    parts = [caption(tree), *markdown_tables(row for row in rows if not row.kernel["placebo"])]
    warnings = lines_of(tree, rows, band).warnings
    if warnings:
        parts.append("\n".join(f"- {escaped(line)}" for line in warnings))
    return "\n\n".join(parts)


def caption(tree: Ab) -> str:
    """What was compared, as Markdown."""
    base, new = escaped(side_text(tree["base"])), escaped(side_text(tree["new"]))
    return (
        f"{new} against {base}, {tree['done']} pairs of launches in turn, on "
        f"{escaped(tree['machine']['slug'])}"
    )


def markdown_tables(rows: Iterable[judge.Row]) -> Iterator[str]:
    """A table for each ladder."""
    for kernel, label, own in _by_kernel(rows):
        heading = f"{escaped(kernel)}, {escaped(label)}"
        lines = [[heading, "base", "new", "ratio", "interval", "verdict"]]
        for row in own:
            moved = f"**{row.verdict}**" if row.verdict in ("faster", "slower") else row.verdict
            told = (_told(row, row.base), _told(row, row.new), ratio_of(row), interval_of(row))
            lines.append([escaped(_rung(row)), *told, moved or ""])
        yield "\n".join(markdown_table("<>>>><", lines)).rstrip()
