"""The one exception that a user sees: a line of text and an exit status, never a traceback."""

from __future__ import annotations

import errno

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

class HeadroomError(Exception):
    """What went wrong, in one line that names the file, the field and the cure.

    status: 1 where a check failed (mismatch, invalid record), 2 for bad usage or input.
    """

    def __init__(self, message: str, status: int = 2):
        super().__init__(message)
        self.status = status
