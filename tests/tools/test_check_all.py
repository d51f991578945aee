"""tests/check-all, with parts that do nothing: what is run, what a second call goes on with."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import CHECKOUT

# Each part is a line in `called`; the one that is named in `broken` fails.
PART = """#!/bin/sh
echo "${0##*/} $*" >>called.txt
! grep -qxF -- "${0##*/} $*" broken.txt
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tools").mkdir()
    shutil.copy(CHECKOUT / "tests" / "check-all", tmp_path / "tests")
    for path in ("tools/deps.sh", "tests/example", "part"):
        (tmp_path / path).write_text(PART)
        (tmp_path / path).chmod(0o755)
    (tmp_path / ".gitignore").write_text("/build/\n/*.txt\n")
    (tmp_path / "broken.txt").write_text("")
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "-q", "--allow-empty", "-m", "m")


def check_all(
    folder: Path, resume: str = "", broken: str = ""
) -> tuple[list[str], subprocess.CompletedProcess[str]]:
    """The parts that were run, and how it ended."""
    (folder / "called.txt").write_text("")
    (folder / "broken.txt").write_text(broken + "\n")
    done = subprocess.run(
        ["tests/check-all"], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "MAKE": str(folder / "part"), "RESUME": resume, "CATCH2": ""},
    )  # fmt: skip
    called = (folder / "called.txt").read_text().splitlines()
    return [line for line in called if line != "deps.sh aarch64"], done  # whether there can be one


TSAN = "part --no-print-directory test-tsan"


def test_a_failure_ends_nothing_and_is_told(checkout: Path) -> None:
    called, done = check_all(checkout, broken=TSAN)
    whole, good = check_all(checkout)
    assert called == whole and len(whole) > 15 and TSAN in whole
    assert done.returncode == 1 and "check-all: failed: [make test-tsan], " in done.stdout
    assert good.returncode == 0 and "every part that was tried passed" in good.stdout


def test_it_goes_on_with_what_has_not_passed_on_this_commit(checkout: Path) -> None:
    whole, _ = check_all(checkout, broken=TSAN)
    (checkout / "results").mkdir()
    (checkout / "results" / "run.json").write_text("{}")
    called, done = check_all(checkout, resume="1", broken=TSAN)
    assert called == [TSAN] and done.returncode == 1
    assert "== make test-clang: passed before\n" in done.stdout
    called, done = check_all(checkout, resume="1")
    assert called == [TSAN] and done.returncode == 0
    # Without being asked to it begins again, and so it does for another commit.
    assert check_all(checkout)[0] == whole
    shutil.rmtree(checkout / "results")
    commit(checkout)
    assert check_all(checkout, resume="1")[0] == whole


def test_a_checkout_with_changes_is_no_commit(checkout: Path) -> None:
    (checkout / "part").write_text(PART + "# changed\n")
    called, done = check_all(checkout, resume="1")
    assert called == [] and done.returncode == 2
    assert done.stderr.count("\n") == 1 and "this checkout has changes" in done.stderr
    whole, done = check_all(checkout)
    assert len(whole) > 15 and done.returncode == 0
    git(checkout, "checkout", "part")
    assert check_all(checkout, resume="1")[0] == whole
