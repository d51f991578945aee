"""Comparisons of `ab` made up, and what its tests share."""

from __future__ import annotations

import json
import math
import random

from conftest import Headroom
from generated import golden_pair

SUM = ("--filter", "^simd/sum$", "--pairs", "6")


def kept(headroom: Headroom) -> dict:
    """The one comparison there is."""
    (path,) = (headroom.root / "build" / "ab-runs").glob("*/ab.json")
    return json.loads(path.read_text())


def rows_by_name(tree: dict) -> dict[str, dict]:
    return {f"{row['kernel']}/{row['variant']}/n:{row['n']}": row for row in tree["rows"]}


def catalogue(**build):
    facts = {"compiler": "GNU 12", "flags": "-O3", "build_type": "Release", "isa": "x86-64",
             "preset": "release", "benchmark_library_debug": False, **build}  # fmt: skip
    return {"build": facts, "libraries": {"absl": "1"}, "simd_targets": ["AVX2"],
            "threads_available": 2}  # fmt: skip


def comparison(pairs: int, effect: float, spread: float, seed: int = 1, cells: int = 1) -> dict:
    """A comparison made up: NEW takes 1 / (1 + effect) of the time; launches drift together."""
    draw = random.Random(f"{seed} {effect}")
    kernel = {"name": "simd/sum", "axis": "simd", "technique": "less", "placebo": "",
              "measure": {"name": "time", "unit": "ns", "better": "less"},
              "inputs": ["random"], "threads": [1]}  # fmt: skip
    made = []
    for at in range(cells):
        drift = [draw.gauss(0, 0.05) for _ in range(pairs)]
        base = [1000 * math.exp(d + draw.gauss(0, spread)) for d in drift]
        new = [1000 / (1 + effect) * math.exp(d + draw.gauss(0, spread)) for d in drift]
        made.append({"kernel": 0, "variant": f"v{at}", "n": 64, "input": "random", "threads": 1,
                     "params": {}, "ladder_threads": 1, "items": 64.0, "clock": "cpu", "calls": 1,
                     "rounds": 60, "base": base, "new": new})  # fmt: skip
    return {"kernels": [kernel], "cells": made, "done": pairs, "pairs": pairs}


def samples(pairs: int, effect: float, spread: float) -> dict:
    """A comparison made up of selfcheck/chain with itself, of many pairs."""
    tree = comparison(pairs, effect, spread)
    tree["kernels"][0]["name"] = "selfcheck/chain"
    draw = random.Random("samples")
    (naive,) = tree["cells"]
    naive["variant"] = "naive"
    for name, more in (("plus_0.5", 0.005), ("plus_1", 0.01)):
        new = [ns * (1 + more) * math.exp(draw.gauss(0, spread)) for ns in naive["base"]]
        tree["cells"].append({**naive, "variant": name, "base": new, "new": new})
    facts = {"asked": "worktree", "commit": None, "dirty": None, "program": "0" * 64,
             "libraries": {}, "simd_taken": [], "build": catalogue()["build"]}  # fmt: skip
    return {
        "format": "headroom-ab", "version": 1, "name": "x", "started": "2026-01-01T00:00:00Z",
        "seconds": 1.0, "stopped": False, "kind": "rev", "filter": None, "budget_s": 0.05,
        "rounds_max": 60, "seed": 1, "machine": golden_pair()[1],
        "base": facts, "new": facts, "launches": [], "only": [], "left_out": [], "failures": [],
        "notes": [], **tree,
    }  # fmt: skip
