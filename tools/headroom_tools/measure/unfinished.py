"""An unfinished run on disk: a folder in build/runs/ with what is fixed at its start.

state.json is written once, plan.json by the pilot, and launches/ and alone/ hold one file for each
process that ended. What is not there is still to be done.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple, cast

from headroom_tools.base import files, paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe
from headroom_tools.machine.fingerprint import fingerprint
from headroom_tools.measure import bench, plan as planning, scratch as scratch_space
from headroom_tools.measure.assemble import End, run_json
from headroom_tools.measure.types import Catalogue, Launch, LaunchKey, RunPlan, State
from headroom_tools.record import source, validate
from headroom_tools.record.types import Fixture

VERSION = 2  # of state.json, and of all that an unfinished run keeps
STAMP = "%Y%m%dT%H%M%SZ"  # when a run began, as its name has it
LABEL_LENGTH = 36  # so that the name of a run is at most 64


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


def binary_hash() -> str:
    """What tells one build of the benchmark program from another."""
    return hashlib.sha256(bench.measured_program().read_bytes()).hexdigest()


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


def create(
    options: Options,
    catalogue: Catalogue,
    selection: planning.Selection,
    notes: list[str],
    fixtures: list[Fixture],
) -> Path:
    """Makes the folder of a new run and writes its state.json; returns the folder.

    notes: what goes into the record beside what the run itself finds. fixtures: what the record
    says of the servers.
    """
    check_folder(paths.runs(), "the folder of unfinished runs", "free some space or make it yours")
    out = options.out or (None if options.profile == "smoke" else paths.results())
    if out is not None:
        check_folder(out, "the results folder", "name a writable one with --out")
    scratch_space.prepare(options.scratch)
    tree = fingerprint(options.scratch)
    commit, dirty = source.commit(paths.root())
    label = options.label or _label_of(catalogue["build"]["compiler"])
    slug = options.machine or tree["slug"]
    binary = binary_hash()
    while True:
        began = datetime.now(timezone.utc)
        name = f"{began.strftime(STAMP)}-{(commit or 'nocommit')[:8]}-{label}"
        folder = paths.runs() / name
        if not (out and (out / slug / name).exists()) and _made(folder):
            break
        time.sleep(0.1)  # another run began in this second
    fingerprint_ = tree.copy()
    fingerprint_["slug"] = slug
    state: State = {
        "version": VERSION,
        "name": name,
        "label": label,
        "profile": options.profile,
        "started": began.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": slug,
        "fingerprint": fingerprint_,
        "changed": options.changed,
        "commit": commit,
        "dirty": dirty,
        "simd_target": options.simd_target,
        "binary": binary,
        "catalogue": catalogue,
        "selection": selection.ladders,
        "missing": selection.missing,
        "notes": notes,
        "fixtures": fixtures,
        "out": str(out) if out else None,
        "scratch": str(options.scratch),
        "raw": options.raw,
    }
    if job := bench.job():
        state["job"] = {"ranks": job.ranks, "hosts": str(job.hosts) if job.hosts else None}
    try:
        _check_catalogue(state)
        for part in ("launches", "alone", "work"):
            (folder / part).mkdir()
        files.write_atomic(folder / "state.json", files.dump(state))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _made(folder: Path) -> bool:
    """Makes the folder, unless it is there: False."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return False
    return True


def _check_catalogue(state: State) -> None:
    """HeadroomError unless a record of `state` would be valid: better now than after measuring."""
    plan: RunPlan = {
        "launches": 1, "time_s": None, "budget_s": 0.0, "rounds_max": 1, "scale": 1.0,
        "seed": planning.SEED, "plans": {}, "seconds": {}, "left_out": [], "notes": [],
        "rounds": {},
    }  # fmt: skip
    try:
        missing, notes = state["missing"], state["notes"]
        end = End(set(), state["started"], 0.0, missing, [], [], [], state["fixtures"], notes)
        run = run_json(state, plan, [], {}, end)
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


def newest() -> Path:
    """The folder that `--resume` goes on with."""
    found = sorted(paths.runs().glob("*/state.json"), key=lambda path: path.parent.name)
    if not found:
        raise HeadroomError("--resume: build/runs/ holds no unfinished run; start one without it")
    return found[-1].parent


def read_launches(folder: Path) -> dict[LaunchKey, Launch]:
    """The launches that are on disk, by kernel and number; number 0 is the pilot."""
    found: dict[LaunchKey, Launch] = {}
    for path in sorted((folder / "launches").glob("[0-9]*.json")):
        tree = cast(Launch, files.read_json(path))
        found[tree["kernel"], tree["launch"]] = tree
    return found


def keep_launch(folder: Path, tree: Launch) -> None:
    """Puts a launch on disk, in the place of what was there of it."""
    name = f"{tree['launch']:03d}-{tree['kernel'].replace('/', '.')}.json"
    files.write_atomic(folder / "launches" / name, files.dump(tree))


def state_of(folder: Path) -> State:
    """What was fixed at the start of the run in `folder`, if this program can go on with it."""
    state = files.read_json(folder / "state.json")
    if not isinstance(state, dict) or state.get("version") != VERSION:
        raise HeadroomError(
            f"{paths.shown(folder)}: state.json is of another version: remove the folder"
        )
    if state["binary"] != binary_hash():
        raise HeadroomError(
            f"{paths.shown(folder)}: the benchmark program was built anew since this run "
            "began, and two programs don't mix: start a new run, or remove the folder"
        )
    return cast(State, state)


def check_fixtures(folder: Path, now: list[Fixture]) -> None:
    """HeadroomError where a server that the run in `folder` began with is another one now."""
    before = {facts["name"]: facts for facts in state_of(folder)["fixtures"]}
    for facts in now:
        if before.get(facts["name"], facts) != facts:
            raise HeadroomError(
                f"{paths.shown(folder)}: {facts['name']} has another version or other settings "
                "than when this run began: start a new run, or remove the folder"
            )


# Of a fingerprint: what another program, or nobody but root, may have changed meanwhile.
_MAY_CHANGE = ("slug", "cpu.governor", "cpu.boost", "disk", "transparent_huge_pages", "ram.bytes",
               "ram.type", "ram.mega_transfers", "ram.modules", "ram.channels")  # fmt: skip


def _facts(tree: object, prefix: str = "") -> dict[str, object]:
    """The leaves of a fingerprint by their dotted names, without what may change."""
    if prefix in _MAY_CHANGE:
        return {}
    if isinstance(tree, dict):
        return {
            key: value
            for name, inner in tree.items()
            for key, value in _facts(inner, f"{prefix}.{name}".lstrip(".")).items()
        }
    return {prefix: tree}


def check_machine(folder: Path, state: State) -> None:
    """HeadroomError where the run in `folder` began on another machine, or with more or less of it:
    figures of two machines don't mix. What is unknown at one of both times is no difference, but
    what may be used of a machine is known: nothing said is all of it."""
    before, now = _facts(state["fingerprint"]), _facts(fingerprint(Path(state["scratch"])))
    for name in {**before, **now}:
        one, other = before.get(name), now.get(name)
        if one != other and (None not in (one, other) or name.startswith("allowed.")):
            was, is_ = ("all" if value is None else safe(value, 40) for value in (one, other))
            short = len(f"{was}{is_}") < 80
            what = f"{name} is {is_} and was {was}" if short else f"{name} differs"
            raise HeadroomError(
                f"{paths.shown(folder)}: this is not the machine that the run began on ({what}): "
                "go on there, start a new run here, or remove the folder"
            )


def add_notes(folder: Path, notes: list[str]) -> None:
    """Adds those of `notes` that the run does not have yet."""
    state = state_of(folder)
    fresh = [note for note in notes if note not in state["notes"]]
    if fresh:
        state["notes"] += fresh
        files.write_atomic(folder / "state.json", files.dump(state))
