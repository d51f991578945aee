"""Copies of the tree, each with a build of its own, into which bugs are put."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bugs import TARGETS, Bug, Failure, Test, mutated
from processes import PRESET, Processes
from verdicts import Proof, by_test, passed, tail

# What the named tests need of Headroom's kernels, and no more: it is built once per copy.
KERNELS = (
    "^(simd/(sum|count_byte|filter|popcount|find_byte|crc32|utf8_validate)|concurrency/counter"
    "|machine/overhead|algorithm/(top_k|priority_queue|substring|set_intersection)"
    "|database/(insert|aggregate|sharded_write)|scenario/(bank_transaction|timeline_fanout)"
    "|scaling/(load_balancer|hedging|replication|work_queue|edge_cache|sharding))$"
)
# Fast to compile. With NDEBUG, as what is measured: an assertion is no test.
CXX_FLAGS = "-O1 -DNDEBUG"
BUILD_S = 3600.0
PROOF_S = 600.0


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
        command = [*self._pytest(), "-q"]
        command += [f"--junitxml={told}", *dict.fromkeys(test.name for test in tests)]
        status, out = self._processes.run(command, self.folder, PROOF_S * len(tests))
        if not told.is_file():
            raise Failure(f"pytest ran none of {len(tests)} tests (status {status}):\n{tail(out)}")
        return by_test(tests, told)

    def _pytest(self) -> list[str]:
        """Its root is the copy, whatever lies above: names of tests begin there."""
        options = [f"--rootdir={self.folder}", "-p", "no:cacheprovider"]
        return [sys.executable, "-m", "pytest", *options]

    def test(self, test: Test, limit_s: float) -> tuple[int | None, str]:
        if test.kind != "pytest":
            (target,) = TARGETS[test.kind]
            program = self._build / "tests" / target
            return self._processes.run([str(program), catch2_spec(test.name)], self.folder, limit_s)
        command = [*self._pytest(), "-q", "-x", test.name]
        return self._processes.run(command, self.folder, limit_s)


def catch2_spec(name: str) -> str:
    """The test of exactly this name: in a specification commas, brackets and * mean something."""
    return re.sub(r'([\\,\[\]"*])', r"\\\1", name)
