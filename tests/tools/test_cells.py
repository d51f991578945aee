"""Rows of a record: which ceiling, which baseline, which noise floor each is held against."""

from __future__ import annotations

import math

import pytest
from generated import sweep

from headroom_tools.record.cells import cells_of
from headroom_tools.record.noise import noise_floors


def _of(run, kernel, variant, **wanted):
    (cell,) = [
        cell for cell in cells_of(run)
        if (cell.kernel["name"], cell.variant) == (kernel, variant)
        and all(getattr(cell, name) == value for name, value in wanted.items())
    ]  # fmt: skip
    return cell


def _at_its_ceiling(golden2, share):
    """simd/sum/better at a share of the ceiling that is the same in each launch, of a machine
    whose ratios to the baseline drift: only paired by launch are all the shares the same."""
    for at, own in enumerate(golden2["ceilings"]["ladder"]):
        drift = [0.1 * launch for launch in range(golden2["plan"]["launches"])]
        golden2["ceilings"]["log_ratio"][at] = [2 + value for value in drift]
        for index, ladder in enumerate(golden2["cells"]["ladder"]):
            if ladder == own:
                log = math.log(share)
                golden2["cells"]["log_ratio"][index] = [2 + log + value for value in drift]
    return golden2


def test_a_share_of_the_ceiling_is_paired_by_launch(golden2):
    cell = _of(_at_its_ceiling(golden2, 0.5), "simd/sum", "better", n=4096)
    assert [math.exp(log) for log in cell.of_ceiling] == pytest.approx([0.5] * 10)


def test_a_launch_without_its_probe_has_no_share(golden2):
    run = _at_its_ceiling(golden2, 0.5)
    for values in run["ceilings"]["log_ratio"]:
        values[3] = None
    cell = _of(run, "simd/sum", "better", n=4096)
    assert [log is None for log in cell.of_ceiling] == [at == 3 for at in range(10)]


def test_a_peer_has_no_share_of_a_probe_that_was_held_down(golden2):
    """`--simd-target` holds the probe down; a library takes what the machine has."""
    assert _of(golden2, "simd/sum", "peer", n=4096).of_ceiling
    golden2["simd"]["asked"] = "SSE4"
    assert _of(golden2, "simd/sum", "peer", n=4096).of_ceiling == []
    assert _of(golden2, "simd/sum", "better", n=4096).of_ceiling


def test_a_ceiling_bounds_times_alone(golden2):
    """A ladder that is judged by a hit ratio has no share of a bandwidth."""
    at = next(index for index, kernel in enumerate(golden2["ladders"]["kernel"])
              if golden2["kernels"][kernel]["name"] == "caching/evict")  # fmt: skip
    golden2["ceilings"]["ladder"][0] = at
    cell = _of(golden2, "caching/evict", "better")
    assert cell.of_ceiling == [] and cell.probe is None


def test_the_one_thread_row_stands_beside():
    """In the ladder of 2 threads stand the naive on one and on two: the second is the baseline."""
    run, _ = sweep([1, 2], lambda threads: 0.5 / threads)
    at = run["ladders"]["threads"].index(2)
    for name, column in run["cells"].items():
        row = {"ladder": at, "variant": 0, "threads": 2}.get(name, column[0])
        column.append(row)
    naive = {(cell.ladder_threads, cell.threads): cell.beside
             for cell in cells_of(run) if cell.variant == "naive"}  # fmt: skip
    assert naive == {(1, 1): False, (2, 1): True, (2, 2): False}


def test_the_noise_floor_is_how_far_the_copies_strayed(golden2):
    launches = golden2["plan"]["launches"]
    for index, at in enumerate(golden2["cells"]["ladder"]):
        kernel = golden2["kernels"][golden2["ladders"]["kernel"][at]]
        if kernel["placebo"]:
            copy = golden2["cells"]["variant"][index] > 0
            # The interval of ten launches goes from the second to the ninth.
            strayed = [-0.9, -0.04] + [0.01] * (launches - 4) + [0.03, 0.9]
            golden2["cells"]["log_ratio"][index] = strayed if copy else [0.0] * launches
    assert noise_floors(cells_of(golden2)) == {"cpu": pytest.approx(math.exp(0.04))}
