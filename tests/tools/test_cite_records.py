"""Which records `cite` reads, and what it says of one that can't be read."""

from __future__ import annotations

import shutil

import pytest
from conftest import BASE, GOLDEN, NEW, golden_run
from generated import golden_pair, written

from headroom_tools.base import paths
from headroom_tools.cite import records
from headroom_tools.cite.figures import figure_of
from headroom_tools.cite.markers import request_of

CELL = "simd/sum/better/n:4096"
MACHINE = "test-2c-8g"


@pytest.fixture
def place(headroom, monkeypatch):
    """A checkout with the golden runs, and many older ones beside them."""
    monkeypatch.setenv("HEADROOM_ROOT", str(headroom.root))
    shutil.copytree(GOLDEN, headroom.root / "results")
    return headroom


def _older(place, count):
    """Makes older runs."""
    for at in range(count):
        run, machine = golden_pair()
        name = f"2025010{1 + at // 10}T00000{at % 10}Z-0123abcd-old"
        run.update(name=name, label="old")
        written(place.root / "results" / MACHINE / name, run, machine)


def test_only_what_is_needed_is_read(place, monkeypatch):
    _older(place, 30)
    read = []
    load = records.load
    monkeypatch.setattr(records, "load", lambda folder: read.append(folder.name) or load(folder))
    known = records.Records()
    for quantity in ("speedup", "time", "verdict"):
        figure_of(request_of(f"{CELL} {quantity} @{MACHINE}"), known, place.root / "doc.md")
    assert len(read) == 1
    figure_of(request_of(f"simd best @{MACHINE}"), known, place.root / "doc.md")
    assert len(known._runs) <= records.KEPT, "what was read is let go"
    read.clear()
    none = request_of(f"io/other/x/n:1 time @{MACHINE}")
    with pytest.raises(records.Unbacked):
        figure_of(none, records.Records(), place.root / "doc.md")
    assert read == [], "no run holds it: its name is in none"


def test_the_best_of_a_group_is_the_same_however_many_are_held(place, monkeypatch):
    _older(place, 12)
    request = request_of(f"simd/sum simd best @{MACHINE}")
    texts = set()
    for kept in (1, 100):
        monkeypatch.setattr(records, "KEPT", kept)
        texts.add(figure_of(request, records.Records(), place.root / "doc.md").text)
    assert len(texts) == 1


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize("file", ("run.json", "machine.json"))
@pytest.mark.parametrize("what", ("pointer", "gone", "damaged"))
def test_a_record_that_cannot_be_read_fails_its_own_figure_alone(place, file, what):
    path = golden_run(NEW).relative_to(GOLDEN)
    broken = place.root / "results" / path / file
    if what == "gone":
        broken.unlink()
    else:
        broken.write_text(POINTER if what == "pointer" else "{")
    document = place.root / "doc.md"
    document.write_text(
        f"Of <!-- headroom: {CELL} speedup @{MACHINE}/{NEW} -->old<!-- /headroom -->,\n"
        f"of <!-- headroom: {CELL} speedup @{MACHINE}/{BASE} -->?<!-- /headroom -->.\n"
    )
    done = place("cite", document)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("headroom: doc.md:1: ")
    cure = {"pointer": "`git lfs pull`", "damaged": "damaged"}.get(what)
    if what == "gone":
        cure = "git checkout -- " if file == "machine.json" else "git log --stat -- results/"
    assert cure in line, line
    first, second = document.read_text().splitlines()
    assert "x [" in second and (">old<" in first or "no record" in first)


def test_the_newest_record_is_not_passed_over_because_it_is_a_pointer(place):
    path = place.root / "results" / golden_run(NEW).relative_to(GOLDEN) / "run.json"
    path.write_text(POINTER)
    document = place.root / "doc.md"
    document.write_text(f"Of <!-- headroom: {CELL} speedup @{MACHINE} --><!-- /headroom -->\n")
    done = place("cite", document)
    assert done.returncode == 1 and "git lfs pull" in done.stderr
    assert paths.complete_runs(place.root / "results")[0].name == NEW
