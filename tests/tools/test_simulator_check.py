"""`make simulator-check`: what it accepts, what it finds, what it refuses to judge."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import CHECKOUT

CHECK = CHECKOUT / "tests" / "simulator_check.py"


@pytest.fixture
def check(tmp_path):
    def run(*arguments, **changes):
        real = [10_000_000 + 100_000 * at for at in range(400)]
        tree = {"servers": 16, "utilisation": 0.8, "service_ns": 10_000_000, "overslept_ns": 50_000,
                "lateness": [20_000] * 400, "simulated": real, "real": real}  # fmt: skip
        tree.update(changes)
        program = tmp_path / "program"
        program.write_text(f"#!{sys.executable}\nprint({json.dumps(tree)!r})\n")
        program.chmod(0o755)
        return subprocess.run([sys.executable, str(CHECK), str(program), *map(str, arguments)],
                              capture_output=True, text=True)  # fmt: skip
    return run


def times(factor, tail=1.0):
    """The latencies, `factor` times as long, and the longest `tail` times as long again."""
    return [int((10_000_000 + 100_000 * at) * factor * (tail if at > 390 else 1))
            for at in range(400)]  # fmt: skip


def test_the_same(check):
    result = check()
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("300 requests"), "the first quarter is left out"
    assert result.stdout.count("+0.0%") == 2


@pytest.mark.parametrize("factor, tail, ok", (
    (1.04, 1.0, True), (0.96, 1.0, True), (1.06, 1.0, False), (0.94, 1.0, False),
    (1.0, 1.12, False), (1.0, 1.08, True),
))  # fmt: skip
def test_mean_within_5_and_p99_within_10_percent(check, factor, tail, ok):
    result = check(simulated=times(factor, tail))
    assert (result.returncode == 0) is ok, result.stdout
    assert ("NO" in result.stdout) is not ok


@pytest.mark.parametrize("changes, why", (
    ({"lateness": [4_000_000] * 400}, "sent late: at the p50"),
    ({"lateness": [20_000] * 390 + [6_000_000] * 10}, "sent late: at the p99"),
    ({"overslept_ns": 110_000}, "longer than asked for"),
))  # fmt: skip
def test_a_busy_machine_is_no_measure(check, changes, why):
    """However far apart both then are."""
    result = check(simulated=times(2), **changes)
    assert result.returncode == 3
    assert "refused" in result.stdout.splitlines()[-1] and why in result.stdout


def test_the_picture(check, tmp_path):
    pytest.importorskip("matplotlib")
    result = check("-o", tmp_path / "x.svg")
    assert result.returncode == 0, result.stderr
    assert "<svg" in (tmp_path / "x.svg").read_text()
    result = check("-o", tmp_path / "x.gif")
    assert result.returncode == 2 and "x.gif" in result.stderr
