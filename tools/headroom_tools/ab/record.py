"""Comparisons on disk: build/ab-runs/<UTC>-<base>-<new>/ab.json, to be shown again, and those that
are published: results/<machine>/<UTC>-<commit>-<label>/ab.json."""

from __future__ import annotations

import os
import re
import shutil
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Sequence, cast

from headroom_tools.base import files, paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import rounded, safe
from headroom_tools.record import ab_file
from headroom_tools.record.ab_file import FILE
from headroom_tools.record.ab_types import Ab


def create(began: datetime, asked: Sequence[str]) -> Path:
    """Makes the folder of a new comparison."""
    words = [re.sub(r"[^A-Za-z0-9.]+", "-", word).strip("-.")[:24] or "none" for word in asked]
    while True:
        folder = paths.ab_runs() / f"{began:%Y%m%dT%H%M%SZ}-{'-'.join(words)}"
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            time.sleep(0.1)
            began = datetime.now(began.tzinfo)
        except OSError as error:
            raise HeadroomError(
                f"{paths.shown(folder)}: can't be made: {error.strerror}; free some space or make "
                "its folder yours"
            ) from None


def dumped(tree: Ab) -> str:
    """The text of a comparison, numbers with five significant digits."""
    return files.dump(rounded(cast(Any, tree)))


def find(name: str) -> Path:
    """The ab.json that `name` means: itself, its folder, `latest` or `latest~N`, or of those in
    results/ the newest of @MACHINE or @MACHINE/LABEL."""
    if name.startswith("@"):
        reference = paths.reference_of(name)
        if not reference:
            raise HeadroomError(f"{safe(name, 100)}: is no @MACHINE or @MACHINE/LABEL")
        return paths.runs_of(*reference, FILE)[0] / FILE
    match = re.fullmatch(r"latest(?:~(\d{1,6}))?", name)
    if match:
        found = sorted(paths.ab_runs().glob(f"*/{FILE}"), reverse=True)
        back = int(match[1] or 0)
        if back >= len(found):
            raise HeadroomError(
                f"{name}: {paths.shown(paths.ab_runs())} holds {len(found)} comparisons: "
                "`headroom ab BASE NEW` measures one"
            )
        return found[back]
    path = Path(name)
    path = path / FILE if path.is_dir() else path
    if not path.is_file():
        raise HeadroomError(
            f"{safe(name)}: no such comparison (or use latest, latest~1, @MACHINE/LABEL)"
        )
    return path


def publish(path: Path, label: str, machine: str | None, out: Path) -> Path:
    """Puts the comparison in `path` into the results folder `out`; returns its folder there.

    The folder is there as a whole or not at all, and one that is there already stays as it is.
    """
    tree = ab_file.published(ab_file.load(path), label, machine)
    parent = out / tree["machine"]["slug"]
    target = parent / tree["name"]
    if target.exists():
        raise HeadroomError(
            f"--publish: {paths.shown(target)}: is there already, and no record is overwritten"
        )
    hidden = parent / f".{tree['name']}.{os.getpid()}.tmp"
    try:
        hidden.mkdir(parents=True)
        files.write_atomic(hidden / FILE, files.dump(tree))
        os.rename(hidden, target)  # fails where a folder with a file is there meanwhile
        files.sync_folder(parent)
    except OSError as error:
        raise HeadroomError(
            f"--publish: {paths.shown(target)}: can't be written: {error.strerror}; the comparison "
            f"itself is kept in {paths.shown(path.parent)}"
        ) from None
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return target
