"""Checkouts in odd places: names that are no UTF-8, another owner's, or moved."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import CHECKOUT, Headroom

from headroom_tools.ab import builds
from headroom_tools.base import files
from headroom_tools.base.errors import HeadroomError
from headroom_tools.record import source

RUN = ("run", "--profile", "quick", "--filter", "simd/sum")


@pytest.fixture
def named(tmp_path) -> Headroom:
    """A checkout in a folder whose name is no UTF-8."""
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \xff"))
    root.mkdir()
    return Headroom(root)


def test_a_place_whose_name_is_no_utf8_is_measured_and_read(named):
    ran = named(*RUN, "--scratch", named.root / "scratch\udcfe")
    assert ran.returncode == 0, ran.stderr
    (record,) = (named.root / "results").glob("*/*/run.json")
    assert b"\xff" not in record.read_bytes() and "scratch" not in record.read_text()
    outputs = ("show", "report -o p\udcff.html", "export latest -o e\udcff.json",
               "validate results", "compare latest latest")  # fmt: skip
    for command in outputs:
        done = named(*command.split())
        assert done.returncode == 0, (command, done.stderr)
    document = named.root.parent / "doc.md"  # the link leads through the name
    machine = record.parent.parent.name
    document.write_text(f"In <!-- headroom: run simd/sum @{machine} --><!-- /headroom -->.\n")
    assert named("cite", document).returncode == 0
    assert "caf%E9%20%FF/results/" in document.read_text()
    assert named("cite", named.root / "none\udcff.md").returncode == 2


def test_bytes_that_are_no_utf8_are_kept_in_json(tmp_path):
    tree = {"scratch": os.fsdecode(b"/tmp/\xff\xc3\xa9"), "text": "é\U0001f600"}
    files.write_atomic(tmp_path / "a.json", files.dump(tree))
    assert files.read_json(tmp_path / "a.json") == tree
    assert "é\U0001f600" in (tmp_path / "a.json").read_text(encoding="utf-8")


@pytest.fixture
def repository(headroom: Headroom) -> Headroom:
    """A checkout with one commit; git takes it for another owner's where that is asked for."""
    (headroom.root / ".gitignore").write_text("*\n")
    for arguments in (("init", "-q"), ("add", "-f", ".gitignore"), ("commit", "-qm", "first")):
        subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@t.invalid", *arguments],
            cwd=headroom.root, check=True, capture_output=True,
        )  # fmt: skip
    return headroom


ANOTHERS = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}


def test_a_checkout_of_another_owner_is_told_with_the_cure(repository):
    ran = repository(*RUN, **ANOTHERS)
    assert ran.returncode == 0, ran.stderr
    (record,) = (repository.root / "results").glob("*/*/run.json")
    run = json.loads(record.read_text())
    (note,) = [note for note in run["notes"] if "commit" in note]
    assert "another user" in note and 'safe.directory "$PWD"' in note
    assert str(repository.root) not in note and run["commit"] is None
    assert note in " ".join((ran.stdout + ran.stderr).split())
    assert repository("validate", record).returncode == 0


def test_a_commit_that_is_known_is_not_remarked(repository, monkeypatch):
    assert repository(*RUN).returncode == 0
    (record,) = (repository.root / "results").glob("*/*/run.json")
    run = json.loads(record.read_text())
    assert run["commit"] and not [note for note in run["notes"] if "commit" in note]
    assert source.why_no_commit(repository.root) is None
    monkeypatch.setenv("PATH", str(repository.root))
    assert "install git" in source.why_no_commit(repository.root)
    shutil.rmtree(repository.root / ".git")
    assert source.why_no_commit(repository.root) is None, "no repository: nothing to cure"


def test_ab_says_whose_checkout_it_is(repository):
    done = repository("ab", "rev:HEAD", "worktree", **ANOTHERS)
    assert done.returncode == 2 and "safe.directory" in done.stderr, done.stderr
    assert "is no git repository" not in done.stderr


def test_a_repository_without_a_commit_is_told(headroom):
    subprocess.run(["git", "init", "-q"], cwd=headroom.root, check=True)
    assert source.commit(headroom.root) == (None, None)
    assert "git tells no commit (" in source.why_no_commit(headroom.root)


# As CMake 3.25 breaks its lines, of a folder that was moved, and of one whose checkout was.
MOVED = (
    "CMake Error: The current CMakeCache.txt directory\n/new/build/release/CMakeCache.txt is "
    "different than the directory\n/old/build/release where CMakeCache.txt was created. This may",
    'CMake Error: The source "/new/CMakeLists.txt" does not match the source\n'
    '"/old/CMakeLists.txt" used to generate cache.  Re-run cmake with a different',
)


@pytest.mark.parametrize("told", MOVED)
def test_make_says_how_a_moved_build_folder_is_cured(tmp_path, told):
    cmake = tmp_path / "bin/cmake"
    cmake.parent.mkdir()
    cmake.write_text(f"#!/bin/sh\ncat <<'END'\n{told}\nEND\nexit 1\n")
    cmake.chmod(0o755)
    shutil.copy(CHECKOUT / "Makefile", tmp_path)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/deps.sh").write_text("#!/bin/sh\n")
    (tmp_path / "tools/deps.sh").chmod(0o755)
    done = subprocess.run(
        ["make", "build"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PATH": f"{cmake.parent}:{os.environ['PATH']}", "MAKEFLAGS": ""},
    )  # fmt: skip
    assert done.returncode == 2 and told.splitlines()[0] in done.stderr
    assert "rm -r build/release, then make again" in done.stderr, done.stderr
    cmake.write_text("#!/bin/sh\necho 'CMake Error: no compiler'; exit 1\n")
    done = subprocess.run(
        ["make", "build"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PATH": f"{cmake.parent}:{os.environ['PATH']}", "MAKEFLAGS": ""},
    )  # fmt: skip
    assert "rm -r" not in done.stderr and "no compiler" in done.stderr


@pytest.mark.parametrize("told", MOVED)
def test_ab_says_it_too(tmp_path, monkeypatch, told):
    monkeypatch.setenv("HEADROOM_ROOT", str(tmp_path))
    made = builds.Recipe(None, "release", None, None, None)
    log = tmp_path / "build/ab/worktree/release/ab-configure.log"
    log.parent.mkdir(parents=True)
    with pytest.raises(HeadroomError) as error:
        builds._run(["sh", "-c", f"echo '{told}'; exit 1"], made, log, "configured", "worktree")
    assert "made where the checkout lay before; rm -r '" in str(error.value)
    assert "build/ab/worktree/release'" in str(error.value)
