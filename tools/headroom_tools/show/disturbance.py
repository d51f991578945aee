"""Clock and neighbours: what the sentinel and the conditions of a record's launches tell."""

from __future__ import annotations

from collections import Counter
from typing import TypedDict

from headroom_tools.base.text import counted, percent_at_most
from headroom_tools.record import sentinel
from headroom_tools.record.types import CAUSES, Run

_BY = {
    "waited": "by programs on their core",
    "stolen": "by the hypervisor",
    "others": "by programs on any core",
    "throttled": "by the limit of CPU time",
    "sentinel": "by a slow core",
}


class Totals(TypedDict):
    """remaining: launches all of whose attempts were disturbed. cleared: launches that were
    repeated though, as the whole run shows, none of their attempts was. causes: launches by what
    disturbed them most, as far as the record tells."""

    launches: int
    disturbed: int
    repeated: int
    remaining: int
    cleared: int
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
        "cleared": sum(attempts > 1 and not disturbed for attempts, disturbed in pairs),
        "causes": {cause: causes[cause] for cause in CAUSES if causes[cause]},
    }


def told(found: Totals | None) -> str | None:
    """How many launches were disturbed, and what was done about it; None where none was."""
    if not found or not (found["repeated"] or found["disturbed"]):
        return None
    of = f"of {counted(found['launches'], 'launch', 'launches')}"
    again = f"{found['repeated']:,}" if found["repeated"] else "none"
    was = "was" if found["repeated"] == 1 else "were"
    if not found["disturbed"]:
        # What is known at a run's end may clear what looked disturbed before.
        it = "it" if found["repeated"] == 1 else "them"
        return f"{again} {of} {was} measured again; the rest of the run has cleared {it} since"
    by = "by other programs or the hypervisor"
    if found["causes"]:
        by = ", ".join(f"{count:,} {_BY[cause]}" for cause, count in found["causes"].items())
    since = f" ({found['cleared']:,} of them cleared since)" if found["cleared"] else ""
    verb = "was" if found["disturbed"] == 1 else "were"
    return (
        f"{found['disturbed']:,} {of} {verb} disturbed ({by}), {again} {was} measured "
        f"again{since}, {found['remaining'] or 'none'} stayed disturbed"
    )


def line(run: Run) -> str | None:
    """What `show` says of clock and neighbours; None where nothing is known, or no sentinel ran
    and no launch was disturbed."""
    return line_told(totals(run), sentinel.over_run(run))


def line_told(found: Totals | None, core: sentinel.OverRun | None) -> str | None:
    """The same, of what is known of the launches and of the core."""
    disturbed = told(found)
    if core is None:
        return disturbed
    text = f"clock and neighbours: sentinel within {percent_at_most(core.spread)} over the run; "
    unknown = "whether launches were disturbed is not known"
    text += disturbed or ("no launch was measured again" if found else unknown)
    if core.again:
        was = "was" if core.again == 1 else "were"
        text += f"; {counted(core.again, 'round')} beside a slow reading {was} run again"
    if core.waited >= 1:
        text += f"; launches waited {core.waited:.0f} s in all for a quiet core"
    if core.rounds:
        was = "was" if core.rounds == 1 else "were"
        text += f"; {counted(core.rounds, 'round')} beside a slow reading {was} left out"
    if core.slowed:
        text += (
            f"; around {counted(core.slowed, 'launch', 'launches')} the machine itself was up to "
            f"{percent_at_most(core.by)} slower than at its best (its clock, or a neighbour that "
            "stays), which is no reason to measure again"
        )
    return text


def calm(run: Run) -> bool:
    """Whether there is nothing in `line` to heed."""
    core = sentinel.over_run(run)
    return told(totals(run)) is None and not (core and core.slowed)
