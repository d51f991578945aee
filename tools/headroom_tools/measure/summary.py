"""What is kept of a launch: per arm the median, p10 and min of its rounds, what they came to by the
kernel's measure, and the log ratio."""

from __future__ import annotations

import math
from statistics import median

from headroom_tools.base.text import without_paths
from headroom_tools.measure import counters, readings
from headroom_tools.measure.types import KeptLadder, Output, Readings
from headroom_tools.record.types import Measure


def _times(arm: Output, clock: str, without: set[int]) -> list[float | None]:
    """Nanoseconds a call by round; None for a round that is left out or has no usable time."""
    times = arm["wall_ns" if clock == "wall" else "cpu_ns"]
    return [
        float(value)
        if isinstance(value, (int, float)) and math.isfinite(value) and value > 0
        and at not in without
        else None
        for at, value in enumerate(times)
    ]


def _values(arm: Output, without: set[int]) -> list[float | None]:
    """By round what the arm came to by a measure that is not time; None for a round that is left
    out, or where it is no number."""
    return [
        float(value)
        if isinstance(value, (int, float)) and math.isfinite(value) and at not in without
        else None
        for at, value in enumerate(arm["values"])
    ]


def log_ratio(
    baseline: list[float | None], own: list[float | None], better: str = "less"
) -> float | None:
    """The median over rounds of ln(baseline / own), or of ln(own / baseline) where more is better;
    None where no round has both above 0."""
    pairs = [math.log(b / o) for b, o in zip(baseline, own) if b and o and b > 0 and o > 0]
    if not pairs:
        return None
    return median(pairs) if better == "less" else -median(pairs)


def p10(values: list[float]) -> float:
    """The 10th percentile, by linear interpolation."""
    ordered = sorted(values)
    position = 0.1 * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def ladder(
    measured: Output,
    measure: Measure,
    keep_raw: bool = False,
    told: Readings | None = None,
    number: int = 0,
) -> KeptLadder:
    """One ladder of the program's output as the run keeps it (times in ns a call).

    told: the sentinel's readings, and number: of the ladder in them. Rounds beside which it was
    slow are left out; not of several threads, which may slow it themselves, and have other cores.
    Raises KeyError, TypeError, ValueError or AttributeError for what the interface doesn't allow.
    """
    clock = measured["clock"]
    if clock not in ("cpu", "wall"):
        raise ValueError(f"clock {clock}")
    kept: KeptLadder = {
        "n": int(measured["n"]),
        "input": str(measured["input"]),
        "threads": int(measured["threads"]),
        "params": {str(name): int(value) for name, value in measured["params"].items()},
        "group": int(measured["group"]),
        "baseline": str(measured["baseline"]),
        "clock": clock,
        "working_set": int(measured["working_set"]),
        "empty_ns": float(measured[f"empty_{clock}_ns"]),
        "setup_s": float(measured["setup_s"]),
        "skipped_rounds": int(measured.get("skipped_rounds", 0)),
        "slow_rounds": 0,
        "status": str(measured["status"]),
        "message": str(measured.get("message", "")),
        "failed": [
            {
                "variant": str(failed["variant"]),
                "threads": int(failed["threads"]),
                "message": without_paths(failed["message"]),
            }
            for failed in measured["failed"]
        ],
        "arms": [],
    }
    if kept["status"] != "ok":
        return kept
    base = next(arm for arm in measured["arms"] if arm["variant"] == kept["baseline"])
    by_time = measure["name"] == "time"
    without: set[int] = set()
    if told is not None and kept["threads"] == 1:
        without = readings.slow_rounds(told, number, len(base["wall_ns"]))
    kept["slow_rounds"] = len(without)
    base_told = _times(base, clock, without) if by_time else _values(base, without)
    for arm in measured["arms"]:
        times = _times(arm, clock, without)
        usable = [value for value in times if value]
        ceiling = arm.get("role") == "ceiling"
        values = [] if by_time or ceiling else _values(arm, without)
        counted = [value for value in values if value is not None]
        build = arm["build_ns"]
        kept["arms"].append(
            {
                "variant": str(arm["variant"]),
                "probe": str(arm["probe"]) if ceiling else "",
                "threads": int(arm["threads"]),
                "calls": int(arm["calls"]),
                "rounds": len(usable),
                "held_bytes": int(arm.get("held_bytes", 0)),
                "build_ns": None if build is None else float(build),
                "median": median(usable) if usable else None,
                "p10": p10(usable) if usable else None,
                "min": min(usable) if usable else None,
                "value": median(counted) if counted else None,
                "log_ratio": log_ratio(base_told, times if by_time else values, measure["better"]),
                "counters": counters.of_arm(arm),
                "quantities": {
                    str(name): {"value": float(entry["value"]), "unit": str(entry["unit"])}
                    for name, entry in arm.get("quantities", {}).items()
                },
            }
        )
        if keep_raw:
            kept["arms"][-1]["raw"] = {"wall_ns": arm["wall_ns"], "cpu_ns": arm["cpu_ns"]}
            if "values" in arm:
                kept["arms"][-1]["raw"]["values"] = arm["values"]
    return kept


def launch(out: Output, measure: Measure, keep_raw: bool = False) -> list[KeptLadder]:
    """All ladders of a launch's output; ValueError for what the interface doesn't allow.

    measure: of their kernel.
    """
    try:
        told = readings.of(out)
        return [
            ladder(measured, measure, keep_raw, told, number)
            for number, measured in enumerate(out["ladders"])
        ]
    except (KeyError, TypeError, AttributeError, StopIteration, ValueError) as error:
        raise ValueError(f"output not as expected: {type(error).__name__} {error}") from None
