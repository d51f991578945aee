"""`compare`: indices and ladders recomputed, what pools, what is told to differ, forms, size."""

from __future__ import annotations

import copy
import csv
import io
import json
import math
import resource
import subprocess
import time

import numpy
import pytest
from conftest import BASE, COMMAND, NEW, golden_run, long_test
from generated import golden_pair, large, written
from scipy import stats as reference

from headroom_tools.base.errors import HeadroomError
from headroom_tools.compare import clock, differs, tables
from headroom_tools.compare.comparison import compared
from headroom_tools.compare.differs import changed
from headroom_tools.compare.between_runs import CELLS
from headroom_tools.compare.rows import key_of_row, ladders_of, rows_of
from headroom_tools.compare.sides import read_alone, read_sides
from headroom_tools.record.cells import cells_of


def _scaled(run, factor, axis=None, variant=None):
    """Every time of some cells `factor` times as long."""
    for cell in cells_of(run):
        if axis in (None, cell.kernel["axis"]) and variant in (None, cell.variant):
            for values in (cell.median, cell.p10, cell.min):
                values[:] = [None if value is None else value * factor for value in values]


def _named(run, name, label=None):
    run["name"] = name
    run["label"] = label or run["label"]
    return run


def _pair(tmp_path, change):
    """Sides of the golden run and of a copy that `change(run, machine)` has changed."""
    run, machine = golden_pair()
    base = written(tmp_path / "m" / "base", run, machine)
    run, machine = copy.deepcopy(run), copy.deepcopy(machine)
    run["label"] = "new"
    change(run, machine)
    new = written(tmp_path / "n" / "new", run, machine)
    return read_sides([base, new])


# --- rows and ladders


def test_the_ratio_is_that_of_the_values_shown(tmp_path):
    """Runs whose medians and means disagree: what is shown and what is judged never do."""
    draw = numpy.random.default_rng(7)

    def uneven(run, machine):
        for cell in cells_of(run):
            for values in (cell.median, cell.value):
                values[:] = [
                    value * math.exp(draw.normal(0, 0.2) + (draw.random() < 0.3))
                    for value in values
                ]
            cell.p10[:] = cell.min[:] = cell.median

    base, new = _pair(tmp_path, uneven)
    found = [*rows_of(base, new), *rows_of(new, base)]
    assert len({row["measure"] for row in found}) > 1
    for row in found:
        told = row["base_value"] / row["new_value"]
        if base.cells[key_of_row(row)].measure["better"] == "more":
            told = 1 / told
        assert row["ratio"] == pytest.approx(told, rel=1e-9), row
        if row["measure"] == "time":
            assert row["base_ns"] == row["base_value"] and row["new_ns"] == row["new_value"]
    for row in ladders_of(base, new):
        assert row["ratio"] == pytest.approx(row["new_speedup"] / row["base_speedup"], rel=1e-9)


def test_exchanging_the_sides_exchanges_the_verdict(tmp_path):
    base, new = _pair(tmp_path, lambda run, machine: _scaled(run, 0.8, "simd", "better"))
    other = {"faster": "slower", "slower": "faster", "higher": "lower", "lower": "higher"}
    for there, back in (
        (rows_of(base, new), rows_of(new, base)),
        (ladders_of(base, new), ladders_of(new, base)),
    ):
        assert len(there) == len(back)
        for one, two in zip(there, back):
            name = "verdict" if "verdict" in one else "change"
            assert one[name] == other.get(two[name], two[name])
            assert one["ratio"] == pytest.approx(1 / two["ratio"])
            assert one["lo"] == pytest.approx(1 / two["hi"])
            assert one["adjusted"] == pytest.approx(two["adjusted"])


def test_the_clock_that_the_probes_saw_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(clock, "PROBE", "machine/overhead")  # the golden record has no clock

    def change(run, machine):
        for cell in cells_of(run):
            if cell.kernel["name"] == clock.PROBE:
                for values in (cell.median, cell.p10, cell.min):
                    values[:] = [value / 1.05 for value in values]

    base, new = _pair(tmp_path, change)
    tree = compared(base, new)
    assert tree["clock"]["ratio"] == pytest.approx(1.05)
    assert "of what computes, 1.050x is the clock" in clock.told(tree["clock"])
    same = clock.told(compared(base, base)["clock"])
    assert "the same within the probes' own spread" in same and clock.told(None) == ""


def test_probes_that_disagree_are_not_the_same_clock(tmp_path, monkeypatch):
    """4.31 and 4.16 GHz, as two runs of one machine had them: more than their launches scatter by,
    though less than runs may differ by."""
    monkeypatch.setattr(clock, "PROBE", "machine/overhead")
    seen = ([4.344, 4.322, 4.353, 4.25, 4.279, 4.517, 4.288, 4.302, 4.299, 4.212],
            [4.144, 4.231, 4.084, 4.095, 4.168, 4.184, 4.119, 4.088, 4.288, 4.257])  # fmt: skip

    def with_clock(run, giga):
        for cell in cells_of(run):
            if cell.kernel["name"] == clock.PROBE:
                for values in (cell.median, cell.p10, cell.min):
                    values[:] = [cell.items / one for one in giga]

    run, machine = golden_pair()
    with_clock(run, seen[0])
    base = read_alone(written(tmp_path / "m" / "base", run, machine))
    with_clock(run, seen[1])
    new = read_alone(written(tmp_path / "n" / "new", run, machine))
    told = clock.told(compared(base, new)["clock"])
    assert "4.31 GHz on BASE and 4.16 GHz on NEW" in told and "is the clock" in told
    assert "the same" not in told
    one = read_alone(written(tmp_path / "o" / "new", run, machine))
    assert "the same" in clock.told(compared(new, one)["clock"])


def test_how_a_ladder_changed(tmp_path):
    def change(run, machine):
        for cell in cells_of(run):
            if cell.kernel["name"] == "simd/sum" and cell.variant == "better":
                cell.log_ratio[:] = [value - math.log(4) for value in cell.log_ratio]

    base, new = _pair(tmp_path, change)
    found = {(r["kernel"], r["variant"], r["n"]): r for r in ladders_of(base, new)}
    row = found["simd/sum", "better", 4096]
    assert row["base_speedup"] == pytest.approx(4, rel=0.01)
    assert row["new_speedup"] == pytest.approx(1, rel=0.01)
    assert row["ratio"] == pytest.approx(0.25, rel=0.01) and row["lo"] < 0.25 < row["hi"]
    assert row["change"] == "lower" and row["best_base"] and row["best_new"]
    peer = found["simd/sum", "peer", 4096]
    assert peer["lo"] < 1 < peer["hi"] and peer["change"] == "unresolved"
    assert not any(kernel.startswith("machine/") for kernel, _, _ in found)


def test_a_sweeps_one_thread_row_is_compared_once(tmp_path):
    base, new = _pair(tmp_path, lambda run, machine: None)
    naive = [r for r in rows_of(base, new) if r["kernel"] == "parallel/sum"
             and r["variant"] == "naive"]  # fmt: skip
    assert len(naive) == 1 and naive[0]["threads"] == 1
    two = [r for r in ladders_of(base, new) if r["ladder_threads"] == 2]
    assert {r["variant"] for r in two} == {"better", "peer"}


def test_time_per_item(tmp_path):
    base, new = _pair(tmp_path, lambda run, machine: _scaled(run, 0.5))
    for row in rows_of(base, new):
        assert row["ratio"] == pytest.approx(2 if row["measure"] == "time" else 1)
        assert row["base_ns_per_item"] == pytest.approx(row["base_ns"] / row["n"])
        assert row["new_ns_per_item"] == pytest.approx(row["base_ns_per_item"] / 2)


def test_too_few_launches_give_no_verdict(headroom):
    run, machine = golden_pair()
    for cell in cells_of(run):
        for name in ("median", "p10", "min", "log_ratio"):
            getattr(cell, name)[1:] = [None] * 9
    folder = written(headroom.root / "r" / "few", run, machine)
    tree = json.loads(headroom("compare", golden_run(BASE), folder, "--json").stdout)
    assert {row["verdict"] for row in tree["rows"]} == {None}
    assert all(axis["ratio"] for axis in tree["axes"])
    failed = headroom("compare", golden_run(BASE), folder, "--fail-on", "slower")
    assert failed.returncode == 2 and "no row has a verdict" in failed.stderr


def test_what_lies_above_its_ceiling_is_not_compared(tmp_path):
    def change(run, machine):
        top = run["ceilings"]
        top["log_ratio"] = [[v - math.log(1.5) for v in values] for values in top["log_ratio"]]

    base, new = _pair(tmp_path, change)
    tree = compared(base, new)
    assert new.withheld and not base.withheld
    assert ("simd/sum", "better", 4096) not in [
        (r["kernel"], r["variant"], r["n"]) for r in tree["rows"] + tree["ladders"]
    ]
    assert any("above the ceiling" in line for line in tree["warnings"])


# --- axis indices


def test_an_index_counts_each_kernel_once(tmp_path):
    """Two kernels of an axis, one with 2 cells and one with 10: both count alike."""

    def made(folder, speed, seed):
        run, machine = large(20, seed)
        for kernel in run["kernels"]:
            kernel["axis"] = "scalar"
        run["label"] = folder
        for at, ladder in enumerate(run["cells"]["ladder"]):
            if run["ladders"]["kernel"][ladder] == 0:
                for name in ("median", "p10", "min"):
                    values = run["cells"][name][at]
                    values[:] = [value / speed for value in values]
        # Of the second kernel only two cells are kept.
        for name, column in run["cells"].items():
            del column[12:]
        return written(tmp_path / folder / folder, run, machine)

    base, new = read_sides([made("a", 1.0, 1), made("b", 4.0, 2)])
    (axis,) = compared(base, new)["axes"]
    assert axis["ratio"] == pytest.approx(2.0, rel=0.01), "sqrt(4 x 1)"
    assert (axis["least"], axis["most"]) == (pytest.approx(1, rel=0.01), pytest.approx(4, rel=0.01))
    assert (axis["kernels"], axis["of"]) == (2, 2)
    assert axis["naive"]["ratio"] == pytest.approx(2.0, rel=0.01)


def test_careless_and_good_code_have_their_own_index(tmp_path):
    base, new = _pair(tmp_path, lambda run, machine: _scaled(run, 0.5, "simd", "naive"))
    axis = next(a for a in compared(base, new)["axes"] if a["axis"] == "simd")
    assert axis["naive"]["ratio"] == pytest.approx(2) and axis["best"]["ratio"] == pytest.approx(1)


def test_k_of_n_kernels(tmp_path):
    def change(run, machine):
        run["kernels"][2]["name"] = "simd/other"

    base, new = _pair(tmp_path, change)
    axes = {axis["axis"]: axis for axis in compared(base, new)["axes"]}
    assert "simd" not in axes and (axes["scalar"]["kernels"], axes["scalar"]["of"]) == (1, 1)


def test_a_control_that_moved_contaminates(tmp_path):
    def change(run, machine):
        machine["disk"]["model"] = "Another disk"
        run["changed"] = ["disk"]
        _scaled(run, 0.5, "scalar")

    base, new = _pair(tmp_path, change)
    tree = compared(base, new)
    axes = {axis["axis"]: axis for axis in tree["axes"]}
    assert axes["scalar"]["control"] and axes["scalar"]["contaminated"]
    assert axes["simd"]["control"] and not axes["simd"]["contaminated"]
    assert not axes["storage-sequential"]["control"]
    told = "scalar moved to 2.000x, which a change of disk can't have touched"
    assert any(told in line for line in tree["warnings"])


def test_an_undeclared_change_of_one_part_has_controls_too(tmp_path):
    def change(run, machine):
        machine["disk"].update(file_system="tmpfs", kind="ram", bus=None, model=None)

    base, new = _pair(tmp_path, change)
    assert differs.touched(new, changed(base, new)) == (set(differs.STORAGE), "disk")

    def more(run, machine):
        change(run, machine)
        machine["cpu"]["model_name"] = "Another CPU"

    base, new = _pair(tmp_path / "more", more)
    assert differs.touched(new, changed(base, new))[0] is None


def test_a_write_cache_that_was_not_asked_for_is_no_change(tmp_path):
    def cache(state):
        return lambda run, machine: machine["disk"].update(write_cache=state)

    # The golden record is older than the question.
    base, new = _pair(tmp_path, cache("write back"))
    assert "disk.write_cache" not in [entry["field"] for entry in changed(base, new)]
    base.machine["disk"]["write_cache"] = "write through"
    assert {"field": "disk.write_cache", "base": "write through", "new": "write back"} in changed(
        base, new
    )
    assert differs.touched(new, changed(base, new)) == (set(differs.STORAGE), "disk")


# --- what pools


def _runs(tmp_path, machine_name, label, count, factor=1.0, day=1, **changes):
    folders = []
    for index in range(count):
        run, machine = golden_pair()
        run["machine"] = machine["slug"] = machine_name
        name = f"202601{day + index:02d}T000000Z-0123abcd-{label}"
        _named(run, name, label)
        run.update(changes)
        _scaled(run, factor * (1 + 0.01 * index))
        folders.append(written(tmp_path / machine_name / name, run, machine))
    return folders


def test_runs_that_agree_pool(tmp_path):
    before = _runs(tmp_path, "m", "before", 3)
    after = _runs(tmp_path, "m", "after", 3, 0.5, day=11)
    base, new = read_sides([before[0], after[0]])
    assert [len(side.runs) for side in (base, new)] == [3, 3]
    assert base.runs[0]["name"].startswith("20260101") and "and 2 more" in base.name
    row = next(r for r in rows_of(base, new) if r["axis"] == "scalar")
    assert row["ratio"] == pytest.approx(2, rel=0.01)
    cell = next(iter(base.cells.values()))
    assert len(cell.median) == 30
    # Three runs that differ by 1% each and launches that hardly differ: between the two lies what
    # is said of one run, and the interval is that of a mean of three.
    assert 0.5 * numpy.std(numpy.log([1, 1.01, 1.02]), ddof=1) < row["run_spread"] < 0.02
    freedom = CELLS["scalar"].freedom + 4
    half = reference.t.ppf(0.975, freedom) * row["run_spread"] * math.sqrt(2 / 3)
    assert math.log(row["hi"] / row["ratio"]) == pytest.approx(half)
    tree = compared(base, new)
    assert tree["sides"][0]["spread"]["scalar"]["measured"]
    assert not any("one run a side" in line for line in tree["warnings"])


def test_named_runs_pool_too_and_no_pool_holds_them_apart(tmp_path):
    before = _runs(tmp_path, "m", "before", 2)
    after = _runs(tmp_path, "m", "after", 2, 0.5, day=11)
    found = read_sides([before[0], before[1], after[0], after[1]])
    assert [len(side.runs) for side in found] == [2, 2]
    apart = read_sides([before[0], before[1], after[0], after[1]], pool=False)
    assert [len(side.runs) for side in apart] == [1, 1, 1, 1]


def test_repeats_alone_are_held_against_each_other(tmp_path):
    runs = _runs(tmp_path, "m", "same", 4)
    found = read_sides([runs[0], runs[3]])
    assert [len(side.runs) for side in found] == [1, 1]
    assert rows_of(*found)[0]["ratio"] == pytest.approx(1 / 1.03, rel=0.01)
    # The two beside them tell how far runs lie apart, and count once: they are the same for both.
    assert [len(side.repeats) for side in found] == [2, 2]
    row = next(r for r in rows_of(*found) if r["axis"] == "scalar")
    half = math.log(row["hi"] / row["ratio"])
    freedom = CELLS["scalar"].freedom + 1
    expected = reference.t.ppf(0.975, freedom) * row["run_spread"] * math.sqrt(2)
    assert half == pytest.approx(expected)


@pytest.mark.parametrize(
    "difference",
    ("label", "compiler", "flags", "simd", "source", "fingerprint", "library", "changed",
     "profile"),
)
def test_runs_that_differ_do_not_pool(tmp_path, difference):
    first = _runs(tmp_path, "m", "before", 1)[0]
    run, machine = (json.loads((first / name).read_text()) for name in ("run.json", "machine.json"))
    if difference == "label":
        run["label"] = "other"
    elif difference in ("compiler", "flags"):
        run["build"][difference] = "other"
    elif difference == "simd":
        run["simd"]["asked"] = "SSE4"
    elif difference == "source":
        run["kernels"][2]["source_hash"] = "f" * 16
    elif difference == "fingerprint":
        machine["cpu"]["microcode"] = "0x2"
    elif difference == "library":
        run["libraries"]["benchmark"] = "9"
    elif difference == "changed":
        run["changed"] = ["ram"]
    else:
        run["profile"] = "thorough"
    written(tmp_path / "m" / "other", run, machine)
    after = _runs(tmp_path, "n", "after", 1)[0]
    base, _ = read_sides([first, after])
    assert len(base.runs) == 1 and base.repeats == []


def test_a_little_ram_more_or_less_is_the_same_machine(tmp_path):
    first = _runs(tmp_path, "m", "before", 1)[0]
    run, machine = (json.loads((first / name).read_text()) for name in ("run.json", "machine.json"))
    machine["ram"]["bytes"] -= 40 << 20
    written(tmp_path / "m" / "other", run, machine)
    base, new = read_sides([first, _runs(tmp_path, "n", "after", 1)[0]])
    assert len(base.runs) == 2 and not changed(base, new)[:-1]


def test_a_hostile_neighbour_does_no_harm(tmp_path):
    first = _runs(tmp_path, "m", "before", 1)[0]
    for name, content in (("x", "{"), ("y", "[" * 100_000), ("z", '{"format": "headroom-run"}')):
        (tmp_path / "m" / name).mkdir()
        (tmp_path / "m" / name / "run.json").write_text(content)
    (tmp_path / "m" / "loop").symlink_to(tmp_path / "m")
    base, _ = read_sides([first, _runs(tmp_path, "n", "after", 1)[0]])
    assert len(base.runs) == 1 and {one.why for one in base.not_pooled} == {"unreadable"}


# --- what differs


def test_facts_of_two_machines(tmp_path):
    def change(run, machine):
        machine["cpu"].update(model_name="Fast CPU", cores=8, threads=16)
        machine["ram"].update(bytes=32 << 30, type="DDR5", mega_transfers=6000)
        run["build"]["compiler"] = "Clang 14.0.6"
        run["kernels"][2]["source_hash"] = "f" * 16
        run["commit"] = "f" * 40

    base, new = _pair(tmp_path, change)
    differing, same = differs.facts([base, new])
    table = {row["name"]: row["values"] for row in differing}
    assert table["CPU"] == ["Test CPU", "Fast CPU"]
    assert table["cores"][1] == "8 cores, 16 threads" and table["RAM size"] == ["8 GiB", "32 GiB"]
    assert table["RAM speed"] == ["unknown", "DDR5, 6000 MT/s"]
    known = [row["name"] for row in same] + [row["name"] for row in differing]
    for name in differs.unknown_facts([base, new]):
        assert name not in known, "nobody knows whether it is the same"
    assert "boost" in differs.unknown_facts([base, new])
    assert table["kernel sources"] == ["10 kernels", "10 kernels, 1 changed"]
    assert "flags" in [row["name"] for row in same] and "commit" in table
    text = "\n".join(compared(base, new)["warnings"])
    assert "compiler differs" in text and "it isn't only the hardware" in text
    assert "other source code was measured in simd/sum" in text


def test_one_choice_on_one_machine_is_the_subject(tmp_path):
    def compiler(run, machine):
        run["build"]["compiler"] = "Clang 14.0.6"

    tree = compared(*_pair(tmp_path / "1", compiler))
    assert not any("compiler differs" in line for line in tree["warnings"])
    assert [entry["field"] for entry in tree["changed"]] == ["compiler"]

    def both(run, machine):
        compiler(run, machine)
        run["build"]["flags"] = "-O2"

    text = "\n".join(compared(*_pair(tmp_path / "2", both))["warnings"])
    assert "compiler differs" in text and "change one at a time" in text

    def target(run, machine):
        run["simd"].update(asked="SSE4", taken=["SSE4"])

    tree = compared(*_pair(tmp_path / "3", target))
    assert [entry["field"] for entry in tree["changed"]] == ["simd", "simd_target"]
    assert not any("simd differs" in line for line in tree["warnings"])


def test_an_undeclared_upgrade_of_one_machine_is_told(tmp_path):
    def change(run, machine):
        machine["ram"].update(bytes=32 << 30)

    text = "\n".join(compared(*_pair(tmp_path, change))["warnings"])
    assert "ram differs between two runs of one name, and nothing was declared" in text


# --- forms and the command


def test_forms(headroom):
    pair = (golden_run(BASE), golden_run(NEW))
    table = list(csv.DictReader(io.StringIO(headroom("compare", *pair, "--csv").stdout)))
    tree = json.loads(headroom("compare", *pair, "--json").stdout)
    assert len(table) == len(tree["rows"])
    assert table[0]["base"] == BASE and table[0]["kernel"] == tree["rows"][0]["kernel"]
    assert [float(r["ratio"]) for r in table] == pytest.approx([r["ratio"] for r in tree["rows"]])
    text = headroom("compare", *pair, "--markdown").stdout
    assert "## Axes" in text and "| better | 0.500 ns | 0.332 ns | 1.508x |" in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")
    both = headroom("compare", *pair, "--csv", "--json")
    assert both.returncode == 2 and "not allowed with" in both.stderr


def test_the_terminal_shows_baseline_best_and_ladder(headroom):
    out = headroom("compare", golden_run(BASE), golden_run(NEW)).stdout
    assert "speedup of better" in out and "peer" not in out
    assert "peer" in headroom("compare", golden_run(BASE), golden_run(NEW), "--all").stdout
    order = [out.index(word) for word in ("what differs", "axes", "simd/sum", "20 rows")]
    assert order == sorted(order)
    assert max(map(len, out.splitlines())) <= 100 and "\x1b" not in out


def test_many_machines_have_a_column_each(headroom):
    out = headroom("compare", golden_run(BASE), *[golden_run(NEW)] * 7).stdout
    assert max(map(len, out.splitlines())) <= 100
    assert "  A  " in out and out.count("simd/sum") == 2, "two blocks of columns"
    runs = (golden_run(NEW), golden_run(BASE), golden_run(BASE))
    tree = json.loads(headroom("compare", *runs, "--json").stdout)
    assert [entry["new"] for entry in tree["comparisons"]] == [BASE, BASE] and tree["base"] == NEW


def test_fail_on_slower(headroom):
    fine = headroom("compare", golden_run(BASE), golden_run(NEW), "--fail-on", "slower")
    assert fine.returncode == 0 and fine.stderr == ""
    bad = headroom("compare", golden_run(NEW), golden_run(BASE), "--fail-on", "slower", "--json")
    assert bad.returncode == 1 and json.loads(bad.stdout)["rows"]
    assert bad.stderr.count("\n") == 1
    assert "6 of 20 rows are slower, the worst is simd/sum/" in bad.stderr


def test_speed_per_price(headroom):
    pair = (golden_run(BASE), golden_run(NEW))
    plain = json.loads(headroom("compare", *pair, "--json").stdout)
    tree = json.loads(headroom("compare", *pair, "--json", "--price", "0.10,0.25").stdout)
    paid = tree.pop("price")
    assert plain == tree and (paid["base"], paid["new"]) == (0.1, 0.25)
    assert [axis["axis"] for axis in paid["axes"]] == [axis["axis"] for axis in tree["axes"]]
    for own, axis in zip(paid["axes"], tree["axes"]):
        for name in ("ratio", "lo", "hi"):
            assert own[name] == pytest.approx(0.4 * axis[name], rel=1e-3), axis
    table = csv.DictReader(io.StringIO(
        headroom("compare", *pair, "--csv", "--price", "1,2").stdout))  # fmt: skip
    assert all(float(r["per_price"]) == pytest.approx(float(r["ratio"]) / 2, rel=1e-3)
               for r in table)  # fmt: skip
    simd = next(axis for axis in tree["axes"] if axis["axis"] == "simd")
    for form in ((), ("--markdown",)):
        out = headroom("compare", *pair, "--price", "0.10,0.25", *form).stdout
        assert "speed per price" in out.lower() and f"{0.4 * simd['ratio']:.3f}x" in out
    three = headroom("compare", *pair, pair[1], "--price", "1,2,4", "--json").stdout
    many = json.loads(three)["comparisons"]
    assert [one["price"]["new"] for one in many] == [2, 4]


@pytest.mark.parametrize("price, said", (
    ("1", "1 price for 2 sides, which are test-2c-8g · base, test-2c-8g · new"),
    ("1,2,3", "3 prices for 2 sides"),
    ("0,1", "--price 0: a price is a number above 0"),
    ("1,-2", "--price -2: a price is"),
    ("1,", "a number above 0"),
    ("nan,1", "a number above 0"),
    ("inf,1", "a number above 0"),
    ("1,x", "--price x: a price is a number above 0, like 0.12"),
))  # fmt: skip
def test_a_wrong_price_is_one_line(headroom, price, said):
    done = headroom("compare", golden_run(BASE), golden_run(NEW), f"--price={price}")
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert said in done.stderr


def test_letters():
    assert [tables.letters(at) for at in (0, 25, 26, 51, 52)] == ["A", "Z", "AA", "AZ", "BA"]


def test_no_common_cell(tmp_path):
    def change(run, machine):
        for kernel in run["kernels"]:
            kernel["name"] += "2"
        run["failed"] = []

    with pytest.raises(HeadroomError, match="no cell in common"):
        compared(*_pair(tmp_path, change))


# --- size: no test fails for a timing, but the times are kept with the test's report


def _many(headroom, machines):
    folders = []
    for at in range(machines + 1):
        pair = large(1000, at, 1 + 0.01 * at, f"machine-{at}")
        folders.append(written(headroom.root / f"machine-{at}" / "run", *pair))
    return folders


@long_test
@pytest.mark.parametrize(
    ("machines", "form"), [(10, "--all"), (10, "--json"), (10, "--markdown"), (100, "--all")]
)
def test_a_thousand_rows_of_many_machines(headroom, record_property, machines, form):
    folders = _many(headroom, machines)
    limit = 1 << 30  # all of its memory, of which code and libraries take a part
    began = time.monotonic()
    done = subprocess.run(
        [str(COMMAND), "compare", *map(str, folders), form],
        env={**headroom.env, "OPENBLAS_NUM_THREADS": "1"},
        cwd=headroom.root,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
    )
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    record_property("seconds", seconds)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    record_property("mebibytes", peak // 1024)
    print(f"{machines} machines, {form}: {seconds:.2f} s, {peak // 1024} MiB")
    if form == "--json":
        tree = json.loads(done.stdout)
        assert len(tree["comparisons"]) == machines
        assert all(len(entry["rows"]) == 1000 for entry in tree["comparisons"])
        ratio = tree["comparisons"][9]["axes"][0]["ratio"]
        assert ratio == pytest.approx(1.1, rel=0.02)
    else:
        assert tables.letters(machines - 1) in done.stdout
