"""`plot`: each picture, in each format, from records as they come and as they may be made up."""

from __future__ import annotations

import json
import re
import shutil
from xml.etree import ElementTree

import pytest
from conftest import BASE, CHECKOUT, GOLDEN, NEW, golden_run
from generated import golden_pair, large, loads, shares, sweep, written

from headroom_tools.base.errors import HeadroomError
from headroom_tools.cli import main as cli
from headroom_tools.plot import (
    characters, make, of_kernels, of_load, of_machine, paper, style, svg,
)
from headroom_tools.plot.view import View, view_of
from headroom_tools.plot.layout import bar_limits, limits_of

pytest.importorskip("matplotlib", reason="no matplotlib: apt install python3-matplotlib")

ANY = re.compile("")


def probes_run():
    """The checkout's own record that has probes."""
    return sorted((CHECKOUT / "results").glob("*/*-base"))[-1]


def sweep_run(root):
    return written(root / "r" / "sweep", *sweep([1, 2, 4, 8], lambda n: (1 + 0.05 * (n - 1)) / n))


@pytest.mark.parametrize("suffix", ("svg", "png", "pdf"))
def test_formats(headroom, suffix):
    target = headroom.root / f"x.{suffix}"
    result = headroom("plot", "ladders", golden_run(BASE), "-o", target)
    assert result.returncode == 0, result.stderr
    data = target.read_bytes()
    start = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[suffix]
    assert data.startswith(start)
    headroom("plot", "ladders", golden_run(BASE), "-o", target)
    assert target.read_bytes() == data, "the same record makes the same file"


@pytest.mark.parametrize("kind", (*make.KINDS,))
def test_kinds(headroom, kind):
    runs = {
        "memory": [probes_run()],
        "threads": [sweep_run(headroom.root)],
        "axes": [golden_run(BASE), golden_run(NEW)],
        "load": [written(headroom.root / "r" / "loads", *loads())],
        "measures": [written(headroom.root / "r" / "shares", *shares())],
    }.get(kind, [golden_run(BASE)])
    if kind == "roofline":  # probes and kernels that do floating-point work
        shutil.copytree(CHECKOUT / "results", headroom.root / "results")
        folder = next((headroom.root / "results").glob("*/*-base"))
        run = json.loads((folder / "run.json").read_text())
        run["ladders"]["flops"] = [1000] * len(run["ladders"]["flops"])
        (folder / "run.json").write_text(json.dumps(run))
        runs = [folder]
    target = headroom.root / "x.svg"
    result = headroom("plot", kind, *runs, "-o", target, "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["pictures"][0]["about"]
    text = target.read_text()
    ElementTree.fromstring(text)
    assert "<text" in text, "text stays text"


def test_all_kinds_have_help(headroom):
    assert all(kind in headroom("plot", "--help").stdout for kind in make.KINDS)


def test_errors_are_one_line(headroom):
    target = headroom.root / "x.svg"
    for arguments, told in (
        (("ladders", golden_run(BASE), "-o", headroom.root / "x.gif"), ".svg, .png or .pdf"),
        (("memory", golden_run(BASE), "-o", target), "nothing to draw"),
        (("axes", golden_run(BASE), "-o", target), "name a base"),
        (("ladders", golden_run(BASE), "-o", target, "--filter", "("), "not a regular expression"),
        (("ladders", golden_run(BASE), "-o", target, "--filter", "none"), "nothing to draw"),
        (("ladders", "nowhere", "-o", target), "no such run"),
        (("ladders", golden_run(BASE), "-o", headroom.root / "no" / "x.svg"), "No such file"),
    ):
        result = headroom("plot", *arguments)
        assert result.returncode == 2 and told in result.stderr, result.stderr
        assert result.stderr.count("\n") == 1
    many = written(headroom.root / "r" / "large", *large(200))
    assert "too many" in headroom("plot", "ladders", many, "-o", target).stderr


def test_a_missing_matplotlib_is_named(headroom, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    target = headroom.root / "x.svg"
    assert cli.main(["plot", "ladders", str(golden_run(BASE)), "-o", str(target)]) == 2
    assert "matplotlib: apt install python3-matplotlib" in capsys.readouterr().err


def test_nothing_is_written_outside_the_checkout(headroom):
    home = headroom.root / "home"
    home.mkdir()
    headroom("plot", "ladders", golden_run(BASE), "-o", headroom.root / "x.svg", HOME=str(home),
             XDG_CONFIG_HOME=str(home), XDG_CACHE_HOME=str(home))  # fmt: skip
    assert not list(home.iterdir()) and (headroom.root / "x.svg").exists()


def test_ladders_hold_what_the_record_says():
    view = view_of(golden_run(BASE))
    for own in of_kernels.ladders_of(view.claims):
        bars = of_kernels.ladder(own)
        assert bars.origin == 1.0 and len(bars.rows) == len(own)
        for bar, row in zip(bars.rows, own):
            assert (bar.value, bar.lo, bar.hi) == (row.speedup, row.lo, row.hi)
            if row.share:  # the mark is as far above the bar as the share says
                assert bar.value / bar.mark == pytest.approx(row.share.of_ceiling, rel=0.05)
        lo, hi = bar_limits(bars)
        assert lo <= 1 <= hi and all(lo <= b.value <= hi for b in bars.rows if b.value)


def test_fitted_curves_meet_the_points(tmp_path):
    run, machine = sweep([1, 2, 4, 8], lambda n: (1 + 0.05 * (n - 1)) / n, noise=0.0001)
    view = View(run, machine)
    (chart,) = of_kernels.threads(view.fits, run["kernels"][0])
    points, curve, ideal = chart.series
    assert [p.x for p in points.points] == [1, 2, 4, 8] and ideal.points[-1].y == 8
    at_8 = curve.points[-1]
    assert at_8.x == 8 and at_8.y == pytest.approx(points.points[-1].y, rel=0.02)


def test_many_threads_lie_apart():
    """On a linear axis up to 128 the counts from 1 to 8 would be one blot."""
    for largest, log in ((8, False), (64, True), (128, True)):
        counts = [count for count in (1, 2, 4, 8, 16, 32, 64, 128) if count <= largest]
        run, machine = sweep(counts, lambda n: (1 + 0.05 * (n - 1)) / n)
        (chart,) = of_kernels.threads(View(run, machine).fits, run["kernels"][0])
        assert (chart.x.log, chart.y.log) == (log, log)
        points, curve, _ = chart.series
        assert curve.points[0].x == 1 and curve.points[-1].x == pytest.approx(largest)
        (lo, hi), _ = limits_of(chart)
        ticks = (style.log_ticks if log else style.linear_ticks)(lo, hi, "count")
        assert set(ticks) <= {float(n) for n in range(129)} and len(ticks) >= 3
        if log:
            assert set(ticks) <= set(map(float, counts)) and ticks[0] == 1


def test_roofs_meet_at_the_ridge():
    folder = probes_run()
    view = view_of(folder)
    roofs = of_machine.roofs_of(view)
    assert any(roof.peak for roof in roofs) and any(not roof.peak for roof in roofs)
    (chart,) = of_machine.roofline(view)
    for series in chart.series:
        if series.dash is not None:
            assert all(p.y <= max(r.value for r in roofs) * 1.001 for p in series.points)


@pytest.mark.parametrize(
    "kind, values",
    (("bytes", (16384, 1 << 26)), ("ns", (0.01, 3e9)), ("B/s", (1e9, 2e12)),
     ("factor", (0.4, 6000)), ("number", (0.001, 1e9)), ("factor", (1.0, 1.01)),
     ("ns", (1e-9, 1e18))),
)  # fmt: skip
def test_ticks(kind, values):
    ticks = style.log_ticks(*values, kind)
    assert 2 <= len(ticks) <= 8 and all(values[0] * 0.99 <= t <= values[1] * 1.01 for t in ticks)
    labels = [style.tick(tick, kind) for tick in ticks]
    assert len(set(labels)) == len(labels), labels
    assert style.linear_ticks(1, 2, "count") == [1, 2]


def test_extremes_are_drawn_or_refused():
    for change in (
        lambda run: [row.__setitem__(slice(None), [1e-9, 1e18] * 5)
                     for row in run["cells"]["median"]],
        lambda run: [row.__setitem__(slice(None), [50, -50] * 5)
                     for row in run["cells"]["log_ratio"]],
        lambda run: run["ladders"].update(items=[1e18] * len(run["ladders"]["items"])),
        lambda run: run["ladders"].update(flops=[1e18] * len(run["ladders"]["flops"])),
    ):  # fmt: skip
        run, machine = golden_pair()
        change(run)
        view = View(run, machine)
        for kind in ("ladders", "launches", "sizes", "threads", "roofline"):
            try:
                panels = make.panels_of(kind, [view], ANY)
            except HeadroomError:
                continue
            for panel in panels:
                lo, hi = bar_limits(panel) if hasattr(panel, "rows") else limits_of(panel)[1]
                assert lo < hi


def test_machines_of_a_comparison(headroom):
    """Several NEWs: a panel each."""
    runs = [
        written(headroom.root / "r" / f"m{at}", *large(40, at, 1 + at, f"m{at}")) for at in range(3)
    ]
    result = headroom("plot", "axes", *runs, "-o", headroom.root / "x.svg", "--json")
    assert len(json.loads(result.stdout)["pictures"]) == 2
    assert GOLDEN.is_dir()


def _svg_text(path):
    """(width in inches, what it draws)."""
    text = path.read_text()
    return float(re.search(r'width="([0-9.]+)pt"', text)[1]) / 72, text


@pytest.mark.parametrize("kind", ("ladders", "sizes"))
@pytest.mark.parametrize("width", ("3.5", "7.2", "12"))
def test_a_picture_is_as_wide_as_it_is_asked_for(headroom, kind, width):
    out = headroom.root / "p.svg"
    done = headroom("plot", kind, golden_run(BASE), "-o", out, "--width", width)
    assert done.returncode == 0, done.stderr
    found, text = _svg_text(out)
    assert found == pytest.approx(float(width), abs=0.02)
    sizes = {float(size) for size in re.findall(r"font: (?:\w+ )*([0-9.]+)px", text)}
    assert sizes and min(sizes) >= 6.5, "labels keep their size"


@pytest.mark.parametrize("width", ("2", "21", "wide", "nan", "-3"))
def test_widths_that_are_none(headroom, width):
    done = headroom("plot", "sizes", golden_run(BASE), "-o", "p.svg", f"--width={width}")
    assert done.returncode == 2 and "takes inches, from 3 to 20" in done.stderr


@pytest.mark.parametrize("wide", (3.0, 3.5, None))
def test_nothing_lies_over_another_or_beyond_the_picture(monkeypatch, wide):
    figures = []
    matplotlib = paper._matplotlib()
    save = matplotlib.figure.Figure.savefig
    monkeypatch.setattr(
        matplotlib.figure.Figure, "savefig",
        lambda figure, *more, **options: (figures.append(figure), save(figure, *more, **options)),
    )  # fmt: skip
    view = view_of(golden_run(BASE))
    for kind in ("ladders", "sizes"):
        panels = make.panels_of(kind, [view], re.compile(""))
        long = "parallel/sum, n 65,536: by threads · a-machine-128c-512g-nvme · base; and so on"
        titles = [long[:length] for length in (60, 66, 70, 74, len(long))]
        paper.drawn([panels[0]._replace(title=title) for title in titles], "svg", wide)
    for figure in figures:
        figure.draw_without_rendering()
        page = figure.bbox
        for axes in figure.axes:
            if not axes.axison:
                continue
            texts = [*axes.texts, axes.title] if axes.get_legend() is None else [axes.title]
            for text in texts:
                box = text.get_window_extent()
                assert box.x0 > -2 and box.x1 < page.width + 2, text.get_text()
            boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
            assert len(boxes) > 1
            for one, next_ in zip(boxes, boxes[1:]):
                assert one.x1 < next_.x0


@pytest.mark.parametrize("kind", ("ladders", "sizes", "launches"))
def test_pictures_say_whose_they_are(tmp_path, kind):
    run, machine = golden_pair()
    run.update(machine="other-8c-16g")
    machine.update(slug="other-8c-16g")
    views = [view_of(golden_run(BASE)), View(run, machine)]
    pattern = re.compile("simd/sum")
    titles = [panel.title for panel in make.panels_of(kind, views, pattern)]
    assert len(titles) == len(set(titles)), "no two of one name"
    for view in views:
        own = [title for title in titles if view.run["machine"] in title]
        assert len(own) == len(titles) / 2
    alone = [panel.title for panel in make.panels_of(kind, views[:1], pattern)]
    assert all("test-2c-8g" in title for title in alone), "a picture leaves its page"
    again = [panel.title for panel in make.panels_of(kind, [views[0], View(*golden_pair())], ANY)]
    assert len(again) == len(set(again)), "two runs of one label"


def load_charts(run, machine, kernel="scenario/made"):
    view = View(run, machine)
    by_kernel = {}
    for row in view.claims:
        by_kernel.setdefault(row.cell.kernel["name"], []).append(row)
    return of_load.load_of(kernel, by_kernel)


def test_three_curves_and_their_percentiles_in_one_picture():
    run, machine = loads()
    latency, goodput = load_charts(run, machine)
    assert latency.x.log and latency.y.log and latency.y.kind == "ns"
    assert [s.name for s in latency.series] == [
        f"{variant}, {percentile}" for percentile in ("p50", "p99", "p99.9")
        for variant in ("naive", "fast", "scalable")
    ]  # fmt: skip
    # A variant keeps its colour, a percentile its line.
    for percentile, dash in (("p50", 2), ("p99", 0), ("p99.9", 1)):
        own = [s for s in latency.series if s.name.endswith(f" {percentile}")]
        assert {s.dash for s in own} == {dash} and len({s.colour for s in own}) == 3
    told = {(c, n): v for c, n, v in zip(run["quantities"]["cell"], run["quantities"]["name"],
                                         run["quantities"]["value"])}  # fmt: skip
    ladders, cells = run["ladders"], run["cells"]
    for variant, name in enumerate(("naive", "fast", "scalable")):
        for percentile, shown in (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9")):
            (series,) = [s for s in latency.series if s.name == f"{name}, {shown}"]
            want = [
                (ladders["params"][at]["per_second"], told[cell, percentile])
                for cell, at in enumerate(cells["ladder"])
                if cells["variant"][cell] == variant and ladders["n"][at] == 1024
            ]  # fmt: skip
            assert [(p.x, p.y) for p in series.points] == want and len(want) == 5
    assert [s.name for s in goodput.series][-1] == "all that is offered"
    assert all(p.x == p.y for p in goodput.series[-1].points)
    assert "at 500 per second" in latency.about and "1,024" in latency.title


def test_many_variants_have_a_picture_for_each_percentile():
    variants = [(f"v{at}" if at else "naive", 1000 * 2**at, 1e5) for at in range(6)]
    charts = load_charts(*loads(variants=variants, lacks=["exact"]))
    assert [c.y.label for c in charts] == [
        "p99 latency", "p50 latency", "p99.9 latency", "answers in time, per second"
    ]  # fmt: skip
    for chart in charts:
        names = [s.name for s in chart.series]
        assert names[:6] == ["naive", "v1", "v2", "v3", "v4", "v5 (weaker: not exact)"]


def test_simulated_curves_are_dashed_and_said_to_be():
    run, machine = loads(simulated=(4000, 16_000, 64_000))
    charts = load_charts(run, machine)
    for chart in charts:
        real = [s for s in chart.series if "simulated" not in s.name and s.markers]
        beside = [s for s in chart.series if "simulated" in s.name]
        assert len(real) == len(beside) == 3
        assert [s.colour for s in real] == [s.colour for s in beside]
        assert {s.dash for s in beside} == {1} and {s.dash for s in real} == {0}
        assert beside[0].points[-1].x == 64_000 and real[0].points[-1].x == 8000
        assert "simulated: n 10,000" in chart.title
    assert load_charts(run, machine, "scenario/made_simulated") == [], "it stands beside"


def test_what_was_not_validated_is_dotted():
    run, machine = loads(simulated=(4000, 16_000, 64_000))
    cells, ladders, told = run["cells"], run["ladders"], run["quantities"]
    for cell, at in enumerate(cells["ladder"]):
        if run["kernels"][ladders["kernel"][at]]["name"].endswith("_simulated"):
            load = ladders["params"][at]["per_second"]
            # The first variant nowhere, the second up to 4,000, the third up to 16,000.
            known = load <= (0, 4000, 16_000)[cells["variant"][cell]]
            for column, value in zip(told.values(), (cell, "validated", "0 or 1", int(known))):
                column.append(value)
    for chart in load_charts(run, machine):
        beside = [s for s in chart.series if s.colour >= -1 and s.dash in (1, 2) and s.markers]
        shown = [(s.name, s.dash, [p.x for p in s.points]) for s in beside]
        assert shown == [
            ("naive, simulated, not validated", 2, [4000, 16_000, 64_000]),
            ("fast, simulated", 1, [4000]), ("", 2, [4000, 16_000, 64_000]),
            ("scalable, simulated", 1, [4000, 16_000]), ("", 2, [16_000, 64_000]),
        ]  # fmt: skip


def test_one_load_is_no_curve():
    assert load_charts(*loads(per_second=(1000,))) == []


def test_ratios_start_at_nothing_and_times_below_the_least():
    view = View(*shares())
    pictures = of_load.measures(view.claims)
    assert [len(p.rows) for p in pictures] == [2, 2, 2]
    for picture in pictures:
        lo, hi = bar_limits(picture)
        assert lo == 0 and hi >= max(bar.value for bar in picture.rows) and not picture.axis.log
        assert picture.rows[0].told == f"{picture.rows[0].value:.3f}"
    (chart,) = of_kernels.sizes(view.claims, view.machine)
    assert not chart.y.log and chart.x.label == "n"
    assert [p.x for p in chart.series[0].points] == [256, 1024, 4096]
    times = of_load.measures(View(*loads()).claims)
    assert all(p.axis.log and p.axis.kind == "ns" for p in times)
    for picture in times:
        lo, hi = bar_limits(picture)
        assert 0 < lo <= picture.origin < min(bar.value for bar in picture.rows) <= hi
    by_time = View(*sweep([1, 2], lambda n: 1 / n))
    assert of_load.measures(by_time.claims) == []


def test_characters_draw_what_the_picture_has(headroom):
    run, machine = loads()
    latency, _ = load_charts(run, machine)
    lines = characters.drawn(latency).split("\n")
    rows = [line.split("|", 1)[1] for line in lines if "|" in line]
    assert len(rows) == characters.HEIGHT
    assert all(len(row) <= characters.WIDTH for row in rows)
    drawn = set("".join(rows)) - {" "}
    assert drawn <= set("abcdefghi*") and len(drawn) >= 6
    assert "  a  naive, p50" in lines and "  i  scalable, p99.9" in lines
    # The highest latency stands in the highest row that has any, and to the right.
    highest = max((p.y, s.name) for s in latency.series for p in s.points)[1]
    letter = "abcdefghi"[[s.name for s in latency.series].index(highest)]
    first = next(row for row in rows if row.strip())
    assert first.rstrip()[-1] in (letter, "*")
    bars = of_load.measures(View(*shares()).claims)[0]
    text = characters.drawn(bars).split("\n")
    assert len(text) == 4 and text[2].count("#") > text[1].count("#") > 0

    folder = written(headroom.root / "r" / "loads", run, machine)
    result = headroom("plot", "load", folder)
    assert result.returncode == 0 and "  a  naive, p50" in result.stdout
    told = json.loads(headroom("plot", "load", folder, "--json").stdout)
    assert told["written"] == [] and len(told["pictures"]) == 2


def test_load_pictures_are_drawn_for_pages_too():
    for chart in load_charts(*loads(simulated=(4000, 16_000))):
        root = ElementTree.fromstring(svg.chart(chart, 1))
        paths = [e.get("class") for e in root.iter("path")]
        assert sum("d1" in (c or "") for c in paths) == 3
    for bars in of_load.measures(View(*shares()).claims):
        assert svg.table(bars, "x").count("<tr>") == 2 + 2
