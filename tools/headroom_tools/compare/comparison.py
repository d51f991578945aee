"""What changed between two sides, put together: rows, axes, ladders, and what else differs."""

from __future__ import annotations

from headroom_tools.base.errors import HeadroomError
from headroom_tools.compare.axes import axes_of
from headroom_tools.compare.differs import changed, controls, touched, warnings
from headroom_tools.compare.rows import ladders_of, rows_of
from headroom_tools.compare.sides import Side, spread_of
from headroom_tools.show.rows import BAND


def compared(base: Side, new: Side, band: float = BAND) -> dict:
    """`compare --json` for one NEW. HeadroomError where the runs share no cell."""
    rows = rows_of(base, new, band)
    if not rows:
        raise HeadroomError(
            f"{base.name} and {new.name} have no cell in common: measure both with one profile"
        )
    differences = changed(base, new)
    axes = controls(axes_of(base, new, rows), touched(new, differences)[0])
    return {
        "rows": rows,
        "axes": axes,
        "changed": differences,
        "warnings": warnings(base, new, differences, axes),
        "ladders": ladders_of(base, new, band),
        "sides": [_told(base, axes), _told(new, axes)],
    }


def _told(side_: Side, axes: list[dict]) -> dict:
    """A side as JSON: what was pooled, and how far its runs lie apart."""
    return {
        "machine": side_.run["machine"],
        "label": side_.run["label"],
        "runs": [run["name"] for run in side_.runs],
        "spread": {
            axis["axis"]: {
                "half_width": spread_of(side_, axis["axis"]),
                "measured": axis["axis"] in side_.spread,
            }
            for axis in axes
        },
    }


def failing(trees: list[dict], verdict: str) -> list[dict]:
    """The rows with that verdict. HeadroomError where no row has any verdict."""
    rows = [row for tree in trees for row in tree["rows"]]
    if not any(row["verdict"] for row in rows):
        raise HeadroomError(
            f"--fail-on {verdict}: no row has a verdict, since these runs have too few launches: "
            "compare runs of --profile quick or more"
        )
    return [row for row in rows if row["verdict"] == verdict]
