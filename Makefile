# One short command for each task, the same at the desk and in CI.
# What is needed: make, and a python3 of at least 3.11 with its venv module. Everything else goes into .venv.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install --no-compile
SHOP := openapi/examples/shop/openapi.yaml
GALLERY := openapi/examples/gallery
CLOUD := .funcatron/mini
SOURCES := funcatron adapters openapi workers devstack tests
TESTS := tests
JOBS := 3

# Whatever the shell says: Python that finds bytecode starts funcatron four times as fast, and the tests start hundreds.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run gallery test lint format types imports tests bench fuzz asyncapi chaos chaos-swift large flask-programs followers wheel-test clean

help:  ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

run: $(VENV)/.run  ## install into .venv and serve the example shop
	@$(BIN)/funcatron run $(SHOP)

gallery: $(VENV)/.gallery  ## a small OpenStack of your own, and the example gallery on it: pictures in, thumbnails out
	@devstack/mini/up --dir $(CLOUD)
	@trap 'devstack/mini/down --dir $(CLOUD)' EXIT; eval "$$(devstack/mini/env --dir $(CLOUD))"; \
	$(BIN)/python $(GALLERY)/upload.py; \
	echo 'Upload pictures from another terminal:'; \
	echo '  eval "$$(devstack/mini/env --dir $(CLOUD))"; $(BIN)/python $(GALLERY)/upload.py --samples 3'; \
	$(BIN)/funcatron run $(GALLERY)/openapi.yaml

test: $(VENV)/.test  ## everything that must pass: lint, types, import floors, tests with coverage
	@$(MAKE) --no-print-directory --keep-going lint types imports tests

# Real brokers, killed processes and two busy cores: what fails is tried once more, and the summary names it (RERUN).
tests: $(VENV)/.test
	$(BIN)/python -m pytest $(TESTS) --ignore=tests/smoke --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term --reruns 1 -rfER $(PYTEST)

lint: $(VENV)/.test  ## ruff: rules and format
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

format: $(VENV)/.test  ## rewrite the sources in the house's format
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

types: $(VENV)/.test  ## mypy, strict
	$(BIN)/mypy

imports: $(VENV)/.test  ## imports point down the floors of ARCHITECTURE.md
	$(BIN)/lint-imports

bench: $(VENV)/.bench  ## ratios to connexion, FastAPI, Litestar and Celery, measured in one run
	$(BIN)/python -m tests.benchmarks

fuzz: $(VENV)/.test  ## random documents and requests, planned against unplanned: 200,000 of them (FUZZ="--seed 7")
	$(BIN)/python -m tests.conformance.planned $(FUZZ)

asyncapi: $(VENV)/.test  ## every document of others as an AsyncAPI document, judged by @asyncapi/parser
	ASYNCAPI=all $(BIN)/python -m pytest tests/integration/test_asyncapi_parser.py

chaos: $(VENV)/.test  ## SIGKILL for everything, 10,000 executions on each broker: nothing lost, stuck or doubled
	$(BIN)/python -m tests.integration.chaos $(CHAOS)

chaos-swift: $(VENV)/.test  ## 1,000 uploads into devstack/mini while RabbitMQ, Keystone and funcatron are killed
	$(BIN)/python -m tests.integration.swift_chaos $(CHAOS)

large: $(VENV)/.test  ## 2 GiB up and down through a real server, and the memory that took (LARGE="--size 512")
	$(BIN)/python -m tests.integration.large $(LARGE)

flask-programs: $(VENV)/.test  ## all tests of three existing Flask programs, alone and through our door
	$(BIN)/python -m tests.integration.flask_programs

followers: $(VENV)/.test  ## 1,000 slow clients that follow executions, and what they cost the server
	$(BIN)/python -m tests.integration.followers

wheel-test: $(VENV)/.test  ## build the wheel, install it in a clean environment, try it there
	rm -rf build/wheel && mkdir -p build/wheel
	$(BIN)/python -m build --wheel --outdir build/wheel . > build/wheel/build.log 2>&1 || { cat build/wheel/build.log; exit 1; }
	$(BIN)/python -m venv build/wheel/venv
	build/wheel/venv/bin/python -m pip --quiet --disable-pip-version-check install --no-compile build/wheel/*.whl "pytest>=8.3"
	cd build/wheel && venv/bin/python -m pytest -c ../../pyproject.toml --rootdir . --confcutdir ../../tests/smoke ../../tests/smoke --wheel "$$(ls *.whl)"

clean:  ## remove the environment and everything that was made
	rm -rf $(VENV) .funcatron build dist htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: an environment is installed again only when pyproject.toml has changed.

$(VENV)/.made:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "funcatron needs Python 3.11 or later; none was found. Say where it is: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	if ! $$found -c 'import venv, ensurepip' 2>/dev/null; then \
	    echo "$$found has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	fi; \
	echo "Making $(VENV) with $$($$found --version)"; \
	$$found -m venv --clear $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.made pyproject.toml
	@echo "Installing funcatron and what it needs"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.made pyproject.toml
	@echo "Installing funcatron, what it needs and what tests it"
	@$(PIP) --upgrade "pip>=25.1"
	@$(PIP) --editable . --group test
	@touch $@ $(VENV)/.run

$(VENV)/.gallery: $(VENV)/.run
	@echo "Installing openstacksdk and Pillow"
	@$(PIP) --upgrade "pip>=25.1"
	@$(PIP) --editable '.[openstack]' --group gallery
	@touch $@

$(VENV)/.bench: $(VENV)/.test
	@echo "Installing the peers of the benchmarks"
	@$(PIP) --group bench
	@touch $@
