"""Decides whether an ab.json is one, and may be published: a comparison of `headroom ab`.

`headroom ab` keeps its comparisons in build/ab-runs. In results/ lie those whose sides name nothing
that is anybody's own: no folder, no variable, no build that only one machine has.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Callable, cast

import fastjsonschema

from headroom_tools.base import files, paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe
from headroom_tools.machine.fingerprint import slug
from headroom_tools.record import allowed, private, validate
from headroom_tools.record.ab_types import NAMES, Ab

VERSION = 1
FILE = "ab.json"
HASHED_AS = 2  # the version of run.json whose hashes of sources it has
PAIRS_LEAST = 6  # below it there is no interval, and no verdict
# Kinds of sides that name nothing private.
PUBLIC = ("rev", "preset", "cxx", "flags", "link", "simd")
# What stands for the two programs, whose hashes may depend on where they were built.
PROGRAMS = ("first", "second")
_CURE = "take the file as `headroom ab` wrote it"


@lru_cache(maxsize=None)
def _check() -> Callable[[object], object]:
    schema = Path(validate.__file__).resolve().parent / "schemas" / f"ab-{VERSION}.json"
    return cast(Callable[[object], object], fastjsonschema.compile(files.read_json(schema)))


def tree_of(tree: object, shown: str) -> Ab:
    """`tree` as the comparison that it is; HeadroomError where it is none."""
    try:
        _check()(tree)
    except fastjsonschema.JsonSchemaException as error:
        field = re.sub(r"^data\.?", "", str(error.name or "")) or "the whole file"
        raise validate.fail(shown, field, error.message.split(" ", 1)[-1], _CURE) from None
    ab = cast(Ab, tree)
    validate.machine_tree(ab["machine"], shown)
    for index, cell in enumerate(ab["cells"]):
        if cell["kernel"] >= len(ab["kernels"]) or not (
            len(cell["base"]) == len(cell["new"]) == ab["done"]
        ):
            raise validate.fail(shown, f"cells[{index}]", "does not fit the rest", _CURE)
    for index, row in enumerate(ab["launches"]):
        if row["kernel"] >= len(ab["kernels"]) or row["pair"] > ab["done"]:
            raise validate.fail(shown, f"launches[{index}]", "does not fit the rest", _CURE)
    names = [kernel["name"] for kernel in ab["kernels"]]
    if len(set(names)) != len(names):
        raise validate.fail(shown, "kernels", "an entry occurs twice", _CURE)
    for kernel in ab["kernels"]:  # of comparisons from before there were hashes
        kernel.setdefault("source_hash", {"base": None, "new": None})
    return ab


def load(path: Path) -> Ab:
    """The comparison in `path`; HeadroomError for what is none."""
    tree = files.read_json(path, validate.RECORD_LIMIT, validate.LISTS_LIMIT)
    return tree_of(tree, paths.shown(path))


def check_kind(kind: str) -> None:
    """HeadroomError for sides that are not to be published."""
    if kind not in PUBLIC:
        known = ", ".join(f"{one}:" for one in PUBLIC)
        raise HeadroomError(
            f"--publish: {kind}: sides name what is this machine's own: only {known} are published"
        )


def named(tree: Ab, label: str) -> str:
    """The name of a comparison in results/."""
    started = re.sub(r"[-:]", "", tree["started"])
    return f"{started}-{(tree['new']['commit'] or 'nocommit')[:8]}-{label}"


def published(tree: Ab, label: str, machine: str | None) -> Ab:
    """The comparison as it may lie in results/; HeadroomError for one that may not."""
    check_kind(tree["kind"])
    if tree["done"] < PAIRS_LEAST:
        raise HeadroomError(
            f"--publish: {tree['done']} pairs are too few for verdicts: {PAIRS_LEAST} at least"
        )
    if any(None in kernel["source_hash"].values() for kernel in tree["kernels"]):
        raise HeadroomError(
            "--publish: the comparison doesn't have its kernels' sources (an older Headroom's, or "
            "one of kernels elsewhere): measure it again"
        )
    made = tree.copy()
    made["base"], made["new"] = tree["base"].copy(), tree["new"].copy()
    same = tree["base"]["program"] == tree["new"]["program"]
    made["base"]["program"], made["new"]["program"] = PROGRAMS[0], PROGRAMS[0 if same else 1]
    if machine:
        made["machine"] = tree["machine"].copy()
        made["machine"]["slug"] = machine
    made["name"] = named(made, label)
    publishable(made, FILE)
    return made


def publishable(tree: Ab, shown: str) -> None:
    """HeadroomError for a valid comparison that no one should publish."""
    if tree["kind"] not in PUBLIC:
        cure = f"only {', '.join(PUBLIC)} are published"
        raise validate.fail(shown, "kind", f"{tree['kind']}: sides name what is private", cure)
    for side, facts in zip(NAMES, (tree["base"], tree["new"])):
        if facts["program"] not in PROGRAMS:
            cure = "publish it by `headroom ab --show AB --publish LABEL`"
            raise validate.fail(shown, f"{side}.program", "is the hash of a program", cure)
    allowed.time_of(shown, "started", tree["started"])
    start = re.escape(named(tree, ""))
    if not re.fullmatch(start + paths.NAME, tree["name"]):
        raise validate.fail(shown, "name", "is not made of the start, the commit and a label")
    if tree["done"] < PAIRS_LEAST:
        raise validate.fail(shown, "done", f"{tree['done']} pairs are too few for verdicts")
    allowed.possible_machine(shown, tree["machine"])
    allowed.publishable(shown, tree)
    found = private.own_words(
        {
            "machine": tree["machine"]["slug"],
            "name": tree["name"],
            "base": tree["base"]["asked"],
            "new": tree["new"]["asked"],
            "filter": tree["filter"],
            "notes": tree["notes"],
            "failures": tree["failures"],
        },
        slug(tree["machine"]),
    )
    if found is not None:
        raise validate.fail(shown, found[0], f"holds {found[1]}", "measure with other words")


def folder_file(folder: Path, in_place: bool = False) -> list[Path]:
    """The ab.json of a comparison's folder; HeadroomError unless it may be published.

    in_place: the folder is one of results/, where its path says again what the file says.
    """
    path = folder / FILE
    for one in (folder, path):
        if one.is_symlink():
            raise validate.fail(paths.shown(one), "the file", "is a symbolic link", "put it there")
    tree, shown = load(path), paths.shown(path)
    places = (("name", tree["name"], folder), ("machine", tree["machine"]["slug"], folder.parent))
    for own, name, where in places if in_place else ():
        if name != where.name:
            problem = f"is not its folder's name, {safe(where.name, 60)}"
            raise validate.fail(shown, own, problem, f"call the folder {safe(name, 100)}")
    publishable(tree, shown)
    return [path]
