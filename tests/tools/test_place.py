"""Where a finished record goes: never over another, and once, however often it is stopped."""

from __future__ import annotations

import json
import multiprocessing

import pytest
from generated import golden_pair, written

from headroom_tools.measure import finish
from headroom_tools.record.validate import load

NAME = "20260101T235959Z-0123abcd-base"
CONTEXT = multiprocessing.get_context("fork")


def _ended(tmp_path, number, name=NAME):
    """The folder of a run that is through but for its move, and what is known of it."""
    run, machine = golden_pair()
    run.update(name=name, notes=[f"run {number}"])
    folder = tmp_path / "checkouts" / str(number) / name
    written(folder / "record", run, machine)
    out = tmp_path / "results"
    return folder, {"out": str(out), "machine": run["machine"], "name": name}


def _places(tmp_path):
    (run, _) = golden_pair()
    return sorted((tmp_path / "results" / run["machine"]).iterdir())


def test_runs_of_one_second_that_end_at_once_each_have_their_place(tmp_path):
    """Machines of one name that share a folder: all start to move in the same moment."""
    count = 6
    ended = [_ended(tmp_path, number) for number in range(count)]
    barrier = CONTEXT.Barrier(count)

    def move(folder, state):
        barrier.wait()
        finish.place(folder, state)

    workers = [CONTEXT.Process(target=move, args=own) for own in ended]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * count
    places = _places(tmp_path)
    assert [place.name for place in places] == [
        NAME, *(f"20260102T00000{at}Z-0123abcd-base" for at in range(count - 1))
    ]  # fmt: skip
    notes = []
    for place in places:
        run, _ = load(place)
        assert run["name"] == place.name
        notes += run["notes"]
    assert sorted(notes) == [f"run {number}" for number in range(count)]
    assert not any(folder.exists() for folder, _ in ended)


@pytest.mark.parametrize("taken", (False, True))
def test_a_run_that_was_stopped_after_the_move_is_there_once(tmp_path, monkeypatch, taken):
    if taken:
        finish.place(*_ended(tmp_path, 1))
    folder, state = _ended(tmp_path, 2)
    remove = finish.shutil.rmtree
    with monkeypatch.context() as patched:
        kept = lambda path, **how: path == folder or remove(path, **how)  # noqa: E731
        patched.setattr(finish.shutil, "rmtree", kept)
        first = finish.place(folder, state)
    assert folder.exists()
    again = finish.place(folder, state)
    assert again.folder == first.folder and not folder.exists()
    assert len(_places(tmp_path)) == 1 + taken


def test_a_run_that_was_stopped_during_the_move_leaves_nothing(tmp_path, monkeypatch):
    folder, state = _ended(tmp_path, 1)

    def stopped(source, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(finish.os, "rename", stopped)
        with pytest.raises(KeyboardInterrupt):
            finish.place(folder, state)
    finish.place(folder, state)
    assert [place.name for place in _places(tmp_path)] == [NAME]


def test_a_file_of_that_name_is_left_alone(tmp_path):
    folder, state = _ended(tmp_path, 1)
    (run, _) = golden_pair()
    parent = tmp_path / "results" / run["machine"]
    parent.mkdir(parents=True)
    (parent / NAME).write_text("mine")
    done = finish.place(folder, state)
    assert done.folder.name.startswith("20260102T000000Z") and (parent / NAME).read_text() == "mine"
    assert json.loads((done.folder / "run.json").read_text())["name"] == done.folder.name
