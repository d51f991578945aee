"""Which microarchitecture a CPU's family and model number mean."""

from __future__ import annotations

# Families and models as the vendors' manuals number them: (family, first model, last model, name).
_AMD = (
    (0x17, 0x00, 0x2F, "zen"),
    (0x17, 0x30, 0xFF, "zen2"),
    (0x19, 0x10, 0x1F, "zen4"),
    (0x19, 0x60, 0xAF, "zen4"),
    (0x19, 0x00, 0xFF, "zen3"),
    (0x1A, 0x00, 0xFF, "zen5"),
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
_ARM = {  # MIDR part numbers of implementer 0x41
    0xD03: "cortex-a53",
    0xD05: "cortex-a55",
    0xD08: "cortex-a72",
    0xD0B: "cortex-a76",
    0xD0C: "neoverse-n1",
    0xD40: "neoverse-v1",
    0xD49: "neoverse-n2",
    0xD4F: "neoverse-v2",
    0xD84: "neoverse-v3",
    0xD8E: "neoverse-n3",
}


def microarchitecture(vendor: str | None, family: int | None, model: int | None) -> str | None:
    """The microarchitecture's usual name, or None for one that the tables don't know.

    For Arm, `model` is the MIDR part number.
    """
    if vendor == "AuthenticAMD" and family is not None and model is not None:
        for known, first, last, name in _AMD:
            if family == known and first <= model <= last:
                return name
    if vendor == "GenuineIntel" and family == 6:
        for name, models in _INTEL.items():
            if model in models:
                return name
    if vendor == "ARM" and model is not None:
        return _ARM.get(model)
    return None
