"""Kernels of a device where there is none, or where its compiler refuses a program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Headroom, skip_unless_built
from test_failed_variants import _pilot
from test_io_missing import BENCH, missing_rows

pytestmark = pytest.mark.skipif(not BENCH.is_file(), reason="the program isn't built: run `make`")

KERNEL = "gpu/saxpy"


def _without_devices(folder: Path) -> Headroom:
    """The program where OpenCL's loader finds no driver."""
    nothing = folder / "no-vendors"
    nothing.mkdir()
    headroom = Headroom(folder, BENCH)
    headroom.env["OCL_ICD_VENDORS"] = f"{nothing}/"
    return headroom


def test_without_a_device_its_variants_are_missing_with_the_cure(tmp_path: Path) -> None:
    skip_unless_built(KERNEL, "machine/overhead")
    missing = missing_rows(_without_devices(tmp_path), KERNEL)
    assert set(missing) == {"opencl_naive", "opencl_vectors"}
    for needs in missing.values():
        assert "pocl-opencl-icd" in needs or "make deps GPU=1" in needs
    (path,) = (tmp_path / "out").glob("*/*/run.json")
    assert json.loads(path.read_text())["device"] is None


def test_a_device_that_is_named_and_not_there_is_no_other_one(tmp_path: Path) -> None:
    skip_unless_built(KERNEL, "machine/overhead")
    headroom = Headroom(tmp_path, BENCH)
    headroom.env["HEADROOM_OPENCL_DEVICE"] = "no device has this name"
    missing = missing_rows(headroom, KERNEL)
    assert set(missing) == {"opencl_naive", "opencl_vectors"}


def test_a_program_that_does_not_build_costs_its_variant_alone(tmp_path: Path) -> None:
    try:
        done, out = _pilot(tmp_path, "faulty/no_program")
    except FileNotFoundError:
        pytest.skip("OpenCL isn't built in: make deps GPU=1")
    assert done.returncode == 0, done.stderr
    (ladder,) = out["ladders"]
    measured = {arm["variant"] for arm in ladder["arms"]}
    assert measured >= {"naive", "sound"} and "opencl" not in measured
    if not ladder["failed"]:
        pytest.skip("no device")
    (failed,) = ladder["failed"]
    assert failed["variant"] == "opencl"
    assert failed["message"].startswith("OpenCL: clBuildProgram (")
    assert failed["message"].endswith("CL_BUILD_PROGRAM_FAILURE")
    assert "\n" not in failed["message"]


def test_the_record_names_the_device(tmp_path: Path) -> None:
    """Where PoCL is what there is, it is a CPU's, in the record and wherever it is told."""
    skip_unless_built(KERNEL, "machine/overhead")
    headroom = Headroom(tmp_path, BENCH)
    done = headroom("run", "--profile", "smoke", "--filter", f"^({KERNEL}|machine/overhead)$",
                    "--out", tmp_path / "out")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (tmp_path / "out").glob("*/*/run.json")
    device = json.loads(path.read_text())["device"]
    if device is None:
        pytest.skip("no device")
    assert device["name"] and device["driver"] and device["version"].startswith("OpenCL")
    shown = json.loads(headroom("show", path.parent, "--json").stdout)
    on = {row["variant"] for row in shown["rows"] if row.get("device") == device["name"]}
    assert on == {"opencl_naive", "opencl_vectors"}
    assert {row["kernel"] for row in shown["break_even"]} == {KERNEL}
    if "pocl" in device["version"].lower():
        assert device["type"] == "cpu"
        text = headroom("show", path.parent).stdout
        assert "on a CPU: PoCL" in text and "on a GPU" not in text
