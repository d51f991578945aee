"""The fingerprint of a computer: machine.json and its slug.

Facts come from well-kept sources (lscpu -J, lsblk -J, hwloc, dmidecode where root) and from /proc
and /sys; what can't be read is null. `fingerprint` builds its result field by field, so that what
is written is an allow-list: no host or user name, serial, address, machine id or path.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import xml.etree.ElementTree as xml
from pathlib import Path

from headroom_tools.base.text import without_paths
from headroom_tools.machine import allowance
from headroom_tools.machine.microarchitecture import microarchitecture
from headroom_tools.machine.types import Cache, Cpu, Disk, Machine, Ram

VERSION = 1
_SYS = Path("/sys")
_PROC = Path("/proc")


def _read(path: Path) -> str | None:
    """The text of a small file of /proc or /sys, stripped; None where there is none."""
    try:
        return path.read_text(errors="replace").strip() or None
    except OSError:
        return None


def _number(text: object) -> int | None:
    match = re.match(r"\s*(\d{1,18})", str(text)) if text is not None else None
    return int(match.group(1)) if match else None


def _words(text: object, limit: int = 120) -> str | None:
    """A fact of another program's output, made safe to record; None stays None."""
    if text is None:
        return None
    return without_paths(re.sub(r"\s+", " ", str(text)), limit) or None


def _output(*command: str) -> str | None:
    """What `command` prints, or None where it is missing, fails or takes over 5 s."""
    program = shutil.which(command[0], path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=5,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def _lscpu() -> dict[str, str]:
    """lscpu's fields by name, without the colon; {} where it is missing."""
    try:
        tree = json.loads(_output("lscpu", "-J") or "")
        flat: dict[str, str | None] = {}
        entries = list(tree["lscpu"])
        while entries:
            entry = entries.pop(0)
            flat.setdefault(entry["field"].rstrip(":"), entry.get("data"))
            entries.extend(entry.get("children", []))
        return {name: value for name, value in flat.items() if value is not None}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _hwloc() -> dict[str, int]:
    """Counts of packages, cores, threads (PU) and NUMA nodes from hwloc; {} without it."""
    text = _output("lstopo-no-graphics", "--of", "xml")
    try:
        kinds = [node.get("type") for node in xml.fromstring(text or "").iter("object")]
    except xml.ParseError:
        return {}
    return {kind: kinds.count(kind) for kind in ("Package", "Core", "PU", "NUMANode")}


def _caches() -> list[Cache]:
    """The first core's caches: level, kind, size in bytes, line in bytes, threads that share it."""
    caches: list[Cache] = []
    for folder in sorted((_SYS / "devices/system/cpu/cpu0/cache").glob("index*")):
        size = re.fullmatch(r"(\d+)([KM]?)", _read(folder / "size") or "")
        shared = _read(folder / "shared_cpu_list") or ""
        caches.append(
            {
                "level": _number(_read(folder / "level")),
                "kind": _words(_read(folder / "type"), 20),
                "bytes": int(size[1]) * {"": 1, "K": 1024, "M": 1 << 20}[size[2]] if size else None,
                "line_bytes": _number(_read(folder / "coherency_line_size")),
                "shared_by": sum(
                    int(part.split("-")[-1]) - int(part.split("-")[0]) + 1
                    for part in shared.split(",")
                    if re.fullmatch(r"\d+(-\d+)?", part)
                )
                or None,
            }
        )
    return caches


def _cpu() -> Cpu:
    facts = _lscpu()
    topology = _hwloc()
    info: dict[str, str] = {}
    for line in (_read(_PROC / "cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        info.setdefault(name.strip(), value.strip())
    vendor = _words(facts.get("Vendor ID") or info.get("vendor_id"), 40)
    if vendor is None and info.get("CPU implementer") == "0x41":
        vendor = "ARM"
    family = _number(facts.get("CPU family") or info.get("cpu family"))
    model = _number(facts.get("Model") or info.get("model"))
    part = info.get("CPU part")
    if part is not None and re.fullmatch(r"0x[0-9a-f]{1,4}", part):
        model = int(part, 16)
    sockets = topology.get("Package") or _number(facts.get("Socket(s)"))
    cores = topology.get("Core") or (_number(facts.get("Core(s) per socket")) or 0) * (sockets or 1)
    flags = (facts.get("Flags") or info.get("flags") or info.get("Features") or "").split()
    frequency = _SYS / "devices/system/cpu/cpu0/cpufreq"
    boost = _read(_SYS / "devices/system/cpu/cpufreq/boost")
    no_turbo = _read(_SYS / "devices/system/cpu/intel_pstate/no_turbo")
    smt = _read(_SYS / "devices/system/cpu/smt/active")
    maximum = _number(_read(frequency / "cpuinfo_max_freq"))
    return {
        "architecture": _words(platform.machine(), 20),
        "vendor": vendor,
        "model_name": _words(facts.get("Model name") or info.get("model name")),
        "family": family,
        "model": model,
        "stepping": _number(facts.get("Stepping") or info.get("stepping")),
        "microarchitecture": microarchitecture(vendor, family, model),
        "microcode": _words(info.get("microcode"), 20),
        "sockets": sockets,
        "cores": cores or os.cpu_count(),
        "threads": topology.get("PU") or _number(facts.get("CPU(s)")) or os.cpu_count(),
        "smt": {"1": True, "0": False}.get(smt or ""),
        "isa": sorted({flag for flag in flags if re.fullmatch(r"[a-z0-9_.]{1,24}", flag)}),
        "caches": _caches(),
        "governor": _words(_read(frequency / "scaling_governor"), 30),
        "boost": {"1": True, "0": False}.get(boost or "")
        if boost
        else {"0": True, "1": False}.get(no_turbo or ""),
        "max_mhz": maximum // 1000 if maximum else None,
        "mitigations": {
            path.name: _words(_read(path), 160)
            for path in sorted((_SYS / "devices/system/cpu/vulnerabilities").glob("*"))
            if re.fullmatch(r"[a-z0-9_]{1,40}", path.name)
        },
        "numa_nodes": topology.get("NUMANode") or _number(facts.get("NUMA node(s)")),
    }


def _ram() -> Ram:
    total = re.search(r"^MemTotal:\s+(\d+) kB", _read(_PROC / "meminfo") or "", re.M)
    ram: Ram = {
        "bytes": int(total[1]) * 1024 if total else None,
        "type": None,
        "mega_transfers": None,
        "modules": None,
        "channels": None,
    }
    if os.geteuid() != 0:
        return ram
    modules, channels = 0, set[str]()
    for block in (_output("dmidecode", "-t", "17") or "").split("\n\n"):
        fields = dict(re.findall(r"^\s+([A-Za-z ]+): (.*)$", block, re.M))
        if not re.match(r"\d+ [MG]B", fields.get("Size", "")):
            continue
        modules += 1
        ram["type"] = ram["type"] or _words(fields.get("Type"), 20)
        speed = fields.get("Configured Memory Speed") or fields.get("Speed")
        ram["mega_transfers"] = ram["mega_transfers"] or _number(speed)
        where = fields.get("Bank Locator", "") + " " + fields.get("Locator", "")
        channel = re.search(r"channel[ _-]?([a-z0-9])\b", where, re.I)
        if channel:
            channels.add(channel[1].upper())
    ram["modules"] = modules or None
    ram["channels"] = len(channels) or None
    if ram["type"] in ("RAM", "Unknown", "Other"):
        ram["type"] = None
    return ram


def _file_system(folder: Path) -> tuple[str | None, str | None]:
    """(kind, major:minor of its source) of the file system that holds `folder`."""
    best: tuple[int, str | None, str | None] = (-1, None, None)
    for line in (_read(_PROC / "self/mountinfo") or "").splitlines():
        left, _, right = line.partition(" - ")
        fields, kinds = left.split(), right.split()
        if len(fields) < 5 or not kinds:
            continue
        mount = fields[4].encode().decode("unicode_escape", "replace")
        if folder == Path(mount) or Path(mount) in folder.parents:
            if len(mount) >= best[0]:
                best = (len(mount), kinds[0], fields[2])
    return best[1], best[2]


def _rotation_is_told(device: Path) -> bool:
    """Whether queue/rotational of a block device says what its medium is.

    A virtual disk reports "rotational" whatever it lies on, a loop device what the disk of its file
    reports; device mapper and md report what the devices below them do.
    """
    if device.name.startswith(("loop", "zram", "nbd", "ram", "vd", "xvd")):
        return False
    below = device / "slaves"
    return not below.is_dir() or all(_rotation_is_told(one.resolve()) for one in below.iterdir())


def _disk(folder: Path) -> Disk:
    """The disk below `folder`, with its settings and its file system; nulls if unknown."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    folder = folder.resolve()
    kind, number = _file_system(folder)
    disk: Disk = {
        "file_system": _words(kind, 20),
        "kind": "ram" if kind in ("tmpfs", "ramfs") else None,
        "bus": None,
        "model": None,
        "bytes": None,
        "scheduler": None,
        "write_cache": None,
    }
    device = (_SYS / "dev/block" / (number or "none")).resolve()
    if not device.is_dir():
        return disk
    while not (device / "queue").is_dir() and device != device.parent:
        device = device.parent
    if not (device / "queue").is_dir():
        return disk
    listed: dict[str, str | None] = {}
    try:
        devices = json.loads(_output("lsblk", "-J", "-o", "NAME,MODEL,TRAN") or "")["blockdevices"]
        listed = next(entry for entry in devices if entry.get("name") == device.name)
    except (ValueError, KeyError, TypeError, StopIteration):
        pass
    name = device.name
    bus = listed.get("tran") or ("virtio" if name.startswith("vd") else None)
    if bus is None and name.startswith("nvme"):
        bus = "nvme"
    if bus is None and name.startswith("mmc"):
        bus = "mmc"
    chosen = re.search(r"\[([\w-]+)\]", _read(device / "queue/scheduler") or "")
    rotational = _read(device / "queue/rotational")
    sectors = _number(_read(device / "size"))
    known = rotational is not None and bus not in ("virtio", "xen") and _rotation_is_told(device)
    scheduler = chosen[1] if chosen else _words(_read(device / "queue/scheduler"), 20)
    disk["kind"] = ("hdd" if rotational == "1" else "ssd") if known else None
    disk["bus"] = _words(bus, 20)
    disk["model"] = _words(listed.get("model") or _read(device / "device/model"), 60)
    disk["bytes"] = sectors * 512 if sectors else None
    disk["scheduler"] = scheduler
    # Whether a flush is what makes a write last, or writes last by themselves.
    cache = _read(device / "queue/write_cache")
    disk["write_cache"] = cache if cache in ("write back", "write through") else None
    return disk


def _virtualization(facts: dict[str, str]) -> str | None:
    return _words(facts.get("Hypervisor vendor"), 30) or (
        "unknown" if "hypervisor" in (facts.get("Flags") or "").split() else None
    )


def fingerprint(scratch: Path) -> Machine:
    """machine.json's tree (schemas/machine-1.json) for this computer.

    scratch: the folder that the I/O kernels use; its disk is the one described.
    """
    pages = re.search(r"\[(\w+)\]", _read(_SYS / "kernel/mm/transparent_hugepage/enabled") or "")
    tree: Machine = {
        "format": "headroom-machine",
        "version": VERSION,
        "slug": "",
        "cpu": _cpu(),
        "ram": _ram(),
        "disk": _disk(scratch),
        "virtualization": _virtualization(_lscpu()),
        "system": _words(platform.system(), 20),
        "kernel": _words(re.split(r"[^\d.]", platform.release())[0].strip("."), 40),
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
    line = (_read(_PROC / "stat") or "").split("\n")[0].split()
    ticks = [int(field) for field in line[1:9]] if line[:1] == ["cpu"] else []
    known = len(ticks) == 8 and ticks[3] + ticks[4] > 0
    return (ticks[7], sum(ticks)) if known else (0, 0)
