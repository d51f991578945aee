"""What one side of a comparison has and the other lacks, and why: nothing is dropped unsaid."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Iterable, NamedTuple, Sequence, TypeVar

from headroom_tools.base.text import params_text, safe
from headroom_tools.compare.loaded import key_of
from headroom_tools.compare.sides import Side
from headroom_tools.compare.types import Absent, CellKey, Comparison
from headroom_tools.record import device as devices, hosts
from headroom_tools.record.cells import Cell
from headroom_tools.record.types import Failure, Kernel, LeftOut, Missing, Params, Variant
from headroom_tools.record.types import key_of as params_key

_Entry = TypeVar("_Entry", Failure, LeftOut, Missing)


class Reason(NamedTuple):
    """Why a side, {other}, lacks something. fails: whether it counts for --fail-on where that side
    is NEW: what is gone or went wrong does; what its machine can't have, or what its profile
    doesn't include, doesn't."""

    told: str
    fails: bool


# In the order of what a reader should look at first.
REASONS = {
    "failed": Reason("failed on {other}", True),
    "withheld": Reason("above its ceiling on {other}, and withheld", True),
    "gone": Reason("{other} has no such thing", True),
    "other measure": Reason("judged by another measure on {other}", True),
    "other hosts": Reason("ran on another number of hosts on {other}", False),
    "other device": Reason("ran on another kind of device on {other}", False),
    "left out": Reason("left out on {other}, which took too long", True),
    "not measured": Reason("not measured on {other}", True),
    "profile": Reason("not in the profile of {other}", False),
    "missing": Reason("missing on {other}", False),
    "threads": Reason("more threads than {other} has", False),
}
NAMES = 6  # that are told of a reason; the rest by number
_LENGTH = 60  # of a detail in a line
# What an entry may stand for as a whole: a kernel, a variant of it, all at one n, ...
_FIELDS = ("variant", "n", "input", "threads", "params")  # of CELL, after the kernel
_LEVELS: list[tuple[str, ...]] = [
    (), ("variant",), ("n",), ("threads",), ("input",), ("params",),
    ("variant", "n"), ("variant", "threads"), ("n", "threads"), _FIELDS,
]  # fmt: skip


class _Lacking:
    """The side that lacks something: what its records say of that."""

    def __init__(self, side: Side, profile: bool):
        self._side = side
        self._profile = profile  # whether both sides measured the same one
        self._kernels = {kernel["name"]: kernel for kernel in side.run["kernels"]}
        self._withheld = set(side.withheld)
        self._has_some = {key[0] for key in measured(side)}
        self._failures = _by_kernel(f for run in side.runs for f in run["failures"])
        self._left_out = _by_kernel(entry for run in side.runs for entry in run["left_out"])
        self._missing = _by_kernel(entry for run in side.runs for entry in run["missing"])
        self._failed = {
            (f["kernel"], f["variant"], f["n"], f["input"], f["threads"], params_key(f["params"])):
            f["message"] for run in side.runs for f in run["failed"]
        }  # fmt: skip

    def why(self, cell: Cell) -> tuple[str, str]:
        """(one of REASONS, more of it) for a cell that this side has no figure of."""
        key, name = key_of(cell), cell.kernel["name"]
        own = self._side.cells.get(key)
        if key in self._withheld:
            return "withheld", ""
        if own is not None and own.measure != cell.measure:
            return "other measure", own.measure["name"]
        if own is not None and own.hosts != cell.hosts:
            return "other hosts", hosts.told(own.hosts)
        if own is not None and own.kind != cell.kind:
            return "other device", devices.told(own.device) if own.device else ""
        kernel = self._kernels.get(name)
        variants = {v["name"]: v for v in kernel["variants"]} if kernel else {}
        if kernel is None or cell.variant not in variants:
            return "gone", ""
        return (
            self._by_failures(cell)
            or self._by_plan(cell)
            or self._by_catalogue(cell, kernel, variants[cell.variant])
        )

    def _by_failures(self, cell: Cell) -> tuple[str, str] | None:
        key, name = key_of(cell), cell.kernel["name"]
        if key in self._failed:
            return "failed", self._failed[key]
        for failure in self._failures.get(name, ()):
            # A launch that failed as a whole tells nothing where others were well.
            if _is_ladder(failure, cell) and not (failure["n"] is None and name in self._has_some):
                return "failed", failure["message"] or failure["kind"]
        return None

    def _by_plan(self, cell: Cell) -> tuple[str, str] | None:
        name = cell.kernel["name"]
        if cell.threads > self._side.run["threads_available"]:
            return "threads", ""
        for missing in self._missing.get(name, ()):
            if missing["variant"] in (None, cell.variant) and _is_ladder(missing, cell):
                return "missing", missing["needs"]
        for left_out in self._left_out.get(name, ()):
            if _is_ladder(left_out, cell):
                return "left out", left_out["reason"]
        return None

    def _by_catalogue(self, cell: Cell, kernel: Kernel, variant: Variant) -> tuple[str, str]:
        if not variant["available"]:
            return "missing", ", ".join(variant["needs"])
        known = (
            cell.n in kernel["sizes"]
            and cell.input in kernel["inputs"]
            and all(value in kernel["params"].get(p, ()) for p, value in cell.params.items())
        )
        if not known:
            return "gone", ""
        return ("not measured" if self._profile else "profile"), ""

    def renamed(self, kernel: Kernel, other: Side) -> str | None:
        """What `kernel` of the other side may be called here: a kernel that only this side has,
        with the same technique, group and axis; None where that is not one alone."""
        theirs = {known["name"] for known in other.run["kernels"]}
        alike = [
            known["name"]
            for name, known in self._kernels.items()
            if name not in theirs and known["technique"] and _alike(known, kernel)
        ]
        return alike[0] if len(alike) == 1 else None

    def renamed_variant(self, kernel: Kernel, variant: str) -> str | None:
        """What a variant of `kernel` may be called here: one that is new and says the same of
        itself, or else the only new one of its role where it is the only one that is gone."""
        own = self._kernels.get(kernel["name"])
        if own is None:
            return None
        before = {v["name"]: v for v in kernel["variants"]}
        after = {v["name"]: v for v in own["variants"]}
        if variant in after:
            return None
        mine = before[variant]
        fresh = [v for name, v in after.items() if name not in before]
        same = [v["name"] for v in fresh if v["what"] == mine["what"] and v["what"]]
        if same:
            return same[0]
        gone = [v for name, v in before.items() if name not in after and v["role"] == mine["role"]]
        role = [v["name"] for v in fresh if v["role"] == mine["role"]]
        return role[0] if len(gone) == len(role) == 1 else None


def _alike(one: Kernel, other: Kernel) -> bool:
    same = one["technique"] == other["technique"]
    return same and one["group"] == other["group"] and one["axis"] == other["axis"]


def _by_kernel(entries: Iterable[_Entry]) -> dict[str, list[_Entry]]:
    found: dict[str, list[_Entry]] = defaultdict(list)
    for entry in entries:
        found[entry["kernel"]].append(entry)
    return found


def _is_ladder(entry: Failure | LeftOut | Missing, cell: Cell) -> bool:
    """Whether an entry of a record, of a ladder or of a whole kernel, is about a cell."""
    if entry["n"] is None:
        return True
    where = entry["n"], entry["input"], entry["threads"], entry["params"]
    return where == (cell.n, cell.input, cell.ladder_threads, cell.params)


def measured(side: Side) -> list[CellKey]:
    """The cells of a side that have a figure."""
    return [
        key
        for key, value in zip(side.cells, side.numbers.value.tolist())
        if not math.isnan(value)
    ]


def absent_of(has: Side, lacks: Side, shared: set[CellKey]) -> list[Absent]:
    """What `has` measured and `lacks` has no figure of, by kernel: as few entries as tell it.

    shared: the cells that are compared. The cells of all entries are those that aren't.
    """
    kernels: dict[str, dict[CellKey, Cell]] = defaultdict(dict)
    every = measured(has)
    if shared.issuperset(every):
        return []
    for key in every:
        kernels[key[0]][key] = has.cells[key]
    profile = has.run["profile"] == lacks.run["profile"]
    side = _Lacking(lacks, profile)
    found: list[Absent] = []
    for own in kernels.values():
        left = {key: side.why(cell) for key, cell in own.items() if key not in shared}
        for level in _LEVELS if left else ():
            found += _taken(level, own, left, shared, side, has)
    order = list(REASONS)
    return sorted(found, key=lambda entry: order.index(entry["reason"]))


def _taken(
    level: Sequence[str],
    own: dict[CellKey, Cell],
    left: dict[CellKey, tuple[str, str]],
    shared: set[CellKey],
    side: _Lacking,
    has: Side,
) -> list[Absent]:
    """The entries that stand for all cells of a kernel with the same `level` fields, none of them
    being shared; what they tell of is taken out of `left`, the cells that aren't told of yet."""
    groups: dict[tuple[object, ...], list[CellKey]] = defaultdict(list)
    for key in own:
        groups[tuple(key[1 + _FIELDS.index(field)] for field in level)].append(key)
    found: list[Absent] = []
    for group in groups.values():
        keys = [key for key in group if key in left]
        reasons = list({left[key][0] for key in keys})
        if len(reasons) != 1 or not shared.isdisjoint(group):
            continue
        first = own[keys[0]]
        details = dict.fromkeys(left[key][1] for key in keys if left[key][1])
        entry: Absent = {
            "kernel": first.kernel["name"],
            "variant": first.variant if "variant" in level else None,
            "n": first.n if "n" in level else None,
            "input": first.input if "input" in level else None,
            "threads": first.threads if "threads" in level else None,
            "params": first.params if "params" in level else None,
            "cells": len(keys),
            "reason": reasons[0],
            "detail": safe("; ".join(details), 160),
            "renamed": None,
        }
        if reasons[0] == "gone" and not level:
            entry["renamed"] = side.renamed(first.kernel, has)
        elif reasons[0] == "gone" and "variant" in level:
            entry["renamed"] = side.renamed_variant(first.kernel, first.variant)
        found.append(entry)
        for key in keys:
            del left[key]
    return found


def name_of(entry: Absent, detail: bool = True) -> str:
    """`group/kernel/variant/n:1024`, as far as the entry goes, and what more is known of it."""
    name = entry["kernel"]
    coordinates: dict[str, object] = {
        "n": entry["n"], "input": entry["input"], "threads": entry["threads"]
    }  # fmt: skip
    name += f"/{entry['variant']}" if entry["variant"] is not None else ""
    name += "".join(f"/{field}:{at}" for field, at in coordinates.items() if at is not None)
    params: Params = entry["params"] or {}
    name += f"/{params_text(params)}" if params else ""
    notes = []
    if detail and entry["detail"]:
        notes.append(_detail(entry))
    if entry["renamed"]:
        notes.append(f"perhaps renamed {entry['renamed']}")
    return safe(name, 200) + (f" ({'; '.join(notes)})" if notes else "")


def _detail(entry: Absent) -> str:
    told_ = safe(entry["detail"], _LENGTH)
    return f"needs {told_}" if entry["reason"] == "missing" else told_


def few(names: list[str], most: int = NAMES) -> str:
    """Names, and of many how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


class Told(NamedTuple):
    """A line: the side that has it, why the other doesn't, how many cells, which."""

    side: str
    why: str
    cells: int
    names: list[str]


def told(tree: Comparison, new: str = "NEW", base: str = "BASE") -> list[Told]:
    """What only one side has, by side and reason."""
    lines = []
    for has, other, entries in ((base, new, tree["only_base"]), (new, base, tree["only_new"])):
        groups: dict[tuple[str, str], list[Absent]] = defaultdict(list)
        for entry in entries:
            needs = entry["detail"] if entry["reason"] == "missing" else ""
            groups[entry["reason"], needs].append(entry)
        for (reason, _), own in groups.items():
            details = {_detail(entry) for entry in own}
            common = len(details) == 1 and len(own) > 1 and bool(own[0]["detail"])
            why = REASONS[reason].told.format(other=other)
            why += f" ({details.pop()})" if common else ""
            names = [name_of(entry, not common) for entry in own]
            lines.append(Told(has, why, sum(entry["cells"] for entry in own), names))
    return lines


def cells(count: int) -> str:
    """`1 cell`, `1,200 cells`."""
    return "1 cell" if count == 1 else f"{count:,} cells"


def lost(tree: Comparison) -> list[Absent]:
    """What counts for --fail-on: BASE has it, and on NEW it is gone or went wrong."""
    return [entry for entry in tree["only_base"] if REASONS[entry["reason"]].fails]
