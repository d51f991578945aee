"""What a marker in a document is replaced by: the right quantity, and none that is withheld."""

from __future__ import annotations

import math

import pytest

from headroom_tools.cite.figures import cell_figure
from headroom_tools.cite.records import Unbacked
from headroom_tools.record.cells import cells_of
from headroom_tools.show.rows import rows_of


def _row(run, change=None):
    """simd/sum n 4096, `better`: 4096 ns a call in most launches, 2048 or 8192 in two each."""
    for cell in cells_of(run):
        if (cell.kernel["name"], cell.variant, cell.n) == ("simd/sum", "better", 4096):
            cell.median[:] = [2048.0] * 2 + [4096.0] * 6 + [8192.0] * 2
            if change:
                change(cell)
    run["ladders"]["flops"] = [2 * items for items in run["ladders"]["items"]]
    (row,) = [row for row in rows_of(run)
              if (row.cell.kernel["name"], row.cell.variant, row.cell.n)
              == ("simd/sum", "better", 4096)]  # fmt: skip
    return row


@pytest.mark.parametrize(
    ("quantity", "told"),
    [
        ("time", "4.10 us [2.05, 8.19]"),
        ("ns_per_item", "1.00 ns [0.500, 2.00]"),
        ("rate", "4.00 GB/s [2.00, 8.00]"),  # the longest time is the lowest rate
        ("flops", "2.00 GFLOP/s [1.00, 4.00]"),
        ("value", "4.10 us [2.05, 8.19]"),
        ("of_ceiling", "0.80 [0.80, 0.80]"),
        ("verdict", "faster"),
    ],
)
def test_each_quantity_is_its_own(golden2, quantity, told):
    row = _row(golden2)
    assert cell_figure(quantity, row, False) == told
    brief = told.partition(" [")[0]
    assert cell_figure(quantity, row, True) == brief


def test_a_speedup_says_what_is_not_resolved(golden2):
    def flat(log):
        def change(cell):
            cell.log_ratio[:] = [log, log + 1e-6] * 5

        return change

    golden2["cells"]["alone_ns"] = [None] * len(golden2["cells"]["alone_ns"])
    assert cell_figure("speedup", _row(golden2, flat(math.log(3))), False) == "3.00x [3.00, 3.00]"
    same = _row(golden2, flat(0.001))
    assert cell_figure("speedup", same, False).endswith("(equivalent)")
    assert cell_figure("speedup", same, True).endswith("(equivalent)")


def _alone(run, speedup):
    """Both variants run alone: `better` so many times as fast as `naive`."""
    for cell in cells_of(run):
        if (cell.kernel["name"], cell.n) == ("simd/sum", 4096):
            at = run["kernels"].index(cell.kernel)
            for index, ladder in enumerate(run["cells"]["ladder"]):
                same = run["ladders"]["kernel"][ladder] == at
                if same and run["ladders"]["n"][ladder] == 4096:
                    name = cell.kernel["variants"][run["cells"]["variant"][index]]["name"]
                    factor = {"naive": 1.0, "better": speedup}.get(name)
                    run["cells"]["alone_ns"][index] = factor and 900.0 / factor
    return _row(run)


def test_a_speedup_says_where_the_variants_alone_differ(golden2):
    row = _alone(golden2, 9.0)
    assert cell_figure("alone", row, False) == cell_figure("alone", row, True) == "9.00x"
    assert cell_figure("speedup", row, False).endswith("] (alone 9.00x)")
    assert "alone" not in cell_figure("speedup", row, True)
    near = _alone(golden2, round(row.speedup * 1.05, 2))
    assert "alone" not in cell_figure("speedup", near, False)
    assert cell_figure("alone", near, False) == f"{row.speedup * 1.05:.2f}x"
    without = _alone(golden2, 0)
    with pytest.raises(Unbacked, match="no speedup of the variants run alone"):
        cell_figure("alone", without, False)


@pytest.mark.parametrize("quantity", ("speedup", "time", "ns_per_item", "rate", "value", "verdict"))
def test_a_withheld_figure_is_not_cited(golden2, quantity):
    golden2["ceilings"]["log_ratio"] = [
        [value - 0.4 for value in values] for values in golden2["ceilings"]["log_ratio"]
    ]
    row = _row(golden2)
    assert row.impossible
    assert cell_figure(quantity, row, False) == "withheld (above its ceiling)"
    assert cell_figure("of_ceiling", row, True) == "1.19"
