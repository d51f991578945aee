"""What a process may use: made-up trees of /proc and /sys, and the real limits of this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest
from conftest import CHECKOUT, Headroom, long_test, skip_unless_built

from headroom_tools.fixtures import server
from headroom_tools.machine import allowance, fingerprint, processor
from headroom_tools.measure import bench, cautions
from headroom_tools.record import validate

GIB = 1 << 30
V1 = {
    "proc/self/cgroup": "4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n0::/other\n",
    "proc/self/mountinfo": (
        "1 0 0:1 /docker/x /sys/fs/cgroup/cpu rw shared:3 - cgroup cgroup rw,cpu,cpuacct\n"
        "2 0 0:2 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "3 0 0:3 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    ),
    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "10000\n",
    "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/cpu/cpu.stat": "nr_periods 9\nnr_throttled 3\nthrottled_time 32000000000\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GIB // 2}\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB // 4}\n",
    "sys/fs/cgroup/memory/memory.stat": f"inactive_file 7\ntotal_inactive_file {GIB // 8}\n",
    "sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    "proc/meminfo": "MemTotal: 8388608 kB\nMemAvailable: 6291456 kB\n",
    "proc/vmstat": "oom_kill 5\n",
}
V2 = {
    "proc/self/cgroup": "0::/box/in ner\n",
    "proc/self/mountinfo": "1 0 0:1 / /sys/fs/c\\040g rw - cgroup2 cgroup2 rw\n",
    "sys/fs/c g/box/cpu.max": "50000 100000\n",
    "sys/fs/c g/box/cpu.stat": "usage_usec 7\nthrottled_usec 1500000\n",
    "sys/fs/c g/box/in ner/cpu.max": "max 100000\n",
    "sys/fs/c g/box/memory.max": f"{GIB}\n",
    "sys/fs/c g/box/memory.current": f"{GIB // 2}\n",
    "sys/fs/c g/box/memory.stat": f"anon 1\ninactive_file {GIB // 4}\n",
    "sys/fs/c g/box/in ner/memory.max": "max\n",
    "sys/fs/c g/box/in ner/memory.events": "low 0\noom 1\noom_kill 1\noom_group_kill 0\n",
    "proc/meminfo": "MemTotal: 8388608 kB\nMemAvailable: 6291456 kB\n",
}


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Writes files of a made-up machine."""
    monkeypatch.setenv("HEADROOM_SYSTEM", str(tmp_path / "made"))
    (tmp_path / "made").mkdir()

    def write(files: dict[str, str]) -> None:
        for name, text in files.items():
            path = tmp_path / "made" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


def _jobs() -> int:
    done = subprocess.run([CHECKOUT / "tools" / "jobs"], capture_output=True, text=True, check=True,
                          timeout=20)  # fmt: skip
    assert done.stderr == ""
    assert int(done.stdout) == allowance.jobs(), "the script says what the module says"
    return int(done.stdout)


def test_version_1(system):
    system(V1)
    assert allowance.quota() == 0.1 and allowance.throttled() == 32.0
    assert allowance.memory_limit() == GIB // 2 == allowance.memory_total()
    assert allowance.memory_available() == GIB // 2 - GIB // 8
    assert allowance.out_of_memory_kills() == (2, 5)
    assert _jobs() == 1
    system({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"})  # fmt: skip
    assert allowance.quota() is None and allowance.throttled() is None
    assert allowance.memory_limit() is None and allowance.memory_available() == 6 * GIB
    assert _jobs() == allowance.count()


def test_version_2_takes_the_least_of_a_group_and_those_above(system):
    system(V2)
    assert allowance.quota() == 0.5 and allowance.throttled() == 1.5
    assert allowance.memory_limit() == GIB
    assert allowance.memory_available() == GIB - GIB // 4
    assert allowance.out_of_memory_kills() == (1, 0)
    assert _jobs() == 1
    system({"sys/fs/c g/box/in ner/memory.high": f"{GIB // 8}\n"})
    assert allowance.memory_limit() == GIB // 8 == allowance.memory_available()


def test_jobs_are_for_time_and_memory(system, monkeypatch):
    system(V2)
    monkeypatch.setattr(allowance, "count", lambda: 64)
    for quota, memory, jobs in ((150_000, 64, 2), (6_400_000, 64, 64), (6_400_000, 4, 8)):
        system({"sys/fs/c g/box/cpu.max": f"{quota} 100000\n",
                "sys/fs/c g/box/memory.max": f"{memory * GIB}\n"})  # fmt: skip
        assert allowance.jobs() == jobs


def test_without_control_groups_nothing_is_limited(system):
    assert allowance.quota() is None and allowance.throttled() is None
    assert allowance.memory_limit() is None and allowance.memory_available() is None
    assert allowance.memory_total() is None and allowance.out_of_memory_kills() == (0, 0)
    assert _jobs() == allowance.count() >= 1
    system({"proc/self/cgroup": "nonsense\n0::/../../etc\n", "proc/self/mountinfo": "x - y\n"
            "1 0 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"})  # fmt: skip
    system({"sys/fs/cgroup/cpu.max": "70000 100000\n", "sys/fs/cgroup/memory.max": "nonsense\n"})
    assert allowance.quota() == 0.7 and allowance.memory_limit() is None
    assert _jobs() == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_fewer_cpus(system, monkeypatch):
    ours = os.sched_getaffinity(0)
    monkeypatch.setenv("OMP_NUM_THREADS", "17")  # nproc would say so
    try:
        os.sched_setaffinity(0, {min(ours)})
        assert allowance.count() == 1 == _jobs()
        assert server.apart() == set() and server.cpus() == 1
    finally:
        os.sched_setaffinity(0, ours)


def test_the_fingerprint_tells_what_is_allowed(system, tmp_path, monkeypatch):
    monkeypatch.setattr(allowance, "cpus", lambda: {0})
    monkeypatch.setattr(processor, "cpu", lambda: {**_CPU, "threads": 4})
    whole = fingerprint.fingerprint(tmp_path)
    assert whole["allowed"] == {"cpus": 1, "cpu_quota": None, "memory_bytes": None}
    system(V2)
    tree = fingerprint.fingerprint(tmp_path)
    validate.machine_tree(tree, "machine.json")
    if (tree["ram"]["bytes"] or GIB) > GIB:
        assert tree["allowed"] == {"cpus": 1, "cpu_quota": 0.5, "memory_bytes": GIB}
        assert allowance.allowed_told(tree["allowed"]) == (
            "1 CPU, the time of 0.5 CPUs, 1.0 GiB of memory"
        )
    assert "-0.5of2c" in tree["slug"] and tree["slug"] != whole["slug"]
    monkeypatch.setattr(allowance, "cpus", lambda: {0, 1, 2, 3})
    shutil.rmtree(tmp_path / "made")
    assert "allowed" not in fingerprint.fingerprint(tmp_path)


_CPU = {
    "architecture": "x86_64", "vendor": None, "model_name": None, "family": None, "model": None,
    "stepping": None, "microarchitecture": None, "microcode": None, "sockets": 1, "cores": 2,
    "threads": 4, "smt": None, "isa": [], "caches": [], "governor": None, "boost": None,
    "max_mhz": None, "mitigations": {}, "numa_nodes": None,
}  # fmt: skip
_LADDER = {"n": 1, "input": "x", "threads": 1, "memory_bytes": 4096}


def _said(missing=(), **more) -> str:
    catalogue = {
        "build": {"build_type": "Release", "flags": ""},
        "kernels": [{"name": "a/b", "axis": "scalar", "ladders": [_LADDER]}],
        **more,
    }
    subject = cautions.Subject(catalogue, {"a/b": [_LADDER]}, list(missing))  # type: ignore
    return "\n".join(cautions.found(subject))


def test_cautions_say_what_is_allowed(system, monkeypatch):
    monkeypatch.setattr(cautions, "_sample", lambda: cautions.Sample(0.0, 0.0, 0.0))
    assert _said() == ""
    monkeypatch.setattr(allowance, "count", lambda: 2)
    system(V2)
    assert "a control group gives the time of 0.5 of 2 CPUs" in _said()
    assert "of memory are free" not in _said()
    system({"sys/fs/c g/box/memory.current": f"{GIB - (1 << 20)}\n",
            "sys/fs/c g/box/memory.stat": ""})  # fmt: skip
    assert "only 1.0 MiB of 1.0 GiB of memory are free; raise the memory limit" in _said()
    system({"sys/fs/c g/box/cpu.max": "200000 100000\n"})
    assert "a control group gives" not in _said(), "as much as there is"


def test_cautions_say_where_cpus_are_missing(system, monkeypatch):
    monkeypatch.setattr(cautions, "_sample", lambda: cautions.Sample(0.0, 0.0, 0.0))
    monkeypatch.setattr(allowance, "count", lambda: 1)
    monkeypatch.setattr(cautions.os, "cpu_count", lambda: 2)
    lost = {"kernel": "a/b", "n": 1, "input": "x", "threads": 2, "needs": "2 cores"}
    assert "may run on 1 of 2 CPUs" in _said([lost])
    assert _said() == "" and _said([{**lost, "needs": "4 cores"}]) == ""


def test_cautions_say_that_threads_move(system, monkeypatch):
    monkeypatch.setattr(cautions, "_sample", lambda: cautions.Sample(0.0, 0.0, 0.0))
    assert "sched_setaffinity is refused" in _said(pinned=False)
    assert _said(pinned=True) == _said() == ""


def test_a_program_that_the_kernel_ends_for_its_memory(system, tmp_path):
    """Its reason, not what Google Benchmark says of itself at the start."""
    system(V2)
    events = tmp_path / "made/sys/fs/c g/box/in ner/memory.events"
    program = tmp_path / "program"
    program.write_text(
        f"#!{sys.executable}\nimport os, pathlib, sys\n"
        "print('***WARNING*** Library was built as DEBUG. Timings may be affected.',"
        " file=sys.stderr, flush=True)\n"
        f"if sys.argv[1] == 'oom': pathlib.Path({str(events)!r}).write_text('oom_kill 2\\n')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    program.chmod(0o755)
    ended = bench.start(["else"], tmp_path, 60, program=program)
    assert (ended.status, ended.message) == ("crash", "SIGKILL")
    ended = bench.start(["oom"], tmp_path, 60, program=program)
    assert ended.message == (
        "SIGKILL out of memory: the limit of 1.0 GiB of its control group was reached"
    )


# --- the real program

BENCH = CHECKOUT / "build" / "release" / "bench" / "headroom-bench"
built = pytest.mark.skipif(not BENCH.is_file(), reason="headroom-bench isn't built")


def _catalogue(program: list[str], cwd: Path, **environment: str) -> dict:
    surroundings = {**os.environ, **environment}
    surroundings.pop("HEADROOM_CPUS", None)
    command = [*program, "--headroom_catalogue"]
    done = subprocess.run(command, capture_output=True, cwd=cwd, env=surroundings, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _preloaded(tmp_path: Path, source: str) -> str:
    """A library of which functions of the C library are replaced; a skip where none can be made."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    (tmp_path / "other.c").write_text(source)
    made = tmp_path / "other.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", made, tmp_path / "other.c", "-ldl"], check=True
    )
    return str(made)


@built
@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity here")
@pytest.mark.parametrize("bind", ("true", "close", ""))
def test_the_benchmark_program_keeps_to_its_cpus(tmp_path, system, bind):
    """Also where OMP_PROC_BIND, which binds it to one core before main, is set already."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one CPU")
    bound = {"OMP_PROC_BIND": bind} if bind else {}
    whole = _catalogue([str(BENCH)], tmp_path, **bound)
    assert whole["threads_available"] == _catalogue([str(BENCH)], tmp_path)["threads_available"]
    last = str(max(os.sched_getaffinity(0)))
    one = _catalogue(["taskset", "-c", last, str(BENCH)], tmp_path, **bound)
    assert one["threads_available"] == 1 and one["pinned"] is True


@built
@pytest.mark.parametrize(("quota", "cores"), ((10_000, 1), (150_000, 1), (6_400_000, None)))
def test_a_quota_bounds_the_sweep_of_threads(tmp_path, system, quota, cores):
    skip_unless_built("parallel/sum")
    system({**V2, "sys/fs/c g/box/cpu.max": f"{quota} 100000\n"})
    tree = _catalogue([str(BENCH)], tmp_path)
    assert cores is None or tree["threads_available"] == cores
    for kernel in tree["kernels"]:
        for ladder in kernel["ladders"] if kernel["name"] == "parallel/sum" else ():
            assert bool(ladder["blocked"]) == (ladder["threads"] > tree["threads_available"])


@built
def test_more_cpus_than_a_cpu_set_holds(tmp_path, system):
    """The kernel refuses a mask that is smaller than its own."""
    other = _preloaded(tmp_path, """\
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <string.h>
int sched_getaffinity(pid_t pid, size_t size, cpu_set_t* set) {
  if (size < 512) return errno = EINVAL, -1;
  memset(set, 0, size);
  for (int cpu = 0; cpu < 2; ++cpu) CPU_SET_S(cpu, size, set);
  CPU_SET_S(1500, size, set);
  CPU_SET_S(3000, size, set);
  return 0;
}
int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t* set) { return 0; }
long syscall(long number, ...) { return errno = ENOSYS, -1; }
""")  # fmt: skip
    tree = _catalogue([str(BENCH)], tmp_path, LD_PRELOAD=other)
    assert tree["threads_available"] in (3, 4)  # the first two may share a core


@built
def test_threads_move_among_more_cpus_than_a_cpu_set_holds(tmp_path, system):
    """Kernels free their threads, and put them on a core, with masks that the kernel takes."""
    skip_unless_built("caching/write_policy")
    other = _preloaded(tmp_path, """\
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>
int pthread_getaffinity_np(pthread_t thread, size_t size, cpu_set_t* set) {
  if (size < 512) return EINVAL;
  memset(set, 0, size);
  return sched_getaffinity(0, size, set) < 0 ? errno : 0;
}
int pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t* set) {
  if (size < 512) return EINVAL;
  return write(2, "moved\\n", 6) == 6 ? 0 : EIO;
}
""")  # fmt: skip
    done = subprocess.run(
        [str(BENCH), "--benchmark_filter=^caching/write_policy/write_back/n:16/",
         "--benchmark_min_time=0.001", f"--headroom_scratch={CHECKOUT / 'build/scratch'}"],
        env={**os.environ, "LD_PRELOAD": other}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0 and "caching/write_policy/write_back" in done.stdout, done.stderr
    assert "moved\n" in done.stderr


@built
def test_a_refused_affinity_is_told(tmp_path, system):
    other = _preloaded(tmp_path, """\
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t* set) { return errno = EPERM, -1; }
""")  # fmt: skip
    assert _catalogue([str(BENCH)], tmp_path, LD_PRELOAD=other)["pinned"] is False
    assert _catalogue([str(BENCH)], tmp_path)["pinned"] is True


# --- real control groups


def _made(controller: str, files: dict[str, str]) -> Path:
    """A real control group of version 1 or 2 with these settings, or a skip."""
    version1 = Path("/sys/fs/cgroup") / controller
    top = version1 if version1.is_dir() else Path("/sys/fs/cgroup")
    group = top / f"headroom-test-{os.getpid()}"
    try:
        if top != version1:
            (top / "cgroup.subtree_control").write_text(f"+{controller}")
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error.strerror}")
    try:
        for name, text in files.items():
            if (group / name).exists():
                (group / name).write_text(text)
    except OSError as error:
        group.rmdir()
        pytest.skip(f"no control group can be set here: {error.strerror}")
    return group


@pytest.fixture
def half_a_cpu() -> Iterator[list[Path]]:
    """Control groups of half a CPU's time and 512 MiB."""
    groups = [
        _made("cpu", {"cpu.cfs_quota_us": "50000", "cpu.max": "50000 100000"}),
        _made("memory", {"memory.limit_in_bytes": f"{GIB // 2}", "memory.max": f"{GIB // 2}"}),
    ]
    yield groups
    for group in groups:
        for _ in range(100):
            try:
                group.rmdir()
                break
            except OSError:
                pass


@long_test
@built
def test_a_run_in_a_container_of_half_a_cpu(tmp_path, half_a_cpu):
    """It says what it had, and what was stopped is no part of its figures."""
    skip_unless_built("simd/sum", "parallel/sum")
    headroom = Headroom(tmp_path, BENCH)
    join = "".join(f"echo $$ > {group}/cgroup.procs; " for group in half_a_cpu)
    done = subprocess.run(
        ["sh", "-c", f'{join}exec "$@"', "sh", str(CHECKOUT / "tools/headroom"), "run",
         "--profile", "quick", "--filter", "^(simd|parallel)/sum$", "--out", str(tmp_path / "o")],
        env={**headroom.env, "HEADROOM_SYSTEM": "/"}, capture_output=True, text=True,
        cwd=CHECKOUT, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "! a control group gives the time of 0.5 of" in done.stdout
    (path,) = (tmp_path / "o").glob("*/*/run.json")
    run, machine = (json.loads((path.parent / name).read_text())
                    for name in ("run.json", "machine.json"))  # fmt: skip
    assert machine["allowed"]["cpu_quota"] == 0.5
    assert machine["allowed"]["memory_bytes"] == GIB // 2
    assert "0.5of" in run["machine"] and run["threads_available"] == 1
    assert set(run["ladders"]["threads"]) == {1}
    assert any("control group" in note for note in run["notes"])
    known = [share for share in run["launches"]["throttled"] if share is not None]
    assert known and len(known) == len(run["launches"]["throttled"])
