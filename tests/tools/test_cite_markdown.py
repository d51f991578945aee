"""Where the markers of a document are found, and that none is passed over in silence."""

from __future__ import annotations

import pytest

from headroom_tools.base.errors import HeadroomError
from headroom_tools.cite.markers import found_in

MARK = "<!-- headroom: x -->1<!-- /headroom -->"


def _seen(text):
    found = found_in(text, "doc.md")
    for marker in found.markers:
        assert text[marker.begin : marker.end] == "1"
    return len(found.markers), found.in_code


# Each with a marker after it, and the number of markers in its code.
CODE = {
    "a fence": (f"```\n{MARK}\n```\n", 1),
    "a fence with words": (f"``` html x\n{MARK}\n```\n", 1),
    "closed by a longer one": (f"```\n{MARK}\n`````\n", 1),
    "closed with blanks": (f"```\n{MARK}\n```  \n", 1),
    "closed with a tab": (f"```\n{MARK}\n```\t\n", 1),
    "tildes": (f"~~~ ```\n{MARK}\n```\n~~~\n", 1),
    "a shorter one within": (f"````\n```\n{MARK}\n````\n", 1),
    "in a list": (f"- item\n\n  ```\n  {MARK}\n  ```\n", 1),
    "deep in a list": (f"1. one\n   - two\n\n     ```\n     {MARK}\n     ```\n", 1),
    "beginning an item": (f"- ```\n  {MARK}\n  ```\n", 1),
    "ended by its item's end": (f"- ```\n  {MARK}\n", 1),
    "in a quotation": (f"> ```\n> {MARK}\n> ```\n", 1),
    "ended by its quotation's end": (f"> ```\n> {MARK}\n\n", 1),
    "in a line": (f"Write `{MARK}`, or `` <!-- headroom: x --> `` and\n", 2),
    "over two lines": ("Write `<!-- headroom: x -->\n1<!-- /headroom -->` so.\n", 1),
    "beginning a line with three": ("```a``` is code\n", 0),
    "beginning an item with three": ("- ```a``` is code\n", 0),
    "lone": ("A lone ` here.\n\nAnd ` there.\n\n", 0),
    "lone before a fence": (f"A lone ` here\n```\n{MARK}\n```\n", 1),
    "indented": ("Text:\n\n    a ``` b\n\n    ~~~\n\n", 0),
    "indented at once after a fence": ("```\n```\n    ```\n", 0),
    "no fence, being in a paragraph": ("Text\n    ```\nmore\n\n", 0),
    "none": ("", 0),
}


@pytest.mark.parametrize("name", CODE)
@pytest.mark.parametrize("line_end", ("\n", "\r\n"))
@pytest.mark.parametrize("after", ("It is {}.\n", "- it is {}\n", "> it is {}", "{}", "*{}*"))
def test_code_hides_its_own_markers_and_no_other(name, line_end, after):
    code, in_code = CODE[name]
    text = (code + after.format(MARK) + "\n").replace("\n", line_end)
    assert _seen(text) == (1, in_code)


@pytest.mark.parametrize(
    "text",
    (
        f"```a``` and {MARK}\n",
        f"- item\n\n      more of it? no, code\n\n- {MARK}\n",
        f"1. one\n\n   {MARK}\n",
        f"- one\n  - two\n\n    {MARK}\n",
        f"paragraph\n    {MARK}\n",
        f"| a ` b | {MARK} |\n",
        f"x {MARK} ```\ny\n",
    ),
)
def test_markers_in_text_are_seen(text):
    assert _seen(text) == (1, 0)
    assert _seen(text.replace("\n", "\r\n")) == (1, 0)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    (
        (f"a\n\n```\nb\n{MARK}\n", 3, "is not closed, and hides a marker"),
        (f"a\n```\nb\n   ~~~\n{MARK}\n", 2, "is not closed"),
        (f"a\n```\nb\n``` x\n{MARK}\n", 2, "is not closed"),
        (f"a\n\n    {MARK}\n", 3, "takes for code"),
        (f"a\n\n\t{MARK}\n", 3, "takes for code"),
        (f"a ` b {MARK} c ` d\n", 1, "between two backticks"),
        ("a <!-- headroom x -->1<!-- /headroom -->\n", 1, "looks like a marker"),
        ("a <!--- headroom: x -->1<!-- /headroom -->\n", 1, "looks like a marker"),
        ("a <!-- Headroom: x -->1<!-- /Headroom -->\n", 1, "looks like a marker"),
        ("a\n<!-- headroom: x\n", 2, "looks like a marker"),
        ("a <!-- /headroom: -->\n", 1, "looks like a marker"),
        (f"{MARK} <!-- /headroom -->\n", 1, "closes no marker"),
        (f"<!-- headroom: y --> {MARK}\n", 1, "is not closed"),
    ),
)
def test_what_would_be_passed_over_fails(text, line, why):
    for ends in ("\n", "\r\n"):
        with pytest.raises(HeadroomError) as error:
            found_in(text.replace("\n", ends), "doc.md")
        assert f"doc.md:{line}: " in str(error.value) and why in str(error.value)
        assert error.value.status == 1


def test_the_command_says_how_many_it_saw(headroom):
    document = headroom.root / "doc.md"
    document.write_text("Nothing here.\n")
    assert "no marker in 1 file: nothing was checked" in headroom("cite", document).stdout
    document.write_text(f"```\n{MARK}\n```\n")
    told = headroom("cite", "--check", document).stdout
    assert "nothing was checked; not checked, as it is code: 1 marker" in told
