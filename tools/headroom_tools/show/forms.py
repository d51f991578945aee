"""A run as JSON."""

from __future__ import annotations

from headroom_tools.record import counters, sentinel
from headroom_tools.record.cells import cells_of
from headroom_tools.record.noise import noise_floors
from headroom_tools.record.types import Run
from headroom_tools.show import break_even, disturbance
from headroom_tools.show.remarks import alone_differs, needs_of, short_calls
from headroom_tools.show.rows import Row


def _over_standard(row: Row) -> dict[str, object]:
    """A row against its ladder's standard rung, null where there is none."""
    found = None if row.impossible else row.over_standard
    return {
        "standard": found.standard if found else None,
        "over_standard": found.speedup if found else None,
        "over_standard_lo": found.lo if found else None,
        "over_standard_hi": found.hi if found else None,
    }


def as_json(run: Run, rows: list[Row]) -> dict[str, object]:
    """`show --json`. A row names its ladder (ladder_threads), and has `counters` where the machine
    had some."""
    kernels = {kernel["name"]: kernel for kernel in run["kernels"]}
    return {
        "run": run["name"],
        "rows": [
            {
                **row.cell.key(),
                "ladder_threads": row.cell.ladder_threads,
                "role": row.cell.role,
                "lacks": row.cell.lacks,
                "baseline": row.baseline,
                "measure": row.cell.measure["name"],
                "unit": row.cell.measure["unit"],
                "simulated": row.cell.simulated,
                "validated": row.cell.validated,
                "value": None if row.impossible else row.value,
                "ns_per_item": None if row.impossible else row.ns_per_item,
                "bytes_per_second": None if row.impossible else row.bytes_per_second,
                "flops_per_second": None if row.impossible else row.flops_per_second,
                "intensity": row.intensity,
                "speedup": None if row.impossible else row.speedup,
                "lo": None if row.impossible else row.lo,
                "hi": None if row.impossible else row.hi,
                "alone": None if row.impossible else row.alone,
                **_over_standard(row),
                "detected": row.detected,
                "verdict": "withheld" if row.impossible else row.verdict,
                "ceiling": row.ceiling_per_item,
                "of_ceiling": row.share.of_ceiling if row.share else None,
                "of_ceiling_lo": row.share.lo if row.share else None,
                "of_ceiling_hi": row.share.hi if row.share else None,
                "probe": row.cell.probe,
                **({"device": row.cell.device["name"], "device_type": row.cell.device["type"]}
                   if row.cell.device else {}),
                **({"hosts": row.cell.hosts} if row.cell.hosts is not None else {}),
                "build_ns": row.build_ns,
                "break_even_calls": None if row.impossible else row.break_even_calls,
                **(
                    {"counters": counters.per_item(row.cell.counters, row.cell.items)}
                    if row.cell.counters
                    else {}
                ),
            }
            for row in rows
        ],
        "noise_floor": noise_floors(cells_of(run)),
        "missing": [
            {
                "kernel": entry["kernel"],
                "variant": entry["variant"],
                "needs": needs_of(entry, kernels),
            }
            for entry in run["missing"]
        ],
        "failed": run["failed"],
        "left_out": run["left_out"],
        "failures": run["failures"],
        "alone_differs": alone_differs(rows),
        "short_calls": short_calls(rows),
        "disturbed": disturbance.totals(run),
        "sentinel": told._asdict() if (told := sentinel.over_run(run)) else None,
        "fixtures": run["fixtures"],
        "device": run.get("device"),
        **({"cluster": run["cluster"]} if "cluster" in run else {}),
        "break_even": [one._asdict() for one in break_even.break_evens(rows)],
        "notes": run["notes"],
    }
