# `make demo` and `make test` set up everything they need: Python packages in .venv, system packages by apt where
# that takes no questions.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test check clean demo-system test-system

demo-system test-system:
	@PYTHON=$(PYTHON) .ci/system_packages $(@:-system=)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/base.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/test.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet -c constraints.txt -e '.[dev,opensim,train]'
	# It names the whole of TensorRT, gigabytes, as what it needs; types need none of it.
	$(PIP) install --quiet -c constraints.txt --no-deps tensorrt-stubs
	touch $@ $(VENV)/base.stamp

demo: demo-system $(VENV)/base.stamp  ## Track the demo clip and show what comes out
	$(BIN)/kinecast assets fetch demo_clip
	$(BIN)/kinecast replay demo_clip --region 0,0.5,1,0.5 --duration 6 --out out/demo --replace

test: test-system $(VENV)/test.stamp  ## Run the tests, a file at a time in each of two processes
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: test-system $(VENV)/test.stamp  ## Lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) out build *.egg-info
