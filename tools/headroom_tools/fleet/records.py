"""Which records RUN names, and the machines that they make."""

from __future__ import annotations

import filecmp
import gc
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, NamedTuple

from headroom_tools.base import paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe
from headroom_tools.compare.sides import Side, read_sides


class Chosen(NamedTuple):
    """The machines, in an order that doesn't depend on how they were named. left_out: runs in
    folders of records that are of another label or configuration than their machine's newest."""

    sides: list[Side]
    left_out: int


def _label(folder: Path) -> str:
    return folder.name.split("-", 2)[-1]


def _inside(word: str, label: str | None) -> list[Path] | None:
    """The runs of a folder of records, of a results folder or one machine's; None for other RUNs.

    label: only these.
    """
    path = Path(word)
    if word.startswith("@") or not path.is_dir() or (path / "run.json").is_file():
        return None
    found = [one.parent for depth in ("*/run.json", "*/*/run.json") for one in path.glob(depth)]
    if label is not None and found:
        found = [one for one in found if _label(one) == label]
        if not found:
            raise HeadroomError(f"{paths.shown(path)}: no run there has the label {safe(label)}")
    return found or None


def _once(found: set[Path]) -> list[Path]:
    """The newest first, without copies: a record that was copied twice is still one run.

    Runs of two machines that started at one moment have one name, too: the content decides.
    """
    kept: dict[str, list[Path]] = {}
    for one in sorted(found, key=lambda one: (one.name, str(one)), reverse=True):
        others = kept.setdefault(one.name, [])
        if not any(filecmp.cmp(one / "run.json", it / "run.json", False) for it in others):
            others.append(one)
    return [one for same in kept.values() for one in same]


@contextmanager
def _no_collector() -> Iterator[None]:
    """Records are trees: looking through millions of numbers for circles takes a third of the time
    that reading forty machines takes, and finds none."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def chosen(words: list[str], label: str | None = None) -> Chosen:
    """The machines that `words` name, each RUN being a run or a folder of records.

    Runs that agree are one machine (`sides.read_sides`). Of a folder each machine counts once, with
    its newest run and what pools with that; a run that is named itself always counts.
    """
    found: set[Path] = set()
    named: set[str] = set()
    for word in words:
        inside = _inside(word, label)
        if inside is None:
            own = paths.find_run(word)
            named.add(own.resolve().name)
            inside = [own]
        found.update(one.resolve() for one in inside)
    with _no_collector():
        sides = read_sides(_once(found))
    kept: list[Side] = []
    newest: dict[str, Side] = {}
    for side in sides:
        if any(run["name"] in named for run in side.runs):
            kept.append(side)
        elif _age(side) > _age(newest.get(side.run["machine"])):
            newest[side.run["machine"]] = side
    with_named = {side.run["machine"] for side in kept}
    kept += [side for name, side in newest.items() if name not in with_named]
    kept.sort(key=lambda side: (side.run["machine"], side.run["label"], *_age(side)))
    if len(kept) < 2:
        raise HeadroomError(
            f"these runs are all of one machine, {safe(sides[0].run['machine'], 80)}, and a fleet "
            "takes several; configurations of one are named run by run: RESULTS/MACHINE/*"
        )
    count = sum(len(side.runs) for side in sides) - sum(len(side.runs) for side in kept)
    return Chosen(kept, count)


def _age(side: Side | None) -> tuple[str, ...]:
    """The newest of its runs; what comes before all others without a side."""
    return max((run["started"], run["name"]) for run in side.runs) if side else ()


def names_of(sides: list[Side]) -> list[str]:
    """What each is called: its machine, with the label and the run where that isn't enough."""
    ways = (
        [side.run["machine"] for side in sides],
        [f"{side.run['machine']} · {side.run['label']}" for side in sides],
        [f"{side.run['machine']} · {side.run['label']} · {side.run['name']}" for side in sides],
    )
    return [
        safe(next((way[at] for way in ways if way.count(way[at]) == 1), ways[-1][at]), 100)
        for at in range(len(sides))
    ]
