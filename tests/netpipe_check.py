#!/usr/bin/env python3
"""`make netpipe-check`: messages between two MPI ranks as cluster/pingpong and as NetPIPE see them.

NetPIPE is another program's ping-pong (Snell, Mikler and Gustafson, 1996). Both run in turn, a
few times, on two cores of this machine or, with --hosts, on the first two hosts of a hostfile; of
each the best counts, as a neighbour only ever makes a message slower. What is held against each
other is half a round trip of `naive`, MPI_Send and MPI_Recv. Both have small pages: our buffers
would lie in huge ones, which a long message's copy between processes is twice as fast from. Needs
a quiet machine.

Status 1 where ours is over 1.25 times NetPIPE's, or under 0.8 times.
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
TIMES = 3
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


def check(bench: Path, hosts: Path | None) -> int:
    start = mpirun(hosts)
    best: tuple[dict[int, float], dict[int, float]] = ({}, {})
    for _ in range(TIMES):
        for kept, found in zip(best, (ours(start, bench), netpipe(start))):
            for n, seconds in found.items():
                kept[n] = min(seconds, kept.get(n, seconds))
    status = 0
    print(f"{'bytes':>8}  {'ours':>10}  {'NetPIPE':>10}  ratio")
    for n in SIZES:
        if n not in best[0] or n not in best[1]:
            raise Trouble(f"{n} bytes: {'ours' if n not in best[0] else 'NetPIPE'} has no figure")
        ratio = best[0][n] / best[1][n]
        apart = not LEAST <= ratio <= MOST
        status |= apart
        print(f"{n:>8}  {1e6 * best[0][n]:>7.2f} us  {1e6 * best[1][n]:>7.2f} us  {ratio:.2f}"
              f"{'  apart' if apart else ''}")  # fmt: skip
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
