"""Comparisons of a program with itself by `ab`: how often it calls them different, and how often it
finds more work of known size.

A comparison of many pairs is cut into trials. In each the same cells of both sides are identical
code; and the baseline of one side against a variant with more work of the other is a true
difference, measured as any other between two builds: by launches in turn.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple, TypedDict

from rich.console import Console

from headroom_tools.ab import judge as pairs
from headroom_tools.base import paths, terminal
from headroom_tools.base.errors import HeadroomError
from headroom_tools.record import ab_file
from headroom_tools.record.ab_types import Ab, Cell
from headroom_tools.selfcheck.judge import CACHED, PLUS, Goal, Share, of_share, share
from headroom_tools.selfcheck.output import bounds_text, goals_table, plain, share_text
from headroom_tools.show.rows import BAND, MOVED

TRIAL = 100  # pairs: about what a minute gives of one kernel
FOUND = 0.95  # of true differences of 1% in caches
FALSE = 0.01  # of identical builds


class Same(TypedDict):
    """Identical cells of a kernel: trials of a cell, how many were called different."""

    kernel: str
    detected: Share
    false_verdict: Share


class More(TypedDict):
    """A kernel with more work: how many trials found it."""

    kernel: str
    variant: str
    nominal: float
    detected: Share


class Found(NamedTuple):
    """What trials say. whole: trials with any cell detected, of identical code."""

    trials: int
    pairs: int
    same: list[Same]
    more: list[More]
    whole: Share
    goals: list[Goal]


def _identical(tree: Ab, path: Path) -> None:
    """HeadroomError unless both sides are the same code."""
    base, new = tree["base"], tree["new"]
    kind = tree["kind"]
    one_commit = base["commit"] is not None and base["commit"] == new["commit"]
    clean = kind == "rev" and one_commit and not base["dirty"] and not new["dirty"]
    one_program = base["program"] == new["program"]
    same = one_program and (kind == "rev" or base["asked"] == new["asked"])
    if not (clean or same or kind == "link"):  # link: one checkout, built twice
        raise HeadroomError(
            f"{paths.shown(path)}: its sides are not the same code: measure it by "
            "`headroom ab worktree worktree --filter ^selfcheck/ --pairs 2000`, or link:1 link:2"
        )


def _cut(tree: Ab, at: int, size: int, cells: list[Cell]) -> Ab:
    """A trial: `size` pairs from pair `at` on, of those cells."""
    own = tree.copy()
    own["done"] = size
    own["cells"] = [cell.copy() for cell in cells]
    for cell in own["cells"]:
        cell["base"] = cell["base"][at : at + size]
        cell["new"] = cell["new"][at : at + size]
    return own


def _crossed(tree: Ab, kernel: int) -> list[Cell]:
    """NEW's variants with more work against BASE's baseline, each as a cell."""
    cells = [cell for cell in tree["cells"] if cell["kernel"] == kernel]
    base = {cell["n"]: cell for cell in cells if cell["variant"] == "naive"}
    found = []
    for cell in cells:
        if cell["variant"] in PLUS and cell["n"] in base:
            made = cell.copy()
            made["base"] = base[cell["n"]]["base"]
            found.append(made)
    return found


def judged(files: list[Path]) -> Found:
    """What the trials of all `files` say. HeadroomError where one is not of identical code."""
    same: dict[str, list[pairs.Row]] = defaultdict(list)
    more: dict[tuple[str, str], list[bool]] = defaultdict(list)
    whole: list[bool] = []
    sizes = []
    for file in files:
        tree = ab_file.load(file)
        _identical(tree, file)
        size = min(TRIAL, tree["done"])
        if size < 6:
            raise HeadroomError(f"{paths.shown(file)}: {size} pairs are too few: 6 at least")
        for at in range(0, tree["done"] - size + 1, size):
            sizes.append(size)
            rows = pairs.rows_of(_cut(tree, at, size, tree["cells"]), BAND)
            whole.append(any(row.detected for row in rows))
            for row in rows:
                same[row.kernel["name"]].append(row)
            for index, kernel in enumerate(tree["kernels"]):
                crossed = _cut(tree, at, size, _crossed(tree, index))
                for row in pairs.rows_of(crossed, BAND):
                    found = bool(row.detected) and row.verdict != "faster"
                    more[kernel["name"], row.cell["variant"]].append(found)
    kernels: list[Same] = [
        {
            "kernel": name,
            "detected": share(bool(row.detected) for row in rows),
            "false_verdict": share(row.verdict in MOVED for row in rows),
        }
        for name, rows in sorted(same.items())
    ]
    order = sorted(more.items(), key=lambda at: (at[0][0], PLUS[at[0][1]]))
    steps: list[More] = [
        {"kernel": name, "variant": variant, "nominal": PLUS[variant], "detected": share(flags)}
        for (name, variant), flags in order
    ]
    every = [row for rows in same.values() for row in rows]
    goals = [
        of_share(
            "identical cells called faster or slower", FALSE, True,
            share(row.verdict in MOVED for row in every),
        ),
        of_share("comparisons of identical code with a difference", FALSE, True, share(whole)),
    ]  # fmt: skip
    goals += [
        of_share(f"1% detected, {row['kernel']}", FOUND, False, row["detected"])
        for row in steps
        if row["variant"] == "plus_1" and row["kernel"] in CACHED
    ]
    return Found(len(whole), max(sizes), kernels, steps, share(whole), goals)


def as_json(found: Found) -> dict[str, object]:
    """`selfcheck --ab --json`."""
    return {
        "trials": found.trials,
        "pairs": found.pairs,
        "identical": [plain(row) for row in found.same],
        "effects": [plain(row) for row in found.more],
        "goals": [goal._asdict() for goal in found.goals],
    }


def print_found(found: Found, to: Console) -> None:
    """All tables, the goals last."""
    terminal.title(
        to, "identical code, by ab", f"{found.trials} trials of {found.pairs} pairs of launches"
    )
    table = terminal.Table("<>>>>")
    names = ("kernel", "detected", "95%", "faster or slower", "95%")
    table.row(*((name, "dim") for name in names))
    for row in found.same:
        table.row(
            row["kernel"],
            share_text(row["detected"]),
            bounds_text(row["detected"]),
            share_text(row["false_verdict"]),
            bounds_text(row["false_verdict"]),
        )
    table.print(to)
    to.print()
    if found.more:
        terminal.title(to, "more work on one side", "BASE's baseline against NEW's variant")
        table = terminal.Table("<>>>")
        table.row(*((name, "dim") for name in ("kernel", "more work", "detected", "95%")))
        for step in found.more:
            table.row(
                step["kernel"],
                f"{100 * step['nominal']:g}%",
                share_text(step["detected"]),
                bounds_text(step["detected"]),
            )
        table.print(to)
        to.print()
    terminal.title(to, "goals")
    goals_table(found.goals).print(to)
