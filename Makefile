# Every tool runs through a target here, so that people, hooks and CI use one version of it.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
MARKS ?= not slow
HYDRA_NEXT := .venv-hydra-next
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.PHONY: help install train test test-all test-hydra-next lint format typecheck clean \
	bench bench-loader bench-step bench-startup bench-sweep bench-memory bench-gpu results

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

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

# The environment is its own: pip gives everybody else the newest release that is finished.
test-hydra-next: MARKS = slow or not slow
test-hydra-next:  ## all tests on the newest pre-release of Hydra 1.4
	$(MAKE) install VENV=$(HYDRA_NEXT)
	$(HYDRA_NEXT)/bin/python -m pip install --quiet --upgrade --pre 'hydra-core~=1.4.0rc0'
	$(HYDRA_NEXT)/bin/python -c 'import hydra; print("Hydra", hydra.__version__)'
	$(HYDRA_NEXT)/bin/python -m pytest -n 2 -m "$(MARKS)" $(ARGS)

lint: install  ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: install  ## ruff: mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

typecheck: install  ## mypy, strict
	$(BIN)/mypy

# On a machine that does nothing else; each takes minutes. ARGS go to the benchmark.
bench: bench-loader bench-step bench-startup bench-sweep bench-memory  ## all benchmarks of speed but bench-gpu

bench-loader: install  ## images per second of loaders; what a cache costs
	$(BIN)/python benchmarks/loader.py $(ARGS)
	$(BIN)/python benchmarks/cache_build.py

bench-step: install  ## what the training loop costs beside the network
	$(BIN)/python benchmarks/step.py $(ARGS)

bench-startup: install  ## seconds to an answer and to the first step
	$(BIN)/python benchmarks/startup.py $(ARGS)

bench-sweep: install  ## twelve runs by the launcher and by scripts
	$(BIN)/python benchmarks/sweep.py $(ARGS)

bench-memory: install  ## memory of workers by rows of the manifest
	$(BIN)/python benchmarks/manifest.py $(ARGS)

bench-gpu: install  ## images per second that a GPU trains on, fed by us and others
	$(BIN)/python benchmarks/throughput.py $(ARGS)

# Long the first time; the same again trains only what has not finished.
results: install  ## run the published cases, write docs/results.md
	$(BIN)/python benchmarks/cases.py $(ARGS)

clean:  ## remove caches; data, outputs and environments stay
	rm -rf .mypy_cache .pytest_cache .ruff_cache build *.egg-info
	find project hydra_plugins tests -name __pycache__ -type d -prune -exec rm -rf {} +
