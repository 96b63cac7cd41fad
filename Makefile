# The commands of this project. Each makes .venv if it is missing, installs what it needs, and does its job.
# Another Python: `make test PYTHON=python3.12`; another place for the environment: `make test VENV=/tmp/venv`.

PYTHON ?= python3
VENV ?= .venv
BENCH_VENV ?= .venv-bench
BENCH ?=
BIN := $(VENV)/bin

# Tests run in two processes; a torch thread each, or they would wait for one another.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast check lint format bench bench-parts clean

help:
	@echo "make demo       fine-tune on real pictures in the three classic ways, and compare them (a few minutes)"
	@echo "make test       all tests"
	@echo "make test-fast  the tests that take less than about half a second each"
	@echo "make lint       ruff, mypy, import-linter"
	@echo "make check      lint and all tests: what continuous integration runs"
	@echo "make format     let ruff format and mend what it can"
	@echo "make bench      unfreeze beside its peers, which get an environment of their own (8 GB, hours):"
	@echo "                make bench BENCH='--data photos/ --name photos'; benchmarks/README.md has all options"
	@echo "make bench-parts  single parts of unfreeze against what they must reach"
	@echo "make clean      remove .venv, caches and build products (runs/ and demo/ stay)"

demo: $(VENV)/.installed-demo
	$(BIN)/unfreeze demo

test: $(VENV)/.installed-dev
	$(PYTEST)

test-fast: $(VENV)/.installed-dev
	$(PYTEST) -m "not slow"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

check: lint test

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-demo $(BENCH_VENV)/.installed
	$(BIN)/python benchmarks/run.py --peers-python $(BENCH_VENV)/bin/python $(BENCH)

bench-parts: $(VENV)/.installed-demo
	$(BIN)/python benchmarks/parts.py $(BENCH)

$(BENCH_VENV)/.installed: benchmarks/requirements.txt | $(BIN)/pip
	$(BIN)/python -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --requirement benchmarks/requirements.txt
	@touch $@

# The development environment can run the demo, so that it counts as both.
$(VENV)/.installed-dev: pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --editable '.[dev]'
	@touch $(VENV)/.installed-demo $@

$(VENV)/.installed-demo: pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --editable '.[demo,evidence]'
	@touch $@

# pip is what venv makes last: an interrupted attempt is made anew.
$(BIN)/pip:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "error: $(PYTHON) is not installed; unfreeze needs Python 3.11 or newer."; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: unfreeze needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) --version 2>&1)."; \
	  echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "error: $(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv"; exit 2; }
	@echo "Making $(VENV); installing takes a few minutes the first time."
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf .venv .venv-bench benchmarks/.work build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path "./.venv*" -exec rm -rf {} +
