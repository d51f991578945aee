"""The benchmark programs of both sides: revisions checked out, configured and built as by `make`.

All of it lies below build/ab/: <commit>/ is a git worktree with its builds inside, worktree/ has
the builds of the checkout itself. Builds are kept, so that the next comparison compiles only what
has changed; of the commits the ones that were used last stay.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Callable, NamedTuple

from headroom_tools.ab.sides import WORKTREE, Side, presets
from headroom_tools.base import paths
from headroom_tools.base.errors import HeadroomError, expression_of
from headroom_tools.base.text import safe
from headroom_tools.record import source

# What CMake says of a build folder that was moved, or whose checkout was; it breaks its lines.
MOVED = re.compile(
    r"CMakeCache\.txt\s+directory\s.*\sis\s+different\s+than\s+the\s+directory"
    r"|does\s+not\s+match\s+the\s+source"
)
KEPT = 6  # commits whose builds are kept
TAIL = 12  # lines of a failed build that are shown
STOP_S = 10.0  # that a build has to end in when it is stopped
# What CMake takes from the environment when a build folder is made.
_INHERITED = ("CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "CMAKE_CXX_COMPILER_LAUNCHER")


class Recipe(NamedTuple):
    """What is built: commit (None: the checkout as it is), and how."""

    commit: str | None
    preset: str
    cxx: str | None
    flags: str | None
    link: str | None = None

    @property
    def folder(self) -> Path:
        """The build folder."""
        key = "".join(
            f"{name}={value}\n"
            for name, value in (
                ("cxx", self.cxx),
                ("flags", self.flags),
                ("link", self.link or None),
                *((name, os.environ.get(name)) for name in _INHERITED),
            )
            if value is not None
        )
        above = paths.ab_builds() / (self.commit or WORKTREE)
        if self.commit:
            above /= "build"
        if key:
            above /= hashlib.sha256(key.encode()).hexdigest()[:8]
        return above / self.preset  # by whose name a build calls itself (bench/CMakeLists.txt)

    @property
    def source(self) -> Path:
        """Where its source lies."""
        return paths.ab_builds() / self.commit if self.commit else paths.root()


def _git(*arguments: str) -> tuple[int, str, str]:
    """(exit status, output, last line of errors) of git in the checkout."""
    try:
        done = subprocess.run(
            ["git", "-C", str(paths.root()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise HeadroomError(f"git: cannot be run: {error.strerror}; revisions need it") from None
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return done.returncode, done.stdout.decode("utf-8", "replace"), lines[-1] if lines else ""


def _commit_of(side: Side) -> str | None:
    """The commit that a rev: side names, None for the worktree."""
    if side.value == WORKTREE:
        return None
    shown = safe(side.asked, 100)
    why = source.why_no_commit(paths.root())
    if why is not None:
        raise HeadroomError(f"{shown}: {why}")
    if _git("rev-parse", "--git-dir")[0] != 0:
        raise HeadroomError(
            f"{shown}: {paths.shown(paths.root())} is no git repository, so there are no revisions"
        )
    status, out, _ = _git("rev-parse", "--verify", "--quiet", side.value + "^{commit}")
    if status != 0:
        hint = "`git log --oneline` shows them"
        if side.value in presets():
            hint = f"did you mean preset:{side.value}?"
        raise HeadroomError(f"{shown}: no such git revision; {hint}")
    return out.strip()


def recipe(side: Side, preset: str) -> Recipe:
    """How a side is built whose kind is one of BUILT. preset: what both share."""
    return Recipe(
        _commit_of(side) if side.kind == "rev" else None,
        side.value if side.kind == "preset" else preset,
        side.value if side.kind == "cxx" else None,
        side.value if side.kind == "flags" else None,
        side.value if side.kind == "link" else None,
    )


def facts(made: Recipe) -> tuple[str | None, bool | None]:
    """(commit, whether there are changes that it doesn't have)."""
    return (made.commit, False) if made.commit else source.commit(paths.root())


def _check_out(commit: str) -> Path:
    """A git worktree of `commit`, made or found."""
    folder = paths.ab_builds() / commit
    if folder.is_dir():
        head, dirty = source.commit(folder)
        if head == commit and not dirty and (folder / ".git").is_file():
            os.utime(folder)
            return folder
        _remove(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Forced: `make clean` removes the folder, and git would still know of it.
    status, _, error = _git("worktree", "add", "--force", "--detach", str(folder), commit)
    if status != 0:
        raise HeadroomError(f"{commit[:12]}: cannot be checked out: {safe(error)}")
    return folder


def _remove(folder: Path) -> None:
    _git("worktree", "remove", "--force", str(folder))
    shutil.rmtree(folder, ignore_errors=True)


def sweep(needed: list[Recipe]) -> None:
    """Removes the builds of the commits that were used longest ago."""
    used = {made.commit for made in needed}
    found = [
        path
        for path in paths.ab_builds().glob("[0-9a-f]*")
        if re.fullmatch(r"[0-9a-f]{40,64}", path.name) and path.name not in used
    ]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    spare = max(0, KEPT - len(used - {None}))
    for path in found[spare:]:
        _remove(path)


def subset(made: list[Recipe], pattern: str | None) -> str:
    """What CMake's HEADROOM_KERNELS is told: the kernels that `pattern` can mean and the placebos,
    the same for all of `made`; empty for every kernel.

    A file may register several kernels: each text in quotes in it counts as a name.
    """
    if pattern is None:
        return ""
    expression = expression_of(pattern)
    found: set[str] = set()
    placebos: set[str] = set()
    for one in made:
        for path in (one.source / "kernels").glob("*/*.cpp"):
            group, stem = path.parent.name, path.stem
            if group in ("core", "support"):
                continue
            if f"{group}/{stem}".startswith("machine/placebo_"):
                placebos.add(f"{group}/{stem}")
            text = path.read_text(encoding="utf-8", errors="replace")
            named = {stem, *re.findall(r'"(?:[a-z0-9_]+/)?([a-z0-9_]+)"', text)}
            if any(expression.search(f"{group}/{name}") for name in named):
                found.add(f"{group}/{stem}")
    if not found:
        return ""
    names = "|".join(sorted(found | placebos))
    return f"^({names})$"


def _status(command: list[str], folder: Path, environment: dict[str, str], log: Path) -> int:
    """The exit status of a step. Where this program is stopped, so is all that the step started: by
    SIGINT, so that what is half written is removed and the next build is right."""
    with open(log, "wb") as stream:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise HeadroomError(f"{command[0]}: cannot be run: {error.strerror}") from None
        try:
            return process.wait()
        except BaseException:
            for number in (signal.SIGINT, signal.SIGKILL):
                try:
                    os.killpg(process.pid, number)
                    process.wait(STOP_S)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    pass
            raise


def _run(command: list[str], made: Recipe, log: Path, doing: str, asked: str) -> None:
    """Runs a step of a build; its last lines, and one clear one, where it fails."""
    environment = {
        **os.environ,
        "MAKEFLAGS": "--no-print-directory",  # not those of the make that runs this
    }
    if shutil.which("ninja"):
        environment.setdefault("CMAKE_GENERATOR", "Ninja")
    if _status(command, made.source, environment, log) == 0:
        return
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    if MOVED.search(" ".join(lines)):
        folder = paths.shown(log.parent)
        raise HeadroomError(
            f"{safe(asked, 60)} can't be {doing}: {folder} was made where the checkout lay before; "
            f"rm -r '{folder}', then it is built anew"
        )
    errors = [line for line in lines if re.search(r"\berror\b|Error", line)]
    wrong = errors[0] if errors else next((line for line in reversed(lines) if line.strip()), "")
    raise BuildError(
        f"{safe(asked, 60)} can't be {doing}: {safe(wrong.strip(), 200)}; all of it: "
        f"{paths.shown(log)}",
        [safe(line, 200) for line in _telling(lines)],
    )


class BuildError(HeadroomError):
    """A side that can't be built. lines: the last that the compiler said."""

    def __init__(self, message: str, lines: list[str]):
        super().__init__(message)
        self.lines = lines


def _telling(lines: list[str]) -> list[str]:
    """The lines from the first error on, else the last ones, without the builder's own."""
    own = re.compile(r"^\[\d+/\d+\]|^ninja: |^g?make(\[\d+\])?: |^FAILED: |^\s*$")
    first = next((at for at, line in enumerate(lines) if re.search(r"\berror\b", line)), None)
    if first is not None:
        return [line for line in lines[first:] if not own.match(line)][:TAIL]
    return [line for line in lines if not own.match(line)][-TAIL:]


def make(
    made: list[tuple[str, Recipe]], pattern: str | None, jobs: int, tell: Callable[[str], None]
) -> list[Path]:
    """Builds each of `made` (as it was asked for, what it is); returns their programs.

    pattern: the kernels that are wanted. tell: gets a line before each step that takes long.
    """
    recipes = [one for _, one in made]
    for _, one in made:
        if one.commit:
            _check_out(one.commit)
    sweep(recipes)
    only = subset(recipes, pattern)
    programs = []
    for asked, one in made:
        folder = one.folder
        folder.mkdir(parents=True, exist_ok=True)
        fresh = not (folder / "CMakeCache.txt").is_file()
        some = f" ({only.count('|') + 1} kernels)" if only else ""
        tell(f"building {safe(asked, 60)}{some}{', for the first time' if fresh else ''}")
        configure = ["cmake", "--preset", one.preset, "-B", str(folder), "-DHEADROOM_MORE_KERNELS=",
                     f"-DHEADROOM_KERNELS={only}"]  # fmt: skip
        if one.cxx:
            configure.append(f"-DCMAKE_CXX_COMPILER={one.cxx}")
        if one.flags is not None:
            configure.append(f"-DCMAKE_CXX_FLAGS={one.flags}")
        if one.link:
            configure.append(f"-DHEADROOM_LINK_ORDER={one.link}")
        _run(configure, one, folder / "ab-configure.log", "configured", asked)
        build = ["cmake", "--build", str(folder), "--parallel", str(jobs), "--target",
                 "headroom-bench"]  # fmt: skip
        _run(build, one, folder / "ab-build.log", "built", asked)
        program = folder / "bench" / "headroom-bench"
        if not program.is_file():
            raise HeadroomError(f"{safe(asked, 60)}: its build made no {paths.shown(program)}")
        programs.append(program)
    return programs
