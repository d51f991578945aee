"""What a fingerprint is read from: small files of /proc and /sys, and what other programs print.

What can't be read is None, never an exception.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from headroom_tools.base.text import without_paths

SYS = Path("/sys")
PROC = Path("/proc")


def root() -> Path:
    """Where proc/ and sys/ of this moment are; HEADROOM_SYSTEM names made-up ones (tests)."""
    return Path(os.environ.get("HEADROOM_SYSTEM", "/"))


def read(path: Path) -> str | None:
    """The text of a small file of /proc or /sys, stripped; None where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except (OSError, ValueError):  # ValueError: a name with a zero byte
        return None


def number(text: object) -> int | None:
    """The number that a text begins with, `0x` before a hexadecimal one; None where it has none."""
    match = re.match(r"\s*(?:0[xX]([0-9a-fA-F]{1,15})|(\d{1,18}))", str(text))
    if match is None:
        return None
    return int(match[1], 16) if match[1] else int(match[2])


def words(text: object, limit: int = 120) -> str | None:
    """A fact of another program's output, made safe to record; None stays None."""
    if text is None:
        return None
    return without_paths(re.sub(r"\s+", " ", str(text)), limit) or None


def span(text: str | None) -> set[int]:
    """The numbers of a list of the kernel's, `0-3,8`; empty for what is none."""
    found: set[int] = set()
    for part in (text or "").split(","):
        match = re.fullmatch(r"\s*(\d{1,6})(?:-(\d{1,6}))?\s*", part)
        if match:
            found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return found


def spelled(numbers: set[int]) -> str:
    """`0-3,8`, which `taskset -c` takes; what `span` reads."""
    runs: list[list[int]] = []
    for one in sorted(numbers):
        if runs and one == runs[-1][1] + 1:
            runs[-1][1] = one
        else:
            runs.append([one, one])
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs)


def output(*command: str) -> str | None:
    """What `command` prints, or None where it is missing, fails or takes over 5 s."""
    program = shutil.which(command[0], path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=5,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
