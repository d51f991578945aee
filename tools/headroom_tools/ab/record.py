"""Comparisons on disk: build/ab-runs/<UTC>-<base>-<new>/ab.json, to be shown again.

They stay on this machine: `results/` holds what a machine can do, a comparison is of one checkout's
builds, and its sides may name folders and variables of their owner's.
"""

from __future__ import annotations

import re
import time
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Sequence, cast

import fastjsonschema

from headroom_tools.ab.types import Ab
from headroom_tools.base import files, paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import rounded, safe
from headroom_tools.record import validate

VERSION = 1
FILE = "ab.json"
_CURE = "take the file as `headroom ab` wrote it"


@lru_cache(maxsize=None)
def _check() -> Callable[[object], object]:
    schema = Path(validate.__file__).resolve().parent / "schemas" / f"ab-{VERSION}.json"
    return cast(Callable[[object], object], fastjsonschema.compile(files.read_json(schema)))


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
    """The ab.json that `name` means: itself, its folder, `latest` or `latest~N`."""
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
        raise HeadroomError(f"{safe(name)}: no such comparison (or use latest, latest~1)")
    return path


def load(path: Path) -> Ab:
    """The comparison in `path`; HeadroomError for what is none."""
    tree = files.read_json(path)
    shown = paths.shown(path)
    try:
        _check()(tree)
    except fastjsonschema.JsonSchemaException as error:
        field = re.sub(r"^data\.?", "", str(error.name or "")) or "the whole file"
        raise validate.fail(
            shown, field, error.message.split(" ", 1)[-1], _CURE
        ) from None
    ab = cast(Ab, tree)
    validate.machine_tree(ab["machine"], shown)
    for index, cell in enumerate(ab["cells"]):
        if cell["kernel"] >= len(ab["kernels"]) or not (
            len(cell["base"]) == len(cell["new"]) == ab["done"]
        ):
            raise validate.fail(shown, f"cells[{index}]", "does not fit the rest", _CURE)
    return ab
