"""Talks to the benchmark program: its catalogue, a pilot, a launch, an ordinary benchmark.

A process that crashes, hangs or writes nonsense is a value (Ended), never an exception.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import select
import signal
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import Callable, NamedTuple

from headroom_tools.base import files, paths, processes
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import safe, without_paths
from headroom_tools.machine import allowance
from headroom_tools.machine.fingerprint import steal_ticks
from headroom_tools.measure import ranks
from headroom_tools.measure.types import INTERFACE, Catalogue, KernelPlan, Output, PilotPlan

_REBUILD = "build it anew with `make`"
# What Google Benchmark says of the machine and of itself: no reason for anything.
_OF_LIBRARY = re.compile(
    r"\*\*\*WARNING\*\*\*|\d{4}-\d\d-\d\dT|Running |Run on \(|CPU Caches:|  L\d |Load Average:"
)
_MPIRUN_ENDS_S = 5.0
_KERNEL_KEYS = ("name", "group", "axis", "variants", "ladders", "headline", "noise_class",
                "measure", "params")  # fmt: skip


_job: ranks.Job | None = None


def use_job(job: ranks.Job | None) -> None:
    """From here on the program is started on the ranks of `job`; None: as one process."""
    global _job
    _job = job


def job() -> ranks.Job | None:
    """The MPI job that launches are; None where each is one process."""
    return _job


def measured_program() -> Path:
    """The benchmark program that is measured. HeadroomError where there is none."""
    return ranks.program() if _job else paths.bench()


def _command(other: Path | None, arguments: list[str]) -> list[str]:
    """What to start for a launch with these arguments. other: a program of another build."""
    if other is None and _job is not None:
        return _job.command(arguments)
    return [str(other or paths.bench()), *arguments]


class Ended(NamedTuple):
    """How a process ended.

    status: "ok", "mismatch" (exit status 1), "crash" (a signal), "hang" (time limit) or "error".
    message: one line, without paths. seconds: wall time. load: 1-minute load average at the end.
    steal: share of all CPU time that the hypervisor took meanwhile.
    """

    status: str
    message: str
    seconds: float
    load: float
    steal: float


def _wait(process: subprocess.Popen[bytes], limit: float, tick: Callable[[], None] | None) -> bool:
    """Waits, asleep, until `process` ends (True) or `limit` seconds are over (False)."""
    end = time.monotonic() + limit
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        descriptor = None
    try:
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return process.poll() is not None
            pause = min(left, 1.0)
            if descriptor is not None:
                select.select([descriptor], [], [], pause)
                if process.poll() is not None:
                    return True
            else:
                try:
                    process.wait(pause)
                    return True
                except subprocess.TimeoutExpired:
                    pass
            if tick is not None:
                tick()
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kills `process` and all that it started (it leads a session of its own)."""
    if _job is not None and process.poll() is None:
        # mpirun ends what it has on other hosts, and takes away its files, if it is let.
        process.terminate()
        try:
            process.wait(_MPIRUN_ENDS_S)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def _last_line(path: Path) -> str:
    """The last non-empty line of the last 4 KiB of a file, without the program's name."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - 4096))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    filled = [line for line in lines if line.strip() and not _OF_LIBRARY.match(line)]
    return without_paths(re.sub(r"^headroom-bench: ", "", filled[-1])) if filled else ""


def _surroundings(more: dict[str, str | None] | None) -> dict[str, str]:
    """The tool's own environment with `more`; None there is for what it must not have."""
    wanted: dict[str, str | None] = {**os.environ, **(more or {})}
    return {name: value for name, value in wanted.items() if value is not None}


def _files() -> contextlib.AbstractContextManager[dict[str, str]]:
    """What a launch gets in its environment for the files of an MPI job."""
    if _job is None:
        return contextlib.nullcontext({})
    return _job.files()


def start(
    arguments: list[str],
    folder: Path,
    limit: float,
    environment: dict[str, str | None] | None = None,
    tick: Callable[[], None] | None = None,
    program: Path | None = None,
) -> Ended:
    """Runs the benchmark program to its end, or for at most `limit` seconds.

    folder: where its `stdout` and `stderr` are kept. environment: what it gets beside ours, None
    for what it must not have. tick: called about once a second meanwhile. program: another one than
    this build's.
    """
    command = _command(program, arguments)
    program = program or measured_program()
    stolen, ticks = steal_ticks()
    kills = allowance.out_of_memory_kills()
    began = time.monotonic()
    parent = os.getpid()
    written, errors = folder / "stdout", folder / "stderr"
    with _files() as own, open(written, "wb") as out, open(errors, "wb") as err:
        process = None
        try:
            # Python drops what is raised between fork and exec: a Ctrl-C there would be lost.
            with processes.uninterrupted() as interruptible:

                def prepare() -> None:
                    interruptible()
                    # Or the process of a killed run would go on measuring.
                    processes.die_with(parent, signal.SIGKILL)

                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    env=_surroundings({**(environment or {}), **own}),
                    start_new_session=True,
                    preexec_fn=prepare,
                )
            in_time = _wait(process, limit, tick)
        except OSError as error:
            if process is not None:
                raise
            raise HeadroomError(
                f"{paths.shown(program)}: cannot be run: {error.strerror}; {_REBUILD}"
            ) from None
        finally:
            if process is not None:
                _kill(process)
    seconds = time.monotonic() - began
    now_stolen, now_ticks = steal_ticks()
    steal = (now_stolen - stolen) / max(1, now_ticks - ticks)
    if not in_time:
        status, message = "hang", f"stopped after its time limit of {limit:.0f} s"
    elif process.returncode == 0:
        status, message = "ok", ""
    elif _job is not None:
        said = errors.read_text("utf-8", "replace")[-65536:]
        told = without_paths(ranks.reason(said, process.returncode))
        status, message = _of_job(process.returncode, told)
    elif process.returncode < 0:
        try:
            name = signal.Signals(-process.returncode).name
        except ValueError:
            name = f"signal {-process.returncode}"
        why = allowance.why_killed(kills) if process.returncode == -signal.SIGKILL else None
        said = why or _last_line(errors)
        status, message = "crash", " ".join(filter(None, (name, said)))
    else:
        status = "mismatch" if process.returncode == 1 else "error"
        message = _last_line(errors) or f"exit status {process.returncode}"
    return Ended(status, safe(message), seconds, os.getloadavg()[0], max(0.0, steal))


def _of_job(exit_status: int, why: str) -> tuple[str, str]:
    """(status, message) of an MPI job that failed: mpirun ends as its first failing rank did."""
    if exit_status == 1:
        return "mismatch", why
    return ("crash" if exit_status < 0 or exit_status > 128 else "error"), why


def environment(catalogue: Catalogue) -> dict[str, str | None]:
    """What the program would set and start itself a second time for, by its catalogue.

    A start costs more than 10 ms, most of it for finding and linking libraries. The ranks of an MPI
    job have CPUs of their own, maybe of another host: each looks for itself.
    """
    if _job is not None:
        return {}
    told = catalogue.get("environment")
    if not isinstance(told, dict) or not hasattr(os, "sched_getaffinity"):
        return {}
    good = all(value is None or isinstance(value, str) for value in told.values())
    cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    return {**told, "HEADROOM_CPUS": cpus} if good else {}


def catalogue(
    environment: dict[str, str | None] | None = None,
    program: Path | None = None,
    scratch: Path | None = None,
) -> tuple[Catalogue, str]:
    """(the program's catalogue, its text). HeadroomError where it gives none.

    environment, program: as for start(); a server that is named makes variants available. scratch:
    the folder that the kernels will use, for some need a disk there; None: the usual one, wherever
    the command was started.
    """
    command = _command(program, [])
    program = program or measured_program()
    there = f"--headroom_scratch={(scratch or paths.scratch()).absolute()}"
    try:
        with _files() as own:
            done = subprocess.run(
                [*command, "--headroom_catalogue", there],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_surroundings({**(environment or {}), **own}),
                timeout=60,
            )
    except subprocess.TimeoutExpired:
        raise HeadroomError(
            f"{paths.shown(program)}: gave no catalogue in 60 s; {_REBUILD}"
        ) from None
    except OSError as error:
        raise HeadroomError(
            f"{paths.shown(program)}: cannot be run: {error.strerror}; {_REBUILD}"
        ) from None
    if done.returncode != 0 and _job is not None:
        said = ranks.reason(done.stderr.decode("utf-8", "replace"), done.returncode)
        raise HeadroomError(f"mpirun: {safe(without_paths(said), 200)}")
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = safe(lines[-1], 160) if lines else f"status {done.returncode}"
        raise HeadroomError(f"{paths.shown(program)}: gave no catalogue ({reason}); {_REBUILD}")
    text = done.stdout.decode("utf-8", "replace")
    try:
        tree = json.loads(text)
        if tree["version"] != INTERFACE:
            raise ValueError(f"version {tree['version']}")
        for kernel in tree["kernels"]:
            for key in _KERNEL_KEYS:
                kernel[key]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise HeadroomError(
            f"{paths.shown(program)}: its catalogue is not what these tools read "
            f"({safe(error, 80)}); {_REBUILD}"
        ) from None
    return tree, text


def time_limit(default: float) -> float:
    """`default` seconds, or HEADROOM_TIME_LIMIT (tests, slow machines)."""
    try:
        return float(os.environ["HEADROOM_TIME_LIMIT"])
    except (KeyError, ValueError):
        return default


def launch(
    plan: PilotPlan | KernelPlan,
    index: int,
    folder: Path,
    scratch: Path,
    chance: int,
    limit: float,
    simd_target: str | None = None,
    tick: Callable[[], None] | None = None,
    environment: dict[str, str | None] | None = None,
    program: Path | None = None,
) -> tuple[Ended, Output | None]:
    """One process for one kernel; index 0 is the pilot.

    plan: the plan for the pilot, or what the pilot made of it. folder: for the program's files.
    chance: a number that every run has of its own for a kernel; the order of the arms in memory and
    in time and the size of the environment follow from it, and from the index.
    environment: see environment(); program: as for start(). Returns how it ended, and its output
    if it is whole.
    """
    out = folder / "out.json"
    out.unlink(missing_ok=True)
    # Not synced: it is read at once, and made anew for each launch.
    try:
        (folder / "plan.json").write_text(files.dump(plan), encoding="utf-8")
    except OSError as error:
        error.filename = str(folder / "plan.json")  # write() alone doesn't say which file
        raise
    arguments = [
        f"--headroom_plan={folder / 'plan.json'}",
        f"--headroom_out={out}",
        f"--headroom_launch={index}",
        f"--headroom_chance={chance}",
        f"--headroom_scratch={scratch}",
    ]
    if index == 0:
        arguments.append("--headroom_pilot")
    if simd_target:
        arguments.append(f"--headroom_simd_target={simd_target}")
    pad = random.Random(f"{chance} {index}").randrange(4096)
    own: dict[str, str | None] = {**(environment or {}), "HEADROOM_PAD": "x" * pad}
    ended = start(arguments, folder, limit, own, tick, program)
    if not out.exists():
        if ended.status in ("ok", "mismatch"):
            ended = ended._replace(status="error", message=ended.message or "wrote no output")
        return ended, None
    try:
        tree = files.read_json(out, 1 << 30)
        if not isinstance(tree, dict) or tree.get("version") != INTERFACE:
            raise HeadroomError("output of another version")
        if tree.get("kernel") != plan["kernel"] or tree.get("launch") != index:
            raise HeadroomError("output of another launch")
    except HeadroomError as error:
        return ended._replace(status="error", message=without_paths(error)), None
    finally:
        out.unlink(missing_ok=True)
    return ended, tree


class TakenAlone(NamedTuple):
    """ns of a call of a variant run alone; sentinel: what the sentinel's loop took meanwhile, ns of
    an iteration, None where the program doesn't tell."""

    ns: float
    sentinel: float | None


def alone(
    pattern: str,
    folder: Path,
    scratch: Path,
    limit: float,
    simd_target: str | None = None,
    tick: Callable[[], None] | None = None,
    environment: dict[str, str | None] | None = None,
    repetitions: int = 1,
    min_time: float = 0.03,
) -> tuple[Ended, dict[str, TakenAlone]]:
    """The ordinary benchmarks that match `pattern`, each variant run alone.

    min_time: seconds of a repetition, at least. Returns how it ended, and for each CELL name what
    it took, the median of the repetitions that finished. It is the program's own counter: by the
    clock and the statistic (the median of epochs) of the ladders.
    """
    arguments = [
        f"--benchmark_filter={pattern}",
        "--benchmark_format=json",
        f"--benchmark_min_time={min_time:g}",
        f"--benchmark_repetitions={repetitions}",
        f"--headroom_scratch={scratch}",
    ]
    if simd_target:
        arguments.append(f"--headroom_simd_target={simd_target}")
    ended = start(arguments, folder, limit, environment, tick)
    try:
        tree = files.read_json(folder / "stdout")
        found: dict[str, list[float]] = {}
        beside: dict[str, list[float]] = {}
        for entry in tree["benchmarks"]:
            if entry.get("run_type", "iteration") != "iteration" or entry.get("error_occurred"):
                continue
            name = strip_suffixes(entry["name"])
            found.setdefault(name, []).append(float(entry["median_ns"]))
            reading = entry.get("sentinel_ns")
            if reading is not None and float(reading) > 0:
                beside.setdefault(name, []).append(float(reading))
    except (HeadroomError, KeyError, TypeError, ValueError) as error:
        if ended.status == "ok":
            ended = ended._replace(status="error", message=without_paths(error))
        return ended, {}
    return ended, {
        name: TakenAlone(median(values), median(beside[name]) if name in beside else None)
        for name, values in found.items()
    }


def strip_suffixes(name: str) -> str:
    """A benchmark's name as CELL: without what Google Benchmark appends."""
    return re.sub(
        r"(/(real_time|process_time|manual_time|min_time:[^/]*|min_warmup_time:[^/]*"
        r"|iterations:\d+|repeats:\d+))+(?=/threads:|$)",
        "",
        name,
    )
