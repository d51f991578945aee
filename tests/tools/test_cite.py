"""`cite`: documents say what the records say, and the check can fail in each of its ways."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from conftest import BASE, CHECKOUT, GOLDEN, NEW, golden_run
from generated import golden_pair, written

from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import three_digits
from headroom_tools.cite import latex, markers
from headroom_tools.record import source
from headroom_tools.record.validate import load
from headroom_tools.show.rows import rows_of

AT = f"@test-2c-8g/{BASE}"
CELL = "simd/sum/better/n:4096"


@pytest.fixture
def cite(headroom):
    """Writes a document, and runs `cite` on it in a checkout with the golden runs."""
    shutil.copytree(GOLDEN, headroom.root / "results")
    document = headroom.root / "doc.md"

    def call(text, *options):
        if text is not None:
            document.write_text(text)
        return headroom("cite", document, *options)

    call.document, call.root, call.headroom = document, headroom.root, headroom
    return call


def _marked(request, text=""):
    return f"It is <!-- headroom: {request} -->{text}<!-- /headroom -->, so.\n"


def _between(cite):
    return cite.document.read_text().split("-->", 1)[1].split("<!--")[0]


def _row(variant="better", n=4096):
    run, _ = load(golden_run(BASE))
    return next(
        row for row in rows_of(run)
        if (row.cell.kernel["name"], row.cell.variant, row.cell.n) == ("simd/sum", variant, n)
    )  # fmt: skip


def test_a_speedup_is_filled_and_then_checks(cite):
    result = cite(_marked(f"{CELL} speedup {AT}"))
    assert result.returncode == 0, result.stderr
    row = _row()
    bounds = f"[{row.lo:.2f}, {row.hi:.2f}]"
    assert _between(cite) == f"{row.speedup:.2f}x {bounds} (alone {row.alone:.2f}x)"
    once = cite.document.read_text()
    assert cite(None).returncode == 0 and cite.document.read_text() == once, "idempotent"
    assert cite(None, "--check").returncode == 0
    assert "1 figure in 1 file is what" in cite(None, "--check").stdout


@pytest.mark.parametrize("quantity", sorted(set(markers.INLINE) - {"probe", "ab_ratio"}))
@pytest.mark.parametrize("option", ("", "brief"))
def test_every_quantity(cite, quantity, option):
    result = cite(_marked(f"{CELL} {quantity} {option} {AT}"))
    lacking = {"flops": "has no flops", "over_standard": "no standard rung"}
    if quantity in lacking and result.returncode:
        assert lacking[quantity] in result.stderr
        return
    assert result.returncode == 0, result.stderr
    text = _between(cite)
    bounds = not option and quantity not in ("verdict", "alone")
    assert text and ("[" in text) == bounds or quantity == "run"
    assert cite(None, "--check", "--strict").returncode == 0


@pytest.mark.parametrize("quantity", ("ladder", "table", "best"))
def test_whole_ladders(cite, quantity):
    text = f"Before\n\n<!-- headroom: simd/sum {quantity} {AT} --><!-- /headroom -->\n\nafter\n"
    assert cite(text).returncode == 0
    filled = cite.document.read_text()
    assert "better" in filled and filled.startswith("Before\n") and filled.endswith("after\n")
    assert ("```" in filled) == (quantity == "ladder")
    assert cite(None).returncode == 0 and cite.document.read_text() == filled
    assert cite(None, "--check").returncode == 0


def test_a_group_s_best_and_its_record(cite):
    text = f"x\n<!-- headroom: simd algorithm best {AT} --><!-- /headroom -->\n"
    assert cite(text).returncode == 0
    filled = cite.document.read_text()
    assert "| simd/sum | n 4,096 | better |" in filled and "algorithm/sort" in filled
    assert f"[{BASE}](results/test-2c-8g/{BASE})" in filled


def test_a_comparison(cite):
    request = f"compare {AT} @test-2c-8g/{NEW}"
    assert cite(f"x\n<!-- headroom: {request} --><!-- /headroom -->\n").returncode == 0
    assert "| simd | 1.5" in cite.document.read_text()
    assert cite(f"x\n<!-- headroom: {request} simd/sum --><!-- /headroom -->\n").returncode == 0
    filled = cite.document.read_text()
    assert "simd/sum, n 4,096" in filled and "algorithm/sort" not in filled
    assert cite(None, "--check").returncode == 0


def test_the_newest_run_that_has_the_cell_counts(cite):
    cite(_marked(f"{CELL} ns_per_item @test-2c-8g"))
    newest = _between(cite)
    cite(_marked(f"{CELL} ns_per_item @test-2c-8g/{NEW}"))
    assert _between(cite) == newest
    run, machine = golden_pair()
    for table in ("cells", "ladders", "ceilings", "quantities"):
        for column in run[table].values():
            column.clear()
    later = "20260103T000000Z-0123abcd-empty"
    run.update(name=later, label="empty")
    written(cite.root / "results" / "test-2c-8g" / later, run, machine)
    cite(_marked(f"{CELL} ns_per_item @test-2c-8g"))
    assert _between(cite) == newest, "the newest run lacks the cell"


def test_a_wrong_number_fails_with_a_diff(cite):
    text = _marked(f"{CELL} speedup {AT}", "42.0x [41.0, 43.0]")
    result = cite("one\n\n" + text, "--check")
    assert result.returncode == 1 and "doc.md:3: `42.0x [41.0, 43.0]` is `4" in result.stderr
    assert result.stderr.count("\n") == 1
    assert "-It is" in result.stdout and "+It is" in result.stdout and "@@" in result.stdout
    assert cite.document.read_text() == "one\n\n" + text, "--check writes nothing"


def test_an_unresolved_verdict_has_to_be_marked(cite):
    run, machine = golden_pair()
    for ladder, variant, ratios in zip(
        run["cells"]["ladder"], run["cells"]["variant"], run["cells"]["log_ratio"]
    ):
        if variant == 1:
            ratios[:] = [0.1 * (-1) ** at for at in range(len(ratios))]
    name = "20260104T000000Z-0123abcd-noisy"
    run.update(name=name, label="noisy")
    written(cite.root / "results" / "test-2c-8g" / name, run, machine)
    request = f"{CELL} speedup @test-2c-8g/{name}"
    assert cite(_marked(request)).returncode == 0
    filled = _between(cite)
    assert " (unresolved, alone 8.00x)" in filled
    result = cite(_marked(request, filled.replace(" (unresolved, alone 8.00x)", "")), "--check")
    assert result.returncode == 1 and "unresolved" in result.stderr
    assert "not marked so" in result.stderr


@pytest.mark.parametrize(
    "request_, told",
    (
        (f"simd/none/better/n:4096 speedup {AT}", "has it"),
        (f"simd/sum/better/n:5 speedup {AT}", "has it"),
        (f"{CELL} speedup @nowhere", "no such record"),
        (f"{CELL} speedup @test-2c-8g/20260105T000000Z-0123abcd-no", "no such record"),
        (f"machine/read/n:4096 probe {AT}", "has this probe"),
        (f"none best {AT}", "has it"),
    ),
)
def test_figures_without_a_record_are_marked_so(cite, request_, told):
    text = _marked(request_, "42x") + _marked(f"{CELL} speedup {AT}")
    result = cite(text)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert "doc.md:1: " in result.stderr and told in result.stderr
    assert _between(cite) == "(no record)"
    assert "x [" in cite.document.read_text(), "the other one is filled all the same"
    assert cite(None, "--check").returncode == 1, "it stays wrong until a record has it"


@pytest.mark.parametrize(
    "request_",
    ("", "speedup", f"{CELL} {AT}", f"{CELL} speedup", f"{CELL} speedup rate {AT}",
     f"{CELL} fastness {AT}", f"../../x speedup {AT}", f"{CELL} speedup @../x",
     f"{CELL} speedup {AT} {AT}", f"compare {AT}", f"simd/sum speedup {AT}", f"ladder {AT}",
     f"algorithm/sort/better/n:x speedup {AT}", "x" * 5000),
)  # fmt: skip
def test_requests_that_are_none(cite, request_):
    text = _marked(request_, "42x")
    for options in ((), ("--check",)):
        result = cite(text, *options)
        assert result.returncode == 1 and result.stderr.count("\n") == 1, result.stderr
        assert result.stderr.startswith("headroom: ") and "doc.md:1: " in result.stderr
        assert cite.document.read_text() == text, "what isn't understood stays"


@pytest.mark.parametrize(
    "text",
    ("a\n<!-- headroom: x -->", "a\n<!-- /headroom -->",
     f"a\n<!-- headroom: {CELL} speedup {AT} -->1 <!-- headroom: y -->2<!-- /headroom -->"),
)  # fmt: skip
def test_markers_that_are_not_closed(cite, text):
    result = cite(text)
    assert result.returncode == 1 and "doc.md:2: " in result.stderr
    assert cite.document.read_text() == text


def test_markers_in_code_are_only_talked_about(cite):
    text = (
        "Write `<!-- headroom: x -->` and ``a ` <!-- /headroom --> b``.\n\n```\n"
        "<!-- headroom: y -->\n```\n\n~~~ html\n<!-- headroom: z -->\n```\n~~~\n"
        "A lone ` here.\n\n" + _marked(f"{CELL} speedup {AT}")
    )
    assert cite(text).returncode == 0
    assert cite.document.read_text().startswith(text.split("It is")[0])
    assert "speedup" in cite.document.read_text() and "x [" in cite.document.read_text()


def _with_sources(cite, text="int a; // one\n"):
    run, machine = golden_pair()
    kernels = cite.root / "kernels"
    (kernels / "simd").mkdir(parents=True)
    path = kernels / "simd" / "sum.cpp"
    path.write_text(text)
    for kernel in run["kernels"]:
        if kernel["name"] == "simd/sum":
            kernel["source_hash"] = source.source_hash(path, kernels, run["version"])
    shutil.rmtree(cite.root / "results" / "test-2c-8g" / BASE)
    written(cite.root / "results" / "test-2c-8g" / BASE, run, machine)
    return path


def test_a_source_that_changed_since_is_told(cite):
    path = _with_sources(cite)
    assert cite(_marked(f"{CELL} speedup {AT}")).stderr == ""
    path.write_text("/* two */ int   a;\n\n")
    assert cite(None, "--check", "--strict").returncode == 0, "comments and blanks aside"
    path.write_text("int b;\n")
    result = cite(None, "--check")
    assert result.returncode == 0 and "warning: " in result.stderr
    assert "doc.md:1: simd/sum: its source has changed since" in result.stderr
    strict = cite(None, "--check", "--strict")
    assert strict.returncode == 1 and "source has changed" in strict.stderr
    path.rename(path.with_name("other.cpp"))
    gone = cite(None, "--check")
    assert gone.returncode == 1 and "registers this kernel any more" in gone.stderr
    path.with_name("other.cpp").write_text('.name = "simd/sum"\n')
    assert "has changed" in cite(None, "--check").stderr, "a file may hold two kernels"


def test_documents_that_are_none(cite):
    assert cite.headroom("cite", "none.md").returncode == 2
    assert cite.headroom("cite", cite.root).returncode == 2
    cite.document.write_bytes(b"\xff\xfe")
    result = cite(None)
    assert result.returncode == 2 and "UTF-8" in result.stderr


def test_line_ends_and_modes_stay(cite):
    cite.document.write_bytes(
        f"a\r\n<!-- headroom: simd/sum ladder {AT} -->\r\n<!-- /headroom -->\r\nb\r\n".encode()
    )
    cite.document.chmod(0o640)
    assert cite(None).returncode == 0
    data = cite.document.read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n")
    assert cite.document.stat().st_mode & 0o777 == 0o640
    assert cite(None, "--check").returncode == 0


def test_a_marker_that_begins_its_line(cite):
    result = cite(f"<!-- headroom: {CELL} speedup {AT} --><!-- /headroom -->\n")
    assert result.returncode == 0 and "put a word before it" in result.stderr


def test_hostile_texts_end_no_marker(cite):
    run, machine = golden_pair()
    for kernel in run["kernels"]:
        kernel["technique"] = "``` <!-- /headroom --> <script>"
    name = "20260106T000000Z-0123abcd-evil"
    run.update(name=name, label="evil")
    written(cite.root / "results" / "test-2c-8g" / name, run, machine)
    text = f"x\n<!-- headroom: simd/sum ladder @test-2c-8g/{name} --><!-- /headroom -->\n"
    assert cite(text).returncode == 0
    assert cite(None, "--check").returncode == 0
    assert cite.document.read_text().count("/headroom -->") == 2


def test_latex_and_bibtex(headroom):
    text = headroom("cite", "--latex", golden_run(BASE)).stdout
    row = _row()
    assert f"headroom@is{{{CELL} speedup}}{{{row.speedup:.2f}\\ensuremath{{\\times}} [" in text
    assert text.isascii()
    names = [line.split("}")[0] for line in text.splitlines() if line.startswith("\\headroom@is")]
    assert len(names) == len(set(names))
    entry = headroom("cite", "--bibtex", golden_run(BASE)).stdout
    assert "@misc{headroom-test-2c-8g-20260101T000000Z," in entry
    assert "Test CPU" in entry and load(golden_run(BASE))[0]["commit"][:12] in entry
    assert entry.count("{") == entry.count("}")
    three = headroom("cite", "--latex", *[golden_run(BASE)] * 2, golden_run(NEW))
    assert three.returncode == 2 and "one RUN, or BASE and NEW" in three.stderr
    assert latex.escaped(r"\input{x} $a_b^c~ & % #") == (
        r"\textbackslash{}input\textbraceleft{}x\textbraceright{} "
        r"\$a\_b\textasciicircum{}c\textasciitilde{} \& \% \#"
    )


def test_latex_of_a_comparison(headroom):
    folders = golden_run(BASE), golden_run(NEW)
    text = headroom("cite", "--latex", *folders).stdout
    tree = json.loads(headroom("compare", "--json", *folders).stdout)
    row = next(row for row in tree["rows"] if row["kernel"] == "simd/sum" and row["n"] == 4096
               and row["variant"] == "better")  # fmt: skip
    defined = dict(re.findall(r"^.headroom@is\{(.*?)\}\{(.*)\}$", text, re.M))
    assert text.isascii() and len(defined) == text.count("\\headroom@is{")
    assert len([name for name in defined if name.endswith(" ratio")]) == len(
        tree["rows"] + tree["axes"]
    )
    ratio = defined[f"compare {CELL} ratio brief"]
    assert float(ratio.split("\\")[0]) == pytest.approx(row["ratio"], rel=0.005)
    assert f"[{three_digits(row['lo'])},~{three_digits(row['hi'])}]" in (
        defined[f"compare {CELL} ratio"]
    )
    assert defined[f"compare {CELL} verdict"] == row["verdict"]
    unresolved = [row["verdict"] in ("unresolved", "equivalent") for row in tree["rows"]]
    told = [text.endswith(("unresolved)", "equivalent)")) for name, text in defined.items()
            if name.endswith(" ratio")]  # fmt: skip
    assert sum(told) == sum(unresolved), "none stands there as if it were resolved"


def test_probes(headroom):
    """A checkout's own record has probes; the golden ones have none."""
    folder = sorted((CHECKOUT / "results").glob("*/*-base"))[-1]
    shutil.copytree(folder, headroom.root / "results" / folder.parent.name / folder.name)
    document = headroom.root / "doc.md"
    at = f"@{folder.parent.name}"
    document.write_text(
        _marked(f"machine/read/n:67108864/threads:1 probe {at}")
        + f"\n<!-- headroom: probes {at} -->\n<!-- /headroom -->\n"
    )
    assert headroom("cite", document).returncode == 0
    assert " GB/s [" in document.read_text() and "core clock" in document.read_text()
    document.write_text(_marked(f"machine/read/n:67108864 probe {at}"))
    result = headroom("cite", document)
    assert result.returncode == 1 and "means several" in result.stderr


def test_two_labels_of_one_machine_compare(cite):
    """Configurations of one machine: a label stands for all its runs that agree."""
    at = "@test-2c-8g/base @test-2c-8g/new"
    text = f"<!-- headroom: compare {at} axes simd/sum -->\n<!-- /headroom -->\n"
    assert cite(text).returncode == 0
    filled = cite.document.read_text()
    assert "| simd | " in filled and "simd/sum, n " in filled and "1.500x" in filled
    assert cite(None, "--check").returncode == 0
    assert cite(_marked(f"{CELL} speedup @test-2c-8g/base")).returncode == 0
    assert _between(cite) == (cite(_marked(f"{CELL} speedup {AT}")), _between(cite))[1]
    assert cite(_marked(f"{CELL} speedup @test-2c-8g/no_such")).returncode == 1


def test_json(cite):
    tree = json.loads(cite(_marked(f"{CELL} speedup {AT}", "1x"), "--check", "--json").stdout)
    (entry,) = tree["files"]
    assert entry["changed"] and entry["markers"][0]["status"] == "wrong"
    assert entry["markers"][0]["runs"] == [f"test-2c-8g/{BASE}"] and len(entry["errors"]) == 1


def test_a_close_without_an_open_is_an_error():
    with pytest.raises(HeadroomError):
        markers.markers_of("<!-- /headroom -->", "x.md")
