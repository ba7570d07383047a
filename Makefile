# Bartizan. `make run` shows its main job, `make test` and `make check` are what CI runs.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: all run test check lock clean module

all: module $(VENV)/.run

# ---- environment -------------------------------------------------------------------------------

$(VENV)/.run: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	touch $@

# ---- the PAM module ----------------------------------------------------------------------------

module:
	$(MAKE) -C pam_agent/module

# ---- checks ------------------------------------------------------------------------------------

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check module
	$(BIN)/pytest

# ---- upkeep ------------------------------------------------------------------------------------

lock: $(VENV)/.dev
	$(BIN)/pip install --quiet pip-tools
	for args in "requirements.txt --extra=build" "requirements-dev.txt --extra=build --extra=dev"; do \
	  set -- $$args; \
	  CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --upgrade --generate-hashes \
	    --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	    --strip-extras --output-file "$$1" "$${@:2}" pyproject.toml || exit 1; \
	done

clean:
	rm -rf build $(VENV)
	$(MAKE) -C pam_agent/module clean
