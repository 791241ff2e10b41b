# make demo   run the active-learning loop on the built-in room, into runs/demo
# make test   run the tests
# make lint   formatting and lint;  make types   static types;  make clean   remove what these made
#
# Each works on a fresh checkout: it makes .venv and installs what is needed.
# PYTHON=/path/to/python chooses the interpreter (3.11 or 3.12).

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_ARGS ?=

# jax 0.10 sizes its thread pool by this; several fake devices on two cores hang without it.
export NPROC ?= 16

# A version manager's shim may be on PATH and refuse to run, and a system Python may
# lack venv: a candidate counts only if it really answers.
CHECK := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))

.PHONY: demo test lint types install clean

demo: $(STAMP)
	$(BIN)/python -m alsem.main --config=configs/room.py --workdir=runs/demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/basedpyright

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@ok() { "$$1" -c '$(CHECK)' >/dev/null 2>&1; }; \
	if ! ok $(BIN)/python; then \
	  found=; \
	  for python in "$(PYTHON)" python3.12 python3.11 python3; do \
	    if [ -n "$$python" ] && ok "$$python"; then found=$$python; break; fi; \
	    if [ -n "$(PYTHON)" ] && [ "$$python" = "$(PYTHON)" ]; then \
	      echo "make: PYTHON=$$python is no working Python 3.11 or 3.12 with venv" >&2; \
	    fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "make: Python 3.11 or 3.12 (with its venv module) is needed and was not found; try: make PYTHON=/path/to/python3.12" >&2; \
	    exit 1; \
	  fi; \
	  echo "making $(VENV) with $$found"; \
	  "$$found" -m venv --clear $(VENV) || exit 1; \
	fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache build dist
	find alsem configs launch tests -name __pycache__ -type d -prune -exec rm -rf {} +
