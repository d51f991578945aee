"""Where things lie: checkout, benchmark program, unfinished runs, results; what RUN names."""

from __future__ import annotations

import os
import re
from pathlib import Path

from headroom_tools.errors import HeadroomError
from headroom_tools.text import safe


def root() -> Path:
    """The checkout. HEADROOM_ROOT overrides it (tests)."""
    override = os.environ.get("HEADROOM_ROOT")
    return Path(override).absolute() if override else Path(__file__).resolve().parents[2]


def bench() -> Path:
    """The benchmark program; HEADROOM_BENCH overrides it. HeadroomError where there is none."""
    override = os.environ.get("HEADROOM_BENCH")
    preset = os.environ.get("HEADROOM_PRESET", "release")
    path = Path(override) if override else root() / "build" / preset / "bench" / "headroom-bench"
    if not path.is_file():
        raise HeadroomError(f"no benchmark program at {shown(path)}: build it with `make`")
    if not os.access(path, os.X_OK):
        raise HeadroomError(f"{shown(path)} may not be executed: build it anew with `make`")
    return path.absolute()


def runs() -> Path:
    """Where unfinished runs live, and smoke runs stay."""
    return root() / "build" / "runs"


def selfchecks() -> Path:
    """Where the samples of self-checks are kept."""
    return root() / "build" / "selfcheck"


def results() -> Path:
    """Where finished runs are kept."""
    return root() / "results"


def scratch() -> Path:
    """The default scratch folder."""
    return root() / "build" / "scratch"


def shown(path: Path) -> str:
    """`path` as it is printed: relative to the working folder where that is shorter."""
    relative = os.path.relpath(path)
    return safe(relative if not relative.startswith("..") else path, 500)


def complete_runs(folder: Path) -> list[Path]:
    """The folders RESULTS/<machine>/<UTC>-<commit>-<label> that hold a run.json, newest first."""
    try:
        found = [path.parent for path in folder.glob("*/*/run.json")]
    except OSError as error:
        raise HeadroomError(f"{shown(folder)}: cannot be read: {error.strerror}") from None
    return sorted(found, key=lambda path: (path.name, str(path)), reverse=True)


def find_run(argument: str, folder: Path | None = None) -> Path:
    """The folder that RUN names: itself, `latest` or `latest~N` of the results folder."""
    match = re.fullmatch(r"latest(?:~(\d{1,6}))?", argument)
    if match:
        folder = folder or results()
        found = complete_runs(folder)
        back = int(match.group(1) or 0)
        if back >= len(found):
            held = f"{len(found)} run{'s' if len(found) != 1 else ''}"
            raise HeadroomError(
                f"{argument}: {shown(folder)} holds {held}: `headroom run` measures one"
            )
        return found[back]
    path = Path(argument)
    if path.name == "run.json" and path.is_file():
        path = path.parent
    if not path.is_dir():
        raise HeadroomError(f"{safe(argument)}: no such run folder (or use latest, latest~1)")
    if not (path / "run.json").is_file():
        if (path / "state.json").is_file():
            raise HeadroomError(
                f"{shown(path)}: this run is unfinished: go on with `headroom run --resume`"
            )
        raise HeadroomError(f"{shown(path)}: holds no run.json: name a folder below results/")
    return path
