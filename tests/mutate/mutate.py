#!/usr/bin/env python3
"""Puts the bugs of the lists here into copies of the tree, one at a time; see README.md."""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent

# What the named tests need of Headroom's kernels, and no more: it is built once per copy.
KERNELS = "^(simd/sum|machine/overhead)$"
PRESET = "release"
# Fast to compile. With NDEBUG, as what is measured: an assertion is no test.
CXX_FLAGS = "-O1 -DNDEBUG"
# Of each kind of test, what has to be built for it. Of Catch2's that is the program that has it.
TARGETS = {
    "catch2": ["headroom-tests"],
    "bench": ["headroom-bench-tests"],
    "pytest": ["headroom-bench", "headroom-bench-faulty"],
}
CXX_SUFFIXES = (".cpp", ".h")
AT_LEAST_S = 60.0
TIMES_LONGER = 10.0
BUILD_S = 3600.0
PROOF_S = 600.0
END_S = 5.0


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


class Outcome(NamedTuple):
    verdict: str  # caught, SURVIVED, ERROR or not tried
    detail: str


@dataclass
class _Block:
    """A bug as far as it has been read."""

    where: str
    values: dict[str, str] = field(default_factory=dict)
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)


def read_list(path: Path) -> list[Bug]:
    bugs: list[Bug] = []
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
        name = f"{path.stem}/{block.values['bug']}"
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
        where = f"{path.name}:{number}"
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
    paths = sorted(folder.glob("*.bugs"))
    if not paths:
        raise Failure(f"no list (*.bugs) in {folder}", 2)
    return [bug for path in paths for bug in read_list(path)]


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


class Processes:
    """Those that run now, each in a group of its own, so that all of them end with the run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self.stopped = False

    def run(self, command: list[str], cwd: Path, limit_s: float) -> tuple[int | None, str]:
        """Its exit status, or None where it was ended after limit_s; what it printed."""
        with self._lock:
            if self.stopped:
                raise Failure("stopped", 130)
            process = subprocess.Popen(
                command,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
                env=environment(),
            )
            self._running.add(process)
        try:
            out, _ = process.communicate(timeout=limit_s)
            if self.stopped:  # it was killed, which says nothing about a bug
                raise Failure("stopped", 130)
            return process.returncode, out
        except subprocess.TimeoutExpired:
            _end([process])
            out, _ = process.communicate()
            return None, out
        finally:
            with self._lock:
                self._running.discard(process)

    def stop(self) -> None:
        with self._lock:
            self.stopped = True
            _end(list(self._running))


def _end(processes: list[subprocess.Popen[str]]) -> None:
    """Ends them and what they started. Asks first: ninja's compilers are in groups of their own,
    and only ninja can end them."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                pass
        until = time.monotonic() + END_S
        while time.monotonic() < until and any(process.poll() is None for process in processes):
            time.sleep(0.01)


def environment() -> dict[str, str]:
    """What tests and builds see: not what the user's make was told, nor where the checkout is."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HEADROOM_", "ARG_", "PYTEST_"))
        and name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "GIT_DIR", "GIT_WORK_TREE")
    }
    # Two versions of a module within a second have the same stamp, if they are also as long.
    return {**kept, "HEADROOM_PRESET": PRESET, "PYTHONDONTWRITEBYTECODE": "1"}


def tracked(root: Path) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        raise Failure(f"{root} is no git checkout: {listed.stderr.strip()}", 2)
    names = {name for name in listed.stdout.split("\0") if name}
    return sorted(name for name in names if (root / name).is_file())


class Proof(NamedTuple):
    """How a test went without any bug: passed, FAILED, or not tried, on a machine without what it
    needs (io_uring, a server)."""

    verdict: str
    took_s: float
    said: str


def by_test(tests: list[Test], told: Path) -> dict[Test, Proof]:
    """What pytest's report says of each test: all its cases ran, and passed."""
    cases: dict[str, list[ElementTree.Element]] = {}
    for case in ElementTree.parse(told).iter("testcase"):
        node = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name', '')}"
        for key in {node, node.partition("[")[0]}:
            cases.setdefault(key, []).append(case)
    found = {}
    for test in tests:
        own = cases.get(test.name, [])
        took = sum(float(case.get("time", 0)) for case in own)
        bad = [why for case in own for kind in ("failure", "error")
               if (why := case.find(kind)) is not None]  # fmt: skip
        skipped = [why for case in own if (why := case.find("skipped")) is not None]
        if bad or not own:
            said = (bad[0].text or "") if bad else "it did not run"
            found[test] = Proof("FAILED", took, tail(said))
        elif skipped:
            found[test] = Proof("not tried", took, skipped[0].get("message", ""))
        else:
            found[test] = Proof("passed", took, "")
    return found


class Copy:
    """The tree once more, with a build of its own. One thread at a time uses it."""

    def __init__(self, source: Path, folder: Path, processes: Processes):
        self.source = source
        self.folder = folder
        self._processes = processes
        self._changed: str | None = None  # the file that has a bug
        self._build = folder / "build" / PRESET

    def sync(self, names: list[str]) -> None:
        """As the source is now; a file that is the same keeps its date, and so its build."""
        wanted = set(names)
        for path in sorted(self.folder.rglob("*"), reverse=True):
            name = path.relative_to(self.folder).as_posix()
            if name == "build" or name.startswith("build/"):
                continue
            if not path.is_dir() or path.is_symlink():
                if name not in wanted:
                    path.unlink()
            elif not any(path.iterdir()):
                path.rmdir()
        for name in names:
            source, target = self.source / name, self.folder / name
            if target.is_file() and target.read_bytes() == source.read_bytes():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            shutil.copymode(source, target)

    def put(self, bug: Bug) -> None:
        self.restore(but=bug.file)
        self._changed = bug.file
        text = (self.source / bug.file).read_text(encoding="utf-8")
        (self.folder / bug.file).write_text(mutated(bug, text), encoding="utf-8")

    def restore(self, but: str | None = None) -> None:
        """Takes the bug out. The next one's file is overwritten anyhow: that saves its build."""
        if self._changed is not None and self._changed != but:
            shutil.copyfile(self.source / self._changed, self.folder / self._changed)
            self._changed = None

    def configure(self) -> None:
        command = ["cmake", "--preset", PRESET, "-B", str(self._build)]
        command += [
            f"-DHEADROOM_KERNELS={KERNELS}",
            f"-DCMAKE_CXX_FLAGS_RELEASE={CXX_FLAGS}",
            "-DCMAKE_COMPILE_WARNING_AS_ERROR=OFF",
        ]
        status, out = self._processes.run(command, self.folder, BUILD_S)
        if status != 0:
            raise Failure(f"configuring {self._build} failed:\n{tail(out)}")

    def build(self, kinds: set[str], jobs: int) -> str | None:
        """What the compiler said, where it did not compile."""
        targets = sorted({target for kind in kinds for target in TARGETS[kind]})
        command = ["cmake", "--build", str(self._build), "--parallel", str(jobs)]
        command += ["--target", *targets]
        status, out = self._processes.run(command, self.folder, BUILD_S)
        return None if status == 0 else out

    def prove(self, tests: list[Test]) -> dict[Test, Proof]:
        """Runs tests without any bug: one of Catch2's, or any number of pytest's."""
        started = time.monotonic()
        if tests[0].kind != "pytest":
            (test,) = tests
            status, out = self.test(test, PROOF_S)
            took = time.monotonic() - started
            if passed(test, status, out):
                return {test: Proof("passed", took, "")}
            if status == 0 and "assertions: - none -" in out:
                return {test: Proof("not tried", took, "it needs what this machine lacks")}
            return {test: Proof("FAILED", took, tail(out))}
        told = self.folder / "build" / "proof.xml"
        told.parent.mkdir(exist_ok=True)
        told.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += [f"--junitxml={told}", *dict.fromkeys(test.name for test in tests)]
        status, out = self._processes.run(command, self.folder, PROOF_S * len(tests))
        if not told.is_file():
            raise Failure(f"pytest ran none of {len(tests)} tests (status {status}):\n{tail(out)}")
        return by_test(tests, told)

    def test(self, test: Test, limit_s: float) -> tuple[int | None, str]:
        if test.kind != "pytest":
            (target,) = TARGETS[test.kind]
            program = self._build / "tests" / target
            return self._processes.run([str(program), catch2_spec(test.name)], self.folder, limit_s)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test.name]
        return self._processes.run(command, self.folder, limit_s)


def catch2_spec(name: str) -> str:
    """The test of exactly this name: in a specification commas, brackets and * mean something."""
    return re.sub(r'([\\,\[\]"*])', r"\\\1", name)


def passed(test: Test, status: int | None, out: str) -> bool:
    if status != 0:
        return False
    if test.kind != "pytest":  # 2.13 ends with 0 where there is no such test
        return "All tests passed" in out
    return bool(re.search(r"\b[1-9][0-9]* passed", out)) and not re.search(r"[1-9] skipped", out)


def verdict(test: Test, status: int | None, out: str) -> Outcome:
    """What a test says about a bug."""
    if passed(test, status, out):
        return Outcome("SURVIVED", f"{test} passes")
    if status is None:
        return Outcome("caught", "did not end")
    if test.kind == "pytest":
        # 1: tests failed. What else there is means that none ran.
        if status == 1 and re.search(r"\b[1-9][0-9]* (failed|error)", out):
            return Outcome("caught", "")
        return Outcome("ERROR", f"{test} did not run (status {status}):\n{tail(out)}")
    if "No test cases matched" in out or "No tests ran" in out or status == 0:
        return Outcome("ERROR", f"{test}: no such test, or it was skipped")
    return Outcome("caught", "crashed" if status < 0 else "")


def tail(text: str, lines: int = 15) -> str:
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines()[-lines:])


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
