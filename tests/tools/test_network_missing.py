"""Kernels of sockets where there is no network, or one core: missing rows, and no failure."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Headroom, skip_unless_built
from test_io_missing import BENCH, missing_rows, refusing

pytestmark = pytest.mark.skipif(not BENCH.is_file(), reason="the program isn't built: run `make`")

KERNELS = ["network/request", "network/request_relay"]
SOCKET = {"x86_64": 41, "aarch64": 198}.get(platform.machine())
# As a service that is shut in has it: EPERM from socket.
NO_SOCKETS = f"""[
    (LOAD, 0, 0, 0), (EQUAL, 0, 1, {SOCKET}), (RETURN, 0, 0, ERROR | 1), (RETURN, 0, 0, ALLOW)]"""


def within(folder: Path, *command: str) -> Path:
    """The benchmark program started by `command`, or a skip where that isn't to be had."""
    if shutil.which(command[0]) is None or subprocess.run([*command, "true"]).returncode != 0:
        pytest.skip(f"needs {shlex.join(command)}")
    program = folder / "headroom-bench"
    program.write_text(f'#!/bin/sh\nexec {shlex.join([*command, str(BENCH)])} "$@"\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("kernel", KERNELS)
def test_where_the_loopback_interface_is_down(tmp_path: Path, kernel: str) -> None:
    skip_unless_built(kernel, "machine/overhead")
    missing = missing_rows(Headroom(tmp_path, within(tmp_path, "unshare", "-rn")), kernel)
    assert "naive" in missing and all("TCP" in needs for needs in missing.values())


def test_where_sockets_are_forbidden(tmp_path: Path) -> None:
    skip_unless_built(KERNELS[0], "machine/overhead")
    if SOCKET is None:
        pytest.skip("seccomp filters are written here for x86-64 and Arm")
    missing = missing_rows(Headroom(tmp_path, refusing(tmp_path, NO_SOCKETS)), KERNELS[0])
    assert "naive" in missing and all("TCP" in needs for needs in missing.values())


@pytest.mark.parametrize("kernel", KERNELS)
def test_with_one_core(tmp_path: Path, kernel: str) -> None:
    skip_unless_built(kernel, "machine/overhead")
    first = str(min(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else "0"
    missing = missing_rows(Headroom(tmp_path, within(tmp_path, "taskset", "-c", first)), kernel)
    assert "naive" in missing and all("two cores" in needs for needs in missing.values())


# Takes the loopback interface up, and leaves clients 64 ports.
FEW_PORTS = """\
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x49))  # SIOCSIFFLAGS: up
with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as limits:
    limits.write("40000 40063")
os.execvp(sys.argv[1], sys.argv[1:])
"""


def test_a_connection_for_each_request_never_runs_out_of_ports(tmp_path: Path) -> None:
    skip_unless_built(KERNELS[0])
    if (os.cpu_count() or 1) == 1:
        pytest.skip("needs two cores")
    shut_in = ["unshare", "-rn", sys.executable, "-c", FEW_PORTS]
    tried = subprocess.run([*shut_in, "true"], stderr=subprocess.DEVNULL)
    if tried.returncode != 0:
        pytest.skip("needs a network namespace of its own")
    done = subprocess.run(
        [*shut_in, str(BENCH), "--benchmark_filter=^network/request/naive/n:256",
         "--benchmark_min_time=0.01"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "items_per_second" in done.stdout and "ERROR" not in done.stdout, done.stdout
