"""The device of OpenCL's that some of a run's variants ran on, and what is said of it.

A figure of a device always names it. One that OpenCL runs on the CPU (PoCL) is no GPU's: it is said
to be a CPU's everywhere, and counts for no axis `gpu`.
"""

from __future__ import annotations

from headroom_tools.base.text import safe
from headroom_tools.record.types import Device, Run, Variant

NEED = "opencl"  # what variants that run on a device need
AXIS = "gpu"
PROBES = "machine/device_"  # what these measure bounds nothing but a device
# Long names that everybody has a short one for.
_SHORT = {"Portable Computing Language": "PoCL"}


def on_device(variant: Variant) -> bool:
    """Whether a variant runs on a device."""
    return NEED in variant["needs"]


def device_of(run: Run, variant: Variant) -> Device | None:
    """The device that a variant of a run ran on; None for those of the CPU's own."""
    return run.get("device") if on_device(variant) else None


def kind_of(device: Device | None) -> str:
    """What figures are compared by: those of different kinds of devices are not."""
    return device["type"] if device else ""


def told(device: Device) -> str:
    """`on a GPU: NVIDIA H200`; of a driver that computes on the CPU, `on a CPU: PoCL 3.1`."""
    if device["type"] == "cpu":
        platform = _SHORT.get(device["platform"], device["platform"])
        return safe(f"on a CPU: {platform} {device['driver']}", 70)
    kinds = {"gpu": "a GPU", "accelerator": "an accelerator"}
    return safe(f"on {kinds.get(device['type'], 'a device')}: {device['name']}", 70)


def in_full(device: Device) -> str:
    """The same with what it is driven by: a line for the head of a run."""
    parts = [device["name"], device["platform"], f"driver {device['driver']}", device["version"]]
    kind = {"gpu": "a GPU", "accelerator": "an accelerator", "cpu": "the CPU (no GPU)"}
    return safe(f"OpenCL on {kind.get(device['type'], 'a device')}: {', '.join(parts)}", 300)


def facts_of(device: Device | None) -> dict[str, object]:
    """What of it is a fact of the hardware or its driver, by name. Of a CPU only what drives it:
    the rest is the CPU's own."""
    if device is None:
        return {}
    own: dict[str, object] = dict(device)
    if device["type"] != "cpu":
        return own
    return {name: own[name] for name in ("type", "platform", "driver", "version")}
