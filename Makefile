# A fresh machine needs Python >= 3.11, git and make; everything else is installed into .venv, from requirements.lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' sidecar/__init__.py)
IMAGE ?= wso2-mediation-sidecar:$(VERSION)
READY := $(VENV)/.ready
# Processes that share the tests: most tests wait for something most of the time.
JOBS ?= 3
# Length and load of the soak.
MINUTES ?= 10
RATE ?= 200

.DEFAULT_GOAL := help
.PHONY: help run test check chaos bench soak format generate lock image sbom clean

help: ## Tell what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(READY) ## Run the sidecar on embedded parts, with a sample tour; Ctrl-C stops everything
	@exec $(BIN)/sidecar dev --tour

test: $(READY) ## Run all tests, on a real (embedded) Postgres and real sockets
	$(BIN)/pytest -n $(JOBS) --dist loadfile

check: $(READY) ## ruff, mypy --strict, import-linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

chaos: $(READY) ## Ten seeds of every fault under load, with an oracle, and the ledger against its model; half an hour
	CHAOS_SEEDS=$${CHAOS_SEEDS:-1-10} CHAOS_ROUNDS=$${CHAOS_ROUNDS:-2} $(BIN)/pytest tests/chaos --log-cli-level=INFO
	LEDGER_EXAMPLES=$${LEDGER_EXAMPLES:-1000} $(BIN)/pytest tests/integration/ledger_model

bench: $(READY) ## The benchmark tables, in one run: also as bench.json, bench.md and bench.svg; half an hour
	$(BIN)/python -m benchmarks --json bench.json --markdown bench.md --picture bench.svg

soak: $(READY) ## An even load for MINUTES (10) at RATE (200) jobs a second: memory, times, dead rows, indexes
	$(BIN)/python -m benchmarks soak --minutes $(MINUTES) --rate $(RATE) --json soak.json --markdown soak.md --picture soak.svg

format: $(READY) ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generate: $(READY) ## Write docs/settings.md, and the chart's README and schema, anew
	$(BIN)/python -m tests.settings_reference
	$(BIN)/python -m tests.chart_reference

COMPILE := uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --no-annotate
lock: ## Resolve the locks anew: of everything, of what the image runs, of what builds it (needs uv)
	$(COMPILE) --extra test pyproject.toml -o requirements.lock
	$(COMPILE) --extra otel -c requirements.lock pyproject.toml -o requirements-runtime.lock
	echo 'hatchling>=1.27' | $(COMPILE) -c requirements.lock - -o requirements-build.lock

FOUND = $(firstword $(foreach tool,podman buildah docker,$(if $(shell command -v $(tool)),$(tool))))
image: ## Build the container image, by podman, buildah or docker (BUILDER=..., IMAGE=name:tag)
	$(or $(BUILDER),$(FOUND),$(error no builder: install podman, buildah or docker)) build -t $(IMAGE) .

sbom: $(READY) ## Write what the image is made of, by CycloneDX, to dist/sbom.cdx.json
	@mkdir -p dist
	@sed 's/^dynamic = .*/version = "$(VERSION)"/' pyproject.toml > dist/pyproject.toml
	$(BIN)/cyclonedx-py requirements requirements-runtime.lock --pyproject dist/pyproject.toml --mc-type application \
		--output-reproducible --output-format JSON --output-file dist/sbom.cdx.json

clean: ## Remove the virtual environment and everything that runs left behind
	rm -rf $(VENV) dist .sidecar .tools .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
