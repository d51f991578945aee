#!/usr/bin/env python3
"""`make simulator-check`: the simulator beside sixteen servers that are there and sleep.

Both get the same arrivals, choices and service times (tests/simulator_check.cpp). The simulation
must come within 5% of their mean latency and within 10% of their p99; the first quarter of the
requests is left out of both. Writes a picture of both distributions.

On a machine that has other things to do a thread wakes up late, and then the servers are slower
than they were asked to be: that is no error of the simulation. Refused, with status 3, where
requests were sent late (their p50 or p99 over a tenth of the latency at the same percentile, as
support/load.h has it), or where services took over 1% longer than asked for, which at this
utilisation makes the mean 5% longer. Status 1 where the simulation is off.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from headroom_tools.base.errors import HeadroomError  # noqa: E402
from headroom_tools.base.text import time_of  # noqa: E402
from headroom_tools.plot import paper  # noqa: E402
from headroom_tools.plot.spec import Axis, Chart, Point, Series  # noqa: E402

MEAN_WITHIN, P99_WITHIN = 0.05, 0.10
LATE = 0.1  # of the latency at the same percentile
OVERSLEPT = 0.01  # of the mean service
WARM_UP = 0.25
REFUSED = 3


@dataclass(frozen=True)
class Both:
    """What the program printed. Times in ns, by request, without the warm-up."""

    servers: int
    utilisation: float
    service_ns: int
    overslept_ns: int
    lateness: list[int]
    simulated: list[int]
    real: list[int]


def read(text: str) -> Both:
    """ValueError or KeyError for what the program doesn't print."""
    tree = json.loads(text)
    first = int(WARM_UP * len(tree["real"]))
    columns = {name: list(map(int, tree[name]))[first:]
               for name in ("lateness", "simulated", "real")}  # fmt: skip
    if len({len(column) for column in columns.values()}) != 1 or not columns["real"]:
        raise ValueError("columns of different lengths")
    return Both(int(tree["servers"]), float(tree["utilisation"]), int(tree["service_ns"]),
                int(tree["overslept_ns"]), **columns)  # fmt: skip


def percentile(values: list[int], percent: float) -> int:
    """The value that at least `percent` of 100 don't exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(percent / 100 * len(ordered)), 1) - 1]


def mean(values: list[int]) -> float:
    return sum(values) / len(values)


def refusal(both: Both) -> str:
    """Why the real servers are no measure of anything; nothing where they are."""
    for percent in (50, 99):
        late, took = percentile(both.lateness, percent), percentile(both.real, percent)
        if late > LATE * took:
            return (f"requests were sent late: at the p{percent} by {time_of(late)}, of a latency "
                    f"of {time_of(took)}")  # fmt: skip
    if both.overslept_ns > OVERSLEPT * both.service_ns:
        return (f"services of {time_of(both.service_ns)} took {time_of(both.overslept_ns)} longer "
                "than asked for")  # fmt: skip
    return ""


def verdicts(both: Both) -> list[tuple[str, float, float, float]]:
    """(what, simulated, real, how far they may be apart)."""
    p99 = [float(percentile(one, 99)) for one in (both.simulated, both.real)]
    return [("mean", mean(both.simulated), mean(both.real), MEAN_WITHIN),
            ("p99", *p99, P99_WITHIN)]  # fmt: skip


def picture(both: Both) -> Chart:
    """How many requests take longer than a time, of each: the tail is what matters."""
    shares = [100 * 0.93**at for at in range(1, 96)]
    shares = [share for share in shares if share * len(both.real) >= 1000]
    series = [
        Series(name, [Point(float(percentile(values, 100 - share)), share) for share in shares],
               colour, dash, markers)
        for name, values, colour, dash, markers in (
            ("real: threads that sleep", both.real, 0, None, True),
            ("simulated", both.simulated, 1, 0, False),
        )
    ]  # fmt: skip
    told = "; ".join(f"{what} {time_of(a)} simulated, {time_of(b)} real"
                     for what, a, b, _ in verdicts(both))  # fmt: skip
    title = (f"Simulated against real: {both.servers} servers, {time_of(both.service_ns)} mean "
             f"service, used {100 * both.utilisation:.0f}%: {told}")  # fmt: skip
    return Chart(title, title, Axis("latency, from the intended time", "ns", False),
                 Axis("requests that take longer, of 100", "number", True), series)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("program", type=Path, help="headroom-simulator-check")
    parser.add_argument("--seconds", type=float, default=30.0, help="at most 50")
    parser.add_argument("-o", "--out", type=Path, help="picture: .svg, .png or .pdf")
    arguments = parser.parse_args()
    done = subprocess.run([str(arguments.program), f"{arguments.seconds:g}"],
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    if done.returncode != 0:
        print(f"simulator-check: {done.stderr.strip() or 'the program failed'}", file=sys.stderr)
        return 2
    both = read(done.stdout)
    if arguments.out:
        suffix = arguments.out.suffix.lstrip(".")
        if suffix not in ("svg", "png", "pdf"):
            print(f"simulator-check: {arguments.out}: not .svg, .png or .pdf", file=sys.stderr)
            return 2
        try:
            arguments.out.write_bytes(paper.drawn([picture(both)], suffix))
        except (HeadroomError, OSError) as error:
            print(f"simulator-check: {error}", file=sys.stderr)
            return 2
    off = False
    print(f"{len(both.real):,} requests to {both.servers} servers, used {both.utilisation:g}")
    for what, ours, theirs, within in verdicts(both):
        apart = ours / theirs - 1
        off = off or abs(apart) > within
        held = "yes" if abs(apart) <= within else "NO"
        print(f"  {what}: simulated {time_of(ours)}, real {time_of(theirs)}: {100 * apart:+.1f}% "
              f"(within {100 * within:.0f}%: {held})")  # fmt: skip
    print(f"  services took {time_of(both.overslept_ns)} longer than asked for in the mean; "
          f"requests were sent late by {time_of(percentile(both.lateness, 50))} at the p50, "
          f"{time_of(percentile(both.lateness, 99))} at the p99")  # fmt: skip
    if why := refusal(both):
        print(f"simulator-check: refused, the machine was busy: {why}; again when it is quiet")
        return REFUSED
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main())
