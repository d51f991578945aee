"""A call that takes a known time is measured as that, all the way: in a ladder, alone, and in
Google Benchmark's own output.

The kernels of group truth (tests/truth_kernels.cpp) tell themselves what a call takes, from two
sources that are not the measuring program: `known`, a chain of dependent multiplications timed by
itself (or how long a wait was to be), and `own`, the median of what the calls read off the
processor's time stamp counter.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pytest
from conftest import CHECKOUT, Headroom

from headroom_tools.record.cells import cells_of

PRESET = os.environ.get("HEADROOM_PRESET", "release")
BENCH = CHECKOUT / "build" / PRESET / "tests" / "headroom-bench-faulty"

pytestmark = pytest.mark.skipif(
    not BENCH.is_file(), reason=f"{BENCH.relative_to(CHECKOUT)} isn't built: run `make test`"
)

WITHIN = 0.02
# What else runs on the machine disturbs some figures of an attempt. Arithmetic that is wrong is
# wrong in all of them, so each figure has to be right once.
ATTEMPTS = 8


class Figure(NamedTuple):
    got: float | None
    truth: float

    def right(self) -> bool:
        return self.got is not None and abs(self.got / self.truth - 1) <= WITHIN


Figures = dict[str, Figure]


@pytest.fixture(autouse=True)
def _first_in_line() -> Iterator[None]:
    """One of these tests at a time, and ahead of what else runs where the system allows that."""
    with (Path(tempfile.gettempdir()) / f"headroom-truth-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            before = os.sched_getscheduler(0), os.sched_getparam(0)
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        except (AttributeError, PermissionError):  # macOS has none, and not everybody may
            yield
            return
        try:
            yield
        finally:
            os.sched_setscheduler(0, *before)


def _retried(attempt: Callable[[int], Figures]) -> None:
    """Asserts that each figure is right in an attempt, and warns where it took more than one."""
    wrong: dict[str, list[Figure]] = {}
    for number in range(ATTEMPTS):
        figures = attempt(number)
        assert figures and all(figure.truth > 0 for figure in figures.values())
        if number == 0:
            wrong = {name: [] for name in figures}
        assert set(wrong) <= set(figures)
        wrong = {
            name: [*before, figures[name]]
            for name, before in wrong.items()
            if not figures[name].right()
        }
        if not wrong:
            if number:
                warnings.warn(f"took {number + 1} attempts: the machine is busy", stacklevel=2)
            return
    pytest.fail(
        f"wrong in each of {ATTEMPTS} attempts:\n"
        + "\n".join(f"{name}: {[tuple(each) for each in all_]}" for name, all_ in wrong.items())
    )


def _google(pattern: str) -> list[dict]:
    """What Google Benchmark itself writes of the benchmarks that match."""
    done = subprocess.run(
        [BENCH, f"--benchmark_filter={pattern}", "--benchmark_format=json",
         "--benchmark_min_time=0.05", "--benchmark_repetitions=3"],
        capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)["benchmarks"]
    return [entry for entry in found if entry["run_type"] == "iteration"]


@pytest.mark.parametrize(("kernel", "clock"), [("chain", "cpu"), ("wait", "wall")])
def test_a_run_tells_the_time_that_a_call_takes(tmp_path, kernel, clock):
    def attempt(number: int) -> Figures:
        root = tmp_path / str(number)
        root.mkdir()
        headroom = Headroom(root, BENCH)
        done = headroom("run", "--profile", "quick", "--filter", f"^truth/{kernel}$")
        assert done.returncode == 0, done.stdout + done.stderr
        run = headroom.run_json()
        told = run["quantities"]
        truths = {
            (cell, name): value
            for cell, name, value in zip(told["cell"], told["name"], told["value"], strict=True)
        }
        cells = cells_of(run)
        assert [cell.variant for cell in cells] == ["naive", "half", "naive", "half"]
        figures: Figures = {}
        for index, cell in enumerate(cells):
            assert cell.clock == clock
            what = f"{cell.variant} n:{cell.n}"
            known, own = truths[index, "known"], truths[index, "own"]
            measured = median(value for value in cell.median if value is not None)
            figures[f"{what} by its size"] = Figure(measured, known)
            figures[f"{what} by its own clock"] = Figure(measured, own)
            figures[f"{what} alone"] = Figure(cell.alone_ns, known)
            if cell.variant == "half":
                ratio = median(value for value in cell.log_ratio if value is not None)
                figures[f"{what} speedup"] = Figure(math.exp(ratio), 2)
        return figures

    _retried(attempt)


def test_google_benchmark_tells_the_time_that_a_call_takes():
    """Its means against the calls' own, for a neighbour's bursts are in both; our median, beside
    them, against what is known."""

    def attempt(_: int) -> Figures:
        rows = _google("^truth/")
        # Two kernels, two variants, two sizes, three repetitions.
        assert len(rows) == 24
        ratios: dict[str, list[float]] = {}
        for row in rows:
            assert row["run_name"].endswith("/manual_time") and row["iterations"] > 0
            scale = {"ns": 1, "us": 1e3, "ms": 1e6}[row["time_unit"]]
            name = row["run_name"]
            ratios.setdefault(f"{name} mean", []).append(row["real_time"] * scale / row["own_mean"])
            ratios.setdefault(f"{name} median", []).append(row["median_ns"] / row["known"])
        assert len(ratios) == 16
        return {name: Figure(median(ratio), 1) for name, ratio in ratios.items()}

    _retried(attempt)


def test_google_benchmark_tells_the_speedup_of_a_ladder():
    def attempt(_: int) -> Figures:
        rows = _google("^ladder/truth/")
        assert len(rows) == 12
        ladders: dict[str, list[float]] = {}
        for row in rows:
            ladders.setdefault(row["run_name"], []).append(row["speedup:half"])
        return {name: Figure(median(speedups), 2) for name, speedups in ladders.items()}

    _retried(attempt)
