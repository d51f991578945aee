"""What both sides do: the cells that both have, with the same calls and rounds, so many pairs.

A pilot of each side checks its answers and proposes calls and rounds. Chosen for each side alone,
they would be part of the difference; so both sides follow one plan.
"""

from __future__ import annotations

import operator
import re
from statistics import median
from typing import NamedTuple, Optional, cast

from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import params_text, safe
from headroom_tools.measure import plan as planning
from headroom_tools.measure.types import (
    Catalogue,
    CatalogueKernel,
    CatalogueLadder,
    Coordinates,
    KernelPlan,
    Launch,
    Output,
    PlannedArm,
    PlannedLadder,
)
from headroom_tools.record.ab_types import NAMES, Only
from headroom_tools.record.types import LadderKey

SIZES_OF = "quick"  # the profile whose sizes are measured
# Many short launches tell more than few long ones: launches differ by 1%, rounds of one by less.
PROFILE = planning.PROFILES[SIZES_OF]._replace(budget_s=0.025, rounds_min=5, rounds_max=40)
TIME_S = 60.0  # that the pairs may take where there is a filter
PAIRS_MIN = 10
PAIRS_MAX = 200
STEP_MAX = 8  # of the pairs, the part in which a ladder is measured that takes long
_SELFCHECK = ("selfcheck/", "^selfcheck/")

# By side, in the order of NAMES.
Catalogues = tuple[Catalogue, Catalogue]
Pilots = tuple[Launch, Launch]
# A ladder and a group of it.
Group = tuple[LadderKey, int]


class Selected(NamedTuple):
    """What both sides can measure: by kernel each side's ladders; and what only one of them has."""

    ladders: dict[str, tuple[list[CatalogueLadder], list[CatalogueLadder]]]
    only: list[Only]


def _matching(catalogue: Catalogue, pattern: str | None) -> list[CatalogueKernel]:
    """As for a run; the kernels of `selfcheck` where they are asked for by that name."""
    if pattern and pattern.startswith(_SELFCHECK):
        own = planning.selfcheck_kernels(catalogue)
        expression = re.compile(pattern)
        kernels = [kernel for kernel in catalogue["kernels"] if kernel["name"] in own]
        return [kernel for kernel in kernels if expression.search(kernel["name"])]
    return planning.matching(catalogue, pattern)


def _selection(
    catalogue: Catalogue, pattern: str | None, memory: int | None
) -> dict[str, list[CatalogueLadder]]:
    if pattern and pattern.startswith(_SELFCHECK):
        return {kernel["name"]: kernel["ladders"] for kernel in _matching(catalogue, pattern)}
    return planning.select(catalogue, SIZES_OF, pattern, memory).ladders


def select(catalogues: Catalogues, pattern: str | None, memory: int | None) -> Selected:
    """The ladders that a quick run would measure and that both sides have."""
    matched, errors = [], []
    for catalogue in catalogues:
        try:
            matched.append({kernel["name"]: kernel for kernel in _matching(catalogue, pattern)})
        except HeadroomError as error:
            matched.append({})
            errors.append(error)
    if len(errors) == 2:
        raise errors[0]
    only = []
    for at, name in enumerate(NAMES):
        other = NAMES[1 - at]
        for kernel in matched[at]:
            if kernel not in matched[1 - at]:
                only.append(Only(side=name, what=kernel, why=f"{other} has no such kernel"))
    both = set(matched[0]) & set(matched[1])
    if not both:
        told = "; ".join(f"{one['what']} is only in {one['side']}" for one in only[:4])
        raise HeadroomError(f"nothing to compare: {told or 'the sides share no kernel'}")
    found = [_selection(catalogue, pattern, memory) for catalogue in catalogues]
    ladders = {}
    for kernel in found[0]:
        if kernel not in found[1]:
            continue
        sides = [
            {planning.key_of_ladder(kernel, one): one for one in side[kernel]} for side in found
        ]
        for at, name in enumerate(NAMES):
            for key, ladder in sides[at].items():
                if key not in sides[1 - at]:
                    what = where_text(kernel, ladder)
                    why = f"{NAMES[1 - at]} does not measure it"
                    only.append(Only(side=name, what=what, why=why))
        shared = [key for key in sides[0] if key in sides[1]]
        if shared:
            own = ([sides[0][key] for key in shared], [sides[1][key] for key in shared])
            ladders[kernel] = own
        only += _variants(kernel, catalogues)
    lost = [name for name in sorted(both) if name not in ladders]
    only += [
        Only(side=NAMES[at], what=name, why=f"{NAMES[1 - at]} can't run it here")
        for name in lost
        for at in (0, 1)
        if name in found[at]
    ]
    if not set(ladders) & both:
        raise HeadroomError("nothing to compare: no ladder can be measured on both sides here")
    return Selected(ladders, only)


def where_text(kernel: str, where: Coordinates) -> str:
    """`simd/sum n:4096`, with what else tells a ladder from others."""
    text = f"{kernel} n:{where['n']} input:{where['input']} threads:{where['threads']}"
    return text + (f" {params_text(where['params'])}" if where["params"] else "")


def _variants(name: str, catalogues: Catalogues) -> list[Only]:
    """The variants of a kernel that one side alone can run."""
    sides = []
    for catalogue in catalogues:
        kernel = next(one for one in catalogue["kernels"] if one["name"] == name)
        sides.append({variant["name"]: variant for variant in kernel["variants"]})
    found = []
    for at, side in enumerate(NAMES):
        for variant, told in sides[at].items():
            other = sides[1 - at].get(variant)
            if not told["available"] or (other and other["available"]):
                continue
            needs = ", ".join(need["name"] for need in other["needs"]) if other else ""
            lacks = f"{NAMES[1 - at]} has no such variant"
            why = f"{NAMES[1 - at]} needs {needs or 'another host'}" if other else lacks
            found.append(Only(side=side, what=f"{name}/{variant}", why=why))
    return found


class Fitted(NamedTuple):
    """A kernel's plan for both sides, None where they share no cell; seconds that a pair takes, by
    ladder of the plan."""

    plan: Optional[KernelPlan]
    seconds: list[float]
    only: list[Only]
    left_out: list[str]


def _call_ns(measured: Output) -> dict[tuple[str, int], float]:
    """By arm of a pilot's ladder the time of a call."""
    times = {}
    for arm in measured["arms"]:
        known = sorted(value for value in arm["wall_ns"] if value)
        if known:
            times[arm["variant"], arm["threads"]] = median(known)
    return times


def _arms(ladder: PlannedLadder) -> dict[tuple[str, int], PlannedArm]:
    """A planned ladder's arms without its ceiling, which is no cell."""
    arms = ladder["arms"]
    return {(arm["variant"], arm["threads"]): arm for arm in arms if arm["variant"] != "ceiling"}


def _joint(
    ladders: tuple[PlannedLadder, PlannedLadder],
    measured: tuple[Output, Output],
    shared: list[tuple[str, int]],
    budget_s: float,
) -> tuple[PlannedLadder, float]:
    """(the ladder as both do it, seconds of rounds that a launch of it takes).

    An epoch is as many calls as the faster side needs for it. Rounds are what both proposed, cut
    where longer epochs would not fit into the budget any more.
    """
    base, new = ladders
    arms: list[PlannedArm] = []
    cost = 0.0
    times = [_call_ns(one) for one in measured]
    for key in shared:
        both = [_arms(ladder)[key] for ladder in ladders]
        arm = both[0].copy()
        arm["calls"] = max(one["calls"] for one in both)
        if any(one.get("long_call") for one in both):
            arm["long_call"] = True
        settle = max(one.get("settle", 0) for one in both)
        if settle:
            arm["settle"] = settle
        arms.append(arm)
        cost += planning.epoch_calls(arm) * max(one.get(key, 0.0) for one in times) * 1e-9
    joint = base.copy()
    joint["arms"] = arms
    rounds = min(base["rounds"], new["rounds"])
    if cost > 0:
        rounds = min(rounds, max(PROFILE.rounds_min, int(budget_s / cost)))
    joint["rounds"] = max(PROFILE.rounds_min, rounds)
    if "wall" in (base.get("clock"), new.get("clock")):
        joint["clock"] = "wall"
    return joint, max(budget_s if joint["rounds"] == rounds else 0.0, cost * joint["rounds"])


def fit(kernel: str, pilots: Pilots, keep_slow: bool) -> Fitted:
    """One plan of what the pilots of both sides found fit.

    keep_slow: also ladders that take long to set up.
    """
    plans = [pilot["plan"] for pilot in pilots]
    if plans[0] is None or plans[1] is None:
        at = 0 if plans[0] is not None else 1
        only = []
        if plans[at] is not None:
            why = f"failed in {NAMES[1 - at]}: {pilots[1 - at]['message'] or 'no ladder was fit'}"
            only = [Only(side=NAMES[at], what=kernel, why=safe(why))]
        return Fitted(None, [], only, [])
    only, left_out = [], []
    planned = [
        {(planning.key_of_ladder(kernel, one), one["group"]): one for one in plan["ladders"]}
        for plan in plans
        if plan is not None
    ]
    measured = [_by_group(kernel, pilot["measured"]) for pilot in pilots]
    for at, side in enumerate(NAMES):
        for key, ladder in planned[at].items():
            if key not in planned[1 - at]:
                what = where_text(kernel, ladder)
                only.append(Only(side=side, what=what, why=f"failed in {NAMES[1 - at]}"))
    kept, seconds = [], []
    for key, base in planned[0].items():
        new = planned[1].get(key)
        if new is None:
            continue
        arms = [_arms(base), _arms(new)]
        for at, side in enumerate(NAMES):
            for variant, _ in arms[at]:
                other = {name for name, _ in arms[1 - at]}
                if variant not in other and _ran_beside(variant, key[0], measured[1 - at]):
                    what = f"{kernel}/{variant} n:{base['n']}"
                    why = f"failed, or stands in another group, in {NAMES[1 - at]}"
                    only.append(Only(side=side, what=what, why=why))
        shared = [arm for arm in arms[0] if arm in arms[1]]
        baselines = [one[key]["baseline"] for one in measured]
        if baselines[0] != baselines[1] or baselines[0] not in [variant for variant, _ in shared]:
            what = where_text(kernel, base)
            left_out.append(f"{what}: its baseline is not the same on both sides")
            continue
        setup = max(float(one[key].get("setup_s") or 0.0) for one in measured)
        if setup > planning.SETUP_LIMIT_S and not keep_slow:
            left_out.append(f"{where_text(kernel, base)}: set-up takes {setup:.1f} s a launch")
            continue
        found = (measured[0][key], measured[1][key])
        joint, cost = _joint((base, new), found, shared, PROFILE.budget_s)
        kept.append(joint)
        seconds.append(2 * (setup + cost))
    if not kept:
        return Fitted(None, [], only, left_out)
    plan = plans[0].copy()
    plan["ladders"] = kept
    return Fitted(plan, seconds, only, left_out)


def _by_group(kernel: str, measured: list[Output]) -> dict[Group, Output]:
    """A pilot's ladders by their coordinates and group."""
    return {
        (planning.key_of_ladder(kernel, cast(Coordinates, one)), one["group"]): one
        for one in measured
    }


def _ran_beside(variant: str, where: LadderKey, measured: dict[Group, Output]) -> bool:
    """Whether a side knows the variant in that ladder, as one that failed or in another group; what
    it doesn't know is told by the catalogues."""
    for (key, _), ladder in measured.items():
        names = [failed["variant"] for failed in ladder["failed"]]
        names += [arm["variant"] for arm in ladder["arms"]]
        if key == where and variant in names:
            return True
    return False


class Schedule(NamedTuple):
    """pairs: of launches. every: by kernel and ladder of its plan, in which pairs it takes part: 1:
    in all, 2: in every second two, ... seconds: that all of it takes."""

    pairs: int
    every: dict[str, list[int]]
    seconds: float

    def plan_of(self, whole: KernelPlan, pair: int) -> KernelPlan:
        """What the launches of a pair do. Two pairs, one after the other, do the same: each side is
        first in one of them."""
        every = self.every[whole["kernel"]]
        own = whole.copy()
        own["ladders"] = [
            ladder
            for ladder, step in zip(whole["ladders"], every)
            if (pair - 1) // 2 % step == 0
        ]
        return own


def schedule(costs: dict[str, list[float]], asked: int | None, limited: bool) -> Schedule:
    """How many pairs are measured, and which ladders take part in each.

    A ladder that takes long takes part in fewer pairs, or a size of 64 MiB would leave no time for
    the pairs that cells in caches need. costs: as Fitted has them. asked: so many pairs, None for
    as many as there is time for. limited: whether the time is.
    """
    start = 2 * planning.START_S
    every = {
        name: [min(STEP_MAX, max(1, int(one / (start + min(own))))) for one in own]
        for name, own in costs.items()
    }

    def each_s() -> float:
        parts = [sum(map(operator.truediv, own, every[name])) for name, own in costs.items()]
        return start * len(costs) + sum(parts)

    pairs = asked or PAIRS_MIN
    if asked is None and limited:
        fitting = int(TIME_S / max(each_s(), 1e-3)) // 2 * 2
        pairs = max(PAIRS_MIN, min(PAIRS_MAX, fitting))
    most = max(1, pairs // PAIRS_MIN)
    every = {name: [min(one, most) for one in own] for name, own in every.items()}
    return Schedule(pairs, every, pairs * each_s())
