"""What runs say, in sentences: the head of the page. Each says what holds of all the runs."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import NamedTuple, Sequence

from headroom_tools.base.text import (
    counted,
    listed,
    parts_told,
    percent_at_most,
    three_digits,
)
from headroom_tools.compare import prose
from headroom_tools.compare.types import Comparison
from headroom_tools.plot.view import View
from headroom_tools.record.noise import noise_floors
from headroom_tools.show.rows import Row, best_rows

STANDARD = "with a standard rung (what the standard library or plain good C++ gives)"
VERDICTS = ("faster", "slower", "equivalent", "unresolved")


def where_told(machines: Sequence[str]) -> str:
    """`On m1`, `On 12 machines`, `In 3 runs on m1`, `In 12 runs on 10 machines`. machines: of each
    run."""
    names = list(dict.fromkeys(machines))
    on = names[0] if len(names) == 1 else f"{len(names)} machines"
    return f"On {on}" if len(machines) == len(names) else f"In {len(machines)} runs on {on}"


def verdicts_told(rows: Sequence[Row]) -> str:
    """`of 12 comparisons with a baseline, 10 are faster and 2 unresolved`; what has no verdict, and
    what is withheld, is counted apart. rows: claims."""
    shown = [row for row in rows if not row.impossible]
    counts = Counter(row.verdict for row in shown if row.verdict)
    parts = parts_told([(counts[name], name) for name in VERDICTS])
    open_ = sum(
        row.verdict is None and not row.cell.is_baseline(row.baseline) for row in shown
    )
    withheld = len(rows) - len(shown)
    told = []
    if parts:
        judged = counted(sum(counts.values()), "comparison")
        told.append(f"of {judged} with a baseline, {parts}")
    if open_:
        told.append(f"{open_:,} with too few launches for a verdict")
    if withheld:
        told.append(f"{withheld:,} withheld, being above the ceiling")
    return "; ".join(told)


def runs_told(views: Sequence[View]) -> str:
    """Where how much was measured, and what it was judged to be."""
    claims = [view.claims for view in views]
    rows = [row for own in claims for row in own]
    kernels = {row.cell.kernel["name"] for row in rows}
    each = sorted({len({row.cell.kernel["name"] for row in own}) for own in claims})
    range_ = f" ({each[0]:,} to {each[-1]:,} of them in each run)" if len(each) > 1 else ""
    were = "was" if len(kernels) == 1 else "were"
    told = (
        f"{where_told([view.run['machine'] for view in views])}, {counted(len(kernels), 'kernel')} "
        f"{were} measured{range_}, with {counted(len(rows), 'result')}"
    )
    verdicts = verdicts_told(rows)
    return f"{told}: {verdicts}." if verdicts else f"{told}."


def best_of(view: View) -> list[Row]:
    """Each ladder's best variant, of the kernels' headline sizes where they have any."""
    rows = best_rows(view.claims)
    return [row for row in rows if row.cell.n in row.cell.kernel["headline"]] or rows


class Gain(NamedTuple):
    """A speedup of a best variant, and which kernel's on which run it is."""

    speedup: float
    kernel: str
    run: int


def _times(value: float) -> str:
    return f"{three_digits(value)} times"


def gains_told(gains: Sequence[Gain], runs: Sequence[str], what: str, over: str) -> str:
    """How much faster than `over` the best variants are in ladders that are `what`; the kernels,
    and of several runs the runs, with the least and the most. runs: the names of all."""
    order = sorted(gains)
    least, most = order[0], order[-1]

    def of(gain: Gain) -> str:
        return f"{gain.kernel} on {runs[gain.run]}" if len(runs) > 1 else gain.kernel

    told = f"In {counted(len(gains), 'ladder')} {what}, the best variant is "
    if len(order) == 1:
        return f"{told}{_times(most.speedup)} as fast as {over} ({of(most)})."
    told += (
        f"{_times(median(gain.speedup for gain in gains))} as fast as {over} in the median, from "
        f"{_times(least.speedup)} ({of(least)}) to {_times(most.speedup)} ({of(most)})"
    )
    by_run: dict[int, list[float]] = {}
    for gain in gains:
        by_run.setdefault(gain.run, []).append(gain.speedup)
    if len(by_run) > 1:
        middles = sorted((median(own), runs[run]) for run, own in by_run.items())
        told += (
            f"; the median of a run goes from {_times(middles[0][0])} ({middles[0][1]}) to "
            f"{_times(middles[-1][0])} ({middles[-1][1]})"
        )
    return f"{told}."


def gains_of(views: Sequence[View], names: Sequence[str]) -> str:
    """How much the best variants gain over what the standard library or plain good C++ gives, and
    over the baselines, in all runs. Ladders that are judged by another measure than time are
    counted apart."""
    best = [(at, row) for at, view in enumerate(views) for row in best_of(view)]
    timed = [(at, row) for at, row in best if row.cell.by_time]
    over = [
        Gain(row.over_standard.speedup, row.cell.kernel["name"], at)
        for at, row in timed
        if row.over_standard
    ]
    gains = [
        Gain(row.speedup, row.cell.kernel["name"], at)
        for at, row in timed
        if row.speedup is not None
    ]
    told = []
    if over:
        told.append(gains_told(over, names, STANDARD, "that rung"))
    if gains:
        told.append(gains_told(gains, names, "judged by time", "the baseline"))
    rest = len(best) - len(timed)
    if rest:
        measures = sorted({row.cell.measure["name"] for _, row in best if not row.cell.by_time})
        are = "is" if rest == 1 else "are"
        told.append(f"{counted(rest, 'ladder')} {are} judged by {listed(measures, 3)} instead.")
    return " ".join(told) or "No ladder has a speedup."


def headroom_told(shares: Sequence[tuple[float, str]]) -> str:
    """How close to their ceilings the best variants are. shares: of the ceiling, and the kernel."""
    order = sorted(shares)
    if len(order) == 1:
        return (
            f"Of what the machine's own probes allow, the best variant of {order[0][1]} reaches "
            f"{three_digits(order[0][0])}; no other was held against a ceiling."
        )
    middle = three_digits(median(share for share, _ in order))
    return (
        f"Of what the machine's own probes allow, the best variants of {len(order):,} ladders "
        f"reach {middle} in the median; the most headroom is left in {order[0][1]}, at "
        f"{three_digits(order[0][0])}, the least in {order[-1][1]}, at "
        f"{three_digits(order[-1][0])}."
    )


def rest_of(view: View) -> str:
    """Of a single run how much headroom is left; without a ceiling its noise floor."""
    shares = [
        (row.share.of_ceiling, row.cell.kernel["name"]) for row in best_of(view) if row.share
    ]
    if shares:
        return headroom_told(shares)
    floors = noise_floors([row.cell for row in view.rows])
    if floors:
        name, worst = max(floors.items(), key=lambda pair: pair[1])
        off = percent_at_most(worst - 1)
        return (
            f"Kernels against their own copies strayed by up to {off} ({name}): no claim about "
            f"kernels of that class is made below it."
        )
    return "No kernel was held against a ceiling, and no placebo was measured."


def compared_told(trees: Sequence[Comparison], lacking: int) -> str:
    """How all sides compare with the first. lacking: those that can't be compared with it."""
    told = []
    if trees:
        sides = [trees[0]["sides"][0], *(tree["sides"][1] for tree in trees)]
        told.append(prose.lead(trees, prose.names_of(sides)) or
                    "The runs have no kernel in common but probes and placebos.")  # fmt: skip
    if lacking:
        is_ = "1 other has" if lacking == 1 else f"{lacking} others have"
        told.append(f"{is_} no cell in common with the first, and no part in this.")
    return " ".join(told)


def summary(views: Sequence[View], trees: Sequence[Comparison], lacking: int = 0) -> str:
    """What the runs say in a few sentences. trees: of the comparisons with the first; lacking: how
    many can't be compared with it."""
    names = names_of(views)
    rest = compared_told(trees, lacking) if len(views) > 1 else rest_of(views[0])
    return f"{runs_told(views)} {gains_of(views, names)} {rest}"


def names_of(views: Sequence[View]) -> list[str]:
    """What each run is called in a sentence."""
    return prose.names_of([
        {"machine": view.run["machine"], "label": view.run["label"],
         "runs": [view.run["name"]], "spread": {}, "beside": [], "not_pooled": [], "not_read": 0}
        for view in views
    ])  # fmt: skip
