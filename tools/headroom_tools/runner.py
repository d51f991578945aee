"""Measures: a pilot, then passes through all kernels, each finished launch on disk before the next.

An unfinished run is a folder in build/runs/ with state.json (fixed at the start), plan.json (fixed
by the pilot), launches/ and alone/ (one file for each process that ended). `Run` walks through what
is not there yet, so that going on after a kill is the same as going on after a launch.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from headroom_tools import (
    bench,
    files,
    machine,
    paths,
    plan as planning,
    record,
    scratch as scratch_space,
    show,
    source,
    summary,
    validate,
)
from headroom_tools.errors import HeadroomError
from headroom_tools.progress import Reporter
from headroom_tools.text import duration, rounded, safe, without_paths

PILOT_LIMIT_S = 300.0
LAUNCH_LIMIT_S = 60.0
LABEL_LENGTH = 36  # so that the name of a run is at most 64
GIVE_UP_AFTER = 2  # launches of a kernel that fail one after another


class Options(NamedTuple):
    """What `headroom run` was asked for. Folders are absolute."""

    profile: str
    filter: str | None
    machine: str | None
    label: str | None
    changed: list[str]
    out: Path | None
    scratch: Path
    simd_target: str | None
    raw: bool


class Finished(NamedTuple):
    """Where the record lies, and what it says of how the run went."""

    folder: Path
    run: dict


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _binary_hash() -> str:
    return hashlib.sha256(paths.bench().read_bytes()).hexdigest()


def check_folder(folder: Path, what: str, cure: str) -> None:
    """HeadroomError unless files can be written below `folder`, which is made if it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".headroom-{os.getpid()}.probe"
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
    except OSError as error:
        raise HeadroomError(
            f"{paths.shown(folder)}: {what} can't be written: {error.strerror}; {cure}"
        ) from None


def create(options: Options, catalogue: dict, selection: planning.Selection) -> Path:
    """Makes the folder of a new run and writes its state.json; returns the folder."""
    check_folder(paths.runs(), "the folder of unfinished runs", "free some space or make it yours")
    out = options.out or (None if options.profile == "smoke" else paths.results())
    if out is not None:
        check_folder(out, "the results folder", "name a writable one with --out")
    scratch_space.prepare(options.scratch)
    tree = machine.fingerprint(options.scratch)
    commit, dirty = source.commit(paths.root())
    label = options.label or _label_of(catalogue["build"]["compiler"])
    slug = options.machine or tree["slug"]
    while True:
        began = datetime.now(timezone.utc)
        name = f"{began:%Y%m%dT%H%M%SZ}-{(commit or 'nocommit')[:8]}-{label}"
        folder = paths.runs() / name
        if not folder.exists() and not (out and (out / slug / name).exists()):
            break
        time.sleep(0.1)  # another run began in this second and is through already
    state = {
        "version": 1,
        "name": name,
        "label": label,
        "profile": options.profile,
        "started": began.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": slug,
        "fingerprint": {**tree, "slug": slug},
        "changed": options.changed,
        "commit": commit,
        "dirty": dirty,
        "simd_target": options.simd_target,
        "binary": _binary_hash(),
        "catalogue": catalogue,
        "selection": selection.ladders,
        "missing": selection.missing,
        "notes": [safe(line) for line in machine.cautions()],
        "out": str(out) if out else None,
        "scratch": str(options.scratch),
        "raw": options.raw,
    }
    _check_catalogue(state)
    try:
        folder.mkdir(parents=True)
        for part in ("launches", "alone", "work"):
            (folder / part).mkdir()
        files.write_atomic(folder / "state.json", files.dump(state))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _check_catalogue(state: dict) -> None:
    """HeadroomError unless a record of `state` would be valid: better now than after measuring."""
    plan = {"launches": 1, "budget_s": 0.0, "rounds_max": 1, "scale": 1.0, "seed": planning.SEED}
    extra = {"withheld": (), "finished": state["started"], "seconds": 0.0, "missing": [],
             "left_out": [], "failures": [], "notes": state["notes"]}  # fmt: skip
    try:
        run = record.assemble(state, plan, [], {}, {**extra, "missing": state["missing"]})
        validate.run_tree(run, "the benchmark program's catalogue")
        validate.machine_tree(state["fingerprint"], "this machine's fingerprint")
    except (KeyError, TypeError) as error:
        raise HeadroomError(
            f"the benchmark program's catalogue is not what these tools read ({safe(error, 80)}): "
            "build it anew with `make`"
        ) from None


def _label_of(compiler: str) -> str:
    """The default label: the compiler, like `gnu-12.2.0`."""
    return re.sub(r"[^a-z0-9.]+", "-", compiler.lower()).strip("-.")[:LABEL_LENGTH] or "unknown"


def newest_unfinished() -> Path:
    """The folder that `--resume` goes on with."""
    found = sorted(paths.runs().glob("*/state.json"), key=lambda path: path.parent.name)
    if not found:
        raise HeadroomError("--resume: build/runs/ holds no unfinished run; start one without it")
    return found[-1].parent


class Run:
    """One run, new or resumed. `measure` ends with the record in its place."""

    def __init__(self, folder: Path, reporter: Reporter):
        self._folder = folder
        self._work = folder / "work"
        self._report = reporter
        self._state = files.read_json(folder / "state.json")
        if not isinstance(self._state, dict) or self._state.get("version") != 1:
            raise HeadroomError(
                f"{paths.shown(folder)}: state.json is of another version: remove the folder"
            )
        if self._state["binary"] != _binary_hash():
            raise HeadroomError(
                f"{paths.shown(folder)}: the benchmark program was built anew since this run "
                "began, and two programs don't mix: start a new run, or remove the folder"
            )
        self._profile = planning.PROFILES[self._state["profile"]]
        self._smoke = self._state["profile"] == "smoke"
        self._scratch = Path(self._state["scratch"])
        self._kernels = {kernel["name"]: kernel for kernel in self._state["catalogue"]["kernels"]}
        self._selection = self._state["selection"]
        self._work.mkdir(exist_ok=True)
        scratch_space.prepare(self._scratch)
        self._launches = self._read_launches()
        self._plan: dict | None = None

    # --- what is on disk

    def _read_launches(self) -> dict[tuple[str, int], dict]:
        found = {}
        for path in sorted((self._folder / "launches").glob("[0-9]*.json")):
            tree = files.read_json(path)
            found[tree["kernel"], tree["launch"]] = tree
        return found

    def _keep(self, tree: dict) -> None:
        """Puts a launch on disk: from here on it is never measured again."""
        name = f"{tree['launch']:03d}-{tree['kernel'].replace('/', '.')}.json"
        files.write_atomic(self._folder / "launches" / name, files.dump(tree))
        self._launches[tree["kernel"], tree["launch"]] = tree

    def kept(self) -> str:
        """How far the run is, for someone who stops it."""
        return f"{len(self._launches)} finished launches are kept in {paths.shown(self._folder)}"

    # --- one launch

    def _launch(self, kernel: str, index: int, plan: dict, limit: float, tick) -> dict:
        """Runs one process and keeps what it gave, also where that is a failure."""
        label = f"{index}-{kernel.replace('/', '.')}"
        pad = random.Random(f"{planning.SEED} {kernel} {index}").randrange(4096)
        needed = max(ladder["scratch_bytes"] for ladder in self._selection[kernel])
        lacking = scratch_space.lacks_space(self._scratch, needed)
        if lacking:
            raise HeadroomError(
                f"{paths.shown(self._scratch)}: {kernel} {lacking}: free some, then "
                f"`headroom run --resume`; {self.kept()}"
            )
        with scratch_space.for_launch(self._scratch, label) as own:
            ended, out = bench.launch(
                plan,
                index,
                self._work,
                own,
                pad,
                bench.time_limit(limit),
                self._state["simd_target"],
                tick,
            )
        ladders: list[dict] = []
        if out is not None:
            try:
                ladders = summary.launch(out, self._state["raw"] and index > 0)
                self._check_known(kernel, ladders)
            except ValueError as error:
                out, ended = None, ended._replace(status="error", message=without_paths(error))
        if out is None:
            self._check_space()
        tree = {
            "kernel": kernel,
            "launch": index,
            "status": ended.status,
            "message": ended.message,
            "seconds": ended.seconds,
            "load": ended.load,
            "steal": ended.steal,
            "simd_target": safe(out.get("simd_target") or "", 40) if out else None,
            "ladders": ladders,
        }
        if index == 0:
            tree["plan"] = self._usable_plan(out, ladders) if out else None
            tree["measured"] = out["ladders"] if out else []
            fit = any(ladder["status"] == "ok" for ladder in ladders)
            if fit and tree["plan"] is None and ended.status == "ok":
                tree["status"], tree["message"] = "error", "gave no plan"
        self._keep(tree)
        return tree

    def _check_known(self, kernel: str, ladders: list[dict]) -> None:
        """ValueError for a ladder or variant that the catalogue doesn't have."""
        known = [planning.where(ladder) for ladder in self._selection[kernel]]
        variants = {variant["name"] for variant in self._kernels[kernel]["variants"]}
        for ladder in ladders:
            if planning.where(ladder) not in known:
                raise ValueError(f"output has a ladder that was not asked for: n {ladder['n']}")
            own = {arm["variant"] for arm in ladder["arms"] if not arm["probe"]}
            if not {ladder["baseline"], *own} <= variants:
                raise ValueError(f"output has a variant that the catalogue lacks: n {ladder['n']}")

    def _check_space(self) -> None:
        """HeadroomError where a launch failed because the disk of the run's folder is full."""
        if shutil.disk_usage(self._folder).free < (1 << 20):
            raise HeadroomError(
                f"{paths.shown(self._folder)}: no space left on its disk: free some, then "
                "`headroom run --resume`; what was measured is kept"
            )

    @staticmethod
    def _usable_plan(out: dict, ladders: list[dict]) -> dict | None:
        """The pilot's plan without the ladders that it found unfit; None where none is left."""
        try:
            plan = out["plan"]
            good = {
                (entry["n"], entry["input"], entry["threads"], entry["group"])
                for entry in ladders
                if entry["status"] == "ok"
            }
            bad = {
                (entry["n"], entry["input"], entry["threads"])
                for entry in ladders
                if entry["status"] == "mismatch"
            }
            plan["ladders"] = [
                entry
                for entry in plan["ladders"]
                if (entry["n"], entry["input"], entry["threads"], entry["group"]) in good
                and (entry["n"], entry["input"], entry["threads"]) not in bad
                and entry["rounds"] > 0
                and entry["arms"]
            ]
            return plan if plan["ladders"] else None
        except (KeyError, TypeError):
            return None

    # --- the phases

    def measure(self) -> Finished:
        """Does what is not done yet, and moves the record to its place."""
        with self._report:
            done = (self._folder / "record" / "run.json", self._folder / "run.json")
            if not any(path.exists() for path in done):
                self._pilot()
                self._fix_plan()
                self._passes()
                self._alone()
                self._assemble()
        return self._finish()

    def _pilot(self) -> None:
        """The first pass: checks agreement, and lets the program choose calls and rounds."""
        names = list(self._selection)
        began = time.monotonic()
        fresh = 0
        todo = [name for name in names if (name, 0) not in self._launches]
        if todo:
            self._report.stage(f"pilot: checks and plans {len(todo)} kernels")
        for position, name in enumerate(names):
            if (name, 0) in self._launches:
                continue
            share = 1 / (self._profile.launches + 2)
            left = None
            if fresh and not self._smoke:
                each = (time.monotonic() - began) / fresh
                left = each * (len(todo) - fresh) + self._guess_s()
            self._report.update(f"pilot {name}", share * position / len(names), left)
            fresh += 1
            needed = max(ladder["scratch_bytes"] for ladder in self._selection[name])
            lacking = scratch_space.lacks_space(self._scratch, needed)
            if lacking:
                self._keep({
                    "kernel": name, "launch": 0, "status": "no-space", "message": lacking,
                    "seconds": 0.0, "load": 0.0, "steal": 0.0, "simd_target": None,
                    "ladders": [], "plan": None, "measured": [],
                })  # fmt: skip
                self._report.warn(f"{name}: {lacking}")
                continue
            plan = planning.pilot_plan(name, self._selection[name], self._profile, self._smoke)
            tree = self._launch(name, 0, plan, PILOT_LIMIT_S, lambda: self._report.tick(left))
            self._tell(tree)

    def _guess_s(self) -> float:
        """Seconds that the passes take, as far as that is known before the pilot's end."""
        groups = sum(len(l["groups"]) for ladders in self._selection.values() for l in ladders)
        each = planning.START_S * len(self._selection) + groups * self._profile.budget_s
        guess = each * self._profile.launches + self._alone_guess_s()
        return min(guess, self._profile.time_s or guess)

    def _tell(self, tree: dict) -> None:
        """Says aloud what went wrong in a launch."""
        what = "pilot" if tree["launch"] == 0 else f"launch {tree['launch']}"
        wrong = [ladder for ladder in tree["ladders"] if ladder["status"] == "mismatch"]
        for ladder in wrong:
            self._report.error(
                f"{planning.ladder_name(self._kernels[tree['kernel']], ladder)}: wrong answer: "
                f"{safe(ladder['message'])}"
            )
        if tree["status"] not in ("ok", "mismatch") or (tree["status"] == "mismatch" and not wrong):
            self._report.error(f"{tree['kernel']} {what}: {tree['status']}: {tree['message']}")

    def _fix_plan(self) -> None:
        """plan.json: what every later launch does, fitted into the profile's time."""
        path = self._folder / "plan.json"
        if path.exists():
            self._plan = files.read_json(path)
            return
        plans, setup, variable, left_out = {}, {}, {}, []
        short = self._state["profile"] in ("quick", "standard")
        for name in self._selection:
            pilot = self._launches[name, 0]
            if pilot["plan"] is None:
                continue
            measured = {
                (l["n"], l["input"], l["threads"], l["group"]): l for l in pilot["measured"]
            }
            slow: dict[tuple, float] = {}
            for key, ladder in measured.items():
                slow[key[:3]] = slow.get(key[:3], 0.0) + float(ladder.get("setup_s") or 0.0)
            kept, costs = [], []
            for planned in pilot["plan"]["ladders"]:
                where = (planned["n"], planned["input"], planned["threads"])
                if short and slow[where] > planning.SETUP_LIMIT_S:
                    entry = {
                        "kernel": name,
                        **planning.where(planned),
                        "reason": f"set-up takes {slow[where]:.1f} s a launch",
                    }
                    if entry not in left_out:
                        left_out.append(entry)
                    continue
                kept.append(planned)
                ladder = measured[(*where, planned["group"])]
                costs.append(planning.cost_of_ladder(planned, ladder, self._profile.budget_s))
            if kept:
                plans[name] = {**pilot["plan"], "ladders": kept}
                setup[name] = planning.START_S + sum(cost[0] for cost in costs)
                variable[name] = sum(cost[1] for cost in costs)
        count = self._profile.launches
        spent = sum(tree["seconds"] for tree in self._launches.values())
        scale, notes = 1.0, []
        if short and self._profile.time_s:
            room = self._profile.time_s - spent - self._alone_budget_s()
            room -= count * sum(setup.values())
            wanted = count * sum(variable.values())
            if wanted > room > 0 or room <= 0 < wanted:
                scale = max(room / wanted, 0.05)
                planning.shrink(plans, scale)
                notes.append(
                    f"rounds were cut to {scale:.2f} of the plan, to end within "
                    f"{duration(self._profile.time_s)}"
                )
        tree = {
            "launches": count,
            "budget_s": self._profile.budget_s,
            "rounds_max": self._profile.rounds_max,
            "seed": planning.SEED,
            "scale": scale,
            "plans": plans,
            "seconds": {name: setup[name] + scale * variable[name] for name in plans},
            "left_out": left_out,
            "notes": notes,
            "rounds": {
                f"{name}/{l['n']}/{l['input']}/{l['threads']}/{l['group']}": l["rounds"]
                for name, plan in plans.items()
                for l in plan["ladders"]
            },
        }
        files.write_atomic(path, files.dump(tree))
        self._plan = tree
        for note in notes:
            self._report.warn(note)
        if left_out:
            self._report.line(
                f"{len(left_out)} ladders are left to --profile thorough: their set-up takes long"
            )

    def _given_up(self, name: str, index: int) -> bool:
        """Whether the launches before `index` failed so often that a further one is pointless."""
        last = [self._launches.get((name, i)) for i in range(max(1, index - GIVE_UP_AFTER), index)]
        if any(l["status"] == "mismatch" for tree in last if tree for l in tree["ladders"]):
            return True
        return len(last) == GIVE_UP_AFTER and all(
            tree is None or tree["status"] not in ("ok", "mismatch") for tree in last
        )

    def _left_s(self, done: set) -> float:
        """Seconds that the launches not in `done` take: as measured where a kernel's are known."""
        total = self._alone_guess_s()
        for name, guess in self._plan["seconds"].items():
            seen = [self._launches[key]["seconds"] for key in done if key[0] == name and key[1] > 0]
            each = sum(seen) / len(seen) if seen else guess
            total += each * (self._plan["launches"] - len(seen))
        return total

    def _passes(self) -> None:
        """All launches, one pass through the kernels after the other."""
        names = list(self._plan["plans"])
        count = self._plan["launches"]
        began = time.monotonic()
        for index in range(1, count + 1):
            order = list(names)
            random.Random(f"{planning.SEED} pass {index}").shuffle(order)
            for name in order:
                if (name, index) in self._launches or self._given_up(name, index):
                    continue
                left = self._left_s(set(self._launches))
                finished = len(self._launches)
                share = finished / max(1, (count + 1) * len(names))
                self._report.update(f"pass {index}/{count} {name}", share, left)
                pilot_s = self._launches[name, 0]["seconds"]
                limit = max(LAUNCH_LIMIT_S, 10 * pilot_s)
                end = time.monotonic() + left
                tree = self._launch(
                    name,
                    index,
                    self._plan["plans"][name],
                    limit,
                    lambda end=end: self._report.tick(end - time.monotonic()),
                )
                self._tell(tree)
            left = self._left_s(set(self._launches))
            self._report.stage(
                f"pass {index}/{count}: {duration(time.monotonic() - began)} so far, "
                f"about {duration(left)} left"
            )

    def _alone_budget_s(self) -> float:
        """Seconds for the variants run alone: what the profile gives, less where they are few."""
        ladders = [
            ladder
            for name, found in self._selection.items()
            if not self._kernels[name]["probe"]
            for ladder in found
        ]
        arms = sum(len(group) for ladder in ladders for group in ladder["groups"])
        return min(self._profile.alone_s, 1.0 * arms)

    def _alone_names(self) -> list[str]:
        """The kernels whose variants are worth running alone: those with speedups to hold."""
        return [
            name
            for name in self._plan["plans"]
            if not (self._kernels[name]["placebo"] or self._kernels[name]["probe"])
        ]

    def _alone_guess_s(self) -> float:
        """Seconds that the variants run alone are likely to take."""
        return 0.4 * self._alone_budget_s()

    def _alone_pattern(self, kernel: dict) -> str | None:
        """A regular expression for the ordinary benchmarks of the kernel's headline ladders."""
        sizes = {
            str(ladder["n"])
            for ladder in self._plan["plans"][kernel["name"]]["ladders"]
            if ladder["n"] in kernel["headline"] and ladder["input"] == kernel["inputs"][0]
        }
        if not sizes:
            return None
        pattern = f"^{kernel['name']}/[^/]+/n:({'|'.join(sorted(sizes))})"
        if len(kernel["inputs"]) > 1:
            pattern += f"/input:{kernel['inputs'][0]}"
        return pattern + "(/|$)"

    def _alone(self) -> None:
        """Runs each variant alone, as an ordinary benchmark, for `show` to hold ladders against."""
        if not self._profile.alone_s:
            return
        names = self._alone_names()
        todo = [name for name in names if not self._alone_path(name).exists()]
        if todo:
            self._report.stage(f"alone: the variants of {len(todo)} kernels, one by one")
        left = self._alone_budget_s()
        for name in names:
            path = self._alone_path(name)
            if path.exists():
                left -= files.read_json(path)["seconds"]
        for index, name in enumerate(todo):
            pattern = self._alone_pattern(self._kernels[name])
            # No kernel takes the time of many others: a disk's variants take seconds each.
            share = min(left, max(1.0, 4 * left / (len(todo) - index)))
            kept = {"status": "skipped", "message": "no time left", "seconds": 0.0, "cells": {}}
            if pattern is not None and left > 0.5:
                self._report.update(f"alone {name}", 0.98, left)
                with scratch_space.for_launch(
                    self._scratch, f"alone-{name.replace('/', '.')}"
                ) as own:
                    ended, cells = bench.alone(
                        pattern,
                        self._work,
                        own,
                        bench.time_limit(share),
                        self._state["simd_target"],
                        lambda: self._report.tick(left),
                    )
                left -= ended.seconds
                kept = {
                    "status": ended.status,
                    "message": ended.message,
                    "seconds": ended.seconds,
                    "cells": cells,
                }
            files.write_atomic(self._alone_path(name), files.dump(kept))

    def _alone_path(self, kernel: str) -> Path:
        return self._folder / "alone" / f"{kernel.replace('/', '.')}.json"

    # --- the record

    def _problems(self) -> tuple[list[dict], list[dict], set]:
        """(failures, ladders missing, keys of withheld ladders) that the launches tell of."""
        failures, missing, withheld = [], [], set()
        for (name, index), tree in sorted(self._launches.items()):
            reported = False
            for ladder in tree["ladders"]:
                if ladder["status"] == "ok":
                    continue
                coordinates = planning.where(ladder)
                message = without_paths(ladder["message"]) or ladder["status"]
                if ladder["status"] in ("no-memory", "no-space") and index == 0:
                    entry = {"kernel": name, "variant": None, **coordinates}
                    entry.update(needs=ladder["status"].replace("no-", "more "), cure=message)
                    if entry not in missing:
                        missing.append(entry)
                    continue
                if ladder["status"] == "mismatch":
                    withheld.add((name, ladder["n"], ladder["input"], ladder["threads"]))
                reported = True
                kind = ladder["status"] if ladder["status"] in validate.KINDS else "error"
                entry = {"kernel": name, "launch": index, "kind": kind, **coordinates}
                failures.append({**entry, "message": message})
            if tree["status"] == "no-space":
                entry = {"kernel": name, "variant": None, "n": None, "input": None}
                missing.append({
                    **entry, "threads": None, "needs": "more space", "cure": tree["message"],
                })  # fmt: skip
            elif tree["status"] != "ok" and not reported:
                entry = {"kernel": name, "launch": index, "kind": tree["status"]}
                entry.update(n=None, input=None, threads=None, message=tree["message"])
                failures.append(entry)
        return failures, missing, withheld

    def _assemble(self) -> None:
        """Writes record/run.json and record/machine.json, valid by their schemas."""
        failures, missing, withheld = self._problems()
        alone = {
            name: files.read_json(self._alone_path(name))
            for name in self._selection
            if self._alone_path(name).exists()
        }
        notes = list(self._state["notes"]) + self._plan["notes"]
        skipped = [name for name, tree in alone.items() if tree["status"] != "ok"]
        if skipped:
            notes.append(f"not run alone, or not all of it, within its time: {', '.join(skipped)}")
        evidence = [tree for (_, index), tree in self._launches.items() if index > 0]
        evidence.sort(key=lambda tree: (tree["launch"], tree["kernel"]))
        spent = sum(tree["seconds"] for tree in self._launches.values())
        run = record.assemble(
            self._state,
            self._plan,
            evidence,
            {name: tree["cells"] for name, tree in alone.items()},
            {
                "withheld": withheld,
                "failures": failures,
                "missing": self._state["missing"] + missing,
                "left_out": self._plan["left_out"],
                "finished": _now(),
                "seconds": spent + sum(tree["seconds"] for tree in alone.values()),
                "notes": [safe(note) for note in notes],
            },
        )
        run["noise_floor"] = rounded(show.noise_floors(record.cells_of(run)))
        fingerprint = self._state["fingerprint"]
        validate.run_tree(run, "run.json")
        validate.machine_tree(fingerprint, "machine.json")
        folder = self._folder / "record"
        folder.mkdir(exist_ok=True)
        if self._state["raw"]:
            files.write_atomic(folder / "raw.json", files.dump(_raw(evidence)))
        files.write_atomic(folder / "machine.json", files.dump(fingerprint))
        files.write_atomic(folder / "run.json", files.dump(run))

    def _finish(self) -> Finished:
        """Moves the record to its place (or, for a smoke run, leaves it here), and cleans up."""
        made = self._folder / "record"
        if self._state["out"] is None:
            found = list(made.iterdir()) if made.is_dir() else []
            for path in sorted(found, key=lambda path: path.name == "run.json"):
                os.replace(path, self._folder / path.name)
            for name in ("launches", "alone", "work", "record"):
                shutil.rmtree(self._folder / name, ignore_errors=True)
            for name in ("plan.json", "state.json"):
                (self._folder / name).unlink(missing_ok=True)
            return Finished(self._folder, record.load(self._folder)[0])
        out = Path(self._state["out"])
        parent = out / self._state["machine"]
        target = parent / self._state["name"]
        check_folder(parent, "the results folder", "the record waits: `headroom run --resume`")
        if not target.exists():
            hidden = parent / f".{self._state['name']}.tmp"
            shutil.rmtree(hidden, ignore_errors=True)
            hidden.mkdir()
            for path in made.iterdir():
                files.write_atomic(hidden / path.name, path.read_text(encoding="utf-8"))
            os.replace(hidden, target)
            files.sync_folder(parent)
        shutil.rmtree(self._folder)
        return Finished(target, record.load(target)[0])


def _raw(launches: list[dict]) -> dict:
    """raw.json: every round of every launch, ns a call."""
    return {
        "format": "headroom-raw",
        "version": 1,
        "launches": [
            {
                "kernel": tree["kernel"],
                "launch": tree["launch"],
                "ladders": [
                    {
                        **planning.where(ladder),
                        "group": ladder["group"],
                        "arms": [
                            {"variant": arm["variant"], "threads": arm["threads"], **arm["raw"]}
                            for arm in ladder["arms"]
                        ],
                    }
                    for ladder in tree["ladders"]
                ],
            }
            for tree in launches
        ],
    }
