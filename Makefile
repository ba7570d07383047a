# Bartizan. `make run` shows its main job, `make test` and `make check` are what CI runs.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check
export PYTHON CC
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: all run environment module packages compiled deb check coverage test compiled-test system-test acceptance-test fuzz bench attack reference lock clean

all: environment module

# ---- the demonstration -------------------------------------------------------------------------
# AUTO=1 approves on a demo device, AUTO=deny denies; without either, you are the device.

run: environment module
	@$(BIN)/python deploy/demo

# ---- environment -------------------------------------------------------------------------------

# A relay's machine and a device need the environment only, and no compiler.
NEEDS := environment $(if $(filter-out environment,$(or $(MAKECMDGOALS),all)),module)

packages:
	@deploy/demo/packages $(NEEDS)

environment: $(VENV)/.run

$(VENV)/.run: requirements.txt pyproject.toml | packages
	@echo "Making the environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	@echo "Adding the tools of development ..."
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

# ---- the PAM module ----------------------------------------------------------------------------

module: | packages
	@$(MAKE) --no-print-directory --silent -C pam_agent/module

# ---- the compiled relay ------------------------------------------------------------------------
# setup.py says what it is. It lies apart from the sources, which are what is imported otherwise.

COMPILED := build/compiled
SOURCES := $(wildcard protocol/*.py daemons/*.py relay/*.py)

# Under a lock: tests that run side by side each ask for it, and who comes second finds it made.
compiled:
	@mkdir -p build
	@flock build/compiled.lock $(MAKE) --no-print-directory $(COMPILED)/.made

$(COMPILED)/.made: setup.py pyproject.toml $(SOURCES) $(VENV)/.dev
	@echo "Compiling the relay in $(COMPILED) ..."
	@rm -rf $(COMPILED)
	@PYTHONDONTWRITEBYTECODE= BARTIZAN_COMPILED=1 $(BIN)/python setup.py -q build \
	  --build-base build/mypyc --build-lib $(COMPILED)
	@touch $@

# ---- packages ----------------------------------------------------------------------------------
# For Debian 12, with an SBOM, into build/deb; docs/operator.md is how they are used.

deb:
	@deploy/packages/build

# ---- checks ------------------------------------------------------------------------------------

check: $(VENV)/.dev module
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy -p bench
	$(BIN)/mypy deploy/demo
	$(BIN)/mypy docs/reference.py docs/outcomes.py docs/top.py
	$(BIN)/python docs/reference.py --check
	$(BIN)/python docs/outcomes.py --check
	$(BIN)/python docs/top.py --check
	$(BIN)/mypy deploy/packages/sbom.py
	$(BIN)/lint-imports
	.ci/documents

# Every branch of pure code, by the tests of its own module. The tests of the whole come after that.
OF_THE_WHOLE := $(wildcard tests/system tests/acceptance)
PURE = $(shell grep -l '^"""pure\.' {protocol,daemons,relay,pam_agent,validator}/*.py | paste -sd,)

coverage: $(VENV)/.dev module
	$(BIN)/pytest $(OF_THE_WHOLE:%=--ignore=%) --cov --cov-report=
	$(BIN)/coverage report --include='$(PURE)' --fail-under=100 --show-missing --skip-covered

# Machines that boot mostly wait, and are waited for beside what computes. What measures time is alone.
TIMED := $(patsubst %,tests/acceptance/test_%.py,attack clocks decoys descriptors stuck_peers uniform)

test: check
	$(MAKE) --no-print-directory --jobs=4 --output-sync=target \
	  coverage system-test compiled-test acceptance-test
	$(BIN)/pytest $(TIMED)

acceptance-test: $(VENV)/.dev module
	$(BIN)/pytest tests/acceptance $(TIMED:%=--ignore=%)

# What packages ship does the same.
compiled-test: compiled module
	BARTIZAN_COMPILED=1 PYTHONPATH=$(CURDIR)/$(COMPILED) $(BIN)/pytest -o "pythonpath=$(COMPILED) ." \
	  tests/relay tests/acceptance/test_thousand.py

# Real programs that ask PAM, and the packages on machines under a real systemd; part of `test`.
system-test: $(VENV)/.dev module
	$(BIN)/pytest tests/system

# ---- fuzzing -----------------------------------------------------------------------------------
# docs/fuzzing.md: SECONDS for each target, or RUNS executions of each; TARGETS names some of them.

SECONDS = 60
FUZZ := build/fuzz/venv

$(FUZZ)/.made: requirements.txt tests/fuzz/requirements.txt | packages
	@echo "Making the environment in $(FUZZ) ..."
	@$(PYTHON) -m venv $(FUZZ)
	@$(FUZZ)/bin/pip --quiet --disable-pip-version-check install --require-hashes \
	  -r requirements.txt -r tests/fuzz/requirements.txt
	@touch $@

fuzz: $(FUZZ)/.made
	@$(FUZZ)/bin/python -m tests.fuzz --seconds $(SECONDS) $(if $(RUNS),--runs $(RUNS)) $(TARGETS)

# ---- measurements ------------------------------------------------------------------------------
# bench/README.md says what is measured; ROUNDS, SIGN_ONS, WAITING and WHOLE make it shorter.

bench: environment module compiled
	$(BIN)/python -m bench.run
	$(BIN)/python -m bench.page

# SHORT=1: below a minute.
attack: environment
	$(BIN)/python -m bench.attack

# ---- upkeep ------------------------------------------------------------------------------------

# docs/reference-*.md and deploy/config/*.toml, from the docstrings of the settings; docs/outcomes.md.
reference: environment
	$(BIN)/python docs/reference.py
	$(BIN)/python docs/outcomes.py
	$(BIN)/python docs/top.py

lock: $(VENV)/.dev
	$(PIP) install pip-tools
	for args in "requirements.txt --extra=build" "requirements-dev.txt --extra=build --extra=dev"; do \
	  set -- $$args; \
	  CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --upgrade --generate-hashes \
	    --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	    --strip-extras --output-file "$$1" "$${@:2}" pyproject.toml || exit 1; \
	done

clean:
	rm -rf build $(VENV)
	$(MAKE) -C pam_agent/module clean
