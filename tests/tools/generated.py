"""Records made up for tests: of any size, of any machine, with thread sweeps of known laws."""

from __future__ import annotations

import copy
import json
import math
import random
from pathlib import Path

from conftest import BASE2, golden_run

from headroom_tools.record.cells import cells_of

ROLES = ("baseline", "optimized", "optimized", "peer", "optimized")


def golden_pair() -> list[dict]:
    """run.json and machine.json of the golden base, free to change."""
    folder = golden_run(BASE2)
    return [json.loads((folder / name).read_text()) for name in ("run.json", "machine.json")]


def written(folder: Path, run: dict, machine: dict) -> Path:
    """A run's folder with these two."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(run))
    (folder / "machine.json").write_text(json.dumps(machine))
    return folder


def _empty(run: dict) -> None:
    for table in ("ladders", "cells", "ceilings", "quantities", "launches"):
        for column in run[table].values():
            column.clear()
    run["kernels"], run["missing"], run["failed"], run["noise_floor"] = [], [], [], {}


def _variant(name: str, role: str) -> dict:
    return {"name": name, "role": role, "what": "less work", "promise": ["exact"], "lacks": [],
            "promise_note": "", "available": True, "needs": []}  # fmt: skip


def _add_kernel(run: dict, like: dict, **fields) -> int:
    kernel = copy.deepcopy(like)
    kernel.update(fields)
    run["kernels"].append(kernel)
    return len(run["kernels"]) - 1


def _add_ladder(run: dict, kernel: int, n: int, threads: int, clock: str) -> int:
    row = {"kernel": kernel, "n": n, "input": 0, "threads": threads, "params": {}, "group": 0,
           "baseline": 0, "items": n, "bytes": 4 * n, "flops": 0, "clock": clock,
           "working_set": 4 * n,
           "rounds": 50, "empty_ns": 33, "setup_s": 0.001}  # fmt: skip
    for name, column in run["ladders"].items():
        column.append(row[name])
    return len(run["ladders"]["kernel"]) - 1


def _add_cell(run: dict, ladder: int, variant: int, threads: int, times, ratios) -> None:
    times = [float(f"{ns:.5g}") for ns in times]
    row = {"ladder": ladder, "variant": variant, "threads": threads, "calls": 1, "held_bytes": 0,
           "alone_ns": None, "median": times, "p10": list(times), "min": list(times),
           "value": None, "build_ns": None,
           "log_ratio": [round(value, 6) for value in ratios]}  # fmt: skip
    for name, column in run["cells"].items():
        column.append(row[name])


def large(rows: int, seed: int = 0, speed: float = 1.0, name: str | None = None) -> list[dict]:
    """A record of `rows` cells: five variants, two sizes a kernel, all of the machine's axes."""
    draw = random.Random(seed)
    run, machine = golden_pair()
    like = next(kernel for kernel in run["kernels"] if kernel["name"] == "simd/sum")
    launches = run["plan"]["launches"]
    _empty(run)
    axes = ("scalar", "simd", "cache", "memory-bandwidth", "memory-latency", "storage-random")
    variants = [
        _variant(f"v{at}" if at else "naive", role) for at, role in enumerate(ROLES)
    ]
    while len(run["cells"]["ladder"]) < rows:
        made = len(run["kernels"])
        kernel = _add_kernel(
            run, like, name=f"group{made % 9}/kernel{made}", group=f"group{made % 9}",
            axis=axes[made % len(axes)], variants=variants, sizes=[4096, 65536],
            headline=[4096, 65536],
        )  # fmt: skip
        for n in (4096, 65536):
            ladder = _add_ladder(run, kernel, n, 1, "cpu")
            for variant in range(len(ROLES)):
                ratio = math.log(1 + variant)
                noise = [draw.gauss(0, 0.005) for _ in range(launches)]
                times = [2 * n / speed * math.exp(-ratio + value) for value in noise]
                own = [ratio + draw.gauss(0, 0.002) if variant else 0.0 for _ in range(launches)]
                if len(run["cells"]["ladder"]) < rows:
                    _add_cell(run, ladder, variant, 1, times, own)
    if name:
        run["machine"] = machine["slug"] = name
        machine["cpu"]["model_name"] = f"CPU of {name}"
    return [run, machine]


def scaled(run: dict, factor: float, axis: str | None = None) -> None:
    """Every time of a record, or of an axis's kernels, `factor` times as long."""
    for cell in cells_of(run):
        if axis in (None, cell.kernel["axis"]):
            for values in (cell.median, cell.p10, cell.min):
                values[:] = [None if value is None else value * factor for value in values]


def machine_of(root: Path, name: str, rows: int = 60, runs: int = 1, seed: int = 0,
               label: str = "base", change=None) -> list[Path]:  # fmt: skip
    """A machine's folder with so many runs, all of one processor. change(run, machine): of each."""
    folders = []
    for at in range(runs):
        run, machine = large(rows, 1000 * seed + at, name=name)
        machine["cpu"]["model_name"] = "One CPU"
        run["label"] = label
        run["name"] = f"202601{at + 1:02d}T{seed:06d}Z-0123abcd-{label}"
        run["started"] = f"2026-01-{at + 1:02d}T00:00:00Z"
        if change:
            change(run, machine)
        folders.append(written(root / name / run["name"], run, machine))
    return folders


def sweep(threads: list[int], time_of, noise: float = 0.005, seed: int = 1, launches: int = 10,
          cores: int | None = None) -> list[dict]:  # fmt: skip
    """A record of one kernel whose variant `v1` takes time_of(threads) ns an item; its naive, on
    one thread, 1 ns. Launches drift together by 5%, as a machine does."""
    draw = random.Random(seed)
    run, machine = golden_pair()
    like = next(kernel for kernel in run["kernels"] if kernel["name"] == "parallel/sum")
    run["plan"]["launches"] = launches
    _empty(run)
    run["threads_available"] = max(threads)
    machine["cpu"].update(cores=cores or max(threads), threads=max(threads))
    variants = [
        _variant(name, role)
        for name, role in (("naive", "baseline"), ("v1", "optimized"))
    ]
    kernel = _add_kernel(run, like, variants=variants, sizes=[65536], threads=list(threads))
    drift = [draw.gauss(0, 0.05) for _ in range(launches)]
    for count in threads:
        ladder = _add_ladder(run, kernel, 65536, count, "wall")
        base = [65536 * math.exp(value) for value in drift]
        _add_cell(run, ladder, 0, 1, base, [0.0] * launches)
        ratios = [-math.log(time_of(count)) + draw.gauss(0, noise) for _ in range(launches)]
        times = [ns * math.exp(-ratio) for ns, ratio in zip(base, ratios)]
        _add_cell(run, ladder, 1, count, times, ratios)
    return [run, machine]
