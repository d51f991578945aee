"""Where things lie: checkout, benchmark program, unfinished runs, results; what RUN names."""

from __future__ import annotations

import os
import re
from pathlib import Path

from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe

NAME = r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}"
_REFERENCE = re.compile(rf"@({NAME})(?:/({NAME}))?")


def root() -> Path:
    """The checkout. HEADROOM_ROOT overrides it (tests)."""
    override = os.environ.get("HEADROOM_ROOT")
    return Path(override).absolute() if override else Path(__file__).resolve().parents[3]


def bench_folder() -> Path:
    """Where the benchmark programs of this build lie; HEADROOM_BENCH, one of them, overrides it."""
    override = os.environ.get("HEADROOM_BENCH")
    preset = os.environ.get("HEADROOM_PRESET", "release")
    return Path(override).absolute().parent if override else root() / "build" / preset / "bench"


def bench() -> Path:
    """The benchmark program; HEADROOM_BENCH overrides it. HeadroomError where there is none."""
    override = os.environ.get("HEADROOM_BENCH")
    path = Path(override) if override else bench_folder() / "headroom-bench"
    if not path.is_file():
        raise HeadroomError(f"no benchmark program at {shown(path)}: build it with `make`")
    if not os.access(path, os.X_OK):
        raise HeadroomError(f"{shown(path)} may not be executed: build it anew with `make`")
    return path.absolute()


def bench_of(build: str) -> Path:
    """The benchmark program of another build: of a preset, or in a folder."""
    folders = [root() / "build" / build, Path(build)]
    for folder in folders:
        for path in (folder / "bench" / "headroom-bench", folder):
            if path.is_file() and os.access(path, os.X_OK):
                return path.absolute()
    raise HeadroomError(f"{safe(build)}: no preset that is built, and no folder with a build")


def runs() -> Path:
    """Where unfinished runs live, and smoke runs stay."""
    return root() / "build" / "runs"


def selfchecks() -> Path:
    """Where the samples of self-checks are kept."""
    return root() / "build" / "selfcheck"


def ab_builds() -> Path:
    """Where `ab` builds the revisions and configurations that it compares."""
    return root() / "build" / "ab"


def ab_runs() -> Path:
    """Where the comparisons of `ab` are kept."""
    return root() / "build" / "ab-runs"


_results: Path | None = None


def use_results(folder: Path) -> None:
    """From here on results() is `folder`: the records of another repository."""
    global _results
    if not folder.is_dir():
        raise HeadroomError(f"{shown(folder)}: no such folder of results")
    _results = folder.absolute()


def results_are_own() -> bool:
    """Whether results() is the checkout's, whose records are of the kernels beside it."""
    return _results is None


def results() -> Path:
    """Where finished runs are kept."""
    return _results or root() / "results"


def scratch() -> Path:
    """The default scratch folder."""
    return root() / "build" / "scratch"


def shown(path: Path) -> str:
    """`path` as it is printed: relative to the working folder where that is shorter."""
    relative = os.path.relpath(path)
    return safe(relative if not relative.startswith("..") else os.path.abspath(path), 500)


def complete_runs(folder: Path, file: str = "run.json") -> list[Path]:
    """The folders RESULTS/<machine>/<UTC>-<commit>-<label> that hold `file`, newest first."""
    try:
        found = [path.parent for path in folder.glob(f"*/*/{file}")]
    except OSError as error:
        raise HeadroomError(f"{shown(folder)}: cannot be read: {error.strerror}") from None
    return sorted(found, key=lambda path: (path.name, str(path)), reverse=True)


def reference_of(word: str) -> tuple[str, str | None] | None:
    """What @MACHINE, @MACHINE/RUN-NAME or @MACHINE/LABEL names; None where `word` is none."""
    match = _REFERENCE.fullmatch(word)
    return (match[1], match[2]) if match else None


def runs_of(machine: str, run: str | None, file: str = "run.json") -> list[Path]:
    """The runs of results/MACHINE, newest first; of `run`, a run's name or else a label, only its.

    file: which kind of record: each of them holds it.

    HeadroomError where there is none.
    """
    folder = results() / machine
    every = complete_runs(results(), file)
    found = [path for path in every if path.parent.name == machine]
    if run:
        exact = [path for path in found if path.name == run]
        found = exact or [path for path in found if path.name.split("-", 2)[-1] == run]
    if not found:
        have = sorted({path.parent.name for path in every})
        told = f"its machines are {', '.join(map(safe, have[:8]))}" if have else "it holds no run"
        if run and folder.is_dir():
            told = f"see {shown(folder)}"
        asked = f"@{machine}/{run}" if run else f"@{machine}"
        raise HeadroomError(f"{asked}: no such record in {shown(results())}; {told}")
    return found


def find_run(argument: str, folder: Path | None = None) -> Path:
    """The folder that RUN names: itself, `latest` or `latest~N` of the results folder, or the
    newest run of @MACHINE or @MACHINE/LABEL."""
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
    if argument.startswith("@"):
        reference = reference_of(argument)
        if not reference:
            raise HeadroomError(f"{safe(argument, 100)}: is no @MACHINE or @MACHINE/LABEL")
        return runs_of(*reference)[0]
    path = Path(argument)
    if path.name == "run.json" and path.is_file():
        path = path.parent
    if not path.is_dir():
        raise HeadroomError(
            f"{safe(argument)}: no such run folder (or use latest, latest~1, @MACHINE/LABEL)"
        )
    if not (path / "run.json").is_file():
        if (path / "ab.json").is_file():
            raise HeadroomError(f"{shown(path)}: a comparison: `headroom ab --show` prints it")
        if (path / "state.json").is_file():
            raise HeadroomError(
                f"{shown(path)}: this run is unfinished: go on with `headroom run --resume`"
            )
        raise HeadroomError(f"{shown(path)}: holds no run.json: name a folder below results/")
    return path
