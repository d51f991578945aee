"""Prints a fingerprint, and what could not be read."""

from __future__ import annotations

from rich.console import Console

from headroom_tools.base import terminal
from headroom_tools.base.text import counted, size
from headroom_tools.machine.allowance import allowed_told
from headroom_tools.machine.cores import in_words, name_of
from headroom_tools.machine.fingerprint import unreadable
from headroom_tools.machine.types import Cpu, Machine


def _or_unknown(value: object, unit: str = "") -> str:
    return "unknown" if value is None else f"{value}{unit}"


def _count(value: int | None, noun: str) -> str:
    return f"unknown number of {noun}s" if value is None else counted(value, noun)


def in_one_line(tree: Machine) -> str:
    """What a machine is, without what could not be read."""
    cpu, ram, disk = tree["cpu"], tree["ram"], tree["disk"]
    shared = [cache["bytes"] for cache in cpu["caches"] if cache["level"] == 3 and cache["bytes"]]
    parts = [
        " ".join(filter(None, (cpu["model_name"] or cpu["architecture"], _bracketed(cpu)))),
        counted(cpu["cores"], "core") if cpu["cores"] else "",
        in_words(cpu["kinds"]) if "kinds" in cpu else "",
        counted(cpu["threads"], "thread")
        if cpu["threads"] and cpu["threads"] != cpu["cores"]
        else "",
        f"L3 {size(shared[0])}" if shared else "",
        f"{size(ram['bytes'])} RAM" if ram["bytes"] else "",
        " ".join(filter(None, (disk["bus"], disk["kind"], disk["file_system"]))),
        tree["virtualization"] or "",
        f"of which it was allowed {allowed_told(tree['allowed'])}" if "allowed" in tree else "",
    ]
    return ", ".join(part for part in parts if part)


def _bracketed(cpu: Cpu) -> str:
    return f"({cpu['microarchitecture']})" if cpu["microarchitecture"] else ""


def print_machine(tree: Machine, to: Console) -> None:
    """Prints a fingerprint, and what could not be read."""
    cpu, ram, disk = tree["cpu"], tree["ram"], tree["disk"]
    table = terminal.Table("<<")
    table.heading((tree["slug"], "bold"))
    table.row("cpu", f"{_or_unknown(cpu['model_name'])} ({_or_unknown(cpu['microarchitecture'])})")
    table.row(
        "topology",
        f"{_count(cpu['sockets'], 'socket')}, {_count(cpu['cores'], 'core')}, "
        f"{_count(cpu['threads'], 'thread')}, {_count(cpu['numa_nodes'], 'NUMA node')}, "
        f"SMT {'unknown' if cpu['smt'] is None else 'on' if cpu['smt'] else 'off'}",
    )
    for kind in cpu.get("kinds", []):
        here = ", one thread is measured here" if kind["one_thread_runs_here"] else ""
        table.row("kind of core", f"{counted(kind['cores'], 'core')} {name_of(kind)}{here}")
    for cache in cpu["caches"]:
        if cache["bytes"] is not None:
            label = f"L{cache['level']} {(cache['kind'] or '').lower()}"
            shared = cache["shared_by"]
            of = f", shared by {shared} threads" if shared and shared > 1 else ""
            table.row(label, f"{size(cache['bytes'])}{of}")
    wide = [
        name for name in ("avx512f", "avx2", "sse4_2", "sve2", "sve", "asimd") if name in cpu["isa"]
    ]
    table.row("isa", f"{_or_unknown(cpu['architecture'])}, {', '.join(wide) or 'no SIMD found'}")
    table.row("microcode", _or_unknown(cpu["microcode"]))
    boost = {True: "on", False: "off", None: "unknown"}[cpu["boost"]]
    table.row("governor", f"{_or_unknown(cpu['governor'])}, boost {boost}")
    known = size(ram["bytes"]) if ram["bytes"] else "unknown"
    more = [f"{ram['type']}"] if ram["type"] else []
    more += [f"{ram['mega_transfers']} MT/s"] if ram["mega_transfers"] else []
    more += [f"{ram['channels']} channels"] if ram["channels"] else []
    table.row("ram", ", ".join([known, *more]))
    if "allowed" in tree:
        table.row("allowed", allowed_told(tree["allowed"]))
    table.row(
        "disk",
        f"{disk['model'] or 'model unknown'}, kind {_or_unknown(disk['kind'])}, "
        f"bus {_or_unknown(disk['bus'])}, "
        f"{size(disk['bytes']) if disk['bytes'] else 'size unknown'}, "
        f"{_or_unknown(disk['file_system'])}, scheduler {_or_unknown(disk['scheduler'])}, "
        f"write cache {_or_unknown(disk.get('write_cache'))}",
    )
    table.row("virtualization", tree["virtualization"] or "none seen")
    table.row("system", f"{_or_unknown(tree['system'])} {_or_unknown(tree['kernel'])}")
    table.row("huge pages", _or_unknown(tree["transparent_huge_pages"]))
    for line in unreadable(tree):
        table.heading((f"  {line}", "yellow"))
    table.print(to)
