"""What the Markdown documents name exists: commands, flags, make's targets and variables, files,
variants."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest
from conftest import CHECKOUT

from headroom_tools.cite import markers
from headroom_tools.cli import main as cli

_FENCE = re.compile(r"^ {0,3}(```+)[^\n]*\n(.*?)^ {0,3}\1[ ]*$", re.S | re.M)
_INDENTED = re.compile(r"^ {4}(\S[^\n]*)$", re.M)
_SPAN = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
_FILLED = re.compile(r"<!-- headroom:.*?<!-- /headroom -->", re.S)
_KERNEL_PAGES = ("kernels/*/README.md", "kernels/algorithm/*.md")


@lru_cache(maxsize=None)
def _tracked() -> tuple[str, ...]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, check=True, capture_output=True
    ).stdout.decode()
    return tuple(name for name in listed.split("\0") if name)


def _documents() -> list[Path]:
    return [CHECKOUT / name for name in _tracked() if name.endswith(".md")]


def _code(text: str) -> list[str]:
    """What a document has as code: its spans, and the lines of its blocks."""
    text = _FILLED.sub("", text)
    blocks = [line for _, block in _FENCE.findall(text) for line in block.split("\n")]
    rest = _FENCE.sub("", text)
    return blocks + _INDENTED.findall(rest) + [" ".join(s.split()) for s in _SPAN.findall(rest)]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:  # an apostrophe: prose, or half of a line
        return line.split()


@lru_cache(maxsize=None)
def _options() -> dict[str, set[str]]:
    """The options of each command."""
    parser = cli._parser()
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {
        name: {option for action in own._actions for option in action.option_strings}
        for name, own in commands.choices.items()
    }


def _wrong_command(line: str) -> list[str]:
    """Of a line that calls `headroom`: a command or flags that it has not."""
    words = _words(line)
    at = next((i for i, w in enumerate(words) if re.fullmatch(r"(\S*tools/)?headroom", w)), None)
    if at is None or at + 1 >= len(words) or at > 0 and "/" not in words[at]:
        return []
    command, *rest = words[at + 1 :]
    if command in ("COMMAND", "--help", "..."):
        return []
    if command not in _options():
        return [command]
    flags = [word.split("=")[0] for word in rest if word.startswith("--") and word != "--"]
    return [flag for flag in flags if flag not in _options()[command]]


@lru_cache(maxsize=None)
def _makefile() -> tuple[set[str], set[str]]:
    """(targets, variables that it reads or sets)."""
    text = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    phony = " ".join(re.findall(r"^\.PHONY: (.*)$", text, re.M))
    variables = re.findall(r"\$\(value (\w+)\)|^(\w+) [?:]?=|\$\$?[({](\w+)[)}]", text, re.M)
    exported = " ".join(re.findall(r"^(?:un)?export ([A-Z_ ]+)$", text, re.M)).split()
    return set(phony.split()), {name for one in variables for name in one if name} | set(exported)


def _wrong_make(line: str) -> list[str]:
    """Of a line that calls make: targets and variables that the Makefile has not."""
    words = _words(line)
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words.pop(0)
    if not words or words[0] != "make":
        return []
    targets, variables = _makefile()
    wrong = []
    skip = False
    for word in words[1:]:
        if skip or word in ("-C", "&&", ";", "|"):
            skip = word == "-C"
            if word in ("&&", ";", "|"):
                break
        elif name := re.match(r"([A-Za-z_]+)=", word):
            wrong += [] if name[1] in variables else [word]
        elif re.fullmatch(r"[a-z][a-z0-9-]*", word) and word not in targets:
            wrong.append(word)
    return wrong


_PATH = re.compile(r"(?:kernels|bench|tools|tests|cmake|results)/[\w./-]+")
_FILE = re.compile(r"[\w-]+(?:-inl)?\.(?:cpp|h|py|bugs|json|cmake)")
# Made by a run, or, compare.py, a program of Google Benchmark.
_MADE = {"run.json", "machine.json", "ab.json", "raw.json", "compare.py"}


def _missing_files(document: Path, code: list[str]) -> list[str]:
    tracked = set(_tracked())
    names = {Path(name).name for name in tracked}
    folders = {str(parent) for name in tracked for parent in Path(name).parents}
    missing = []
    for text in code:
        if _PATH.fullmatch(text) and not text.startswith("results/"):
            path = text.rstrip("/")
            beside = (document.parent / path).relative_to(CHECKOUT).as_posix()
            found = path in tracked | folders or beside in tracked | folders
            found = found or any(name.startswith(f"{path}.") for name in tracked)
            missing += [] if found else [text]
        elif _FILE.fullmatch(text) and text not in names | _MADE:
            missing.append(text)
    return missing


@lru_cache(maxsize=None)
def _names_of_group(group: str) -> tuple[set[str], set[str]]:
    """(its variants, every word of its sources and of what all kernels share)."""
    variants: set[str] = set()
    words: set[str] = set()
    for name in _tracked():
        own = name.startswith(f"kernels/{group}/")
        if not name.endswith((".cpp", ".h")) or not name.startswith("kernels/"):
            continue
        if own or name.startswith(("kernels/core/", "kernels/support/")):
            text = (CHECKOUT / name).read_text(encoding="utf-8")
            words |= set(re.findall(r"\w+", text))
        if own:
            variants |= set(re.findall(r'\.name = "([\w.]+)"', text))
    return variants, words


def _unknown_names(document: Path, text: str) -> list[str]:
    """Of a page about kernels: names with a `_` that its group's sources don't have, and names
    that begin an entry of a list of techniques and are no variants."""
    variants, words = _names_of_group(document.parent.name)
    kernels = {Path(name).stem for name in _tracked() if name.startswith("kernels/")}
    text = _FENCE.sub("", _FILLED.sub("", text))
    known = words | kernels | _words_outside()
    name = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")
    unknown = sorted(s for s in set(_SPAN.findall(text)) if name.fullmatch(s) and s not in known)
    if document.parent.name == "algorithm":
        heads = re.findall(r"^- ((?:\*\*[a-z0-9_]+\*\*(?:, )?)+)", text, re.M)
        named = [name for head in heads for name in re.findall(r"\*\*(\w+)\*\*", head)]
        unknown += [name for name in named if name not in variants | {"batched"}]
    return unknown


@lru_cache(maxsize=None)
def _words_outside() -> set[str]:
    """Words of the sources that are no kernels: programs, tools, and what their lists declare."""
    found: set[str] = set()
    for name in _tracked():
        if name.startswith(("bench/", "cmake/", "tools/")) and not name.endswith((".md", ".json")):
            text = (CHECKOUT / name).read_text(encoding="utf-8", errors="replace")
            found |= set(re.findall(r"\w+", text))
    return found | {Path(name).stem for name in _tracked() if name.startswith("tests/")}


def _wrong(check) -> dict[str, list[str]]:
    found = {}
    for document in _documents():
        wrong = check(document, document.read_text(encoding="utf-8"))
        if wrong:
            found[document.relative_to(CHECKOUT).as_posix()] = wrong
    return found


def test_headrooms_commands_and_flags_exist():
    def check(_, text):
        return [wrong for line in _code(text) for wrong in _wrong_command(line)]

    assert not _wrong(check)


def test_makes_targets_and_variables_exist():
    assert not _wrong(lambda _, text: [w for line in _code(text) for w in _wrong_make(line)])


def test_files_exist():
    assert not _wrong(lambda document, text: _missing_files(document, _code(text)))


@pytest.mark.parametrize(
    "folder", ("bench", "kernels/core", "kernels/support", "tests/bench", "tests/mutate", "tests")
)
def test_a_folders_readme_names_its_files(folder):
    """A pair of a .h and a .cpp is named by either; of tests/ `*_test.cpp` is one entry."""
    text = (CHECKOUT / folder / "README.md").read_text(encoding="utf-8")
    files = [Path(name) for name in _tracked() if Path(name).parent.as_posix() == folder]
    stems = {file.stem for file in files if file.suffix in (".h", ".cpp", ".py")}
    if folder == "tests":
        stems = {stem for stem in stems if not stem.endswith("_test")}
    assert stems
    assert not {stem for stem in stems if not re.search(rf"\b{re.escape(stem)}\b", text)}


def test_pages_about_kernels_name_what_is_there():
    pages = {page for glob in _KERNEL_PAGES for page in CHECKOUT.glob(glob)}
    assert len(pages) > 20
    assert not _wrong(lambda page, text: _unknown_names(page, text) if page in pages else [])


@pytest.mark.parametrize("name", (*markers.INLINE, *markers.BLOCKS))
def test_what_can_be_cited_is_documented(name):
    text = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"\| marker \| what is filled in \|\n.*?\n\n", text, re.S)
    assert re.search(rf"`[^`]*\b{name}\b[^`]*`", table)
    parser = cli._parser()
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    assert re.search(rf"\b{name}\b", commands.choices["cite"].description)


@pytest.mark.parametrize(
    ("line", "wrong"),
    (
        ("tools/headroom show latest --baseline x", []),
        ("tools/headroom show latest --basline x", ["--basline"]),
        ("../headroom/tools/headroom cite README.md --results m --check   # in CI", []),
        ("headroom shew latest", ["shew"]),
        ("headroom COMMAND --help", []),
        ("git clone headroom --flag", []),
    ),
)
def test_a_wrong_command_is_found(line, wrong):
    assert _wrong_command(line) == wrong


@pytest.mark.parametrize(
    ("line", "wrong"),
    (
        ("make bench LABEL=x FILTER='^simd/'", []),
        ("make -C ../headroom bench RESULTS=$PWD/m", []),
        ("HEADROOM_LONG=1 make test", []),
        ("make bensch", ["bensch"]),
        ("make bench LABLE=x", ["LABLE=x"]),
        ("make PRESET=debug && gdb --args x", []),
    ),
)
def test_a_wrong_call_of_make_is_found(line, wrong):
    assert _wrong_make(line) == wrong


def test_a_missing_file_is_found():
    document = CHECKOUT / "README.md"
    code = ["kernels/simd/sum.cpp", "kernels/simd/", "tests/check-all", "kernel.h", "run.json"]
    assert not _missing_files(document, code)
    assert _missing_files(document, ["kernels/simd/sun.cpp", "kernal.h"]) == [
        "kernels/simd/sun.cpp",
        "kernal.h",
    ]


def test_an_unknown_variant_is_found():
    page = CHECKOUT / "kernels/algorithm/sort.md"
    known = "- **radix** and `simd_quicksort`; `hash_find_hit`\n"
    assert not _unknown_names(page, known)
    assert _unknown_names(page, "- **radiks** and `simd_quiksort`\n") == ["simd_quiksort", "radiks"]
