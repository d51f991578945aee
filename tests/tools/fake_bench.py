#!/usr/bin/env python3
"""A stand-in for headroom-bench that speaks its interface and measures nothing.

Times are made up from the kernel, variant, size and launch. FAKE_MODE makes it misbehave, as
`KIND:KERNEL[:LAUNCH]` (a comma between several): crash, hang, mismatch, truncate, silent, nospace,
slow (set-up of 3 s claimed), slowest (the same, from n 65,536 on), heavy (rounds of 1 s claimed),
sleep (0.2 s a launch), drift, biased (the copy is 10% slower), counters (of a machine that has
some), busy (another program has the core), busyonce (but only the first time that a launch is
started), slowcore (the sentinel is 20% slower), slowcoreonce, hot (it is from this launch on),
nextto (a neighbour is beside `better` where it runs alone), nexttoonce (only beside the first),
waits (for a quiet core, whose reading the plan tells), nosentinel (as programs were before they had
one), throws (variant `better` fails, the others go on).
FAKE_LOG names a file to which each start is appended. FAKE_MORE adds the kernels of MORE: a
standard rung and what is built, promises, and what is judged by another measure than time.
FAKE_SIMULATED names kernels (commas) that are simulations: what a launch gives is the same in each.
FAKE_SERVED adds a kernel that needs the fixture redis (`peer`: its peer alone does); the mode
`shutdown` ends that server.
FAKE_TIMES, as `KERNEL/VARIANT:FACTOR` (commas), makes variants take longer, and its text draws
other noise; FAKE_WITHOUT (`KERNEL` or `KERNEL/VARIANT`, commas) leaves them out; FAKE_COMPILER is
what the build says that it was built by, FAKE_PRESET its preset. FAKE_ASKED names a file to which
the folder is appended for which the catalogue is asked.
"""

import itertools
import json
import os
import random
import re
import signal
import socket
import sys
import time

VARIANTS = [
    ("naive", "baseline", 1.0, []),
    ("better", "optimized", 0.25, []),
    ("peer", "peer", 0.5, []),
    ("wide", "optimized", 0.2, [{"name": "avx9", "available": False, "cure": "buy another CPU"}]),
]


TIME = {"name": "time", "unit": "ns", "better": "less"}


def choices(params):
    """Every combination of the params' values."""
    found = [{}]
    for name, values in params.items():
        found = [{**one, name: value} for one in found for value in values]
    return found


def kernel(name, axis, sizes, headline, threads=(1,), placebo="", noise="cpu", inputs=("random",),
           probe=False, variants=None, measure=TIME, promise=("exact",), params=None, weak=()):
    # weak: variants that keep no promise but "exact"
    params = params or {}
    variants = variants or (VARIANTS if not (placebo or probe) else VARIANTS[:1])
    if placebo:
        variants = [VARIANTS[0], ("copy", "optimized", 1.0, [])]
    ladders = []
    for n in sizes:
        for input_name in inputs:
            for count, choice in itertools.product(threads, choices(params)):
                ladders.append({
                    "n": n, "input": input_name, "threads": count, "params": choice,
                    "headline": n in headline and input_name == inputs[0],
                    "groups": [[v[0] for v in variants if not v[3]]],
                    "items": n, "bytes": 4 * n, "flops": 0,
                    "memory_bytes": 1 << 50 if n >= 10**9 else 4 * n,
                    "scratch_bytes": 4096 if axis.startswith("storage") else 0,
                    "written_bytes": 4096 if axis.startswith("storage") else 0,
                    "blocked": "needs 64 cores" if count > 32 else "",
                })  # fmt: skip
    return {
        "name": name, "group": name.split("/")[0], "axis": axis, "placebo": placebo,
        "noise_class": noise, "probe": probe, "unit": "ns" if probe else "", "ceiling": "",
        "technique": "do less",
        "measure": measure, "promise": list(promise), "fixtures": [], "params": params,
        "source": name + ".cpp",
        "cache": "warm", "sizes": list(sizes), "headline": list(headline),
        "inputs": list(inputs), "threads": list(threads),
        "variants": [{
            "name": v[0], "role": v[1], "what": "less work", "available": not v[3],
            "promise": ["exact"] if v[0] in weak else list(promise),
            "lacks": [word for word in promise if word != "exact"] if v[0] in weak else [],
            "promise_note": "may lose what was written last" if v[0] in weak else "",
            "single_thread": v[0] == "naive", "max_n": None, "needs": v[3],
        } for v in variants],
        "ladders": ladders,
    }  # fmt: skip


KNOWN = [VARIANTS[0], ("copy", "optimized", 1.0, [])] + [
    (f"plus_{percent:g}", "optimized", 1 + percent / 100, []) for percent in (0.5, 1, 2, 5)
]


def served():
    """A kernel that needs a Redis, which is there where the environment names one."""
    there = bool(os.environ.get("HEADROOM_REDIS"))
    needs = [{"name": "redis", "available": there, "cure": "make deps SERVICES=1"}]
    tree = kernel("caching/fake_get", "network", [16], [16], noise="threads")
    tree["fixtures"] = ["redis"]
    for variant in tree["variants"]:
        if os.environ["FAKE_SERVED"] != "peer" or variant["name"] == "peer":
            variant["needs"] = variant["needs"] + needs
            variant["available"] = variant["available"] and there
    here = [variant["name"] for variant in tree["variants"] if variant["available"]]
    for ladder in tree["ladders"]:
        ladder["groups"] = [here]
    if not here:
        tree["ladders"] = []
    return tree


def tell_server(word):
    """Sends a command to the server that the environment names; what it answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(os.environ["HEADROOM_REDIS"].split(",")[0])
        connection.sendall(f"AUTH {os.environ['REDISCLI_AUTH']}\r\n{word}\r\n".encode())
        told = b""
        while True:
            more = connection.recv(256)
            told += more
            if not more or told.count(b"\n") == 2:
                return told


KERNELS = [
    kernel("machine/overhead", "scalar", [1], [1], probe=True),
    kernel("machine/placebo_cpu", "scalar", [4096], [4096], placebo="cpu"),
    kernel("simd/sum", "simd", [256, 4096, 65536], [4096, 65536]),
    kernel(
        "algorithm/sort", "scalar", [1000, 10**9], [1000, 10**9], inputs=("random", "sorted")
    ),
    kernel("parallel/sum", "cores", [65536], [65536], threads=(1, 2, 64), noise="threads"),
    kernel("io/write_records", "storage-sequential", [512], [512], noise="storage"),
    kernel("selfcheck/chain", "scalar", [4000], [4000], variants=KNOWN),
]
FOUND = [("naive", "baseline", 1.0, []), ("library", "standard", 0.4, []),
         ("built", "optimized", 0.1, []), ("quick", "optimized", 0.2, [])]  # fmt: skip
MORE = [
    kernel("algorithm/find", "memory-latency", [1000], [1000], variants=FOUND),
    kernel("database/commit", "storage-sync", [512], [512], noise="storage",
           promise=("exact", "durable"), weak=("better",)),
    kernel("concurrency/serve", "network", [100], [100], params={"clients": [1, 16]},
           measure={"name": "p99", "unit": "ns", "better": "less"}, variants=VARIANTS[:3]),
    kernel("caching/evict", "cache", [100], [100], variants=VARIANTS[:3],
           measure={"name": "hit_ratio", "unit": "ratio", "better": "more"}),
]  # fmt: skip
BUILD_NS = {"built": 180_000.0, "library": 400_000.0}  # what making their State takes
if "FAKE_MORE" in os.environ:
    KERNELS += MORE
if "FAKE_SERVED" in os.environ:
    KERNELS.append(served())
SIMULATED = os.environ.get("FAKE_SIMULATED", "").split(",")
WITHOUT = os.environ.get("FAKE_WITHOUT", "").split(",")
KERNELS = [entry for entry in KERNELS if entry["name"] not in WITHOUT]
for entry in KERNELS:
    entry["simulated"] = entry["name"] in SIMULATED
    entry["variants"] = [one for one in entry["variants"]
                         if f"{entry['name']}/{one['name']}" not in WITHOUT]  # fmt: skip
CATALOGUE = {
    "version": 2,
    "build": {"compiler": os.environ.get("FAKE_COMPILER", "GNU 12.2.0"),
              "flags": "-O3 -DNDEBUG -I/opt/secret",
              "build_type": "Release", "isa": "x86-64",
              "preset": os.environ.get("FAKE_PRESET", "release"),
              "benchmark_library_debug": True},
    "libraries": {"benchmark": "1.7.1"},
    "simd_targets": ["AVX2", "SSE4"],
    "threads_available": 2,
    "kernels": KERNELS,
}  # fmt: skip


def mode(kind, name, launch):
    for entry in os.environ.get("FAKE_MODE", "").split(","):
        parts = entry.split(":")
        if parts[0] == kind and parts[1] in (name, "*"):
            if len(parts) < 3 or int(parts[2]) == launch:
                return True
    return False


def hot(launch):
    """Whether the clock has fallen for good, as it does in a laptop."""
    modes = [entry.split(":") for entry in os.environ.get("FAKE_MODE", "").split(",")]
    return any(parts[0] == "hot" and launch >= int(parts[2]) for parts in modes)


def sentinel_of(name, launch, slow):
    """The sentinel's readings: four before the first round, then some of its rounds."""
    draw = random.Random(f"sentinel {name} {launch}")
    level = 1.1 * draw.uniform(1, 1.01) * (1.2 if slow else 1)
    rounds = [0, 0, 0, 0, 3, 9, 15]
    return {"iterations": 16384, "ns": [level * draw.uniform(1, 1.02) for _ in rounds],
            "ladder": [0] * len(rounds), "round": rounds,
            "arm": [None] * 4 + [0, 1, 0]}  # fmt: skip


def conditions_of(name, launch, busy=False, slow=False):
    """What a launch's output says of how it went."""
    return {
        "conditions": {"seconds": 0.3, "waited_s": 0.15 if busy else 0.0001, "stolen_s": 0.0,
                       "others_s": 0.16 if busy else 0.01, "switches": 40 if busy else 2},
        "sentinel": sentinel_of(name, launch, slow),
    }  # fmt: skip


def factor_of(variant):
    """How long a variant takes, relative to its baseline."""
    return next((v[2] for v in VARIANTS + KNOWN + FOUND if v[0] == variant), 1.0)


def times_of(kernel_name, variant):
    """How many times as long FAKE_TIMES makes a variant take."""
    told = dict(one.split(":") for one in os.environ.get("FAKE_TIMES", "").split(",") if one)
    return float(told.get(f"{kernel_name}/{variant}", 1))


def values_of(entry, times, planned):
    """What rounds of these times come to by the kernel's measure: a latency that grows with the
    clients, or a share of hits that is the larger the faster the variant is."""
    if entry["measure"]["better"] == "more":
        return [0.9 * (1 - ns / (4 * planned["n"])) for ns in times]
    return [3 * ns * planned["params"]["clients"] for ns in times]


def alone_before(pattern):
    """What variants were run alone for so far; FAKE_ALONE names the file that keeps it."""
    path = os.environ.get("FAKE_ALONE")
    if path is None:
        return []
    with open(path, "a+", encoding="utf-8") as stream:
        stream.seek(0)
        before = stream.read().splitlines()
        stream.write(pattern + "\n")
    return before


def alone(pattern):
    found = []
    before = len(alone_before(pattern))
    expression = re.compile(pattern)
    for entry in KERNELS:
        for ladder in entry["ladders"]:
            for variant in VARIANTS[:3]:
                name = f"{entry['name']}/{variant[0]}/n:{ladder['n']}"
                if len(entry["inputs"]) > 1:
                    name += f"/input:{ladder['input']}"
                if len(entry["threads"]) > 1:
                    if ladder["threads"] > 1 and variant[0] == "naive":
                        continue
                    name += f"/threads:{ladder['threads']}"
                name += "".join(f"/{param}:{value}" for param, value in ladder["params"].items())
                if expression.search(name):
                    ns = 2.0 * ladder["n"] * variant[2]
                    if mode("alone", entry["name"], 0) and variant[0] == "better":
                        ns /= 2
                    slow = variant[0] == "better" and (
                        mode("nextto", entry["name"], 0)
                        or (mode("nexttoonce", entry["name"], 0) and not before)
                    )
                    ns *= 1.5 if slow else 1
                    found.append({"name": name + "/real_time", "run_type": "iteration",
                                  "cpu_time": ns / 900, "real_time": ns / 900,
                                  "time_unit": "us", "median_ns": ns,
                                  "sentinel_ns": 1.1 * (1.2 if slow else 1.01)})  # fmt: skip
    print(json.dumps({"context": {}, "benchmarks": found}))
    return 0


def main():
    flags = dict(a[2:].partition("=")[::2] for a in sys.argv[1:] if a.startswith("--"))
    if "headroom_catalogue" in flags:
        if "FAKE_ASKED" in os.environ:
            with open(os.environ["FAKE_ASKED"], "a", encoding="utf-8") as stream:
                stream.write(flags.get("headroom_scratch", "") + "\n")
        print(json.dumps(CATALOGUE))
        return 0
    if "benchmark_filter" in flags:
        return alone(flags["benchmark_filter"])
    with open(flags["headroom_plan"], encoding="utf-8") as stream:
        plan = json.load(stream)
    launch, pilot = int(flags["headroom_launch"]), "headroom_pilot" in flags
    assert "HEADROOM_PAD" in os.environ
    name = plan["kernel"]
    entry = next(k for k in KERNELS if k["name"] == name)
    started = []
    if os.path.exists(os.environ.get("FAKE_LOG", "")):
        with open(os.environ["FAKE_LOG"]) as stream:
            started = stream.read().splitlines()
    busy = mode("busy", name, launch)
    fresh = f"{name} {launch}" not in started
    busy = busy or (mode("busyonce", name, launch) and fresh)
    slow = mode("slowcore", name, launch) or (mode("slowcoreonce", name, launch) and fresh)
    with open(os.path.join(flags["headroom_scratch"], "data"), "w") as stream:
        stream.write("x" * 100)
    if "FAKE_LOG" in os.environ:
        with open(os.environ["FAKE_LOG"], "a") as stream:
            stream.write(f"{name} {launch}\n")
    if entry.get("fixtures") and "HEADROOM_REDIS" in os.environ:
        if mode("shutdown", name, launch):
            tell_server("SHUTDOWN")
        if tell_server("PING") != b"+OK\r\n+PONG\r\n":
            print("headroom-bench: redis: no answer", file=sys.stderr)
            return 2
    if mode("sleep", name, launch):
        time.sleep(0.2)
    if mode("crash", name, launch):
        print("headroom-bench: about to fail in /home/someone/x", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    if mode("hang", name, launch):
        time.sleep(600)
    if mode("silent", name, launch):
        return 0
    draw = random.Random(f"{name} {launch} {os.environ.get('FAKE_SEED', '')}"
                         f"{os.environ.get('FAKE_TIMES', '')}")
    scale = 1.5 if mode("drift", name, launch) else 1.0
    ladders, status = [], 0
    for planned in plan["ladders"]:
        known = next(one for one in entry["ladders"]
                     if all(one[k] == planned[k] for k in ("n", "input", "threads", "params")))
        assert not known["blocked"], "a blocked ladder was planned"
        rounds = planned.get("rounds") or (7 if pilot else None)
        if plan.get("rounds"):
            rounds = plan["rounds"]
        arms, failed = [], []
        noise = 0.001 if name == "selfcheck/chain" else 0.01
        shift = draw.gauss(0, noise / 5)
        for variant in entry["variants"]:
            if not variant["available"]:
                continue
            factor = factor_of(variant["name"]) * times_of(name, variant["name"])
            if variant["name"] == "better" and mode("throws", name, launch):
                failed.append({"variant": "better", "threads": planned["threads"],
                               "message": "connection refused at /run/x.sock"})  # fmt: skip
                continue
            if not pilot and variant["name"] not in [arm["variant"] for arm in planned["arms"]]:
                continue  # failed in the pilot
            if variant["name"] == "copy" and mode("biased", name, launch):
                factor = 1.1
            threads = 1 if variant["name"] == "naive" else planned["threads"]
            each = 1e9 if mode("heavy", name, launch) else 2.0 * planned["n"] * factor * scale
            times = [
                each * (1 + shift * (factor != 1) + draw.gauss(0, noise)) for _ in range(rounds)
            ]
            arms.append({
                "variant": variant["name"], "role": variant["role"], "threads": threads,
                "calls": 1, "wall_ns": times, "cpu_ns": times, "held_bytes": 0,
                "build_ns": BUILD_NS.get(variant["name"]),
                "quantities": {"hit_ratio": {"value": 0.9, "unit": "ratio"}}
                if name == "algorithm/sort" else {},
            })  # fmt: skip
            if entry["measure"]["name"] != "time":
                arms[-1]["values"] = values_of(entry, times, planned)
            if mode("counters", name, launch):
                cycles = 3.0 * planned["n"] * factor * (1 + 0.001 * launch)
                arms[-1]["counters"] = {"cycles": cycles, "instructions": 2.5 * cycles,
                                        "cache_misses": 0.0}  # fmt: skip
        if name == "simd/sum":  # its ceiling, which variant `better` reaches to a part
            share = 0.8 if not mode("cheat", name, launch) else 1.2
            least = min(arms, key=lambda a: a["wall_ns"][0])["wall_ns"]
            times = [ns * share for ns in least]
            arms.append({
                "variant": "ceiling", "role": "ceiling", "threads": planned["threads"], "calls": 1,
                "wall_ns": times, "cpu_ns": times, "held_bytes": 0, "build_ns": None,
                "quantities": {},
                "probe": "machine/read/probe",
            })  # fmt: skip
        wrong = mode("mismatch", name, launch)
        if mode("nospace", name, launch):
            what, message = "no-space", "needs 1 GiB"
        elif wrong:
            what, message, status = "mismatch", f"better n:{planned['n']} seed 1", 1
        else:
            what, message = "ok", ""
        ladders.append({
            "n": planned["n"], "input": planned["input"], "threads": planned["threads"],
            "params": planned["params"], "failed": failed,
            "group": 0, "baseline": "naive", "clock": "wall" if planned["threads"] > 1 else "cpu",
            "working_set": 4 * planned["n"], "empty_wall_ns": 33.0, "empty_cpu_ns": 574.0,
            "skipped_rounds": 0, "setup_s": 3.0 if mode("slow", name, launch)
            or (mode("slowest", name, launch) and planned["n"] >= 65536) else 0.001,
            "seconds": 0.01, "status": what, "message": message,
            "arms": arms if what == "ok" else [],
        })  # fmt: skip
    out = {"version": 2, "kernel": name, "launch": launch, "pilot": pilot, "simd_target": "AVX2",
           "ladders": ladders}  # fmt: skip
    out.update(conditions_of(name, launch, busy, slow or hot(launch)))
    if mode("waits", name, launch) and not pilot and plan["sentinel_ns"] > 1:
        out["sentinel"].update(rounds_again=2, waited_s=0.25)
    if mode("nosentinel", name, launch):
        del out["sentinel"]
    out["no_counters"] = None
    if not mode("counters", name, launch):
        out["no_counters"] = {"why": "this virtual machine has none", "cure": "use a bare one"}
    if pilot:
        chosen = min(60, plan["rounds_max"])
        out["plan"] = {**plan, "ladders": [{
            "n": one["n"], "input": one["input"], "threads": one["threads"],
            "params": one["params"], "group": 0,
            "rounds": plan.get("rounds", chosen),
            "arms": [{"variant": a["variant"], "threads": a["threads"], "calls": 1}
                     for a in one["arms"]] or [{"variant": "naive", "threads": 1, "calls": 1}],
        } for one in ladders]}  # fmt: skip
    text = json.dumps(out)
    if mode("truncate", name, launch):
        text = text[: len(text) // 2]
    with open(flags["headroom_out"], "w") as stream:
        stream.write(text)
    if status:
        print(f"headroom-bench: {name}: better disagrees", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
