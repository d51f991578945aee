"""Runs each variant alone, as an ordinary benchmark, for `show` to hold the ladders against."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import cast

from headroom_tools.base import files
from headroom_tools.measure import bench, plan as planning, scratch as scratch_space
from headroom_tools.measure.progress import Reporter
from headroom_tools.measure.types import Alone, CatalogueKernel, CatalogueLadder, KernelPlan, State


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
    """Seconds for the variants run alone: what the profile gives, less where they are few, and what
    `spent_s` seconds leave of the profile's time."""
    ladders = [
        ladder
        for name, found in selection.items()
        if not kernels[name]["probe"]
        for ladder in found
    ]
    arms = sum(len(group) for ladder in ladders for group in ladder["groups"])
    left = math.inf if profile.time_s is None else max(0.0, profile.time_s - spent_s)
    return min(profile.alone_s, 1.0 * arms, left)


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


def run(
    folder: Path,
    state: State,
    kernels: dict[str, CatalogueKernel],
    plans: dict[str, KernelPlan],
    budget: float,
    report: Reporter,
    environment: dict[str, str | None],
) -> None:
    """Runs what isn't on disk yet, of the kernels that have speedups to hold, within `budget`."""
    names = [n for n in plans if not (kernels[n]["placebo"] or kernels[n]["probe"])]
    todo = [name for name in names if not path_of(folder, name).exists()]
    if todo:
        report.stage(f"alone: the variants of {len(todo)} kernels, one by one")
    left = budget
    for name in names:
        if path_of(folder, name).exists():
            left -= read(folder, name)["seconds"]
    for index, name in enumerate(todo):
        pattern = _pattern(kernels[name], plans[name])
        # No kernel takes the time of many others: a disk's variants take seconds each.
        share = min(left, max(1.0, 4 * left / (len(todo) - index)))
        kept: Alone = {"status": "skipped", "message": "no time left", "seconds": 0.0, "cells": {}}
        if pattern is not None and left > 0.5:
            report.update(f"alone {name}", 0.98, left)
            tick = functools.partial(report.tick, left)
            label = f"alone-{name.replace('/', '.')}"
            with scratch_space.for_launch(Path(state["scratch"]), label) as own:
                ended, cells = bench.alone(
                    pattern,
                    folder / "work",
                    own,
                    bench.time_limit(share),
                    state["simd_target"],
                    tick,
                    environment,
                )
            left -= ended.seconds
            kept = {
                "status": ended.status,
                "message": ended.message,
                "seconds": ended.seconds,
                "cells": cells,
            }
        files.write_atomic(path_of(folder, name), files.dump(kept))
