PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: install demo test slow test-all check clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade "pip>=24"
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(STAMP)

demo: install
	$(BIN)/resynth run configs/quick.yaml --store runs/quick --site site

test: install
	$(BIN)/pytest -q -m "not slow and not bench"

slow: install
	$(BIN)/pytest -q -m "slow or bench"

test-all: test slow

check: install
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

clean:
	rm -rf .venv runs site build *.egg-info
