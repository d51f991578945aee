"""The guide's texts: what stands in them for figures and for links."""

from __future__ import annotations

import re
from typing import Callable, Iterator, NamedTuple

_FIGURE = re.compile(r"\{([^{} ]+)(?: ([a-z_]+))?\}")
_KERNEL = re.compile(r"`([a-z]+/[a-z0-9_]+)`")
_PART = re.compile(r"[a-z][a-z0-9_]*:[a-z0-9_]+")


class Wanted(NamedTuple):
    """A cell that a text names: None for what it leaves out."""

    kernel: str
    variant: str
    n: int
    input: str | None
    threads: int | None
    params: dict[str, int]


def wanted(cell: str) -> Wanted:
    """`group/kernel/variant/n:N[/input:NAME][/threads:T][/PARAM:VALUE...]`."""
    group, kernel, variant, *rest = cell.split("/")
    assert all(_PART.fullmatch(part) for part in rest), cell
    said = dict(part.split(":") for part in rest)
    n, named, threads = said.pop("n"), said.pop("input", None), said.pop("threads", None)
    params = {name: int(value) for name, value in said.items()}
    return Wanted(
        f"{group}/{kernel}", variant, int(n), named, int(threads) if threads else None, params
    )


def figures_in(text: str) -> Iterator[tuple[str, str]]:
    """(cell, quantity) of each figure in a text."""
    for match in _FIGURE.finditer(text):
        yield match[1], match[2] or "speedup"


def kernels_in(text: str) -> list[str]:
    """The kernels that a text links."""
    return _KERNEL.findall(text)


def filled(
    text: str, figure: Callable[[str, str], str], link: Callable[[str], str]
) -> str:
    """A text with its figures (cell, quantity) and its links to kernels."""
    text = _FIGURE.sub(lambda match: figure(match[1], match[2] or "speedup"), text)
    return _KERNEL.sub(lambda match: link(match[1]), text)
