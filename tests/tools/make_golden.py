#!/usr/bin/env python3
"""Writes the golden records in golden2/: two made-up runs of a made-up machine, always the same.

Run it after a change of the record's format, and read the difference before committing it.
In the second run every kernel of axis simd is 1.5 times as fast, and `storage` a little slower.
Those in golden/ are as version 1 was written, and stay as they are: it is still to be read.
"""

from __future__ import annotations

import math
import os
import random
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "tools"), str(HERE)]

os.environ["FAKE_MORE"] = "1"
import fake_bench  # noqa: E402

from headroom_tools.base import files, text
from headroom_tools.measure import disturbance, plan
from headroom_tools.measure.assemble import End, run_json
from headroom_tools.record import validate
from headroom_tools.record.cells import cells_of
from headroom_tools.record.noise import noise_floors

LAUNCHES = 10
MACHINE = {
    "format": "headroom-machine",
    "version": 1,
    "slug": "test-2c-8g",
    "cpu": {
        "architecture": "x86_64", "vendor": "GenuineTest", "model_name": "Test CPU", "family": 6,
        "model": 1, "stepping": 0, "microarchitecture": None, "microcode": "0x1", "sockets": 1,
        "cores": 2, "threads": 2, "smt": False, "isa": ["avx2", "sse2"],
        "caches": [{"level": 1, "kind": "Data", "bytes": 32768, "line_bytes": 64, "shared_by": 1}],
        "governor": None, "boost": None, "max_mhz": None,
        "mitigations": {"meltdown": "Not affected"},
        "numa_nodes": 1,
    },
    "ram": {"bytes": 8 << 30, "type": None, "mega_transfers": None, "modules": None,
            "channels": None},
    "disk": {"file_system": "ext4", "kind": "ssd", "bus": "nvme", "model": "Test disk",
             "bytes": 1 << 38, "scheduler": "none"},
    "virtualization": None, "system": "Linux", "kernel": "6.1.0",
    "transparent_huge_pages": "madvise",
}  # fmt: skip


FAILED = [{
    "kernel": "concurrency/serve", "variant": "peer", "n": 100, "input": "random", "threads": 1,
    "params": {"clients": 16}, "ladder_threads": 1, "launches": [0],
    "message": "connection refused",
}]  # fmt: skip
FIXTURES = [{"name": "redis", "version": "7.0.15", "settings": {"appendonly": "no"}}]


def launches_of(selection, seed: int, speed: dict[str, float]) -> list[dict]:
    draw = random.Random(seed)
    made = []
    for index in range(1, LAUNCHES + 1):
        for name, ladders in selection.ladders.items():
            kernel = next(k for k in fake_bench.KERNELS if k["name"] == name)
            tree = {"kernel": name, "launch": index, "start": 6.5 * index, "status": "ok",
                    "message": "",
                    "seconds": 0.1, "load": 0.5, "steal": 0.0, "simd_target": "AVX2",
                    "conditions": disturbance.read(fake_bench.conditions_of(name, index)),
                    "ladders": []}  # fmt: skip
            for ladder in ladders:
                clock = "wall" if ladder["threads"] > 1 else "cpu"
                entry = {**plan.where(ladder), "group": 0, "baseline": "naive", "clock": clock,
                         "failed": [], "working_set": 4 * ladder["n"], "empty_ns": 33.0,
                         "setup_s": 0.001,
                         "status": "ok", "message": "", "arms": []}  # fmt: skip
                for variant in kernel["variants"]:
                    lost = {"variant": variant["name"], "params": ladder["params"]}
                    if not variant["available"] or any(
                        lost.items() <= failed.items() and name == failed["kernel"]
                        for failed in FAILED
                    ):
                        continue
                    factor = fake_bench.factor_of(variant["name"])
                    noise = draw.gauss(0, 0.004)
                    middle = 2 * ladder["n"] * factor / speed.get(kernel["axis"], 1.0) * (1 + noise)
                    ratio = (
                        0.0 if variant["name"] == "naive" else draw.gauss(-math.log(factor), 0.003)
                    )
                    value, ratio = _by_measure(kernel, middle, ladder, factor, ratio)
                    entry["arms"].append({
                        "variant": variant["name"],
                        "threads": 1 if variant["name"] == "naive" else ladder["threads"],
                        "calls": 3, "rounds": 50, "held_bytes": 0, "median": middle,
                        "p10": middle * 0.99, "min": middle * 0.98, "log_ratio": ratio,
                        "value": value, "quantities": {},
                        "build_ns": fake_bench.BUILD_NS.get(variant["name"]),
                    })  # fmt: skip
                if kernel["name"] == "simd/sum":
                    entry["arms"].append(_ceiling(entry["arms"]))
                tree["ladders"].append(entry)
            made.append(tree)
    return made


def _by_measure(kernel, ns: float, ladder, factor: float, ratio: float):
    """(value, log ratio) of an arm by its kernel's measure; no value where that is time."""
    if kernel["measure"]["name"] == "time":
        return None, ratio
    (value,) = fake_bench.values_of(kernel, [ns], ladder)
    if kernel["measure"]["better"] == "more":
        (own,), (base,) = (
            fake_bench.values_of(kernel, [2 * ladder["n"] * f], ladder) for f in (factor, 1.0)
        )
        ratio += math.log(own / base) + math.log(factor)
    return value, ratio


def _ceiling(arms: list[dict]) -> dict:
    """What a probe leaves: 0.8 of the time of variant `better`, in every round."""
    (best,) = [arm for arm in arms if arm["variant"] == "better"]
    return {
        **best, "variant": "ceiling", "probe": "machine/read/probe", "median": 0.8 * best["median"],
        "log_ratio": best["log_ratio"] - math.log(0.8),
    }  # fmt: skip


def main() -> None:
    catalogue = fake_bench.CATALOGUE
    selection = plan.select(catalogue, "standard", None, 8 << 30)
    for name, label, seed, speed in (
        ("20260201T000000Z-0123abcd-base", "base", 1, {}),
        ("20260202T000000Z-0123abcd-new", "new", 2, {"simd": 1.5, "storage-sequential": 0.9}),
    ):
        state = {
            "name": name, "label": label, "profile": "standard",
            "started": f"{name[:4]}-{name[4:6]}-{name[6:8]}T00:00:00Z", "machine": "test-2c-8g",
            "changed": [], "commit": "0123abcd" * 5, "dirty": False, "simd_target": None,
            "catalogue": catalogue, "selection": selection.ladders,
        }  # fmt: skip
        fixed = {"launches": LAUNCHES, "budget_s": 0.1, "rounds_max": 100, "seed": 1, "scale": 1.0,
                 "rounds": {}}  # fmt: skip
        alone = {
            k["name"]: {
                f"{k['name']}/{v[0]}/n:{n}": 2.0 * n * v[2]
                for n in k["headline"] for v in fake_bench.VARIANTS
            }
            for k in fake_bench.KERNELS if len(k["inputs"]) == 1
        }  # fmt: skip
        alone["simd/sum"]["simd/sum/better/n:4096"] /= 2
        run = run_json(
            state, fixed, launches_of(selection, seed, speed), alone,
            End(set(), state["started"], 60.0, selection.missing, [], [], FAILED, FIXTURES, []),
        )  # fmt: skip
        run["noise_floor"] = noise_floors(cells_of(run))
        run = text.rounded(run)
        for kernel in run["kernels"]:
            kernel["source_hash"] = "0123456789abcdef"
        folder = HERE / "golden2" / "test-2c-8g" / name
        folder.mkdir(parents=True, exist_ok=True)
        validate.run_tree(run, "run.json")
        validate.machine_tree(MACHINE, "machine.json")
        files.write_atomic(folder / "run.json", files.dump(run))
        files.write_atomic(folder / "machine.json", files.dump(MACHINE))


if __name__ == "__main__":
    main()
