#!/usr/bin/env bash
# The paired benchmarks; BENCH_ONLY also takes bodies, tag and bridge. Knobs: BENCH_ROUNDS, BENCH_SECONDS, BENCH_ONLY, BENCH_CONNECTIONS, BRIDGES, STACK, PORT.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! command -v wrk >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends wrk; } >&2
  fi
  command -v wrk >/dev/null || { echo "bench: wrk is missing: install it (Debian: apt-get install wrk)" >&2; exit 1; }
fi
cargo rustc --quiet --release -p tidegate-noop --lib --target wasm32-wasip1 --crate-type cdylib >&2
# The bridge as it is deployed.
cargo build --quiet --profile dist -p redis-bridge --bin redis-bridge >&2
export TIDEGATE_BRIDGE="${TIDEGATE_BRIDGE:-$PWD/target/dist/redis-bridge}"
STACK="${STACK:-bench}" PORT="${PORT:-11000}" exec target/local/stack bench
