"""Output: JSON, and tables that are as readable in a pipe as on a terminal.

Text from records is only ever printed through `rich.text.Text`, never as markup. Tables are laid
out here, because all kernels share one set of columns, and a thousand rows must not take a second.
"""

from __future__ import annotations

import json
import sys

from rich.console import Console
from rich.text import Text

from headroom_tools.base.text import rounded, safe

WIDTH = 100
VERDICT_STYLE = {
    "faster": "bold green",
    "slower": "bold red",
    "equivalent": "cyan",
    "unresolved": "yellow",
}


def console(to_stderr: bool = False) -> Console:
    """A console that prints what it is given: no markup, no emoji, no guessing of highlights."""
    stream = sys.stderr if to_stderr else sys.stdout
    width = None if stream.isatty() else WIDTH
    return Console(file=stream, markup=False, emoji=False, highlight=False, width=width)


def print_json(tree: object, indent: int | None = 1) -> None:
    """One JSON document on stdout, numbers with five significant digits.

    indent: None where it can be long, which is several times as fast.
    """
    text = json.dumps(rounded(tree), ensure_ascii=False, allow_nan=False, indent=indent)
    sys.stdout.write(text + "\n")


class Table:
    """Rows with shared column widths, and headings between them.

    align: one character a column, `<` or `>`. A cell is a string or (string, style).
    """

    def __init__(self, align: str, indent: int = 2, limits: dict[int, int] | None = None):
        self._align = align
        self._indent = " " * indent
        self._limits = limits or {}
        self._rows: list = []
        self._widths = [0] * len(align)

    def row(self, *cells, style: str = "") -> None:
        """Adds a row."""
        kept = []
        for index, cell in enumerate(cells):
            text, own = cell if isinstance(cell, tuple) else (cell, "")
            text = safe(text, self._limits.get(index, 200))
            self._widths[index] = max(self._widths[index], len(text))
            kept.append((text, own or style))
        self._rows.append(kept)

    def heading(self, *parts) -> None:
        """Adds a line that spans the columns, made of strings or (string, style)."""
        self._rows.append(
            Text.assemble(
                *((safe(p[0], 500), p[1]) if isinstance(p, tuple) else safe(p, 500) for p in parts)
            )
            if parts
            else Text()
        )

    def print(self, to: Console) -> None:
        """Prints all of it; a stream without colours gets one plain block."""
        plain = not to.is_terminal
        block = []
        for row in self._rows:
            line = row if isinstance(row, Text) else self._line(row, plain)
            block.append(line.plain.rstrip() if plain and isinstance(line, Text) else line)
        if plain:
            to.file.write("".join(f"{line}\n" for line in block))
        else:
            for line in block:
                to.print(line, soft_wrap=True)

    def _line(self, row: list, plain: bool):
        parts = []
        for (text, style), width, align in zip(row, self._widths, self._align):
            if width:
                parts.append((text.rjust(width) if align == ">" else text.ljust(width), style))
        if plain:
            return (self._indent + "  ".join(text for text, _ in parts)).rstrip()
        line = Text(self._indent)
        for index, (text, style) in enumerate(parts):
            line.append("  " if index else "")
            line.append(text, style=style)
        line.rstrip()
        return line


def bar(share: float, width: int = 10) -> str:
    """A bar of `share` (0 to 1) of `width` characters, to an eighth of one, never quite empty."""
    if not 0 <= share:
        return ""
    eighths = max(1, round(min(1.0, share) * width * 8))
    full, rest = divmod(eighths, 8)
    return "█" * full + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[rest]


def title(to: Console, text: str, note: str = "") -> None:
    """Prints a section's title, and a remark on it."""
    line = Text.assemble((safe(text), "bold"), (f"  {safe(note)}" if note else "", "dim"))
    to.print(line, soft_wrap=True)


def paragraph(to: Console, text: str, style: str = "", indent: int = 2) -> None:
    """Prints text wrapped to the width, later lines indented."""
    words, line, width = safe(text, 2000).split(), "", min(to.width, WIDTH)
    lead = " " * indent
    for word in words:
        if line and len(lead) + len(line) + 1 + len(word) > width:
            to.print(Text(lead + line, style=style), soft_wrap=True)
            line, lead = "", " " * (indent + 2)
        line = f"{line} {word}" if line else word
    if line:
        to.print(Text(lead + line, style=style), soft_wrap=True)
