"""Text that is safe to print and record; numbers; what is kept of a launch; source hashes."""

from __future__ import annotations

import math
import os

import pytest

from headroom_tools.base import text
from headroom_tools.measure import bench, summary
from headroom_tools.record import source


def test_safe_text_moves_no_cursor():
    assert text.safe("a\x1b[31mb\nc\u202ed\x9b") == "a [31mb c d "
    assert len(text.safe("x" * 1000)) == 300


def test_what_is_too_long_is_cut_between_words():
    about = "fewer, and overlapping, misses"
    assert text.shortened(about, 30) == about
    assert text.shortened(about, 29) == "fewer, and overlapping..."
    assert text.shortened(about, 24) == "fewer, and..."
    assert text.shortened("x" * 100, 0) == "xxxxxxx..."


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("cannot open /home/someone/x.cpp: no", "cannot open PATH: no"),
        ("out=/tmp/x", "out=PATH"),
        ("simd/sum at 4 GB/s", "simd/sum at 4 GB/s"),
        ("~/secret", "PATH"),
    ],
)
def test_paths_are_not_recorded(given, kept):
    assert text.without_paths(given) == kept


def test_flags_keep_no_paths():
    assert text.flags_without_paths("-O3 -I/home/a -march=native") == "-O3 -march=native"


def test_numbers():
    assert text.five(123456.789) == 123460
    assert text.five(0.000123456789) == 0.00012346
    assert text.five(None) is None
    assert text.time_of(0.5) == "0.500 ns"
    assert text.time_of(999.7) == "1.00 us"
    assert text.time_of(2.5e7) == "25.0 ms"
    assert text.rate_of(3.92e9) == "3.92 GB/s"
    assert text.size(64 << 20) == "64 MiB"
    assert text.duration(3725) == "1 h 02 min"
    assert text.cell_name("a/b", "c", 4, "r", 2, {}) == "a/b/c/n:4/input:r/threads:2"
    name = text.cell_name("a/b", "c", 4, None, 2, {"clients": 16, "bytes": 8})
    assert name == "a/b/c/n:4/threads:2/clients:16/bytes:8"
    label = text.ladder_label(4096, "sorted", 2, {"value_bytes": 1024}, 2)
    assert label == "n 4,096 · sorted · 2 threads · value bytes 1,024"
    assert text.ladder_label(4096, "sorted", 1, {}) == "n 4,096"
    told = [text.value_of(*one) for one in ((1.2e6, "ns"), (0.9, "ratio"), (5, ""), (2e9, "B/s"))]
    assert told == ["1.20 ms", "0.900", "5.00", "2.00 GB/s"]


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("simd/sum/naive/n:4/manual_time", "simd/sum/naive/n:4"),
        ("a/b/c/n:4/threads:2/real_time", "a/b/c/n:4/threads:2"),
        ("a/b/c/n:4/input:min_time/min_time:0.020/repeats:3", "a/b/c/n:4/input:min_time"),
        ("a/b/c/n:4/process_time/real_time/threads:2", "a/b/c/n:4/threads:2"),
    ],
)
def test_google_benchmark_suffixes_are_stripped(name, cell):
    assert bench.strip_suffixes(name) == cell


def test_log_ratio_is_the_median_over_paired_rounds():
    assert summary.log_ratio([4.0, 2.0, 8.0], [2.0, 2.0, 2.0]) == pytest.approx(math.log(2))
    assert summary.log_ratio([4.0, None, 8.0], [2.0, 2.0, None]) == pytest.approx(math.log(2))
    assert summary.log_ratio([None], [1.0]) is None


def test_p10_is_numpys():
    import numpy

    values = [5.0, 1.0, 4.0, 2.0, 9.0, 7.0, 3.0]
    assert summary.p10(values) == pytest.approx(numpy.percentile(values, 10))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("int a; // note\n\n", "int a;\n", True),
        ("int a; /* x\ny */ int b;", "int a;  int b;", True),
        ('char* s = "// no comment";', 'char* s = "//";', False),
        ('auto s = R"x(/* kept )" */)x";', 'auto s = R"x( )" */)x";', False),
        ("int a = 1'000'000; // note", "int a = 1'000'000;", True),
        ("char c = '\"'; // note", "char c = '\"';", True),
        ("int a;", "int b;", False),
    ],
)
def test_source_without_comments(one, other, same):
    bare = [source.without_comments(code) for code in (one, other)]
    assert (bare[0] == bare[1]) is same


@pytest.mark.parametrize("version", [1, 2])
def test_source_hash_of_a_missing_file(tmp_path, version):
    assert source.source_hash(tmp_path / "g" / "none.cpp", tmp_path, version) is None


def _sources(folder):
    """A kernel that includes a header of its group, one of core, which includes another, and one
    that is not ours; two headers that include each other."""
    for name, code in (
        ("g/k.cpp", '#include <vector>\n#include "core/a.h"\n#include "g/own.h"\n'
         '#include "hwy/highway.h"\nint f();  // one\n'),
        ("g/own.h", "int own;\n"),
        ("core/a.h", '#include "core/b.h"\nint a;\n'),
        ("core/b.h", '#include "core/a.h"\nint b;\n'),
        ("core/unused.h", "int unused;\n"),
    ):  # fmt: skip
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(code)
    return folder / "g" / "k.cpp"


def _changed(path, old, new):
    code = path.read_text()
    assert old in code
    path.write_text(code.replace(old, new))
    stamp = path.stat().st_mtime_ns + 1_000_000  # coarse clocks tell no quick change
    os.utime(path, ns=(stamp, stamp))


@pytest.mark.parametrize(
    "name, old, new, seen_by",
    [
        ("g/k.cpp", "// one", "/* two */", ()),
        ("g/k.cpp", "int f", "int  g", (1, 2)),
        ("g/own.h", "int own", "long own", (1, 2)),
        ("core/a.h", "int a", "long a", (2,)),
        ("core/b.h", "int b", "long b", (2,)),
        ("core/b.h", "int b;", "int b;  // why", ()),
        ("core/unused.h", "int", "long", ()),
    ],
)
def test_source_hash_sees_the_code_that_is_included(tmp_path, name, old, new, seen_by):
    kernel = _sources(tmp_path)
    before = {version: source.source_hash(kernel, tmp_path, version) for version in (1, 2)}
    assert None not in before.values() and before[1] != before[2]
    _changed(tmp_path / name, old, new)
    for version in (1, 2):
        moved = source.source_hash(kernel, tmp_path, version) != before[version]
        assert moved == (version in seen_by), (name, version)


def test_commit_outside_a_repository(tmp_path):
    assert source.commit(tmp_path) == (None, None)
