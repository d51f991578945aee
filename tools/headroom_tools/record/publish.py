"""Decides what may be published of records.

Beyond being valid, dates and names must fit together, and nothing may name a person or a place.
"""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Callable, Iterator

from headroom_tools.base import files, paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.machine.fingerprint import slug
from headroom_tools.machine.types import Machine
from headroom_tools.record import private
from headroom_tools.record.types import Run
from headroom_tools.record.validate import (
    LISTS_LIMIT,
    RECORD_LIMIT,
    fail,
    machine_file,
    machine_tree,
    run_file,
    run_tree,
)

_FORMATS = {"headroom-run": "run", "headroom-machine": "machine"}


def _time(shown: str, field: str, text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise fail(shown, field, f"{text} is no date") from None


def _publishable(shown: str, tree: object) -> None:
    """HeadroomError for a valid record that names somebody."""
    named = private.found(tree)
    if named is not None:
        cure = "replace it, for example by PATH or HOST, before you publish the record"
        raise fail(shown, named[0], f"holds {named[1]}", cure)


def _possible_run(shown: str, run: Run) -> None:
    """HeadroomError for a valid run that can't have been measured as it says."""
    started = _time(shown, "started", run["started"])
    finished = _time(shown, "finished", run["finished"])
    if finished < started:
        raise fail(shown, "finished", "lies before the start")
    commit = run["commit"][:8] if run["commit"] else "nocommit"
    if run["name"] != f"{started:%Y%m%dT%H%M%SZ}-{commit}-{run['label']}":
        raise fail(shown, "name", "is not made of the start, the commit and the label")
    if max(run["cells"]["threads"], default=0) > run["threads_available"]:
        raise fail(shown, "cells.threads", "more threads than threads_available")


def _possible_machine(shown: str, tree: Machine) -> None:
    """HeadroomError for a valid fingerprint that no machine has."""
    cpu = tree["cpu"]
    for name, count in (
        ("sockets", cpu["sockets"]), ("cores", cpu["cores"]), ("threads", cpu["threads"])
    ):  # fmt: skip
        if count == 0 or (count or 1) > 100_000:
            raise fail(shown, f"cpu.{name}", f"{count} is impossible")
    if (cpu["cores"] or 0) > (cpu["threads"] or math.inf):
        raise fail(shown, "cpu.cores", "are more than the threads")
    for index, cache in enumerate(cpu["caches"]):
        if not 0 < (cache["bytes"] or 1) <= 1 << 40 or not 1 <= (cache["level"] or 1) <= 9:
            raise fail(shown, f"cpu.caches[{index}]", "is no cache that a CPU has")
    if not 1 << 20 <= (tree["ram"]["bytes"] or 1 << 20) <= 1 << 50:
        raise fail(shown, "ram.bytes", f"{tree['ram']['bytes']} is impossible")


def _pair(folder: Path, in_place: bool = False) -> list[Path]:
    """The two files of a run's folder; HeadroomError unless they may be published.

    in_place: the folder is one of results/, where its path says again what the run says.
    """
    pair = [folder / "run.json", folder / "machine.json"]
    for path in (folder, *pair):
        if path.is_symlink():
            raise fail(paths.shown(path), "the file", "is a symbolic link", "put the file there")
    run, fingerprint = run_file(pair[0]), machine_file(pair[1])
    if run["machine"] != fingerprint["slug"]:
        raise fail(paths.shown(folder), "machine", "run.json and machine.json differ in it")
    places = (("machine", run["machine"], folder.parent), ("name", run["name"], folder))
    for own, named, where in places if in_place else ():
        if named != where.name:
            cure = f"call the folder {named}"
            problem = f"is not its folder's name, {where.name}"
            raise fail(paths.shown(pair[0]), own, problem, cure)
    names = [paths.shown(path) for path in pair]
    _possible_run(names[0], run)
    _possible_machine(names[1], fingerprint)
    _publishable(names[1], fingerprint)
    _publishable(names[0], run)
    found = private.own_found(run, slug(fingerprint))
    if found is not None:
        cure = "measure with other words for --machine and --label, or take it out"
        raise fail(names[0], found[0], f"holds {found[1]}", cure)
    return pair


def _stray(path: Path) -> HeadroomError:
    cure = "results/ holds <machine>/<run>/{run.json, machine.json}: move it away"
    return fail(paths.shown(path), "the file", "is no part of a record", cure)


def _of_results(folder: Path) -> Iterator[Path | HeadroomError]:
    """Each run's folder below results/, or what is wrong with the place of it."""
    for machine_folder in sorted(folder.iterdir()):
        if not machine_folder.is_dir() or machine_folder.is_symlink():
            if machine_folder.name != "README.md" or machine_folder.is_symlink():
                yield _stray(machine_folder)
            continue
        for run_folder in sorted(machine_folder.iterdir()):
            if not run_folder.is_dir() or run_folder.is_symlink():
                yield _stray(run_folder)
                continue
            others = {path.name for path in run_folder.iterdir()}
            for name in sorted(others - {"run.json", "machine.json", "raw.json"}):
                yield _stray(run_folder / name)
            yield run_folder


def checked(path: Path) -> Iterator[tuple[Path, HeadroomError | None]]:
    """(file, None or what is wrong with it) for a run.json, a machine.json, a run's folder, a
    folder of these, or results/ as a whole."""

    def of(
        folder: Path, check: Callable[..., list[Path]], *more: object
    ) -> Iterator[tuple[Path, HeadroomError | None]]:
        try:
            yield from [(valid, None) for valid in check(folder, *more)]
        except HeadroomError as error:
            yield folder, error

    if not path.is_dir():
        yield from of(path, _file)
    elif (path / "run.json").exists() or (path / "machine.json").exists():
        yield from of(path, _pair)
    elif any(path.glob("*/run.json")):
        for folder in sorted({found.parent for found in path.glob("*/run.json")}):
            yield from of(folder, _pair)
    elif any(path.glob("*/*/run.json")):
        for entry in _of_results(path):
            if isinstance(entry, HeadroomError):
                yield path, entry
            else:
                yield from of(entry, _pair, True)
    else:
        yield path, HeadroomError(
            f"{paths.shown(path)}: holds no record: name a run folder or results/"
        )


def _file(path: Path) -> list[Path]:
    """`path` itself, where it is a run.json or a machine.json that may be published."""
    if not path.exists():
        raise HeadroomError(f"{paths.shown(path)}: no such file or folder")
    shown = paths.shown(path)
    tree = files.read_json(path, RECORD_LIMIT, LISTS_LIMIT)
    kind = _FORMATS.get(str(tree.get("format"))) if isinstance(tree, dict) else None
    if kind is None:
        raise fail(shown, "format", "is neither headroom-run nor headroom-machine")
    if kind == "run":
        _possible_run(shown, run_tree(tree, shown))
    else:
        _possible_machine(shown, machine_tree(tree, shown))
    _publishable(shown, tree)
    return [path]
