"""The disk of a fingerprint: what lies below the file system that holds a folder.

From the file system's device down, through partitions, volumes (LVM, LUKS, md), loop devices and
the several devices of one file system, to those that nothing lies below. What they don't agree on,
and what a virtual disk says of a medium that it hides, is null.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from headroom_tools.machine import sources
from headroom_tools.machine.sources import number, read, words
from headroom_tools.machine.types import Disk

# Block devices without a medium of their own that the kernel shows.
_HIDDEN = ("loop", "zram", "nbd", "ram", "vd", "xvd", "rbd", "drbd", "fd", "sr", "pmem")
# Disks of hypervisors, clouds and networks, by vendor and model.
_HIDDEN_MODEL = re.compile(
    r"qemu|vmware|vbox|virtual|msft|microsoft|\bxen|elastic block|persistent ?disk|nvme_card-pd"
    r"|block ?volume|parallels|alibaba cloud|bochs|iscsi|lio-org|red ?hat",
    re.I,
)
# Controllers that say of a medium that it rotates where they don't know.
_SAYS_ROTATING = re.compile(r"perc|megaraid|\bmr\d|logical volume|raid|adaptec|smart array", re.I)
_NETWORKS = ("tcp", "rdma", "fc", "loop")  # how NVMe reaches a disk elsewhere
_DEEPEST = 16


class _Mount(NamedTuple):
    """kind: of the file system. number: major:minor of its device. source: what was mounted."""

    kind: str | None
    number: str | None
    source: str | None


def _unescaped(field: bytes) -> str:
    r"""A name of /proc/self/mountinfo: blanks, tabs, line ends, \ and # are \ooo there."""
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8) & 255]), field))


def _mount_of(folder: Path) -> _Mount:
    """The file system that holds `folder`."""
    try:
        table = (sources.PROC / "self/mountinfo").read_bytes()
    except OSError:
        table = b""
    best, longest = _Mount(None, None, None), -1
    for line in table.split(b"\n"):
        left, _, right = line.partition(b" - ")
        fields, kinds = left.split(b" "), right.split(b" ")
        if len(fields) < 5 or not kinds[0]:
            continue
        mount = Path(_unescaped(fields[4]))
        if len(mount.parts) >= longest and (folder == mount or mount in folder.parents):
            longest = len(mount.parts)
            source = _unescaped(kinds[1]) if len(kinds) > 1 else None
            best = _Mount(_unescaped(kinds[0]), _unescaped(fields[2]), source)
    return best


def _named(source: str) -> Path | None:
    """The device in /sys that /dev/NAME, /dev/mapper/NAME or a link to one is."""
    if not source.startswith("/dev/") or "\0" in source:
        return None
    for name in (source[len("/dev/") :], os.path.basename(os.path.realpath(source))):
        device = sources.SYS / "class/block" / name.replace("/", "!")
        if device.is_dir():
            return device.resolve()
    mapped = os.path.basename(source)
    for device in (sources.SYS / "class/block").glob("dm-*"):
        if read(device / "dm/name") == mapped:
            return device.resolve()
    return None


def _of_file_system(mount: _Mount) -> list[Path]:
    """The devices in /sys that a file system lies on; [] for what lies elsewhere or isn't told."""
    device = sources.SYS / "dev/block" / (mount.number or "none")
    if device.is_dir():
        return [device.resolve()]
    source = mount.source or ""
    found = [_named(part) for part in re.split(r":(?=/dev/)", source)]
    devices = [device for device in found if device is not None]
    if len(devices) < len(found):
        return []
    if mount.kind == "btrfs":
        names = {one.name for one in devices}
        for pool in (sources.SYS / "fs/btrfs").glob("*/devices"):
            members = sorted(pool.iterdir())
            if names & {one.name for one in members}:
                return [one.resolve() for one in members]
    return devices


def _below(device: Path, depth: int = 0) -> list[Path]:
    """The disks that a block device lies on, itself if nothing lies below."""
    while not (device / "queue").is_dir() and device != device.parent:
        device = device.parent  # a partition
    if depth > _DEEPEST or not (device / "queue").is_dir():
        return []
    slaves = device / "slaves"
    lower = sorted(one.resolve() for one in slaves.iterdir()) if slaves.is_dir() else []
    file = read(device / "loop/backing_file")
    if not lower and file and file.startswith("/"):
        lower = _of_file_system(_mount_of(Path(file)))
    if not lower:
        return [device]
    found = [_below(one, depth + 1) for one in lower]
    # What one part lies on is not told: nothing is known of the whole.
    return [leaf for leaves in found for leaf in leaves] if all(found) else [device]


def _model(device: Path, listed: dict[str, Any]) -> str | None:
    return words(listed.get("model") or read(device / "device/model"), 60)


def _way(device: Path, listed: dict[str, Any]) -> str | None:
    """How a disk is reached. A disk behind a virtual controller passes for one of SCSI."""
    name, path = device.name, str(device)
    if name.startswith("vd") or re.search(r"/virtio\d+/", path):
        return "virtio"
    if name.startswith("xvd") or re.search(r"/vbd-\d+", path):
        return "xen"
    if re.search(r"/vmbus|/VMBUS:", path):
        return "hyperv"
    if re.search(r"/usb\d+/", path):
        return "usb"
    if name.startswith("nvme"):
        return "nvme"
    if name.startswith("mmc"):
        return "mmc"
    return words(listed.get("tran"), 20)


def _medium(device: Path, listed: dict[str, Any], bus: str | None) -> str | None:
    """`hdd` or `ssd`, where the kernel knows."""
    rotational = read(device / "queue/rotational")
    who = f"{read(device / 'device/vendor') or ''} {_model(device, listed) or ''}"
    mapped = device.name.startswith(("dm-", "md")) or (device / "loop").is_dir()
    if (
        rotational not in ("0", "1")
        or mapped  # what lies below would have been in its place
        or re.match(rf"(?:{'|'.join(_HIDDEN)})\d|v[d]|xvd", device.name)
        or bus in ("virtio", "xen", "hyperv", "iscsi", "fc", "fcoe")
        or _HIDDEN_MODEL.search(who)
        or read(device / "device/transport") in _NETWORKS
    ):
        return None
    if rotational == "1" and (bus == "usb" or _SAYS_ROTATING.search(who)):
        return None
    return "hdd" if rotational == "1" else "ssd"


def _agreed(values: list[str | None]) -> str | None:
    """What all of them are; None where they differ."""
    return values[0] if values and len(set(values)) == 1 else None


def _scheduler(device: Path) -> str | None:
    told = read(device / "queue/scheduler")
    chosen = re.search(r"\[([\w-]+)\]", told or "")
    return chosen[1] if chosen else words(told, 20)


def _write_cache(device: Path) -> str | None:
    """Whether a flush is what makes a write last, or writes last by themselves."""
    cache = read(device / "queue/write_cache")
    return cache if cache in ("write back", "write through") else None


def _listed() -> dict[str, dict[str, Any]]:
    """What lsblk knows of the disks, by name."""
    try:
        devices = json.loads(sources.output("lsblk", "-J", "-o", "NAME,MODEL,TRAN") or "")
        return {entry["name"]: entry for entry in devices["blockdevices"]}
    except (ValueError, KeyError, TypeError):
        return {}


def disk(folder: Path) -> Disk:
    """The disk below `folder`, with its settings and its file system; nulls if unknown."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    mount = _mount_of(folder.resolve())
    tree: Disk = {
        "file_system": words(mount.kind, 20),
        "kind": "ram" if mount.kind in ("tmpfs", "ramfs") else None,
        "bus": None,
        "model": None,
        "bytes": None,
        "scheduler": None,
        "write_cache": None,
    }
    devices = _of_file_system(mount)
    below = [_below(device) for device in devices]
    leaves = list(dict.fromkeys(leaf for found in below for leaf in found))
    if not leaves or not all(below):
        return tree
    known = _listed()
    facts = [(leaf, known.get(leaf.name, {})) for leaf in leaves]
    ways = [_way(leaf, listed) for leaf, listed in facts]
    tree["kind"] = _agreed([_medium(*fact, bus=way) for fact, way in zip(facts, ways)])
    tree["bus"] = _agreed(ways)
    tree["model"] = _agreed([_model(*fact) for fact in facts])
    tree["scheduler"] = _agreed([_scheduler(leaf) for leaf in leaves])
    tree["write_cache"] = _agreed([_write_cache(leaf) for leaf in leaves])
    # Of several disks the volume that they make; a file system of several has no one size.
    whole = leaves[0] if len(leaves) == 1 else devices[0] if len(devices) == 1 else None
    sectors = number(read(whole / "size")) if whole is not None else None
    tree["bytes"] = sectors * 512 if sectors else None
    return tree
