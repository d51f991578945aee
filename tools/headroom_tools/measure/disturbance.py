"""Which launches were disturbed: judged by what else went on, never by the times measured.

To look at the times would bias them: the slow half of all launches would be measured again. What
counts is what the benchmark program saw from its first round to its last (bench/conditions.h), as
shares of that stretch. bench/README.md has the measurements behind the limits.
"""

from __future__ import annotations

import math
from statistics import median

from headroom_tools.base.text import five

# By kind of disturbance: the largest share of a launch, and the seconds that it must come to at
# least (ticks of 10 ms, and a launch of 20 ms, tell nothing of smaller ones).
#   waited: a thread of ours was ready to run and waited for its core
#   stolen: the hypervisor ran others instead of this machine's CPUs
#   others: other programs ran, on any core: they share caches, memory, power and hardware threads
LIMITS = {"waited": (0.025, 0.002), "stolen": (0.05, 0.03), "others": (0.10, 0.04)}
REPEAT_SHARE = 0.2  # of the launches so far that may be measured again


def read(out: dict) -> dict | None:
    """The conditions in a launch's output as the run keeps them; None where it has none.

    {"seconds", "waited", "stolen", "others": shares of the seconds or None, "switches"}
    """
    told = out.get("conditions")
    if not isinstance(told, dict) or not _number(told.get("seconds")) or told["seconds"] <= 0:
        return None
    kept = {"seconds": float(told["seconds"])}
    for name in LIMITS:
        value = told.get(f"{name}_s")
        kept[name] = float(value) / kept["seconds"] if _number(value) else None
    kept["switches"] = int(told["switches"]) if _number(told.get("switches")) else None
    return kept


def _number(value: object) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0


def conditions_of(tree: dict) -> list[dict]:
    """The conditions of a launch's attempts, the one that was kept first."""
    found = [tree.get("conditions"), tree.get("discarded")]
    return [conditions for conditions in found if conditions]


class Judge:
    """Judges launches (as runner.py keeps them) by all that is known so far."""

    def __init__(self, kernels: dict[str, dict], launches: dict[tuple[str, int], dict]):
        self._kernels = kernels
        self._launches = launches
        seen: dict[str, list[dict]] = {}
        for (name, index), tree in launches.items():
            if index > 0:
                seen.setdefault(name, []).extend(conditions_of(tree))
        self._seen = seen

    def _own(self, kernel: str, kind: str) -> float:
        """The share that a kernel brings on itself: what most of its launches have.

        Files are written by threads of the kernel, and programs of several threads wait for each
        other; what runs on one core and touches no file has no such excuse.
        """
        if kind == "stolen" or self._kernels[kernel]["noise_class"] not in ("storage", "threads"):
            return 0.0
        values = [c[kind] for c in self._seen.get(kernel, ()) if c[kind] is not None]
        return median(values) if values else math.inf  # a pilot: nothing to compare it with yet

    def score(self, kernel: str, conditions: dict | None) -> float:
        """How far beyond its limit the worst share is: above 1 for a launch that was disturbed."""
        worst = 0.0
        several = self._kernels[kernel]["noise_class"] == "threads"
        several = several or len(self._kernels[kernel]["threads"]) > 1
        for kind, (share, seconds) in LIMITS.items():
            if not conditions or conditions[kind] is None or (kind == "waited" and several):
                continue
            excess = conditions[kind] - self._own(kernel, kind)
            if excess * conditions["seconds"] >= seconds:
                worst = max(worst, excess / share)
        return worst

    def attempts(self, tree: dict) -> tuple[int, int]:
        """(attempts of a launch, how many of them were disturbed)."""
        scores = [self.score(tree["kernel"], conditions) for conditions in conditions_of(tree)]
        return tree.get("attempts", 1), sum(score > 1 for score in scores)

    def to_repeat(self, pilots: bool = False) -> list[tuple[str, int]]:
        """The launches that were disturbed and may be measured again, the worst first.

        pilots: of the pilots, else of the launches that are timed.
        """
        timed = {key: tree for key, tree in self._launches.items() if (key[1] == 0) is pilots}
        repeated = sum(tree.get("attempts", 1) > 1 for tree in timed.values())
        allowed = math.ceil(REPEAT_SHARE * len(timed)) - repeated
        found = []
        for key, tree in timed.items():
            if tree["status"] == "ok" and tree.get("attempts", 1) == 1:
                score = self.score(key[0], tree.get("conditions"))
                if score > 1:
                    found.append((-score, key))
        return [key for _, key in sorted(found)[: max(0, allowed)]]

    def better(self, first: dict, again: dict) -> dict:
        """What is kept of two attempts: the one under better conditions, or the one that failed."""
        kept, other = first, again
        scores = [self.score(tree["kernel"], tree.get("conditions")) for tree in (first, again)]
        if again["status"] != "ok" or scores[1] < scores[0]:
            kept, other = again, first
        return {
            **kept,
            "attempts": 2,
            "discarded": other.get("conditions"),
            "extra_seconds": other["seconds"],
        }


def seconds_of(tree: dict) -> float:
    """Seconds that a launch took, all its attempts together."""
    return tree["seconds"] + extra_seconds_of(tree)


def extra_seconds_of(tree: dict) -> float:
    """Of them, those of the attempt that was not kept."""
    return tree.get("extra_seconds", 0.0)


def pilots_note(kernels: dict[str, dict], launches: dict[tuple[str, int], dict]) -> str | None:
    """What the record says of disturbed pilots; None where there was none."""
    judge = Judge(kernels, launches)
    judged = [judge.attempts(tree) for (_, index), tree in launches.items() if index == 0]
    if not any(disturbed for _, disturbed in judged):
        return None
    repeated = sum(attempts > 1 for attempts, _ in judged)
    remaining = sum(attempts == disturbed for attempts, disturbed in judged)
    return (
        f"{sum(disturbed > 0 for _, disturbed in judged)} of {len(judged)} pilots were disturbed, "
        f"{repeated} were run again, {remaining or 'none'} stayed disturbed"
    )


def columns(kernels: dict[str, dict], launches: list[dict]) -> dict[str, list]:
    """The columns of run.json's `launches` that say how each went; {} where nothing is known."""
    if not any(tree.get("conditions") for tree in launches):
        return {}
    judge = Judge(kernels, {(tree["kernel"], tree["launch"]): tree for tree in launches})
    judged = [judge.attempts(tree) for tree in launches]
    known = [tree.get("conditions") or {} for tree in launches]
    made: dict[str, list] = {
        "attempts": [attempts for attempts, _ in judged],
        "disturbed": [disturbed for _, disturbed in judged],
    }
    for name in LIMITS:
        made[name] = [None if c.get(name) is None else five(round(c[name], 3)) for c in known]
    made["switches"] = [c.get("switches") for c in known]
    return made
