"""The Markdown documents: links resolve, tables have whole rows, the glossary is complete."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest
from conftest import CHECKOUT

_FENCE = re.compile(r"^ {0,3}(```+|~~~+).*?^ {0,3}\1[`~]*[ ]*$", re.S | re.M)
_CODE = re.compile(r"(?<!`)(`+)(?!`)(?:(?!\n\n).)+?(?<!`)\1(?!`)", re.S)
_LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]*)>?[^)]*\)")
_REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s.*)?$", re.M)
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$", re.M)
_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*")

_TERMS = """
kernel, variant, role, baseline, standard, rung, ladder, cell, input, params, epoch, round, launch,
pass, pilot, run, machine, configuration, probe, axis, ceiling, headroom, promise, measure, alone,
build cost, fixture, side, pair, placebo, noise floor, served kernel, closed loop, open loop,
intended arrival time, coordinated omission, practical band, detected, faster, slower, equivalent,
unresolved, withheld
"""


def _documents() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", "*.md"], cwd=CHECKOUT, check=True, capture_output=True
    ).stdout.decode()
    return [CHECKOUT / name for name in listed.split("\0") if name]


def _anchors(document: Path) -> set[str]:
    """What a link into the document may name: its headings, as GitHub turns them into anchors."""
    headings = _HEADING.findall(_FENCE.sub("", document.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def _broken_links(document: Path) -> list[str]:
    text = _CODE.sub("", _FENCE.sub("", document.read_text(encoding="utf-8")))
    broken = []
    for link in _LINK.findall(text) + _REFERENCE.findall(text):
        if re.match(r"[a-z][a-z0-9+.-]*:", link, re.I):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = document.parent / path if path else document
        if not link or path.startswith("/") or not target.exists():
            broken.append(link)
        elif anchor and (target.suffix != ".md" or anchor not in _anchors(target)):
            broken.append(link)
    return broken


def _ragged_rows(document: Path) -> list[str]:
    """Rows of tables that have more or fewer cells than their table's head."""
    lines = _FENCE.sub("", document.read_text(encoding="utf-8")).split("\n")
    rows = [line.strip().removeprefix("|").removesuffix("|") for line in lines]
    cells = [len(re.findall(r"(?<!\\)\|", row)) + 1 for row in rows]
    ragged = []
    for i in range(1, len(lines)):
        if not ("|" in lines[i] and _RULE.fullmatch(lines[i])):
            continue
        at = i - 1
        while at < len(lines) and lines[at].strip():
            if "|" in lines[at] and cells[at] != cells[i]:
                ragged.append(lines[at])
            at += 1
    return ragged


def test_every_relative_link_resolves():
    documents = _documents()
    assert CHECKOUT / "README.md" in documents
    broken = {str(file.relative_to(CHECKOUT)): _broken_links(file) for file in documents}
    assert not {name: links for name, links in broken.items() if links}


def test_every_row_of_a_table_has_as_many_cells_as_its_head():
    ragged = {str(file.relative_to(CHECKOUT)): _ragged_rows(file) for file in _documents()}
    assert not {name: rows for name, rows in ragged.items() if rows}


def test_the_glossary_defines_every_term_once():
    text = (CHECKOUT / "GLOSSARY.md").read_text(encoding="utf-8")
    heads = [line.split("|")[1] for line in text.split("\n") if line.startswith("| **")]
    defined = [term for head in heads for term in re.findall(r"\*\*(.+?)\*\*", head)]
    assert len(defined) == len(set(defined))
    missing = {term.strip() for term in _TERMS.replace("\n", " ").split(",")} - set(defined)
    assert not missing


@pytest.mark.parametrize(
    "name",
    (
        "README.md",
        "CONTRIBUTING.md",
        "bench/README.md",
        "kernels/README.md",
        "kernels/core/README.md",
        "tests/README.md",
        "tools/README.md",
    ),
)
def test_the_glossary_is_linked(name):
    document = CHECKOUT / name
    links = _LINK.findall(document.read_text(encoding="utf-8"))
    assert CHECKOUT / "GLOSSARY.md" in {(document.parent / link).resolve() for link in links}


@pytest.mark.parametrize(
    "link, broken",
    (
        ("other.md", False),
        ("other.md#a-head-line", False),
        ("#here", False),
        ("folder/", False),
        ("https://example.org/no.md", False),
        ("no.md", True),
        ("/other.md", True),
        ("", True),
        ("other.md#no", True),
        ("#no", True),
    ),
)
def test_a_broken_link_is_found(tmp_path, link, broken):
    (tmp_path / "folder").mkdir()
    (tmp_path / "other.md").write_text("## A `head` line\n")
    document = tmp_path / "document.md"
    document.write_text(f"# Here\n[text]({link}), but `[code](no.md)`\n```\n[code](no.md)\n```\n")
    assert _broken_links(document) == ([link] if broken else [])


@pytest.mark.parametrize(
    "row, ragged",
    (
        ("| 1 | 2 |", False),
        (r"| 1 \| 1 | 2 |", False),
        ("| 1 ||", False),
        ("| 1 |", True),
        ("| 1 | 2 | 3 |", True),
    ),
)
def test_a_ragged_row_is_found(tmp_path, row, ragged):
    document = tmp_path / "document.md"
    document.write_text(f"Text\n\n| a | b |\n| --- | ---: |\n{row}\n\nno | table\n")
    assert _ragged_rows(document) == ([row] if ragged else [])
