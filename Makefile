# What people and CI run here. Needs make, a C compiler (SQLite is compiled in) and the Rust toolchain that
# rust-toolchain.toml names; the tests need mosquitto too.

CARGO ?= cargo
CRD := crds/tradingalgo.yaml
FEED := examples/data/stocks-daily.csv

.DEFAULT_GOAL := help
.PHONY: help demo fmt fmt-check lint doc deps tools test generate check-generated ci

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: tools ## Build `intuition` and run both examples on thirteen years of real quotes
	@echo "Building intuition. The first time this compiles everything it needs, which takes minutes."
	$(CARGO) build --release --package intuition-cli
	$(CARGO) run --release --quiet --package intuition-cli -- run \
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
	@echo "Building the binaries that the end-to-end tests start. The first time this takes minutes."
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
	@command -v cc >/dev/null || { echo "missing: a C compiler. On Debian: apt-get install gcc libc6-dev" >&2; exit 1; }

# The Debian package starts a broker on port 1883 where systemd runs. The tests start their own, on free ports.
deps: tools ## Install mosquitto for the tests (Debian, as root), or say what is missing
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin"; missing=""; \
	for program in mosquitto mosquitto_passwd; do \
		command -v $$program >/dev/null || missing="$$missing $$program"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing mosquitto for the tests."; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends mosquitto mosquitto-clients >/dev/null; \
	else \
		echo "missing:$$missing. The tests need mosquitto 2: as root on Debian, 'make deps' or" >&2; \
		echo "'apt-get install mosquitto mosquitto-clients'; elsewhere https://mosquitto.org/download" >&2; \
		exit 1; \
	fi
