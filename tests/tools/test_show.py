"""`show` and `compare` on golden2 records: values recomputed with scipy.stats, shapes, speed."""

from __future__ import annotations

import copy
import json
import math
import shutil

import numpy
import pytest
from conftest import BASE, NEW, golden_run
from generated import golden_pair, written
from scipy import stats as reference

from headroom_tools.base.errors import HeadroomError
from headroom_tools.compare.comparison import compared
from headroom_tools.compare.sides import read_alone
from headroom_tools.record import validate
from headroom_tools.record.cells import cells_of
from headroom_tools.show.rows import rows_of

CELL = ["kernel", "variant", "n", "input", "threads", "params"]


def _row(rows, kernel, variant, n, threads=1):
    (found,) = [
        row
        for row in rows
        if (row["kernel"], row["variant"], row["n"], row["ladder_threads"])
        == (kernel, variant, n, threads)
    ]
    return found


def test_show_json(headroom):
    result = headroom("show", golden_run(BASE), "--json")
    tree = json.loads(result.stdout)
    for row in tree["rows"]:
        assert list(row) == [
            *CELL, "ladder_threads", "role", "lacks", "baseline", "measure", "unit", "simulated",
            "validated", "value", "ns_per_item", "bytes_per_second", "flops_per_second",
            "intensity", "speedup", "lo", "hi", "alone", "standard", "over_standard",
            "over_standard_lo", "over_standard_hi", "detected", "verdict", "ceiling", "of_ceiling",
            "of_ceiling_lo", "of_ceiling_hi", "probe", "build_ns", "break_even_calls",
        ]  # fmt: skip
        if row["kernel"] != "simd/sum":
            assert row["ceiling"] is None and row["of_ceiling"] is None and row["probe"] is None
    run = validate.run_file(golden_run(BASE) / "run.json")
    cell = next(
        c for c in cells_of(run)
        if c.kernel["name"] == "simd/sum" and c.variant == "better" and c.n == 4096
    )  # fmt: skip
    row = _row(tree["rows"], "simd/sum", "better", 4096)
    ratios = sorted(cell.log_ratio)
    assert row["speedup"] == pytest.approx(math.exp(numpy.median(ratios)), rel=1e-4)
    assert row["lo"] == pytest.approx(math.exp(ratios[1]), rel=1e-4)
    assert row["hi"] == pytest.approx(math.exp(ratios[8]), rel=1e-4)
    assert row["ns_per_item"] == pytest.approx(numpy.median(cell.median) / 4096, rel=1e-4)
    assert row["bytes_per_second"] == pytest.approx(4 / row["ns_per_item"] * 1e9, rel=1e-3)
    assert row["verdict"] == "faster" and row["detected"] is True
    assert set(tree["missing"][0]) == {"kernel", "variant", "needs"}
    assert tree["missing"][0]["needs"] == "avx9 (buy another CPU)"


def test_the_share_of_the_ceiling_is_paired(headroom):
    tree = json.loads(headroom("show", golden_run(BASE), "--json").stdout)
    rows = [r for r in tree["rows"] if r["kernel"] == "simd/sum" and r["n"] == 4096]
    timed = [r for r in rows if r["threads"] == 1 and r["ns_per_item"]]
    best = min(timed, key=lambda r: r["ns_per_item"])
    # The made-up probe takes 0.8 of the best variant's time in every round: no spread at all.
    assert best["probe"] == "machine/read/probe"
    assert best["of_ceiling"] == pytest.approx(0.8, rel=1e-3)
    assert best["of_ceiling_lo"] == pytest.approx(0.8, rel=1e-3)
    assert best["ceiling"] == pytest.approx(0.8 * best["ns_per_item"], rel=1e-2)
    shown = headroom("show", golden_run(BASE)).stdout
    assert "ceiling: read/probe" in shown and "withheld" not in shown


def test_a_figure_above_its_ceiling_is_withheld(headroom, tmp_path):
    folder = tmp_path / golden_run(BASE).name
    shutil.copytree(golden_run(BASE), folder)
    run = json.loads((folder / "run.json").read_text())
    top = run["ceilings"]
    top["median"] = [[1.5 * ns for ns in values] for values in top["median"]]
    top["log_ratio"] = [[value - math.log(1.5) for value in values] for values in top["log_ratio"]]
    (folder / "run.json").write_text(json.dumps(run))
    tree = json.loads(headroom("show", folder, "--json").stdout)
    cheats = [row for row in tree["rows"] if row["verdict"] == "withheld"]
    assert cheats and all(row["kernel"] == "simd/sum" for row in cheats)
    for row in cheats:
        assert row["ns_per_item"] is None and row["speedup"] is None and row["of_ceiling_lo"] > 1.05
    shown = " ".join(headroom("show", folder).stdout.split())
    assert "is withheld: at 1.20" in shown and "faster than the machine can be" in shown


def test_a_target_that_was_asked_for_holds_no_library_down(golden2):
    before = {row.cell.role for row in rows_of(golden2) if row.share}
    assert {"optimized", "peer"} <= before
    golden2["simd"]["asked"] = "AVX2"
    rows = rows_of(golden2)
    assert {row.cell.role for row in rows if row.share} == before - {"peer"}
    peers = [row.cell for row in rows if row.cell.role == "peer"]
    assert all(cell.probe for cell in peers if cell.kernel["name"] == "simd/sum")


def test_the_noise_floor_is_the_placebos(headroom):
    tree = json.loads(headroom("show", golden_run(BASE), "--json").stdout)
    run = validate.run_file(golden_run(BASE) / "run.json")
    copy_ = next(c for c in cells_of(run) if c.variant == "copy")
    ordered = sorted(copy_.log_ratio)
    expected = math.exp(max(abs(ordered[1]), abs(ordered[8])))
    assert tree["noise_floor"] == {"cpu": pytest.approx(expected, rel=1e-4)}
    assert run["noise_floor"] == tree["noise_floor"]


def test_no_claim_below_the_noise_floor(golden2):
    for cell in cells_of(golden2):
        if cell.variant == "copy":
            cell.log_ratio[:] = [0.2, -0.2] * 5
        elif cell.variant == "better" and cell.kernel["name"] == "simd/sum":
            cell.log_ratio[:] = [0.1, 0.101] * 5
    rows = [r for r in rows_of(golden2) if r.cell.kernel["name"] == "simd/sum"]
    better = [r for r in rows if r.cell.variant == "better"]
    # Noise hides the difference; it doesn't make it small.
    assert all(row.verdict == "unresolved" and row.detected for row in better)


def test_detection_is_apart_from_the_verdict(golden2):
    for cell in cells_of(golden2):
        if cell.variant == "better" and cell.kernel["name"] == "simd/sum":
            cell.log_ratio[:] = [0.010, 0.011] * 5
    better = [
        r for r in rows_of(golden2)
        if r.cell.variant == "better" and r.cell.kernel["name"] == "simd/sum"
    ]  # fmt: skip
    assert all(row.verdict == "equivalent" and row.detected for row in better)
    narrow = [
        r for r in rows_of(golden2, band=0.005)
        if r.cell.variant == "better" and r.cell.kernel["name"] == "simd/sum"
    ]  # fmt: skip
    assert all(row.verdict == "faster" for row in narrow)


def test_holm_goes_across_the_run(golden2):
    rows = rows_of(golden2)
    tested = [r for r in rows if r.detected is not None]
    # The rows that claim something: no placebo, no probe, no baseline.
    claims = [
        r for r in rows
        if not (r.cell.kernel["probe"] or r.cell.kernel["placebo"] or r.cell.variant == "naive")
    ]  # fmt: skip
    assert len(tested) == len(claims) == 22


def test_placebos_and_probes_claim_nothing(golden2):
    rows = rows_of(golden2)
    probe = [r for r in rows if r.cell.kernel["probe"]]
    assert probe and all(r.speedup is None and r.verdict is None for r in probe)
    placebo = [r for r in rows if r.cell.variant == "copy"]
    assert [r.verdict for r in placebo] == ["equivalent"] and placebo[0].detected is None


def test_another_baseline(golden2):
    rows = rows_of(golden2, baseline="peer")
    row = next(r for r in rows if r.cell.variant == "better" and r.cell.n == 4096)
    own = {
        c.variant: c
        for c in cells_of(golden2)
        if c.n == 4096 and c.kernel["name"] == "simd/sum"
    }
    expected = numpy.median([a - b for a, b in zip(own["better"].log_ratio, own["peer"].log_ratio)])
    assert row.speedup == pytest.approx(math.exp(expected))
    assert row.baseline == "peer"
    with pytest.raises(HeadroomError, match="no such variant"):
        rows_of(golden2, baseline="nothing")


def test_launches_that_failed_widen_the_ranks(golden2):
    for cell in cells_of(golden2):
        for name in ("median", "p10", "min", "log_ratio"):
            getattr(cell, name)[0] = None
    validate.run_tree(golden2, "run.json")
    row = next(r for r in rows_of(golden2) if r.cell.variant == "better")
    assert row.coverage == pytest.approx(1 - 2 * reference.binom.cdf(1, 9, 0.5))


def test_too_few_launches_give_no_interval(golden2):
    for cell in cells_of(golden2):
        for name in ("median", "p10", "min", "log_ratio"):
            getattr(cell, name)[:5] = [None] * 5
    row = next(r for r in rows_of(golden2) if r.cell.variant == "better")
    assert row.speedup and row.lo is None and row.verdict is None and row.detected is None


def test_alone(headroom):
    tree = json.loads(headroom("show", golden_run(BASE), "--json").stdout)
    assert [(e["kernel"], e["variant"], e["n"]) for e in tree["alone_differs"]] == [
        ("simd/sum", "better", 4096)
    ]
    row = next(r for r in tree["rows"]
               if (r["kernel"], r["variant"], r["n"]) == ("simd/sum", "better", 4096))  # fmt: skip
    assert row["alone"] == pytest.approx(8, rel=1e-3)
    bases = [r["alone"] for r in tree["rows"] if r["variant"] == "naive"]
    assert bases and set(bases) == {None}
    out = headroom("show", golden_run(BASE)).stdout
    (line,) = [line for line in out.splitlines() if "≠8.00x" in line]
    assert line.split()[0] == "better" and "4.00x" in line
    agreeing = [line for line in out.splitlines() if " alone " in line or "≠" in line]
    assert any("interval" in line and "verdict" in line for line in agreeing)
    assert "variants run alone agree within 10%" in out


def test_show_fits_100_columns_and_a_pipe(headroom):
    out = headroom("show", golden_run(BASE)).stdout
    assert "\x1b" not in out
    ladder = [line for line in out.splitlines() if "█" in line]
    assert ladder and max(map(len, ladder)) <= 100


def test_ladders_that_differ_at_the_end_of_a_long_name_are_told_apart(headroom, tmp_path):
    run, machine = golden_pair()
    number = next(at for at, kernel in enumerate(run["kernels"])
                  if kernel["name"] == "concurrency/serve")  # fmt: skip
    name = "how_many_clients_there_are"
    run["kernels"][number]["params"] = {name: [1, 16]}
    for at, params in enumerate(run["ladders"]["params"]):
        if run["ladders"]["kernel"][at] == number:
            run["ladders"]["params"][at] = {name: params["clients"]}
    lines = headroom("show", written(tmp_path / run["name"], run, machine)).stdout.splitlines()
    labels = [line for line in lines if name.replace("_", " ") in line]
    assert [label.split()[-1] for label in labels] == ["1", "16"]
    # The columns' names come below the first of them.
    below = lines[lines.index(labels[0]) + 1]
    assert "speedup" in below and "verdict" in below and "speedup" not in labels[0]
    assert "speedup" not in lines[lines.index(labels[1]) + 1]


def test_compare_json(headroom):
    tree = json.loads(headroom("compare", golden_run(BASE), golden_run(NEW), "--json").stdout)
    assert list(tree) == [
        "rows", "axes", "changed", "warnings", "ladders", "sides", "clock", "sweeps",
        "simulated", "only_base", "only_new",
    ]  # fmt: skip
    for row in tree["rows"]:
        assert list(row) == [
            *CELL, "axis", "measure", "unit", "base_value", "new_value", "base_ns", "new_ns",
            "ratio", "lo", "hi", "verdict", "adjusted", "run_spread", "runs_for_5_percent", "role",
            "lacks", "base_ns_per_item", "new_ns_per_item", "base_over_standard",
            "new_over_standard",
        ]  # fmt: skip
        assert (row["verdict"] == "faster") == (row["axis"] == "simd")
    for axis in tree["axes"]:
        assert list(axis) == [
            "axis", "ratio", "lo", "hi", "kernels", "of", "least", "most", "naive", "best",
            "control", "contaminated",
        ]  # fmt: skip
    axes = {axis["axis"]: axis for axis in tree["axes"]}
    assert axes["simd"]["ratio"] == pytest.approx(1.5, rel=0.01)
    assert axes["simd"]["lo"] > 1.3
    assert axes["storage-sequential"]["lo"] < 1 < axes["storage-sequential"]["hi"]
    assert any("one run a side" in line for line in tree["warnings"])


def test_compare_with_itself_is_unmoved(headroom):
    tree = json.loads(headroom("compare", golden_run(BASE), golden_run(BASE), "--json").stdout)
    assert {row["verdict"] for row in tree["rows"]} <= {"unresolved", "equivalent"}
    assert tree["changed"] == []


def test_several_new_runs(headroom):
    tree = json.loads(
        headroom("compare", golden_run(BASE), golden_run(NEW), golden_run(BASE), "--json").stdout
    )
    assert [entry["new"] for entry in tree["comparisons"]] == [NEW, BASE]


def _written(folder, run, machine):
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(run))
    (folder / "machine.json").write_text(json.dumps(machine))
    return folder


def _golden_pair():
    folder = golden_run(BASE)
    return [json.loads((folder / name).read_text()) for name in ("run.json", "machine.json")]


def test_what_was_declared_is_held_against_what_differs(tmp_path):
    run, machine = _golden_pair()
    base = read_alone(_written(tmp_path / "a" / "base", run, machine))
    run, machine = copy.deepcopy(run), copy.deepcopy(machine)
    run["changed"] = ["disk"]
    machine["cpu"]["model_name"] = "Another CPU"
    for cell in cells_of(validate.run_tree(run, "run.json")):
        if cell.kernel["axis"] == "scalar":
            for values in (cell.median, cell.p10, cell.min):
                values[:] = [value / 2 for value in values]
    run["build"]["compiler"] = "Clang 14.0.6"
    run["kernels"][2]["source_hash"] = "f" * 16
    new = read_alone(_written(tmp_path / "b" / "new", run, machine))
    tree = compared(base, new)
    text = "\n".join(tree["warnings"])
    assert "compiler differs: GNU 12.2.0 against Clang 14.0.6" in text
    assert "other source code was measured in simd/sum" in text
    assert "only disk was declared as changed, but cpu.model_name differs too" in text
    assert "disk was declared as changed, but nothing that can be read of it differs" in text
    assert "contaminated" in text
    assert {"field": "cpu.model_name", "base": "Test CPU", "new": "Another CPU"} in tree["changed"]


def _large(rows):
    """A record of about `rows` rows: the golden2 simd/sum copied under other names."""
    run, machine = _golden_pair()
    at = [k["name"] for k in run["kernels"]].index("simd/sum")
    kernel = run["kernels"][at]
    ladders = [i for i, k in enumerate(run["ladders"]["kernel"]) if k == at]
    for copy_ in range(rows // 6):
        number = len(run["kernels"])
        run["kernels"].append({**kernel, "name": f"simd/k{copy_}"})
        for ladder in ladders:
            made = len(run["ladders"]["kernel"])
            for column in run["ladders"].values():
                column.append(column[ladder])
            run["ladders"]["kernel"][made] = number
            for cell in [i for i, l in enumerate(run["cells"]["ladder"]) if l == ladder]:
                for column in run["cells"].values():
                    column.append(column[cell])
                run["cells"]["ladder"][-1] = made
    return run, machine


def test_a_thousand_rows_are_read_without_slow_imports(headroom):
    """A second is enough for 1,000 rows as long as nobody imports scipy.stats or matplotlib."""
    folder = _written(headroom.root / "r" / "large", *_large(1000))
    for command in (("show", folder), ("compare", "--all", folder, folder)):
        result = headroom(*command, PYTHONPROFILEIMPORTTIME="1")
        assert result.returncode == 0 and len(result.stdout.splitlines()) > 1000
        imported = {line.rsplit("|", 1)[-1].strip() for line in result.stderr.splitlines()}
        assert "headroom_tools.show.rows" in imported
        assert not imported & {"scipy.stats", "matplotlib", "pandas"}


def test_latest(headroom):
    assert headroom("show").returncode == 2
    for name in (BASE, NEW):
        run, machine = _golden_pair()
        run["name"], run["label"] = name, name[-4:].strip("-")
        _written(headroom.root / "results" / "test-2c-8g" / name, run, machine)
    assert json.loads(headroom("show", "--json").stdout)["run"] == NEW
    assert json.loads(headroom("show", "latest~1", "--json").stdout)["run"] == BASE
    assert headroom("compare", "latest~1", "latest").returncode == 0
    for named, label in ((BASE, BASE[-4:].strip("-")), (NEW, NEW[-4:].strip("-"))):
        for run in (f"@test-2c-8g/{named}", f"@test-2c-8g/{label}"):
            assert json.loads(headroom("show", run, "--json").stdout)["run"] == named
    assert json.loads(headroom("show", "@test-2c-8g", "--json").stdout)["run"] == NEW
    for run, told in (
        ("@test-2c-8g/none", "@test-2c-8g/none: no such record"),
        ("@other", "its machines are test-2c-8g"),
        ("@../etc", "is no @MACHINE"),
    ):
        wrong = headroom("show", run)
        assert wrong.returncode == 2 and told in wrong.stderr
    gone = headroom("show", "latest~2")
    assert gone.returncode == 2 and "holds 2 runs" in gone.stderr
    nowhere = headroom("show", "results/nothing")
    assert nowhere.returncode == 2 and "no such run" in nowhere.stderr


def test_runs_without_a_common_cell(tmp_path, headroom):
    run, machine = _golden_pair()
    for kernel in run["kernels"]:
        kernel["name"] = kernel["name"] + "2"
    folder = _written(tmp_path / "x" / "other", run, machine)
    result = headroom("compare", golden_run(BASE), folder)
    assert result.returncode == 2 and "no cell in common" in result.stderr


def test_what_was_left_out_says_what_measures_it(headroom, tmp_path):
    run, machine = golden_pair()
    base = {"kernel": "simd/sum", "n": 4096, "input": "default", "threads": 1, "params": {}}
    run["left_out"] = [
        {**base, "reason": "set-up takes 1.1 s a launch"},
        {**base, "n": 65536, "reason": "2.0 s a launch are too long for 3 minutes"},
    ]
    told = headroom("show", written(tmp_path / "r" / "x", run, machine)).stdout
    assert "set-up takes 1.1 s a launch: --profile thorough" in told
    assert "too long for 3 minutes: --filter, or --profile thorough" in told
