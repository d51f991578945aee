"""Documents whose markers are filled, or held against the records."""

from __future__ import annotations

import difflib
import os
import stat
from pathlib import Path
from typing import NamedTuple

from headroom_tools.base import files, paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe
from headroom_tools.cite.figures import UNBACKED, figure_of
from headroom_tools.cite.markers import Marker, found_in, request_of
from headroom_tools.cite.records import Records, Unbacked

LIMIT = 16 << 20  # bytes of a document


class Cited(NamedTuple):
    """A marker and what the records say. expected: None where they, or the marker, say nothing."""

    file: str
    line: int
    marker: str
    found: str
    expected: str | None
    error: str | None
    warnings: list[str]
    runs: list[str]

    @property
    def status(self) -> str:
        """`right`, `wrong` (another text), `no record`, or `error`."""
        if self.expected is None:
            return "error"
        if self.error:
            return "no record"
        return "right" if self.found == self.expected else "wrong"


class Document(NamedTuple):
    """A document as it is, and as the records have it."""

    path: Path
    old: str
    new: str
    cited: list[Cited]
    in_code: int  # markers that are only talked about


def _read(path: Path) -> str:
    shown = paths.shown(path)
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise HeadroomError(f"{shown}: no regular file: name Markdown files")
        if status.st_size > LIMIT:
            raise HeadroomError(f"{shown}: larger than 16 MiB: no document")
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise HeadroomError(f"{shown}: is not UTF-8: name Markdown files") from None
    except OSError as error:
        raise HeadroomError(f"{shown}: cannot be read: {error.strerror}") from None


def _cited(text: str, marker: Marker, path: Path, records: Records) -> Cited:
    shown = paths.shown(path)
    found = text[marker.begin : marker.end]
    base = Cited(shown, marker.line, " ".join(marker.body.split()), found, None, None, [], [])
    try:
        figure = figure_of(request_of(marker.body), records, path)
    except Unbacked as error:
        return base._replace(expected=UNBACKED, error=str(error))
    except HeadroomError as error:
        return base._replace(error=str(error))
    warnings, gone = [], []
    for loaded, kernels in figure.used:
        for drift in records.drift(loaded, kernels):
            if drift.gone:
                gone.append(f"{drift.kernel}: no file in kernels/ registers this kernel any more")
            else:
                since = f"since {loaded.title}"
                warnings.append(f"{drift.kernel}: its source has changed {since}")
    before = text[text.rfind("\n", 0, text.rfind("<!--", 0, marker.begin)) + 1 : marker.begin]
    if "\n" not in figure.text and before.lstrip().startswith("<!--"):
        warnings.append("begins its line, and Markdown takes it for a block: put a word before it")
    runs = list(dict.fromkeys(loaded.name for loaded, _ in figure.used))
    expected = figure.text.replace("\n", "\r\n") if "\r\n" in text else figure.text
    return base._replace(
        expected=expected, error=gone[0] if gone else None, runs=runs,
        warnings=list(dict.fromkeys(warnings)),
    )  # fmt: skip


def read(path: Path, records: Records) -> Document:
    """A document with its markers filled. Nothing is written."""
    text = _read(path)
    cited, parts, at = [], [], 0
    found = found_in(text, paths.shown(path))
    for marker in found.markers:
        one = _cited(text, marker, path, records)
        cited.append(one)
        parts += [text[at : marker.begin], one.found if one.expected is None else one.expected]
        at = marker.end
    return Document(path, text, "".join(parts) + text[at:], cited, found.in_code)


def write(document: Document) -> bool:
    """Writes a document that changed; whether it did."""
    if document.new == document.old:
        return False
    mode = stat.S_IMODE(os.stat(document.path).st_mode)
    target = document.path.resolve()  # a link stays one
    files.write_atomic(target, document.new)
    os.chmod(target, mode)
    return True


def problems(document: Document, check: bool, strict: bool) -> tuple[list[str], list[str]]:
    """(errors, warnings), one line each, that name file and line."""
    errors: list[str] = []
    warnings: list[str] = []
    for one in document.cited:
        where = f"{one.file}:{one.line}: "
        if one.error:
            errors.append(where + one.error)
        elif check and one.status == "wrong":
            errors.append(where + _difference(one))
        (errors if strict else warnings).extend(where + line for line in one.warnings)
    return errors, warnings


def _difference(one: Cited) -> str:
    told, wanted = (" ".join(text.split()) for text in (one.found, one.expected or ""))
    run = ", ".join(one.runs)
    if len(told) + len(wanted) > 160:
        return f"`{safe(one.marker, 80)}` is not what {run} says; fill it with `headroom cite`"
    for word in ("unresolved", "equivalent", "withheld"):
        if f"({word}" in wanted and word not in told or wanted.startswith(word):
            return f"is {word} in {run}, and not marked so: `{safe(told, 60)}` is `{wanted}`"
    return f"`{safe(told, 60)}` is `{wanted}` in {run}"


def diff(document: Document) -> str:
    """From what a document says to what the records say, as a unified diff."""
    shown = paths.shown(document.path)
    lines = difflib.unified_diff(
        document.old.splitlines(), document.new.splitlines(), shown, f"{shown} (records)",
        lineterm="",
    )  # fmt: skip
    return "".join(f"{safe(line, 1000)}\n" for line in lines)
