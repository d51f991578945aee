"""The arguments of each command, its exit status, and errors as one line."""

from __future__ import annotations

import argparse
import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Callable, NoReturn, cast

from headroom_tools.base import paths
from headroom_tools.base.errors import HeadroomError, cure_of
from headroom_tools.base.text import safe

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")


class _Parser(argparse.ArgumentParser):
    """argparse whose errors are one line with exit status 2."""

    def error(self, message: str) -> NoReturn:
        raise HeadroomError(f"{safe(message)}; see `{self.prog} --help`")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            "takes up to 64 letters, digits, '.', '_', '+' or '-', beginning with a letter or digit"
        )
    return text


def _label(text: str) -> str:
    if len(text) > 36:
        raise argparse.ArgumentTypeError("takes at most 36 characters")
    return _name(text)


def _names(text: str) -> list[str]:
    return [_name(part.strip()) for part in text.split(",") if part.strip()]


def _upgraded(text: str) -> list[str]:
    """Parts of a machine; a word that `compare` doesn't know would silently be any part."""
    known = ("ram", "disk", "cpu", "network", "other")
    parts = _names(text)
    for part in parts:
        if part not in known:
            raise argparse.ArgumentTypeError(f"`{part}` is none of {', '.join(known)}")
    return parts


def _band(text: str) -> float:
    """`2`, `2%` or `0.02`: all are +-2%."""
    try:
        value = float(text.rstrip("%"))
    except ValueError:
        raise argparse.ArgumentTypeError("takes a percentage, like 2 or 0.5%") from None
    if not 0 < value <= 50:
        raise argparse.ArgumentTypeError("takes a percentage between 0 and 50")
    return value / 100


def _pairs(text: str) -> int:
    """An even number, so that each side is first equally often."""
    if not re.fullmatch(r"\d{1,4}", text) or int(text) < 6 or int(text) % 2:
        raise argparse.ArgumentTypeError("takes an even number, 6 or more")
    return int(text)


def _jobs(text: str) -> int:
    if not re.fullmatch(r"\d{1,4}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError("takes a number, 1 or more")
    return int(text)


def _inches(text: str) -> float:
    """What `--width` takes."""
    try:
        width = float(text)
    except ValueError:
        width = 0.0
    if not 3 <= width <= 20:
        raise argparse.ArgumentTypeError("takes inches, from 3 to 20")
    return width


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="headroom",
        description="Runs the benchmarks, keeps their records, and reads them.",
        epilog="RUN is a run's folder; or `latest`, `latest~1` and so on in results/; or @MACHINE "
        "or @MACHINE/LABEL, the newest run there with that machine or label. "
        "Exit status: 0 fine, 1 a check failed, 2 bad usage or input.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    shared = _Parser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print one JSON document")
    records = _Parser(add_help=False)
    records.add_argument(
        "--results",
        type=Path,
        metavar="DIR",
        help="where latest and @MACHINE are looked for: the records of another repository "
        "(default: results/ of this checkout)",
    )
    band = _Parser(add_help=False)
    band.add_argument(
        "--band",
        type=_band,
        default=0.02,
        metavar="PERCENT",
        help="practical band: differences within it are equivalent (default 2)",
    )

    commands.add_parser("list", parents=[shared], help="the kernels and variants of this build")
    add = commands.add_parser(
        "machine",
        parents=[shared, records],
        help="the fingerprint of this computer, and what it measured",
    )
    add.add_argument(
        "run", metavar="RUN", nargs="?", help="a run's machine (default: this, and its newest run)"
    )
    add.add_argument("--scratch", type=Path, metavar="DIR", help="describe the disk of this folder")

    add = commands.add_parser("run", parents=[shared], help="measure, and write a record")
    add.add_argument(
        "--profile",
        choices=("smoke", "quick", "standard", "thorough"),
        help="smoke: checks only; quick: 4 minutes; standard: 10 minutes, 15 where slow (default); "
        "thorough: everything",
    )
    add.add_argument("--filter", metavar="RE", help="only kernels whose group/name matches")
    add.add_argument(
        "--inputs",
        choices=("default", "all"),
        help="of each kernel: the default one (what thorough doesn't leave out), or all, in the "
        "profile's sizes",
    )
    add.add_argument("--machine", type=_name, metavar="NAME", help="instead of the generated name")
    add.add_argument(
        "--label", type=_label, help="of this run: before, after-ram (default: the compiler)"
    )
    add.add_argument(
        "--changed",
        type=_upgraded,
        metavar="WHAT",
        help="declares an upgrade: ram, disk, cpu, network or other; a comma between several",
    )
    add.add_argument("--out", type=Path, metavar="DIR", help="results folder (default results/)")
    add.add_argument(
        "--scratch",
        type=Path,
        metavar="DIR",
        help="folder for the files of I/O kernels (default build/scratch)",
    )
    add.add_argument("--simd-target", type=_name, metavar="T", help="at most this one, e.g. AVX2")
    add.add_argument(
        "--ranks",
        type=int,
        metavar="N",
        help="measure group cluster on the N ranks of an MPI job (default: no job)",
    )
    add.add_argument(
        "--hosts", type=Path, metavar="FILE", help="with --ranks: mpirun's hostfile, HOST slots=N"
    )
    add.add_argument("--raw", action="store_true", help="keep every round, in raw.json")
    add.add_argument("--resume", action="store_true", help="continue the newest unfinished run")
    add.add_argument("--dry-run", action="store_true", help="only estimate time and space")
    add.add_argument(
        "--strict",
        action="store_true",
        help="refuse to measure on an unfit machine; status 1 also if variants are missing, "
        "sizes were left out or launches were disturbed",
    )

    add = commands.add_parser("show", parents=[shared, records, band], help="the ladders of a run")
    add.add_argument(
        "run", metavar="RUN", nargs="?", default="latest", help="which run (default: latest)"
    )
    add.add_argument("--baseline", metavar="VARIANT", help="compare all variants with this one")
    add.add_argument("--counters", action="store_true", help="also show hardware counters")

    add = commands.add_parser(
        "compare",
        parents=[records, band],
        help="runs against a base: machines, or configurations of one",
        description="Runs that agree (fingerprint, label, profile, compiler, flags, libraries, "
        "kernels, commit) are pooled: those named, and the eight newest that lie beside them.",
    )
    add.add_argument("base", metavar="BASE", help="a RUN, which the others are compared with")
    add.add_argument("new", metavar="NEW", nargs="+", help="RUNs, a column each")
    form = add.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document")
    form.add_argument("--markdown", action="store_true", help="tables for a pull request")
    form.add_argument("--csv", action="store_true", help="one line per cell and NEW")
    add.add_argument("--all", action="store_true", help="every variant, not only the best ones")
    add.add_argument("--no-pool", action="store_true", help="do not pool runs")
    add.add_argument(
        "--fail-on",
        choices=("slower",),
        help="status 1 where a cell has this verdict, or failed or is gone in NEW, for CI",
    )
    add.add_argument(
        "--allow-missing", action="store_true", help="what NEW lacks doesn't count for --fail-on"
    )
    add.add_argument(
        "--price",
        metavar="P,P...",
        help="what each side costs, BASE first, in one unit (per hour, per month): adds speed per "
        "price by axis",
    )

    add = commands.add_parser(
        "fleet",
        parents=[records, band],
        help="many machines as one table: which is the odd one out",
        description="RUN may also be a folder of records: results/, or a machine's. Of a folder "
        "each machine counts once, with its newest run and what pools with it. Each machine's "
        "axes are held against the fleet's median; there is no base. Default: results/.",
    )
    add.add_argument("run", metavar="RUN", nargs="*", help="runs, or folders of records")
    form = add.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document")
    form.add_argument("--markdown", action="store_true", help="tables for a pull request")
    form.add_argument("--csv", action="store_true", help="one line per machine and axis")
    add.add_argument("--label", type=_label, help="of folders of records: only these runs")
    add.add_argument(
        "--price",
        metavar="MACHINE=P",
        action="append",
        default=[],
        help="what a machine costs; MACHINE may have *, and several are separated by commas: adds "
        "speed per price by axis",
    )

    add = commands.add_parser(
        "ab",
        parents=[band],
        help="two builds or configurations of this machine, launches in turn: is NEW faster?",
        description="A side is KIND:VALUE, both of one kind, and all else is shared. rev:REV, or "
        "just REV: a git revision; worktree: the checkout with its changes (NEW's default). "
        "preset:native; cxx:clang++; flags:-O2 (flags: for none); link:TEXT, another order of the "
        "kernels in the program; simd:AVX2; env:NAME=VALUE (env:NAME for not set); scratch:FOLDER; "
        "build:FOLDER, a build folder of CMake's. Revisions, presets, compilers, flags and link "
        "orders are built below build/ab/, and kept for the next time. Exit status: 1 where "
        "something failed or --fail-on found something.",
    )
    add.add_argument("base", metavar="BASE", nargs="?", help="the side that NEW is compared with")
    add.add_argument("new", metavar="NEW", nargs="?", help="the other side (default: worktree)")
    form = add.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document")
    form.add_argument("--markdown", action="store_true", help="tables for a pull request")
    add.add_argument("--filter", metavar="RE", help="only kernels whose group/name matches")
    add.add_argument(
        "--pairs",
        type=_pairs,
        metavar="N",
        help="how many pairs of launches (default: as many as a minute takes)",
    )
    add.add_argument(
        "--preset", type=_name, metavar="P", help="build preset of both sides (default release)"
    )
    add.add_argument(
        "--simd-target", type=_name, metavar="T", help="of both sides: at most this one, e.g. AVX2"
    )
    add.add_argument(
        "--scratch",
        type=Path,
        metavar="DIR",
        help="folder for the files of I/O kernels (default build/scratch)",
    )
    add.add_argument(
        "--fail-on",
        choices=("slower",),
        help="status 1 where a cell has this verdict and the difference is detected, or where "
        "BASE has what NEW lacks",
    )
    add.add_argument(
        "--allow-missing", action="store_true", help="what NEW lacks doesn't count for --fail-on"
    )
    add.add_argument("--check", action="store_true", help="only check the arguments")
    add.add_argument("--strict", action="store_true", help="refuse to measure on an unfit machine")
    add.add_argument(
        "--jobs", type=_jobs, metavar="N", help="compilers that run at once (default: cores)"
    )
    add.add_argument(
        "--show",
        metavar="AB",
        help="measure nothing, print a comparison that was kept: a folder, latest, or "
        "@MACHINE/LABEL of results/",
    )
    add.add_argument(
        "--publish",
        type=_label,
        metavar="LABEL",
        help="put it into results/ too, where documents can cite it (sides of kind env:, scratch: "
        "and build: name what is private, and are refused)",
    )
    add.add_argument(
        "--machine", type=_name, metavar="NAME", help="with --publish: the machine's name"
    )
    add.add_argument(
        "--out", type=Path, metavar="DIR", help="with --publish: where to (default results/)"
    )

    add = commands.add_parser(
        "scale",
        parents=[shared, records],
        help="Amdahl's and the Universal Scalability Law, fitted to thread sweeps",
    )
    add.add_argument("run", metavar="RUN", nargs="?", default="latest")

    add = commands.add_parser("export", parents=[shared, records], help="a run for other tools")
    add.add_argument("run", metavar="RUN", nargs="?", default="latest")
    add.add_argument(
        "--format",
        choices=("google-benchmark", "csv"),
        default="google-benchmark",
        help="google-benchmark: JSON for compare.py and CI services, one repetition per launch and "
        "aggregates (default); csv: one line per launch",
    )
    add.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="instead of the standard output; for csv the data dictionary goes beside it, to "
        "FILE.columns.csv",
    )
    add.add_argument(
        "--only",
        choices=("launches", "aggregates", "median"),
        help="of google-benchmark: median is for services that keep one number per name and alert "
        "by a threshold; without it launches, and mean, median, stddev and cv as Google Benchmark "
        "writes them",
    )
    add.add_argument("--dictionary", action="store_true", help="what the columns of csv mean")

    add = commands.add_parser(
        "report",
        parents=[shared, records],
        help="one self-contained page about runs",
        description="The first RUN is the base that others are compared with. Default: the newest "
        "run of each machine in results/.",
    )
    add.add_argument("run", metavar="RUN", nargs="*")
    add.add_argument("-o", "--output", type=Path, metavar="FILE", default=Path("report.html"))

    add = commands.add_parser(
        "plot",
        parents=[shared, records],
        help="one kind of picture of runs, for a document: SVG, PNG or PDF",
        description="memory: the memory mountain; roofline; ladders: speedups with intervals "
        "against the ceiling; launches: how they are distributed; sizes and threads: sweeps; load: "
        "latency percentiles and goodput against the load that is offered; measures: hit ratios "
        "and what else than time ladders are judged by; axes: RUN (the base) against the others. "
        "Without -o it is drawn with characters, on the terminal.",
    )
    add.add_argument(
        "kind",
        metavar="KIND",
        choices=_PICTURES,
        help=", ".join(_PICTURES),
    )
    add.add_argument("run", metavar="RUN", nargs="*", default=["latest"])
    add.add_argument("--filter", metavar="RE", default="", help="only kernels that match")
    add.add_argument("-o", "--output", type=Path, metavar="FILE")
    add.add_argument(
        "--width",
        type=_inches,
        metavar="INCHES",
        help="of the picture, 3 to 20 (default: 7.2, a page's text; 10.4 where charts lie side by "
        "side); labels stay of 8 point",
    )

    add = commands.add_parser(
        "cite",
        parents=[shared, records],
        help="fill the figures of documents from results/, or check them",
        description="A figure in a Markdown document stands between markers: <!-- headroom: "
        "simd/sum/highway/n:4096 speedup @MACHINE -->42.0x [41.0, 43.0]<!-- /headroom -->. "
        "@MACHINE/RUN-NAME names an exact run; @MACHINE means the newest run of that machine that "
        "has the figure. Quantities: speedup, alone, verdict, ns_per_item, time, rate, flops, "
        "of_ceiling, over_standard, value, probe, run (with `brief`: no interval); and whole "
        "blocks: ladder, table, best, probes, compare. Of a comparison of `headroom ab --publish`: "
        "ab_ratio, and the block ab.",
    )
    add.add_argument(
        "path", metavar="FILE", nargs="+", help="documents; with --latex and --bibtex runs instead"
    )
    what = add.add_mutually_exclusive_group()
    what.add_argument(
        "--check", action="store_true", help="write nothing; status 1 and a diff for wrong figures"
    )
    what.add_argument("--latex", action="store_true", help="macros for all figures of a RUN, or "
                      "for what compares two, BASE NEW")  # fmt: skip
    what.add_argument("--bibtex", action="store_true", help="entries for RUNs: commit, machine")
    add.add_argument(
        "--strict",
        action="store_true",
        help="a kernel whose source has changed since it was measured is an error",
    )

    add = commands.add_parser(
        "guide",
        parents=[shared],
        help="write GUIDE.md and its pictures, from tools/headroom_tools/guide/",
        description="The figures stay as they are: `headroom cite` fills them.",
    )
    add.add_argument(
        "--check", action="store_true", help="write nothing; status 1 where a file is not current"
    )

    add = commands.add_parser(
        "selfcheck", parents=[shared], help="measure how far the verdicts can be trusted here"
    )
    how = add.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_true", help="60 comparisons, a minute (default)")
    how.add_argument("--full", action="store_true", help="630 comparisons, 20 minutes")
    how.add_argument(
        "--samples", nargs="+", type=Path, metavar="FILE", help="judge saved samples together"
    )
    how.add_argument(
        "--between", nargs="+", metavar="RUN", help="instead: how much whole runs differ, by axis"
    )
    how.add_argument(
        "--ab",
        nargs="+",
        metavar="AB",
        help="instead: what comparisons of a program with itself say of `headroom ab`",
    )
    how.add_argument(
        "--alone",
        nargs="*",
        metavar="FILE",
        type=Path,
        help="instead: how far the speedups of ladders agree with the variants run alone, each in "
        "a process of its own; FILE: judge saved samples (of --peers too)",
    )
    how.add_argument(
        "--peers",
        metavar="BUILD",
        help="instead: whether a variant takes the same time in the ladders of another build, a "
        "preset or a folder (one without the optional peers: `make test-without` makes such; this "
        "build itself, to see what noise alone does)",
    )
    add.add_argument("--filter", metavar="RE", help="of --alone and --peers: only these kernels")
    add.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        help="of --alone and --peers: as many launches as go into M minutes (default 25), at least "
        "3, at most 10",
    )
    add.add_argument(
        "--only",
        choices=("quiet", "cpu", "memory"),
        help="only without a load, or only with this load at the same time",
    )
    add.add_argument(
        "--scratch",
        type=Path,
        metavar="DIR",
        help="folder for the files of I/O kernels (default build/scratch)",
    )

    add = commands.add_parser("validate", parents=[shared], help="check records")
    add.add_argument(
        "path", metavar="PATH", nargs="+", type=Path, help="a record, or a folder of records"
    )
    return parser


# Where each is, imported when it is the one asked for: half of a short command's time otherwise.
# As in plot/make.py, which need not be imported to print help.
_PICTURES = ("memory", "roofline", "ladders", "launches", "sizes", "threads", "load", "measures",
             "axes")  # fmt: skip
_COMMANDS = {
    "list": "reading.list_",
    "machine": "reading.machine_",
    "run": "measuring.run",
    "ab": "measuring.ab",
    "show": "reading.show",
    "compare": "reading.compare",
    "fleet": "reading.fleet",
    "selfcheck": "measuring.selfcheck",
    "scale": "reading.scale",
    "export": "writing.export",
    "report": "writing.report",
    "plot": "writing.plot",
    "cite": "writing.cite",
    "guide": "writing.guide",
    "validate": "reading.validate",
}


def command(name: str) -> Callable[[argparse.Namespace], int]:
    """What does it: takes the arguments, returns the exit status."""
    module, function = _COMMANDS[name].split(".")
    found = getattr(import_module(f"headroom_tools.cli.{module}"), function)
    return cast("Callable[[argparse.Namespace], int]", found)


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        parser = _parser()
        arguments = parser.parse_args(argv)
        if arguments.command is None:
            parser.print_help()
            return 2
        if getattr(arguments, "results", None):
            paths.use_results(arguments.results)
        status = command(arguments.command)(arguments)
        sys.stdout.flush()
        return status
    except HeadroomError as error:
        print(f"headroom: {safe(error, 1000)}", file=sys.stderr)
        return error.status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("headroom: stopped", file=sys.stderr)
        return 130
    except OSError as error:
        where = f"{paths.shown(Path(str(error.filename)))}: " if error.filename else ""
        cure = f"; {cure_of(error)}" if cure_of(error) else ""
        print(f"headroom: {where}{safe(error.strerror or error)}{cure}", file=sys.stderr)
        return 2
