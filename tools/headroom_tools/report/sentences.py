"""What runs say, in sentences: the head of the page."""

from __future__ import annotations

from collections import Counter
from statistics import median

from headroom_tools.base.text import three_digits
from headroom_tools.compare.differs import moved_of
from headroom_tools.compare.types import Comparison
from headroom_tools.plot.view import View
from headroom_tools.record.noise import noise_floors
from headroom_tools.show.rows import Row, best_rows


def _sentence_of_runs(views: list[View]) -> str:
    rows = [row for view in views for row in view.claims]
    kernels = len({row.cell.kernel["name"] for row in rows})
    counts = Counter(row.verdict for row in rows if row.verdict)
    judged = sum(counts.values())
    where = f"On {views[0].run['machine']}" if len(views) == 1 else f"In {len(views)} runs"
    names = ("faster", "slower", "equivalent", "unresolved")
    told = ", ".join(f"{counts[name]} are {name}" for name in names if counts[name])
    verdicts = ", with too few launches for a verdict"
    if judged:
        verdicts = f": of {judged} comparisons with a baseline {told}"
    return f"{where}, {kernels} kernels were measured with {len(rows)} results{verdicts}."


def best_of(view: View) -> list[Row]:
    """Each ladder's best variant, of the kernels' headline sizes where they have any."""
    rows = best_rows(view.claims)
    return [row for row in rows if row.cell.n in row.cell.kernel["headline"]] or rows


def _sentence_of_standards(best: list[Row]) -> str:
    """How much the best variants gain over what the standard library or plain good C++ gives."""
    found = [
        (row.over_standard.speedup, row.cell.kernel["name"]) for row in best if row.over_standard
    ]
    if not found:
        return ""
    middle = median(speedup for speedup, _ in found)
    most, name = max(found)
    ladders = "ladder has" if len(found) == 1 else "ladders have"
    return (
        f"{len(found)} {ladders} a standard rung, what the standard library or plain good C++ "
        f"gives: the best variant is {three_digits(middle)} times as fast as it in the middle, at "
        f"most {three_digits(most)} times ({name}). "
    )


def _sentence_of_gains(views: list[View]) -> str:
    best = best_of(views[0])
    speedups = [
        (row.speedup, row.cell.kernel["name"]) for row in best if row.speedup is not None
    ]
    if not speedups:
        return "No ladder has a speedup."
    middle = median(speedup for speedup, _ in speedups)
    most, least = (f(speedups, key=lambda pair: pair[0]) for f in (max, min))
    where = "In the first run the" if len(views) > 1 else "The"
    return _sentence_of_standards(best) + (
        f"{where} best variant of a ladder is {three_digits(middle)} times as fast as its baseline "
        f"in the middle, from {three_digits(least[0])} times ({least[1]}) to "
        f"{three_digits(most[0])} times ({most[1]})."
    )


def _sentence_of_rest(view: View, trees: list[Comparison], names: list[str]) -> str:
    for tree, name in zip(trees, names):
        axes = [axis for axis in tree["axes"] if axis["lo"] is not None]
        if axes:
            sure = [axis for axis in axes if moved_of(axis)]
            sure.sort(key=lambda axis: -abs(axis["ratio"] - 1))
            told = ", ".join(f"{three_digits(a['ratio'])} times on {a['axis']}" for a in sure[1:3])
            if not sure:
                return f"Against the first run, no axis of {name} moved beyond what runs vary by."
            rest = "; the other axes have not moved" if len(sure) < len(axes) else ""
            first = f"{three_digits(sure[0]['ratio'])} times the speed of the first run on"
            told = ", ".join(filter(None, (f"{first} {sure[0]['axis']}", told)))
            return f"{name} has {told}{rest}."
    shares = [(row.share.of_ceiling, row) for row in best_of(view) if row.share]
    if shares:
        lowest = min(shares, key=lambda pair: pair[0])
        return (
            f"Of what the machine's own probes allow the best variants reach "
            f"{median(share for share, _ in shares):.2f} in the middle; the most headroom is left "
            f"in {lowest[1].cell.kernel['name']}, at {lowest[0]:.2f}."
        )
    floors = noise_floors([row.cell for row in view.rows])
    if floors:
        name, worst = max(floors.items(), key=lambda pair: pair[1])
        return (f"Kernels against their own copies strayed by up to {100 * (worst - 1):.2g}% "
                f"({name}): no claim is made below that.")  # fmt: skip
    return "No kernel was held against a ceiling, and no placebo was measured."


def summary(views: list[View], trees: list[Comparison], names: list[str]) -> str:
    """What the runs say in a few sentences. trees, names: of the comparisons with the first."""
    of_rest = _sentence_of_rest(views[0], trees, names)
    return f"{_sentence_of_runs(views)} {_sentence_of_gains(views)} {of_rest}"
