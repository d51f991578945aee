"""The fingerprint: names of hardware, and nothing of who or where."""

from __future__ import annotations

import getpass
import io
import json
import socket
import statistics
from pathlib import Path

import pytest
from conftest import Headroom
from rich.console import Console

from headroom_tools.cli import main as cli
from headroom_tools.machine import sources, terminal
from headroom_tools.machine.fingerprint import fingerprint, slug, steal_ticks
from headroom_tools.machine.microarchitecture import microarchitecture
from headroom_tools.measure import catalogue
from headroom_tools.record import validate
from headroom_tools.record.cells import cells_of
from headroom_tools.show import probes


@pytest.mark.parametrize(
    ("vendor", "family", "model", "name"),
    [
        ("AuthenticAMD", 0x17, 0x01, "zen"),
        ("AuthenticAMD", 0x17, 0x31, "zen2"),
        ("AuthenticAMD", 0x19, 0x01, "zen3"),
        ("AuthenticAMD", 0x19, 0x11, "zen4"),
        ("AuthenticAMD", 0x19, 0x21, "zen3"),
        ("AuthenticAMD", 0x19, 0x61, "zen4"),
        ("AuthenticAMD", 0x1A, 0x02, "zen5"),
        ("AuthenticAMD", 0x1A, 0x44, "zen5"),
        ("AuthenticAMD", 0x1A, 0x50, None),  # newer than the table, of a family that it has
        ("AuthenticAMD", 0x1A, 0x90, None),
        ("AuthenticAMD", 0x19, 0xB0, None),
        ("AuthenticAMD", 0x1B, 0x01, None),
        ("GenuineIntel", 18, 0x01, None),
        ("GenuineIntel", 6, 0xF0, None),
        ("ARM", None, 0xD99, None),
        ("GenuineIntel", 6, 0x8F, "sapphirerapids"),
        ("GenuineIntel", 6, 0x9E, "kabylake"),
        ("ARM", None, 0xD0C, "neoverse-n1"),
        ("GenuineIntel", 6, 0xFFF, None),
        (None, None, None, None),
    ],
)
def test_microarchitecture(vendor, family, model, name):
    assert microarchitecture(vendor, family, model) == name


def test_steppings_tell_models_apart():
    told = [microarchitecture("GenuineIntel", 6, 0x55, stepping) for stepping in (4, 7, 11)]
    assert told == ["skylakex", "cascadelake", "cooperlake"]


def test_slug():
    tree = {
        "cpu": {"model_name": "AMD EPYC 9654", "microarchitecture": "zen4", "cores": 2,
                "architecture": "x86_64"},
        "ram": {"bytes": 24684092 * 1024},
        "disk": {"bus": "virtio", "kind": None},
    }  # fmt: skip
    assert slug(tree) == "epyc-zen4-2c-24g-virtio"
    tree["cpu"].update(model_name="Strange / CPU (TM)", microarchitecture=None)
    tree["disk"].update(bus=None)
    assert slug(tree) == "strangecputm-2c-24g"
    tree["cpu"].update(model_name=None)
    assert slug(tree) == "x8664-2c-24g"


def test_the_fingerprint_names_nobody(tmp_path):
    tree = fingerprint(tmp_path)
    validate.machine_tree(tree, "machine.json")
    text = json.dumps(tree)
    secrets = [socket.gethostname(), str(tmp_path), str(Path.home())]
    machine_id = Path("/etc/machine-id")
    if machine_id.is_file():
        secrets.append(machine_id.read_text().strip())
    if len(getpass.getuser()) > 4:
        secrets.append(getpass.getuser())
    for secret in filter(lambda word: len(word) > 2, secrets):
        assert secret not in text
    assert "/" not in text.replace("and/or", "").replace("N/A", "") or "PATH" not in text


def test_without_the_programs_facts_are_null(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "output", lambda *command: None)
    tree = fingerprint(tmp_path)
    validate.machine_tree(tree, "machine.json")
    assert tree["cpu"]["cores"]


@pytest.mark.parametrize("text", ("", "{", "[]", '{"lscpu":1}', '{"lscpu":[{}]}', "null"))
def test_programs_that_print_nonsense(tmp_path, monkeypatch, text):
    monkeypatch.setattr(sources, "output", lambda *command: text)
    validate.machine_tree(fingerprint(tmp_path), "machine.json")


def test_without_proc_and_sys(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SYS", tmp_path)
    monkeypatch.setattr(sources, "PROC", tmp_path)
    validate.machine_tree(fingerprint(tmp_path), "machine.json")
    assert steal_ticks() == (0, 0)


def test_the_command(headroom: Headroom):
    text = headroom("machine")
    assert text.returncode == 0 and "cpu" in text.stdout
    tree = json.loads(headroom("machine", "--json").stdout)
    assert tree["format"] == "headroom-machine"


def test_list(headroom: Headroom):
    tree = json.loads(headroom("list", "--json").stdout)
    kernel = next(k for k in tree["kernels"] if k["name"] == "simd/sum")
    assert list(kernel) == [
        "name", "group", "axis", "technique", "measure", "simulated", "promise", "fixtures",
        "sizes", "headline", "inputs", "threads", "params", "ceiling", "variants",
    ]  # fmt: skip
    assert kernel["variants"][3] == {
        "name": "wide", "role": "optimized", "what": "less work", "promise": ["exact"],
        "lacks": [], "promise_note": "", "needs": ["avx9"], "available": False,
    }  # fmt: skip
    more = json.loads(headroom("list", "--json", FAKE_MORE="1").stdout)["kernels"]
    kernels = {kernel["name"]: kernel for kernel in more}
    serve, commit = kernels["concurrency/serve"], kernels["database/commit"]
    assert serve["params"] == {"clients": [1, 16]} and serve["measure"]["name"] == "p99"
    weaker = [variant["name"] for variant in commit["variants"] if variant["lacks"] == ["durable"]]
    assert weaker == ["better"] and commit["promise"] == ["exact", "durable"]
    commit["variants"][1]["what"] = long = " ".join(f"word{at}" for at in range(40))
    commit["variants"][1]["name"] = name = "boost_unordered_flat_map"
    catalogue.print_list([commit], Console(file=(out := io.StringIO()), width=100))
    assert long in " ".join(out.getvalue().split()) and name in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) < 120
    text = headroom("list", FAKE_MORE="1").stdout
    assert "judged by p99, less is better" in text and "clients 1, 16" in text
    assert "weaker: not durable (may lose what was written last)" in text
    assert "missing: needs avx9" in text and "\x1b" not in text


@pytest.mark.parametrize(
    ("value", "told"),
    ((1, "1 socket"), (2, "2 sockets"), (None, "unknown number of sockets")),
)
def test_the_topology_counts(value, told):
    assert terminal._count(value, "socket") == told


@pytest.mark.parametrize("command", ("", *cli._COMMANDS))
def test_help(headroom: Headroom, command):
    result = headroom(*filter(None, (command, "--help")))
    assert result.returncode == 0 and "usage: headroom" in result.stdout
    assert not command or callable(cli.command(command))


def test_no_command_is_bad_usage(headroom: Headroom):
    assert headroom().returncode == 2
    assert headroom("report").returncode == 2


def _probe(**changes):
    known = probes.Probe("machine/read", "plain", 1 << 14, "default", 1, "B/s", 2e11, 1e11, 3e11)
    return known._replace(**changes)


def test_figures_of_probes_in_their_own_units(golden2):
    kernel = golden2["kernels"][0]
    assert kernel["name"] == "machine/overhead"
    found = probes.probes_of(golden2)
    assert [probe.probe for probe in found] == ["machine/overhead"]
    cell = next(c for c in cells_of(golden2) if c.kernel["name"] == "machine/overhead")
    assert found[0].value == pytest.approx(statistics.median(cell.median) / cell.items)
    assert found[0].lo <= found[0].value <= found[0].hi
    for unit, amount in (("B/s", cell.bytes), ("Hz", cell.items)):
        kernel["unit"] = unit
        (rate,) = probes.probes_of(golden2)
        assert rate.value == pytest.approx(amount / statistics.median(cell.median) * 1e9, rel=1e-3)


def test_figures_as_people_read_them():
    assert probes.value_of(_probe()) == "200 GB/s"
    assert probes.value_of(_probe(unit="ns", value=1250.0)) == "1.25 us"
    assert probes.value_of(_probe(unit="FLOP/s", value=2.81e11)) == "281 GFLOP/s"
    assert probes.value_of(_probe(unit="Hz", value=92500.0)) == "92.5 k/s"
    assert probes.value_of(_probe(probe="machine/clock", unit="Hz", value=4.32e9)) == "4.32 GHz"


def test_levels_count_what_threads_share():
    caches = [
        {"level": 1, "kind": "Data", "bytes": 48 << 10, "shared_by": 1},
        {"level": 1, "kind": "Instruction", "bytes": 1 << 30, "shared_by": 1},
        {"level": 2, "kind": "Unified", "bytes": 1 << 20, "shared_by": 1},
        {"level": 3, "kind": "Unified", "bytes": 32 << 20, "shared_by": 2},
    ]
    machine_tree = {"cpu": {"caches": caches}}
    assert probes.level_of(16 << 10, 1, machine_tree) == "L1"
    assert probes.level_of(2 << 20, 2, machine_tree) == "L2"
    assert probes.level_of(64 << 20, 2, machine_tree) == "memory"


def test_machine_prints_the_probes_of_its_newest_run(headroom):
    none = headroom("machine")
    assert none.returncode == 0 and "no run of this machine here measured probes" in none.stdout
    assert headroom("run", "--profile", "quick", "--filter", "overhead").returncode == 0
    shown = headroom("machine")
    assert "empty kernel" in shown.stdout and "2.00 ns" in shown.stdout
    tree = json.loads(headroom("machine", "--json").stdout)
    assert [probe["probe"] for probe in tree["probes"]] == ["machine/overhead"]
    named = json.loads(headroom("machine", "latest", "--json").stdout)
    assert named["probes"] == tree["probes"] and named["probes_of"] == tree["probes_of"]
