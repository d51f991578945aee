# The entry point of Headroom. `make bench` and `make test` do everything on a fresh machine; `make help`
# lists the rest. GNU make, 3.81 (macOS) or newer. CMake builds, tools/headroom runs: this file only
# calls them in order.

PROFILE ?= standard
PRESET ?= release
BASE ?=
NEW ?= latest
FORM ?=
FAIL_ON ?=
ALLOW_MISSING ?=
PYTEST ?=
# 1: sanitizers without the checks that others of them make up for, without OpenCL, and the kernels' tests
# alone.
LESS ?=
# Of `make fuzz`: seconds per kernel.
SECONDS ?= $(if $(HEADROOM_LONG),60,5)
KERNEL ?=
# Of `make mutate`: 1 only prints the bugs.
LIST ?=
RUNS ?=
# Of `make compare`: what each side costs, BASE first.
PRICE ?=
# Of `make plot`: which picture, and the file it goes to (.svg, .png or .pdf).
KIND ?=
OUT ?= plot.svg
# A folder of kernels of your own, and which of Headroom's to build (a regular expression).
KERNELS ?=
SUBSET ?=
# WARNINGS=error: a warning of the compiler's ends the build, as in .ci/run.
WARNINGS ?=
FULL ?=
# Where the record goes, and where the documents' figures come from, if not results/.
RESULTS ?=
# Of `make bench-cluster`: how many ranks, and mpirun's hostfile where they are on several hosts.
NP ?= 2
HOSTS ?=

# Passed to the recipes through the environment, verbatim: a FILTER is a regular expression, and
# make or the shell would otherwise interpret its $, | and quotes.
export ARG_FILTER := $(value FILTER)
export ARG_INPUTS := $(value INPUTS)
export ARG_LABEL := $(value LABEL)
export ARG_PAIRS := $(value PAIRS)
export ARG_MACHINE := $(value MACHINE)
export ARG_CHANGED := $(value CHANGED)
export ARG_SCRATCH := $(value SCRATCH)
export ARG_SIMD_TARGET := $(value SIMD_TARGET)
export ARG_PROFILE := $(value PROFILE)
export ARG_BASE := $(value BASE)
export ARG_NEW := $(value NEW)
export ARG_FORM := $(value FORM)
export ARG_FAIL_ON := $(value FAIL_ON)
export ARG_ALLOW_MISSING := $(value ALLOW_MISSING)
export ARG_PYTEST := $(value PYTEST)
export ARG_KERNEL := $(value KERNEL)
export ARG_RUNS := $(value RUNS)
export ARG_PRICE := $(value PRICE)
export ARG_KIND := $(value KIND)
export ARG_OUT := $(value OUT)
export ARG_KERNELS := $(value KERNELS)
export ARG_SUBSET := $(value SUBSET)
export ARG_RESULTS := $(value RESULTS)
export ARG_NP := $(value NP)
export ARG_HOSTS := $(value HOSTS)
unexport FILTER LABEL MACHINE CHANGED SCRATCH SIMD_TARGET PROFILE BASE NEW FORM FAIL_ON PYTEST KERNEL SECONDS RUNS
unexport KERNELS INPUTS SUBSET RESULTS KIND OUT ALLOW_MISSING PRICE NP HOSTS
# tools/deps.sh reads them: auto, off or unset; 1 or unset.
export DEPS SERVICES GPU CLUSTER

JOBS ?= $(shell tools/jobs 2>/dev/null || echo 2)
# The program that the tools run, and a Python that has all that a command needs.
# $(call headroom,GOAL), one of deps.sh's
headroom = HEADROOM_PRESET='$(PRESET)'; \
           HEADROOM_PYTHON=$$(tools/deps.sh $(1) --python) || exit 2; \
           export HEADROOM_PRESET HEADROOM_PYTHON; exec tools/headroom
# Ninja if it is installed. A build folder keeps the generator that it was made with.
GENERATOR = if command -v ninja >/dev/null 2>&1; then \
              CMAKE_GENERATOR="$${CMAKE_GENERATOR:-Ninja}"; export CMAKE_GENERATOR; fi

# $(call configure,PRESET,FOLDER,MORE): quiet unless it fails. What KERNELS and SUBSET say holds for
# this build; without them the next one has Headroom's kernels, all of them.
configure = $(GENERATOR); mkdir -p build/$(2) && \
  if [ -n "$$ARG_KERNELS" ] && [ ! -d "$$ARG_KERNELS" ]; then \
    echo "make: KERNELS=$$ARG_KERNELS: no such folder" >&2; exit 2; \
  fi; \
  printf '' | grep -Eq -e "$$ARG_SUBSET" 2>/dev/null || [ $$? -eq 1 ] || { \
    echo "make: SUBSET=$$ARG_SUBSET: not a regular expression" >&2; exit 2; \
  }; \
  kernels=$${ARG_KERNELS:+$$(CDPATH= cd -- "$$ARG_KERNELS" && pwd)}; \
  if ! cmake --preset $(1) -B build/$(2) -DHEADROOM_MORE_KERNELS="$$kernels" \
      -DHEADROOM_KERNELS="$$ARG_SUBSET" \
      -DCMAKE_COMPILE_WARNING_AS_ERROR=$(if $(filter error,$(WARNINGS)),ON,OFF) \
      $(3) >build/$(2)/configure.log 2>&1; then \
    cat build/$(2)/configure.log >&2; \
    if tr -s '\n ' '  ' <build/$(2)/configure.log | \
        grep -Eq 'is different than the directory|does not match the source'; then \
      echo "make: build/$(2) was made where the checkout lay before: rm -r build/$(2), then make" \
        "again" >&2; exit 1; \
    fi; \
    echo "make: configuring build/$(2) failed (the message is above)" >&2; exit 1; \
  fi
# $(call compile,FOLDER,TARGETS): where CMake builds with make, that make must not inherit this
# one's variables (a FILTER with a $ would be expanded), nor print folders.
compile = MAKEFLAGS=--no-print-directory cmake --build build/$(1) --parallel $(JOBS) --target $(2)

# What the tests need to see of the sanitizers: stop at the first report, and say where.
ASAN_OPTIONS ?= detect_stack_use_after_return=1:strict_string_checks=1
LSAN_OPTIONS ?= suppressions=$(CURDIR)/tests/lsan.supp:print_suppressions=0
UBSAN_OPTIONS ?= print_stacktrace=1:halt_on_error=1
# OpenMP's runtime isn't instrumented; Archer, which comes with clang's, reports to TSan what it does.
TSAN_OPTIONS ?= ignore_noninstrumented_modules=1:halt_on_error=1:suppressions=$(CURDIR)/tests/tsan.supp
export ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS

.PHONY: help bench bench-cluster build-cluster check-cluster check-bench test build deps list ab check-ab compare fleet report plot cite lint format fuzz mutate
.PHONY: check-all fio-check wrk-check simulator-check clpeak-check netpipe-check
.PHONY: clean clean-all
.PHONY: test-asan-ubsan test-tsan test-clang test-aarch64 test-without test-catch2
# The targets share build folders, and nothing may run beside a measurement.
.NOTPARALLEL:
.DEFAULT_GOAL := build

help:
	@echo 'make bench      set up what is missing, build, measure, print a summary, keep the record'
	@echo 'make test       set up what is missing, build, run the tests of kernels and tools'
	@echo 'make ab         BASE=HEAD~1 [NEW=worktree] [FILTER=REGEX] [FORM=markdown|json] [FAIL_ON=slower]:'
	@echo '                is NEW faster? Two revisions, or preset:, cxx:, flags:, link:, simd:, env:,'
	@echo '                scratch:, build: of this machine, launches in turn; a filtered kernel takes a'
	@echo '                minute (PAIRS=N launches of each); LABEL=NAME also puts it into results/'
	@echo 'make compare    BASE=RUN [NEW="RUN RUN..."] [FORM=markdown|csv|json] [FAIL_ON=slower], by axis'
	@echo '                and kernel; RUN is a folder, latest, latest~1; PRICE=0.12,0.34: speed per price'
	@echo '                (ALLOW_MISSING=1, as in ab: what NEW lacks does not count for FAIL_ON)'
	@echo 'make fleet      [RUNS="RUN RUN"] [FORM=markdown|csv|json]: many machines, the odd one out first;'
	@echo '                RUN may be a folder of records (default: results/)'
	@echo 'make report     one page, report.html; RUNS="RUN RUN" (default: the newest of each machine)'
	@echo 'make plot       KIND=ladders [RUNS="RUN RUN"] [FILTER=REGEX] [OUT=plot.svg]: one kind of picture'
	@echo 'make cite       fill every figure of the documents from results/ (CHECK=1: only check them)'
	@echo 'make bench-cluster  NP=4 [HOSTS=hostfile]: the kernels of group cluster on the ranks of an MPI'
	@echo '                job, on this machine or on those of the hostfile; takes what bench takes'
	@echo 'make list       every kernel and its variants, and what the missing variants need'
	@echo 'make deps       only set up what is missing (retries what could not be installed before);'
	@echo '                SERVICES=1: also PostgreSQL, PgBouncer, Redis, nginx and RabbitMQ, for kernels that'
	@echo '                need a server; GPU=1: also OpenCL, and PoCL, which runs it on the CPU;'
	@echo '                CLUSTER=1: also Open MPI'
	@echo 'make            only build (PRESET=release, native, clang, debug, asan-ubsan, tsan)'
	@echo 'make check-all  every compiler, sanitizer and architecture, without each optional library'
	@echo '                (RESUME=1: not what has passed on this commit)'
	@echo 'make fuzz       random bytes for every kernel that takes them: SECONDS=5 each, KERNEL=NAME'
	@echo 'make fio-check  random and sequential reads beside fio, in the same minute'
	@echo 'make wrk-check  the HTTP servers of network/server as wrk sees them, beside our own clients'
	@echo 'make simulator-check  the simulator of scaling/ beside 16 servers that sleep (half a minute)'
	@echo 'make clpeak-check  the probes of an OpenCL device beside clpeak, in the same minute'
	@echo 'make netpipe-check  messages between two MPI ranks beside NetPIPE, in the same minute'
	@echo 'make mutate     bugs put into a copy of the tree, one at a time: a test must fail for each'
	@echo '                (FILTER=REGEX: some of them, LIST=1: only print them)'
	@echo 'make lint       shellcheck, flake8, mypy, clang-tidy (FULL=1: of kernels and tests too)'
	@echo 'make format     format every tracked .h and .cpp by .clang-format'
	@echo 'make clean      remove what was built; clean-all removes build/runs and build/ab-runs too'
	@echo
	@echo 'bench takes PROFILE=smoke|quick|standard|thorough  FILTER=REGEX  LABEL=NAME  MACHINE=NAME'
	@echo '            CHANGED=ram,disk  SCRATCH=FOLDER  SIMD_TARGET=NAME  PRESET=native'
	@echo '            INPUTS=all: each input of a kernel, not only its default one'
	@echo '            RESULTS=FOLDER for the record (compare and report read there too)'
	@echo 'bench, test and list take KERNELS=FOLDER, kernels of your own beside these, and SUBSET=REGEX,'
	@echo '            which of these to build: a fast loop while you work on one'
	@echo 'DEPS=auto installs missing packages without asking, DEPS=off never does; JOBS=N compilers at once'
	@echo
	@echo "for example: make bench PROFILE=quick FILTER='^simd/' LABEL=before"

deps:
	@tools/deps.sh test --retry

build:
	@tools/deps.sh bench
	@$(call configure,$(PRESET),$(PRESET))
	@$(call compile,$(PRESET),headroom-bench)

# A mistyped profile is reported before the build, which takes minutes.
check-bench:
	@case "$$ARG_PROFILE" in smoke|quick|standard|thorough) ;; *) \
	  echo "make bench: PROFILE=$$ARG_PROFILE: smoke, quick, standard or thorough" >&2; exit 2;; esac
	@case "$$ARG_INPUTS" in ''|default|all) ;; *) \
	  echo "make bench: INPUTS=$$ARG_INPUTS: default or all" >&2; exit 2;; esac

# What NP and HOSTS have to be, before anything is built.
check-cluster:
	@case "$$ARG_NP" in ''|*[!0-9]*|0*) \
	  echo "make bench-cluster: NP=$$ARG_NP: how many ranks, 1 or more" >&2; exit 2;; esac
	@if [ -n "$$ARG_HOSTS" ] && [ ! -r "$$ARG_HOSTS" ]; then \
	  echo "make bench-cluster: HOSTS=$$ARG_HOSTS: no such file" >&2; exit 2; fi

# Only the program that mpirun starts.
build-cluster:
	@CLUSTER=1 tools/deps.sh bench
	@$(call configure,$(PRESET),$(PRESET))
	@if ! grep -q 'optional mpi: 1' build/$(PRESET)/configure.log; then \
	  echo 'make bench-cluster: no MPI: `make deps CLUSTER=1` installs Open MPI' >&2; exit 2; fi
	@$(call compile,$(PRESET),headroom-bench-cluster)

# Its arguments. `exec`, so that Ctrl-C reaches the run alone, and its exit status is the recipe's.
bench-words = set -- --profile "$$ARG_PROFILE"; \
	if [ -n "$$ARG_FILTER" ]; then set -- "$$@" --filter "$$ARG_FILTER"; fi; \
	if [ -n "$$ARG_INPUTS" ]; then set -- "$$@" --inputs "$$ARG_INPUTS"; fi; \
	if [ -n "$$ARG_LABEL" ]; then set -- "$$@" --label "$$ARG_LABEL"; fi; \
	if [ -n "$$ARG_MACHINE" ]; then set -- "$$@" --machine "$$ARG_MACHINE"; fi; \
	if [ -n "$$ARG_CHANGED" ]; then set -- "$$@" --changed "$$ARG_CHANGED"; fi; \
	if [ -n "$$ARG_SCRATCH" ]; then set -- "$$@" --scratch "$$ARG_SCRATCH"; fi; \
	if [ -n "$$ARG_SIMD_TARGET" ]; then set -- "$$@" --simd-target "$$ARG_SIMD_TARGET"; fi; \
	if [ -n "$$ARG_RESULTS" ]; then set -- "$$@" --out "$$ARG_RESULTS"; fi

bench: check-bench build
	@$(bench-words); \
	$(call headroom,bench) run "$$@"

bench-cluster: check-bench check-cluster build-cluster
	@$(bench-words); set -- "$$@" --ranks "$$ARG_NP"; \
	if [ -n "$$ARG_HOSTS" ]; then set -- "$$@" --hosts "$$ARG_HOSTS"; fi; \
	$(call headroom,bench) run "$$@"

list: build
	@$(call headroom,bench) list

# Revisions, presets, compilers and flags are built by the command, each side of its own; for the
# rest both sides run the program of this build. NEW's default here is ab's own, not compare's.
ab-builds = $(filter simd:% env:% scratch:%,$(firstword $(value BASE)))
ab-words = set -- --jobs '$(JOBS)' -- "$$ARG_BASE" $(if $(filter file,$(origin NEW)),,"$$ARG_NEW"); \
           if [ -n "$$ARG_FORM" ]; then set -- "--$$ARG_FORM" "$$@"; fi; \
           if [ -n "$$ARG_FILTER" ]; then set -- --filter "$$ARG_FILTER" "$$@"; fi; \
           if [ -n "$$ARG_FAIL_ON" ]; then set -- --fail-on "$$ARG_FAIL_ON" "$$@"; fi; \
           if [ -n "$$ARG_ALLOW_MISSING" ]; then set -- --allow-missing "$$@"; fi; \
           if [ -n "$$ARG_SCRATCH" ]; then set -- --scratch "$$ARG_SCRATCH" "$$@"; fi; \
           if [ -n "$$ARG_SIMD_TARGET" ]; then set -- --simd-target "$$ARG_SIMD_TARGET" "$$@"; fi; \
           if [ -n "$$ARG_PAIRS" ]; then set -- --pairs "$$ARG_PAIRS" "$$@"; fi; \
           if [ -n "$$ARG_LABEL" ]; then set -- --publish "$$ARG_LABEL" "$$@"; fi; \
           if [ -n "$$ARG_MACHINE" ]; then set -- --machine "$$ARG_MACHINE" "$$@"; fi; \
           if [ -n "$$ARG_RESULTS" ]; then set -- --out "$$ARG_RESULTS" "$$@"; fi;

# A mistyped side is reported before the build, which takes minutes.
check-ab:
	@tools/deps.sh bench
	@if [ -z "$$ARG_BASE" ]; then \
	  echo 'make ab: say what with: BASE=SIDE [NEW=SIDE], for example BASE=HEAD~1' >&2; exit 2; fi
	@case "$$ARG_FORM" in ''|markdown|json) ;; *) \
	  echo "make ab: FORM=$$ARG_FORM: markdown or json" >&2; exit 2;; esac
	@if [ -n "$$ARG_KERNELS$$ARG_SUBSET" ]; then \
	  echo 'make ab: with KERNELS= or SUBSET=: build both sides, and name them: BASE=build:FOLDER' >&2; \
	  exit 2; fi
	@$(ab-words) \
	$(call headroom,bench) ab --check "$$@"
ab: check-ab $(if $(ab-builds),build)
	@$(ab-words) \
	$(call headroom,bench) ab "$$@"

compare:
	@if [ -z "$$ARG_BASE" ]; then \
	  echo 'make compare: say what with: BASE=RUN [NEW=RUN], for example BASE=latest~1' >&2; exit 2; fi
	@case "$$ARG_FORM" in ''|markdown|csv|json) ;; *) \
	  echo "make compare: FORM=$$ARG_FORM: markdown, csv or json" >&2; exit 2;; esac
	@set -f; set -- "$$ARG_BASE" $$ARG_NEW; \
	if [ -n "$$ARG_FORM" ]; then set -- "--$$ARG_FORM" "$$@"; fi; \
	if [ -n "$$ARG_FAIL_ON" ]; then set -- --fail-on "$$ARG_FAIL_ON" "$$@"; fi; \
	if [ -n "$$ARG_ALLOW_MISSING" ]; then set -- --allow-missing "$$@"; fi; \
	if [ -n "$$ARG_PRICE" ]; then set -- --price "$$ARG_PRICE" "$$@"; fi; \
	if [ -n "$$ARG_RESULTS" ]; then set -- --results "$$ARG_RESULTS" "$$@"; fi; \
	$(call headroom,bench) compare "$$@"

# What each machine costs is the command's: tools/headroom fleet --price.
fleet:
	@case "$$ARG_FORM" in ''|markdown|csv|json) ;; *) \
	  echo "make fleet: FORM=$$ARG_FORM: markdown, csv or json" >&2; exit 2;; esac
	@set -f; set -- $$ARG_RUNS; \
	if [ -n "$$ARG_FORM" ]; then set -- "--$$ARG_FORM" "$$@"; fi; \
	if [ -n "$$ARG_RESULTS" ]; then set -- --results "$$ARG_RESULTS" "$$@"; fi; \
	$(call headroom,bench) fleet "$$@"

report:
	@tools/deps.sh report
	@set -f; set -- $$ARG_RUNS; \
	if [ -n "$$ARG_RESULTS" ]; then set -- --results "$$ARG_RESULTS" "$$@"; fi; \
	$(call headroom,report) report "$$@" -o report.html

# What KIND means is the command's to say; it goes first, so that a RUN is never taken for one.
plot:
	@if [ -z "$$ARG_KIND" ]; then \
	  echo 'make plot: say which: KIND=ladders, of those in `tools/headroom plot --help`' >&2; exit 2; fi
	@tools/deps.sh plot
	@set -f; set -- "$$ARG_KIND" $$ARG_RUNS -o "$$ARG_OUT"; \
	if [ -n "$$ARG_FILTER" ]; then set -- "$$@" --filter "$$ARG_FILTER"; fi; \
	if [ -n "$$ARG_RESULTS" ]; then set -- --results "$$ARG_RESULTS" "$$@"; fi; \
	$(call headroom,plot) plot "$$@"

# Every Markdown file that git tracks; CHECK=1 writes nothing, and fails where a figure is not the record's.
cite:
	@set --; if [ -n "$(CHECK)" ]; then set -- --check; fi; \
	HEADROOM_PYTHON=$$(tools/deps.sh bench --python) || exit 2; export HEADROOM_PYTHON; \
	git ls-files -z -- '*.md' | xargs -0 tools/headroom cite "$$@"

# The C++ tests, several programs at once, one more than there are cores, for many wait for a disk; ctest
# knows an emulator where one is needed.
# $(call ctest,FOLDER)
ctest = ctest --test-dir build/$(1) --parallel $$(($(JOBS) + 1)) --verbose --no-tests=error

# Both test suites always run, so that one report has everything that is wrong. Python's waits for
# the processes that it starts a third of its time, so one more of it runs.
test:
	@tools/deps.sh test
	@$(call configure,$(PRESET),$(PRESET))
	@$(call compile,$(PRESET),headroom-bench headroom-tests headroom-bench-tests headroom-bench-faulty headroom-cluster)
	@status=0; \
	$(call ctest,$(PRESET)) || status=1; \
	python=$$(tools/deps.sh test --python) || exit 2; \
	HEADROOM_PRESET='$(PRESET)' HEADROOM_PYTHON="$$python" \
	  "$$python" -m pytest -q -n $$(($(JOBS) + 1)) tests/tools $$ARG_PYTEST || status=1; \
	exit $$status

# What deps.sh is asked for where it isn't everything that check-all needs.
packages-asan-ubsan = test
packages-aarch64 = aarch64

# clang without precompiled headers: there, what a file doesn't include itself is missing.
options-clang = -DHEADROOM_PRECOMPILE=OFF
options-asan-ubsan = -DHEADROOM_SANITIZE_LESS=$(if $(LESS),ON "-DHEADROOM_WITHOUT=gpu;cluster",OFF)

test-asan-ubsan test-tsan test-clang test-aarch64: test-%:
	@tools/deps.sh $(or $(packages-$*),check-all)
	@$(call configure,$*,$*,$(options-$*))
	@$(call compile,$*,headroom-tests headroom-cluster $(if $(LESS),,headroom-bench-tests headroom-bench))
	@$(call ctest,$*) $(if $(LESS),--exclude-regex '^catch2-bench$$')

# Each optional library left out alone, then all at once: still builds, still right.
WITHOUT ?= openmp liburing sqlite peers services gpu cluster openmp;liburing;sqlite;peers;services;gpu;cluster
test-without:
	@tools/deps.sh test
	@set -e; for without in $(foreach one,$(WITHOUT),'$(one)'); do \
	  folder=without-$$(printf '%s' "$$without" | tr ';' '-'); \
	  echo "== without $$without"; \
	  $(call configure,release,$$folder,-DHEADROOM_WITHOUT="$$without"); \
	  $(call compile,$$folder,headroom-bench headroom-tests headroom-bench-tests headroom-cluster); \
	  $(call ctest,$$folder); \
	done

# Catch2 2.13 and 3 both have to compile, and a distribution has only one of them: CATCH2=FOLDER
# names an installed one of the other major version.
test-catch2:
	@if [ -z "$(CATCH2)" ]; then echo 'make test-catch2: say which: CATCH2=FOLDER' >&2; exit 2; fi
	@$(call configure,release,catch2,-DCMAKE_PREFIX_PATH="$(CATCH2)")
	@$(call compile,catch2,headroom-tests headroom-bench-tests headroom-cluster)
	@$(call ctest,catch2)

# Every kernel that takes bytes, or those with KERNEL in their name.
fuzz:
	@tools/deps.sh check-all
	@$(call configure,fuzz,fuzz)
	@$(call compile,fuzz,headroom-fuzz)
	@JOBS='$(JOBS)' tests/fuzz/run build/fuzz '$(SECONDS)' "$$ARG_KERNEL"

# What the disk gives us and what it gives fio, in the same minute: for a quiet machine.
fio-check: build
	@tools/deps.sh check-all
	@python=$$(tools/deps.sh bench --python) || exit 2; \
	exec "$$python" tests/fio_check.py build/$(PRESET)/bench/headroom-bench --scratch "$${ARG_SCRATCH:-build/scratch}"

# The servers of network/server, asked by another's load generator: for a quiet machine.
wrk-check: build
	@tools/deps.sh check-all
	@$(call compile,$(PRESET),headroom-wrk-server)
	@python=$$(tools/deps.sh bench --python) || exit 2; \
	exec "$$python" tests/wrk_check.py build/$(PRESET)/bench/headroom-bench build/$(PRESET)/tests/headroom-wrk-server

# The simulator beside servers that are there, half a minute: for a quiet machine. Status 3: refused,
# the machine was busy.
simulator-check:
	@tools/deps.sh bench
	@$(call configure,$(PRESET),$(PRESET))
	@$(call compile,$(PRESET),headroom-simulator-check)
	@python=$$(tools/deps.sh bench --python) || exit 2; \
	exec "$$python" tests/simulator_check.py build/$(PRESET)/tests/headroom-simulator-check \
	  -o "build/simulator-check.svg"

# What an OpenCL device gives our probes and what it gives clpeak, in the same minute.
clpeak-check: build
	@tools/deps.sh clpeak
	@python=$$(tools/deps.sh bench --python) || exit 2; \
	exec "$$python" tests/clpeak_check.py build/$(PRESET)/bench/headroom-bench

# Messages between two ranks as our pingpong and as NetPIPE see them, in the same minute.
netpipe-check: CLUSTER = 1
netpipe-check:
	@tools/deps.sh netpipe
	@$(MAKE) --no-print-directory build-cluster
	@python=$$(tools/deps.sh bench --python) || exit 2; \
	exec "$$python" tests/netpipe_check.py build/$(PRESET)/bench/headroom-bench-cluster

# Bugs put into copies of the tree, one at a time: each must make its test fail (tests/mutate).
mutate:
	@tools/deps.sh test
	@set -- --jobs '$(JOBS)'; \
	if [ -n "$(LIST)" ]; then set -- "$$@" --list; fi; \
	if [ -n "$$ARG_FILTER" ]; then set -- "$$@" --filter "$$ARG_FILTER"; fi; \
	python=$$(tools/deps.sh test --python) || exit 2; \
	$(GENERATOR); exec "$$python" tests/mutate/mutate.py "$$@"

check-all:
	@CATCH2='$(CATCH2)' MAKE='$(MAKE)' RESUME='$(RESUME)' tests/check-all

# shellcheck, flake8, mypy and clang-tidy; FULL=1: clang-tidy of the kernels and tests too, and its
# analyzer.
lint:
	@tools/deps.sh ci
	@$(call configure,$(PRESET),$(PRESET))
	@JOBS='$(JOBS)' tests/lint 'build/$(PRESET)' '$(FULL)'

format:
	@tools/deps.sh ci
	@git ls-files -z -- '*.h' '*.cpp' | xargs -0 clang-format -i

clean:
	@if [ -d build ]; then \
	  find build -mindepth 1 -maxdepth 1 ! -name runs ! -name ab-runs -exec rm -rf {} +; fi

clean-all:
	@rm -rf build
