# Everything works after `make setup`, which the other targets call: it needs Python 3.11 or newer and
# access to the package registries once; later runs fetch nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell cat requirements.lock pyproject.toml 2>/dev/null | cksum | cut -d' ' -f1)
DEV_STAMP := $(VENV)/.dev-$(shell cat requirements-dev.lock 2>/dev/null | cksum | cut -d' ' -f1)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

.PHONY: demo setup test lint unit integration chaos bench lock clean

demo: setup  ## the whole system on a sample, live; Ctrl-C ends it
	@$(BIN)/tocsin demo

setup: $(STAMP)
	@$(BIN)/python -m deploy.embedded.jars fetch

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Tocsin needs Python 3.11 or newer; set PYTHON=…")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "· installing the locked dependencies into $(VENV)"
	@$(PIP) -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.installed-* && touch $@

$(DEV_STAMP): $(STAMP) requirements-dev.lock
	@echo "· installing the test tools"
	@$(PIP) -r requirements-dev.lock
	@rm -f $(VENV)/.dev-* && touch $@

test: lint unit integration  ## what CI runs

lint: setup $(DEV_STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: setup $(DEV_STAMP)
	$(BIN)/python -m pytest -q -n 2 tests/unit tests/property tests/contract

integration: setup $(DEV_STAMP)
	$(BIN)/python -m pytest -q tests/integration tests/chaos

chaos: setup $(DEV_STAMP)  ## the long one: 30,000 events, ten bounces
	CHAOS_EVENTS=30000 $(BIN)/python -m pytest -q -s tests/chaos

bench: setup $(DEV_STAMP)
	$(BIN)/python -m tests.bench

lock: $(DEV_STAMP)  ## resolve the dependencies anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml requirements-build.in -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements.lock requirements-dev.in -o requirements-dev.lock

clean:
	rm -rf $(VENV) .bench-venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
