"""Records and documents of another repository: `--results DIR`."""

from __future__ import annotations

import json
import shutil

import pytest
from conftest import BASE, GOLDEN, NEW

CELL = "simd/sum/better/n:4096"


@pytest.fixture
def repository(tmp_path):
    """A repository of somebody's, with measurements/ and docs/ in it."""
    folder = tmp_path / "their repository"
    shutil.copytree(GOLDEN, folder / "measurements")
    (folder / "docs").mkdir()
    return folder


def _document(repository, run=BASE):
    document = repository / "docs" / "speed.md"
    at = f"@test-2c-8g/{run}"
    document.write_text(
        f"It is <!-- headroom: {CELL} speedup {at} --><!-- /headroom --> of "
        f"<!-- headroom: simd/sum run {at} --><!-- /headroom -->\n"
    )
    return document


def test_cite_fills_and_checks_with_links_relative_to_the_document(headroom, repository):
    document = _document(repository)
    done = headroom("cite", document, "--results", repository / "measurements")
    assert done.returncode == 0, done.stderr
    assert f"](../measurements/test-2c-8g/{BASE})" in document.read_text()
    again = headroom("cite", document, "--results", repository / "measurements", "--check")
    assert again.returncode == 0 and "warning" not in again.stderr, again.stderr
    document.write_text(document.read_text().replace("x [", "1x ["))
    wrong = headroom("cite", document, "--results", repository / "measurements", "--check")
    assert wrong.returncode == 1


def test_a_source_changed_where_a_newer_record_has_another_hash(headroom, repository):
    path = repository / "measurements" / "test-2c-8g" / NEW / "run.json"
    run = json.loads(path.read_text())
    for kernel in run["kernels"]:
        kernel["source_hash"] = "0" * 16
    path.write_text(json.dumps(run))
    document = _document(repository, BASE)
    results = ("--results", repository / "measurements")
    assert headroom("cite", document, *results).returncode == 0
    told = headroom("cite", document, *results, "--check")
    assert told.returncode == 0 and "simd/sum" in told.stderr
    assert headroom("cite", document, *results, "--check", "--strict").returncode == 1


def test_show_and_compare_read_the_folder_that_is_named(headroom, repository):
    results = ("--results", repository / "measurements")
    shown = headroom("show", "latest", "--json", *results)
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["rows"]
    assert headroom("show", "latest").returncode == 2, "this checkout has none"
    compared = headroom("compare", "latest~1", "latest", "--json", *results)
    assert compared.returncode == 0, compared.stderr


def test_a_folder_that_is_not_there_is_one_line(headroom, tmp_path):
    done = headroom("show", "--results", tmp_path / "nowhere")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "nowhere" in done.stderr
