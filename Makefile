# `make demo` and `make test` need Python 3.11 to 3.13 and nothing else; the environment is made once and kept while the
# pins are unchanged.

PYTHON ?= python3
BIN := .venv/bin
ENVIRONMENT := .venv/.installed

# Nothing phones home.
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export DAGSTER_DISABLE_TELEMETRY := true
export RUNTIME__DLTHUB_TELEMETRY := false
export STREAMLIT_BROWSER_GATHER_USAGE_STATS := false

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow lint format dev app serve docs clean

help:  ## say what can be made
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 14

install: $(ENVIRONMENT) .env  ## make the environment

$(ENVIRONMENT): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else \
	  f"RecoMart needs Python 3.11 to 3.13 and $(PYTHON) is {v[0]}.{v[1]}; name another one: make PYTHON=python3.12 ...")'
	@echo "Making the environment in .venv (once; about two minutes) ..."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]' \
	  > .venv/install.log 2>&1 || { tail -20 .venv/install.log; exit 1; }
	@touch $@

# Dagster reads .env from the folder it starts in; DAGSTER_HOME must be absolute, so the file cannot be committed.
.env: Makefile
	@echo "DAGSTER_HOME=$(CURDIR)/orchestration/dagster_home" > .env

demo: install  ## generate the demo shop, run the whole pipeline, show recommendations
	@$(BIN)/recomart demo

test: install  ## all tests but the slow ones
	@$(BIN)/pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

test-slow: install  ## the slow tests
	@$(BIN)/pytest -m slow

lint: install  ## style, types, and whether Dagster takes the definitions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint --disable-progress-bar dbt_project
	@$(BIN)/dagster definitions validate --log-level warning

format: install  ## put the style right
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

dev: install  ## Dagster: the graph from landing files to the published copy
	@$(BIN)/dagster dev

app: install  ## Streamlit: customers and their recommendations
	@$(BIN)/streamlit run apps/merchandiser/app.py

serve: install  ## the HTTP service: recommendations over the published copy
	@$(BIN)/recomart serve

docs: install  ## dbt's documentation site of every table
	@cd dbt_project && ../$(BIN)/dbt docs generate && ../$(BIN)/dbt docs serve

clean:  ## remove the environment and everything that was generated
	rm -rf .venv .env .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info dbt_project/target dbt_project/logs
	rm -rf warehouse/landing warehouse/demo_truth warehouse/serving warehouse/models warehouse/datasets warehouse/tuning
	rm -rf warehouse/target warehouse/logs warehouse/profile.html warehouse/train_config.json warehouse/*.duckdb*
	git clean -fdXq orchestration/dagster_home
