"""One real run of the real benchmark program."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from conftest import CHECKOUT, SUBSET, Headroom, skip_unless_built, valid_files

from headroom_tools.record.cells import cells_of

BENCH = CHECKOUT / "build" / "release" / "bench" / "headroom-bench"

pytestmark = pytest.mark.skipif(
    not BENCH.is_file(), reason=f"{BENCH.relative_to(CHECKOUT)} isn't built: run `make` first"
)


def test_smoke_of_one_kernel(tmp_path):
    skip_unless_built("simd/sum")
    headroom = Headroom(tmp_path, BENCH)
    out = tmp_path / "out"
    result = headroom("run", "--profile", "smoke", "--filter", "^simd/sum$", "--out", out)
    assert result.returncode == 0, result.stdout + result.stderr
    (path,) = out.glob("*/*/run.json")
    assert len(valid_files(path.parent)) == 2
    run = json.loads(path.read_text())
    cells = cells_of(run)
    assert {cell.kernel["name"] for cell in cells} == {"simd/sum"}
    assert cells[0].variant == "naive" and len(cells) > 1
    assert all(cell.median[0] and cell.median[0] > 0 for cell in cells)
    assert list((tmp_path / "build" / "scratch").iterdir()) == []
    shown = headroom("show", path.parent)
    assert shown.returncode == 0 and "simd/sum" in shown.stdout


def test_list_names_what_the_program_has(tmp_path):
    skip_unless_built("simd/sum")
    tree = json.loads(Headroom(tmp_path, BENCH)("list", "--json").stdout)
    assert "simd/sum" in [kernel["name"] for kernel in tree["kernels"]]


def test_each_variant_starts_a_line_of_the_instruction_cache():
    """Else a change anywhere moves tight loops within their lines, and their times with them."""
    symbols = subprocess.run(["nm", "-C", BENCH], capture_output=True, text=True, check=True).stdout
    places = [
        int(line.split()[0], 16)
        for line in symbols.splitlines()
        if re.search(r" [tTwW] headroom::.*(::naive\(|Arm<.*>::run\()", line)
        and "clone .cold" not in line
    ]
    assert len(places) > (5 if SUBSET else 100) and all(place % 64 == 0 for place in places)


FAULTY = CHECKOUT / "build" / "release" / "tests" / "headroom-bench-faulty"
needs_faulty = pytest.mark.skipif(
    not FAULTY.is_file(), reason=f"{FAULTY.relative_to(CHECKOUT)} isn't built: run `make test`"
)


@needs_faulty
def test_a_kernel_that_claims_more_than_it_does_is_withheld(tmp_path):
    headroom = Headroom(tmp_path, FAULTY)
    done = headroom("run", "--profile", "quick", "--filter", "^faulty/(cheats|honest)$")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "!! faulty/cheats/naive n:1,000 is withheld" in done.stdout
    assert "faulty/honest" in done.stdout and "!! faulty/honest" not in done.stdout
    rows = json.loads(headroom("show", "latest", "--json").stdout)["rows"]
    for row in rows:
        cheats = row["kernel"] == "faulty/cheats"
        assert (row["verdict"] == "withheld") == cheats, row
        assert (row["ns_per_item"] is None) == cheats and row["of_ceiling"] is not None
        assert row["of_ceiling_lo"] > 5 if cheats else row["of_ceiling"] < 0.9


@needs_faulty
@pytest.mark.parametrize("kernel", ["wrong_at_one_size", "skips_part", "wrong_later"])
def test_a_wrong_answer_ends_the_run_loudly(tmp_path, kernel):
    headroom = Headroom(tmp_path, FAULTY)
    done = headroom("run", "--profile", "quick", "--filter", f"^faulty/{kernel}$")
    assert done.returncode == 1
    assert "wrong answer" in done.stdout and f"faulty/{kernel}: variant broken" in done.stdout
    assert "FAILED" in done.stdout


def test_a_filter_that_matches_nothing_is_bad_usage():
    for arguments in (["--benchmark_filter=^nosuch/"], ["--nosuch"], ["--headroom_plan=nosuch"]):
        done = subprocess.run([BENCH, *arguments], capture_output=True, text=True)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
