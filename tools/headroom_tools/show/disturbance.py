"""How many launches of a record were disturbed, and what `show` says of it."""

from __future__ import annotations


def totals(run: dict) -> dict | None:
    """How many launches of a record were disturbed, repeated, and stay disturbed."""
    columns_ = run["launches"]
    if "disturbed" not in columns_:
        return None
    pairs = list(zip(columns_["attempts"], columns_["disturbed"]))
    return {
        "launches": len(pairs),
        "disturbed": sum(disturbed > 0 for _, disturbed in pairs),
        "repeated": sum(attempts > 1 for attempts, _ in pairs),
        "remaining": sum(attempts == disturbed for attempts, disturbed in pairs),
    }


def line(run: dict) -> str | None:
    """What `show` says of it; None where no launch was disturbed."""
    found = totals(run)
    if not found or not found["disturbed"]:
        return None
    text = f"{found['disturbed']} of {found['launches']} launches were disturbed by other programs"
    text += f" or the hypervisor, {found['repeated']} were measured again"
    return f"{text}, {found['remaining'] or 'none'} stayed disturbed"
