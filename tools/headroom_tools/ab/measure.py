"""The launches of both sides, in turn: A B, B A, ... A pair is adjacent in time, so that what
drifts hits both alike, and all that is drawn (order, places) is drawn once for both."""

from __future__ import annotations

import functools
import hashlib
import os
import random
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from headroom_tools.ab import plan as planning, record
from headroom_tools.base import files, paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import counted, duration, flags_without_paths, safe
from headroom_tools.machine.types import Machine
from headroom_tools.measure import bench, disturbance, launched, plan as run_plan, scratch
from headroom_tools.measure.progress import Reporter
from headroom_tools.measure.types import (
    Catalogue,
    CatalogueKernel,
    CatalogueLadder,
    KernelPlan,
    Launch,
    LaunchKey,
    PilotPlan,
)
from headroom_tools.record import ab_file, source
from headroom_tools.record.ab_types import (
    NAMES,
    Ab,
    Cell,
    Failure,
    Kernel,
    LaunchRow,
    Only,
    SideFacts,
)

PILOT_LIMIT_S = 300.0
LAUNCH_LIMIT_S = 60.0
GIVE_UP_AFTER = 2  # pairs of a kernel that fail one after another


class Setting(NamedTuple):
    """A side as its launches have it. environment: the catalogue's and the servers' too. source:
    the checkout that it was built from, None where that isn't known."""

    asked: str
    program: Path
    catalogue: Catalogue
    simd_target: str | None
    scratch: Path
    environment: dict[str, str | None]
    commit: str | None
    dirty: bool | None
    source: Path | None


class Wanted(NamedTuple):
    """What is compared. pairs: so many, or None: as many as there is time for."""

    kind: str
    filter: str | None
    pairs: int | None
    machine: Machine
    notes: list[str]


def sha256_of(program: Path) -> str:
    """What tells one program from another."""
    return hashlib.sha256(program.read_bytes()).hexdigest()


def _score(judge: disturbance.Judge, tree: Launch) -> float:
    """How far a launch was beyond its limits: above 1 where it was disturbed."""
    return judge.verdict(tree["kernel"], tree.get("conditions"), tree["start"]).score


class Comparison:
    """Measures, and keeps what was measured in a folder of its own below build/ab-runs/."""

    def __init__(
        self, sides: tuple[Setting, Setting], selected: planning.Selected, wanted: Wanted,
        reporter: Reporter,
    ):  # fmt: skip
        self._wanted = wanted
        self._report = reporter
        self._selected = selected.ladders
        self._kernels: tuple[dict[str, CatalogueKernel], ...] = tuple(
            {kernel["name"]: kernel for kernel in side.catalogue["kernels"]} for side in sides
        )
        self._began = datetime.now(timezone.utc)
        self._clock = time.monotonic()
        self.folder = record.create(self._began, [side.asked for side in sides])
        self._work = self.folder / "work"
        self._work.mkdir()
        # Started by names of one length, on which the place of a program's stack depends.
        self._sides = tuple(self._linked(at, side) for at, side in enumerate(sides))
        self._plans: dict[str, KernelPlan] = {}
        self._schedule = planning.Schedule(0, {}, 0.0)
        self._launches: tuple[dict[LaunchKey, Launch], ...] = ({}, {})
        self._tree = self._head(selected.only)

    def _linked(self, at: int, side: Setting) -> Setting:
        """The side, with its program kept for the time of the comparison."""
        program = self._work / f"{NAMES[at]:<4}".replace(" ", "_")
        try:
            os.link(side.program, program)  # what is built anew meanwhile is another file
        except OSError:
            shutil.copy2(side.program, program)
        return side._replace(program=program)

    def _head(self, only: list[Only]) -> Ab:
        base, new = (self._facts(side) for side in self._sides)
        return {
            "format": "headroom-ab",
            "version": ab_file.VERSION,
            "name": self.folder.name,
            "started": self._began.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "seconds": 0.0,
            "stopped": True,
            "kind": self._wanted.kind,
            "filter": self._wanted.filter,
            "pairs": 0,
            "done": 0,
            "budget_s": planning.PROFILE.budget_s,
            "rounds_max": planning.PROFILE.rounds_max,
            "seed": run_plan.SEED,
            "machine": self._wanted.machine,
            "base": base,
            "new": new,
            "kernels": [],
            "cells": [],
            "launches": [],
            "only": list(only),
            "left_out": [],
            "failures": [],
            "notes": list(self._wanted.notes),
        }

    @staticmethod
    def _facts(side: Setting) -> SideFacts:
        build = side.catalogue["build"].copy()
        build["flags"] = flags_without_paths(build["flags"])
        return {
            "asked": safe(side.asked),
            "commit": side.commit,
            "dirty": side.dirty,
            "program": sha256_of(side.program),
            "build": build,
            "libraries": side.catalogue["libraries"],
            "simd_taken": [],
        }

    # --- one launch

    def _launch(
        self, at: int, kernel: str, index: int, plan: PilotPlan | KernelPlan, limit: float,
        left: float | None,
    ) -> Launch:  # fmt: skip
        """A process of one side; what it gave, also where that is a failure."""
        side = self._sides[at]
        # The same for both sides, and so are the order of the arms, in memory and in time, and the
        # size of the environment: what is drawn is no part of the difference.
        chance = random.Random(f"{self._tree['started']} {kernel}").getrandbits(32)
        ladders: list[CatalogueLadder] = self._selected[kernel][at]
        lacking = scratch.lacks_space(side.scratch, max(one["scratch_bytes"] for one in ladders))
        if lacking:
            raise HeadroomError(
                f"{paths.shown(side.scratch)}: {kernel} {lacking}: free some, or name another "
                f"folder with --scratch; {self.kept()}"
            )
        start = time.monotonic() - self._clock
        label = f"{NAMES[at]:<4}-{index}-{kernel.replace('/', '.')}".replace(" ", "_")
        with scratch.for_launch(side.scratch, label) as own:
            ended, out = bench.launch(
                plan, index, self._work, own, chance, bench.time_limit(limit), side.simd_target,
                functools.partial(self._report.tick, left), side.environment, side.program,
            )  # fmt: skip
        return launched.taken(self._kernels[at][kernel], ladders, index, start, ended, out)

    # --- the phases

    def measure(self) -> Ab:
        """Pilots and pairs. KeyboardInterrupt leaves what was measured on disk."""
        try:
            with self._report:
                costs = self._pilots()
                limited = bool(self._wanted.filter)
                self._schedule = planning.schedule(costs, self._wanted.pairs, limited)
                self._tree["pairs"] = self._schedule.pairs
                self._report.line(
                    f"{counted(self._schedule.pairs, 'pair')} of launches, "
                    f"{counted(len(self._plans), 'kernel')}, about "
                    f"{duration(self._schedule.seconds)}"
                )
                self._passes()
            self._tree["stopped"] = False
            return self._tree
        finally:
            self._save()
            shutil.rmtree(self._work, ignore_errors=True)

    def kept(self) -> str:
        """How far it is, for someone who stops it."""
        done = self._tree["done"]
        if done == 0:
            return "no pair was finished, so nothing is kept"
        again = f"`headroom ab --show {paths.shown(self.folder)}` judges them"
        return f"{done} of {self._tree['pairs']} pairs are kept; {again}"

    def _pilots(self) -> dict[str, list[float]]:
        """Checks each side's answers and fits one plan; returns the seconds that a pair takes, by
        kernel and ladder."""
        names = list(self._selected)
        self._report.stage(f"pilots: check and plan {counted(len(names), 'kernel')} on both sides")
        costs = {}
        for position, name in enumerate(names):
            self._report.update(f"pilots {name}", 0.1 * position / len(names), None)
            trees = []
            for at in (0, 1):
                ladders = self._selected[name][at]
                plan = run_plan.pilot_plan(name, ladders, planning.PROFILE, False)
                trees.append(self._launch(at, name, 0, plan, PILOT_LIMIT_S, None))
                self._launches[at][name, 0] = trees[at]
                self._tell(at, trees[at])
            if all(tree["status"] not in ("ok", "mismatch") for tree in trees):
                continue
            fitted = planning.fit(name, (trees[0], trees[1]), bool(self._wanted.filter))
            self._tree["only"] += fitted.only
            self._tree["left_out"] += fitted.left_out
            if fitted.plan is not None:
                self._plans[name] = fitted.plan
                costs[name] = fitted.seconds
        if not self._plans:
            told = [f"{one['what']}: {one['why']}" for one in self._tree["only"]]
            told += [f"{one['kernel']}: {one['message']}" for one in self._tree["failures"]]
            raise HeadroomError(
                f"nothing could be measured on both sides: {'; '.join(told[:3]) or 'no ladder'}", 1
            )
        return costs

    def _passes(self) -> None:
        """All pairs, one pass through the kernels after the other."""
        count = self._schedule.pairs
        began = time.monotonic()
        for pair in range(1, count + 1):
            order = list(self._plans)
            random.Random(f"{self._tree['started']} pass {pair}").shuffle(order)
            for position, name in enumerate(order):
                if self._given_up(name, pair):
                    continue
                done = (pair - 1 + position / len(order)) / count
                left = self._schedule.seconds * (1 - done)
                if done > 0.1:
                    left = (time.monotonic() - began) / done * (1 - done)
                self._report.update(f"pair {pair}/{count} {name}", 0.1 + 0.9 * done, left)
                self._pair(name, pair, left)
            self._repeat()
            self._tree["done"] = pair
            if pair in (1, 2, 4) or pair % 8 == 0:
                self._save()

    def _first_side(self, name: str, pair: int) -> int:
        """Which side a pair begins with: drawn for every second one, the other way for the next."""
        block = (pair - 1) // 2
        drawn = random.Random(f"{self._tree['started']} {name} order {block}").randrange(2)
        return drawn if pair % 2 else 1 - drawn

    def _measured(self, name: str, pair: int, left: float | None) -> tuple[Launch, Launch]:
        """One launch of each side, one right after the other."""
        first = self._first_side(name, pair)
        plan = self._schedule.plan_of(self._plans[name], pair)
        trees: dict[int, Launch] = {}
        for at in (first, 1 - first):
            usual = self._launches[at][name, 0]["seconds"]
            limit = max(LAUNCH_LIMIT_S, 10 * usual)
            trees[at] = self._launch(at, name, pair, plan, limit, left)
        return trees[0], trees[1]

    def _pair(self, name: str, pair: int, left: float | None) -> None:
        for at, tree in enumerate(self._measured(name, pair, left)):
            self._launches[at][name, pair] = tree
            self._tell(at, tree)

    def _judges(self) -> tuple[disturbance.Judge, ...]:
        return tuple(
            disturbance.Judge(kernels, launches)
            for kernels, launches in zip(self._kernels, self._launches)
        )

    def _repeat(self) -> None:
        """Measures again the pairs of which a launch was disturbed: both, for they must be adjacent
        in time. The pair is kept whose worse launch was disturbed less."""
        judges = self._judges()
        again = dict.fromkeys(key for judge in judges for key in judge.to_repeat())
        for name, pair in again:
            old = tuple(launches[name, pair] for launches in self._launches)
            if any(tree["status"] != "ok" or tree.get("attempts", 1) > 1 for tree in old):
                continue
            new = self._measured(name, pair, None)
            scores = [
                max(_score(judge, tree) for judge, tree in zip(judges, trees))
                for trees in (old, new)
            ]
            kept, other = (old, new) if scores[0] <= scores[1] else (new, old)
            if any(tree["status"] != "ok" for tree in new):
                kept, other = new, old  # a failure is never hidden
            for at in (0, 1):
                made = kept[at].copy()
                made["attempts"] = 2
                made["discarded"] = other[at].get("conditions")
                made["extra_seconds"] = other[at]["seconds"]
                self._launches[at][name, pair] = made
                self._tell(at, made)

    def _given_up(self, name: str, pair: int) -> bool:
        """Whether the pairs before failed so often that a further one is pointless."""
        last = range(max(1, pair - GIVE_UP_AFTER), pair)
        for launches in self._launches:
            trees = [launches.get((name, index)) for index in last]
            ladders = [one for tree in trees if tree for one in tree["ladders"]]
            if any(one["status"] == "mismatch" for one in ladders):
                return True
            failed = [tree is None or tree["status"] not in ("ok", "mismatch") for tree in trees]
            if len(failed) == GIVE_UP_AFTER and all(failed):
                return True
        return False

    def _tell(self, at: int, tree: Launch) -> None:
        """Says aloud what went wrong in a launch, and keeps it."""
        found: list[tuple[str, str]] = []
        for ladder in tree["ladders"]:
            where = planning.where_text("", ladder).strip()
            if ladder["status"] != "ok":
                found.append((ladder["status"], f"{where}: {ladder['message']}"))
            for failed in ladder["failed"]:
                found.append(("variant", f"{failed['variant']} {where}: {failed['message']}"))
        if tree["status"] not in ("ok", "mismatch") or (tree["status"] == "mismatch" and not found):
            found.append((tree["status"], tree["message"]))
        for kind, message in found:
            failure: Failure = {
                "side": NAMES[at],
                "kernel": tree["kernel"],
                "pair": tree["launch"],
                "kind": kind,
                "message": safe(message),
            }
            known = [(one["side"], one["kernel"], one["message"]) for one in self._tree["failures"]]
            if (failure["side"], failure["kernel"], failure["message"]) not in known:
                told = "wrong answer" if kind == "mismatch" else kind
                self._report.error(f"{NAMES[at]}: {tree['kernel']}: {told}: {failure['message']}")
            if failure not in self._tree["failures"]:
                self._tree["failures"].append(failure)

    # --- the record

    def _save(self) -> None:
        """Puts what is measured so far on disk; nothing is kept where no pair is finished."""
        if self._tree["done"] == 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        tree = self._tree
        tree["seconds"] = time.monotonic() - self._clock
        names = list(self._plans)
        tree["kernels"] = [self._kernel(name) for name in names]
        tree["cells"] = [cell for at, name in enumerate(names) for cell in self._cells(at, name)]
        tree["launches"] = self._rows(names)
        for at, facts in enumerate((tree["base"], tree["new"])):
            taken = {one["simd_target"] for one in self._launches[at].values()} - {None, ""}
            facts["simd_taken"] = sorted(str(target) for target in taken)
        files.write_atomic(self.folder / ab_file.FILE, record.dumped(tree))

    def _hash(self, at: int, name: str) -> str | None:
        """Of a kernel's source on a side."""
        checkout = self._sides[at].source
        if checkout is None:
            return None
        kernels = checkout / "kernels"
        file = kernels / self._kernels[at][name]["source"]
        return source.source_hash(file, kernels, ab_file.HASHED_AS)

    def _kernel(self, name: str) -> Kernel:
        kernel = self._kernels[0][name]
        return {
            "name": name,
            "axis": kernel["axis"],
            "technique": kernel["technique"],
            "placebo": kernel["placebo"],
            "measure": kernel["measure"],
            "simulated": kernel.get("simulated", False),
            "inputs": kernel["inputs"],
            "threads": kernel["threads"],
            "source_hash": {"base": self._hash(0, name), "new": self._hash(1, name)},
        }

    def _cells(self, at: int, name: str) -> list[Cell]:
        """The cells of a kernel, with a value of each side by pair.

        A baseline that stands in several groups of a ladder is a cell of the first.
        """
        by_time = self._kernels[0][name]["measure"]["name"] == "time"
        items = {
            run_plan.key_of_ladder(name, ladder): ladder["items"]
            for ladder in self._selected[name][0]
        }
        cells: dict[tuple[object, ...], Cell] = {}
        groups: dict[tuple[object, ...], int] = {}
        for planned in self._plans[name]["ladders"]:
            for arm in planned["arms"]:
                where = run_plan.key_of_ladder(name, planned)
                key = (where, arm["variant"], arm["threads"])
                if key in cells:
                    continue
                groups[key] = planned["group"]
                cells[key] = {
                    "kernel": at,
                    "variant": arm["variant"],
                    "n": planned["n"],
                    "input": planned["input"],
                    "threads": arm["threads"],
                    "params": planned["params"],
                    "ladder_threads": planned["threads"],
                    "items": items[where],
                    "clock": "",
                    "calls": arm["calls"],
                    "rounds": planned["rounds"],
                    "base": [None] * self._tree["done"],
                    "new": [None] * self._tree["done"],
                }
        for side, launches in enumerate(self._launches):
            for (kernel, pair), tree in launches.items():
                if kernel != name or not 0 < pair <= self._tree["done"]:
                    continue
                for ladder in tree["ladders"]:
                    for one in ladder["arms"]:
                        where = run_plan.key_of_ladder(name, ladder)
                        key = (where, one["variant"], one["threads"])
                        if key not in cells or groups[key] != ladder["group"]:
                            continue
                        values = cells[key]["base"] if side == 0 else cells[key]["new"]
                        values[pair - 1] = one["median"] if by_time else one["value"]
                        cells[key]["clock"] = ladder["clock"]
        return list(cells.values())

    def _rows(self, names: list[str]) -> list[LaunchRow]:
        judges = self._judges()
        rows: list[LaunchRow] = []
        for side, launches in enumerate(self._launches):
            for (name, pair), tree in launches.items():
                if name not in names or not 0 < pair <= self._tree["done"]:
                    continue
                rows.append({
                    "kernel": names.index(name),
                    "pair": pair,
                    "side": NAMES[side],
                    "first": self._first_side(name, pair) == side,
                    "start": tree["start"],
                    "seconds": tree["seconds"],
                    "status": tree["status"],
                    "attempts": tree.get("attempts", 1),
                    "disturbed": _score(judges[side], tree),
                })  # fmt: skip
        return sorted(rows, key=lambda row: row["start"])
