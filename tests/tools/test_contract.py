"""A mistake of a kernel's author is one readable line of the compiler's: tests/contract/."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted((ROOT / "tests" / "contract").glob("*.cpp"))


def _command():
    """How the build compiles a kernel, any, without what is of that kernel alone."""
    preset = os.environ.get("HEADROOM_PRESET", "release")
    database = ROOT / "build" / preset / "compile_commands.json"
    if not database.exists():
        pytest.skip(f"build/{preset} is not configured")
    entries = json.loads(database.read_text())
    kernel = re.compile(r"/kernels/(?!core/|support/)\w+/\w+\.cpp$")
    entry = next(e for e in entries if kernel.search(e["file"]))
    words = shlex.split(entry["command"])
    if words[0].endswith("ccache"):
        words = words[1:]
    kept = []
    skip = False
    for word in words:
        if skip or word == entry["file"]:
            skip = False
        elif word in ("-o", "-c"):
            skip = word == "-o"
        else:
            kept.append(word)
    return [*kept, "-fsyntax-only", "-O0"], entry["directory"]


def test_there_are_cases():
    assert len(CASES) > 10


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_mistake_is_one_line(case):
    command, folder = _command()
    wanted = re.match(r"// error: (.*)", case.read_text())
    done = subprocess.run(
        [*command, str(case)], cwd=folder, capture_output=True, text=True, timeout=120
    )
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    if wanted is None:
        assert (done.returncode, errors) == (0, [])
        return
    assert errors, "it compiles"
    # Some compilers tell in a note which function a constant expression may not call.
    said = errors[0] + "".join(line for line in done.stderr.splitlines()[:12] if "note:" in line)
    assert wanted.group(1) in said
    assert len(errors) <= 2, "more than the mistake itself:\n" + "\n".join(errors)
