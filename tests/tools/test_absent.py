"""What one side of a comparison lacks is said, with why, and counts for --fail-on or doesn't."""

from __future__ import annotations

import copy
import json
import random

import pytest
from conftest import BASE, NEW, golden_run
from generated import golden_pair, sweep, written

from headroom_tools.compare import absent
from headroom_tools.compare.comparison import compared
from headroom_tools.compare.sides import read_sides
from headroom_tools.record.cells import cells_of


def _pair(tmp_path, change, pair=None):
    run, machine = pair or golden_pair()
    base = written(tmp_path / "m" / "base", run, machine)
    run, machine = copy.deepcopy(run), copy.deepcopy(machine)
    run["label"] = "new"
    change(run, machine)
    return base, written(tmp_path / "n" / "new", run, machine)


def _compared(tmp_path, change, pair=None):
    return compared(*read_sides(list(_pair(tmp_path, change, pair))))


def _kept(run, keep):
    """Drops the cells for which keep(kernel, variant, n, threads) is false; their ladders stay."""
    cells, ladders = run["cells"], run["ladders"]
    rows = []
    for row, (at, variant) in enumerate(zip(cells["ladder"], cells["variant"])):
        kernel = run["kernels"][ladders["kernel"][at]]
        name = kernel["variants"][variant]["name"]
        if keep(kernel["name"], name, ladders["n"][at], cells["threads"][row]):
            rows.append(row)
    kept = {at: place for place, at in enumerate(rows)}
    quantities = run["quantities"]
    told = [at for at, cell in enumerate(quantities["cell"]) if cell in kept]
    for name, column in quantities.items():
        column[:] = [column[at] for at in told]
    quantities["cell"][:] = [kept[cell] for cell in quantities["cell"]]
    for column in cells.values():
        column[:] = [column[at] for at in rows]


def _emptied(run, chosen):
    """No launch gave anything for these cells."""
    for cell in cells_of(run):
        if chosen(cell):
            for values in (cell.median, cell.p10, cell.min, cell.log_ratio, cell.value):
                values[:] = [None] * len(values)


def _entry(tree, side="only_base"):
    (entry,) = tree[side]
    told = {name: entry[name] for name in ("kernel", "variant", "n", "threads", "cells", "reason")}
    return {name: value for name, value in told.items() if value is not None}


def _failure(kernel, **where):
    empty = {"n": None, "input": None, "threads": None, "params": None}
    return {"kernel": kernel, "launch": 1, "kind": "crash", "message": "killed by signal 11",
            **empty, **where}  # fmt: skip


LADDER = {"n": 4096, "input": "random", "threads": 1, "params": {}}


def test_nothing_is_lacking_where_both_have_all(tmp_path):
    tree = _compared(tmp_path, lambda run, machine: None)
    assert tree["only_base"] == tree["only_new"] == [] == absent.told(tree)


def test_a_kernel_that_failed(tmp_path):
    def change(run, machine):
        _emptied(run, lambda cell: cell.kernel["name"] == "simd/sum")
        run["failures"] = [_failure("simd/sum")]

    tree = _compared(tmp_path, change)
    assert _entry(tree) == {"kernel": "simd/sum", "cells": 6, "reason": "failed"}
    (line,) = absent.told(tree)
    assert line.why == "failed on NEW" and line.names == ["simd/sum (killed by signal 11)"]
    assert absent.lost(tree) == tree["only_base"]


def test_a_ladder_that_failed(tmp_path):
    def change(run, machine):
        _kept(run, lambda kernel, variant, n, threads: (kernel, n) != ("simd/sum", 4096))
        run["failures"] = [_failure("simd/sum", **LADDER)]

    expected = {"kernel": "simd/sum", "n": 4096, "cells": 3, "reason": "failed"}
    assert _entry(_compared(tmp_path, change)) == expected


def test_a_variant_that_failed(tmp_path):
    def change(run, machine):
        _emptied(run, lambda cell: (cell.kernel["name"], cell.variant) == ("simd/sum", "peer"))
        for n in (4096, 65536):
            run["failed"].append({
                "kernel": "simd/sum", "variant": "peer", "n": n, "input": "random", "threads": 1,
                "params": {}, "ladder_threads": 1, "launches": [0], "message": "no such file",
            })  # fmt: skip

    tree = _compared(tmp_path, change)
    expected = {"kernel": "simd/sum", "variant": "peer", "cells": 2, "reason": "failed"}
    assert _entry(tree) == expected and tree["only_base"][0]["detail"] == "no such file"


def test_one_launch_that_failed_explains_nothing_else(tmp_path):
    def change(run, machine):
        _kept(run, lambda kernel, variant, n, threads: (kernel, n) != ("simd/sum", 4096))
        run["failures"] = [_failure("simd/sum")]

    assert _entry(_compared(tmp_path, change))["reason"] == "not measured"


def test_a_kernel_that_is_gone_or_new(tmp_path):
    def change(run, machine):
        run["kernels"][2]["name"] = "simd/total"
        run["kernels"][2]["technique"] = "something else"

    tree = _compared(tmp_path, change)
    assert _entry(tree) == {"kernel": "simd/sum", "cells": 6, "reason": "gone"}
    assert _entry(tree, "only_new") == {"kernel": "simd/total", "cells": 6, "reason": "gone"}
    assert tree["only_base"][0]["renamed"] is None
    assert [(line.side, line.why) for line in absent.told(tree)] == [
        ("BASE", "NEW has no such thing"), ("NEW", "BASE has no such thing")
    ]  # fmt: skip
    assert absent.lost(tree) == tree["only_base"], "what is new is no loss"


def test_a_kernel_that_was_perhaps_renamed(tmp_path):
    def change(run, machine):
        run["kernels"][2]["name"] = "simd/total"

    tree = _compared(tmp_path, change)
    assert tree["only_base"][0]["renamed"] == "simd/total"
    assert tree["only_new"][0]["renamed"] == "simd/sum"
    assert absent.told(tree)[0].names == ["simd/sum (perhaps renamed simd/total)"]


@pytest.mark.parametrize(
    ("what", "role", "renamed"),
    [("sums wide", "peer", "other"), ("sums in a new way", "optimized", "other"),
     ("sums in a new way", "peer", None)],
)  # fmt: skip
def test_a_variant_that_was_perhaps_renamed(tmp_path, what, role, renamed):
    """By what it says of itself, or as the only new one of the role of the only one gone."""
    run, machine = golden_pair()
    run["kernels"][2]["variants"][1]["what"] = "sums wide"

    def change(run, machine):
        run["kernels"][2]["variants"][1].update(name="other", what=what, role=role)

    tree = _compared(tmp_path, change, (run, machine))
    expected = {"kernel": "simd/sum", "variant": "better", "cells": 2, "reason": "gone"}
    assert _entry(tree) == expected
    assert tree["only_base"][0]["renamed"] == renamed
    assert tree["only_new"][0]["renamed"] == ("better" if renamed else None)


def test_what_the_host_lacks_is_said_and_no_loss(tmp_path):
    def change(run, machine):
        _kept(run, lambda kernel, variant, n, threads: (kernel, variant) != ("simd/sum", "peer"))
        run["kernels"][2]["variants"][2].update(available=False, needs=["openblas"])

    tree = _compared(tmp_path, change)
    assert _entry(tree)["reason"] == "missing" and absent.lost(tree) == []
    (line,) = absent.told(tree)
    assert (line.why, line.names) == ("missing on NEW", ["simd/sum/peer (needs openblas)"])


def test_what_the_profile_left_out(tmp_path):
    def change(run, machine):
        _kept(run, lambda kernel, variant, n, threads: (kernel, n) != ("simd/sum", 4096))
        run["left_out"] = [{"kernel": "simd/sum", **LADDER, "reason": "set-up takes 3 s a launch"}]

    tree = _compared(tmp_path, change)
    assert _entry(tree)["reason"] == "left out" and len(absent.lost(tree)) == 1
    assert absent.told(tree)[0].names == ["simd/sum/n:4096 (set-up takes 3 s a launch)"]


@pytest.mark.parametrize(("profile", "reason", "lost"),
                         [("standard", "not measured", 1), ("quick", "profile", 0)])  # fmt: skip
def test_another_profile_is_no_loss(tmp_path, profile, reason, lost):
    def change(run, machine):
        _kept(run, lambda kernel, variant, n, threads: (kernel, n) != ("simd/sum", 4096))
        run["profile"] = profile

    tree = _compared(tmp_path, change)
    assert _entry(tree)["reason"] == reason and len(absent.lost(tree)) == lost


def test_a_size_that_is_gone(tmp_path):
    def change(run, machine):
        run["kernels"][2].update(sizes=[256, 4096, 65537], headline=[4096, 65537])
        run["ladders"]["n"] = [
            n + 1 if (kernel, n) == (2, 65536) else n
            for kernel, n in zip(run["ladders"]["kernel"], run["ladders"]["n"])
        ]

    tree = _compared(tmp_path, change)
    assert _entry(tree) == {"kernel": "simd/sum", "n": 65536, "cells": 3, "reason": "gone"}
    assert _entry(tree, "only_new")["n"] == 65537


def test_threads_that_the_smaller_machine_has_not(tmp_path):
    many, few = ([1, 2, 4, 8], [1, 2])
    base = written(tmp_path / "m" / "base", *sweep(many, lambda threads: 1 / threads))
    run, machine = sweep(few, lambda threads: 1 / threads)
    run["kernels"][0]["threads"] = many
    run["missing"] = [{"kernel": "parallel/sum", "variant": None, "n": 65536, "input": "random",
                       "threads": count, "params": {}, "needs": f"{count} cores", "cure": ""}
                      for count in (4, 8)]  # fmt: skip
    run["machine"] = machine["slug"] = "small"
    tree = compared(*read_sides([base, written(tmp_path / "n" / "new", run, machine)]))
    assert [(e["threads"], e["reason"]) for e in tree["only_base"]] == [
        (4, "threads"), (8, "threads")
    ]  # fmt: skip
    assert absent.lost(tree) == []
    assert absent.told(tree)[0].why == "more threads than NEW has"


def test_what_is_above_its_ceiling(tmp_path):
    def change(run, machine):
        top = run["ceilings"]
        top["log_ratio"] = [[v - 0.4 for v in values] for values in top["log_ratio"]]

    tree = _compared(tmp_path, change)
    assert {entry["reason"] for entry in tree["only_base"]} == {"withheld"}
    assert absent.lost(tree) == tree["only_base"] and tree["only_new"] == []


def test_another_measure_is_no_row(tmp_path):
    def change(run, machine):
        kernel = next(k for k in run["kernels"] if k["name"] == "concurrency/serve")
        kernel["measure"]["name"] = "p50"

    tree = _compared(tmp_path, change)
    assert _entry(tree)["reason"] == "other measure" and tree["only_base"][0]["detail"] == "p50"


@pytest.mark.parametrize("seed", range(12))
def test_no_cell_is_dropped_unsaid(tmp_path, seed):
    """Whatever is taken from either side: what is compared and what is said is all there is."""
    draw = random.Random(seed)
    share = draw.choice((0.1, 0.4, 0.7))
    run, machine = golden_pair()
    _emptied(run, lambda cell: draw.random() < share / 2 and cell.kernel["name"] != "simd/sum")

    def change(run, machine):
        _kept(run, lambda kernel, variant, n, threads: draw.random() > share or n == 1)

    base, new = read_sides(list(_pair(tmp_path, change, (run, machine))))
    tree = compared(base, new)
    for side, name in ((base, "only_base"), (new, "only_new")):
        said = sum(entry["cells"] for entry in tree[name])
        assert said + len(tree["rows"]) == len(absent.measured(side))
        keys = [absent.name_of(entry) for entry in tree[name]]
        assert len(keys) == len(set(keys))
    assert sum(line.cells for line in absent.told(tree)) == sum(
        entry["cells"] for name in ("only_base", "only_new") for entry in tree[name]
    )


def test_many_names_are_told_by_number():
    assert absent.few(list("abcdef")) == "a, b, c, d, e, f"
    assert absent.few([str(at) for at in range(18)]) == "0, 1, 2, 3, 4, 5 and 12 more"
    assert absent.cells(1) == "1 cell" and absent.cells(1200) == "1,200 cells"


# --- the command


def _lacking(headroom, tmp_path, change):
    return [str(path) for path in _pair(tmp_path, change)]


def _gone(run, machine):
    run["kernels"][2]["name"] = "simd/total"
    run["kernels"][2]["technique"] = "something else"


def test_the_forms_tell_what_was_dropped(headroom, tmp_path):
    pair = _lacking(headroom, tmp_path, _gone)
    out = " ".join(headroom("compare", *pair).stdout.split())
    assert "6 cells only on BASE: NEW has no such thing: simd/sum" in out
    assert "6 cells only on NEW: BASE has no such thing: simd/total" in out
    text = headroom("compare", *pair, "--markdown").stdout
    assert "| base | 6 | new has no such thing | simd/sum |" in text
    assert "| new | 6 | base has no such thing | simd/total |" in text
    tree = json.loads(headroom("compare", *pair, "--json").stdout)
    assert [entry["kernel"] for entry in tree["only_base"]] == ["simd/sum"]
    same = headroom("compare", golden_run(BASE), golden_run(NEW)).stdout
    assert "on one side only" not in same
    many = " ".join(headroom("compare", *pair, pair[1], pair[0]).stdout.split())
    assert "A, B: 6 cells only on BASE: NEW has no such thing: simd/sum" in many


def test_fail_on_fails_on_what_is_gone_unless_that_is_allowed(headroom, tmp_path):
    pair = _lacking(headroom, tmp_path, _gone)
    bad = headroom("compare", *pair, "--fail-on", "slower")
    assert bad.returncode == 1 and bad.stderr.count("\n") == 1
    assert "NEW lacks 6 cells that BASE has: simd/sum: gone" in bad.stderr
    assert "--allow-missing" in bad.stderr
    fine = headroom("compare", *pair, "--fail-on", "slower", "--allow-missing")
    assert fine.returncode == 0 and fine.stderr == ""
    alone = headroom("compare", *pair, "--allow-missing")
    assert alone.returncode == 2 and "goes with --fail-on" in alone.stderr


def test_fail_on_names_both_what_is_slower_and_what_is_gone(headroom, tmp_path):
    def change(run, machine):
        _gone(run, machine)
        for cell in cells_of(run):
            for values in (cell.median, cell.p10, cell.min):
                values[:] = [None if ns is None else 3 * ns for ns in values]

    bad = headroom("compare", *_lacking(headroom, tmp_path, change), "--fail-on", "slower")
    assert bad.returncode == 1 and bad.stderr.count("\n") == 1
    assert "rows are slower" in bad.stderr and "; NEW lacks 6 cells" in bad.stderr
