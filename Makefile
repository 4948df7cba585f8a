# `make demo` and `make test` do everything on a machine with Python 3.10 or later and cargo.
PYTHON ?= python3
WORKERS ?= auto
# Only the lines that the tests run in their own processes are counted, not those in kernels that they start.
COVERAGE := $(if $(CI),--cov --cov-report=)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
DEMO_INSTALLED := $(VENV)/installed-demo

# Python's compiled files make %load_ext fast; some environments turn them off.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PYDEVD_DISABLE_FILE_VALIDATION = 1

.PHONY: help demo test unit lint format ui bench docs mutants chaos corpus clean

help:
	@echo "make demo    run notebooks/quickstart.ipynb in a real kernel and print what its cells print"
	@echo "make test    all tests, then lint"
	@echo "make unit    only the quick tests, which start neither cargo nor another kernel (seconds)"
	@echo "make lint    ruff and mypy"
	@echo "make ui      build the front end for JupyterLab from ui/src (needs node 20 or later)"
	@echo "make bench   measure against cargo, rustc and other tools"
	@echo "make docs    the documents and executed notebooks as HTML in build/docs; with Chromium also docs/images"
	@echo "make mutants change modules one thing at a time, and list the changes that no unit test notices"
	@echo "make chaos   kernels in one store while things go wrong at random; MINUTES=10 by default"
	@echo "make corpus  run Rust that other people wrote, and write docs/corpus.md"
	@echo "make clean   remove what these made (the store of built cells stays: %pyo3_cache --clear)"

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade --editable ".[test,lint]"
	@touch $@

$(DEMO_INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	@echo "Installing what the demo needs; its first cell then waits for cargo to compile pyo3."
	$(BIN)/python -m pip install --quiet --editable ".[demo]"
	@touch $@

demo: $(DEMO_INSTALLED)
	$(BIN)/python tools/run_notebook.py notebooks/quickstart.ipynb --output demo

# Many tests start compilers and kernels at once: one that a busy machine broke is tried once more, and pytest says so.
test: $(INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --reruns 1 $(COVERAGE) $(TESTS)
ifneq ($(COVERAGE),)
	@echo "lines of pyo3magic that the tests run (those run in kernels do not count): $$($(BIN)/coverage report --format=total) %"
endif
	@$(MAKE) --no-print-directory lint

unit: $(INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not cargo and not kernel and not slow" $(TESTS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

ui:
	$(PYTHON) tools/ui.py

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks $(BENCH)

docs: $(INSTALLED)
	$(BIN)/python tools/docs.py

mutants: $(INSTALLED)
	$(BIN)/python tools/mutants.py $(MODULES)

chaos: $(INSTALLED)
	$(BIN)/python tools/chaos.py --minutes $(or $(MINUTES),10) $(CHAOS)

corpus: $(INSTALLED)
	$(BIN)/python tools/corpus.py $(CORPUS)

clean:
	rm -rf $(VENV) build demo dist .mypy_cache .pytest_cache .ruff_cache
