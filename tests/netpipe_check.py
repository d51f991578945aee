#!/usr/bin/env python3
"""`make netpipe-check`: messages between two MPI ranks as cluster/pingpong and as NetPIPE see them.

NetPIPE is another program's ping-pong (Snell, Mikler and Gustafson, 1996). Both run in turn, some
times, on two cores of this machine or, with --hosts, on the first two hosts of a hostfile. On a
virtual machine a job's short messages may have another level than the next one's, three times as
slow, for as long as it lasts; so the ranges of the jobs are held against each other, not the best
of each. What is compared is half a round trip of `naive`, MPI_Send and MPI_Recv. Both have small
pages: our buffers would lie in huge ones, which a long message's copy between processes is twice as
fast from. Needs a quiet machine.

Status 1 where all of ours are over 1.25 times all of NetPIPE's, or under 0.8 times.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SIZES = (8, 1024, 65536)  # bytes, of cluster/pingpong
LEAST, MOST = 0.8, 1.25
TIMES = 5
SECONDS = 120
CELL = "cluster/pingpong/naive"


class Trouble(Exception):
    """One line for the user."""


def mpirun(hosts: Path | None) -> list[str]:
    """What starts two ranks, one a core or one a host."""
    where = ["--host", "localhost:2"]
    if hosts is not None:
        where = ["--hostfile", str(hosts), "--map-by", "node"]
    return ["mpirun", "-np", "2", *where]


def small_pages() -> None:
    """No transparent huge pages in this process and in what it starts."""
    PR_SET_THP_DISABLE = 41
    ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)


def _run(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=SECONDS, preexec_fn=small_pages,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Trouble(f"{command[0]}: {error}") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip(" -")]
        raise Trouble(f"{command[0]}: {lines[0] if lines else f'status {done.returncode}'}")
    return done.stdout


def of_netpipe(text: str) -> dict[int, float]:
    """Seconds of a message, one way, by its bytes: NetPIPE's file has bytes, Mbit/s and seconds."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 3:
            found[int(words[0])] = float(words[2])
    return found


def of_ours(text: str) -> dict[int, float]:
    """The same by the benchmark program's JSON: an item is a message and its answer."""
    found = {}
    for entry in json.loads(text)["benchmarks"]:
        name = entry["name"].split("/manual_time")[0]
        if name.startswith(f"{CELL}/n:") and not entry.get("error_occurred"):
            n = int(name.split("/n:")[1].split("/")[0])
            found[n] = entry["median_ns"] * 1e-9 / 32 / 2
    return found


def netpipe(start: list[str]) -> dict[int, float]:
    program = shutil.which("NPopenmpi") or shutil.which("NPmpi")
    if program is None:
        raise Trouble("no NPopenmpi: install netpipe-openmpi (make netpipe-check does)")
    with tempfile.TemporaryDirectory(prefix="headroom-netpipe-") as folder:
        file = Path(folder) / "np.out"
        _run([*start, program, "-o", str(file), "-p", "0", "-l", "8", "-u", str(SIZES[-1])],
             Path(folder))  # fmt: skip
        return of_netpipe(file.read_text())


def ours(start: list[str], bench: Path) -> dict[int, float]:
    sizes = "|".join(map(str, SIZES))
    return of_ours(
        _run(
            [*start, str(bench.absolute()), "--benchmark_format=json",
             f"--benchmark_filter=^{CELL}/n:({sizes})/ranks:2"],
            Path.cwd(),
        )  # fmt: skip
    )


def _range(seconds: list[float]) -> str:
    return f"{1e6 * min(seconds):.2f} .. {1e6 * max(seconds):.2f}"


def check(bench: Path, hosts: Path | None) -> int:
    start = mpirun(hosts)
    jobs: tuple[dict[int, list[float]], dict[int, list[float]]] = ({}, {})
    for _ in range(TIMES):
        for kept, found in zip(jobs, (ours(start, bench), netpipe(start))):
            for n, seconds in found.items():
                kept.setdefault(n, []).append(seconds)
    status = 0
    print(f"{'bytes':>8}  {'ours':>16}  {'NetPIPE':>16}  us a message, {TIMES} jobs")
    for n in SIZES:
        for kept, who in zip(jobs, ("ours", "NetPIPE")):
            if n not in kept:
                raise Trouble(f"{n} bytes: {who} has no figure")
        own, other = jobs[0][n], jobs[1][n]
        apart = min(own) > MOST * max(other) or max(own) < LEAST * min(other)
        status |= apart
        print(f"{n:>8}  {_range(own):>16}  {_range(other):>16}{'  apart' if apart else ''}")
    return int(status)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bench", type=Path, help="headroom-bench-cluster")
    parser.add_argument("--hosts", type=Path, metavar="FILE", help="mpirun's hostfile")
    given = parser.parse_args()
    if os.geteuid() == 0:
        for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
            os.environ.setdefault(name, "1")
    try:
        return check(given.bench, given.hosts)
    except Trouble as trouble:
        print(f"netpipe_check.py: {trouble}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
