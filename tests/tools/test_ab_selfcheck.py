"""`selfcheck --ab`: comparisons of a program with itself."""

from __future__ import annotations

import json

from made_ab import kept, samples


def test_selfcheck_judges_comparisons_of_a_program_with_itself(headroom):
    path = headroom.root / "ab.json"
    path.write_text(json.dumps(samples(2000, 0.0, 0.01)))
    done = headroom("selfcheck", "--ab", path, "--json")
    assert done.returncode == 0, done.stderr
    tree = json.loads(done.stdout)
    assert (tree["trials"], tree["pairs"]) == (20, 100)
    by_variant = {row["variant"]: row["detected"]["hits"] for row in tree["effects"]}
    assert by_variant["plus_1"] >= 19
    assert all(goal["status"] in ("met", "open") for goal in tree["goals"])
    shown = headroom("selfcheck", "--ab", path)
    assert "1% detected, selfcheck/chain" in shown.stdout
    for biased in (samples(2000, 0.03, 0.01), samples(2000, 0.0, 0.1)):
        path.write_text(json.dumps(biased))
        done = headroom("selfcheck", "--ab", path)
        assert done.returncode == 1 and "missed" in done.stdout
    other = samples(80, 0.0, 0.003)
    other["new"] = {**other["new"], "program": "1" * 64}
    path.write_text(json.dumps(other))
    done = headroom("selfcheck", "--ab", path)
    assert done.returncode == 2 and "not the same code" in done.stderr


def test_the_kernels_of_selfcheck_are_measured_where_they_are_named(headroom):
    done = headroom("ab", "simd:AVX2", "simd:AVX2", "--filter", "^selfcheck/", "--pairs", "6")
    assert done.returncode == 0, done.stderr
    assert {kernel["name"] for kernel in kept(headroom)["kernels"]} == {"selfcheck/chain"}
    judged = headroom("selfcheck", "--ab", "latest", "--json")
    assert judged.returncode == 0, judged.stderr
    assert {row["variant"] for row in json.loads(judged.stdout)["effects"]} == {
        "plus_0.5", "plus_1", "plus_2", "plus_5",
    }  # fmt: skip
