# make run | test | lint | bench | bench-gpu | pictures. Everything is installed into .venv; PYTHON chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lint bench bench-gpu pictures install install-test browser clean

run: install
	$(BIN)/python app.py $(ARGS)

test: install-test browser
	$(BIN)/python -m pytest $(ARGS)

lint: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# soak alone takes 20 minutes; make bench ARGS="chat votes" runs these two and rewrites their figures in benchmarks/README.md.
bench: install-test
	$(BIN)/python benchmarks/all.py $(ARGS)

# On a machine with an NVIDIA GPU and its torch; QLoRA and Liger are measured where they are installed.
bench-gpu: install-test
	$(BIN)/python benchmarks/all.py gpu

# The guide's pictures, from the running app, into docs/.
pictures: install-test browser
	PYTHONPATH=. $(BIN)/python tests/pictures.py

install: .venv/installed

install-test: .venv/installed-test

.venv/installed: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --requirement requirements.txt
	touch $@

.venv/installed-test: .venv/installed tests/requirements.txt
	$(BIN)/python -m pip install --requirement tests/requirements.txt
	touch $@

# Debian's Chromium where we may install it, else Playwright's own; without either the browser tests are skipped.
browser: install-test
	@command -v chromium >/dev/null \
	  || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium; } \
	  || $(BIN)/playwright install chromium \
	  || echo "No browser could be installed: the browser tests will be skipped." >&2

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
