"""How far runs of one machine and configuration lie apart: launches of one run don't show it.

Measured where three runs or more that agree are kept beside each other, else the table below.
"""

from __future__ import annotations

import math
from collections import defaultdict

from headroom_tools import stats
from headroom_tools.compare.types import CellKey

# THE defaults: by how much a side with too few runs is widened, by axis, in percent. With these, of
# six quick runs of one commit on a 2-core virtual machine, over 16 minutes, compared in pairs, 0.6%
# of 14,600 rows got a false verdict, of four standard ones over 104 minutes 1.4% of 7026
# (bench/README.md).
DEFAULT_PERCENT = {
    "scalar": 5,
    "simd": 5,
    "cores": 10,
    "cache": 5,
    "memory-bandwidth": 10,
    "memory-latency": 10,
    "coherence": 10,
    "storage-sequential": 25,
    "storage-random": 25,
    "storage-sync": 25,
    "syscall": 10,
    "network": 25,
}
LEAST_RUNS = 3  # with two, Student's t is 12.7: the defaults know more


def default(axis: str) -> float:
    """The default half-width of an axis, in logs."""
    return math.log1p(DEFAULT_PERCENT[axis] / 100)


def measured(runs: list[dict[CellKey, tuple[str, float]]]) -> dict[str, float]:
    """The half-width by axis, in logs, that covers 95% of such runs; {} for fewer than three.

    runs: for each run {CELL: (axis, mean of the logs of its launches)}. Variances are pooled over
    the cells of an axis that all runs have; since these move together, the degrees of freedom
    stay those of the runs.
    """
    if len(runs) < LEAST_RUNS:
        return {}
    variances: dict[str, list[float]] = defaultdict(list)
    for key, (axis, _) in runs[0].items():
        if all(key in run for run in runs):
            variances[axis].append(stats.mean_and_variance([run[key][1] for run in runs])[1])
    reach = stats.t_quantile(len(runs) - 1)
    return {axis: reach * math.sqrt(sum(v) / len(v)) for axis, v in variances.items()}


def described(axes: list[str]) -> str:
    """The defaults of some axes in words: `5% scalar, simd; 10% memory-latency`."""
    by_percent: dict[float, list[str]] = defaultdict(list)
    for axis in sorted(set(axes)):
        by_percent[DEFAULT_PERCENT[axis]].append(axis)
    parts = (f"{percent:g}% {', '.join(names)}" for percent, names in sorted(by_percent.items()))
    return "; ".join(parts)
