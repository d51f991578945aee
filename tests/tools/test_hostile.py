"""Records come from strangers: markup, paths, control characters, nonsense and size do no harm.

Each is refused in one line with status 1 or 2, or shown as the text that it is.
"""

from __future__ import annotations

import csv
import io
import json
import resource
import subprocess
import time

import pytest
from conftest import BASE, BASE2, CHECKOUT, COMMAND, NEW, golden_run
from generated import golden_pair, large, written

from headroom_tools.base.errors import HeadroomError
from headroom_tools.cli import main as cli
from headroom_tools.machine.fingerprint import fingerprint
from headroom_tools.record import allowed, private, publish, validate

SCRIPT = "<script>alert(1)</script>"
ESCAPES = "\x1b[2J\x1b]0;title\x07\u202e\x9b"
COMMANDS = (
    ("show",), ("compare",), ("compare", "--markdown"), ("compare", "--csv"), ("compare", "--json"),
    ("scale",), ("export",), ("export", "--format", "csv"), ("validate",),
)  # fmt: skip


@pytest.fixture
def inside(capsys):
    """Runs a command in this process: any exception is a failure, and hundreds of them are fast."""

    def call(*arguments):
        status = cli.main([str(argument) for argument in arguments])
        return subprocess.CompletedProcess(arguments, status, *capsys.readouterr())

    return call


def _all_commands(run, folder):
    """(command, result) of every command that reads a record; `run` runs one."""
    for command, *more in COMMANDS:
        runs = (folder, golden_run(BASE)) if command == "compare" else (folder,)
        yield command, run(command, *runs, *more)
        if command == "compare":
            yield command, run(command, golden_run(BASE), folder, *more)


NAMES = {
    "machine": lambda run, fingerprint, text: run.update(machine=text),
    "slug": lambda run, fingerprint, text: fingerprint.update(slug=text),
    "label": lambda run, fingerprint, text: run.update(label=text),
    "name": lambda run, fingerprint, text: run.update(name=text),
    "kernel": lambda run, fingerprint, text: run["kernels"][2].update(name=text),
    "variant": lambda run, fingerprint, text: run["kernels"][2]["variants"][1].update(name=text),
    "input": lambda run, fingerprint, text: run["kernels"][2].update(inputs=[text]),
    "simd": lambda run, fingerprint, text: run["simd"].update(taken=[text]),
    "quantity": lambda run, fingerprint, text: run["quantities"].update(
        cell=[0], name=[text], unit=["x"], value=[1]
    ),
}


@pytest.mark.parametrize("where", NAMES)
def test_names_that_are_none(where):
    for text in (SCRIPT, "../../x", "a/../../x", ESCAPES, "", ".", "..", "-x", "x" * 65, "a b",
                 "a\n", "=1+1", "[red]", "%s", "a\x00b", "\ud800"):  # fmt: skip
        run, fingerprint = golden_pair()
        NAMES[where](run, fingerprint, text)
        with pytest.raises(HeadroomError) as caught:
            validate.run_tree(run, "run.json")
            validate.machine_tree(fingerprint, "machine.json")
        assert caught.value.status == 1 and str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text", (SCRIPT, "../../x", "[bold]x[/] | `a` ![i](http://x) @me", "=cmd|' /C calc'!A0")
)
def test_texts_are_shown_as_they_are(headroom, inside, text):
    """Free text may hold anything printable; no form takes it for markup."""
    run, fingerprint = golden_pair()
    for field in ("model_name", "vendor", "microarchitecture"):
        fingerprint["cpu"][field] = text
    fingerprint["kernel"] = fingerprint["disk"]["model"] = text
    for field in ("compiler", "flags", "isa", "preset"):
        run["build"][field] = text
    run["notes"] = [text]
    run["failures"] = [{"kernel": "simd/sum", "launch": 1, "kind": "error", "n": None,
                        "input": None, "threads": None, "params": None,
                        "message": text}]  # fmt: skip
    run["failed"][0]["message"] = run["fixtures"][0]["version"] = text
    for kernel in run["kernels"]:
        kernel["technique"] = text
        for variant in kernel["variants"]:
            variant["what"] = variant["promise_note"] = text
    folder = written(headroom.root / "r" / "texts", run, fingerprint)
    for command, result in _all_commands(inside, folder):
        assert "\x1b" not in result.stdout
        if command == "show":
            assert text in result.stdout
        elif command != "validate":
            assert result.returncode == 0, result.stderr
    markdown = inside("compare", golden_run(BASE), folder, "--markdown").stdout
    assert "<" not in markdown.replace("\\<", "") and "](http" not in markdown
    for line in markdown.splitlines():
        if line.startswith("| CPU "):
            assert line.count("|") - line.count("\\|") == 4, "no cell of its own"
    for command in (
        ("compare", golden_run(BASE), folder, "--csv"),
        ("export", folder, "--format", "csv"),
    ):
        for line in csv.reader(io.StringIO(inside(*command).stdout)):
            assert not any(cell.startswith(("=", "+", "@")) for cell in line)


@pytest.mark.parametrize(
    "text", (ESCAPES, "a\nb", "a\rb", "a\u2028b", "a\ufeffb", "\ud800", "x" * 1001)
)
def test_control_characters_are_refused(text):
    for change in (
        lambda run, m: run.update(notes=[text]),
        lambda run, m: run["build"].update(compiler=text),
        lambda run, m: run["kernels"][0].update(technique=text),
        lambda run, m: m["cpu"].update(model_name=text),
        lambda run, m: m["cpu"].update(mitigations={"x": text}),
    ):
        run, fingerprint = golden_pair()
        change(run, fingerprint)
        with pytest.raises(HeadroomError) as caught:
            validate.run_tree(run, "run.json")
            validate.machine_tree(fingerprint, "machine.json")
        assert str(caught.value).isprintable()


NUMBERS = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e400", "-1", "0", "9" * 5000,
           "true", '"1"', "[]", "{}", "1e-400")  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("field", ("median", "seconds"))
def test_numbers_that_are_none(headroom, inside, number, field):
    run, fingerprint = golden_pair()
    if field == "median":
        run["cells"]["median"][0][0] = "HERE"
    else:
        run["ladders"]["items"][0] = "HERE"
    folder = written(headroom.root / "r" / "run", run, fingerprint)
    text = (folder / "run.json").read_text().replace('"HERE"', number)
    (folder / "run.json").write_text(text)
    for command in (("validate", folder), ("show", folder), ("compare", golden_run(BASE), folder)):
        result = inside(*command)
        assert result.returncode == 1, (number, result.stdout)
        assert result.stderr.count("\n") == 1 and "run.json" in result.stderr


SHAPES = {
    "deep lists": b"[" * 1_000_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep in a field": b'{"format":"headroom-run","version":1,"notes":%b%b}'
    % (b"[" * 500, b"]" * 500),
    "key twice": b'{"format":"headroom-run","version":1,"version":1}',
    "key twice inside": b'{"format":"headroom-run","version":1,"plan":{"seed":1,"seed":2}}',
    "version 0": b'{"format":"headroom-run","version":0}',
    "version 3": b'{"format":"headroom-run","version":3}',
    "version 1e9": b'{"format":"headroom-run","version":1e9}',
    "version of text": b'{"format":"headroom-run","version":"1"}',
    "no version": b'{"format":"headroom-run"}',
    "another format": b'{"format":"something","version":1}',
    "UTF-16": '{"format":"headroom-run"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"format":"headroom-run","version":1}',
    "zeros": bytes(1000),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("which", ("run.json", "machine.json"))
def test_shapes(headroom, inside, name, which):
    folder = written(headroom.root / "r" / "run", *golden_pair())
    own = f"headroom-{which[:-5]}".encode()
    (folder / which).write_bytes(SHAPES[name].replace(b"headroom-run", own))
    for command in (("validate", folder), ("show", folder), ("compare", folder, golden_run(BASE))):
        result = inside(*command)
        assert result.returncode in (1, 2) and result.stderr.startswith("headroom: ")
        assert result.stderr.count("\n") == 1 and which in result.stderr
        assert result.stderr[:-1].isprintable() and len(result.stderr) < 700


EXTREMES = {
    "short times": lambda run: _fill(run, [1e-9, 1e-9, 1e18]),
    "times of two launches": lambda run: _fill(run, [1e-9, 1e18]),
    "equal times": lambda run: _fill(run, [1e18]),
    "few items": lambda run: run["ladders"].update(items=[1e-6] * len(run["ladders"]["items"])),
    "many items": lambda run: run["ladders"].update(items=[1e18] * len(run["ladders"]["items"])),
    "wide ratios": lambda run: _fill(run, [50, -50], "log_ratio"),
    "no launches": lambda run: _fill(run, [None]),
    "no ceilings": lambda run: [column.clear() for column in run["ceilings"].values()],
    "low ceilings": lambda run: [
        values.__setitem__(slice(None), [1e-9] * 10) for values in run["ceilings"]["median"]
    ],
    "no cells": lambda run: [
        column.clear() for table in ("cells", "quantities") for column in run[table].values()
    ],
    "short alone": lambda run: run["cells"].update(alone_ns=[1e-9] * len(run["cells"]["ladder"])),
    "no kernels": lambda run: [
        column.clear()
        for table in ("cells", "quantities", "ladders", "ceilings", "launches")
        for column in run[table].values()
    ] + [run["kernels"].clear()],
}


def _fill(run, values, only=None):
    """The launches of every cell become `values`, over and over."""
    for name in ("median", "p10", "min", "log_ratio"):
        if only in (None, name) and (name != "log_ratio" or only or values == [None]):
            for row in run["cells"][name]:
                row[:] = (values * 10)[: len(row)]


@pytest.mark.parametrize("name", EXTREMES)
def test_extremes_that_a_schema_allows(headroom, inside, name):
    run, fingerprint = golden_pair()
    EXTREMES[name](run)
    folder = written(headroom.root / "r" / "run", run, fingerprint)
    for command, result in _all_commands(inside, folder):
        assert result.returncode in (0, 1, 2), result.stderr
        assert result.returncode == 0 or result.stderr.count("\n") == 1, (command, result.stderr)
        if "NaN" in result.stdout or "Infinity" in result.stdout:
            raise AssertionError(result.stdout)


def test_a_pool_of_many_launches(headroom):
    """Beyond 1,023 launches two to their number is no float any more."""
    for at in range(3):
        run, fingerprint = golden_pair()
        run["plan"]["launches"] = 400
        for table, names in (
            ("cells", ("median", "p10", "min", "value", "log_ratio", "build_ns")),
            ("ceilings", ("median", "log_ratio")),
        ):
            for name in names:
                for values in filter(None, run[table][name]):
                    values[:] = values * 40
        written(headroom.root / "m" / f"run{at}", run, fingerprint)
    result = headroom("compare", headroom.root / "m" / "run0", golden_run(NEW), "--json")
    assert result.returncode == 0 and len(json.loads(result.stdout)["sides"][0]["runs"]) == 3


def _within(headroom, seconds, *arguments):
    """Runs a command with 1 GiB of memory and `seconds` of CPU time."""
    gib = 1 << 30

    def limits():
        resource.setrlimit(resource.RLIMIT_DATA, (gib, gib))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))

    done = subprocess.run(
        [str(COMMAND), *map(str, arguments)], env={**headroom.env, "OPENBLAS_NUM_THREADS": "1"},
        cwd=headroom.root, capture_output=True, text=True, preexec_fn=limits,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def _clean(done):
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert done.stderr.startswith("headroom: ") and done.stderr.count("\n") == 1
    return done.stderr


def test_a_record_of_200_megabytes(headroom):
    folder = written(headroom.root / "r" / "run", *golden_pair())
    with open(folder / "run.json", "r+b") as stream:
        stream.truncate(200 << 20)
    for command in (("validate", folder), ("show", folder), ("compare", folder, golden_run(BASE))):
        assert "larger than 32 MiB" in _clean(_within(headroom, 10, *command))
    with open(folder / "machine.json", "r+b") as stream:
        stream.truncate(200 << 20)
    assert "larger than" in _clean(_within(headroom, 10, "validate", folder))


def test_a_record_of_a_million_rows(headroom):
    run, fingerprint = golden_pair()
    for table in ("ladders", "cells"):
        for name, column in run[table].items():
            first = column[0]
            column[:] = [first if not isinstance(first, list) else []] * 1_000_000
    folder = headroom.root / "r" / "run"
    folder.mkdir(parents=True)
    (folder / "machine.json").write_text(json.dumps(fingerprint))
    for columns in (None, ("median", "p10", "min", "log_ratio")):
        for name in columns or ():  # without lists it is small enough to be read
            run["cells"][name] = []
        for name in list(run["ladders"]) if columns else ():
            run["ladders"][name] = []
        (folder / "run.json").write_text(json.dumps(run, separators=(",", ":")))
        error = _clean(_within(headroom, 20, "validate", folder))
        assert "larger than" in error or "lists" in error or "1,000,000 rows" in error


@pytest.mark.parametrize("piece", ("[]", "{}", "1.5", '""', '"ab"', "[1]", "null"))
def test_thirty_megabytes_of_anything(headroom, piece):
    folder = written(headroom.root / "r" / "run", *golden_pair())
    count = (31 << 20) // (len(piece) + 1)
    text = '{"format":"headroom-run","version":1,"notes":[' + ",".join([piece] * count) + "]}"
    (folder / "run.json").write_text(text)
    _clean(_within(headroom, 30, "validate", folder))


def test_a_valid_record_is_checked_fast(record_property):
    """No test fails for a timing; the figure is kept with the test's report."""
    run, _ = large(1000)
    validate.run_tree(json.loads(json.dumps(run)), "warm")
    text = json.dumps(large(1000, 1)[0]).encode()
    began = time.perf_counter()
    validate.run_tree(json.loads(text), "run.json")
    record_property("milliseconds", 1000 * (time.perf_counter() - began))


def test_the_fast_way_finds_what_the_schema_finds():
    """Columns of plain numbers skip the schema: whatever is wrong with one must still be seen."""
    wrong = (-1, 1e19, "1", True, [], {}, float("inf"), 0.5)
    text = json.dumps(golden_pair()[0])
    by_schema = validate._check("run", json.loads(text)["version"])
    for table in ("ladders", "cells", "launches"):
        for name in json.loads(text)[table]:
            for value in wrong:
                run = json.loads(text)
                column = run[table][name]
                inner = column[0] if isinstance(column[0], list) else column
                inner[0] = value
                if _refuses(by_schema, run):
                    assert _refuses(lambda tree: validate.run_tree(tree, "x"), run), (name, value)


def _refuses(check, run):
    try:
        check(run)
    except Exception:  # noqa: BLE001 either way of refusing
        return True
    return False


def test_a_kernel_seen_right_does_not_excuse_another(golden):
    validate.run_tree(golden, "run.json")
    golden["kernels"][1]["axis"] = "magic"
    with pytest.raises(HeadroomError, match=r"kernels\[1\]\.axis"):
        validate.run_tree(golden, "run.json")


# --- what may be published

PRIVATE = {
    "measured on host7.example.com": "a host name",
    "build-server.corp was busy": "a host name",
    "see /home/alice/notes.txt": "a path",
    "out=~/bench": "a path",
    r"C:\Users\alice": "a path",
    "ask alice@example.org": "an e-mail address",
    "from 192.168.1.17": "a network address",
    "2001:db8:0:1:1:1:1:1 answered": "a network address",
    "nic 52:54:00:12:34:56": "a hardware address",
    "id 4c4c4544-0042-3510-8052-b4c04f564433": "a UUID",
    "Serial Number: S4EWNX0N123456": "a serial number",
    "disk wwn-0x5000c500a1b2c3d4": "a serial number",
    "machine-id 0123456789abcdef0123456789abcdef": "an identifier",
}
HARMLESS = (
    "std::sort: introsort, a mispredicted branch for every other comparison",
    "Mitigation: Retpolines; STIBP: disabled; RSB filling; PBRSB-eIBRS: Not affected",
    "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", "WDC WD40EZRZ-00GXCB0",
    "SAMSUNG MZVLB512HBJQ-000L7",
    "perf_event_paranoid is 3 (/proc/sys/kernel/perf_event_paranoid)", "0x1000065", "n/a and/or b",
    "set-up takes 3.0 s a launch", "at 12:34:56 the load was 3.5", "127.0.0.1 refused",
    "multiply by 0x9e3779b97f4a7c15", "up to 18446744073709551615",
    "GNU 12.2.0", "4 KiB, read(2)", "12.3 GB/s", "1,000 / 2",
)  # fmt: skip


@pytest.mark.parametrize("text", PRIVATE)
def test_what_names_somebody_is_not_published(headroom, inside, text):
    run, fingerprint = golden_pair()
    run["notes"] = [text]
    folder = written(headroom.root / "run", run, fingerprint)
    result = inside("validate", folder)
    assert result.returncode == 1 and PRIVATE[text] in result.stderr and "notes[0]" in result.stderr
    assert inside("show", folder).returncode == 0, "it may still be read"
    run, fingerprint = golden_pair()
    fingerprint["disk"]["model"] = text[:60]
    assert private.found(fingerprint)[0] == "disk.model"


@pytest.mark.parametrize("text", HARMLESS)
def test_what_names_nobody_is(text):
    run, fingerprint = golden_pair()
    run["notes"] = [text]
    fingerprint["cpu"]["mitigations"] = {"x": text}
    assert private.found(run) is None and private.found(fingerprint) is None


def test_this_machines_own_fingerprint_may_be_published(tmp_path):
    tree = fingerprint(tmp_path)
    assert private.found(tree) is None
    allowed.possible_machine("machine.json", tree)


def test_a_record_that_names_this_computer(monkeypatch):
    monkeypatch.setattr(private, "own_names", lambda: [("this computer's host name", "annas-box")])
    run, _ = golden_pair()
    assert private.own_found(run, "test-2c-8g") is None
    run["label"] = "after-on-Annas-Box"
    assert private.own_found(run, "test-2c-8g") == ("label", "this computer's host name")


IMPOSSIBLE = {
    "no date": (lambda run, m: run.update(started="2026-02-30T00:00:00Z"), "started"),
    "an early end": (lambda run, m: run.update(finished="2025-01-01T00:00:00Z"), "finished"),
    "a name of another label": (lambda run, m: run.update(label="other"), "name"),
    "a name of another commit": (lambda run, m: run.update(commit="f" * 40), "name"),
    "threads that aren't there": (lambda run, m: run.update(threads_available=1), "cells.threads"),
    "no cores": (lambda run, m: m["cpu"].update(cores=0), "cpu.cores"),
    "more cores than threads": (lambda run, m: m["cpu"].update(cores=4), "cpu.cores"),
    "a byte of RAM": (lambda run, m: m["ram"].update(bytes=1), "ram.bytes"),
    "a cache of no size": (lambda run, m: m["cpu"]["caches"][0].update(bytes=1 << 50), "caches[0]"),
    "another machine": (lambda run, m: run.update(machine="other"), "machine"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_values(headroom, inside, name):
    change, field = IMPOSSIBLE[name]
    run, fingerprint = golden_pair()
    change(run, fingerprint)
    result = inside("validate", written(headroom.root / "run", run, fingerprint))
    assert result.returncode == 1 and field in result.stderr and result.stderr.count("\n") == 1


# --- results/ as a whole


def _results(headroom):
    run, fingerprint = golden_pair()
    return written(headroom.root / "results" / "test-2c-8g" / run["name"], run, fingerprint)


def test_results_as_a_whole(headroom):
    _results(headroom)
    (headroom.root / "results" / "README.md").write_text("results")
    result = headroom("validate", "results")
    assert result.returncode == 0 and result.stdout.count(": valid\n") == 2


def test_every_bad_record_is_named(headroom):
    folder = _results(headroom)
    for name in ("a", "b"):
        other = folder.parent.parent / name / NEW
        other.mkdir(parents=True)
        (other / "run.json").write_text("{}")
        (other / "machine.json").write_text("{}")
    result = headroom("validate", "results")
    assert result.returncode == 1 and result.stderr.count("\n") == 2
    assert result.stdout.count(": valid\n") == 2


@pytest.mark.parametrize(
    "where", ("evil.html", "test-2c-8g/evil.sh", f"test-2c-8g/{BASE2}/evil.svg")
)
def test_nothing_else_lies_in_results(headroom, where):
    _results(headroom)
    (headroom.root / "results" / where).write_text(SCRIPT)
    result = headroom("validate", "results")
    assert result.returncode == 1 and "is no part of a record" in result.stderr


def test_links_are_no_records(headroom):
    folder = _results(headroom)
    (folder / "run.json").rename(headroom.root / "elsewhere.json")
    (folder / "run.json").symlink_to(headroom.root / "elsewhere.json")
    result = headroom("validate", "results")
    assert result.returncode == 1 and "symbolic link" in result.stderr


def test_a_folder_by_another_name(headroom):
    folder = _results(headroom)
    folder.rename(folder.parent / NEW)
    result = headroom("validate", "results")
    assert result.returncode == 1 and "is not its folder's name" in result.stderr


def test_a_pipe_is_no_record(headroom):
    folder = _results(headroom)
    (folder / "run.json").unlink()
    subprocess.run(["mkfifo", str(folder / "run.json")], check=True)
    assert headroom("validate", folder).returncode == 2


def test_the_records_of_this_checkout():
    found = list(publish.checked(CHECKOUT / "results"))
    assert found and not [str(error) for _, error in found if error]
