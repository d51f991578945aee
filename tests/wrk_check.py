#!/usr/bin/env python3
"""`make wrk-check`: the servers of network/server as wrk sees them, beside our own clients.

wrk is another program's load generator (Glozer's). It gets core 0, each server core 1, a few
seconds in turn; both ask for 16 things at a time on each of 16 connections. Prints requests per
second by either, and by how much each server is faster than the first by either. wrk reads answers
with a parser, so it may be at its limit before the server is: then its figure is marked, and says
only that the server does at least so much. Needs a quiet machine: `make wrk-check`.

Status 1 where wrk got errors, or where it had room on its core and yet ranks two servers the other
way round by more than 10%.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 16
CLIENTS_N = 8192  # the size of the kernel's ladder that is compared
BUSY = 0.8  # of its core: more, and a figure may be the generator's own
APART = 1.1
NS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
SCRIPT = """\
local requests = {}
init = function()
  for i = 1, 16 do
    requests[i] = wrk.format("GET", "/items/" .. (i * 61 % 1024), {
      ["Host"] = "shop.example", ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) " ..
      "Gecko/20100101 Firefox/128.0", ["Accept"] = "application/json, text/plain, */*",
      ["Accept-Encoding"] = "gzip, deflate, br", ["Accept-Language"] = "en-GB,en;q=0.7",
      ["Referer"] = "https://shop.example/search?order=price", ["Sec-Fetch-Dest"] = "empty",
      ["Sec-Fetch-Mode"] = "cors", ["Sec-Fetch-Site"] = "same-origin",
      ["Cookie"] = "session=1234567890123456789", ["X-Request-Id"] = "0000" .. 1000 + i})
  end
  requests = table.concat(requests)
end
request = function() return requests end
"""


class Trouble(Exception):
    """One line for the user."""


@dataclass(frozen=True)
class Seen:
    """What wrk says of a server."""

    rate: float  # requests per second
    share: float  # of its core
    errors: str


def wrk(program: str, server: Path, name: str, seconds: int, script: Path) -> Seen:
    """Starts a server, has wrk ask it, and ends it: its input ends, whatever happens here."""
    with subprocess.Popen([str(server), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as serving:  # fmt: skip
        try:
            assert serving.stdin is not None and serving.stdout is not None
            port = serving.stdout.readline().strip()
            if not port.isdigit():
                raise Trouble(f"{name}: the server did not start")
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(
                [program, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script),
                 f"http://127.0.0.1:{port}/"],
                capture_output=True, text=True, timeout=seconds + 30,
                preexec_fn=lambda: os.sched_setaffinity(0, {first_core()}),
            )  # fmt: skip
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            serving.stdin.close()
            serving.wait(timeout=10)
        except subprocess.TimeoutExpired:
            raise Trouble(f"{name}: wrk or the server did not end") from None
        finally:
            if serving.poll() is None:
                serving.kill()
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
    if done.returncode != 0 or rate is None:
        raise Trouble(f"wrk: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    used = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    errors = re.search(r"(Socket errors.*|Non-2xx.*)", done.stdout)
    return Seen(float(rate.group(1)), used / seconds, errors.group(1) if errors else "")


def first_core() -> int:
    """As the benchmark program's core 0."""
    return min(os.sched_getaffinity(0))


def ours(bench: Path, name: str, seconds: float) -> float:
    """Requests per second by the kernel's own clients."""
    kernel = f"^network/server/{name}/n:{CLIENTS_N}/clients:{CONNECTIONS}(/|$)"
    try:
        done = subprocess.run(
            [str(bench), f"--benchmark_filter={kernel}", f"--benchmark_min_time={seconds}",
             "--benchmark_format=json"], capture_output=True, text=True, timeout=60 + 10 * seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Trouble(f"{kernel}: did not end") from None
    begin = done.stdout.find("{")
    found = json.loads(done.stdout[begin:]).get("benchmarks", []) if begin >= 0 else []
    if len(found) != 1 or found[0].get("error_occurred"):
        raise Trouble(f"{kernel}: {found[0].get('error_message') if found else 'not built?'}")
    return CLIENTS_N / (found[0]["real_time"] * NS[found[0]["time_unit"]])


def check(bench: Path, server: Path, program: str, seconds: int, rounds: int) -> bool:
    """Prints a line per server; false where wrk got errors or contradicts."""
    listed = subprocess.run([str(server), "list"], capture_output=True, text=True, timeout=30)
    names = listed.stdout.split()
    if not names:
        raise Trouble("no server runs here: TCP on 127.0.0.1 is not allowed")
    seen: dict[str, list[Seen]] = {name: [] for name in names}
    own: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "sixteen.lua"
        script.write_text(SCRIPT)
        for turn in range(rounds):
            # In turn, each way round as often: what drifts meets all.
            for name in names if turn % 2 == 0 else reversed(names):
                seen[name].append(wrk(program, server, name, seconds, script))
                own[name].append(ours(bench, name, seconds / 4))
    theirs = {name: statistics.median(one.rate for one in seen[name]) for name in names}
    mine = {name: statistics.median(own[name]) for name in names}
    share = {name: statistics.median(one.share for one in seen[name]) for name in names}
    fine = True
    print(f"{'server':12} {'wrk':>12} {'of its core':>11} {'ours':>12} {'wrk':>7} {'ours':>7}")
    for name in names:
        errors = next((one.errors for one in seen[name] if one.errors), "")
        by_wrk, by_ours = theirs[name] / theirs[names[0]], mine[name] / mine[names[0]]
        notes = ["  wrk's own limit"] if share[name] > BUSY else []
        notes += [f"  {errors}"] if errors else []
        others = [other for other in names if contradicts(name, other, theirs, mine, share)]
        notes += [f"  wrk: slower than {', '.join(others)}"] if others else []
        fine = fine and not errors and not others
        print(f"{name:12} {theirs[name]:10,.0f}/s {share[name]:11.2f} {mine[name]:10,.0f}/s "
              f"{by_wrk:6.2f}x {by_ours:6.2f}x{''.join(notes)}")  # fmt: skip
    return fine


def contradicts(
    name: str,
    other: str,
    theirs: dict[str, float],
    mine: dict[str, float],
    share: dict[str, float],
) -> bool:
    """`name` is clearly faster by our clients, and clearly slower by wrk, which had room for it."""
    return (
        share[name] <= BUSY
        and mine[name] > APART * mine[other]
        and theirs[other] > APART * theirs[name]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bench", type=Path, help="the benchmark program")
    parser.add_argument("server", type=Path, help="headroom-wrk-server")
    parser.add_argument("--seconds", type=int, default=3, help="for each server of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--wrk", default="wrk", help="the program")
    arguments = parser.parse_args()
    program = shutil.which(arguments.wrk)
    try:
        if program is None:
            raise Trouble("wrk is not installed: tools/deps.sh check-all installs it")
        for built in (arguments.bench, arguments.server):
            if not built.is_file():
                raise Trouble(f"{built} isn't built: run `make wrk-check`")
        if arguments.rounds < 1 or arguments.seconds < 1:
            raise Trouble("--rounds and --seconds must be positive")
        if len(os.sched_getaffinity(0)) < 2:
            raise Trouble("wrk and the server need a core each: a machine with two cores")
        fine = check(arguments.bench.resolve(), arguments.server.resolve(), program,
                     arguments.seconds, arguments.rounds)  # fmt: skip
    except (Trouble, OSError) as error:
        print(f"wrk-check: {error}", file=sys.stderr)
        return 2
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
