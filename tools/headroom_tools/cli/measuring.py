"""What measures: runs, and the statistics themselves."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from headroom_tools.base import paths, terminal
from headroom_tools.base.errors import FULL_DISK, HeadroomError
from headroom_tools.base.text import counted, duration, size
from headroom_tools.fixtures.held import Held, named, started_for, users_own
from headroom_tools.machine import allowance
from headroom_tools.machine.allowance import memory_available
from headroom_tools.measure import bench, lock, ranks, scratch
from headroom_tools.measure.cautions import Subject, found as cautions_found

if TYPE_CHECKING:
    from headroom_tools.ab.measure import Setting
    from headroom_tools.ab.sides import Side
    from headroom_tools.measure.plan import Estimate, Selection
    from headroom_tools.measure.progress import Reporter
    from headroom_tools.measure.runner import Run
    from headroom_tools.measure.types import Catalogue, CatalogueKernel


def selfcheck(arguments: argparse.Namespace) -> int:
    from headroom_tools.measure import plan
    from headroom_tools.measure.progress import Reporter
    from headroom_tools.selfcheck import between, coverage, judge, measure, output

    to = terminal.console()
    if arguments.between:
        found = between.spreads([paths.find_run(name) for name in arguments.between])
        if arguments.json:
            terminal.print_json(found)
        else:
            between.print_spreads(found, to)
        return int(between.failed(found))
    if arguments.ab:
        return _selfcheck_ab(arguments)
    if arguments.alone is not None or arguments.peers:
        return _selfcheck_alone(arguments)
    if arguments.filter or arguments.minutes is not None:
        raise HeadroomError("--filter and --minutes go with --alone or --peers")
    files = arguments.samples
    if not files:
        mode = "full" if arguments.full else "quick"
        scratch_folder = (arguments.scratch or paths.scratch()).absolute()
        tree, _ = bench.catalogue(scratch=scratch_folder)
        reporter = Reporter(terminal.console(to_stderr=arguments.json))
        kind = "-".join(filter(None, (mode, arguments.only)))
        file = paths.selfchecks() / f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{kind}.jsonl"
        files = [file]
        _stop_on_signals()
        with lock.measuring():
            ladders = plan.selfcheck_kernels(tree)
            _cautions(Subject(tree, ladders, []), reporter, False)
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
    failed = judge.failed(judge.goals(judged), head["mode"])
    return 1 if failed or not all(row.good for row in covered) else 0


def _selfcheck_ab(arguments: argparse.Namespace) -> int:
    """What `ab` makes of identical code, and of more work of known size."""
    from headroom_tools.ab import record
    from headroom_tools.selfcheck import pairs

    found = pairs.judged([record.find(name) for name in arguments.ab])
    if arguments.json:
        terminal.print_json(pairs.as_json(found))
    else:
        pairs.print_found(found, terminal.console())
    return 1 if any(goal.status == "missed" for goal in found.goals) else 0


def _selfcheck_alone(arguments: argparse.Namespace) -> int:
    """How far ladders agree with the variants alone, or with the ladders of another build."""
    from headroom_tools.measure.progress import Reporter
    from headroom_tools.measure import plan
    from headroom_tools.selfcheck import alone, apart

    if arguments.alone and (arguments.filter or arguments.minutes is not None):
        raise HeadroomError("--filter and --minutes go with measuring: leave out the FILEs")
    files = arguments.alone or []
    if not files:
        minutes = 25.0 if arguments.minutes is None else arguments.minutes
        if not 0 < minutes <= 24 * 60:
            raise HeadroomError(f"--minutes {minutes:g}: more than 0, at most a day")
        reporter = Reporter(terminal.console(to_stderr=arguments.json))
        kind = "peers" if arguments.peers else "alone"
        files = [paths.selfchecks() / f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{kind}.jsonl"]
        scratch_folder = (arguments.scratch or paths.scratch()).absolute()
        _stop_on_signals()
        with lock.measuring(), Held(scratch_folder, reporter.warn) as servers:
            tree, _ = bench.catalogue(scratch=scratch_folder)
            _serve(servers, plan.matching(tree, arguments.filter), scratch_folder, reporter)
            tree, _ = bench.catalogue(servers.environment, scratch=scratch_folder)
            other = None
            if arguments.peers:
                program = paths.bench_of(arguments.peers)
                theirs, _ = bench.catalogue(servers.environment, program, scratch_folder)
                other = alone.Other(program, theirs)
            ladders = alone.selected(tree, other, arguments.filter, memory_available())
            _cautions(Subject(tree, ladders, []), reporter, False)
            scratch.prepare(scratch_folder)
            with alone.work_folder(files[0]) as work:
                sampler = alone.Sampler(
                    tree, ladders, other, servers.environment, (work, scratch_folder), reporter
                )
                head = alone.head_of(tree, list(ladders), kind)
                try:
                    alone.measure(sampler, head, minutes, files[0], reporter)
                except KeyboardInterrupt:
                    raise HeadroomError(
                        f"stopped; what was measured is in {paths.shown(files[0])}, for "
                        "`headroom selfcheck --alone FILE`", 130
                    ) from None  # fmt: skip
    head, samples = alone.read_all(files)
    found = apart.judged(head, samples)
    if found is None:
        raise HeadroomError(f"{paths.shown(files[0])}: no variant has a figure both ways", 1)
    to = terminal.console()
    if arguments.json:
        terminal.print_json(apart.as_json(found))
    else:
        apart.print_found(found, to)
        kept = ", ".join(map(paths.shown, files))
        to.print(Text(f"samples: {kept}", style="dim"), soft_wrap=True)
    return 1 if found.goal.status == "missed" else 0


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def _stop_on_signals() -> None:
    """What ends a process in other ways than Ctrl-C is taken as that."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)


def run(arguments: argparse.Namespace) -> int:
    from headroom_tools.measure import plan, runner, unfinished
    from headroom_tools.measure.progress import Reporter

    to = terminal.console(to_stderr=arguments.json)
    given = {
        "--profile": arguments.profile,
        "--filter": arguments.filter,
        "--inputs": arguments.inputs,
        "--machine": arguments.machine,
        "--label": arguments.label,
        "--changed": arguments.changed,
        "--out": arguments.out,
        "--scratch": arguments.scratch,
        "--simd-target": arguments.simd_target,
        "--ranks": arguments.ranks is not None,
        "--hosts": arguments.hosts,
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
        reporter = Reporter(to)
        state = unfinished.state_of(folder)
        if kept := state.get("job"):
            hosts = Path(kept["hosts"]) if kept["hosts"] else None
            bench.use_job(ranks.asked(kept["ranks"], hosts))
        _stop_on_signals()
        with lock.measuring(), Held(Path(state["scratch"]), reporter.warn) as servers:
            unfinished.check_machine(folder, state)
            subject = Subject(state["catalogue"], state["selection"], state["missing"])
            unfinished.add_notes(folder, _cautions(subject, reporter, arguments.strict))
            kernels = [k for k in state["catalogue"]["kernels"] if k["name"] in state["selection"]]
            _serve(servers, kernels, Path(state["scratch"]), reporter)
            unfinished.check_fixtures(folder, servers.facts())
            return _measure(runner.Run(folder, reporter, servers), arguments)

    profile = arguments.profile or "standard"
    scratch_folder = (arguments.scratch or paths.scratch()).absolute()
    bench.use_job(ranks.asked(arguments.ranks, arguments.hosts))
    tree, _ = bench.catalogue(scratch=scratch_folder)
    target = arguments.simd_target
    if target and target not in tree["simd_targets"]:
        raise HeadroomError(
            f"--simd-target {target}: not supported here; there are "
            f"{', '.join(tree['simd_targets']) or 'none'}"
        )
    kernels = plan.matching(tree, arguments.filter)
    every_input = arguments.inputs == "all"
    if arguments.dry_run:
        selection = plan.select(tree, profile, arguments.filter, memory_available(), every_input)
        return _dry_run(profile, selection, kernels, arguments.json, to)
    options = unfinished.Options(
        profile,
        arguments.filter,
        arguments.machine,
        arguments.label,
        arguments.changed or [],
        arguments.out.absolute() if arguments.out else None,
        scratch_folder,
        target,
        arguments.raw,
    )
    reporter = Reporter(to)
    _stop_on_signals()
    with lock.measuring(), Held(options.scratch, reporter.warn) as servers:
        _serve(servers, kernels, options.scratch, reporter)
        if servers.environment:
            tree, _ = bench.catalogue(servers.environment, scratch=scratch_folder)
        selection = plan.select(tree, profile, arguments.filter, memory_available(), every_input)
        _check_any(selection)
        estimate = plan.estimate(selection, profile)
        subject = Subject(tree, selection.ladders, selection.missing)
        notes = _cautions(subject, reporter, arguments.strict)
        folder = unfinished.create(options, tree, selection, notes, servers.facts())
        if selection.added:
            reporter.line(f"riding along for the noise floor: {', '.join(selection.added)}")
        if profile == "thorough" or not to.is_terminal:
            reporter.line(
                f"{profile}: {counted(len(selection.ladders), 'kernel')}, {_time(estimate)}, "
                f"up to {size(estimate.memory_bytes)} of memory and "
                f"{size(estimate.scratch_bytes)} of scratch space"
            )
        return _measure(runner.Run(folder, reporter, servers), arguments)


def _check_any(selection: Selection) -> None:
    """HeadroomError where nothing is left to measure."""
    if not selection.ladders:
        cures = {(e["kernel"], e["needs"]): e["cure"] for e in selection.missing if e["cure"]}
        reasons = sorted({(e["kernel"], e["needs"]) for e in selection.missing})
        told = [
            f"{kernel} needs {needs} ({cures[kernel, needs]})"
            if (kernel, needs) in cures
            else f"{kernel} needs {needs}"
            for kernel, needs in reasons
        ]
        raise HeadroomError(f"nothing can be measured here: {'; '.join(told[:3]) or 'no ladder'}")


def _serve(
    servers: Held, kernels: list[CatalogueKernel], folder: Path, reporter: Reporter
) -> None:
    """Starts the servers that `kernels` name, and says so."""
    names = named(kernels)
    if names:
        scratch.prepare(folder)
        servers.start(names)
    for facts in servers.facts():
        if not users_own(facts["name"]):
            reporter.line(f"started for this run: {facts['name']} {facts['version']}")


def _cautions(subject: Subject, reporter: Reporter, strict: bool) -> list[str]:
    """Says what makes this machine unreliable now; HeadroomError for any of it where `strict`."""
    lines = cautions_found(subject)
    for line in lines:
        reporter.warn(line)
    if lines and strict:
        raise HeadroomError(
            "--strict: refused for the reasons above; cure them, or run without it", 1
        )
    return lines


def _time(estimate: Estimate) -> str:
    """How long a run takes, in words."""
    told = f"about {duration(estimate.seconds)}"
    if estimate.most_seconds > estimate.seconds:
        told += f" (up to {duration(estimate.most_seconds)} on a slow machine)"
    return told


def _dry_run(
    profile: str, selection: Selection, kernels: list[CatalogueKernel], as_json: bool, to: Console
) -> int:
    """What the run would take; of kernels whose servers it would start, that isn't known yet."""
    from headroom_tools.measure import plan

    starts = started_for(kernels)
    served = [k["name"] for k in kernels if set(k["fixtures"]) & set(starts)]
    missing = [entry for entry in selection.missing if entry["kernel"] not in served]
    if not served:
        _check_any(selection)
    estimate = plan.estimate(selection, profile)
    ladders = sum(len(found) for found in selection.ladders.values())
    tree = {
        "profile": profile,
        "kernels": list(selection.ladders),
        "served": served,
        "starts": starts,
        "ladders": ladders,
        **estimate._asdict(),
        "missing": missing,
    }
    if as_json:
        terminal.print_json(tree)
        return 0
    from headroom_tools.show.remarks import needs_of

    table = terminal.Table("<<")
    would = f"  would measure {counted(len(selection.ladders), 'kernel')}"
    table.heading((f"{profile}", "bold"), would)
    table.row("ladders", f"{ladders}, {estimate.cells} cells")
    table.row("launches", f"{estimate.launches}")
    table.row("time", _time(estimate))
    table.row("memory", f"up to {size(estimate.memory_bytes)}")
    table.row("scratch space", f"up to {size(estimate.scratch_bytes)}")
    table.row("bytes written", f"at most about {size(estimate.written_bytes)} in all")
    if served:
        table.row("and with servers", f"{', '.join(served)}: {', '.join(starts)} would be started")
    for entry in missing:
        name = "/".join(filter(None, (entry["kernel"], entry["variant"])))
        table.row(("missing", "yellow"), f"{name}: {needs_of(entry, {})}")
    table.print(to)
    return 0


def _measure(run: Run, arguments: argparse.Namespace) -> int:
    """Measures what is left of a run, prints its record, and judges it."""
    from headroom_tools.show import disturbance
    from headroom_tools.show.summary import print_end

    try:
        finished = run.measure()
    except KeyboardInterrupt:
        raise HeadroomError(
            f"stopped: {run.kept()}; go on with `headroom run --resume`", 130
        ) from None
    except OSError as error:
        where = f" {paths.shown(Path(error.filename))}" if error.filename else ""
        cure = "free some space" if error.errno in FULL_DISK else "see to it"
        raise HeadroomError(
            f"cannot write{where}: {error.strerror}; {cure}, then `headroom run --resume`: "
            f"{run.kept()}"
        ) from None
    record = finished.run
    failed = bool(record["failures"])
    disturbed = disturbance.totals(record)
    if arguments.strict:
        failed = failed or bool(record["missing"] or record["left_out"] or record["failed"])
        failed = failed or bool(disturbed and disturbed["remaining"])
    if arguments.json:
        terminal.print_json(
            {
                "run": paths.shown(finished.folder),
                "ok": not failed,
                "failures": record["failures"],
                "failed": record["failed"],
                "missing": record["missing"],
                "left_out": record["left_out"],
                "disturbed": disturbed,
            }
        )
    else:
        to = terminal.console()
        to.print()
        print_end(record, finished.machine, finished.folder, to)
        if failed:
            wrong = sum(entry["kind"] == "mismatch" for entry in record["failures"])
            text = f"{wrong} wrong answers" if wrong else f"{len(record['failures'])} failures"
            if not record["failures"]:
                text = "--strict: something failed, is missing, left out or was disturbed"
            to.print(Text(f"FAILED: {text}", style="bold red"))
    return 1 if failed else 0


def ab(arguments: argparse.Namespace) -> int:
    """Two sides of this machine, or with --show a comparison that was kept."""
    from headroom_tools.ab import record, sides
    from headroom_tools.measure.progress import Reporter
    from headroom_tools.record import ab_file

    if (arguments.machine or arguments.out) and not arguments.publish:
        raise HeadroomError("--machine and --out are of what is published: add --publish LABEL")
    if arguments.show:
        words = {"BASE": arguments.base, "--filter": arguments.filter, "--pairs": arguments.pairs,
                 "--preset": arguments.preset, "--simd-target": arguments.simd_target,
                 "--scratch": arguments.scratch, "--strict": arguments.strict,
                 "--jobs": arguments.jobs, "--check": arguments.check}  # fmt: skip
        clash = [name for name, value in words.items() if value]
        if clash:
            raise HeadroomError(f"--show prints what was measured: leave out {', '.join(clash)}")
        return _print_ab(arguments, record.find(arguments.show))
    if not arguments.base:
        raise HeadroomError("ab: say what with: BASE [NEW], for example `headroom ab HEAD~1`")
    base, new = sides.read(arguments.base, arguments.new)
    given = {
        "--preset": arguments.preset,
        "--simd-target": arguments.simd_target,
        "--scratch": arguments.scratch,
    }
    sides.check_shared(base.kind, given)
    if arguments.publish:
        ab_file.check_kind(base.kind)
    if arguments.check:
        _check_built((base, new))
        return 0
    reporter = Reporter(terminal.console(to_stderr=arguments.json or arguments.markdown))
    _stop_on_signals()
    with lock.measuring():
        folder = _measure_ab((base, new), arguments, reporter)
    return _print_ab(arguments, folder / ab_file.FILE)


def _check_built(both: tuple[Side, Side]) -> None:
    """HeadroomError for a SIMD target that no build here has, before another minute of building;
    without a program, that is told after it."""
    from headroom_tools.ab import sides

    if both[0].kind != "simd":
        return
    try:
        catalogue, _ = bench.catalogue()
    except HeadroomError:
        return
    for side in both:
        sides.check_target(side.asked, side.value, catalogue)


def _measure_ab(
    both: tuple[Side, Side], arguments: argparse.Namespace, reporter: Reporter
) -> Path:
    """Builds what has to be built, measures, and returns where the comparison is kept."""
    from headroom_tools.ab import plan, sides
    from headroom_tools.ab.measure import Comparison, Wanted
    from headroom_tools.machine.fingerprint import fingerprint

    kind = both[0].kind
    shared = (arguments.scratch or paths.scratch()).absolute()
    scratch.prepare(shared)
    with Held(shared, reporter.warn) as servers:
        settings = _settings(both, arguments, reporter)
        catalogues = tuple(setting.catalogue for setting in settings)
        kernels = {
            kernel["name"]: kernel
            for catalogue in catalogues
            for kernel in _matching_any(catalogue, arguments.filter)
        }
        _serve(servers, list(kernels.values()), shared, reporter)
        settings = tuple(_served(setting, servers.environment) for setting in settings)
        notes = sides.differences(kind, settings[0].catalogue, settings[1].catalogue)
        selected = plan.select(
            (settings[0].catalogue, settings[1].catalogue), arguments.filter, memory_available()
        )
        ladders = {name: own[0] for name, own in selected.ladders.items()}
        subject = Subject(settings[0].catalogue, ladders, [])
        notes += _cautions(subject, reporter, arguments.strict)
        wanted = Wanted(kind, arguments.filter, arguments.pairs, fingerprint(shared), notes)
        comparison = Comparison((settings[0], settings[1]), selected, wanted, reporter)
        try:
            comparison.measure()
        except KeyboardInterrupt:
            raise HeadroomError(f"stopped: {comparison.kept()}", 130) from None
    return comparison.folder


def _matching_any(catalogue: Catalogue, pattern: str | None) -> list[CatalogueKernel]:
    """The kernels that one side has of those wanted; none is an error only on both."""
    from headroom_tools.measure import plan

    try:
        return plan.matching(catalogue, pattern)
    except HeadroomError:
        return []


def _settings(
    both: tuple[Side, Side], arguments: argparse.Namespace, reporter: Reporter
) -> tuple[Setting, ...]:
    """What the launches of each side have, their programs built."""
    from headroom_tools.ab import builds, sides
    from headroom_tools.ab.measure import Setting
    from headroom_tools.record import source

    kind = both[0].kind
    preset = arguments.preset or os.environ.get("HEADROOM_PRESET", "release")
    if kind in sides.BUILT:
        recipes = [builds.recipe(side, preset) for side in both]
        made = [(side.asked, recipe) for side, recipe in zip(both, recipes)]
        jobs = arguments.jobs or allowance.jobs()
        try:
            programs = builds.make(made, arguments.filter, jobs, reporter.line)
        except builds.BuildError as error:
            for line in error.lines:
                print(f"  {line}", file=sys.stderr)
            raise
        commits = [builds.facts(recipe) for recipe in recipes]
        sources: list[Path | None] = [recipe.source for recipe in recipes]
    else:
        programs = [sides.program(side) for side in both]
        commits = [(None, None) if kind == "build" else source.commit(paths.root())] * 2
        sources = [None if kind == "build" else paths.root()] * 2
    settings = []
    for side, program, (commit, dirty), checkout in zip(both, programs, commits, sources):
        own = dict([side.variable]) if kind == "env" else {}
        folder = (arguments.scratch or paths.scratch()).absolute()
        if kind == "scratch":
            folder = Path(side.value).absolute()
            scratch.prepare(folder)
        # What a side can run depends on its folder: memory takes no O_DIRECT.
        catalogue = bench.catalogue(own, program, folder)[0]
        target = side.value if kind == "simd" else arguments.simd_target
        if target:
            asked = side.asked if kind == "simd" else f"--simd-target {target}"
            sides.check_target(asked, target, catalogue)
        environment = {**bench.environment(catalogue), **own}
        settings.append(
            Setting(
                side.asked, program, catalogue, target, folder, environment, commit, dirty, checkout
            )
        )
    return tuple(settings)


def _served(setting: Setting, servers: dict[str, str | None]) -> Setting:
    """The side with the servers that were started for both."""
    if not servers:
        return setting
    environment = {**setting.environment, **servers}
    catalogue = bench.catalogue(environment, setting.program, setting.scratch)[0]
    return setting._replace(environment=environment, catalogue=catalogue)


def _print_ab(arguments: argparse.Namespace, path: Path) -> int:
    """Prints a comparison that is kept, publishes it where that is asked for, and judges it."""
    from headroom_tools.ab import judge, output, record
    from headroom_tools.record import ab_file

    tree = ab_file.load(path)
    if arguments.json:
        terminal.print_json(output.as_json(tree, path, arguments.band))
    elif arguments.markdown:
        print(output.as_markdown(tree, arguments.band))
    else:
        output.print_ab(tree, path, arguments.band, terminal.console())
    sys.stdout.flush()
    if arguments.publish:
        out = (arguments.out or paths.results()).absolute()
        folder = record.publish(path, arguments.publish, arguments.machine, out)
        print(f"published: {paths.shown(folder)}", file=sys.stderr)
    if arguments.fail_on:
        rows = judge.rows_of(tree, arguments.band)
        if not judge.enough(tree):
            raise HeadroomError(
                f"--fail-on {arguments.fail_on}: {tree['done']} pairs are too few for a verdict: "
                "6 at least"
            )
        found = judge.failing(rows, arguments.fail_on)
        lost = [] if arguments.allow_missing else judge.lost(tree)
        told = []
        if found:
            worst = min(found, key=lambda row: row.ratio or 1.0)
            verb = "is" if len(found) == 1 else "are"
            told.append(
                f"{len(found)} of {counted(len(rows), 'cell')} {verb} {arguments.fail_on}, "
                "the worst is "
                f"{worst.kernel['name']}/{worst.cell['variant']}/n:{worst.cell['n']} at "
                f"{output.ratio_of(worst)}"
            )
        if lost:
            told.append(f"NEW lacks {', '.join(lost[:3])}{' and more' if len(lost) > 3 else ''}")
        if told:
            raise HeadroomError("; ".join(told), 1)
    return 1 if tree["failures"] else 0
