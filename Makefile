# Two commands: `make demo` runs the main job, `make test` passes the tests. Each makes .venv when it is missing or stale.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
SHELL := /bin/bash
# Files of tests side by side, as much of a test's time is spent waiting; in the order of the folders, as files with few
# tests, which come last otherwise, are the long ones. Two at once where tests have bounds in seconds.
SIDE_BY_SIDE := --dist loadfile --no-loadscope-reorder
# Tests start hundreds of processes, each of which would compile all that it imports where images forbid writing it down.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test slow long check lint types lock bench clean

demo: .venv/ready
	$(BIN)/still demo

test: .venv/ready
	$(BIN)/python -m pytest -m "not slow and not long and not gpu" -n 3 $(SIDE_BY_SIDE) --durations=15

# What fails side by side is named, and judged alone: others starve it now and then. What fails twice fails.
slow: .venv/ready
	$(BIN)/python -m pytest -m "slow and not long" -n 2 $(SIDE_BY_SIDE) --durations=15 \
	  || $(BIN)/python -m pytest -m "slow and not long" --last-failed --last-failed-no-failures=none

long: .venv/ready
	$(BIN)/python -m pytest -m long --durations=0

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

check: lint types test

# Every version comes from requirements.lock, which is complete: --no-deps keeps pip from adding to it. It leaves out
# pycosat, which only reasoning-gym's zebra puzzles need and which wants a C compiler (see README).
.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

# Resolve afresh from pyproject.toml; review the difference before you commit it.
lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --upgrade pip
	.venv-lock/bin/python -m pip install --quiet -e . --group dev torch==2.13.0
	.venv-lock/bin/python -m pip freeze --exclude-editable --all | sed -E 's/^(torch==[0-9.]+)\+.*/\1/' \
	  | grep -vE '^(pip|pycosat)==' > requirements.lock
	rm -rf .venv-lock

clean:
	rm -rf .venv .venv-lock .mypy_cache .ruff_cache .pytest_cache .hypothesis
