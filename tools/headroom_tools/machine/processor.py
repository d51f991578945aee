"""The CPU of a fingerprint: lscpu, hwloc and /proc/cpuinfo, held against what the kernel shows."""

from __future__ import annotations

import json
import os
import platform
import re
import xml.etree.ElementTree as xml
from typing import Any, Iterator

from headroom_tools.machine import cores, sources
from headroom_tools.machine.microarchitecture import microarchitecture
from headroom_tools.machine.sources import number, read, words
from headroom_tools.machine.types import Cpu


def _fields(entries: list[Any]) -> Iterator[tuple[str, str]]:
    """lscpu's fields from the first to the last, those of a block after its head; `-` is none."""
    for entry in entries:
        data = entry.get("data")
        if data is not None and str(data).strip() not in ("", "-"):
            yield entry["field"].rstrip(":"), str(data)
        yield from _fields(entry.get("children", []))


def lscpu() -> list[dict[str, str]]:
    """lscpu's fields by name, without the colon: of the whole machine, then of each kind of cores,
    as it prints a block for each. [{}] where it is missing."""
    try:
        tree = json.loads(sources.output("lscpu", "-J") or "")
        blocks: list[dict[str, str]] = [{}]
        for field, data in _fields(list(tree["lscpu"])):
            if field == "Model name" or (field in blocks[-1] and field.startswith("Thread(s) per")):
                blocks.append({})
            blocks[-1].setdefault(field, data)
        return blocks
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return [{}]


def _hwloc() -> dict[str, int]:
    """Counts of packages, cores, threads (PU) and NUMA nodes from hwloc; {} without it."""
    text = sources.output("lstopo-no-graphics", "--of", "xml")
    try:
        kinds = [node.get("type") for node in xml.fromstring(text or "").iter("object")]
    except xml.ParseError:
        return {}
    return {kind: kinds.count(kind) for kind in ("Package", "Core", "PU", "NUMANode")}


def _cores_by_lscpu(blocks: list[dict[str, str]]) -> int:
    """The cores of all blocks together; 0 where it doesn't tell."""
    count = 0
    for block in blocks:
        for each, groups in (("socket", "Socket(s)"), ("cluster", "Cluster(s)")):
            per = number(block.get(f"Core(s) per {each}"))
            if per:
                count += per * (number(block.get(groups)) or 1)
                break
    return count


def cpu() -> Cpu:
    """The CPU. Where its cores are of several kinds, caches, clock and model are those of the kind
    on which one thread is measured, and `kinds` has all."""
    blocks = lscpu()
    facts: dict[str, str] = {}
    for block in blocks:
        facts = {**block, **facts}
    topology = _hwloc()
    system = sources.SYS / "devices/system/cpu"
    info = cores.of_each(sources.PROC)
    kinds = cores.kinds(sources.SYS, sources.PROC)
    on = cores.online(sources.SYS, sources.PROC)
    here = cores.first_allowed(on)
    own = {**info.get(-1, {}), **info.get(here, {})}
    several = len(kinds) > 1
    vendor = words(facts.get("Vendor ID"), 40) or cores.vendor_of(own)
    family = number(facts.get("CPU family") or own.get("cpu family"))
    model = number(facts.get("Model") or own.get("model"))
    stepping = number(facts.get("Stepping") or own.get("stepping"))
    name = words(facts.get("Model name") or own.get("model name"))
    part = number(own.get("CPU part"))
    if part is not None:
        model = part
        vendor = cores.vendor_of(own) or vendor
    if several and part is not None:
        # lscpu's blocks are in no order that it promises: all of their names.
        named = [words(block["Model name"]) for block in blocks if "Model name" in block]
        name = words(" + ".join(dict.fromkeys(filter(None, named)))) or name
    told = {min(cores.siblings(cpu, sources.SYS)) for cpu in on}
    known = any(cores.topology_is_told(cpu, sources.SYS) for cpu in on)
    sockets = topology.get("Package") or max(
        (number(block.get("Socket(s)")) or 0 for block in blocks), default=0
    )
    count = topology.get("Core") or (len(told) if known else 0) or _cores_by_lscpu(blocks)
    shown = sources.span(facts.get("On-line CPU(s) list"))
    threads = topology.get("PU") or len(on) or len(shown) or number(facts.get("CPU(s)"))
    flags = (own.get("flags") or own.get("Features") or facts.get("Flags") or "").split()
    boost = read(system / "cpufreq/boost")
    no_turbo = read(system / "intel_pstate/no_turbo")
    smt = read(system / "smt/active")
    tree: Cpu = {
        "architecture": words(platform.machine(), 20),
        "vendor": vendor,
        "model_name": name,
        "family": family,
        "model": model,
        "stepping": stepping,
        "microarchitecture": microarchitecture(vendor, family, model, stepping),
        "microcode": words(own.get("microcode"), 20),
        "sockets": sockets or None,
        "cores": count or os.cpu_count(),
        "threads": threads or os.cpu_count(),
        "smt": {"1": True, "0": False}.get(smt or ""),
        "isa": sorted({flag for flag in flags if re.fullmatch(r"[a-z0-9_.]{1,24}", flag)}),
        "caches": cores.caches_of(here, sources.SYS),
        "governor": words(read(system / f"cpu{here}/cpufreq/scaling_governor"), 30),
        "boost": {"1": True, "0": False}.get(boost or "")
        if boost
        else {"0": True, "1": False}.get(no_turbo or ""),
        "max_mhz": cores.max_mhz(here, sources.SYS),
        "mitigations": {
            path.name: words(read(path), 160)
            for path in sorted((system / "vulnerabilities").glob("*"))
            if re.fullmatch(r"[a-z0-9_]{1,40}", path.name)
        },
        "numa_nodes": topology.get("NUMANode") or number(facts.get("NUMA node(s)")),
    }
    if several:
        tree["kinds"] = cores.told(kinds, sources.SYS)
    return tree


def virtualization() -> str | None:
    """The hypervisor's name, "unknown" where there is one without a name, None where none is
    seen."""
    facts: dict[str, str] = {}
    for block in lscpu():
        facts = {**block, **facts}
    return words(facts.get("Hypervisor vendor"), 30) or (
        "unknown" if "hypervisor" in facts.get("Flags", "").split() else None
    )
