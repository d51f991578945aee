"""`make clpeak-check` reads what clpeak prints, and says where it and our probes are apart."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from conftest import CHECKOUT

_SPEC = importlib.util.spec_from_file_location("clpeak_check", CHECKOUT / "tests/clpeak_check.py")
assert _SPEC and _SPEC.loader
clpeak_check = importlib.util.module_from_spec(_SPEC)
sys.modules["clpeak_check"] = clpeak_check
_SPEC.loader.exec_module(clpeak_check)

PRINTED = """
Platform: NVIDIA CUDA
  Device: NVIDIA H200
    Compute units   : 132
    Clock frequency : 1980 MHz

    Global memory bandwidth (GBPS)
      float   : 3900.10
      float2  : 4100.50
      float16 : 2000.00

    Single-precision compute (GFLOPS)
      float   : 51000.00
      float2  : 50000.00

    Transfer bandwidth (GBPS)
      enqueueWriteBuffer              : 25.50
      enqueueReadBuffer               : 24.00
      enqueueWriteBuffer non-blocking : 99.00

    Kernel launch latency : 4.90 us
"""
CLPEAK = {"device memory, read": 4100.5e9, "multiply-adds, 32 bits": 51000e9,
          "copies to the device": 25.5e9, "copies from the device": 24.0e9}  # fmt: skip


def test_the_best_of_each_section_counts() -> None:
    found = {f.name: clpeak_check.best_of_section(PRINTED, f) for f in clpeak_check.FIGURES}
    assert found == pytest.approx(CLPEAK)
    assert clpeak_check.best_of_section("", clpeak_check.FIGURES[0]) is None


@pytest.mark.parametrize("factor, status", [(1.0, 0), (0.87, 0), (1.14, 0), (0.8, 1), (1.2, 1)])
def test_figures_that_are_apart_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], factor: float, status: int
) -> None:
    monkeypatch.setattr(clpeak_check, "clpeak", lambda device, flags: PRINTED)
    monkeypatch.setattr(
        clpeak_check, "ours", lambda bench, figure: factor * CLPEAK[figure.name]
    )
    assert clpeak_check.check(Path("bench"), "") == status
    assert ("apart" in capsys.readouterr().out) == bool(status)


def test_without_a_probe_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clpeak_check, "clpeak", lambda device, flags: PRINTED)
    monkeypatch.setattr(clpeak_check, "ours", lambda bench, figure: None)
    with pytest.raises(clpeak_check.Trouble, match="our probe has no value"):
        clpeak_check.check(Path("bench"), "")
