"""run.json: put together from what a run left on disk, and read back as rows."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import median
from typing import NamedTuple

from headroom_tools import counters, disturbance, paths, source, validate
from headroom_tools.text import five, flags_without_paths, safe

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


def assemble(state: dict, plan: dict, launches: list[dict], alone: dict, extra: dict) -> dict:
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


class Cell(NamedTuple):
    """One row of a record. Times are ns a call, one a launch, None where a launch failed;
    log_ratio is ln(baseline / this variant) of each launch."""

    kernel: dict
    variant: str
    role: str
    n: int
    input: str
    threads: int
    ladder_threads: int
    group: int
    baseline: str
    clock: str
    items: int
    bytes: int
    flops: int
    working_set: int
    median: list
    p10: list
    min: list
    log_ratio: list
    alone_ns: float | None
    probe: str | None  # what its ladder's ceiling was measured with
    ceiling: list  # ns a call that the ceiling leaves at least
    of_ceiling: list  # ln(ceiling / this variant) of each launch, within its group; [] if unknown
    counters: dict  # what a call counted, by hardware counter; {} where there were none
    beside: bool  # the one-thread row of a variant that the ladder also runs on all its threads

    def is_baseline(self, baseline: str | None) -> bool:
        """Whether this is the row that `baseline`, a variant, means in its ladder."""
        return self.variant == baseline and not self.beside

    def ladder(self) -> tuple:
        """The ladder's key."""
        return self.kernel["name"], self.n, self.input, self.ladder_threads

    def key(self) -> dict:
        """CELL, and the ladder it stands in."""
        return {
            "kernel": self.kernel["name"],
            "variant": self.variant,
            "n": self.n,
            "input": self.input,
            "threads": self.threads,
        }


def _ceiling_of(ceilings: dict, index: int | None, log_ratio: list) -> tuple:
    """(probe, ceiling, of_ceiling) of a cell whose ladder has ceiling `index`, or none."""
    if index is None:
        return None, [], []
    pairs = zip(log_ratio, ceilings["log_ratio"][index])
    shares = [None if own is None or top is None else own - top for own, top in pairs]
    return ceilings["probe"][index], ceilings["median"][index], shares


def cells_of(run: dict) -> list[Cell]:
    """The rows of a (valid) run.json: by kernel and ladder, the baseline first."""
    ladders, cells, rows = run["ladders"], run["cells"], []
    most: dict[tuple, int] = {}
    key = [
        (*(ladders[name][at] for name in ("kernel", "n", "input", "threads")), variant)
        for at, variant in zip(cells["ladder"], cells["variant"])
    ]
    for where, threads in zip(key, cells["threads"]):
        most[where] = max(most.get(where, 0), threads)
    above = {at: index for index, at in enumerate(run["ceilings"]["ladder"])}
    # A SIMD target that was asked for holds the probe down, but not a library.
    held_down = run["simd"]["asked"] is not None
    for index, at in enumerate(cells["ladder"]):
        kernel = run["kernels"][ladders["kernel"][at]]
        variant = kernel["variants"][cells["variant"][index]]
        baseline = kernel["variants"][ladders["baseline"][at]]["name"]
        probe, ceiling, shares = _ceiling_of(
            run["ceilings"], above.get(at), cells["log_ratio"][index]
        )
        if held_down and variant["role"] == "peer":
            shares = []
        rows.append(
            Cell(
                kernel, variant["name"], variant["role"], ladders["n"][at],
                kernel["inputs"][ladders["input"][at]], cells["threads"][index],
                ladders["threads"][at], ladders["group"][at], baseline, ladders["clock"][at],
                ladders["items"][at], ladders["bytes"][at], ladders["flops"][at],
                ladders["working_set"][at],
                cells["median"][index], cells["p10"][index], cells["min"][index],
                cells["log_ratio"][index], cells["alone_ns"][index],
                probe, ceiling, shares,
                counters.of_cell(cells, index),
                cells["threads"][index] < most[key[index]],
            )
        )  # fmt: skip
    order = {id(kernel): index for index, kernel in enumerate(run["kernels"])}
    rows.sort(
        key=lambda cell: (
            order[id(cell.kernel)],
            cell.kernel["inputs"].index(cell.input),
            cell.n,
            cell.ladder_threads,
            not cell.is_baseline(cell.baseline),
            [variant["name"] for variant in cell.kernel["variants"]].index(cell.variant),
        )
    )
    return rows


def load(folder: Path) -> tuple[dict, dict]:
    """(run.json, machine.json) of a run folder, validated. HeadroomError names what is wrong."""
    return validate.run_file(folder / "run.json"), validate.machine_file(folder / "machine.json")
