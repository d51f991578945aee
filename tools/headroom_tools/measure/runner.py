"""Measures: a pilot, then passes through all kernels, each finished launch on disk before the next.

`Run` walks through what is not on disk yet (unfinished.py), so that going on after a kill is the
same as going on after a launch.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Callable, cast

from headroom_tools.base import files, paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import counted, duration, safe, without_numbers
from headroom_tools.fixtures.held import Held
from headroom_tools.machine import allowance
from headroom_tools.measure import (
    alone,
    bench,
    disturbance,
    finish,
    launched,
    plan as planning,
    scratch as scratch_space,
    unfinished,
)
from headroom_tools.measure.progress import Reporter
from headroom_tools.measure.types import (
    FailedArm,
    KernelPlan,
    Launch,
    LaunchKey,
    Output,
    PilotPlan,
    RunPlan,
)

PILOT_LIMIT_S = 300.0
LAUNCH_LIMIT_S = 60.0
GIVE_UP_AFTER = 2  # launches of a kernel that fail one after another


class Run:
    """One run, new or resumed. `measure` ends with the record in its place."""

    def __init__(self, folder: Path, reporter: Reporter, held: Held):
        """held: the servers that the run's kernels name, started."""
        self._folder = folder
        self._work = folder / "work"
        self._report = reporter
        self._state = unfinished.state_of(folder)
        self._profile = planning.PROFILES[self._state["profile"]]
        self._smoke = self._state["profile"] == "smoke"
        self._scratch = Path(self._state["scratch"])
        self._kernels = {kernel["name"]: kernel for kernel in self._state["catalogue"]["kernels"]}
        self._selection = self._state["selection"]
        self._held = held
        self._environment = {**bench.environment(self._state["catalogue"]), **held.environment}
        self._cpus, self._quota = allowance.cpus(), allowance.quota()
        self._work.mkdir(exist_ok=True)
        scratch_space.prepare(self._scratch)
        self._launches = unfinished.read_launches(folder)
        self._fixed: RunPlan | None = None
        self._fastest: float | None = None  # what the sentinel's loop takes here
        self._told_failed: set[tuple[str, str, str]] = set()
        # The clock on the wall may be set while we measure; what a resumed run has, came before.
        began = datetime.strptime(self._state["started"], "%Y-%m-%dT%H:%M:%SZ")
        passed = time.time() - began.replace(tzinfo=timezone.utc).timestamp()
        kept = [one.get("start", 0.0) + one["seconds"] for one in self._launches.values()]
        self._passed = max(0.0, passed, *kept)
        self._began = time.monotonic()

    @property
    def _plan(self) -> RunPlan:
        """What every launch does, once the pilots are through."""
        assert self._fixed is not None
        return self._fixed

    @property
    def _time_s(self) -> float | None:
        """What the run is to take, at most: on a slow machine more than the profile says."""
        return self._profile.time_s if self._fixed is None else self._fixed["time_s"]

    # --- what is on disk

    def _keep(self, tree: Launch) -> None:
        """Puts a launch on disk: from here on it is never measured again."""
        unfinished.keep_launch(self._folder, tree)
        self._launches[tree["kernel"], tree["launch"]] = tree

    def kept(self) -> str:
        """How far the run is, for someone who stops it."""
        return f"{len(self._launches)} finished launches are kept in {paths.shown(self._folder)}"

    # --- one launch

    def _launch(
        self,
        kernel: str,
        index: int,
        plan: PilotPlan | KernelPlan,
        limit: float,
        tick: Callable[[], None],
    ) -> Launch:
        """Runs one process; what it gave, also where that is a failure."""
        label = f"{index}-{kernel.replace('/', '.')}"
        chance = random.Random(f"{self._state['started']} {kernel}").getrandbits(32)
        needed = max(ladder["scratch_bytes"] for ladder in self._selection[kernel])
        lacking = scratch_space.lacks_space(self._scratch, needed)
        if lacking:
            raise HeadroomError(
                f"{paths.shown(self._scratch)}: {kernel} {lacking}: free some, then "
                f"`headroom run --resume`; {self.kept()}"
            )
        self._check_allowance()
        start = self._since_start()
        out: Output | None = None
        without = self._without(kernel)
        if without:
            ended = bench.Ended("error", without, 0.0, os.getloadavg()[0], 0.0)
        else:
            with scratch_space.for_launch(self._scratch, label) as own:
                ended, out = bench.launch(
                    plan,
                    index,
                    self._work,
                    own,
                    chance,
                    bench.time_limit(limit),
                    self._state["simd_target"],
                    tick,
                    self._environment,
                )
        tree = launched.taken(
            self._kernels[kernel],
            self._selection[kernel],
            index,
            start,
            ended,
            out,
            self._state["raw"] and index > 0,
        )
        if tree["status"] not in ("ok", "mismatch"):
            self._check_space()
        return tree

    def _without(self, kernel: str) -> str | None:
        """Which server the kernel can't have any more; None where all that it needs answer.

        One that only other variants than its baseline need was there for the plan, or it is none
        of the kernel's: those variants are missing.
        """
        tree = self._kernels[kernel]
        first = {need["name"].split(" ")[0] for need in tree["variants"][0]["needs"]}
        names = [name for name in tree["fixtures"] if name in first or self._held.had(name)]
        return self._held.lacking(names)

    def _check_space(self) -> None:
        """HeadroomError where a launch failed because the disk of the run's folder is full."""
        if shutil.disk_usage(self._folder).free < (1 << 20):
            raise HeadroomError(
                f"{paths.shown(self._folder)}: no space left on its disk: free some, then "
                "`headroom run --resume`; what was measured is kept"
            )

    def _since_start(self) -> float:
        """Seconds since the run was started, pauses included."""
        return self._passed + time.monotonic() - self._began

    def _check_allowance(self) -> None:
        """HeadroomError where CPUs were taken away since this process began, or a control group
        gives it another share of their time: launches before and after could not be compared."""
        lost = self._cpus - allowance.cpus()
        if lost and lost != self._cpus:
            raise HeadroomError(
                f"{counted(len(lost), 'CPU')} of {len(self._cpus)} may not be used any more: "
                f"`headroom run --resume` when they may; {self.kept()}"
            )
        quota = allowance.quota()
        if quota != self._quota:
            told = ["no limit" if q is None else f"{q:.3g}" for q in (self._quota, quota)]
            raise HeadroomError(
                f"a control group's limit of CPU time changed from {told[0]} to {told[1]}: "
                f"`headroom run --resume` when it is as it was; {self.kept()}"
            )

    # --- the phases

    def measure(self) -> finish.Finished:
        """Does what is not done yet, and moves the record to its place."""
        with self._report:
            done = (self._folder / "record" / "run.json", self._folder / "run.json")
            if not any(path.exists() for path in done):
                self._pilot()
                self._repeat_pilots()
                self._fix_plan()
                self._passes()
                if self._profile.alone_s:
                    plans = self._plan["plans"]
                    alone.Runner(
                        self._folder,
                        self._state,
                        disturbance.Judge(self._kernels, self._launches),
                        self._since_start,
                        self._report,
                        self._environment,
                    ).run(
                        self._kernels,
                        {name: plans[name] for name in plans if not self._without(name)},
                        self._alone_budget_s(self._spent_s()),
                    )
                self._state["notes"] += self._held.failures()
                passed = self._since_start()
                finish.assemble(self._folder, self._state, self._plan, self._launches, passed)
        return finish.place(self._folder, self._state)

    def _pilot(self) -> None:
        """The first pass: checks agreement, and lets the program choose calls and rounds."""
        names = list(self._selection)
        began = time.monotonic()
        fresh = 0
        unchecked = [name for name in names if (name, 0) not in self._launches]
        if unchecked:
            self._report.stage(f"pilot: checks and plans {counted(len(unchecked), 'kernel')}")
        for position, name in enumerate(names):
            if (name, 0) in self._launches:
                continue
            share = 1 / (self._profile.launches + 2)
            left = None
            if fresh and not self._smoke:
                each = (time.monotonic() - began) / fresh
                left = each * (len(unchecked) - fresh) + self._guess_s()
            self._report.update(f"pilot {name}", share * position / len(names), left)
            fresh += 1
            needed = max(ladder["scratch_bytes"] for ladder in self._selection[name])
            lacking = scratch_space.lacks_space(self._scratch, needed)
            if lacking:
                self._keep({
                    "kernel": name, "launch": 0, "start": self._since_start(),
                    "status": "no-space", "message": lacking,
                    "seconds": 0.0, "load": 0.0, "steal": 0.0, "simd_target": None,
                    "ladders": [], "plan": None, "measured": [],
                })  # fmt: skip
                self._report.warn(f"{name}: {lacking}")
                continue
            tree = self._one_pilot(name, left)
            self._keep(tree)
            self._tell(tree)

    def _one_pilot(self, name: str, left: float | None) -> Launch:
        simulated = self._kernels[name].get("simulated", False)
        plan = planning.pilot_plan(
            name, self._selection[name], self._profile, self._smoke, simulated
        )
        return self._launch(name, 0, plan, PILOT_LIMIT_S, lambda: self._report.tick(left))

    def _repeat_pilots(self) -> None:
        """Runs again the pilots that were disturbed: calls and rounds would be chosen badly.

        The same bounds as for launches: the worst fifth, and no more than the time in reserve.
        """
        if self._smoke or (self._folder / "plan.json").exists():
            return
        judge = disturbance.Judge(self._kernels, self._launches)
        pilots = [tree for (_, index), tree in self._launches.items() if index == 0]
        reserve = planning.REPEAT_RESERVE * (self._profile.time_s or float("inf"))
        reserve -= sum(disturbance.extra_seconds_of(tree) for tree in pilots)
        for name, index in judge.to_repeat(pilots=True):
            first = self._launches[name, index]
            if first["seconds"] > reserve:
                continue
            left = self._guess_s()
            self._report.update(f"pilot again {name}", 1 / (self._profile.launches + 2), left)
            again = self._one_pilot(name, left)
            reserve -= again["seconds"]
            self._keep(judge.better(first, again))
            self._tell(again)

    def _guess_s(self) -> float:
        """Seconds that the passes take, as far as that is known before the pilot's end."""
        ladders = [ladder for found in self._selection.values() for ladder in found]
        groups = sum(len(ladder["groups"]) for ladder in ladders)
        each = planning.START_S * len(self._selection) + groups * self._profile.budget_s
        guess = each * self._profile.launches + self._alone_guess_s()
        return min(guess, self._profile.time_s or guess)

    def _tell(self, tree: Launch) -> None:
        """Says aloud what went wrong in a launch."""
        what = "pilot" if tree["launch"] == 0 else f"launch {tree['launch']}"
        for ladder in tree["ladders"]:
            for failed in ladder["failed"]:
                self._tell_failed(tree["kernel"], failed)
        wrong = [ladder for ladder in tree["ladders"] if ladder["status"] == "mismatch"]
        for ladder in wrong:
            self._report.error(
                f"{planning.ladder_name(self._kernels[tree['kernel']], ladder)}: wrong answer: "
                f"{safe(ladder['message'])}"
            )
        if tree["status"] not in ("ok", "mismatch") or (tree["status"] == "mismatch" and not wrong):
            # Each reason once: the end of the run says of how many launches it holds.
            told = (tree["kernel"], tree["status"], without_numbers(tree["message"]))
            if told not in self._told_failed:
                self._told_failed.add(told)
                self._report.error(f"{tree['kernel']} {what}: {tree['status']}: {tree['message']}")

    def _tell_failed(self, kernel: str, failed: FailedArm) -> None:
        """Says once what a variant failed with; the others of its ladder go on."""
        told = (kernel, failed["variant"], without_numbers(failed["message"]))
        if told not in self._told_failed:
            self._told_failed.add(told)
            self._report.warn(
                f"{kernel}/{failed['variant']} failed, the others go on: {failed['message']}"
            )

    def _fix_plan(self) -> None:
        """plan.json: made once, when all pilots are through."""
        path = self._folder / "plan.json"
        if path.exists():
            self._fixed = cast(RunPlan, files.read_json(path))
            return
        pilots = {name: self._launches[name, 0] for name in self._selection}
        plan = planning.fit(
            pilots,
            self._selection,
            self._state["profile"],
            self._spent_s(),
            self._alone_budget_s(),
            {name for name in self._selection if self._kernels[name].get("simulated", False)},
        )
        note = disturbance.pilots_note(self._kernels, self._launches)
        if note:
            plan["notes"].append(note)
        files.write_atomic(path, files.dump(plan))
        self._fixed = plan
        for line in plan["notes"]:
            self._report.warn(line)

    def _given_up(self, name: str, index: int) -> bool:
        """Whether the launches before `index` failed so often that a further one is pointless."""
        last = [self._launches.get((name, i)) for i in range(max(1, index - GIVE_UP_AFTER), index)]
        if any(one["status"] == "mismatch" for tree in last if tree for one in tree["ladders"]):
            return True
        if last and last[-1] and last[-1]["status"] != "ok" and self._without(name):
            return True  # told once, and it doesn't come back
        return len(last) == GIVE_UP_AFTER and all(
            tree is None or tree["status"] not in ("ok", "mismatch") for tree in last
        )

    def _left_s(self, done: set[LaunchKey]) -> float:
        """Seconds that the launches not in `done` take: as measured where a kernel's are known."""
        total = self._alone_guess_s()
        for name, guess in self._plan["seconds"].items():
            seen = [self._launches[key]["seconds"] for key in done if key[0] == name and key[1] > 0]
            each = sum(seen) / len(seen) if seen else guess
            total += each * (self._launches_of(name, self._plan["launches"]) - len(seen))
        return total

    def _launches_of(self, name: str, launches: int) -> int:
        """How many of so many launches a kernel has."""
        return planning.launches_of(self._kernels[name], launches)

    def _passes(self) -> None:
        """All launches, one pass through the kernels after the other."""
        names = list(self._plan["plans"])
        count = self._plan["launches"]
        began = time.monotonic()
        for index in range(1, count + 1):
            self._fastest = disturbance.Judge(self._kernels, self._launches).reference()
            order = list(names)
            random.Random(f"{self._state['started']} pass {index}").shuffle(order)
            for name in order:
                if index > self._launches_of(name, count):
                    continue
                if (name, index) in self._launches or self._given_up(name, index):
                    continue
                tree = self._timed(name, index, "")
                self._keep(tree)
                self._tell(tree)
            self._repeat()
            left = self._left_s(set(self._launches))
            self._report.stage(
                f"pass {index}/{count}: {duration(time.monotonic() - began)} so far, "
                f"about {duration(left)} left"
            )

    def _timed(self, name: str, index: int, again: str) -> Launch:
        """One launch by the plan."""
        count = self._plan["launches"]
        left = self._left_s(set(self._launches))
        share = len(self._launches) / max(1, (count + 1) * len(self._plan["plans"]))
        self._report.update(f"pass {index}/{count} {again}{name}", share, left)
        end = time.monotonic() + left
        plan = self._plan["plans"][name].copy()
        if self._fastest is not None:
            plan["sentinel_ns"] = self._fastest
        return self._launch(
            name,
            index,
            plan,
            max(LAUNCH_LIMIT_S, 10 * self._launches[name, 0]["seconds"]),
            lambda: self._report.tick(end - time.monotonic()),
        )

    def _repeat(self) -> None:
        """Measures again what was disturbed, as far as its share and the profile's time allow.

        The better attempt takes the other's place on disk; a run that is killed before that repeats
        it when it goes on.
        """
        judge = disturbance.Judge(self._kernels, self._launches)
        for name, index in [] if self._smoke else judge.to_repeat():
            first = self._launches[name, index]
            needed = self._spent_s() + self._left_s(set(self._launches)) + first["seconds"]
            if self._time_s and needed > self._time_s:
                break
            again = self._timed(name, index, "again ")
            self._keep(judge.better(first, again))
            self._tell(again)

    def _spent_s(self) -> float:
        """Seconds that all launches so far took, those measured again included."""
        return sum(disturbance.seconds_of(tree) for tree in self._launches.values())

    def _alone_budget_s(self, spent_s: float = 0.0) -> float:
        """Seconds for the variants run alone, of what `spent_s` left."""
        profile = self._profile._replace(time_s=self._time_s)
        return alone.budget_s(profile, self._kernels, self._selection, spent_s)

    def _alone_guess_s(self) -> float:
        """Seconds that the variants run alone are likely to take."""
        return 0.4 * self._alone_budget_s()
