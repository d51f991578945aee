"""Which code was measured: the commit, and a hash of each kernel's source without its comments."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

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


def _with_headers(path: Path, kernels: Path) -> list[str]:
    """The bare source in `path` and in the headers that it includes from its own group's folder."""
    text = path.read_text(encoding="utf-8", errors="replace")
    group = path.parent.relative_to(kernels).as_posix()
    found = [without_comments(text)]
    for name in re.findall(rf'^#include "({re.escape(group)}/[^"]+\.h)"', text, re.MULTILINE):
        found += _with_headers(kernels / name, kernels)
    return found


def source_hash(path: Path, kernels: Path) -> str | None:
    """The first 16 hexadecimal digits of SHA-256 of a kernel's bare source, with the headers that it
    has in its group's folder; None if it can't be read. `kernels` is the folder of the groups."""
    try:
        bare = _with_headers(path, kernels)
    except (OSError, ValueError, RecursionError):
        return None
    return hashlib.sha256("\n".join(bare).encode()).hexdigest()[:16]


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def commit(folder: Path) -> tuple[str | None, bool | None]:
    """(the commit's 40 digits, whether the tree differs from it); Nones outside a repository.

    Measured results are no part of the code: they don't make it dirty.
    """
    head = (_git(folder, "rev-parse", "--verify", "HEAD") or "").strip()
    if not re.fullmatch(r"[0-9a-f]{40,64}", head):
        return None, None
    changes = _git(folder, "status", "--porcelain", "--", ".", ":(exclude)results")
    return head, None if changes is None else bool(changes.strip())
