PYTHON  ?= python3
PROFILE ?=
BIN     := .venv/bin
# one thread: beside a busy program as fast as alone, on two idle cores hardly slower
export OMP_NUM_THREADS ?= 1
ABREAST := -n 2 --dist loadfile
NOTEBOOKS := $(sort $(wildcard notebooks/[0-9][0-9]_*.ipynb))

.PHONY: help reproduce test fast lint lab notebooks sweep benchmark lock clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## */\t/' | expand -t 12

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than Python 3.11; call make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@

reproduce: .venv/ready  ## run every notebook: all figures and tables from results/, some results checked
	@mkdir -p runs/notebooks
	@for notebook in $(notdir $(NOTEBOOKS)); do \
	  changes=params/$(PROFILE)/$${notebook%.ipynb}.yaml; \
	  test -f "$$changes" && changes="-f $$changes" || changes=; \
	  $(BIN)/papermill notebooks/$$notebook runs/notebooks/$$notebook $$changes \
	    -k python3 --log-level ERROR || exit 1; \
	done
	$(BIN)/python -m hdsemg_nb.chapters.report
	@echo "Executed notebooks: runs/notebooks/"

test: lint  ## everything: unit tests, the slow ones too, and the notebooks against their outputs
	$(BIN)/python -m pytest $(ABREAST)

fast: lint  ## the quick unit tests alone
	$(BIN)/python -m pytest $(ABREAST) tests hdsemg_nb -m "not slow"

lint: .venv/ready  ## ruff on package, tests and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lab: .venv/ready  ## open JupyterLab on notebooks/
	$(BIN)/jupyter lab notebooks

notebooks: .venv/ready  ## store the outputs in the committed notebooks again
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace $(NOTEBOOKS) \
	  --ExecutePreprocessor.record_timing=False
	$(BIN)/jupyter nbconvert --to notebook --inplace $(NOTEBOOKS) \
	  --CoalesceStreamsPreprocessor.enabled=True

STUDY ?= protocol
sweep: .venv/ready  ## compute what the results of a STUDY lack (params/sweeps/): hours; resumes
	$(BIN)/python -m hdsemg_nb.sweep params/sweeps/$(STUDY).yaml

benchmark: .venv/ready  ## speed of training, prediction, the live loop and long recordings; an hour and a half
	$(BIN)/python -m benchmarks

lock: .venv/ready  ## resolve requirements.lock again from pyproject.toml
	$(BIN)/pip-compile --quiet --upgrade --allow-unsafe --extra dev --strip-extras \
	  --no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml
	sed -i.bak 's/^\(torch==[0-9.]*\)+cpu/\1/' requirements.lock && rm requirements.lock.bak

clean:  ## remove the environment; recordings in data/ and results in runs/ stay
	rm -rf .venv
