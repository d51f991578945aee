"""tools/deps.sh against a machine made of shims: a PATH with nothing real on it but sh's helpers.

The fake package manager keeps what is installed and what is offered in two text files, and logs
each call, so that a test can say what was run, in which order, and what was not."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from conftest import shown_on

ROOT = Path(__file__).resolve().parents[2]
HELPERS = ["sh", "sed", "tr", "cat", "sort", "grep", "env", "dirname", "mkdir", "ls", "rm", "chmod"]
TOOLS = {"g++": "g++", "cmake": "cmake", "ninja": "ninja-build"}
MODULES = ["numpy", "scipy", "rich", "jinja2", "matplotlib", "fastjsonschema", "pytest-xdist",
           "pytest"]  # fmt: skip
LIBRARIES = [
    "libbenchmark-dev", "libabsl-dev", "robin-map-dev", "catch2", "libhwy-dev",
    "nlohmann-json3-dev",
]  # fmt: skip
OPTIONAL = [
    "libsqlite3-dev", "liburing-dev", "hwloc-nox", "libopenblas-dev",
    "libopenblas0-pthread", "libopenblas0-openmp", "libtbb-dev", "libsimdjson-dev",
    "libfast-float-dev", "libre2-dev", "libisal-dev", "zlib1g-dev", "libprimesieve-dev",
    "libroaring-dev",
    "libatomic-queue-dev", "libconcurrentqueue-dev", "libcuckoo-dev", "libcds-dev", "liburcu-dev",
    "libhttp-parser-dev", "node-llhttp", "libh2o0.13",
    "libuv1-dev", "libasio-dev",
    "libprotobuf-dev", "protobuf-compiler", "libflatbuffers-dev", "flatbuffers-compiler",
    "libcapnp-dev", "capnproto",
    "libmimalloc2.0", "util-linux", "dmidecode",
]  # fmt: skip
SERVICES = ["postgresql", "libpq-dev", "redis-tools", "libhiredis-dev", "librabbitmq-dev"]
GPU = ["opencl-c-headers", "ocl-icd-opencl-dev", "pocl-opencl-icd", "libclblast1", "clinfo"]
CLUSTER = ["libopenmpi-dev", "openmpi-bin"]
PYTHON = [f"python3-{name}" for name in MODULES]
EVERYTHING = [*TOOLS.values(), "python3", *LIBRARIES, *PYTHON, *OPTIONAL]

DPKG_QUERY = r"""
while read -r package; do
  for wanted in "$@"; do
    if [ "$wanted" = "$package" ]; then echo "$package installed"; fi
  done
done <"$FAKE/installed"
# A package that was removed but not purged is not there.
echo "libtbb-dev config-files"
"""
APT_GET = r"""
echo "apt-get${DEBIAN_FRONTEND:+ [$DEBIAN_FRONTEND]} $*" >>"$FAKE/log"
case " $* " in *' update '*) exit "${FAKE_UPDATE:-0}" ;; esac
for word in "$@"; do
  case $word in -* | install | DPkg::*) continue ;; esac
  if ! grep -qx "$word" "$FAKE/offered"; then
    echo "E: Unable to locate package $word" >&2
    exit 100
  fi
done
for word in "$@"; do
  case $word in -* | install | DPkg::*) continue ;; esac
  echo "$word" >>"$FAKE/installed"
  case $word in
    g++ | cmake) tool=$word ;;
    ninja-build) tool=ninja ;;
    *) continue ;;
  esac
  cat "$FAKE/tool" >"$FAKE/bin/$tool"
  chmod +x "$FAKE/bin/$tool"
done
"""
APT_CACHE = r"""
for word in "$@"; do
  if grep -qx "$word" "$FAKE/offered"; then echo "Package: $word"; fi
done
"""
RPM = r"""
for word in "$@"; do
  case $word in
    -* | %*) ;;
    gcc-c++ | catch-devel | zlib-ng-compat-devel) echo "package $word is not installed" ;;
    *) echo "$word" ;;
  esac
done
"""
SUDO = r"""
echo "sudo $*" >>"$FAKE/log"
if [ "$1" = -n ]; then
  shift
  if [ "${FAKE_SUDO:-yes}" = no ]; then echo 'sudo: a password is required' >&2; exit 1; fi
fi
if [ "$1" = true ]; then exit 0; fi
exec "$@"
"""
TOOL = "echo 'cmake version '\"${FAKE_CMAKE:-3.25.1}\"\n"


class Machine:
    """A made-up computer: change `installed`, `offered`, then `run`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in HELPERS:
            real = shutil.which(name)
            assert real, f"this test needs {name}"
            (self.bin / name).symlink_to(real)
        self.checkout = folder / "checkout"
        (self.checkout / "tools").mkdir(parents=True)
        # The system's own Python would answer for modules that this machine is to lack.
        script = (ROOT / "tools" / "deps.sh").read_text()
        assert "/usr/bin/python3" in script
        self.script = self.checkout / "tools" / "deps.sh"
        script = script.replace("/usr/bin/python3", f"{self.bin}/system-python3")
        self.clusters = folder / "createcluster.d"
        assert "/etc/postgresql-common/createcluster.d" in script
        self.script.write_text(
            script.replace("/etc/postgresql-common/createcluster.d", str(self.clusters))
        )
        self.script.chmod(0o755)
        shutil.copytree(ROOT / "tools" / "deps", self.checkout / "tools" / "deps")
        (folder / "tool").write_text("#!/bin/sh\n" + TOOL)
        (folder / "log").write_text("")
        self.shim("id", 'echo "${FAKE_UID:-0}"')
        self.shim("sudo", SUDO)
        self.shim("python3", "exit 1")
        for tool in TOOLS:
            self.shim(tool, TOOL)
        self.installed(EVERYTHING)
        self.offered(EVERYTHING)

    def apt(self) -> "Machine":
        self.shim("dpkg-query", DPKG_QUERY)
        self.shim("apt-get", APT_GET)
        self.shim("apt-cache", APT_CACHE)
        return self

    def shim(self, name: str, body: str) -> None:
        path = self.bin / name
        path.write_text("#!/bin/sh\n" + body + "\n")
        path.chmod(0o755)

    def without(self, *packages: str) -> "Machine":
        self.installed([name for name in EVERYTHING if name not in packages])
        for tool, package in TOOLS.items():
            if package in packages:
                (self.bin / tool).unlink()
        return self

    def installed(self, packages: list[str]) -> None:
        (self.folder / "installed").write_text("\n".join(packages) + "\n")

    def offered(self, packages: list[str]) -> None:
        (self.folder / "offered").write_text("\n".join(packages) + "\n")

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        return {"PATH": str(self.bin), "FAKE": str(self.folder), **more}

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess:
        (self.folder / "log").write_text("")
        return subprocess.run(
            [str(self.script), *arguments],
            env=self.environment(more), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip

    def answer(self, text: str, **more: str) -> tuple[int, str]:
        """Runs it on a terminal and types `text`: the exit status, and what the terminal showed."""
        (self.folder / "log").write_text("")
        leader, follower = pty.openpty()
        with subprocess.Popen(
            [str(self.script)], env=self.environment(more), stdin=follower, stdout=follower,
            stderr=follower,
        ) as process:  # fmt: skip
            os.close(follower)
            os.write(leader, text.encode())
            shown = shown_on(leader)
            status = process.wait(timeout=60)
        os.close(leader)
        return status, shown

    @property
    def log(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()

    def has(self, package: str) -> bool:
        return package in (self.folder / "installed").read_text().split()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path).apt()


def test_complete_machine_is_silent_and_quick(machine: Machine) -> None:
    seconds = []
    for _ in range(3):
        start = time.monotonic()
        done = machine.run()
        seconds.append(time.monotonic() - start)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert machine.log == []
    assert min(seconds) < 0.3


def test_root_installs_what_is_missing_after_one_update(machine: Machine) -> None:
    machine.without("g++", "cmake", "libhwy-dev", "libtbb-dev", "python3-rich")
    done = machine.run()
    assert done.returncode == 0, done.stderr
    update, required, optional = machine.log
    assert update == "apt-get update"
    assert required.startswith("apt-get [noninteractive] install -y --no-install-recommends")
    assert required.split()[-4:] == ["g++", "cmake", "libhwy-dev", "python3-rich"]
    assert optional.split()[-1] == "libtbb-dev"
    assert "deps: missing: c++ cmake highway rich\n" in done.stderr
    assert "deps: missing, optional: tbb\n" in done.stderr
    assert machine.run().stderr == "" and machine.log == []


def test_bare_machine(machine: Machine) -> None:
    machine.without(*EVERYTHING)
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert all(machine.has(name) for name in EVERYTHING if name not in ("python3", "util-linux"))


def test_user_without_terminal_is_told_the_command_and_stopped(machine: Machine) -> None:
    machine.without("cmake", "libre2-dev")
    done = machine.run(FAKE_UID="1000")
    assert done.returncode == 2
    assert machine.log == []
    assert "  sudo apt-get update\n" in done.stderr
    assert "  sudo apt-get install -y --no-install-recommends cmake\n" in done.stderr
    assert "  sudo apt-get install -y --no-install-recommends libre2-dev\n" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("deps: stopped; DEPS=auto")


def test_the_command_that_is_named_leaves_out_what_is_not_offered(machine: Machine) -> None:
    machine.without("cmake", "libre2-dev", "libtbb-dev")
    machine.offered([name for name in EVERYTHING if name != "libre2-dev"])
    done = machine.run(FAKE_UID="1000")
    assert done.returncode == 2
    assert "--no-install-recommends libtbb-dev\n" in done.stderr
    assert "libre2-dev" not in done.stderr


def test_no_package_lists_yet_names_all(machine: Machine) -> None:
    machine.without("cmake", "libre2-dev")
    machine.offered([])
    done = machine.run(FAKE_UID="1000")
    assert done.returncode == 2
    assert "--no-install-recommends cmake\n" in done.stderr
    assert "--no-install-recommends libre2-dev\n" in done.stderr


@pytest.mark.parametrize("why", [{"CI": "true"}, {"DEPS": "auto"}])
def test_user_installs_with_sudo_n(machine: Machine, why: dict[str, str]) -> None:
    machine.without("cmake")
    done = machine.run(FAKE_UID="1000", **why)
    assert done.returncode == 0, done.stderr
    assert machine.has("cmake")
    assert "sudo -n apt-get update" in machine.log
    installs = [line for line in machine.log if line.startswith("sudo -n env DEBIAN_FRONTEND")]
    assert len(installs) == 1 and installs[0].endswith(" cmake")
    assert all(line.startswith(("sudo -n ", "apt-get ")) for line in machine.log)


def test_sudo_that_asks_for_a_password_stops_it(machine: Machine) -> None:
    machine.without("cmake")
    done = machine.run(FAKE_UID="1000", CI="true", FAKE_SUDO="no")
    assert done.returncode == 2
    assert machine.log == ["sudo -n true"]
    assert "  sudo apt-get install -y --no-install-recommends cmake\n" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("deps: not root, and sudo -n doesn't work")


def test_sudo_that_asks_for_a_password_is_no_matter_for_optional_packages(machine: Machine) -> None:
    machine.without("libre2-dev")
    done = machine.run(FAKE_UID="1000", CI="true", FAKE_SUDO="no")
    assert done.returncode == 0, done.stderr
    assert not machine.has("libre2-dev")


@pytest.mark.parametrize("uid", ["0", "1000"])
def test_off_never_installs(machine: Machine, uid: str) -> None:
    machine.without("cmake", "python3-numpy", "libhwy-dev", "libtbb-dev")
    done = machine.run(DEPS="off", CI="true", FAKE_UID=uid)
    assert done.returncode == 2
    assert machine.log == []
    assert "deps: not installed, their variants will be missing: tbb\n" in done.stderr
    assert "deps: missing: cmake numpy (DEPS=off" in done.stderr


def test_off_leaves_missing_libraries_to_cmake(machine: Machine) -> None:
    machine.without("libhwy-dev", "catch2")
    done = machine.run(DEPS="off")
    assert done.returncode == 0
    assert done.stderr == "deps: not installed, CMake will try to download: catch2 highway\n"
    assert machine.log == []


def test_an_optional_package_that_is_not_to_be_had_stops_nothing(machine: Machine) -> None:
    machine.without("cmake", "libroaring-dev", "libtbb-dev")
    machine.offered([name for name in EVERYTHING if name != "libroaring-dev"])
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert machine.has("cmake") and machine.has("libtbb-dev")
    assert "deps: could not be had, their variants will be missing: croaring\n" in done.stderr

    again = machine.run()  # not asked for on each run,
    assert (again.returncode, again.stderr, machine.log) == (0, "", [])
    machine.offered(EVERYTHING)
    assert machine.run("--retry").returncode == 0  # but on request
    assert machine.has("libroaring-dev")


def test_optional_packages_that_fail_together_are_tried_one_by_one(machine: Machine) -> None:
    machine.without("libre2-dev", "libtbb-dev")
    # Offered, but it can't be installed: a conflict, say.
    machine.shim("apt-get", 'case " $* " in *" libre2-dev "*) exit 100 ;; esac\n' + APT_GET)
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert machine.has("libtbb-dev") and not machine.has("libre2-dev")
    assert "deps: left out: libre2-dev\n" in done.stderr


def test_a_required_library_that_is_not_to_be_had_is_left_to_cmake(machine: Machine) -> None:
    machine.without("cmake", "libhwy-dev")
    machine.offered([name for name in EVERYTHING if name != "libhwy-dev"])
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert machine.has("cmake")
    assert "deps: not in this distribution: highway\n" in done.stderr
    assert "CMake will try to download: highway\n" in done.stderr


def test_alternatives_take_the_one_that_is_offered(machine: Machine) -> None:
    machine.without("libmimalloc2.0")
    machine.offered([*(name for name in EVERYTHING if name != "libmimalloc2.0"), "libmimalloc3"])
    assert machine.run().returncode == 0
    assert machine.has("libmimalloc3")
    assert machine.run().stderr == ""


def test_optional_packages_do_not_stop_a_user_and_are_named_once(machine: Machine) -> None:
    machine.without("libre2-dev")
    first = machine.run(FAKE_UID="1000")
    assert first.returncode == 0
    assert "deps: missing, optional: re2\n" in first.stderr
    assert "  sudo apt-get install -y --no-install-recommends libre2-dev\n" in first.stderr
    second = machine.run(FAKE_UID="1000")
    assert (second.returncode, second.stderr) == (0, "")
    machine.without("libre2-dev", "libtbb-dev")  # one more: named, and the first not forgotten
    third = machine.run(FAKE_UID="1000")
    assert "optional: tbb\n" in third.stderr and "re2" not in third.stderr
    assert machine.run(FAKE_UID="1000").stderr == ""


def test_on_a_terminal_it_asks_once(machine: Machine) -> None:
    machine.without("cmake", "libre2-dev")
    status, shown = machine.answer("y\n", FAKE_UID="1000")
    assert status == 0, shown
    assert shown.count("[Y/n]") == 1
    assert machine.has("cmake") and machine.has("libre2-dev")
    assert not any("-n" in line.split() for line in machine.log), "a person can type a password"


def test_on_a_terminal_no_means_no(machine: Machine) -> None:
    machine.without("cmake")
    status, shown = machine.answer("n\n", FAKE_UID="1000")
    assert status == 2, shown
    assert machine.log == [] and not machine.has("cmake")


def test_on_a_terminal_no_to_optional_packages_goes_on_and_is_remembered(machine: Machine) -> None:
    machine.without("libre2-dev")
    status, shown = machine.answer("n\n", FAKE_UID="1000")
    assert status == 0, shown
    status, shown = machine.answer("", FAKE_UID="1000")
    assert (status, shown) == (0, "")


def test_failed_update_goes_on_with_the_lists_there_are(machine: Machine) -> None:
    machine.without("cmake")
    done = machine.run(FAKE_UPDATE="100")
    assert done.returncode == 0
    assert machine.has("cmake")
    assert "deps: that failed, going on" in done.stderr


def test_failed_install_stops_it(machine: Machine) -> None:
    machine.without("cmake")
    machine.shim("apt-get", "echo 'E: no network' >&2; exit 100")
    done = machine.run()
    assert done.returncode == 2
    assert "E: no network" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("deps: the command above failed")


def test_old_cmake_is_named_with_the_cure(machine: Machine) -> None:
    done = machine.run(FAKE_CMAKE="3.22.1")
    assert done.returncode == 2
    assert done.stderr.startswith("deps: cmake 3.22 is too old, 3.25 is needed: ")
    assert machine.run(FAKE_CMAKE="4.0.2").returncode == 0


def test_another_compiler_and_another_python_will_do(machine: Machine) -> None:
    machine.without("g++", "python3-scipy")
    machine.shim("clang++", TOOL)
    machine.shim("python3", "exit 0")
    done = machine.run(FAKE_UID="1000")
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.run("--python").stdout == "python3\n"


def test_measuring_needs_no_pytest(machine: Machine) -> None:
    machine.without("python3-pytest")
    assert machine.run("bench", DEPS="off").returncode == 0
    done = machine.run("test", DEPS="off")
    assert done.returncode == 2 and "deps: missing: pytest (DEPS=off" in done.stderr


def test_only_what_draws_asks_for_what_draws(machine: Machine) -> None:
    machine.without("python3-jinja2", "python3-matplotlib", "python3-pytest")
    done = machine.run("bench")
    assert (done.returncode, done.stderr, machine.log) == (0, "", [])
    done = machine.run("report", DEPS="off")
    assert done.returncode == 2
    assert done.stderr == "deps: missing: jinja2 (DEPS=off never installs; make deps does)\n"
    assert machine.run("report").returncode == 0
    assert machine.has("python3-jinja2") and not machine.has("python3-matplotlib")
    assert machine.run("plot").returncode == 0
    assert machine.has("python3-matplotlib") and not machine.has("python3-pytest")
    assert machine.run().returncode == 0
    assert machine.has("python3-pytest")


@pytest.mark.parametrize("goal", ["report", "plot"])
def test_reading_a_record_needs_nothing_to_build_with(machine: Machine, goal: str) -> None:
    machine.without(*TOOLS.values(), *LIBRARIES, *OPTIONAL)
    done = machine.run(goal, SERVICES="1", FAKE_CMAKE="3.22.1")
    assert (done.returncode, done.stderr, machine.log) == (0, "", [])


def test_the_python_of_a_goal_has_its_modules(machine: Machine) -> None:
    machine.shim("python3", """case " $* " in *" matplotlib "*) exit 1 ;; *) exit 0 ;; esac""")
    assert machine.run("bench", "--python").stdout == "python3\n"
    assert machine.run("report", "--python").stdout == "python3\n"
    done = machine.run("plot", "--python")
    assert done.returncode == 2
    assert done.stderr.startswith("deps: no Python 3.9 or newer has all of: numpy scipy rich matpl")


def test_no_python_with_the_modules_is_one_line(machine: Machine) -> None:
    done = machine.run("--python")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("deps: no Python 3.9 or newer has all of: numpy scipy ")
    assert done.stderr.count("\n") == 1


def test_named_goals_need_more(machine: Machine) -> None:
    done = machine.run("ci", FAKE_UID="1000")
    lint = "clang-format clang-tidy shellcheck flake8 mypy"
    assert done.returncode == 2 and f"deps: missing: {lint}\n" in done.stderr
    done = machine.run("check-all", FAKE_UID="1000")
    assert "mypy clang clang-openmp fio wrk\n" in done.stderr


def test_arm_libraries_are_unpacked_beside_the_machines_own(machine: Machine) -> None:
    machine.without("libhwy-dev")  # which is the machine's own and not asked for here
    for tool in ("aarch64-linux-gnu-g++", "qemu-aarch64"):
        machine.shim(tool, TOOL)
    machine.shim("dpkg-deb", 'echo "dpkg-deb $*" >>"$FAKE/log"')
    machine.shim("apt-cache", 'echo "  Depends: libhwy1"; echo "  Depends: libc6"')
    machine.shim(
        "apt-get",
        'echo "apt-get $*" >>"$FAKE/log"\n'
        'case " $* " in *" download "*) : >some.deb; exit "${FAKE_DOWNLOAD:-0}" ;; esac',
    )
    done = machine.run("aarch64", FAKE_DOWNLOAD="100")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("deps: no arm64 libraries: ")
    done = machine.run("aarch64", DEPS="off")
    assert done.returncode == 0, done.stderr
    update, download, unpack = machine.log
    assert "APT::Architecture=arm64" in update and update.endswith(" update")
    wanted = download.split(" download ")[1].split()
    assert wanted == [*LIBRARIES, "libhwy1"]
    assert unpack.startswith("dpkg-deb -x ") and unpack.endswith("/build/aarch64-root")
    assert machine.run("aarch64").stderr == "" and machine.log == []


def test_arm_needs_a_cross_compiler_and_apt(machine: Machine) -> None:
    done = machine.run("aarch64", DEPS="off")
    assert done.returncode == 2
    assert "deps: missing: g++-aarch64 qemu-user (DEPS=off" in done.stderr
    (machine.bin / "apt-get").unlink()
    done = machine.run("aarch64")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("deps: aarch64: only where apt is")


def test_services_are_only_for_those_who_ask(machine: Machine) -> None:
    machine.offered([*EVERYTHING, *SERVICES])
    done = machine.run()
    assert (done.returncode, done.stderr, machine.log) == (0, "", [])
    assert machine.run(SERVICES="0").stderr == ""
    done = machine.run(SERVICES="1")
    assert done.returncode == 0, done.stderr
    assert "deps: missing, optional: postgresql libpq redis hiredis rabbitmq-c\n" in done.stderr
    assert all(machine.has(name) for name in SERVICES)
    assert machine.run(SERVICES="1").stderr == ""


def test_opencl_is_only_for_those_who_ask(machine: Machine) -> None:
    machine.offered([*EVERYTHING, *GPU])
    assert machine.run().stderr == "" and machine.run(GPU="0").stderr == ""
    done = machine.run(GPU="1")
    assert done.returncode == 0, done.stderr
    missing = "opencl-headers opencl-loader pocl clblast clinfo"
    assert f"deps: missing, optional: {missing}\n" in done.stderr
    assert all(machine.has(name) for name in GPU)
    assert machine.run(GPU="1").stderr == ""
    assert machine.run("report", GPU="1").stderr == "", "reading a record needs no device"


def test_clpeak_is_asked_for_by_its_own_goal_alone(machine: Machine) -> None:
    machine.offered([*EVERYTHING, *GPU, "clpeak"])
    assert machine.run("check-all", DEPS="off").stderr.find("clpeak") < 0
    done = machine.run("clpeak")
    assert done.returncode == 0, done.stderr
    assert machine.has("clpeak") and machine.has("pocl-opencl-icd")


def test_open_mpi_is_only_for_those_who_ask(machine: Machine) -> None:
    machine.offered([*EVERYTHING, *CLUSTER, "netpipe-openmpi"])
    assert machine.run().stderr == "" and machine.run(CLUSTER="0").stderr == ""
    done = machine.run(CLUSTER="1")
    assert done.returncode == 0, done.stderr
    assert "deps: missing, optional: open-mpi mpirun\n" in done.stderr
    assert all(machine.has(name) for name in CLUSTER) and not machine.has("netpipe-openmpi")
    assert machine.run(CLUSTER="1").stderr == ""
    assert machine.run("netpipe").returncode == 0 and machine.has("netpipe-openmpi")


@pytest.mark.parametrize("fails", [False, True])
def test_no_cluster_of_the_systems_is_made(machine: Machine, fails: bool) -> None:
    """Debian's postgresql makes one while it is installed, unless a file says otherwise then."""
    machine.offered([*EVERYTHING, *SERVICES])
    seen = f'cat {machine.clusters}/headroom.conf >>"$FAKE/seen"\n'
    machine.shim("apt-get", seen + ("exit 100" if fails else APT_GET))
    machine.without("libtbb-dev")
    assert machine.run(FAKE_UID="1000", DEPS="auto", SERVICES="1").returncode == 0
    told = (machine.folder / "seen").read_text().splitlines()
    assert set(told) == {"create_main_cluster = false"}
    assert list(machine.clusters.iterdir()) == [], "other installations are as they were"
    assert any(line.startswith("sudo -n sh -c mkdir -p ") for line in machine.log)


def test_where_that_cannot_be_said_postgresql_is_left_out(machine: Machine) -> None:
    machine.offered([*EVERYTHING, *SERVICES])
    machine.clusters.write_text("no folder")
    done = machine.run(SERVICES="1")
    assert done.returncode == 0
    assert not machine.has("postgresql") and machine.has("redis-tools")
    assert "deps: could not be had, their variants will be missing: postgresql\n" in done.stderr


def test_the_command_that_is_named_for_services_makes_no_cluster_either(machine: Machine) -> None:
    machine.offered([*EVERYTHING, *SERVICES])
    done = machine.run(FAKE_UID="1000", SERVICES="1")
    assert done.returncode == 0
    lines = [line.strip() for line in done.stderr.splitlines()]
    (install,) = [index for index, line in enumerate(lines) if line.endswith(SERVICES[-1])]
    file = f"{machine.clusters}/headroom.conf"
    assert lines[install - 1].endswith(f"echo create_main_cluster = false >{file}'")
    assert lines[install + 1] == f"sudo rm {file}"


def test_servers_that_are_there_by_another_name_will_do(machine: Machine) -> None:
    machine.offered([*EVERYTHING, *SERVICES])
    machine.installed([*EVERYTHING, "libpq-dev", "libhiredis-dev", "librabbitmq-dev"])
    machine.shim("valkey-server", "")
    machine.shim("postgres", "")
    assert machine.run(SERVICES="1").stderr == ""


@pytest.mark.parametrize(
    "arguments, more",
    [(["bogus"], {}), ([], {"DEPS": "banana"}), ([], {"SERVICES": "yes"}), ([], {"GPU": "yes"}),
     ([], {"CLUSTER": "yes"})],
)
def test_bad_usage(machine: Machine, arguments: list[str], more: dict[str, str]) -> None:
    done = machine.run(*arguments, **more)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("deps: ")


def test_without_a_package_manager_cmake_looks_for_the_libraries(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.shim("python3", "exit 0")
    assert machine.run().returncode == 0
    (machine.bin / "cmake").unlink()
    done = machine.run()
    assert done.returncode == 2
    assert "deps: missing: cmake\n" in done.stderr
    assert "install these by hand" in done.stderr.splitlines()[-1]


def test_fedora(tmp_path: Path) -> None:
    machine = Machine(tmp_path).without("g++")
    machine.shim("rpm", RPM)
    machine.shim("dnf", 'echo "dnf $*" >>"$FAKE/log"')
    done = machine.run(FAKE_UID="1000")
    assert done.returncode == 2
    # zlib-devel, its alternative, is there.
    assert "deps: missing: c++ catch2\n" in done.stderr and "optional" not in done.stderr
    assert "  sudo dnf -y install gcc-c++ catch-devel\n" in done.stderr


def test_arch(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.shim("pacman", 'echo "pacman $*" >>"$FAKE/log"; case $1 in -T) echo highway ;; esac')
    done = machine.run(FAKE_UID="1000")
    assert done.returncode == 2
    assert "  sudo pacman -S --needed --noconfirm highway\n" in done.stderr
    assert not any(line.startswith("pacman -S ") for line in machine.log)


def test_homebrew_makes_a_virtual_environment_for_the_modules(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.shim("brew", 'echo "brew $*" >>"$FAKE/log"')
    done = machine.run(FAKE_UID="501")
    assert done.returncode == 2
    libraries = "google-benchmark abseil robin-map catch2 highway nlohmann-json"
    assert f"  brew install {libraries}\n" in done.stderr
    assert "  python3 -m venv build/venv && build/venv/bin/pip install numpy" in done.stderr
    assert "sudo" not in done.stderr and "liburing" not in done.stderr
