"""The one exception that a user sees: a line of text and an exit status, never a traceback."""

from __future__ import annotations

import errno
import re

from headroom_tools.base.text import safe

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def cure_of(error: OSError) -> str:
    """What helps where a file could not be read or written; empty where only the error tells."""
    if error.errno in FULL_DISK:
        return "free some space there"
    if error.errno in _FORBIDDEN:
        return "name another place, or see whose it is"
    return "make its folder first" if error.errno == errno.ENOENT else ""


class HeadroomError(Exception):
    """What went wrong, in one line that names the file, the field and the cure.

    status: 1 where a check failed (mismatch, invalid record), 2 for bad usage or input.
    """

    def __init__(self, message: str, status: int = 2):
        super().__init__(message)
        self.status = status


def expression_of(pattern: str) -> re.Pattern[str]:
    """What `--filter` was given."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise HeadroomError(
            f"--filter {safe(pattern)}: not a regular expression: {safe(error)}"
        ) from None
