"""`ab`: sides that differ in one thing, and that wrong usage is one line."""

from __future__ import annotations

import shutil

import pytest
from conftest import CHECKOUT
from made_ab import catalogue

from headroom_tools.ab import sides
from headroom_tools.base.errors import HeadroomError


@pytest.mark.parametrize(
    ("base", "new", "cure"),
    [
        ("smid:AVX2", None, "there are rev:REV or REV, preset:, cxx:"),
        ("simd:AVX2", None, "name a second simd: as NEW"),
        ("simd:", "simd:AVX2", "simd: takes a SIMD target"),
        ("rev:HEAD", "simd:AVX2", "name two of one kind"),
        ("preset:fastest", "preset:release", "there are release, native, clang"),
        ("cxx:no-such-compiler", "cxx:c++", "name one that is on PATH"),
        ("link:a;b", "link:", "link: takes letters"),
        ("HEAD", "", "'': names nothing; rev: takes a git revision"),
        ("env:2X=1", "env:2X=2", "env: takes NAME=VALUE"),
        ("env:A=1", "env:B=1", "name two values of one"),
        ("env:HEADROOM_PAD=1", "env:HEADROOM_PAD=2", "choose another variable"),
        ("build:/nonexistent", "build:/nonexistent", "a folder that CMake built"),
        ("rev:--exec=x", None, "no git revision begins with -"),
    ],
)
def test_what_is_no_side_is_one_line_with_the_cure(tmp_path, monkeypatch, base, new, cure):
    monkeypatch.setenv("HEADROOM_ROOT", str(tmp_path))
    shutil.copy(CHECKOUT / "CMakePresets.json", tmp_path)
    with pytest.raises(HeadroomError) as error:
        sides.read(base, new)
    assert cure in str(error.value) and "\n" not in str(error.value)
    assert error.value.status == 2


def test_sides_are_read():
    base, new = sides.read("HEAD~1", None)
    assert (base.kind, base.value, new.kind, new.value) == ("rev", "HEAD~1", "rev", "worktree")
    assert sides.read("rev:v1.0", "main")[0].value == "v1.0"
    assert sides.read("env:A=x:y=z", "env:A")[0].variable == ("A", "x:y=z")
    assert sides.read("env:A=", "env:A")[1].variable == ("A", None)
    assert sides.read("link:", "link:2")[1].value == "2"
    assert sides.read("flags:", "flags:-O2 -g")[1].value == "-O2 -g"


def test_what_both_share_can_not_be_what_differs(headroom):
    for words in (
        ("simd:AVX2", "simd:SSE4", "--simd-target", "AVX2"),
        ("scratch:a", "scratch:b", "--scratch", "c"),
    ):
        done = headroom("ab", *words)
        assert done.returncode == 2 and "leave it out" in done.stderr
        assert done.stderr.count("\n") == 1
    assert headroom.starts() == []


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (("simd:AVX2",), "name a second simd: as NEW"),
        (("env:A=1", "env:B=1"), "name two values of one"),
        (("env:A=1", "env:A=2", "--publish", "x"), "sides name what is this machine's own"),
        (("simd:AVX2", "simd:SSE4", "--simd-target", "SSE4"), "leave it out"),
        (("simd:AVX2", "simd:SSE4"), None),
    ],
)
def test_sides_are_checked_without_a_program(headroom, words, cure):
    """As `make ab` does before it builds one."""
    done = headroom("ab", "--check", *words, HEADROOM_BENCH="/nonexistent")
    assert done.returncode == (2 if cure else 0), done.stderr
    assert done.stdout == "" and (cure in done.stderr if cure else done.stderr == "")


def test_a_target_that_the_program_lacks_is_refused_before_a_build(headroom):
    done = headroom("ab", "--check", "simd:AVX2", "simd:FOO")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "simd:FOO: not supported here; there are AVX2, SSE4" in done.stderr
    assert headroom("ab", "--check", "simd:AVX2", "simd:SSE4").returncode == 0


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ((), "say what with: BASE"),
        (("simd:AVX2", "simd:NEON"), "not supported here; there are AVX2, SSE4"),
        (("simd:AVX2", "simd:SSE4", "--pairs", "7"), "an even number, 6 or more"),
        (("simd:AVX2", "simd:SSE4", "--filter", "^no/such$"), "matches no kernel"),
        (("simd:AVX2", "simd:SSE4", "--filter", "("), "not a regular expression"),
        (("HEAD~1",), "is no git repository"),
        (("simd:AVX2", "--show", "latest"), "leave out BASE"),
        (("--show", "latest", "--pairs", "8"), "leave out --pairs"),
        (("--show", "latest"), "holds 0 comparisons"),
    ],
)
def test_wrong_usage_is_one_line(headroom, words, cure):
    done = headroom("ab", *words)
    assert done.returncode == 2 and cure in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("kind", "fact", "allowed"),
    [
        ("rev", "compiler", False), ("rev", "flags", True), ("rev", "build_type", False),
        ("cxx", "compiler", True), ("cxx", "build_type", False),
        ("preset", "flags", True), ("preset", "benchmark_library_debug", False),
        ("flags", "flags", True), ("flags", "compiler", False),
        ("link", "flags", False), ("link", "compiler", False),
        ("simd", "flags", False), ("env", "compiler", False), ("build", "compiler", True),
    ],
)  # fmt: skip
def test_what_was_not_asked_for_is_refused(kind, fact, allowed):
    base, new = catalogue(), catalogue(**{fact: "another"})
    assert sides.differences(kind, base, base) == []
    if allowed:
        (note,) = sides.differences(kind, base, new)
        assert "another" in note
        return
    with pytest.raises(HeadroomError, match=f"more than {kind}: .*another") as error:
        sides.differences(kind, base, new)
    assert error.value.status == 1


def test_a_library_of_another_version_is_refused_and_one_that_is_lacking_is_not():
    base, new = catalogue(), catalogue()
    new["libraries"] = {"tbb": "2"}
    assert sides.differences("cxx", base, new) == []
    new["libraries"] = {"absl": "2"}
    with pytest.raises(HeadroomError, match="library absl: 1 -> 2"):
        sides.differences("cxx", base, new)
