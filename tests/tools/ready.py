"""The command without its start: a process that has imported it, and forks for each call.

`python3 ready.py` imports what the command may need, then takes one request a line from standard
input: JSON of arguments, environment (whole), cwd, out and err (files to write). It answers with
the child's process id, and then with its status, a line each; a negative one is a signal's number.
Between a fork and the command nothing has run but imports, as in a process of its own, and the
child ends as any Python does. Ctrl-C and kill -9 are tested on the real command (Headroom.start).
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import signal
import sys
from typing import NoReturn


def _import() -> None:
    import headroom_tools

    for module in pkgutil.walk_packages(headroom_tools.__path__, "headroom_tools."):
        # What draws takes optional packages, and sets their folders first.
        if not re.search(r"__main__|\.(plot|report)\b", module.name):
            importlib.import_module(module.name)


def _become(request: dict) -> NoReturn:
    """Runs the command in this process, which has just been forked."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for number, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["out"], os.O_WRONLY),
        (2, request["err"], os.O_WRONLY),
    ):
        file = os.open(name, flags)
        os.dup2(file, number)
        os.close(file)
    from headroom_tools.cli.main import main

    sys.exit(main(request["arguments"]))


def _serve() -> None:
    _import()
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(request)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    _serve()
