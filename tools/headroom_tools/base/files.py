"""Files that are either whole or absent: write, fsync, rename; and JSON read with a size bound."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any, NoReturn

from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe, size

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
SIZE_LIMIT = 64 << 20  # bytes
_LONE = re.compile("[\ud800-\udfff]")
# Python below 3.9.14 and 3.10.7 takes hours for a number of 10^7 digits; later ones refuse it.
_LONG_NUMBER = None if hasattr(sys, "get_int_max_str_digits") else re.compile(rb"\d{400}")


def sync_folder(folder: Path) -> None:
    """Makes renames in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, text: str | bytes) -> None:
    """Writes `text` to `path`, which afterwards holds all of it, or (on OSError) what it held."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as stream:
            stream.write(text if isinstance(text, bytes) else text.encode("utf-8"))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # write() alone doesn't say which file
        raise
    sync_folder(path.parent)


def dump(tree: object) -> str:
    """`tree` as unindented JSON; NaN and infinities are a ValueError.

    The bytes of a path that are no UTF-8 are escaped, as the lone surrogates that they are here.
    """
    text = json.dumps(tree, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return _LONE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return tree


def read_json(path: Path, limit: int = SIZE_LIMIT, containers: int | None = None) -> Any:
    """The JSON in `path`. Raises HeadroomError for what is unreadable, damaged or over `limit`.

    containers: how many lists and objects it may hold. Text of 1 MiB that is nothing but brackets
    takes 30 MiB when it is read, so that a bound on the bytes alone bounds no memory.
    """
    shown = safe(path)
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # asked before opening: a pipe would wait for ever
            raise HeadroomError(f"{shown}: no regular file")
        data = b""
        if status.st_size <= limit:
            with open(path, "rb") as stream:
                data = stream.read(limit + 1)
    except OSError as error:
        raise HeadroomError(f"{shown}: cannot be read: {error.strerror}") from None
    if max(status.st_size, len(data)) > limit:
        raise HeadroomError(f"{shown}: larger than {size(limit)}, which no record is", 1)
    if containers is not None and data.count(b"[") + data.count(b"{") > containers:
        raise HeadroomError(f"{shown}: holds over {containers:,} lists, which no record does", 1)
    if data.startswith(LFS_POINTER):
        raise HeadroomError(
            f"{shown}: a pointer of Git LFS, not the file itself: `git lfs pull` fetches it", 1
        )
    return parse_json(data, shown)


def parse_json(data: bytes, shown: str) -> Any:
    """The JSON in `data`, called `shown` in errors. Raises HeadroomError (status 1)."""
    try:
        if _LONG_NUMBER and _LONG_NUMBER.search(data):
            raise ValueError("a number is too long")
        return json.loads(
            data.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_no_duplicates
        )
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else safe(error, 120)
        raise HeadroomError(f"{shown}: damaged, not JSON as expected: {reason}", 1) from None
