"""Samples of ladders beside another way to run the same variants: each alone, in a process of its
own, or in the ladders of another build. Both take turns in time, so that drift meets both alike."""

from __future__ import annotations

import random
import re
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, NamedTuple, TypedDict, cast

from headroom_tools.base import files
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import cell_name, duration, safe
from headroom_tools.measure import bench, plan as planning, scratch, summary
from headroom_tools.measure.progress import Reporter
from headroom_tools.measure.types import (
    Catalogue,
    CatalogueKernel,
    CatalogueLadder,
    KeptLadder,
    KernelPlan,
)
from headroom_tools.selfcheck.samples import lines_of

VERSION = 1
PROFILE = "standard"
LAUNCHES_MIN, LAUNCHES_MAX = 3, 10
PILOT_LIMIT_S, LAUNCH_LIMIT_S = 300.0, 120.0
LARGE = 1 << 20  # bytes: a working set that takes longer to be in the caches
MIN_TIME_S = {False: 0.05, True: 0.15}  # of a variant alone, by whether its working set is large
GUESS_S = {False: 0.25, True: 0.6}  # what such a process takes


class Head(TypedDict):
    """The first line of a file of samples. kind: alone, or peers."""

    version: int
    kind: str
    kernels: dict[str, str]  # their axes, by name


class Cell(TypedDict):
    """What a launch of a ladder gave for one cell, and what it took the other way.

    baseline: whether it is its ladder's. log_ratio: to the baseline in the ladder. ns: of a call in
    the ladder. other_ns: alone, or in the ladder of the other build.
    """

    name: str
    ladder: str
    variant: str
    baseline: bool
    log_ratio: float | None
    ns: float | None
    other_ns: float | None


class Sample(TypedDict):
    """A launch of a kernel's ladders."""

    kernel: str
    launch: int
    cells: list[Cell]


class Other(NamedTuple):
    """Another build, whose ladders are held against this one's."""

    program: Path
    catalogue: Catalogue


def selected(
    catalogue: Catalogue, other: Other | None, pattern: str | None, memory: int | None
) -> dict[str, list[CatalogueLadder]]:
    """The headline ladders of the kernels that compare variants by time; of those that the other
    build has too."""
    there = {kernel["name"] for kernel in (other.catalogue if other else catalogue)["kernels"]}
    kernels = {kernel["name"]: kernel for kernel in catalogue["kernels"]}
    found = planning.select(catalogue, PROFILE, pattern, memory).ladders
    named = {kernel["name"] for kernel in planning.matching(catalogue, pattern)}
    chosen = {}
    for name, ladders in found.items():
        kernel = kernels[name]
        compares = not (kernel["probe"] or kernel["placebo"]) and name in named & there
        if compares and kernel["measure"]["name"] == "time":
            chosen[name] = ladders
    if not chosen:
        raise HeadroomError("no kernel of these compares variants by time")
    return chosen


def _name(kernel: CatalogueKernel, ladder: KeptLadder, variant: str, threads: int) -> str:
    return cell_name(
        kernel["name"],
        variant,
        ladder["n"],
        ladder["input"] if len(kernel["inputs"]) > 1 else None,
        threads if len(kernel["threads"]) > 1 else None,
        ladder["params"],
    )


class Sampler:
    """Takes the samples: a pilot of each kernel, then passes through all of them."""

    def __init__(
        self,
        catalogue: Catalogue,
        ladders: dict[str, list[CatalogueLadder]],
        other: Other | None,
        environment: dict[str, str | None],
        folders: tuple[Path, Path],
        report: Reporter,
    ):
        """environment: of the servers that kernels name. folders: for the program's own files, and
        for the kernels' scratch files."""
        self._kernels = {kernel["name"]: kernel for kernel in catalogue["kernels"]}
        self._ladders = ladders
        self._other = other
        self._work, self._scratch = folders
        self._report = report
        self._environment = {**bench.environment(catalogue), **environment}
        self._plans: dict[str, KernelPlan] = {}
        self._other_plans: dict[str, KernelPlan] = {}
        self._began = time.time_ns()
        self._left: float | None = None

    # --- processes

    def _launch(
        self, name: str, index: int, own: KernelPlan | None, program: Path | None, limit: float
    ) -> tuple[list[KeptLadder], KernelPlan | None]:
        """One process for the kernel's ladders: what it measured, and of a pilot its plan."""
        profile = planning.PROFILES[PROFILE]
        plan = own or planning.pilot_plan(name, self._ladders[name], profile, False)
        chance = random.Random(f"{self._began} {name}").getrandbits(32)
        with scratch.for_launch(self._scratch, f"{index}-{name.replace('/', '.')}") as folder:
            ended, out = bench.launch(
                plan, index, self._work, folder, chance, bench.time_limit(limit), None, self._tick,
                self._environment, program,
            )  # fmt: skip
        if out is None or ended.status != "ok":
            self._report.warn(f"{name}: {ended.status}: {ended.message}")
            return [], None
        try:
            measure = self._kernels[name]["measure"]
            return summary.launch(out, measure), out.get("plan")
        except ValueError as error:
            raise HeadroomError(f"{name}: {safe(error)}", 1) from None

    def _alone(self, cell: str, large: bool) -> float | None:
        """Nanoseconds a call of a variant in a process of its own."""
        with scratch.for_launch(self._scratch, "alone") as folder:
            ended, found = bench.alone(
                f"^{re.escape(cell)}(/manual_time)?$", self._work, folder,
                bench.time_limit(LAUNCH_LIMIT_S), None, self._tick, self._environment, 1,
                MIN_TIME_S[large],
            )  # fmt: skip
        if ended.status != "ok":
            self._report.warn(f"alone {cell}: {ended.status}: {ended.message}")
        return found[cell].ns if cell in found else None

    def _tick(self) -> None:
        self._report.tick(self._left)

    # --- samples

    def pilot(self) -> None:
        """Fixes the plans. A kernel whose pilot fails is told, and left out."""
        for done, name in enumerate(self._ladders):
            self._report.update(f"pilot {name}", 0.05 * done / len(self._ladders), None)
            _, plan = self._launch(name, 0, None, None, PILOT_LIMIT_S)
            if plan is None:
                continue
            if self._other is not None:
                _, other = self._launch(name, 0, None, self._other.program, PILOT_LIMIT_S)
                if other is None:
                    continue
                self._other_plans[name] = other
            self._plans[name] = plan
        if not self._plans:
            raise HeadroomError("no kernel's pilot succeeded", 1)

    def pass_s(self) -> float:
        """Seconds that a pass is likely to take."""
        plans = [self._plans, self._other_plans]
        total = 0.0
        for plan in (plan for some in plans for plan in some.values()):
            total += planning.START_S
            total += sum(ladder.get("estimate_s", 0.0) for ladder in plan["ladders"])
        if self._other is None:
            for name, ladders in self._ladders.items():
                for ladder in ladders if name in self._plans else ():
                    arms = {variant for group in ladder["groups"] for variant in group}
                    total += len(arms) * GUESS_S[ladder["bytes"] > LARGE]
        return total

    def a_pass(
        self, launch: int, share: float, left: float, keep: Callable[[Sample], None]
    ) -> None:
        """One launch of every kernel, and the same variants the other way right after or before."""
        self._left = left
        names = list(self._plans)
        random.Random(f"{self._began} pass {launch}").shuffle(names)
        for done, name in enumerate(names):
            self._report.update(f"launch {launch} {name}", share, self._left)
            keep({"kernel": name, "launch": launch, "cells": self._cells(name, launch)})

    def _cells(self, name: str, launch: int) -> list[Cell]:
        own, _ = self._launch(name, launch, self._plans[name], None, LAUNCH_LIMIT_S)
        others: dict[tuple[str, str], float | None] = {}
        if self._other is not None:
            plan = self._other_plans[name]
            other, _ = self._launch(name, launch, plan, self._other.program, LAUNCH_LIMIT_S)
            for cell in self._told(name, other):
                others.setdefault((cell["ladder"], cell["name"]), cell["ns"])
        cells = self._told(name, own)
        large = {
            self._ladder(name, ladder): ladder["working_set"] > LARGE for ladder in own
        }
        alone: dict[str, float | None] = {}
        for cell in cells:
            key = cell["name"]
            if self._other is not None:
                cell["other_ns"] = others.get((cell["ladder"], key))
                continue
            if key not in alone:
                alone[key] = self._alone(key, large[cell["ladder"]])
            cell["other_ns"] = alone[key]
        return cells

    def _ladder(self, name: str, ladder: KeptLadder) -> str:
        return planning.ladder_name(self._kernels[name], ladder)

    def _told(self, name: str, ladders: list[KeptLadder]) -> list[Cell]:
        """The cells of a launch; of a baseline that stands in several groups the first."""
        kernel = self._kernels[name]
        cells: dict[tuple[str, str], Cell] = {}
        for ladder in ladders:
            where = self._ladder(name, ladder)
            for at, arm in enumerate(ladder["arms"]):
                if arm["probe"]:
                    continue
                first = at == 0
                beside = not first and arm["variant"] == ladder["baseline"]
                key = where, _name(kernel, ladder, arm["variant"], arm["threads"])
                if beside or key in cells:
                    continue
                cells[key] = {
                    "name": key[1],
                    "ladder": where,
                    "variant": arm["variant"],
                    "baseline": first,
                    "log_ratio": arm["log_ratio"],
                    "ns": arm["median"],
                    "other_ns": None,
                }
        return list(cells.values())


def measure(
    sampler: Sampler, head: Head, minutes: float, file: Path, report: Reporter
) -> None:
    """Takes samples into `file`, a line of JSON each: as many launches as `minutes` allow, between
    LAUNCHES_MIN and LAUNCHES_MAX."""
    began = time.monotonic()
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w", encoding="utf-8") as stream, report:
        stream.write(files.dump(head) + "\n")

        def keep(sample: Sample) -> None:
            stream.write(files.dump(sample) + "\n")
            stream.flush()

        sampler.pilot()
        guess, taken = sampler.pass_s(), list[float]()
        wanted = LAUNCHES_MIN
        while len(taken) < wanted:
            now = time.monotonic()
            each = sum(taken) / len(taken) if taken else guess
            affordable = len(taken) + int((minutes * 60 - (now - began)) / each)
            wanted = min(LAUNCHES_MAX, max(LAUNCHES_MIN, affordable))
            left = each * (wanted - len(taken))
            report.line(f"launch {len(taken) + 1} of {wanted}: about {duration(left)} left")
            sampler.a_pass(len(taken) + 1, len(taken) / wanted, left, keep)
            taken.append(time.monotonic() - now)


@contextmanager
def work_folder(file: Path) -> Iterator[Path]:
    """A folder beside `file` for the program's own files, while the block runs."""
    work = file.with_suffix(".work")
    work.mkdir(parents=True, exist_ok=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def head_of(catalogue: Catalogue, names: list[str], kind: str) -> Head:
    """The head of a file of samples of those kernels."""
    axes = {kernel["name"]: kernel["axis"] for kernel in catalogue["kernels"]}
    return {"version": VERSION, "kind": kind, "kernels": {name: axes[name] for name in names}}


def read(path: Path) -> tuple[Head, list[Sample]]:
    """(head, samples) of a file that `measure` wrote; a last line that was cut off is left out."""
    trees = list(lines_of(path))
    if not trees or trees[0].get("version") != VERSION or "kernels" not in trees[0]:
        raise HeadroomError(f"{safe(path)}: holds no samples of `selfcheck --alone`", 1)
    return cast(Head, trees[0]), cast("list[Sample]", trees[1:])


def read_all(paths: list[Path]) -> tuple[Head, list[Sample]]:
    """(head, samples) of several files of one kind; HeadroomError where their kinds differ."""
    head, samples = read(paths[0])
    for path in paths[1:]:
        other, more = read(path)
        if other["kind"] != head["kind"]:
            raise HeadroomError(f"{safe(path)}: of kind {other['kind']}, not {head['kind']}")
        head["kernels"].update(other["kernels"])
        samples += more
    return head, samples
