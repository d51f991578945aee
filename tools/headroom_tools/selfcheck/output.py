"""Prints what the self-check found."""

from __future__ import annotations

from rich.console import Console

from headroom_tools import stats
from headroom_tools.base import terminal
from headroom_tools.base.text import three_digits
from headroom_tools.selfcheck.coverage import Covered
from headroom_tools.selfcheck.judge import Goal, Judged, Share, effects, goals, null, others

_STYLE = {"met": "green", "open": "yellow", "missed": "bold red"}


def as_json(head: dict, all_judged: list[Judged], covered: list[Covered]) -> dict:
    """`selfcheck --json`."""
    tests, missing = others(all_judged)
    return {
        "mode": head["mode"],
        "profile": head["profile"],
        "identical": [_plain(row) for row in null(all_judged)],
        "effects": [_plain(row) for row in effects(all_judged)],
        "tests": [_plain(row) for row in tests],
        "tests_missing": missing,
        "coverage": [{**row._asdict(), "good": row.good} for row in covered],
        "goals": [goal._asdict() for goal in goals(all_judged)],
    }


def _plain(row: dict) -> dict:
    return {
        key: {**value._asdict(), "share": value.value} if isinstance(value, Share) else value
        for key, value in row.items()
    }


def _percent(value: float) -> str:
    return f"{three_digits(100 * value) if value else '0'}%"


def _share(found: Share) -> str:
    """`2 of 60`, and the exact interval."""
    return f"{found.hits} of {found.trials}"


def _bounds(found: Share) -> str:
    return f"{_percent(found.lo)} .. {_percent(found.hi)}"


def print_all(head: dict, all_judged: list[Judged], covered: list[Covered], to: Console) -> None:
    """All tables, the goals last."""
    _print_null(all_judged, to)
    _print_effects(all_judged, to)
    _print_others(all_judged, to)
    print_coverage(covered, to)
    _print_goals(goals(all_judged), head["profile"], to)


def _print_null(all_judged: list[Judged], to: Console) -> None:
    terminal.title(to, "identical code", "what the rules make of a kernel against its own copy")
    table = terminal.Table("<<>>>>>")
    dim = [(name, "dim") for name in
           ("load", "kernel", "detected", "95%", "faster or slower", "95%", "half-width")]  # fmt: skip
    table.row(*dim)
    for row in null(all_judged):
        table.row(
            row["condition"],
            row["kernel"],
            _share(row["detected"]),
            _bounds(row["detected"]),
            _share(row["false_verdict"]),
            _bounds(row["false_verdict"]),
            f"±{_percent(row['half_width'])}",
        )
    table.print(to)
    to.print()


def _print_effects(all_judged: list[Judged], to: Console) -> None:
    terminal.title(to, "differences of known size", "quiet; calibrated: what the steps really cost")
    table = terminal.Table("<<>>>>")
    table.row(*((name, "dim") for name in ("kernel", "more work", "calibrated", "detected", "95%", "slower")))
    for row in effects(all_judged):
        table.row(
            row["kernel"],
            _percent(row["nominal"]),
            _percent(row["calibrated"]),
            _share(row["detected"]),
            _bounds(row["detected"]),
            _share(row["slower"]),
        )
    table.print(to)
    to.print()


def _print_others(all_judged: list[Judged], to: Console) -> None:
    tests, missing = others(all_judged)
    terminal.title(to, "other tests on the same samples", "p < 0.05 of each")
    table = terminal.Table("<>>>>")
    table.row(*((name, "dim") for name in ("test", "identical: detected", "95%", "1%: detected", "95%")))
    for row in tests:
        same, one = row["same"], row["one_per_cent"]
        table.row(row["test"], _share(same), _bounds(same), _share(one), _bounds(one))
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
    table.print(to)
