"""Hardware counters: from the program's output to the record and `show --counters`."""

from __future__ import annotations

import json

import pytest
from conftest import CHECKOUT, Headroom

from headroom_tools.base.errors import HeadroomError
from headroom_tools.measure.counters import of_arm
from headroom_tools.record import counters, validate
from headroom_tools.record.cells import cells_of
from headroom_tools.show.rows import rows_of

QUICK = ("run", "--profile", "quick", "--filter", "simd/sum", "--label", "t")
FAULTY = CHECKOUT / "build" / "release" / "tests" / "headroom-bench-faulty"


def test_medians_over_launches_go_into_the_record(headroom):
    result = headroom(*QUICK, FAKE_MODE="counters:*")
    assert result.returncode == 0, result.stderr
    assert "hardware counters" not in result.stdout
    run = headroom.run_json()
    validate.run_tree(run, "run.json")
    assert {"cycles", "instructions", "cache_misses"} <= set(run["cells"])
    assert not {"branch_misses", "l1d_misses"} & set(run["cells"]), "what it lacks has no column"
    cell = next(c for c in cells_of(run) if c.variant == "better" and c.n == 4096)
    # Launches 1 to 6 count 3 n / 4 cycles and a thousandth more each: the median is at 3.5.
    assert cell.counters["cycles"] == pytest.approx(3 * 4096 / 4 * 1.0035, rel=1e-4)
    assert cell.counters["cache_misses"] == 0
    shown = json.loads(headroom("show", "--json").stdout)
    row = next(r for r in shown["rows"] if r["variant"] == "better" and r["n"] == 4096)
    assert row["counters"]["cycles"] == pytest.approx(0.75 * 1.0035, rel=1e-4)
    assert row["counters"]["ipc"] == pytest.approx(2.5)
    assert list(row["counters"]) == ["cycles", "instructions", "cache_misses", "ipc"]
    printed = headroom("show", "--counters").stdout
    better = [line for line in printed.splitlines() if line.startswith("    better")]
    line = next(line for line in better if "2.50" in line)
    assert line.split() == ["better", "0.753", "1.88", "0.00", "2.50"]
    assert max(map(len, printed.splitlines())) <= 132


def test_without_counters_it_is_said_once(headroom):
    result = headroom(*QUICK)
    assert result.returncode == 0
    text = result.stdout + result.stderr
    assert text.count("no hardware counters: this virtual machine has none; cure: use a bare") == 1
    run = headroom.run_json()
    assert sum("hardware counters" in note for note in run["notes"]) == 1
    assert not set(counters.NAMES) & set(run["cells"])
    assert all(not cell.counters for cell in cells_of(run))
    assert "this run has none" in headroom("show", "--counters").stdout
    assert "counters" not in json.loads(headroom("show", "--json").stdout)["rows"][0]


def test_counters_of_some_launches_are_enough(headroom):
    assert headroom(*QUICK, FAKE_MODE="counters:simd/sum:2").returncode == 0
    run = headroom.run_json()
    cell = next(c for c in cells_of(run) if c.variant == "better" and c.n == 4096)
    assert cell.counters["cycles"] == pytest.approx(0.75 * 4096 * 1.002, rel=1e-4)


@pytest.mark.parametrize("value", (-1, float("nan"), float("inf")))
def test_a_count_that_is_none_is_left_out(value):
    arm = {"counters": {"cycles": value, "instructions": 2, "moon_phases": 3}}
    assert of_arm(arm) == {"instructions": 2.0}


def test_instructions_per_cycle_need_both():
    assert "ipc" not in counters.per_item({"cycles": 8.0}, 2)
    assert "ipc" not in counters.per_item({"instructions": 8.0}, 2)
    assert "ipc" not in counters.per_item({"cycles": 0.0, "instructions": 8.0}, 2)
    assert counters.per_item({"cycles": 8.0, "instructions": 16.0}, 4) == {
        "cycles": 2.0, "instructions": 4.0, "ipc": 2.0,
    }  # fmt: skip


def test_a_damaged_column_is_refused(golden):
    cells = len(golden["cells"]["ladder"])
    golden["cells"]["cycles"] = [1.5] * cells
    run = validate.run_tree(golden, "run.json")
    assert rows_of(run)[0].cell.counters == {"cycles": 1.5}
    for damage in ([1.5] * (cells - 1), [-1.0] + [None] * (cells - 1), ["1"] * cells):
        golden["cells"]["cycles"] = damage
        with pytest.raises(HeadroomError, match="cycles"):
            validate.run_tree(golden, "run.json")


def test_the_columns_are_small():
    """A cell of a record has 700 bytes, of which 640 are taken with 20 launches."""
    assert counters.columns({0: [{"cycles": 0.000123456}]}, 1) == {"cycles": [0.00012346]}
    counts = dict.fromkeys(counters.NAMES, 123456.789)
    cells = counters.columns({index: [counts] for index in range(1000)}, 1000)
    assert len(json.dumps(cells, separators=(",", ":"))) / 1000 <= 60


@pytest.mark.skipif(not FAULTY.is_file(), reason="headroom-bench-faulty isn't built: `make test`")
def test_the_program_counts_per_call(tmp_path):
    """The real program with made-up counters: 3 cycles an element, and what reading costs."""
    headroom = Headroom(tmp_path, FAULTY)
    out = tmp_path / "out"
    arguments = ("run", "--profile", "smoke", "--filter", "^faulty/counted$", "--out", out)
    result = headroom(*arguments, HEADROOM_FAKE_COUNTERS="1")
    assert result.returncode == 0, result.stdout + result.stderr
    (path,) = out.glob("*/*/run.json")
    cells = {c.variant: c for c in cells_of(json.loads(path.read_text()))}
    assert cells["naive"].counters == {"cycles": 3 * 256, "instructions": 6 * 256}
    assert cells["better"].counters == {"cycles": 1.5 * 256, "instructions": 3 * 256}
    shown = headroom("show", path.parent, "--counters").stdout
    assert "IPC" in shown and "2.00" in shown
