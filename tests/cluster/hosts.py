#!/usr/bin/env python3
"""Several hosts on one machine, as far as MPI can tell: network namespaces with a wire between.

    tests/cluster/hosts.py [--hosts 4] [--delay-ms 1] -- COMMAND...

runs COMMAND in a network of its own, with environment variables by which Open MPI reaches the
hosts: HEADROOM_HOSTFILE names a hostfile for `mpirun --hostfile`, and Open MPI's remote agent
(plm_rsh_agent) is a script that enters a host's namespaces in place of ssh. Each host has its own
host name, its own loopback, one interface and its own processes, which end with it as when one is
switched off; a frame takes --delay-ms from one to another. There is one set of CPUs for all of
them, so ranks yield when they wait, and throughput is the wire's, a process of Python's.

It needs root (or CAP_NET_ADMIN and CAP_SYS_ADMIN), /dev/net/tun, `ip` and `nsenter`. A namespace is
held by a process that dies with this one, and by nothing else: whatever is killed, none is left.
"""

from __future__ import annotations

import argparse
import collections
import ctypes
import fcntl
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

CLONE_NEWUTS, CLONE_NEWPID, CLONE_NEWNET = 0x04000000, 0x20000000, 0x40000000
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
PR_SET_PDEATHSIG = 1
FRAME = 65536  # bytes of the longest frame, and more
NET = "10.77.0"
_libc = ctypes.CDLL(None, use_errno=True)


class Unable(Exception):
    """Why there can't be hosts here, in one line."""


def why_not() -> str:
    """What this machine lacks for it, or nothing."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "nsenter"):
        if shutil.which(program) is None:
            return f"no program {program} (packages iproute2 and util-linux)"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "no /dev/net/tun"
    return ""


def _unshare(flags: int) -> None:
    if _libc.unshare(flags) != 0:
        raise Unable(f"unshare: {os.strerror(ctypes.get_errno())}")


def _die_with(parent: int) -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _ip(*arguments: str, inside: int | None = None) -> None:
    """`ip ARGUMENTS`, in the network of process `inside` where that is given."""
    enter = ["nsenter", "-t", str(inside), "-n"] if inside else []
    done = subprocess.run([*enter, "ip", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise Unable(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _tap(name: str) -> int:
    """A new interface: what is written to the descriptor arrives on it, what it sends is read."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
    return descriptor


def _holder(name: str) -> tuple[int, int]:
    """The first process of a host, in namespaces of its own, which does nothing. What is started
    there ends with it. Its parent is a child of ours that only waits for it: both numbers."""
    parent = os.getpid()
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _die_with(parent)
            _unshare(CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWPID)
            socket.sethostname(name)
            first = os.fork()  # the first one that is in the namespace of processes
            if first == 0:
                _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                os.close(tell)
                while True:
                    signal.pause()
            os.write(tell, str(first).encode())
            os.close(tell)
            os.waitpid(first, 0)
        finally:
            os._exit(1)
    os.close(tell)
    first_told = os.read(ready, 32)
    os.close(ready)
    if not first_told:
        os.waitpid(pid, 0)
        raise Unable("no namespaces: unshare was refused")
    return pid, int(first_told)


def _carry(ports: list[int], delay: float) -> NoReturn:
    """The wire: frames from each port to those that they are for, `delay` seconds later.

    The last byte of an address is the number of its port, from 1 on.
    """
    try:
        # Ranks that look for messages all the time would keep it from a CPU until the next tick.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        pass  # not allowed: frames take longer, up to a tick
    under_way: collections.deque[tuple[float, int, bytes]] = collections.deque()
    while True:
        now = time.monotonic()
        while under_way and under_way[0][0] <= now:
            _, port, frame = under_way.popleft()
            try:
                os.write(ports[port], frame)
            except OSError:
                pass  # as on a wire: it is lost, and TCP sends it again
        pause = max(0.0, under_way[0][0] - now) if under_way else None
        for source in select.select(ports, [], [], pause)[0]:
            for _ in range(64):
                try:
                    frame = os.read(source, FRAME)
                except BlockingIOError:
                    break
                except OSError:
                    os._exit(0)  # the interfaces are gone
                due = time.monotonic() + delay
                to = range(len(ports)) if frame[0] & 1 else [frame[5] - 1]
                for port in to:
                    if 0 <= port < len(ports) and ports[port] != source:
                        under_way.append((due, port, frame))


class Hosts:
    """`count` hosts, as a context. environment: what a command needs to use them. It changes the
    network of this process, and there is no way back."""

    def __init__(self, count: int, delay_ms: float):
        self._count, self._delay = count, delay_ms / 1000
        self._processes: list[int] = []
        self._folder: Path | None = None
        self.environment: dict[str, str] = {}

    def __enter__(self) -> Hosts:
        lacking = why_not()
        if lacking:
            raise Unable(lacking)
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _start(self) -> None:
        _unshare(CLONE_NEWNET)
        _ip("link", "set", "lo", "up")
        ports = []
        holders = [os.getpid()]
        for number in range(1, self._count + 2):  # the first is where COMMAND is
            name = f"wire{number}"
            ports.append(_tap(name))
            inside = None
            if number > 1:
                child, inside = _holder(f"headroom-host-{number - 1}")
                self._processes.append(child)
                holders.append(inside)
                _ip("link", "set", name, "netns", str(inside))
                _ip("link", "set", "lo", "up", inside=inside)
            _ip("link", "set", name, "address", f"02:00:00:00:00:{number:02x}", inside=inside)
            _ip("addr", "add", f"{NET}.{number}/24", "dev", name, inside=inside)
            _ip("link", "set", name, "up", inside=inside)
        parent = os.getpid()
        wire = os.fork()
        if wire == 0:
            _die_with(parent)
            try:
                _carry(ports, self._delay)
            finally:
                os._exit(1)
        self._processes.append(wire)
        for port in ports:
            os.close(port)
        self._write(holders)

    def _write(self, holders: list[int]) -> None:
        """The hostfile, and the agent that stands in for ssh: `agent HOST COMMAND...`."""
        self._folder = Path(tempfile.mkdtemp(prefix="headroom-hosts-"))
        numbers = range(2, self._count + 2)
        hostfile = self._folder / "hostfile"
        hostfile.write_text("".join(f"{NET}.{number} slots=1\n" for number in numbers))
        agent = self._folder / "agent"
        cases = "".join(
            f"  {NET}.{number}) inside={holders[number - 1]} ;;\n" for number in numbers
        )
        agent.write_text(
            "#!/bin/sh\n"
            f'case $1 in\n{cases}  *) echo "no host $1" >&2; exit 1 ;;\nesac\n'
            'shift\nexec nsenter -t "$inside" -n -u -p sh -c "$*"\n'
        )
        agent.chmod(0o755)
        self.environment = {
            "HEADROOM_HOSTFILE": str(hostfile),
            "OMPI_MCA_plm_rsh_agent": str(agent),
            "OMPI_MCA_oob_tcp_if_include": f"{NET}.0/24",
            "OMPI_MCA_btl_tcp_if_include": f"{NET}.0/24",
            "OMPI_MCA_mpi_yield_when_idle": "1",
            "OMPI_MCA_hwloc_base_binding_policy": "none",
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        }

    def _stop(self) -> None:
        for process in self._processes:
            os.kill(process, signal.SIGKILL)
        for process in self._processes:
            os.waitpid(process, 0)
        self._processes.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hosts", type=int, default=4, metavar="N")
    parser.add_argument("--delay-ms", type=float, default=1.0, metavar="MS")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    if not command or not 1 <= given.hosts <= 200 or not given.delay_ms >= 0:
        parser.error("say -- COMMAND, 1 to 200 --hosts and a --delay-ms")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Hosts(given.hosts, given.delay_ms) as hosts:
            parent = os.getpid()
            process = subprocess.Popen(
                command,
                env={**os.environ, **hosts.environment},
                preexec_fn=lambda: _die_with(parent),
            )
            try:
                return process.wait()
            except BaseException:
                process.kill()
                process.wait()
                raise
    except Unable as error:
        print(f"hosts.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
