"""Prints what the self-check found."""

from __future__ import annotations

from typing import Mapping

from rich.console import Console

from headroom_tools import stats
from headroom_tools.base import terminal
from headroom_tools.base.text import three_digits
from headroom_tools.selfcheck.coverage import Covered
from headroom_tools.selfcheck.judge import (
    Goal,
    Judged,
    Share,
    effects,
    failed,
    goals,
    null,
    others,
)
from headroom_tools.selfcheck.measure import Head

_STYLE = {"met": "green", "open": "yellow", "missed": "bold red"}


def as_json(
    head: Head, all_judged: list[Judged], covered: list[Covered]
) -> dict[str, object]:
    """`selfcheck --json`."""
    tests, missing = others(all_judged)
    return {
        "mode": head["mode"],
        "profile": head["profile"],
        "identical": [plain(row) for row in null(all_judged)],
        "effects": [plain(row) for row in effects(all_judged)],
        "tests": [plain(row) for row in tests],
        "tests_missing": missing,
        "coverage": [{**row._asdict(), "good": row.good} for row in covered],
        "goals": [goal._asdict() for goal in goals(all_judged)],
    }


def plain(row: Mapping[str, object]) -> dict[str, object]:
    """A row with its shares as JSON has them."""
    return {
        key: {**value._asdict(), "share": value.value} if isinstance(value, Share) else value
        for key, value in row.items()
    }


def _percent(value: float) -> str:
    return f"{three_digits(100 * value) if value else '0'}%"


def share_text(found: Share) -> str:
    """`2 of 60`."""
    return f"{found.hits} of {found.trials}"


def bounds_text(found: Share) -> str:
    """The exact interval of a share."""
    return f"{_percent(found.lo)} .. {_percent(found.hi)}"


def print_all(head: Head, all_judged: list[Judged], covered: list[Covered], to: Console) -> None:
    """All tables, the goals last."""
    _print_null(all_judged, to)
    _print_effects(all_judged, to)
    _print_others(all_judged, to)
    print_coverage(covered, to)
    found = goals(all_judged)
    _print_goals(found, head["profile"], to)
    excused = [goal for goal in found if goal.status == "missed" and goal.sensitivity]
    if excused and not failed(excused, head["mode"]):
        terminal.paragraph(
            to,
            "! What is missed says how small a difference can be found here: the machine was too "
            "noisy for it, or its noise is no longer cancelled. `selfcheck --full` on a quiet "
            "machine tells which, and fails by it; `--quick` doesn't.",
            "yellow",
        )


def _print_null(all_judged: list[Judged], to: Console) -> None:
    terminal.title(to, "identical code", "what the rules make of a kernel against its own copy")
    table = terminal.Table("<<>>>>>")
    names = ("load", "kernel", "detected", "95%", "faster or slower", "95%", "half-width")
    table.row(*((name, "dim") for name in names))
    for row in null(all_judged):
        table.row(
            row["condition"],
            row["kernel"],
            share_text(row["detected"]),
            bounds_text(row["detected"]),
            share_text(row["false_verdict"]),
            bounds_text(row["false_verdict"]),
            f"±{_percent(row['half_width'])}",
        )
    table.print(to)
    to.print()


def _print_effects(all_judged: list[Judged], to: Console) -> None:
    terminal.title(to, "differences of known size", "quiet; calibrated: what the steps really cost")
    table = terminal.Table("<<>>>>")
    names = ("kernel", "more work", "calibrated", "detected", "95%", "slower")
    table.row(*((name, "dim") for name in names))
    for row in effects(all_judged):
        table.row(
            row["kernel"],
            _percent(row["nominal"]),
            _percent(row["calibrated"]),
            share_text(row["detected"]),
            bounds_text(row["detected"]),
            share_text(row["slower"]),
        )
    table.print(to)
    to.print()


def _print_others(all_judged: list[Judged], to: Console) -> None:
    tests, missing = others(all_judged)
    terminal.title(to, "other tests on the same samples", "p < 0.05 of each")
    table = terminal.Table("<>>>>")
    names = ("test", "identical: detected", "95%", "1%: detected", "95%")
    table.row(*((name, "dim") for name in names))
    for row in tests:
        same, one = row["same"], row["one_per_cent"]
        told = (share_text(same), bounds_text(same), share_text(one), bounds_text(one))
        table.row(row["test"], *told)
    table.print(to)
    if missing:
        terminal.paragraph(to, f"! {missing}", "yellow")
    to.print()


def print_coverage(covered: list[Covered], to: Console) -> None:
    """How often the interval holds the truth, where the truth is known."""
    terminal.title(to, "coverage of the interval", "made-up launches with a known ratio")
    table = terminal.Table("><>>")
    table.row(*((name, "dim") for name in ("launches", "scenario", "stated", "measured")))
    for row in covered:
        style = "" if row.good else "bold red"
        table.row(
            f"{row.launches}", row.scenario, f"{100 * row.stated:.1f}%",
            (f"{100 * row.measured:.1f}%", style),
        )  # fmt: skip
    table.print(to)
    to.print()


def _print_goals(found: list[Goal], profile: str, to: Console) -> None:
    launches, coverage = {"quick": 6, "standard": 10}[profile], stats.COVERAGE
    terminal.title(
        to, "goals", f"plan of `{profile}`: {launches} launches; intervals at {100 * coverage:.0f}%"
    )
    goals_table(found).print(to)


def goals_table(found: list[Goal]) -> terminal.Table:
    """What is to be reached, and what was."""
    table = terminal.Table("<>>><")
    table.row(*((name, "dim") for name in ("", "goal", "measured", "interval", "")))
    for goal in found:
        bounds = f"{_percent(goal.lo)} .. {_percent(goal.hi)}"
        table.row(
            goal.what,
            f"{'<=' if goal.at_most else '>='} {_percent(goal.limit)}",
            _percent(goal.measured),
            bounds,
            (goal.status, _STYLE[goal.status]),
        )
    return table
