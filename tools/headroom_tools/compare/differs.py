"""What differs between the sides besides the times, and what of it confounds the comparison."""

from __future__ import annotations

from typing import Callable, NamedTuple, Sequence, cast

from headroom_tools.base.text import counted, listed, safe, size
from headroom_tools.compare.pooling import Measured, flat
from headroom_tools.compare.sides import Side
from headroom_tools.compare.types import Axis, AxisIndex, Difference, FactRow, Index
from headroom_tools.machine.allowance import allowed_told
from headroom_tools.machine.cores import in_words
from headroom_tools.machine.types import Machine
from headroom_tools.record import device as devices
from headroom_tools.record.types import Run

STORAGE = ("storage-sequential", "storage-random", "storage-sync")
# What an upgrade can touch; `cpu` and any other word touch everything.
TOUCHES = {
    "disk": {*STORAGE},
    "ram": {"memory-bandwidth", "memory-latency", "cache", "coherence", "cores"},
    "network": {"network"},
    "device": {"gpu"},
}
PARTS = ("cpu", "ram", "disk", "device")
# Facts of the fingerprint that software sets: no part of the hardware.
_SYSTEM = ("cpu.microcode", "cpu.governor", "cpu.boost", "cpu.mitigations", "kernel", "system",
           "virtualization", "allowed", "transparent_huge_pages", "disk.file_system",
           "disk.scheduler", "disk.write_cache", "device.driver", "device.version",
           "device.platform")  # fmt: skip
_NO_FACT = ("slug", "format", "version")
_UNKNOWN = "unknown"


def _or(value: object) -> str:
    return _UNKNOWN if value is None else str(value)


def _cpu(machine: Machine) -> str:
    cpu = machine["cpu"]
    name = cpu["model_name"] or cpu["vendor"] or _UNKNOWN
    return f"{name} ({cpu['microarchitecture']})" if cpu["microarchitecture"] else name


def cores_of(machine: Machine) -> str:
    """`2 cores, 4 threads`."""
    cpu = machine["cpu"]
    if cpu["cores"] is None and cpu["threads"] is None:
        return _UNKNOWN
    parts = [f"{_or(cpu['cores'])} core{'s'[: cpu['cores'] != 1]}"]
    parts.append(f"{_or(cpu['threads'])} thread{'s'[: cpu['threads'] != 1]}")
    parts += [in_words(cpu["kinds"])] if "kinds" in cpu else []
    parts += [f"{cpu['sockets']} sockets"] if (cpu["sockets"] or 1) > 1 else []
    return ", ".join(parts)


def _allowed(machine: Machine) -> str:
    return allowed_told(machine["allowed"]) if "allowed" in machine else "all of it"


def _caches(machine: Machine) -> str:
    parts = []
    for cache in machine["cpu"]["caches"]:
        if cache["bytes"] and cache["kind"] != "Instruction":
            kind = "d" if cache["kind"] == "Data" else ""
            parts.append(f"L{_or(cache['level'])}{kind} {size(cache['bytes'])}")
    return ", ".join(parts) or _UNKNOWN


def _ram(machine: Machine) -> str:
    ram = machine["ram"]
    if not ram["bytes"]:
        return _UNKNOWN
    return f"{-(-ram['bytes'] // (1 << 30))} GiB"


def _ram_speed(machine: Machine) -> str:
    ram = machine["ram"]
    parts = [ram["type"], ram["mega_transfers"] and f"{ram['mega_transfers']} MT/s"]
    parts += [ram["channels"] and f"{ram['channels']} channels"]
    parts += [ram["modules"] and f"{ram['modules']} modules"]
    return ", ".join(part for part in parts if part) or _UNKNOWN


def _disk(machine: Machine) -> str:
    disk = machine["disk"]
    parts = [disk["model"], disk["kind"], disk["bus"], disk["bytes"] and size(disk["bytes"])]
    return ", ".join(part for part in parts if part) or _UNKNOWN


def _boost(machine: Machine) -> str:
    return {True: "on", False: "off", None: _UNKNOWN}[machine["cpu"]["boost"]]


def _system(machine: Machine) -> str:
    return " ".join(filter(None, (machine["system"], machine["kernel"]))) or _UNKNOWN


def _mitigations(machine: Machine) -> str:
    found = machine["cpu"]["mitigations"]
    active = sorted(name for name, state in found.items() if (state or "").startswith("Mitigation"))
    return ", ".join(active) or ("none" if found else _UNKNOWN)


def _device(run: Run) -> str:
    device = run.get("device")
    return devices.told(device) if device else _UNKNOWN


def _commit(run: Run) -> str:
    return _or(run["commit"])[:12] + (" + changes" if run["dirty"] else "")


def _sources(run: Run) -> tuple[tuple[str, str | None], ...]:
    return tuple(sorted((kernel["name"], kernel["source_hash"]) for kernel in run["kernels"]))


class Fact(NamedTuple):
    """Something a reader asks first. of: what it is on a side, in a few words."""

    name: str
    of: Callable[[Measured], str]


FACTS = (
    Fact("machine", lambda side: side.run["machine"]),
    Fact("CPU", lambda side: _cpu(side.machine)),
    Fact("cores", lambda side: cores_of(side.machine)),
    Fact("allowed", lambda side: _allowed(side.machine)),
    Fact("caches", lambda side: _caches(side.machine)),
    Fact("frequency governor", lambda side: _or(side.machine["cpu"]["governor"])),
    Fact("boost", lambda side: _boost(side.machine)),
    Fact("microcode", lambda side: _or(side.machine["cpu"]["microcode"])),
    Fact("RAM size", lambda side: _ram(side.machine)),
    Fact("RAM speed", lambda side: _ram_speed(side.machine)),
    Fact("disk", lambda side: _disk(side.machine)),
    Fact("file system", lambda side: _or(side.machine["disk"]["file_system"])),
    Fact("disk scheduler", lambda side: _or(side.machine["disk"]["scheduler"])),
    Fact("OpenCL device", lambda side: _device(side.run)),
    Fact("virtualization", lambda side: side.machine["virtualization"] or "none seen"),
    Fact("kernel", lambda side: _system(side.machine)),
    Fact("mitigations", lambda side: _mitigations(side.machine)),
    Fact("huge pages", lambda side: _or(side.machine["transparent_huge_pages"])),
    Fact("compiler", lambda side: side.run["build"]["compiler"]),
    Fact("flags", lambda side: side.run["build"]["flags"]),
    Fact("build", lambda side: f"{side.run['build']['build_type']}, {side.run['build']['isa']}"),
    Fact("SIMD", lambda side: ", ".join(side.run["simd"]["taken"]) or "none"),
    Fact("SIMD asked for", lambda side: side.run["simd"]["asked"] or "the best there is"),
    Fact("profile", lambda side: side.run["profile"]),
    Fact("commit", lambda side: _commit(side.run)),
)  # fmt: skip


def facts(sides: list[Side]) -> tuple[list[FactRow], list[FactRow]]:
    """(what differs, what is the same): [{"name", "values": one a side}] of FACTS, libraries and
    the kernels' sources. Of what is the same there is one value. What no side knows is in neither:
    `unknown_facts` names it."""
    rows: list[FactRow] = [
        {"name": fact.name, "values": [safe(fact.of(s), 160) for s in sides]} for fact in FACTS
    ]
    libraries = dict.fromkeys(name for side in sides for name in side.run["libraries"])
    for name in sorted(libraries):
        values = [safe(side.run["libraries"].get(name) or "none", 60) for side in sides]
        rows.append({"name": safe(name, 40), "values": values})
    rows.append({"name": "kernel sources", "values": _told_sources(sides)})
    differing = [row for row in rows if len(set(row["values"])) > 1]
    same: list[FactRow] = [
        {"name": row["name"], "values": row["values"][:1]}
        for row in rows
        if len(set(row["values"])) == 1 and row["values"][0] != _UNKNOWN
    ]
    return differing, same


def unknown_facts(sides: list[Side]) -> list[str]:
    """The names of FACTS that no record here tells: whether they differ isn't known."""
    return [fact.name for fact in FACTS if all(fact.of(side) == _UNKNOWN for side in sides)]


def _told_sources(sides: list[Side]) -> list[str]:
    """Each side's kernels: how many, and how many of them have another source than the base's."""
    base = dict(_sources(sides[0].run))
    told = []
    for side in sides:
        own = dict(_sources(side.run))
        other = differing_sources(sides[0], side)
        text = counted(len(own), "kernel")
        if set(own) != set(base):
            text += f", {len(set(own) & set(base))} of them BASE's"
        known = _comparable_sources(sides[0], side)
        text += f", {len(other)} changed" if other else "" if known else ", unknown which changed"
        told.append(text)
    return told


def differing_sources(base: Side, new: Side) -> list[str]:
    """The kernels of which the two sides measured different code; none where their records' hashes
    cover different files."""
    if not _comparable_sources(base, new):
        return []
    old, now = dict(_sources(base.run)), dict(_sources(new.run))
    both = [name for name in old if name in now and None not in (old[name], now[name])]
    return sorted(name for name in both if old[name] != now[name])


def _brief(value: object) -> object:
    return safe(value, 120) if isinstance(value, (list, dict)) else value


def _same(field: str, old: object, now: object) -> bool:
    """Whether two facts are alike; kernels keep some RAM for themselves, and not all the same."""
    if field == "ram.bytes" and isinstance(old, int) and isinstance(now, int):
        return abs(old - now) <= 0.03 * max(old, now)
    if field == "disk.write_cache" and None in (old, now):
        return True  # records before it was asked for don't tell
    return old == now


def _choices(run: Run) -> dict[str, str | None]:
    """What was chosen for a run, besides libraries."""
    build = run["build"]
    return {
        "compiler": build["compiler"],
        "flags": build["flags"],
        "build_type": build["build_type"],
        "isa": build["isa"],
        "simd": ", ".join(run["simd"]["taken"]),
        "simd_target": run["simd"]["asked"],
        "profile": run["profile"],
        "commit": (run["commit"] or "none")[:12],
    }


def _hardware(side: Side, other: Side) -> dict[str, object]:
    """The facts of a side's machine, and of the device that it ran OpenCL on where both have
    one: what a side didn't use isn't known to differ."""
    facts_, device = flat(side.machine), side.run.get("device")
    if device and other.run.get("device"):
        facts_.update({f"device.{name}": v for name, v in devices.facts_of(device).items()})
    return facts_


def changed(base: Side, new: Side) -> list[Difference]:
    """Every field that differs between two sides: [{"field", "base", "new"}]."""
    found: list[Difference] = []
    old, now = _hardware(base, new), _hardware(new, base)
    for field in [f for f in dict.fromkeys([*old, *now]) if f not in _NO_FACT]:
        if not _same(field, old.get(field), now.get(field)):
            found.append(
                {"field": field, "base": _brief(old.get(field)), "new": _brief(now.get(field))}
            )
    chosen, other_ = _choices(base.run), _choices(new.run)
    for name in chosen:
        if chosen[name] != other_[name]:
            found.append({"field": name, "base": chosen[name], "new": other_[name]})
    before, after = base.run["libraries"], new.run["libraries"]
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            found.append({
                "field": f"libraries.{name}", "base": before.get(name), "new": after.get(name),
            })  # fmt: skip
    other = differing_sources(base, new)
    if other:
        told = f"{len(other)} of {len(base.run['kernels'])}: {', '.join(other)}"
        found.append({"field": "kernel_sources", "base": None, "new": safe(told, 300)})
    return found


def _is_system(field: str) -> bool:
    return any(field == name or field.startswith(f"{name}.") for name in _SYSTEM)


def parts_of(differences: list[Difference]) -> dict[str, list[str]]:
    """The parts of the hardware that differ, each with its fields."""
    fields = [entry["field"] for entry in differences if not _is_system(entry["field"])]
    found = {part: [f for f in fields if f.startswith(f"{part}.")] for part in PARTS}
    return {part: names for part, names in found.items() if names}


def touched(new: Side, differences: list[Difference]) -> tuple[set[str] | None, str]:
    """(axes that the change can have touched, what it is): None where it can be any of them.

    The change is what was declared with --changed, or else the parts of the hardware that differ,
    where no other configuration or code was measured.
    """
    declared = sorted(set(new.run["changed"]))
    parts = declared
    if not parts:
        fields = [entry["field"] for entry in differences]
        settings = ("disk.file_system", "disk.scheduler", "disk.write_cache")
        kept = [f for f in fields if f not in ("commit", *settings)]
        parts = sorted(parts_of(differences))
        storage = [f for f in fields if f in settings]
        parts = sorted({*parts, "disk"}) if storage else parts
        if any(field.split(".")[0] not in parts or _is_system(field) for field in kept):
            parts = []
    if not parts or not all(part in TOUCHES for part in parts):
        return None, ""
    return set().union(*(TOUCHES[part] for part in parts)), listed(parts)


def _of_configuration(
    base: Side, new: Side, fields: dict[str, Difference], hardware: bool
) -> list[str]:
    """Warnings about compiler, flags, SIMD, libraries, profile and system software."""
    lines = []
    chosen = [name for name in ("compiler", "flags", "build_type", "isa", "simd") if name in fields]
    if "simd" in chosen and "simd_target" not in fields and hardware:
        chosen.remove("simd")  # the CPUs differ in what they have: that is the comparison
    libraries = [name for name in fields if name.startswith("libraries.")]
    # One machine and one choice: that is what is compared, and nothing else interferes.
    subject = not hardware and len(chosen) + bool(libraries and not chosen) <= 1
    for name in () if subject else chosen:
        differ = f"{name.replace('_', ' ')} differ{'s'[: name != 'flags']}"
        lines.append(
            f"{differ}: {fields[name]['base']} against {fields[name]['new']}"
            + (": it isn't only the hardware" if hardware else "")
        )
    if libraries and (hardware or chosen):
        told = listed([name.split(".", 1)[1] for name in libraries])
        lines.append(f"libraries differ: {told}: variants that use them are other code")
    if not hardware and len(chosen) > 1:
        told = listed([name.replace("_", " ") for name in chosen])
        lines.append(f"the ratios are of {told} together: to tell them apart, change one at a time")
    if "profile" in fields:
        lines.append(
            f"profile differs: {fields['profile']['base']} against {fields['profile']['new']}"
        )
    system = [name for name in fields if _is_system(name) and not name.startswith("disk.")]
    if system and (hardware or chosen or len(system) > 1):
        told = listed(list(dict.fromkeys(".".join(name.split(".")[:2]) for name in system)))
        lines.append(f"system software or its settings differ, which is no hardware: {told}")
    for side in (base, new):
        if side.run["dirty"]:
            lines.append(f"{side.name} was measured with uncommitted changes")
    return lines


def _comparable_sources(base: Side, new: Side) -> bool:
    """Whether the hashes of both sides are of the same files: version 1 left headers out."""
    return (base.run["version"] > 1) == (new.run["version"] > 1)


def _unhashed(base: Side, new: Side) -> list[str]:
    """The kernels of both sides of whose source a record has no hash."""
    old, now = dict(_sources(base.run)), dict(_sources(new.run))
    return sorted(name for name in old if name in now and None in (old[name], now[name]))


def _of_sources(base: Side, new: Side, fields: dict[str, Difference]) -> list[str]:
    if not _comparable_sources(base, new):
        return ["one record is of version 1: whether both measured the same source is unknown"]
    lines = []
    differing = differing_sources(base, new)
    if differing:
        lines.append(
            f"other source code was measured in {listed(differing, 8)}: these ratios are no "
            "comparison of machines"
        )
    without = _unhashed(base, new)
    if without:
        lines.append(
            f"a record has no hash of the source of {listed(without, 8)}: whether both measured "
            "the same is unknown"
        )
    if "commit" in fields and not lines:
        lines.append("the commits differ, but not the sources of the kernels that both have")
    return lines


def _of_declared(base: Side, new: Side, fields: dict[str, Difference]) -> list[str]:
    """What was declared with --changed, held against what differs."""
    lines = []
    actual = parts_of(list(fields.values()))
    declared = set(new.run["changed"])
    if not declared:
        if actual and base.run["machine"] == new.run["machine"]:
            lines.append(
                f"{listed(list(actual))} differ{'s'[: len(actual) == 1]} between two runs of one "
                "name, and nothing was declared: `headroom run --changed`"
            )
        return lines
    for part in sorted(set(actual) - declared):
        lines.append(
            f"only {listed(sorted(declared))} {'was' if len(declared) == 1 else 'were'} declared "
            f"as changed, but {listed(actual[part], 3)} differ{'s'[: len(actual[part]) == 1]} too"
        )
    for part in sorted(declared & set(PARTS)):
        if not any(field.startswith(f"{part}.") for field in fields):
            lines.append(
                f"{part} was declared as changed, but nothing that can be read of it differs"
            )
    return lines


def moved_of(index: Index) -> bool:
    """Whether the interval lies on one side of 1."""
    lo, hi = index["lo"], index["hi"]
    return lo is not None and hi is not None and (lo > 1 or hi < 1)


def controls(axes: Sequence[AxisIndex], can_touch: set[str] | None) -> list[Axis]:
    """`axes` with what each is in this comparison: "control" is true for an axis that the change
    can't have touched, and "contaminated" for one of these that moved all the same."""
    found: list[Axis] = []
    for axis in axes:
        control = can_touch is not None and axis["axis"] not in can_touch
        told = cast(Axis, {**axis, "control": control, "contaminated": control and moved_of(axis)})
        found.append(told)
    return found


def warnings(
    base: Side, new: Side, differences: list[Difference], axes: Sequence[AxisIndex]
) -> list[str]:
    """What a reader must know before believing the numbers, one line each."""
    fields = {entry["field"]: entry for entry in differences}
    lines = _of_configuration(base, new, fields, bool(parts_of(differences)))
    lines += _of_devices(base, new)
    lines += _of_sources(base, new, fields)
    lines += _of_declared(base, new, fields)
    can_touch, what = touched(new, differences)
    for axis in controls(axes, can_touch):
        if axis["contaminated"]:
            lines.append(
                f"{axis['axis']} moved to {axis['ratio']:.3f}x, which a change of {what} can't "
                "have touched: the comparison is contaminated"
            )
    for side in (base, new):
        if side.withheld:
            names = sorted({key[0] for key in side.withheld})
            told = counted(len(side.withheld), "cell")
            lines.append(
                f"left out of {side.name}: {told} above the ceiling, in {listed(names, 4)}"
            )
    lines += _of_machines(base, new) + _of_runs(base, new)
    return lines


def _of_devices(base: Side, new: Side) -> list[str]:
    """What OpenCL ran on, where that isn't the same kind of device."""
    old, now = base.run.get("device"), new.run.get("device")
    if old is None or now is None or devices.kind_of(old) == devices.kind_of(now):
        return []
    return [
        f"OpenCL ran {devices.told(old)} in {base.name}, {devices.told(now)} in {new.name}: what "
        "was measured there isn't compared, and counts for no axis"
    ]


def _of_machines(base: Side, new: Side) -> list[str]:
    """Runs of one name and one configuration that were left out, for they differ as machines do."""
    lines = []
    for side in (base, new):
        strays = [(one.name, one.apart) for one in side.not_pooled if one.apart]
        if strays:
            told = [f"{safe(name, 80)} has {apart.factor:.2f}x" for name, apart in strays]
            more = f" and {len(told) - 4} more" if len(told) > 4 else ""
            lines.append(
                f"these runs differ as machines do: {', '.join(told[:4])}{more} of the speed of "
                f"{side.name} on {', '.join(strays[0][1].axes[:3])}: not pooled; name machines "
                "apart with --machine"
            )
    return lines


def _of_runs(base: Side, new: Side) -> list[str]:
    """Where what is known of how runs differ comes from."""
    alone = [side for side in (base, new) if len(side.runs) == 1 and not side.repeats]
    if len(alone) < 2:
        return []
    return [
        "one run a side: how far runs differ is taken from their launches and from what such "
        "machines showed; two or more of each, kept beside each other, tell it better"
    ]
