# The first command after `git clone` may be any of these: each sets up .venv when it has to.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
export RAY_AUTH_MODE ?= disabled
SEED ?= 1
KILLS ?= 50
WORKERS ?= 2

.PHONY: help setup demo test test-long chaos check format bench lock clean
help:     ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup:    ## create or refresh .venv (quick when nothing changed)
	@$(PYTHON) .ci/setup.py

demo: setup  ## build a small dataset with a tiny teacher on this machine, into out/demo
	@$(BIN)/python jobs/build_dataset.py --recipe jobs/recipes/demo.yaml --out out/demo

test: setup  ## the tests, but for the long proofs (WORKERS=2 processes share them)
	@$(BIN)/python -m tests.s3.install
	@$(BIN)/python -m tests.report.browser
	@$(BIN)/python -m pytest -n $(WORKERS) -m "not long"

test-long: setup  ## the long proofs: machines that come and go, everything that can die killed at random
	@$(BIN)/python -m tests.s3.install
	@$(BIN)/python -m pytest -n 0 -m long

chaos: setup  ## kill every part of a run at random (SEED=1 KILLS=50) and prove that nothing is lost
	@$(BIN)/python -m tests.s3.install
	@$(BIN)/python -m tests.chaos --seed $(SEED) --kills $(KILLS)

check: setup  ## lint, formatting and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: setup  ## apply the formatter and safe fixes; write docs/recipes.md from the recipe's models
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format . ; $(BIN)/python docs/write_recipes.py

lock: setup  ## write the versions that `make setup` pins
	@$(BIN)/uv pip freeze --python $(BIN)/python --exclude-editable | grep -v '^uv==' | sed 's/+cpu$$//' > .ci/cpu.lock

clean:    ## remove what the targets above made
	rm -rf .venv out .pytest_cache .mypy_cache .ruff_cache
