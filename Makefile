# make phase_diagram   the map of the default experiment
# make test            all tests
# make bench           the figures that the README states
# Each sets up .venv first; CORES is what Snakemake may use at most.
PYTHON ?= python3.11
CORES ?= 8
VENV := .venv
READY := $(VENV)/.ready

.PHONY: phase_diagram test bench lint clean

phase_diagram: $(READY)
	$(VENV)/bin/snakemake --cores $(CORES) phase_diagram

test: $(READY)
	$(VENV)/bin/python -m pytest

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

bench: $(READY)
	for file in benchmarks/bench_*.py; do $(VENV)/bin/python $$file || exit 1; done

# The marker is written last: an interrupted set-up is done again.
$(READY): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --requirement requirements.txt
	$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf $(VENV)
