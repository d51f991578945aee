"""The rules behind compare's verdicts, on records: what runs differ by, and more runs of them."""

from __future__ import annotations

import math

import numpy
import pytest
from generated import golden_pair, large, written
from scipy import stats as reference

from headroom_tools.compare.between_runs import CELLS, KEPT, LADDERS, SHARED, SHARED_FREEDOM
from headroom_tools.compare.comparison import compared
from headroom_tools.compare.rows import ladders_of, rows_of
from headroom_tools.compare.sides import read_sides
from headroom_tools.record.cells import cells_of

BAND = 0.02
CELL = ("simd/sum", "better", 4096)


def _flat(run):
    """Launches that are all the same: what remains is what runs differ by."""
    for cell in cells_of(run):
        for values in (cell.median, cell.p10, cell.min, cell.log_ratio):
            values[:] = [values[0]] * len(values)


STRAY = 0.3


def _restless(run):
    """Four launches of ten far off, two to each side: what a run comes to is as it was."""
    _flat(run)
    logs = [-STRAY] * 2 + [0.0] * 6 + [STRAY] * 2
    for cell in cells_of(run):
        for values in (cell.median, cell.p10, cell.min):
            values[:] = [ns * math.exp(log) for ns, log in zip(values, logs)]
        if not cell.is_baseline(cell.baseline):
            cell.log_ratio[:] = [ratio + log for ratio, log in zip(cell.log_ratio, logs)]


def _gain(run, log, kernel=None):
    """What is not naive takes exp(-log) of its time; kernel: of one alone."""
    for cell in cells_of(run):
        if cell.variant in ("better", "peer") and kernel in (None, cell.kernel["name"]):
            for values in (cell.median, cell.p10, cell.min):
                values[:] = [ns * math.exp(-log) for ns in values]
            cell.log_ratio[:] = [ratio + log for ratio in cell.log_ratio]


def _sides(tmp_path, base, new):
    """Two sides; base, new: what is done to each of a side's runs."""
    first = []
    for label, changes in (("base", base), ("new", new)):
        for at, change in enumerate(changes):
            run, machine = golden_pair()
            run["name"] = f"202601{at + 10}T000000Z-0123abcd-{label}"
            run["label"] = label
            change(run)
            folder = written(tmp_path / label / run["name"], run, machine)
            first += [folder] if at == 0 else []
    sides = read_sides(first)
    assert [len(side.runs) for side in sides] == [len(base), len(new)]
    return sides


def _faster(log, then=_flat):
    def change(run):
        then(run)
        _gain(run, log)

    return change


def _row(sides):
    (row,) = [r for r in rows_of(*sides) if (r["kernel"], r["variant"], r["n"]) == CELL]
    return row


def _ladder(sides):
    (row,) = [r for r in ladders_of(*sides) if (r["kernel"], r["variant"], r["n"]) == CELL]
    return row


def _half(row):
    return math.log(row["hi"] / row["ratio"])


def _reach(variance, freedom, runs=(1, 1)):
    """Half of the 95% interval of a difference of two means of so many runs."""
    deviation = math.sqrt(variance * sum(1 / count for count in runs))
    return reference.t.ppf(0.975, freedom) * deviation


# --- one run a side


@pytest.mark.parametrize("beyond", (-0.004, 0.004))
def test_no_verdict_within_what_runs_of_identical_code_differ_by(tmp_path, beyond):
    """Launches that agree exactly don't make a run sure of itself."""
    reach = _reach(CELLS["simd"].between ** 2, CELLS["simd"].freedom)
    sides = _sides(tmp_path, [_flat], [_faster(reach + math.log1p(BAND) + beyond)])
    row = _row(sides)
    assert _half(row) == pytest.approx(reach, rel=1e-6) and reach > 0.04
    assert row["verdict"] == ("faster" if beyond > 0 else "unresolved")
    back = _row(sides[::-1])
    assert back["verdict"] == ("slower" if beyond > 0 else "unresolved")


@pytest.mark.parametrize("beyond", (-0.004, 0.004))
def test_no_change_of_a_ladder_within_what_its_runs_differ_by(tmp_path, beyond):
    """Speedups are paired within a run; between runs they differ all the same."""
    reach = _reach(LADDERS["simd"].between ** 2, LADDERS["simd"].freedom)
    sides = _sides(tmp_path, [_flat], [_faster(reach + math.log1p(BAND) + beyond)])
    row = _ladder(sides)
    assert _half(row) == pytest.approx(reach, rel=1e-6)
    assert reach > 1.4 * _reach(CELLS["simd"].between ** 2, CELLS["simd"].freedom)
    assert row["change"] == ("higher" if beyond > 0 else "unresolved")
    assert _ladder(sides[::-1])["change"] == ("lower" if beyond > 0 else "unresolved")


@pytest.mark.parametrize("which", ("base", "new", "both"))
def test_restless_launches_take_the_verdict_away(tmp_path, which):
    """Of whichever side, by as much: a run that was calm by luck vouches for no other."""
    log = math.log(1.3)
    quiet = _sides(tmp_path / "quiet", [_flat], [_faster(log)])
    assert _row(quiet)["verdict"] == "faster" and _ladder(quiet)["change"] == "higher"
    base = _flat if which == "new" else _restless
    new = _faster(log, _flat if which == "base" else _restless)
    sides = _sides(tmp_path, [base], [new])
    assert _row(sides)["verdict"] == _ladder(sides)["change"] == "unresolved"
    # The distance from the fastest to the middle launch, squared, of ten launches.
    within = STRAY**2 / 10 * (1 if which == "both" else 0.5)
    prior = CELLS["simd"]
    expected = _reach(prior.between**2 + prior.within * within, prior.freedom)
    assert _half(_row(sides)) == pytest.approx(expected, rel=1e-6)


def test_launches_that_a_neighbour_slowed_are_no_change(tmp_path):
    """A third of NEW's launches takes twice as long: that is not the code."""
    def busy(run):
        _flat(run)
        for cell in cells_of(run):
            for values in (cell.median, cell.p10, cell.min):
                values[:3] = [2 * ns for ns in values[:3]]

    sides = _sides(tmp_path, [_flat], [busy])
    assert _row(sides)["ratio"] == pytest.approx(1, rel=1e-9)


def test_a_placebo_that_strays_changes_no_other_row(tmp_path):
    """A noise floor is of two copies within one run; what runs differ by has that in it."""
    def strayed(run):
        _flat(run)
        for cell in cells_of(run):
            if cell.variant == "copy":
                cell.log_ratio[:] = [math.log(1.4), -math.log(1.4)] * 5

    log = math.log(1.3)
    quiet = _sides(tmp_path / "quiet", [_flat], [_faster(log)])
    noisy = _sides(tmp_path / "noisy", [strayed], [_faster(log, strayed)])
    assert rows_of(*quiet) == rows_of(*noisy) and _row(noisy)["verdict"] == "faster"
    assert ladders_of(*quiet) == ladders_of(*noisy)


# --- more runs


def _apart(logs, gain=0.0, kernel=None):
    """Runs of one code that lie apart by that much; kernel: in one alone."""
    def of(log):
        def change(run):
            _flat(run)
            _gain(run, log + gain, kernel)

        return change

    return [of(log) for log in logs]


def test_more_runs_never_make_it_harder(tmp_path):
    """Runs that lie 0.5% apart, and a true 6%: one run a side can't tell, two and more can."""
    halves, ladders, verdicts = [], [], []
    for runs in (1, 2, 3, 5):
        logs = [0.005 * (at % 2) for at in range(runs)]
        sides = _sides(tmp_path / str(runs), _apart(logs), _apart(logs, math.log(1.06)))
        row, ladder = _row(sides), _ladder(sides)
        assert row["ratio"] == pytest.approx(1.06) == ladder["ratio"]
        halves.append(_half(row))
        ladders.append(_half(ladder))
        verdicts.append(row["verdict"])
    assert halves == sorted(halves, reverse=True) and halves[0] > 1.5 * halves[1]
    assert ladders == sorted(ladders, reverse=True) and ladders[0] > 1.5 * ladders[1]
    assert verdicts == ["unresolved", "faster", "faster", "faster"]


def test_the_spread_of_runs_joins_the_prior(tmp_path):
    """Smyth (2004): the runs' own squares, and the prior's as so many degrees of freedom."""
    base, new = [0.0, 0.1], [-0.3, -0.2, -0.25]
    sides = _sides(tmp_path, _apart(base), _apart(new))
    squares = numpy.var(base) * 2 + numpy.var(new) * 3
    for row, prior in ((_row(sides), CELLS["simd"]), (_ladder(sides), LADDERS["simd"])):
        freedom = prior.freedom + 1 + 2
        variance = (prior.freedom * prior.between**2 + squares) / freedom
        assert math.log(row["ratio"]) == pytest.approx(-0.3, rel=1e-6)
        assert _half(row) == pytest.approx(_reach(variance, freedom, (2, 3)), rel=1e-6)


def test_runs_that_lie_far_apart_take_the_verdict_away(tmp_path):
    log = math.log(1.15)
    calm = _sides(tmp_path / "calm", _apart([0.0, 0.01]), _apart([0.0, 0.01], log))
    assert _row(calm)["verdict"] == "faster" and _ladder(calm)["change"] == "higher"
    for name, logs in (("base", ([0.15, -0.15], [0, 0])), ("new", ([0, 0], [0.15, -0.15]))):
        sides = _sides(
            tmp_path / name,
            _apart(logs[0], kernel="simd/sum"),
            _apart(logs[1], log, "simd/sum"),
        )
        assert _row(sides)["verdict"] == _ladder(sides)["change"] == "unresolved"


# --- an axis


@pytest.mark.parametrize("runs", ((1, 1), (2, 1), (1, 3)))
def test_an_index_covers_what_all_cells_share_on_both_sides(tmp_path, runs):
    """What two kernels have of their own averages out; what the machine gives to all doesn't."""
    folders = []
    for label, count in zip(("base", "new"), runs):
        for at in range(count):
            run, machine = large(120, 3, name="made-up")
            run["name"] = f"202601{at + 10}T000000Z-0123abcd-{label}"
            run["label"] = label
            _flat(run)
            folder = written(tmp_path / label / run["name"], run, machine)
            folders += [folder] if at == 0 else []
    (axis,) = [a for a in compared(*read_sides(folders))["axes"] if a["axis"] == "scalar"]
    assert axis["kernels"] == 2 and axis["ratio"] == pytest.approx(1)
    prior = SHARED["scalar"] ** 2 + KEPT * CELLS["scalar"].between ** 2 / 2
    more = sum(runs) - 2  # runs that agree exactly: degrees of freedom without any squares
    freedom = SHARED_FREEDOM + more
    reach = _reach(prior * SHARED_FREEDOM / freedom, freedom, runs)
    assert math.log(axis["hi"]) == pytest.approx(reach, rel=1e-6)
    assert math.log(axis["lo"]) == pytest.approx(-reach, rel=1e-6)
    if runs == (1, 1):
        assert reach > 2 * math.sqrt(2) * SHARED["scalar"]
