"""The trees as SVG: in a page, by its classes and with links; or a file of its own."""

from __future__ import annotations

import textwrap
from html import escape
from typing import Callable, Sequence

from headroom_tools.guide.techniques import BY_KEY
from headroom_tools.guide.trees import TREES, Branch, Step, Tree

WIDTH = 980
_MARGIN = 10
_GAP = 20  # between the columns
_COLUMN = (WIDTH - 2 * _MARGIN - _GAP) // 2
_ASKED = 262  # the width of a question
_ARROW = 44  # from a question to its techniques
_LEAF = _COLUMN - _ASKED - _ARROW
_LINE = 17
_PAD = 9
_DOWN = 26  # from a question to the next
_FIRST = 470  # the width of a question above the fork

# Of a file: it has a background of its own, so that it is legible wherever it is shown.
_STYLE = """\
.tree { --ink: #1b1b1b; --paper: #ffffff; --soft: #eef2f7; --way: #7c8694; --leaf: #dcefe6;
  --edge: #00633f; --dim: #4b5159; background: var(--paper); }
@media (prefers-color-scheme: dark) { .tree { --ink: #ececec; --paper: #16181c; --soft: #262b33;
  --way: #8a93a0; --leaf: #143527; --edge: #5fd3a2; --dim: #b4bac3; } }
"""
# Of both.
RULES = """\
.tree text { font: 14px system-ui, sans-serif; fill: var(--ink); }
.tree .how { font-size: 13px; fill: var(--dim); font-weight: bold; }
.tree .back { fill: var(--paper); stroke: none; }
.tree .asked { fill: var(--soft); stroke: var(--way); stroke-width: 1; }
.tree .leaf { fill: var(--leaf); stroke: var(--edge); stroke-width: 1; }
.tree .way { fill: none; stroke: var(--way); stroke-width: 1.5; }
.tree .tip { fill: var(--way); stroke: none; }
"""

# A key as a link's target; None for none.
Link = Callable[[str], str]


def name_of(key: str) -> str:
    """What a leaf's key is called."""
    kind, _, tree = key.partition(":")
    if kind == "tree":
        return next(one.title for one in TREES if one.key == tree)
    return BY_KEY[key].title


class _Drawn:
    """The picture while it is made."""

    def __init__(self, link: Link | None):
        self.parts: list[str] = []
        self.link = link

    def _lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, int(width / 7.7))

    def height(self, lines: int) -> int:
        return lines * _LINE + 2 * _PAD

    def box(self, x: float, y: float, width: float, height: float, css: str) -> None:
        size = f'width="{width:g}" height="{height:g}"'
        self.parts.append(f'<rect class="{css}" x="{x:g}" y="{y:g}" {size} rx="6"/>')

    def text(self, x: float, y: float, text: str, css: str = "") -> None:
        named = f' class="{css}"' if css else ""
        self.parts.append(f'<text{named} x="{x:g}" y="{y:g}">{escape(text)}</text>')

    def way(self, points: Sequence[tuple[float, float]]) -> None:
        """A line with a tip at its end, which it reaches down or to the right."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.parts.append(f'<polyline class="way" points="{path}"/>')
        (x, y), (_, before) = points[-1], points[-2]
        tip = [(x, y), (x - 8, y - 4), (x - 8, y + 4)]
        if before != y:
            tip = [(x, y), (x - 4, y - 8), (x + 4, y - 8)]
        corners = " ".join(f"{a:g},{b:g}" for a, b in tip)
        self.parts.append(f'<polygon class="tip" points="{corners}"/>')

    def question(self, step: Step, x: float, y: float, width: int) -> float:
        """A question's box; its height."""
        lines = self._lines(f"{step.number}. {step.question}", width - 2 * _PAD)
        height = self.height(len(lines))
        self.box(x, y, width, height, "asked")
        for at, line in enumerate(lines):
            self.text(x + _PAD, y + _PAD + 13 + at * _LINE, line)
        return height

    def leaf(self, keys: Sequence[str], x: float, y: float, width: int) -> float:
        """Techniques' box, a line for each at least; its height."""
        told = [(key, self._named(key, keys, width)) for key in keys]
        height = self.height(sum(len(lines) for _, lines in told))
        self.box(x, y, width, height, "leaf")
        at = y + _PAD + 13
        for key, lines in told:
            if self.link:
                self.parts.append(f'<a href="{escape(self.link(key))}">')
            for line in lines:
                self.text(x + _PAD + 13 * line.startswith(" "), at, line.strip())
                at += _LINE
            if self.link:
                self.parts.append("</a>")
        return height

    def _named(self, key: str, keys: Sequence[str], width: int) -> list[str]:
        """A technique's lines: one of several has a dot, and its other lines an indent."""
        if len(keys) == 1:
            return self._lines(name_of(key), width - 2 * _PAD)
        first, *rest = self._lines(name_of(key), width - 2 * _PAD - 14)
        return [f"\N{BULLET} {first}", *(f" {line}" for line in rest)]

    def leaf_height(self, keys: Sequence[str], width: int) -> int:
        return self.height(sum(len(self._named(key, keys, width)) for key in keys))

    def step(self, step: Step, x: float, y: float, asked: int, leaf: int) -> float:
        """A question with its techniques beside it; the height of both."""
        height = self.question(step, x, y, asked)
        middle = y + height / 2
        beside = self.leaf_height(step.yes, leaf)
        top = max(y, middle - beside / 2)
        self.leaf(step.yes, x + asked + _ARROW, top, leaf)
        self.way([(x + asked, middle), (x + asked + _ARROW, middle)])
        self.text(x + asked + 8, middle - 5, "yes", "how")
        return max(height, top + beside - y)

    def branch(self, branch: Branch, x: float, y: float) -> float:
        """Questions below each other; where they end."""
        for step in branch.steps:
            height = self.step(step, x, y, _ASKED, _LEAF)
            asked = self.height(
                len(self._lines(f"{step.number}. {step.question}", _ASKED - 2 * _PAD))
            )
            below = y + height + _DOWN
            self.way([(x + 24, y + asked), (x + 24, below)])
            self.text(x + 32, below - 9, "no", "how")
            y = below
        return y + self.leaf(branch.otherwise, x, y, _ASKED)


def described(tree: Tree) -> str:
    """The picture's text alternative."""
    count = sum(1 for _ in tree.steps)
    return (
        f"A decision tree, {tree.title.lower()}: {count} questions, each with a yes that leads to "
        "techniques and a no that leads to the next. The table below says the same."
    )


def drawn(tree: Tree, link: Link | None = None, alone: bool = False) -> str:
    """A tree's picture. alone: a file with its own style."""
    out = _Drawn(link)
    left, right = _MARGIN, _MARGIN + _COLUMN + _GAP
    y: float = _MARGIN
    for step in tree.first:
        height = out.step(step, left, y, _FIRST, WIDTH - 2 * _MARGIN - _FIRST - _ARROW)
        asked = out.height(1)
        out.way([(left + 24, y + asked), (left + 24, y + height + _DOWN)])
        out.text(left + 32, y + height + _DOWN - 9, "no", "how")
        y += height + _DOWN
    height = out.question(tree.fork, left, y, _FIRST)
    below = y + height + _DOWN
    middle = y + height / 2
    out.way([(left + 24, y + height), (left + 24, below)])
    out.text(left + 32, below - 9, "yes", "how")
    out.way([(left + _FIRST, middle), (right + 24, middle), (right + 24, below)])
    out.text(right + 32, below - 9, "no", "how")
    end = max(out.branch(tree.yes, left, below), out.branch(tree.no, right, below)) + _MARGIN
    about = escape(described(tree))
    head = f'<svg class="tree" viewBox="0 0 {WIDTH} {end:g}" role="img" aria-label="{about}"'
    if not alone:
        return head + ">" + "".join(out.parts) + "</svg>"
    head += f' xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{end:g}">'
    back = f'<rect class="back" width="{WIDTH}" height="{end:g}"/>'
    parts = [head, f"<style>\n{_STYLE}{RULES}</style>", back, *out.parts, "</svg>"]
    return "\n".join(parts) + "\n"
