"""The rules behind what `show` says, each on a record where following it or not differs."""

from __future__ import annotations

import math

import pytest

from headroom_tools import stats
from headroom_tools.record.cells import cells_of
from headroom_tools.show import disturbance, probes, remarks
from headroom_tools.show.rows import best_rows, rows_of


def _rows(run, kernel, **options):
    return {row.cell.variant: row for row in rows_of(run, **options)
            if row.cell.kernel["name"] == kernel and row.cell.n in (1, 512, 4096)}  # fmt: skip


def _set(run, kernel, variant, **columns):
    """Gives the cells of a variant other launches, where they are judged by their n of 4096."""
    for index, at in enumerate(run["cells"]["ladder"]):
        own = run["kernels"][run["ladders"]["kernel"][at]]
        if own["name"] != kernel or own["variants"][run["cells"]["variant"][index]][
            "name"
        ] != variant:
            continue
        for name, values in columns.items():
            run["cells"][name][index] = values
    return run


def test_another_baseline_is_paired_by_launch(golden2):
    """Both drift, the same in each launch: the ratio of the two is the same in all of them."""
    drift = [0.1 * launch for launch in range(10)]
    _set(golden2, "simd/sum", "better", log_ratio=[1.5 + value for value in drift])
    _set(golden2, "simd/sum", "peer", log_ratio=[1.0 + value for value in drift])
    row = _rows(golden2, "simd/sum", baseline="peer")["better"]
    assert [row.lo, row.speedup, row.hi] == pytest.approx([math.exp(0.5)] * 3)


def test_what_chance_alone_would_bring_is_not_detected(golden2):
    """Each of 22 rows by itself has a p of 1%: in one run of five some row would."""
    values = [0.036, -0.004, 0.026, 0.01, 0.018, 0.002, 0.022, 0.014, 0.007, 0.017]
    p = stats.t_test(values)
    assert p is not None and 0.05 / 22 < p < 0.05
    for cell in cells_of(golden2):
        if cell.role != "baseline" and not cell.kernel["placebo"]:
            cell.log_ratio[:] = values
    rows = [row for row in rows_of(golden2) if row.detected is not None]
    assert len(rows) == 22 and not any(row.detected for row in rows)


def test_ratios_to_two_baselines_are_not_mixed(golden2):
    """A ladder of two groups past the naive's largest size: each group has its own reference."""
    ladders = golden2["ladders"]
    at = next(index for index, kernel in enumerate(ladders["kernel"])
              if golden2["kernels"][kernel]["name"] == "simd/sum" and ladders["n"][index] == 4096)
    for name, column in ladders.items():
        column.append({"group": 1, "baseline": 1}.get(name, column[at]))
    for index, own in enumerate(golden2["cells"]["ladder"]):
        if own == at and golden2["cells"]["variant"][index] == 2:
            golden2["cells"]["ladder"][index] = len(ladders["kernel"]) - 1
    found = _rows(golden2, "simd/sum", baseline="better")
    assert found["naive"].speedup == pytest.approx(1 / 4, rel=0.01)
    assert found["peer"].speedup is None


def test_the_best_is_neither_withheld_nor_weaker(golden2):
    def best():
        return {row.cell.kernel["name"]: row.cell.variant for row in best_rows(rows_of(golden2))
                if row.cell.n in (512, 4096)}  # fmt: skip

    assert best()["simd/sum"] == "better"
    assert best()["database/commit"] == "peer", "better is faster, but not durable"
    # Whatever is above its ceiling is a mistake of the kernel's or the probe's.
    golden2["ceilings"]["log_ratio"] = [
        [value - 0.4 for value in values] for values in golden2["ceilings"]["log_ratio"]
    ]
    assert best()["simd/sum"] == "peer"


def test_only_a_whole_interval_above_the_ceiling_is_impossible(golden2):
    top = golden2["ceilings"]["log_ratio"]
    for index, at in enumerate(golden2["ceilings"]["ladder"]):
        own = next(i for i, ladder in enumerate(golden2["cells"]["ladder"])
                   if ladder == at and golden2["cells"]["variant"][i] == 1)  # fmt: skip
        ratios = golden2["cells"]["log_ratio"][own]
        # Shares of 1.2, but in three launches 0.9: the interval goes from the second lowest up.
        top[index] = [
            ratio - math.log(0.9 if launch < 3 else 1.2) for launch, ratio in enumerate(ratios)
        ]
    row = _rows(golden2, "simd/sum")["better"]
    assert row.share.of_ceiling == pytest.approx(1.2) and row.share.lo == pytest.approx(0.9)
    assert not row.impossible
    for index, values in enumerate(top):
        top[index] = [value + math.log(0.9 / 1.2) if launch < 3 else value
                      for launch, value in enumerate(values)]  # fmt: skip
    assert _rows(golden2, "simd/sum")["better"].impossible


def test_rates_and_intensity(golden2):
    golden2["ladders"]["flops"] = [2 * items for items in golden2["ladders"]["items"]]
    row = _rows(golden2, "simd/sum")["better"]
    assert row.intensity == pytest.approx(0.5)  # 2 operations for 4 bytes
    assert row.flops_per_second == pytest.approx(2 * 4096 / row.ns * 1e9)
    assert row.bytes_per_second == pytest.approx(4 * 4096 / row.ns * 1e9)
    assert row.ns_per_item == pytest.approx(row.ns / 4096)
    assert row.ceiling_per_item == pytest.approx(0.8 * row.ns_per_item, rel=0.01)


@pytest.mark.parametrize(
    "alone_speedup, told",
    [(2.0, True), (3.58, True), (3.68, False), (4.0, False), (4.35, False), (4.5, True)],
)
def test_alone_differs_to_either_side(golden2, alone_speedup, told):
    """By more than a tenth."""
    _set(golden2, "simd/sum", "naive", alone_ns=800.0)
    _set(golden2, "simd/sum", "better", alone_ns=800.0 / alone_speedup)
    _set(golden2, "simd/sum", "peer", alone_ns=None)
    for name, times in (("naive", 400.0), ("better", 100.0)):
        _set(golden2, "simd/sum", name, median=[times] * 10, log_ratio=[math.log(400 / times)] * 10)
    rows = [row for row in rows_of(golden2) if row.cell.kernel["name"] == "simd/sum"]
    found = [entry for entry in remarks.alone_differs(rows) if entry["n"] == 4096]
    assert [entry["variant"] for entry in found] == (["better"] if told else [])
    for entry in found:
        assert entry["speedup"] == pytest.approx(4, rel=0.01)
        assert entry["alone"] == pytest.approx(alone_speedup)
    for row in rows:
        if row.cell.n == 4096:
            better = row.cell.variant == "better"
            assert row.alone == (pytest.approx(alone_speedup) if better else None)
    assert remarks.alone_checked([row for row in rows if row.cell.n == 4096]) == 1


def test_a_short_call_is_told(golden2):
    """Under 20 times an empty call."""
    _set(golden2, "machine/overhead", "naive", median=[2.0] * 10)
    _set(golden2, "simd/sum", "better", median=[39.0] * 10)
    _set(golden2, "simd/sum", "peer", median=[41.0] * 10)
    found = remarks.short_calls(rows_of(golden2))
    assert {(entry["kernel"], entry["variant"]) for entry in found} == {("simd/sum", "better")}
    assert all(entry["ns"] == 39.0 for entry in found)


def test_a_probes_figure_is_its_best_variants(golden2):
    """The most bytes, or the fewest nanoseconds."""
    kernel = next(k for k in golden2["kernels"] if k["name"] == "simd/sum")
    kernel.update(name="machine/read", group="machine", probe=True, unit="B/s")
    (found,) = [probe for probe in probes.probes_of(golden2)
                if probe.probe == "machine/read" and probe.n == 4096]  # fmt: skip
    fastest = next(cell for cell in cells_of(golden2)
                   if cell.kernel is kernel and cell.n == 4096 and cell.variant == "better")
    rates = sorted(4 * 4096 / ns * 1e9 for ns in fastest.median)
    assert found.variant == "better" and found.value == pytest.approx(sum(rates[4:6]) / 2)
    assert (found.lo, found.hi) == (pytest.approx(rates[1]), pytest.approx(rates[8]))
    kernel["unit"] = "ns"
    (found,) = [probe for probe in probes.probes_of(golden2)
                if probe.probe == "machine/read" and probe.n == 4096]  # fmt: skip
    times = sorted(ns / 4096 for ns in fastest.median)
    assert found.variant == "better" and found.value == pytest.approx(sum(times[4:6]) / 2)


def test_how_many_launches_stayed_disturbed(golden2):
    count = len(golden2["launches"]["launch"])
    assert disturbance.totals({"launches": {"launch": [1]}}) is None
    unknown = [None] * count
    golden2["launches"].update(attempts=[1] * count, disturbed=[0] * count, sentinel=unknown)
    assert disturbance.line(golden2) is None
    # Repeated and then quiet; repeated in vain; not repeated.
    golden2["launches"]["attempts"][:3] = [2, 2, 1]
    golden2["launches"]["disturbed"][:3] = [1, 2, 1]
    assert disturbance.totals(golden2) == {
        "launches": count, "disturbed": 3, "repeated": 2, "remaining": 2, "cleared": 0,
        "causes": {},
    }  # fmt: skip
    told = disturbance.line(golden2)
    assert told.startswith("3 of ") and told.endswith("2 stayed disturbed")
