"""One real run of the real benchmark program."""

from __future__ import annotations

import json

import pytest
from conftest import CHECKOUT, Headroom

from headroom_tools import record, validate

BENCH = CHECKOUT / "build" / "release" / "bench" / "headroom-bench"

pytestmark = pytest.mark.skipif(
    not BENCH.is_file(), reason=f"{BENCH.relative_to(CHECKOUT)} isn't built: run `make` first"
)


def test_smoke_of_one_kernel(tmp_path):
    headroom = Headroom(tmp_path, BENCH)
    out = tmp_path / "out"
    result = headroom("run", "--profile", "smoke", "--filter", "^simd/sum$", "--out", out)
    assert result.returncode == 0, result.stdout + result.stderr
    (path,) = out.glob("*/*/run.json")
    assert len(validate.any_path(path.parent)) == 2
    run = json.loads(path.read_text())
    cells = record.cells_of(run)
    assert {cell.kernel["name"] for cell in cells} == {"simd/sum"}
    assert cells[0].variant == "naive" and len(cells) > 1
    assert all(cell.median[0] and cell.median[0] > 0 for cell in cells)
    assert list((tmp_path / "build" / "scratch").iterdir()) == []
    shown = headroom("show", path.parent)
    assert shown.returncode == 0 and "simd/sum" in shown.stdout


def test_list_names_what_the_program_has(tmp_path):
    tree = json.loads(Headroom(tmp_path, BENCH)("list", "--json").stdout)
    assert "simd/sum" in [kernel["name"] for kernel in tree["kernels"]]
