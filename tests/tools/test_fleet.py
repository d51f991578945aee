"""`fleet`: the odd one out is found, identical machines have none, whatever the order and form."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import re
import resource
import shutil
import subprocess
import time

import numpy
import pytest
from conftest import BASE, COMMAND, golden_run, long_test
from generated import large, machine_of, scaled, written

from headroom_tools.base.errors import HeadroomError
from headroom_tools.compare.between_runs import CELLS, SHARED, SHARED_FREEDOM, Runs
from headroom_tools.fleet import fleet as whole, judge, price, records, words
from headroom_tools.fleet.table import Table
from headroom_tools.fleet.terminal import print_fleet
from headroom_tools.base import terminal

SLOW = 0.78


def _fleet(*paths, prices=(), label=None):
    found = records.chosen([str(path) for path in paths], label)
    names = records.names_of(found.sides)
    paid = price.prices_of(list(prices), found.sides, names)
    return whole.fleet_of(found.sides, names, 0.02, paid, found.left_out)


def _machines(root, count, runs=1, odd=None, change=None, rows=60):
    """Machines named m00, m01, ...; `change` is made to number `odd`."""
    for at in range(count):
        own = change if at == odd else None
        machine_of(root, f"m{at:02d}", rows, runs, at, change=own)
    return root


def _slow(axis=None):
    return lambda run, machine: scaled(run, 1 / SLOW, axis)


def _odd(fleet):
    return {
        one["name"]: [axis["axis"] for axis in one["axes"] if axis["odd"]]
        for one in fleet["machines"]
        if one["odd"]
    }


# --- the odd one out


@pytest.mark.parametrize("axis", (None, "simd", "scalar", "cache", "memory-bandwidth"))
@pytest.mark.parametrize("runs", (1, 3))
def test_the_slow_one_among_23_is_found(tmp_path, axis, runs):
    fleet = _fleet(_machines(tmp_path, 23, runs, 11, _slow(axis)))
    found = _odd(fleet)
    assert list(found) == ["m11"] and fleet["machines"][0]["name"] == "m11"
    if axis:
        assert found["m11"] == [axis]
    else:  # what runs of storage differ by leaves one run there open
        assert len(found["m11"]) >= (6 if runs == 3 else 5)
    for own in fleet["machines"][0]["axes"]:
        assert own["ratio"] == pytest.approx(SLOW if axis in (None, own["axis"]) else 1, rel=0.01)
        assert own["lo"] < own["ratio"] < own["hi"]
    assert len(fleet["machines"]) == 23


def test_no_order_and_no_base(headroom):
    root = _machines(headroom.root / "r", 9, 1, 4, _slow())
    folders = sorted(path.parent for path in root.glob("*/*/run.json"))
    ways = [folders, folders[::-1], random.Random(3).sample(folders, 9)]
    found = [headroom("fleet", *way) for way in ways]
    assert len({one.stdout for one in found}) == 1, [one.stderr for one in found]
    assert found[0].stdout == headroom("fleet", root).stdout
    first = found[0].stdout.splitlines()[0]
    assert first.startswith("1 of 9 machines is odd: m04 has 0.78"), first
    assert max(map(len, found[0].stdout.splitlines())) <= 100


def test_the_most_unlike_come_first(tmp_path):
    """Also among those that aren't odd, however sure their intervals are."""
    apart = {1: 1.012, 3: 1 / 1.008, 4: SLOW}

    def change(run, machine):
        at = int(run["machine"][1:])
        scaled(run, 1 / apart.get(at, 1), "simd")

    for at in range(7):
        machine_of(tmp_path, f"m{at:02d}", 60, 1 if at == 1 else 3, at, change=change)
    fleet = _fleet(tmp_path)
    assert list(_odd(fleet)) == ["m04"]
    assert [one["name"] for one in fleet["machines"]][:3] == ["m04", "m01", "m03"]


def test_words_say_where_and_how_far(tmp_path):
    def change(run, machine):
        scaled(run, 1 / SLOW, "simd")
        machine["cpu"]["governor"] = "powersave"

    fleet = _fleet(_machines(tmp_path, 7, 1, 2, change))
    told = fleet["machines"][0]["told"]
    assert told.startswith("0.780x [0.7") and "] the fleet's median speed on simd" in told
    assert "unlike most: frequency governor powersave instead of unknown; of one run" in told
    assert "of one run: measure it again" in told
    lead = words.lead(fleet)
    assert lead.startswith("1 of 7 machines is odd: m02 has 0.780x [") and "on simd. The" in lead
    assert "60 cells on 6 axes" in lead and lead.count("% on ") == 6
    slow = _fleet(_machines(tmp_path / "all", 7, 3, 2, _slow()))["machines"][0]["told"]
    assert slow.startswith("0.780x the fleet's median speed on all 6 axes") or re.match(
        r"0\.7\d+x \([a-z-]+\) to 0\.7\d+x \([a-z-]+\) the fleet's median speed on all 6 axes", slow
    ), slow


def test_a_fleet_of_fast_and_slow_ones_calls_neither_odd(tmp_path):
    """A third or half of another kind: that is what the fleet is like."""
    for every in (2, 3):
        root = tmp_path / str(every)
        for at in range(12):
            machine_of(root, f"m{at:02d}", 30, seed=at, change=None if at % every else _slow())
        assert _odd(_fleet(root)) == {}


def _made_up(draw, machines, runs, kernels=6, axes=("scalar", "simd", "cache"), spread=0.0):
    """A table of machines whose runs differ as the model has it; spread: of machines, in logs."""
    names = [axis for axis in axes for _ in range(kernels)]
    all_runs = []
    for _ in range(machines):
        columns = numpy.zeros((len(names), runs))
        variance = numpy.zeros((len(names), runs))
        for at, axis in enumerate(axes):
            rows = slice(at * kernels, (at + 1) * kernels)
            scale = SHARED[axis] / math.sqrt(SHARED_FREEDOM / (SHARED_FREEDOM - 2))
            columns[rows] += scale * draw.standard_t(SHARED_FREEDOM, runs)
            columns[rows] += CELLS[axis].between * draw.standard_normal((kernels, runs))
            columns[rows] += spread * draw.standard_normal()
        all_runs.append(Runs(columns, variance))
    return Table(names, [f"k{at}" for at in range(len(names))], numpy.zeros(len(names)), all_runs)


def _named_odd(table, alike):
    """Whether a fleet has any machine that is called odd."""
    judged = whole.axes_of(table, alike, 0.02)
    return any(
        (judge.beyond(own, one.spread) or 0) > 1
        for one in judged.values()
        for own in one.own
        if own
    )


@pytest.mark.parametrize("machines", (3, 5, pytest.param(23, marks=long_test)))
@pytest.mark.parametrize("runs", (1, 3))
def test_of_identical_machines_hardly_ever_one_is_odd(machines, runs):
    """Stated: at most 5% of fleets. The limits and the interval both have to be passed: it's 1%."""
    draw = numpy.random.default_rng(5)
    fleets = 200
    found = sum(_named_odd(_made_up(draw, machines, runs), True) for _ in range(fleets))
    assert found <= 0.01 * fleets, found


@pytest.mark.parametrize("machines", (3, 4, 5, pytest.param(23, marks=long_test)))
def test_machines_that_differ_by_chance_are_not_accused(machines):
    """Of several kinds, as far apart as a normal distribution has it: at most 5% of fleets."""
    draw = numpy.random.default_rng(6)
    fleets = 200
    found = sum(_named_odd(_made_up(draw, machines, 1, spread=0.2), False) for _ in range(fleets))
    assert found <= 0.05 * fleets, found


def test_identical_records_have_none(tmp_path):
    fleet = _fleet(_machines(tmp_path, 12))
    assert _odd(fleet) == {} and fleet["alike"]
    assert words.verdict(fleet) == "None of 12 machines is odd."
    assert all(axis["lo"] is not None and axis["spread"] < 0.04 for axis in fleet["axes"])


def test_restless_runs_make_no_machine_odd(tmp_path):
    """Three runs that lie far apart have a wide interval: 0.78 in the middle says little then."""
    steady = _machines(tmp_path / "steady", 7, 3, 2, _slow("simd"))
    assert _odd(_fleet(steady)) == {"m02": ["simd"]}

    def restless(run, machine):
        day = int(run["name"][6:8])
        scaled(run, {1: 1 / SLOW / 1.8, 2: 1 / SLOW, 3: 1 / SLOW * 1.8}[day], "simd")

    restless = _machines(tmp_path / "restless", 7, 3, 2, restless)
    fleet = _fleet(restless)
    (simd,) = (a for a in fleet["machines"][0]["axes"] if a["axis"] == "simd")
    assert _odd(fleet) == {} and simd["lo"] < simd["ratio"] < simd["hi"]


def test_small_differences_are_not_odd(tmp_path):
    """1% is within the practical band, however quiet the runs are."""
    root = _machines(tmp_path, 30, 5, 3, lambda run, machine: scaled(run, 1.01), rows=30)
    assert _odd(_fleet(root)) == {}


# --- which records


def test_runs_of_one_machine_pool(tmp_path):
    fleet = _fleet(_machines(tmp_path, 3, 3))
    assert [len(one["runs"]) for one in fleet["machines"]] == [3, 3, 3]
    assert {one["name"] for one in fleet["machines"]} == {"m00", "m01", "m02"}


def test_a_record_that_was_copied_twice_counts_once(tmp_path):
    _machines(tmp_path, 3, 2)
    shutil.copytree(tmp_path / "m01", tmp_path / "copy-of-m01")
    fleet = _fleet(tmp_path)
    assert [len(one["runs"]) for one in fleet["machines"]] == [2, 2, 2]


def test_of_a_folder_each_machine_counts_once(tmp_path):
    _machines(tmp_path, 3)
    later = machine_of(tmp_path, "m01", seed=77, label="later", change=_later)
    fleet = _fleet(tmp_path)
    assert [(one["name"], one["label"]) for one in fleet["machines"] if one["name"] == "m01"] == [
        ("m01", "later")
    ]
    assert any("1 run is left out" in line for line in fleet["notes"])
    fleet = _fleet(tmp_path, label="base")
    assert {one["label"] for one in fleet["machines"]} == {"base"} and fleet["notes"] == []
    both = _fleet(tmp_path / "m01" / "..", later[0], next((tmp_path / "m01").glob("*-base")))
    names = {one["name"] for one in both["machines"]}
    assert names == {"m00", "m02", "m01 · base", "m01 · later"}


def _later(run, machine):
    run["started"] = "2027-01-01T00:00:00Z"
    run["finished"] = "2027-01-01T00:10:00Z"


def test_a_machines_folder_is_a_run_too(tmp_path):
    _machines(tmp_path, 4, 2)
    fleet = _fleet(*(tmp_path / f"m{at:02d}" for at in range(3)))
    assert len(fleet["machines"]) == 3


def test_bad_input_is_one_line(headroom):
    root = _machines(headroom.root / "r", 3)
    other, machine = large(20, name="apart")
    for kernel in other["kernels"]:
        kernel["name"] = kernel["name"].replace("kernel", "else")
    apart = written(headroom.root / "apart" / "run", other, machine)
    broken = headroom.root / "broken" / "m9" / "20260101T000000Z-0123abcd-base"
    broken.mkdir(parents=True)
    (broken / "run.json").write_text("{")
    empty = headroom.root / "empty"
    empty.mkdir()
    for arguments, said in (
        ((root / "m00",), "all of one machine, m00, and a fleet takes several"),
        ((root, "nowhere"), "nowhere: no such run folder"),
        ((root, empty), "holds no run.json"),
        ((), "no such run folder"),
        ((root, broken.parent), "run.json: damaged"),
        ((root, apart), "apart: shares no cell with the rest of the fleet"),
        ((root / "m00", apart), "share no cell"),
        ((root, "--label", "none"), "no run there has the label none"),
        ((root, "--json", "--csv"), "not allowed with"),
        ((root, "--price", "m00"), "takes MACHINE=PRICE"),
        ((root, "--price", "m00=0"), "a number above 0"),
        ((root, "--price", "m00=-1"), "a number above 0"),
        ((root, "--price", "m00=nan"), "a number above 0"),
        ((root, "--price", "m9=1"), "no machine here is called that; they are m00, m01, m02"),
        ((root, "--price", "m00=1,m01=2"), "m02 has none"),
    ):
        result = headroom("fleet", *arguments)
        damaged = broken.parent in arguments
        assert result.returncode == (1 if damaged else 2) and result.stdout == "", arguments
        assert result.stderr.count("\n") == 1 and said in result.stderr, result.stderr


def test_two_machines_have_no_odd_one(tmp_path):
    fleet = _fleet(_machines(tmp_path, 2, 1, 1, _slow()))
    assert _odd(fleet) == {} and "of two machines neither" in fleet["notes"][0]
    assert words.verdict(fleet) == "Which of 2 machines is odd can't be told."
    assert fleet["machines"][0]["axes"][0]["lo"] is not None


def test_too_few_launches_call_nothing_odd(tmp_path):
    def one_launch(run, machine):
        run["plan"]["launches"] = 1
        for table in ("cells", "ceilings", "quantities"):
            for name, column in run[table].items():
                column[:] = [row[:1] if isinstance(row, list) else row for row in column]
        for name, column in run["launches"].items():
            column.clear()

    for at in range(4):
        machine_of(tmp_path, f"m{at}", seed=at, change=one_launch)
    fleet = _fleet(tmp_path)
    assert _odd(fleet) == {} and any("too few launches" in line for line in fleet["notes"])
    assert fleet["machines"][0]["axes"][0]["lo"] is None


def test_what_only_some_machines_have(tmp_path):
    """A cell counts that more than half have; a machine without it is judged by the others."""

    def without(run, machine):
        run["kernels"][0]["name"] = "group0/own"

    fleet = _fleet(_machines(tmp_path, 5, 1, 2, without, 120))
    kernels = {
        one["name"]: {axis["axis"]: axis["kernels"] for axis in one["axes"]}
        for one in fleet["machines"]
    }
    assert fleet["cells"] == 120 and _odd(fleet) == {}
    assert kernels["m01"]["scalar"] == 2 and kernels["m02"]["scalar"] == 1


def test_what_confounds_is_told(tmp_path):
    def change(run, machine):
        run["build"]["compiler"] = "Clang 14.0.6"
        run["kernels"][1]["source_hash"] = "f" * 16

    fleet = _fleet(_machines(tmp_path, 4, 1, 1, change))
    text = "\n".join(fleet["warnings"])
    assert "compiler differs, it isn't only the machines" in text and "Clang 14.0.6 on m01" in text
    assert "other source code was measured on m01, in group1/kernel1" in text
    assert fleet["machines"][0]["name"] and _fleet(_machines(tmp_path / "x", 3))["warnings"] == []


# --- prices


def test_speed_per_price(tmp_path):
    root = _machines(tmp_path, 5, 1, 4, _slow())
    fleet = _fleet(root, prices=["*=0.2,m00=0.1", "m03=0.4"])
    paid = {one["name"]: one for one in fleet["machines"]}
    assert [paid[f"m{at:02d}"]["price"] for at in range(5)] == [0.1, 0.2, 0.2, 0.4, 0.2]
    worth = {
        name: next(a for a in one["axes"] if a["axis"] == "simd") for name, one in paid.items()
    }
    assert worth["m00"]["per_price"]["ratio"] == pytest.approx(2, rel=0.01)
    assert worth["m03"]["per_price"]["ratio"] == pytest.approx(0.5, rel=0.01)
    assert worth["m04"]["per_price"]["ratio"] == pytest.approx(SLOW, rel=0.01)
    own = worth["m03"]
    assert own["per_price"]["hi"] / own["per_price"]["lo"] == pytest.approx(own["hi"] / own["lo"])
    assert all(axis["per_price"] is None for axis in _fleet(root)["machines"][0]["axes"])


# --- forms


def test_forms(headroom):
    root = _machines(headroom.root / "r", 5, 1, 1, _slow())
    words_ = ("fleet", root, "--price", "*=0.5")
    tree = json.loads(headroom(*words_, "--json").stdout)
    table = list(csv.DictReader(io.StringIO(headroom(*words_, "--csv").stdout)))
    assert len(table) == sum(len(one["axes"]) for one in tree["machines"]) == 30
    assert table[0]["name"] == "m01" and table[0]["odd"] == "1" and table[-1]["odd"] == "0"
    told = [axis["ratio"] for one in tree["machines"] for axis in one["axes"]]
    assert [float(row["ratio"]) for row in table] == pytest.approx(told)
    assert float(table[0]["per_price"]) == pytest.approx(SLOW, rel=0.01)
    text = headroom(*words_, "--markdown").stdout
    assert "| **m01** | **0.78" in text and "speed per price" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows) and len(rows) == 2 * 7 + 8
    out = headroom(*words_).stdout
    assert "speed per price" in out and "\x1b" not in out
    assert out.index("odd  the whole") < out.index("machines  the most") < out.index("axes  how")


def test_hostile_text_stays_text(headroom):
    def hostile(run, machine):
        scaled(run, 1 / SLOW)
        machine["cpu"]["governor"] = "<img src=x>|[a](http://b)"

    root = _machines(headroom.root / "r", 5, 1, 1, hostile)
    for form in ("--markdown", "--csv", "--json", None):
        out = headroom("fleet", root, *filter(None, [form])).stdout
        assert "m01" in out
        if form == "--markdown":
            assert "<img" not in out and "http:" not in out and "&lt;img" in out


def test_every_name_is_shown_on_a_narrow_terminal(tmp_path, capsys):
    root = _machines(tmp_path, 4, 1, 1, _slow())
    to = terminal.console()
    to.width = 60
    print_fleet(_fleet(root), to)
    out = capsys.readouterr().out
    axes = ("latency", "bandwidth", "scalar", "simd", "cache", "random")
    assert all(out.count(word) >= 1 for word in axes) and out.count("m03") == 2


# --- size: no test fails for a timing, but the times are kept with the test's report


def _forty(root):
    """40 machines of three runs of 1,000 cells, one of them slow; made from two records."""
    for slow in (False, True):
        run, machine = large(1000, 3, SLOW if slow else 1.0, "NAME")
        machine["cpu"]["model_name"] = "One CPU"
        run["name"], run["label"] = "RUN", "base"
        texts = {"run.json": json.dumps(run), "machine.json": json.dumps(machine)}
        for at in [17] if slow else [at for at in range(40) if at != 17]:
            for day in (1, 2, 3):
                name = f"2026010{day}T0000{at:02d}Z-0123abcd-base"
                folder = root / f"m{at:02d}" / name
                folder.mkdir(parents=True)
                for file, text in texts.items():
                    text = text.replace('"NAME"', f'"m{at:02d}"').replace('"RUN"', f'"{name}"')
                    (folder / file).write_text(text)
    return root


@long_test
def test_forty_machines_of_three_runs(headroom, record_property):
    root = _forty(headroom.root / "r")
    limit = 1 << 30  # all of its memory, of which code and libraries take a part
    began = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        [str(COMMAND), "fleet", str(root), "--json"],
        env={**headroom.env, "OPENBLAS_NUM_THREADS": "1"},
        cwd=headroom.root,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
    )
    seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    record_property("seconds", seconds)
    print(f"40 x 3: {seconds:.2f} s, {used.ru_utime - before:.2f} s of them computing, "
          f"{used.ru_maxrss // 1024} MiB")  # fmt: skip
    tree = json.loads(done.stdout)
    assert len(tree["machines"]) == 40 and tree["cells"] == 1000
    assert all(len(one["runs"]) == 3 for one in tree["machines"])
    assert list(_odd(tree)) == ["m17"] and tree["machines"][0]["name"] == "m17"


def test_the_golden_record_is_of_one_machine():
    with pytest.raises(HeadroomError, match="all of one machine"):
        records.chosen([str(golden_run(BASE))])
