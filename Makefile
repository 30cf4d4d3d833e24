# The targets need Python 3.11, 3.12 or 3.13 and a package index. `make install` makes the environment once, and again when
# pyproject.toml, the requirements or .ci/make_environment change.

PYTHON ?= python3
BIN := .venv/bin
ENVIRONMENT := .venv/.installed
PYTHON_VERSIONS := 3.11 3.12 3.13
PYTHONS_DIR := .venvs
QUICK_TESTS := -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export DAGSTER_DISABLE_TELEMETRY := true
export RUNTIME__DLTHUB_TELEMETRY := false
export STREAMLIT_BROWSER_GATHER_USAGE_STATS := false

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow test-pythons lint format lock audit dev app serve docs clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 14

install: $(ENVIRONMENT) .env  ## make the environment in .venv

$(ENVIRONMENT): pyproject.toml requirements.txt requirements-cpu.txt requirements-cuda.txt .ci/make_environment
	@echo "Making the environment in .venv (once; about two minutes) ..."
	@.ci/make_environment $(PYTHON) .venv
	@touch $@

# Dagster reads .env from its working directory. DAGSTER_HOME must be absolute, so the file cannot be committed. It is
# written only when it is missing: it can have settings.
.env:
	@echo "DAGSTER_HOME=$(CURDIR)/orchestration/dagster_home" > .env

demo: install  ## generate the demo shop, run the whole pipeline, show recommendations
	@$(BIN)/recomart demo

test: install  ## run the quick tests
	@$(BIN)/pytest $(QUICK_TESTS)

test-slow: install  ## run the slow tests
	@$(BIN)/pytest -m slow

test-pythons: .env  ## run the demo and the quick tests on Python 3.11, 3.12 and 3.13, each in a new environment
	@.ci/test_pythons $(PYTHONS_DIR) $(PYTHON_VERSIONS) -- $(QUICK_TESTS)

lint: install  ## check style, types, and Dagster's definitions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint --disable-progress-bar dbt_project
	@$(BIN)/dagster definitions validate --log-level warning

format: install  ## apply the style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: install  ## write the requirements with the hashes of the versions in constraints.txt
	@$(BIN)/python .ci/lock

audit: install  ## list the known vulnerabilities of the installed packages
	@$(BIN)/python .ci/audit

dev: install  ## start Dagster: the pipeline's graph, sensors and schedules
	@port=$$($(BIN)/python -c 'from warehouse.settings import Settings; print(Settings().dagster_port)') && \
	  $(BIN)/dagster dev --port $$port

app: install  ## start the Streamlit app: customers and their recommendations
	@$(BIN)/recomart app

serve: install  ## start the HTTP service over the published copy
	@$(BIN)/recomart serve

docs: install  ## open dbt's documentation of all tables
	@cd dbt_project && ../$(BIN)/dbt docs generate && ../$(BIN)/dbt docs serve

# The settings and decisions of users stay: .env, policy.json, accepted_failures.jsonl, api_keys.json, audiences.jsonl,
# merchandising_rules.jsonl and forgotten_customers.json, without which a delivery brings the customers back.
clean:  ## delete the environments and generated files, the landing folder included; settings and decisions of users stay
	rm -rf .venv $(PYTHONS_DIR) .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	rm -rf dbt_project/target dbt_project/logs
	rm -rf warehouse/landing warehouse/demo_truth warehouse/serving warehouse/models warehouse/datasets warehouse/tuning
	rm -rf warehouse/target warehouse/logs warehouse/profile.html warehouse/train_config.json warehouse/*.duckdb* \
		warehouse/run_state.json warehouse/load_reading.json warehouse/*.lock warehouse/.restore.unfinished \
		warehouse/replaced-*
	git clean -fdXq orchestration/dagster_home
