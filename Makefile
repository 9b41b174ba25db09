# make help lists what there is. `up` and `test` do all set-up themselves.
SHELL := /bin/bash
MASTERS ?= 1
AGENTS ?= 1
PUBLIC_AGENTS ?= 1
DRIVER ?= auto
CLUSTER ?= dcos
PY := .venv/bin/python

.PHONY: help setup setup-run up down status check test e2e lint docs bench clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## operating system packages and the locked Python environment
	@installer/setup.sh dev

setup-run:
	@installer/setup.sh run $(DRIVER)

up: setup-run ## a cluster on this machine, with hello-world running (MASTERS= AGENTS= PUBLIC_AGENTS= DRIVER=)
	@.venv/bin/dcos-install local up --cluster=$(CLUSTER) --driver=$(DRIVER) --masters=$(MASTERS) --agents=$(AGENTS) --public-agents=$(PUBLIC_AGENTS) --demo

down: ## remove everything that up made
	@if [ -x .venv/bin/dcos-install ]; then .venv/bin/dcos-install local down --cluster=$(CLUSTER); else echo "nothing to remove: no environment here"; fi

status: ## the cluster at a glance
	@.venv/bin/dcos-install local status --cluster=$(CLUSTER)

check: setup ## lint and the fast tests
	@$(PY) -m dcos.dev check

lint: setup ## format, ruff, mypy, import contracts, generated documents
	@$(PY) -m dcos.dev lint

test: setup ## everything, the end-to-end tests included
	@$(PY) -m dcos.dev test

e2e: setup ## the end-to-end tests only
	@$(PY) -m dcos.dev e2e

docs: setup ## re-make the documents that follow from tables
	@$(PY) -m dcos.dev docs

bench: setup ## time make up and the services' memory
	@$(PY) bench/up.py

clean: down ## down, and the caches too
	rm -rf .venv build genconf
