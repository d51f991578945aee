"""What is kept of a process that has ended: of a run's launches, and of those of `ab`."""

from __future__ import annotations

from typing import cast

from headroom_tools.base.text import safe, without_paths
from headroom_tools.measure import (
    counters,
    disturbance,
    plan as planning,
    readings,
    summary,
)
from headroom_tools.measure.bench import Ended
from headroom_tools.measure.types import (
    CatalogueKernel,
    CatalogueLadder,
    KeptLadder,
    KernelPlan,
    Launch,
    Output,
)


def taken(
    kernel: CatalogueKernel,
    asked: list[CatalogueLadder],
    index: int,
    start: float,
    ended: Ended,
    out: Output | None,
    keep_raw: bool = False,
) -> Launch:
    """A launch as it is kept, also where it is a failure.

    asked: the ladders that it may have. index: 0 for a pilot. start: seconds since the run's.
    """
    ladders: list[KeptLadder] = []
    if out is not None:
        try:
            ladders = summary.launch(out, kernel["measure"], keep_raw)
            check_known(kernel, asked, ladders)
        except ValueError as error:
            out, ended = None, ended._replace(status="error", message=without_paths(error))
            ladders = []
    tree: Launch = {
        "kernel": kernel["name"],
        "launch": index,
        "start": start,
        "status": ended.status,
        "message": ended.message,
        "seconds": ended.seconds,
        "load": ended.load,
        "steal": ended.steal,
        "simd_target": safe(out.get("simd_target") or "", 40) if out else None,
        "no_counters": counters.read_missing(out) if out else None,
        "conditions": disturbance.read(out) if out else None,
        "ladders": ladders,
    }
    if keep_raw and out:
        tree["readings"] = readings.of(out)
    if index == 0:
        tree["plan"] = usable_plan(kernel["name"], out, ladders) if out else None
        tree["measured"] = out["ladders"] if out else []
        fit = any(ladder["status"] == "ok" for ladder in ladders)
        if fit and tree["plan"] is None and ended.status == "ok":
            tree["status"], tree["message"] = "error", "gave no plan"
    return tree


def check_known(
    kernel: CatalogueKernel, asked: list[CatalogueLadder], ladders: list[KeptLadder]
) -> None:
    """ValueError for a ladder or variant that was not asked for."""
    known = [planning.where(ladder) for ladder in asked]
    variants = {variant["name"] for variant in kernel["variants"]}
    for ladder in ladders:
        if planning.where(ladder) not in known:
            raise ValueError(f"output has a ladder that was not asked for: n {ladder['n']}")
        own = {arm["variant"] for arm in ladder["arms"] if not arm["probe"]}
        own |= {failed["variant"] for failed in ladder["failed"]}
        if not {ladder["baseline"], *own} <= variants:
            raise ValueError(f"output has a variant that the catalogue lacks: n {ladder['n']}")


def usable_plan(kernel: str, out: Output, ladders: list[KeptLadder]) -> KernelPlan | None:
    """The pilot's plan without the ladders that it found unfit; None where none is left."""
    try:
        plan = cast(KernelPlan, out["plan"])
        keys = [(planning.key_of_ladder(kernel, entry), entry) for entry in ladders]
        good = {(key, entry["group"]) for key, entry in keys if entry["status"] == "ok"}
        bad = {key for key, entry in keys if entry["status"] == "mismatch"}
        plan["ladders"] = [
            entry
            for entry in plan["ladders"]
            if (planning.key_of_ladder(kernel, entry), entry["group"]) in good
            and planning.key_of_ladder(kernel, entry) not in bad
            and entry["rounds"] > 0
            and entry["arms"]
        ]
        return plan if plan["ladders"] else None
    except (KeyError, TypeError):
        return None
