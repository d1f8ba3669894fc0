#!/usr/bin/env bash
# Builds the filter. The crate is a plain lib, so that LTO works; the module's kind is given here (Cargo.toml).
# With "trap": one that ends its machine when a request says so, in a directory of its own, for the chaos suite.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=(cargo rustc --quiet --release --lib --target wasm32-wasip1 --crate-type cdylib)
if [[ ${1:-} == trap ]]; then
  build+=(--features trap --target-dir target/trap)
fi
"${build[@]}" >&2
