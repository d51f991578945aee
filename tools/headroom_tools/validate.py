"""Decides whether a record is one. Records come from strangers: nothing in them is trusted.

The schemas in schemas/ are published; what a schema can't say (columns of one length, indexes in
range, no cell twice) is checked here. Every failure is a HeadroomError with status 1 that names the
file, the field and the cure.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import fastjsonschema

from headroom_tools import files, paths
from headroom_tools.errors import HeadroomError
from headroom_tools.text import safe

RECORD_LIMIT = 64 << 20  # bytes
MACHINE_LIMIT = 256 << 10
KINDS = ("mismatch", "crash", "hang", "error", "no-memory", "no-space")
_FORMATS = {"headroom-run": "run", "headroom-machine": "machine"}
_VERSION = 1
_SCHEMAS = Path(__file__).resolve().parent / "schemas"


@lru_cache(maxsize=None)
def _check(kind: str):
    return fastjsonschema.compile(files.read_json(_SCHEMAS / f"{kind}-{_VERSION}.json"))


def _fail(shown: str, field: str, problem: str) -> HeadroomError:
    cure = "take the file as `headroom run` wrote it"
    return HeadroomError(f"{shown}: {safe(field, 80)}: {safe(problem, 160)}; {cure}", 1)


def _schema(tree: object, kind: str, shown: str) -> dict:
    if not isinstance(tree, dict):
        raise _fail(shown, "the whole file", "is no JSON object")
    version = tree.get("version")
    if tree.get("format") != f"headroom-{kind}":
        raise _fail(shown, "format", f"is not headroom-{kind}")
    if isinstance(version, int) and not isinstance(version, bool) and version > _VERSION:
        raise HeadroomError(
            f"{shown}: version: {safe(version, 20)} comes from a newer Headroom, and this one "
            f"reads up to {_VERSION}: update this checkout",
            1,
        )
    try:
        _check(kind)(tree)
    except fastjsonschema.JsonSchemaException as error:
        field = re.sub(r"^data\.?", "", str(error.name or "")) or "the whole file"
        problem = error.message.split(" ", 1)[-1]  # after the name of the field
        if error.rule == "required" and isinstance(error.value, dict):
            lacking = [name for name in error.rule_definition if name not in error.value]
            problem = f"lacks {', '.join(lacking)}"
        raise _fail(shown, field, problem) from None
    except RecursionError:
        raise _fail(shown, "the whole file", "is nested too deeply") from None
    return tree


def machine_tree(tree: object, shown: str) -> dict:
    """`tree` if it is a machine.json; `shown` is its name in errors."""
    return _schema(tree, "machine", shown)


def run_tree(tree: object, shown: str) -> dict:
    """`tree` if it is a run.json; `shown` is its name in errors."""
    run = _schema(tree, "run", shown)
    for table in ("ladders", "cells", "ceilings", "quantities", "launches"):
        lengths = {name: len(column) for name, column in run[table].items()}
        if len(set(lengths.values())) > 1:
            name = min(lengths, key=lengths.get)
            raise _fail(shown, f"{table}.{name}", "columns of one table differ in length")
    kernels, ladders, cells = run["kernels"], run["ladders"], run["cells"]
    _unique(shown, "kernels", [kernel["name"] for kernel in kernels])
    for index, kernel in enumerate(kernels):
        if kernel["group"] != kernel["name"].split("/")[0]:
            raise _fail(shown, f"kernels[{index}].group", "is not the first part of its name")
        _unique(shown, f"kernels[{index}].variants", [v["name"] for v in kernel["variants"]])
        _unique(shown, f"kernels[{index}].inputs", kernel["inputs"])
    _in_range(shown, "ladders.kernel", ladders["kernel"], len(kernels))
    _in_range(shown, "launches.kernel", run["launches"]["kernel"], len(kernels))
    _in_range(shown, "cells.ladder", cells["ladder"], len(ladders["kernel"]))
    _in_range(shown, "ceilings.ladder", run["ceilings"]["ladder"], len(ladders["kernel"]))
    _unique(shown, "ceilings", run["ceilings"]["ladder"])
    _in_range(shown, "quantities.cell", run["quantities"]["cell"], len(cells["ladder"]))
    for index, number in enumerate(ladders["kernel"]):
        kernel = kernels[number]
        for name, limit in (
            ("input", len(kernel["inputs"])),
            ("baseline", len(kernel["variants"])),
        ):
            if ladders[name][index] >= limit:
                raise _fail(shown, f"ladders.{name}[{index}]", "index out of range")
        if ladders["n"][index] not in kernel["sizes"]:
            raise _fail(shown, f"ladders.n[{index}]", "is no size of its kernel")
    for index, at in enumerate(cells["ladder"]):
        if cells["variant"][index] >= len(kernels[ladders["kernel"][at]]["variants"]):
            raise _fail(shown, f"cells.variant[{index}]", "index out of range")
    launches = run["plan"]["launches"]
    columns = [("cells", name) for name in ("median", "p10", "min", "log_ratio")]
    columns += [("ceilings", name) for name in ("median", "log_ratio")]
    for table, name in columns:
        for index, values in enumerate(run[table][name]):
            if len(values) != launches:
                raise _fail(
                    shown,
                    f"{table}.{name}[{index}]",
                    f"has {len(values)} launches where the plan has {launches}",
                )
    for index, (low, tenth, middle) in enumerate(zip(cells["min"], cells["p10"], cells["median"])):
        for a, b, c in zip(low, tenth, middle):
            if (a is None) != (c is None) or (b is None) != (c is None):
                raise _fail(shown, f"cells.median[{index}]", "a launch has only some of its times")
            if c is not None and not a <= b <= c:
                raise _fail(shown, f"cells.median[{index}]", "min, p10 and median are out of order")
    coordinates = zip(*(ladders[name] for name in ("kernel", "n", "input", "threads", "group")))
    _unique(shown, "ladders", list(coordinates))
    _unique(shown, "cells", list(zip(cells["ladder"], cells["variant"], cells["threads"])))
    _unique(shown, "launches", list(zip(run["launches"]["kernel"], run["launches"]["launch"])))
    attempts = run["launches"].get("attempts", [])
    if any(bad > all_ for bad, all_ in zip(run["launches"].get("disturbed", []), attempts)):
        raise _fail(shown, "launches.disturbed", "is more than the attempts of a launch")
    if any(launch > launches for launch in run["launches"]["launch"]):
        raise _fail(shown, "launches.launch", "more launches than the plan has")
    return run


def _unique(shown: str, field: str, keys: list) -> None:
    if len(set(keys)) != len(keys):
        raise _fail(shown, field, "an entry occurs twice")


def _in_range(shown: str, field: str, indexes: list, limit: int) -> None:
    for position, index in enumerate(indexes):
        if index >= limit:
            raise _fail(shown, f"{field}[{position}]", "index out of range")


def run_file(path: Path) -> dict:
    """The valid run.json in `path`."""
    return run_tree(files.read_json(path, RECORD_LIMIT), paths.shown(path))


def machine_file(path: Path) -> dict:
    """The valid machine.json in `path`."""
    return machine_tree(files.read_json(path, MACHINE_LIMIT), paths.shown(path))


def any_path(path: Path) -> list[Path]:
    """Validates a run.json, a machine.json, a run folder, or all runs below a folder.

    Returns the files that are valid; the first that is not is a HeadroomError.
    """
    if path.is_dir():
        if (path / "run.json").exists() or (path / "machine.json").exists():
            run = run_file(path / "run.json")
            fingerprint = machine_file(path / "machine.json")
            if run["machine"] != fingerprint["slug"]:
                raise _fail(paths.shown(path), "machine", "run.json and machine.json differ in it")
            return [path / "run.json", path / "machine.json"]
        folders = sorted({found.parent for found in path.glob("*/*/run.json")})
        folders += sorted({found.parent for found in path.glob("*/run.json")})
        if not folders:
            raise HeadroomError(
                f"{paths.shown(path)}: holds no record: name a run folder or results/"
            )
        return [valid for folder in folders for valid in any_path(folder)]
    if not path.exists():
        raise HeadroomError(f"{paths.shown(path)}: no such file or folder")
    tree = files.read_json(path, RECORD_LIMIT)
    kind = _FORMATS.get(str(tree.get("format"))) if isinstance(tree, dict) else None
    if kind is None:
        raise _fail(paths.shown(path), "format", "is neither headroom-run nor headroom-machine")
    (run_tree if kind == "run" else machine_tree)(tree, paths.shown(path))
    return [path]
