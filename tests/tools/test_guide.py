"""The guide: it names every kernel, its trees end in sections, its commands work, and what the
report says of a technique is what `show` says of its ladders."""

from __future__ import annotations

import html
import json
import math
import random
import re
import shutil
import socket
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from conftest import BASE, CHECKOUT, NEW, golden_run, long_test
from generated import large, written
from test_report import CHROMIUM, browser

from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import three_digits
from headroom_tools.cite import markers
from headroom_tools.guide import document, drawing, text
from headroom_tools.guide.techniques import BY_KEY, EXCLUDED, TECHNIQUES
from headroom_tools.guide.trees import SETUP, TREES
from headroom_tools.plot.view import view_of
from headroom_tools.record import hosts
from headroom_tools.report import guide as section

BENCH = CHECKOUT / "build" / "release" / "bench" / "headroom-bench"
GUIDE = CHECKOUT / "GUIDE.md"


def _kernels(root: Path) -> set[str]:
    """All kernels of a checkout: what its files register, and what has golden inputs."""
    found = {line.split()[0] for line in
             (root / "tests" / "golden" / "inputs.txt").read_text().splitlines()}  # fmt: skip
    for path in root.glob("kernels/*/*.cpp"):
        source = path.read_text(encoding="utf-8")
        if "Registrar" in source:
            found |= set(re.findall(rf'"({path.parent.name}/[a-z0-9_]+)"', source))
    return found


def _unnamed(kernels: set[str]) -> set[str]:
    """Kernels that no technique names, and that are not left out on purpose."""
    named = {kernel for one in TECHNIQUES for kernel in one.kernels}
    return {one for one in kernels - named if one.split("/")[0] not in EXCLUDED}


def _texts() -> list[tuple[str, str]]:
    """(key, text) of everything that may hold figures and links."""
    return [(one.key, part) for one in TECHNIQUES for part in (one.what, one.no_gain, one.lacks)]


def _cells() -> list[tuple[str, str, str]]:
    """(key, cell, quantity) of every figure."""
    found = [(key, *figure) for key, part in _texts() for figure in text.figures_in(part)]
    return found + [(one.key, show.cell, show.quantity) for one in TECHNIQUES for show in one.shows]


# --- the data


def test_every_kernel_is_in_the_guide():
    kernels = _kernels(CHECKOUT)
    assert len(kernels) > 150
    unnamed = _unnamed(kernels)
    assert not unnamed, "name them in tools/headroom_tools/guide/techniques.py"
    named = {kernel for one in TECHNIQUES for kernel in one.kernels}
    unknown = named - kernels
    assert not unknown, "no such kernels"


def test_a_kernel_that_the_guide_lacks_is_found(tmp_path):
    shutil.copytree(CHECKOUT / "kernels", tmp_path / "kernels")
    golden = tmp_path / "tests" / "golden" / "inputs.txt"
    golden.parent.mkdir(parents=True)
    shutil.copy(CHECKOUT / "tests" / "golden" / "inputs.txt", golden)
    assert not _unnamed(_kernels(tmp_path))
    new = tmp_path / "kernels" / "simd" / "new_one.cpp"
    new.write_text('const Registrar kRegistrar({.name = "simd/new_one"}, kVariants);\n')
    assert _unnamed(_kernels(tmp_path)) == {"simd/new_one"}
    golden.write_text(golden.read_text() + "layout/of_golden n:4 input:default 1\n")
    assert _unnamed(_kernels(tmp_path)) == {"simd/new_one", "layout/of_golden"}


def test_a_real_programs_kernels_are_in_the_guide():
    if not BENCH.is_file():
        pytest.skip("headroom-bench isn't built")
    listed = json.loads(subprocess.run(
        [CHECKOUT / "tools" / "headroom", "list", "--json"], check=True, capture_output=True,
    ).stdout)  # fmt: skip
    # Those of another repository (KERNELS=) are none of this guide's.
    groups = {path.name for path in (CHECKOUT / "kernels").iterdir() if path.is_dir()}
    own = {kernel["name"] for kernel in listed["kernels"] if kernel["group"] in groups}
    assert own and not _unnamed(own)


def test_every_figure_is_of_a_cell_that_a_standard_run_measures():
    """Its kernel, variant and, where the program is built, its coordinates."""
    known = {}
    if BENCH.is_file():
        told = subprocess.run([CHECKOUT / "tools" / "headroom", "list", "--json"],
                              check=True, capture_output=True).stdout  # fmt: skip
        known = {kernel["name"]: kernel for kernel in json.loads(told)["kernels"]}
    assert len(_cells()) > 80
    for key, cell, quantity in _cells():
        want = text.wanted(cell)
        file = CHECKOUT / document.kernel_file(CHECKOUT, want.kernel)
        variants = re.findall(r'\.name = "(\w+)"', file.read_text(encoding="utf-8"))
        assert want.variant in variants, (key, cell)
        assert quantity in ("speedup", "over_standard")
        (subject,) = markers.request_of(f"{cell} {quantity} brief @m").subjects
        assert subject.kernel == want.kernel and subject.variant == want.variant
        assert (subject.n, subject.input, subject.threads) == want[2:5], cell
        assert subject.params == want.params, cell
        kernel = known.get(want.kernel)
        if not kernel:
            continue
        assert want.n in kernel["headline"], (key, cell)
        assert want.input in (None, kernel["inputs"][0]), (key, cell)
        # How many ranks there are is a job's, which this program is not in.
        params = {name: value for name, value in want.params.items() if name != hosts.PARAM}
        assert all(value in kernel["params"][name] for name, value in params.items()), cell
        several = [name for name, values in kernel["params"].items() if len(values) > 1]
        assert set(several) <= {*want.params, *_one_headline(file)}, (key, cell)
        assert (want.threads is not None) == (kernel["threads"] != [1]), (key, cell)
        if quantity == "over_standard":
            assert any(one["role"] == "standard" for one in kernel["variants"]), (key, cell)
        of_weaker = any(one["lacks"] for one in kernel["variants"] if one["name"] == want.variant)
        told = [show.what for show in BY_KEY[key].shows if show.cell == cell]
        assert not of_weaker or all("weaker promise" in one or "stale" in one for one in told), cell


def _one_headline(file: Path) -> list[str]:
    """A kernel's params of which one value is a headline."""
    source = file.read_text(encoding="utf-8")
    return re.findall(r'\{(?:\.name = )?"(\w+)", (?:\.values = )?\{[^}]*\}, '
                      r"(?:\.headline = )?\{\d+\}\}", source)  # fmt: skip


def test_a_technique_says_what_it_is():
    assert len(BY_KEY) == len(TECHNIQUES) == len({one.title for one in TECHNIQUES})
    for one in TECHNIQUES:
        assert one.what.endswith(".") and one.no_gain.endswith("."), one.key
        assert one.kernels or one.lacks or one.key == "bottlenecks", f"{one.key}: say why"
        assert len(set(one.kernels)) == len(one.kernels), one.key
        assert not one.shows or {text.wanted(show.cell).kernel for show in one.shows} & {
            *one.kernels
        }, one.key
    linked = [name for _, part in _texts() for name in text.kernels_in(part)]
    assert set(linked) <= _kernels(CHECKOUT)


# --- the trees


def test_leaves_exist_and_reach_every_technique():
    for tree in TREES:
        for leaf in tree.leaves:
            assert leaf
            for key in leaf:
                kind, _, other = key.partition(":")
                assert key in BY_KEY or kind == "tree" and other in {t.key for t in TREES}, key
                assert other != tree.key
    reached = {key for tree in TREES for leaf in tree.leaves for key in leaf}
    assert set(BY_KEY) <= reached, "no way leads to these"


def test_questions_are_measurable():
    for tree in TREES:
        steps = list(tree.steps)
        assert [step.number for step in steps] == [str(at + 1) for at in range(len(steps))]
        for step in steps:
            assert step.question.endswith("?") and step.how and step.read, step
            assert bool(step.yes) != (step is tree.fork)
            checked = subprocess.run(["bash", "-n"], input=step.how, text=True, capture_output=True)
            assert not checked.returncode, (step.how, checked.stderr)


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.key)
def test_a_picture_has_all_questions_and_leaves(tree):
    root = ElementTree.fromstring(drawing.drawn(tree, alone=True))
    space = "{http://www.w3.org/2000/svg}"
    told = " ".join(part.text or "" for part in root.iter(f"{space}text"))
    for step in tree.steps:
        assert f"{step.number}. {step.question}" in told
    for leaf in tree.leaves:
        for key in leaf:
            assert drawing.name_of(key) in told
    assert told.split().count("yes") + told.split().count("no") >= 2 * len(list(tree.steps)) - 2
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for box in root.iter(f"{space}rect"):
        x, y = (float(box.attrib.get(name, 0)) for name in "xy")
        assert x + float(box.attrib["width"]) <= width and y + float(box.attrib["height"]) <= height
    boxes = [
        tuple(float(box.attrib[name]) for name in ("x", "y", "width", "height"))
        for box in root.iter(f"{space}rect") if box.attrib["class"] != "back"
    ]  # fmt: skip
    for at, (x, y, w, h) in enumerate(boxes):
        for x2, y2, w2, h2 in boxes[at + 1 :]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y, "boxes overlap"
    assert root.attrib["role"] == "img" and tree.title.lower() in root.attrib["aria-label"]
    style = root.find(f"{space}style")
    assert style is not None and "prefers-color-scheme: dark" in (style.text or "")


@browser
def test_text_lies_within_its_box(tmp_path):
    """As a browser measures it, with links as in a report."""
    pictures = "".join(drawing.drawn(tree, lambda key: "#x") for tree in TREES)
    page = tmp_path / "page.html"
    page.write_text(
        f"<style>{drawing.RULES} svg {{ width: 980px }}</style><body>{pictures}<script>"
        """const out = [];
        document.querySelectorAll("svg").forEach((svg) => {
          const boxes = Array.from(svg.querySelectorAll("rect")).map((b) => b.getBBox());
          svg.querySelectorAll("text:not(.how)").forEach((t) => {
            const b = t.getBBox();
            const inside = boxes.some((r) => r.x <= b.x && b.x + b.width <= r.x + r.width &&
              r.y <= b.y && b.y + b.height <= r.y + r.height);
            if (!inside) out.push(t.textContent);
          });
        });
        document.body.textContent = "FOUND" + JSON.stringify(out) + "END";</script>"""
    )
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", "--dump-dom",
         f"file://{page}"],
        capture_output=True, text=True, timeout=120,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert re.search("FOUND(.*?)END", done.stdout, re.S)[1] == "[]"


# --- GUIDE.md


def test_the_document_and_its_pictures_are_current():
    for path, wanted in document.files(CHECKOUT).items():
        assert path.read_text(encoding="utf-8") == wanted, f"{path.name}: `tools/headroom guide`"


def test_the_document_says_all_of_it():
    told = GUIDE.read_text(encoding="utf-8")
    heads = re.findall(r"^## (.+)$", told, re.M)
    assert [one.title for one in TECHNIQUES] == heads[-len(TECHNIQUES) :]
    parts = dict(zip(heads, re.split(r"^## .+$", told, flags=re.M)[1:]))
    for one in TECHNIQUES:
        part = parts[one.title]
        for kernel in one.kernels:
            assert f"]({document.kernel_file(CHECKOUT, kernel)})" in part, (one.key, kernel)
        cells = re.findall(r"<!-- headroom: (\S+) (\S+) brief", part)
        assert sorted(cells) == sorted((c, q) for key, c, q in _cells() if key == one.key)
        assert "**When it does not help.**" in part
    for tree in TREES:
        for step in tree.steps:
            assert step.question in parts[tree.title] and step.how in parts[tree.title]
    assert 250 <= told.count("\n") <= 380
    for name in ("README.md", "kernels/README.md"):
        assert "GUIDE.md)" in (CHECKOUT / name).read_text(encoding="utf-8")


def test_figures_are_kept_when_the_document_is_written(tmp_path):
    cell = TECHNIQUES[1].shows[0].cell
    body = f"<!-- headroom: {cell} speedup brief {document.RECORD} -->"
    old = document.guide(CHECKOUT, "")
    assert f"{body}<!-- /headroom -->" in old
    filled = old.replace(f"{body}<", f"{body}42.0x<")
    assert filled != old and document.guide(CHECKOUT, filled) == filled


def test_guide_check_says_what_is_not_current(headroom):
    for name in ("kernels", "tools"):
        (headroom.root / name).symlink_to(CHECKOUT / name)
    result = headroom("guide", "--check")
    assert result.returncode == 1 and "GUIDE.md: is not current" in result.stderr
    assert headroom("guide").returncode == 0
    assert headroom("guide", "--check").returncode == 0
    target = headroom.root / "GUIDE.md"
    target.write_text(target.read_text().replace("Do fewer steps.", "Do more steps."))
    assert json.loads(headroom("guide", "--check", "--json").stdout)["stale"] == ["GUIDE.md"]


def test_a_kernels_file_is_found():
    assert document.kernel_file(CHECKOUT, "algorithm/sort_u64") == "kernels/algorithm/sort.cpp"
    assert document.kernel_file(CHECKOUT, "simd/crc32c") == "kernels/simd/crc32.cpp"
    with pytest.raises(HeadroomError, match="no file in kernels/simd/"):
        document.kernel_file(CHECKOUT, "simd/qqq")


# Of those that need a PostgreSQL another test has the statements; `compare` has tests of its own.
_APART = ("make", "psql")


@long_test
@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.key)
def test_the_commands_work_as_written(tree, tmp_path):
    """Word for word, but for the port; each prints something and fails at nothing."""
    lacking = [tool for tool in ("curl", "wrk", "strace", "pidstat", "perf", "iostat", "top")
               if not shutil.which(tool)]  # fmt: skip
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}")
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        port = any_port.getsockname()[1]
    for step in tree.steps:
        if step.how.split()[0] in _APART:
            continue
        script = f"{SETUP}\ntrap 'kill $PID' EXIT\n{step.how}\n".replace("8080", str(port))
        script = script.replace("/tmp/", f"{tmp_path}/")
        done = subprocess.run(["bash", "-c", script], cwd=CHECKOUT, capture_output=True, text=True,
                              timeout=120)  # fmt: skip
        assert not done.returncode and done.stdout.strip() + done.stderr.strip(), (step, done)
        assert "not found" not in done.stderr and "usage" not in done.stderr.lower(), (step, done)


# --- the report


def _page(headroom, *runs: Path) -> str:
    target = headroom.root / "report.html"
    result = headroom("report", *runs, "-o", target)
    assert result.returncode == 0, result.stderr
    return target.read_text()


def _sections(page: str) -> dict[str, str]:
    """A technique's part of a page."""
    found = re.findall(r'<section class="kernel" id="g-([a-z-]+)">(.*?)</section>', page, re.S)
    assert [key for key, _ in found] == [one.key for one in TECHNIQUES]
    return dict(found)


def _of_guide(root: Path, seed: int) -> Path:
    """A record whose kernels are some of the guide's, each with gains of its own."""
    run, machine = large(1000, seed)
    draw = random.Random(seed)
    more = [draw.uniform(0, 3) for _ in run["ladders"]["kernel"]]
    cells = run["cells"]
    for at, (ladder, variant) in enumerate(zip(cells["ladder"], cells["variant"])):
        if variant:
            cells["log_ratio"][at] = [value + more[ladder] for value in cells["log_ratio"][at]]
            for name in ("median", "p10", "min"):
                cells[name][at] = [ns * math.exp(-more[ladder]) for ns in cells[name][at]]
    named = sorted({kernel for one in TECHNIQUES for kernel in one.kernels})[seed :: 2]
    for kernel, name in zip(run["kernels"], named):
        kernel["name"], kernel["group"] = name, name.split("/")[0]
    return written(root / f"guide-{seed}", run, machine)


@pytest.mark.parametrize("seed", (0, 1))
def test_a_techniques_figure_is_the_best_of_its_ladders_as_show_has_them(headroom, seed):
    folder = _of_guide(headroom.root, seed)
    rows = json.loads(headroom("show", folder, "--json").stdout)["rows"]
    sections = _sections(_page(headroom, folder))
    assert sum(bool(one.kernels) for one in TECHNIQUES) > 15
    for one in TECHNIQUES:
        ladders: dict[tuple, list[dict]] = {}
        for row in rows:
            if row["kernel"] in one.kernels and row["speedup"]:
                ladders.setdefault((row["kernel"], row["n"]), []).append(row)
        own = [min(ladder, key=lambda row: row["ns_per_item"]) for ladder in ladders.values()]
        own = [row for row in own if row["variant"] != row["baseline"]]
        part = html.unescape(sections[one.key])
        told = re.findall(r"Best ladder: <strong>([\d.,]+)x</strong> \((?:<a [^>]*>)?"
                          r"([a-z0-9_/]+)(?:</a>)?, (\w+)(?: \(peer\))?, n ([\d,]+)",
                          part)  # fmt: skip
        if not own or one.only:
            assert not told, "what ran on the CPU is no figure of a GPU"
            assert (section.UNMEASURED in part) == bool(one.kernels)
            continue
        best = max(own, key=lambda row: row["speedup"])
        ((speedup, kernel, variant, n),) = told
        assert speedup == three_digits(best["speedup"])
        (shown,) = [row for row in own if (row["kernel"], row["variant"], row["n"])
                    == (kernel, variant, int(n.replace(",", "")))]  # fmt: skip
        assert three_digits(shown["speedup"]) == speedup


def test_several_runs_have_a_figure_each_and_all_are_counted(headroom):
    page = _page(headroom, golden_run(BASE), golden_run(NEW))
    sections = _sections(page)
    gains = re.findall(r"<p>Best ladder on (.*?): <strong>", sections["simd"])
    assert gains == ["base", "new"]
    measured = sum("<p>Best ladder on" in part and "<strong>" in part.partition("<ul>")[0]
                   for part in sections.values())  # fmt: skip
    (told,) = re.findall(r"(\d+ of \d+ techniques (?:was|were) measured)", page)
    assert told == f"{measured} of {len(TECHNIQUES)} techniques were measured"


def test_a_techniques_own_rows_are_held_against_its_variant(headroom):
    """As those of a GPU are against all cores of the CPU; here peers, against `v1`."""
    folder = _of_guide(headroom.root, 0)
    one = BY_KEY["simd"]._replace(only="peer", over="v1")
    row = section.best_over(view_of(folder), one)
    told = json.loads(headroom("show", folder, "--baseline", "v1", "--json").stdout)["rows"]
    own = [r for r in told if r["kernel"] in one.kernels and r["variant"] == "v3" and r["speedup"]]
    best = max(own, key=lambda r: r["speedup"])
    assert row.cell.role == "peer" and row.cell.kernel["name"] == best["kernel"]
    assert three_digits(row.speedup) == three_digits(best["speedup"])
    assert not section.best_over(view_of(folder), one._replace(only="on a GPU"))


def test_a_figure_in_a_text_is_the_runs_own(headroom):
    """`simd/sum` of the golden record has variants of its own: one of them plays the guide's."""
    run = json.loads((golden_run(BASE) / "run.json").read_text())
    machine = json.loads((golden_run(BASE) / "machine.json").read_text())
    show = next(one for one in BY_KEY["simd"].shows if one.cell.startswith("simd/sum/"))
    want = text.wanted(show.cell)
    (kernel,) = [one for one in run["kernels"] if one["name"] == "simd/sum"]
    kernel["variants"][1]["name"] = want.variant
    own = run["kernels"].index(kernel)
    ladders = run["ladders"]
    others = [at for at, one in enumerate(ladders["kernel"]) if one == own]
    for at, n in enumerate(others[:-1]):
        ladders["n"][n] = want.n // (2 + at)
    ladders["n"][others[-1]] = want.n
    kernel["sizes"] = kernel["headline"] = sorted(
        {n for n, k in zip(ladders["n"], ladders["kernel"]) if k == own}
    )
    folder = written(headroom.root / "renamed", run, machine)
    rows = json.loads(headroom("show", folder, "--json").stdout)["rows"]
    (row,) = [row for row in rows if (row["kernel"], row["variant"], row["n"]) == want[:3]]
    part = _sections(_page(headroom, folder))["simd"]
    (told,) = re.findall(rf"{re.escape(show.what[1:])}: <strong>([\d.,]+)x", html.unescape(part))
    assert told == three_digits(row["speedup"])


def test_what_was_not_measured_has_the_command(headroom):
    sections = _sections(_page(headroom, golden_run(BASE)))
    rows = json.loads(headroom("show", golden_run(BASE), "--json").stdout)["rows"]
    measured_here = {row["kernel"] for row in rows}
    lacking = [one for one in TECHNIQUES if one.kernels and not measured_here & {*one.kernels}]
    assert len(lacking) > 5
    for one in lacking:
        told = html.unescape(sections[one.key])
        (command,) = re.findall(rf"{section.UNMEASURED}: <code>(.*?)</code>", told)
        (pattern,) = re.findall(r"^make bench PROFILE=quick FILTER='(.*)'$", command)
        measured = [kernel for kernel in one.kernels if re.search(pattern, kernel)]
        assert measured and len(measured) == pattern.count("|") + 1, command


def test_leaves_of_the_page_lead_to_its_sections(headroom):
    page = _page(headroom, golden_run(BASE))
    (guide,) = re.findall(r'<section id="guide">(.*?)<section id="kernels">', page, re.S)
    for tree in TREES:
        (own,) = re.findall(rf'id="t-{tree.key}".*?</svg>(?s:.*?)</details>', guide, re.S)
        links = set(re.findall(r'href="(#[\w-]+)"', own))
        assert links == {section.target(key) for leaf in tree.leaves for key in leaf}
        for step in tree.steps:
            assert html.escape(step.how, quote=True).replace("&#x27;", "&#39;").replace(
                "&quot;", "&#34;") in own  # fmt: skip
    assert '<a href="#guide">Guide</a>' in page
