"""The end of a run: its record put together from what is on disk, and moved to its place."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from headroom_tools.base import files
from headroom_tools.base.text import counted, rounded, safe, without_paths
from headroom_tools.machine.types import Machine
from headroom_tools.measure import alone as alone_variants, counters, disturbance, plan as planning
from headroom_tools.measure.assemble import End, run_json
from headroom_tools.measure.types import Launch, LaunchKey, RunPlan, State
from headroom_tools.measure.unfinished import STAMP, check_folder
from headroom_tools.record import validate
from headroom_tools.record.cells import cells_of
from headroom_tools.record.noise import noise_floors
from headroom_tools.record.types import Failed, Failure, LadderKey, Missing, Run
from headroom_tools.record.validate import load


class Finished(NamedTuple):
    """Where the record lies, and what it says of how the run went."""

    folder: Path
    run: Run
    machine: Machine


_STAMP = "%Y-%m-%dT%H:%M:%SZ"
_ASTRAY_S = 60.0  # clocks are corrected by less all the time


def _finished(started: str, passed_s: float) -> tuple[str, str | None]:
    """(when a run ended, what is to be said of the clock): no earlier than it began and lasted."""
    now = datetime.now(timezone.utc)
    least = datetime.strptime(started, _STAMP).replace(tzinfo=timezone.utc)
    least += timedelta(seconds=int(passed_s))
    if now >= least:
        return now.strftime(_STAMP), None
    back = (least - now).total_seconds()
    note = "the clock was set back during the run; its end is its start and what it took"
    return least.strftime(_STAMP), note if back >= _ASTRAY_S else None


def _problems(
    launches: dict[LaunchKey, Launch]
) -> tuple[list[Failure], list[Missing], set[LadderKey]]:
    """(failures, ladders missing, keys of withheld ladders) that the launches tell of."""
    failures: list[Failure] = []
    missing: list[Missing] = []
    withheld: set[LadderKey] = set()
    for (name, index), tree in sorted(launches.items()):
        reported = False
        for ladder in tree["ladders"]:
            if ladder["status"] == "ok":
                continue
            message = without_paths(ladder["message"]) or ladder["status"]
            if ladder["status"] in ("no-memory", "no-space") and index == 0:
                needs = ladder["status"].replace("no-", "more ")
                entry = planning.missing_ladder(name, ladder, needs, message)
                if entry not in missing:
                    missing.append(entry)
                continue
            if ladder["status"] == "mismatch":
                withheld.add(planning.key_of_ladder(name, ladder))
            reported = True
            kind = ladder["status"] if ladder["status"] in validate.KINDS else "error"
            failures.append({
                "kernel": name, "launch": index, "kind": kind, "n": ladder["n"],
                "input": ladder["input"], "threads": ladder["threads"],
                "params": ladder["params"], "message": message,
            })  # fmt: skip
        if tree["status"] == "no-space":
            missing.append({
                "kernel": name, "variant": None, "n": None, "input": None, "threads": None,
                "params": None, "needs": "more space", "cure": tree["message"],
            })  # fmt: skip
        elif tree["status"] != "ok" and not reported:
            failures.append({
                "kernel": name, "launch": index, "kind": tree["status"], "n": None,
                "input": None, "threads": None, "params": None, "message": tree["message"],
            })  # fmt: skip
    return failures, missing, withheld


def _failed(launches: dict[LaunchKey, Launch]) -> list[Failed]:
    """The variants that failed while the others of their ladder went on, each once."""
    found: dict[tuple[LadderKey, str, int], Failed] = {}
    for (name, index), tree in sorted(launches.items(), key=lambda item: item[0][::-1]):
        for ladder in tree["ladders"]:
            for arm in ladder["failed"]:
                key = (planning.key_of_ladder(name, ladder), arm["variant"], arm["threads"])
                entry = found.setdefault(key, {
                    "kernel": name, "variant": arm["variant"], "n": ladder["n"],
                    "input": ladder["input"], "threads": arm["threads"],
                    "params": ladder["params"], "ladder_threads": ladder["threads"],
                    "launches": [], "message": arm["message"] or "failed",
                })  # fmt: skip
                if index not in entry["launches"]:
                    entry["launches"].append(index)
    return [found[key] for key in sorted(found)]


def assemble(
    folder: Path,
    state: State,
    plan: RunPlan,
    launches: dict[LaunchKey, Launch],
    passed_s: float = 0.0,
) -> None:
    """Writes record/run.json and record/machine.json, valid by their schemas.

    passed_s: seconds since the run began, by a clock that nobody sets.
    """
    failures, missing, withheld = _problems(launches)
    alone = {
        name: alone_variants.read(folder, name)
        for name in state["selection"]
        if alone_variants.path_of(folder, name).exists()
    }
    notes = list(state["notes"]) + plan["notes"]
    skipped = [name for name, tree in alone.items() if tree["status"] != "ok"]
    if skipped:
        notes.append(f"not run alone, or not all of it, within its time: {', '.join(skipped)}")
    disturbed = [name for name, tree in alone.items() if None in tree["cells"].values()]
    if disturbed:
        count = sum(ns is None for tree in alone.values() for ns in tree["cells"].values())
        notes.append(
            f"of variants run alone {counted(count, 'figure')} left out, for another program was "
            f"beside each attempt: {', '.join(disturbed)}"
        )
    evidence = [tree for (_, index), tree in launches.items() if index > 0]
    evidence.sort(key=lambda tree: (tree["launch"], tree["kernel"]))
    notes += counters.missing_note(evidence)
    finished, astray = _finished(state["started"], passed_s)
    notes += [astray] if astray else []
    spent = sum(disturbance.seconds_of(tree) for tree in launches.values())
    run = run_json(
        state,
        plan,
        evidence,
        {name: tree["cells"] for name, tree in alone.items()},
        End(
            withheld,
            finished,
            spent + sum(tree["seconds"] for tree in alone.values()),
            state["missing"] + missing,
            plan["left_out"],
            failures,
            _failed(launches),
            state["fixtures"],
            [safe(note) for note in notes],
        ),
    )
    run["noise_floor"] = rounded(noise_floors(cells_of(run)))
    fingerprint = state["fingerprint"]
    validate.run_tree(run, "run.json")
    validate.machine_tree(fingerprint, "machine.json")
    made = folder / "record"
    made.mkdir(exist_ok=True)
    if state["raw"]:
        files.write_atomic(made / "raw.json", files.dump(_raw(evidence)))
    files.write_atomic(made / "machine.json", files.dump(fingerprint))
    files.write_atomic(made / "run.json", files.dump(run))


def place(folder: Path, state: State) -> Finished:
    """Moves the record to its place (or, for a smoke run, leaves it here), and cleans up."""
    made = folder / "record"
    if state["out"] is None:
        found = list(made.iterdir()) if made.is_dir() else []
        for path in sorted(found, key=lambda path: path.name == "run.json"):
            os.replace(path, folder / path.name)
        for name in ("launches", "alone", "work", "record"):
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in ("plan.json", "state.json"):
            (folder / name).unlink(missing_ok=True)
        return Finished(folder, *load(folder))
    out = Path(state["out"])
    parent = out / state["machine"]
    check_folder(parent, "the results folder", "the record waits: `headroom run --resume`")
    target = _moved(made, parent, _token(folder))
    shutil.rmtree(folder)
    return Finished(target, *load(target))


def _token(folder: Path) -> str:
    """What tells this run's unfinished files from those of others; the same after a resume."""
    path = folder / "place"
    if not path.exists():
        files.write_atomic(path, secrets.token_hex(8))
    return path.read_text(encoding="utf-8")


def _moved(made: Path, parent: Path, token: str) -> Path:
    """Moves the record `made` into `parent` and returns its place there.

    Two machines of one name may have begun in one second, and share the folder of results: the
    rename decides who was first, and the other record takes the next second that is free.
    """
    while True:
        run = files.read_json(made / "run.json")
        target, hidden = parent / run["name"], parent / f".{run['name']}.{token}.tmp"
        shutil.rmtree(hidden, ignore_errors=True)
        hidden.mkdir()
        for path in made.iterdir():
            files.write_atomic(hidden / path.name, path.read_text(encoding="utf-8"))
        try:
            os.rename(hidden, target)
        except OSError as error:
            shutil.rmtree(hidden, ignore_errors=True)
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            if _is_copy(target, made):  # this run was stopped when it was through
                return target
            run["name"] = _a_second_later(run["name"])
            files.write_atomic(made / "run.json", files.dump(run))
            continue
        files.sync_folder(parent)
        return target


def _is_copy(target: Path, made: Path) -> bool:
    """Whether `target` holds the record `made`."""
    try:
        return (target / "run.json").read_bytes() == (made / "run.json").read_bytes()
    except OSError:
        return False


def _a_second_later(name: str) -> str:
    stamp, rest = name.split("-", 1)
    when = datetime.strptime(stamp, STAMP) + timedelta(seconds=1)
    return f"{when.strftime(STAMP)}-{rest}"


def _raw(launches: list[Launch]) -> dict[str, object]:
    """raw.json: every round of every launch, ns a call, and the sentinel's readings between."""
    return {
        "format": "headroom-raw",
        "version": 1,
        "launches": [
            {
                "kernel": tree["kernel"],
                "launch": tree["launch"],
                "sentinel": tree.get("readings"),
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
