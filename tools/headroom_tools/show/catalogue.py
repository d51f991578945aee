"""`headroom list` and `headroom machine`: what this build and this computer have."""

from __future__ import annotations

from rich.console import Console

from headroom_tools.base import terminal
from headroom_tools.base.text import size
from headroom_tools.machine.fingerprint import unreadable


def listed(catalogue: dict) -> list[dict]:
    """The kernels as `list --json` gives them."""
    return [
        {
            "name": kernel["name"],
            "group": kernel["group"],
            "axis": kernel["axis"],
            "technique": kernel["technique"],
            "sizes": kernel["sizes"],
            "headline": kernel["headline"],
            "inputs": kernel["inputs"],
            "threads": kernel["threads"],
            "ceiling": kernel["ceiling"] or None,
            "variants": [
                {
                    "name": variant["name"],
                    "role": variant["role"],
                    "what": variant["what"],
                    "needs": [need["name"] for need in variant["needs"]],
                    "available": variant["available"],
                }
                for variant in kernel["variants"]
            ],
        }
        for kernel in catalogue["kernels"]
    ]


def print_list(kernels: list[dict], to: Console) -> None:
    """Prints the kernels with their variants."""
    table = terminal.Table("<<<", limits={0: 22, 2: 68})
    for kernel in kernels:
        table.heading()
        sizes = ", ".join(f"{n:,}" for n in kernel["sizes"])
        table.heading(
            (kernel["name"], "bold"), (f"  {kernel['axis']} · {kernel['technique']}", "dim")
        )
        more = f" · inputs {', '.join(kernel['inputs'])}" if len(kernel["inputs"]) > 1 else ""
        if len(kernel["threads"]) > 1:
            more += f" · threads {', '.join(map(str, kernel['threads']))}"
        above = f" · ceiling {kernel['ceiling']}" if kernel["ceiling"] else ""
        if not (above or kernel["name"].startswith("machine/")):
            above = " · no ceiling"
        table.heading((f"  n {sizes}{more}{above}", "cyan"))
        for variant in kernel["variants"]:
            what = variant["what"]
            if not variant["available"]:
                what = f"missing: needs {', '.join(variant['needs'])}; {what}"
            style = "" if variant["available"] else "yellow"
            role = "" if variant["role"] == "optimized" else variant["role"]
            table.row(variant["name"], (role, "dim"), (what, style))
    variants = [variant for kernel in kernels for variant in kernel["variants"]]
    here = sum(variant["available"] for variant in variants)
    table.heading()
    table.heading(
        f"{len(kernels)} kernels, {len(variants)} variants, {here} of them available here"
    )
    table.print(to)


def _or_unknown(value: object, unit: str = "") -> str:
    return "unknown" if value is None else f"{value}{unit}"


def print_machine(tree: dict, to: Console) -> None:
    """Prints a fingerprint, and what could not be read."""
    cpu, ram, disk = tree["cpu"], tree["ram"], tree["disk"]
    table = terminal.Table("<<")
    table.heading((tree["slug"], "bold"))
    table.row("cpu", f"{_or_unknown(cpu['model_name'])} ({_or_unknown(cpu['microarchitecture'])})")
    table.row(
        "topology",
        f"{_or_unknown(cpu['sockets'])} sockets, {_or_unknown(cpu['cores'])} cores, "
        f"{_or_unknown(cpu['threads'])} threads, {_or_unknown(cpu['numa_nodes'])} NUMA nodes, "
        f"SMT {'unknown' if cpu['smt'] is None else 'on' if cpu['smt'] else 'off'}",
    )
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
    table.row(
        "disk",
        f"{disk['model'] or 'model unknown'}, kind {_or_unknown(disk['kind'])}, "
        f"bus {_or_unknown(disk['bus'])}, "
        f"{size(disk['bytes']) if disk['bytes'] else 'size unknown'}, "
        f"{_or_unknown(disk['file_system'])}, scheduler {_or_unknown(disk['scheduler'])}",
    )
    table.row("virtualization", tree["virtualization"] or "none seen")
    table.row("system", f"{_or_unknown(tree['system'])} {_or_unknown(tree['kernel'])}")
    table.row("huge pages", _or_unknown(tree["transparent_huge_pages"]))
    for line in unreadable(tree):
        table.heading((f"  {line}", "yellow"))
    table.print(to)
