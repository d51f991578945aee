"""run.json: put together from what a run left on disk."""

from __future__ import annotations

import re
from statistics import median

from headroom_tools.base import paths
from headroom_tools.base.text import five, flags_without_paths, safe
from headroom_tools.measure import disturbance
from headroom_tools.record import counters, source

VERSION = 1


def _hash(file: str) -> str | None:
    kernels = paths.root() / "kernels"
    return source.source_hash(kernels / file, kernels)


def _kernels(catalogue: dict, names: list[str]) -> list[dict]:
    kept = []
    for kernel in catalogue["kernels"]:
        if kernel["name"] not in names:
            continue
        kept.append(
            {
                "name": kernel["name"],
                "group": kernel["group"],
                "axis": kernel["axis"],
                "placebo": kernel["placebo"],
                "noise_class": kernel["noise_class"],
                "probe": kernel["probe"],
                "unit": kernel["unit"],
                "technique": safe(kernel["technique"]),
                "source_hash": _hash(kernel["source"]),
                "cache": kernel["cache"],
                "sizes": kernel["sizes"],
                "headline": kernel["headline"],
                "inputs": kernel["inputs"],
                "threads": kernel["threads"],
                "variants": [
                    {
                        "name": variant["name"],
                        "role": variant["role"],
                        "what": safe(variant["what"]),
                        "available": variant["available"],
                        "needs": [need["name"] for need in variant["needs"]],
                    }
                    for variant in kernel["variants"]
                ],
            }
        )
    return kept


def _log(value: float | None) -> float | None:
    """A log ratio with five significant digits, but none below a millionth."""
    return None if value is None else five(round(value, 6))


def run_json(state: dict, plan: dict, launches: list[dict], alone: dict, extra: dict) -> dict:
    """run.json's tree (schemas/run-1.json).

    state: what was fixed at the start. plan: what the pilot fixed. launches: each finished launch
    as runner.py keeps it. alone: {kernel: {CELL name: ns}}. extra: further top-level
    fields (failures, missing, left_out, finished, seconds, notes).
    """
    catalogue = state["catalogue"]
    kernels = _kernels(catalogue, list(state["selection"]))
    number = {kernel["name"]: index for index, kernel in enumerate(kernels)}
    by_name = {kernel["name"]: kernel for kernel in catalogue["kernels"]}
    count = plan["launches"]
    withheld = {tuple(key) for key in extra.pop("withheld")}

    columns = ("kernel", "n", "input", "threads", "group", "baseline", "items", "bytes", "flops",
               "clock", "working_set", "rounds", "empty_ns", "setup_s")  # fmt: skip
    ladders: dict[str, list] = {name: [] for name in columns}
    columns = ("ladder", "variant", "threads", "calls", "held_bytes", "alone_ns", "median", "p10",
               "min", "log_ratio")  # fmt: skip
    cells: dict[str, list] = {name: [] for name in columns}
    columns = ("ladder", "probe", "threads", "median", "log_ratio")
    ceilings: dict[str, list] = {name: [] for name in columns}
    quantities: dict[str, list] = {name: [] for name in ("cell", "name", "unit", "value")}
    gathered: dict[tuple[int, str], tuple[str, list[float]]] = {}
    counted: dict[int, list[dict[str, float]]] = {}
    ladder_index: dict[tuple, int] = {}
    cell_index: dict[tuple, int] = {}

    for launch in sorted(launches, key=lambda item: (number[item["kernel"]], item["launch"])):
        kernel = by_name[launch["kernel"]]
        recorded = kernels[number[launch["kernel"]]]
        variants = [variant["name"] for variant in recorded["variants"]]
        for ladder in launch["ladders"]:
            key = (kernel["name"], ladder["n"], ladder["input"], ladder["threads"])
            if ladder["status"] != "ok" or key in withheld:
                continue
            known = next(
                entry
                for entry in kernel["ladders"]
                if (entry["n"], entry["input"], entry["threads"]) == key[1:]
            )
            group = (*key, ladder["group"])
            if group not in ladder_index:
                ladder_index[group] = len(ladders["kernel"])
                row = (
                    number[kernel["name"]], ladder["n"], recorded["inputs"].index(ladder["input"]),
                    ladder["threads"], ladder["group"], variants.index(ladder["baseline"]),
                    five(known["items"]), five(known["bytes"]), five(known["flops"]),
                    ladder["clock"], ladder["working_set"],
                    plan["rounds"].get("/".join(map(str, group)), 0),
                    five(max(0.0, ladder["empty_ns"])), five(max(0.0, ladder["setup_s"])),
                )  # fmt: skip
                for name, value in zip(ladders, row):
                    ladders[name].append(value)
            # The baseline is measured again in every group; its row is the first group's.
            for arm in ladder["arms"][1 if ladder["group"] > 0 else 0 :]:
                at = launch["launch"] - 1
                if arm.get("probe"):
                    if ladder_index[group] not in ceilings["ladder"]:
                        row = (ladder_index[group], safe(arm["probe"], 120), arm["threads"],
                               [None] * count, [None] * count)  # fmt: skip
                        for name, value in zip(ceilings, row):
                            ceilings[name].append(value)
                    index = ceilings["ladder"].index(ladder_index[group])
                    ceilings["median"][index][at] = five(arm["median"])
                    ceilings["log_ratio"][index][at] = _log(arm["log_ratio"])
                    continue
                where = (*group, arm["variant"], arm["threads"])
                if where not in cell_index:
                    cell_index[where] = len(cells["ladder"])
                    row = (
                        ladder_index[group], variants.index(arm["variant"]), arm["threads"],
                        arm["calls"], arm["held_bytes"],
                        _alone(alone, kernel, ladder, arm), *([None] * count for _ in range(4)),
                    )  # fmt: skip
                    for name, value in zip(cells, row):
                        cells[name].append(value)
                index = cell_index[where]
                for name in ("median", "p10", "min"):
                    cells[name][index][at] = five(arm[name])
                cells["log_ratio"][index][at] = _log(arm["log_ratio"])
                counted.setdefault(index, []).append(arm.get("counters", {}))
                for name, entry in arm["quantities"].items():
                    name = re.sub(r"[^A-Za-z0-9_.+-]", "_", name).lstrip("_.+-")[:60] or "other"
                    pair = gathered.setdefault((index, name), (entry["unit"], []))
                    pair[1].append(entry["value"])
    for (index, name), (unit, values) in gathered.items():
        for column, value in zip(quantities, (index, name, safe(unit, 40), five(median(values)))):
            quantities[column].append(value)
    cells.update(counters.columns(counted, len(cells["ladder"])))

    return {
        "format": "headroom-run",
        "version": VERSION,
        "name": state["name"],
        "label": state["label"],
        "profile": state["profile"],
        "started": state["started"],
        "finished": extra["finished"],
        "seconds": five(extra["seconds"]),
        "machine": state["machine"],
        "changed": state["changed"],
        "commit": state["commit"],
        "dirty": state["dirty"],
        "build": {
            "compiler": safe(catalogue["build"]["compiler"]),
            "flags": flags_without_paths(catalogue["build"]["flags"]),
            "build_type": safe(catalogue["build"]["build_type"]),
            "isa": safe(catalogue["build"]["isa"]),
            "preset": safe(catalogue["build"]["preset"]),
            "benchmark_library_debug": catalogue["build"]["benchmark_library_debug"],
        },
        "libraries": {name: safe(value) for name, value in catalogue["libraries"].items()},
        "simd": {
            "asked": state["simd_target"],
            "supported": catalogue["simd_targets"],
            "taken": sorted({item["simd_target"] for item in launches if item["simd_target"]}),
        },
        "threads_available": catalogue["threads_available"],
        "plan": {
            "launches": count,
            "budget_s": plan["budget_s"],
            "rounds_max": plan["rounds_max"],
            "scale": five(plan["scale"]),
            "seed": plan["seed"],
        },
        "kernels": kernels,
        "ladders": ladders,
        "cells": cells,
        "ceilings": ceilings,
        "quantities": quantities,
        "launches": {
            "kernel": [number[item["kernel"]] for item in launches],
            "launch": [item["launch"] for item in launches],
            "status": [item["status"] for item in launches],
            "seconds": [five(round(item["seconds"], 3)) for item in launches],
            "load": [five(round(item["load"], 2)) for item in launches],
            "steal": [five(round(item["steal"], 4)) for item in launches],
            **disturbance.columns(by_name, launches),
        },
        "missing": extra["missing"],
        "left_out": extra["left_out"],
        "failures": extra["failures"],
        "noise_floor": {},
        "notes": extra["notes"],
    }


def _alone(alone: dict, kernel: dict, ladder: dict, arm: dict) -> float | None:
    """Nanoseconds a call of an arm's variant run alone; None if not run."""
    name = f"{kernel['name']}/{arm['variant']}/n:{ladder['n']}"
    if len(kernel["inputs"]) > 1:
        name += f"/input:{ladder['input']}"
    if len(kernel["threads"]) > 1:
        name += f"/threads:{arm['threads']}"
    ns = alone.get(kernel["name"], {}).get(name)
    return five(ns) if ns and ns > 0 else None
