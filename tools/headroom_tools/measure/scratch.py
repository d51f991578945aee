"""Scratch folders: one for each launch, removed however the launch ends; stale ones swept."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path
from typing import Iterator

from headroom_tools.base import paths, processes
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import size

_NAME = re.compile(r"headroom-(\d{1,10})-(\d{1,20})-.*")


def prepare(folder: Path) -> None:
    """Makes `folder`, proves that files can be written there, and sweeps what dead runs left."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".headroom-{os.getpid()}.probe"
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
        sweep(folder)
    except OSError as error:
        raise HeadroomError(
            f"{paths.shown(folder)}: no scratch folder: {error.strerror}; "
            "name a writable one with --scratch"
        ) from None


def sweep(folder: Path) -> None:
    """Removes what launches of dead runs left in `folder`. OSError where it can't be read."""
    for entry in list(os.scandir(folder)):
        match = _NAME.fullmatch(entry.name)
        if not match or not entry.is_dir(follow_symlinks=False):
            continue
        if processes.started(int(match[1])) != int(match[2]):
            shutil.rmtree(entry.path, ignore_errors=True)


def lacks_space(folder: Path, needed: int) -> str | None:
    """Why `needed` bytes (and 64 MiB to spare) don't fit into `folder`; None where they do."""
    free = shutil.disk_usage(folder).free
    if needed <= 0 or free >= needed + (64 << 20):
        return None
    return f"needs {size(needed)} in the scratch folder and 64 MiB to spare, {size(free)} are free"


@contextlib.contextmanager
def for_launch(folder: Path, label: str) -> Iterator[Path]:
    """A new folder below `folder` for one launch; it and all in it is removed at the end."""
    own = folder / f"headroom-{os.getpid()}-{processes.started(os.getpid())}-{label}"
    try:
        own.mkdir(parents=True)
    except OSError as error:
        raise HeadroomError(
            f"{paths.shown(folder)}: no folder can be made there: {error.strerror}; "
            "name a writable one with --scratch"
        ) from None
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
