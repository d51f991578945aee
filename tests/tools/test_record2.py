"""What records of version 2 say beyond those of version 1: params, promises, measures, standard
rungs, build costs, variants that failed; and both versions together."""

from __future__ import annotations

import json
import math
import shutil

import pytest
from conftest import BASE, BASE2, CHECKOUT, NEW2, golden_run
from generated import golden_pair, written

from headroom_tools.compare import differs
from headroom_tools.compare.comparison import compared
from headroom_tools.compare.sides import read_sides
from headroom_tools.record.types import TIME
from headroom_tools.measure import summary
from headroom_tools.plot import of_kernels
from headroom_tools.plot.view import view_of
from headroom_tools.record.cells import cells_of
from headroom_tools.record.validate import load, run_tree
from headroom_tools.report import page
from headroom_tools.show.rows import best_rows, rows_of


def _rows(tree, kernel, **wanted):
    return [
        row for row in tree["rows"]
        if row["kernel"] == kernel and all(row[name] == value for name, value in wanted.items())
    ]  # fmt: skip


@pytest.fixture
def shown(headroom):
    return json.loads(headroom("show", golden_run(BASE2), "--json").stdout)


# --- what a launch's rounds come to


def _measured(values, **more):
    arm = {"threads": 1, "calls": 1, "held_bytes": 0, "quantities": {}, "build_ns": None}
    names = ("naive", "better")
    return {
        "n": 1, "input": "x", "threads": 1, "params": {"clients": 4}, "group": 0,
        "baseline": "naive", "clock": "wall", "working_set": 1, "empty_wall_ns": 1.0,
        "empty_cpu_ns": 1.0, "setup_s": 0.0, "status": "ok", "failed": [],
        "arms": [
            {**arm, "variant": name, "role": "x", "wall_ns": [100.0] * 3, "cpu_ns": [1.0] * 3,
             "values": own, **more} for name, own in zip(names, values)
        ],
    }  # fmt: skip


@pytest.mark.parametrize("better, sign", [("less", 1), ("more", -1)])
def test_the_ratio_is_of_the_measure_in_its_direction(better, sign):
    measure = {"name": "p99", "unit": "ns", "better": better}
    kept = summary.ladder(_measured([[8.0, 8.0, 8.0], [2.0, 4.0, 2.0]]), measure)
    assert [arm["value"] for arm in kept["arms"]] == [8.0, 2.0]
    assert [arm["median"] for arm in kept["arms"]] == [100.0, 100.0]
    assert kept["arms"][1]["log_ratio"] == pytest.approx(sign * math.log(4))
    assert kept["params"] == {"clients": 4}


def test_rounds_without_a_usable_value_have_no_ratio():
    measure = {"name": "hit_ratio", "unit": "ratio", "better": "more"}
    kept = summary.ladder(_measured([[0.0, 0.5, None], [0.5, 1.0, 1.0]]), measure)
    assert kept["arms"][1]["log_ratio"] == pytest.approx(math.log(2))
    assert kept["arms"][0]["value"] == 0.25


def test_time_has_no_value_of_its_own():
    kept = summary.ladder(_measured([[1.0], [2.0]], build_ns=5.0), TIME)
    assert [arm["value"] for arm in kept["arms"]] == [None, None]
    assert kept["arms"][1]["log_ratio"] == 0 and kept["arms"][1]["build_ns"] == 5.0


# --- params


def test_params_are_in_every_row_and_name(headroom, shown):
    assert [row["params"] for row in _rows(shown, "concurrency/serve", variant="better")] == [
        {"clients": 1}, {"clients": 16}
    ]  # fmt: skip
    assert {str(row["params"]) for row in _rows(shown, "simd/sum")} == {"{}"}
    text = headroom("show", golden_run(BASE2)).stdout
    assert "n 100 · clients 1" in text and "n 100 · clients 16" in text
    exported = json.loads(
        headroom("export", golden_run(BASE2), "--format", "google-benchmark").stdout
    )
    names = {entry["name"] for entry in exported["benchmarks"]}
    assert "concurrency/serve/naive/n:100/clients:16" in names
    csv = headroom("export", golden_run(BASE2), "--format", "csv").stdout
    assert ",clients:16," in csv
    compared_csv = headroom("compare", golden_run(BASE2), golden_run(NEW2), "--csv").stdout
    assert ",clients:16," in compared_csv


def test_ladders_that_differ_in_params_alone_stay_apart(shown):
    for clients in (1, 16):
        (row,) = _rows(shown, "concurrency/serve", variant="better", params={"clients": clients})
        assert row["value"] == pytest.approx(150 * clients, rel=0.02)
        assert row["speedup"] == pytest.approx(4, rel=0.02)


# --- measures


def test_another_measure_is_told_with_unit_and_direction(headroom, shown):
    (row,) = _rows(shown, "caching/evict", variant="better")
    assert row["measure"] == "hit_ratio" and row["unit"] == "ratio"
    assert row["value"] == pytest.approx(0.7875, rel=0.01)
    assert row["speedup"] == pytest.approx(0.7875 / 0.45, rel=0.01) and row["verdict"] == "faster"
    text = headroom("show", golden_run(BASE2)).stdout
    assert "p99, less is better" in text and "hit_ratio, more is better" in text
    line = next(line for line in text.splitlines() if "0.787" in line)
    assert "1.75x" in line
    assert "2.40 us" in text  # p99 of `better` with 16 clients


def test_best_is_by_the_measure():
    run, _ = load(golden_run(BASE2))
    best = {row.cell.kernel["name"]: row.cell.variant for row in best_rows(rows_of(run))}
    assert best["caching/evict"] == "better" and best["concurrency/serve"] == "better"
    for cell in cells_of(run):
        if cell.kernel["name"] == "caching/evict" and cell.variant == "peer":
            cell.value[:] = [0.99] * len(cell.value)
    best = {row.cell.kernel["name"]: row.cell.variant for row in best_rows(rows_of(run))}
    assert best["caching/evict"] == "peer"


def test_compare_takes_the_measure_in_its_direction(tmp_path):
    run, machine = golden_pair()
    base = written(tmp_path / "m" / "base", run, machine)
    run = json.loads(json.dumps(run))
    run["label"] = "new"
    for cell in cells_of(run):
        if cell.value:  # a longer p99 is worse, more hits are better; times don't count
            cell.value[:] = [1.2 * value for value in cell.value]
    new = written(tmp_path / "n" / "new", run, machine)
    tree = compared(*read_sides([base, new]))
    (hits,) = _rows(tree, "caching/evict", variant="naive")
    assert hits["ratio"] == pytest.approx(1.2, rel=1e-3) and hits["measure"] == "hit_ratio"
    assert hits["base_ns"] == hits["new_ns"]
    assert hits["new_value"] == pytest.approx(1.2 * hits["base_value"], rel=1e-3)
    for row in _rows(tree, "concurrency/serve"):
        assert row["ratio"] == pytest.approx(1 / 1.2, rel=1e-3)
    axes = {axis["axis"]: axis["ratio"] for axis in tree["axes"]}
    assert axes["cache"] == pytest.approx(1.2, rel=1e-3)
    assert axes["network"] == pytest.approx(1 / 1.2, rel=1e-3)


def test_compare_shows_the_measure(headroom):
    for form in ((), ("--markdown",)):
        text = headroom("compare", golden_run(BASE2), golden_run(NEW2), *form).stdout
        assert "0.451" in text and "more is better" in text


def test_a_measure_that_changed_its_meaning_is_not_compared(tmp_path):
    run, machine = golden_pair()
    base = written(tmp_path / "m" / "base", run, machine)
    run = json.loads(json.dumps(run))
    run["label"] = "new"
    kernel = next(kernel for kernel in run["kernels"] if kernel["name"] == "caching/evict")
    kernel["measure"]["unit"] = "percent"
    new = written(tmp_path / "n" / "new", run, machine)
    assert _rows(compared(*read_sides([base, new])), "caching/evict") == []


# --- standard rungs


def test_over_the_standard_rung_is_paired_by_launch(shown):
    cells = {
        cell.variant: cell for cell in cells_of(load(golden_run(BASE2))[0])
        if cell.kernel["name"] == "algorithm/find"
    }  # fmt: skip
    pairs = zip(cells["built"].log_ratio, cells["library"].log_ratio)
    ratios = sorted(math.exp(own - standard) for own, standard in pairs)
    (row,) = _rows(shown, "algorithm/find", variant="built")
    assert row["standard"] == "library" and row["speedup"] == pytest.approx(10, rel=0.01)
    middle = math.sqrt(ratios[4] * ratios[5])
    assert row["over_standard"] == pytest.approx(middle, rel=1e-4)
    assert row["over_standard_lo"] == pytest.approx(ratios[1], rel=1e-4)
    assert row["over_standard_hi"] == pytest.approx(ratios[8], rel=1e-4)
    (own,) = _rows(shown, "algorithm/find", variant="library")
    assert own["over_standard"] == 1 and own["over_standard_lo"] is None
    (naive,) = _rows(shown, "algorithm/find", variant="naive")
    assert naive["over_standard"] == pytest.approx(0.4, rel=0.01) and naive["speedup"] == 1
    (other,) = _rows(shown, "simd/sum", variant="better", n=4096)
    assert other["standard"] is None and other["over_standard"] is None


def test_the_speedup_over_standard_comes_first(headroom):
    text = headroom("show", golden_run(BASE2)).stdout
    head = next(line for line in text.splitlines() if "over std" in line)
    assert head.index("over std") < head.index("speedup")
    line = next(line for line in text.splitlines() if line.strip().startswith("built "))
    words = line.split()
    assert words.index("3.99x") < words.index("9.98x")
    assert "library (std)" in text
    ladders = text[: text.index("noise floor")]
    assert max(map(len, ladders.splitlines())) <= 110  # a column more than without a standard
    assert "over std" not in headroom("show", golden_run(BASE)).stdout


def test_summaries_quote_both(headroom):
    pytest.importorskip("jinja2")
    view = view_of(golden_run(BASE2))
    rows = [row for row in view.claims if row.cell.kernel["name"] == "algorithm/find"]
    title = of_kernels.ladder(rows).title
    assert title.index("x over library") < title.index("x over naive") and ": built " in title
    text = page.page([golden_run(BASE2)])
    assert "with a standard rung (what the standard library" in text
    assert ">over standard</button>" in text
    assert "over standard</button>" not in page.page([golden_run(BASE)])


# --- promises


def test_best_keeps_the_promise_and_the_weaker_stand_apart(headroom):
    run, _ = load(golden_run(BASE2))
    best = {row.cell.kernel["name"]: row.cell.variant for row in best_rows(rows_of(run))}
    assert best["database/commit"] == "peer"  # `better` is faster, and not durable
    text = headroom("show", golden_run(BASE2)).stdout
    lines = [line.strip() for line in text[text.index("database/commit") :].splitlines()]
    at = lines.index("weaker: not durable")
    assert lines[at + 1].startswith("better ") and lines[at - 1].startswith("peer (peer)")
    tree = json.loads(
        headroom("compare", golden_run(BASE2), golden_run(NEW2), "--json").stdout
    )
    ladders = {row["variant"]: row for row in _rows({"rows": tree["ladders"]}, "database/commit")}
    assert ladders["peer"]["best_base"] and ladders["peer"]["best_new"]
    assert not ladders["better"]["best_base"]
    everything = headroom("compare", golden_run(BASE2), golden_run(NEW2), "--all").stdout
    assert "better (weaker: not durable)" in everything


# --- build cost


def test_build_costs_and_when_they_have_paid(headroom, shown):
    (built,) = _rows(shown, "algorithm/find", variant="built")
    assert built["build_ns"] == 180_000
    assert built["break_even_calls"] == pytest.approx(180_000 / 1800, rel=0.01)
    (quick,) = _rows(shown, "algorithm/find", variant="quick")
    assert quick["build_ns"] is None and quick["break_even_calls"] is None
    text = headroom("show", golden_run(BASE2)).stdout
    assert "build (calls until it has paid): library 400 us (335), built 180 us (101)" in text
    assert "build (" not in headroom("show", golden_run(BASE)).stdout


def test_what_is_slower_never_pays():
    run, _ = load(golden_run(BASE2))
    for cell in cells_of(run):
        if cell.variant == "built":
            cell.median[:] = [1e6] * len(cell.median)
    row = next(row for row in rows_of(run) if row.cell.variant == "built")
    assert row.build_ns == 180_000 and row.break_even_calls is None


# --- failed variants


def test_failed_variants_are_listed(headroom, shown):
    (failed,) = shown["failed"]
    assert failed["variant"] == "peer" and failed["params"] == {"clients": 16}
    text = headroom("show", golden_run(BASE2)).stdout
    assert "concurrency/serve/peer" in text and "in the pilot: connection refused" in text
    assert shown["fixtures"][0]["name"] == "redis"


def _failing(headroom, mode):
    done = headroom("run", "--profile", "quick", "--filter", "^simd/sum$", FAKE_MODE=mode)
    return done, headroom.run_json()


def test_a_variant_that_fails_loses_itself(headroom):
    done, run = _failing(headroom, "throws:simd/sum:0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("! simd/sum/better failed, the others go on: connection refused") == 1
    assert "/run/" not in done.stdout
    assert "failed  these variants; the others of their ladders were measured" in done.stdout
    assert {entry["variant"] for entry in run["failed"]} == {"better"}
    assert all(entry["launches"] == [0] for entry in run["failed"]) and run["failures"] == []
    variants = {cell.variant for cell in cells_of(run) if cell.kernel["name"] == "simd/sum"}
    assert variants == {"naive", "peer"}


def test_a_variant_that_fails_later_keeps_its_other_launches(headroom):
    done, run = _failing(headroom, "throws:simd/sum:3")
    assert done.returncode == 0 and "failed, the others go on" in done.stdout
    assert all(entry["launches"] == [3] for entry in run["failed"]) and run["failed"]
    cell = next(c for c in cells_of(run) if c.variant == "better")
    assert [value is None for value in cell.median] == [at == 2 for at in range(6)]


def test_strict_refuses_a_variant_that_failed(headroom):
    done = headroom(
        "run", "--profile", "quick", "--filter", "^simd/sum$", "--strict",
        FAKE_MODE="throws:simd/sum:0",
    )  # fmt: skip
    assert done.returncode == 1 and "FAILED: --strict: something failed" in done.stdout


# --- a run of it, and both versions


def test_a_run_records_it_all(headroom):
    done = headroom("run", "--profile", "quick", "--filter", "/(find|commit|serve|evict)$",
                    FAKE_MORE="1")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    run = headroom.run_json()
    assert run["version"] == 2
    kernels = {kernel["name"]: kernel for kernel in run["kernels"]}
    assert kernels["concurrency/serve"]["params"] == {"clients": [1, 16]}
    starts = run["launches"]["start"]
    assert all(start >= 0 for start in starts) and starts[0] < starts[-1]
    cells = cells_of(run)
    assert {cell.params["clients"] for cell in cells if cell.params} == {1, 16}
    find = {cell.variant: cell for cell in cells if cell.kernel["name"] == "algorithm/find"}
    assert find["built"].build_ns == [180_000] * 6 and find["quick"].build_ns == []
    assert all(bool(cell.value) != cell.by_time for cell in cells)
    size = len((headroom.results()[0]).read_text())
    assert size / len(cells) <= 700 + 3000 / len(cells)  # the head of a record of few cells


def test_both_versions_are_compared(headroom):
    done = headroom("compare", golden_run(BASE), golden_run(BASE2), "--json")
    tree = json.loads(done.stdout)
    assert {row["kernel"] for row in tree["rows"]} >= {"simd/sum", "parallel/sum"}
    assert any("of version 1: whether both measured the same" in line for line in tree["warnings"])
    assert not any("other source code" in line for line in tree["warnings"])
    base, new = read_sides([golden_run(BASE), golden_run(BASE2)])
    assert differs.differing_sources(base, new) == []


# A folder with ab.json instead is a comparison (test_ab_publish.py).
RUNS = sorted(path.parent for path in (CHECKOUT / "results").glob("*/*/run.json"))


@pytest.mark.parametrize("folder", RUNS, ids=lambda p: p.name)
def test_the_committed_records_of_version_1_are_read(folder):
    run, _ = load(folder)
    if run["version"] == 1:
        rows = rows_of(run)
        assert rows and all(row.over_standard is None and row.build_ns is None for row in rows)
        assert all(row.value == row.ns for row in rows)


# --- cite


@pytest.fixture
def cite(headroom):
    shutil.copytree(golden_run(BASE2).parents[1], headroom.root / "results")
    document = headroom.root / "doc.md"

    def filled(*requests):
        at = "@test-2c-8g/base"
        lines = [f"a <!-- headroom: {one} {at} -->?<!-- /headroom -->" for one in requests]
        document.write_text("\n".join(lines) + "\n")
        return headroom("cite", document), document.read_text()

    return filled


def test_cite_knows_the_new_quantities(cite):
    done, text = cite(
        "algorithm/find/built/n:1000 over_standard brief",
        "concurrency/serve/better/n:100/clients:16 value brief",
        "caching/evict/better/n:100 value",
        "database best",
        "algorithm/find best",
    )
    assert done.returncode == 0, done.stderr
    lines = text.splitlines()
    assert "-->4.0" in lines[0] or "-->3.9" in lines[0]
    assert "-->2.40 us<" in lines[1] and "-->0.787 [0.787, " in lines[2]
    assert "| database/commit | n 512 | peer (peer) |" in text
    assert "| over standard | speedup |" in text and "| built |" in text


def test_cite_says_what_is_missing(cite):
    done, _ = cite("simd/sum/better/n:4096 over_standard")
    assert "no standard rung" in done.stderr
    done, _ = cite("concurrency/serve/better/n:100 value")
    assert "means several" in done.stderr and "clients 16" in done.stderr
    done, _ = cite("concurrency/serve/better/n:100/clients:2 value")
    assert "no record" in done.stderr


def test_what_promised_less_in_version_1_is_not_its_ladders_best(golden):
    kernel = next(kernel for kernel in golden["kernels"] if kernel["name"] == "simd/sum")
    kernel.update(name="computation/json_sum", group="computation")
    names = dict(zip((v["name"] for v in kernel["variants"]), ("naive", "by_hand", "simdjson_dom")))
    for variant in kernel["variants"]:
        variant["name"] = names.get(variant["name"], variant["name"])
    run = run_tree(golden, "run.json")
    rows = [row for row in rows_of(run) if row.cell.kernel["name"] == "computation/json_sum"]
    fastest = [min(own, key=lambda row: row.ns).cell for own in of_kernels.ladders_of(rows)]
    assert {(cell.variant, cell.weaker) for cell in fastest} == {
        ("by_hand", "weaker: not validating")
    }
    assert {row.cell.variant for row in best_rows(rows)} == {"simdjson_dom"}
