#!/usr/bin/env bash
# Builds the filter. The crate is a plain lib, so that LTO works; the module's kind is given here (Cargo.toml).
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo rustc --quiet --release --lib --target wasm32-wasip1 --crate-type cdylib >&2
