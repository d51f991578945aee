"""Where the markers stand in a document, and what each asks for."""

from __future__ import annotations

import re
from typing import NamedTuple

from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.paths import NAME, reference_of
from headroom_tools.base.text import safe
from headroom_tools.record.types import Params

INLINE = {
    "speedup": "over the ladder's baseline, with its interval; says where it is not resolved, and, "
    "without `brief`, where the variants run alone differ by more than 10%",
    "alone": "the same, of the variants run alone: one launch of each, no interval",
    "over_standard": "over the ladder's standard rung, with its interval",
    "value": "what its ladder is judged by where that is not time, with its unit",
    "verdict": "faster, slower, equivalent or unresolved",
    "ns_per_item": "time per item",
    "time": "time per call",
    "rate": "bytes per second",
    "flops": "floating-point operations per second",
    "of_ceiling": "share of the ceiling reached",
    "probe": "a figure of machine/*, the best of its variants",
    "run": "the run that has it, as a link",
    "ab_ratio": "how many times as fast NEW is in a comparison of `headroom ab`",
}
BLOCKS = {
    "ladder": "whole ladders, as `show` prints them",
    "table": "whole ladders as a Markdown table",
    "best": "a GROUP's or kernels' best variants, as a Markdown table",
    "probes": "all figures of the machine, as `machine` prints them",
    "compare": "@BASE @NEW [axes] [KERNEL...]: axes, kernels, or both, as Markdown tables",
    "ab": "these KERNELs of a comparison of `headroom ab`, or all, as Markdown tables",
}
OPTIONS = {"brief": "without the interval", "axes": "of compare: only the axes"}

_OPEN = re.compile(r"<!--\s*headroom:(?P<body>.*?)-->", re.S)
_CLOSE = re.compile(r"<!--\s*/headroom\s*-->")
# What is in a line's text: code between backticks, markers, and what only looks like one.
_TOKEN = re.compile(
    rf"(?P<code>(?<!`)(?P<ticks>`+)(?!`))|(?P<open>{_OPEN.pattern})|(?P<close>{_CLOSE.pattern})"
    r"|(?P<like><!-+\s*/?\s*headroom\b)",
    re.S | re.I,
)
_LIKE = re.compile(r"<!-+\s*/?\s*headroom\b", re.I)
_PAIR = re.compile(r"<!--\s*headroom:.*?-->.*?<!--\s*/headroom\s*-->", re.S)
# A fence: of backticks, without another one in its line, or that is code within the line.
_FENCE = re.compile(r"(?P<mark>`{3,}(?=[^`]*$)|~{3,})")
_ITEM = re.compile(r"(?P<mark>[-+*]|\d{1,9}[.)])(?P<gap>[ \t]+)(?=\S)|(?:[-+*]|\d{1,9}[.)])[ \t]*$")
_END = re.compile(r"\r?\n[ \t>]*\r?(?:\n|$)|\r?\n[ \t>]*(?:```|~~~)")  # of a paragraph
_SUBJECT = re.compile(
    rf"(?P<group>[a-z0-9][a-z0-9_-]*)(?:/(?P<kernel>[a-z0-9][a-z0-9_-]*))?"
    rf"(?:/(?P<variant>(?!(?:n|input|threads):){NAME}))?"
    rf"(?:/n:(?P<n>\d{{1,15}}))?(?:/input:(?P<input>{NAME}))?(?:/threads:(?P<threads>\d{{1,6}}))?"
    r"(?P<params>(?:/(?!(?:n|input|threads):)[a-z][a-z0-9_]{0,30}:-?\d{1,15})*)"
)


class Subject(NamedTuple):
    """GROUP, KERNEL, LADDER or CELL: None for what isn't said."""

    text: str
    group: str
    kernel: str | None  # group/name
    variant: str | None
    n: int | None
    input: str | None
    threads: int | None
    params: Params  # those that are said


class Machine(NamedTuple):
    """@MACHINE, @MACHINE/RUN-NAME or @MACHINE/LABEL. run: the run's name, or its label."""

    name: str
    run: str | None

    def __str__(self) -> str:
        return f"@{self.name}" + (f"/{self.run}" if self.run else "")


class Request(NamedTuple):
    """What a marker asks for."""

    quantity: str
    subjects: list[Subject]
    machines: list[Machine]
    options: list[str]


class Marker(NamedTuple):
    """A marker in a document: its text lies at [begin, end)."""

    body: str
    line: int
    begin: int
    end: int


def _subject(word: str) -> Subject:
    match = _SUBJECT.fullmatch(word)
    if not match or any(
        match[name] for name in ("variant", "n", "input", "params")
    ) and not match["kernel"]:
        raise HeadroomError(
            f"{safe(word, 100)}: neither a quantity ({', '.join([*INLINE, *BLOCKS])}) nor "
            "GROUP/KERNEL[/VARIANT][/n:N][/input:NAME][/threads:T][/PARAM:VALUE...]", 1,
        )  # fmt: skip
    kernel = f"{match['group']}/{match['kernel']}" if match["kernel"] else None
    n, threads = (int(match[name]) if match[name] else None for name in ("n", "threads"))
    named = [part.partition(":") for part in match["params"].split("/")[1:]]
    params = {name: int(value) for name, _, value in named}
    return Subject(
        word, match["group"], kernel, match["variant"], n, match["input"], threads, params
    )


def request_of(body: str) -> Request:
    """What the text of a marker asks for. HeadroomError (status 1) for what can't be understood."""
    quantities, subjects, machines, options = [], [], [], []
    for word in body.split():
        if word.startswith("@"):
            reference = reference_of(word)
            if not reference:
                raise HeadroomError(f"{safe(word, 100)}: is no @MACHINE or @MACHINE/RUN-NAME", 1)
            machines.append(Machine(*reference))
        elif word in INLINE or word in BLOCKS:
            quantities.append(word)
        elif word in OPTIONS:
            options.append(word)
        else:
            subjects.append(_subject(word))
    if len(quantities) != 1:
        told = "two quantities" if quantities else "no quantity"
        known = ", ".join([*INLINE, *BLOCKS])
        raise HeadroomError(f"`{safe(body.strip(), 120)}` names {told}; there are {known}", 1)
    (quantity,) = quantities
    wanted = 2 if quantity == "compare" else 1
    if len(machines) != wanted:
        raise HeadroomError(
            f"{quantity} takes {'@BASE and @NEW' if wanted == 2 else 'one @MACHINE'}, each "
            "@MACHINE, @MACHINE/RUN-NAME or @MACHINE/LABEL of results/", 1,
        )  # fmt: skip
    if quantity in INLINE and len(subjects) != 1:
        raise HeadroomError(f"{quantity} takes one subject, not {len(subjects)}", 1)
    if quantity in ("ladder", "table", "best") and not subjects:
        raise HeadroomError(f"{quantity} takes a kernel: GROUP/KERNEL[/n:N]", 1)
    return Request(quantity, subjects, machines, options)


class Found(NamedTuple):
    """The markers of a document, and how many there are in code, where they are talked about."""

    markers: list[Marker]
    in_code: int


class _Line(NamedTuple):
    """How a line begins. indent: of its text, in columns, without the marks of quotations and list
    items. quoted: whether it stands in a quotation. item: the column at which a list item's text
    begins, where the line begins one. text: what is left."""

    indent: int
    quoted: bool
    item: int | None
    text: str


def _line_of(line: str) -> _Line:
    columns, quoted, item = 0, False, None
    while line:
        mark = _ITEM.match(line)
        if line[0] == " ":
            columns, line = columns + 1, line[1:]
        elif line[0] == "\t":
            columns, line = columns + 4 - columns % 4, line[1:]
        elif line[0] == ">":
            columns, quoted, line = 0, True, line[2:] if line[1:2] == " " else line[1:]
        elif mark and mark["mark"] and len(mark["gap"].expandtabs(4)) <= 4:
            columns += len(mark["mark"]) + len(mark["gap"])
            item, line = columns, line[mark.end() :]
        else:
            break
    return _Line(columns, quoted, item, line)


class _Scan:
    """Goes through a document, line by line where it is code and token by token elsewhere."""

    def __init__(self, text: str, shown: str):
        self._text, self._shown = text, shown
        self._items: list[int] = []  # the columns of the list items that are open
        self._blank = True  # whether the line before was
        self.markers: list[Marker] = []
        self.in_code = 0

    def _wrong(self, at: int, why: str) -> HeadroomError:
        line = self._text.count("\n", 0, at) + 1
        return HeadroomError(f"{self._shown}:{line}: {why}", 1)

    def _line_end(self, at: int) -> int:
        end = self._text.find("\n", at)
        return len(self._text) if end < 0 else end + 1

    def _talked(self, begin: int, end: int) -> None:
        self.in_code += len(re.findall(r"<!-+\s*headroom\b", self._text[begin:end], re.I))

    def _after_fence(self, at: int, mark: str, opened: _Line) -> int:
        """The end of the code block that begins with the line at `at`."""
        within = next((item for item in reversed(self._items) if item <= opened.indent), 0)
        begin = at = self._line_end(at)
        closing = re.compile(rf"{re.escape(mark)}{re.escape(mark[0])}*[ \t]*")
        while at < len(self._text):
            end = self._line_end(at)
            bare = self._text[at:end].rstrip("\r\n")
            line = _line_of(bare) if opened.quoted else _Line(*self._indent(bare))
            ended = line.quoted < opened.quoted or (line.text.strip() and line.indent < within)
            if ended:
                self._talked(begin, at)
                return at
            if closing.fullmatch(line.text) and line.indent < within + 4:
                self._talked(begin, at)
                return end
            at = end
        like = _LIKE.search(self._text, begin)
        if like:
            raise self._wrong(
                begin - 1, f"this code block is not closed, and hides a marker: {mark} is missing"
            )
        return at

    @staticmethod
    def _indent(line: str) -> tuple[int, bool, int | None, str]:
        """As `_line_of`, in code, where no mark is one."""
        text = line.lstrip(" \t")
        return len(line[: len(line) - len(text)].expandtabs(4)), False, None, text

    def _begins(self, at: int) -> int | None:
        """Where to go on, if the line at `at` begins or is code; None where it is text."""
        end = self._line_end(at)
        line = _line_of(self._text[at:end].rstrip("\r\n"))
        if not line.text.strip():
            self._blank = True
            return end
        fence = _FENCE.match(line.text)
        if line.item is not None:
            self._items = [item for item in self._items if item < line.item] + [line.item]
        elif self._blank or fence:
            self._items = [item for item in self._items if item <= line.indent]
        within = self._items[-1] if self._items else 0
        deep = line.indent - within >= 4
        if deep and self._blank:
            like = _LIKE.search(self._text, at, end)
            if like:
                raise self._wrong(
                    like.start(), "a marker in a line that Markdown takes for code, being indented "
                    "by four or more: indent it less, or put what is code between ``` and ```",
                )  # fmt: skip
            return end  # the next line is code too if it is as deep
        self._blank = False
        if fence and not deep:
            self._blank = True  # indented code may follow at once
            return self._after_fence(at, fence["mark"], line)
        return None

    def _after_code(self, token: re.Match[str]) -> int:
        """The end of code between backticks; that of the backticks where they are lone."""
        at = token.end()
        end = re.compile(rf"(?<!`){token['ticks']}(?!`)").search(self._text, at)
        over = _END.search(self._text, at)
        if end is None or (over and over.start() < end.start()):
            return at
        inside = self._text[at : end.start()].strip()
        pair = _PAIR.search(inside)
        if pair and (pair.start() or pair.end() < len(inside)):
            raise self._wrong(
                token.start(), "a marker with other text between two backticks, which make code of "
                "it: take them away, or put what is code between ``` and ```",
            )  # fmt: skip
        self._talked(at, end.start())
        return end.end()

    def _after_marker(self, token: re.Match[str]) -> int:
        close = _CLOSE.search(self._text, token.end())
        again = _OPEN.search(self._text, token.end())
        if close is None or (again and again.start() < close.start()):
            raise self._wrong(
                token.start(), "this marker is not closed: <!-- /headroom --> is missing"
            )
        line = self._text.count("\n", 0, token.start()) + 1
        self.markers.append(Marker(token["body"], line, token.end(), close.start()))
        return close.end()

    def run(self) -> Found:
        at, text = 0, self._text
        while at < len(text):
            if at == 0 or text[at - 1] == "\n":
                code_end = self._begins(at)
                if code_end is not None:
                    at = code_end
                    continue
            end = self._line_end(at)
            token = _TOKEN.search(text, at)
            if token is None or token.start() >= end:
                at = end
            elif token["code"]:
                at = self._after_code(token)
            elif _OPEN.match(token[0]):
                at = self._after_marker(token)
            elif token["close"] and _CLOSE.match(token[0]):
                raise self._wrong(token.start(), "<!-- /headroom --> closes no marker")
            else:
                raise self._wrong(
                    token.start(), "looks like a marker, and is none: write <!-- headroom: WHAT "
                    "@MACHINE --> and <!-- /headroom -->",
                )  # fmt: skip
        return Found(self.markers, self.in_code)


def found_in(text: str, shown: str) -> Found:
    """The markers of a document. HeadroomError (status 1) where one is not closed, and where text
    that looks like one would be passed over."""
    return _Scan(text, shown).run()


def markers_of(text: str, shown: str) -> list[Marker]:
    """`found_in`, without what is in code."""
    return found_in(text, shown).markers
