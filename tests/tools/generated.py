"""Records made up for tests: of any size, of any machine, with thread sweeps of known laws."""

from __future__ import annotations

import copy
import json
import math
import random
from pathlib import Path

from conftest import BASE2, golden_run

from headroom_tools.record.cells import cells_of

AXES = ("scalar", "simd", "cores", "cache", "memory-bandwidth", "memory-latency", "coherence",
        "storage-random", "storage-sync", "syscall", "network")  # fmt: skip
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


POCL = {"name": "pthread-skylake", "vendor": "AuthenticAMD", "type": "cpu",
        "platform": "Portable Computing Language", "driver": "3.1", "version": "OpenCL 3.0 PoCL",
        "compute_units": 2, "memory_bytes": 1 << 34, "shares_memory": True}  # fmt: skip
GPU = {"name": "NVIDIA H200", "vendor": "NVIDIA Corporation", "type": "gpu",
       "platform": "NVIDIA CUDA", "driver": "550.1", "version": "OpenCL 3.0 CUDA",
       "compute_units": 132, "memory_bytes": 1 << 37, "shares_memory": False}  # fmt: skip


def of_device(device: dict | None, gains: dict[int, float], name: str, seed: int = 1) -> list[dict]:
    """A record of gpu/saxpy, whose variant on the device is gains[n] times as fast as `cores`,
    which is twice as fast as `naive`. The ceiling is half of what naive takes."""
    draw = random.Random(seed)
    run, machine = golden_pair()
    like = next(kernel for kernel in run["kernels"] if kernel["name"] == "simd/sum")
    launches = run["plan"]["launches"]
    _empty(run)
    run["machine"] = machine["slug"] = name
    run["name"] = f"20260101T000000Z-0123abcd-{name}"
    machine["cpu"]["model_name"] = f"CPU of {name}"
    variants = [_variant("naive", "baseline"), _variant("cores", "optimized"),
                {**_variant("opencl", "optimized"), "needs": ["opencl", "an OpenCL device"]}]
    kernel = _add_kernel(run, like, name="gpu/saxpy", group="gpu", axis="gpu", variants=variants,
                         noise_class="threads", sizes=sorted(gains), headline=sorted(gains))
    run["device"] = device
    for n, gain in sorted(gains.items()):
        ladder = _add_ladder(run, kernel, n, 1, "wall")
        for number, factor in enumerate((1.0, 2.0, 2.0 * gain)):
            ratios = [math.log(factor) + draw.gauss(0, 0.005) * (number > 0)
                      for _ in range(launches)]  # fmt: skip
            if number < 2 or device:
                _add_cell(run, ladder, number, 1, [n * math.exp(-r) for r in ratios], ratios)
        if device:
            for column, value in (("ladder", ladder), ("probe", "machine/device_read/words"),
                                  ("threads", 1), ("median", [n / 1.5] * launches),
                                  ("log_ratio", [math.log(1.5)] * launches)):  # fmt: skip
                run["ceilings"][column].append(value)
    return [run, machine]


# How the axes of a made-up comparison come out.
OUTCOMES = ("up", "down", "small", "open", "wide", "unknown")


def _axis(draw: random.Random, name: str, outcome: str) -> dict:
    """An axis index. small: its interval within 2%; open, wide: with 1 in it, and beyond 2%."""
    half = draw.choice((0.001, 0.02, 0.2))
    if outcome in ("up", "down"):
        log = half * (1 + 10 * draw.random()) + 1e-6
        log = log if outcome == "up" else -log
    elif outcome == "small":
        half = 0.001 + 0.008 * draw.random()
        log = draw.uniform(-0.9, 0.9) * half
    else:
        half = 0.05 if outcome == "open" else 1.2
        log = draw.uniform(-0.9, 0.9) * half
    known = outcome != "unknown"
    kernels = draw.randint(1, 40)
    return {
        "axis": name, "ratio": math.exp(log), "kernels": kernels, "of": kernels,
        "lo": math.exp(log - half) if known else None,
        "hi": math.exp(log + half) if known else None,
        "least": math.exp(log), "most": math.exp(log), "naive": None, "best": None,
        "control": False, "contaminated": False,
    }  # fmt: skip


def comparison(draw: random.Random, base: str = "base", new: str = "new") -> dict:
    """A comparison of two sides, of which any axes are missing, moved, open or unknown."""
    share = draw.choice((OUTCOMES, ("up",), ("down",), ("open",), ("unknown",), ("up", "down"),
                         ("open", "wide", "small")))  # fmt: skip
    names = draw.sample(AXES, draw.choice((0, 1, 1, 2, 3, 4, len(AXES))))
    axes = [_axis(draw, name, draw.choice(share)) for name in sorted(names)]
    verdicts = draw.choice((
        ("faster", "slower", "equivalent", "unresolved", None), ("unresolved",), (None,),
        ("faster",),
    ))  # fmt: skip
    rows = []
    for _ in range(draw.choice((1, 1, 2, 3, 30))):
        verdict = draw.choice(verdicts)
        rows.append({"verdict": verdict,
                     "runs_for_5_percent": draw.choice((None, None, 1, 2, 7, 100))})  # fmt: skip
    clock = None
    if draw.random() < 0.8:
        ratio = draw.choice((1.0, 0.966, 0.999, 1.2, 1.002))
        half = draw.choice((None, 0.0001, 0.01, 0.1))
        clock = {"base_hz": 4.3e9, "new_hz": 4.3e9 * ratio, "ratio": ratio,
                 "lo": None if half is None else ratio * math.exp(-half),
                 "hi": None if half is None else ratio * math.exp(half)}  # fmt: skip
    sides = [{"machine": name, "label": "label", "runs": [f"run-of-{name}"], "spread": {}}
             for name in (base, new)]  # fmt: skip
    return {"rows": rows, "axes": axes, "changed": [], "warnings": [], "ladders": [],
            "sides": sides, "clock": clock}  # fmt: skip


def mixed(draw: random.Random, machine: str, launches: int = 10) -> list[dict]:
    """A small record in which anything may happen: a ladder of any length, with a standard rung or
    without, with ceilings that are kept, passed or missing, variants without a launch."""
    run, tree = golden_pair()
    like = next(kernel for kernel in run["kernels"] if kernel["name"] == "simd/sum")
    _empty(run)
    run["name"] = f"run-of-{machine}"
    run["plan"]["launches"] = launches
    run["machine"] = tree["slug"] = machine
    standard = draw.random() < 0.5
    for at in range(draw.choice((1, 1, 2, 5))):
        count = draw.choice((1, 2, 2, 4))
        roles = ["baseline", "standard" if standard else "optimized", "optimized", "peer"][:count]
        variants = [_variant(f"v{number}" if number else "naive", role)
                    for number, role in enumerate(roles)]  # fmt: skip
        kernel = _add_kernel(run, like, name=f"simd/k{at}", variants=variants, sizes=[4096],
                             headline=[4096] if draw.random() < 0.7 else [1])  # fmt: skip
        ladder = _add_ladder(run, kernel, 4096, 1, "cpu")
        rungs = []
        for number in range(count):
            log = draw.uniform(-1, 3) if number else 0.0
            noise = draw.choice((0.0005, 0.05, 0.6)) if number else 0.0
            ratios = [log + draw.gauss(0, noise) for _ in range(launches)]
            rungs.append(ratios)
            times = [8192 * math.exp(-value) for value in ratios]
            _add_cell(run, ladder, number, 1, times, ratios)
        if draw.random() < 0.5:
            top = draw.uniform(0, 4)
            ceilings = run["ceilings"]
            for name, value in (("ladder", ladder), ("probe", "machine/read"), ("threads", 1),
                                ("median", [8192 * math.exp(-top)] * launches),
                                ("log_ratio", [top] * launches)):  # fmt: skip
                ceilings[name].append(value)
    return [run, tree]


# What a service that serves so many per second tells at a load.
def _queue(capacity: float, alone_ns: float, load: float) -> dict[str, float]:
    spare = max(0.02, 1 - load / capacity)
    mean = alone_ns / spare
    return {"p50": 0.7 * mean, "p99": 4.6 * mean, "p999": 6.9 * mean,
            "goodput": min(load, capacity)}  # fmt: skip


def loads(per_second=(500, 1000, 2000, 4000, 8000), sizes=(256, 1024), simulated=None,
          variants=(("naive", 3000, 8e5), ("fast", 1500, 1e5), ("scalable", 50_000, 1e5)),
          lacks=()) -> list[dict]:  # fmt: skip
    """A record of a kernel that is judged by its p99 at several loads. variants: (name, requests
    per second at most, ns alone). simulated: loads of a simulated sibling, of size 10,000."""
    run, machine = golden_pair()
    like = next(kernel for kernel in run["kernels"] if kernel["name"] == "simd/sum")
    _empty(run)
    launches = run["plan"]["launches"]
    rows = [_variant(name, "optimized" if at else "baseline")
            for at, (name, _, _) in enumerate(variants)]  # fmt: skip
    for row in rows:
        row["lacks"] = list(lacks) if row["name"] == variants[-1][0] else []
    kinds = [("scenario/made", sizes, per_second)]
    if simulated:
        kinds.append(("scenario/made_simulated", (10_000,), simulated))
    for name, all_n, at_loads in kinds:
        kernel = _add_kernel(
            run, like, name=name, group="scenario", axis="cores", variants=rows,
            sizes=list(all_n), headline=list(all_n), params={"per_second": list(at_loads)},
            measure={"name": "p99", "unit": "ns", "better": "less"},
        )  # fmt: skip
        for n in all_n:
            for load in at_loads if n == max(all_n) else at_loads[:2]:
                ladder = _add_ladder(run, kernel, n, 1, "wall")
                run["ladders"]["params"][ladder] = {"per_second": load}
                base = _queue(*variants[0][1:], load)["p99"]
                for at, (_, capacity, alone) in enumerate(variants):
                    told = _queue(capacity, alone, load)
                    ratio = math.log(base / told["p99"])
                    _add_cell(run, ladder, at, 1, [1e9] * launches, [ratio] * launches)
                    cell = len(run["cells"]["ladder"]) - 1
                    run["cells"]["value"][cell] = [float(f"{told['p99']:.5g}")] * launches
                    for quantity, value in told.items():
                        row = {"cell": cell, "name": quantity,
                               "unit": "1/s" if quantity == "goodput" else "ns",
                               "value": float(f"{value:.5g}")}  # fmt: skip
                        for column, values in run["quantities"].items():
                            values.append(row[column])
    return [run, machine]


def shares(sizes=(256, 1024, 4096)) -> list[dict]:
    """A record of a kernel that is judged by a ratio, of two variants and several sizes."""
    run, machine = golden_pair()
    like = next(kernel for kernel in run["kernels"] if kernel["name"] == "simd/sum")
    _empty(run)
    launches = run["plan"]["launches"]
    kernel = _add_kernel(
        run, like, name="caching/made", group="caching", axis="cache", sizes=list(sizes),
        headline=list(sizes), variants=[_variant("naive", "baseline"), _variant("v1", "optimized")],
        measure={"name": "hit_ratio", "unit": "ratio", "better": "more"},
    )  # fmt: skip
    for at, n in enumerate(sizes):
        ladder = _add_ladder(run, kernel, n, 1, "cpu")
        for variant in (0, 1):
            _add_cell(run, ladder, variant, 1, [1e6] * launches, [0.1 * variant] * launches)
            share = 0.3 + 0.1 * at + 0.05 * variant
            run["cells"]["value"][-1] = [round(share, 5)] * launches
    return [run, machine]
