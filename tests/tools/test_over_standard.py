"""`compare` tells the speedup over the standard rung on both sides, as `show` does on one."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest
from generated import golden_pair, written

from headroom_tools.compare.comparison import compared
from headroom_tools.compare.rows import key_of_row
from headroom_tools.compare.sides import read_sides
from headroom_tools.record.cells import cells_of
from headroom_tools.show import rows as shown

FIND = "algorithm/find"


def _gain(run, variant, log):
    """A variant of FIND takes exp(-log) of its time."""
    for cell in cells_of(run):
        if cell.kernel["name"] == FIND and cell.variant == variant:
            for values in (cell.median, cell.p10, cell.min):
                values[:] = [ns * math.exp(-log) for ns in values]
            cell.log_ratio[:] = [ratio + log for ratio in cell.log_ratio]


def _pair(tmp_path, gains=(("built", math.log(4)),), runs=1):
    folders = []
    for label, gained in (("base", ()), ("new", gains)):
        for day in range(runs):
            run, machine = golden_pair()
            run["label"] = label
            run["name"] = f"202601{day + 1:02d}T000000Z-0123abcd-{label}"
            for variant, log in gained:
                _gain(run, variant, log + 0.1 * day)
            folders.append(written(tmp_path / label / run["name"], run, machine))
    return [folders[0], folders[runs]]


def test_it_is_what_show_says_of_each(tmp_path):
    base, new = read_sides(_pair(tmp_path))
    tree = compared(base, new)
    for side, field in ((base, "base_over_standard"), (new, "new_over_standard")):
        told = {}
        for row in shown.rows_of(side.run):
            if row.over_standard and row.cell.ladder_threads == row.cell.threads:
                key = row.cell.kernel["name"], row.cell.variant
                told[key] = row.over_standard.speedup
        assert {key for key, _ in told} == {FIND} and len(told) == 4
        for row in (*tree["rows"], *tree["ladders"]):
            assert row[field] == pytest.approx(told.get(key_of_row(row)[:2])), row["kernel"]
    rows = {row["variant"]: row for row in tree["rows"] if row["kernel"] == FIND}
    assert rows["library"]["new_over_standard"] == 1
    gain = rows["built"]["new_over_standard"] / rows["built"]["base_over_standard"]
    assert gain == pytest.approx(4)


def test_of_several_runs_it_is_the_mean_of_what_each_says(tmp_path):
    base, new = read_sides(_pair(tmp_path, runs=3))
    (row,) = [r for r in compared(base, new)["rows"]
              if (r["kernel"], r["variant"]) == (FIND, "built")]  # fmt: skip
    gain = row["new_over_standard"] / row["base_over_standard"]
    assert gain == pytest.approx(4 * math.exp(0.1), rel=1e-6)


def test_without_a_standard_rung_there_is_none(tmp_path):
    base, new = read_sides(_pair(tmp_path))
    for cells in new.rungs.values():
        cells[:] = [cell for cell in cells if cell.role != "standard"]
    for row in compared(base, new)["rows"]:
        assert row["new_over_standard"] is None
        assert (row["base_over_standard"] is not None) == (row["kernel"] == FIND)


def test_what_is_best_is_quoted_over_the_standard_first(headroom, tmp_path):
    pair = _pair(tmp_path)
    lines = headroom("compare", *pair).stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if "built over standard" in line)
    assert lines[at].split()[3:] == ["3.99x", "16.0x", "4.000x"]
    assert lines[at + 1].split()[:5] == ["speedup", "of", "built", "9.98x", "39.9x"]
    assert "| built over standard | 3.99x | 16.0x | 4.000x |  |  |" in headroom(
        "compare", *pair, "--markdown"
    ).stdout
    tree = json.loads(headroom("compare", *pair, "--json").stdout)
    table = list(csv.DictReader(io.StringIO(headroom("compare", *pair, "--csv").stdout)))
    for own, row in zip(table, tree["rows"]):
        for name in ("base_over_standard", "new_over_standard"):
            expected = pytest.approx(row[name], rel=1e-4) if row[name] is not None else None
            assert (float(own[name]) if own[name] else None) == expected
    many = headroom("compare", *pair, pair[1]).stdout.splitlines()
    (line,) = [line for line in many if "best over standard" in line]
    assert line.split()[3:] == ["3.99x", "16.0x", "16.0x"]


def test_another_best_has_its_own_figure(headroom, tmp_path):
    pair = _pair(tmp_path, [("quick", math.log(8))])
    out = headroom("compare", *pair).stdout
    (line,) = [line for line in out.splitlines() if "over standard" in line]
    assert line.split()[:3] == ["built", "/", "quick"] and "16.0x" in line


def test_where_the_standard_is_best_nothing_is_said(headroom, tmp_path):
    pair = []
    for label in ("base", "new"):
        run, machine = golden_pair()
        run["label"] = label
        _gain(run, "library", math.log(20))
        pair.append(written(tmp_path / label / "run", run, machine))
    assert "over standard" not in headroom("compare", *pair).stdout
