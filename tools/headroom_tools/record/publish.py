"""Decides what may be published of records.

Beyond being valid, dates and names must fit together, and nothing may name a person or a place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Iterator

from headroom_tools.base import files, paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.machine.fingerprint import slug
from headroom_tools.record import ab_file, allowed, private
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

_FORMATS = {"headroom-run": "run", "headroom-machine": "machine", "headroom-ab": "ab"}
_OF_RUN = ("run.json", "machine.json")


def _possible_run(shown: str, run: Run) -> None:
    """HeadroomError for a valid run that can't have been measured as it says."""
    started = allowed.time_of(shown, "started", run["started"])
    finished = allowed.time_of(shown, "finished", run["finished"])
    if finished < started:
        raise fail(shown, "finished", "lies before the start")
    commit = run["commit"][:8] if run["commit"] else "nocommit"
    if run["name"] != f"{started:%Y%m%dT%H%M%SZ}-{commit}-{run['label']}":
        raise fail(shown, "name", "is not made of the start, the commit and the label")
    if max(run["cells"]["threads"], default=0) > run["threads_available"]:
        raise fail(shown, "cells.threads", "more threads than threads_available")


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
    allowed.possible_machine(names[1], fingerprint)
    allowed.publishable(names[1], fingerprint)
    allowed.publishable(names[0], run)
    found = private.own_found(run, slug(fingerprint))
    if found is not None:
        cure = "measure with other words for --machine and --label, or take it out"
        raise fail(names[0], found[0], f"holds {found[1]}", cure)
    return pair


def _is_ab(folder: Path) -> bool:
    return (folder / ab_file.FILE).exists() and not (folder / "run.json").exists()


def _record(folder: Path, in_place: bool = False) -> list[Path]:
    """The files of a run's or a comparison's folder; HeadroomError unless they may be published."""
    return (ab_file.folder_file if _is_ab(folder) else _pair)(folder, in_place)


def _stray(path: Path) -> HeadroomError:
    cure = "results/ holds <machine>/<run>/{run.json, machine.json} or ab.json: move it away"
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
            known = {ab_file.FILE} if _is_ab(run_folder) else {*_OF_RUN, "raw.json"}
            for name in sorted(others - known):
                yield _stray(run_folder / name)
            yield run_folder


def checked(path: Path) -> Iterator[tuple[Path, HeadroomError | None]]:
    """(file, None or what is wrong with it) for a run.json, a machine.json, an ab.json, the folder
    of a run or comparison, a folder of these, or results/ as a whole."""

    def of(
        folder: Path, check: Callable[..., list[Path]], *more: object
    ) -> Iterator[tuple[Path, HeadroomError | None]]:
        try:
            yield from [(valid, None) for valid in check(folder, *more)]
        except HeadroomError as error:
            yield folder, error

    def holding(depth: str) -> list[Path]:
        found = [one for name in ("run.json", ab_file.FILE) for one in path.glob(depth + name)]
        return sorted({one.parent for one in found})

    if not path.is_dir():
        yield from of(path, _file)
    elif any((path / name).exists() for name in (*_OF_RUN, ab_file.FILE)):
        yield from of(path, _record)
    elif holding("*/"):
        for folder in holding("*/"):
            yield from of(folder, _record)
    elif holding("*/*/"):
        for entry in _of_results(path):
            if isinstance(entry, HeadroomError):
                yield path, entry
            else:
                yield from of(entry, _record, True)
    else:
        yield path, HeadroomError(
            f"{paths.shown(path)}: holds no record: name a run folder or results/"
        )


def _file(path: Path) -> list[Path]:
    """`path` itself, where it is a file of a record that may be published."""
    if not path.exists():
        raise HeadroomError(f"{paths.shown(path)}: no such file or folder")
    shown = paths.shown(path)
    tree = files.read_json(path, RECORD_LIMIT, LISTS_LIMIT)
    kind = _FORMATS.get(str(tree.get("format"))) if isinstance(tree, dict) else None
    if kind is None:
        raise fail(shown, "format", f"is none of {', '.join(_FORMATS)}")
    if kind == "run":
        _possible_run(shown, run_tree(tree, shown))
    elif kind == "ab":
        ab_file.publishable(ab_file.tree_of(tree, shown), shown)
    else:
        allowed.possible_machine(shown, machine_tree(tree, shown))
    allowed.publishable(shown, tree)
    return [path]
