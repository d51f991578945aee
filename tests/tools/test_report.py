"""`report`: one page that stands alone, works in a browser, and takes no record for markup."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import time
from html.parser import HTMLParser

import pytest
from conftest import BASE, CHECKOUT, GOLDEN, NEW, golden_run, long_test
from generated import golden_pair, large, machine_of, scaled, sweep, written

from headroom_tools.cli import main as cli
from headroom_tools.plot import spec, svg
from headroom_tools.plot.view import view_of
from headroom_tools.report.page import LIMIT, page

pytest.importorskip("jinja2", reason="no jinja2: apt install python3-jinja2")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt install chromium")
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"
_VOID = {"meta", "link", "input", "br", "img", "wbr"}


class _Page(HTMLParser):
    """Tags that close, ids, links, and what a page would fetch."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        known = dict(attrs)
        self.ids += [known["id"]] if "id" in known else []
        self.links += [known["href"]] if tag == "a" else []
        self.fetched += [v for k, v in attrs if k in ("src", "srcset", "data", "action", "poster")]
        self.fetched += [known["href"]] if tag == "link" else []
        self.handlers += [k for k, _ in attrs if k.startswith("on") or k == "style"]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag


def _checked(text: str) -> _Page:
    page = _Page(text)
    assert len(page.ids) == len(set(page.ids)), "ids are unique"
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert page.fetched == ["data:,"] and not page.handlers
    assert page.tags.count("script") == 1 and page.tags.count("h1") == 1
    assert "url(" not in text and "@import" not in text and len(text.encode()) <= LIMIT
    assert text.isprintable() or not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    return page


def _run(headroom, *runs):
    target = headroom.root / "report.html"
    result = headroom("report", *runs, "-o", target)
    assert result.returncode == 0, result.stderr
    return target


def _sweep(root):
    return written(root / "r" / "sweep", *sweep([1, 2, 4, 8], lambda n: (1 + 0.05 * (n - 1)) / n))


def test_a_page_of_one_run(headroom):
    text = _run(headroom, golden_run(BASE)).read_text()
    _checked(text)
    for part in ("simd/sum", "better", "noise floor", "Test CPU", BASE):
        assert part in text
    (lead,) = re.findall(r'<p class="lead">(.*?)</p>', text)
    told = [re.split(r"[ ,]", part)[0] for part in re.split(r"(?<=\.) (?=[A-Z])", lead)]
    assert told == ["On", "In", "Of"], f"what there is, how much faster, how much is left: {lead}"


def test_a_page_of_two_runs_compares(headroom):
    text = _run(headroom, golden_run(BASE), golden_run(NEW)).read_text()
    _checked(text)
    assert "Axis indices" in text and "1.500x" in text and "The rows that moved most" in text
    assert "test-2c-8g · base" in text and "test-2c-8g · new" in text


def test_runs_of_one_machine_are_told_apart_by_their_label(headroom):
    run, machine = golden_pair()
    run["label"] = "later"
    later = written(headroom.root / "r" / "later", run, machine)
    text = _run(headroom, golden_run(BASE), later).read_text()
    assert "<h1>Headroom: test-2c-8g, 2 runs</h1>" in text and "In 2 runs on test-2c-8g, " in text
    assert "Against base, later is " in text and "first run" not in text
    assert text.count('<th scope="row">test-2c-8g</th>') == 1, "one line a machine"
    assert "base, 2026-01-01; later, 2026-02-01" in text and "<td>later</td>" in text


def test_ticks_stay_in_their_picture():
    bars = spec.Bars("t", "", spec.Axis("speedup", "factor", True), 1.0, [
        spec.Bar("a_long_name", 12000.0, 11000.0, 13000.0, "12,000x", mark=20000.0)])  # fmt: skip
    text = svg.table(bars, "caption")
    ticks = re.findall(r'<text class="(.*?)" x="([\d.]+)%"', text)
    assert ticks[0][0] == "" and all(c.startswith("r") for c, x in ticks if float(x) > 92)
    assert sum("o" in c.split() for c, _ in ticks) == len(ticks) // 2, "every other one may go"
    assert "a_<wbr>long_<wbr>name" in text and text.count('<th scope="col">') == 3


def test_sweeps_probes_and_all_machines(headroom):
    shutil.copytree(CHECKOUT / "results", headroom.root / "results")
    (headroom.root / "results" / "README.md").unlink()
    shutil.copytree(GOLDEN / "test-2c-8g", headroom.root / "results" / "test-2c-8g")
    text = _run(headroom).read_text()
    _checked(text)
    assert "bandwidth" in text and "epyc" in text and "test-2c-8g" in text, "one run a machine"
    assert text.count('<th scope="row">test-2c-8g</th>') == 1
    text = _run(headroom, _sweep(headroom.root)).read_text()
    assert "by threads" in text and "contention " in text


def test_no_run_and_no_place(headroom):
    result = headroom("report")
    assert result.returncode == 2 and "holds 0 runs" in result.stderr
    result = headroom("report", golden_run(BASE), "-o", headroom.root / "no" / "x.html")
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    result = headroom("report", golden_run(BASE), "-o", headroom.root)
    assert result.returncode == 2 and "no regular file" in result.stderr


def test_a_missing_jinja2_is_named(headroom, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    target = headroom.root / "x.html"
    assert cli.main(["report", str(golden_run(BASE)), "-o", str(target)]) == 2
    assert "jinja2: apt install python3-jinja2" in capsys.readouterr().err


def test_other_commands_need_neither(headroom):
    """Only `report` and `plot` import what draws."""
    code = (
        "import sys; sys.modules['jinja2'] = sys.modules['matplotlib'] = None\n"
        "from headroom_tools.cli import main as cli\n"
        f"sys.exit(cli.main(['show', {str(golden_run(BASE))!r}]))"
    )
    done = subprocess.run(
        [headroom.env["HEADROOM_PYTHON"], "-c", code], capture_output=True, text=True,
        env={**headroom.env, "PYTHONPATH": str(CHECKOUT / "tools")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_hundred_kernels_stay_small_and_fast(headroom, record_property):
    """1,000 rows; no test fails for a timing, the figure is kept with the test's report."""
    folder = written(headroom.root / "r" / "large", *large(1000))
    began = time.perf_counter()
    target = _run(headroom, folder)
    record_property("seconds", time.perf_counter() - began)
    record_property("bytes", target.stat().st_size)
    text = target.read_text()
    page = _checked(text)
    assert sum(one.startswith("k-") for one in page.ids) == 100
    assert "leaves out" not in text, "with all its launches"


def test_several_large_runs_leave_out_detail(headroom):
    folders = [
        written(headroom.root / "r" / f"m{at}", *large(1000, at, 1 + at, f"m{at}"))
        for at in range(6)
    ]
    text = _run(headroom, *folders).read_text()
    _checked(text)
    assert "leaves out" in text


@long_test
def test_forty_machines_are_a_fleet(headroom, record_property):
    """The lead is about all of them, and the page is small whichever of them is named first."""
    for at in range(40):
        slow = at == 17
        change = (lambda run, machine: scaled(run, 1 / 0.78)) if slow else None
        machine_of(headroom.root / "r", f"m{at:02d}", 1000 if at < 2 or slow else 90, 1, at,
                   change=change)  # fmt: skip
    runs = sorted(path.parent for path in (headroom.root / "r").glob("*/*/run.json"))
    began = time.perf_counter()
    target = _run(headroom, *runs)
    record_property("seconds", time.perf_counter() - began)
    record_property("bytes", target.stat().st_size)
    text = target.read_text()
    _checked(text)
    assert target.stat().st_size < 4_000_000 and "<h1>Headroom: a fleet of 40 machines" in text
    (lead,) = re.findall(r'<p class="lead">(.*?)</p>', text)
    assert lead.startswith("1 of 40 machines is odd: m17 has 0.7") and "first" not in lead
    for axis in ("scalar", "simd", "cache", "memory-latency"):
        assert f"% on {axis}" in lead
    (fleet,) = re.findall(r'<section id="fleet">(.*?)</section>', text, re.S)
    names = re.findall(r'<th scope="row"[^>]*>(m\d\d)</th>', fleet)
    assert names[0] == "m17" and sorted(names) == [f"m{at:02d}" for at in range(40)]
    assert fleet.count('class="n slower"') >= 5 and "about 2 of 40: the most typical, m" in text
    assert " and the odd m17." in text
    other = _run(headroom, *runs[::-1]).read_text()
    assert re.findall(r'<p class="lead">(.*?)</p>', other) == [lead]


def test_four_machines_are_none(headroom):
    for at in range(4):
        machine_of(headroom.root / "r", f"m{at}", 20, 1, at)
    runs = sorted(path.parent for path in (headroom.root / "r").glob("*/*/run.json"))
    text = _run(headroom, *runs).read_text()
    assert 'id="fleet"' not in text and "<h1>Headroom: m0 and 3 more machines" in text


def _hostile(root):
    run, machine = golden_pair()
    for field in ("model_name", "vendor", "microarchitecture"):
        machine["cpu"][field] = SCRIPT
    machine["kernel"] = machine["disk"]["model"] = machine["system"] = SCRIPT
    for field in ("compiler", "flags", "isa", "preset"):
        run["build"][field] = SCRIPT
    run["notes"] = [SCRIPT, "{{ 7*7 }} {% raw %}"]
    run["libraries"] = {"abseil": SCRIPT}
    run["failures"] = [{"kernel": "simd/sum", "launch": 1, "kind": "error", "n": None,
                        "input": None, "threads": None, "params": None,
                        "message": SCRIPT}]  # fmt: skip
    for kernel in run["kernels"]:
        kernel["technique"] = SCRIPT
        for variant in kernel["variants"]:
            variant["what"] = SCRIPT
    for entry in run["missing"]:
        entry["needs"] = entry["cure"] = SCRIPT
    return written(root / "r" / "hostile", run, machine)


def test_hostile_records_stay_text(headroom):
    folder = _hostile(headroom.root)
    for runs in ((folder,), (golden_run(BASE), folder), (folder, golden_run(BASE))):
        text = _run(headroom, *runs).read_text()
        _checked(text)
        assert "<img" not in text and text.count("<script") == 1 and "&lt;script&gt;" in text
        assert "49" not in re.findall(r"note: (.*?)<", text) and "{{ 7*7 }}" in text


EXTREMES = (
    lambda run: [row.__setitem__(slice(None), [1e-9, 1e18] * 5)
                 for name in ("median", "p10", "min") for row in run["cells"][name]],
    lambda run: [row.__setitem__(slice(None), [50, -50] * 5) for row in run["cells"]["log_ratio"]],
    lambda run: [row.__setitem__(slice(None), [None] * 10) for name in ("median", "p10", "min",
                 "log_ratio") for row in run["cells"][name]],
    lambda run: run["ladders"].update(items=[1e-6] * len(run["ladders"]["items"])),
    lambda run: run["ladders"].update(items=[1e18] * len(run["ladders"]["items"])),
    lambda run: run["ladders"].update(flops=[1e18] * len(run["ladders"]["flops"])),
    lambda run: [values.__setitem__(slice(None), [1e-9] * 10)
                 for values in run["ceilings"]["median"]],
    lambda run: [column.clear() for table in ("cells", "quantities")
                 for column in run[table].values()],
)  # fmt: skip


@pytest.mark.parametrize("at", range(len(EXTREMES)))
def test_extremes(headroom, at):
    run, machine = golden_pair()
    EXTREMES[at](run)
    text = page([written(headroom.root / "r" / "extreme", run, machine)])
    _checked(text)
    assert ">nan" not in text and "NaN" not in text.split("<script>")[0] and ">inf" not in text


# --- in a browser


def _dom(tmp_path, page, *options):
    """(the page's DOM after its script ran, what the console said)."""
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--v=0",
         "--virtual-time-budget=5000", "--dump-dom", *options, f"file://{page}"],
        capture_output=True, text=True, timeout=120,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def _with(target, script):
    """A copy of a page that also runs `script`, which its policy would not let it."""
    text = target.read_text()
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    copy = target.with_name("probe.html")
    copy.write_text(text.replace("</body>", f"<script>{script}</script></body>"))
    return copy


@browser
def test_it_loads_without_errors(headroom):
    fleet = [machine_of(headroom.root / "f", f"m{at}", 30, 1, at)[0] for at in range(5)]
    assert 'id="fleet"' in _run(headroom, *fleet).read_text()
    dom, console = _dom(headroom.root, _run(headroom, *fleet))
    assert not console, console
    for runs in ((golden_run(BASE), golden_run(NEW)), (_hostile(headroom.root),)):
        dom, console = _dom(headroom.root, _run(headroom, *runs))
        assert not console, console
        rows = view_of(runs[0]).claims
        assert f"of {len(rows) * len(runs)} rows" in dom, "the script ran under its policy"


@browser
def test_the_policy_stops_other_scripts(headroom):
    target = _run(headroom, golden_run(BASE))
    text = target.read_text().replace("</main>", "<script>document.title='broken'</script></main>")
    target.write_text(text)
    dom, console = _dom(headroom.root, target)
    assert "<title>broken" not in dom and any("Content Security Policy" in line for line in console)


@browser
def test_filter_and_sort_work(headroom):
    probe = """
    const table = document.getElementById("rows"), found = {};
    const heads = Array.from(table.tHead.rows[0].cells);
    const shown = () => Array.from(table.tBodies[0].rows).filter((row) => !row.hidden);
    const set = (id, value, event) => {
      const input = document.getElementById(id);
      input.value = value;
      input.dispatchEvent(new Event(event));
    };
    found.all = shown().length;
    set("filter", "simd/sum BETTER", "input");
    found.filtered = shown().map((row) => row.cells[0].textContent + row.cells[1].textContent);
    set("filter", "", "input");
    set("verdict", "faster", "change");
    found.faster = shown().map((row) => row.dataset.verdict);
    set("verdict", "", "change");
    found.again = shown().length;
    const at = heads.findIndex((head) => head.textContent === "speedup");
    const button = heads[at].querySelector("button");
    const values = () => shown().map((row) => row.cells[at].dataset.v)
      .filter((v) => v !== undefined).map(parseFloat);
    button.focus();
    found.focus = document.activeElement === button;
    button.click();
    found.up = values();
    found.sort = heads[at].getAttribute("aria-sort");
    button.click();
    found.down = values();
    heads[0].querySelector("button").click();
    found.names = shown().map((row) => row.cells[0].textContent);
    found.cleared = heads[at].getAttribute("aria-sort");
    window.dispatchEvent(new Event("beforeprint"));
    const folded = Array.from(document.querySelectorAll("details")).filter((part) => !part.open);
    found.open = folded.every((part) => part.className === "launches") && folded.length;
    document.body.textContent = "FOUND" + JSON.stringify(found) + "END";
    """
    dom, console = _dom(headroom.root, _with(_run(headroom, golden_run(BASE)), probe))
    assert not console, console
    found = json.loads(re.search("FOUND(.*?)END", dom, re.S)[1])
    rows = view_of(golden_run(BASE)).claims
    assert found["all"] == found["again"] == len(rows)
    assert set(found["filtered"]) == {"simd/sumbetter"}
    assert set(found["faster"]) == {"faster"} and found["faster"]
    assert found["up"] == sorted(found["up"]) and found["down"] == sorted(found["down"])[::-1]
    assert found["sort"] == "ascending" and found["cleared"] is None and found["focus"]
    assert found["names"] == sorted(found["names"]) and found["open"]


@browser
@pytest.mark.parametrize("fleet", (False, True))
@pytest.mark.parametrize("width", (320, 400, 1600))
def test_nothing_overflows(headroom, width, fleet):
    """In a frame of that width: a browser's own window can't be as narrow as a telephone."""
    probe = """
    document.querySelectorAll("details").forEach((part) => { part.open = true; });
    const wide = Array.from(document.querySelectorAll("body *")).filter((part) =>
      !part.closest(".skip") && !part.parentElement.closest(".scroll") &&
      part.getBoundingClientRect().right > innerWidth + 1);
    parent.postMessage("FOUND" + JSON.stringify({width: innerWidth,
      page: document.documentElement.scrollWidth,
      wide: wide.slice(0, 5).map((part) => part.outerHTML.slice(0, 120))}) + "END", "*");
    """
    shutil.copytree(CHECKOUT / "results", headroom.root / "results")
    kept = [path.parent for path in (headroom.root / "results").glob("*/*-base/run.json")]
    runs = [golden_run(BASE), golden_run(NEW), _hostile(headroom.root), _sweep(headroom.root)]
    runs += kept
    if fleet:
        runs = [machine_of(headroom.root / "f", f"machine-{at}", 60, 1, at)[0] for at in range(12)]
    copy = _with(_run(headroom, *runs), probe)
    frame = headroom.root / "frame.html"
    frame.write_text(
        f'<iframe src="{copy.name}" width="{width}" height="900" style="border:0"></iframe><script>'
        "addEventListener('message', (e) => { document.title = e.data; });</script>"
    )
    dom, _ = _dom(headroom.root, frame, "--window-size=1700,1000")
    found = json.loads(html.unescape(re.search("FOUND(.*?)END", dom, re.S)[1]))
    assert found["width"] == width and found["page"] <= width and not found["wide"], found


def test_the_long_table_is_printed_only_where_it_was_filtered(headroom):
    out = headroom.root / "r.html"
    assert headroom("report", "-o", out, golden_run(BASE)).returncode == 0
    text = out.read_text()
    printed = text[text.index("@media print") :].partition("</style>")[0]
    assert "#all:not(.chosen) .scroll { display: none; }" in printed
    assert "#all:not(.chosen) .printed { display: block; }" in printed
    assert ".printed { display: none; }" in text.partition("@media print")[0]
    section = text[text.index('<section id="all">') :]
    assert section.index('class="dim printed"') < section.index('class="scroll"')
    assert 'classList.toggle("chosen", shown < rows.length)' in section
