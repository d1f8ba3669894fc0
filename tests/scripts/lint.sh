#!/usr/bin/env bash
# Formatting and clippy, both without mercy.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo fmt --all --check
cargo clippy --quiet --workspace --all-targets -- -D warnings
cargo clippy --quiet --lib --target wasm32-wasip1 -- -D warnings
