"""run.json: put together from what a run left on disk."""

from __future__ import annotations

import re
from statistics import median
from typing import Collection, NamedTuple, cast

from headroom_tools.base import paths
from headroom_tools.base.text import cell_name, five, flags_without_paths, safe
from headroom_tools.measure import disturbance, plan as planning
from headroom_tools.measure.types import (
    Catalogue,
    CatalogueLadder,
    KeptArm,
    KeptLadder,
    Launch,
    RunPlan,
    State,
)
from headroom_tools.record import counters, device as devices, source
from headroom_tools.record.types import (
    Ceilings,
    Cells,
    Cluster,
    Device,
    Failed,
    Failure,
    Fixture,
    Kernel,
    LadderKey,
    Ladders,
    Launched,
    Launches as LaunchTable,
    LeftOut,
    Missing,
    Quantities,
    Run,
)

VERSION = 2


def _hash(file: str) -> str | None:
    kernels = paths.root() / "kernels"
    return source.source_hash(kernels / file, kernels, VERSION)


def _kernels(catalogue: Catalogue, names: Collection[str]) -> list[Kernel]:
    kept: list[Kernel] = []
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
                "measure": kernel["measure"],
                "promise": kernel["promise"],
                "fixtures": kernel["fixtures"],
                "source_hash": _hash(kernel["source"]),
                "cache": kernel["cache"],
                "sizes": kernel["sizes"],
                "headline": kernel["headline"],
                "inputs": kernel["inputs"],
                "threads": kernel["threads"],
                "params": kernel["params"],
                "variants": [
                    {
                        "name": variant["name"],
                        "role": variant["role"],
                        "what": safe(variant["what"]),
                        "promise": variant["promise"],
                        "lacks": variant["lacks"],
                        "promise_note": safe(variant["promise_note"]),
                        "available": variant["available"],
                        "needs": [need["name"] for need in variant["needs"]],
                    }
                    for variant in kernel["variants"]
                ],
            }
        )
        if kernel.get("simulated"):
            kept[-1]["simulated"] = True
    return kept


def _device(catalogue: Catalogue, kernels: list[Kernel]) -> dict[str, Device | None]:
    """What a record says of OpenCL's device, where any of these kernels has a use for one."""
    if not any(devices.on_device(v) for kernel in kernels for v in kernel["variants"]):
        return {}
    found = catalogue.get("device")
    if found is None:
        return {"device": None}
    texts = {name: safe(value) for name, value in found.items() if isinstance(value, str)}
    return {"device": cast(Device, {**found, **texts})}


def _cluster(catalogue: Catalogue) -> dict[str, Cluster]:
    """What a record says of the MPI job that its launches were."""
    job = catalogue.get("cluster")
    if job is None:
        return {}
    told = job.copy()
    told["library"] = safe(job["library"], 60)
    return {"cluster": told}


def _log(value: float | None) -> float | None:
    """A log ratio with five significant digits, but none below a millionth."""
    return None if value is None else five(round(value, 6))


class End(NamedTuple):
    """What a record says besides what was planned and measured. withheld: ladders whose answers
    were wrong in some launch."""

    withheld: set[LadderKey]
    finished: str
    seconds: float
    missing: list[Missing]
    left_out: list[LeftOut]
    failures: list[Failure]
    failed: list[Failed]
    fixtures: list[Fixture]
    notes: list[str]


class _Tables:
    """The tables of run.json, filled launch by launch."""

    def __init__(
        self,
        catalogue: Catalogue,
        kernels: list[Kernel],
        plan: RunPlan,
        alone: dict[str, dict[str, float | None]],
    ):
        self._by_key = {
            planning.key_of_ladder(kernel["name"], ladder): ladder
            for kernel in catalogue["kernels"]
            for ladder in kernel["ladders"]
        }
        self._kernels = kernels
        self._number = {kernel["name"]: index for index, kernel in enumerate(kernels)}
        self._plan = plan
        self._alone = alone
        self.ladders: Ladders = {
            "kernel": [], "n": [], "input": [], "threads": [], "params": [], "group": [],
            "baseline": [], "items": [], "bytes": [], "flops": [], "clock": [], "working_set": [],
            "rounds": [], "empty_ns": [], "setup_s": [],
        }  # fmt: skip
        self.cells: Cells = {
            "ladder": [], "variant": [], "threads": [], "calls": [], "held_bytes": [],
            "alone_ns": [], "median": [], "p10": [], "min": [], "value": [], "log_ratio": [],
            "build_ns": [],
        }  # fmt: skip
        self.ceilings: Ceilings = {
            "ladder": [], "probe": [], "threads": [], "median": [], "log_ratio": [],
        }  # fmt: skip
        self._ladder_index: dict[tuple[LadderKey, int], int] = {}
        self._cell_index: dict[tuple[int, str, int], int] = {}
        self._counted: dict[int, list[dict[str, float]]] = {}
        self._gathered: dict[tuple[int, str], tuple[str, list[float]]] = {}

    def add(self, launch: Launch, withheld: set[LadderKey]) -> None:
        """Adds the ladders of a launch that are to be told."""
        for ladder in launch["ladders"]:
            key = planning.key_of_ladder(launch["kernel"], ladder)
            if ladder["status"] != "ok" or key in withheld:
                continue
            where = self._ladder(launch["kernel"], ladder)
            # The baseline is measured again in every group; its row is the first group's.
            first = self._planned(launch["kernel"], ladder)["groups"][0][0]
            for at, arm in enumerate(ladder["arms"]):
                if arm.get("probe"):
                    self._ceiling(where, arm, launch["launch"] - 1)
                elif not (ladder["group"] > 0 and at == 0 and arm["variant"] == first):
                    self._cell(where, launch["kernel"], ladder, arm, launch["launch"] - 1)

    def _planned(self, kernel: str, ladder: KeptLadder) -> CatalogueLadder:
        """The ladder as the catalogue has it."""
        return self._by_key[planning.key_of_ladder(kernel, ladder)]

    def _ladder(self, kernel: str, ladder: KeptLadder) -> int:
        """The row of a ladder's group, which is made where there is none."""
        key = planning.key_of_ladder(kernel, ladder)
        group = key, ladder["group"]
        if group in self._ladder_index:
            return self._ladder_index[group]
        known = self._planned(kernel, ladder)
        recorded = self._kernels[self._number[kernel]]
        variants = [variant["name"] for variant in recorded["variants"]]
        table = self.ladders
        table["kernel"].append(self._number[kernel])
        table["n"].append(ladder["n"])
        table["input"].append(recorded["inputs"].index(ladder["input"]))
        table["threads"].append(ladder["threads"])
        table["params"].append(ladder["params"])
        table["group"].append(ladder["group"])
        table["baseline"].append(variants.index(ladder["baseline"]))
        table["items"].append(five(known["items"]))
        table["bytes"].append(five(known["bytes"]))
        table["flops"].append(five(known["flops"]))
        table["clock"].append(ladder["clock"])
        table["working_set"].append(ladder["working_set"])
        rounds = planning.rounds_key(kernel, ladder)
        table["rounds"].append(self._plan["rounds"].get(rounds, 0))
        table["empty_ns"].append(five(max(0.0, ladder["empty_ns"])))
        table["setup_s"].append(five(max(0.0, ladder["setup_s"])))
        self._ladder_index[group] = len(self._ladder_index)
        return self._ladder_index[group]

    def _ceiling(self, ladder: int, arm: KeptArm, at: int) -> None:
        """Adds what launch `at` measured of a ladder's probe."""
        table = self.ceilings
        if ladder not in table["ladder"]:
            table["ladder"].append(ladder)
            table["probe"].append(safe(arm["probe"], 120))
            table["threads"].append(arm["threads"])
            table["median"].append(self._no_launches())
            table["log_ratio"].append(self._no_launches())
        index = table["ladder"].index(ladder)
        table["median"][index][at] = five(arm["median"])
        table["log_ratio"][index][at] = _log(arm["log_ratio"])

    def _cell(self, where: int, kernel: str, ladder: KeptLadder, arm: KeptArm, at: int) -> None:
        """Adds what launch `at` measured of a variant."""
        table = self.cells
        key = (where, arm["variant"], arm["threads"])
        if key not in self._cell_index:
            recorded = self._kernels[self._number[kernel]]
            variants = [variant["name"] for variant in recorded["variants"]]
            self._cell_index[key] = len(self._cell_index)
            table["ladder"].append(where)
            table["variant"].append(variants.index(arm["variant"]))
            table["threads"].append(arm["threads"])
            table["calls"].append(arm["calls"])
            table["held_bytes"].append(arm["held_bytes"])
            table["alone_ns"].append(_alone(self._alone, recorded, ladder, arm))
            table["median"].append(self._no_launches())
            table["p10"].append(self._no_launches())
            table["min"].append(self._no_launches())
            by_time = recorded["measure"]["name"] == "time"
            table["value"].append(None if by_time else self._no_launches())
            table["log_ratio"].append(self._no_launches())
            table["build_ns"].append(None)
        index = self._cell_index[key]
        table["median"][index][at] = five(arm["median"])
        table["p10"][index][at] = five(arm["p10"])
        table["min"][index][at] = five(arm["min"])
        table["log_ratio"][index][at] = _log(arm["log_ratio"])
        values = table["value"][index]
        if values is not None:
            values[at] = five(arm["value"])
        if arm["build_ns"] is not None:
            builds = table["build_ns"][index] or self._no_launches()
            builds[at] = five(arm["build_ns"])
            table["build_ns"][index] = builds
        self._counted.setdefault(index, []).append(arm.get("counters", {}))
        for name, entry in arm["quantities"].items():
            name = re.sub(r"[^A-Za-z0-9_.+-]", "_", name).lstrip("_.+-")[:60] or "other"
            self._gathered.setdefault((index, name), (entry["unit"], []))[1].append(entry["value"])

    def _no_launches(self) -> Launched:
        return [None] * self._plan["launches"]

    def with_counters(self) -> Cells:
        """The cells with the columns of the hardware counters that counted."""
        columns = counters.columns(self._counted, len(self.cells["ladder"]))
        return cast(Cells, {**self.cells, **columns})

    def quantities(self) -> Quantities:
        """What variants told besides times, medians over launches."""
        made: Quantities = {"cell": [], "name": [], "unit": [], "value": []}
        for (index, name), (unit, values) in self._gathered.items():
            made["cell"].append(index)
            made["name"].append(name)
            made["unit"].append(safe(unit, 40))
            made["value"].append(five(median(values)))
        return made


def run_json(
    state: State,
    plan: RunPlan,
    launches: list[Launch],
    alone: dict[str, dict[str, float | None]],
    end: End,
) -> Run:
    """run.json's tree (record/schemas/run-2.json), but for its noise floor.

    state: what was fixed at the start. plan: what the pilot fixed. launches: each finished launch
    as runner.py keeps it. alone: {kernel: {CELL name: ns}}.
    """
    catalogue = state["catalogue"]
    kernels = _kernels(catalogue, state["selection"])
    number = {kernel["name"]: index for index, kernel in enumerate(kernels)}
    tables = _Tables(catalogue, kernels, plan, alone)
    for launch in sorted(launches, key=lambda item: (number[item["kernel"]], item["launch"])):
        tables.add(launch, end.withheld)
    told: LaunchTable = {
        "kernel": [number[item["kernel"]] for item in launches],
        "launch": [item["launch"] for item in launches],
        "start": [five(round(item["start"], 2)) for item in launches],
        "status": [item["status"] for item in launches],
        "seconds": [five(round(item["seconds"], 3)) for item in launches],
        "load": [five(round(item["load"], 2)) for item in launches],
        "steal": [five(round(item["steal"], 4)) for item in launches],
        "sentinel": [None] * len(launches),
        "sentinel_min": [None] * len(launches),
        "slow_rounds": [None] * len(launches),
        "cause": [None] * len(launches),
    }
    columns = disturbance.columns({k["name"]: k for k in catalogue["kernels"]}, launches)
    made: Run = {
        "format": "headroom-run",
        "version": VERSION,
        "name": state["name"],
        "label": state["label"],
        "profile": state["profile"],
        "started": state["started"],
        "finished": end.finished,
        "seconds": five(end.seconds),
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
            "launches": plan["launches"],
            "budget_s": plan["budget_s"],
            "rounds_max": plan["rounds_max"],
            "scale": five(plan["scale"]),
            "seed": plan["seed"],
        },
        "kernels": kernels,
        "ladders": tables.ladders,
        "cells": tables.with_counters(),
        "ceilings": tables.ceilings,
        "quantities": tables.quantities(),
        "launches": cast(LaunchTable, {**told, **columns}),
        "missing": end.missing,
        "left_out": end.left_out,
        "failures": end.failures,
        "failed": end.failed,
        "fixtures": end.fixtures,
        "noise_floor": {},
        "notes": end.notes,
    }
    return cast(Run, {**made, **_device(catalogue, kernels), **_cluster(catalogue)})


def _alone(
    alone: dict[str, dict[str, float | None]], kernel: Kernel, ladder: KeptLadder, arm: KeptArm
) -> float | None:
    """Nanoseconds a call of an arm's variant run alone; None if not run, or withheld."""
    name = cell_name(
        kernel["name"],
        arm["variant"],
        ladder["n"],
        ladder["input"] if len(kernel["inputs"]) > 1 else None,
        arm["threads"] if len(kernel["threads"]) > 1 else None,
        ladder["params"],
    )
    ns = alone.get(kernel["name"], {}).get(name)
    return five(ns) if ns and ns > 0 else None
