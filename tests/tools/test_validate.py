"""Damaged records of all sorts: each is one clear line and status 1 or 2, never a traceback."""

from __future__ import annotations

import copy
import json

import pytest
from conftest import BASE, BASE2, CHECKOUT, NEW, NEW2, golden_run, valid_files

from headroom_tools.base.errors import HeadroomError
from headroom_tools.record import validate
from headroom_tools.record.cells import cells_of


def _set(path, value):
    def damage(run):
        *parents, last = path
        for key in parents:
            run = run[key]
        run[last] = value

    return damage


def _pop(path):
    def damage(run):
        *parents, last = path
        for key in parents:
            run = run[key]
        run.pop(last)

    return damage


def _add(path, value):
    def damage(run):
        for key in path:
            run = run[key]
        run.append(value)

    return damage


DAMAGE = {
    "unknown key": (_set(["surprise"], 1), "whole file"),
    "unknown key inside": (_set(["build", "host"], "me"), "build"),
    "unknown key in a kernel": (_set(["kernels", 0, "path"], "x"), "kernels[0]"),
    "missing key": (_pop(["plan"]), "plan"),
    "other version": (_set(["version"], 0), "version"),
    "version of another type": (_set(["version"], "1"), "version"),
    "true is no version": (_set(["version"], True), "version"),
    "negative time": (_set(["cells", "median", 0, 0], -1.0), "cells.median"),
    "huge time": (_set(["cells", "median", 0, 0], 1e300), "cells.median"),
    "text for a number": (_set(["cells", "median", 0, 0], "1"), "cells.median"),
    "boolean for a number": (_set(["cells", "median", 0, 0], True), "cells.median"),
    "short launches": (_pop(["cells", "median", 3, 0]), "cells.median[3]"),
    "long launches": (_add(["cells", "log_ratio", 3], 0.1), "cells.log_ratio[3]"),
    "short column": (_pop(["cells", "variant", 0]), "cells.variant"),
    "ladder out of range": (_set(["cells", "ladder", 0], 10_000), "cells.ladder[0]"),
    "variant out of range": (_set(["cells", "variant", 0], 99), "cells.variant[0]"),
    "input out of range": (_set(["ladders", "input", 0], 99), "ladders.input[0]"),
    "baseline out of range": (_set(["ladders", "baseline", 0], 99), "ladders.baseline[0]"),
    "kernel out of range": (_set(["ladders", "kernel", 0], 99), "ladders.kernel[0]"),
    "negative index": (_set(["ladders", "kernel", 0], -1), "ladders.kernel"),
    "fractional index": (_set(["ladders", "kernel", 0], 0.5), "ladders.kernel"),
    "size of no kernel": (_set(["ladders", "n", 0], 12345), "ladders.n[0]"),
    "half a launch": (_set(["cells", "min", 0, 0], None), "cells.median[0]"),
    "min above the median": (_set(["cells", "min", 0, 0], 1e9), "cells.median[0]"),
    "no items": (_set(["ladders", "items", 0], 0), "ladders.items"),
    "kernel twice": (lambda run: run["kernels"].append(run["kernels"][0]), "kernels"),
    "cell twice": (
        lambda run: [column.append(column[0]) for column in run["cells"].values()], "cells"
    ),
    "steal above 1": (_set(["launches", "steal", 0], 2), "launches.steal"),
    "launch too many": (_set(["launches", "launch", 0], 999), "launches"),
    "floor below 1": (_set(["noise_floor", "cpu"], 0.5), "noise_floor.cpu"),
    "floor of an unknown class": (_set(["noise_floor", "moon"], 1.5), "noise_floor"),
    "axis": (_set(["kernels", 0, "axis"], "magic"), "kernels[0].axis"),
    "group": (_set(["kernels", 0, "group"], "other"), "kernels[0].group"),
    "escape in the label": (_set(["label"], "\x1b[2J"), "label"),
    "newline in the label": (_set(["label"], "before\n"), "label"),
    "markup in the label": (_set(["label"], "[red]x"), "label"),
    "path in the machine": (_set(["machine"], "../../x"), "machine"),
    "long label": (_set(["label"], "x" * 65), "label"),
    "kernel name": (_set(["kernels", 0, "name"], "machine/../x"), "kernels[0].name"),
    "escape in a note": (_add(["notes"], "\x1b]0;x\x07"), "notes[0]"),
    "bidirectional text": (_set(["kernels", 0, "technique"], "a\u202eb"), "technique"),
    "lone surrogate": (_set(["kernels", 0, "technique"], "a\ud800b"), "technique"),
    "library name": (_set(["libraries", "a b"], "1"), "libraries"),
    "not a list": (_set(["kernels"], {}), "kernels"),
    "null table": (_set(["cells"], None), "cells"),
}


def _row(run, name):
    """Any ladder of a kernel."""
    kernel = [kernel["name"] for kernel in run["kernels"]].index(name)
    return run["ladders"]["kernel"].index(kernel)


def _params(value):
    def damage(run):
        run["ladders"]["params"][_row(run, "concurrency/serve")] = value

    return damage


def _of_cell(kernel, column, value):
    def damage(run):
        at = run["cells"]["ladder"].index(_row(run, kernel))
        run["cells"][column][at] = value

    return damage


# Of what version 2 added.
DAMAGE2 = {
    "no measure": (_pop(["kernels", 0, "measure"]), "kernels[0]"),
    "direction": (_set(["kernels", 0, "measure", "better"], "up"), "measure.better"),
    "promise of numbers": (_set(["kernels", 0, "promise"], [1]), "promise"),
    "lacks a promise that nobody made": (
        _set(["kernels", 0, "variants", 0, "lacks"], ["durable"]), "kernels[0].variants[0].lacks"
    ),
    "note with an escape": (_set(["kernels", 0, "variants", 0, "promise_note"], "\x1b"), "note"),
    "role": (_set(["kernels", 0, "variants", 0, "role"], "best"), "role"),
    "param that is n": (_set(["kernels", 0, "params"], {"n": [1]}), "params"),
    "param without values": (_set(["kernels", 0, "params"], {"clients": []}), "params"),
    "params of no ladder": (_params({"clients": 2}), "ladders.params"),
    "params missing": (_params({}), "ladders.params"),
    "params of another name": (_params({"ranks": 1}), "ladders.params"),
    "params of text": (_params({"clients": "1"}), "ladders.params"),
    "ladder twice": (
        lambda run: _params(run["ladders"]["params"][_row(run, "concurrency/serve") + 1])(run),
        "ladders",
    ),
    "value of time": (_of_cell("simd/sum", "value", [1.0] * 10), "cells.value"),
    "no value": (_of_cell("concurrency/serve", "value", None), "cells.value"),
    "short value": (_of_cell("concurrency/serve", "value", [1.0]), "cells.value"),
    "huge value": (_of_cell("concurrency/serve", "value", [1e300] * 10), "cells.value"),
    "short build": (_of_cell("algorithm/find", "build_ns", [1.0]), "cells.build_ns"),
    "negative build": (_of_cell("algorithm/find", "build_ns", [-1.0] * 10), "cells.build_ns"),
    "start before the run": (_set(["launches", "start", 0], -1), "launches.start"),
    "failed of no variant": (_set(["failed", 0, "variant"], "other"), "failed[0]"),
    "failed in no launch": (_set(["failed", 0, "launches"], []), "failed[0].launches"),
    "path in a failure": (_set(["failed", 0, "message"], "a\nb"), "failed[0].message"),
    "fixture with more": (_set(["fixtures", 0, "port"], 5432), "fixtures[0]"),
    "setting of a number": (_set(["fixtures", 0, "settings", "fsync"], 1), "fixtures[0].settings"),
    "missing without params": (_pop(["missing", 0, "params"]), "missing[0]"),
}


@pytest.mark.parametrize("name", DAMAGE2)
def test_damaged_run_of_version_2(golden2, name):
    damage, field = DAMAGE2[name]
    validate.run_tree(copy.deepcopy(golden2), "run.json")
    damage(golden2)
    with pytest.raises(HeadroomError) as caught:
        validate.run_tree(golden2, "run.json")
    message = str(caught.value)
    assert caught.value.status == 1 and field in message and message.isprintable()


def test_a_kernel_of_version_1_is_none_of_version_2(golden, golden2):
    """Kernels that were found right are not looked at again, but by the schema of their record."""
    validate.run_tree(golden, "run.json")
    golden2["kernels"][0] = golden["kernels"][0]
    with pytest.raises(HeadroomError, match="measure"):
        validate.run_tree(golden2, "run.json")


def test_version_1_is_read_as_version_2(golden):
    run = validate.run_tree(golden, "run.json")
    assert run["version"] == 1 and run["failed"] == [] and run["fixtures"] == []
    for kernel in run["kernels"]:
        assert kernel["measure"] == {"name": "time", "unit": "ns", "better": "less"}
        assert kernel["promise"] is None and kernel["fixtures"] == [] and kernel["params"] == {}
        for variant in kernel["variants"]:
            assert variant["promise"] is None and variant["lacks"] == []
    assert set(map(str, run["ladders"]["params"])) == {"{}"}
    assert set(run["cells"]["build_ns"]) == set(run["cells"]["value"]) == {None}
    assert set(run["launches"]["start"]) == {None}
    assert [entry["params"] for entry in run["missing"]] == [
        None if entry["n"] is None else {} for entry in run["missing"]
    ]
    assert all(cell.params == {} and cell.key()["params"] == {} for cell in cells_of(run))


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("version", [1, 2])
def test_damaged_run(golden, golden2, name, version):
    damage, field = DAMAGE[name]
    golden = golden if version == 1 else golden2
    damage(golden)
    with pytest.raises(HeadroomError) as caught:
        validate.run_tree(golden, "run.json")
    assert caught.value.status == 1
    message = str(caught.value)
    assert field in message and message.startswith("run.json: ") and "\n" not in message
    assert message.isprintable()


def test_golden_records_are_valid(golden):
    validate.run_tree(golden, "run.json")
    for name in (BASE, NEW, BASE2, NEW2):
        assert len(valid_files(golden_run(name))) == 2
    assert len(valid_files(golden_run(BASE).parents[1])) == 4


def test_a_future_version_has_its_own_sentence(golden):
    golden["version"] = 3
    with pytest.raises(HeadroomError, match="newer Headroom"):
        validate.run_tree(golden, "run.json")


def test_markup_that_is_allowed_does_no_harm(golden, headroom):
    golden["kernels"][2]["technique"] = "[bold]x[/bold] [/nothing] :smile: {0}"
    folder = headroom.root / "run"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(golden))
    (folder / "machine.json").write_text((golden_run(BASE) / "machine.json").read_text())
    shown = headroom("show", folder)
    assert shown.returncode == 0, shown.stderr
    assert "[bold]x[/bold] [/nothing] :smile: {0}" in shown.stdout
    assert "\x1b" not in shown.stdout


BYTES = {
    "empty": b"",
    "no JSON": b"hello",
    "truncated": b'{"format":"headroom-run","version":1,',
    "no object": b"[1,2]",
    "NaN": b'{"format":"headroom-run","version":1,"seconds":NaN}',
    "infinity": b'{"format":"headroom-run","version":1,"seconds":1e999}',
    "deep": b"[" * 200_000,
    "long integer": b'{"version":' + b"9" * 100_000 + b"}",
    "not UTF-8": b'{"format":"\xff\xfe"}',
    "key twice": b'{"format":"headroom-run","format":"headroom-machine","version":1}',
    "nothing": b"null",
    "format of a strange type": b'{"format":[1],"version":1}',
}


@pytest.mark.parametrize("name", BYTES)
def test_damaged_bytes(headroom, name):
    path = headroom.root / "run.json"
    path.write_bytes(BYTES[name])
    (headroom.root / "machine.json").write_text("{}")
    for command in (("validate", path), ("show", headroom.root), ("compare", path, path)):
        result = headroom(*command)
        assert result.returncode in (1, 2)
        assert result.stderr.startswith("headroom: ") and result.stderr.count("\n") == 1
        assert "run.json" in result.stderr


def test_a_file_over_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(validate, "RECORD_LIMIT", 100)
    with pytest.raises(HeadroomError, match="larger than"):
        validate.run_file(golden_run(BASE) / "run.json")


def test_paths_that_are_none(headroom):
    missing = headroom("validate", headroom.root / "none")
    assert missing.returncode == 2 and "no such file" in missing.stderr
    empty = headroom.root / "empty"
    empty.mkdir()
    assert headroom("validate", empty).returncode == 2
    assert headroom("validate", "/dev/null").returncode in (1, 2)


def test_validate_names_every_file(headroom):
    bad = headroom.root / "bad.json"
    bad.write_text("{}")
    good = golden_run(BASE) / "run.json"
    result = headroom("validate", good, bad, "--json")
    tree = json.loads(result.stdout)
    assert result.returncode == 1
    assert [entry["valid"] for entry in tree["files"]] == [True, False]


def test_the_published_schemas_allow_no_other_keys():
    def objects(tree):
        if isinstance(tree, dict):
            if tree.get("type") == "object":
                yield tree
            for value in tree.values():
                yield from objects(value)
        elif isinstance(tree, list):
            for value in tree:
                yield from objects(value)

    schemas = CHECKOUT / "tools" / "headroom_tools" / "record" / "schemas"
    for path in sorted(schemas.glob("*.json")):
        for found in objects(json.loads(path.read_text())):
            named = "propertyNames" in found and isinstance(found["additionalProperties"], dict)
            assert found["additionalProperties"] is False or named, path.name


MACHINE_DAMAGE = {
    "host name": _set(["hostname"], "mine"),
    "serial": _set(["disk", "serial"], "123"),
    "kind": _set(["disk", "kind"], "magic"),
    "slug": _set(["slug"], "a b"),
    "isa": _set(["cpu", "isa"], ["AVX 2"]),
    "negative": _set(["ram", "bytes"], -1),
}


@pytest.mark.parametrize("name", MACHINE_DAMAGE)
def test_damaged_machine(name):
    tree = json.loads((golden_run(BASE) / "machine.json").read_text())
    validate.machine_tree(copy.deepcopy(tree), "machine.json")
    MACHINE_DAMAGE[name](tree)
    with pytest.raises(HeadroomError) as caught:
        validate.machine_tree(tree, "machine.json")
    assert caught.value.status == 1


def test_a_run_with_another_machines_fingerprint(headroom, golden):
    golden["machine"] = "other"
    folder = headroom.root / "run"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(golden))
    (folder / "machine.json").write_text((golden_run(BASE) / "machine.json").read_text())
    result = headroom("validate", folder)
    assert result.returncode == 1 and "differ" in result.stderr
