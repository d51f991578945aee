"""What the rules, and the usual other tests, make of the samples: shares with exact intervals."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Callable, Iterable, NamedTuple, Optional, Sequence, TypedDict

from headroom_tools import stats
from headroom_tools.record.cells import of_launches
from headroom_tools.selfcheck.measure import Sample
from headroom_tools.show.rows import BAND, MOVED

SAME = "copy"
PLUS = {"plus_0.5": 0.005, "plus_1": 0.01, "plus_2": 0.02, "plus_5": 0.05}
CACHED = ("selfcheck/chain", "selfcheck/lookup")  # kernels whose data stay in caches
COMPUTE = "selfcheck/chain"
# A goal counts as missed only beyond this interval: some ten goals are judged at every change, and
# at 95% one sound change in five or so would be refused.
SURE = 0.999
GBENCH_COMPARE = (
    "/usr/share/benchmark/compare.py",
    "/usr/local/share/googlebenchmark/tools/compare.py",
)


# The times of a sample that a test looks at.
Times = Callable[[Sample], Sequence[Optional[float]]]


class Share(NamedTuple):
    """hits of trials; lo and hi are the exact (Clopper-Pearson) 95% bounds of the true share."""

    hits: int
    trials: int
    lo: float
    hi: float

    @property
    def value(self) -> float:
        return self.hits / self.trials if self.trials else math.nan


def exact(hits: int, trials: int, coverage: float) -> tuple[float, float]:
    """The exact (Clopper-Pearson) interval of a share."""
    from scipy.special import betaincinv

    tail = (1 - coverage) / 2
    lo = 0.0 if hits == 0 else float(betaincinv(hits, trials - hits + 1, tail))
    hi = 1.0 if hits == trials else float(betaincinv(hits + 1, trials - hits, 1 - tail))
    return lo, hi


def share(flags: Iterable[bool]) -> Share:
    """The share of true flags, with its exact interval."""
    flags = [bool(flag) for flag in flags]
    hits, trials = sum(flags), len(flags)
    return Share(hits, trials, *exact(hits, trials, stats.COVERAGE))


class Judged(NamedTuple):
    """A sample by the rules of `show`: p before Holm, half-width in logs."""

    sample: Sample
    detected: bool
    verdict: str | None
    half_width: float


def complete(sample: Sample) -> bool:
    """Whether every launch gave its numbers, and there are enough of them for an interval."""
    whole = all(value is not None for value in sample.log_ratio)
    return whole and stats.order_ranks(len(sample.log_ratio)) is not None


def judged(sample: Sample) -> Judged:
    """A complete sample as `show` would judge a row."""
    found = stats.speedup_of(of_launches(sample.log_ratio))
    if found is None or found.lo is None or found.hi is None or found.p is None:
        raise ValueError("an incomplete sample")
    half = (math.log(found.hi) - math.log(found.lo)) / 2
    return Judged(sample, found.p < stats.ALPHA, stats.verdict(found.intervals, BAND), half)


class Goal(NamedTuple):
    """What is to be reached, and whether it is.

    lo, hi: at 95%. status: met, missed (the goal lies outside the interval at SURE too), or open
    (chance may be why it isn't met). sensitivity: what noise alone can miss (how small a difference
    is still found, how narrow an interval is); false: what no machine excuses (a false finding).
    """

    what: str
    limit: float
    at_most: bool
    measured: float
    lo: float
    hi: float
    trials: int
    status: str
    sensitivity: bool


def _status(limit: float, at_most: bool, value: float, sure: tuple[float, float]) -> str:
    if value <= limit if at_most else value >= limit:
        return "met"
    beyond = sure[0] > limit if at_most else sure[1] < limit
    return "missed" if beyond else "open"


def of_share(what: str, limit: float, at_most: bool, found: Share) -> Goal:
    """A goal for a share."""
    sure = exact(found.hits, found.trials, SURE)
    status = _status(limit, at_most, found.value, sure)
    bounds = (found.value, found.lo, found.hi, found.trials)
    return Goal(what, limit, at_most, *bounds, status, sensitivity=not at_most)


def of_widths(what: str, limit: float, widths: list[float]) -> Goal:
    """A goal for the median of half-widths (logs)."""
    unknown = stats.Interval(0.0, math.inf, 0.0)
    shown, sure = (
        stats.order_interval(widths, coverage) or unknown for coverage in (stats.COVERAGE, SURE)
    )
    value, lo, hi = map(math.expm1, (median(widths), shown.lo, shown.hi))
    status = _status(limit, True, value, (math.expm1(sure.lo), math.expm1(sure.hi)))
    return Goal(what, limit, True, value, lo, hi, len(widths), status, sensitivity=True)


class Effect(TypedDict):
    """A kernel with known further work: nominal and calibrated, as shares."""

    kernel: str
    variant: str
    nominal: float
    calibrated: float
    detected: Share
    slower: Share


class Null(TypedDict):
    """Identical code under one condition."""

    condition: str
    kernel: str
    detected: Share
    false_verdict: Share
    half_width: float


class Test(TypedDict):
    """A test, and how often it detects."""

    test: str
    same: Share
    one_per_cent: Share


def effects(all_judged: list[Judged]) -> list[Effect]:
    """By kernel and variant of known size: the calibrated effect, and how often it was detected.

    The calibrated effect is the median over all quiet launches: what the further steps really cost.
    """
    found: list[Effect] = []
    by_variant: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for item in all_judged:
        if item.sample.variant in PLUS and item.sample.condition == "quiet":
            by_variant[item.sample.kernel, item.sample.variant].append(item)
    order = sorted(by_variant.items(), key=lambda at: (at[0][0], PLUS[at[0][1]]))
    for (kernel, variant), items in order:
        logs = [value for item in items for value in of_launches(item.sample.log_ratio)]
        found.append(
            {
                "kernel": kernel,
                "variant": variant,
                "nominal": PLUS[variant],
                "calibrated": math.expm1(-median(logs)),
                "detected": share(item.detected for item in items),
                "slower": share(item.verdict == "slower" for item in items),
            }
        )
    return found


def null(all_judged: list[Judged]) -> list[Null]:
    """By condition and kernel: how often identical code was `detected`, or got a verdict."""
    by_place: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for item in all_judged:
        if item.sample.variant == SAME:
            by_place[item.sample.condition, item.sample.kernel].append(item)
    order = ("quiet", "cpu", "memory")
    return [
        {
            "condition": condition,
            "kernel": kernel,
            "detected": share(item.detected for item in items),
            "false_verdict": share(item.verdict in MOVED for item in items),
            "half_width": median(math.expm1(item.half_width) for item in items),
        }
        for (condition, kernel), items in sorted(
            by_place.items(), key=lambda at: (order.index(at[0][0]), at[0][1])
        )
    ]


def goals(all_judged: list[Judged]) -> list[Goal]:
    """Everything that the statistics are to reach on this machine."""
    same = [item for item in all_judged if item.sample.variant == SAME]
    found = []
    for kernel in sorted({item.sample.kernel for item in same}):
        own = [item for item in same if item.sample.kernel == kernel]
        found.append(
            of_share(f"identical code detected, {kernel}", 0.05, True,
                     share(item.detected for item in own))
        )  # fmt: skip
    found.append(
        of_share("identical code faster or slower", 0.01, True,
                 share(item.verdict in MOVED for item in same))
    )  # fmt: skip
    runs = defaultdict(list)
    for item in same:
        runs[item.sample.condition, item.sample.group].append(item.verdict in MOVED)
    whole = share(map(any, runs.values()))
    found.append(of_share("whole runs with a false verdict", 0.05, True, whole))
    for variant, limit in (("plus_0.5", 0.80), ("plus_1", 0.95)):
        for kernel in CACHED:
            own = [
                item
                for item in all_judged
                if item.sample.kernel == kernel
                and item.sample.variant == variant
                and item.sample.condition == "quiet"
            ]
            if own:
                found.append(
                    of_share(f"{100 * PLUS[variant]:g}% detected, {kernel}", limit, False,
                             share(item.detected for item in own))
                )  # fmt: skip
    widths = [
        item.half_width
        for item in same
        if item.sample.kernel == COMPUTE and item.sample.condition == "quiet"
    ]
    if widths:
        what = f"half-width of the interval (median), {COMPUTE}"
        found.append(of_widths(what, 0.0025, widths))
    return found


def failed(found: Iterable[Goal], mode: str) -> bool:
    """Whether `selfcheck` fails by these goals.

    `quick` runs anywhere, beside anything, so that only what noise can't excuse fails it; `full`
    is for a quiet machine, and every missed goal counts.
    """
    return any(
        goal.status == "missed" and (mode == "full" or not goal.sensitivity) for goal in found
    )


# --- other tests on the same samples


def _welch_detects(sample: Sample) -> bool:
    """Welch's t over the launches' medians, unpaired: launches as the unit, no pairing."""
    from scipy.special import stdtr

    base, new = (of_launches(times) for times in (sample.base, sample.new))
    found = stats.welch([math.log(x) for x in base], [math.log(x) for x in new])
    if found is None:
        return False
    if not found.error:
        return found.mean != 0
    return 2 * stdtr(found.freedom, -abs(found.mean) / found.error) < stats.ALPHA


def _paired_rounds_detect(sample: Sample) -> bool:
    """Student's t over the paired rounds of one launch: pairing, but rounds as the unit."""
    pairs = zip(sample.base_rounds, sample.new_rounds)
    logs = [math.log(base / new) for base, new in pairs if base and new and base > 0 and new > 0]
    p = stats.t_test(logs)
    return p is not None and p < stats.ALPHA


def _as_gbench(samples: list[Sample], times: Times) -> dict[str, object]:
    """Google Benchmark's JSON: a benchmark a sample, a repetition a time."""
    entries = []
    for index, sample in enumerate(samples):
        values = [value for value in times(sample) if value]
        for repetition, value in enumerate(values):
            entries.append(
                {
                    "name": f"sample:{index}",
                    "run_name": f"sample:{index}",
                    "run_type": "iteration",
                    "repetitions": len(values),
                    "repetition_index": repetition,
                    "threads": 1,
                    "iterations": 1,
                    "real_time": value,
                    "cpu_time": value,
                    "time_unit": "ns",
                }
            )
    return {"context": {}, "benchmarks": entries}


def gbench_compare() -> Path | None:
    """Google Benchmark's compare.py, where libbenchmark-tools is installed."""
    named = os.environ.get("HEADROOM_GBENCH_COMPARE")
    for path in [named] if named else GBENCH_COMPARE:
        if Path(path).is_file():
            return Path(path)
    return None


def _u_test_detects(
    tool: Path, samples: list[Sample], base: Times, new: Times
) -> list[bool]:
    """Whether compare.py's own U test has p < 0.05, for each sample."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("base.json", "new.json", "out.json")]
        for path, times in zip(paths, (base, new)):
            with open(path, "w", encoding="utf-8") as stream:
                json.dump(_as_gbench(samples, times), stream)
        done = subprocess.run(
            [sys.executable, str(tool), "--no-color", "-d", paths[2], "benchmarks", *paths[:2]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines()
            raise RuntimeError(lines[-1] if lines else f"status {done.returncode}")
        with open(paths[2], encoding="utf-8") as stream:
            tree = json.load(stream)
    p = {
        entry["name"]: entry["utest"]["time_pvalue"] for entry in tree if entry.get("utest")
    }
    return [p.get(f"sample:{index}", 1.0) < stats.ALPHA for index in range(len(samples))]


def others(all_judged: list[Judged]) -> tuple[list[Test], str | None]:
    """(tests, why Google Benchmark's is missing): how often each detects on the same samples.

    same: share of identical code detected. one_per_cent: share of a true 1% detected, in caches.
    """
    all_judged = [item for item in all_judged if item.sample.variant in (SAME, "plus_1")]
    samples = [item.sample for item in all_judged]
    methods: list[tuple[str, list[bool]]] = [
        ("paired launches, t test (Headroom)", [item.detected for item in all_judged]),
        ("unpaired launches, Welch's t", list(map(_welch_detects, samples))),
        ("paired rounds of one launch, t test", list(map(_paired_rounds_detect, samples))),
    ]
    tool, why = gbench_compare(), None
    if tool is None:
        why = "Google Benchmark's compare.py is not installed (libbenchmark-tools)"
    else:
        try:
            methods += [
                ("compare.py, launches as repetitions",
                 _u_test_detects(tool, samples, lambda s: s.base, lambda s: s.new)),
                ("compare.py, rounds of one launch as repetitions",
                 _u_test_detects(tool, samples, lambda s: s.base_rounds, lambda s: s.new_rounds)),
            ]  # fmt: skip
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            why = f"Google Benchmark's compare.py failed: {error}"
    found: list[Test] = []
    for name, flags in methods:
        pairs = list(zip(samples, flags))
        found.append(
            {
                "test": name,
                "same": share(f for s, f in pairs if s.variant == SAME),
                "one_per_cent": share(
                    f for s, f in pairs
                    if s.variant == "plus_1" and s.kernel in CACHED and s.condition == "quiet"
                ),
            }
        )  # fmt: skip
    return found, why
