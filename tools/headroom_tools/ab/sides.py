"""BASE and NEW: what each names, and that nothing but what was asked for differs between them.

A side is one setting, `KIND:VALUE`; all else is shared. So a comparison has one cause by
construction, and what the benchmark programs tell of themselves is held against that.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

from headroom_tools.base import files, paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe
from headroom_tools.measure.types import Catalogue

WORKTREE = "worktree"  # the checkout as it is, changes that are not committed included
KINDS = {
    "rev": "a git revision, or worktree",
    "preset": "a build preset of CMakePresets.json",
    "cxx": "a C++ compiler",
    "flags": "compiler flags, beside the preset's",
    "link": "any text: the order in which kernels are linked is drawn from it; nothing: by name",
    "simd": "a SIMD target, taken at most",
    "env": "NAME=VALUE in the environment, or NAME: not set",
    "scratch": "a folder for scratch files",
    "build": "a build folder of CMake's, or a benchmark program",
}
BUILT = ("rev", "preset", "cxx", "flags", "link")  # kinds whose programs are built here
_SYNTAX = "rev:REV or REV, " + ", ".join(f"{kind}:" for kind in KINDS if kind != "rev")
# The environment of a launch that is the tool's own.
_OURS = re.compile(r"HEADROOM_.*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Side(NamedTuple):
    """asked: as it was named. kind: of KINDS. value: what stands behind the colon."""

    asked: str
    kind: str
    value: str

    @property
    def variable(self) -> tuple[str, str | None]:
        """Of an env: side the name, and the value or None where it is not set."""
        name, given, value = self.value.partition("=")
        return name, value if given else None


def presets() -> list[str]:
    """The build presets of the checkout, or [] where it has none."""
    path = paths.root() / "CMakePresets.json"
    if not path.is_file():
        return []
    tree = files.read_json(path)
    return [one["name"] for one in tree.get("configurePresets", []) if not one.get("hidden")]


def _side(word: str) -> Side:
    """What `word` names, as far as it can be told from the word and the disk alone."""
    shown = safe(word, 100) or "''"
    kind, colon, value = word.partition(":")
    if not colon or not re.fullmatch(r"[a-z]*", kind):
        kind, value = "rev", word
    if kind not in KINDS:
        raise HeadroomError(f"{shown}: {safe(kind, 20)}: is no kind of side; there are {_SYNTAX}")
    if not value and kind not in ("flags", "link"):
        raise HeadroomError(f"{shown}: names nothing; {kind}: takes {KINDS[kind]}")
    side = Side(word, kind, value)
    if kind == "rev" and value.startswith("-"):
        raise HeadroomError(f"{shown}: no git revision begins with -; there are {_SYNTAX}")
    if kind == "preset" and value not in presets():
        known = ", ".join(presets()) or "none in this checkout"
        raise HeadroomError(f"{shown}: no such preset; there are {known}")
    if kind == "cxx" and shutil.which(value) is None:
        raise HeadroomError(f"{shown}: no such compiler here: name one that is on PATH")
    if kind == "env":
        name = side.variable[0]
        if not _NAME.fullmatch(name):
            raise HeadroomError(f"{shown}: env: takes {KINDS['env']}")
        if _OURS.fullmatch(name):
            raise HeadroomError(f"{shown}: {name} is set by this tool: choose another variable")
    if kind == "link" and not re.fullmatch(r"[A-Za-z0-9_.-]*", value):
        raise HeadroomError(f"{shown}: link: takes letters, digits and .-_, or nothing")
    if kind == "build":
        _program(side)
    return side


def _program(side: Side) -> Path:
    """The benchmark program that a build: side names."""
    path = Path(side.value).absolute()
    found = path / "bench" / "headroom-bench" if path.is_dir() else path
    if not found.is_file():
        raise HeadroomError(
            f"{safe(side.asked, 100)}: no benchmark program at {paths.shown(found)}: name a "
            "folder that CMake built target headroom-bench in"
        )
    return found


def program(side: Side) -> Path:
    """The benchmark program of a side that is not built here."""
    return _program(side) if side.kind == "build" else paths.bench()


def read(base_word: str, new_word: str | None) -> tuple[Side, Side]:
    """(BASE, NEW). NEW is the worktree where it is left out and BASE is a revision.

    HeadroomError where they differ in more than one thing.
    """
    base = _side(base_word)
    if new_word is None:
        if base.kind != "rev":
            raise HeadroomError(
                f"{safe(base_word, 100)}: against what? name a second {base.kind}: as NEW"
            )
        new_word = WORKTREE
    new = _side(new_word)
    both = f"{safe(base_word, 60)} and {safe(new_word, 60)}"
    if base.kind != new.kind:
        raise HeadroomError(
            f"{both}: differ in two things, {base.kind} and {new.kind}: name two of one kind, and "
            "what both share by --preset, --simd-target, --scratch or the environment"
        )
    if base.kind == "env" and base.variable[0] != new.variable[0]:
        raise HeadroomError(f"{both}: differ in two variables: name two values of one")
    return base, new


def check_shared(kind: str, given: dict[str, object]) -> None:
    """HeadroomError where an option fixes for both sides what differs between them, or what they
    don't have. given: the options by name, with what was given or None."""
    clash = {"preset": "--preset", "simd": "--simd-target", "scratch": "--scratch"}.get(kind)
    if clash and given.get(clash):
        raise HeadroomError(f"{clash}: is what differs between the sides: leave it out")
    if kind == "build" and given.get("--preset"):
        raise HeadroomError("--preset: build: sides are built already: leave it out")


def check_target(asked: str, target: str, catalogue: Catalogue) -> None:
    """HeadroomError for a SIMD target that the program doesn't have."""
    if target not in catalogue["simd_targets"]:
        known = ", ".join(catalogue["simd_targets"]) or "none"
        raise HeadroomError(f"{safe(asked, 100)}: not supported here; there are {known}")


# By kind: the facts of a build that may differ, for they are or follow from what was asked for.
_MAY_DIFFER = {
    "rev": ("flags", "libraries", "simd_targets"),
    "preset": ("preset", "compiler", "flags", "build_type", "isa", "simd_targets"),
    "cxx": ("compiler", "flags", "simd_targets"),
    "flags": ("flags", "simd_targets"),
    "build": ("preset", "compiler", "flags", "build_type", "isa", "simd_targets", "libraries",
              "benchmark_library_debug"),
}  # fmt: skip


def _facts(catalogue: Catalogue) -> dict[str, str]:
    build = catalogue["build"]
    return {
        "compiler": build["compiler"],
        "flags": build["flags"],
        "build_type": build["build_type"],
        "isa": build["isa"],
        "preset": build["preset"],
        "benchmark_library_debug": str(build["benchmark_library_debug"]),
        "simd_targets": " ".join(catalogue["simd_targets"]),
        "threads_available": str(catalogue["threads_available"]),
    }


def differences(kind: str, base: Catalogue, new: Catalogue) -> list[str]:
    """What differs between the programs and may, a note each.

    HeadroomError for what may not: the comparison would be of two things at once. A library that
    one side lacks takes only its own variants with it, and they are named as missing.
    """
    notes = []
    old, now = _facts(base), _facts(new)
    for name in set(base["libraries"]) & set(new["libraries"]):
        old[f"library {name}"] = base["libraries"][name]
        now[f"library {name}"] = new["libraries"][name]
    may = _MAY_DIFFER.get(kind, ())
    for name in sorted(old):
        if old[name] == now[name]:
            continue
        told = f"{name.replace('_', ' ')}: {safe(old[name], 120)} -> {safe(now[name], 120)}"
        if name in may or (name.startswith("library ") and "libraries" in may):
            notes.append(told)
            continue
        raise HeadroomError(
            f"the sides differ in more than {kind}: {told}; build both alike (builds kept from "
            f"before are in {paths.shown(paths.ab_builds())}: remove it)", 1
        )  # fmt: skip
    return notes
