"""Hardware counters in the program's output: what a call counted, or why there are none."""

from __future__ import annotations

import math

from headroom_tools.base.text import safe
from headroom_tools.record.counters import NAMES


def of_arm(arm: dict) -> dict[str, float]:
    """What a call of an arm of the program's output counted, by counter; {} without counters.

    Raises TypeError, ValueError or AttributeError for what the interface doesn't allow.
    """
    found = {}
    for name, value in arm.get("counters", {}).items():
        if name in NAMES and math.isfinite(float(value)) and float(value) >= 0:
            found[name] = float(value)
    return found


def missing_note(launches: list[dict]) -> list[str]:
    """One line on why the launches counted nothing, with the cure; [] where they did."""
    for tree in launches:
        why = tree.get("no_counters")
        if why:
            return [f"no hardware counters: {why['why']}; cure: {why['cure']}"]
    return []


def read_missing(out: dict) -> dict | None:
    """Why a launch's output has no counters: {"why", "cure"}, or None where it has."""
    why = out.get("no_counters")
    if not isinstance(why, dict):
        return None
    return {name: safe(why.get(name, ""), 200) for name in ("why", "cure")}
