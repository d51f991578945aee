"""Which code was measured: the commit, and a hash of each kernel's source without its comments."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from headroom_tools.base.text import without_paths

# What to keep (raw strings, strings, characters) comes first, so that a comment mark inside one
# is not taken for a comment. A ' between digits is no character literal.
_TOKENS = re.compile(
    r"""(?P<keep>R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)"
        |"(?:[^"\\\n]|\\.)*"
        |(?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)+')
        |//(?:[^\n\\]|\\.|\\\n)*
        |/\*.*?\*/""",
    re.S | re.X,
)


def without_comments(text: str) -> str:
    """C++ source without comments and blank lines, runs of blanks made one."""
    bare = _TOKENS.sub(lambda match: match["keep"] or " ", text)
    lines = (" ".join(line.split()) for line in bare.splitlines())
    return "\n".join(line for line in lines if line)


class _File(NamedTuple):
    """A source file without comments, and what it includes by a name in quotes."""

    bare: str
    includes: list[str]


@lru_cache(maxsize=None)
def _file(path: Path, changed_ns: int) -> _File:
    """`path`, read once for all kernels that include it. changed_ns: when it last changed."""
    text = path.read_text(encoding="utf-8", errors="replace")
    names = re.findall(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', text, re.MULTILINE)
    return _File(without_comments(text), names)


def _add(found: dict[Path, str], path: Path, kernels: Path) -> None:
    """Adds the bare source of `path`, and of what it includes from below `kernels` or beside it."""
    if path in found:
        return
    file = _file(path, path.stat().st_mtime_ns)
    found[path] = file.bare
    for name in file.includes:
        header = next((f / name for f in (kernels, path.parent) if (f / name).is_file()), None)
        if header is not None:
            _add(found, header, kernels)


def _add_of_group(found: dict[Path, str], path: Path, kernels: Path) -> None:
    """As `_add`, of headers in the kernel's own group alone: what records of version 1 cover."""
    file = _file(path, path.stat().st_mtime_ns)
    found[path] = file.bare
    group = path.parent.relative_to(kernels).as_posix()
    for name in file.includes:
        if name.startswith(f"{group}/") and name.endswith(".h"):
            _add_of_group(found, kernels / name, kernels)


def source_hash(path: Path, kernels: Path, version: int) -> str | None:
    """The first 16 hexadecimal digits of SHA-256 of a kernel's bare source, with the headers of
    ours that it includes; None if it can't be read.

    kernels: the folder of the groups. version: of the record that it is compared with.
    """
    found: dict[Path, str] = {}
    try:
        _add(found, path, kernels) if version > 1 else _add_of_group(found, path, kernels)
    except (OSError, ValueError, RecursionError):
        return None
    bare = found.values()
    return hashlib.sha256("\n".join(bare).encode()).hexdigest()[:16]


def _git(folder: Path, *arguments: str) -> tuple[str | None, str]:
    """(what git prints, or None where it fails; what it says of that)."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=20,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError:
        return None, "git is not installed"
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    told = done.stderr.decode("utf-8", "replace")
    return (done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None), told


def why_no_commit(folder: Path) -> str | None:
    """What keeps git from telling the commit of a checkout, and the cure; None where it tells, or
    where there is no repository. It names no place: it goes into records."""
    if not any((above / ".git").exists() for above in (folder, *folder.parents)):
        return None
    head, told = _git(folder, "rev-parse", "--verify", "HEAD")
    if head is not None:
        return None
    if "dubious ownership" in told or "safe.directory" in told:
        return (
            "git tells no commit, as this checkout belongs to another user; "
            'git config --global --add safe.directory "$PWD" in the checkout'
        )
    if told == "git is not installed":
        return "git, which tells the commit, is missing; install git"
    first = next((line for line in told.splitlines() if line.strip()), "it says nothing")
    first = re.sub(r"^(?:fatal|error): ", "", without_paths(first, 100)).replace(";", ",")
    return f"git tells no commit ({first}); `git status` in the checkout says why"


def commit(folder: Path) -> tuple[str | None, bool | None]:
    """(the commit's 40 digits, whether the tree differs from it); Nones outside a repository.

    Measured results are no part of the code: they don't make it dirty.
    """
    head = (_git(folder, "rev-parse", "--verify", "HEAD")[0] or "").strip()
    if not re.fullmatch(r"[0-9a-f]{40,64}", head):
        return None, None
    changes, _ = _git(folder, "status", "--porcelain", "--", ".", ":(exclude)results")
    return head, None if changes is None else bool(changes.strip())
