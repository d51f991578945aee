"""The end of a run: its record put together from what is on disk, and moved to its place."""

from __future__ import annotations

import os
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from headroom_tools.base import files
from headroom_tools.base.text import rounded, safe, without_paths
from headroom_tools.measure import alone as alone_variants, counters, disturbance, plan as planning
from headroom_tools.measure.assemble import run_json
from headroom_tools.measure.unfinished import check_folder
from headroom_tools.record import validate
from headroom_tools.record.cells import cells_of
from headroom_tools.record.noise import noise_floors
from headroom_tools.record.validate import load


class Finished(NamedTuple):
    """Where the record lies, and what it says of how the run went."""

    folder: Path
    run: dict


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _problems(launches: dict) -> tuple[list[dict], list[dict], set]:
    """(failures, ladders missing, keys of withheld ladders) that the launches tell of."""
    failures, missing, withheld = [], [], set()
    for (name, index), tree in sorted(launches.items()):
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


def assemble(folder: Path, state: dict, plan: dict, launches: dict) -> None:
    """Writes record/run.json and record/machine.json, valid by their schemas."""
    failures, missing, withheld = _problems(launches)
    alone = {
        name: files.read_json(path)
        for name in state["selection"]
        if (path := alone_variants.path_of(folder, name)).exists()
    }
    notes = list(state["notes"]) + plan["notes"]
    skipped = [name for name, tree in alone.items() if tree["status"] != "ok"]
    if skipped:
        notes.append(f"not run alone, or not all of it, within its time: {', '.join(skipped)}")
    evidence = [tree for (_, index), tree in launches.items() if index > 0]
    evidence.sort(key=lambda tree: (tree["launch"], tree["kernel"]))
    notes += counters.missing_note(evidence)
    spent = sum(disturbance.seconds_of(tree) for tree in launches.values())
    run = run_json(
        state,
        plan,
        evidence,
        {name: tree["cells"] for name, tree in alone.items()},
        {
            "withheld": withheld,
            "failures": failures,
            "missing": state["missing"] + missing,
            "left_out": plan["left_out"],
            "finished": _now(),
            "seconds": spent + sum(tree["seconds"] for tree in alone.values()),
            "notes": [safe(note) for note in notes],
        },
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


def place(folder: Path, state: dict) -> Finished:
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
        return Finished(folder, load(folder)[0])
    out = Path(state["out"])
    parent = out / state["machine"]
    target = parent / state["name"]
    check_folder(parent, "the results folder", "the record waits: `headroom run --resume`")
    if not target.exists():
        hidden = parent / f".{state['name']}.tmp"
        shutil.rmtree(hidden, ignore_errors=True)
        hidden.mkdir()
        for path in made.iterdir():
            files.write_atomic(hidden / path.name, path.read_text(encoding="utf-8"))
        os.replace(hidden, target)
        files.sync_folder(parent)
    shutil.rmtree(folder)
    return Finished(target, load(target)[0])


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
