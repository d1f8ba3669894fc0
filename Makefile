# tidegate's entry points. DESIGN.md, "Fixed interfaces", says what each target promises.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
export STACK ENVOYS WORKERS BRIDGES REDIS POLICY FAULTS UPSTREAM PORT FILTER BACKEND
.PHONY: help setup browser wasm unguarded programs run up down test e2e conformance bench soak chaos lint fmt fuzz props check openapi

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' Makefile

setup: ## Install what is missing: the wasm target, Envoy, redis-server
	@tests/scripts/setup.sh

browser: ## The same, and Chromium, which the tests drive
	@tests/scripts/setup.sh browser

wasm: ## Build the filter: target/wasm32-wasip1/release/tidegate.wasm
	@tests/scripts/wasm.sh

unguarded: ## Build the filter and the bridge whose guards can be switched off, for `make chaos` alone
	@tests/scripts/unguarded.sh

programs: ## Build the bridge and the stack program, optimised
	@cargo build --quiet --profile local --workspace --bins >&2

run: setup wasm programs ## Everything on loopback until Ctrl-C; saving the policy applies it
	@exec target/local/stack run

up: setup wasm programs ## The same in the background; prints where everything is, as JSON
	@target/local/stack up

down: ## End what `make up` started
	@tests/scripts/down.sh

test: browser ## Everything: unit, property, scripts on real Redis, end to end, conformance
	@tests/scripts/test.sh

e2e: browser wasm ## The end-to-end tests; BACKEND=docker runs them against the compose file
	@tests/scripts/e2e.sh

conformance: setup wasm programs ## The public suite for HTTP caches, with one worker and with two
	@tests/scripts/setup.sh node
	@tests/scripts/conformance.sh

bench: setup wasm programs ## The paired benchmarks
	@tests/scripts/bench.sh

chaos: setup unguarded wasm programs ## Faults on real processes under load; CHAOS_ROWS CHAOS_TRIALS CHAOS_ROUNDS CHAOS_RATE CHAOS_SEED
	@tests/scripts/setup.sh faults
	@tests/scripts/wasm.sh trap
	@target/local/chaos

soak: setup wasm programs ## Load a stack for SOAK_SECONDS (600): memory, files, keys without a TTL
	@tests/scripts/soak.sh

lint: ## Formatting and clippy
	@tests/scripts/lint.sh

fmt: ## Format the sources
	@cargo fmt --all

openapi: setup ## Check the description of the admin API against a running bridge (schemathesis)
	@tests/scripts/openapi.sh

fuzz: ## Run each fuzz target for FUZZ_SECONDS (10)
	@tests/scripts/fuzz.sh

props: ## Property tests with PROPTEST_CASES (20000) random cases each, where CI draws the same few each time
	@PROPTEST_CASES="$${PROPTEST_CASES:-20000}" cargo test --workspace --lib

check: ## Check POLICY (default: the sample policy) as Envoy would
	@cargo run --quiet -p redis-bridge -- check "$${POLICY:-envoy/policy.yaml}"
