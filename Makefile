# `make help` lists what there is. Nothing is needed beyond make and Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
UV ?= uv
TESTS := $(BIN)/coverage run -m pytest -p tests.support.no_skips
# What fails is tried once more with the machine for itself, and has to pass.
AGAIN := $(TESTS) --last-failed --last-failed-no-failures none
SOAKED := tests/fault/test_jobs_*.py
QUICK ?=
ONLY ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test soak check bench onefile docs lock clean help
.DEFAULT_GOAL := help

demo: .venv/.runs ## start a cluster of 4 nodes on this machine, run a command and jobs, watch it
	@$(BIN)/cl demo up
	@echo '$$ clsh -h node1,node2,node3,node4 cat /proc/loadavg'
	@$(BIN)/cl demo exec clsh -h node1,node2,node3,node4 cat /proc/loadavg
	@echo '$$ cl demo jobs'
	@$(BIN)/cl demo jobs
	@cat tools/after_demo.txt
	@$(BIN)/cl up --demo

test: .venv/.tests ## install what the tests need, run the checks and all tests with coverage
	@$(PYTHON) tools/system_packages.py
	@$(MAKE) --no-print-directory check
	@$(BIN)/coverage erase
	@$(TESTS) -m 'not alone' -n 3 --dist loadfile || $(AGAIN)
	@$(TESTS) -m alone tests/fault || $(AGAIN)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

soak: .venv/.tests ## put the faults on the jobs at full size, ten minutes; a line of figures for each
	@$(PYTHON) tools/system_packages.py
	@SOAK=1 $(BIN)/python -m pytest -p tests.support.no_skips -q -s $(SOAKED)

check: .venv/.tests ## lint, format, types and import layers
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/mypy
	@$(BIN)/pyright

bench: .venv/.runs ## measure clsh beside its peers (QUICK=1: a short run; ONLY=jobs: one figure)
	@$(PYTHON) tools/system_packages.py bench
	@$(BIN)/python -m bench $(if $(QUICK),--quick) $(ONLY)

onefile: .venv/.tests ## build dist/clsh, one executable for machines without Python, and try it
	@$(BIN)/python -m tools.onefile

docs: .venv/.tests ## build the pages in docs/, and renew the man pages and the completions
	@$(BIN)/python -m tools.generate
	@$(BIN)/sphinx-build -q -W -b html docs build/html

lock: ## renew the lock files, with uv
	@$(PYTHON) tools/lock.py $(UV)

clean: ## delete what the targets above made
	rm -rf .venv build dist .coverage .coverage.* .*_cache .hypothesis

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile | expand -t 18

.venv/.runs: requirements.lock pyproject.toml hatch_build.py
	@$(PYTHON) tools/environment.py requirements.lock
	@touch $@

.venv/.tests: .venv/.runs requirements-dev.lock
	@$(PYTHON) tools/environment.py requirements-dev.lock
	@touch $@
