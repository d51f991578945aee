"""Bugs, as the lists (*.bugs) here have them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

# Of each kind of test, what has to be built for it. Of Catch2's that is the program that has it.
TARGETS = {
    "catch2": ["headroom-tests"],
    "bench": ["headroom-bench-tests"],
    "pytest": ["headroom-bench", "headroom-bench-faulty"],
}
CXX_SUFFIXES = (".cpp", ".h")


class Failure(Exception):
    """One line for the user; `status` is the exit status."""

    def __init__(self, message: str, status: int = 1):
        super().__init__(message)
        self.status = status


class Test(NamedTuple):
    kind: str  # of TARGETS
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Bug:
    name: str  # <list>/<bug>
    why: str
    file: str
    old: str
    new: str
    test: Test
    where: str  # file:line of the list, for messages

    @property
    def in_cxx(self) -> bool:
        return self.file.endswith(CXX_SUFFIXES)


@dataclass
class _Block:
    """A bug as far as it has been read."""

    where: str
    values: dict[str, str] = field(default_factory=dict)
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)


def read_list(path: Path, folder: Path) -> list[Bug]:
    """folder: of all lists; what the list is called is its path below it."""
    bugs: list[Bug] = []
    own = path.relative_to(folder)
    block: _Block | None = None

    def finish() -> None:
        if block is None:
            return
        kinds = [kind for kind in TARGETS if kind in block.values]
        for word in ("why", "file"):
            if word not in block.values:
                raise Failure(f"{block.where}: the bug has no line `{word}`")
        if not block.old:
            raise Failure(f"{block.where}: the bug has no line `- OLD`")
        if len(kinds) != 1:
            words = ", ".join(f"`{kind}`" for kind in TARGETS)
            raise Failure(f"{block.where}: say one test, in a line of these: {words}")
        name = f"{own.with_suffix('').as_posix()}/{block.values['bug']}"
        if any(other.name == name for other in bugs):
            raise Failure(f"{block.where}: there is a bug {name} already")
        bugs.append(
            Bug(
                name=name,
                why=block.values["why"],
                file=block.values["file"],
                old="\n".join(block.old),
                new="\n".join(block.new),
                test=Test(kinds[0], block.values[kinds[0]]),
                where=block.where,
            )
        )

    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        where = f"{own.as_posix()}:{number}"
        if not line.strip() or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        if word == "bug":
            finish()
            block = _Block(where)
            if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rest):
                raise Failure(f"{where}: bug {rest!r}: a name is small letters, digits and -")
        if block is None:
            raise Failure(f"{where}: a bug begins with `bug NAME`")
        if word == "-":
            block.old.append(rest)
        elif word == "+":
            block.new.append(rest)
        elif word in ("bug", "why", "file", *TARGETS):
            if word in block.values:
                raise Failure(f"{where}: a second line `{word}`")
            if not rest.strip():
                raise Failure(f"{where}: `{word}` says nothing")
            block.values[word] = rest.strip()
        else:
            raise Failure(f"{where}: {word!r} begins no line of a list (README.md has the format)")
    finish()
    return bugs


def read_lists(folder: Path) -> list[Bug]:
    paths = sorted(folder.rglob("*.bugs"))
    if not paths:
        raise Failure(f"no list (*.bugs) in {folder}", 2)
    return [bug for path in paths for bug in read_list(path, folder)]


def mutated(bug: Bug, text: str) -> str:
    return text.replace(bug.old, bug.new)


def stale(bug: Bug, root: Path) -> str | None:
    """Why the bug can't be put into the tree, if so."""
    path = root / bug.file
    if not path.is_file():
        return f"{bug.where}: {bug.name}: there is no {bug.file}"
    text = path.read_text(encoding="utf-8")
    found = text.count(bug.old)
    if found != 1:
        return f"{bug.where}: {bug.name} is stale: OLD occurs {found} times in {bug.file}, not once"
    if bug.old == bug.new:
        return f"{bug.where}: {bug.name}: NEW is OLD"
    if bug.file.endswith(".py"):
        try:
            compile(mutated(bug, text), bug.file, "exec")
        except SyntaxError as error:
            return f"{bug.where}: {bug.name} does not compile: {error.msg}"
    if bug.test.kind != "pytest" and not bug.in_cxx:
        return f"{bug.where}: {bug.name}: a Catch2 test can't see {bug.file}"
    if bug.test.kind == "pytest" and not (root / bug.test.name.partition("::")[0]).is_file():
        return f"{bug.where}: {bug.name}: there is no {bug.test.name.partition('::')[0]}"
    return None
