#!/usr/bin/env bash
# Everything, in the order of how quickly it tells. The last line is `N passed, N failed`.
set -uo pipefail
cd "$(dirname "$0")/../.."
mkdir -p target
log=target/test.log
: >"$log"
broken=0

step() {
  echo "test: $1"
  shift
  "$@" 2>&1 | tee -a "$log" || broken=1
}

step "formatting and clippy" tests/scripts/lint.sh
step "the filter" tests/scripts/wasm.sh
# All targets: without the tests' own dependencies the programs would be built with other features, twice.
step "programs" cargo build --quiet --workspace --all-targets
step "tests" cargo test --workspace --no-fail-fast
step "node" tests/scripts/setup.sh node
step "conformance" tests/scripts/conformance.sh target/debug

awk -v broken="$broken" -f tests/scripts/sum.awk "$log"
