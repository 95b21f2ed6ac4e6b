# Two commands: `make run` and `make test`. Both make the environment when it is not there.
PYTHON ?= python3
BIN := .venv/bin
CORES ?= all

.PHONY: env run full test format clean

env: .venv/.ready

# Compiled is what jobs import, in a third of pip's time for all; also where PYTHONDONTWRITEBYTECODE
# is set, or else every job would compile torch again.
JOBS_IMPORT := matplotlib.pyplot, pandas, safetensors.torch, scipy.stats, skimage.feature, sklearn.cluster, \
	sklearn.datasets, snakemake.cli, torch

.venv/.ready: requirements.txt requirements-dev.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -r requirements-dev.txt
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -c 'import $(JOBS_IMPORT)'
	@touch $@

run: env
	$(BIN)/snakemake --configfile configs/demo.yaml --cores $(CORES)
	@echo "report:  results/demo/report.html"
	@echo "figures: results/demo/figures/"
	@echo "tables:  results/demo/tables/   all scores: results/demo/scores.csv"

full: env
	$(BIN)/snakemake --cores $(CORES)

test: env
	$(BIN)/python -m pytest

format: env
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/snakefmt Snakefile rules

clean:
	rm -rf results .snakemake
