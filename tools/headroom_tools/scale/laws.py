"""How a kernel scales with threads: Amdahl's law and the Universal Scalability Law.

With p the time of an item that is shared out, q what is serial, r what threads cost each other, an
item on N threads takes t(N), and

    N t(N) = p + q N + r N (N - 1),    one thread takes p + q.

Amdahl's serial fraction is q / (p + q), with r = 0. Gunther's Universal Scalability Law calls it
contention, and r / (p + q) coherence: with it there is a best thread count, sqrt((1 - contention) /
coherence), beyond which more threads are slower (N. J. Gunther, Guerrilla Capacity Planning,
2007). Both are linear in p, q, r >= 0, so that non-negative least squares finds the one best fit,
without start values. Errors count relative to the time. Intervals are from a bootstrap over
launches: one measures all thread counts of a kernel, and what disturbs it disturbs them together.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy

from headroom_tools import stats
from headroom_tools.base.text import counted
from headroom_tools.machine.types import Machine
from headroom_tools.record import hosts
from headroom_tools.record.cells import Cell, cells_of
from headroom_tools.record.types import (
    Kernel,
    LadderKey,
    Launched,
    Params,
    ParamsKey,
    Run,
    key_of,
)
from headroom_tools.scale import ranks
from headroom_tools.scale.types import Amdahl, Fit, Parameter, Point, Usl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float64]

# (p, q, r) of the module's formula
Parameters = tuple[float, float, float]
RESAMPLES = 400
SEED = 1
LEAST_LAUNCHES = 6  # as for every interval
FAR = 4  # a best thread count beyond this many times the largest measured is no prediction
ONE_HOST = "on one host, where messages go through memory: no network is in it"
MISFIT = 0.05  # a point that the law misses by more than this, and by more than noise, is told


class Sweep(NamedTuple):
    """One (kernel, variant, n, input, params) over thread counts.

    ns: ns an item by thread count and launch, NaN where a launch gave nothing. paired: relative to
    the one-thread baseline of the same rounds, so that a machine that drifts slows both alike.
    """

    kernel: Kernel
    variant: str
    role: str
    n: int
    input: str
    params: Params
    threads: list[int]
    ns: Floats
    paired: bool
    over: str = "threads"  # or "ranks", which `threads` then are
    hosts: int | None = None  # of the ranks

    @property
    def one(self) -> str:
        """What the sweep counts: "thread" or "rank"."""
        return self.over.removesuffix("s")


class _Fitted(NamedTuple):
    """A law's parameters by name, and by point how far it misses, in logs."""

    parameters: dict[str, Parameter]
    misses: list[float]


def _reference(cells: list[Cell]) -> Cell | None:
    """A ladder's one-thread baseline: its baseline, or the row beside it; None without."""
    for cell in cells:
        if cell.variant == cell.baseline and cell.threads == 1:
            return cell
    return None


def _log(values: Launched) -> Floats:
    with numpy.errstate(invalid="ignore", divide="ignore"):
        return numpy.log(numpy.array(values, dtype=float))


def sweeps(run: Run) -> list[Sweep]:
    """The sweeps of a run with at least two thread counts. Probes and placebos are none, nor what
    is judged by another measure than time, which the laws are about."""
    ladders: dict[LadderKey, list[Cell]] = {}
    for cell in cells_of(run):
        if cell.by_time and not (cell.kernel["probe"] or cell.kernel["placebo"]):
            ladders.setdefault(cell.ladder(), []).append(cell)
    points: dict[tuple[str, str, int, str, ParamsKey], dict[int, tuple[Cell, Cell | None]]] = {}
    for cells in ladders.values():
        reference = _reference(cells)
        for cell in cells:
            if cell.threads == cell.ladder_threads:
                params = key_of(cell.params)
                key = (cell.kernel["name"], cell.variant, cell.n, cell.input, params)
                points.setdefault(key, {})[cell.threads] = (cell, reference)
    found = []
    for by_threads in points.values():
        if len(by_threads) < 2:
            continue
        threads = sorted(by_threads)
        pairs = [by_threads[count] for count in threads]
        referred = [(cell, one) for cell, one in pairs if one is not None]
        paired = len(referred) == len(pairs)
        if paired:  # from ratios to times by the one-thread baseline of all ladders together
            every = [_log(one.median) - math.log(cell.items) for cell, one in referred]
            if numpy.isnan(every).all():
                continue
            rows = [
                numpy.array(one.log_ratio, float) - numpy.array(cell.log_ratio, float)
                + numpy.nanmedian(every)
                for cell, one in referred
            ]  # fmt: skip
        else:
            rows = [_log(cell.median) - math.log(cell.items) for cell, _ in pairs]
        ns = numpy.exp(numpy.array(rows))
        keep = ~numpy.isnan(ns).all(axis=1)
        cell = pairs[0][0]
        if keep.sum() >= 2:
            kept = [count for count, good in zip(threads, keep) if good]
            found.append(Sweep(cell.kernel, cell.variant, cell.role, cell.n, cell.input,
                               cell.params, kept, ns[keep], paired))  # fmt: skip
    return found + [_over_ranks(cells) for cells in ranks.strong(run).values()]


def _over_ranks(cells: dict[int, Cell]) -> Sweep:
    """A sweep over the ranks of an MPI job. Each count has a ladder of its own, and one launch all
    of a kernel's."""
    first = cells[1]
    ns = numpy.exp(numpy.array([_log(c.median) - math.log(c.items) for c in cells.values()]))
    rest = {name: value for name, value in first.params.items() if name != hosts.PARAM}
    most = max(cell.hosts or 1 for cell in cells.values())
    return Sweep(first.kernel, first.variant, first.role, first.n, first.input, rest, list(cells),
                 ns, False, "ranks", most)  # fmt: skip


def fitted(threads: list[int], times: Floats, law: str) -> list[Parameters]:
    """For each row of `times` (ns an item by thread count) the (p, q, r) of the module's formula
    that fit best, by relative error; r is 0 for "amdahl"."""
    from scipy.optimize import nnls  # a tenth of a second to import

    counts = numpy.array(threads, dtype=float)
    terms = [numpy.ones_like(counts), counts]
    terms += [counts * (counts - 1)] if law == "usl" else []
    table, ones = numpy.stack(terms, axis=1), numpy.ones(len(counts))
    found = []
    for work in counts * numpy.atleast_2d(times):
        p, q, *rest = nnls(table / work[:, None], ones)[0].tolist()
        found.append((p, q, rest[0] if rest else 0.0))
    return found


def time_at(parameters: Parameters, threads: float) -> float:
    """ns an item on that many threads, by the law."""
    p, q, r = parameters
    return (p + q * threads + r * threads * (threads - 1)) / threads


def best_threads(parameters: Parameters) -> float:
    """The whole thread count at which the law is fastest; inf where more is always faster."""
    p, _, r = parameters
    if r <= 0:
        return math.inf if p > 0 else 1
    if p / r > 1e12:
        return math.inf
    low = max(1, math.floor(math.sqrt(p / r)))
    return min((low, low + 1), key=lambda count: time_at(parameters, count))


def _described(parameters: Parameters, law: str) -> dict[str, float]:
    """The law's own parameters."""
    p, q, r = parameters
    one = p + q
    if law == "amdahl":
        return {"serial": q / one, "limit": one / q if q > 0 else math.inf}
    best = best_threads(parameters)
    peak = one / time_at(parameters, best) if math.isfinite(best) else math.inf
    return {"contention": q / one, "coherence": r / one, "best_threads": best,
            "best_speedup": peak}  # fmt: skip


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _central(ns: Floats) -> Floats:
    """By thread count, the time that stands for its launches."""
    return numpy.exp(numpy.nanmedian(numpy.log(ns), axis=1))


def _fit(sweep: Sweep, law: str, drawn: Floats) -> _Fitted | None:
    """A law's parameters with intervals, and how far it misses the points; None where time stood
    still (p + q = 0)."""
    middle = _central(sweep.ns)
    (parameters,) = fitted(sweep.threads, middle, law)
    if parameters[0] + parameters[1] <= 0:
        return None
    values = _described(parameters, law)
    samples = fitted(sweep.threads, drawn, law) if len(drawn) else []
    told = [_described(sample, law) for sample in samples if sample[0] + sample[1] > 0]
    parameters_: dict[str, Parameter] = {}
    for name, value in values.items():
        lo = hi = None
        if told:
            ordered = sorted(sample[name] for sample in told)
            lo = _finite(ordered[int(0.025 * len(ordered))])
            hi = _finite(ordered[min(len(ordered) - 1, int(0.975 * len(ordered)))])
        parameters_[name] = {"value": _finite(value), "lo": lo, "hi": hi}
    misses = [
        float(math.log(ns / time_at(parameters, count)))
        for count, ns in zip(sweep.threads, middle)
    ]
    return _Fitted(parameters_, misses)


def _resampled(sweep: Sweep) -> Floats:
    """Times by draw and thread count, of launches drawn with replacement; empty for too few."""
    whole = numpy.log(sweep.ns[:, ~numpy.isnan(sweep.ns).any(axis=0)])
    count = whole.shape[1]
    if count < LEAST_LAUNCHES:
        return numpy.zeros((0, len(sweep.threads)))
    draws = numpy.random.default_rng(SEED).integers(0, count, (RESAMPLES, count))
    return numpy.exp(numpy.median(whole[:, draws], axis=2).T)


def _points(sweep: Sweep) -> list[Point]:
    """Time and speedup over one thread by thread count. Speedups are paired by launch."""
    points: list[Point] = []
    for at, count in enumerate(sweep.threads):
        both = numpy.log(sweep.ns[0]) - numpy.log(sweep.ns[at])
        ratios = [float(value) for value in both if not math.isnan(value)]
        speedup = stats.speedup_of(ratios)
        ns = float(_central(sweep.ns)[at])
        points.append(
            {
                "threads": count,
                "ns_per_item": ns,
                "speedup": speedup.speedup if speedup else None,
                "lo": speedup.lo if speedup else None,
                "hi": speedup.hi if speedup else None,
            }
        )
    return points


def _noise(sweep: Sweep) -> list[float]:
    """By thread count the standard error of the mean of its launches, in logs."""
    errors = []
    for row in numpy.log(sweep.ns):
        values = [float(value) for value in row if not math.isnan(value)]
        known = len(values) > 1
        errors.append(
            math.sqrt(stats.mean_and_variance(values)[1] / len(values)) if known else math.inf
        )
    return errors


def _misfit(sweep: Sweep, entry: _Fitted) -> str | None:
    """Words for the point that a law misses farthest, where that is more than noise."""
    worst, count = 0.0, 0
    for miss, error, threads in zip(entry.misses, _noise(sweep), sweep.threads):
        if abs(miss) > max(MISFIT, 3 * error) and abs(miss) > abs(worst):
            worst, count = miss, threads
    if not count:
        return None
    more = "longer" if worst > 0 else "less"
    percent = 100 * abs(math.expm1(worst))
    on = counted(count, sweep.one) if count > 1 else f"one {sweep.one}"
    return f"it takes {percent:.0f}% {more} on {on} than the law says"


def _words(
    sweep: Sweep, amdahl: _Fitted | None, usl: _Fitted | None, machine: Machine
) -> list[str]:
    """What a reader must know before believing the fits."""
    counts = len(sweep.threads)
    one = sweep.one
    measure_on = "measure on more " + ("cores" if one == "thread" else "ranks")
    lines = [] if sweep.hosts != 1 or sweep.over == "threads" else [ONE_HOST]
    if sweep.threads[0] != 1:
        lines.append(f"not measured on one {one}: speedups are over {sweep.threads[0]} {one}s")
    if counts == 2:
        lines.append(
            f"two {one} counts fix Amdahl's one parameter and nothing checks it; the Universal "
            f"Scalability Law has two: {measure_on}"
        )
    elif counts == 3:
        lines.append(
            f"three {one} counts fix the Universal Scalability Law's two parameters exactly, and "
            f"nothing checks them: {measure_on}"
        )
    if not len(_resampled(sweep)):
        lines.append("too few launches for intervals")
    speedups = [(p["threads"] / sweep.threads[0], p["speedup"]) for p in _points(sweep)]
    if any(speedup and speedup > 1.05 * ideal for ideal, speedup in speedups):
        lines.append(f"faster than linear: more {one}s bring more cache, which no law here knows")
    if amdahl is None:
        first = sweep.threads[0] if sweep.threads[0] > 1 else "one"
        lines.append(f"more {one}s are slower than {first}, which Amdahl's law can't describe")
    for name, entry in (("Amdahl's law", amdahl), ("the Universal Scalability Law", usl)):
        miss = _misfit(sweep, entry) if entry and counts > 2 else None
        if miss:
            lines.append(f"{name} doesn't describe this: {miss}")
    cores = machine["cpu"]["cores"] if sweep.over == "threads" else None
    if cores and sweep.threads[-1] > cores:
        more = counted(cores, "thread")
        lines.append(f"beyond {more} two of them share a core, which bends the curve")
    if usl:
        best = usl.parameters["best_threads"]
        largest = sweep.threads[-1]
        if best["value"] is not None and best["value"] > largest:
            lines.append(
                f"the best {one} count lies beyond the {largest} that were measured: extrapolated"
            )
        if usl.parameters["coherence"]["lo"] == 0 and best["value"] is not None:
            lines.append("a coherence of 0 is within the interval: there may be no best count")
    return lines


def fits(run: Run, machine: Machine) -> list[Fit]:
    """`scale --json`'s fits: one entry for each sweep, with the laws that its points can fix."""
    entries: list[Fit] = []
    for sweep in sweeps(run):
        drawn = _resampled(sweep)
        counts = len(sweep.threads)
        points = _points(sweep)
        slower = all(point["speedup"] and point["speedup"] < 1 for point in points[1:])
        amdahl = None if slower else _fit(sweep, "amdahl", drawn)
        usl = _fit(sweep, "usl", drawn) if counts >= 3 else None
        fastest = min(points, key=lambda point: point["ns_per_item"])
        entries.append(
            {
                "kernel": sweep.kernel["name"],
                "variant": sweep.variant,
                "n": sweep.n,
                "input": sweep.input,
                "params": sweep.params,
                "role": sweep.role,
                "paired": sweep.paired,
                "points": points,
                "fastest_measured": fastest["threads"],
                "amdahl": _amdahl(amdahl, counts - 2),
                "usl": _usl(usl, sweep.threads[-1], counts - 3),
                "predicted_best": _predicted(usl, sweep.threads[-1]),
                "notes": _words(sweep, amdahl, usl, machine),
                "over": sweep.over,
                "hosts": sweep.hosts,
            }
        )
    return entries


def _beyond(usl: _Fitted, largest: int) -> dict[str, Parameter]:
    """The parameters without a best thread count that lies too far out to be told."""
    parameters = dict(usl.parameters)
    best = parameters["best_threads"]
    if best["value"] is not None and best["value"] > FAR * largest:
        for name in ("best_threads", "best_speedup"):
            parameters[name] = {"value": None, "lo": parameters[name]["lo"], "hi": None}
    return parameters


def _predicted(usl: _Fitted | None, largest: int) -> int | None:
    """The best thread count by the Universal Scalability Law, where it can be told."""
    best = _beyond(usl, largest)["best_threads"]["value"] if usl else None
    return None if best is None else int(best)


def _worst_miss(entry: _Fitted) -> float:
    return max(abs(math.expm1(miss)) for miss in entry.misses)


def _amdahl(entry: _Fitted | None, spare: int) -> Amdahl | None:
    """A fit as JSON. spare: by how many the points outnumber the parameters (its one-thread time
    is one of them)."""
    if entry is None:
        return None
    return {
        "serial": entry.parameters["serial"],
        "limit": entry.parameters["limit"],
        "worst_miss": _worst_miss(entry),
        "checked": spare > 0,
    }


def _usl(entry: _Fitted | None, largest: int, spare: int) -> Usl | None:
    """A fit as JSON, as _amdahl."""
    if entry is None:
        return None
    parameters = _beyond(entry, largest)
    return {
        "contention": parameters["contention"],
        "coherence": parameters["coherence"],
        "best_threads": parameters["best_threads"],
        "best_speedup": parameters["best_speedup"],
        "worst_miss": _worst_miss(entry),
        "checked": spare > 0,
    }
