"""The record that a marker means, its rows, and whether a kernel's source is still the same."""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from pathlib import Path
from typing import Callable, Iterator, NamedTuple
from urllib.parse import quote

from headroom_tools.ab import judge
from headroom_tools.base import paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import ladder_label, safe
from headroom_tools.cite.markers import Machine, Subject
from headroom_tools.record import ab_file, source
from headroom_tools.record.cells import Cell
from headroom_tools.record.validate import load
from headroom_tools.show import probes
from headroom_tools.show.rows import BAND, Row, rows_of

KEPT = 4  # runs that are held at once: a run of all kernels takes some megabytes


class Kept:
    """A record of results/. title: what it calls itself. hashes: by kernel that of the source that
    was measured, by the rule of that version."""

    def __init__(self, folder: Path, title: str, version: int, hashes: dict[str, str | None]):
        self.folder = folder
        self.title = title
        self.version = version
        self.hashes = hashes

    @property
    def name(self) -> str:
        """`MACHINE/RUN-NAME`, below results/."""
        return f"{self.folder.parent.name}/{self.folder.name}"


class LoadedAb(Kept):
    """A comparison of `headroom ab`. What its NEW was made of is what it is a record of."""

    def __init__(self, folder: Path):
        self.tree = ab_file.load(folder / ab_file.FILE)
        hashes = {one["name"]: one["source_hash"]["new"] for one in self.tree["kernels"]}
        super().__init__(folder, self.tree["name"], ab_file.HASHED_AS, hashes)
        self.rows = judge.rows_of(self.tree, BAND)


class Loaded(Kept):
    """A run, with what is read out of it at most once."""

    def __init__(self, folder: Path):
        self.run, self.machine = load(folder)
        hashes = {kernel["name"]: kernel["source_hash"] for kernel in self.run["kernels"]}
        super().__init__(folder, self.run["name"], self.run["version"], hashes)
        self._rows: list[Row] | None = None
        self._probes: list[probes.Probe] | None = None

    @property
    def rows(self) -> list[Row]:
        if self._rows is None:
            self._rows = rows_of(self.run)
        return self._rows

    @property
    def probes(self) -> list[probes.Probe]:
        if self._probes is None:
            self._probes = probes.probes_of(self.run)
        return self._probes


class Unbacked(HeadroomError):
    """No record says what a marker asks for."""

    def __init__(self, message: str):
        super().__init__(message, 1)


class Drift(NamedTuple):
    """A cited kernel whose source is not the one that was measured. gone: it isn't there."""

    kernel: str
    gone: bool


def _may_hold(folder: Path, name: str) -> bool:
    """Whether a run may be of this kernel or group. What is damaged, or can't be read, may be."""
    try:
        data = (folder / "run.json").read_bytes()
    except OSError:
        return True
    whole = data.lstrip()[:1] == b"{" and data.rstrip()[-1:] == b"}"
    last = b'"' if "/" in name else b"/"
    return not whole or b'"' + name.encode() + last in data


def _matches(subject: Subject, cell: Cell) -> bool:
    return (
        subject.kernel in (None, cell.kernel["name"])
        and subject.group == cell.kernel["group"]
        and subject.variant in (None, cell.variant)
        and subject.n in (None, cell.n)
        and subject.input in (None, cell.input)
        and subject.threads in (None, cell.threads, cell.ladder_threads)
        and subject.params.items() <= cell.params.items()
    )


def _is_of(subject: Subject, row: judge.Row) -> bool:
    cell, name = row.cell, row.kernel["name"]
    return (
        subject.kernel in (None, name)
        and subject.group == name.partition("/")[0]
        and subject.variant in (None, cell["variant"])
        and subject.n in (None, cell["n"])
        and subject.input in (None, cell["input"])
        and subject.threads in (None, cell["threads"], cell["ladder_threads"])
        and subject.params.items() <= cell["params"].items()
    )


class Records:
    """The records of results/, read when they are needed."""

    def __init__(self) -> None:
        self._runs: OrderedDict[Path, Loaded] = OrderedDict()
        self._abs: dict[Path, LoadedAb] = {}
        self._sources: dict[tuple[str, int], str | None] = {}

    def _load(self, folder: Path) -> Loaded:
        if folder not in self._runs:
            for name in ("run.json", "machine.json"):
                if not (folder / name).is_file():
                    path = paths.shown(folder / name)
                    raise HeadroomError(f"{path}: is gone: `git checkout -- {path}` brings it back")
            self._runs[folder] = Loaded(folder)
        self._runs.move_to_end(folder)
        while len(self._runs) > KEPT:
            self._runs.popitem(last=False)
        return self._runs[folder]

    def runs(self, machine: Machine, name: str | None = None) -> Iterator[Loaded]:
        """The runs that `machine` can mean, newest first, each read when it is asked for. Unbacked
        where there is none. name: of a kernel or a group; runs that don't hold it are left out."""
        try:
            found = paths.runs_of(machine.name, machine.run)
        except HeadroomError as error:
            past = f"results/{machine.name}"
            raise Unbacked(
                f"{error}; cite another, or see what became of it: `git log --stat -- {past}`"
            ) from None
        return (self._load(path) for path in found if name is None or _may_hold(path, name))

    def _load_ab(self, folder: Path) -> LoadedAb:
        if folder not in self._abs:
            self._abs[folder] = LoadedAb(folder)
        return self._abs[folder]

    def compared(
        self, machine: Machine, subjects: list[Subject]
    ) -> tuple[LoadedAb, list[judge.Row]]:
        """The newest comparison of `ab` that has each of the subjects, and its rows of them; all
        but the placebos where there are no subjects."""
        try:
            found = paths.runs_of(machine.name, machine.run, ab_file.FILE)
        except HeadroomError as error:
            raise Unbacked(str(error)) from None
        for loaded in map(self._load_ab, found):
            measured = [row for row in loaded.rows if row.ratio is not None]
            if not subjects:
                return loaded, [row for row in measured if not row.kernel["placebo"]]
            own = [[row for row in measured if _is_of(subject, row)] for subject in subjects]
            if all(own):
                return loaded, [row for row in measured if any(row in rows for rows in own)]
        asked = ", ".join(subject.text for subject in subjects)
        raise Unbacked(f"{asked}: no comparison of {machine} has it")

    def ladder(self, machine: Machine, subject: Subject) -> tuple[Loaded, list[Row]]:
        """The newest run that has rows of LADDER `subject`, and these."""
        for loaded in self.runs(machine, subject.kernel or subject.group):
            rows = [row for row in loaded.rows if _matches(subject, row.cell)]
            if any(row.ns for row in rows):
                return loaded, rows
        raise Unbacked(f"{subject.text}: no record of {machine} has it")

    def cell(self, machine: Machine, subject: Subject) -> tuple[Loaded, Row]:
        """The newest run that has CELL `subject`, and its row."""
        loaded, rows = self.ladder(machine, subject)
        rows = [row for row in rows if row.ns]
        if subject.threads is not None:
            rows = [row for row in rows if row.cell.threads == subject.threads] or rows
        if len(rows) > 1:  # the one-thread row of a sweep stands in several ladders
            own = [row for row in rows if row.cell.ladder_threads == row.cell.threads]
            rows = own or rows
        if len(rows) > 1:
            cells = [row.cell for row in rows]
            names = [
                f"{cell.variant} {ladder_label(cell.n, cell.input, cell.threads, cell.params, 2)}"
                for cell in cells
            ]
            raise HeadroomError(f"{subject.text}: means several: {', '.join(names[:4])}", 1)
        return loaded, rows[0]

    def probe(self, machine: Machine, subject: Subject) -> tuple[Loaded, probes.Probe]:
        """The newest run that has the probe's figure, and the figure."""
        for loaded in self.runs(machine, subject.kernel or subject.group):
            found = [
                probe
                for probe in loaded.probes
                if probe.probe == subject.kernel
                and subject.variant in (None, probe.variant)
                and subject.n in (None, probe.n)
                and subject.input in (None, probe.input)
                and subject.threads in (None, probe.threads)
            ]
            if len(found) > 1:
                told = [ladder_label(p.n, p.input, p.threads, {}, 2) for p in found]
                raise HeadroomError(f"{subject.text}: means several: {'; '.join(told[:4])}", 1)
            if found:
                return loaded, found[0]
        raise Unbacked(f"{subject.text}: no record of {machine} has this probe")

    def drift(self, kept: Kept, kernels: set[str]) -> list[Drift]:
        """Those of `kernels` whose source has changed since, comments and blanks aside.

        Where the records are another repository's, its sources are not at hand: a source has then
        changed where a newer record has another hash of it.
        """
        found = []
        for name in sorted(kernels):
            measured = kept.hashes.get(name)
            if not paths.results_are_own():
                if self._newest_hash(name, kept.version) != measured:
                    found.append(Drift(name, False))
                continue
            now = self._source(name, kept.version)
            if now != measured and (paths.root() / "kernels").is_dir():
                found.append(Drift(name, now is None))
        return found

    def _newest_hash(self, name: str, version: int) -> str | None:
        """A kernel's hash in the newest of all records of that version that have it."""
        if (name, version) not in self._sources:
            folders: list[tuple[Path, Callable[[Path], Kept]]] = []
            folders += [(one, self._load) for one in paths.complete_runs(paths.results())]
            compared = paths.complete_runs(paths.results(), ab_file.FILE)
            folders += [(one, self._load_ab) for one in compared]
            folders.sort(key=lambda found: (found[0].name, str(found[0])), reverse=True)
            self._sources[name, version] = next(
                (
                    kept.hashes[name]
                    for folder, read in folders
                    if (kept := read(folder)).version == version and name in kept.hashes
                ),
                None,
            )
        return self._sources[name, version]

    def _source(self, name: str, version: int) -> str | None:
        """The hash of a kernel's source as it is now, as a record of that version has it; None
        where no file registers it."""
        if (name, version) not in self._sources:
            kernels = paths.root() / "kernels"
            path = _file_of(name, kernels)
            found = source.source_hash(path, kernels, version) if path else None
            self._sources[name, version] = found
        return self._sources[name, version]


def _file_of(name: str, kernels: Path) -> Path | None:
    """The file that registers a kernel: of its own name, or (one file, two kernels) another one."""
    group, kernel = name.split("/")
    own = kernels / group / f"{kernel}.cpp"
    if own.is_file():
        return own
    for path in sorted((kernels / group).glob("*.cpp")):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if re.search(rf'"{re.escape(name)}"', text):
            return path
    return None


def link_to(kept: Kept, document: Path) -> str:
    """A Markdown link from a document to a record's folder."""
    path = os.path.relpath(kept.folder.resolve(), document.resolve().parent)
    return f"[{safe(kept.folder.name)}]({quote(os.fsencode(path))})"
