"""The between-run model, on made-up machines whose truth is known; and `selfcheck --between`."""

from __future__ import annotations

import json
import math
import random

import numpy
import pytest
from conftest import CHECKOUT
from generated import golden_pair, large, written
from scipy import stats as reference

from headroom_tools.compare import axes, between_runs, leans, tables
from headroom_tools.compare.between_runs import CELLS, LADDERS, SHARED, Prior, Runs
from headroom_tools.compare.comparison import compared, failing
from headroom_tools.compare.rows import judged
from headroom_tools.compare.sides import read_sides
from headroom_tools.record.cells import cells_of
from headroom_tools.selfcheck import between, priors, repeats

NAN = math.nan
BAND = 0.02


def _runs(values, variance=0.0):
    values = numpy.array(values, dtype=float)
    return Runs(values, numpy.full(values.shape, float(variance)))


def _machine(draw, rows, runs, deviation, freedom=math.inf):
    """Values of runs of a machine whose cells differ between runs: by row a variance that is, as
    the prior has it, an inverse chi squared of `freedom` about deviation**2."""
    scale = 1.0 if math.isinf(freedom) else freedom / draw.chisquare(freedom, (rows, 1))
    return draw.normal(0, 1, (rows, runs)) * deviation * numpy.sqrt(scale)


def _differences(values, runs, prior, freedom):
    rows = len(values)
    return between_runs.moderated(
        _runs(values[:, :runs]), _runs(values[:, runs:]), numpy.full(rows, prior),
        numpy.full(rows, freedom),
    )  # fmt: skip


# --- what a run's launches give


@pytest.mark.parametrize("at", (0.0, 0.1, 0.25, 0.5, 0.9, 1.0))
def test_quantiles_of_rows_are_numpys(at):
    values = numpy.random.default_rng(2).normal(0, 1, (8, 9))
    values[0, :5] = values[1, 3] = values[3, 1:] = NAN
    values[2, :] = NAN
    found = between_runs.quantile_of(values, at)
    assert math.isnan(found[2])
    expected = [numpy.nanquantile(row, at) for i, row in enumerate(values) if i != 2]
    assert list(numpy.delete(found, 2)) == pytest.approx(expected)
    assert len(between_runs.quantile_of(numpy.zeros((3, 0)), at)) == 3


def test_a_run_is_the_lower_quartile_of_its_launches():
    launches = numpy.array([[1.0, 2, 3, 4, 5], [5, 1, 4, NAN, 2], [1, 2, 3, NAN, NAN]])
    values, variances = between_runs.of_times(launches)
    assert list(values) == [2.0, 1.75, 1.5]
    # (median - least)^2 / launches; with three launches there is a value, but no spread.
    assert variances[0] == 4 / 5 and variances[1] == 4 / 4 and math.isnan(variances[2])


def test_launches_that_others_slowed_hardly_count():
    quiet = numpy.array([[1.00, 1.01, 1.02, 1.03, 1.00, 1.01, 1.02, 1.03, 1.01, 1.02]])
    busy = quiet.copy()
    busy[0, :3] += 2.0
    (calm,), _ = between_runs.of_times(quiet)
    (slowed,), _ = between_runs.of_times(busy)
    assert slowed - calm < 0.01


def test_a_runs_speedup_is_the_median_and_its_spread_the_larger():
    draw = numpy.random.default_rng(4)
    values = draw.normal(1.0, 0.03, (4000, 11))
    middles, variances = between_runs.of_ratios(values)
    assert list(middles) == pytest.approx(list(numpy.median(values, axis=1)))
    assert numpy.median(variances) == pytest.approx(numpy.var(middles), rel=0.25)
    far = values.copy()
    far[:, 0] += 5.0  # one launch of eleven
    assert numpy.median(between_runs.of_ratios(far)[1]) < 3 * numpy.median(variances)
    far[:, :3] += 5.0
    assert numpy.median(between_runs.of_ratios(far)[1]) > 100 * numpy.median(variances)


# --- the moderated t


def test_moderated_t_known_values():
    """Smyth (2004): s^2 = (d0 s0^2 + d s^2) / (d0 + d), t with d0 + d degrees of freedom."""
    base, new = _runs([[1.0, 1.2, 1.1]]), _runs([[0.9, 0.8, NAN]])
    found = between_runs.moderated(base, new, numpy.array([0.01]), numpy.array([4.0]))
    variance = (4 * 0.01 + 0.02 + 0.005) / (4 + 3)
    assert found.mean[0] == pytest.approx(1.1 - 0.85)
    assert (found.freedom[0], found.base[0], found.new[0]) == (7, 3, 2)
    assert found.deviation[0] == pytest.approx(math.sqrt(variance))
    assert found.error[0] == pytest.approx(math.sqrt(variance * (1 / 3 + 1 / 2)))
    half = reference.t.ppf(0.975, 7) * found.error[0]
    assert between_runs.halves(found)[0] == pytest.approx(half)
    # Runs beside only tell how runs differ: a sum of squares and its degrees of freedom.
    more = between_runs.moderated(
        base, new, numpy.array([0.01]), numpy.array([4.0]), [numpy.array([[5.0, 5.2, NAN]])]
    )
    assert more.freedom[0] == 8 and more.mean[0] == found.mean[0]
    assert more.deviation[0] ** 2 == pytest.approx((4 * 0.01 + 0.025 + 0.02) / 8)


def test_one_run_a_side_has_the_priors_interval():
    found = between_runs.differences(
        _runs([[0.1]], 0.0004), _runs([[0.0]], 0.0002), ["cache"], CELLS
    )
    prior = CELLS["cache"]
    variance = prior.between**2 + prior.within * 0.0003
    half = reference.t.ppf(0.975, prior.freedom) * math.sqrt(2 * variance)
    assert between_runs.halves(found)[0] == pytest.approx(half)


def test_a_calm_run_does_not_vouch_for_a_restless_one():
    """Judged by its own launches alone, a cell would be sure of what was luck."""
    calm, wild = _runs([[0.0, 0.0]], 1e-8), _runs([[0.0, 0.0]], 0.01)
    both = between_runs.expected(calm, wild, ["scalar"], CELLS)[0]
    assert both == pytest.approx(CELLS["scalar"].between ** 2 + CELLS["scalar"].within * 0.005)
    unknown = between_runs.expected(calm, _runs([[0.0]], NAN), ["scalar"], CELLS)
    assert math.isnan(unknown[0])


@pytest.mark.parametrize("runs", (1, 2, 3, 5))
@pytest.mark.parametrize("freedom", (2.0, 4.0, 10.0))
def test_intervals_cover_on_a_machine_as_the_prior_has_it(runs, freedom):
    draw = numpy.random.default_rng(runs)
    values = _machine(draw, 20_000, 2 * runs, 0.02, freedom)
    found = _differences(values, runs, 0.02**2, freedom)
    held = numpy.abs(found.mean) <= between_runs.halves(found)
    assert held.mean() == pytest.approx(0.95, abs=0.006)


@pytest.mark.parametrize("deviation", (0.005, 0.01, 0.02, 0.04))
def test_more_runs_never_find_less(deviation):
    """Whatever a machine's spread, and however far above it the prior is. (With a prior far too
    narrow one run a side finds more, but doesn't know it.)"""
    draw = numpy.random.default_rng(5)
    for prior in (p**2 for p in (0.01, 0.02, 0.03, 0.05) if p >= deviation / 2):
        found = []
        for runs in (1, 2, 3, 4, 5, 8):
            values = _machine(draw, 6000, 2 * runs, deviation, 3.0)
            values[:, :runs] += math.log(1.1)
            told = _differences(values, runs, prior, 3.0)
            found.append((told.mean - between_runs.halves(told) > math.log1p(BAND)).mean())
        assert all(after >= before - 0.01 for before, after in zip(found, found[1:])), found
        if prior == 0.01**2 and deviation <= 0.02:
            assert found[2] > 0.85


def test_intervals_never_grow_with_runs_that_agree():
    halves = []
    for runs in range(1, 9):
        same = _runs([[0.0] * runs], 0.0001)
        found = between_runs.differences(same, same, ["memory-latency"], CELLS)
        halves.append(between_runs.halves(found)[0])
    assert halves == sorted(halves, reverse=True) and halves[7] < halves[0] / 4


def test_a_cell_that_jumps_between_runs_is_not_judged():
    base, new = _runs([[0.0, 0.001]], 1e-6), _runs([[0.0, -0.5]], 1e-6)
    told = judged(between_runs.differences(base, new, ["scalar"], CELLS), BAND)
    assert told.verdict == ["unresolved"]


def test_noise_makes_nothing_equivalent():
    """The same small difference with ever more noise: equivalent only while it is small."""
    verdicts = []
    for variance in (0.0, 0.0001, 0.001, 0.01, 0.1):
        base, new = _runs([[0.0] * 6], variance), _runs([[0.005] * 6], variance)
        found = between_runs.differences(base, new, ["scalar"], CELLS)
        half = between_runs.halves(found)[0]
        verdicts += judged(found, BAND).verdict
        assert (verdicts[-1] == "equivalent") == (0.005 + half < math.log1p(BAND))
    assert verdicts == ["equivalent"] * 2 + ["unresolved"] * 3


# --- the family


def _families_with_a_claim(runs, families, jumping):
    """How many families of 400 rows of identical code have a row that --fail-on would name."""
    draw, false = numpy.random.default_rng(runs), 0
    for _ in range(families):
        values = _machine(draw, 400, 2 * runs, 0.02, 4.0)
        jumps = (draw.random(values.shape) < jumping) * draw.normal(0, 0.3, values.shape)
        told = judged(_differences(values + jumps, runs, 0.02**2, 4.0), BAND)
        false += any(
            p <= 0.05 and verdict == "slower" for p, verdict in zip(told.adjusted, told.verdict)
        )
    return false


@pytest.mark.parametrize("runs", (1, 2, 3))
def test_a_family_of_identical_rows_is_rarely_accused(runs):
    assert _families_with_a_claim(runs, 200, 0.01) <= reference.binom.ppf(0.99, 200, 0.05)


def test_without_jumps_in_mind_one_run_a_side_would_accuse(monkeypatch):
    monkeypatch.setattr(between_runs, "JUMPS", 0.0)
    assert _families_with_a_claim(1, 200, 0.01) > 40


@pytest.mark.parametrize(("runs", "loss"), [(1, 5.0), (2, 1.3), (3, 1.3)])
def test_a_row_that_lost_much_is_accused(runs, loss):
    values = _machine(numpy.random.default_rng(1), 400, 2 * runs, 0.01)
    values[7, runs:] += math.log(loss)
    told = judged(_differences(values, runs, 0.01**2, 4.0), BAND)
    rows = enumerate(zip(told.adjusted, told.verdict))
    named = [at for at, (p, verdict) in rows if p <= 0.05 and verdict == "slower"]
    assert named == [7]


def test_fail_on_counts_all_machines_as_one_family():
    row = {"verdict": "slower", "adjusted": 0.03}
    assert failing([{"rows": [row]}], "slower") == [row]
    assert failing([{"rows": [row]}, {"rows": []}], "slower") == []
    assert failing([{"rows": [{**row, "adjusted": 0.02}]}, {"rows": []}], "slower")
    assert failing([{"rows": [{**row, "verdict": "unresolved", "adjusted": 0.0}]}], "slower") == []


# --- what it would take


def test_the_runs_that_are_told_find_five_percent():
    draw = numpy.random.default_rng(8)
    for deviation in (0.008, 0.012, 0.02):
        one = _runs([[0.0]], 0.0)
        told = between_runs.moderated(one, one, numpy.array([deviation**2]), numpy.array([6.0]))
        (runs,) = between_runs.runs_needed(told, BAND)
        power = []
        for count in (runs, max(1, runs - 2)):
            values = _machine(draw, 8000, 2 * count, deviation)
            values[:, :count] += math.log(1.05)
            found = _differences(values, count, deviation**2, 6.0)
            power.append((found.mean - between_runs.halves(found) > math.log1p(BAND)).mean())
        assert power[0] > 0.77, (deviation, runs, power)
        assert runs <= 2 or power[1] < 0.8, (deviation, runs, power)


def test_runs_needed_is_the_least_that_does():
    deviations = numpy.geomspace(0.001, 0.2, 40)
    zero = _runs(numpy.zeros((40, 1)))
    found = between_runs.moderated(zero, zero, deviations**2, numpy.full(40, 3.0))
    room = math.log(1.05) - math.log(1.02)
    for deviation, runs in zip(deviations, between_runs.runs_needed(found, BAND)):
        enough = [
            n
            for n in range(1, between_runs.MOST_RUNS + 1)
            if (reference.t.ppf(0.975, 2 * n + 1) + reference.t.ppf(0.8, 2 * n + 1))
            * deviation * math.sqrt(2 / n) <= room
        ]  # fmt: skip
        assert runs == (enough[0] if enough else None)
    assert between_runs.runs_needed(found, 0.06) == [None] * 40


def test_unresolved_rows_say_what_it_takes():
    row = {"verdict": "unresolved", "runs_for_5_percent": 3}
    never = {**row, "runs_for_5_percent": None}
    sure = {"verdict": "faster", "runs_for_5_percent": 1}
    assert tables.verdict(row) == "unresolved (3)" and tables.verdict(sure) == "faster"
    assert tables.verdict(never) == "unresolved (over 100)"
    told = tables.needed([{"rows": [row, never, row, sure]}])
    assert "to see 5% here takes N runs a side" in told
    assert "in half of the 3 unresolved rows 3 or fewer" in told
    assert tables.needed([{"rows": [sure]}]) == ""


# --- indices


def _axis_of_a_machine(draw, runs, kernels, cells, shared, own):
    """Values of an axis's cells: what all share in a run, and what each kernel has of its own."""
    total = draw.normal(0, shared, 2 * runs) + numpy.zeros((kernels * cells, 1))
    total = total + numpy.repeat(draw.normal(0, own, (kernels, 2 * runs)), cells, axis=0)
    where = [list(range(at * cells, at * cells + cells)) for at in range(kernels)]
    return total, where


@pytest.mark.parametrize("runs", (1, 2, 3))
@pytest.mark.parametrize("kernels", (1, 4, 25))
def test_an_index_covers_and_is_not_wide(runs, kernels):
    axis, own = "memory-bandwidth", 0.02
    prior = CELLS[axis]
    launches = (own**2 - prior.between**2) / prior.within  # so that the prior expects `own`
    draw, halves, logs = numpy.random.default_rng(kernels), [], []
    for _ in range(400):
        values, where = _axis_of_a_machine(
            draw, runs, kernels, 3, SHARED[axis], own * math.sqrt(between_runs.KEPT)
        )
        sides = _runs(values[:, :runs], launches), _runs(values[:, runs:], launches)
        index = axes.index_of(axis, *sides, where)
        logs.append(math.log(index["ratio"]))
        halves.append(math.log(index["hi"] / index["ratio"]))
    covered = numpy.mean(numpy.abs(logs) <= halves)
    assert 0.93 <= covered <= 0.985
    assert numpy.median(halves) < 1.4 * 1.96 * numpy.std(logs)


def test_an_index_counts_kernels_alike_and_fills_what_is_missing():
    values = [[0.2], [0.2], [0.2], [0.0]]
    index = axes.index_of("scalar", _runs(values), _runs(numpy.zeros((4, 1))), [[0, 1, 2], [3]])
    assert index["ratio"] == pytest.approx(math.exp(0.1))
    gap = _runs([[0.2, 0.2], [NAN, 0.0]])
    index = axes.index_of("scalar", gap, _runs(numpy.zeros((2, 2))), [[0], [1]])
    assert index["ratio"] == pytest.approx(math.exp(0.1))


# --- what a cell leans on


def _cell(axis, working_set):
    run, _ = golden_pair()
    cell = next(cell for cell in cells_of(run) if cell.kernel["name"] == "simd/sum")
    return cell._replace(kernel={**cell.kernel, "axis": axis}, working_set=working_set)


def _with_cache(*megabytes):
    _, machine = golden_pair()
    machine["cpu"]["caches"] = [
        {"level": level + 1, "kind": "Unified", "bytes": size and size << 20, "line_bytes": 64,
         "shared_by": 1}
        for level, size in enumerate(megabytes)
    ]  # fmt: skip
    return machine


@pytest.mark.parametrize(
    ("axis", "mebibytes", "expected"),
    [
        ("simd", 1, "simd"), ("simd", 64, "memory-bandwidth"), ("scalar", 64, "memory-bandwidth"),
        ("cores", 64, "memory-bandwidth"), ("cache", 64, "memory-latency"),
        ("memory-latency", 64, "memory-latency"), ("memory-latency", 1, "cache"),
        ("memory-bandwidth", 1, "cache"), ("simd", 20, "cache"), ("memory-latency", 20, "cache"),
        ("simd", 16, "simd"), ("simd", 32, "cache"), ("simd", 33, "memory-bandwidth"),
        ("coherence", 64, "coherence"), ("storage-sync", 64, "storage-sync"),
        ("simd", 0, "simd"), ("memory-bandwidth", 0, "memory-bandwidth"),
    ],
)  # fmt: skip
def test_a_cell_leans_on_what_its_working_set_fits(axis, mebibytes, expected):
    """One side has 16 MiB of cache, the other 32; which of them is BASE makes no difference."""
    small, big = _with_cache(1, 2, 16), _with_cache(1, 2, 32)
    cell = _cell(axis, mebibytes << 20)
    assert leans.Caches(small, big).axis_of(cell) == expected
    assert leans.Caches(big, small).axis_of(cell) == expected


def test_without_known_caches_a_cell_leans_as_its_kernel():
    for machine in (_with_cache(), _with_cache(1), _with_cache(None, None)):
        assert leans.Caches(machine, machine).axis_of(_cell("simd", 64 << 20)) == "simd"
    known, unknown = _with_cache(1, 2, 16), _with_cache()
    assert leans.Caches(known, unknown).axis_of(_cell("simd", 64 << 20)) == "memory-bandwidth"


def test_every_axis_has_priors():
    path = CHECKOUT / "tools" / "headroom_tools" / "record" / "schemas" / "run-2.json"
    schema = json.loads(path.read_text())["properties"]["kernels"]["items"]["properties"]
    known = set(schema["axis"]["enum"])
    assert set(CELLS) == set(LADDERS) == set(SHARED) == known


# --- selfcheck --between: records of made-up machines


def _repeats(folder, count, deviation, machine="made-up", seed=1):
    """Runs of one program on a machine whose cells differ between runs by `deviation`."""
    draw, folders = random.Random(seed), []
    for at in range(count):
        run, fingerprint = large(240, 1000 + at, name=machine)
        name = f"2026010{at + 1}T000000Z-0123abcd-same"
        run["name"] = name
        for cell in cells_of(run):
            factor = math.exp(draw.gauss(0, deviation))
            for values in (cell.median, cell.p10, cell.min):
                values[:] = [float(f"{value * factor:.5g}") for value in values]
            if cell.log_ratio and not cell.is_baseline(cell.baseline):
                cell.log_ratio[:] = [value - math.log(factor) for value in cell.log_ratio]
        folders.append(written(folder / machine / name, run, fingerprint))
    return folders


@pytest.fixture(name="few_draws")
def _few_draws(monkeypatch):
    monkeypatch.setattr(between, "DRAWS", 40)


def _targets(found):
    return {target["what"]: target for target in found["targets"]}


@pytest.mark.usefixtures("few_draws")
def test_a_quiet_machine_meets_the_targets(tmp_path):
    found = between.spreads(_repeats(tmp_path, 6, 0.01))
    targets = _targets(found)
    for kind in ("runs", "resampled"):
        for runs in (1, 2, 3):
            sides = f"{kind}, {runs}+{runs}: "
            for what in ("rows with a false verdict", "ladders with a false verdict",
                         "comparisons that fail --fail-on"):  # fmt: skip
                assert targets[sides + what]["met"], targets[sides + what]
    power = [rate["power"] for rate in found["rates"] if rate["kind"] == "resampled"]
    assert power == sorted(power) and power[0] > 0.5 and power[2] > 0.9
    assert targets["resampled: power gained by more runs"]["met"]
    assert targets["resampled, 3+3: 5% moves scalar"]["met"]
    assert not any(what.startswith("runs, 5+5") for what in targets)
    for name, expected in (("typical", 0.00675), ("spread", 0.0196)):
        assert numpy.mean([row[name] for row in found["axes"]]) == pytest.approx(expected, rel=0.15)


@pytest.mark.usefixtures("few_draws")
def test_a_machine_that_jumps_between_runs_misses_them(tmp_path):
    """Its launches agree and its runs don't: one run a side can't know."""
    found = between.spreads(_repeats(tmp_path, 4, 0.15))
    targets = _targets(found)
    assert not targets["runs, 1+1: rows with a false verdict"]["met"]
    assert not targets["resampled, 2+2: 10% found in scalar, simd, cache cells"]["met"]
    assert between.failed(found)


@pytest.mark.usefixtures("few_draws")
def test_runs_are_sorted_by_identical_code(tmp_path):
    first = _repeats(tmp_path, 2, 0.01, "one", 1)
    second = _repeats(tmp_path, 3, 0.01, "two", 2)
    lone = _repeats(tmp_path, 1, 0.01, "three", 3)
    groups = repeats.groups_of([first[0], *second, *lone, first[1]])
    assert [len(group.names) for group in groups] == [2, 3]
    table = repeats.residuals([groups[1].cells])
    assert numpy.abs(table.runs.value.mean(axis=1)).max() < 1e-12
    assert table.runs.value.std() == pytest.approx(0.01, rel=0.1)
    draws = list(repeats.splits(groups[1].cells, 1))
    assert len(draws) == 3 and not list(repeats.splits(groups[1].cells, 2))
    for draw in repeats.resampled(table, 1, 20, 1):
        assert draw.base.value.shape == (len(table.keys), 1)
        assert not numpy.allclose(numpy.abs(draw.base.value), numpy.abs(draw.new.value))


def test_a_fit_finds_the_prior_it_was_made_with():
    draw = numpy.random.default_rng(6)
    made, within = Prior(0.02, 1.5, 6.0), draw.uniform(0, 0.002, 20_000)
    scale = numpy.sqrt(2 * made.between**2 + made.within * within)
    found = priors.fit(draw.standard_t(made.freedom, len(within)) * scale, within)
    assert found.between == pytest.approx(made.between, rel=0.05)
    assert found.within == pytest.approx(made.within, rel=0.1)
    assert found.freedom == pytest.approx(made.freedom, rel=0.15)


def test_the_command_tells_each_target(headroom):
    folders = _repeats(headroom.root, 3, 0.01)
    done = headroom("selfcheck", "--between", *folders)
    assert done.returncode in (0, 1) and done.stderr == ""
    assert "runs, 1+1: rows with a false verdict" in done.stdout and "met" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    tree = json.loads(headroom("selfcheck", "--between", *folders, "--json").stdout)
    assert (done.returncode == 0) == all(target["met"] for target in tree["targets"])
    assert tree["groups"] == [[folder.name for folder in folders]]
    for alone in ([folders[0]], [folders[0], *_repeats(headroom.root, 1, 0.01, "other")]):
        refused = headroom("selfcheck", "--between", *alone)
        assert refused.returncode == 2 and "two or more runs" in refused.stderr


def test_a_ram_upgrade_moves_the_memory_axes(tmp_path):
    """20% on all that lies beyond the cache, with one run a side: those axes, and no other."""
    def made(folder, gain):
        run, machine = large(240, 7 if gain == 1 else 8, name="made-up")
        machine["cpu"]["caches"] = _with_cache(1, 2, 16)["cpu"]["caches"]
        run["label"] = folder
        ladders = run["ladders"]
        # The larger size of each kernel lies in memory.
        ladders["working_set"] = [64 << 20 if n == 65536 else 4096 for n in ladders["n"]]
        for cell in cells_of(run):
            if cell.working_set > 16 << 20:
                for values in (cell.median, cell.p10, cell.min):
                    values[:] = [value / gain for value in values]
        return written(tmp_path / folder / folder, run, machine)

    tree = compared(*read_sides([made("before", 1), made("after", 1.2)]))
    moved = {axis["axis"]: axis["lo"] > 1 for axis in tree["axes"]}
    assert {axis for axis, has in moved.items() if has} == {"memory-bandwidth", "memory-latency"}
    assert {"scalar", "simd", "cache"} < set(moved)
