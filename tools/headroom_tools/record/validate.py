"""Decides whether a record is one. Records come from strangers: nothing in them is trusted.

The schemas in schemas/ are published; what a schema can't say (columns of one length, indexes in
range, no cell twice) is checked here: `run_tree` and `machine_tree` decide what may be read at all.
What may be published besides is publish.py's. Every failure is a HeadroomError with status 1 that
names the file, the field and the cure.
"""

from __future__ import annotations

import marshal
import math
import re
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Callable, Sequence, cast

import fastjsonschema

from headroom_tools.base import files, paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe
from headroom_tools.machine.types import Machine
from headroom_tools.record.older import as_now, completed
from headroom_tools.record.types import Run, key_of

# The largest catalogue, every size and input on 256 threads, makes 10^4 cells and 10 MiB.
RECORD_LIMIT = 32 << 20  # bytes
MACHINE_LIMIT = 256 << 10
ROWS_LIMIT = 100_000  # rows of a table
LEAST_NS = 1e-9  # no call is shorter; what is below is no time, and would overflow in a ratio
LEAST_ITEMS = 1e-6
LISTS_LIMIT = 8 * ROWS_LIMIT  # lists and objects of a file: four a cell, and then some
KINDS = ("mismatch", "crash", "hang", "error", "no-memory", "no-space")
_VERSIONS = {"run": (1, 2), "machine": (1,)}  # that can be read
_SCHEMAS = Path(__file__).resolve().parent / "schemas"


# Columns with a value for each launch.
_BY_LAUNCH = [("cells", "median"), ("cells", "p10"), ("cells", "min"), ("cells", "value"),
              ("cells", "log_ratio"), ("cells", "build_ns"), ("ceilings", "median"),
              ("ceilings", "log_ratio")]  # fmt: skip
_TABLES = ("ladders", "cells", "ceilings", "quantities", "launches")


@lru_cache(maxsize=None)
def _published(kind: str, version: int) -> dict[str, Any]:
    return files.read_json(_SCHEMAS / f"{kind}-{version}.json")


@lru_cache(maxsize=None)
def _check(kind: str, version: int) -> Callable[[object], object]:
    return fastjsonschema.compile(_published(kind, version))


def fail(
    shown: str, field: str, problem: str, cure: str = "take the file as `headroom run` wrote it"
) -> HeadroomError:
    """What is raised for `field` of the file that is called `shown`."""
    return HeadroomError(f"{shown}: {safe(field, 80)}: {safe(problem, 160)}; {cure}", 1)


def _schema(tree: object, kind: str, shown: str) -> None:
    """HeadroomError unless `tree` is what the schema says."""
    if not isinstance(tree, dict):
        raise fail(shown, "the whole file", "is no JSON object")
    version = tree.get("version")
    if tree.get("format") != f"headroom-{kind}":
        raise fail(shown, "format", f"is not headroom-{kind}")
    known = _VERSIONS[kind]
    if not isinstance(version, int) or isinstance(version, bool) or version < known[0]:
        raise fail(shown, "version", f"{safe(version, 20)} is no version of {kind}.json")
    if version > known[-1]:
        raise HeadroomError(
            f"{shown}: version: {safe(version, 20)} comes from a newer Headroom, and this one "
            f"reads up to {known[-1]}: update this checkout",
            1,
        )
    try:
        _check_run(tree, version) if kind == "run" else _check(kind, version)(tree)
    except fastjsonschema.JsonSchemaException as error:
        field = re.sub(r"^data\.?", "", str(error.name or "")) or "the whole file"
        problem = error.message.split(" ", 1)[-1]  # after the name of the field
        if error.rule == "required" and isinstance(error.value, dict):
            lacking = [name for name in error.rule_definition if name not in error.value]
            problem = f"lacks {', '.join(lacking)}"
        raise fail(shown, field, problem) from None
    except RecursionError:
        raise fail(shown, "the whole file", "is nested too deeply") from None


def _plain(values: object, rule: dict[str, Any]) -> bool:
    """Whether `values` surely satisfy `rule`, an array of numbers or of arrays of them.

    False says nothing: the schema decides. It takes a microsecond a number, this a tenth of that.
    """
    if type(values) is not list or not {"type", "items"} <= set(rule) <= {"type", "items"}:
        return False
    items = rule["items"]
    if items.get("type") in ("array", ["array", "null"]):
        longest = items.get("maxItems", ROWS_LIMIT)
        if "null" in items["type"]:
            values = [row for row in values if row is not None]
        if not all(type(row) is list and len(row) <= longest for row in values):
            return False
        values, items = list(chain.from_iterable(values)), items.get("items", {})
    kinds = [items.get("type")] if isinstance(items.get("type"), str) else items.get("type") or []
    known = {"type", "minimum", "maximum", "exclusiveMinimum"}
    if not set(kinds) <= {"number", "integer", "null"} or not set(items) <= known:
        return False
    allowed: set[type] = {int} if kinds else set()
    allowed |= {float} if "number" in kinds else set()
    allowed |= {type(None)} if "null" in kinds else set()
    types = set(map(type, values))
    if not types <= allowed:
        return False
    if type(None) in types:
        values = [value for value in values if value is not None]
    if not values:
        return True
    least, most = min(values), max(values)
    return (
        not math.isnan(sum(values))  # min and max say nothing where one is NaN
        and least >= items.get("minimum", -math.inf)
        and least > items.get("exclusiveMinimum", -math.inf)
        and most <= items.get("maximum", math.inf)
    )


# Kernels that the schema found right: the records of one catalogue describe the same ones.
_right_kernels: set[bytes] = set()
_KERNELS_KEPT, _KERNEL_BYTES = 20_000, 8192


def _kernel_marks(tree: dict[str, Any], version: int) -> list[bytes | None]:
    """For each kernel of a run what it equals another by, or None for one too large to keep."""
    kernels = tree.get("kernels")
    if type(kernels) is not list:
        return []
    try:
        marks = [marshal.dumps((version, kernel), 2) for kernel in kernels]
    except ValueError:  # nested too deeply
        return []
    return [mark if len(mark) <= _KERNEL_BYTES else None for mark in marks]


def _check_run(tree: dict[str, Any], version: int) -> None:
    """The schema's check of a run, on the parts that aren't surely right already."""
    marks = _kernel_marks(tree, version)
    fresh = _without_plain_columns(tree, version)
    if marks:
        pairs = zip(tree["kernels"], marks)
        fresh["kernels"] = [kernel for kernel, mark in pairs if mark not in _right_kernels]
    try:
        _check("run", version)(fresh)
    except fastjsonschema.JsonSchemaException:
        _check("run", version)(tree)  # which names the place as it is in the whole
        raise
    if len(_right_kernels) < _KERNELS_KEPT:
        _right_kernels.update(mark for mark in marks if mark is not None)


def _without_plain_columns(tree: dict[str, Any], version: int) -> dict[str, Any]:
    """A run without the columns of numbers that need no schema to be found right."""
    kept = dict(tree)
    for table in _TABLES:
        if isinstance(tree.get(table), dict):
            rules = _published("run", version)["properties"][table]["properties"]
            kept[table] = {
                name: [] if name in rules and _plain(column, rules[name]) else column
                for name, column in tree[table].items()
            }
    return kept


def machine_tree(tree: object, shown: str) -> Machine:
    """`tree` if it is a machine.json; `shown` is its name in errors."""
    _schema(tree, "machine", shown)
    return cast(Machine, tree)


def run_tree(tree: object, shown: str) -> Run:
    """`tree` if it is a run.json, as one of the newest version; `shown` is its name in errors."""
    tables = tree if isinstance(tree, dict) else {}
    for table in _TABLES:
        for name, column in tables[table].items() if isinstance(tables.get(table), dict) else ():
            if isinstance(column, list) and len(column) > ROWS_LIMIT:
                problem = f"has {len(column):,} rows, and no record has over {ROWS_LIMIT:,}"
                raise fail(shown, f"{table}.{name}", problem)
    _schema(tree, "run", shown)
    for table in _TABLES:
        lengths = {name: len(column) for name, column in tables[table].items()}
        if len(set(lengths.values())) > 1:
            name = min(lengths, key=lambda column: lengths[column])
            raise fail(shown, f"{table}.{name}", "columns of one table differ in length")
    run = as_now(tables) if tables["version"] == 1 else completed(tables)
    kernels, ladders, cells = run["kernels"], run["ladders"], run["cells"]
    _unique(shown, "kernels", [kernel["name"] for kernel in kernels])
    for index, kernel in enumerate(kernels):
        if kernel["group"] != kernel["name"].split("/")[0]:
            raise fail(shown, f"kernels[{index}].group", "is not the first part of its name")
        names = [variant["name"] for variant in kernel["variants"]]
        _unique(shown, f"kernels[{index}].variants", names)
        for at, variant in enumerate(kernel["variants"]):
            # Of version 1 `older` knows what is lacking, but not all that was promised.
            lacks = set() if run["version"] == 1 else set(variant["lacks"])
            if not lacks <= set(kernel["promise"] or []):
                field = f"kernels[{index}].variants[{at}].lacks"
                raise fail(shown, field, "has what the baseline doesn't promise")
        _unique(shown, f"kernels[{index}].inputs", kernel["inputs"])
    _in_range(shown, "ladders.kernel", ladders["kernel"], len(kernels))
    _in_range(shown, "launches.kernel", run["launches"]["kernel"], len(kernels))
    _in_range(shown, "cells.ladder", cells["ladder"], len(ladders["kernel"]))
    _in_range(shown, "ceilings.ladder", run["ceilings"]["ladder"], len(ladders["kernel"]))
    _unique(shown, "ceilings", run["ceilings"]["ladder"])
    _in_range(shown, "quantities.cell", run["quantities"]["cell"], len(cells["ladder"]))
    for index, number in enumerate(ladders["kernel"]):
        kernel = kernels[number]
        for name, at, limit in (
            ("input", ladders["input"][index], len(kernel["inputs"])),
            ("baseline", ladders["baseline"][index], len(kernel["variants"])),
        ):
            if at >= limit:
                raise fail(shown, f"ladders.{name}[{index}]", "index out of range")
        if ladders["n"][index] not in kernel["sizes"]:
            raise fail(shown, f"ladders.n[{index}]", "is no size of its kernel")
        params = ladders["params"][index]
        if params.keys() != kernel["params"].keys() or any(
            value not in kernel["params"][name] for name, value in params.items()
        ):
            raise fail(shown, f"ladders.params[{index}]", "are none of its kernel")
    for index, at in enumerate(cells["ladder"]):
        if cells["variant"][index] >= len(kernels[ladders["kernel"][at]]["variants"]):
            raise fail(shown, f"cells.variant[{index}]", "index out of range")
    launches = run["plan"]["launches"]
    for index, at in enumerate(cells["ladder"]):
        by_time = kernels[ladders["kernel"][at]]["measure"]["name"] == "time"
        if by_time != (cells["value"][index] is None):
            problem = "is there only where the kernel's measure is not time"
            raise fail(shown, f"cells.value[{index}]", problem)
    for table, name in _BY_LAUNCH:
        for index, values in enumerate(tables[table].get(name, [])):
            if values is not None and len(values) != launches:
                raise fail(
                    shown,
                    f"{table}.{name}[{index}]",
                    f"has {len(values)} launches where the plan has {launches}",
                )
    for index, (low, tenth, middle) in enumerate(zip(cells["min"], cells["p10"], cells["median"])):
        for a, b, c in zip(low, tenth, middle):
            if (a is None) != (c is None) or (b is None) != (c is None):
                raise fail(shown, f"cells.median[{index}]", "a launch has only some of its times")
            if a is None or b is None or c is None:
                continue
            if not LEAST_NS <= a <= b <= c:
                ordered = a <= b <= c
                problem = "is no time" if ordered else "min, p10 and median are out of order"
                raise fail(shown, f"cells.median[{index}]", problem)
    for field, values, least in (
        ("ladders.items", ladders["items"], LEAST_ITEMS),
        ("cells.alone_ns", cells["alone_ns"], LEAST_NS),
        ("ceilings.median", list(chain.from_iterable(run["ceilings"]["median"])), LEAST_NS),
    ):
        if min((value for value in values if value is not None), default=least) < least:
            raise fail(shown, field, f"a value below {least:g} is impossible")
    coordinates = zip(
        ladders["kernel"], ladders["n"], ladders["input"], ladders["threads"], ladders["group"],
        map(key_of, ladders["params"]),
    )  # fmt: skip
    _unique(shown, "ladders", list(coordinates))
    _unique(shown, "cells", list(zip(cells["ladder"], cells["variant"], cells["threads"])))
    _unique(shown, "launches", list(zip(run["launches"]["kernel"], run["launches"]["launch"])))
    attempts = run["launches"].get("attempts", [])
    if any(bad > all_ for bad, all_ in zip(run["launches"].get("disturbed", []), attempts)):
        raise fail(shown, "launches.disturbed", "is more than the attempts of a launch")
    for fast, usual in zip(run["launches"]["sentinel_min"], run["launches"]["sentinel"]):
        if (fast is None) != (usual is None) or (fast or 0) > (usual or 0):
            raise fail(shown, "launches.sentinel", "its median is less than its least")
    if any(launch > launches for launch in run["launches"]["launch"]):
        raise fail(shown, "launches.launch", "more launches than the plan has")
    for index, failed in enumerate(run["failed"]):
        known = next((k for k in kernels if k["name"] == failed["kernel"]), None)
        if known is None or failed["variant"] not in [v["name"] for v in known["variants"]]:
            raise fail(shown, f"failed[{index}]", "names a variant that the record lacks")
    return run


def _unique(shown: str, field: str, keys: Sequence[object]) -> None:
    if len(set(keys)) != len(keys):
        raise fail(shown, field, "an entry occurs twice")


def _in_range(shown: str, field: str, indexes: list[int], limit: int) -> None:
    for position, index in enumerate(indexes):
        if index >= limit:
            raise fail(shown, f"{field}[{position}]", "index out of range")


def run_file(path: Path) -> Run:
    """The valid run.json in `path`."""
    return run_tree(files.read_json(path, RECORD_LIMIT, LISTS_LIMIT), paths.shown(path))


def machine_file(path: Path) -> Machine:
    """The valid machine.json in `path`."""
    return machine_tree(files.read_json(path, MACHINE_LIMIT), paths.shown(path))


def load(folder: Path) -> tuple[Run, Machine]:
    """(run.json, machine.json) of a run folder, validated. HeadroomError names what is wrong."""
    return run_file(folder / "run.json"), machine_file(folder / "machine.json")
