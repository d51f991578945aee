"""The end of a run: one screen for the whole catalogue, the ladders at once for a few kernels."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

import pytest
from conftest import BASE2, COMMAND, golden_run, shown_on
from generated import large, written
from rich.console import Console

from headroom_tools.record.validate import load
from headroom_tools.show import summary
from headroom_tools.show.remarks import failed_grouped, failures_grouped

GROUPS = [
    "algorithm", "caching", "cluster", "computation", "concurrency", "database", "gpu", "io",
    "layout", "network", "parallel", "scaling", "scenario", "simd",
]  # fmt: skip
LATE = "the baseline failed: the load generator was late: its p99 lateness of {} us is over a tenth"


def printed(folder: Path) -> list[str]:
    """What ends the run of `folder`, by line."""
    stream = io.StringIO()
    run, machine = load(folder)
    summary.print_end(run, machine, folder, Console(file=stream, width=80))
    return stream.getvalue().splitlines()


def failure(kernel: str, launch: int, message: str) -> dict:
    return {"kernel": kernel, "launch": launch, "kind": "error", "n": None, "input": None,
            "threads": None, "params": None, "message": message}  # fmt: skip


def catalogue() -> list[dict]:
    """A record of 2,300 cells in every group, in which as much went wrong as can."""
    run, machine = large(2300)
    for at, kernel in enumerate(run["kernels"]):
        group = GROUPS[at * len(GROUPS) // len(run["kernels"])]
        kernel["name"], kernel["group"] = f"{group}/a_kernel_with_a_long_name_{at}", group
        kernel["variants"][2]["role"] = "standard"
    names = [kernel["name"] for kernel in run["kernels"]]
    launches = run["plan"]["launches"]
    run["launches"].update({
        "kernel": [at for at in range(len(names)) for _ in range(launches)],
        "launch": [launch + 1 for _ in names for launch in range(launches)],
    })
    count = len(names) * launches
    for name, value in (("start", 1.0), ("status", "ok"), ("seconds", 0.1), ("load", 0.5),
                        ("steal", 0.0)):  # fmt: skip
        run["launches"][name] = [value] * count
    for name in [name for name in run["launches"] if len(run["launches"][name]) != count]:
        del run["launches"][name]
    run["failures"] = [
        failure(name, launch, LATE.format(f"{launch}.{at}"))
        for at, name in enumerate(names[:30])
        for launch in range(1, 10)
    ]
    run["missing"] = [
        {"kernel": name, "variant": "v1", "n": None, "input": None, "threads": None,
         "params": None, "needs": f"library {at % 20}", "cure": f"apt install library-{at % 20}"}
        for at, name in enumerate(names)
    ]  # fmt: skip
    run["notes"] = ["something about this machine that takes a lot of words to say, " * 4] * 9
    run["ceilings"] = {
        "ladder": list(range(len(run["ladders"]["kernel"]))),
        "probe": ["machine/a_probe_of_this_machine/read"] * len(run["ladders"]["kernel"]),
        "threads": [1] * len(run["ladders"]["kernel"]),
        "median": [[1.0] * launches] * len(run["ladders"]["kernel"]),
        "log_ratio": [[2.0] * launches] * len(run["ladders"]["kernel"]),
    }
    machine["cpu"]["model_name"] = "A Vendor's Processor With A Very Long Name (TM) @ 3.20 GHz"
    return [run, machine]


def test_the_whole_catalogue_is_one_screen(tmp_path: Path) -> None:
    lines = printed(written(tmp_path / "results" / "test" / "run", *catalogue()))
    assert len(lines) + 1 < summary.LINES, "and a line of the command's own: FAILED"
    long = [line for line in lines if len(line) > 80]
    assert all(str(tmp_path) in line for line in long), long
    text = "\n".join(lines)
    for group in GROUPS:
        assert re.search(rf"^  {group} +\d+ +1\.67x +5\.00x ", text, re.M), text
    assert "least headroom" in text and "most headroom" in text
    assert "record: " in text
    assert "algorithm/a_kernel_with_a_long_name_0: 9 of 11 launches: error: the baseline" in text
    last = next(line for line in lines if line.startswith("`show` has "))
    assert "notes" in last and "missing" in last and "failures" in last
    assert [line.split()[:2] for line in lines[-3:]] == [
        ["tools/headroom", "show"], ["make", "report"], ["tools/headroom", "compare"]
    ]  # fmt: skip


def test_speedups_over_the_standard_rung_come_first() -> None:
    lines = printed(golden_run(BASE2))
    header = next(line for line in lines if "kernels" in line)
    assert header.split() == ["kernels", "std", "naive", "ceiling", "most"]
    (algorithm,) = [line for line in lines if line.startswith("  algorithm ")]
    # Of find/built, 10x as fast as naive and 4x as the standard rung, the second counts.
    assert algorithm.split()[1:] == ["2", "3.99x", "6.99x", "4.00x", "sort/better"]
    (database,) = [line for line in lines if line.startswith("  database ")]
    assert database.split()[-1] == "commit/peer", "`better` is less durable than the baseline"


def test_launches_that_fail_alike_are_one_line(tmp_path: Path) -> None:
    run, _ = load(golden_run(BASE2))
    run["failures"] = [failure("simd/sum", at, f"late by {at}.5 us") for at in (2, 3, 3, 5)]
    run["failures"] += [failure("simd/sum", 7, "crash"), failure("algorithm/sort", 0, "no plan")]
    assert [lost.told for lost in failures_grouped(run)] == [
        "simd/sum: 3 of 11 launches: error: late by 2.5 us",
        "simd/sum: 1 of 11 launches: error: crash",
        "algorithm/sort: in the pilot: error: no plan",
    ]
    like = dict(run["failed"][0])
    run["failed"] = [
        {**like, "variant": variant, "n": n, "launches": launches, "message": f"late by {n} us"}
        for variant, n, launches in (
            ("peer", 100, [1, 2]), ("peer", 200, [2]), ("better", 100, [4])
        )  # fmt: skip
    ]
    assert [lost.told for lost in failed_grouped(run)] == [
        "concurrency/serve (better, peer): 3 of 11 launches: late by 100 us"
    ]


def test_a_few_kernels_are_shown_at_once(headroom) -> None:
    done = headroom("run", "--profile", "smoke", "--filter", "^simd/sum$")
    assert "  better" in done.stdout and "ceiling: read/probe" in done.stdout
    assert "\n  make bench" in done.stdout, "a smoke run has nothing to report or compare"
    done = headroom("run", "--profile", "smoke")
    assert "only checked, not measured: " in done.stdout and "  better" not in done.stdout


def test_a_reason_is_said_once_while_the_run_goes_on(headroom) -> None:
    done = headroom("run", "--profile", "quick", FAKE_MODE="crash:simd/sum:2,crash:simd/sum:4")
    assert done.stdout.count("!! simd/sum launch 2: crash: SIGSEGV") == 1
    assert "launch 4" not in done.stdout
    told = " ".join(done.stdout.split())
    assert "simd/sum: 2 of 7 launches: crash: SIGSEGV about to fail in PATH" in told
    assert "FAILED: 2 failures" in done.stdout


@pytest.mark.parametrize("out", [None, "else where"])
def test_the_commands_work_as_they_stand(headroom, out: str | None) -> None:
    where = ["--out", out] if out else []
    for _ in range(2):
        done = headroom("run", "--profile", "quick", *where)
        assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("  tools/headroom ")]
    assert len(lines) == 2
    for line in lines:
        command = re.sub(r"^  tools/headroom ", f"{COMMAND} ", line)
        command = re.split(r"  +(?=\w+ \w+(?: \w+)*$)", command)[0]
        again = subprocess.run(
            command, shell=True, cwd=headroom.root, env=headroom.env, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert again.returncode == 0, again.stderr


def test_a_terminal_of_80_columns_breaks_no_line(headroom) -> None:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 80, 0, 0))
    with subprocess.Popen(
        [str(COMMAND), "run", "--profile", "quick"], cwd=headroom.root,
        env={**headroom.env, "TERM": "xterm"}, stdin=follower, stdout=follower, stderr=follower,
    ) as process:  # fmt: skip
        os.close(follower)
        shown = shown_on(leader)
        assert process.wait(timeout=60) == 0
    os.close(leader)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    lines = text[text.rindex("best variant of each ladder") :].replace("\r", "").split("\n")
    assert any(line.startswith("  tools/headroom show latest") for line in lines)
    assert max(map(len, lines)) <= 80
