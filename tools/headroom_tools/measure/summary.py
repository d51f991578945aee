"""What is kept of a launch: per arm the median, p10 and min of its rounds, and the log ratio."""

from __future__ import annotations

import math
from statistics import median

from headroom_tools.measure import counters


def _times(arm: dict, clock: str) -> list[float | None]:
    """Nanoseconds a call by round; None for a round that was skipped or has no usable time."""
    times = arm["wall_ns" if clock == "wall" else "cpu_ns"]
    return [
        float(value)
        if isinstance(value, (int, float)) and math.isfinite(value) and value > 0
        else None
        for value in times
    ]


def log_ratio(baseline: list[float | None], times: list[float | None]) -> float | None:
    """The median over rounds of ln(baseline / times); None where no round has both."""
    pairs = [math.log(b / t) for b, t in zip(baseline, times) if b and t]
    return median(pairs) if pairs else None


def p10(values: list[float]) -> float:
    """The 10th percentile, by linear interpolation."""
    ordered = sorted(values)
    position = 0.1 * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def ladder(measured: dict, keep_raw: bool = False) -> dict:
    """One ladder of the program's output as the run keeps it (times in ns a call).

    Raises KeyError, TypeError, ValueError or AttributeError for what the interface doesn't allow.
    """
    clock = measured["clock"]
    if clock not in ("cpu", "wall"):
        raise ValueError(f"clock {clock}")
    kept = {
        "n": int(measured["n"]),
        "input": str(measured["input"]),
        "threads": int(measured["threads"]),
        "group": int(measured["group"]),
        "baseline": str(measured["baseline"]),
        "clock": clock,
        "working_set": int(measured["working_set"]),
        "empty_ns": float(measured[f"empty_{clock}_ns"]),
        "setup_s": float(measured["setup_s"]),
        "skipped_rounds": int(measured.get("skipped_rounds", 0)),
        "status": str(measured["status"]),
        "message": str(measured.get("message", "")),
        "arms": [],
    }
    if kept["status"] != "ok":
        return kept
    base = next(arm for arm in measured["arms"] if arm["variant"] == kept["baseline"])
    base_times = _times(base, clock)
    for arm in measured["arms"]:
        times = _times(arm, clock)
        usable = [value for value in times if value]
        kept["arms"].append(
            {
                "variant": str(arm["variant"]),
                "probe": str(arm["probe"]) if arm.get("role") == "ceiling" else "",
                "threads": int(arm["threads"]),
                "calls": int(arm["calls"]),
                "rounds": len(usable),
                "held_bytes": int(arm.get("held_bytes", 0)),
                "median": median(usable) if usable else None,
                "p10": p10(usable) if usable else None,
                "min": min(usable) if usable else None,
                "log_ratio": log_ratio(base_times, times),
                "counters": counters.of_arm(arm),
                "quantities": {
                    str(name): {"value": float(entry["value"]), "unit": str(entry["unit"])}
                    for name, entry in arm.get("quantities", {}).items()
                },
            }
        )
        if keep_raw:
            kept["arms"][-1]["raw"] = {"wall_ns": arm["wall_ns"], "cpu_ns": arm["cpu_ns"]}
    return kept


def launch(out: dict, keep_raw: bool = False) -> list[dict]:
    """All ladders of a launch's output; ValueError for what the interface doesn't allow."""
    try:
        return [ladder(measured, keep_raw) for measured in out["ladders"]]
    except (KeyError, TypeError, AttributeError, StopIteration, ValueError) as error:
        raise ValueError(f"output not as expected: {type(error).__name__} {error}") from None
