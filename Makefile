# What people and CI run here. Needs make and the Rust toolchain that rust-toolchain.toml names, and Go for what needs a
# cluster; the rest (a C compiler, mosquitto, podman, ...) is installed on Debian where we are root.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
CARGO ?= cargo
CRDS := tradingalgo algorithm feed indicator
API_REFERENCE := docs/api-reference.md
INPUT_PAGE := docs/input.md
OPERATOR := $(CARGO) run --quiet --package intuition-operator --
WRITE_INPUT_PAGE := $(CARGO) run --quiet --package bridge --example input_page -- $(INPUT_PAGE)
FEED := examples/data/stocks-daily.csv
SCRIPTS = $(shell git ls-files | xargs grep -lE '^\#!.*(bash|/sh)$$') tests/cluster/lib.sh
# As in tests/cluster/lib.sh.
CLUSTER_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/intuition/cluster
E2E_FIGURES := $(CURDIR)/target/e2e-figures.txt
SDK_VENV := $(abspath $(or $(CARGO_TARGET_DIR),target))/sdk-python
GUIDES = $(filter-out %/README.md,$(wildcard docs/write-an-algorithm/*.md)) docs/connect-a-market.md docs/warm-up-from-a-file.md docs/indicators.md
SIMULATE := $(CARGO) --config tests/simulation/optimised.toml run --quiet --package simulation --
PLANTED := RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/tests/simulation/rustc-planted
SIMULATE_PLANTED := $(PLANTED) $(SIMULATE)
# The build of the simulation, so that CI compiles no crate of the data path again.
COUNT := $(PLANTED) $(CARGO) --config tests/simulation/optimised.toml run --quiet --package instructions --
INSTRUCTION_BOUNDS := tests/instructions/bounds.txt
SEEDS ?= 1000
FROM ?= 0
# How long `make demo-feed` runs.
TIME ?= 20s
# Options and parts of the bench.
BENCH ?=
# Outgoing connections take any port from 32768 on, those too that the guides' servers listen on.
KEEP_PORTS = ports=/proc/sys/net/ipv4/ip_local_reserved_ports; [ ! -w $$ports ] || echo 50051-50052 > $$ports
# What makes virtual environments is a package of its own on Debian.
NEED_VENV = python3 -c 'import ensurepip, venv' 2>/dev/null || .ci/need python3-venv:python3,python3-venv

.DEFAULT_GOAL := help
.PHONY: help demo demo-feed fmt fmt-check lint doc test test-simulation simulate planted test-instructions \
	accept-instructions test-examples test-sdk test-conform test-guides \
	generate check-generated check-scripts test-chart images cluster-up cluster-down e2e e2e-guides test-brokers nightly bench ci tools deps

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: tools ## Build `intuition`, and run a built-in algorithm and both examples on thirteen years of real quotes
	@echo "Building intuition. The first time this compiles everything it needs, which takes some minutes."
	$(CARGO) build --package intuition-cli
	@echo "A built-in algorithm with its defaults, without a manifest:"
	$(CARGO) run --quiet --package intuition-cli -- run --builtin sma-crossover --feed $(FEED)
	@echo "Two accounts by their manifests:"
	$(CARGO) run --quiet --package intuition-cli -- run \
		-f examples/random.yaml -f examples/sma-crossover.yaml --feed $(FEED)

demo-feed: tools ## Build `intuition` and the local exchange, and run four built-in algorithms on its trades, two with an indicator (TIME=20s)
	@echo "Building intuition and the local exchange. The first time this compiles everything they need, which takes some minutes."
	$(CARGO) build --package intuition-cli --package local-exchange
	examples/market/demo $(TIME)

fmt: ## Format the code
	$(CARGO) fmt --all

fmt-check:
	$(CARGO) fmt --all --check

lint: ## Clippy with the workspace's lints, warnings as errors; the length of files, circles of imports, unused dependencies
	$(CARGO) clippy --quiet --workspace --all-targets --all-features -- -D warnings
	$(CARGO) run --quiet --package structure

doc: ## Build the documentation, warnings as errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --quiet --workspace --no-deps --document-private-items

test: deps ## Run all tests, those with a real mosquitto and kill -9 included
	@echo "Building the binaries that the end-to-end tests start. The first time this takes some minutes."
	$(CARGO) build --quiet --workspace --bins
	tests/releases/build v0.1.0
	RUST_LIB_BACKTRACE=0 $(CARGO) test --quiet --workspace

# One build for all of it, that with the planted mistakes, of which the first two runs make none: two would take CI too long.
# A fresh seed that fails is a defect to be corrected, mostly an older one than the change at hand: it does not hold the change back.
test-simulation: tools ## Run 500 seeds of the simulation and 500 fresh ones, and look for two planted mistakes, other ones each day
	@echo "Building the simulation, optimised. The first time this takes some minutes."
	$(SIMULATE_PLANTED) run --seeds 500
	$(SIMULATE_PLANTED) run --seeds 500 --fresh || echo "A fresh seed broke a promise: open an issue with its command." >&2
	$(SIMULATE_PLANTED) planted --turn $$(($$(date +%s) / 86400))

simulate: tools ## Run the simulation (SEEDS=1000, FROM=0: the first seed)
	$(SIMULATE) run --seeds $(SEEDS) --from $(FROM)

planted: tools ## See that the simulation finds all mistakes that are planted
	$(SIMULATE_PLANTED) planted

test-instructions: tools ## Count the instructions for each tick, and hold them to their bounds
	@.ci/need valgrind:valgrind
	@echo "Building the data path, optimised. The first time this takes some minutes."
	$(COUNT) check $(INSTRUCTION_BOUNDS)

accept-instructions: tools ## Count the instructions for each tick, and store them as the new bounds
	@.ci/need valgrind:valgrind
	$(COUNT) accept $(INSTRUCTION_BOUNDS)

test-examples: ## Build and test the example in TypeScript; the one in Rust is part of `make test`
	@.ci/need node:nodejs npm:npm
	cd examples/typescript && npm ci --no-progress && npm run --silent build && npm test --silent

generate: ## Write the files that are generated from the code: the CRDs, the reference of their fields, the reserved names, the chart's table of values
	@mkdir -p crds charts/intuition/files/crds $(dir $(API_REFERENCE))
	for kind in $(CRDS); do \
		$(OPERATOR) crd $$kind > crds/$$kind.yaml.new && mv crds/$$kind.yaml.new crds/$$kind.yaml; \
		cp crds/$$kind.yaml charts/intuition/files/crds/$$kind.yaml; \
	done
	$(OPERATOR) reference > $(API_REFERENCE).new && mv $(API_REFERENCE).new $(API_REFERENCE)
	$(WRITE_INPUT_PAGE) > $(INPUT_PAGE).new && mv $(INPUT_PAGE).new $(INPUT_PAGE)
	tests/chart/values

check-generated: ## Fail if what is generated is not up to date
	@stale() { echo "$$1 is not up to date: run 'make generate' and commit the result" >&2; exit 1; }; \
	for kind in $(CRDS); do \
		$(OPERATOR) crd $$kind | diff -u crds/$$kind.yaml - || stale crds/$$kind.yaml; \
		diff -u crds/$$kind.yaml charts/intuition/files/crds/$$kind.yaml || stale charts/intuition/files/crds/$$kind.yaml; \
	done; \
	$(OPERATOR) reference | diff -u $(API_REFERENCE) - || stale $(API_REFERENCE); \
	$(WRITE_INPUT_PAGE) | diff -u $(INPUT_PAGE) - || stale $(INPUT_PAGE)

check-scripts: ## Check the shell scripts
	@.ci/need shellcheck:shellcheck
	shellcheck --external-sources --source-path=SCRIPTDIR $(SCRIPTS)
	shellcheck --shell=sh $$(git ls-files 'charts/*.sh')

test-chart: tools ## Render the chart in many ways and check the results against Kubernetes' schemas
	tests/cluster/binaries tools
	tests/chart/tools
	PATH="$(CLUSTER_CACHE)/bin:$$PATH" $(CARGO) test --quiet --package e2e --features chart --test chart

images: tools ## Build the container images (PROFILE=dev: quick ones, cluster: without link-time optimisation)
	images/build

cluster-up: tools ## Start a Kubernetes cluster with our images, or refresh them in the one that runs (CLUSTER=existing: yours)
	tests/cluster/up

cluster-down: ## Remove the cluster and all that came with it
	tests/cluster/down

e2e: cluster-up ## Run the tests that need a cluster
	rm -f $(E2E_FIGURES)
	$(CARGO) build --quiet --package intuition-cli
	for version in v1 v2; do \
		tests/cluster/load-images "$$(examples/build python localhost/intuition-examples/python:$$version | tail -n 1)"; \
	done
	tests/cluster/load-images "$$(examples/build market | tail -n 1)"
	source $(CLUSTER_CACHE)/env; \
	export E2E_STARTED=$$(date -u +%FT%TZ) E2E_FIGURES=$(E2E_FIGURES) RUST_LIB_BACKTRACE=0; \
	tests/cluster/no-operator; \
	$(CARGO) test --package intuition-operator --features cluster-tests --test lease_cluster --test crash_cluster; \
	$(CARGO) test --package e2e --features cluster --test cluster -- --test-threads=4; \
	$(CARGO) test --package e2e --features cluster --test cluster_faults -- --test-threads=1
	@cat $(E2E_FIGURES)

test-sdk: $(SDK_VENV)/ready $(SDK_VENV)-generate/ready ## Test and type-check the SDK for Python, its examples, and the runner of guides
	sdk/python/generate --check $(SDK_VENV)-generate/bin/python
	cd sdk/python && $(SDK_VENV)/bin/mypy
	$(SDK_VENV)/bin/mypy --strict --scripts-are-modules tests/guides/run tests/guides/test_run.py
	cd sdk/python && $(SDK_VENV)/bin/pytest --quiet -p no:cacheprovider
	$(SDK_VENV)/bin/pytest --quiet -p no:cacheprovider tests/guides

$(SDK_VENV)/ready: sdk/python/pyproject.toml
	@$(NEED_VENV)
	python3 -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --editable 'sdk/python[test]'
	touch $@

# Apart: the compiler of protobuf goes with an older runtime.
$(SDK_VENV)-generate/ready: sdk/python/generate
	@$(NEED_VENV)
	python3 -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check $$(sed -n 's/^TOOLS=/grpcio-tools==/p' sdk/python/generate)
	touch $@

test-conform: $(SDK_VENV)/ready test-examples ## Take the examples in Python, TypeScript and Rust through the contract
	$(CARGO) build --quiet --package intuition-cli --package breakout
	tests/conform/run $(SDK_VENV)/bin/python

test-guides: tools ## Do what the guides tell their readers to do on a laptop
	@$(NEED_VENV)
	@.ci/need node:nodejs npm:npm initdb:postgresql psql:postgresql-client
	$(CARGO) build --quiet --package intuition-cli --package local-exchange
	@$(KEEP_PORTS)
	set -e; for guide in docs/files.md docs/payloads.md docs/connect-a-database.md $(GUIDES); do tests/guides/run $$guide --part laptop; done

e2e-guides: cluster-up ## Do what the guides tell their readers to do in a cluster
	@$(NEED_VENV)
	@.ci/need node:nodejs npm:npm
	source $(CLUSTER_CACHE)/env; tests/guides/cluster $(GUIDES)

test-brokers: deps ## Run the bridge's exchange tests against other brokers, which Maven fetches
	@.ci/need java:default-jdk-headless mvn:maven
	tests/brokers/run

nightly: deps test-brokers cluster-up ## Run the tests that take minutes each: many seeds, other brokers, long backlogs, lost nodes, upgrades from v0.1.0
	$(MAKE) simulate SEEDS=10000
	$(MAKE) planted
	$(CARGO) build --quiet --workspace --bins
	RUST_LIB_BACKTRACE=0 $(CARGO) test --package e2e --test backlog -- --ignored
	RUST_LIB_BACKTRACE=0 $(CARGO) test --package feed --test postgres -- --ignored --nocapture
	source $(CLUSTER_CACHE)/env; \
	export E2E_FIGURES=$(E2E_FIGURES) RUST_LIB_BACKTRACE=0; \
	$(CARGO) test --package e2e --features cluster --test cluster_nightly -- --test-threads=1
	@cat $(E2E_FIGURES)

bench: deps ## Measure bridge and algo-runtime beside the limits of broker and disk (BENCH=--quick: a few minutes)
	@echo "Building optimised binaries. The first time this takes some minutes."
	$(CARGO) build --quiet --release --package bridge --package algo-runtime --package breakout
	$(CARGO) run --quiet --release --package bench -- --python $(SDK_VENV)/bin/python $(BENCH)

ci: check-scripts fmt-check lint doc test test-simulation test-instructions check-generated test-sdk test-conform test-guides test-chart e2e e2e-guides ## Everything that CI checks

tools:
	@command -v $(CARGO) >/dev/null || { echo "missing: cargo. Install Rust from https://rustup.rs" >&2; exit 1; }
	@.ci/need cc:gcc,libc6-dev

# The Debian packages start a broker on port 1883 and a database on port 5432 where systemd runs. The tests start their own, on
# free ports.
deps: tools ## Install what the tests need (Debian, as root), or say what is missing
	@.ci/need mosquitto:mosquitto mosquitto_passwd:mosquitto mosquitto_pub:mosquitto-clients openssl:openssl initdb:postgresql psql:postgresql-client
