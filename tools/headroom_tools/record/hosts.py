"""On how many hosts a figure's ranks were: what is said with every figure of an MPI job.

Ranks of one host pass messages through its memory. Such a figure is no cluster's, and says so.
"""

from __future__ import annotations

from typing import Iterable

from headroom_tools.base.text import safe
from headroom_tools.record.types import Cluster

PARAM = "ranks"  # of kernels that run on ranks
QUANTITY = "hosts"  # which their variants tell


def told(hosts: int | None) -> str:
    """`one host`, `4 hosts`; nothing for what needs no ranks."""
    return "" if hosts is None else "one host" if hosts == 1 else f"{hosts} hosts"


def by_ranks(pairs: Iterable[tuple[int | None, int]]) -> str:
    """Of a kernel's (hosts, ranks): `one host`, or `one host: ranks 1; 4 hosts: ranks 2, 4`."""
    ranks: dict[int, set[int]] = {}
    for hosts, count in pairs:
        if hosts is not None:
            ranks.setdefault(hosts, set()).add(count)
    if len(ranks) < 2:
        return told(next(iter(ranks), None))
    return "; ".join(
        f"{told(hosts)}: ranks {', '.join(map(str, sorted(ranks[hosts])))}"
        for hosts in sorted(ranks)
    )


def in_full(job: Cluster) -> str:
    """A line for the head of a run."""
    parts = [f"{job['ranks']} rank{'s' if job['ranks'] > 1 else ''} on {told(job['hosts'])}",
             job["library"]]  # fmt: skip
    if job["yields"]:
        parts.append("waiting ranks yield their CPU: latencies are those of a busy machine")
    return safe(f"MPI: {', '.join(parts)}", 300)
