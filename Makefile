# Everything a newcomer needs: `make demo`, `make test`. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench clean

demo: $(VENV)/.core
	$(BIN)/drepano predict examples/chula-rbc12 --model rbc --out demo-report/stained
	rm -rf demo-report/simulated
	$(BIN)/drepano data simulate --out demo-report/simulated --fields 4
	$(BIN)/drepano predict demo-report/simulated/images --model scd --out demo-report/unstained
	@echo
	@echo "Open these in a browser:"
	@echo "  $(CURDIR)/demo-report/stained/report.html    real stained smears, cells found by the network rbc"
	@echo "  $(CURDIR)/demo-report/unstained/report.html  simulated unstained fields, four classes by scd"

test: $(VENV)/.test
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks.speed --out benchmarks/results/speed.json
	$(BIN)/python -m benchmarks.speed.figure benchmarks/results/speed.json docs/images/speed.png

clean:
	rm -rf $(VENV) demo-report

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "drepano needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install -e .
	@touch $@

$(VENV)/.test: $(VENV)/.core
	$(BIN)/python -m pip install -e '.[compare,export,microscopes,parquet,test]'
	@touch $@

$(VENV)/.lint: $(VENV)/.core
	$(BIN)/python -m pip install -e '.[lint]'
	@touch $@

$(VENV)/.bench: $(VENV)/.core
	$(BIN)/python -m pip install -e '.[compare,export]'
	@touch $@
