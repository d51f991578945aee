"""What is read from a build, the machine and records, and printed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from headroom_tools.base import paths, terminal
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe
from headroom_tools.machine.fingerprint import fingerprint
from headroom_tools.measure import bench
from headroom_tools.measure.served import expected


def list_(arguments: argparse.Namespace) -> int:
    from headroom_tools.measure import catalogue

    kernels = catalogue.listed(expected(bench.catalogue()[0]))
    if arguments.json:
        terminal.print_json({"kernels": kernels})
    else:
        catalogue.print_list(kernels, terminal.console())
    return 0


def machine_(arguments: argparse.Namespace) -> int:
    from headroom_tools.machine.terminal import print_machine
    from headroom_tools.record.validate import load
    from headroom_tools.show import probes

    folder: Path | None
    if arguments.run:
        folder = paths.find_run(arguments.run)
        tree = load(folder)[1]
    else:
        tree = fingerprint((arguments.scratch or paths.scratch()).absolute())
        folder = probes.newest_of(tree["slug"])
    run = load(folder)[0] if folder else None
    figures = probes.probes_of(run) if run else []
    if arguments.json:
        document: dict[str, object] = dict(tree.items())
        document["probes_of"] = run["name"] if run else None
        document["probes"] = [probe._asdict() for probe in figures]
        terminal.print_json(document)
        return 0
    to = terminal.console()
    print_machine(tree, to)
    if run and figures:
        probes.print_probes(figures, tree, run["name"], to)
    else:
        told = "this run measured no probes"
        told = told if arguments.run else "no run of this machine here measured probes"
        to.print()
        terminal.paragraph(
            to, f"! {told}: `make bench FILTER='^machine/'` does", "yellow"
        )
    return 0


def show(arguments: argparse.Namespace) -> int:
    from headroom_tools.record.validate import load
    from headroom_tools.show.forms import as_json
    from headroom_tools.show.rows import rows_of
    from headroom_tools.show.terminal import print_run

    folder = paths.find_run(arguments.run)
    run, _ = load(folder)
    if arguments.json:
        rows = rows_of(run, arguments.baseline, arguments.band)
        terminal.print_json(as_json(run, rows))
    else:
        print_run(
            run,
            folder,
            terminal.console(),
            arguments.baseline,
            arguments.band,
            arguments.counters,
        )
    return 0


def compare(arguments: argparse.Namespace) -> int:
    from headroom_tools.compare import absent, forms, price
    from headroom_tools.compare.comparison import compared, failing
    from headroom_tools.compare.sides import read_sides

    if arguments.allow_missing and not arguments.fail_on:
        raise HeadroomError("--allow-missing goes with --fail-on")
    folders = [paths.find_run(name) for name in (arguments.base, *arguments.new)]
    base, *news = read_sides(folders, not arguments.no_pool)
    prices = price.prices_of(arguments.price, [base, *news]) if arguments.price else None
    trees = [compared(base, new, arguments.band) for new in news]
    if arguments.json:
        terminal.print_json(forms.as_json(base, news, trees, prices), indent=None)
    elif arguments.csv:
        sys.stdout.write(forms.as_csv(base, news, trees, prices))
    elif arguments.markdown:
        print(forms.as_markdown(base, news, trees, arguments.all, prices))
    else:
        from headroom_tools.compare.terminal import print_all

        print_all(base, news, trees, arguments.all, terminal.console(), prices)
    if arguments.fail_on:
        sys.stdout.flush()
        found = failing(trees, arguments.fail_on)
        told = []
        if found:
            worst = min(found, key=lambda row: row["ratio"])
            total = sum(len(tree["rows"]) for tree in trees)
            told.append(
                f"{len(found)} of {total} rows are {arguments.fail_on}, the worst is "
                f"{worst['kernel']}/{worst['variant']}/n:{worst['n']} at {worst['ratio']:.3f}x"
            )
        lost = [] if arguments.allow_missing else [e for tree in trees for e in absent.lost(tree)]
        if lost:
            names = list(dict.fromkeys(f"{absent.name_of(e)}: {e['reason']}" for e in lost))
            count = absent.cells(sum(entry["cells"] for entry in lost))
            told.append(
                f"NEW lacks {count} that BASE has: {absent.few(names, 3)} (accepted with "
                "--allow-missing)"
            )
        if told:
            raise HeadroomError("; ".join(told), 1)
    return 0


def fleet(arguments: argparse.Namespace) -> int:
    from headroom_tools.fleet import forms, price, records
    from headroom_tools.fleet.fleet import fleet_of

    found = records.chosen(arguments.run or [str(paths.results())], arguments.label)
    names = records.names_of(found.sides)
    prices = price.prices_of(arguments.price, found.sides, names)
    made = fleet_of(found.sides, names, arguments.band, prices, found.left_out)
    if arguments.json:
        terminal.print_json(made, indent=None)
    elif arguments.csv:
        sys.stdout.write(forms.as_csv(made))
    elif arguments.markdown:
        print(forms.as_markdown(made))
    else:
        from headroom_tools.fleet.terminal import print_fleet

        print_fleet(made, terminal.console())
    return 0


def scale(arguments: argparse.Namespace) -> int:
    from headroom_tools.record.validate import load
    from headroom_tools.scale import ranks
    from headroom_tools.scale.laws import fits

    run, machine = load(paths.find_run(arguments.run))
    found, weak = fits(run, machine), ranks.weak(run)
    if not found and not weak:
        raise HeadroomError(
            f"{safe(run['name'], 80)}: no kernel was measured on two thread counts: on a machine "
            "of two cores or more, `headroom run --filter '^(parallel|concurrency)/'` does"
        )
    if arguments.json:
        terminal.print_json({
            "run": run["name"],
            "machine": run["machine"],
            "threads_available": run["threads_available"],
            "cores": machine["cpu"]["cores"],
            "fits": found,
            "weak": weak,
        })  # fmt: skip
    else:
        from headroom_tools.scale.terminal import print_fits, print_weak

        if found:
            print_fits(run, found, terminal.console())
        if weak:
            print_weak(run, weak, terminal.console())
    return 0


def validate(arguments: argparse.Namespace) -> int:
    from headroom_tools.record import publish

    status, results = 0, []
    for path in arguments.path:
        for found, error in publish.checked(path):
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
