"""The fingerprint of a computer: machine.json and its slug.

Facts come from well-kept sources (lscpu -J, lsblk -J, hwloc, dmidecode where root) and from /proc
and /sys; what can't be read is null. `fingerprint` builds its result field by field, so that what
is written is an allow-list: no host or user name, serial, address, machine id or path.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from pathlib import Path

from headroom_tools.machine import allowance, disks, memory, processor, sources
from headroom_tools.machine.sources import read, words
from headroom_tools.machine.types import Machine

VERSION = 1


def fingerprint(scratch: Path) -> Machine:
    """machine.json's tree (schemas/machine-1.json) for this computer.

    scratch: the folder that the I/O kernels use; its disk is the one described.
    """
    huge = read(sources.SYS / "kernel/mm/transparent_hugepage/enabled")
    pages = re.search(r"\[(\w+)\]", huge or "")
    tree: Machine = {
        "format": "headroom-machine",
        "version": VERSION,
        "slug": "",
        "cpu": processor.cpu(),
        "ram": memory.ram(),
        "disk": disks.disk(scratch),
        "virtualization": processor.virtualization(),
        "system": words(platform.system(), 20),
        "kernel": words(re.split(r"[^\d.]", platform.release())[0].strip("."), 40),
        "transparent_huge_pages": pages[1] if pages else None,
    }
    given = allowance.allowed(tree["cpu"]["threads"], tree["ram"]["bytes"])
    if given is not None:
        tree["allowed"] = given
    tree["slug"] = slug(tree)
    return tree


def slug(tree: Machine) -> str:
    """A short name of the hardware, like `epyc-zen4-2c-24g-virtio`; with what may be used of it
    where that is less: `epyc-zen4-0.5of2c-0.5of24g-virtio`."""
    cpu = tree["cpu"]
    name = (cpu["model_name"] or "").lower()
    families = ("epyc", "threadripper", "ryzen", "athlon", "xeon", "core", "celeron", "pentium",
                "atom", "graviton", "ampere", "apple")  # fmt: skip
    family = next((word for word in families if word in name), None)
    parts = [family, cpu["microarchitecture"]]
    if not any(parts):
        parts = [re.sub(r"[^a-z0-9]+", "", name)[:16] or cpu["architecture"] or "cpu"]
    given = tree.get("allowed")
    few = (given["cpu_quota"] or given["cpus"]) if given else None
    of = f"{few:g}of" if few is not None else ""
    parts.append(f"{of}{cpu['cores']}c" if cpu["cores"] else None)
    if tree["ram"]["bytes"]:
        of = f"{given['memory_bytes'] / (1 << 30):.2g}of" if given and given["memory_bytes"] else ""
        parts.append(f"{of}{-(-tree['ram']['bytes'] // (1 << 30))}g")
    disk = tree["disk"]
    parts.append(disk["bus"] or disk["kind"])
    joined = "-".join(re.sub(r"[^a-z0-9.-]+", "", part.lower()) for part in parts if part)
    return joined.strip("-.") or "machine"


def unreadable(tree: Machine) -> list[str]:
    """One line for each source that is missing here, with what would provide it."""
    lines = []
    for program, package in (("lscpu", "util-linux"), ("lsblk", "util-linux")):
        if shutil.which(program) is None:
            lines.append(f"{program} is missing ({package}): some of the fingerprint stays null")
    if shutil.which("lstopo-no-graphics") is None:
        lines.append("hwloc is missing (hwloc-nox): the topology is lscpu's")
    if tree["ram"]["type"] is None:
        why = "needs root and dmidecode" if os.geteuid() else "this machine doesn't tell dmidecode"
        lines.append(f"RAM type, speed and channels are unknown ({why})")
    return lines


def steal_ticks() -> tuple[int, int]:
    """(ticks stolen by the hypervisor, all ticks) since boot, over all CPUs; zeros if unknown, as
    in sandboxes that count no idle time."""
    line = (read(sources.PROC / "stat") or "").split("\n")[0].split()
    ticks = [int(field) for field in line[1:9]] if line[:1] == ["cpu"] else []
    known = len(ticks) == 8 and ticks[3] + ticks[4] > 0
    return (ticks[7], sum(ticks)) if known else (0, 0)
