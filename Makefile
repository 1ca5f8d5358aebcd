# ketlog: every command of the project. `make` or `make help` lists them.
#
# Needs Python 3.11 or newer, make and git. Choices are variables, in the environment, on the
# command line (`make up API_PORT=9001 WORKERS=3`) or in .env; .env.example lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

SYSTEM_PYTHON ?= python3
VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready
STACK_PROGRAM := $(PYTHON) -m infrastructure.local
SERVICE ?=
PYTEST_ARGS ?=
PYTEST_PROCESSES ?= 3
AUDIT := $(PYTHON) -m infrastructure.local.with_env $(PYTHON) -m service.audit
OPERATE := $(PYTHON) -m infrastructure.local.with_env $(PYTHON) -m service.operate
FOLLOW ?= auto
FORCE ?=
ONLY ?=
QUICK ?=
SQL ?=
ARGS ?=
DIR ?=

##@ Start here

.PHONY: demo
demo: setup ## Start the stack if needed, run a few circuits and show what happened
	@$(STACK_PROGRAM) ensure-up
	@$(PYTHON) -m infrastructure.local.with_env $(PYTHON) -m service.cli demo

# Most tests of whole systems wait. They come first, as the folders are named, and the quick ones fill
# what is left of the processors at the end.
.PHONY: test
test: setup ## Run every test, with coverage (PYTEST_ARGS=… is passed on)
	@$(STACK_PROGRAM) servers
	@$(PYTHON) -m pytest -n $(PYTEST_PROCESSES) --dist loadfile --no-loadscope-reorder --cov --cov-report=term --durations=10 $(PYTEST_ARGS)
	@$(if $(PYTEST_ARGS),,$(MAKE) coverage-floor)

# Branches count. Left out is what only runs in processes that coverage does not follow: the commands
# of the local stack, and the simulators, whose environment is scrubbed and whose files are closed.
NOT_FOLLOWED := infrastructure/local/*,infrastructure/quantum/child.py,infrastructure/quantum/sandbox.py,infrastructure/quantum/circuits.py
.PHONY: coverage-floor
coverage-floor:
	@echo "domain, at least 95 %:"
	@$(PYTHON) -m coverage report --format=total --fail-under=95 --include='domain/*'
	@echo "infrastructure, at least 95 %:"
	@$(PYTHON) -m coverage report --format=total --fail-under=95 --include='infrastructure/*' --omit='$(NOT_FOLLOWED)'

.PHONY: check
check: setup ## Formatting, linting, types, import rules, and vulnerabilities of dependencies
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy
	@$(VENV)/bin/lint-imports
	@$(PYTHON) .ci/audit_dependencies.py requirements.lock requirements-dev.lock requirements-browser.lock

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nVariables: STACK=native|compose|auto  STACK_DIR=.stack  WORKERS=1  API_PORT=8001\n'
	@printf '           POSTGRES_PORT=5432  RABBITMQ_PORT=5672  RABBITMQ_MANAGEMENT_PORT=15672\n'

##@ The stack (Docker Compose when an engine answers, native processes otherwise)

.PHONY: up
up: setup ## Start everything and wait until it is healthy (WORKERS=3 for three workers)
	@$(STACK_PROGRAM) up

.PHONY: down
down: setup ## Stop everything; the data stays
	@$(STACK_PROGRAM) down

.PHONY: clean
clean: setup ## Stop everything and remove the data
	@$(STACK_PROGRAM) clean

.PHONY: status
status: setup ## Show the processes and whether all is healthy
	@$(STACK_PROGRAM) status

.PHONY: logs
logs: setup ## Show the logs (SERVICE=worker for one, FOLLOW=no to end at once, ID=… for one task)
	@$(STACK_PROGRAM) logs $(SERVICE) --follow $(FOLLOW) --containing="$$ID"

.PHONY: start stop restart
start: setup ## Start one service: SERVICE=postgres, rabbitmq, api, relay or worker
	@$(STACK_PROGRAM) start $(SERVICE)
stop: setup ## Stop one service: SERVICE=…
	@$(STACK_PROGRAM) stop $(SERVICE)
restart: setup ## Restart one service: SERVICE=…
	@$(STACK_PROGRAM) restart $(SERVICE)

.PHONY: scale
scale: setup ## Run WORKERS=3 workers
	@$(STACK_PROGRAM) scale $(WORKERS)

.PHONY: trace
trace: setup ## Show a task's way through all processes: ID=<task, correlation or trace id> (OTLP=1)
	@$(PYTHON) -m infrastructure.local.with_env $(PYTHON) -m service.trace $(if $(OTLP),--otlp) -- "$${ID:?which one? make trace ID=…}"
export ID

##@ Operate

.PHONY: pause resume
pause: setup ## Hand nothing more to workers until `make resume` (REASON='new disks')
	@$(OPERATE) pause -- "$${REASON:-}"
resume: setup ## Hand tasks to workers again
	@$(OPERATE) resume
export REASON

.PHONY: dead-letters requeue discard
dead-letters: setup ## List the messages that RabbitMQ has put away, and why (ARGS=--json)
	@$(OPERATE) dead-letters $(ARGS)
requeue: setup ## Have another message sent for a pending task: ID=<message or task id>
	@$(OPERATE) requeue -- "$${ID:?which one? make requeue ID=…}"
discard: setup ## Remove a dead letter that nobody can use: ID=<message id>
	@$(OPERATE) discard -- "$${ID:?which one? make discard ID=…}"

.PHONY: keys key revoke limits
keys: setup ## List the API keys (ARGS=--json)
	@$(OPERATE) keys $(ARGS)
key: setup ## Make an API key: TENANT=… SCOPES=submit,read NAME='…' (DAYS=90); it is shown this once
	@$(OPERATE) key --scopes="$${SCOPES:-submit,read}" --name="$${NAME:-}" $(if $(DAYS),--days "$(DAYS)") \
	  -- "$${TENANT:?whose? make key TENANT=… (* for all tenants, - for none)}"
revoke: setup ## End an API key: KEY=<its id, or the whole key>
	@$(OPERATE) revoke -- "$${KEY:?which one? make revoke KEY=…}"
limits: setup ## Show or set what a tenant may use: TENANT=… (RATE=20 BURST=40 BACKLOG=1000, or default)
	@$(OPERATE) limits $(if $(RATE),--rate "$(RATE)") $(if $(BURST),--burst "$(BURST)") \
	  $(if $(BACKLOG),--backlog "$(BACKLOG)") -- "$${TENANT:?whose? make limits TENANT=…}"
export SCOPES NAME TENANT KEY

##@ The log

.PHONY: verify
verify: setup ## Check that nothing in the log was altered, removed or inserted (ARGS=… is passed on)
	@$(AUDIT) verify $(ARGS)

.PHONY: timeline
timeline: setup ## Show a task's life from the log: TASK=…
	@$(AUDIT) timeline $${TASK:?which one? make timeline TASK=...}
export TASK

.PHONY: reproduce
reproduce: setup ## Make a recorded run again and compare: TASK=… (or ARGS='--sample 20')
	@$(AUDIT) reproduce $(TASK) $(ARGS)

.PHONY: replay rebuild
replay: setup ## Fold the whole log and compare it with every status (ARGS=… is passed on)
	@$(AUDIT) replay $(ARGS)
rebuild: setup ## Make the projections anew from the log, while everything runs
	@$(AUDIT) rebuild $(ARGS)

.PHONY: export import
export: setup ## Write the log to FILE=log.ndjson (ARGS=--with-payloads for its contents too)
	@$(AUDIT) export $(ARGS) -- "$${FILE:?which file? make export FILE=log.ndjson}"
import: setup ## Read the log from FILE=log.ndjson into an empty installation
	@$(AUDIT) import $(ARGS) -- "$${FILE:?which file? make import FILE=log.ndjson}"
export FILE

##@ The database

.PHONY: psql
psql: setup ## Open psql on the database (SQL='select …' for one statement)
	@$(STACK_PROGRAM) psql $(if $(SQL),-c "$$SQL")
export SQL

.PHONY: migrate rollback migrations migration
migrate: setup ## Apply the migrations that are missing
	@$(STACK_PROGRAM) migrate apply
rollback: setup ## Undo the newest migration (FORCE=1 even if events are lost)
	@$(STACK_PROGRAM) migrate rollback $(if $(FORCE),--force)
migrations: setup ## List the migrations
	@$(STACK_PROGRAM) migrate list
migration: setup ## Make the files of a new migration: name=add_a_column
	@$(PYTHON) -m infrastructure.postgres.migrate new "$${name:?which one? make migration name=add_a_column}"
export name

##@ Develop

.PHONY: setup
setup: $(READY) ## Make .venv with everything that is needed, once

$(READY): requirements-dev.lock
	@SYSTEM_PYTHON="$(SYSTEM_PYTHON)" bash infrastructure/local/setup.sh $(VENV)

.PHONY: format
format: setup ## Format the code and mend what the linter can
	@$(PYTHON) -m ruff check --fix --exit-zero .
	@$(PYTHON) -m ruff format .

.PHONY: lock
lock: setup ## Pin the dependencies of pyproject.toml anew, with hashes
	@$(PYTHON) -m pip install -qq uv
	@$(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	  pyproject.toml -o requirements.lock
	@$(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-package pip --all-extras pyproject.toml -o requirements-dev.lock
	@$(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	  -c requirements-dev.lock --group browser -o requirements-browser.lock

.PHONY: bench bench-table profile
bench: setup ## Measure every row beside its baseline (ONLY=submit,status for some, ONLY=peers, QUICK=1)
	@$(PYTHON) -m $(if $(filter peers,$(ONLY)),bench.peers,bench $(if $(ONLY),--only "$(ONLY)")) $(if $(QUICK),--quick)
bench-table: setup ## Put the figures of the last run into docs/performance.md
	@$(PYTHON) -m bench --write-table
	@$(PYTHON) -m bench.peers --write-table
profile: setup ## Show where the time of a row goes: ONLY=submit (QUICK=1 for shorter turns)
	@$(PYTHON) -m bench.profile --only "$(or $(ONLY),$(error which one? make profile ONLY=submit))" $(if $(QUICK),--quick)

.PHONY: chaos
chaos: setup ## Make faults of every kind under load and check that nothing is lost (MINUTES=10 SEED=1)
	@$(PYTHON) -m tests.faults.chaos --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1) $(ARGS)

.PHONY: model
model: setup ## Try schedules of faults on a model of delivery, then with each rule removed (MINUTES=5 SEED=1)
	@$(PYTHON) -m tests.model --minutes $(or $(MINUTES),5) --seed $(or $(SEED),1)

.PHONY: fuzz-qasm
fuzz-qasm: setup ## Throw random programs at the OpenQASM front end (MINUTES=10 SEED=1)
	@$(PYTHON) -m tests.fuzz.fuzz_qasm --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1)

.PHONY: fuzz
fuzz: setup ## Hold a real API against its OpenAPI document, with random requests (MINUTES=10 SEED=1)
	@$(PYTHON) -m tests.fuzz.fuzz_api --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1)

.PHONY: browser
browser: setup ## Open /docs in a real, headless browser without a network (SCREENSHOT=docs.png)
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --no-input \
	  --require-hashes --no-deps --requirement requirements-browser.lock
	@$(PYTHON) -m tests.browser.swagger $(if $(SCREENSHOT),--screenshot "$(SCREENSHOT)")

.PHONY: circuits
circuits: setup ## Run a folder of circuits and compare with its manifest: DIR=…
	@$(PYTHON) -m infrastructure.quantum.circuits --dir "$(DIR)"
