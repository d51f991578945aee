"""All bugs, one after the other, in as many copies as there are jobs."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from bugs import Bug, Failure, Test
from copies import Copy, tracked
from processes import Processes
from verdicts import Outcome, tail, verdict

AT_LEAST_S = 60.0
TIMES_LONGER = 10.0


class Queue:
    """The bugs that are left. A copy goes on with the file that it has, to build the less."""

    def __init__(self, bugs: list[Bug]):
        self._lock = threading.Lock()
        self._left = list(bugs)
        self._held: Counter[str] = Counter()

    def next(self, last: str | None) -> Bug | None:
        with self._lock:
            if last is not None:
                self._held[last] -= 1
            if not self._left:
                return None
            left = Counter(bug.file for bug in self._left)

            def rank(bug: Bug) -> tuple[bool, bool, bool, int]:
                mine = bug.file == last
                # C++ first: the Python bugs, which need no build, fill what is left at the end.
                return (mine, bug.in_cxx, self._held[bug.file] == 0, left[bug.file])

            bug = max(self._left, key=rank)
            self._left.remove(bug)
            self._held[bug.file] += 1
            return bug


class Run:
    def __init__(self, root: Path, jobs: int):
        self.root = root
        self.jobs = jobs
        self.processes = Processes()
        self.limits: dict[Test, float] = {}
        self.work = root / "build" / "mutate"

    def copies(self, bugs: list[Bug]) -> list[Copy]:
        names = tracked(self.root)
        found = []
        for number in range(1, min(self.jobs, len(bugs)) + 1):
            folder = self.work / str(number)
            folder.mkdir(parents=True, exist_ok=True)
            copy = Copy(self.root, folder, self.processes)
            copy.sync(names)
            found.append(copy)
        return found

    def prepare(self, copies: list[Copy], bugs: list[Bug]) -> None:
        """Builds each copy as it is, as far as the tests of C++ and its programs need that."""
        kinds = {bug.test.kind for bug in bugs if bug.in_cxx}
        if not kinds:
            return
        each = max(1, self.jobs // len(copies))

        def one(copy: Copy) -> None:
            copy.configure()
            failed = copy.build(kinds, each)
            if failed is not None:
                raise Failure(f"without any bug {copy.folder} does not compile:\n{tail(failed)}")

        print(f"mutate: building {len(copies)} copies in {self.work}", flush=True)
        with ThreadPoolExecutor(len(copies)) as pool:
            for done in as_completed([pool.submit(one, copy) for copy in copies]):
                done.result()

    def prove(self, copies: list[Copy], bugs: list[Bug]) -> dict[Test, str]:
        """All named tests pass as long as there is no bug; how long each takes. Returns those that
        can't be tried here, and why."""
        tests = list(dict.fromkeys(bug.test for bug in bugs))
        print(f"mutate: {len(tests)} tests without any bug", flush=True)
        # pytest starts once for all, as starting it takes longer than most tests.
        units = [[test] for test in tests if test.kind != "pytest"]
        of_pytest = [test for test in tests if test.kind == "pytest"]
        units += [share for at in range(len(copies)) if (share := of_pytest[at :: len(copies)])]
        failed: list[str] = []
        not_tried: dict[Test, str] = {}
        lock = threading.Lock()

        def some(copy: Copy) -> None:
            while True:
                with lock:
                    if not units:
                        return
                    unit = units.pop()
                for test, proof in copy.prove(unit).items():
                    with lock:
                        self.limits[test] = max(AT_LEAST_S, TIMES_LONGER * proof.took_s)
                        if proof.verdict == "FAILED":
                            failed.append(f"{test}: does not pass without any bug:\n{proof.said}")
                        elif proof.verdict == "not tried":
                            not_tried[test] = proof.said

        with ThreadPoolExecutor(len(copies)) as pool:
            for done in [pool.submit(some, copy) for copy in copies]:
                done.result()
        if failed:
            raise Failure("\nmutate: ".join(sorted(failed)))
        return not_tried

    def one(self, copy: Copy, bug: Bug) -> Outcome:
        copy.put(bug)
        if bug.in_cxx:
            said = copy.build({bug.test.kind}, max(1, self.jobs // len(self.using)))
            if said is not None:
                return Outcome("ERROR", f"does not compile:\n{tail(said)}")
        return verdict(bug.test, *copy.test(bug.test, self.limits[bug.test]))

    def all(self, bugs: list[Bug]) -> dict[str, Outcome]:
        self.using = self.copies(bugs)
        self.prepare(self.using, bugs)
        not_tried = self.prove(self.using, bugs)
        outcomes = {
            bug.name: Outcome("not tried", f"{bug.test}: {not_tried[bug.test]}")
            for bug in bugs
            if bug.test in not_tried
        }
        queue = Queue([bug for bug in bugs if bug.test not in not_tried])
        lock = threading.Lock()

        def some(copy: Copy) -> None:
            last: str | None = None
            try:
                while (bug := queue.next(last)) is not None:
                    last = bug.file
                    started = time.monotonic()
                    outcome = self.one(copy, bug)
                    with lock:
                        outcomes[bug.name] = outcome
                        self.report(bug, outcome, len(outcomes), len(bugs), started)
            finally:
                copy.restore()

        with ThreadPoolExecutor(len(self.using)) as pool:
            for done in as_completed([pool.submit(some, copy) for copy in self.using]):
                done.result()
        return outcomes

    @staticmethod
    def report(bug: Bug, outcome: Outcome, number: int, of: int, started: float) -> None:
        took = time.monotonic() - started
        line = f"{number:4}/{of} {took:6.1f} s  {outcome.verdict:8} {bug.name}"
        if outcome.verdict != "caught":
            line += f" ({bug.where}): {bug.why}\n         {outcome.detail}"
        elif outcome.detail:
            line += f" ({outcome.detail})"
        print(line, flush=True)


def locked(folder: Path) -> int:
    """One run at a time in a checkout: held until this process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Failure(f"another run uses {folder}", 2) from None
    return lock
