"""Which runs make a side: the rule, and what is told of it.

Runs pool where they are repeats of one measurement: of one machine by its fingerprint, under one
label, of one configuration, with the same commit and kernels' sources, and where they don't differ
as machines do (strays). Those that are named are taken whatever they are; of those that lie beside
them, with their label, the NEIGHBOURS newest of the same commit are read, for every side alike.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple, Protocol

from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe
from headroom_tools.compare import strays
from headroom_tools.compare.loaded import Loaded, loaded as load
from headroom_tools.machine.types import Machine
from headroom_tools.record.types import Run

NEIGHBOURS = 8
_NAME = re.compile(r"\d{8}T\d{6}Z-(?P<commit>[0-9a-f]{8}|nocommit)-(?P<label>.+)")


class NotPooled(NamedTuple):
    """A run that bears the label of a side and isn't in it. apart: how it differs as machines do,
    where that is why."""

    name: str
    why: str
    apart: strays.Apart | None


class Pool(NamedTuple):
    """The runs of a side, those named first.

    beside: repeats that only tell how far runs lie apart. left: what was read, or named, and is
    neither. older: how many more repeats there may be, which were not read.
    """

    runs: list[Loaded]
    beside: list[Loaded]
    left: list[NotPooled]
    older: int


def configuration(run: Run) -> dict[str, object]:
    """What can be chosen on one machine, and the code that was measured, by what it is called."""
    build, simd = run["build"], run["simd"]
    return {
        "profile": (run["profile"], run["plan"]["launches"]),
        "compiler": build["compiler"],
        "flags": (build["flags"], build["build_type"], build["isa"]),
        "SIMD target": (simd["asked"], tuple(simd["taken"])),
        "libraries": tuple(sorted(run["libraries"].items())),
        "kernels": tuple(sorted(kernel["name"] for kernel in run["kernels"])),
        "source": tuple(sorted((k["name"], k["source_hash"]) for k in run["kernels"])),
        "device": run.get("device"),
        "MPI job": run.get("cluster"),
        "commit": run["commit"],
        "uncommitted changes": bool(run["dirty"]),
    }


def _code_is_known(run: Run) -> bool:
    """Whether the record tells which code it measured: by its commit, or by hashes of all sources
    with their headers, which those of version 1 don't cover."""
    if run["commit"] is not None and run["dirty"] is False:
        return True
    return run["version"] > 1 and all(kernel["source_hash"] for kernel in run["kernels"])


def _fingerprint(machine: Machine) -> dict[str, object]:
    """A fingerprint for comparing: RAM by the GiB, as kernels keep more or less of it."""
    facts = flat(machine)
    ram = facts["ram.bytes"]
    facts["ram.bytes"] = -(-ram // (1 << 30)) if isinstance(ram, int) and ram else None
    return facts


def flat(tree: object, prefix: str = "") -> dict[str, object]:
    """The leaves of nested objects, by their dotted names."""
    if isinstance(tree, dict):
        return {
            key: value
            for name, inner in tree.items()
            for key, value in flat(inner, f"{prefix}.{name}" if prefix else name).items()
        }
    return {prefix: tree}


class Measured(Protocol):
    """A run and its machine: a side, or what else has them."""

    @property
    def run(self) -> Run:
        """The run.json."""

    @property
    def machine(self) -> Machine:
        """The machine.json."""


def _first_difference(one: dict[str, object], other: dict[str, object]) -> str | None:
    return next((name for name in {**one, **other} if one.get(name) != other.get(name)), None)


def why_apart(one: Measured, other: Measured) -> str | None:
    """Why two runs of one label are no repeats of one measurement, in a few words; None if they
    are."""
    fact = _first_difference(_fingerprint(one.machine), _fingerprint(other.machine))
    if fact is not None:
        return f"another machine ({safe(fact, 40)})"
    if one.run["changed"] != other.run["changed"]:
        return "another declared change"
    choice = _first_difference(configuration(one.run), configuration(other.run))
    if choice is not None:
        return choice if choice == "uncommitted changes" else f"other {choice}"
    if not (_code_is_known(one.run) and _code_is_known(other.run)):
        return "unknown source"
    return None


def same_code(one: Measured, other: Measured) -> bool:
    """Whether two runs are repeats, however they are labelled."""
    return why_apart(one, other) is None


def agree(one: Loaded, other: Loaded) -> bool:
    """Whether two runs pool, if they don't differ as machines do."""
    return one.run["label"] == other.run["label"] and why_apart(one, other) is None


class _Beside(NamedTuple):
    """The runs in the folders of a group: those read that agree; others, by why not; not read."""

    runs: list[Loaded]
    left: list[NotPooled]
    older: int


def _neighbours(group: list[Loaded], named: set[Path]) -> _Beside:
    first = group[0]
    commit = (first.run["commit"] or "nocommit")[:8]
    candidates: dict[Path, tuple[bool, str]] = {}
    left: list[NotPooled] = []
    for path in {path for one in group for path in one.folder.parent.glob("*/run.json")}:
        folder = path.parent.resolve()
        name = _NAME.fullmatch(folder.name)
        if folder in named or (name is not None and name["label"] != first.run["label"]):
            continue
        if name is not None and name["commit"] != commit:
            left.append(NotPooled(folder.name, "other commit", None))
        else:
            candidates[folder] = name is not None, folder.name
    newest = sorted(candidates, key=lambda folder: (candidates[folder], folder), reverse=True)
    found: list[Loaded] = []
    for folder in newest[:NEIGHBOURS]:
        try:
            other = load(folder)
        except (HeadroomError, OSError):  # a damaged neighbour is no reason to refuse these two
            left.append(NotPooled(folder.name, "unreadable", None))
            continue
        if other.run["label"] != first.run["label"]:
            continue
        why = why_apart(first, other)
        if why is None:
            found.append(other)
        else:
            left.append(NotPooled(folder.name, why, None))
    left.sort(reverse=True)
    return _Beside(found, left, len(newest[NEIGHBOURS:]))


def _clusters(runs: list[Loaded]) -> tuple[list[list[int]], dict[tuple[int, int], strays.Apart]]:
    """Indexes of runs that don't differ as machines do, directly or by way of others; and which
    pairs do. It is the same in whichever order they come."""
    apart = strays.apart(runs)
    clusters: list[list[int]] = []
    for at in range(len(runs)):
        joined = [own for own in clusters if any((other, at) not in apart for other in own)]
        rest = [own for own in clusters if own not in joined]
        clusters = [*rest, sorted([at, *(other for own in joined for other in own)])]
    return sorted(clusters), apart


def _as_machines(
    at: int, of: int, runs: list[Loaded], apart: dict[tuple[int, int], strays.Apart]
) -> NotPooled:
    """That run `at` is left out of the side of run `of`."""
    told = apart[min(at, of), max(at, of)]
    factor = told.factor if at > of else 1 / told.factor
    name = runs[at].folder.name
    return NotPooled(name, "differs as machines do", told._replace(factor=factor))


def _pools_of_group(group: list[Loaded], named: set[Path], pool: bool) -> list[Pool]:
    """The sides that named runs make that agree with each other."""
    beside = _neighbours(group, named)
    runs = [*group, *beside.runs]
    clusters, apart = _clusters(runs)
    pools = []
    for cluster in clusters:
        own = [runs[at] for at in cluster if at < len(group)]
        if not own:
            continue
        more = [runs[at] for at in cluster if at >= len(group)]
        left = [
            _as_machines(at, cluster[0], runs, apart)
            for at in range(len(runs))
            if at not in cluster
        ]
        left += beside.left
        if pool:
            pools.append(Pool([*own, *more], [], left, beside.older))
        else:
            pools += [Pool([one], more, left, beside.older) for one in own]
    return pools


def pools_of(runs: list[Loaded], pool: bool) -> list[Pool]:
    """The sides that these make, in their order. pool: whether runs are pooled at all.

    Where all that were named agree there would be nothing left to compare: then each stands by
    itself, as with pool=False, and so does what is named twice.
    """
    named = {one.folder for one in runs}
    groups: list[list[Loaded]] = []
    twice: list[tuple[int, Loaded]] = []
    seen: set[Path] = set()
    for at, one in enumerate(runs):
        known = next((group for group in groups if agree(group[0], one)), None)
        if one.folder in seen:
            twice.append((at, one))
        elif known is None:
            groups.append([one])
        else:
            known.append(one)
        seen.add(one.folder)
    again = {one.folder for _, one in twice}
    pooling = pool and len(groups) > 1
    found: list[tuple[int, Pool]] = []
    for group in groups:
        apart = not pooling or any(one.folder in again for one in group)
        for made in _pools_of_group(group, named, not apart):
            found.append((min(runs.index(one) for one in made.runs if one in group), made))
            found += [(at, made) for at, one in twice if one.folder == made.runs[0].folder]
    return [made for _, made in sorted(found, key=lambda entry: entry[0])]
