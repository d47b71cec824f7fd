# What people and CI run here. Needs make and the Rust toolchain that rust-toolchain.toml names; a C compiler (SQLite is
# compiled in) and mosquitto for the tests are installed on Debian where we are root.

CARGO ?= cargo
CRD := crds/tradingalgo.yaml
FEED := examples/data/stocks-daily.csv

.DEFAULT_GOAL := help
.PHONY: help demo fmt fmt-check lint doc test generate check-generated ci tools deps

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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
	$(CARGO) clippy --quiet --workspace --all-targets -- -D warnings

doc: ## Build the documentation, warnings as errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --quiet --workspace --no-deps --document-private-items

test: deps ## Run all tests, those with a real mosquitto and kill -9 included
	@echo "Building the binaries that the end-to-end tests start. The first time this takes some minutes."
	$(CARGO) build --quiet --workspace --bins
	RUST_LIB_BACKTRACE=0 $(CARGO) test --quiet --workspace

generate: ## Write what is generated from the code: the CRD
	@mkdir -p $(dir $(CRD))
	$(CARGO) run --quiet --package intuition-operator -- crd > $(CRD).new
	mv $(CRD).new $(CRD)

check-generated: ## Fail if what is generated is not up to date
	$(CARGO) run --quiet --package intuition-operator -- crd | diff -u $(CRD) - \
		|| { echo "$(CRD) is not up to date: run 'make generate' and commit the result" >&2; exit 1; }

ci: fmt-check lint doc test check-generated ## Everything that CI checks

tools:
	@command -v $(CARGO) >/dev/null || { echo "missing: cargo. Install Rust from https://rustup.rs" >&2; exit 1; }
	@.ci/need cc:gcc,libc6-dev

# The Debian package starts a broker on port 1883 where systemd runs. The tests start their own, on free ports.
deps: tools ## Install what the tests need (Debian, as root), or say what is missing
	@.ci/need mosquitto:mosquitto mosquitto_passwd:mosquitto mosquitto_pub:mosquitto-clients
