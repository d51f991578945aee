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
# What hides a marker that is only talked about: code between backticks, and fences.
_TOKEN = re.compile(
    rf"(?P<fence>^[ ]{{0,3}}(?P<mark>```+|~~~+)[^\n]*$)|(?P<code>(?<!`)(?P<ticks>`+)(?!`))"
    rf"|(?P<open>{_OPEN.pattern})|(?P<close>{_CLOSE.pattern})",
    re.S | re.M,
)
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


def markers_of(text: str, shown: str) -> list[Marker]:
    """The markers of a document. HeadroomError (status 1) where one is not closed."""
    found: list[Marker] = []
    at = 0
    while True:
        token = _TOKEN.search(text, at)
        if token is None:
            return found
        at = token.end()
        line = text.count("\n", 0, token.start()) + 1
        if token["fence"]:
            end = re.compile(rf"^[ ]{{0,3}}{token['mark']}[`~]*[ ]*$", re.M).search(text, at)
            at = end.end() if end else len(text)
        elif token["code"]:
            end = re.compile(rf"(?<!`){token['ticks']}(?!`)").search(text, at)
            blank = text.find("\n\n", at)
            if end and (blank < 0 or end.start() < blank):
                at = end.end()
        elif token["close"]:
            raise HeadroomError(f"{shown}:{line}: <!-- /headroom --> closes no marker", 1)
        else:
            close = _CLOSE.search(text, at)
            again = _OPEN.search(text, at)
            if close is None or (again and again.start() < close.start()):
                raise HeadroomError(
                    f"{shown}:{line}: this marker is not closed: <!-- /headroom --> is missing", 1
                )
            found.append(Marker(token["body"], line, at, close.start()))
            at = close.end()
