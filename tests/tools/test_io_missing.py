"""Kernels of files where the system refuses something: missing rows, and no failure."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import CHECKOUT, Headroom, skip_unless_built

BENCH = CHECKOUT / "build" / "release" / "bench" / "headroom-bench"

pytestmark = pytest.mark.skipif(
    not BENCH.is_file(), reason=f"{BENCH.relative_to(CHECKOUT)} isn't built: run `make` first"
)

# Installs a seccomp filter and becomes the program. Words of a classic BPF program: load, jump if
# equal, jump if any bit is set, return; the number of the call is at 0, its third argument at 32.
REFUSING = """\
import ctypes, os, struct, sys
LOAD, EQUAL, BITS, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, ERROR = 0x7fff0000, 0x00050000
words = {words}
code = b"".join(struct.pack("HBBI", *word) for word in words)
buffer = ctypes.create_string_buffer(code)
program = ctypes.create_string_buffer(
    struct.pack("HxxxxxxP", len(words), ctypes.addressof(buffer)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program):
    sys.exit("no filter: " + os.strerror(ctypes.get_errno()))
os.execv({bench!r}, [{bench!r}, *sys.argv[1:]])
"""
OPENAT = {"x86_64": 257, "aarch64": 56}.get(platform.machine())
IO_URING_SETUP = 425  # everywhere
# As containers do it.
NO_IO_URING = f"""[
    (LOAD, 0, 0, 0), (EQUAL, 0, 1, {IO_URING_SETUP}), (RETURN, 0, 0, ERROR | 1),
    (RETURN, 0, 0, ALLOW)]"""
# As a file system without it does: EINVAL from open.
NO_O_DIRECT = f"""[
    (LOAD, 0, 0, 0), (EQUAL, 0, 3, {OPENAT}), (LOAD, 0, 0, 32),
    (BITS, 0, 1, {getattr(os, "O_DIRECT", 0)}), (RETURN, 0, 0, ERROR | 22),
    (RETURN, 0, 0, ALLOW)]"""


def refusing(folder: Path, words: str) -> Path:
    """The benchmark program under a filter, or a skip where none can be installed."""
    if OPENAT is None or not sys.platform.startswith("linux"):
        pytest.skip("seccomp filters are written here for Linux on x86-64 and Arm")
    program = folder / "headroom-bench"
    program.write_text(f"#!{sys.executable}\n" + REFUSING.format(words=words, bench=str(BENCH)))
    program.chmod(0o755)
    tried = subprocess.run(
        [program, "--benchmark_list_tests"], capture_output=True, text=True, cwd=folder
    )
    if tried.stderr.startswith("no filter"):
        pytest.skip(tried.stderr.strip())
    return program


def missing_rows(headroom: Headroom, kernel: str, *arguments: object) -> dict[str, str]:
    """{variant: what it needs} of a smoke run that went well."""
    # And another: a run that can measure nothing at all says so, and ends with 2.
    done = headroom("run", "--profile", "smoke", "--filter", f"^({kernel}|machine/overhead)$",
                    "--out", headroom.root / "out", *arguments)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (headroom.root / "out").glob("*/*/run.json")
    shown = json.loads(headroom("show", path.parent, "--json").stdout)
    measured = {row["variant"] for row in shown["rows"] if row["kernel"] == kernel}
    missing = {
        row["variant"]: str(row["needs"]) for row in shown["missing"] if row["kernel"] == kernel
    }
    assert not measured & set(missing)
    return missing


@pytest.mark.parametrize(
    ("kernel", "without"),
    [
        ("io/random_read", {"uring_4", "uring_32", "uring_128", "uring_32_deferred",
                            "uring_128_deferred", "uring_128_registered"}),
        ("io/read_cold", {"uring", "uring_registered"}),
        ("io/compute_overlap", {"uring_2", "uring_8"}),
    ],
)  # fmt: skip
def test_without_io_uring_its_variants_are_missing(tmp_path, kernel, without):
    skip_unless_built(kernel, "machine/overhead")
    headroom = Headroom(tmp_path, refusing(tmp_path, NO_IO_URING))
    missing = missing_rows(headroom, kernel)
    assert without <= set(missing)
    assert all("io_uring" in missing[variant] for variant in without)
    assert "naive" not in missing or "disk" in missing["naive"]


@pytest.mark.parametrize("kernel", ["io/random_read", "io/read_cold", "io/commit", "io/log_sink"])
def test_without_o_direct_nothing_is_called_a_disk(tmp_path, kernel):
    skip_unless_built(kernel, "machine/overhead")
    headroom = Headroom(tmp_path, refusing(tmp_path, NO_O_DIRECT))
    missing = missing_rows(headroom, kernel)
    assert "naive" in missing and "disk" in missing["naive"]


@pytest.mark.parametrize(
    "kernel", ["io/random_read", "io/random_chase", "io/read_cold", "io/copy_file_cold"]
)
def test_memory_is_not_taken_for_a_disk(tmp_path, kernel):
    skip_unless_built(kernel, "machine/overhead")
    if not os.path.ismount("/dev/shm"):
        pytest.skip("no tmpfs at /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        missing = missing_rows(Headroom(tmp_path, BENCH), kernel, "--scratch", folder)
    assert "naive" in missing and "disk" in missing["naive"]


@pytest.mark.parametrize("kernel", ["io/write_bytes", "io/read_lines", "io/copy_file"])
def test_hot_kernels_run_in_memory_too(tmp_path, kernel):
    skip_unless_built(kernel, "machine/overhead")
    if not os.path.ismount("/dev/shm"):
        pytest.skip("no tmpfs at /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        missing = missing_rows(Headroom(tmp_path, BENCH), kernel, "--scratch", folder)
    assert set(missing) <= {"reflink", "copy_file_range"}


def preloaded(folder: Path, source: str) -> Path:
    """The benchmark program with functions of libraries replaced, or a skip."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("no C compiler that makes a library to preload")
    (folder / "other.c").write_text("#define _GNU_SOURCE\n" + source)
    library = folder / "other.so"
    command = [compiler, "-shared", "-fPIC", "-o", library, folder / "other.c", "-ldl"]
    subprocess.run(command, check=True)
    program = folder / "headroom-bench"
    program.write_text(f"#!/bin/sh\nLD_PRELOAD={library} exec {BENCH} \"$@\"\n")
    program.chmod(0o755)
    return program


def listed_missing(folder: Path, bench: Path, kernel: str) -> dict[str, str]:
    """{variant: what it needs} of the variants that the program says can't run here."""
    done = Headroom(folder, bench)("list", "--json")
    assert done.returncode == 0, done.stderr
    (found,) = [one for one in json.loads(done.stdout)["kernels"] if one["name"] == kernel]
    gone = [variant for variant in found["variants"] if not variant["available"]]
    return {variant["name"]: str(variant["needs"]) for variant in gone}


# As some network and overlay file systems do: open takes O_DIRECT, and a transfer is refused, or
# comes in part.
NO_DIRECT_TRANSFER = """
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
static int direct(int fd) { return (fcntl(fd, F_GETFL) & O_DIRECT) != 0; }
ssize_t pread(int fd, void* data, size_t size, off_t at) {
  if (direct(fd)) return errno = EINVAL, -1;
  return syscall(SYS_pread64, fd, data, size, at);
}
ssize_t pread64(int fd, void* data, size_t size, off_t at) { return pread(fd, data, size, at); }
"""
# Rings of two entries are made, larger ones refused; or all, and no memory may be pinned.
FEW_ENTRIES = """
#include <dlfcn.h>
#include <errno.h>
int io_uring_queue_init_params(unsigned entries, void* ring, void* params) {
  if (entries > 2) return -ENOMEM;
  int (*real)(unsigned, void*, void*) = dlsym((void*)-1L, "io_uring_queue_init_params");
  return real(entries, ring, params);
}
"""
NO_PINNING = """
#include <errno.h>
int io_uring_register_buffers(void* ring, const void* pieces, unsigned count) { return -ENOMEM; }
"""


def test_a_file_system_that_opens_with_o_direct_and_does_not_transfer(tmp_path):
    skip_unless_built("io/random_read")
    missing = listed_missing(tmp_path, preloaded(tmp_path, NO_DIRECT_TRANSFER), "io/random_read")
    assert "naive" in missing and "disk" in missing["naive"]


@pytest.mark.parametrize(
    ("source", "lost"),
    [
        (FEW_ENTRIES, {"uring_4", "uring_32", "uring_128", "uring_32_deferred",
                       "uring_128_deferred", "uring_128_registered"}),
        (NO_PINNING, {"uring_128_registered"}),
    ],
)  # fmt: skip
def test_a_ring_is_tried_as_its_variant_makes_it(tmp_path, source, lost):
    """That variant is missing, and no other."""
    skip_unless_built("io/random_read")
    usual = set(listed_missing(tmp_path, BENCH, "io/random_read"))
    if "uring_128_registered" in usual:
        pytest.skip("no io_uring, or no disk, here")
    missing = listed_missing(tmp_path, preloaded(tmp_path, source), "io/random_read")
    assert set(missing) == usual | lost
