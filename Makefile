# Everything a newcomer types. `make help` lists it.
PYTHON ?= $(or $(shell command -v python3.11),python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SHELL := /bin/bash

.PHONY: help install demo test test-fast check format clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(STAMP) ## one .venv with every extra and the development tools

$(STAMP): pyproject.toml constraints.txt
	@deploy/install/venv "$(PYTHON)" $(VENV)
	@touch $(STAMP)

demo: $(STAMP) ## real C-STORE through the broker to a reordered reading list
	@$(BIN)/voorrang demo

# Four at once on two processors: whoever tests a whole stack mostly waits for it. The long ones come first.
test: $(STAMP) ## every test; a neighbour that is not here is skipped with its reason
	@$(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

test-fast: $(STAMP) ## unit tests alone: no network, no disk to speak of
	@$(BIN)/pytest tests/unit

check: $(STAMP) ## format, lint, types, import contracts, docstrings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/numpydoc lint $$(git ls-files "*.py" ":!tests" ":!*/migrations/*" ":!deploy")

format: $(STAMP) ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what was made here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
