# Everything a contributor runs; CONTRIBUTING.md is its guide. Each target installs what it needs (tools/set-up.sh), is safe to repeat
# and quick the second time.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

JOBS ?= $(shell nproc)
# Tests wait more than they compute.
SIDE_BY_SIDE ?= $(shell echo $$(($(JOBS) + 1)))
side_by_side := -n $(SIDE_BY_SIDE) --dist worksteal
PYTHON ?= $(shell tools/set-up.sh python)
# Further interpreters that `make test` tries, where they are found.
PYTHONS ?= 3.12 3.13
# `make bench` takes the first that has a release of every peer, where it is found.
BENCH_PYTHON ?= $(or $(shell tools/set-up.sh find-python 3.12),$(PYTHON))
setup := tools/set-up.sh
venv := .venv
bench_venv := .venv-bench
py := $(venv)/bin/python
release := .venv-release/bin/python
# The same source is compiled in several folders; their names need not be in the key.
export CCACHE_NOHASHDIR := 1
export CCACHE_BASEDIR := $(CURDIR)
# What stands behind a header compiled beforehand is in the key by its content.
export CCACHE_SLOPPINESS := pch_defines,time_macros
# The compiler's name is: CMake would say c++, and Python's build g++, and each would compile the library anew. So all say the same (make's
# own default, g++, unless the environment names another).
export CXX
# Each test with processes starts interpreters that load the package and the test's module: without their compiled form that is a fifth of
# what it computes. Images for containers like to turn it off; empty turns it on.
export PYTHONDONTWRITEBYTECODE :=
# Where Python tests find C++ programs: examples of the guides are linked with this build, faults are played by its scenario program.
built := CENTIMANE_BUILD=build/dev CENTIMANE_SCENARIO=$(CURDIR)/build/dev/tests/faults/centimane_scenario
# A test that hangs is ended by its own limit; this is the second line. Both leave room for a computer that is busy with other things.
guard := timeout --kill-after=20

.PHONY: help conformance demo demo-resilience faults test test-cpp test-python test-pythons lint format asan asan-built tsan tsan-built clang model simulate bench bench-quick bench-report bench-programs clean \
        packages-build packages-test packages-lint environment package package-release

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

# ---- what the others need
packages-build:
	@$(setup) packages build python
packages-test:
	@$(setup) packages build python test
packages-lint:
	@$(setup) packages build python test lint
environment: packages-build
	@$(setup) venv $(venv) $(PYTHON) test web dev
package: environment
	@$(setup) package $(venv) dev
package-release: packages-build
	@$(setup) venv .venv-release $(PYTHON) progress
	@$(setup) package .venv-release release

# ---- users
demo: package-release  ## the main job in both faces: speed-up, word frequencies, a killed worker
	@cmake --preset release --log-level=WARNING >/dev/null
	@cmake --build --preset release -j $(JOBS) --target demo
	@$(release) examples/demo/run.py build/release/examples/demo $(DEMO_ARGS)

demo-resilience: package-release  ## jobs against a service with a quota: limited, throttled, killed and resumed
	@cmake --preset release --log-level=WARNING >/dev/null
	@cmake --build --preset release -j $(JOBS) --target demo_resilience
	@$(release) examples/resilience/run.py build/release/examples/resilience/job $(DEMO_ARGS)

test: test-cpp test-python test-pythons  ## every C++ and Python test

test-cpp: packages-test
	cmake --preset dev --log-level=WARNING >/dev/null
	cmake --build --preset dev -j $(JOBS)
	$(guard) 2400 ctest --preset dev -j $(JOBS)

test-python: packages-test package
	cmake --preset dev --log-level=WARNING >/dev/null
	cmake --build --preset dev -j $(JOBS)
	$(guard) 2400 env $(built) $(py) -m pytest $(side_by_side)

# A shorter selection with each further interpreter that is there.
test-pythons: packages-test
	@for version in $(PYTHONS); do \
	  found=$$($(setup) find-python $$version); \
	  if [ -z "$$found" ]; then echo "Python $$version: not found, left out"; continue; fi; \
	  $(setup) venv $(venv)-$$version "$$found" test; \
	  $(setup) package $(venv)-$$version dev; \
	  echo "Python $$version:"; \
	  $(guard) 1200 $(venv)-$$version/bin/python -m pytest -q -m "not slow" tests/python $(side_by_side); \
	done

# ---- contributors
# One green run of these tests may be luck.
RUNS ?= 20
faults: packages-test package  ## the fault suite, RUNS times in a row (20); the first that fails is the last
	@cmake --preset dev --log-level=WARNING >/dev/null
	@cmake --build --preset dev -j $(JOBS) --target centimane_scenario
	@for n in $$(seq $(RUNS)); do \
	  echo "fault suite, run $$n of $(RUNS):"; \
	  $(guard) 2400 env $(built) $(py) -m pytest -q tests/faults $(side_by_side); \
	done

lint: packages-lint package  ## formatters, static analysis, types, house rules
	@cmake --preset dev --log-level=WARNING >/dev/null
	@tools/lint.sh $(py)

format: packages-lint environment  ## rewrites the sources in the project's format
	git ls-files '*.cpp' '*.hpp' | xargs clang-format-14 -i
	$(py) -m ruff format .
	$(py) -m ruff check --fix .

conformance: packages-test  ## CPython's own tests of concurrent.futures and multiprocessing, against ours; needs Python 3.13
	@found=$$($(setup) find-python 3.13); \
	if [ -z "$$found" ]; then echo "conformance: Python 3.13 is not here, whose tests these are: left out"; exit 0; fi; \
	$(setup) venv $(venv)-3.13 "$$found" test; \
	$(setup) package $(venv)-3.13 dev; \
	status=0; \
	$(guard) 2400 $(venv)-3.13/bin/python tests/conformance/futures.py --processes $$((2 * $(JOBS))) || status=1; \
	$(guard) 2400 $(venv)-3.13/bin/python tests/conformance/pool.py || status=1; \
	$(guard) 2400 $(venv)-3.13/bin/python tests/conformance/mp.py --processes $$((2 * $(JOBS))) || status=1; \
	exit $$status

asan-built tsan-built: %-built: packages-test
	cmake --preset $* --log-level=WARNING >/dev/null
	cmake --build --preset $* -j $(JOBS)

asan: asan-built  ## the C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(guard) 2400 ctest --preset asan -j $(JOBS)

tsan: tsan-built  ## the C++ tests under ThreadSanitizer
	$(guard) 2400 tools/tsan.sh ctest --preset tsan -j $(JOBS)

model: packages-test  ## the channel's model, and whether it would notice: each rule and order broken in turn, ten minutes
	@cmake --preset dev --log-level=WARNING >/dev/null
	@cmake --build --preset dev -j $(JOBS) --target channel_model
	@build/dev/tests/model/channel_model
	@$(PYTHON) tests/model/mutate.py --jobs $(JOBS)

simulate: packages-test  ## both machines under simulated time at full length, and the mutation checks
	@cmake --preset dev --log-level=WARNING >/dev/null
	@cmake --build --preset dev -j $(JOBS) --target run_simulation fleet_simulation joint_simulation
	@tools/simulate.sh build/dev/tests/simulation $(PYTHON)

clang: packages-lint  ## the C++ tests, built by clang
	cmake --preset clang --log-level=WARNING >/dev/null
	cmake --build --preset clang -j $(JOBS)
	$(guard) 2400 ctest --preset clang -j $(JOBS)

# The C++ programs. Peers that Debian does not have are found under the prefix that BENCH_PEERS names.
bench-programs:
	@$(setup) packages build bench
	@if [ -f bench/cpp/CMakeLists.txt ]; then \
	  cmake --preset release -DCENTIMANE_BENCH=ON $(BENCH_PEERS:%=-DCENTIMANE_BENCH_PEERS=%) --log-level=WARNING >/dev/null; \
	  cmake --build --preset release -j $(JOBS) --target bench; \
	fi

# Some workloads only: make bench WORKLOADS="map_noop latency". The report keeps what is recorded of the others.
bench: packages-build bench-programs  ## every workload beside its peers, in turn; writes bench/RESULTS.md
	@$(setup) venv $(bench_venv) $(BENCH_PYTHON)
	@$(setup) peers $(bench_venv) bench bench-daemons
	@$(setup) package $(bench_venv) release
	$(bench_venv)/bin/python bench/run.py $(WORKLOADS)

# Shows that every workload works, with the peers that are quick to install; judges nothing.
bench-quick: packages-build bench-programs
	@$(setup) venv $(bench_venv)-quick $(PYTHON)
	@$(setup) peers $(bench_venv)-quick bench
	@$(setup) package $(bench_venv)-quick release
	$(bench_venv)-quick/bin/python bench/run.py --quick $(WORKLOADS)

# The report again, from what is recorded in build/bench.
bench-report:
	$(bench_venv)/bin/python bench/run.py --report

clean:  ## removes all that was built; the environments stay
	rm -rf build dist
	rm -f .venv*/.package
