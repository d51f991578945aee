"""ctest runs the C++ tests in parts: each of them in one, none in none."""

import json
import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / os.environ.get("HEADROOM_PRESET", "release")


def _names(*command):
    listed = subprocess.run(
        [*command, "--list-test-names-only"], capture_output=True, text=True, timeout=60
    )  # its status is the number of names
    return listed.stdout.splitlines()


def test_each_test_is_in_one_part():
    program = BUILD / "tests" / "headroom-tests"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    told = subprocess.run(
        ["ctest", "--test-dir", str(BUILD), "--show-only=json-v1"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    parts = [part["command"] for part in json.loads(told.stdout)["tests"]]
    ours = [command for command in parts if Path(command[0]) == program]
    assert len(ours) > 3
    found = Counter(name for command in ours for name in _names(*command))
    everything = _names(str(program), "~[.]")
    assert len(everything) > 300
    assert found == Counter(everything)
