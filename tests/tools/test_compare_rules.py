"""The rules behind compare's verdicts: the noise floor, the drift of both sides, its measure."""

from __future__ import annotations

import math

import pytest
from generated import golden_pair, written
from scipy import stats as reference

from headroom_tools.compare import axes, between_runs
from headroom_tools.compare.comparison import compared
from headroom_tools.compare.rows import ladders_of, rows_of
from headroom_tools.compare.sides import read_sides
from headroom_tools.record.cells import cells_of


def _pair(tmp_path, change_base, change_new):
    folders = []
    for name, change in (("base", change_base), ("new", change_new)):
        run, machine = golden_pair()
        run["label"] = name
        change(run)
        folders.append(written(tmp_path / name / name, run, machine))
    return read_sides(folders)


def _strayed(run):
    """The placebo's copy strays by 40%: no claim of the class is possible below that."""
    for cell in cells_of(run):
        if cell.variant == "copy":
            cell.log_ratio[:] = [math.log(1.4), -math.log(1.4)] * 5


def _faster(run):
    for cell in cells_of(run):
        if cell.variant in ("better", "peer"):
            for values in (cell.median, cell.p10, cell.min):
                values[:] = [ns / 1.3 for ns in values]
            cell.log_ratio[:] = [ratio + math.log(1.3) for ratio in cell.log_ratio]


def _nothing(run):
    pass


def _verdict(base, new):
    (row,) = [row for row in rows_of(base, new)
              if (row["kernel"], row["variant"], row["n"]) == ("simd/sum", "better", 4096)]
    assert row["ratio"] == pytest.approx(1.3, rel=0.01)
    return row["verdict"]


@pytest.mark.parametrize("which", ("base", "new", "both"))
def test_no_verdict_below_the_noise_floor(tmp_path, which):
    """Of whichever side: the noisier one decides."""
    assert _verdict(*_pair(tmp_path / "quiet", _nothing, _faster)) == "faster"

    def noisy(run):
        _strayed(run)
        _faster(run)

    base, new = _pair(
        tmp_path, _nothing if which == "new" else _strayed, _faster if which == "base" else noisy
    )
    assert _verdict(base, new) != "faster"


@pytest.mark.parametrize("noisy", ("base", "new"))
def test_no_change_of_a_ladder_below_the_noise_floor(tmp_path, noisy):
    def change(run):
        _strayed(run)
        _faster(run)

    def of(base, new):
        return {(row["kernel"], row["variant"], row["n"]): row["change"]
                for row in ladders_of(base, new)}["simd/sum", "better", 4096]  # fmt: skip

    assert of(*_pair(tmp_path / "quiet", _nothing, _faster)) == "higher"
    sides = (_strayed, _faster) if noisy == "base" else (_nothing, change)
    assert of(*_pair(tmp_path, *sides)) != "higher"


def test_an_index_is_widened_by_both_sides_drift(tmp_path):
    """Launches that are all the same leave the drift alone: its interval is known."""

    def flat(run):
        for cell in cells_of(run):
            for values in (cell.median, cell.p10, cell.min):
                values[:] = [values[0]] * len(values)

    base, new = _pair(tmp_path, flat, flat)
    (axis,) = [one for one in compared(base, new)["axes"] if one["axis"] == "scalar"]
    each = between_runs.default("scalar")
    assert axis["ratio"] == pytest.approx(1) and math.log(axis["hi"]) == pytest.approx(
        math.hypot(each, each), rel=1e-6
    )
    assert math.log(axis["lo"]) == pytest.approx(-math.hypot(each, each), rel=1e-6)
    assert axes.RESAMPLES >= 1000


def test_the_spread_is_measured_from_three_runs_on():
    """It covers 95% of such runs: the deviation by Student's t of as many."""

    def runs(*logs):
        return [{"cell": ("scalar", log), "other": ("scalar", 3 * log)} for log in logs]

    assert between_runs.measured(runs(0.0, 0.1)) == {}
    found = between_runs.measured(runs(0.0, 0.1, -0.1))
    # The variances of the two cells, 0.01 and 0.09, are pooled.
    expected = reference.t.ppf(0.975, 2) * math.sqrt((0.01 + 0.09) / 2)
    assert found == {"scalar": pytest.approx(expected)}
