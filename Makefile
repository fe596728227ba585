PYTHON  ?= python3
PROFILE ?= quick
BIN     := .venv/bin
RESULTS ?= reference/tables/counts.csv
OUTPUT  ?= reference
NOTEBOOKS := $(sort $(wildcard notebooks/[0-9][0-9]_*.ipynb))

.PHONY: help reproduce figures reference test lab notebooks sample benchmark lint lock clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## */\t/' | expand -t 12

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than Python 3.11; call make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@

reproduce: .venv/ready  ## run every notebook (PROFILE=quick): all figures and tables
	$(BIN)/python -m hdsemg_nb.params params/$(PROFILE).yaml
	@mkdir -p runs/$(PROFILE)
	@for notebook in $(notdir $(NOTEBOOKS)); do \
	  $(BIN)/papermill notebooks/$$notebook runs/$(PROFILE)/part_$$notebook \
	    -f params/$(PROFILE).yaml -k python3 --log-level ERROR || exit 1; \
	  mv runs/$(PROFILE)/part_$$notebook runs/$(PROFILE)/$$notebook; \
	done
	$(BIN)/python -m hdsemg_nb.report params/$(PROFILE).yaml
	@echo "Executed notebooks: runs/$(PROFILE)/"

figures: .venv/ready  ## tables 2, 3, 5-10 and figures 4-11 from RESULTS (a sweep's counts) into OUTPUT
	@mkdir -p runs/figures
	@for notebook in 04_window_and_step 05_comparison; do \
	  $(BIN)/papermill notebooks/$$notebook.ipynb runs/figures/$$notebook.ipynb -k python3 \
	    -p profile $(notdir $(OUTPUT)) -p output $(OUTPUT) -p results $(RESULTS) --log-level ERROR \
	    || exit 1; \
	done
	$(BIN)/python -m hdsemg_nb.report $(OUTPUT) $(RESULTS)

reference: .venv/ready  ## train what reference.yaml lists: hours; the sweep resumes
	$(BIN)/python -m hdsemg_nb.sweep params/reference.yaml
	$(BIN)/python -m hdsemg_nb.robustness params/reference.yaml

test: lint  ## unit tests, and the notebooks against their stored outputs
	$(BIN)/python -m pytest

lint: .venv/ready  ## ruff on package, tests and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lab: .venv/ready  ## open JupyterLab on notebooks/
	$(BIN)/jupyter lab notebooks

notebooks: .venv/ready  ## store the smoke outputs in the committed notebooks again
	rm -rf runs/smoke
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace $(NOTEBOOKS) \
	  --ExecutePreprocessor.record_timing=False
	$(BIN)/jupyter nbconvert --to notebook --inplace $(NOTEBOOKS) \
	  --CoalesceStreamsPreprocessor.enabled=True

sample: .venv/ready  ## all networks on the real recording: hours; resumes (params/sample_runs.yaml)
	$(BIN)/python -m hdsemg_nb.sweep

benchmark: .venv/ready  ## training and prediction speed against the usual ways; a quarter of an hour
	$(BIN)/python -m hdsemg_nb.benchmark

lock: .venv/ready  ## resolve requirements.lock again from pyproject.toml
	$(BIN)/pip-compile --quiet --upgrade --allow-unsafe --extra dev --strip-extras \
	  --no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml
	sed -i.bak 's/^\(torch==[0-9.]*\)+cpu/\1/' requirements.lock && rm requirements.lock.bak

clean:  ## remove the environment; recordings in data/ and results in runs/ stay
	rm -rf .venv
