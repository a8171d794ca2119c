# One line per human wish; each makes the .venv it needs. Another Python: make PYTHON=python3.12 test
FITS   := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c "$(FITS)" 2>/dev/null && echo $$p && break; done)
RUN    := .venv/bin/python -m

.PHONY: help demo board test test-all test-slurm bench lint clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1	/p' $(MAKEFILE_LIST) | expand -t 16

demo: .venv/installed ## source_only and umadapt on the embedded world, the table, what to do next
	$(RUN) bench.run --multirun method=source_only,umadapt split=minicity
	@echo
	@echo "Next, with .venv/bin/python:"
	@echo "  -m bench.run --help                              every method, split and word"
	@echo "  -m bench.run method=adabn split=minicity         another method; what it shares with others is cached"
	@echo "  -m bench.run --multirun method=umadapt split=minicity seed=0,1,2"
	@echo "  -m bench.report --table split=minicity           the runs so far, mean and deviation over seeds"

board: .venv/installed-board ## the leaderboard over the store (the demo's records) and the numbers of papers, in a browser
	$(RUN) leaderboard.app store=store

test: .venv/installed-test ## every test but the slow ones
	$(RUN) pytest

test-all: .venv/installed-test ## every test
	$(RUN) pytest -m "not speed"

test-slurm: .venv/installed-test ## sweeps on a throw-away Slurm; needs root, slurm-wlm and munge, minutes
	$(RUN) pytest -m slow tests/slurm/test_cluster.py

bench: .venv/installed-test ## the speed of the suite's own code
	$(RUN) pytest -m speed tests/speed

lint: .venv/installed-test ## ruff and mypy
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy

clean: ## remove .venv, caches and builds; the store stays
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .benchmarks outputs multirun
	find bench methods datasets slurm leaderboard tests -name __pycache__ -prune -exec rm -rf {} +

.venv/installed: pyproject.toml
	@$(or $(PYTHON),false) -c "$(FITS)" 2>/dev/null || { echo "This needs Python 3.11, 3.12 or 3.13; found: $$($(or $(PYTHON),python3) -V 2>&1 || true). Name one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(RUN) pip install -e .
	@touch $@

.venv/installed-board: .venv/installed
	@mkdir -p store
	$(RUN) pip install -e '.[board]'
	@touch $@

.venv/installed-test: .venv/installed
	$(RUN) pip install -e '.[board,test]'
	@touch $@
