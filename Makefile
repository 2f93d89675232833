# Run `make` or `make help` for the list of targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
LOCALCLUSTER := PYTHONPATH=hack python3 -m localcluster

##@ Use

.PHONY: up
up: venv ## Set everything up and run a first job (FAST=1: without a node, runners as processes)
	@PYTHONPATH=hack:. $(PYTHON) -m trial up $(if $(FAST),--fast)

.PHONY: down
down: venv ## Stop what `make up` started and delete its data (cached builds stay)
	@PYTHONPATH=hack:. $(PYTHON) -m trial down

.PHONY: status
status: venv ## Show what is running
	@PYTHONPATH=hack:. $(PYTHON) -m trial status

##@ Test

.PHONY: test
test: ## All checks: lint, types, layers, unit, integration, end to end on a real node
	@python3 hack/run_checks.py

.PHONY: test-unit
test-unit: venv ## Unit tests
	@python3 hack/run_checks.py unit

.PHONY: test-integration
test-integration: ## Tests against a real kube-apiserver, Redis and S3 stores
	@python3 hack/run_checks.py packages assets integration

.PHONY: test-e2e
test-e2e: ## Tests on a real node with real pods from the chart
	@python3 hack/run_checks.py e2e

.PHONY: test-web
test-web: venv ## Lint, types, size and tests of the hook and the page
	@python3 hack/run_checks.py web

.PHONY: test-browser
test-browser: ## The page in a real browser against real servers
	@python3 hack/run_checks.py packages assets browser

.PHONY: supply-chain
supply-chain: venv ## Check hashes, licences and advisories; write bills of materials
	@python3 hack/run_checks.py supply-chain

.PHONY: chaos
chaos: ## 1,000 jobs under random faults (JOBS=1000, SEED=random)
	@python3 hack/run_checks.py packages assets
	@PYTHONPATH=hack $(PYTHON) -m pytest -q -s tests/chaos --jobs $(or $(JOBS),1000) \
		$(if $(SEED),--seed $(SEED)) --timeout 7200

.PHONY: bench
bench: ## All benchmarks (docs/performance.md has the command for each)
	@python3 hack/run_checks.py packages assets
	@PYTHONPATH=hack:. $(PYTHON) -m tests.bench.archive
	@PYTHONPATH=hack:. $(PYTHON) -m tests.bench.sse
	@PYTHONPATH=hack:. $(PYTHON) -m tests.bench.api
	@PYTHONPATH=hack:. $(PYTHON) -m tests.bench.control_plane

.PHONY: lint
lint: venv ## Lint, format check, types, layers, generated files
	@python3 hack/run_checks.py lint types layers generated

.PHONY: format
format: venv ## Format the code and apply automatic fixes
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

##@ Change

.PHONY: dev
dev: venv ## Run API, operator, runners and page with hot reload (TRACES=1: with Jaeger)
	@PYTHONPATH=hack:. $(PYTHON) hack/dev.py $(if $(TRACES),--traces)

.PHONY: venv
venv: ## Create .venv with the locked dependencies
	@hack/make_venv.sh

.PHONY: generate
generate: venv ## Write all generated files (CRDs, dashboard, chart, settings page)
	@$(PYTHON) hack/generate_crds.py
	@$(PYTHON) hack/generate_dashboard.py
	@PYTHONPATH=hack $(PYTHON) hack/generate_chart.py
	@$(PYTHON) hack/generate_settings_page.py

.PHONY: lock
lock: ## Resolve the dependencies again and write the lock files
	@$(PYTHON) -m uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url \
		--python-version 3.11 pyproject.toml --output-file requirements.lock
	@$(PYTHON) -m uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url \
		--python-version 3.11 --group dev pyproject.toml --constraints requirements.lock \
		--output-file requirements-dev.lock

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2} END {print ""}' $(MAKEFILE_LIST)
