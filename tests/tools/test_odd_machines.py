"""Machines that are unlike the usual server: each fact is the right one, or null.

The trees of /proc and /sys and what lscpu and dmidecode print are made up, in the forms in which
kernels and these programs write them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from headroom_tools.machine import cores, disks, memory, processor, sources, terminal
from headroom_tools.machine.fingerprint import fingerprint
from headroom_tools.measure import cautions
from headroom_tools.record import allowed, validate

CPUS = "sys/devices/system/cpu"


class Made:
    """A machine that is made up. outputs: what programs print, by their name."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.outputs = folder, {}
        monkeypatch.setattr(sources, "SYS", folder / "sys")
        monkeypatch.setattr(sources, "PROC", folder / "proc")
        monkeypatch.setattr(sources, "output", lambda name, *more: self.outputs.get(name))
        monkeypatch.setattr(cores, "allowed", lambda: set())
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setenv("HEADROOM_SYSTEM", str(folder))

    def write(self, **files):
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else f"{text}\n".encode())

    def link(self, name, target):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(self.folder / target)

    def cpu(self, at, siblings, l2="512K", l3="", mhz=0, capacity=0):
        here = f"{CPUS}/cpu{at}"
        self.write(**{f"{here}/topology/thread_siblings_list": siblings})
        sizes = [(1, "Data", "32K"), (2, "Unified", l2), *([(3, "Unified", l3)] if l3 else [])]
        for index, (level, kind, size) in enumerate(sizes):
            cache = f"{here}/cache/index{index}"
            self.write(**{f"{cache}/level": str(level), f"{cache}/type": kind,
                          f"{cache}/size": size, f"{cache}/shared_cpu_list": siblings})  # fmt: skip
        if mhz:
            self.write(**{f"{here}/cpufreq/cpuinfo_max_freq": f"{mhz}000"})
        if capacity:
            self.write(**{f"{here}/cpu_capacity": str(capacity)})


@pytest.fixture
def made(tmp_path, monkeypatch):
    return Made(tmp_path, monkeypatch)


def _lscpu(*fields):
    """lscpu -J. fields: (name, value, *those below it)."""

    def entry(name, value, *below):
        return {"field": f"{name}:", "data": value, "children": [entry(*one) for one in below]}

    return json.dumps({"lscpu": [entry(*field) for field in fields]})


def _arm(parts):
    """/proc/cpuinfo of an Arm CPU with cores of these parts."""
    return "\n\n".join(
        f"processor\t: {at}\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n"
        f"CPU architecture: 8\nCPU variant\t: 0x1\nCPU part\t: {part}\nCPU revision\t: 0"
        for at, part in enumerate(parts)
    )


def _little_and_big(made, name="Cortex-A76"):
    """Four Cortex-A55, three Cortex-A76, and one that is allowed a higher clock."""
    made.write(**{f"{CPUS}/online": "0-7", "proc/cpuinfo": _arm(["0xd05"] * 4 + ["0xD0B"] * 4)})
    for at in range(8):
        big, best = at > 3, at == 7
        made.cpu(at, str(at), l2="512K" if big else "128K", l3="4M",
                 mhz=2850 if best else 2400 if big else 1800,
                 capacity=1024 if big else 300)  # fmt: skip
    made.outputs["lscpu"] = _lscpu(
        ("Architecture", "aarch64"), ("CPU(s)", "8"), ("On-line CPU(s) list", "0-7"),
        ("Vendor ID", "ARM",
         ("Model name", "Cortex-A55", ("Model", "0"), ("Thread(s) per core", "1"),
          ("Core(s) per socket", "4"), ("Socket(s)", "1"), ("Stepping", "r1p0")),
         ("Model name", name, ("Model", "1"), ("Thread(s) per core", "1"),
          ("Core(s) per socket", "4"), ("Socket(s)", "1"), ("Stepping", "r3p1"))),
    )  # fmt: skip


def test_cores_of_two_kinds_are_all_counted_and_each_has_its_own_facts(made, tmp_path):
    _little_and_big(made)
    tree = fingerprint(tmp_path)
    cpu = tree["cpu"]
    assert (cpu["cores"], cpu["threads"], cpu["sockets"]) == (8, 8, 1)
    assert cpu["microarchitecture"] == "cortex-a55" and cpu["model"] == 0xD05
    assert cpu["model_name"] == "Cortex-A55 + Cortex-A76" and cpu["max_mhz"] == 1800
    told = [
        (kind["name"], kind["cores"], kind["max_mhz"], kind["caches"][1]["bytes"] >> 10,
         kind["one_thread_runs_here"])
        for kind in cpu["kinds"]
    ]  # fmt: skip
    assert told == [
        ("cortex-a55", 4, 1800, 128, True),
        ("cortex-a76", 4, 2850, 512, False),
    ]
    validate.machine_tree(tree, "machine.json")
    allowed.possible_machine("machine.json", tree)
    line = terminal.in_one_line(tree)
    assert "8 cores, 4 cortex-a55 up to 1800 MHz and 4 cortex-a76 up to 2850 MHz" in line


def test_the_kind_that_one_thread_is_pinned_to(made, tmp_path, monkeypatch):
    _little_and_big(made)
    monkeypatch.setattr(cores, "allowed", lambda: {5, 6})
    cpu = processor.cpu()
    assert [kind["one_thread_runs_here"] for kind in cpu["kinds"]] == [False, True]
    assert cpu["microarchitecture"] == "cortex-a76" and cpu["caches"][1]["bytes"] == 512 << 10
    assert cpu["cores"] == 8, "the machine's, whatever this process may use"


@pytest.mark.parametrize("broken", ("topology", "lscpu"))
def test_cores_are_counted_where_one_source_is_missing(made, broken):
    _little_and_big(made)
    if broken == "lscpu":
        del made.outputs["lscpu"]
    else:
        for at in range(8):
            (made.folder / f"{CPUS}/cpu{at}/topology/thread_siblings_list").unlink()
    assert processor.cpu()["cores"] == 8


def test_cores_of_several_kinds_are_cautioned_against_with_the_cure(made, monkeypatch):
    monkeypatch.setattr(cautions, "_sample", lambda: cautions.Sample(0.0, 0.0, 0.0))
    catalogue = {"build": {"build_type": "Release", "flags": ""}, "kernels": []}
    subject = cautions.Subject(catalogue, {}, [])
    assert cautions.found(subject) == []
    _little_and_big(made)
    (line,) = cautions.found(subject)
    assert "2 kinds (4 cortex-a55 up to 1800 MHz and 4 cortex-a76" in line
    assert "one thread is measured on cortex-a55" in line
    assert "taskset -c 4-7, or 0-3" in line
    monkeypatch.setattr(cores, "allowed", lambda: {4, 5, 6, 7})  # the cure was taken
    assert cautions.found(subject) == []


def test_intels_kinds_and_cores_that_differ_in_clock_alone(made):
    blocks = [f"processor : {at}\nvendor_id : GenuineIntel\ncpu family : 6\nmodel : 183\n"
              "stepping : 1\nflags : fpu avx2" for at in range(8)]  # fmt: skip
    made.write(**{f"{CPUS}/online": "0-7", f"{CPUS}/smt/active": "1",
                  "proc/cpuinfo": "\n\n".join(blocks)})  # fmt: skip
    for at in range(4):
        made.cpu(at, "0-1" if at < 2 else "2-3", l2="2M", l3="36M", mhz=5800 if at < 2 else 5500)
    for at in range(4, 8):
        made.cpu(at, str(at), l2="4M", l3="36M", mhz=4300)
    cpu = processor.cpu()
    assert [kind["name"] for kind in cpu["kinds"]] == [None, None], "by their caches alone"
    made.write(**{"sys/devices/cpu_core/cpus": "0-3", "sys/devices/cpu_atom/cpus": "4-7"})
    cpu = processor.cpu()
    told = [(kind["name"], kind["cores"], kind["threads"]) for kind in cpu["kinds"]]
    assert told == [("P-core", 2, 4), ("E-core", 4, 4)]
    assert (cpu["cores"], cpu["threads"], cpu["smt"]) == (6, 8, True)
    assert cpu["microarchitecture"] == "raptorlake" and cpu["max_mhz"] == 5800


def test_one_kind_of_core_has_no_list_of_kinds(made):
    made.write(**{f"{CPUS}/online": "0-3"})
    for at in range(4):
        made.cpu(at, str(at), mhz=5000 + at)
    assert "kinds" not in processor.cpu()


def test_smt_that_is_switched_off(made):
    made.write(**{f"{CPUS}/online": "0-3", f"{CPUS}/smt/active": "0"})
    for at in range(4):
        made.cpu(at, str(at))
    made.outputs["lscpu"] = _lscpu(
        ("CPU(s)", "8"), ("On-line CPU(s) list", "0-3"), ("Off-line CPU(s) list", "4-7"),
        ("Model name", "X", ("Thread(s) per core", "1"), ("Core(s) per socket", "4"),
         ("Socket(s)", "1")),
    )  # fmt: skip
    cpu = processor.cpu()
    assert (cpu["cores"], cpu["threads"], cpu["smt"]) == (4, 4, False)
    (made.folder / CPUS / "online").unlink()
    assert processor.cpu()["threads"] == 4, "those that are off are none"


def test_a_dash_is_no_name_and_hexadecimal_is_a_number(made):
    made.outputs["lscpu"] = _lscpu(
        ("Vendor ID", "ARM"), ("Model name", "-"), ("Model", "0x31"), ("Stepping", "0x1"),
        ("Core(s) per socket", "-"), ("Core(s) per cluster", "4"), ("Socket(s)", "-"),
        ("Cluster(s)", "2"),
    )  # fmt: skip
    cpu = processor.cpu()
    assert (cpu["model_name"], cpu["model"], cpu["stepping"]) == (None, 0x31, 1)
    assert (cpu["cores"], cpu["sockets"]) == (8, None)
    made.write(**{"proc/cpuinfo": _arm(["0xD4F"])})
    cpu = processor.cpu()
    assert (cpu["model"], cpu["microarchitecture"]) == (0xD4F, "neoverse-v2")


def test_a_part_of_another_maker_is_no_part_of_arms(made):
    made.write(**{"proc/cpuinfo": _arm(["0xd0c"]).replace("0x41", "0xc0")})
    cpu = processor.cpu()
    assert (cpu["vendor"], cpu["model"], cpu["microarchitecture"]) == ("Ampere", 0xD0C, None)


PCI = "sys/devices/pci0000:00"
SCSI = f"{PCI}/0000:00:05.0"
# Where a disk hangs, its rotational, vendor and model; then what it is, and its bus.
DISKS = {
    "hdd": (f"{SCSI}/ata1/host0/block/sda", "1", "ATA", "ST4000", "hdd", None),
    "ssd": (f"{SCSI}/ata1/host0/block/sda", "0", "ATA", "Samsung SSD 870", "ssd", None),
    "nvme": (f"{SCSI}/nvme/nvme0/nvme0n1", "0", "", "Samsung SSD 990", "ssd", "nvme"),
    "virtio": (f"{PCI}/0000:00:04.0/virtio1/block/vda", "1", "", "", None, "virtio"),
    "virtio-scsi": (f"{SCSI}/virtio2/host0/0:0:0:0/block/sda", "1", "QEMU", "QEMU HARDDISK", None,
                    "virtio"),
    "vmware": (f"{SCSI}/host0/0:0:0:0/block/sda", "1", "VMware", "Virtual disk", None, None),
    "vmware-nvme": (f"{SCSI}/nvme/nvme0/nvme0n1", "0", "", "VMware Virtual NVMe Disk", None,
                    "nvme"),
    "ebs": (f"{SCSI}/nvme/nvme0/nvme0n1", "0", "", "Amazon Elastic Block Store", None, "nvme"),
    "ec2": (f"{SCSI}/nvme/nvme0/nvme0n1", "0", "", "Amazon EC2 NVMe Instance Storage", "ssd",
            "nvme"),
    "hyperv": ("sys/devices/LNXSYSTM:00/VMBUS:00/f8b3781a/host0/0:0:0:0/block/sda", "1", "Msft",
               "Disk", None, "hyperv"),
    "xen": ("sys/devices/vbd-51712/block/xvda", "0", "", "", None, "xen"),
    "usb": (f"{PCI}/0000:00:14.0/usb2/2-1/host6/block/sdb", "1", "SanDisk", "Ultra", None, "usb"),
    "usb-ssd": (f"{PCI}/0000:00:14.0/usb2/2-1/host6/block/sdb", "0", "Samsung", "T7", "ssd",
                "usb"),
    "raid": (f"{SCSI}/host0/0:2:0:0/block/sda", "1", "DELL", "PERC H730 Mini", None, None),
    "zram": ("sys/devices/virtual/block/zram0", "0", "", "", None, None),
    "loop": ("sys/devices/virtual/block/loop0", "1", "", "", None, None),
    "nbd": ("sys/devices/virtual/block/nbd0", "0", "", "", None, None),
}  # fmt: skip


def _disk(made, which, number="8:0", partition=False):
    """Makes a disk; returns where it is in /sys."""
    where, rotational, vendor, model = DISKS[which][:4]
    made.write(**{f"{where}/queue/rotational": rotational, f"{where}/size": "2048",
                  f"{where}/queue/scheduler": "none [mq-deadline]",
                  f"{where}/queue/write_cache": "write back"})  # fmt: skip
    if vendor or model:
        made.write(**{f"{where}/device/vendor": vendor, f"{where}/device/model": model})
    name = where.rpartition("/")[2]
    if partition:
        made.write(**{f"{where}/{name}1/size": "1024"})
        made.link(f"sys/class/block/{name}1", f"{where}/{name}1")
        where = f"{where}/{name}1"
    made.link(f"sys/dev/block/{number}", where)
    if not partition:
        made.link(f"sys/class/block/{name}", where)
    return where


def _mounted(made, number="8:0", kind="ext4", source="/dev/x", at="/", more=b""):
    line = f"22 1 {number} / {at} rw,relatime shared:1 - {kind} {source} rw\n".encode()
    made.write(**{"proc/self/mountinfo": line + more})


@pytest.mark.parametrize("which", DISKS)
@pytest.mark.parametrize("partition", (False, True))
def test_each_disk_is_what_it_is_or_null(made, which, partition):
    _disk(made, which, partition=partition)
    _mounted(made)
    disk = disks.disk(made.folder)
    kind, bus = DISKS[which][4:]
    assert (disk["kind"], disk["bus"]) == (kind, bus)
    assert (disk["bytes"], disk["scheduler"]) == (2048 * 512, "mq-deadline")


def _volume(made, name, below, number):
    """A device of device mapper, or of md, over others."""
    where = f"sys/devices/virtual/block/{name}"
    made.write(**{f"{where}/queue/rotational": "1", f"{where}/size": "4096",
                  f"{where}/dm/name": f"vg-{name}"})  # fmt: skip
    for one in below:
        made.link(f"{where}/slaves/{one.rpartition('/')[2]}", one)
    made.link(f"sys/dev/block/{number}", where)
    made.link(f"sys/class/block/{name}", where)
    return where


def test_a_volume_is_what_lies_below_it(made):
    luks = _volume(made, "dm-0", [_disk(made, "nvme", "259:0", partition=True)], "254:0")
    _volume(made, "dm-1", [luks], "254:1")
    _mounted(made, "254:1")
    disk = disks.disk(made.folder)
    assert (disk["kind"], disk["bus"], disk["model"]) == ("ssd", "nvme", "Samsung SSD 990")
    assert disk["bytes"] == 2048 * 512 and disk["scheduler"] == "mq-deadline"


@pytest.mark.parametrize(
    ("below", "kind"),
    ((("hdd", "nvme"), None), (("ssd", "nvme"), "ssd"), (("nvme", "virtio"), None)),
)
def test_a_volume_of_several_disks_is_what_they_agree_on(made, below, kind):
    parts = [_disk(made, one, f"8:{at}", True) for at, one in enumerate(below)]
    _volume(made, "md0", parts, "9:0")
    _mounted(made, "9:0")
    disk = disks.disk(made.folder)
    assert disk["kind"] == kind and disk["bus"] is None and disk["model"] is None
    assert disk["bytes"] == 4096 * 512


def test_a_volume_over_nothing_that_is_shown_is_unknown(made):
    _volume(made, "dm-0", [], "254:0")
    _mounted(made, "254:0")
    assert disks.disk(made.folder)["kind"] is None


def test_a_loop_device_lies_where_its_file_does(made):
    loop = _disk(made, "loop", "7:0")
    _disk(made, "ssd")
    made.write(**{f"{loop}/loop/backing_file": "/images/my disk.img"})
    inner = f"40 22 7:0 / {made.folder} rw - xfs /dev/loop0 rw\n".encode()
    _mounted(made, more=inner)
    disk = disks.disk(made.folder)
    assert (disk["file_system"], disk["kind"]) == ("xfs", "ssd")


def test_a_loop_device_on_itself_ends(made):
    loop = _disk(made, "loop", "7:0")
    made.write(**{f"{loop}/loop/backing_file": "/a.img"})
    _mounted(made, "7:0")
    assert disks.disk(made.folder)["kind"] is None


@pytest.mark.parametrize(("other", "kind"), ((None, "ssd"), ("nvme", "ssd"), ("hdd", None)))
def test_btrfs_has_no_device_number_but_names_its_devices(made, other, kind):
    devices = ["nvme" if other == "hdd" else "ssd", *([other] if other else [])]
    folders = [_disk(made, one, f"8:{at}") for at, one in enumerate(devices)]
    for folder in folders:
        name = folder.rpartition("/")[2]
        made.link(f"sys/fs/btrfs/8d4f/devices/{name}", folder)
    _mounted(made, "0:31", "btrfs", f"/dev/{folders[0].rpartition('/')[2]}")
    disk = disks.disk(made.folder)
    assert (disk["file_system"], disk["kind"]) == ("btrfs", kind)
    assert (disk["bytes"] is None) == (other is not None)


def test_a_mapped_device_is_found_by_its_name(made):
    _volume(made, "dm-0", [_disk(made, "ssd")], "254:0")
    _mounted(made, "0:31", "btrfs", "/dev/mapper/vg-dm-0")
    assert disks.disk(made.folder)["kind"] == "ssd"


@pytest.mark.parametrize(
    ("kind", "source"),
    (("zfs", "tank/home"), ("overlay", "overlay"), ("nfs4", "host:/home"), ("9p", "/dev/gone")),
)
def test_what_names_no_device_here_is_unknown(made, kind, source):
    _mounted(made, "0:50", kind, source)
    disk = disks.disk(made.folder)
    assert (disk["file_system"], disk["kind"], disk["bytes"]) == (kind, None, None)


@pytest.mark.parametrize(
    "name",
    (b"my disk", rb"back\slash", "Größe".encode(), b"a\tb", b"line\nend", b"no#utf8\xe9",
     "a\u00a0b\u2028c".encode(), rb"\134", b" - "),
)  # fmt: skip
def test_mount_points_of_any_name(made, name):
    folder = os.fsencode(made.folder) + b"/" + name
    os.mkdir(folder)
    escaped = b"".join(b"\\%03o" % one if one in b" \t\n\\#" else bytes([one]) for one in folder)
    _disk(made, "ssd", "8:16")
    _mounted(made, "0:9", "overlay", more=b"30 22 8:16 / %s rw - xfs /dev/sdb rw\n" % escaped)
    disk = disks.disk(Path(os.fsdecode(folder)))
    assert (disk["file_system"], disk["kind"]) == ("xfs", "ssd")
    assert disks.disk(made.folder)["file_system"] == "overlay"


def _module(locator="DIMM 0", bank="BANK 0", array="0x0010", **fields):
    """A block of dmidecode's."""
    shown = {
        "Array Handle": array, "Total Width": "64 bits", "Size": "16 GB", "Locator": locator,
        "Bank Locator": bank, "Type": "DDR5", "Type Detail": "Synchronous", "Speed": "5600 MT/s",
        "Configured Memory Speed": "4800 MT/s", **fields,
    }  # fmt: skip
    lines = [f"\t{name}: {value}" for name, value in shown.items() if value is not None]
    return "\n".join(["Handle 0x0011, DMI type 17, 92 bytes", "Memory Device", *lines])


def _ram(made, *blocks):
    made.outputs["dmidecode"] = "# dmidecode 3.6\n\n" + "\n\n".join(blocks) + "\n"
    ram = memory.ram()
    return ram["type"], ram["mega_transfers"], ram["modules"], ram["channels"]


@pytest.mark.parametrize("size", ("16 GB", "16 GiB", "16384 MB", "16384 MiB", "1 TiB"))
def test_sizes_in_either_unit(made, size):
    assert _ram(made, _module("A", Size=size)) == ("DDR5", 4800, 1, None)
    assert _ram(made, _module("A", Size=size), _module("B", Size="No Module Installed"))[2] == 1


def test_what_is_no_ram_is_no_module(made):
    array = "Handle 0x0020, DMI type 16, 23 bytes\nPhysical Memory Array\n\tUse: Flash Memory"
    flash = [
        _module("SYSTEM ROM", Type="Flash", Speed="33 MT/s", **{"Configured Memory Speed": "33"}),
        _module("ROM", Type="EEPROM"), _module("ROM", array="0x0020", Type="Unknown"),
        _module("PMEM", Type="Logical non-volatile device"),
        _module("PMEM", **{"Memory Technology": "Intel Optane persistent memory"}),
    ]  # fmt: skip
    assert _ram(made, array, *flash) == (None, None, None, None)
    dram = _module("P0 CHANNEL A", **{"Memory Technology": "DRAM"})
    assert _ram(made, array, *flash, dram) == ("DDR5", 4800, 1, 1)


def test_a_speed_that_is_unknown_as_configured_is_the_modules_own(made):
    unknown = {"Configured Memory Speed": "Unknown"}
    assert _ram(made, _module(**unknown))[1] == 5600
    older = {"Configured Memory Speed": None, "Configured Clock Speed": "2400 MHz"}
    assert _ram(made, _module(**older))[1] == 2400
    assert _ram(made, _module(**unknown, Speed="Unknown"))[1] is None


def test_modules_that_differ_have_no_one_speed(made):
    slow = _module(**{"Configured Memory Speed": "3600 MT/s"})
    assert _ram(made, _module(), slow)[:3] == ("DDR5", None, 2)


@pytest.mark.parametrize(
    ("places", "channels"),
    (
        ([("DIMM 0", "P0 CHANNEL A"), ("DIMM 1", "P0 CHANNEL A"), ("DIMM 0", "P0 CHANNEL B")], 2),
        ([("DIMM 0", "P0 CHANNEL A"), ("DIMM 0", "P1 CHANNEL A")], 2),
        ([("Controller0-ChannelA-DIMM0", "BANK 0"), ("Controller1-ChannelA-DIMM0", "BANK 0")], 2),
        ([("Controller0-ChannelA-DIMM0", "BANK 0"), ("Controller0-ChannelA-DIMM1", "BANK 1")], 1),
        ([("CPU1_DIMM_A1", "P0_Node0_Channel0_Dimm0"), ("CPU1_DIMM_A2", "P0_Node0_Channel0_Dimm1"),
          ("CPU2_DIMM_A1", "P1_Node0_Channel0_Dimm0")], 2),
        ([("ChannelA-DIMM0", "BANK 0"), ("ChannelB-DIMM0", "BANK 2")], 2),
        ([("DIMM 0", "P0 CHANNEL A"), ("DIMM 9", "Not Specified")], None),
    ),
)  # fmt: skip
def test_channels_are_counted_within_what_numbers_them(made, places, channels):
    assert _ram(made, *(_module(*place) for place in places))[3] == channels


def test_lpddr_and_types_that_dmidecode_does_not_know(made):
    chips = [_module(f"Controller{at // 4}-Channel{'ABCD'[at % 4]}", Type="LPDDR5",
                     **{"Data Width": "16 bits"}) for at in range(8)]  # fmt: skip
    assert _ram(made, *chips) == ("LPDDR5", 4800, 8, None), "narrow channels are no channels"
    assert _ram(made, _module(Type="<OUT OF SPEC>"))[0] is None
    assert _ram(made, _module(Type="RAM"))[0] is None
