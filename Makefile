# Two commands matter: `make demo` and `make check`. `make help` lists the rest.
PY := .venv/bin/python
PYTEST := $(PY) -m pytest -q
STRICT ?=
PYTEST_FLAGS := $(if $(STRICT),--strict-skips)
FAST := tests/pipeline tests/producers tests/models tests/consumers tests/dashboards tests/docs tests/tools

.PHONY: help demo install check lint types imports test unit contract flow browser live stack stack-stop bench screenshots lock tree clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: .venv/.core ## a live page with seeded posts; an alert fires within a minute
	@.venv/bin/moodstream demo $(ARGS)

install: .venv/.all ## everything: all extras and the development tools

check: install ## every check that CI runs; STRICT=1 fails on a skip that this machine could have run
	@sh tools/browser.sh
	@$(MAKE) --no-print-directory lint types imports test

lint: .venv/.all ## style
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .

types: .venv/.all ## mypy, strict
	@.venv/bin/mypy

imports: .venv/.all ## which room may import which
	@.venv/bin/lint-imports --no-cache

test: .venv/.all ## all tests, the fast ones first, those on real servers last
	@$(PYTEST) $(PYTEST_FLAGS) -m "not bench" $(FAST) tests/contracts tests/flow tests/browser tests/live

unit: .venv/.all ## tests that need seconds, no network and no Java
	@$(PYTEST) -m "not bench" $(FAST)

contract: .venv/.all ## what each port promises, on every adapter
	@$(PYTEST) -m "not live" tests/contracts

flow: .venv/.all ## from source to page in one process
	@$(PYTEST) tests/flow

browser: .venv/.all ## the pages in a real browser
	@sh tools/browser.sh && $(PYTEST) tests/browser

live: .venv/.all ## against a real Kafka and a real Elasticsearch, started from their jars (Java 17, Maven)
	@$(PYTEST) $(PYTEST_FLAGS) tests/live

stack: .venv/.all ## start Kafka (9092) and Elasticsearch (9200) from their jars, for trying things by hand
	@$(PY) -m tools.stack start

stack-stop: .venv/.all ## stop them; their data stay (python -m tools.stack clean forgets them)
	@$(PY) -m tools.stack stop

screenshots: .venv/.all ## make the pictures in docs/images again
	@$(PYTEST) tests/browser/test_screenshots.py --write-screenshots

lock: .venv/.build ## resolve the pinned lists again
	@sh tools/lock.sh

tree: ## write the tree at the end of the README again
	@python3 tools/tree.py

clean: ## remove the virtual environment and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

.venv/.build: requirements/build.txt
	@sh tools/venv.sh
	@touch $@

.venv/.core: requirements/core.txt pyproject.toml | .venv/.build
	@test -e .venv/.all || $(PY) -m uv pip install -q --python $(PY) --require-hashes -r requirements/core.txt
	@$(PY) -m uv pip install -q --python $(PY) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.all: requirements/all.txt pyproject.toml | .venv/.build
	@echo "installing everything (torch brings some 5 GB the first time) ..."
	@$(PY) -m uv pip install -q --python $(PY) --require-hashes -r requirements/all.txt
	@$(PY) -m uv pip install -q --python $(PY) --no-deps --no-build-isolation -e .
	@touch $@ .venv/.core
