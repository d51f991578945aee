"""What changed between two sides, put together: rows, axes, ladders, and what else differs."""

from __future__ import annotations

import math
from statistics import median

from headroom_tools import stats
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe
from headroom_tools.compare.absent import absent_of
from headroom_tools.compare.axes import axes_of
from headroom_tools.compare.clock import clock_of
from headroom_tools.compare.differs import changed, controls, touched, warnings
from headroom_tools.compare.rows import key_of_row, ladders_of, rows_of
from headroom_tools.compare.sides import Side
from headroom_tools.compare.simulated import simulated_of
from headroom_tools.compare.sweeps import fastest_of, sweeps_of
from headroom_tools.compare.types import Axis, Comparison, Row, SideOf
from headroom_tools.show.rows import BAND


def compared(base: Side, new: Side, band: float = BAND) -> Comparison:
    """`compare --json` for one NEW. HeadroomError where the runs share no cell."""
    rows = rows_of(base, new, band)
    simulated = simulated_of(base, new)
    if not rows and not simulated:
        raise HeadroomError(
            f"{base.name} and {new.name} have no cell in common: measure both with one profile"
        )
    swept = fastest_of(base, new)
    shared = {key_of_row(row) for row in rows}
    differences = changed(base, new)
    axes = controls(axes_of(base, new, rows, swept), touched(new, differences)[0])
    return {
        "rows": rows,
        "axes": axes,
        "changed": differences,
        "warnings": warnings(base, new, differences, axes),
        "ladders": ladders_of(base, new, band),
        "sides": [_told(base, rows, axes), _told(new, rows, axes)],
        "clock": clock_of(base, new),
        "sweeps": sweeps_of(base, new, swept, band),
        "simulated": simulated,
        "only_base": absent_of(base, new, shared),
        "only_new": absent_of(new, base, shared),
    }


def _told(side_: Side, rows: list[Row], axes: list[Axis]) -> SideOf:
    """A side as JSON: what was pooled, and how far its runs lie apart."""
    by_axis: dict[str, list[float]] = {axis["axis"]: [] for axis in axes}
    for row in rows:
        if row["run_spread"] is not None and row["axis"] in by_axis:
            by_axis[row["axis"]].append(row["run_spread"])
    reach = stats.t_quantile(math.inf) / math.sqrt(len(side_.runs))
    return {
        "machine": side_.run["machine"],
        "label": side_.run["label"],
        "runs": [run["name"] for run in side_.runs],
        "beside": side_.repeats,
        "not_pooled": [
            {
                "run": safe(one.name, 80),
                "why": one.why,
                "speed": one.apart.factor if one.apart else None,
                "axes": one.apart.axes if one.apart else [],
            }
            for one in side_.not_pooled
        ],
        "not_read": side_.older,
        "spread": {
            axis: {
                "half_width": reach * median(spreads) if spreads else None,
                "measured": len(side_.runs) > 1 or bool(side_.repeats),
            }
            for axis, spreads in by_axis.items()
        },
    }


def failing(trees: list[Comparison], verdict: str) -> list[Row]:
    """The rows with that verdict, adjusted for how many rows there are: where nothing changed, at
    most one comparison in twenty has any. HeadroomError where no row has any verdict."""
    rows = [row for tree in trees for row in tree["rows"]]
    if not any(row["verdict"] for row in rows):
        raise HeadroomError(
            f"--fail-on {verdict}: no row has a verdict, since these runs have too few launches: "
            "compare runs of --profile quick or more"
        )
    alpha = stats.ALPHA / len(trees)
    return [
        row
        for row in rows
        if row["verdict"] == verdict and (row["adjusted"] or 0.0) <= alpha
    ]
