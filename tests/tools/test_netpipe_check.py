"""`make netpipe-check` reads what NetPIPE and our program print, and says where they are apart."""

import importlib.util
import json
from pathlib import Path

import pytest
from conftest import CHECKOUT

_FILE = CHECKOUT / "tests/netpipe_check.py"
_SPEC = importlib.util.spec_from_file_location("netpipe_check", _FILE)
assert _SPEC and _SPEC.loader
netpipe_check = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(netpipe_check)

PRINTED = "  8  153.8   0.00000040\n   1024 9000.000000   0.00000087\n  65536 1.0 0.0000140\n"


def test_both_are_read() -> None:
    assert netpipe_check.of_netpipe(PRINTED) == {8: 4e-7, 1024: 8.7e-7, 65536: 1.4e-5}
    name = "cluster/pingpong/naive/n:8/ranks:2/manual_time"
    text = json.dumps({"benchmarks": [
        {"name": name, "median_ns": 64000.0},
        {"name": "cluster/pingpong/naive/n:1024/ranks:2", "error_occurred": True, "median_ns": 1.0},
    ]})  # fmt: skip
    assert netpipe_check.of_ours(text) == {8: pytest.approx(1e-6)}


@pytest.mark.parametrize("factor, status", [(1.0, 0), (1.2, 0), (1.3, 1), (0.7, 1)])
def test_what_is_apart_fails(monkeypatch: pytest.MonkeyPatch, factor: float, status: int) -> None:
    theirs = netpipe_check.of_netpipe(PRINTED)
    monkeypatch.setattr(netpipe_check, "netpipe", lambda start: theirs)
    monkeypatch.setattr(
        netpipe_check, "ours", lambda start, bench: {n: factor * s for n, s in theirs.items()}
    )
    assert netpipe_check.check(Path("bench"), None) == status


def test_a_figure_that_is_not_there_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netpipe_check, "netpipe", lambda start: {})
    monkeypatch.setattr(netpipe_check, "ours", lambda start, bench: {8: 1e-6})
    with pytest.raises(netpipe_check.Trouble, match="NetPIPE has no figure"):
        netpipe_check.check(Path("bench"), None)


def test_jobs_of_two_levels_are_apart_only_where_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = netpipe_check.of_netpipe(PRINTED)
    level = iter([1.0, 3.5, 1.0, 1.0, 3.5] * 2)

    def of_a_job(start: object) -> dict[int, float]:
        factor = next(level)
        return {n: factor * seconds for n, seconds in theirs.items()}

    monkeypatch.setattr(netpipe_check, "netpipe", of_a_job)
    monkeypatch.setattr(
        netpipe_check, "ours", lambda start, bench: {n: 1.5 * s for n, s in theirs.items()}
    )
    assert netpipe_check.check(Path("bench"), None) == 0
    monkeypatch.setattr(
        netpipe_check, "ours", lambda start, bench: {n: 4.5 * s for n, s in theirs.items()}
    )
    assert netpipe_check.check(Path("bench"), None) == 1
