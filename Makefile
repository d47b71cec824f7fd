# What people and CI run here. Needs make and the Rust toolchain that rust-toolchain.toml names, and Go for what needs a
# cluster; the rest (a C compiler, mosquitto, podman, ...) is installed on Debian where we are root.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
CARGO ?= cargo
CRDS := tradingalgo algorithm
API_REFERENCE := docs/api-reference.md
OPERATOR := $(CARGO) run --quiet --package intuition-operator --
FEED := examples/data/stocks-daily.csv
SCRIPTS = $(shell git ls-files | xargs grep -lE '^\#!.*(bash|/sh)$$') tests/cluster/lib.sh
# As in tests/cluster/lib.sh.
CLUSTER_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/intuition/cluster
E2E_FIGURES := $(CURDIR)/target/e2e-figures.txt

.DEFAULT_GOAL := help
.PHONY: help demo fmt fmt-check lint doc test generate check-generated check-scripts test-chart images cluster-up \
	cluster-down e2e ci tools deps

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: tools ## Build `intuition` and run both examples on thirteen years of real quotes
	@echo "Building intuition. The first time this compiles everything it needs, which takes some minutes."
	$(CARGO) build --package intuition-cli
	$(CARGO) run --quiet --package intuition-cli -- run \
		-f examples/random.yaml -f examples/sma-crossover.yaml --feed $(FEED)

fmt: ## Format the code
	$(CARGO) fmt --all

fmt-check:
	$(CARGO) fmt --all --check

lint: ## Clippy with the workspace's lints, warnings as errors
	$(CARGO) clippy --quiet --workspace --all-targets --all-features -- -D warnings

doc: ## Build the documentation, warnings as errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --quiet --workspace --no-deps --document-private-items

test: deps ## Run all tests, those with a real mosquitto and kill -9 included
	@echo "Building the binaries that the end-to-end tests start. The first time this takes some minutes."
	$(CARGO) build --quiet --workspace --bins
	RUST_LIB_BACKTRACE=0 $(CARGO) test --quiet --workspace

generate: ## Write what is generated from the code: the CRDs, the reference of their fields, the chart's table of values
	@mkdir -p crds charts/intuition/files/crds $(dir $(API_REFERENCE))
	for kind in $(CRDS); do \
		$(OPERATOR) crd $$kind > crds/$$kind.yaml.new && mv crds/$$kind.yaml.new crds/$$kind.yaml; \
		cp crds/$$kind.yaml charts/intuition/files/crds/$$kind.yaml; \
	done
	$(OPERATOR) reference > $(API_REFERENCE).new && mv $(API_REFERENCE).new $(API_REFERENCE)
	tests/chart/values

check-generated: ## Fail if what is generated is not up to date
	@stale() { echo "$$1 is not up to date: run 'make generate' and commit the result" >&2; exit 1; }; \
	for kind in $(CRDS); do \
		$(OPERATOR) crd $$kind | diff -u crds/$$kind.yaml - || stale crds/$$kind.yaml; \
		diff -u crds/$$kind.yaml charts/intuition/files/crds/$$kind.yaml || stale charts/intuition/files/crds/$$kind.yaml; \
	done; \
	$(OPERATOR) reference | diff -u $(API_REFERENCE) - || stale $(API_REFERENCE)

check-scripts: ## Check the shell scripts
	@.ci/need shellcheck:shellcheck
	shellcheck --external-sources --source-path=SCRIPTDIR $(SCRIPTS)
	shellcheck --shell=sh $$(git ls-files 'charts/*.sh')

test-chart: tools ## Render the chart in many ways and check the results against Kubernetes' schemas
	tests/cluster/binaries tools
	tests/chart/tools
	PATH="$(CLUSTER_CACHE)/bin:$$PATH" $(CARGO) test --quiet --package e2e --features chart --test chart

images: tools ## Build the container images (PROFILE=dev: quick ones)
	images/build

cluster-up: tools ## Start a Kubernetes cluster with our images, or refresh them in the one that runs (CLUSTER=existing: yours)
	tests/cluster/up

cluster-down: ## Remove the cluster and all that came with it
	tests/cluster/down

e2e: cluster-up ## Run the tests that need a cluster
	rm -f $(E2E_FIGURES)
	source $(CLUSTER_CACHE)/env; \
	export E2E_STARTED=$$(date -u +%FT%TZ) E2E_FIGURES=$(E2E_FIGURES) RUST_LIB_BACKTRACE=0; \
	tests/cluster/no-operator; \
	$(CARGO) test --package intuition-operator --features cluster-tests --test lease_cluster --test crash_cluster; \
	$(CARGO) test --package e2e --features cluster --test cluster -- --test-threads=4; \
	$(CARGO) test --package e2e --features cluster --test cluster_faults -- --test-threads=1
	@cat $(E2E_FIGURES)

ci: check-scripts fmt-check lint doc test check-generated test-chart e2e ## Everything that CI checks

tools:
	@command -v $(CARGO) >/dev/null || { echo "missing: cargo. Install Rust from https://rustup.rs" >&2; exit 1; }
	@.ci/need cc:gcc,libc6-dev

# The Debian package starts a broker on port 1883 where systemd runs. The tests start their own, on free ports.
deps: tools ## Install what the tests need (Debian, as root), or say what is missing
	@.ci/need mosquitto:mosquitto mosquitto_passwd:mosquitto mosquitto_pub:mosquitto-clients openssl:openssl
