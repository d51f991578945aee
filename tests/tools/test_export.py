"""`export`: Google Benchmark's own compare.py reads it; CSV and its data dictionary agree."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import BASE2, CHECKOUT, NEW, golden_run, skip_unless_built
from generated import golden_pair, sweep, written

from headroom_tools import export
from headroom_tools.base.text import csv_text
from headroom_tools.record.cells import cells_of
from headroom_tools.record.validate import load

BENCH = CHECKOUT / "build" / "release" / "bench" / "headroom-bench"
COMPARE = Path("/usr/share/benchmark/compare.py")  # where Debian's libbenchmark-tools has it


def _exported(headroom, run, *more):
    result = headroom("export", run, *more)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_google_benchmark_json(headroom):
    tree = json.loads(_exported(headroom, golden_run(BASE2), "--format", "google-benchmark"))
    run, _ = golden_pair()
    entries = [b for b in tree["benchmarks"] if b["name"] == "simd/sum/better/n:4096"]
    assert [entry["repetition_index"] for entry in entries] == list(range(10))
    assert {entry["run_type"] for entry in entries} == {"iteration"}
    assert {entry["repetitions"] for entry in entries} == {10}
    at = next(
        index for index, ladder in enumerate(run["cells"]["ladder"])
        if run["kernels"][run["ladders"]["kernel"][ladder]]["name"] == "simd/sum"
        and run["ladders"]["n"][ladder] == 4096 and run["cells"]["variant"][index] == 1
    )  # fmt: skip
    assert [entry["real_time"] for entry in entries] == run["cells"]["median"][at]
    assert entries[0]["time_unit"] == "ns" and entries[0]["run_type"] == "iteration"
    expected = 4096 * 4 / entries[0]["real_time"] * 1e9
    assert entries[0]["bytes_per_second"] == pytest.approx(expected, rel=1e-4)
    expected = math.exp(run["cells"]["log_ratio"][at][0])
    assert entries[0]["speedup"] == pytest.approx(expected, rel=1e-4)
    names = {entry["name"] for entry in tree["benchmarks"]}
    assert "algorithm/sort/naive/n:1000/input:random" in names
    assert "parallel/sum/better/n:65536/threads:2" in names
    # The one-thread naive stands in both ladders of the sweep, and here once.
    naive = [b for b in tree["benchmarks"] if b["name"] == "parallel/sum/naive/n:65536/threads:1"]
    assert len(naive) == 10
    assert tree["context"]["num_cpus"] == 2 and tree["context"]["host_name"] == "test-2c-8g"


@pytest.mark.skipif(not COMPARE.is_file(), reason=f"no {COMPARE}: install libbenchmark-tools")
@pytest.mark.parametrize("mode", ("benchmarks", "filters"))
def test_the_real_compare_py_reads_it(headroom, mode):
    """Unchanged, as Debian ships it (its own dependency, scipy, is one of ours too)."""
    paths = []
    for name in (BASE2, NEW):
        path = headroom.root / f"{name}.json"
        headroom("export", golden_run(name), "-o", path)
        paths.append(str(path))
    arguments = ["benchmarks", *paths]
    if mode == "filters":
        arguments = ["filters", paths[0], "simd/sum/naive", "simd/sum/better"]
    done = subprocess.run(
        [sys.executable, str(COMPARE), "--no-color", *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    if mode == "filters":
        assert any("[simd/sum/naive vs. simd/sum/better]/n:4096" in line for line in lines)
        return
    row = next(line for line in lines if line.startswith("simd/sum/better/n:4096 "))
    assert float(row.split()[1]) == pytest.approx(1 / 1.5 - 1, abs=0.02)
    (p_value,) = [line for line in lines if line.startswith("simd/sum/better/n:4096_pvalue")]
    assert "Repetitions: 10 vs 10" in p_value and "WARNING" not in p_value
    assert any(line.startswith("OVERALL_GEOMEAN") for line in lines)


def test_aggregates_are_those_of_google_benchmark(headroom):
    tree = json.loads(_exported(headroom, golden_run(BASE2)))
    name = "simd/sum/better/n:4096"
    own = [b for b in tree["benchmarks"] if b["run_name"] == name]
    times = [b["real_time"] for b in own if b["run_type"] == "iteration"]
    made = {b["aggregate_name"]: b for b in own if b["run_type"] == "aggregate"}
    assert [b["name"] for b in own[10:]] == [
        f"{name}_{what}" for what in ("mean", "median", "stddev", "cv")
    ]
    wanted = {"mean": statistics.mean(times), "median": statistics.median(times),
              "stddev": statistics.stdev(times),
              "cv": statistics.stdev(times) / statistics.mean(times)}  # fmt: skip
    for what, value in wanted.items():
        assert made[what]["real_time"] == pytest.approx(value, rel=1e-4)
        assert made[what]["cpu_time"] == made[what]["real_time"]
        assert (made[what]["repetitions"], made[what]["iterations"]) == (10, 10)
    assert made["cv"]["aggregate_unit"] == "percentage"
    assert made["mean"]["aggregate_unit"] == "time" == made["stddev"]["aggregate_unit"]
    rates = [b["bytes_per_second"] for b in own if b["run_type"] == "iteration"]
    assert made["median"]["bytes_per_second"] == pytest.approx(statistics.median(rates), rel=1e-4)
    only = json.loads(_exported(headroom, golden_run(BASE2), "--only", "aggregates"))
    assert only["benchmarks"] == [
        b for b in tree["benchmarks"] if b["run_type"] == "aggregate"
    ]
    only = json.loads(_exported(headroom, golden_run(BASE2), "--only", "launches"))
    assert only["benchmarks"] == [
        b for b in tree["benchmarks"] if b["run_type"] == "iteration"
    ]


@pytest.mark.skipif(not BENCH.is_file(), reason="the benchmark program isn't built: run `make`")
def test_entries_have_the_keys_of_the_real_google_benchmark(headroom):
    skip_unless_built("simd/sum")
    command = [BENCH, "--benchmark_filter=^simd/sum/naive/n:4096", "--benchmark_repetitions=2",
               "--benchmark_format=json", "--benchmark_min_time=0.001"]  # fmt: skip
    real = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    ours = json.loads(_exported(headroom, golden_run(BASE2)))
    name = "simd/sum/naive/n:4096"
    own = [b for b in ours["benchmarks"] if b["run_name"] == name]
    for what in ("iteration", "mean", "median", "stddev", "cv"):
        both = [
            next(b for b in entries if b.get("aggregate_name", b["run_type"]) == what)
            for entries in (own, real["benchmarks"])
        ]
        # These two are counters of this program, for `alone`.
        assert set(both[0]) == {*both[1], "label"} - {"median_ns", "sentinel_ns"}
        assert both[0].get("aggregate_unit") == both[1].get("aggregate_unit")


def _alerts(before: dict, after: dict, threshold: float) -> list[tuple[str, float]]:
    """As github-action-benchmark finds them: each entry against the first of its name before."""
    first: dict[str, float] = {}
    for entry in before["benchmarks"]:
        first.setdefault(entry["name"], entry["real_time"])
    ratios = [
        (entry["name"], entry["real_time"] / first[entry["name"]])
        for entry in after["benchmarks"]
        if first.get(entry["name"])
    ]
    return [(name, ratio) for name, ratio in ratios if ratio > threshold]


def test_one_number_of_identical_code_raises_no_alert():
    """Over all committed runs of one machine, commit and label, at a service's usual threshold; and
    true slowdowns of 2.5x do."""
    groups: dict[tuple, list] = {}
    for path in sorted((CHECKOUT / "results").glob("*/*/run.json")):
        run, machine = load(path.parent)
        key = (run["machine"], run["commit"], run["label"])
        tree = export.google_benchmark(run, machine, "median")
        names = [entry["name"] for entry in tree["benchmarks"]]
        assert len(set(names)) == len(names)  # one number a name
        assert len(names) > len(run["cells"]["median"]) / 3  # not few are judged
        groups.setdefault(key, []).append(tree)
    pairs = 0
    for trees in groups.values():
        for before in trees:
            for after in trees:
                pairs += before is not after
                assert _alerts(before, after, 2.0) == []
    assert pairs >= 18
    for before in (tree for trees in groups.values() for tree in trees):
        entries = before["benchmarks"]
        slower = {"benchmarks": [{**b, "real_time": 2.5 * b["real_time"]} for b in entries]}
        timed = sum(bool(b["real_time"]) for b in entries)
        assert len(_alerts(before, slower, 2.0)) == timed > 0


def test_what_has_no_one_number_is_left_out_and_said(headroom):
    run, machine = sweep([1, 2], lambda n: 1 / n)
    run["cells"]["median"][1][::2] = [3 * ns for ns in run["cells"]["median"][1][::2]]
    folder = written(headroom.root / "r" / "levels", run, machine)
    done = headroom("export", folder, "--only", "median")
    assert done.returncode == 0 and "cells left out: 1: " in done.stderr
    tree = json.loads(done.stdout)
    assert tree["context"]["headroom_unsteady"] == "1"
    names = {entry["name"] for entry in tree["benchmarks"]}
    assert "parallel/sum/v1/n:65536/threads:2_median" in names
    assert "parallel/sum/v1/n:65536/threads:1_median" not in names
    assert {entry["aggregate_name"] for entry in tree["benchmarks"]} == {"median"}
    for words in (("--format", "csv"), ("--dictionary",)):
        refused = headroom("export", folder, "--only", "median", *words)
        assert refused.returncode == 2 and "leave it out" in refused.stderr


def test_csv_and_its_dictionary(headroom):
    text = _exported(headroom, golden_run(BASE2), "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    text = _exported(headroom, golden_run(BASE2), "--dictionary")
    columns = list(csv.DictReader(io.StringIO(text)))
    assert [column["name"] for column in columns] == list(rows[0])
    assert all(column["meaning"] for column in columns)
    for row in rows:
        for column in columns:
            value = row[column["name"]]
            if column["type"] == "integer":
                int(value)
            elif column["type"] == "number" and value:
                float(value)
            else:
                assert column["type"] in ("text", "number")
    run, _ = golden_pair()
    assert len(rows) == 10 * len(run["cells"]["ladder"])
    row = next(r for r in rows if r["kernel"] == "simd/sum" and r["variant"] == "better")
    assert float(row["ns_per_item"]) == pytest.approx(float(row["median_ns"]) / 4096, rel=1e-4)


def test_each_line_is_its_launch_of_its_cell(headroom):
    """Numbered from 1, with that launch's figures: what pairs the lines of a launch."""
    text = _exported(headroom, golden_run(BASE2), "--format", "csv")
    lines = {}
    for row in csv.DictReader(io.StringIO(text)):
        if (row["kernel"], row["n"]) == ("simd/sum", "4096"):
            lines[row["variant"], int(row["launch"])] = row
    run, _ = golden_pair()
    cells = [cell for cell in cells_of(run) if cell.kernel["name"] == "simd/sum" and cell.n == 4096]
    assert len(lines) == 10 * len(cells)
    for cell in cells:
        for at in range(10):
            row = lines[cell.variant, at + 1]
            for name, values in (("median_ns", cell.median), ("p10_ns", cell.p10),
                                 ("min_ns", cell.min), ("log_ratio", cell.log_ratio),
                                 ("ceiling_ns", cell.ceiling)):  # fmt: skip
                assert float(row[name]) == values[at], (name, at)


def test_files_and_json(headroom):
    target = headroom.root / "rows.csv"
    arguments = ("--format", "csv", "-o", target, "--json")
    told = json.loads(_exported(headroom, golden_run(BASE2), *arguments))
    assert told == {"written": ["rows.csv", "rows.csv.columns.csv"]}
    dictionary = (headroom.root / "rows.csv.columns.csv").read_text()
    assert dictionary.startswith("name,type,unit,meaning\n")
    tree = json.loads(_exported(headroom, golden_run(BASE2), "--format", "csv", "--json"))
    assert len(tree["columns"]) == len(tree["rows"][0])
    nowhere = headroom("export", golden_run(BASE2), "-o", headroom.root / "none" / "x")
    assert nowhere.returncode == 2 and nowhere.stderr.count("\n") == 1
    device = headroom("export", golden_run(BASE2), "-o", "/dev/null")
    assert device.returncode == 2 and "no regular file" in device.stderr


def test_what_lies_above_its_ceiling_is_left_out(headroom):
    run, machine = golden_pair()
    top = run["ceilings"]
    top["median"] = [[1.5 * ns for ns in values] for values in top["median"]]
    top["log_ratio"] = [[value - math.log(1.5) for value in values] for values in top["log_ratio"]]
    folder = written(headroom.root / "r" / "cheat", run, machine)
    tree = json.loads(_exported(headroom, folder))
    names = {entry["name"] for entry in tree["benchmarks"]}
    assert "simd/sum/better/n:4096" not in names and "simd/sum/naive/n:4096" in names
    assert tree["context"]["headroom_withheld"] != "0"


def test_launches_that_failed_are_no_repetitions(headroom):
    run, machine = sweep([1, 2], lambda n: 1 / n)
    for name in ("median", "p10", "min", "log_ratio"):
        run["cells"][name][1][4] = None
    folder = written(headroom.root / "r" / "failed", run, machine)
    tree = json.loads(_exported(headroom, folder))
    entries = [b for b in tree["benchmarks"] if b["name"] == "parallel/sum/v1/n:65536/threads:1"]
    made = [b for b in tree["benchmarks"] if b["name"].endswith("v1/n:65536/threads:1_mean")]
    assert [entry["repetitions"] for entry in made] == [9]
    told = [(entry["repetitions"], entry["repetition_index"]) for entry in entries]
    assert told == [(9, index) for index in range(9)]


def test_spreadsheets_get_no_formulas(headroom):
    run, machine = golden_pair()
    folder = written(headroom.root / "r" / "x", run, machine)
    text = _exported(headroom, folder, "--format", "csv")
    cells = [cell for line in csv.reader(io.StringIO(text)) for cell in line]
    assert not any(cell.startswith(("=", "+", "@")) for cell in cells)
    assert export.dictionary_csv() and csv_text("=1+1") == "'=1+1"
