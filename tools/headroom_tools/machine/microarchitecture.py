"""Which microarchitecture a CPU's family and model number mean."""

from __future__ import annotations

# Families and models as the vendors' manuals number them: (family, first model, last model, name).
# What lies outside of the ranges came later: its name is not known, whatever its family's is.
_AMD = (
    (0x17, 0x00, 0x2F, "zen"),
    (0x17, 0x50, 0x5F, "zen"),
    (0x17, 0x30, 0x4F, "zen2"),
    (0x17, 0x60, 0x7F, "zen2"),
    (0x17, 0x90, 0x91, "zen2"),
    (0x17, 0xA0, 0xAF, "zen2"),
    (0x19, 0x00, 0x0F, "zen3"),
    (0x19, 0x20, 0x5F, "zen3"),
    (0x19, 0x10, 0x1F, "zen4"),
    (0x19, 0x60, 0xAF, "zen4"),
    (0x1A, 0x00, 0x2F, "zen5"),
    (0x1A, 0x40, 0x4F, "zen5"),
    (0x1A, 0x60, 0x7F, "zen5"),
)
_INTEL = {
    "haswell": (0x3C, 0x3F, 0x45, 0x46),
    "broadwell": (0x3D, 0x47, 0x4F, 0x56),
    "skylake": (0x4E, 0x5E),
    "skylakex": (0x55,),
    "kabylake": (0x8E, 0x9E),
    "cometlake": (0xA5, 0xA6),
    "icelake": (0x7D, 0x7E, 0x6A, 0x6C),
    "tigerlake": (0x8C, 0x8D),
    "rocketlake": (0xA7,),
    "alderlake": (0x97, 0x9A, 0xBE),
    "raptorlake": (0xB7, 0xBA, 0xBF),
    "meteorlake": (0xAA, 0xAC),
    "arrowlake": (0xC5, 0xC6, 0xB5),
    "lunarlake": (0xBD,),
    "sapphirerapids": (0x8F,),
    "emeraldrapids": (0xCF,),
    "graniterapids": (0xAD, 0xAE),
    "sierraforest": (0xAF,),
}
# Models that steppings tell apart: (model, first stepping, last stepping, name).
_INTEL_STEPPINGS = (
    (0x55, 5, 7, "cascadelake"),
    (0x55, 10, 11, "cooperlake"),
)
_ARM = {  # MIDR part numbers of implementer 0x41
    0xD03: "cortex-a53",
    0xD05: "cortex-a55",
    0xD07: "cortex-a57",
    0xD08: "cortex-a72",
    0xD09: "cortex-a73",
    0xD0A: "cortex-a75",
    0xD0B: "cortex-a76",
    0xD0D: "cortex-a77",
    0xD41: "cortex-a78",
    0xD44: "cortex-x1",
    0xD46: "cortex-a510",
    0xD47: "cortex-a710",
    0xD48: "cortex-x2",
    0xD4D: "cortex-a715",
    0xD4E: "cortex-x3",
    0xD80: "cortex-a520",
    0xD81: "cortex-a720",
    0xD82: "cortex-x4",
    0xD0C: "neoverse-n1",
    0xD40: "neoverse-v1",
    0xD49: "neoverse-n2",
    0xD4F: "neoverse-v2",
    0xD84: "neoverse-v3",
    0xD8E: "neoverse-n3",
}


def microarchitecture(
    vendor: str | None, family: int | None, model: int | None, stepping: int | None = None
) -> str | None:
    """The microarchitecture's usual name, or None for one that the tables don't know.

    For Arm, `model` is the MIDR part number.
    """
    if vendor == "AuthenticAMD" and family is not None and model is not None:
        for known, first, last, name in _AMD:
            if family == known and first <= model <= last:
                return name
    if vendor == "GenuineIntel" and family == 6:
        for known, first, last, name in _INTEL_STEPPINGS:
            if model == known and stepping is not None and first <= stepping <= last:
                return name
        for name, models in _INTEL.items():
            if model in models:
                return name
    if vendor == "ARM" and model is not None:
        return _ARM.get(model)
    return None
