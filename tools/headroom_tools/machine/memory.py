"""The memory of a fingerprint: its size, and what dmidecode tells root of its modules."""

from __future__ import annotations

import os
import re

from headroom_tools.machine import sources
from headroom_tools.machine.sources import number, read, words
from headroom_tools.machine.types import Ram

# A memory device of the firmware's table that is no RAM: the flash of the firmware itself, modules
# that are a disk.
_NO_RAM = re.compile(r"flash|\b(?:ROM|PROM|E+PROM|FEPROM)\b|non-volatile", re.I)
_NO_RAM_TECHNOLOGY = re.compile(r"persistent|NVDIMM-[FP]", re.I)
_CHANNEL = re.compile(r"channel[ _-]?(\d{1,2}|[a-z])(?![a-z0-9])", re.I)
# What channels are numbered within: each has a channel A or 0 of its own.
_WITHIN = re.compile(
    r"(?<![a-z0-9])(controller|imc|mc|socket|cpu|proc|node|die|p|s)[ _#-]?(\d{1,2})(?![0-9])", re.I
)


def _one(values: list[object]) -> object:
    """What all that are known agree on."""
    known = {value for value in values if value is not None}
    return known.pop() if len(known) == 1 else None


def _is_ram(fields: dict[str, str], used_for: dict[str, str]) -> bool:
    if not re.match(r"[1-9]\d* [kKMGT]i?B\b", fields.get("Size", "")):
        return False
    use = used_for.get(fields.get("Array Handle", ""), "System Memory")
    kind, technology = fields.get("Type", ""), fields.get("Memory Technology", "")
    return not (
        use not in ("System Memory", "Unknown", "Other")
        or _NO_RAM.search(kind)
        or _NO_RAM_TECHNOLOGY.search(technology)
    )


def _kind(fields: dict[str, str]) -> str | None:
    """`DDR5`; None where the firmware, or a dmidecode older than the module, has no name for it."""
    kind = words(fields.get("Type"), 20)
    named = kind is not None and re.fullmatch(r"[A-Z][A-Z0-9-]*", kind)
    return kind if named and kind not in ("RAM", "DRAM", "SDRAM") else None


def _channel(fields: dict[str, str]) -> object:
    """What tells a module's channel from the others; None where its place doesn't name one."""
    where = f"{fields.get('Bank Locator', '')} {fields.get('Locator', '')}".replace("_", " ")
    channel = _CHANNEL.search(where)
    if channel is None:
        return None
    within = sorted({(name.lower(), at) for name, at in _WITHIN.findall(where)})
    return (*within, channel[1].upper())


def ram() -> Ram:
    """The memory. What modules don't agree on is null."""
    total = re.search(r"^MemTotal:\s+(\d+) kB", read(sources.PROC / "meminfo") or "", re.M)
    tree: Ram = {
        "bytes": int(total[1]) * 1024 if total else None,
        "type": None,
        "mega_transfers": None,
        "modules": None,
        "channels": None,
    }
    if os.geteuid() != 0:
        return tree
    text = sources.output("dmidecode", "-t", "memory") or ""
    used_for: dict[str, str] = {}
    devices: list[dict[str, str]] = []
    for block in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^\s+([A-Za-z][A-Za-z -]*): *(.*?)\s*$", block, re.M))
        handle = re.search(r"^Handle (0x[0-9A-Fa-f]+)", block, re.M)
        if "Use" in fields and handle:
            used_for[handle[1]] = fields["Use"]
        elif "Size" in fields:
            devices.append(fields)
    modules = [fields for fields in devices if _is_ram(fields, used_for)]
    speeds = [
        number(fields.get("Configured Memory Speed"))
        or number(fields.get("Configured Clock Speed"))
        or number(fields.get("Speed"))
        for fields in modules
    ]
    kind = _one([_kind(fields) for fields in modules])
    speed = _one([one or None for one in speeds])
    tree["type"] = kind if isinstance(kind, str) else None
    tree["mega_transfers"] = speed if isinstance(speed, int) else None
    tree["modules"] = len(modules) or None
    channels = [_channel(fields) for fields in modules]
    # A channel of LPDDR is 16 or 32 bits wide, not 64: their number would not compare.
    if None not in channels and not (tree["type"] or "").startswith("LPDDR"):
        tree["channels"] = len(set(channels)) or None
    return tree
