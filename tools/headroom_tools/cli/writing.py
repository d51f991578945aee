"""What is made of records: other formats, pages, pictures, documents."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Dict, cast

from headroom_tools.base import paths, terminal
from headroom_tools.base.errors import HeadroomError, expression_of
from headroom_tools.base.text import counted, safe


def export(arguments: argparse.Namespace) -> int:
    from headroom_tools import export
    from headroom_tools.base import files
    from headroom_tools.record.validate import load

    is_csv = arguments.format == "csv"
    if arguments.only and (is_csv or arguments.dictionary):
        raise HeadroomError("--only: csv has the launches alone: leave it out")
    if arguments.dictionary:
        if arguments.json:
            terminal.print_json({"columns": [column._asdict() for column in export.DICTIONARY]})
        else:
            sys.stdout.write(export.dictionary_csv())
        return 0
    run, fingerprint = load(paths.find_run(arguments.run))
    texts = {}
    if is_csv and arguments.json and not arguments.output:
        columns = [column._asdict() for column in export.DICTIONARY]
        terminal.print_json({"columns": columns, "rows": export.csv_rows(run)})
        return 0
    if is_csv:
        texts[arguments.output] = export.as_csv(run)
    else:
        tree = export.google_benchmark(run, fingerprint, arguments.only or "all")
        _tell_unsteady(cast(Dict[str, str], tree["context"])["headroom_unsteady"])
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


def _tell_unsteady(count: str) -> None:
    """Says how many cells have no one number."""
    if count != "0":
        print(
            f"headroom: cells left out: {count}: their launches don't agree on a median to within "
            "25%, so that no threshold can be held against it; `headroom show` has them",
            file=sys.stderr,
        )


def _regular(path: Path) -> Path:
    """`path`, where a file may be written."""
    if path.exists() and not path.is_file():
        raise HeadroomError(f"{paths.shown(path)}: no regular file: name another with -o")
    return path


def report(arguments: argparse.Namespace) -> int:
    from headroom_tools.base import files
    from headroom_tools.report.page import page
    from headroom_tools.report.runs import chosen_runs

    _regular(arguments.output)
    folders = [paths.find_run(name) for name in arguments.run] or chosen_runs()
    text = page(folders)
    files.write_atomic(arguments.output, text)
    told = paths.shown(arguments.output)
    if arguments.json:
        runs = [paths.shown(folder) for folder in folders]
        terminal.print_json({"written": [told], "bytes": len(text.encode()), "runs": runs})
    else:
        print(told)
    return 0


def plot(arguments: argparse.Namespace) -> int:
    from headroom_tools.base import files
    from headroom_tools.compare.comparison import compared
    from headroom_tools.compare.sides import read_sides
    from headroom_tools.plot import characters, make, paper
    from headroom_tools.plot.spec import Bars, Chart
    from headroom_tools.plot.view import view_of

    suffix = ""
    if arguments.output is not None:
        suffix = arguments.output.suffix[1:].lower()
        if suffix not in paper.FORMATS:
            raise HeadroomError(
                f"-o {paths.shown(arguments.output)}: ends with .svg, .png or .pdf"
            )
        _regular(arguments.output)
    folders = [paths.find_run(name) for name in arguments.run]
    panels: list[Chart | Bars] = []
    if arguments.kind == "axes":
        if len(folders) < 2:
            raise HeadroomError("axes compares: name a base and one or more other runs")
        base, *news = read_sides(folders)
        trees = [compared(base, new) for new in news]
        panels += [make.axes(base, new, tree) for new, tree in zip(news, trees) if tree["axes"]]
        if not panels:
            raise HeadroomError("axes: the runs share no kernel but placebos and probes")
    else:
        pattern = expression_of(arguments.filter)
        panels += make.panels_of(arguments.kind, [view_of(f) for f in folders], pattern)
    written = []
    if arguments.output is not None:
        files.write_atomic(arguments.output, paper.drawn(panels, suffix, arguments.width))
        written = [paths.shown(arguments.output)]
    if arguments.json:
        pictures = [{"title": panel.title, "about": panel.about} for panel in panels]
        terminal.print_json({"written": written, "pictures": pictures})
    elif written:
        print(written[0])
    else:
        print("\n\n".join(characters.drawn(panel) for panel in panels))
    return 0


def guide(arguments: argparse.Namespace) -> int:
    from headroom_tools.base import files
    from headroom_tools.guide import document

    stale = []
    for path, text in document.files(paths.root()).items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(paths.shown(path))
            if not arguments.check:
                files.write_atomic(path, text)
    if arguments.json:
        terminal.print_json({"stale": stale, "written": [] if arguments.check else stale})
    elif arguments.check:
        for name in stale:
            print(f"headroom: {name}: is not current: `tools/headroom guide` writes it",
                  file=sys.stderr)  # fmt: skip
    else:
        print("\n".join(stale) or "nothing to write: GUIDE.md and its pictures are current")
    return 1 if arguments.check and stale else 0


def cite(arguments: argparse.Namespace) -> int:
    from headroom_tools.cite import documents, latex, records

    if arguments.latex or arguments.bibtex:
        folders = [paths.find_run(name).resolve() for name in arguments.path]
        if arguments.latex and len(folders) > 2:
            raise HeadroomError("--latex takes one RUN, or BASE and NEW for what compares them")
        if arguments.latex and len(folders) == 2:
            texts = [latex.comparison(*folders)]
        else:
            make = latex.macros if arguments.latex else latex.bibtex
            texts = [make(records.Loaded(folder)) for folder in folders]
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
            "warnings": warnings, "in_code": document.in_code,
            "markers": [{**one._asdict(), "status": one.status} for one in document.cited],
        })  # fmt: skip
    if arguments.json:
        terminal.print_json({"files": found})
    elif not failed:
        count = sum(len(document.cited) for document in read)
        files_told = counted(len(read), "file")
        talked = sum(document.in_code for document in read)
        code = f"; not checked, as it is code: {counted(talked, 'marker')}" if talked else ""
        if count:
            be = "is" if count == 1 else "are"
            told = f"{counted(count, 'figure')} in {files_told} {be} what the records say"
        else:
            told = f"no marker in {files_told}: nothing was checked"
        print(told + code)
    return 1 if failed else 0
