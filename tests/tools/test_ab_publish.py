"""`ab --publish`: comparisons in results/, checked, and cited by documents."""

from __future__ import annotations

import json
import shutil

import pytest
from conftest import CHECKOUT, Headroom
from made_ab import SUM, kept, samples

from headroom_tools.base.errors import HeadroomError
from headroom_tools.record import ab_file, publish, source

SIDES = ("simd:AVX2", "simd:SSE4")
HASHES = {"base": "0" * 16, "new": "1" * 16}


def _kernels(headroom: Headroom) -> None:
    """The sources of the simulated program's kernels, which give a record its hashes."""
    for name in ("simd/sum", "machine/placebo_cpu"):
        path = headroom.root / "kernels" / f"{name}.cpp"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"// {name}\nint x;\n")


@pytest.fixture
def measured(headroom: Headroom) -> Headroom:
    _kernels(headroom)
    done = headroom("ab", *SIDES, *SUM)
    assert done.returncode == 0, done.stderr
    return headroom


def _in_results(headroom: Headroom) -> list:
    return sorted((headroom.root / "results").glob("*/*/*"))


def test_a_comparison_is_published_as_it_was_measured(measured):
    done = measured("ab", "--show", "latest", "--publish", "avx512")
    assert done.returncode == 0, done.stderr
    (path,) = _in_results(measured)
    tree, own = json.loads(path.read_text()), kept(measured)
    assert path.name == "ab.json" and path.parent.name == tree["name"]
    assert path.parent.parent.name == tree["machine"]["slug"]
    assert tree["name"] == f"{path.parent.name.split('-')[0]}-nocommit-avx512"
    for name in ("cells", "launches", "kernels", "started"):
        assert tree[name] == own[name]
    assert tree["base"]["program"] == tree["new"]["program"] == "first"
    assert len(own["base"]["program"]) == 64
    kernels = measured.root / "kernels"
    known = source.source_hash(kernels / "simd" / "sum.cpp", kernels, 2)
    hashes = {kernel["name"]: kernel["source_hash"] for kernel in tree["kernels"]}
    assert hashes["simd/sum"] == {"base": known, "new": known}
    valid = measured("validate", "results")
    assert valid.returncode == 0 and valid.stdout.count("valid") == 1, valid.stderr
    for one in (path, path.parent, path.parent.parent):
        assert measured("validate", one).returncode == 0
    assert path.parent.name in done.stderr and done.stderr.startswith("published: ")
    shown = measured("ab", "--show", f"@{tree['machine']['slug']}/avx512", "--json")
    assert json.loads(shown.stdout)["rows"] == json.loads(
        measured("ab", "--show", "latest", "--json").stdout)["rows"]  # fmt: skip


def test_no_record_is_overwritten_and_none_is_half_there(measured):
    words = ("ab", "--show", "latest", "--publish", "x")
    assert measured(*words).returncode == 0
    (path,) = _in_results(measured)
    before = path.read_bytes()
    again = measured(*words)
    assert again.returncode == 2 and "is there already" in again.stderr
    assert again.stderr.count("\n") == 1 and path.read_bytes() == before
    blocked = measured.root / "file"
    blocked.write_text("")
    done = measured(*words, "--out", blocked)
    assert done.returncode == 2 and "can't be written" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [one.name for one in path.parent.parent.iterdir()] == [path.parent.name]


def test_measured_and_published_at_once_elsewhere_and_by_another_name(headroom):
    _kernels(headroom)
    out = headroom.root / "mine"
    done = headroom("ab", *SIDES, *SUM, "--publish", "l", "--out", out, "--machine", "laptop")
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("laptop/*-l/ab.json")
    assert headroom("validate", out).returncode == 0 and _in_results(headroom) == []
    (json.loads(path.read_text()))["machine"]["slug"] == "laptop"


@pytest.mark.parametrize("base", ["env:A=1", "scratch:build", "build:build"])
def test_what_names_something_private_is_refused_before_it_is_measured(headroom, base):
    (headroom.root / "build" / "bench").mkdir(parents=True)
    (headroom.root / "build" / "bench" / "headroom-bench").write_text("")
    done = headroom("ab", base, base, *SUM, "--publish", "x")
    assert done.returncode == 2 and "sides name what is this machine's own" in done.stderr
    assert done.stderr.count("\n") == 1 and headroom.starts() == []


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ((*SIDES, "--machine", "m"), "add --publish LABEL"),
        ((*SIDES, "--out", "x"), "add --publish LABEL"),
        ((*SIDES, "--publish", "a/b"), "--publish"),
        (("--show", "@nowhere/x"), "no such record"),
        (("--show", "@"), "is no @MACHINE"),
    ],
)
def test_wrong_usage_is_one_line(headroom, words, cure):
    done = headroom("ab", *words)
    assert done.returncode == 2 and cure in done.stderr.splitlines()[-1], done.stderr
    assert headroom.starts() == []


def _publishable(**more) -> dict:
    tree = samples(20, 0.1, 0.003)
    tree["kernels"][0]["source_hash"] = HASHES
    return {**tree, "kind": "simd", **more}


def test_what_is_not_published():
    good = ab_file.published(_publishable(), "x", None)
    assert good["name"] == "20260101T000000Z-nocommit-x"
    with pytest.raises(HeadroomError, match="5 pairs are too few"):
        ab_file.published(_publishable(done=5), "x", None)
    with pytest.raises(HeadroomError, match="measure it again"):
        lacking = _publishable()
        lacking["kernels"][0]["source_hash"] = {"base": None, "new": HASHES["new"]}
        ab_file.published(lacking, "x", None)
    for field, named in (("asked", "/home/joe/g++"), ("asked", "joe@example.com")):
        tree = _publishable()
        tree["new"] = {**tree["new"], field: named}
        with pytest.raises(HeadroomError, match=f"new.{field}: holds") as error:
            ab_file.published(tree, "x", None)
        assert "\n" not in str(error.value)


def test_a_record_that_was_changed_is_refused(tmp_path):
    tree = ab_file.published(_publishable(), "x", "m")
    folder = tmp_path / "m" / tree["name"]
    folder.mkdir(parents=True)

    def problems(path=tmp_path, **changed) -> str:
        (folder / "ab.json").write_text(json.dumps({**tree, **changed}))
        return " ".join(str(error) for _, error in publish.checked(path) if error)

    assert problems() == ""
    assert "name: is not its folder's name" in problems(name=tree["name"] + "y")
    assert "name: is not made of" in problems(folder, name="20260102T000000Z-nocommit-x")
    assert "kind: env" in problems(kind="env")
    assert "done: 4 pairs" in problems(done=4, cells=[])
    assert "base.program" in problems(base={**tree["base"], "program": "0" * 64})
    assert "holds a path" in problems(notes=["see /home/joe/x"])
    assert "launches[0]: does not fit" in problems(launches=[
        {"kernel": 3, "pair": 1, "side": "base", "first": True, "start": 0.0, "seconds": 1.0,
         "status": "ok", "attempts": 1, "disturbed": 0.0}])  # fmt: skip
    assert "kernels: an entry occurs twice" in problems(kernels=tree["kernels"] * 2)
    (folder / "notes.txt").write_text("x")
    assert "notes.txt: the file: is no part of a record" in problems()
    (folder / "notes.txt").rename(folder / "machine.json")
    assert "machine.json: the file: is no part" in problems()
    (folder / "machine.json").unlink()
    (folder / "ab.json").rename(tmp_path / "real.json")
    (folder / "ab.json").symlink_to(tmp_path / "real.json")
    assert "is a symbolic link" in " ".join(
        str(error) for _, error in publish.checked(folder) if error
    )


def test_runs_do_not_see_comparisons(measured):
    assert measured("ab", "--show", "latest", "--publish", "x").returncode == 0
    done = measured("show", "latest")
    assert done.returncode == 2 and "holds 0 runs" in done.stderr
    (path,) = _in_results(measured)
    done = measured("show", path.parent)
    assert done.returncode == 2 and "`headroom ab --show` prints it" in done.stderr


# --- cited

MARK = "<!-- headroom: {} @m/x -->{}<!-- /headroom -->"


@pytest.fixture
def documents(headroom: Headroom):
    """A published comparison, NEW 10% faster, and documents that cite it."""
    tree = samples(20, 0.1, 0.003)
    (kernel,) = tree["kernels"]
    kernel["name"] = "simd/sum"
    _kernels(headroom)
    kernels = headroom.root / "kernels"
    now = source.source_hash(kernels / "simd" / "sum.cpp", kernels, ab_file.HASHED_AS)
    kernel["source_hash"] = {"base": "0" * 16, "new": now}
    tree = ab_file.published({**tree, "kind": "simd"}, "x", "m")
    folder = headroom.root / "results" / "m" / tree["name"]
    folder.mkdir(parents=True)
    (folder / "ab.json").write_text(json.dumps(tree))
    path = headroom.root / "README.md"

    def cite(*markers: str, check: bool = False, strict: bool = False):
        path.write_text("".join(f"It is {MARK.format(body, '')}.\n" for body in markers))
        assert markers
        words = [word for word, on in (("--check", check), ("--strict", strict)) if on]
        return headroom("cite", path, *words), path.read_text()

    return headroom, cite, path


def test_a_ratio_is_cited_and_checked(documents):
    headroom, cite, path = documents
    done, text = cite("simd/sum/naive/n:64 ab_ratio", "simd/sum/naive/n:64 ab_ratio brief",
                      "simd/sum/plus_1/n:64 ab_ratio")  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.split("-->")[1].split("<!--")[0] for line in text.splitlines()]
    shown = json.loads(headroom("ab", "--show", "@m/x", "--json").stdout)
    rows = {row["variant"]: row for row in shown["rows"]}
    naive = rows["naive"]
    assert lines[0] == f"{naive['ratio']:.3f}x [{naive['lo']:.2f}, {naive['hi']:.2f}]"
    assert lines[1] == f"{naive['ratio']:.3f}x" and 1.09 < naive["ratio"] < 1.11
    assert lines[2] == "1.000x [1.000, 1.000] (equivalent)"
    assert headroom("cite", path, "--check").returncode == 0
    path.write_text(text.replace(lines[0], "1.200x [1.19, 1.21]"))
    wrong = headroom("cite", path, "--check")
    assert wrong.returncode == 1 and f"is `{lines[0]}` in m/" in wrong.stderr


def test_tables_are_cited(documents):
    headroom, cite, path = documents
    done, text = cite("ab simd/sum", "ab")
    assert done.returncode == 0, done.stderr
    assert text.count("| simd/sum, n 64") == 2 and text.count("| naive |") == 2
    assert "20 pairs of launches in turn, on m" in text and "**faster**" in text
    assert "(results/m/20260101T000000Z-nocommit-x)" in text
    done, text = cite("ab simd/sum/naive")
    assert "| naive |" in text and "plus_1" not in text
    assert headroom("cite", path, "--check").returncode == 0


def test_a_source_that_changed_since_is_told(documents):
    headroom, cite, _ = documents
    changed = headroom.root / "kernels" / "simd" / "sum.cpp"
    changed.write_text("// other words\nint x;\n")
    done, _ = cite("simd/sum/naive/n:64 ab_ratio", strict=True)
    assert done.returncode == 0 and done.stderr == ""
    changed.write_text("int y;\n")
    done, _ = cite("simd/sum/naive/n:64 ab_ratio")
    assert "simd/sum: its source has changed since 20260101T000000Z-nocommit-x" in done.stderr
    done, _ = cite("ab simd/sum", strict=True)
    assert done.returncode == 1
    shutil.rmtree(changed.parent)
    done, _ = cite("simd/sum/naive/n:64 ab_ratio")
    assert done.returncode == 1 and "no file in kernels/ registers" in done.stderr


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("simd/other/naive/n:64 ab_ratio", "no comparison of @m/x has it"),
        ("simd/sum/naive/n:65 ab_ratio", "no comparison of @m/x has it"),
        ("simd/sum ab_ratio", "takes a cell"),
        ("simd/sum simd/sum ab_ratio", "takes one subject"),
        ("simd/sum/naive/n:64 speedup", "no such record"),
    ],
)
def test_what_no_comparison_says_is_an_error(documents, body, told):
    _, cite, _ = documents
    done, text = cite(body)
    assert done.returncode == 1 and told in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_a_cell_that_means_several_is_an_error(documents):
    headroom, cite, _ = documents
    (file,) = (headroom.root / "results").glob("*/*/ab.json")
    tree = json.loads(file.read_text())
    tree["cells"].append({**tree["cells"][0], "input": "sorted"})
    file.write_text(json.dumps(tree))
    done, _ = cite("simd/sum/naive/n:64 ab_ratio")
    assert done.returncode == 1 and "means several: " in done.stderr, done.stderr
    assert cite("simd/sum/naive/n:64/input:sorted ab_ratio")[0].returncode == 0


def test_in_another_repository_the_newest_record_tells_of_changes(documents, tmp_path):
    headroom, cite, path = documents
    results = tmp_path / "theirs"
    shutil.copytree(headroom.root / "results", results)
    path.write_text(MARK.format("simd/sum/naive/n:64 ab_ratio", "") + "\n")
    done = headroom("cite", path, "--results", results)
    assert done.returncode == 0 and "has changed" not in done.stderr, done.stderr
    (old,) = results.glob("m/*")
    tree = json.loads((old / "ab.json").read_text())
    tree.update(started="2026-02-01T00:00:00Z", name="20260201T000000Z-nocommit-y")
    tree["kernels"][0]["source_hash"]["new"] = "2" * 16
    (results / "m" / tree["name"]).mkdir()
    (results / "m" / tree["name"] / "ab.json").write_text(json.dumps(tree))
    done = headroom("cite", path, "--results", results)
    assert "simd/sum: its source has changed since 2026" in done.stderr


def test_comparisons_from_before_there_were_hashes_are_read(measured):
    (path,) = (measured.root / "build" / "ab-runs").glob("*/ab.json")
    tree = json.loads(path.read_text())
    for kernel in tree["kernels"]:
        del kernel["source_hash"]
    path.write_text(json.dumps(tree))
    assert measured("ab", "--show", "latest").returncode == 0
    done = measured("ab", "--show", "latest", "--publish", "x")
    assert done.returncode == 2 and "measure it again" in done.stderr


def test_the_published_records_of_this_checkout_are_valid():
    for path in (CHECKOUT / "results").glob("*/*/ab.json"):
        assert [error for _, error in publish.checked(path.parent) if error] == []
