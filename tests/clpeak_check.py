#!/usr/bin/env python3
"""`make clpeak-check`: an OpenCL device as our probes and as clpeak see it, in the same minute.

clpeak is another program's set of probes (Krishnaraj Bhat's). Both measure in turn, a few times; of
each the best counts, as a neighbour only ever makes a probe slower. What is held against each
other: bandwidth of the device's memory, the peak rate of 32-bit arithmetic, copies there and back.
Where there are several devices, --device says which one clpeak is to take (platform:device); ours
is chosen by HEADROOM_OPENCL_DEVICE. On a CPU (PoCL) a compiler may make other code of either: a
difference there says nothing of a GPU. Needs a quiet machine: `make clpeak-check`.

Status 1 where a figure of ours is under 85% of clpeak's, or over 115%.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

LIMIT = 0.15
TIMES = 3
SECONDS = 900  # that clpeak may take: PoCL compiles for minutes


class Trouble(Exception):
    """One line for the user."""


@dataclass(frozen=True)
class Figure:
    """What both measure. section: of clpeak's output, and the lines of it that count; flag: its
    option. probe: our cell, its rate's counter."""

    name: str
    flag: str
    section: str
    lines: str
    scale: float
    probe: str
    unit: str


FIGURES = (
    Figure("device memory, read", "--global-bandwidth", "Global memory bandwidth",
           r"float\d*", 1e9, "machine/device_read/.*/n:268435456", "B/s"),
    Figure("multiply-adds, 32 bits", "--compute-sp", "Single-precision compute",
           r"float\d*", 1e9, "machine/device_fma/.*", "FLOP/s"),
    Figure("copies to the device", "--transfer-bandwidth", "Transfer bandwidth",
           r"enqueueWriteBuffer", 1e9, "machine/device_copy/.*/n:16777216/input:to_device", "B/s"),
    Figure("copies from the device", "--transfer-bandwidth", "Transfer bandwidth",
           r"enqueueReadBuffer", 1e9, "machine/device_copy/.*/n:16777216/input:from_device", "B/s"),
)  # fmt: skip


def best_of_section(text: str, figure: Figure) -> float | None:
    """The largest value of clpeak's lines under the section's heading; None where it has none."""
    inside, found = False, []
    for line in text.splitlines():
        value = re.match(r"\s+([A-Za-z0-9_ ]+?)\s*: ([0-9.]+)\s*$", line)
        if figure.section in line:
            inside = True
        elif inside and value is None and line.strip():
            inside = False
        elif inside and value and re.fullmatch(figure.lines, value[1]):
            found.append(float(value[2]) * figure.scale)
    return max(found, default=None)


def clpeak(device: str, flags: list[str]) -> str:
    command = ["clpeak", *flags]
    if device:
        platform, _, number = device.partition(":")
        command += ["-p", platform, "-d", number or "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode != 0:
        raise Trouble(f"clpeak ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    return done.stdout


def ours(bench: Path, figure: Figure) -> float | None:
    """The best rate of our probe's variants; None where none is available."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        subprocess.run(
            [bench, f"--benchmark_filter=^{figure.probe}", f"--benchmark_out={out}",
             "--benchmark_out_format=json", f"--headroom_scratch={folder}"],
            check=True, capture_output=True,
        )  # fmt: skip
        entries = json.loads(out.read_text())["benchmarks"]
    per_item = 1 if figure.unit == "B/s" else 2  # a multiply-add is two operations
    rates = [entry["items_per_second"] for entry in entries if "items_per_second" in entry]
    return per_item * max(rates) if rates else None


def check(bench: Path, device: str) -> int:
    flags = sorted({figure.flag for figure in FIGURES})
    best: dict[str, list[float | None]] = {figure.name: [None, None] for figure in FIGURES}
    for _ in range(TIMES):
        text = clpeak(device, flags)
        for figure in FIGURES:
            for at, value in enumerate((best_of_section(text, figure), ours(bench, figure))):
                known = best[figure.name][at]
                if value is not None:
                    best[figure.name][at] = value if known is None else max(known, value)
    apart = 0
    for figure in FIGURES:
        theirs, own = best[figure.name]
        if theirs is None or own is None:
            lacking = "clpeak" if theirs is None else "our probe"
            raise Trouble(f"{figure.name}: {lacking} has no value")
        ratio = own / theirs
        mark = "" if abs(ratio - 1) <= LIMIT else "  apart"
        apart += bool(mark)
        print(f"{figure.name:24} ours {own / 1e9:9.1f} G{figure.unit:7}"
              f" clpeak {theirs / 1e9:9.1f}  {ratio:.2f}{mark}")  # fmt: skip
    return 1 if apart else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("bench", type=Path)
    parser.add_argument("--device", default="", help="clpeak's PLATFORM:DEVICE")
    arguments = parser.parse_args()
    cache = arguments.bench.resolve().parents[1] / "opencl-cache" / "clpeak"
    os.environ.setdefault("POCL_CACHE_DIR", str(cache))
    try:
        if shutil.which("clpeak") is None:
            raise Trouble("clpeak isn't here: tools/deps.sh clpeak")
        return check(arguments.bench, arguments.device)
    except (Trouble, OSError, subprocess.SubprocessError) as error:
        print(f"clpeak-check: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
