#!/bin/sh
# Names the packages that are missing, and the command that installs them; runs it where it may.
#
#   tools/deps.sh [bench|report|plot|test|ci|check-all|aarch64|clpeak|netpipe] [--retry] [--python]
#
#   bench         what `make bench` needs
#   report, plot  a Python for these commands, with jinja2 or matplotlib, and nothing to build with
#   test          what all three need, and pytest (the default)
#   ci            the same and clang-format
#   check-all     the same and clang with its OpenMP runtime
#   aarch64       a cross compiler, an emulator, and in build/aarch64-root the libraries for Arm
#   clpeak        what `make bench GPU=1` needs, and clpeak
#   netpipe       what `make bench-cluster` needs, and NetPIPE
#   --retry       try again what could not be had, or was declined, before (`make deps`)
#   --python      print a Python 3 that has every module for this, and stop
#
# As root, with CI=true or with DEPS=auto it installs (with `sudo -n` where not root); on a terminal
# it asks once; else it stops with status 2. DEPS=off never installs: it stops only where the build
# or the tools can't do without, and CMake then tries to download the required libraries.
# Optional packages never stop it: their variants are listed as missing by the benchmark.
# With SERVICES=1 it also sets up PostgreSQL, Redis and (but on Debian) nginx, PgBouncer, RabbitMQ and HAProxy, which
# runs and tests then start for themselves: no server of the system's is made or started.
# With GPU=1 it also sets up OpenCL, and PoCL, which runs it on the CPU; a GPU's driver is its vendor's.
# With CLUSTER=1 it also sets up Open MPI, for `make bench-cluster`.
#
# It assumes nothing but sh and the distribution's own package manager.
# Word splitting is meant wherever a list is passed, and the table's columns are read by name.
# shellcheck disable=SC2086,SC2034,SC2046
set -u

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 2
root=${here%/*}
# What is needed, a line each: class, name, commands, and the package of each distribution.
table=$(grep '^[A-Z] ' "$here/deps/packages") || exit 2
skip_file=$root/build/.deps-skip # optional packages that could not be had, or were declined
spaces=$IFS

die() {
  echo "deps: $*" >&2
  exit 2
}

has() { command -v "$1" >/dev/null 2>&1; }

# The first Python that has every module. Looked for rather than assumed: the first python3 on PATH
# is often a version manager's, and the modules belong to the system's.
find_python() {
  for candidate in ${HEADROOM_PYTHON:+"$HEADROOM_PYTHON"} python3 /usr/bin/python3 \
    "$root/build/venv/bin/python3"; do
    has "$candidate" || continue
    if "$candidate" - $modules <<'PY' >/dev/null 2>&1
import importlib.util, sys
if sys.version_info < (3, 9):
    sys.exit(1)
# The packages' names: pytest's plug-ins are imported without the prefix.
modules = [name.removeprefix("pytest-") for name in sys.argv[1:]]
sys.exit(any(importlib.util.find_spec(name) is None for name in modules))
PY
    then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

# Which of these packages are installed, one a line: one call for all of them.
installed() {
  case $family in
    apt) dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
      sed -n 's/ installed$//p' ;;
    dnf) rpm -q --qf '%{NAME}\n' "$@" 2>/dev/null | grep -v ' ' ;;
    pacman) # prints those that are not there
      absent=" $(pacman -T "$@" 2>/dev/null | tr '\n' ' ') "
      for package in "$@"; do
        case $absent in *" $package "*) ;; *) echo "$package" ;; esac
      done ;;
    brew) # asking brew takes a second, its folder nothing
      for package in "$@"; do
        if [ -d "$brew_prefix/opt/$package" ]; then echo "$package"; fi
      done ;;
  esac
}

# Which of these packages this distribution offers, one a line.
available() {
  case $family in
    apt) apt-cache show --no-all-versions "$@" 2>/dev/null | sed -n 's/^Package: //p' ;;
    dnf) dnf -q repoquery --qf '%{name}\n' "$@" 2>/dev/null ;;
    pacman) pacman -Si "$@" 2>/dev/null | sed -n 's/^Name *: //p' ;;
    brew) for package in "$@"; do
      if brew info --formula "$package" >/dev/null 2>&1; then echo "$package"; fi
    done ;;
  esac
}

# Sets missing_tools, missing_libraries, missing_python, missing_optional: lists of `name=package`
# (a package may still be `a|b`, and is empty where the distribution has none).
detect() {
  packages=
  while read -r class name commands apt dnf pacman brew; do
    eval "package=\${$column}"
    IFS='|'
    for alternative in $package; do
      if [ "$alternative" != - ]; then packages="$packages $alternative"; fi
    done
    IFS=$spaces
  done <<TABLE
$wanted
TABLE
  if [ "$family" = none ]; then present=; else present=" $(installed $packages | tr '\n' ' ') "; fi

  missing_tools='' missing_libraries='' missing_python='' missing_optional=''
  while read -r class name commands apt dnf pacman brew; do
    eval "package=\${$column}"
    satisfied=no
    if [ "$commands" != - ]; then
      IFS=','
      for command in $commands; do
        if has "$command"; then satisfied=yes; fi
      done
      IFS=$spaces
    fi
    if [ "$package" = - ]; then
      package=
      # Part of another package here, or not to be had: nothing to name or to install.
      case $class in O | S | G | C | F | A | B | N) satisfied=yes ;; esac
    fi
    IFS='|'
    for alternative in $package; do
      case $present in *" $alternative "*) satisfied=yes ;; esac
    done
    IFS=$spaces
    [ $satisfied = no ] || continue
    case $class in
      I | R) missing_tools="$missing_tools $name=$package" ;;
      L) missing_libraries="$missing_libraries $name=$package" ;;
      P | J | M | T) missing_python="$missing_python $name=$package" ;;
      O | S | G | C) missing_optional="$missing_optional $name=$package" ;;
      F | A | B | N | X) missing_tools="$missing_tools $name=$package" ;; # asked for by name: required
    esac
  done <<TABLE
$wanted
TABLE
  # Nothing can be said of libraries where nobody can be asked; CMake will look for them.
  if [ $family = none ]; then missing_libraries='' missing_optional=''; fi
  # Modules of another Python than the distribution's will do as well.
  if [ -n "$missing_python" ] && find_python >/dev/null; then missing_python=; fi
}

# Without the table's own lines for others: `wanted` for this goal.
select_rows() {
  case $goal in
    bench) classes=IRLPO ;;
    report) classes=IPJ ;;
    plot) classes=IPM ;;
    test) classes=IRLPJMTO ;;
    ci) classes=IRLPJMTOF ;;
    check-all) classes=IRLPJMTOFA ;;
    aarch64) classes=IRX ;;
    clpeak) classes=IRLPOB GPU=1 ;;
    netpipe) classes=IRLPON CLUSTER=1 ;;
  esac
  [ "${SERVICES:-}" != 1 ] || [ "$classes" = "${classes%O*}" ] || classes=${classes}S
  [ "${GPU:-}" != 1 ] || [ "$classes" = "${classes%O*}" ] || classes=${classes}G
  [ "${CLUSTER:-}" != 1 ] || [ "$classes" = "${classes%O*}" ] || classes=${classes}C
  wanted=$(echo "$table" | while read -r class rest; do
    case $classes in *"${class:-none}"*) echo "$class $rest" ;; esac
  done)
  modules=$(echo "$wanted" | sed -n 's/^[PJMT] \([^ ]*\).*/\1/p' | tr '\n' ' ')
  modules=${modules% }
}

# `name=a|b ...` -> the packages to install, of alternatives the first that there is. What isn't
# offered is put into `unobtainable`.
choose() {
  chosen='' unobtainable=''
  wished=
  for entry in "$@"; do wished="$wished $(echo "${entry#*=}" | tr '|' ' ')"; done
  offered=" $(available $wished | tr '\n' ' ') "
  # An empty answer means that the package lists aren't there yet: then take them at their word.
  [ "$offered" != '  ' ] || offered=" $wished "
  for entry in "$@"; do
    found=
    for alternative in $(echo "${entry#*=}" | tr '|' ' '); do
      case $offered in *" $alternative "*) found=${found:-$alternative} ;; esac
    done
    if [ -n "$found" ]; then
      chosen="$chosen $found"
    else
      unobtainable="$unobtainable ${entry%%=*}"
    fi
  done
}

# All of a list but the first word.
without() {
  left_out=$1
  shift
  for word in "$@"; do
    if [ "$word" != "$left_out" ]; then echo "$word"; fi
  done
}

names() {
  line=
  for entry in "$@"; do line="$line ${entry%%=*}"; done
  echo "${line# }"
}

refresh_command() {
  case $family in
    apt) echo "${1}apt-get update" ;;
    pacman) # never -Sy on a system in use: Arch doesn't support a partial upgrade
      if ! ls /var/lib/pacman/sync/*.db >/dev/null 2>&1; then echo "${1}pacman -Sy"; fi ;;
  esac
}

install_command() {
  case $family in
    apt) echo "${1}apt-get install -y$recommends" ;;
    dnf) echo "${1}dnf -y install" ;;
    pacman) echo "${1}pacman -S --needed --noconfirm" ;;
    brew) echo "brew install" ;;
  esac
}

# Debian's package makes a cluster and starts it, unless it is told not to while it is installed.
clusters=/etc/postgresql-common/createcluster.d
no_cluster() {
  echo "mkdir -p $clusters && echo create_main_cluster = false >$clusters/headroom.conf"
}
makes_cluster() {
  [ $family = apt ] || return 1
  case " $* " in *' postgresql '*) ;; *) return 1 ;; esac
}

venv_command() { echo "python3 -m venv build/venv && build/venv/bin/pip install $modules"; }

# What a person would type. Required and optional apart, so that one that isn't to be had doesn't
# stop the others.
print_commands() {
  prefix="$1"
  if [ "$family" != none ]; then
    refresh=$(refresh_command "$prefix")
    if [ -n "$required$optional" ] && [ -n "$refresh" ]; then echo "  $refresh"; fi
    if [ -n "$required" ]; then echo "  $(install_command "$prefix")$required"; fi
    if [ -n "$optional" ]; then
      if makes_cluster $optional; then echo "  ${prefix}sh -c '$(no_cluster)'"; fi
      echo "  $(install_command "$prefix")$optional"
      if makes_cluster $optional; then echo "  ${prefix}rm $clusters/headroom.conf"; fi
    fi
  fi
  if [ -n "$venv" ]; then echo "  $(venv_command)"; fi
}

remember_skipped() {
  names="$(names "$@" | tr ' ' '\n')
$(cat "$skip_file" 2>/dev/null)"
  if mkdir -p "$root/build" 2>/dev/null; then echo "$names" | sort -u >"$skip_file"; fi
}

# CMake, where this goal needs it.
too_old() {
  case $classes in *R*) ;; *) return 1 ;; esac
  has cmake || return 1
  version=$(cmake --version 2>/dev/null | sed -n '1s/.*version \([0-9]*\.[0-9]*\).*/\1/p')
  [ -n "$version" ] || return 1
  major=${version%%.*} minor=${version#*.}
  [ "$major" -lt 3 ] || { [ "$major" -eq 3 ] && [ "$minor" -lt 25 ]; }
}

installable() {
  if [ "${DEPS:-}" = off ]; then echo ' (DEPS=off never installs; make deps does)'; fi
}

finish() {
  if too_old; then
    die "cmake $version is too old, 3.25 is needed: pip install --user cmake, or see cmake.org"
  fi
  if [ -n "$missing_libraries" ]; then
    echo "deps: not installed, CMake will try to download: $(names $missing_libraries)" >&2
  fi
  if [ -n "$missing_tools$missing_python" ]; then
    die "missing: $(names $missing_tools $missing_python)$(installable)"
  fi
  if [ "$goal" = aarch64 ]; then
    # shellcheck source=tools/deps/arm64.sh
    . "$here/deps/arm64.sh"
    unpack_arm64
  fi
  exit 0
}

# ---------------------------------------------------------------------------------------------

goal=test retry=no python=no
for argument in "$@"; do
  case $argument in
    bench | report | plot | test | ci | check-all | aarch64 | clpeak | netpipe) goal=$argument ;;
    --retry) retry=yes ;;
    --python) python=yes ;;
    -h | --help)
      sed -n '2,/^# It assumes/s/^# \{0,1\}//p' "$0"
      exit 0 ;;
    *) die "unknown argument '$argument' (bench, report, plot, test, ci, check-all, aarch64, clpeak, netpipe, --retry, --python)" ;;
  esac
done
case ${DEPS:-} in '' | auto | off) ;; *) die "DEPS=$DEPS: it is auto, off or not set" ;; esac
case ${SERVICES:-} in '' | 0 | 1) ;; *) die "SERVICES=$SERVICES: it is 1, 0 or not set" ;; esac
case ${GPU:-} in '' | 0 | 1) ;; *) die "GPU=$GPU: it is 1, 0 or not set" ;; esac
case ${CLUSTER:-} in '' | 0 | 1) ;; *) die "CLUSTER=$CLUSTER: it is 1, 0 or not set" ;; esac

if has dpkg-query && has apt-get; then family=apt
elif has rpm && has dnf; then family=dnf
elif has pacman; then family=pacman
elif has brew; then
  family=brew
  brew_prefix=$(command -v brew)
  brew_prefix=${brew_prefix%/bin/brew}
else family=none
fi
if [ "$goal" = aarch64 ] && [ $family != apt ]; then
  die 'aarch64: only where apt is: the arm64 libraries are those of Debian'
fi
column=$family
[ $family != none ] || column=apt # for the names only
# Without the recommended packages, except for clang, whose sanitizers' runtime is one of them.
recommends=' --no-install-recommends'
[ "$goal" != check-all ] || recommends=

cd "$root" || exit 2
select_rows
if [ $python = yes ]; then
  find_python || die "no Python 3.9 or newer has all of: $modules (run make deps)"
  exit 0
fi
detect

# On Homebrew some modules aren't packaged, and without a package manager none are.
venv=
case $family in brew | none) [ -z "$missing_python" ] || venv=yes ;; esac
[ $retry = no ] || rm -f "$skip_file"

if [ "${DEPS:-}" = off ]; then
  if [ -n "$missing_optional" ]; then
    echo "deps: not installed, their variants will be missing: $(names $missing_optional)" >&2
  fi
  finish
fi

if [ $retry = no ] && [ -f "$skip_file" ]; then
  skipped=" $(tr '\n' ' ' <"$skip_file") "
  kept=
  for entry in $missing_optional; do
    case $skipped in *" ${entry%%=*} "*) ;; *) kept="$kept $entry" ;; esac
  done
  missing_optional=$kept
fi

if [ -z "$missing_tools$missing_libraries$missing_python$missing_optional" ]; then
  [ $retry = no ] || echo "deps: nothing is missing"
  finish
fi

if [ -n "$missing_tools$missing_libraries$missing_python" ]; then
  echo "deps: missing: $(names $missing_tools $missing_libraries $missing_python)" >&2
fi
if [ -n "$missing_optional" ]; then
  echo "deps: missing, optional: $(names $missing_optional)" >&2
fi

python_packages=$missing_python
[ -z "$venv" ] || python_packages=
sudo=
if [ $family != brew ] && [ "$(id -u)" != 0 ]; then sudo='sudo '; fi
required='' optional=''

if [ $family = none ]; then
  if [ -n "$missing_tools" ]; then
    die "no apt-get, dnf, pacman or brew here: install these by hand, then run make again"
  fi
fi

may_install=no
if [ "$(id -u)" = 0 ] || [ "${CI:-}" = true ] || [ "${DEPS:-}" = auto ]; then may_install=yes; fi

# Of the packages that are only to be named, those that the distribution doesn't have are left out.
plan() {
  choose $missing_tools $missing_libraries $python_packages
  required=$chosen not_offered=$unobtainable
  choose $missing_optional
  optional=$chosen
}
if [ $family != none ] && [ $may_install = no ]; then plan; fi

if [ $may_install = no ]; then
  echo "deps: to install them:" >&2
  print_commands "$sudo" >&2
  if [ -t 0 ] && [ -t 2 ]; then
    printf 'deps: run this now? [Y/n] ' >&2
    answer=n
    read -r answer || answer=n
    case $answer in '' | [yYjJ]*) may_install=asked ;; esac
  fi
fi

if [ $may_install = no ]; then
  if [ -z "$missing_tools$missing_libraries$missing_python" ]; then
    remember_skipped $missing_optional
    echo "deps: going on without them (make deps asks again)" >&2
    finish
  fi
  die "stopped; DEPS=auto runs the commands above, DEPS=off goes on without them where it can"
fi

if [ -n "$sudo" ] && [ $may_install = yes ] && [ $family != none ]; then
  sudo='sudo -n '
  if ! sudo -n true 2>/dev/null; then
    plan
    if [ -z "$missing_tools$missing_libraries$missing_python" ]; then
      remember_skipped $missing_optional
      echo "deps: not root and sudo -n doesn't work: going on without the optional packages" >&2
      finish
    fi
    echo "deps: to install them:" >&2
    print_commands 'sudo ' >&2
    die "not root, and sudo -n doesn't work: run the commands above"
  fi
fi

if [ $family != none ]; then
  refresh=$(refresh_command "$sudo")
  if [ -n "$refresh" ]; then
    echo "deps: $refresh" >&2
    $refresh >&2 </dev/null ||
      echo "deps: that failed, going on with the package lists there are" >&2
  fi
  plan
  [ -z "$not_offered" ] || echo "deps: not in this distribution:$not_offered" >&2

  run_install() {
    echo "deps: $(install_command "$sudo") $*" >&2
    case $family in
      apt) ${sudo}env DEBIAN_FRONTEND=noninteractive \
        $(install_command '') -o DPkg::Lock::Timeout=120 "$@" >&2 </dev/null ;;
      *) $(install_command "$sudo") "$@" >&2 </dev/null ;;
    esac
  }
  if [ -n "$required" ] && ! run_install $required; then
    die "the command above failed (its own message is above)"
  fi
  if makes_cluster $optional; then
    trap '${sudo}rm -f $clusters/headroom.conf' EXIT
    trap 'exit 130' HUP INT TERM
    ${sudo}sh -c "$(no_cluster)" || optional=$(without postgresql $optional)
  fi
  if [ -n "$optional" ] && ! run_install $optional; then
    echo "deps: trying the optional packages one by one" >&2
    for package in $optional; do
      run_install "$package" || echo "deps: left out: $package" >&2
    done
  fi
fi

if [ -n "$venv" ] && ! find_python >/dev/null; then
  echo "deps: $(venv_command)" >&2
  { python3 -m venv build/venv && build/venv/bin/pip install -q $modules; } >&2 </dev/null ||
    die "making build/venv failed (the message is above)"
fi

hash -r
detect
if [ -n "$missing_optional" ]; then
  remember_skipped $missing_optional
  echo "deps: could not be had, their variants will be missing: $(names $missing_optional)" >&2
elif [ -f "$skip_file" ]; then
  rm -f "$skip_file"
fi
finish
