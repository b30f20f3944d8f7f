# make phase_diagram   the map of the default experiment
# make test            all tests
# make test-mutation   changes of the mathematics that no test notices (half an hour; MODULE=adapters/cayley/rotation for one module)
# make test-slurm      the workflow on a Slurm of one node, started on this machine and stopped again
# make test-faults     the workflow killed, out of disk and without permission at FAULTS=30 instants, drawn with SEED=0
# make coverage        all tests, with the share of the library's lines and branches that they run
# make test-fuzz       15,500 spoilt inputs for all that reads configuration and files, and how many each reader got
# make test-peft       PEFT's own tests, with Cayley adapters as the method beside LoRA and OFT (METHOD=cayley for one)
# make bench           the speeds and costs that the docs state
# make bench-large     time and memory of a model of Llama 3.1 8B's shape (19 GB of disk)
# make test-gpu        whether CPU and CUDA agree, where there is a GPU
# make test-reproducible   the same bytes again under other cores, locales, folders and shells, and how far threads matter
# make docs            the documentation as a site, in site/
# make rooms           docs/images/rooms.svg from the imports, docs/tables.md from what is registered
# make audit           pins, licences and known vulnerabilities of all packages, and what of it could not be checked
# make browser         Chromium for the tests of the report, where it is missing
# Each sets up .venv first; CORES is what Snakemake may use at most.
# The newest that the pins hold for, unless told.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do $$python -c \
	'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$python && break; done)
CORES ?= 8
FAULTS ?= 30
SEED ?= 0
VENV := .venv
# Snakemake and pip look for a home, which a user of a container may not have.
ifeq ($(strip $(HOME)),)
export HOME := $(CURDIR)/.home
endif
READY := $(VENV)/.ready

.PHONY: phase_diagram test test-faults test-fuzz test-mutation test-peft test-reproducible test-slurm test-gpu coverage audit slurm bench bench-large docs lint rooms browser clean

phase_diagram: $(READY)
	$(VENV)/bin/snakemake --cores $(CORES) phase_diagram

# Two at a time; tests that share one run of the workflow stay in one process (tests/conftest.py). The ten slowest are named.
test: $(READY) browser
	$(VENV)/bin/python -m pytest -n 2 --durations=10

# Fails below 90 % of branches, and below the share of lines and branches together that pyproject.toml states.
coverage: $(READY) browser
	$(VENV)/bin/python -m pytest -n 2 --cov=cayley_adapters
	$(VENV)/bin/python -m coverage json -q -o .coverage.json
	$(VENV)/bin/python -c "import json; share = json.load(open('.coverage.json'))['totals']['percent_branches_covered']; \
		print(f'{share:.1f} % of branches'); raise SystemExit(share < 90)"

test-fuzz: $(READY)
	CAYLEY_FUZZ=1 $(VENV)/bin/python -m pytest -n 2 -rP tests/bad_input/test_fuzz_settings.py tests/bad_input/test_fuzz_files.py

test-mutation: $(READY)
	$(VENV)/bin/python tests/mutation/run.py $(if $(MODULE),--module $(MODULE))

# The source distribution, which holds the tests, is downloaded by pip once; the tests run offline.
test-peft: $(READY)
	$(VENV)/bin/python tests/upstream/run.py $(if $(METHOD),--method $(METHOD))

# Debian's daemons are where not every user looks.
slurm test-slurm: export PATH := $(PATH):/usr/sbin:/sbin

# Not with -n: there is one cluster, and its two cores are busy.
test-slurm: $(READY) slurm
	$(VENV)/bin/python -m pytest -n 0 tests/slurm

test-faults: $(READY)
	FAULTS=$(FAULTS) SEED=$(SEED) $(VENV)/bin/python -m pytest -n 0 tests/faults

# Debian's Slurm and its authentication, where they are missing and root asks. The tests say what is missing otherwise.
slurm:
	@if command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v munged >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge; \
	fi

# Chromium, in which tests open the report: Debian's package where it is missing and root asks. Without one these tests
# are skipped; with CI=true they fail and say what to install.
browser:
	@if command -v chromium >/dev/null || command -v google-chrome >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	else echo "No Chromium: tests of the report are skipped. As root: apt-get install chromium"; fi

test-reproducible: $(READY)
	$(VENV)/bin/python -m pytest -n 0 tests/reproducibility

# pip-audit has an environment of its own, since its packages are none of the project's; without it the rest is checked.
audit: $(READY)
	@test -x $(VENV)/audit/bin/pip-audit || { $(PYTHON) -m venv $(VENV)/audit && \
		$(VENV)/audit/bin/python -m pip install --disable-pip-version-check --quiet pip-audit==2.10.1; } || true
	$(VENV)/bin/python .ci/audit.py $(VENV)/audit/bin/pip-audit

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache

docs: export NO_MKDOCS_2_WARNING := 1

docs: $(READY)
	$(VENV)/bin/mkdocs build --strict

rooms: $(READY)
	$(VENV)/bin/python docs/draw_rooms.py
	$(VENV)/bin/python docs/list_results.py

bench: $(READY)
	for file in benchmarks/bench_*.py; do $(VENV)/bin/python $$file || exit 1; done

bench-large: $(READY)
	$(VENV)/bin/python benchmarks/large/bench.py

test-gpu: $(READY)
	$(VENV)/bin/python -m pytest tests/simulation/test_gpu.py

# The marker is written last: an interrupted set-up is done again.
PIP := $(VENV)/bin/python -m pip install --disable-pip-version-check
PACKAGES = $(shell grep -c == requirements.txt)

$(READY): SHELL := /bin/bash -o pipefail
$(READY): requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Found no Python 3.11, 3.12 or 3.13 that has venv. Install one (Debian, Ubuntu: apt-get install" \
		"python3-venv), or say where one is: make PYTHON=/path/to/python3.12"; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) -V): $(PACKAGES) packages, 4 to 6 GB of disk, some minutes"
	@if command -v uv >/dev/null; then \
		uv venv --quiet --clear --seed --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV) && \
		uv pip install --python $(VENV)/bin/python --requirement requirements.txt; \
	else \
		$(PYTHON) -m venv $(VENV) && $(PIP) --use-pep517 --progress-bar off --requirement requirements.txt | \
		awk '/^Collecting/ && ++n % 20 == 0 {print "  fetched " n; fflush()} /^Installing/ {print "  installing"; fflush()}'; \
	fi
	@$(PIP) --quiet --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "Ready. For commands without $(VENV)/bin/ before them: source $(VENV)/bin/activate"

clean:
	rm -rf $(VENV)
