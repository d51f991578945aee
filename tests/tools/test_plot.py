"""`plot`: each picture, in each format, from records as they come and as they may be made up."""

from __future__ import annotations

import json
import re
import shutil
from xml.etree import ElementTree

import pytest
from conftest import BASE, CHECKOUT, GOLDEN, NEW, golden_run
from generated import golden_pair, large, sweep, written

from headroom_tools.base.errors import HeadroomError
from headroom_tools.cli import main as cli
from headroom_tools.plot import make, of_kernels, of_machine, paper, style
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
