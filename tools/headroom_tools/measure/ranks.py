"""The MPI job that a run's launches are: how many ranks, on which hosts, and how mpirun is called.

`headroom run --ranks N [--hosts FILE]` starts headroom-bench-cluster by Open MPI's mpirun: its
first rank is the benchmark program, the others follow it. What mpirun says is told in one line.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator, NamedTuple

from headroom_tools.base import paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import counted, safe
from headroom_tools.machine import cores
from headroom_tools.measure import scratch

PROGRAM = "headroom-bench-cluster"
MOST = 4096
_YIELD = "OMPI_MCA_mpi_yield_when_idle"
_BIND = "OMPI_MCA_hwloc_base_binding_policy"
_SHARED = "OMPI_MCA_btl_vader_backing_directory"  # where what ranks of one host share is
_MEMORY = Path("/dev/shm")
# What Open MPI tells in a paragraph, and what it comes to.
_SAID = (
    (r"rank (\d+) with PID \d+ on node \S+ exited on\s+signal (\d+)",
     "rank {0} was killed (signal {1})"),
    (r"not enough slots available", "the hosts have fewer slots than that many ranks"),
    (r"binding more\s+processes than cpus", "more ranks than cores on a host"),
    (r"unable to reliably start one or more daemons|daemon[^.]*(?:died|failed)|lost "
     r"communication with a remote daemon|ssh: |Host key verification",
     "a host of the hostfile can't be reached, or ended: try `ssh HOST true`"),
    (r"could not be found|unable to find the specified executable|No such file or directory",
     "a host lacks the program: the checkout must lie at the same path on all"),
    (r"(?:resolve|find) (?:the )?(?:host|node)", "a host of the hostfile is unknown"),
)  # fmt: skip


class Job(NamedTuple):
    """ranks: of the whole job. hosts: a hostfile of Open MPI's; None: all on this machine."""

    ranks: int
    hosts: Path | None

    def command(self, arguments: list[str]) -> list[str]:
        """What starts the benchmark program on all ranks."""
        where = ["--host", f"localhost:{self.ranks}"]
        if self.hosts is not None:
            where = ["--hostfile", str(self.hosts)]
        # A rank stays on its core, unless the user says how, or ranks share cores anyhow.
        bind = [] if os.environ.get(_BIND) else ["--bind-to", "none" if yields() else "core"]
        # As many ranks are on a host as it has slots, one host after the other.
        start = ["mpirun", "-np", str(self.ranks), *where, "--map-by", "slot", *bind]
        return [*start, str(program()), *arguments]

    @contextlib.contextmanager
    def files(self) -> Iterator[dict[str, str]]:
        """A folder for what mpirun and the ranks of this host leave behind when they are killed, as
        environment variables. It is removed at the end, or by the next job where this run is killed
        too. (Other hosts have no such folder, and clean up when they lose mpirun.)
        """
        base = _MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
        with contextlib.suppress(OSError):
            scratch.sweep(base)
        with scratch.for_launch(base, "ranks") as own:
            there = {"TMPDIR": str(own)}  # of this host alone: ssh doesn't carry it
            if self.hosts is None and _SHARED not in os.environ:
                there[_SHARED] = str(own)
            yield there


def program() -> Path:
    """headroom-bench-cluster of this build. HeadroomError where there is none."""
    path = paths.bench_folder() / PROGRAM
    if not os.access(path, os.X_OK) or not path.is_file():
        raise HeadroomError(
            f"no program at {paths.shown(path)}: `make bench-cluster` builds it, with an MPI "
            "(`make deps CLUSTER=1`)"
        )
    return path


def yields() -> bool:
    """Whether a rank that waits gives its CPU away, as Open MPI is told by its own variable."""
    return os.environ.get(_YIELD, "0").lower() not in ("", "0", "false", "no")


def asked(ranks: int | None, hosts: Path | None) -> Job | None:
    """The job that was asked for, checked; None where none was. HeadroomError where it can't be."""
    if ranks is None:
        if hosts is not None:
            raise HeadroomError("--hosts goes with --ranks N: how many ranks there are")
        return None
    if not 1 <= ranks <= MOST:
        raise HeadroomError(f"--ranks {ranks}: from 1 to {MOST}")
    job = Job(ranks, hosts.absolute() if hosts else None)
    _check_mpirun()
    if job.hosts is not None:
        _check_hostfile(job.hosts)
    elif not yields():
        _check_cores(ranks)
    return job


def _check_mpirun() -> None:
    if shutil.which("mpirun") is None:
        raise HeadroomError("no mpirun: `make deps CLUSTER=1` installs Open MPI")
    try:
        done = subprocess.run(
            ["mpirun", "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        raise HeadroomError("mpirun --version gives no answer: is Open MPI whole?") from None
    if not re.search(rb"Open ?MPI|OpenRTE", done.stdout):
        raise HeadroomError("mpirun isn't Open MPI's: put Open MPI's first in PATH")
    allowed = ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM")
    if os.geteuid() == 0 and not all(os.environ.get(name) == "1" for name in allowed):
        raise HeadroomError(
            f"mpirun refuses root: run as another user, or set {'=1 and '.join(allowed)}=1"
        )


def _check_hostfile(path: Path) -> None:
    """HeadroomError for a file that mpirun would refuse in a paragraph, or take for another one."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise HeadroomError(f"{paths.shown(path)}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise HeadroomError(f"{paths.shown(path)}: is no text, so no hostfile") from None
    hosts = 0
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        hosts += 1
        good = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:@-]*", words[0])
        if not good or not all(re.fullmatch(r"(max_)?slots=[1-9]\d*", word) for word in words[1:]):
            raise HeadroomError(
                f"{paths.shown(path)}:{number}: {safe(line, 60)}: a line is HOST [slots=N]"
            )
    if not hosts:
        raise HeadroomError(f"{paths.shown(path)}: names no host: a line is HOST [slots=N]")


def _check_cores(ranks: int) -> None:
    """HeadroomError where ranks would share a core: each looks for messages all the time."""
    here = len({min(cores.siblings(cpu, Path("/sys"))) for cpu in cores.allowed()})
    if here and ranks > here:
        raise HeadroomError(
            f"--ranks {ranks}: this machine has {counted(here, 'core')}, and ranks that wait spin: "
            f"at most {here}, more --hosts, or to test and not to measure {_YIELD}=1"
        )


def reason(text: str, exit_status: int) -> str:
    """In one line why a job failed, by what its ranks and mpirun wrote to standard error."""
    for pattern, told in _SAID[:1]:
        if match := re.search(pattern, text):
            return told.format(*match.groups())
    own = [line for line in text.splitlines() if line.startswith("headroom-bench: ")]
    if own:
        return own[-1].partition(": ")[2]
    for pattern, told in _SAID[1:]:
        if match := re.search(pattern, text, re.IGNORECASE):
            return told
    lines = [line.strip() for line in text.splitlines()]
    filled = [line for line in lines if re.search(r"[a-z]{3}", line)]
    return filled[0] if filled else f"mpirun ended with status {exit_status}"
