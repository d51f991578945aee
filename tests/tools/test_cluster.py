"""`headroom run --ranks`: what is refused, what a record says, and what is left when something is
killed, on this machine and on several hosts (network namespaces, tests/cluster/hosts.py)."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from conftest import CHECKOUT, COMMAND, Headroom, skip_unless_built
from generated import golden_pair, written

from headroom_tools.base.errors import HeadroomError
from headroom_tools.compare.comparison import compared
from headroom_tools.compare.sides import read_sides
from headroom_tools.measure import ranks
from headroom_tools.record import hosts

PRESET = os.environ.get("HEADROOM_PRESET", "release")
PROGRAM = CHECKOUT / "build" / PRESET / "bench" / "headroom-bench-cluster"
HOSTS = CHECKOUT / "tests" / "cluster" / "hosts.py"
KERNELS = {
    "cluster/allreduce", "cluster/halo", "cluster/pingpong", "cluster/sample_sort",
    "cluster/word_count", "machine/placebo_ranks",
}  # fmt: skip
# Four ranks on however many cores: nothing is measured.
YIELD = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_mpi_yield_when_idle": "1",
}

_SPEC = importlib.util.spec_from_file_location("cluster_hosts", HOSTS)
assert _SPEC and _SPEC.loader
cluster_hosts = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(cluster_hosts)

with_mpi = pytest.mark.skipif(
    not PROGRAM.is_file() or shutil.which("mpirun") is None,
    reason="no headroom-bench-cluster: make deps CLUSTER=1, make test",
)
with_hosts = pytest.mark.skipif(bool(cluster_hosts.why_not()), reason=cluster_hosts.why_not())


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Headroom]:
    skip_unless_built("cluster/pingpong", "cluster/halo")
    headroom = Headroom(tmp_path, PROGRAM)
    headroom.env.update(YIELD)
    yield headroom
    for pid in _processes(tmp_path):
        os.kill(pid, signal.SIGKILL)


def _processes(root: Path, name: str = "") -> list[int]:
    """The processes that were started for a checkout below `root`, and have `name` first."""
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = Path(entry.path, "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(str(root).encode() in word for word in words):
            if Path(words[0].decode()).name.startswith(name):
                found.append(int(entry.name))
    return found


def _daemons() -> set[int]:
    """Open MPI's, of whomever."""
    done = subprocess.run(["ps", "-e", "-o", "pid=,comm="], capture_output=True, text=True)
    lines = (line.split(None, 1) for line in done.stdout.splitlines())
    return {int(pid) for pid, name in lines if name.strip() in ("orted", "prted")}


def _namespaces() -> set[str]:
    """All network namespaces that a process is in."""
    found = set()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                found.add(os.readlink(f"{entry.path}/ns/net"))
            except OSError:
                pass
    return found


def _until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    limit = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < limit:
        time.sleep(0.02)
    return value


def _one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


# --- what is refused


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("--ranks", "0"), "from 1 to"),
        (("--ranks", "-3"), "from 1 to"),
        (("--hosts", "file"), "goes with --ranks"),
        (("--ranks", "2", "--hosts", "missing"), "cannot be read"),
        (("--ranks", "2", "--hosts", "empty"), "names no host"),
        (("--ranks", "2", "--hosts", "bad"), "bad:2: node2 slots=many: a line is HOST [slots=N]"),
        (("--ranks", "2", "--hosts", "binary"), "no text"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    headroom = _with_mpirun(tmp_path, "echo 'mpirun (Open MPI) 4.1.4'")
    (tmp_path / "empty").write_text("# none\n\n")
    (tmp_path / "bad").write_text("node1 slots=2\nnode2 slots=many\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    done = headroom("run", *arguments)
    assert done.returncode == 2 and told in _one_line(done)


def _with_mpirun(folder: Path, body: str) -> Headroom:
    """With a program of that name first in PATH."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "mpirun").write_text(f"#!/bin/sh\n{body}\n")
    (programs / "mpirun").chmod(0o755)
    headroom = Headroom(folder)
    headroom.env.update(YIELD, PATH=f"{programs}:{os.environ['PATH']}")
    return headroom


def test_another_mpirun_is_refused(tmp_path: Path) -> None:
    done = _with_mpirun(tmp_path, "echo HYDRA build details")("run", "--ranks", "2")
    assert done.returncode == 2 and "isn't Open MPI's" in _one_line(done)


def test_without_mpirun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(HeadroomError, match="make deps CLUSTER=1"):
        ranks.asked(2, None)


def test_root_is_told_what_mpirun_would_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    headroom = _with_mpirun(tmp_path, "echo 'mpirun (Open MPI) 4.1.4'")
    monkeypatch.setenv("PATH", headroom.env["PATH"])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("OMPI_ALLOW_RUN_AS_ROOT", raising=False)
    with pytest.raises(HeadroomError, match="OMPI_ALLOW_RUN_AS_ROOT=1"):
        ranks.asked(2, None)


def test_without_the_program(tmp_path: Path) -> None:
    headroom = _with_mpirun(tmp_path, "echo 'mpirun (Open MPI) 4.1.4'")
    done = headroom("run", "--ranks", "1")
    assert done.returncode == 2 and "make bench-cluster" in _one_line(done)


def test_more_ranks_than_cores_are_refused_unless_they_yield(tmp_path: Path) -> None:
    headroom = _with_mpirun(tmp_path, "echo 'mpirun (Open MPI) 4.1.4'")
    done = headroom("run", "--ranks", "4000", OMPI_MCA_mpi_yield_when_idle="0")
    told = _one_line(done)
    assert done.returncode == 2 and "ranks that wait spin" in told and "yield_when_idle" in told


def test_a_rank_has_a_core_not_a_thread_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four CPUs that are two cores are enough for two ranks."""
    monkeypatch.setattr(ranks.cores, "allowed", lambda: {0, 1, 2, 3})
    monkeypatch.setattr(ranks.cores, "siblings", lambda cpu, sys: {cpu % 2, cpu % 2 + 2})
    ranks._check_cores(2)
    with pytest.raises(HeadroomError, match="has 2 cores"):
        ranks._check_cores(3)


@pytest.mark.parametrize(
    "variables", [{"NP": "0"}, {"NP": "many"}, {"NP": "-1"}, {"HOSTS": "/no/such/file"}]
)
def test_make_refuses_before_it_builds(variables: dict[str, str]) -> None:
    words = [f"{name}={value}" for name, value in variables.items()]
    done = subprocess.run(
        ["make", "check-cluster", *words], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("make bench-cluster: ")


@pytest.mark.parametrize(
    "said, told",
    [
        (
            "------\nmpirun noticed that process rank 2 with PID 0 on node n1 exited on signal 9 "
            "(Killed).\n------\n",
            "rank 2 was killed (signal 9)",
        ),
        ("headroom-bench: rank 1: out of memory\n-----\nMPI_ABORT was invoked\n",
         "rank 1: out of memory"),
        ("----\nThere are not enough slots available in the system\n", "fewer slots"),
        ("----\nORTE was unable to reliably start one or more daemons.\n", "can't be reached"),
        ("", "status 3"),
    ],
)  # fmt: skip
def test_what_mpirun_says_is_one_line(said: str, told: str) -> None:
    assert told in ranks.reason(said, 3) and "\n" not in ranks.reason(said, 3)


def test_a_jobs_files_are_in_a_folder_that_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = "OMPI_MCA_btl_vader_backing_directory"
    monkeypatch.delenv(shared, raising=False)
    dead = Path("/dev/shm", f"headroom-{2**22 + os.getpid()}-1-ranks")  # no process has that number
    dead.mkdir()
    with ranks.Job(2, None).files() as told:
        folder = Path(told["TMPDIR"])
        assert folder.is_dir() and told == {"TMPDIR": str(folder), shared: str(folder)}
        assert not dead.exists()
        (folder / "left").write_text("")
    assert not folder.exists()
    # Other hosts have no such folder; and what the user has set holds.
    with ranks.Job(2, Path("hosts")).files() as told:
        assert set(told) == {"TMPDIR"}
    monkeypatch.setenv(shared, "/elsewhere")
    with ranks.Job(2, None).files() as told:
        assert set(told) == {"TMPDIR"}


def test_hosts_in_words() -> None:
    assert [hosts.told(count) for count in (None, 1, 4)] == ["", "one host", "4 hosts"]
    assert hosts.by_ranks([(1, 1), (1, 2)]) == "one host"
    assert hosts.by_ranks([(1, 1), (4, 4), (2, 2), (1, 1)]) == (
        "one host: ranks 1; 2 hosts: ranks 2; 4 hosts: ranks 4"
    )
    assert hosts.by_ranks([(None, 1)]) == ""


def test_one_host_is_never_held_against_several(tmp_path: Path) -> None:
    """Of two records with the same cells, ranks on one host in one, on two in the other."""
    folders = []
    for count in (1, 2, 1):
        run, machine = golden_pair()
        number = next(at for at, kernel in enumerate(run["kernels"])
                      if kernel["name"] == "concurrency/serve")  # fmt: skip
        run["kernels"][number]["params"] = {hosts.PARAM: [1, 16]}
        told = run["quantities"]
        for at, params in enumerate(run["ladders"]["params"]):
            if run["ladders"]["kernel"][at] == number:
                run["ladders"]["params"][at] = {hosts.PARAM: params["clients"]}
        for index, at in enumerate(run["cells"]["ladder"]):
            if run["ladders"]["kernel"][at] == number:
                for column, value in (("cell", index), ("name", hosts.QUANTITY),
                                      ("unit", "hosts"), ("value", count)):  # fmt: skip
                    told[column].append(value)
        run["machine"] = machine["slug"] = f"m{len(folders)}-2c-8g"
        folders.append(written(tmp_path / machine["slug"] / run["name"], run, machine))

    def kernels(new: Path) -> set[str]:
        return {row["kernel"] for row in compared(*read_sides([folders[0], new]))["rows"]}

    assert "concurrency/serve" not in kernels(folders[1])
    assert kernels(folders[2]) == kernels(folders[1]) | {"concurrency/serve"}


# --- on this machine


def _record(headroom: Headroom) -> tuple[Path, dict[str, Any]]:
    (path,) = headroom.root.glob("**/run.json")
    return path.parent, json.loads(path.read_text())


@with_mpi
def test_one_host_is_in_every_figure(cluster: Headroom) -> None:
    done = cluster("run", "--ranks", "2", "--profile", "quick", "--filter", "halo")
    assert done.returncode == 0, done.stderr
    folder, run = _record(cluster)
    job = run["cluster"]
    assert (job["ranks"], job["hosts"], job["yields"]) == (2, 1, True)
    assert job["library"].startswith("Open MPI ") and "ranks that" not in job["library"]
    params = {kernel["name"]: kernel["params"]["ranks"] for kernel in run["kernels"]}
    assert params == {"cluster/halo": [1, 2], "machine/placebo_ranks": [1, 2]}
    assert set(run["noise_floor"]) == {"ranks"} and run["noise_floor"]["ranks"] > 1
    assert cluster("validate", folder).returncode == 0
    shown = cluster("show", folder).stdout
    assert "MPI: 2 ranks on one host" in shown and "  on one host" in shown
    rows = json.loads(cluster("show", folder, "--json").stdout)["rows"]
    assert rows and all(row["hosts"] == 1 for row in rows)
    document = cluster.root / "document.md"
    cell = "cluster/halo/overlapped/n:256/ranks:2 time"
    document.write_text(f"<!-- headroom: {cell} @{run['machine']} -->x<!-- /headroom -->\n")
    filled = cluster("cite", document, "--results", folder.parents[1])
    assert filled.returncode == 0, filled.stderr
    assert "(one host)" in document.read_text()
    table = csv.DictReader(cluster("export", folder, "--format", "csv").stdout.splitlines())
    assert {line["hosts"] for line in table} == {"one host"}
    scaling = json.loads(cluster("scale", folder, "--json").stdout)
    strong = [fit for fit in scaling["fits"] if fit["over"] == "ranks"]
    assert {fit["kernel"] for fit in strong} == {"cluster/halo"}
    assert all([p["threads"] for p in fit["points"]] == [1, 2] for fit in strong)
    assert all(any("one host" in note for note in fit["notes"]) for fit in strong)
    said = [note for fit in strong for note in fit["notes"]]
    assert any(note.startswith("two rank counts fix") for note in said)
    assert not any("thread" in note or "cores" in note for note in said)


@with_mpi
def test_every_kernel_is_checked_on_all_ranks(cluster: Headroom) -> None:
    done = cluster("run", "--ranks", "2", "--profile", "smoke")
    assert done.returncode == 0, done.stderr
    assert "\n  make bench-cluster NP=2 " in done.stdout
    _, run = _record(cluster)
    assert {kernel["name"] for kernel in run["kernels"]} == KERNELS
    assert all(params == {"ranks": 2} for params in run["ladders"]["params"])
    assert not run["missing"] and not run["failures"] and not run["failed"]


@with_mpi
def test_a_host_with_more_ranks_than_cpus_ends_the_job_in_one_line(tmp_path: Path) -> None:
    count = (os.cpu_count() or 1) + 1
    done = subprocess.run(
        ["mpirun", "-np", str(count), "--host", f"localhost:{count}", "--bind-to", "none",
         str(PROGRAM), "--headroom_catalogue"],
        env={**os.environ, **YIELD, "OMPI_MCA_mpi_yield_when_idle": "0"}, cwd=tmp_path,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    own = [line for line in done.stderr.splitlines() if line.startswith("headroom-bench: ")]
    assert len(own) == 1 and f"{count} ranks on a host of {count - 1} CPUs" in own[0]
    assert "spin" in ranks.reason(done.stderr, 2)


@with_mpi
def test_without_a_job_the_variants_are_missing_with_what_starts_one(tmp_path: Path) -> None:
    bench = PROGRAM.with_name("headroom-bench")
    if not bench.is_file():
        pytest.skip("headroom-bench isn't built")
    skip_unless_built("cluster/halo")
    listed = json.loads(Headroom(tmp_path, bench)("list", "--json").stdout)["kernels"]
    mine = [kernel for kernel in listed if kernel["group"] == "cluster"]
    assert mine and not any(v["available"] for kernel in mine for v in kernel["variants"])
    done = Headroom(tmp_path, bench)("run", "--profile", "smoke", "--filter", "cluster/halo")
    assert done.returncode == 2
    assert "needs MPI ranks (make bench-cluster NP=4" in _one_line(done)


# --- when something is killed


def _kill_rank(root: Path) -> None:
    os.kill(_until(lambda: _processes(root, "headroom-bench-cluster")[-1:])[0], signal.SIGKILL)


def _kill_mpirun(root: Path) -> None:
    os.kill(_until(lambda: _processes(root, "mpirun"))[0], signal.SIGKILL)


def _kill_runner(root: Path) -> None:
    _until(lambda: _processes(root, "headroom-bench-cluster"))
    os.kill(int((root / "runner").read_text()), signal.SIGKILL)


KILLS = [_kill_rank, _kill_mpirun, _kill_runner]


def _files(runner: int) -> set[str]:
    """What a run's present job keeps outside the checkout: the kinds of files."""
    below = Path("/dev/shm").glob(f"headroom-{runner}-*-ranks/*")
    return {path.name.partition(".")[0] for path in below}


def _start(cluster: Headroom, *prefix: str) -> subprocess.Popen[str]:
    """A run of one kernel, up to where its ranks are there."""
    words = ["run", "--ranks", "4", "--profile", "quick", "--filter", "cluster/pingpong"]
    if prefix:
        words += ["--hosts", "$HEADROOM_HOSTFILE"]
    # The shell becomes the command, and has told its number before.
    script = f"echo $$ >{cluster.root}/runner; exec {COMMAND} {' '.join(words)}"
    process = subprocess.Popen(
        [*prefix, "sh", "-c", script], env=cluster.env, cwd=cluster.root,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    # The catalogue comes first, in a job of its own.
    assert _until(lambda: list(cluster.root.glob("build/runs/*/work/plan.json"))), "no launch"
    assert _until(lambda: len(_processes(cluster.root, "headroom-bench-cluster")) >= 4)
    return process


@with_mpi
@pytest.mark.parametrize("kill", KILLS)
def test_whoever_is_killed_no_process_is_left(
    cluster: Headroom, kill: Callable[[Path], None]
) -> None:
    process = _start(cluster)
    runner = int((cluster.root / "runner").read_text())
    assert _until(lambda: _files(runner) == {"ompi", "vader_segment"})
    kill(cluster.root)
    out, err = process.communicate(timeout=60)
    if kill is _kill_runner:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 1, err
        crashed = [line for line in (out + err).splitlines() if line.startswith("!! ")]
        assert len(crashed) == 1, out + err
        if kill is _kill_rank:
            assert "was killed (signal 9)" in crashed[0]
    assert _until(lambda: not _processes(cluster.root)), "something is left"
    if kill is _kill_runner:
        assert _files(runner), "nobody was there to remove them"
        assert cluster("run", "--ranks", "2", "--profile", "smoke", "--filter", "halo").stdout
    assert not list(Path("/dev/shm").glob(f"headroom-{runner}-*"))


# --- on several hosts


@with_mpi
@with_hosts
def test_four_hosts_give_right_answers_on_every_rank(cluster: Headroom) -> None:
    namespaces = _namespaces()
    done = subprocess.run(
        [sys.executable, str(HOSTS), "--hosts", "4", "--delay-ms", "1", "--", "sh", "-c",
         f"exec {COMMAND} run --ranks 4 --hosts $HEADROOM_HOSTFILE --profile smoke"],
        env=cluster.env, cwd=cluster.root, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    _, run = _record(cluster)
    assert (run["cluster"]["ranks"], run["cluster"]["hosts"]) == (4, 4)
    assert {kernel["name"] for kernel in run["kernels"]} == KERNELS
    assert all(params == {"ranks": 4} for params in run["ladders"]["params"])
    assert not run["failures"] and not run["failed"]
    # A round trip is two milliseconds at least, and messages sent one by one wait for each.
    told = run["quantities"]
    at = {c for c, name in zip(told["cell"], told["name"]) if name == "hosts"}
    assert at == set(range(len(run["cells"]["variant"])))
    (kernel,) = [i for i, k in enumerate(run["kernels"]) if k["name"] == "cluster/pingpong"]
    ladder = run["ladders"]["kernel"].index(kernel)
    naive = run["cells"]["ladder"].index(ladder)
    assert run["cells"]["min"][naive][0] > 32 * 2e6
    assert _until(lambda: _namespaces() <= namespaces), "a namespace is left"


@with_mpi
@with_hosts
@pytest.mark.parametrize("kill", KILLS)
def test_whoever_is_killed_no_process_and_no_namespace_is_left(
    cluster: Headroom, kill: Callable[[Path], None]
) -> None:
    namespaces, daemons = _namespaces(), _daemons()
    process = _start(cluster, sys.executable, str(HOSTS), "--hosts", "4", "--")
    kill(cluster.root)
    out, err = process.communicate(timeout=90)
    assert process.returncode != 0, out + err
    if kill is _kill_rank:
        crashed = [line for line in (out + err).splitlines() if line.startswith("!! ")]
        assert len(crashed) == 1 and "was killed (signal 9)" in crashed[0], out + err
    assert _until(lambda: not _processes(cluster.root)), "something is left"
    assert _until(lambda: _daemons() <= daemons), "a daemon is left"
    assert _until(lambda: _namespaces() <= namespaces), "a namespace is left"


@with_mpi
@with_hosts
def test_hosts_that_are_killed_leave_nothing_either(cluster: Headroom) -> None:
    namespaces, daemons = _namespaces(), _daemons()
    process = _start(cluster, sys.executable, str(HOSTS), "--hosts", "4", "--")
    process.kill()
    process.communicate(timeout=60)
    assert _until(lambda: not _processes(cluster.root)), "something is left"
    assert _until(lambda: _daemons() <= daemons), "a daemon is left"
    assert _until(lambda: _namespaces() <= namespaces), "a namespace is left"
