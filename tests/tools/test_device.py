"""Figures of a device name it; one that OpenCL runs on the CPU is no GPU's anywhere."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy
import pytest
from conftest import Headroom
from generated import GPU, POCL, of_device, written
from rich.console import Console

from headroom_tools.base.errors import HeadroomError
from headroom_tools.compare.comparison import compared
from headroom_tools.compare.sides import read_sides
from headroom_tools.fleet.table import table_of
from headroom_tools.record import device as devices
from headroom_tools.record.cells import cells_of
from headroom_tools.record.validate import load
from headroom_tools.show import summary
from headroom_tools.show.break_even import break_evens
from headroom_tools.show.rows import rows_of
from headroom_tools.show.terminal import print_run

GAINS = {1024: 0.2, 4096: 0.9, 16384: 1.5, 65536: 4.0}


def _record(folder: Path, device: dict | None, name: str, gains=None, seed: int = 1) -> Path:
    run, machine = of_device(device, gains or GAINS, name, seed)
    return written(folder / "results" / name / run["name"], run, machine)


def _shown(run: dict, folder: Path) -> str:
    to = io.StringIO()
    print_run(run, folder, Console(file=to, width=120))
    return to.getvalue()


def test_a_record_with_a_device_is_valid_and_one_without_still_is(tmp_path: Path) -> None:
    for device in (POCL, GPU, None):
        name = device["type"] if device else "none"
        run, _ = load(_record(tmp_path, device, name))
        assert run.get("device") == device
    run, machine = of_device(None, GAINS, "older")
    del run["device"]
    assert load(written(tmp_path / "results" / "older" / run["name"], run, machine))
    run, machine = of_device({**GPU, "type": "toaster"}, GAINS, "wrong")
    with pytest.raises(HeadroomError):
        load(written(tmp_path / "results" / "wrong" / run["name"], run, machine))


def test_pocl_is_told_as_a_cpu_and_a_gpu_by_its_name() -> None:
    assert devices.told(POCL) == "on a CPU: PoCL 3.1"
    assert devices.told(GPU) == "on a GPU: NVIDIA H200"
    assert "no GPU" in devices.in_full(POCL) and "PoCL" in devices.in_full(POCL)
    assert devices.in_full(GPU).startswith("OpenCL on a GPU: NVIDIA H200, ")


@pytest.mark.parametrize("device, axis", [(POCL, "cores"), (GPU, "gpu")])
def test_only_a_gpus_own_figures_are_of_its_axis(device: dict, axis: str) -> None:
    run, _ = of_device(device, GAINS, "m")
    found = {(cell.variant, cell.axis) for cell in cells_of(run)}
    assert found == {("naive", "cores"), ("cores", "cores"), ("opencl", axis)}


def test_a_devices_ceiling_bounds_no_cpu() -> None:
    """The CPU's variant is above what the device's probe leaves, and is not withheld for that."""
    run, _ = of_device(GPU, GAINS, "m")
    rows = rows_of(run)
    assert {row.cell.variant for row in rows if row.share} == {"opencl"}
    withheld = {(row.cell.variant, row.cell.n) for row in rows if row.impossible}
    assert withheld == {("opencl", 16384), ("opencl", 65536), ("opencl", 4096)}


@pytest.mark.parametrize("device", [POCL, GPU])
def test_show_and_summary_name_the_device(tmp_path: Path, device: dict) -> None:
    folder = _record(tmp_path, device, "m")
    run, machine = load(folder)
    told = devices.told(device)
    shown = _shown(run, folder)
    assert f"{told}: opencl" in shown and devices.in_full(device)[:60] in shown
    assert ("a GPU:" in shown) == (device["type"] == "gpu")
    to = io.StringIO()
    summary._print_head(run, machine, Console(file=to, width=120))
    assert f"OpenCL {told}" in to.getvalue()


def test_the_report_and_the_plots_name_it() -> None:
    run, _ = of_device(POCL, GAINS, "m")
    names = {cell.name for cell in cells_of(run)}
    assert names == {"naive", "cores", "opencl (on a CPU: PoCL 3.1)"}


def test_break_even_is_the_size_from_which_on_the_device_wins() -> None:
    slow = {n: gain / 100 for n, gain in GAINS.items()}
    found = {
        name: break_evens(rows_of(_uncapped(of_device(GPU, gains, "m")[0])))
        for name, gains in (("some", GAINS), ("none", slow), ("all", {4096: 2.0, 8192: 3.0}),
                            ("lost again", {4096: 2.0, 8192: 0.5}))
    }  # fmt: skip
    (some,), (none,), (every,), (lost,) = found.values()
    assert (some.from_n, some.below_n, some.against) == (16384, 4096, "cores")
    assert some.ratio == pytest.approx(1.5, rel=0.01)
    assert some.told.startswith("from n 16,384 on; not at 4,096; 1.")
    assert none.from_n is None and none.at_n == 65536
    assert "at any of 4 sizes measured not; closest at n 65,536: 0.040" in none.told
    assert every.from_n == 4096 and every.below_n is None
    assert lost.from_n is None, "what wins at a small size and loses at a larger one does not pay"
    assert break_evens(rows_of(of_device(None, GAINS, "m")[0])) == []


def _uncapped(run: dict) -> dict:
    for column in run["ceilings"].values():
        column.clear()
    return run


def _compared(folder: Path, base: dict | None, new: dict | None) -> dict:
    folders = [_record(folder, base, "old"), _record(folder, new, "new", seed=2)]
    for path in folders:
        run = json.loads((path / "run.json").read_text())
        (path / "run.json").write_text(json.dumps(_uncapped(run)))
    return compared(*read_sides(folders))


def test_a_cpu_is_not_held_against_a_gpu(tmp_path: Path) -> None:
    tree = _compared(tmp_path, POCL, GPU)
    assert {row["variant"] for row in tree["rows"]} == {"naive", "cores"}
    assert {row["variant"] for row in tree["ladders"]} == {"cores"}
    assert {axis["axis"] for axis in tree["axes"]} == {"cores"}
    (told,) = [line for line in tree["warnings"] if "OpenCL" in line]
    assert "on a CPU: PoCL 3.1" in told and "on a GPU: NVIDIA H200" in told
    assert {entry["reason"] for entry in tree["only_new"]} == {"other device"}
    assert {entry["detail"] for entry in tree["only_new"]} == {"on a CPU: PoCL 3.1"}
    assert "device.type" in {entry["field"] for entry in tree["changed"]}


@pytest.mark.parametrize("device, axes", [(POCL, {"cores"}), (GPU, {"cores", "gpu"})])
def test_two_of_a_kind_are_compared(tmp_path: Path, device: dict, axes: set[str]) -> None:
    tree = _compared(tmp_path, device, device)
    assert {row["variant"] for row in tree["rows"]} == {"naive", "cores", "opencl"}
    assert {axis["axis"] for axis in tree["axes"]} == axes
    assert not [line for line in tree["warnings"] if "OpenCL" in line]


def test_another_gpu_is_a_part_that_differs(tmp_path: Path) -> None:
    tree = _compared(tmp_path, GPU, {**GPU, "name": "NVIDIA L4", "compute_units": 58})
    assert {axis["axis"] for axis in tree["axes"]} == {"cores", "gpu"}
    fields = {entry["field"] for entry in tree["changed"]}
    assert fields >= {"device.name", "device.compute_units"} and "device.type" not in fields


@pytest.mark.parametrize("device", [POCL, GPU])
def test_a_cited_figure_names_its_device(tmp_path: Path, device: dict) -> None:
    _record(tmp_path, device, "m")
    cell = "gpu/saxpy/{}/n:1024"
    document = tmp_path / "README.md"
    document.write_text("".join(
        f"<!-- headroom: {cell.format(name)} {quantity} @m --><!-- /headroom -->\n"
        for name, quantity in (("opencl", "speedup"), ("opencl", "time brief"),
                               ("cores", "speedup"))
    ))  # fmt: skip
    done = Headroom(tmp_path)("cite", document, "--results", tmp_path / "results")
    assert done.returncode == 0, done.stderr
    speedup, time, cores, *_ = document.read_text().splitlines()
    told = devices.told(device)
    assert f"({told})<!--" in speedup and f"({told})<!--" in time
    assert "CPU" not in cores and "GPU" not in cores


def test_a_fleet_holds_only_like_against_like(tmp_path: Path) -> None:
    sides = [
        (name, device) for name, device in
        (("one", GPU), ("two", GPU), ("three", GPU), ("pocl", POCL))
    ]  # fmt: skip
    folders = []
    for at, (name, device) in enumerate(sides):
        path = _record(tmp_path, device, name, seed=at)
        run = json.loads((path / "run.json").read_text())
        (path / "run.json").write_text(json.dumps(_uncapped(run)))
        folders.append(path)
    table = table_of(read_sides(folders), [name for name, _ in sides])
    assert set(table.axes) == {"cores", "gpu"}
    rows = [at for at, axis in enumerate(table.axes) if axis == "gpu"]
    counts = [int((~numpy.isnan(own.value[rows])).sum()) for own in table.runs]
    assert counts == [4, 4, 4, 0], "PoCL's has no place in an axis of GPUs"
