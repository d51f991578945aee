"""What no published record may have, of whichever kind: impossible facts, and what is private."""

from __future__ import annotations

import math
from datetime import datetime

from headroom_tools.machine.types import Machine
from headroom_tools.record import private
from headroom_tools.record.validate import fail


def time_of(shown: str, field: str, text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise fail(shown, field, f"{text} is no date") from None


def publishable(shown: str, tree: object) -> None:
    """HeadroomError for a valid record that names somebody."""
    named = private.found(tree)
    if named is not None:
        cure = "replace it, for example by PATH or HOST, before you publish the record"
        raise fail(shown, named[0], f"holds {named[1]}", cure)


def possible_machine(shown: str, tree: Machine) -> None:
    """HeadroomError for a valid fingerprint that no machine has."""
    cpu = tree["cpu"]
    for name, count in (
        ("sockets", cpu["sockets"]), ("cores", cpu["cores"]), ("threads", cpu["threads"])
    ):  # fmt: skip
        if count == 0 or (count or 1) > 100_000:
            raise fail(shown, f"cpu.{name}", f"{count} is impossible")
    if (cpu["cores"] or 0) > (cpu["threads"] or math.inf):
        raise fail(shown, "cpu.cores", "are more than the threads")
    kinds = [(f"cpu.kinds[{at}].caches", kind["caches"])
             for at, kind in enumerate(cpu.get("kinds", []))]  # fmt: skip
    for name, caches in [("cpu.caches", cpu["caches"]), *kinds]:
        for index, cache in enumerate(caches):
            if not 0 < (cache["bytes"] or 1) <= 1 << 40 or not 1 <= (cache["level"] or 1) <= 9:
                raise fail(shown, f"{name}[{index}]", "is no cache that a CPU has")
    if not 1 << 20 <= (tree["ram"]["bytes"] or 1 << 20) <= 1 << 50:
        raise fail(shown, "ram.bytes", f"{tree['ram']['bytes']} is impossible")
