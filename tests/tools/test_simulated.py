"""Simulated figures: marked wherever they stand, and no figures of the machine."""

from __future__ import annotations

import copy
import csv
import io
import json
import re

import pytest
from conftest import BASE, golden_run
from generated import golden_pair, written

from headroom_tools import export
from headroom_tools.base import terminal
from headroom_tools.cite.figures import cell_figure
from headroom_tools.cite.records import Unbacked
from headroom_tools.compare import simulated
from headroom_tools.compare.comparison import compared
from headroom_tools.compare.sides import read_alone
from headroom_tools.measure.catalogue import listed, print_list
from headroom_tools.plot import of_kernels
from headroom_tools.plot.spec import Point, Series
from headroom_tools.record.cells import cells_of
from headroom_tools.record.validate import load
from headroom_tools.show.rows import rows_of
from headroom_tools.show.summary import print_end

KERNEL = "concurrency/serve"  # judged by its p99
MARK = "simulated"
BEYOND = "simulated, beyond the validated range"


def made(beyond: str = "better") -> list[dict]:
    """The golden record, with a kernel that is simulated; `beyond`: a variant of it that was asked
    for more than its model was held against."""
    run, machine = golden_pair()
    number = next(at for at, kernel in enumerate(run["kernels"]) if kernel["name"] == KERNEL)
    run["kernels"][number]["simulated"] = True
    for index, at in enumerate(run["cells"]["ladder"]):
        if run["ladders"]["kernel"][at] != number:
            continue
        variant = run["kernels"][number]["variants"][run["cells"]["variant"][index]]["name"]
        value = 0 if variant == beyond else 1
        for name, own in (("cell", index), ("name", "validated"), ("unit", "0 or 1"),
                          ("value", value)):  # fmt: skip
            run["quantities"][name].append(own)
    return [run, machine]


@pytest.fixture
def record(tmp_path):
    return written(tmp_path / "results" / "test-2c-8g" / "20260301T000000Z-0123abcd-sim", *made())


def rows(run):
    return [row for row in rows_of(run) if row.cell.kernel["name"] == KERNEL]


def test_a_record_that_has_no_word_of_it_is_measured():
    for name in (BASE,):
        run, _ = load(golden_run(name))
        assert not any(cell.simulated or cell.mark for cell in cells_of(run))


def test_the_record_is_valid_and_says_it_of_its_own_kernel_alone(record):
    run, _ = load(record)
    assert {cell.kernel["name"] for cell in cells_of(run) if cell.simulated} == {KERNEL}
    marks = {(row.cell.variant, row.cell.mark) for row in rows(run)}
    assert marks == {("naive", MARK), ("better", BEYOND), ("peer", MARK)}


def test_show_marks_the_ladder_and_the_figure_beyond(headroom, record):
    told = headroom("show", record).stdout
    ladder = told[told.index(KERNEL):]
    assert "judged by p99, less is better, simulated" in ladder
    assert "p99, simulated" in ladder
    lines = [line for line in ladder.splitlines() if re.match(r"\s+better ", line)]
    assert "†" in lines[0] and "beyond the validated range of the simulation" in ladder
    naive = next(line for line in ladder.splitlines() if re.match(r"\s+naive ", line))
    assert "†" not in naive
    other = told[told.index("simd/sum"):told.index(KERNEL)]
    assert MARK not in other


def test_show_json(headroom, record):
    found = json.loads(headroom("show", record, "--json").stdout)["rows"]
    told = {(row["variant"], row["simulated"], row["validated"]) for row in found
            if row["kernel"] == KERNEL}  # fmt: skip
    assert told == {("naive", True, True), ("better", True, False), ("peer", True, True)}
    assert all((row["simulated"], row["validated"]) == (False, None) for row in found
               if row["kernel"] != KERNEL)  # fmt: skip


def test_every_cited_figure_is_marked(record):
    run, _ = load(record)
    for row in rows(run):
        for quantity in ("value", "speedup"):
            for brief in (False, True):
                assert cell_figure(quantity, row, brief).endswith(f"({row.cell.mark})")
        for quantity in ("time", "ns_per_item", "rate"):
            with pytest.raises(Unbacked, match="simulated"):
                cell_figure(quantity, row, True)
    other = next(row for row in rows_of(run) if row.cell.kernel["name"] == "simd/sum")
    assert MARK not in cell_figure("time", other, False)


def test_the_summary_has_a_line_of_its_own(record, capsys):
    run, machine = load(record)
    print_end(run, machine, record, terminal.console())
    lines = capsys.readouterr().out.splitlines()
    assert any(line.lstrip().startswith("concurrency, sim.") for line in lines)
    assert any("; sim.: simulated" in line for line in lines)
    assert max(map(len, lines[:-6])) <= 80


def test_exports(record):
    run, machine = load(record)
    lines = list(csv.DictReader(io.StringIO(export.as_csv(run))))
    marks = {(line["kernel"] == KERNEL, line["simulated"]) for line in lines}
    assert marks == {(False, ""), (True, MARK), (True, BEYOND)}
    tree = export.google_benchmark(run, machine)
    for entry in tree["benchmarks"]:
        assert (MARK in entry["label"]) == entry["name"].startswith(KERNEL)


def test_pictures_and_report(headroom, record):
    run, machine = load(record)
    bars = of_kernels.ladder(rows(run)[:3])
    assert MARK in bars.title
    assert all(MARK in bar.note for bar in bars.rows)
    assert MARK in of_kernels.launches(rows(run)[:3]).title
    page = headroom.root / "page.html"
    pytest.importorskip("jinja2")
    assert headroom("report", record, "-o", page).returncode == 0
    assert f"({BEYOND})" in page.read_text()
    assert page.read_text().count("· simulated</span>") == 1


def test_a_line_is_dashed_from_where_it_is_beyond():
    line = Series("least", [Point(float(x), 1.0) for x in (1, 2, 3, 4, 5)], 0)
    assert of_kernels.dashed_beyond(line, set()) == [line]
    parts = of_kernels.dashed_beyond(line, {4.0, 5.0})
    assert [(part.dash, [p.x for p in part.points]) for part in parts] == [
        (0, [1, 2, 3]), (1, [3, 4, 5])
    ]  # fmt: skip
    assert [part.name for part in parts] == ["least", "least, beyond the validated range"]
    parts = of_kernels.dashed_beyond(line, {3.0})
    assert [part.dash for part in parts] == [0, 1, 0]
    assert [part.name for part in parts][2] == ""
    (one,) = of_kernels.dashed_beyond(line._replace(points=line.points[:1]), {1.0})
    assert one.name.endswith("beyond the validated range")


def test_list(capsys):
    kernel = {"name": "scaling/x", "group": "scaling", "axis": "scalar", "technique": "t",
              "measure": {"name": "p99", "unit": "ns", "better": "less"}, "promise": ["exact"],
              "fixtures": [], "sizes": [1], "headline": [1], "inputs": ["default"], "threads": [1],
              "params": {}, "ceiling": "", "variants": []}  # fmt: skip
    for told in (True, False):
        kernels = listed({"kernels": [{**kernel, "simulated": told}]})
        assert kernels[0]["simulated"] is told
        print_list(kernels, terminal.console())
        assert ("· simulated" in capsys.readouterr().out) is told
    assert listed({"kernels": [kernel]})[0]["simulated"] is False, "an older program's"


def pair(tmp_path, change):
    """Two sides of another speed, whose second's run is changed."""
    run, machine = made()
    other, elsewhere = copy.deepcopy([run, machine])
    other["machine"] = elsewhere["slug"] = "other-2c-8g"
    change(other)
    return [read_alone(written(tmp_path / name / tree["name"], tree, host))
            for name, tree, host in (("a", run, machine), ("b", other, elsewhere))]  # fmt: skip


def test_on_no_axis_and_without_a_verdict(tmp_path):
    base, new = pair(tmp_path, lambda run: None)
    tree = compared(base, new)
    assert not [row for row in tree["rows"] if row["kernel"] == KERNEL]
    assert not [row for row in tree["ladders"] if row["kernel"] == KERNEL]
    axes = {axis["axis"] for axis in tree["axes"]}
    assert "network" not in axes, "it was the only one of its axis"
    assert not [one for one in tree["only_base"] + tree["only_new"] if one["kernel"] == KERNEL]
    assert tree["simulated"] and all(row["same"] for row in tree["simulated"])
    assert "all are the same on both sides" in simulated.told(tree)


def test_a_difference_is_one_of_the_code_or_the_input(tmp_path):
    def change(run):
        for cell in cells_of(run):
            if cell.kernel["name"] == KERNEL and cell.variant == "better":
                cell.value[:] = [2 * value for value in cell.value]

    base, new = pair(tmp_path, change)
    tree = compared(base, new)
    other = [row for row in tree["simulated"] if not row["same"]]
    assert {row["variant"] for row in other} == {"better"}
    told = simulated.told(tree)
    assert "which no hardware makes" in told and f"{KERNEL}/better" in told
    assert "another input, library or seed" in told, "the same code"


def test_another_hash_is_another_code(tmp_path):
    def change(run):
        for kernel in run["kernels"]:
            if kernel["name"] == KERNEL:
                kernel["source_hash"] = "0" * 16
        for cell in cells_of(run):
            if cell.kernel["name"] == KERNEL:
                cell.value[:] = [2 * value for value in cell.value]

    told = simulated.told(compared(*pair(tmp_path, change)))
    assert "another code" in told and "another input" not in told


def test_compare_says_so_in_each_form(headroom, record, tmp_path):
    other, machine = made()
    other["machine"] = machine["slug"] = "other-2c-8g"
    new = written(tmp_path / "other" / other["name"], other, machine)
    for form in ((), ("--markdown",), ("--json",)):
        result = headroom("compare", record, new, *form)
        assert result.returncode == 0, result.stderr
        assert MARK in result.stdout
    assert KERNEL not in headroom("compare", record, new, "--csv").stdout


def test_two_runs_of_simulations_alone(headroom, tmp_path):
    """Nothing to compare is no error where there is something to say."""
    folders = []
    for name in ("a", "b"):
        run, machine = made()
        for kernel in run["kernels"]:
            if kernel["measure"]["name"] != "time":
                kernel["simulated"] = True
        gone = {at for at, kernel in enumerate(run["kernels"]) if not kernel.get("simulated")}
        for at, kernel in enumerate(run["ladders"]["kernel"]):
            if kernel in gone:
                for index, ladder in enumerate(run["cells"]["ladder"]):
                    if ladder == at:  # as where no launch of it was well
                        for column in ("median", "p10", "min", "log_ratio"):
                            run["cells"][column][index] = [None] * run["plan"]["launches"]
        folders.append(written(tmp_path / name / run["name"], run, machine))
    for form in ((), ("--markdown",), ("--json",)):
        result = headroom("compare", *folders, *form)
        assert result.returncode == 0 and MARK in result.stdout, result.stderr
    assert json.loads(result.stdout)["rows"] == []


def test_a_simulation_is_launched_once_and_its_figures_stand_for_all_launches(headroom):
    result = headroom("run", "--profile", "quick", "--filter", "serve|evict|simd", FAKE_MORE="1",
                      FAKE_SIMULATED=f"{KERNEL},caching/evict")  # fmt: skip
    assert result.returncode == 0, result.stderr
    run = headroom.run_json()
    names = [run["kernels"][at]["name"] for at in run["launches"]["kernel"]]
    assert (names.count(KERNEL), names.count("caching/evict"), names.count("simd/sum")) == (1, 1, 6)
    for cell in (cell for cell in cells_of(run) if cell.simulated):
        assert len(cell.value) == 6 and len(set(cell.value)) == 1 and cell.value[0] is not None
        assert len(set(cell.log_ratio)) == 1
    # What stands in the record is what was measured: one launch.
    at = [run["kernels"][run["ladders"]["kernel"][where]]["name"] == KERNEL
          for where in run["cells"]["ladder"]]  # fmt: skip
    for values in (values for values, own in zip(run["cells"]["value"], at) if own):
        assert values[0] is not None and values[1:] == [None] * 5
    best = [row for row in rows(run) if row.cell.variant == "better"]
    assert best and all(row.lo == row.hi == row.speedup for row in best)
