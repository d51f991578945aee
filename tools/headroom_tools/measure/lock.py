"""One measurement at a time on this machine: two at once would measure each other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys

from headroom_tools.base import paths
from headroom_tools.base.errors import HeadroomError

_TAKEN = (
    "another headroom run is measuring on this machine: two at once would measure each other; "
    "wait for it to end"
)


@contextlib.contextmanager
def measuring():
    """Holds the lock while the block runs; HeadroomError where another run holds it.

    On Linux the lock is a socket in the abstract namespace, so that it covers every checkout,
    leaves no file, and goes with the process however that ends. Elsewhere it is a locked file in
    this checkout. HEADROOM_LOCK names another lock (tests).
    """
    name = os.environ.get("HEADROOM_LOCK", "headroom-measuring")
    if sys.platform == "linux":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as holder:
            try:
                holder.bind("\0" + name)
            except OSError:
                raise HeadroomError(_TAKEN) from None
            yield
        return
    folder = paths.runs()
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f".{name}.lock", "w", encoding="ascii") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HeadroomError(_TAKEN) from None
        yield
