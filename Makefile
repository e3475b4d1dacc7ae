# SPDX-License-Identifier: Apache-2.0
# Everything a developer or CI runs. `make` alone lists the targets.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BENCH_VENV := .venv-bench
LOWEST_VENV := .venv-lowest
STAMP := $(VENV)/.stamp
BENCH_STAMP := $(BENCH_VENV)/.stamp
LOWEST_STAMP := $(LOWEST_VENV)/.stamp
# Repository laws are about the pinned tools; the rest must hold with old libraries too.
LOWEST_TESTS := $(filter-out tests/repo/ tests/typing/,$(wildcard tests/*/))
# How often `make test-slow` repeats each test that is marked `repeat`.
TIDEGAUGE_REPEAT ?= 50
# One worker per CPU. Each takes whole files, whose tests share servers.
AT_ONCE := --numprocesses auto --dist loadfile
# Extra arguments for pytest: make test ARGS="tests/unit -k grammar"
ARGS ?=

export UV_PYTHON_DOWNLOADS := never
# Tests start hundreds of interpreters. Each would compile every library it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help:  ## List the targets
	@sed -nE 's/^([a-z-]+):.*  ## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: setup
setup: $(STAMP)  ## Create .venv from the hashed requirements, with the project editable

# What no Python package brings. Without root, tests that need them are skipped, and fail in CI.
.PHONY: system
system:  ## Install Prometheus, which some tests start, if this is root on Debian
	@if command -v prometheus >/dev/null && command -v promtool >/dev/null; then true; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	        apt-get install -qq --yes --no-install-recommends prometheus >/dev/null; \
	else echo "prometheus is not installed: tests that need it are skipped"; fi

.PHONY: demo
demo: $(STAMP)  ## Train, serve, kill, and show that nothing was lost
	$(VENV)/bin/tidegauge demo

.PHONY: test
test: $(STAMP) system  ## Every test but the slow ones
	$(VENV)/bin/pytest -m "not slow" $(AT_ONCE) $(ARGS)

.PHONY: test-slow
test-slow: $(STAMP) system  ## The slow tests, and what kills, damages or draws TIDEGAUGE_REPEAT times
	TIDEGAUGE_REPEAT=$(TIDEGAUGE_REPEAT) $(VENV)/bin/pytest -m "slow or repeat" $(ARGS)

.PHONY: test-lowest
test-lowest: $(LOWEST_STAMP)  ## The quick tests with the lower end of every version range
	$(LOWEST_VENV)/bin/pytest -m "not slow" -W default $(AT_ONCE) $(LOWEST_TESTS) $(ARGS)

.PHONY: lint
lint: $(STAMP)  ## ruff, mypy --strict, import-linter
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

.PHONY: format
format: $(STAMP)  ## Rewrite the code the way `make lint` wants it
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

.PHONY: bench
bench: $(BENCH_STAMP)  ## Every benchmark; JSON goes to bench/results
	mkdir -p bench/results
	for name in record imports ingest query live features llm costs quality ranking \
	    correlation detection peers; do \
	    $(BENCH_VENV)/bin/python bench/$$name.py --json bench/results/$$name.json; \
	done

.PHONY: simulations
simulations: $(STAMP)  ## What the statistics promise, measured; writes docs/explanation/statistics.md
	$(VENV)/bin/python -m simulations.publish

.PHONY: docs
docs: $(STAMP)  ## Write the reference pages that are made from the code
	$(VENV)/bin/python docs/generate.py
	$(VENV)/bin/python -m tidegauge.catalog.docs

.PHONY: requirements
requirements: $(STAMP)  ## Compile pyproject.toml into requirements/*.txt, keeping pins
	requirements/compile

.PHONY: upgrade
upgrade: $(STAMP)  ## The same, with the newest versions that the ranges allow
	requirements/compile --upgrade

.PHONY: clean
clean:  ## Remove environments, caches and results
	rm -rf $(VENV) $(BENCH_VENV) $(LOWEST_VENV) .hypothesis .import_linter_cache .mypy_cache \
	    .pytest_cache .ruff_cache bench/results build dist

# An environment is brought up to date when its requirements or the project's metadata change.
# uv itself is a pinned, hashed requirement: pip installs it, and it installs everything else.
$(STAMP): requirements/dev.txt requirements/uv.txt pyproject.toml
	$(call install,$(VENV),requirements/dev.txt)

$(BENCH_STAMP): requirements/bench.txt requirements/uv.txt pyproject.toml
	$(call install,$(BENCH_VENV),requirements/bench.txt)

$(LOWEST_STAMP): requirements/lowest.txt requirements/uv.txt pyproject.toml
	$(call install,$(LOWEST_VENV),requirements/lowest.txt)

define install
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
    || { echo "tidegauge needs Python 3.11 or newer; set one with: make PYTHON=python3.x"; exit 1; }
test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
test -x $(1)/bin/uv || $(1)/bin/python -m pip install --quiet --disable-pip-version-check \
    --require-hashes --only-binary :all: --requirement requirements/uv.txt
$(1)/bin/uv pip sync --quiet --python $(1)/bin/python --require-hashes $(2)
$(1)/bin/uv pip install --quiet --python $(1)/bin/python --no-deps --no-build-isolation --editable .
@touch $(1)/.stamp
endef
