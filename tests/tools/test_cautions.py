"""What is said of the machine before a run: on made-up machines, each line only when it matters."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import Headroom

from headroom_tools.measure import cautions
from headroom_tools.measure.cautions import Sample, Subject

LADDER = {"n": 1, "input": "x", "threads": 1, "memory_bytes": 4096}
FREQUENCY = "sys/devices/system/cpu/cpufreq"


def _subject(threads=1, axis="scalar", memory=4096, missing=(), build=None, ladders=()):
    ladder = {**LADDER, "threads": threads, "memory_bytes": memory}
    catalogue = {
        "build": {"build_type": "Release", "flags": "-O3 -DNDEBUG", **(build or {})},
        "kernels": [{"name": "a/b", "axis": axis, "ladders": [ladder, *ladders]}],
    }
    return Subject(catalogue, {"a/b": [ladder]}, list(missing))


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Writes files of a made-up machine; nothing runs on it unless the test says so."""
    monkeypatch.setenv("HEADROOM_SYSTEM", str(tmp_path))
    monkeypatch.setattr(cautions, "_sample", lambda: Sample(0.0, 0.0, 0.0))

    def write(**files: str) -> None:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")

    return write


def _say(subject=None) -> str:
    lines = cautions.found(subject or _subject())
    for line in lines:
        assert line.isprintable() and "; " in line, "what is wrong; the cure"
    return "\n".join(lines)


def test_a_quiet_machine_is_told_nothing(system):
    system(**{
        "sys/class/power_supply/AC/type": "Mains", "sys/class/power_supply/AC/online": "1",
        "sys/class/power_supply/BAT0/type": "Battery",
        "sys/class/power_supply/BAT0/status": "Discharging",
        "sys/class/thermal/thermal_zone0/temp": "60000",
        "sys/class/thermal/thermal_zone1/temp": "999000",
        f"{FREQUENCY}/policy0/scaling_governor": "performance", f"{FREQUENCY}/boost": "1",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
        "sys/devices/system/cpu/smt/active": "1",
        "proc/meminfo": "MemTotal: 8000000 kB\nMemAvailable: 6000000 kB",
        "proc/cpuinfo": "flags : fpu hypervisor\n\nflags : fpu", "proc/7/comm": "bash",
    })  # fmt: skip
    assert cautions.found(_subject()) == []


def test_no_files_at_all(system):
    assert cautions.found(_subject(threads=2, axis="storage-sync", memory=1 << 30)) == []


@pytest.mark.parametrize(
    ("supplies", "said"),
    [
        ({"AC": ("Mains", "online", "0")}, True),
        ({"AC": ("Mains", "online", "0"), "AC2": ("Mains", "online", "0")}, True),
        ({"BAT0": ("Battery", "status", "Discharging")}, True),
        ({"BAT0": ("Battery", "status", "Full")}, False),
        ({"AC": ("Mains", "online", "0"), "usb": ("USB", "online", "1")}, False),
    ],
)
def test_on_battery_is_said_once(system, supplies, said):
    for name, (kind, key, value) in supplies.items():
        folder = f"sys/class/power_supply/{name}"
        system(**{f"{folder}/type": kind, f"{folder}/{key}": value})
    assert _say().count("on battery") == int(said)


def test_a_mouse_on_battery_is_no_laptop(system):
    folder = "sys/class/power_supply/mouse"
    system(**{f"{folder}/type": "Battery", f"{folder}/status": "Discharging",
              f"{folder}/scope": "Device"})  # fmt: skip
    assert _say() == ""


def test_hot(system):
    system(**{"sys/class/thermal/thermal_zone0/temp": "86000",
              "sys/class/thermal/thermal_zone3/temp": "91000"})  # fmt: skip
    assert _say().count("hot (91 degrees C)") == 1


@pytest.mark.parametrize(
    ("driver", "governor", "preference", "said"),
    [
        ("acpi-cpufreq", "performance", None, ""),
        ("acpi-cpufreq", "powersave", None, "governor is powersave"),
        ("acpi-cpufreq", "schedutil", None, "sudo cpupower frequency-set -g performance"),
        ("intel_pstate", "powersave", "balance_performance", ""),
        ("intel_pstate", "powersave", "power", "held down to save energy (power)"),
        ("amd-pstate-epp", "performance", "performance", ""),
    ],
)
def test_governor(system, driver, governor, preference, said):
    for policy in ("policy0", "policy1"):
        folder = f"{FREQUENCY}/{policy}"
        system(**{f"{folder}/scaling_driver": driver, f"{folder}/scaling_governor": governor})
        if preference:
            system(**{f"{folder}/energy_performance_preference": preference})
    text = _say()
    assert (said in text and text.count("\n") == 0) if said else text == ""


def test_boost_matters_to_several_threads(system):
    system(**{f"{FREQUENCY}/boost": "1"})
    assert _say() == "" and "boost is on" in _say(_subject(threads=2))
    system(**{f"{FREQUENCY}/boost": "0"})
    assert _say(_subject(threads=2)) == ""


def test_boost_of_intel(system):
    system(**{"sys/devices/system/cpu/intel_pstate/no_turbo": "0"})
    assert "intel_pstate/no_turbo" in _say(_subject(threads=2))


def test_load_and_smt(system, monkeypatch):
    monkeypatch.setattr(cautions, "_sample", lambda: Sample(0.7, 0.0, 0.0))
    assert f"other programs use 0.7 of {os.cpu_count()} cores" in _say()
    assert "SMT" not in _say()
    system(**{"sys/devices/system/cpu/smt/active": "1"})
    assert "SMT is on" in _say()


def test_steal(system, monkeypatch):
    monkeypatch.setattr(cautions, "_sample", lambda: Sample(0.0, 0.25, 0.0))
    assert "takes 0.25 of this machine's cores now" in _say()
    monkeypatch.setattr(cautions, "_sample", lambda: Sample(0.0, 0.05, 0.02))
    assert "on average since its start" in _say()
    monkeypatch.setattr(cautions, "_sample", lambda: Sample(0.0, 0.05, 0.005))
    assert _say() == ""


def test_a_virtual_machine_matters_to_threads_and_storage(system):
    system(**{"proc/cpuinfo": "flags : fpu hypervisor sse"})
    assert _say() == ""
    assert "which of its CPUs share a core; for" in _say(_subject(threads=2))
    assert "does not show what its host caches" in _say(_subject(axis="storage-random"))
    assert _say(_subject(threads=2, axis="storage-sync")).count("virtual machine") == 1


def test_another_benchmark(system):
    system(**{"proc/10/comm": "bash", "proc/11/comm": "stress-ng-cpu", "proc/12/comm": "fio",
              "proc/13/comm": "fio", "proc/14/comm": "headroom-bench", "proc/x/comm": "sysbench",
              "proc/15/comm": "fiona"})  # fmt: skip
    assert "is running (fio, headroom-bench, stress-ng-cpu); end it" in _say()


def test_memory(system):
    system(**{"proc/meminfo": "MemTotal: 8000000 kB\nMemAvailable: 700000 kB"})
    assert "only 684 MiB of 7.6 GiB of memory are free" in _say()
    entry = {"kernel": "a/b", "variant": None, "n": 9, "input": "x", "threads": 1,
             "needs": "2.0 GiB of memory", "cure": ""}  # fmt: skip
    for needed, said in ((2 << 30, True), (1 << 40, False)):
        large = {**LADDER, "n": 9, "memory_bytes": needed}
        text = _say(_subject(missing=[entry], ladders=[large]))
        assert ("1 ladder is left out" in text) is said, "what never fits is not for want of care"


def test_huge_pages(system):
    system(**{"sys/kernel/mm/transparent_hugepage/enabled": "always madvise [never]"})
    assert _say() == ""
    assert "echo madvise" in _say(_subject(memory=1 << 20))


@pytest.mark.parametrize(
    ("build", "said"),
    [
        ({"build_type": "Debug"}, "not optimized (Debug)"),
        ({"build_type": ""}, "no build type"),
        ({"flags": "-O3 -fsanitize=address"}, "sanitizer"),
        ({"build_type": "RelWithDebInfo"}, ""),
    ],
)
def test_builds(system, build, said):
    text = _say(_subject(build=build))
    assert said in text if said else text == ""


def test_the_sample_is_of_this_machine(monkeypatch):
    monkeypatch.setattr(cautions, "SAMPLE_S", 0.1)
    monkeypatch.setenv("HEADROOM_SYSTEM", "/")
    sample = cautions._sample()
    assert 0 <= sample.busy <= (os.cpu_count() or 1) + 0.5 and 0 <= sample.ever_stolen < 1


def test_a_clock_that_stands_still(tmp_path, monkeypatch):
    monkeypatch.setattr(cautions, "SAMPLE_S", 0.01)
    monkeypatch.setenv("HEADROOM_SYSTEM", str(tmp_path))
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text("cpu 1 2 3 4 5 6 7 8 0 0\n")
    assert cautions._sample()[:2] == (0.0, 0.0)


def _hot(headroom: Headroom) -> Path:
    zone = headroom.root / "system/sys/class/thermal/thermal_zone0/temp"
    zone.parent.mkdir(parents=True)
    zone.write_text("90000\n")
    return zone


def test_a_run_warns_and_records_it(headroom):
    _hot(headroom)
    result = headroom("run", "--profile", "quick", "--filter", "simd/sum", "--label", "t")
    assert result.returncode == 0 and "! hot (90 degrees C)" in result.stdout
    assert sum("hot (90" in note for note in headroom.run_json()["notes"]) == 1


def test_strict_refuses(headroom):
    zone = _hot(headroom)
    arguments = ("run", "--profile", "quick", "--filter", "machine/placebo_cpu", "--strict")
    refused = headroom(*arguments)
    assert refused.returncode == 1 and headroom.starts() == []
    assert refused.stderr.count("\n") == 1 and "--strict: refused" in refused.stderr
    assert "! hot" in refused.stdout
    assert not (headroom.root / "build" / "runs").exists()
    zone.write_text("50000\n")
    assert headroom(*arguments).returncode == 0


def test_resuming_looks_again(headroom):
    process = headroom.start("run", "--profile", "quick", "--filter", "simd/sum",
                             FAKE_MODE="sleep:*")  # fmt: skip
    while len(headroom.starts()) < 3:
        pass
    process.kill()
    process.wait()
    zone = _hot(headroom)
    assert headroom("run", "--resume", "--strict").returncode == 1
    for _ in range(2):
        process = headroom.start("run", "--resume", FAKE_MODE="sleep:*")
        at = len(headroom.starts())
        while len(headroom.starts()) == at:
            pass
        process.kill()
        process.wait()
    zone.write_text("50000\n")
    assert headroom("run", "--resume").returncode == 0
    assert json.dumps(headroom.run_json()["notes"]).count("hot (90") == 1
