"""The core clock that the runs' own probes saw: a virtual machine reports any number, or none."""

from __future__ import annotations

import math
from statistics import median
from typing import NamedTuple, Sequence

from headroom_tools import stats
from headroom_tools.base.text import listed
from headroom_tools.compare import between_runs
from headroom_tools.compare.sides import Side, by_run, launches_of
from headroom_tools.compare.types import Clock

PROBE = "machine/clock"
NOTABLE = 0.005  # a difference below has no part in any ratio that is shown


class _Seen(NamedTuple):
    """A side's clock in Hz; its log's standard error and degrees of freedom, both 0 with too few
    launches."""

    hertz: float
    error: float
    freedom: int


def _seen(side: Side) -> _Seen | None:
    """Cycles per second, of the run's fastest kind of core; None without the probe.

    A run's clock is the trimmed mean of its launches, in which one that was disturbed has no part.
    Its error is what these launches show: how runs differ is no part of it, since the question is
    what clock these very runs had.
    """
    found: list[_Seen] = []
    for key, cell in side.cells.items():
        if key[0] != PROBE:
            continue
        logs = side.numbers.logs[[side.numbers.index[key]]]
        runs = [
            [float(value) for value in own[0] if not math.isnan(value)]
            for own in by_run(logs, launches_of(side.runs))
        ]
        runs = [own for own in runs if own]
        if not runs:
            continue
        if min(map(len, runs)) < between_runs.LEAST_LAUNCHES:
            middle = sum(median(own) for own in runs) / len(runs)
            found.append(_Seen(cell.items / math.exp(middle) * 1e9, 0.0, 0))
            continue
        each = [stats.trimmed(own) for own in runs]
        middle = sum(one.mean for one in each) / len(each)
        error = math.sqrt(sum(one.error**2 for one in each)) / len(each)
        freedom = sum(one.freedom for one in each)
        found.append(_Seen(cell.items / math.exp(middle) * 1e9, error, freedom))
    return max(found, key=lambda one: one.hertz) if found else None


def clock_of(base: Side, new: Side) -> Clock | None:
    """Both clocks; None where a side has no probe of it."""
    old, now = _seen(base), _seen(new)
    if old is None or now is None:
        return None
    ratio = now.hertz / old.hertz
    lo = hi = None
    if old.freedom and now.freedom:
        half = stats.t_quantile(old.freedom + now.freedom) * math.hypot(old.error, now.error)
        lo, hi = ratio * stats.factor_of(-half), ratio * stats.factor_of(half)
    return {"base_hz": old.hertz, "new_hz": now.hertz, "ratio": ratio, "lo": lo, "hi": hi}


def agree(clock: Clock) -> bool | None:
    """Whether the probes agree within their own spread; None where that isn't known."""
    lo, hi = clock["lo"], clock["hi"]
    return None if lo is None or hi is None else lo <= 1 <= hi


def notable(clock: Clock) -> bool:
    """Whether the clock has a part in the ratios: the probes disagree, and by enough."""
    return agree(clock) is False and abs(math.log(clock["ratio"])) >= NOTABLE


def _giga(hertz: float) -> str:
    return f"{hertz / 1e9:.2f}"


def told(clock: Clock | None) -> str:
    """Both clocks, and what they have to do with the ratios; nothing without a probe of both."""
    if clock is None:
        return ""
    saw = (
        f"the probes saw a core clock of {_giga(clock['base_hz'])} GHz on BASE and "
        f"{_giga(clock['new_hz'])} GHz on NEW"
    )
    lo, hi = clock["lo"], clock["hi"]
    if lo is None or hi is None:
        return f"{saw}, in too few launches to tell whether that differs"
    if notable(clock):
        return f"{saw}: of what computes, {clock['ratio']:.3f}x is the clock"
    if agree(clock):
        return f"{saw}: the same within the probes' own spread ({lo:.3f} .. {hi:.3f})"
    return f"{saw}: a difference of {100 * abs(clock['ratio'] - 1):.2f}%"


def fact(clock: Clock | None) -> list[list[str]]:
    """The clock as a row of what differs: its name, and BASE's and NEW's; none where it doesn't."""
    if clock is None or agree(clock) is not False:
        return []
    told_ = (f"{_giga(hertz)} GHz" for hertz in (clock["base_hz"], clock["new_hz"]))
    return [["core clock, by the probes", *told_]]


def told_of_many(clocks: Sequence[Clock | None], names: Sequence[str]) -> str:
    """The clocks of several NEWs in a line; nothing where no two of them were probed. names: of
    each NEW."""
    known = [(name, clock) for name, clock in zip(names, clocks) if clock is not None]
    if not known:
        return ""
    parts = [f"BASE {_giga(known[0][1]['base_hz'])} GHz"]
    parts += [
        f"{name} {_giga(clock['new_hz'])} ({clock['ratio']:.3f}x)"
        for name, clock in known
        if not agree(clock)
    ]
    same = [f"{name} {_giga(clock['new_hz'])}" for name, clock in known if agree(clock)]
    if same:
        parts.append(f"the same as BASE's within the probes' own spread: {listed(same)}")
    without = [name for name, clock in zip(names, clocks) if clock is None]
    if without:
        parts.append(f"no probe saw that of {listed(without)}")
    return f"core clock, by the probes: {'; '.join(parts)}"
