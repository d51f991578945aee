#!/usr/bin/env python3
"""`make fio-check`: what the disk gives this program and what it gives fio, in the same minute.

Both read files of 80 MiB in one folder, past the page cache, a few seconds each in turn. Prints the
ratio ours / fio of each pair; status 1 where the median of one is below 0.95. Needs a quiet
machine and a built benchmark program: `make fio-check`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE_BYTES = 80 << 20
LEAST = 0.95
UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class Pair:
    """One question to the disk, and how each side asks it."""

    title: str
    ours: str  # the name of the benchmark, as a regular expression
    bytes_per_call: int  # of ours
    fio: tuple[str, ...]
    unit: str


def random_pair(depth: int, variant: str, *fio: str) -> Pair:
    return Pair(
        f"random 4 KiB, {depth} at a time",
        f"^io/random_read/{variant}/n:2048(/|$)",
        2048 * 4096,
        ("--rw=randread", "--bs=4k", f"--iodepth={depth}", *fio),
        "reads/s",
    )


# Each side asks in the best way that it has for that depth.
REGISTERED = ("--ioengine=io_uring", "--fixedbufs=1", "--registerfiles=1")
PAIRS = (
    random_pair(1, "naive", "--ioengine=psync"),
    random_pair(32, "uring_32_deferred", "--ioengine=io_uring"),
    random_pair(128, "uring_128_registered", *REGISTERED),
    Pair(
        "sequential, 8 of 1 MiB at a time",
        f"^io/read_cold/uring/n:{64 << 20}(/|$)",
        64 << 20,
        ("--rw=read", "--bs=1m", "--iodepth=8", "--ioengine=io_uring"),
        "bytes/s",
    ),
)


class Trouble(Exception):
    """One line for the user."""


def run(command: list[str]) -> dict[str, Any]:
    """The JSON that a program prints."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        raise Trouble(f"{command[0]}: did not end in 120 s") from None
    begin = done.stdout.find("{")
    if done.returncode != 0 or begin < 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise Trouble(f"{command[0]}: {lines[-1]}")
    try:
        tree: dict[str, Any] = json.loads(done.stdout[begin:])
    except ValueError:
        raise Trouble(f"{command[0]}: its output is no JSON") from None
    return tree


def ours(bench: Path, pair: Pair, seconds: float, scratch: Path) -> float:
    """Bytes per second of the benchmark program."""
    tree = run(
        [str(bench), f"--benchmark_filter={pair.ours}", f"--benchmark_min_time={seconds}",
         "--benchmark_format=json", f"--headroom_scratch={scratch}"]
    )  # fmt: skip
    found = tree.get("benchmarks", [])
    if len(found) != 1 or found[0].get("error_occurred"):
        reason = found[0].get("error_message") if found else "is there none of that name?"
        raise Trouble(f"{pair.ours}: {reason}")
    return pair.bytes_per_call / (found[0]["real_time"] * UNITS[found[0]["time_unit"]])


def fio(program: str, pair: Pair, seconds: float, file: Path) -> float:
    """Bytes per second of fio."""
    tree = run(
        [program, "--name=headroom", f"--filename={file}", f"--size={FILE_BYTES}", "--direct=1",
         "--time_based", f"--runtime={max(1, round(seconds))}", "--randrepeat=0",
         "--output-format=json", *pair.fio]
    )  # fmt: skip
    (job,) = tree["jobs"]
    if job["error"] != 0:
        raise Trouble(f"fio: {os.strerror(job['error'])}")
    return float(job["read"]["bw_bytes"])


def shown(pair: Pair, rate: float) -> str:
    return f"{rate / 4096:,.0f}" if pair.unit == "reads/s" else f"{rate:,.0f}"


def check(bench: Path, program: str, scratch: Path, seconds: float, rounds: int) -> bool:
    """Prints a line per pair; false where one is behind."""
    level = True
    with tempfile.TemporaryDirectory(dir=scratch, prefix="fio-check-") as folder:
        file = Path(folder) / "file"
        with file.open("wb") as out:
            for _ in range(FILE_BYTES >> 20):
                out.write(os.urandom(1 << 20))
            out.flush()
            os.fsync(out.fileno())
        for pair in PAIRS:
            mine: list[float] = []
            theirs: list[float] = []
            for turn in range(rounds):
                # In turn, and each goes first as often: what drifts meets both.
                for side in ("ours", "fio") if turn % 2 == 0 else ("fio", "ours"):
                    if side == "ours":
                        mine.append(ours(bench, pair, seconds, scratch))
                    else:
                        theirs.append(fio(program, pair, seconds, file))
            ratios = sorted(m / t for m, t in zip(mine, theirs))
            median = statistics.median(ratios)
            level = level and median >= LEAST
            print(
                f"{pair.title:34} {median:5.2f}x fio [{ratios[0]:.2f}, {ratios[-1]:.2f}]   "
                f"ours {shown(pair, statistics.median(mine))}, "
                f"fio {shown(pair, statistics.median(theirs))} {pair.unit}"
                f"{'' if median >= LEAST else '   BEHIND'}",
                flush=True,
            )
    return level


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bench", type=Path, help="the benchmark program")
    parser.add_argument("--scratch", type=Path, default=Path("build/scratch"))
    parser.add_argument("--seconds", type=float, default=1.0, help="for each side of each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fio", default="fio", help="the program")
    arguments = parser.parse_args()
    program = shutil.which(arguments.fio)
    try:
        if program is None:
            raise Trouble("fio is not installed: tools/deps.sh check-all installs it")
        if not arguments.bench.is_file():
            raise Trouble(f"{arguments.bench} isn't built: run `make build`")
        if arguments.rounds < 1 or arguments.seconds <= 0:
            raise Trouble("--rounds and --seconds must be positive")
        arguments.scratch.mkdir(parents=True, exist_ok=True)
        fine = check(arguments.bench.resolve(), program, arguments.scratch.resolve(),
                     arguments.seconds, arguments.rounds)  # fmt: skip
    except (Trouble, OSError) as error:
        print(f"fio-check: {error}", file=sys.stderr)
        return 2
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
