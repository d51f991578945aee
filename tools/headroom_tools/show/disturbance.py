"""Clock and neighbours: what the sentinel and the conditions of a record's launches tell."""

from __future__ import annotations

from collections import Counter
from typing import TypedDict

from headroom_tools.record import sentinel
from headroom_tools.record.types import CAUSES, Run

_BY = {
    "waited": "by programs on their core",
    "stolen": "by the hypervisor",
    "others": "by programs on any core",
    "sentinel": "by a slow core",
}


class Totals(TypedDict):
    """remaining: launches all of whose attempts were disturbed. causes: launches by what disturbed
    them most, as far as the record tells."""

    launches: int
    disturbed: int
    repeated: int
    remaining: int
    causes: dict[str, int]


def totals(run: Run) -> Totals | None:
    """How many launches of a record were disturbed, repeated, and stay disturbed."""
    columns_ = run["launches"]
    if "disturbed" not in columns_:
        return None
    pairs = list(zip(columns_["attempts"], columns_["disturbed"]))
    causes = Counter(cause for cause in columns_["cause"] if cause)
    return {
        "launches": len(pairs),
        "disturbed": sum(disturbed > 0 for _, disturbed in pairs),
        "repeated": sum(attempts > 1 for attempts, _ in pairs),
        "remaining": sum(attempts == disturbed for attempts, disturbed in pairs),
        "causes": {cause: causes[cause] for cause in CAUSES if causes[cause]},
    }


def _disturbed(run: Run) -> str | None:
    """How many launches were disturbed, and what was done about it; None where none was."""
    found = totals(run)
    if found and found["repeated"] and not found["disturbed"]:
        # What is known at a run's end may clear what looked disturbed before.
        return (
            f"{found['repeated']} of {found['launches']} launches were measured again, which the "
            "rest of the run has cleared since"
        )
    if not found or not found["disturbed"]:
        return None
    by = "by other programs or the hypervisor"
    if found["causes"]:
        by = ", ".join(f"{count} {_BY[cause]}" for cause, count in found["causes"].items())
    return (
        f"{found['disturbed']} of {found['launches']} launches were disturbed ({by}), "
        f"{found['repeated']} were measured again, {found['remaining'] or 'none'} stayed disturbed"
    )


def line(run: Run) -> str | None:
    """What `show` says of clock and neighbours; None where nothing is known, or no sentinel ran
    and no launch was disturbed."""
    told = sentinel.over_run(run)
    disturbed = _disturbed(run)
    if told is None:
        return disturbed
    text = f"clock and neighbours: sentinel within {100 * told.spread:.1f}% over the run; "
    text += disturbed or "no launch was measured again"
    if told.again or told.waited >= 1:
        text += (
            f"; {told.again} rounds beside a slow reading were run again, after waiting "
            f"{told.waited:.0f} s for a quiet core"
        )
    if told.rounds:
        text += f"; {told.rounds} rounds beside a slow reading were left out"
    if told.slowed:
        text += (
            f"; around {told.slowed} launches the machine itself was up to {100 * told.by:.0f}% "
            "slower than at its best (its clock, or a neighbour that stays), which is no reason to "
            "measure them again"
        )
    return text


def calm(run: Run) -> bool:
    """Whether there is nothing in `line` to heed."""
    told = sentinel.over_run(run)
    return _disturbed(run) is None and not (told and told.slowed)
