#!/usr/bin/env python3
"""Puts the bugs of the lists here into copies of the tree, one at a time; see README.md."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from bugs import Bug, Failure, read_lists, stale
from running import Run, locked

HERE = Path(__file__).resolve().parent


def chosen(bugs: list[Bug], pattern: str) -> list[Bug]:
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise Failure(f"--filter {pattern}: {error}", 2) from None
    found = [bug for bug in bugs if wanted.search(bug.name)]
    if not found:
        raise Failure(f"--filter {pattern}: no bug has such a name (--list prints them)", 2)
    return found


def run(arguments: argparse.Namespace) -> int:
    root: Path = arguments.root.resolve()
    bugs = read_lists(root / "tests" / "mutate")
    wrong = [message for bug in bugs if (message := stale(bug, root))]
    if wrong:
        raise Failure("\nmutate: ".join(wrong))
    bugs = chosen(bugs, arguments.filter)
    if arguments.list:
        for bug in bugs:
            print(f"{bug.name}  {bug.file}  {bug.test}\n    {bug.why}")
        return 0
    started = time.monotonic()
    this = Run(root, arguments.jobs)
    lock = locked(this.work)

    def ended(number: int, _frame: object) -> None:
        this.processes.stop()
        raise Failure("stopped; the checkout is as it was", 128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ended)
    try:
        outcomes = this.all(bugs)
    finally:
        this.processes.stop()
        os.close(lock)
    print()
    for bug in bugs:
        outcome = outcomes[bug.name]
        if outcome.verdict != "caught":
            why = f": {outcome.detail}" if outcome.verdict == "not tried" else ""
            print(f"mutate: {outcome.verdict}: {bug.name} ({bug.where}){why}")
    counts = Counter(outcome.verdict for outcome in outcomes.values())
    caught, tried = counts["caught"], len(bugs) - counts["not tried"]
    more = f", {counts['not tried']} not tried" if counts["not tried"] else ""
    print(f"mutate: {caught} of {tried} caught{more}, {time.monotonic() - started:.0f} s")
    return 0 if caught == tried else 1


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="mutate", description="Bugs that the tests must catch: tests/mutate/README.md."
    )
    parser.add_argument("--filter", default="", metavar="REGEX", help="of the names, list/bug")
    parser.add_argument("--list", action="store_true", help="print the bugs, run nothing")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="copies at once")
    parser.add_argument("--root", type=Path, default=HERE.parents[1], help="the checkout")
    arguments = parser.parse_args()
    if arguments.jobs < 1:
        parser.error("--jobs: at least 1")
    try:
        return run(arguments)
    except Failure as failure:
        print(f"mutate: {failure}", file=sys.stderr)
        return failure.status


if __name__ == "__main__":
    sys.exit(main())
