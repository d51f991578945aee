"""What a run measures and what that costs: profiles, the choice of ladders, the time it takes."""

from __future__ import annotations

import difflib
import re
from typing import NamedTuple

from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import duration, ladder_label, safe, size

SEED = 1  # of every run: inputs must be the same on every machine
START_S = 0.05  # what a process costs before and after its ladders
SETUP_LIMIT_S = 1.0  # a ladder that takes longer to set up belongs to thorough
MEMORY_SHARE = 0.7  # of the memory available that a ladder may take
ROUNDS_MIN = 5
PROBE_SHARE = 0.5  # of a ladder's budget: a probe has one figure to give, not many ratios
SELFCHECK = "selfcheck"  # the group that only `headroom selfcheck` measures
REPEAT_RESERVE = 0.05  # of a profile's time, for launches that are disturbed and repeated


class Profile(NamedTuple):
    """launches: P, after the pilot. budget_s: B, seconds a ladder a launch. time_s: of the whole
    run, None for no limit. alone_s: of it, for the check against variants run alone."""

    launches: int
    budget_s: float
    rounds_max: int
    time_s: float | None
    alone_s: float


PROFILES = {
    "smoke": Profile(1, 0.05, 5, None, 0),
    "quick": Profile(6, 0.05, 60, 180, 15),
    "standard": Profile(10, 0.1, 100, 600, 90),
    "thorough": Profile(20, 0.1, 100, None, 600),
}


class Selection(NamedTuple):
    """ladders: by kernel, those to measure. missing: variants and ladders that this host can't run.
    added: placebos that ride along."""

    ladders: dict[str, list[dict]]
    missing: list[dict]
    added: list[str]


def where(ladder: dict) -> dict:
    """The coordinates of a ladder."""
    return {"n": ladder["n"], "input": ladder["input"], "threads": ladder["threads"]}


def matching(catalogue: dict, pattern: str | None) -> list[dict]:
    """The kernels whose name the regular expression finds; HeadroomError where it finds none."""
    kernels = [kernel for kernel in catalogue["kernels"] if kernel["group"] != SELFCHECK]
    if pattern is None:
        return kernels
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise HeadroomError(
            f"--filter {safe(pattern)}: no regular expression: {safe(error)}"
        ) from None
    found = [kernel for kernel in kernels if expression.search(kernel["name"])]
    if not found:
        names = [kernel["name"] for kernel in kernels]
        close = difflib.get_close_matches(pattern, names, 1, 0.5)
        hint = f"did you mean {close[0]}?" if close else "`headroom list` shows the kernels"
        raise HeadroomError(f"--filter {safe(pattern)}: matches no kernel; {hint}")
    return found


def selfcheck_kernels(catalogue: dict) -> dict[str, list[dict]]:
    """The ladders of each kernel of group selfcheck; HeadroomError where the build has none."""
    found = {
        kernel["name"]: kernel["ladders"]
        for kernel in catalogue["kernels"]
        if kernel["group"] == SELFCHECK
    }
    if not found:
        raise HeadroomError("the benchmark program has no selfcheck kernels: build it with `make`")
    return found


def select(catalogue: dict, profile: str, pattern: str | None, memory: int | None) -> Selection:
    """What `profile` measures of the kernels that `pattern` finds.

    memory: bytes available, None where unknown. A filtered run takes along the placebos of its
    kernels' noise classes: without them it would have no noise floor.
    """
    chosen = matching(catalogue, pattern)
    names = {kernel["name"] for kernel in chosen}
    added = []
    if profile != "smoke":
        classes = {kernel["noise_class"] for kernel in chosen}
        for kernel in catalogue["kernels"]:
            if kernel["placebo"] in classes and kernel["name"] not in names:
                added.append(kernel["name"])
        chosen = [k for k in catalogue["kernels"] if k["name"] in names or k["name"] in added]

    ladders: dict[str, list[dict]] = {}
    missing: list[dict] = []
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
                        "needs": ", ".join(need["name"] for need in lacking) or "another host",
                        "cure": "; ".join(filter(None, (need["cure"] for need in lacking))),
                    }
                )
        wanted = [ladder for ladder in kernel["ladders"] if _in_profile(kernel, ladder, profile)]
        kept = []
        for ladder in wanted:
            reason, cure = ladder["blocked"], ""
            if not reason and memory and ladder["memory_bytes"] > MEMORY_SHARE * memory:
                reason = f"needs {size(ladder['memory_bytes'])} of memory"
                cure = f"{size(memory)} free, of which 70% may be taken"
            if reason:
                entry = {"kernel": kernel["name"], "variant": None, **where(ladder)}
                missing.append({**entry, "needs": _bare(reason), "cure": cure})
            else:
                kept.append(ladder)
        if kept:
            ladders[kernel["name"]] = kept
    return Selection(ladders, missing, added)


def _bare(reason: str) -> str:
    return reason[len("needs ") :] if reason.startswith("needs ") else reason


def _in_profile(kernel: dict, ladder: dict, profile: str) -> bool:
    if profile == "thorough":
        return True
    if profile == "smoke":
        smallest = min(other["n"] for other in kernel["ladders"])
        return ladder["n"] == smallest and ladder["input"] == kernel["inputs"][0]
    return ladder["headline"]


def pilot_plan(kernel: str, ladders: list[dict], profile: Profile, smoke: bool) -> dict:
    """The plan that the pilot of `kernel` gets."""
    plan = {
        "version": 1,
        "kernel": kernel,
        "ladders": [where(ladder) for ladder in ladders],
        "budget_s": profile.budget_s * (PROBE_SHARE if kernel.startswith("machine/") else 1),
        "rounds_max": profile.rounds_max,
        "seed": SEED,
        "deadline_s": 120,
    }
    if smoke:
        plan["rounds"] = ROUNDS_MIN
    return plan


class Estimate(NamedTuple):
    """What a run would take. Bytes written are an upper bound, memory and scratch the peaks."""

    seconds: float
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
    if profile.time_s is not None:
        seconds = min(seconds, profile.time_s)
    return Estimate(seconds, launches, cells, memory, scratch, written)


def cost_of_ladder(planned: dict, measured: dict, budget_s: float) -> tuple[float, float]:
    """(seconds to set up, seconds of rounds) that one launch of a planned ladder takes.

    planned: from the pilot's plan; measured: the same ladder in the pilot's output. The pilot
    chose R = clamp(budget / cost of a round, 5, Rmax), so that between the clamps the rounds fill
    the budget; at the lower clamp they exceed it. A round is taken as twice its epochs: warming.
    """
    times = {(arm["variant"], arm["threads"]): arm["wall_ns"] for arm in measured["arms"]}
    epochs = 0.0
    for arm in planned["arms"]:
        values = sorted(v for v in times.get((arm["variant"], arm["threads"]), []) if v)
        if values:
            epochs += arm["calls"] * values[len(values) // 2] * 1e-9
    seconds = 2 * epochs * planned["rounds"]
    if planned["rounds"] > ROUNDS_MIN:
        seconds = min(seconds, budget_s)
    else:
        seconds = max(seconds, budget_s)
    return float(measured.get("setup_s") or 0.0), seconds


def shrink(plans: dict[str, dict], scale: float) -> None:
    """Cuts the rounds of every planned ladder to `scale` of them, at least 5."""
    for plan in plans.values():
        for ladder in plan["ladders"]:
            ladder["rounds"] = min(ladder["rounds"], max(ROUNDS_MIN, int(ladder["rounds"] * scale)))


def ladder_name(kernel: dict, coordinates: dict) -> str:
    """`simd/sum n 4,096 · 2 threads`, with what the kernel varies."""
    sweep = len(kernel["threads"]) > 1
    label = ladder_label(
        coordinates["n"],
        coordinates["input"],
        coordinates["threads"],
        len(kernel["inputs"]),
        sweep,
    )
    return f"{kernel['name']} {label}"


def _dropped(plans: dict[str, list], room_s: float, time_s: float) -> list[dict]:
    """Takes the dearest ladders out of `plans` until a pass of least rounds fits into `room_s`.

    plans: by kernel [(planned ladder, its cost)]. A kernel keeps one ladder at least. Returns what
    was taken out, for the record.
    """
    least: dict[tuple, float] = {}
    for name, kept in plans.items():
        for planned, (setup, rounds) in kept:
            key = (name, planned["n"], planned["input"], planned["threads"])
            floor = setup + rounds * min(1.0, ROUNDS_MIN / planned["rounds"])
            least[key] = least.get(key, 0.0) + floor
    total = sum(least.values()) + START_S * len(plans)
    gone = []
    for key, seconds in sorted(least.items(), key=lambda item: -item[1]):
        if total <= room_s:
            break
        name, at = key[0], key[1:]
        kept = [
            item
            for item in plans[name]
            if (item[0]["n"], item[0]["input"], item[0]["threads"]) != at
        ]
        if not kept:
            continue
        plans[name] = kept
        total -= seconds
        gone.append(
            {
                "kernel": name,
                "n": at[0],
                "input": at[1],
                "threads": at[2],
                "reason": f"{seconds:.1f} s a launch are too long for {time_s / 60:.0f} minutes",
            }
        )
    return gone


def fit(
    pilots: dict[str, dict], selection: dict, profile: str, spent_s: float, alone_s: float
) -> dict:
    """plan.json: what every later launch does, fitted into the profile's time.

    pilots: the first launch of each kernel. spent_s: seconds that went already. alone_s: seconds
    kept for the variants run alone.
    """
    own = PROFILES[profile]
    plans, setup, variable, left_out = {}, {}, {}, []
    short = profile in ("quick", "standard")
    for name in selection:
        pilot = pilots[name]
        if pilot["plan"] is None:
            continue
        measured = {(l["n"], l["input"], l["threads"], l["group"]): l for l in pilot["measured"]}
        slow: dict[tuple, float] = {}
        for key, ladder in measured.items():
            slow[key[:3]] = slow.get(key[:3], 0.0) + float(ladder.get("setup_s") or 0.0)
        kept = []
        for planned in pilot["plan"]["ladders"]:
            coordinates = (planned["n"], planned["input"], planned["threads"])
            if short and slow[coordinates] > SETUP_LIMIT_S:
                entry = {
                    "kernel": name,
                    **where(planned),
                    "reason": f"set-up takes {slow[coordinates]:.1f} s a launch",
                }
                if entry not in left_out:
                    left_out.append(entry)
                continue
            ladder = measured[(*coordinates, planned["group"])]
            kept.append((planned, cost_of_ladder(planned, ladder, own.budget_s)))
        if kept:
            plans[name] = kept
    scale, notes = 1.0, []
    room = (1 - REPEAT_RESERVE) * own.time_s - spent_s - alone_s if short and own.time_s else None
    if room is not None:
        # Every headline size comes before the check alone, which takes what time is left.
        left_out += _dropped(plans, (room + alone_s) / own.launches, own.time_s)
    for name, kept in plans.items():
        setup[name] = START_S + sum(cost[0] for _, cost in kept)
        variable[name] = sum(cost[1] for _, cost in kept)
        plans[name] = {**pilots[name]["plan"], "ladders": [planned for planned, _ in kept]}
    if room is not None:
        room -= own.launches * sum(setup.values())
        wanted = own.launches * sum(variable.values())
        if wanted > room > 0 or room <= 0 < wanted:
            scale = max(room / wanted, 0.05)
            shrink(plans, scale)
            notes.append(
                f"rounds were cut to {scale:.2f} of the plan, to end within {duration(own.time_s)}"
            )
    return {
        "launches": own.launches,
        "budget_s": own.budget_s,
        "rounds_max": own.rounds_max,
        "seed": SEED,
        "scale": scale,
        "plans": plans,
        "seconds": {name: setup[name] + scale * variable[name] for name in plans},
        "left_out": left_out,
        "notes": notes,
        "rounds": {
            f"{name}/{l['n']}/{l['input']}/{l['threads']}/{l['group']}": l["rounds"]
            for name, plan in plans.items()
            for l in plan["ladders"]
        },
    }
