"""Runs each variant alone, as an ordinary benchmark, for `show` to hold the ladders against.

A figure that a neighbour met is worse than none: a ladder would seem to differ from it. So each is
judged as launches are, by the sentinel's loop beside it and never by what it is; it is measured
again a few times, and left out where it stays disturbed.
"""

from __future__ import annotations

import functools
import math
import re
import time
from pathlib import Path
from statistics import median
from typing import Callable, Iterator, cast

from headroom_tools.base import files
from headroom_tools.base.text import counted
from headroom_tools.measure import bench, plan as planning, scratch as scratch_space
from headroom_tools.measure.bench import Ended, TakenAlone
from headroom_tools.measure.disturbance import Judge
from headroom_tools.measure.progress import Reporter
from headroom_tools.measure.types import Alone, CatalogueKernel, CatalogueLadder, KernelPlan, State

AGAIN = 3  # times at most that what a neighbour met is measured again
LEAST_S = 0.5  # it isn't begun with less time
FEW_S = 5.0  # for a few kernels of many variants


def path_of(folder: Path, kernel: str) -> Path:
    """Where the unfinished run in `folder` keeps what the kernel's variants took alone."""
    return folder / "alone" / f"{kernel.replace('/', '.')}.json"


def read(folder: Path, kernel: str) -> Alone:
    """What is kept there of the kernel's variants."""
    return cast(Alone, files.read_json(path_of(folder, kernel)))


def budget_s(
    profile: planning.Profile,
    kernels: dict[str, CatalogueKernel],
    selection: dict[str, list[CatalogueLadder]],
    spent_s: float = 0.0,
) -> float:
    """Seconds for the variants run alone: what the profile gives for a hundred kernels, less where
    they are few, and what `spent_s` seconds leave of the profile's time."""
    chosen = [name for name in selection if not kernels[name]["probe"]]
    ladders = [ladder for name in chosen for ladder in selection[name]]
    arms = sum(len(group) for ladder in ladders for group in ladder["groups"])
    left = math.inf if profile.time_s is None else max(0.0, profile.time_s - spent_s)
    share = profile.alone_s
    if profile.time_s is not None:
        share = min(share, max(FEW_S, share * len(chosen) / 100))
    return min(share, 1.0 * arms, left)


def _pattern(kernel: CatalogueKernel, planned: KernelPlan) -> str | None:
    """A regular expression for the ordinary benchmarks of the kernel's headline ladders."""
    sizes = {
        str(ladder["n"])
        for ladder in planned["ladders"]
        if ladder["n"] in kernel["headline"] and ladder["input"] == kernel["inputs"][0]
    }
    if not sizes:
        return None
    pattern = f"^{kernel['name']}/[^/]+/n:({'|'.join(sorted(sizes))})"
    if len(kernel["inputs"]) > 1:
        pattern += f"/input:{kernel['inputs'][0]}"
    return pattern + "(/|$)"


def _exactly(cells: list[str]) -> str:
    """A regular expression for the benchmarks of these cells."""
    return f"^({'|'.join(map(re.escape, cells))})(/manual_time)?$"


def undisturbed(
    attempts: Iterator[tuple[Ended, dict[str, TakenAlone]]],
    slowed: Callable[[float], bool],
    ask: Callable[[list[str]], None],
) -> Alone:
    """What is kept of a kernel's variants, each under the best conditions that it has met.

    attempts: ends when there is no time for a further one. slowed: whether a reading of the
    sentinel speaks against what was measured beside it. ask: what the next attempt has to measure.
    """
    kept: Alone = {"status": "", "message": "", "seconds": 0.0, "cells": {}, "again": 0}
    best: dict[str, TakenAlone] = {}
    disturbed: list[str] = []
    for ended, found in attempts:
        kept["seconds"] += ended.seconds
        if not kept["status"]:
            kept["status"], kept["message"] = ended.status, ended.message
            best = found
            disturbed = [name for name, taken in found.items() if _is_slowed(taken, slowed)]
            kept["again"] = len(disturbed)
        for name in [name for name in disturbed if name in found]:
            if _reading(found[name]) < _reading(best[name]):
                best[name] = found[name]
        disturbed = [name for name in disturbed if _is_slowed(best[name], slowed)]
        if not disturbed:
            break
        ask(disturbed)
    kept["cells"] = {name: None if name in disturbed else best[name].ns for name in best}
    return kept


def _reading(taken: TakenAlone) -> float:
    return math.inf if taken.sentinel is None else taken.sentinel


def _is_slowed(taken: TakenAlone, slowed: Callable[[float], bool]) -> bool:
    return taken.sentinel is not None and slowed(taken.sentinel)


class Runner:
    """Runs what isn't on disk yet, of the kernels that have speedups to hold, within a budget."""

    def __init__(
        self,
        folder: Path,
        state: State,
        judge: Judge,
        now: Callable[[], float],
        report: Reporter,
        environment: dict[str, str | None],
    ):
        """judge: of the run's launches. now: seconds since the run was started."""
        self._folder = folder
        self._state = state
        self._judge = judge
        self._now = now
        self._report = report
        self._environment = environment
        self._left = 0.0
        self._pattern = ""

    def run(
        self, kernels: dict[str, CatalogueKernel], plans: dict[str, KernelPlan], budget: float
    ) -> None:
        folder = self._folder
        names = [n for n in plans if not (kernels[n]["placebo"] or kernels[n]["probe"])]
        unmeasured = [name for name in names if not path_of(folder, name).exists()]
        if unmeasured:
            of = counted(len(unmeasured), "kernel")
            self._report.stage(f"alone: the variants of {of}, one by one")
        self._left = budget
        for name in names:
            if path_of(folder, name).exists():
                self._left -= read(folder, name)["seconds"]
        for index, name in enumerate(unmeasured):
            pattern = _pattern(kernels[name], plans[name])
            # No kernel takes the time of many others: a disk's variants take seconds each.
            share = min(self._left, max(1.0, 4 * self._left / (len(unmeasured) - index)))
            kept: Alone = {
                "status": "skipped", "message": "no time left", "seconds": 0.0, "cells": {},
            }  # fmt: skip
            if pattern is not None and self._left > LEAST_S:
                self._report.update(f"alone {name}", 0.98, self._left)
                kept = self._kernel(name, pattern, share)
            files.write_atomic(path_of(folder, name), files.dump(kept))

    def _kernel(self, name: str, pattern: str, share: float) -> Alone:
        self._pattern = pattern
        start = self._now()

        def ask(cells: list[str]) -> None:
            self._pattern = _exactly(cells)

        return undisturbed(
            self._attempts(name, share), lambda ns: self._judge.slowed(name, ns, start), ask
        )

    def _attempts(self, name: str, share: float) -> Iterator[tuple[Ended, dict[str, TakenAlone]]]:
        """What self._pattern names then, again and again; within `share` seconds."""
        end = time.monotonic() + share
        label = f"alone-{name.replace('/', '.')}"
        for attempt in range(1 + AGAIN):
            left = end - time.monotonic()
            if attempt and left < LEAST_S:
                return
            with scratch_space.for_launch(Path(self._state["scratch"]), label) as own:
                ended, found = bench.alone(
                    self._pattern,
                    self._folder / "work",
                    own,
                    bench.time_limit(left),
                    self._state["simd_target"],
                    functools.partial(self._report.tick, self._left),
                    self._environment,
                )
            self._left -= ended.seconds
            told = [taken.sentinel for taken in found.values() if taken.sentinel is not None]
            if told:
                self._judge.hear(name, median(told), self._now())
            yield ended, found
