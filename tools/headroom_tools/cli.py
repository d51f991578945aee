"""The command line: reads arguments, calls the rooms below, turns errors into one line."""

from __future__ import annotations

import argparse
import errno
import json
import os
import re
import signal
import sys
from datetime import datetime, timezone
from pathlib import Path

from rich.text import Text

from headroom_tools import bench, lock, machine, paths, scratch, terminal
from headroom_tools.errors import HeadroomError
from headroom_tools.text import duration, safe, size

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Parser(argparse.ArgumentParser):
    """argparse whose errors are one line with exit status 2."""

    def error(self, message: str):
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


def _band(text: str) -> float:
    """`2`, `2%` or `0.02`: all are +-2%."""
    try:
        value = float(text.rstrip("%"))
    except ValueError:
        raise argparse.ArgumentTypeError("takes a percentage, like 2 or 0.5%") from None
    if not 0 < value <= 50:
        raise argparse.ArgumentTypeError("takes a percentage between 0 and 50")
    return value / 100


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="headroom",
        description="Runs the benchmarks, keeps their records, and reads them.",
        epilog="RUN is a run's folder, or `latest`, `latest~1` and so on of results/. "
        "Exit status: 0 fine, 1 a check failed, 2 bad usage or input.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print one JSON document")
    band = argparse.ArgumentParser(add_help=False)
    band.add_argument(
        "--band",
        type=_band,
        default=0.02,
        metavar="PERCENT",
        help="practical band: differences within it are equivalent (default 2)",
    )

    commands.add_parser("list", parents=[shared], help="the kernels and variants of this build")
    add = commands.add_parser(
        "machine", parents=[shared], help="the fingerprint of this computer, and what it measured"
    )
    add.add_argument(
        "run", metavar="RUN", nargs="?", help="a run's machine (default: this, and its newest run)"
    )
    add.add_argument("--scratch", type=Path, metavar="DIR", help="whose disk to describe")

    add = commands.add_parser("run", parents=[shared], help="measure, and write a record")
    add.add_argument(
        "--profile",
        choices=("smoke", "quick", "standard", "thorough"),
        help="smoke: checks only; quick: 3 minutes; standard: 10 minutes (default); "
        "thorough: everything",
    )
    add.add_argument("--filter", metavar="RE", help="only kernels whose group/name this finds")
    add.add_argument("--machine", type=_name, metavar="NAME", help="instead of the hardware's slug")
    add.add_argument("--label", type=_label, help="e.g. before, after-ram (default: the compiler)")
    add.add_argument(
        "--changed", type=_names, metavar="WHAT", help="declares an upgrade: ram,disk,cpu,network"
    )
    add.add_argument("--out", type=Path, metavar="DIR", help="results folder (default results/)")
    add.add_argument("--scratch", type=Path, metavar="DIR", help="default build/scratch")
    add.add_argument("--simd-target", type=_name, metavar="T", help="hold SIMD down, e.g. AVX2")
    add.add_argument("--raw", action="store_true", help="keep every round, in raw.json")
    add.add_argument("--resume", action="store_true", help="go on with the newest unfinished run")
    add.add_argument("--dry-run", action="store_true", help="say what it takes, measure nothing")
    add.add_argument(
        "--strict",
        action="store_true",
        help="refuse a machine that is not fit to measure; status 1 also for what is missing, "
        "left out or was disturbed",
    )

    add = commands.add_parser("show", parents=[shared, band], help="the ladders of a run")
    add.add_argument("run", metavar="RUN", nargs="?", default="latest")
    add.add_argument("--baseline", metavar="VARIANT", help="hold all variants against this one")
    add.add_argument("--counters", action="store_true", help="also what the hardware counted")

    add = commands.add_parser(
        "compare",
        parents=[band],
        help="runs against a base: machines, or configurations of one",
        description="Runs that agree (fingerprint, compiler, flags, configuration, label) pool, "
        "named or lying beside a named one.",
    )
    add.add_argument("base", metavar="BASE")
    add.add_argument("new", metavar="NEW", nargs="+")
    form = add.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document")
    form.add_argument("--markdown", action="store_true", help="tables for a pull request")
    form.add_argument("--csv", action="store_true", help="a line for each cell and NEW")
    add.add_argument("--all", action="store_true", help="every variant, not the best ones alone")
    add.add_argument("--no-pool", action="store_true", help="each RUN by itself")
    add.add_argument(
        "--fail-on", choices=("slower",), help="status 1 where a cell has this verdict, for CI"
    )

    add = commands.add_parser(
        "scale",
        parents=[shared],
        help="Amdahl's and the Universal Scalability Law, fitted to thread sweeps",
    )
    add.add_argument("run", metavar="RUN", nargs="?", default="latest")

    add = commands.add_parser("export", parents=[shared], help="a run for other tools")
    add.add_argument("run", metavar="RUN", nargs="?", default="latest")
    add.add_argument(
        "--format",
        choices=("google-benchmark", "csv"),
        default="google-benchmark",
        help="google-benchmark: JSON for compare.py and CI services, one repetition a launch "
        "(default); csv: one line a launch",
    )
    add.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="instead of the standard output; for csv the data dictionary goes beside it, to "
        "FILE.columns.csv",
    )
    add.add_argument("--dictionary", action="store_true", help="what the columns of csv mean")

    add = commands.add_parser(
        "report",
        parents=[shared],
        help="one self-contained page about runs",
        description="The first RUN is the base that others are compared with. Without any: of each "
        "machine in results/ the newest run.",
    )
    add.add_argument("run", metavar="RUN", nargs="*")
    add.add_argument("-o", "--output", type=Path, metavar="FILE", default=Path("report.html"))

    add = commands.add_parser(
        "plot",
        parents=[shared],
        help="one kind of picture of runs, for a document: SVG, PNG or PDF",
        description="memory: the memory mountain; roofline; ladders: speedups with intervals "
        "against the ceiling; launches: how they are distributed; sizes and threads: sweeps; "
        "axes: RUN (the base) against the others.",
    )
    add.add_argument(
        "kind",
        metavar="KIND",
        choices=("memory", "roofline", "ladders", "launches", "sizes", "threads", "axes"),
        help="memory, roofline, ladders, launches, sizes, threads, axes",
    )
    add.add_argument("run", metavar="RUN", nargs="*", default=["latest"])
    add.add_argument("--filter", metavar="RE", default="", help="only kernels that this finds")
    add.add_argument("-o", "--output", type=Path, metavar="FILE", required=True)

    add = commands.add_parser(
        "cite",
        parents=[shared],
        help="fill the figures of documents from results/, or check them",
        description="A figure in a Markdown document stands between markers: <!-- headroom: "
        "simd/sum/highway/n:4096 speedup @MACHINE -->42.0x [41.0, 43.0]<!-- /headroom -->. "
        "@MACHINE/RUN-NAME names an exact run; else the newest of that machine that has the "
        "figure counts. Quantities: speedup, verdict, ns_per_item, time, rate, flops, of_ceiling, "
        "probe, run (with `brief`: no interval); and in whole: ladder, table, best, probes, "
        "compare.",
    )
    add.add_argument(
        "path", metavar="FILE", nargs="+", help="documents; with --latex and --bibtex runs instead"
    )
    what = add.add_mutually_exclusive_group()
    what.add_argument(
        "--check", action="store_true", help="write nothing; status 1 and a diff for what is wrong"
    )
    what.add_argument("--latex", action="store_true", help="macros for all figures of a RUN")
    what.add_argument("--bibtex", action="store_true", help="entries for RUNs: commit, machine")
    add.add_argument(
        "--strict", action="store_true", help="a kernel's source that has changed since is an error"
    )

    add = commands.add_parser(
        "selfcheck", parents=[shared], help="measure how far the verdicts can be trusted here"
    )
    how = add.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_true", help="60 comparisons, 90 s (default)")
    how.add_argument("--full", action="store_true", help="630 comparisons, 30 minutes")
    how.add_argument(
        "--samples", nargs="+", type=Path, metavar="FILE", help="judge kept samples again, together"
    )
    how.add_argument(
        "--between", nargs="+", metavar="RUN", help="instead: how far whole runs differ, by axis"
    )
    add.add_argument(
        "--only", choices=("quiet", "cpu", "memory"), help="one condition: no, or which other load"
    )
    add.add_argument("--scratch", type=Path, metavar="DIR", help="default build/scratch")

    add = commands.add_parser("validate", parents=[shared], help="check records")
    add.add_argument("path", metavar="PATH", nargs="+", type=Path)
    return parser


def _list(arguments: argparse.Namespace) -> int:
    from headroom_tools import catalogue

    kernels = catalogue.listed(bench.catalogue()[0])
    if arguments.json:
        terminal.print_json({"kernels": kernels})
    else:
        catalogue.print_list(kernels, terminal.console())
    return 0


def _machine(arguments: argparse.Namespace) -> int:
    from headroom_tools import catalogue, probes, record

    if arguments.run:
        folder = paths.find_run(arguments.run)
        tree = record.load(folder)[1]
    else:
        tree = machine.fingerprint((arguments.scratch or paths.scratch()).absolute())
        folder = probes.newest_of(tree["slug"])
    run = record.load(folder)[0] if folder else None
    figures = probes.probes_of(run) if run else []
    if arguments.json:
        found = [probe._asdict() for probe in figures]
        terminal.print_json({**tree, "probes_of": run["name"] if run else None, "probes": found})
        return 0
    to = terminal.console()
    catalogue.print_machine(tree, to)
    if figures:
        probes.print_probes(figures, tree, run["name"], to)
    else:
        which = "this run" if arguments.run else "no run of this machine here"
        to.print()
        terminal.paragraph(
            to, f"! {which} measured probes: `make bench FILTER='^machine/'` does", "yellow"
        )
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from headroom_tools import record, show

    folder = paths.find_run(arguments.run)
    run, _ = record.load(folder)
    if arguments.json:
        rows = show.rows_of(run, arguments.baseline, arguments.band)
        terminal.print_json(show.as_json(run, rows))
    else:
        show.print_run(
            run,
            folder,
            terminal.console(),
            arguments.baseline,
            arguments.band,
            arguments.counters,
        )
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    from headroom_tools import compare
    from headroom_tools.compare import forms

    folders = [paths.find_run(name) for name in (arguments.base, *arguments.new)]
    base, *news = compare.read_sides(folders, not arguments.no_pool)
    trees = [compare.compared(base, new, arguments.band) for new in news]
    if arguments.json:
        terminal.print_json(forms.as_json(base, news, trees), indent=None)
    elif arguments.csv:
        sys.stdout.write(forms.as_csv(base, news, trees))
    elif arguments.markdown:
        print(forms.as_markdown(base, news, trees, arguments.all))
    else:
        from headroom_tools.compare.terminal import print_all

        print_all(base, news, trees, arguments.all, terminal.console())
    if arguments.fail_on:
        found = compare.failing(trees, arguments.fail_on)
        if found:
            worst = min(found, key=lambda row: row["ratio"])
            total = sum(len(tree["rows"]) for tree in trees)
            sys.stdout.flush()
            raise HeadroomError(
                f"{len(found)} of {total} rows are {arguments.fail_on}, the worst is "
                f"{worst['kernel']}/{worst['variant']}/n:{worst['n']} at {worst['ratio']:.3f}x",
                1,
            )
    return 0


def _scale(arguments: argparse.Namespace) -> int:
    from headroom_tools import record, scale

    run, fingerprint = record.load(paths.find_run(arguments.run))
    fits = scale.fits(run, fingerprint)
    if not fits:
        raise HeadroomError(
            f"{safe(run['name'], 80)}: no kernel was measured on two thread counts: on a machine "
            "of two cores or more, `headroom run --filter '^(parallel|concurrency)/'` does"
        )
    if arguments.json:
        terminal.print_json({
            "run": run["name"],
            "machine": run["machine"],
            "threads_available": run["threads_available"],
            "cores": fingerprint["cpu"]["cores"],
            "fits": fits,
        })  # fmt: skip
    else:
        from headroom_tools.scale_terminal import print_fits

        print_fits(run, fits, terminal.console())
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from headroom_tools import export, files, record

    is_csv = arguments.format == "csv"
    if arguments.dictionary:
        if arguments.json:
            terminal.print_json({"columns": [column._asdict() for column in export.DICTIONARY]})
        else:
            sys.stdout.write(export.dictionary_csv())
        return 0
    run, fingerprint = record.load(paths.find_run(arguments.run))
    texts = {}
    if is_csv and arguments.json and not arguments.output:
        columns = [column._asdict() for column in export.DICTIONARY]
        terminal.print_json({"columns": columns, "rows": export.csv_rows(run)})
        return 0
    if is_csv:
        texts[arguments.output] = export.as_csv(run)
    else:
        tree = export.google_benchmark(run, fingerprint)
        texts[arguments.output] = json.dumps(tree, indent=1, allow_nan=False) + "\n"
    if arguments.output is None:
        sys.stdout.write(texts[None])
        return 0
    if is_csv:
        beside = arguments.output.with_name(arguments.output.name + ".columns.csv")
        texts[beside] = export.dictionary_csv()
    for path, text in texts.items():
        if path.exists() and not path.is_file():
            raise HeadroomError(f"{paths.shown(path)}: no regular file: name another with -o")
        files.write_atomic(path, text)
    if arguments.json:
        terminal.print_json({"written": [paths.shown(path) for path in texts]})
    else:
        print("\n".join(paths.shown(path) for path in texts))
    return 0


def _regular(path: Path) -> Path:
    """`path`, where a file may be written."""
    if path.exists() and not path.is_file():
        raise HeadroomError(f"{paths.shown(path)}: no regular file: name another with -o")
    return path


def _report(arguments: argparse.Namespace) -> int:
    from headroom_tools import files, report

    _regular(arguments.output)
    folders = [paths.find_run(name) for name in arguments.run] or report.chosen_runs()
    text = report.page(folders)
    files.write_atomic(arguments.output, text)
    told = paths.shown(arguments.output)
    if arguments.json:
        runs = [paths.shown(folder) for folder in folders]
        terminal.print_json({"written": [told], "bytes": len(text.encode()), "runs": runs})
    else:
        print(told)
    return 0


def _pattern(text: str) -> re.Pattern:
    try:
        return re.compile(text)
    except re.error as error:
        raise HeadroomError(f"--filter {safe(text, 60)}: no regular expression: {error}") from None


def _plot(arguments: argparse.Namespace) -> int:
    from headroom_tools import compare, files
    from headroom_tools.pictures import make, paper

    suffix = arguments.output.suffix[1:].lower()
    if suffix not in paper.FORMATS:
        raise HeadroomError(f"-o {paths.shown(arguments.output)}: ends with .svg, .png or .pdf")
    _regular(arguments.output)
    folders = [paths.find_run(name) for name in arguments.run]
    if arguments.kind == "axes":
        if len(folders) < 2:
            raise HeadroomError("axes compares: name a base and one or more other runs")
        base, *news = compare.read_sides(folders)
        trees = [compare.compared(base, new) for new in news]
        panels = [make.axes(base, new, tree) for new, tree in zip(news, trees) if tree["axes"]]
        if not panels:
            raise HeadroomError("axes: the runs share no kernel but placebos and probes")
    else:
        pattern = _pattern(arguments.filter)
        panels = make.panels_of(arguments.kind, [make.view_of(f) for f in folders], pattern)
    files.write_atomic(arguments.output, paper.drawn(panels, suffix))
    told = paths.shown(arguments.output)
    if arguments.json:
        pictures = [{"title": panel.title, "about": panel.about} for panel in panels]
        terminal.print_json({"written": [told], "pictures": pictures})
    else:
        print(told)
    return 0


def _cite(arguments: argparse.Namespace) -> int:
    from headroom_tools.cite import documents, latex, records

    if arguments.latex or arguments.bibtex:
        make = latex.macros if arguments.latex else latex.bibtex
        if arguments.latex and len(arguments.path) > 1:
            raise HeadroomError("--latex takes one RUN: the names of two would clash")
        texts = [make(records.Loaded(paths.find_run(name).resolve())) for name in arguments.path]
        if arguments.json:
            terminal.print_json({"texts": texts})
        else:
            sys.stdout.write("\n".join(texts))
        return 0
    known, found, failed = records.Records(), [], 0
    read = [documents.read(Path(path), known) for path in arguments.path]
    for document in read:
        changed = document.new != document.old
        if arguments.check:
            if not arguments.json:
                sys.stdout.write(documents.diff(document))
        elif documents.write(document) and not arguments.json:
            print(f"{paths.shown(document.path)}: filled")
        errors, warnings = documents.problems(document, arguments.check, arguments.strict)
        failed += len(errors)
        sys.stdout.flush()
        for line in () if arguments.json else [*errors, *(f"warning: {w}" for w in warnings)]:
            print(f"headroom: {safe(line, 1000)}", file=sys.stderr)
        found.append({
            "file": paths.shown(document.path), "changed": changed, "errors": errors,
            "warnings": warnings,
            "markers": [{**one._asdict(), "status": one.status} for one in document.cited],
        })  # fmt: skip
    if arguments.json:
        terminal.print_json({"files": found})
    elif not failed:
        count = sum(len(document.cited) for document in read)
        print(f"{count} figures in {len(read)} files are what the records say")
    return 1 if failed else 0


def _validate(arguments: argparse.Namespace) -> int:
    from headroom_tools import validate

    status, results = 0, []
    for path in arguments.path:
        for found, error in validate.checked(path):
            status = max(status, error.status if error else 0)
            told = str(error) if error else None
            results.append({"path": paths.shown(found), "valid": error is None, "error": told})
    if arguments.json:
        terminal.print_json({"files": results})
        return status
    for result in results:
        if result["valid"]:
            print(f"{result['path']}: valid")
        else:
            print(f"headroom: {result['error']}", file=sys.stderr)
    return status


def _selfcheck(arguments: argparse.Namespace) -> int:
    from headroom_tools import plan
    from headroom_tools.selfcheck import between, coverage, judge, measure, output
    from headroom_tools.progress import Reporter

    to = terminal.console()
    if arguments.between:
        found = between.spreads([paths.find_run(name) for name in arguments.between])
        if arguments.json:
            terminal.print_json(found)
        else:
            between.print_spreads(found, to)
        return 0
    files = arguments.samples
    if not files:
        mode = "full" if arguments.full else "quick"
        tree, _ = bench.catalogue()
        reporter = Reporter(terminal.console(to_stderr=arguments.json))
        kind = "-".join(filter(None, (mode, arguments.only)))
        file = paths.selfchecks() / f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{kind}.jsonl"
        files = [file]
        scratch_folder = (arguments.scratch or paths.scratch()).absolute()
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupted)
        with lock.measuring():
            ladders = plan.selfcheck_kernels(tree)
            _cautions((tree, ladders, []), reporter, False)
            scratch.prepare(scratch_folder)
            try:
                measure.measure(tree, mode, arguments.only, file, scratch_folder, reporter)
            except KeyboardInterrupt:
                raise HeadroomError(
                    f"stopped; what was measured is in {paths.shown(file)}, for "
                    "`headroom selfcheck --samples`", 130
                ) from None  # fmt: skip
    head, samples = measure.read_all(files)
    judged = [judge.judged(sample) for sample in samples if judge.complete(sample)]
    if not judged:
        raise HeadroomError(f"{paths.shown(files[0])}: holds no whole group of launches", 1)
    covered = coverage.covered()
    if arguments.json:
        terminal.print_json(output.as_json(head, judged, covered))
    else:
        output.print_all(head, judged, covered, to)
        kept = ", ".join(map(paths.shown, files))
        to.print(Text(f"samples: {kept}", style="dim"), soft_wrap=True)
    missed = any(goal.status == "missed" for goal in judge.goals(judged))
    return 1 if missed or not all(row.good for row in covered) else 0


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def _run(arguments: argparse.Namespace) -> int:
    from headroom_tools import plan, runner, unfinished
    from headroom_tools.progress import Reporter

    to = terminal.console(to_stderr=arguments.json)
    given = {
        "--profile": arguments.profile,
        "--filter": arguments.filter,
        "--machine": arguments.machine,
        "--label": arguments.label,
        "--changed": arguments.changed,
        "--out": arguments.out,
        "--scratch": arguments.scratch,
        "--simd-target": arguments.simd_target,
        "--raw": arguments.raw,
        "--dry-run": arguments.dry_run,
    }
    if arguments.resume:
        clash = [name for name, value in given.items() if value]
        if clash:
            raise HeadroomError(
                f"--resume goes on with what the run was started with: leave out {', '.join(clash)}"
            )
        folder = unfinished.newest()
        with lock.measuring():
            reporter = Reporter(to)
            state = unfinished.state_of(folder)
            subject = (state["catalogue"], state["selection"], state["missing"])
            unfinished.add_notes(folder, _cautions(subject, reporter, arguments.strict))
            return _measure(runner, folder, reporter, arguments)

    profile = arguments.profile or "standard"
    tree, _ = bench.catalogue()
    target = arguments.simd_target
    if target and target not in tree["simd_targets"]:
        raise HeadroomError(
            f"--simd-target {target}: not supported here; there are "
            f"{', '.join(tree['simd_targets']) or 'none'}"
        )
    selection = plan.select(tree, profile, arguments.filter, machine.memory_available())
    if not selection.ladders:
        reasons = sorted({f"{e['kernel']} needs {e['needs']}" for e in selection.missing})
        raise HeadroomError(
            f"nothing can be measured here: {'; '.join(reasons[:3]) or 'no ladder'}"
        )
    estimate = plan.estimate(selection, profile)
    if arguments.dry_run:
        return _dry_run(profile, selection, estimate, arguments.json, to)
    options = unfinished.Options(
        profile,
        arguments.filter,
        arguments.machine,
        arguments.label,
        arguments.changed or [],
        arguments.out.absolute() if arguments.out else None,
        (arguments.scratch or paths.scratch()).absolute(),
        target,
        arguments.raw,
    )
    with lock.measuring():
        reporter = Reporter(to)
        subject = (tree, selection.ladders, selection.missing)
        notes = _cautions(subject, reporter, arguments.strict)
        folder = unfinished.create(options, tree, selection, notes)
        if selection.added:
            reporter.line(f"riding along for the noise floor: {', '.join(selection.added)}")
        if profile == "thorough" or not to.is_terminal:
            reporter.line(
                f"{profile}: {len(selection.ladders)} kernels, about {duration(estimate.seconds)}, "
                f"up to {size(estimate.memory_bytes)} of memory and "
                f"{size(estimate.scratch_bytes)} of scratch space"
            )
        return _measure(runner, folder, reporter, arguments)


def _cautions(subject: tuple, reporter, strict: bool) -> list[str]:
    """Says what makes this machine unreliable now; HeadroomError for any of it where `strict`."""
    from headroom_tools import cautions

    lines = cautions.found(cautions.Subject(*subject))
    for line in lines:
        reporter.warn(line)
    if lines and strict:
        raise HeadroomError(
            "--strict: refused for the reasons above; cure them, or run without it", 1
        )
    return lines


def _dry_run(profile: str, selection, estimate, as_json: bool, to) -> int:
    ladders = sum(len(found) for found in selection.ladders.values())
    tree = {
        "profile": profile,
        "kernels": list(selection.ladders),
        "ladders": ladders,
        **estimate._asdict(),
        "missing": selection.missing,
    }
    if as_json:
        terminal.print_json(tree)
        return 0
    from headroom_tools.show import needs_of

    table = terminal.Table("<<")
    table.heading((f"{profile}", "bold"), f"  would measure {len(selection.ladders)} kernels")
    table.row("ladders", f"{ladders}, {estimate.cells} cells")
    table.row("launches", f"{estimate.launches}")
    table.row("time", f"about {duration(estimate.seconds)}")
    table.row("memory", f"up to {size(estimate.memory_bytes)}")
    table.row("scratch space", f"up to {size(estimate.scratch_bytes)}")
    table.row("bytes written", f"at most about {size(estimate.written_bytes)} in all")
    for entry in selection.missing:
        name = "/".join(filter(None, (entry["kernel"], entry["variant"])))
        table.row(("missing", "yellow"), f"{name}: {needs_of(entry, {})}")
    table.print(to)
    return 0


def _measure(runner, folder: Path, reporter, arguments: argparse.Namespace) -> int:
    """Measures what is left of the run in `folder`, prints its record, and judges it."""
    from headroom_tools import disturbance, show

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    run = runner.Run(folder, reporter)
    try:
        finished = run.measure()
    except KeyboardInterrupt:
        raise HeadroomError(
            f"stopped: {run.kept()}; go on with `headroom run --resume`", 130
        ) from None
    except OSError as error:
        where = f" {paths.shown(Path(error.filename))}" if error.filename else ""
        cure = "free some space" if error.errno in _FULL_DISK else "see to it"
        raise HeadroomError(
            f"cannot write{where}: {error.strerror}; {cure}, then `headroom run --resume`: "
            f"{run.kept()}"
        ) from None
    record = finished.run
    failed = bool(record["failures"])
    disturbed = disturbance.totals(record)
    if arguments.strict:
        failed = failed or bool(record["missing"] or record["left_out"])
        failed = failed or bool(disturbed and disturbed["remaining"])
    if arguments.json:
        terminal.print_json(
            {
                "run": paths.shown(finished.folder),
                "ok": not failed,
                "failures": record["failures"],
                "missing": record["missing"],
                "left_out": record["left_out"],
                "disturbed": disturbed,
            }
        )
    else:
        to = terminal.console()
        to.print()
        show.print_run(record, finished.folder, to)
        if failed:
            wrong = sum(entry["kind"] == "mismatch" for entry in record["failures"])
            text = f"{wrong} wrong answers" if wrong else f"{len(record['failures'])} failures"
            if not record["failures"]:
                text = "--strict: something is missing, left out or was disturbed"
            to.print(Text(f"FAILED: {text}", style="bold red"))
    return 1 if failed else 0


_COMMANDS = {
    "list": _list,
    "machine": _machine,
    "run": _run,
    "show": _show,
    "compare": _compare,
    "selfcheck": _selfcheck,
    "scale": _scale,
    "export": _export,
    "report": _report,
    "plot": _plot,
    "cite": _cite,
    "validate": _validate,
}


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
        status = _COMMANDS[arguments.command](arguments)
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
        cure = "; free some space there" if error.errno in _FULL_DISK else ""
        print(f"headroom: {where}{safe(error.strerror or error)}{cure}", file=sys.stderr)
        return 2
