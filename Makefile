# Each target does its own set-up: all that is needed is Python 3.11 or newer, make, and the package index.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP_QUIET = PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet

.PHONY: demo test test-browser test-langfuse soak coverage mutate check lint types format bench bench-browser pictures notebooks clean

demo: $(VENV)/.demo-installed
	@$(BIN)/python -m toolkit demo

test: $(VENV)/.dev-installed
	$(BIN)/python -m pytest

# Notebooks in JupyterLab in Chromium. Where there is no /usr/bin/chromium, Debian's is installed.
test-browser: $(VENV)/.browser-installed
	@command -v chromium >/dev/null || { apt-get update -q && apt-get install -y -q chromium fonts-dejavu; }
	$(BIN)/python -m pytest -m browser tests/browser

# The real Langfuse SDK, 4.18 and the newest 5, against a fake server that answers as a real one was recorded to.
test-langfuse: $(VENV)/.nox-installed
	$(BIN)/nox --non-interactive

# Kills, interrupts and floods for many minutes, and examples drawn anew: the rules of `make test`, many more times.
soak: $(VENV)/.dev-installed
	$(BIN)/python -m pytest -m soak
	$(BIN)/python -m pytest -m hypothesis --hypothesis-profile=anew

# Every line and branch of the engine and the store is run by the tests that speak of them; below 100 % this fails.
COVERING = tests/engine tests/store tests/faults tests/sweep tests/config tests/proxy tests/providers tests/cli \
	tests/prompts/test_completion_spec_3.py tests/test_completion_spec_7.py
coverage: $(VENV)/.dev-installed
	$(BIN)/python -m pytest -q --cov=toolkit.engine --cov=toolkit.store --cov-branch --cov-fail-under=100 \
		--cov-report=term-missing:skip-covered $(COVERING)

# Changes the code of retry, limits, budget and store in thousands of places, and counts what the tests notice.
# It goes on where it was stopped; ONLY='toolkit.engine._retry.*' (or several) takes a part.
ONLY ?=
mutate: $(VENV)/.mutate-installed
	PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 $(BIN)/mutmut run --max-children 1 $(foreach part,$(ONLY),'$(part)')
	$(BIN)/python scripts/mutation_figures.py

check: lint types test

lint: $(VENV)/.dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev-installed
	$(BIN)/mypy
	$(BIN)/mypy tests/typing

format: $(VENV)/.dev-installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev-installed
	$(BIN)/python benchmarks/import_cost.py
	$(BIN)/python benchmarks/http_client.py
	$(BIN)/python benchmarks/completion_cpu.py
	$(BIN)/python benchmarks/proxy_cpu.py
	$(BIN)/python benchmarks/planning.py
	$(BIN)/python benchmarks/scoring.py
	$(BIN)/python benchmarks/store_speed.py
	$(BIN)/python benchmarks/sweep_speed.py
	$(BIN)/python benchmarks/sweep_growth.py
	$(BIN)/python benchmarks/sweep_latency.py
	$(BIN)/python benchmarks/rate_storm.py

# The grid of answers in JupyterLab, beside two other widgets for tables; a page while a fast sweep goes on.
bench-browser: $(VENV)/.browser-installed
	$(BIN)/python benchmarks/grid.py
	$(BIN)/python benchmarks/fast_sweep.py

# The README's pictures of the widgets, light and dark, on the embedded model.
pictures: $(VENV)/.browser-installed
	$(BIN)/python scripts/pictures.py

# Runs every notebook on the embedded model and keeps the outputs, as they are committed.
notebooks: $(VENV)/.dev-installed
	$(BIN)/python notebooks/run.py

$(VENV)/.demo-installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing the package and the embedded model's runtime into $(VENV) ..."
	@$(PIP_QUIET) -e '.[local]'
	@touch $@

$(VENV)/.dev-installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing the package and its development tools into $(VENV) ..."
	@$(PIP_QUIET) -e '.[dev]'
	@touch $@

$(VENV)/.browser-installed: pyproject.toml | $(VENV)/.dev-installed
	@echo "Installing JupyterLab and the browser's driver into $(VENV) ..."
	@$(PIP_QUIET) -e '.[browser]'
	@touch $@

$(VENV)/.nox-installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing nox into $(VENV) ..."
	@$(PIP_QUIET) 'nox>=2025.2'
	@touch $@

$(VENV)/.mutate-installed: pyproject.toml | $(VENV)/.dev-installed
	@echo "Installing the tool that changes the code into $(VENV) ..."
	@$(PIP_QUIET) -e '.[mutate]'
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "This needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python's venv module does not work (on Debian: apt install python3-venv)."; exit 1; }

clean:
	rm -rf $(VENV) demo-results .toolkit build dist mutants
