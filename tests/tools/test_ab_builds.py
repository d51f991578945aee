"""`ab`: builds of revisions, presets and compilers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import CHECKOUT, HERE, Headroom
from made_ab import SUM, rows_by_name

from headroom_tools.ab import builds


@pytest.fixture
def repository(headroom: Headroom, monkeypatch) -> Headroom:
    """A checkout with one commit, and a cmake that builds the fake program from it."""
    tools = headroom.root / "tools-of-the-test"
    tools.mkdir()
    cmake = tools / "cmake"
    cmake.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE / "fake_cmake.py"} "$@"\n')
    cmake.chmod(0o755)
    headroom.env["PATH"] = f"{tools}{os.pathsep}{os.environ['PATH']}"
    headroom.env["FAKE_CMAKE_LOG"] = str(headroom.root / "cmake.log")
    headroom.env.pop("HEADROOM_BENCH")
    for name in ("CXX", "CXXFLAGS", "CMAKE_CXX_COMPILER_LAUNCHER", "HEADROOM_PRESET"):
        headroom.env.pop(name, None)
    shutil.copy(CHECKOUT / "CMakePresets.json", headroom.root)
    (headroom.root / "CMakeLists.txt").write_text("project(fake)\n")
    (headroom.root / ".gitignore").write_text(
        "build/\nstarts.log\ncmake.log\ntools-of-the-test/\nsystem/\nstopped\n"
    )
    for name in ("simd/sum", "algorithm/sort", "machine/placebo_cpu"):
        source(headroom, name, f"// {name}")
    git(headroom, "init", "-q")
    commit(headroom, "first")
    return headroom


def source(headroom: Headroom, name: str, *lines: str) -> None:
    path = headroom.root / "kernels" / f"{name}.cpp"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def git(headroom: Headroom, *arguments: str) -> str:
    own = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t.invalid", "GIT_COMMITTER_NAME": "t",
           "GIT_COMMITTER_EMAIL": "t@t.invalid"}  # fmt: skip
    command = ["git", "-C", str(headroom.root), *arguments]
    return subprocess.run(
        command, env={**os.environ, **own}, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(headroom: Headroom, message: str) -> str:
    git(headroom, "add", "-A")
    git(headroom, "commit", "-q", "-m", message)
    return git(headroom, "rev-parse", "HEAD")


def cmake_calls(headroom: Headroom) -> list[str]:
    log = headroom.root / "cmake.log"
    return log.read_text().splitlines() if log.exists() else []


def test_a_revision_against_the_worktree(repository):
    first = git(repository, "rev-parse", "HEAD")
    source(repository, "simd/sum", "// FAKE_TIMES=simd/sum/better:1.20")  # not committed
    done = repository("ab", "HEAD", *SUM, "--json")
    assert done.returncode == 0, done.stderr
    tree = json.loads(done.stdout)
    assert rows_by_name(tree)["simd/sum/better/n:65536"]["verdict"] == "slower"
    assert (tree["base"]["commit"], tree["base"]["dirty"]) == (first, False)
    assert (tree["new"]["commit"], tree["new"]["dirty"]) == (first, True)
    # Both have the same kernels, the ones that are asked for and the placebos.
    configured = [call for call in cmake_calls(repository) if "--preset" in call]
    assert len(configured) == 2
    assert all("^(machine/placebo_cpu|simd/sum)$" in call for call in configured)
    assert (repository.root / "build" / "ab" / first / ".git").is_file()
    assert git(repository, "status", "--porcelain") == "M kernels/simd/sum.cpp"
    shown = repository("ab", "--show", "latest").stdout
    assert f"worktree ({first[:8]} and changes) against HEAD ({first[:8]})" in shown


def test_builds_are_kept_and_follow_the_source(repository):
    first = git(repository, "rev-parse", "HEAD")
    told = repository("ab", "HEAD", *SUM)
    assert told.returncode == 0 and told.stdout.count("for the first time") == 2, told.stderr
    assert "both sides are the same program" in " ".join(told.stdout.split())
    assert repository("ab", "HEAD", *SUM).stdout.count("for the first time") == 0
    # `make clean` takes the checkouts, and git still knows of them; someone edits one.
    shutil.rmtree(repository.root / "build")
    again = repository("ab", first[:10], *SUM)
    assert again.returncode == 0, again.stderr
    checkout = repository.root / "build" / "ab" / first
    (checkout / "kernels" / "simd" / "sum.cpp").write_text("syntax error\n")
    again = repository("ab", first[:10], *SUM)
    assert again.returncode == 0, again.stderr


def test_a_revision_that_does_not_build(repository):
    source(repository, "simd/sum", "#include <x>", "", "syntax error")
    broken = commit(repository, "broken")
    source(repository, "simd/sum", "// good again")
    done = repository("ab", "HEAD", *SUM)
    assert done.returncode == 2
    *lines, last = done.stderr.splitlines()
    assert last.startswith("headroom: HEAD can't be built: ")
    assert "sum.cpp:3:1: error: expected declaration" in last
    assert f"build/ab/{broken}/build/release/ab-build.log" in last
    assert [line.strip() for line in lines] == [
        f"{repository.root}/build/ab/{broken}/kernels/simd/sum.cpp:3:1: error: expected "
        "declaration before end of line",
        "3 | syntax error",
        "| ^~~~~~",
    ]
    assert repository.starts() == []


def test_ctrl_c_ends_the_build(repository):
    source(repository, "simd/sum", "// sleeps")
    process = repository.start("ab", "HEAD", *SUM)
    end = time.monotonic() + 60
    noted = repository.root / "stopped"
    while not noted.exists() and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == "headroom: stopped\n"
    assert noted.read_text() == "by SIGINT"
    source(repository, "simd/sum", "// quick again")
    assert repository("ab", "HEAD", *SUM).returncode == 0


def test_a_revision_that_can_not_be_configured(repository):
    (repository.root / "CMakeLists.txt").write_text("message(FATAL_ERROR x)\n")
    done = repository("ab", "HEAD", *SUM)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("headroom: worktree can't be configured: CMake Error at CMakeLists.txt")


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (("no-such-branch",), "no such git revision; `git log --oneline` shows them"),
        (("native",), "did you mean preset:native?"),
    ],
)
def test_no_such_revision(repository, words, cure):
    done = repository("ab", *words)
    assert done.returncode == 2 and cure in done.stderr and done.stderr.count("\n") == 1


def test_a_kernel_that_the_revision_lacks(repository):
    source(repository, "simd/sum", "// FAKE_WITHOUT=simd/sum/peer")
    commit(repository, "without a peer")
    source(repository, "simd/sum", "//")
    done = repository("ab", "HEAD", *SUM)
    assert done.returncode == 0, done.stderr
    assert "only in new: simd/sum/peer: base has no such variant" in done.stdout


def test_another_compiler_by_chance_is_refused_and_by_wish_is_not(repository):
    source(repository, "simd/sum", "// FAKE_COMPILER=Clang 14")
    done = repository("ab", "HEAD", *SUM)
    assert done.returncode == 1, done.stderr
    assert "more than rev: compiler: GNU 12.2.0 -> Clang 14; build both alike" in done.stderr
    source(repository, "simd/sum", "//")
    done = repository("ab", "cxx:true", "cxx:false", *SUM, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["notes"][0].startswith("both sides are the same") is False
    assert "compiler: true -> false" in json.loads(done.stdout)["notes"]
    folders = {call.split(" -B ")[1].split()[0] for call in cmake_calls(repository)
               if "COMPILER" in call}  # fmt: skip
    assert len(folders) == 2


def test_presets_and_flags_reach_cmake(repository):
    done = repository("ab", "preset:release", "preset:native", *SUM)
    assert done.returncode == 0, done.stderr
    done = repository("ab", "flags:", "flags:-fno-inline -g", *SUM, "--preset", "native")
    assert done.returncode == 0, done.stderr
    calls = [call for call in cmake_calls(repository) if "--preset" in call]
    assert [call.split("--preset ")[1].split()[0] for call in calls] == [
        "release", "native", "native", "native",
    ]  # fmt: skip
    assert "-DCMAKE_CXX_FLAGS=-fno-inline -g" in calls[3]


def test_the_order_of_kernels_reaches_cmake_and_is_the_same_code(repository):
    done = repository("ab", "link:", "link:2", "--filter", "^(selfcheck/|simd/sum)", "--pairs", "6")
    assert done.returncode == 0, done.stderr
    calls = [call for call in cmake_calls(repository) if "--preset" in call]
    assert ["-DHEADROOM_LINK_ORDER=2" in call for call in calls] == [False, True]
    assert len({call.split(" -B ")[1].split()[0] for call in calls}) == 2
    (path,) = (repository.root / "build" / "ab-runs").glob("*/ab.json")
    tree = json.loads(path.read_text())
    tree["new"]["program"] = "1" * 64  # as of two programs that are really linked
    path.write_text(json.dumps(tree))
    done = repository("selfcheck", "--ab", "latest")
    assert "not the same code" not in done.stderr, done.stderr


KERNEL = "extern int order;\nint kernel_{0}(int x) {{ return x + order; }}\n"
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(headroom LANGUAGES CXX)
add_library(headroom_flags INTERFACE)
add_library(headroom_dependencies INTERFACE)
file(WRITE ${{CMAKE_BINARY_DIR}}/main.cpp "int order; int main() {{}}")
add_executable(headroom-bench ${{CMAKE_BINARY_DIR}}/main.cpp)
add_executable(headroom-tests EXCLUDE_FROM_ALL ${{CMAKE_BINARY_DIR}}/main.cpp)
include({0}/cmake/kernels.cmake)
headroom_add_kernels(${{CMAKE_SOURCE_DIR}}/kernels)
"""


@pytest.mark.skipif(
    not all(map(shutil.which, ("cmake", "c++", "nm"))), reason="needs cmake, c++ and nm"
)
def test_a_link_order_moves_the_kernels_within_the_program(tmp_path):
    """By the real cmake and linker: the same kernels, at other places, and again the same."""
    names = ["selfcheck_chain", "selfcheck_lookup", "machine_read", "simd_sum", "simd_dot"]
    for name in names:
        group, _, kernel = name.partition("_")
        path = tmp_path / "kernels" / group / f"{kernel}.cpp"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(KERNEL.format(name))
    (tmp_path / "CMakeLists.txt").write_text(PROJECT.format(CHECKOUT))

    def order(text: str, folder: str) -> list[str]:
        configure = ["cmake", "-S", tmp_path, "-B", tmp_path / folder]
        for command in ([*configure, f"-DHEADROOM_LINK_ORDER={text}"],
                        ["cmake", "--build", tmp_path / folder]):  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
        program = tmp_path / folder / "headroom-bench"
        told = subprocess.run(["nm", "-nC", program], capture_output=True, text=True).stdout
        found = [line.split(" ", 2)[2] for line in told.splitlines() if "kernel_" in line]
        return [name.partition("(")[0].replace("kernel_", "") for name in found]

    by_name = order("", "a")
    first, second = order("1", "b"), order("2", "a")
    assert by_name == sorted(names), "by name, as the folders have them"
    assert sorted(first) == sorted(second) == sorted(names)
    assert len({tuple(by_name), tuple(first), tuple(second)}) == 3
    assert order("1", "a") == first, "drawn from the text alone"


def test_old_builds_are_swept(repository, monkeypatch):
    monkeypatch.setenv("HEADROOM_ROOT", str(repository.root))
    monkeypatch.setattr(builds, "KEPT", 2)
    made = []
    for at in range(4):
        source(repository, "simd/sum", f"// {at}")
        made.append(builds.Recipe(commit(repository, str(at)), "release", None, None))
        folder = builds._check_out(made[-1].commit)
        os.utime(folder, (at, at))
    builds.sweep([made[0]])
    left = {path.name for path in (repository.root / "build" / "ab").iterdir()}
    assert left == {made[0].commit, made[3].commit}
    assert len(git(repository, "worktree", "list").splitlines()) == 3


def test_a_filter_means_the_files_that_register_a_name(repository, monkeypatch):
    monkeypatch.setenv("HEADROOM_ROOT", str(repository.root))
    source(repository, "algorithm/sort", 'name = "algorithm/sort_u64"')
    here = [builds.Recipe(None, "release", None, None)]
    assert builds.subset(here, "^algorithm/sort_u64$") == "^(algorithm/sort|machine/placebo_cpu)$"
    assert builds.subset(here, "nothing") == "" == builds.subset(here, None)
