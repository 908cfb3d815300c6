# Every tool runs through a target here, so that people, hooks and CI use one version of it.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
MARKS ?= not slow
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.PHONY: help install train test test-all lint format typecheck clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(BIN)/.evenhand  ## create .venv and install everything

$(BIN)/.evenhand: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

train: install  ## draw the wardrobe, train and test on it
	$(BIN)/python -m project.train experiment=wardrobe $(ARGS)

test: lint typecheck  ## lint, types and the fast tests
	$(BIN)/python -m pytest -n 2 -m "$(MARKS)" $(ARGS)

test-all: MARKS = slow or not slow
test-all: test  ## the same with the long tests, as CI runs them

lint: install  ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: install  ## ruff: mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

typecheck: install  ## mypy, strict
	$(BIN)/mypy

clean:  ## remove caches; data, outputs and .venv stay
	rm -rf .mypy_cache .pytest_cache .ruff_cache build *.egg-info
	find project tests -name __pycache__ -type d -prune -exec rm -rf {} +
