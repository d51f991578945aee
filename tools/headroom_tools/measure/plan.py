"""What a run measures and what that costs: profiles, the choice of ladders, the time it takes."""

from __future__ import annotations

import difflib
from typing import Collection, Iterable, NamedTuple, cast

from headroom_tools.base.errors import HeadroomError, expression_of
from headroom_tools.base.text import duration, ladder_label, safe, size
from headroom_tools.measure.types import (
    INTERFACE,
    Catalogue,
    CatalogueKernel,
    CatalogueLadder,
    Coordinates,
    KeptLadder,
    KernelPlan,
    Launch,
    Output,
    PilotPlan,
    PlannedArm,
    PlannedLadder,
    RunPlan,
)
from headroom_tools.record import hosts
from headroom_tools.record.types import LadderKey, Missing, key_of

SEED = 1  # of every run: inputs must be the same on every machine
START_S = 0.1  # what a process costs before and after its ladders
SETUP_LIMIT_S = 1.0  # a ladder that takes longer to set up is no comparison of a minute
MEMORY_SHARE = 0.7  # of the memory available that a ladder may take
ROUNDS_CHECKED = 5  # of a run that only checks
ROUNDS_FEWEST = 3  # where a profile's own fewest don't fit into the time of a slow machine
LAUNCHES_MIN = 6  # the fewest that give an interval
PROBE_SHARE = 0.5  # of a ladder's budget: a probe has one figure to give, not many ratios
FEW = 10  # kernels that a filter finds, for `quick` to take both of their sizes
SELFCHECK = "selfcheck"  # the group that only `headroom selfcheck` measures
REPEAT_RESERVE = 0.05  # of a profile's time, for launches that are disturbed and repeated


class Profile(NamedTuple):
    """launches: P, after the pilot. budget_s: B, seconds a ladder a launch, but rounds_min rounds
    whatever they take. time_s: of the whole run, None for no limit; slow_s: the same where the
    machine is too slow for that. alone_s: of it, for the variants run alone."""

    launches: int
    budget_s: float
    rounds_min: int
    rounds_max: int
    time_s: float | None
    slow_s: float
    alone_s: float


PROFILES = {
    "smoke": Profile(1, 0.05, ROUNDS_CHECKED, 5, None, 0, 0),
    "quick": Profile(6, 0.05, 3, 60, 240, 360, 15),
    "standard": Profile(10, 0.1, 5, 100, 600, 900, 90),
    "thorough": Profile(20, 0.1, 5, 100, None, 0, 600),
}


class Selection(NamedTuple):
    """ladders: by kernel, those to measure. missing: variants and ladders that this host can't run.
    added: placebos that ride along."""

    ladders: dict[str, list[CatalogueLadder]]
    missing: list[Missing]
    added: list[str]


def where(ladder: Coordinates) -> Coordinates:
    """The coordinates of a ladder."""
    return {
        "n": ladder["n"],
        "input": ladder["input"],
        "threads": ladder["threads"],
        "params": ladder["params"],
    }


def key_of_ladder(kernel: str, ladder: Coordinates) -> LadderKey:
    """The coordinates of a kernel's ladder as a key."""
    return kernel, ladder["n"], ladder["input"], ladder["threads"], key_of(ladder["params"])


def matching(catalogue: Catalogue, pattern: str | None) -> list[CatalogueKernel]:
    """The kernels whose name the regular expression finds; HeadroomError where it finds none."""
    kernels = [kernel for kernel in catalogue["kernels"] if kernel["group"] != SELFCHECK]
    if pattern is None:
        return kernels
    expression = expression_of(pattern)
    found = [kernel for kernel in kernels if expression.search(kernel["name"])]
    if not found:
        names = [kernel["name"] for kernel in kernels]
        close = difflib.get_close_matches(pattern, names, 1, 0.5)
        hint = f"did you mean {close[0]}?" if close else "`headroom list` shows the kernels"
        raise HeadroomError(f"--filter {safe(pattern)}: matches no kernel; {hint}")
    return found


def selfcheck_kernels(catalogue: Catalogue) -> dict[str, list[CatalogueLadder]]:
    """The ladders of each kernel of group selfcheck; HeadroomError where the build has none."""
    found = {
        kernel["name"]: kernel["ladders"]
        for kernel in catalogue["kernels"]
        if kernel["group"] == SELFCHECK
    }
    if not found:
        raise HeadroomError("the benchmark program has no selfcheck kernels: build it with `make`")
    return found


def select(
    catalogue: Catalogue,
    profile: str,
    pattern: str | None,
    memory: int | None,
    every_input: bool = False,
) -> Selection:
    """What `profile` measures of the kernels that `pattern` finds.

    every_input: each of a kernel's inputs in the sizes in which the profile takes the default one.
    memory: bytes available, None where unknown. A filtered run takes along the placebos of its
    kernels' noise classes: without them it would have no noise floor.
    """
    chosen = matching(catalogue, pattern)
    names = {kernel["name"] for kernel in chosen}
    few = pattern is not None and len(chosen) <= FEW
    added = []
    if profile != "smoke":
        classes = {kernel["noise_class"] for kernel in chosen}
        for kernel in catalogue["kernels"]:
            if kernel["placebo"] in classes and kernel["name"] not in names:
                added.append(kernel["name"])
        chosen = [k for k in catalogue["kernels"] if k["name"] in names or k["name"] in added]

    ladders: dict[str, list[CatalogueLadder]] = {}
    missing: list[Missing] = []
    for kernel in chosen:
        for variant in kernel["variants"]:
            lacking = [need for need in variant["needs"] if not need["available"]]
            if not variant["available"]:
                missing.append(
                    {
                        "kernel": kernel["name"],
                        "variant": variant["name"],
                        "n": None,
                        "input": None,
                        "threads": None,
                        "params": None,
                        "needs": ", ".join(need["name"] for need in lacking) or "another host",
                        "cure": "; ".join(filter(None, (need["cure"] for need in lacking))),
                    }
                )
        wanted = [
            ladder
            for ladder in kernel["ladders"]
            if _in_profile(
                kernel, _of_default_input(kernel, ladder) if every_input else ladder, profile, few
            )
        ]
        kept = []
        for ladder in wanted:
            reason, cure = ladder["blocked"], ""
            if not reason and memory and ladder["memory_bytes"] > MEMORY_SHARE * memory:
                reason = f"needs {size(ladder['memory_bytes'])} of memory"
                cure = f"{size(memory)} free, of which 70% may be taken"
            if reason:
                missing.append(missing_ladder(kernel["name"], ladder, _bare(reason), cure))
            else:
                kept.append(ladder)
        if kept:
            ladders[kernel["name"]] = kept
    return Selection(ladders, missing, added)


def missing_ladder(kernel: str, ladder: Coordinates, needs: str, cure: str) -> Missing:
    """The record's entry for a ladder that this host can't run."""
    return {
        "kernel": kernel,
        "variant": None,
        "n": ladder["n"],
        "input": ladder["input"],
        "threads": ladder["threads"],
        "params": ladder["params"],
        "needs": needs,
        "cure": cure,
    }


def _bare(reason: str) -> str:
    return reason[len("needs ") :] if reason.startswith("needs ") else reason


def _of_default_input(kernel: CatalogueKernel, ladder: CatalogueLadder) -> CatalogueLadder:
    """The ladder with the same coordinates but for its input, which is the kernel's default."""
    wanted = where(ladder)
    wanted["input"] = kernel["inputs"][0]
    return next((other for other in kernel["ladders"] if where(other) == wanted), ladder)


def _in_profile(
    kernel: CatalogueKernel, ladder: CatalogueLadder, profile: str, few: bool
) -> bool:
    if profile == "thorough":
        return True
    if profile == "smoke":
        smallest = min(other["n"] for other in kernel["ladders"])
        # Of an MPI job all ranks: one alone would show little of what they do together.
        first = {
            name: values[-1 if name == hosts.PARAM else 0]
            for name, values in kernel["params"].items()
        }
        default = ladder["input"] == kernel["inputs"][0] and ladder["params"] == first
        return ladder["n"] == smallest and default
    if profile == "quick" and not (few or kernel["probe"]):
        return ladder["headline"] and ladder["n"] == kernel["headline"][0]
    return ladder["headline"]


def pilot_plan(
    kernel: str,
    ladders: list[CatalogueLadder],
    profile: Profile,
    smoke: bool,
    simulated: bool = False,
) -> PilotPlan:
    """The plan that the pilot of `kernel` gets. A simulation comes to the same in every round, and
    one takes long: more than one would tell nothing."""
    plan: PilotPlan = {
        "version": INTERFACE,
        "kernel": kernel,
        "ladders": [where(ladder) for ladder in ladders],
        "budget_s": profile.budget_s * (PROBE_SHARE if kernel.startswith("machine/") else 1),
        "rounds_min": 1 if simulated else profile.rounds_min,
        "rounds_max": 1 if simulated else profile.rounds_max,
        "seed": SEED,
        "deadline_s": 120,
    }
    if smoke:
        plan["rounds"] = 1 if simulated else ROUNDS_CHECKED
    return plan


class Estimate(NamedTuple):
    """What a run would take. most_seconds: the same where the machine is too slow for that. Bytes
    written are an upper bound, memory and scratch the peaks."""

    seconds: float
    most_seconds: float
    launches: int
    cells: int
    memory_bytes: int
    scratch_bytes: int
    written_bytes: int


def estimate(selection: Selection, name: str) -> Estimate:
    """What `selection` takes by `profile`, before anything is measured: set-up isn't known yet."""
    profile = PROFILES[name]
    passes = profile.launches + 1
    groups = cells = memory = scratch = written = 0
    for ladders in selection.ladders.values():
        for ladder in ladders:
            groups += len(ladder["groups"])
            cells += len({variant for group in ladder["groups"] for variant in group})
            memory = max(memory, ladder["memory_bytes"])
            scratch = max(scratch, ladder["scratch_bytes"])
            written += ladder["written_bytes"] * profile.rounds_max * passes
    launches = passes * len(selection.ladders)
    ladder_s = profile.budget_s * 1.15 if name != "smoke" else 0.01
    seconds = launches * START_S + passes * groups * ladder_s
    seconds += min(profile.alone_s, 0.2 * cells)
    most = seconds
    if profile.time_s is not None and seconds > profile.time_s:
        seconds, most = profile.time_s, profile.slow_s
    return Estimate(seconds, most, launches, cells, memory, scratch, written)


def epoch_calls(arm: PlannedArm) -> int:
    """Calls of an arm in a round, timed and not: what comes before is about an epoch, or more where
    the pilot found that it has to be, or nothing where a call takes long."""
    if arm.get("long_call"):
        return arm["calls"]
    return arm["calls"] + max(arm["calls"], arm.get("settle", 0))


def cost_of_ladder(
    planned: PlannedLadder, measured: Output, own: Profile
) -> tuple[float, float]:
    """(seconds to set up, seconds of rounds) that one launch of a planned ladder takes.

    planned: from the pilot's plan; measured: the same ladder in the pilot's output. The pilot
    chose R = clamp(budget / cost of a round, Rmin, Rmax), so that between the clamps the rounds
    fill the budget; at the lower clamp they exceed it. Set-up has one call of each arm, to check
    it.
    """
    times = {(arm["variant"], arm["threads"]): arm["wall_ns"] for arm in measured["arms"]}
    a_round = checks = 0.0
    for arm in planned["arms"]:
        values = sorted(v for v in times.get((arm["variant"], arm["threads"]), []) if v)
        if values:
            a_call = values[len(values) // 2] * 1e-9
            a_round += epoch_calls(arm) * a_call
            checks += a_call
    seconds = a_round * planned["rounds"]
    if planned["rounds"] > own.rounds_min:
        seconds = min(seconds, own.budget_s)
    else:
        seconds = max(seconds, own.budget_s)
    return float(measured.get("setup_s") or 0.0) + checks, seconds


def launches_of(kernel: CatalogueKernel, launches: int) -> int:
    """How many of a run's launches, after the pilot, a kernel has: a simulation comes to the same
    in each."""
    return min(1, launches) if kernel.get("simulated", False) else launches


def kept_rounds(rounds: int, scale: float, fewest: int) -> int:
    """`scale` of a ladder's rounds, at least `fewest`."""
    return min(rounds, max(fewest, int(rounds * scale)))


def shrink(plans: dict[str, KernelPlan], scale: float, fewest: int) -> None:
    """Cuts the rounds of every planned ladder to `scale` of them, at least `fewest`."""
    for plan in plans.values():
        for ladder in plan["ladders"]:
            ladder["rounds"] = kept_rounds(ladder["rounds"], scale, fewest)


def rounds_key(kernel: str, ladder: PlannedLadder | KeptLadder) -> str:
    """What RunPlan.rounds calls a ladder's group."""
    _, n, input_name, threads, params = key_of_ladder(kernel, ladder)
    further = [f"{name}:{value}" for name, value in params]
    return "/".join([kernel, str(n), input_name, str(threads), *further, str(ladder["group"])])


def ladder_name(kernel: CatalogueKernel, coordinates: Coordinates) -> str:
    """`simd/sum n 4,096 · 2 threads`, with what the kernel varies."""
    sweep = len(kernel["threads"]) > 1
    label = ladder_label(
        coordinates["n"],
        coordinates["input"],
        coordinates["threads"],
        coordinates["params"],
        len(kernel["inputs"]),
        sweep,
    )
    return f"{kernel['name']} {label}"


class Cost(NamedTuple):
    """What one launch of a kernel takes: seconds before and after its rounds, and of each ladder
    its rounds by the pilot's plan, and their seconds."""

    setup_s: float
    ladders: list[tuple[int, float]]

    def seconds(self, scale: float, fewest: int) -> float:
        """With that share of the rounds, at least `fewest` of each ladder."""
        return self.setup_s + sum(
            seconds * kept_rounds(rounds, scale, fewest) / rounds
            for rounds, seconds in self.ladders
        )


class Room(NamedTuple):
    """What a run is to take, at most, its launches, and the fewest rounds of a ladder; note: why
    that is not the profile's own."""

    time_s: float
    launches: int
    fewest: int
    alone_s: float
    note: str


def room_for(own: Profile, costs: Iterable[Cost], spent_s: float, alone_s: float) -> Room:
    """The time for a run whose launches take at least that: every headline size is measured.

    What gives way on a slow machine is, in this order, the variants run alone, the time, rounds of
    the longest ladders, launches beyond the fewest that give an interval, and the time again.
    Launches differ by more than the median of a launch's rounds does, so three rounds in each of
    ten launches tell more than five in each of six.
    """
    time_s = own.time_s
    assert time_s is not None  # of a profile with a limit
    usual = own.rounds_min
    least = {n: sum(cost.seconds(0.0, n) for cost in costs) for n in (usual, ROUNDS_FEWEST)}

    def needed(launches: int, alone: float, rounds: int = usual) -> float:
        return (spent_s + alone + launches * least[rounds]) / (1 - REPEAT_RESERVE)

    for alone in (alone_s, 0.0):
        if needed(own.launches, alone) <= time_s:
            return Room(time_s, own.launches, usual, alone, "")
    fewest = usual if needed(own.launches, 0.0) <= own.slow_s else ROUNDS_FEWEST
    launches = own.launches
    while launches > LAUNCHES_MIN and needed(launches, 0.0, fewest) > own.slow_s:
        launches -= 1
    longer = max(own.slow_s if fewest < usual else time_s, needed(launches, 0.0, fewest))
    told = f"takes about {duration(longer)}: this machine is too slow for {duration(time_s)}"
    if launches < own.launches:
        told += f", and for more than {launches} launches"
    return Room(longer, launches, fewest, 0.0, told)


def scale_for(costs: Iterable[Cost], fewest: int, room_s: float) -> float:
    """The largest share of the rounds with which a launch of each kernel fits into `room_s`; 0
    where none does."""
    if sum(cost.seconds(1.0, fewest) for cost in costs) <= room_s:
        return 1.0
    fits, too_much = 0.0, 1.0
    while too_much - fits > 0.001:
        middle = (fits + too_much) / 2
        if sum(cost.seconds(middle, fewest) for cost in costs) <= room_s:
            fits = middle
        else:
            too_much = middle
    return fits


def fit(
    pilots: dict[str, Launch],
    selection: Iterable[str],
    profile: str,
    spent_s: float,
    alone_s: float,
    once: Collection[str] = (),
) -> RunPlan:
    """plan.json: what every later launch does, fitted into the profile's time.

    pilots: the first launch of each kernel. selection: their names. spent_s: seconds that went
    already. alone_s: seconds kept for the variants run alone. once: the kernels that have one
    launch, whatever the profile says.
    """
    own = PROFILES[profile]
    plans: dict[str, KernelPlan] = {}
    costs: dict[str, Cost] = {}
    for name in selection:
        plan = pilots[name]["plan"]
        if plan is None or not plan["ladders"]:
            continue
        measured = {
            (key_of_ladder(name, cast(Coordinates, ladder)), ladder["group"]): ladder
            for ladder in pilots[name]["measured"]
        }
        plans[name] = plan.copy()
        setup, ladders = START_S, list[tuple[int, float]]()
        for planned in plan["ladders"]:
            ladder = measured[key_of_ladder(name, planned), planned["group"]]
            made, seconds = cost_of_ladder(planned, ladder, own)
            setup += made
            ladders.append((planned["rounds"], seconds))
        costs[name] = Cost(setup, ladders)
    many = {name: cost for name, cost in costs.items() if name not in once}
    spent_s += sum(cost.seconds(1.0, 1) for name, cost in costs.items() if name in once)
    scale, fewest, notes = 1.0, own.rounds_min, list[str]()
    launches, time_s = own.launches, own.time_s
    if time_s is not None:
        time_s, launches, fewest, alone_s, note = room_for(own, many.values(), spent_s, alone_s)
        notes += [note] if note else []
        room = (1 - REPEAT_RESERVE) * time_s - spent_s - alone_s
        scale = scale_for(many.values(), fewest, room / launches)
        if scale < 1:
            shrink({name: plans[name] for name in many}, scale, fewest)
            notes.append(
                f"rounds were cut to {scale:.2f} of the plan, to end within {duration(time_s)}"
            )
    return {
        "launches": launches,
        "time_s": time_s,
        "budget_s": own.budget_s,
        "rounds_max": own.rounds_max,
        "seed": SEED,
        "scale": scale,
        "plans": plans,
        "seconds": {
            name: cost.seconds(1.0 if name in once else scale, fewest)
            for name, cost in costs.items()
        },
        "left_out": [],
        "notes": notes,
        "rounds": {
            rounds_key(name, ladder): ladder["rounds"]
            for name, plan in plans.items()
            for ladder in plan["ladders"]
        },
    }
