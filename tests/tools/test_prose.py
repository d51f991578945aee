"""Every sentence that is made of data is read back, and held against the data it was made of.

The readers here share no code with the makers: they parse numbers, names and counts out of the
text, and count for themselves.
"""

from __future__ import annotations

import math
import random
import re
from statistics import median
from types import SimpleNamespace
from typing import Callable

import pytest
from generated import AXES, comparison, mixed

from headroom_tools.ab import output as ab
from headroom_tools.base.text import counted, listed, percent_at_most
from headroom_tools.compare import clock, prose, tables
from headroom_tools.plot.view import View
from headroom_tools.record.sentinel import OverRun
from headroom_tools.report import sentences
from headroom_tools.scale import terminal as scale
from headroom_tools.show import disturbance, remarks, summary
from headroom_tools.show.terminal import how_told

CASES = range(400)
NOUNS = ("axes", "rows", "kernels", "ladders", "launches", "others", "cells", "results", "runs",
         "comparisons", "pairs", "speedups", "machines", "figures", "axis figures", "threads",
         "rounds")  # fmt: skip
SINGULAR = ("axis", "row", "kernel", "ladder", "launch", "other", "cell", "result", "run",
            "comparison", "pair", "speedup", "machine", "axis figure", "round")  # fmt: skip
MANY = r"(?:[02-9]|\d[\d,]*\d)"
NUMBER = r"(?<![\w.,])"


def over(seeds: range) -> Callable[[Callable[[int], None]], Callable[[], None]]:
    """A test of many cases, in one."""

    def made(test: Callable[[int], None]) -> Callable[[], None]:
        def every() -> None:
            for seed in seeds:
                try:
                    test(seed)
                except Exception as error:
                    raise AssertionError(f"seed {seed}: {error}") from error

        every.__name__, every.__doc__ = test.__name__, test.__doc__
        return every

    return made


def match(pattern: str, text: str) -> re.Match[str]:
    """What has to be there."""
    found = re.search(pattern, text)
    assert found, (pattern, text)
    return found


def grammatical(text: str, sentence: bool = True) -> str:
    """`text`, in which numbers agree with their nouns and verbs."""
    assert not re.search(rf"{NUMBER}1 ({'|'.join(NOUNS)}|are|were|have)\b", text), text
    one = "|".join((*SINGULAR, "is", "was", "has"))
    assert not re.search(rf"{NUMBER}{MANY} ({one})\b(?! figure)", text), text
    assert "  " not in text and " ," not in text and "()" not in text, text
    assert not re.search(r"\b(None|nan|inf)\b", text), text
    assert not re.search(r"not moved|unmoved|unchanged|stayed the same", text), text
    if sentence:
        assert text.endswith(".") and ".." not in text, text
    return text


def numbers(text: str) -> int:
    return int(text.replace(",", ""))


def percent(text: str) -> float:
    return float(text.replace(",", "")) / 100


def kinds(axes: list[dict]) -> dict[str, list[dict]]:
    """Axes by what is known of them, as a reader of the table would sort them."""
    found: dict[str, list[dict]] = {kind: [] for kind in ("up", "down", "same", "open", "unknown")}
    for axis in axes:
        lo, hi = axis["lo"], axis["hi"]
        if lo is None:
            kind = "unknown"
        elif lo > 1:
            kind = "up"
        elif hi < 1:
            kind = "down"
        else:
            kind = "same" if hi < 1.02 and lo * 1.02 > 1 else "open"
        found[kind].append(axis)
    return found


def named(text: str, axes: list[dict], ratios: bool) -> None:
    """`cores 1.28x, simd 0.9x and 3 more` are of these axes, and all of them are counted."""
    more = re.search(r" and (\d+) more$", text)
    parts = re.split(r", | and ", text[: more.start()] if more else text)
    by_name = {axis["axis"]: axis for axis in axes}
    for part in parts:
        name, _, ratio = part.partition(" ")
        assert name in by_name, (text, sorted(by_name))
        if ratios:
            assert ratio.endswith("x")
            told = float(ratio[:-1].replace(",", ""))
            assert told == pytest.approx(by_name[name]["ratio"], rel=6e-3), text
        else:
            assert not ratio
    assert len(set(parts)) == len(parts)
    assert len(parts) + (int(more[1]) if more else 0) == len(axes), text
    assert len(parts) >= min(3, len(axes))
    if ratios and more:  # those that are named moved farthest
        far = [abs(math.log(by_name[part.split(" ")[0]]["ratio"])) for part in parts]
        rest = [abs(math.log(a["ratio"])) for a in axes if a["axis"] not in " ".join(parts).split()]
        assert min(far) >= max(rest), text


def bounds(text: str, axes: list[dict]) -> None:
    """`12%` is the farthest that an interval of these axes reaches from 1, and hardly more."""
    told = percent(text.rstrip("%"))
    reach = max(max(abs(axis["lo"] - 1), abs(axis["hi"] - 1)) for axis in axes)
    assert reach <= told + 1e-9, (text, reach)
    assert told - reach <= (0.001 if told < 0.1 else 0.011), (text, reach)


# --- comparisons, by axis


@over(CASES)
def test_one_side_against_another(seed: int) -> None:
    axes = comparison(random.Random(seed))["axes"]
    text = prose.axes_told(axes, "m0", "m1")
    if not axes:
        assert text == ""
        return
    grammatical(text)
    of = re.findall(r" of (\d+) ax[ei]s\b", text)
    assert of == [str(len(axes))], "all of them, once"
    found = kinds(axes)
    claims = re.findall(r"(faster|slower|within 2%) on (\d+)(?: of \d+ ax[ei]s)? \(([^)]*)\)", text)
    told = {what: (int(count), names) for what, count, names in claims}
    for what, kind in (("faster", "up"), ("slower", "down"), ("within 2%", "same")):
        assert (what in told) == bool(found[kind]), text
        if found[kind]:
            assert told[what][0] == len(found[kind]), text
            named(told[what][1], found[kind], kind != "same")
    still = re.findall(r"(\d+) (?:is|are) not resolved \(([^)]*)\): (it|each) could differ by "
                       r"up to ([\d.,]+%)", text)  # fmt: skip
    assert len(still) == bool(found["open"]), text
    for count, names, each, off in still:
        assert int(count) == len(found["open"]) and (each == "it") == (count == "1")
        named(names, found["open"], False)
        bounds(off, found["open"])
    unknown = re.findall(r"(\d+) (?:has|have) no interval, for too few launches \(([^)]*)\)", text)
    assert len(unknown) == bool(found["unknown"]), text
    for count, names in unknown:
        assert int(count) == len(found["unknown"])
        named(names, found["unknown"], False)
    assert ("not told apart" in text) == (not any(found[kind] for kind in ("up", "down", "same")))
    assert text.startswith("Against m0, m1 is ")


def _fleet(seed: int) -> tuple[list[dict], list[str]]:
    draw = random.Random(seed)
    count = draw.choice((2, 2, 3, 9, 39))
    names = [f"m{at}" for at in range(count + 1)]
    return [comparison(draw, "m0", name) for name in names[1:]], names


@over(CASES)
def test_many_sides_against_one(seed: int) -> None:
    trees, names = _fleet(seed)
    axes = [axis for tree in trees for axis in tree["axes"]]
    text = prose.lead(trees, names)
    if not axes:
        assert text == ""
        return
    grammatical(text)
    first, second, third = text.split(". ", 2)
    head = re.fullmatch(
        r"Of the ([\d,]+) axis figures? that (\d+) others? ha(?:ve|s) against m0, (.*)", first
    )
    assert head and numbers(head[1]) == len(axes), text
    assert int(head[2]) == sum(bool(tree["axes"]) for tree in trees), text
    found = kinds(axes)
    counts = {what: numbers(count) for count, what in re.findall(
        r"([\d,]*\d) (?:is |are )?(faster|slower|within 2%|without an interval|not resolved)",
        head[3])}  # fmt: skip
    assert counts == {
        what: len(found[kind])
        for what, kind in (("faster", "up"), ("slower", "down"), ("within 2%", "same"),
                           ("without an interval", "unknown"), ("not resolved", "open"))
        if found[kind]
    }, text  # fmt: skip
    if found["open"]:
        bounds(match(r"could differ by up to ([\d.,]+%)", first)[1], found["open"])
    # Who is where, BASE among them.
    by_axis: dict[str, dict[str, float]] = {}
    for name, tree in zip(names[1:], trees):
        for axis in tree["axes"]:
            by_axis.setdefault(axis["axis"], {"m0": 1.0})[name] = axis["ratio"]
    spread = {axis: max(own.values()) / min(own.values()) for axis, own in by_axis.items()}
    assert second.startswith("With m0 as 1, the range is ")
    ranges = re.findall(r"([\d.,]+)x \(([^)]*)\) to ([\d.,]+)x \(([^)]*)\) on ([a-z-]+)", second)
    assert len(ranges) == min(3, len(by_axis)), text
    for low, slowest, high, fastest, axis_ in ranges:
        own = by_axis[axis_]
        for told, who, end in ((low, slowest, min), (high, fastest, max)):
            assert float(told) == pytest.approx(end(own.values()), rel=6e-3), text
            for name in re.split(r", | and ", re.sub(r" and [\d,]+ more$", "", who)):
                assert own[name] == end(own.values()), text
    least = min(spread[axis_] for *_, axis_ in ranges)
    others = {axis: value for axis, value in spread.items() if axis not in {r[4] for r in ranges}}
    assert all(value <= least for value in others.values()), "the widest are told"
    rest = re.search(r"; on (?:the other axis|each of the other (\d+) axes) the highest is at most "
                     r"([\d.,]*\d)x the lowest", second)  # fmt: skip
    assert bool(rest) == bool(others), text
    if rest:
        assert int(rest[1] or 1) == len(others)
        told_most = float(rest[2].replace(",", ""))
        assert max(others.values()) <= told_most + 1e-6 <= max(others.values()) + 0.0101, text
    ends = re.fullmatch(r"(.*) (?:has|each have) the highest figure on (\d+) of (\d+) ax[ei]s, "
                        r"(.*) (?:has|each have) the lowest on (\d+)\.", third)  # fmt: skip
    assert ends and int(ends[3]) == len(by_axis), text
    for who, count, end in ((ends[1], ends[2], max), (ends[4], ends[5], min)):
        tops = {
            name: sum(name in own and own[name] == end(own.values()) for own in by_axis.values())
            for name in names
        }
        best = [name for name, top in tops.items() if top == max(tops.values())]
        assert int(count) == max(tops.values()), text
        more = re.search(r" and ([\d,]+) more$", who)
        shown = re.split(r", | and ", who[: more.start()] if more else who)
        assert set(shown) <= set(best), text
        assert len(shown) + (numbers(more[1]) if more else 0) == len(best), text


def test_nine_axes_of_ten_that_moved_are_nine() -> None:
    draw = random.Random(1)
    axes = comparison(draw)["axes"]
    while len(axes) < 10:
        axes = comparison(draw)["axes"]
    axes = [{**axis, "axis": name, "ratio": 0.6 + 0.02 * at, "lo": 0.5, "hi": 0.9}
            for at, (axis, name) in enumerate(zip(axes[:10], AXES))]  # fmt: skip
    axes[9].update(ratio=1.0, lo=0.9, hi=1.12)
    text = prose.axes_told(axes, "BASE", "NEW")
    assert text == (
        "Against BASE, NEW is slower on 9 of 10 axes (scalar 0.600x, simd 0.620x, cores 0.640x and "
        "6 more); 1 is not resolved (syscall): it could differ by up to 12%."
    )


def test_sides_are_told_apart_by_their_names() -> None:
    def side(machine: str, label: str, run: str) -> dict:
        return {"machine": machine, "label": label, "runs": [run], "spread": {}}

    assert prose.names_of([side("a", "x", "1"), side("b", "x", "2")]) == ["a", "b"]
    assert prose.names_of([side("a", "x", "1"), side("a", "y", "2")]) == ["x", "y"]
    assert prose.names_of([side("a", "x", "1"), side("a", "x", "2"), side("b", "x", "3")]) == [
        "a · x · 1", "a · x · 2", "b · x"
    ]  # fmt: skip


# --- rows and the clock


@over(CASES)
def test_rows_are_counted_by_verdict(seed: int) -> None:
    tree = comparison(random.Random(seed))
    text = grammatical(tables.summary(tree), False)
    total, told = re.fullmatch(r"([\d,]+) rows?: (.*)", text).groups()
    assert numbers(total) == len(tree["rows"])
    counts = {what: numbers(count) for count, what in re.findall(
        r"([\d,]*\d) (faster|slower|equivalent|unresolved|without a verdict)", told)}  # fmt: skip
    want: dict[str, int] = {}
    for row in tree["rows"]:
        name = row["verdict"] or "without a verdict"
        want[name] = want.get(name, 0) + 1
    assert counts == want and sum(counts.values()) == len(tree["rows"])


@over(CASES)
def test_what_would_resolve_is_what_the_rows_need(seed: int) -> None:
    draw = random.Random(seed)
    trees = [comparison(draw) for _ in range(draw.choice((1, 3)))]
    needs = [row["runs_for_5_percent"] or math.inf for tree in trees for row in tree["rows"]
             if row["verdict"] == "unresolved"]  # fmt: skip
    text = tables.needed(trees)
    assert bool(text) == bool(needs)
    if not needs:
        return
    grammatical(text, False)
    assert "over 100 or fewer" not in text, text
    one = re.search(r"in the one unresolved row (over )?(\d+)$", text)
    half = re.search(r"in half of the ([\d,]+) unresolved rows (\d+) or fewer$", text)
    never = re.search(r"in ([\d,]+) of the ([\d,]+) unresolved rows over 100$", text)
    assert sum(map(bool, (one, half, never))) == 1, text
    if one:
        assert len(needs) == 1 and (math.isinf(needs[0]) if one[1] else needs[0] == int(one[2]))
    if half:
        assert numbers(half[1]) == len(needs)
        assert 2 * sum(need <= int(half[2]) for need in needs) >= len(needs), text
        assert 2 * sum(need < int(half[2]) for need in needs) < len(needs), "and no fewer runs"
    if never:
        assert numbers(never[2]) == len(needs)
        assert numbers(never[1]) == sum(map(math.isinf, needs)) > len(needs) / 2


@over(CASES)
def test_the_clock_is_the_same_only_where_the_probes_agree(seed: int) -> None:
    seen = comparison(random.Random(seed))["clock"]
    text = clock.told(seen)
    if seen is None:
        assert text == "" and not clock.fact(seen)
        return
    base, new = re.search(r"([\d.]+) GHz on BASE and ([\d.]+) GHz on NEW", text).groups()
    assert float(base) == pytest.approx(seen["base_hz"] / 1e9, abs=0.0051), "both figures, always"
    assert float(new) == pytest.approx(seen["new_hz"] / 1e9, abs=0.0051)
    agree = seen["lo"] is not None and seen["lo"] <= 1 <= seen["hi"]
    assert ("the same" in text) == agree, text
    assert ("too few launches" in text) == (seen["lo"] is None)
    part = re.search(r"([\d.]+)x is the clock", text)
    assert bool(part) == (seen["lo"] is not None and not agree and abs(seen["ratio"] - 1) > 0.005)
    if part:
        assert float(part[1]) == pytest.approx(seen["ratio"], abs=6e-4)
    small = re.search(r"a difference of ([\d.]+)%", text)
    if small:
        assert percent(small[1]) == pytest.approx(abs(seen["ratio"] - 1), abs=6e-5)
    assert bool(clock.fact(seen)) == (seen["lo"] is not None and not agree)


@over(CASES)
def test_every_sides_clock_is_told(seed: int) -> None:
    trees, names = _fleet(seed)
    clocks = [tree["clock"] for tree in trees]
    text = clock.told_of_many(clocks, names[1:])
    assert bool(text) == any(clocks)
    if not text:
        return
    _, _, rest = text.partition(": ")
    parts = rest.split("; ")
    same = next((part for part in parts if part.startswith("the same")), "")
    without = next((part for part in parts if part.startswith("no probe")), "")
    apart = [part for part in parts[1:] if part not in (same, without)]
    assert parts[0] == "BASE 4.30 GHz"
    for name, seen in zip(names[1:], clocks):
        place = [what for what in (same, without, *apart) if re.search(rf"\b{name}\b", what)]
        assert len(place) == 1, (name, text)
        if seen is None:
            assert place == [without]
            continue
        assert f"{name} {seen['new_hz'] / 1e9:.2f}" in place[0], text
        agree = seen["lo"] is not None and seen["lo"] <= 1 <= seen["hi"]
        assert (place == [same]) == agree, text
        assert agree or f"({seen['ratio']:.3f}x)" in place[0]


# --- the head of a report


class Truth:
    """What a record of `mixed` holds, counted from its columns."""

    def __init__(self, run: dict):
        launches = run["plan"]["launches"]
        ladders, cells = run["ladders"], run["cells"]
        tops = dict(zip(run["ceilings"]["ladder"], run["ceilings"]["log_ratio"]))
        self.kernels = {kernel["name"] for kernel in run["kernels"]}
        self.results = len(cells["ladder"])
        self.withheld = 0
        self.open = 0
        self.judged = 0
        self.gains: list[tuple[float, str]] = []
        self.over: list[tuple[float, str]] = []
        self.shares: list[tuple[float, str]] = []
        for ladder, kernel_ in enumerate(ladders["kernel"]):
            kernel = run["kernels"][kernel_]
            rungs = [at for at, of in enumerate(cells["ladder"]) if of == ladder]
            best = None
            for at in rungs:
                ratios, share = cells["log_ratio"][at], None
                if ladder in tops:
                    shares = sorted(a - b for a, b in zip(ratios, tops[ladder]))
                    share = math.exp(median(shares))
                    if launches == 10 and shares[1] > math.log(1.05):
                        self.withheld += 1
                        continue
                if cells["variant"][at]:
                    self.judged += launches == 10
                    self.open += launches != 10
                time = median(cells["median"][at])
                if best is None or time < best[0]:
                    best = time, at, share
            if best is None:
                continue
            ratios = cells["log_ratio"][best[1]]
            variant = cells["variant"][best[1]]
            gain = math.exp(median(ratios)) if variant else 1.0
            standards = [at for at in rungs if kernel["variants"][cells["variant"][at]]["role"]
                         == "standard"]  # fmt: skip
            entry = kernel["headline"] == [4096], gain, kernel["name"], best[2], None
            if standards:
                own = cells["log_ratio"][standards[0]]
                entry = (*entry[:4], math.exp(median([a - b for a, b in zip(ratios, own)])))
            self.gains.append(entry)
        entries: list = self.gains
        headline = [entry for entry in entries if entry[0]] or entries
        self.gains = [(entry[1], entry[2]) for entry in headline]
        self.shares = [(entry[3], entry[2]) for entry in headline if entry[3] is not None]
        self.over = [(entry[4], entry[2]) for entry in headline if entry[4] is not None]


def _views(seed: int) -> tuple[list[View], list[Truth], list[str]]:
    draw = random.Random(seed)
    count = draw.choice((1, 1, 2, 3, 12))
    launches = draw.choice((10, 10, 3))
    machines = [f"m{at}" for at in range(count)]
    kind = draw.random()
    if kind < 0.3:
        machines = ["m0"] * count
    elif kind < 0.5:
        machines = [f"m{at // 2}" for at in range(count)]
    records = [mixed(draw, machine, launches) for machine in machines]
    for at, (run, _) in enumerate(records):
        run["label"] = f"l{at}"
    return [View(*record) for record in records], [Truth(run) for run, _ in records], machines


@over(range(150))
def test_what_was_measured_is_counted(seed: int) -> None:
    views, truths, machines = _views(seed)
    text = grammatical(sentences.runs_told(views))
    if len(views) == 1:
        assert text.startswith("On m0, ")
    elif len(set(machines)) == len(views):
        assert text.startswith(f"On {len(views)} machines, ")
    else:
        runs, where = re.match(r"In (\d+) runs on ([^,]*), ", text).groups()
        assert int(runs) == len(views)
        several = len(set(machines)) > 1
        assert where == (f"{len(set(machines))} machines" if several else "m0")
    kernels = set().union(*(truth.kernels for truth in truths))
    assert int(re.search(r"(\d+) kernels? (?:was|were) measured", text)[1]) == len(kernels)
    each = sorted({len(truth.kernels) for truth in truths})
    told = re.search(r"\((\d+) to (\d+) of them in each run\)", text)
    assert bool(told) == (len(each) > 1)
    if told:
        assert (int(told[1]), int(told[2])) == (each[0], each[-1])
    assert numbers(re.search(r"with ([\d,]+) results?", text)[1]) == sum(
        truth.results for truth in truths
    )
    judged = re.search(r"of ([\d,]+) comparisons? with a baseline, ([^;]*)", text)
    assert numbers(judged[1] if judged else "0") == sum(truth.judged for truth in truths), text
    if judged:
        parts = re.findall(r"([\d,]*\d) (?:is |are )?(?:faster|slower|equivalent|unresolved)",
                           judged[2])  # fmt: skip
        assert sum(map(numbers, parts)) == numbers(judged[1]), text
    for what, want in (("with too few launches for a verdict", sum(t.open for t in truths)),
                       ("withheld, being above", sum(t.withheld for t in truths))):  # fmt: skip
        found = re.search(rf"([\d,]+) {what}", text)
        assert (numbers(found[1]) if found else 0) == want, text


def _gain(text: str, want: list[tuple[float, str, str]], runs: int) -> None:
    """A sentence of speedups. want: (speedup, kernel, run), of all."""
    head = re.match(r"In ([\d,]+) ladders?\b", text)
    assert head and numbers(head[1]) == len(want), text
    times = [float(value.replace(",", "")) for value in re.findall(r"([\d.,]+) times", text)]
    order = sorted(want)
    assert times[0] == pytest.approx(median(speedup for speedup, *_ in want), rel=6e-3), text
    if len(want) == 1:
        assert len(times) == 1 and f"({order[0][1]}" in text
        return
    assert times[1:3] == pytest.approx([order[0][0], order[-1][0]], rel=6e-3), text
    who = re.findall(r"times \((simd/k\d+)(?: on ([^)]*))?\)", text)
    for (kernel, run), (end, *_) in zip(who, (order[0], order[-1])):  # of equals any
        ends = {(name, place if runs > 1 else "") for value, name, place in want if value == end}
        assert (kernel, run) in ends, text
    by_run: dict[str, list[float]] = {}
    for speedup, _, run in want:
        by_run.setdefault(run, []).append(speedup)
    middles = sorted((median(own), run) for run, own in by_run.items())
    told = re.search(r"the median of a run goes from [\d.,]+ times \((.*?)\) to [\d.,]+ times "
                     r"\((.*?)\)", text)  # fmt: skip
    assert bool(told) == (len(middles) > 1), "of all runs, never only of the first"
    if told:
        assert times[3:] == pytest.approx([middles[0][0], middles[-1][0]], rel=6e-3), text
        for place, end in ((told[1], middles[0][0]), (told[2], middles[-1][0])):
            assert (end, place) in middles, text


@over(range(150))
def test_gains_are_of_all_runs(seed: int) -> None:
    views, truths, machines = _views(seed)
    names = [truth_name(view, machines, len(views)) for view in views]
    text = grammatical(sentences.gains_of(views, names))
    over = [(*entry, name) for truth, name in zip(truths, names) for entry in truth.over]
    gains = [(*entry, name) for truth, name in zip(truths, names) for entry in truth.gains]
    parts = re.split(r"(?<=\.) (?=In )", text)
    assert len(parts) == bool(over) + bool(gains) or not gains, text
    if not gains:
        assert text == "No ladder has a speedup."
        return
    if over:
        assert "with a standard rung" in parts[0]
        _gain(parts[0], over, len(views))
    assert "judged by time" in parts[-1]
    _gain(parts[-1], gains, len(views))


def truth_name(view: View, machines: list[str], count: int) -> str:
    """Runs are told apart by machine, on one machine by label, else by both."""
    if len(set(machines)) == count:
        return view.run["machine"]
    if len(set(machines)) == 1:
        return view.run["label"]
    return f"{view.run['machine']} · {view.run['label']}"


@over(range(150))
def test_headroom_is_that_of_the_best(seed: int) -> None:
    (view, *_), (truth, *_), _ = _views(seed)
    text = grammatical(sentences.rest_of(view))
    shares = sorted(truth.shares)
    if not shares:
        assert "No kernel was held against a ceiling" in text
        return
    if len(shares) == 1:
        assert f"the best variant of {shares[0][1]} reaches" in text
        found = re.search(r"reaches ([\d.]+);", text)
        assert float(found[1]) == pytest.approx(shares[0][0], rel=6e-3)
        return
    found = re.search(
        r"of (\d+) ladders reach ([\d.]+) in the median; the most headroom is left in (\S+), at "
        r"([\d.]+), the least in (\S+), at ([\d.]+)\.", text,
    )  # fmt: skip
    assert found, text
    assert int(found[1]) == len(shares)
    want = (median(share for share, _ in shares), shares[0][0], shares[-1][0])
    assert [float(found[at]) for at in (2, 4, 6)] == pytest.approx(want, rel=6e-3), text
    assert (found[3], found[5]) == (shares[0][1], shares[-1][1]), text


@over(range(60))
def test_the_head_of_a_page_is_about_all_runs(seed: int) -> None:
    draw = random.Random(seed)
    trees, names = _fleet(seed)
    views = [View(*mixed(draw, name)) for name in names]
    lacking = draw.choice((0, 0, 1, 3))
    text = grammatical(sentences.summary(views, trees, lacking))
    assert "first run" not in text
    assert text.startswith(f"On {len(names)} machines, ")
    if any(tree["axes"] for tree in trees):
        assert prose.lead(trees, names) in text
    else:
        assert "no kernel in common" in text
    found = re.search(r"(\d+) others? ha(?:s|ve) no cell in common with the first", text)
    assert (int(found[1]) if found else 0) == lacking
    alone = sentences.summary(views[:1], [])
    assert alone.startswith("On m0, ") and "Against" not in alone


# --- one run


@over(CASES)
def test_disturbed_launches_are_counted(seed: int) -> None:
    draw = random.Random(seed)
    count = draw.choice((1, 2, 40, 1200))
    attempts = [draw.choice((1, 1, 1, 2, 2)) for _ in range(count)]
    bad = draw.choice((0.0, 0.3, 1.0))
    disturbed = [sum(draw.random() < bad for _ in range(own)) for own in attempts]
    cause = [draw.choice(("stolen", "others")) if own and draw.random() < 0.5 else None
             for own in disturbed]  # fmt: skip
    known = {"attempts": attempts, "disturbed": disturbed, "cause": cause}
    run = {"launches": draw.choice((known, known, known, {}))}
    core = None
    if draw.random() < 0.6:
        core = OverRun(1.0, draw.random() / 5, draw.choice((0, 1, 3)), draw.random() / 3,
                       draw.choice((0, 1, 70)), draw.choice((0, 1, 90)),
                       draw.choice((0.0, 0.3, 12.0)))  # fmt: skip
    text = disturbance.line_told(disturbance.totals(run), core)
    repeated = sum(own > 1 for own in attempts)
    if not run["launches"]:
        assert (text is None) == (core is None)
        assert core is None or "not known" in text and "no launch" not in text, text
    elif text is None:
        assert core is None and not repeated and not any(disturbed)
    else:
        grammatical(text, False)
        head = re.search(r"([\d,]+) of ([\d,]+) launch(?:es)? (?:was|were) disturbed", text)
        assert bool(head) == any(disturbed), text
        if head:
            assert numbers(head[1]) == sum(own > 0 for own in disturbed)
            assert numbers(head[2]) == count
            again = re.search(r"([\d,]*\d|none) (?:was|were) measured again", text)
            assert again and again[1].replace("none", "0").replace(",", "") == str(repeated), text
            stayed = re.search(r"(\d+|none) stayed disturbed", text)
            left = sum(own == tried for own, tried in zip(disturbed, attempts))
            assert stayed and int(stayed[1].replace("none", "0")) == left, text
            cleared = re.search(r"\(([\d,]+) of them cleared since\)", text)
            want = sum(own == 0 and tried > 1 for own, tried in zip(disturbed, attempts))
            assert (numbers(cleared[1]) if cleared else 0) == want, text
        elif repeated:
            assert re.search(
                rf"{repeated:,} of {count:,} launch(es)? (was|were) measured again", text
            )
        else:
            assert "no launch was measured again" in text
    if core and text:
        spread = re.search(r"sentinel within ([\d.]+)% over the run", text)
        assert spread and 0 <= percent(spread[1]) - core.spread <= 0.0101, text
        for count, what in ((core.rounds, "left out"), (core.again, "run again")):
            own = re.search(rf"(\d+) rounds? beside a slow reading (?:was|were) {what}", text)
            assert (int(own[1]) if own else 0) == count, text
        waited = re.search(r"launches waited (\d+) s in all for a quiet core", text)
        assert (int(waited[1]) if waited else 0) == (round(core.waited) if core.waited >= 1 else 0)
        slowed = re.search(
            r"around (\d+) launch(?:es)? the machine itself was up to ([\d.]+)%", text
        )
        assert (int(slowed[1]) if slowed else 0) == core.slowed
        assert not slowed or 0 <= percent(slowed[2]) - core.by <= 0.0101


def test_how_speedups_are_made_is_told_of_what_has_some() -> None:
    assert how_told(1, True, 0.02) == "1 launch: too few for an interval or a verdict"
    assert how_told(10, False, 0.02) == "10 launches; nothing here is compared with a baseline"
    told = how_told(10, True, 0.02)
    assert "median of 10 launches [2 to 9 in order: 97.9%], band ±2%" in told


def test_what_could_not_be_checked_alone_does_not_agree() -> None:
    records = (mixed(random.Random(seed), "m") for seed in range(99))
    ladders = ([row for row in View(*one).rows if row.cell.kernel["name"] == "simd/k0"]
               for one in records)  # fmt: skip
    base, *others = next(rows for rows in ladders if len(rows) > 1)
    rows = [base, *(row._replace(alone=row.speedup) for row in others)]
    assert others and remarks.alone_checked(rows) == len(others)
    lost = [base, *(row._replace(speedup=None, alone=2.0) for row in others)]
    assert remarks.alone_checked(lost) == 0 and not remarks.alone_differs(lost)
    assert grammatical(remarks.alone_told(1, 1), False).endswith("within 10% in 1 of 1 speedup")


@over(range(60))
def test_least_and_most_headroom_are_that(seed: int) -> None:
    draw = random.Random(seed)
    best = [
        SimpleNamespace(
            share=draw.choice((None, *[SimpleNamespace(of_ceiling=draw.uniform(0.001, 1.2))] * 4)),
            cell=SimpleNamespace(kernel={"name": f"k{draw.randint(0, 4)}"}),
        )
        for _ in range(draw.choice((0, 1, 2, 5, 20)))
    ]
    least, most = summary.extremes_of(best)
    shares = sorted(row.share.of_ceiling for row in best if row.share)
    assert bool(least) == bool(most) == (len(shares) > 1)
    if least:
        assert least[0][0] == shares[-1] and most[0][0] == shares[0]
        for found in (least, most):
            names = [row.cell.kernel["name"] for _, row in found]
            assert len(set(names)) == len(names) <= 3


# --- two builds, and threads


@over(range(60))
def test_the_last_line_of_ab_counts_every_cell(seed: int) -> None:
    draw = random.Random(seed)
    rows = [
        SimpleNamespace(
            kernel={"placebo": draw.choice(("", "", "cpu"))},
            verdict=draw.choice(("faster", "slower", "equivalent", "unresolved", None)),
        )
        for _ in range(draw.choice((0, 1, 2, 5, 40)))
    ]
    text = grammatical(ab.closing_told(rows), False)
    own = [row.verdict or "without a verdict" for row in rows if not row.kernel["placebo"]]
    assert int(re.search(r" of (\d+) cells?$", text)[1]) == len(own)
    told = {what: int(count) for count, what in re.findall(
        r"(\d+) (faster|slower|equivalent|unresolved|without a verdict)", text)}  # fmt: skip
    assert told == {name: own.count(name) for name in own}


def test_pairs_that_would_decide_are_known_ones() -> None:
    assert ab.needed_told([]) == "how many pairs would decide is not known"
    assert ab.needed_told([24]) == "about 24 pairs would decide (--pairs)"
    assert ab.needed_told([24, 12, 40]) == "about 12 to 40 pairs would decide (--pairs)"


@over(range(100))
def test_a_laws_line_says_what_it_fits(seed: int) -> None:
    draw = random.Random(seed)

    def parameter(value: float | None) -> dict:
        known = draw.random() < 0.7 and value is not None
        ends = (value * 0.9, draw.choice((value * 1.1, None))) if known and value else (None, None)
        return {"value": value, "lo": ends[0], "hi": ends[1]}

    law = {"serial": parameter(draw.random()), "limit": parameter(draw.choice((None, 4.5, 120.0))),
           "worst_miss": draw.choice((0.0, 0.00001, 0.0312, 0.4)),
           "checked": draw.random() < 0.5}  # fmt: skip
    ((name, text),) = scale.laws_told({"amdahl": law, "usl": None})
    assert name == "Amdahl"
    grammatical(text, False)
    limit = re.search(r"at most ([\d.]+)x(?: \[([\d.]+), ([\d.]+|no end)\])?", text)
    assert bool(limit) == (law["limit"]["value"] is not None) == ("no limit seen" not in text)
    if limit:
        assert float(limit[1]) == pytest.approx(law["limit"]["value"], rel=6e-3)
        assert bool(limit[2]) == (law["limit"]["lo"] is not None)
        assert not limit[2] or (limit[3] == "no end") == (law["limit"]["hi"] is None)
    assert ("unchecked" in text) == (not law["checked"])
    misses = re.search(r"misses up to ([\d.]+)%", text)
    assert misses or not law["checked"] and law["worst_miss"] < 0.0005
    if misses:
        assert 0 <= percent(misses[1]) - law["worst_miss"] + 1e-9 <= 0.0101
    points = [{"threads": at, "speedup": draw.choice((None, 0.9 * at))} for at in (1, 2, 8)]
    told = re.findall(r"(\d+) threads? ([\d.]+)x", grammatical(scale.points_told(points), False))
    assert [int(count) for count, _ in told] == [p["threads"] for p in points if p["speedup"]]


# --- words


def test_lists_counts_and_bounds() -> None:
    assert [listed(list("abcde"[:n])) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert listed(list("abcde"), 2) == "a, b and 3 more" and listed(["a"], 2) == "a"
    assert listed(list("abc"), 3) == "a, b and c"
    assert counted(1, "launch", "launches") == "1 launch"
    assert counted(1130, "launch", "launches") == "1,130 launches"
    assert counted(0, "axis", "axes") == "0 axes" and counted(2, "row") == "2 rows"
    for share, told in ((0.0301, "3.1%"), (0.03, "3.0%"), (0.0, "0.0%"), (0.1201, "13%"),
                        (0.12, "12%"), (15.0, "1,500%")):  # fmt: skip
        assert percent_at_most(share) == told
