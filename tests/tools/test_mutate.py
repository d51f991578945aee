"""`make mutate`'s runner, on a tree of its own: one Python file, one C++ program, their tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "tests" / "mutate"))
import bugs as lists  # noqa: E402
import mutate  # noqa: E402
import running  # noqa: E402
from verdicts import Outcome  # noqa: E402

CODE = """def double(x):
    return 2 * x


def unseen(x):
    return x + 1
"""
TESTS = """import time

from code_ import double


def test_double():
    assert double(2) == 4


def test_two_cases():
    assert double(0) == 0


def test_ends():
    while double(1) != 2:
        time.sleep(0.01)


def test_that_fails():
    assert False
"""
# Stands in for a Catch2 program: one test case, found by its exact name.
MAIN = """#include <cstdio>
#include <cstring>
int doubled(int x);
int main(int argc, char** argv) {
  if (argc != 2 || std::strcmp(argv[1], "a, b\\\\[1]") == 0 ||
      std::strcmp(argv[1], "a\\\\, b\\\\[1\\\\]") != 0) {
    std::puts("No test cases matched");
    return 0;
  }
  if (doubled(2) != 4) return 1;
  std::puts("All tests passed (1 assertion in 1 test case)");
}
"""
CMAKE = """cmake_minimum_required(VERSION 3.25)
project(fake LANGUAGES CXX)
add_executable(headroom-tests main.cpp doubled.cpp)
set_target_properties(headroom-tests PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
"""
PRESETS = """{"version": 6, "configurePresets": [
  {"name": "release", "binaryDir": "${sourceDir}/build/${presetName}",
   "cacheVariables": {"CMAKE_BUILD_TYPE": "Release"}}]}
"""


def _bug(name, old, new, test="pytest tests/test_code.py::test_double", file="code_.py"):
    lines = [f"- {line}" for line in old.split("\n")] + [f"+ {line}" for line in new.split("\n")]
    return "\n".join([f"bug {name}", f"why {name} is wrong", f"file {file}", *lines, test, ""])


GOOD = _bug("triples", "return 2 * x", "return 3 * x")
UNSEEN = _bug("unseen", "return x + 1", "return x + 2")
IN_CXX = _bug("in-cxx", "return x + x;", "return x * x + 1;", "catch2 a, b[1]", "doubled.cpp")


class Tree:
    def __init__(self, root: Path):
        self.root = root
        self.lists = root / "tests" / "mutate"
        self.lists.mkdir(parents=True)
        (root / "tests" / "test_code.py").write_text(TESTS)
        (root / "code_.py").write_text(CODE)
        (root / "conftest.py").write_text("")  # so that pytest finds code_
        (root / ".gitignore").write_text("/build/\n__pycache__/\n")
        (root / "main.cpp").write_text(MAIN)
        (root / "doubled.cpp").write_text("int doubled(int x) { return x + x; }\n")
        (root / "CMakeLists.txt").write_text(CMAKE)
        (root / "CMakePresets.json").write_text(PRESETS)
        subprocess.run(["git", "init", "-q", root], check=True)
        self.before = self.files()

    def files(self):
        return {path: path.read_bytes() for path in self.root.rglob("*") if path.is_file()
                and not path.is_relative_to(self.root / "build")
                and not path.is_relative_to(self.root / ".git")}  # fmt: skip

    def start(self, *bugs, options=("--jobs", "2")):
        (self.lists / "x.bugs").write_text("# a list\n\n" + "\n".join(bugs))
        self.before = self.files()
        return subprocess.Popen(
            [sys.executable, mutate.__file__, "--root", self.root, *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __call__(self, *bugs, options=("--jobs", "2")):
        process = self.start(*bugs, options=options)
        out, err = process.communicate(timeout=120)
        assert "Traceback" not in err, err
        assert self.files() == self.before, "the checkout is never edited"
        return subprocess.CompletedProcess((), process.returncode, out, err)


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "setup.py").touch()  # pytest would take the folder above for the root
    return Tree(tmp_path / "tree")


def test_what_is_caught_and_what_survives(tree):
    done = tree(GOOD, UNSEEN)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1].startswith("mutate: 1 of 2 caught, ")
    assert "mutate: SURVIVED: x/unseen (x.bugs:10)" in done.stdout
    assert "caught   x/triples" in done.stdout and "unseen is wrong" in done.stdout


def test_lists_in_folders(tree):
    """Named by where they lie: two may have a bug of the same name."""
    (tree.lists / "y").mkdir()
    (tree.lists / "y" / "z.bugs").write_text(UNSEEN + GOOD)
    done = tree(GOOD, options=("--jobs", "2"))
    assert done.returncode == 1, done.stderr
    assert "caught   x/triples" in done.stdout and "caught   y/z/triples" in done.stdout
    assert "mutate: SURVIVED: y/z/unseen (y/z.bugs:1)" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("mutate: 2 of 3 caught, ")


def test_all_are_caught_again_and_again(tree):
    """A second run begins with the copies of the first: they are as the tree is now."""
    third = _bug("third", "return 2 * x", "return 4 * x",
                 "pytest tests/test_code.py::test_double")  # fmt: skip
    for _ in range(2):
        done = tree(GOOD, third)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "mutate: 2 of 2 caught" in done.stdout
    (tree.root / "code_.py").write_text(CODE.replace("2 * x", "2 * x + 0"))
    (tree.root / "build" / "mutate" / "1" / "left_over.py").write_text("")
    done = tree(_bug("new", "2 * x + 0", "2 * x + 1"), options=("--jobs", "1"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tree.root / "build" / "mutate" / "1" / "left_over.py").exists()


def test_a_bug_in_cxx(tree):
    if not shutil.which("cmake"):
        pytest.fail("cmake isn't installed: make deps")
    broken = _bug("broken", "return x + x;", "return x +;", "catch2 a, b[1]", "doubled.cpp")
    same = _bug("same", "return x + x;", "return 2 * x;", "catch2 a, b[1]", "doubled.cpp")
    done = tree(IN_CXX, broken, same, options=("--jobs", "1"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "caught   x/in-cxx" in done.stdout
    assert "ERROR    x/broken" in done.stdout and "does not compile" in done.stdout
    assert "mutate: SURVIVED: x/same" in done.stdout
    assert "mutate: 1 of 3 caught" in done.stdout
    # Catch2 2.13 ends with 0 where no test has that name.
    done = tree(_bug("none", "return x + x;", "return x;", "catch2 nothing", "doubled.cpp"))
    assert done.returncode == 1
    assert "catch2 nothing: does not pass without any bug" in done.stderr


@pytest.mark.parametrize(
    ("bug", "message"),
    [
        (_bug("old", "return 5", "return 6"), "x/old is stale: OLD occurs 0 times in code_.py"),
        (_bug("old", "return", "return 6"), "x/old is stale: OLD occurs 2 times in code_.py"),
        (_bug("old", "2 * x", "2 * x"), "x/old: NEW is OLD"),
        (_bug("old", "2 * x", "2 *"), "x/old does not compile"),
        (_bug("old", "2 * x", "3", file="gone.py"), "there is no gone.py"),
        (_bug("old", "2 * x", "3", "pytest tests/gone.py::test"), "there is no tests/gone.py"),
        (_bug("old", "2 * x", "3", "catch2 a"), "a Catch2 test can't see code_.py"),
        (GOOD + GOOD, "there is a bug x/triples already"),
        (GOOD.replace("bug triples", "bug Triples"), "a name is small letters, digits and -"),
        (GOOD.replace("why", "because"), "'because' begins no line of a list"),
        (GOOD.replace("why triples is wrong\n", ""), "the bug has no line `why`"),
        (GOOD.replace("- return 2 * x\n", ""), "the bug has no line `- OLD`"),
        (GOOD.replace("pytest tests/test_code.py::test_double", ""), "say one test"),
        (GOOD + "catch2 a\n", "say one test"),
        (GOOD + "file code_.py\n", "a second line `file`"),
        ("why\n" + GOOD, "a bug begins with `bug NAME`"),
    ],
)
def test_a_list_that_is_wrong(tree, bug, message):
    """One line that names the place, and nothing is run: a stale bug is no bug that is caught."""
    done = tree(bug, UNSEEN.replace("unseen", "other"))
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("mutate: x.bugs:") and message in line


def test_a_test_that_fails_without_any_bug(tree):
    """Else every bug would be caught by it."""
    test = "pytest tests/test_code.py::test_that_fails"
    done = tree(GOOD, _bug("other", "return x + 1", "return x", test))
    assert done.returncode == 1 and "caught" not in done.stdout
    assert f"mutate: {test}: does not pass without any bug" in done.stderr
    done = tree(_bug("other", "return x + 1", "return x", "pytest tests/test_code.py::test_gone"))
    assert done.returncode == 1 and "test_gone" in done.stderr


def test_a_test_that_this_machine_cannot_run_is_told(tree):
    skips = "\n\ndef test_skips():\n    import pytest\n    pytest.skip('no such device')\n"
    with open(tree.root / "tests" / "test_code.py", "a") as stream:
        stream.write(skips)
    done = tree(GOOD, _bug("other", "return x + 1", "return x",
                           "pytest tests/test_code.py::test_skips"))  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mutate: not tried: x/other (x.bugs:10): pytest tests/test_code.py::test_skips: " in (
        done.stdout
    )
    assert "no such device" in done.stdout
    assert "mutate: 1 of 1 caught, 1 not tried, " in done.stdout


def test_a_bug_that_keeps_the_test_from_running_is_an_error(tree):
    """As one that doesn't compile: it shows nothing of the test."""
    done = tree(_bug("gone", "def double(x):", "def doubled(x):"))
    assert done.returncode == 1 and "ERROR    x/gone" in done.stdout
    assert "did not run (status " in done.stdout and "mutate: 0 of 1 caught" in done.stdout


def test_a_test_that_does_not_end_is_caught(tree, monkeypatch, capsys):
    monkeypatch.setattr(running, "AT_LEAST_S", 1.0)
    (tree.lists / "x.bugs").write_text(
        _bug("hangs", "return 2 * x", "return 3 * x", "pytest tests/test_code.py::test_ends")
    )
    bugs = lists.read_lists(tree.lists)
    outcomes = running.Run(tree.root, 1).all(bugs)
    assert outcomes == {"x/hangs": Outcome("caught", "did not end")}
    assert "caught   x/hangs (did not end)" in capsys.readouterr().out


def test_some_of_the_bugs(tree):
    done = tree(GOOD, UNSEEN, options=("--filter", "nothing"))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    done = tree(GOOD, UNSEEN, options=("--filter", "("))
    assert done.returncode == 2 and done.stderr.startswith("mutate: --filter (")
    done = tree(GOOD, UNSEEN, options=("--list",))
    assert done.returncode == 0 and not (tree.root / "build").exists()
    assert "x/triples  code_.py  pytest tests/test_code.py::test_double" in done.stdout
    done = tree(GOOD, UNSEEN, options=("--filter", "^x/tri"))
    assert done.returncode == 0 and "mutate: 1 of 1 caught" in done.stdout


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM, signal.SIGKILL))
def test_stopping_leaves_the_checkout_as_it_was(tree, number):
    process = tree.start(_bug("hangs", "return 2 * x", "return 3 * x",
                              "pytest tests/test_code.py::test_ends"))  # fmt: skip
    copy = tree.root / "build" / "mutate" / "1" / "code_.py"
    until = time.monotonic() + 60
    while not (copy.exists() and "3 * x" in copy.read_text()):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert tree.files() == tree.before and "x/hangs" not in out
    if number != signal.SIGKILL:
        assert err == "mutate: stopped; the checkout is as it was\n"
    done = tree(GOOD)
    assert done.returncode == 0, "the next run puts its copies right: " + done.stdout + done.stderr
    left = subprocess.run(["pgrep", "-f", str(tree.root)], capture_output=True, text=True).stdout
    for pid in left.split():
        os.kill(int(pid), signal.SIGKILL)
    assert number == signal.SIGKILL or not left


def test_one_at_a_time(tree):
    lock = running.locked(tree.root / "build" / "mutate")
    done = tree(GOOD)
    os.close(lock)
    assert done.returncode == 2 and "another run uses" in done.stderr


def test_the_lists_of_this_tree_are_not_stale():
    """make check-all runs them; that each still fits the code is seen at once."""
    bugs = lists.read_lists(CHECKOUT / "tests" / "mutate")
    assert [message for bug in bugs if (message := lists.stale(bug, CHECKOUT))] == []
    assert len(bugs) >= 80
