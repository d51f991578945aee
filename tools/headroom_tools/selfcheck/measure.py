"""Samples of code against itself: groups of launches, each measured as a run would measure it."""

from __future__ import annotations

import functools
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, NamedTuple, TypedDict, cast

from headroom_tools.base import files, processes
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe
from headroom_tools.measure import bench, plan as planning, scratch, summary
from headroom_tools.measure.progress import Reporter
from headroom_tools.measure.types import Catalogue, KeptArm, KeptLadder, KernelPlan, PilotPlan
from headroom_tools.record.types import TIME, Launched
from headroom_tools.selfcheck.samples import lines_of

VERSION = 1
LIMIT_S = 60.0


class Mode(NamedTuple):
    """profile: whose launches, budget and rounds. groups: of launches, by condition."""

    profile: str
    groups: dict[str, int]


MODES = {
    # 3 kernels: 60 comparisons, and 630.
    "quick": Mode("quick", {"quiet": 12, "cpu": 4, "memory": 4}),
    "full": Mode("standard", {"quiet": 110, "cpu": 50, "memory": 50}),
}

# A loop that never ends, and one that copies 64 MiB to and fro. Neither is pinned: where they
# run is the scheduler's choice, as it is with a neighbour on a user's machine.
_LOADS = {
    "cpu": "while True: pass",
    "memory": "b = bytearray(64 << 20)\nwhile True: c = bytes(b)",
}


class Head(TypedDict):
    """The first line of a file of samples."""

    version: int
    mode: str
    profile: str


class Sample(NamedTuple):
    """One comparison: a variant against its baseline over the launches of one group.

    log_ratio: ln(baseline / variant), one a launch. base, new: the launches' medians in ns.
    base_rounds, new_rounds: the rounds of the first launch in ns, for tests that pool them.
    """

    condition: str
    group: int
    kernel: str
    variant: str
    log_ratio: Launched
    base: Launched
    new: Launched
    base_rounds: list[float]
    new_rounds: list[float]


# log_ratio, base, new, base_rounds, new_rounds of a Sample
_Columns = tuple[Launched, Launched, Launched, list[float], list[float]]


@contextmanager
def _load(condition: str) -> Iterator[None]:
    """Runs the condition's background load while the block runs."""
    code = _LOADS.get(condition)
    if code is None:
        yield
        return
    parent = os.getpid()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        # Or the load of a killed check would go on and disturb whatever is measured next.
        preexec_fn=lambda: processes.die_with(parent, signal.SIGKILL),
    )
    try:
        time.sleep(0.2)
        yield
    finally:
        process.kill()
        process.wait()


def _launches(
    catalogue: Catalogue,
    mode: Mode,
    condition: str,
    group: int,
    folders: tuple[Path, Path],
    tick: Callable[[], None],
) -> list[Sample]:
    """One group: a pilot and the launches of each kernel, pass by pass."""
    work, scratch_folder = folders
    began = time.time_ns()
    profile = planning.PROFILES[mode.profile]
    kernels = planning.selfcheck_kernels(catalogue)
    plans: dict[str, KernelPlan] = {}
    found: dict[tuple[str, str], _Columns] = {}
    for index in range(profile.launches + 1):
        order = list(kernels)
        random.Random(f"{condition} {group} {index}").shuffle(order)
        for name in order:
            plan: PilotPlan | KernelPlan | None = plans.get(name)
            plan = plan or planning.pilot_plan(name, kernels[name], profile, False)
            chance = random.Random(f"{began} {name}").getrandbits(32)
            with scratch.for_launch(scratch_folder, f"{index}-{name.replace('/', '.')}") as own:
                ended, out = bench.launch(
                    plan, index, work, own, chance, LIMIT_S, None, tick,
                    bench.environment(catalogue),
                )  # fmt: skip
            if ended.status != "ok" or out is None:
                raise HeadroomError(f"{name}: {ended.status}: {ended.message}", 1)
            if index == 0:
                plans[name] = out["plan"]
                continue
            try:
                ladders = summary.launch(out, TIME, keep_raw=True)
            except ValueError as error:
                raise HeadroomError(f"{name}: {safe(error)}", 1) from None
            for ladder in ladders:
                _add(found, name, ladder)
    return [
        Sample(condition, group, name, variant, *columns)
        for (name, variant), columns in sorted(found.items())
    ]


def _add(found: dict[tuple[str, str], _Columns], kernel: str, ladder: KeptLadder) -> None:
    """Appends one launch of a ladder to the samples of its variants."""
    base, *others = ladder["arms"]
    for arm in others:
        first = (kernel, arm["variant"]) not in found
        columns = found.setdefault((kernel, arm["variant"]), ([], [], [], [], []))
        columns[0].append(arm["log_ratio"])
        columns[1].append(base["median"])
        columns[2].append(arm["median"])
        if first:
            columns[3].extend(_rounds(base, ladder["clock"]))
            columns[4].extend(_rounds(arm, ladder["clock"]))


def _rounds(arm: KeptArm, clock: str) -> list[float]:
    raw = arm["raw"]
    return raw["wall_ns"] if clock == "wall" else raw["cpu_ns"]


def measure(
    catalogue: Catalogue,
    mode_name: str,
    only: str | None,
    file: Path,
    scratch_folder: Path,
    report: Reporter,
) -> None:
    """Takes all samples of a mode into `file`, a line of JSON each, the finished groups kept.

    only: the one condition wanted, None for all. The conditions take turns
    through the whole time, so that a machine that drifts favours none.
    """
    mode = MODES[mode_name]
    schedule = [
        (condition, group)
        for condition, count in mode.groups.items()
        if only in (None, condition)
        for group in range(count)
    ]
    random.Random("selfcheck").shuffle(schedule)
    file.parent.mkdir(parents=True, exist_ok=True)
    work = file.with_suffix(".work")
    work.mkdir(exist_ok=True)
    began = time.monotonic()
    try:
        with open(file, "w", encoding="utf-8") as stream, report:
            head: Head = {"version": VERSION, "mode": mode_name, "profile": mode.profile}
            stream.write(files.dump(head) + "\n")
            for done, (condition, group) in enumerate(schedule):
                each = (time.monotonic() - began) / done if done else None
                left = each * (len(schedule) - done) if each else None
                report.update(f"selfcheck {condition} {group + 1}", done / len(schedule), left)
                with _load(condition):
                    samples = _launches(
                        catalogue, mode, condition, group, (work, scratch_folder),
                        functools.partial(report.tick, left),
                    )  # fmt: skip
                for sample in samples:
                    stream.write(files.dump(sample._asdict()) + "\n")
                stream.flush()
                if (done + 1) % 10 == 0:
                    report.stage(f"selfcheck: {done + 1} of {len(schedule)} groups of launches")
    finally:
        for path in work.iterdir():
            path.unlink()
        work.rmdir()


def read_all(files: list[Path]) -> tuple[Head, list[Sample]]:
    """(head, samples) of several files of one mode; HeadroomError where their modes differ."""
    head, samples = read(files[0])
    for file in files[1:]:
        other, more = read(file)
        if other != head:
            raise HeadroomError(f"{safe(file)}: of mode {other['mode']}, not {head['mode']}")
        samples += more
    return head, samples


def read(file: Path) -> tuple[Head, list[Sample]]:
    """(head, samples) of a file that `measure` wrote; a last line that was cut off is left out."""
    trees = list(lines_of(file))
    if not trees or trees[0].get("version") != VERSION or "mode" not in trees[0]:
        raise HeadroomError(f"{safe(file)}: holds no samples of `headroom selfcheck`", 1)
    try:
        return cast(Head, trees[0]), [Sample(**tree) for tree in trees[1:]]
    except TypeError as error:
        raise HeadroomError(f"{safe(file)}: damaged: {safe(error, 120)}", 1) from None
