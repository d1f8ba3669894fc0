#!/usr/bin/env bash
# Runs each fuzz target for FUZZ_SECONDS (10), or only FUZZ_TARGET. Needs a nightly compiler; what is
# found lies in tests/fuzz/artifacts, what was learned in tests/fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
seconds=${FUZZ_SECONDS:-10}
if ! cargo +nightly --version >/dev/null 2>&1; then
  echo "fuzz: a nightly compiler is missing: rustup toolchain install nightly" >&2
  exit 1
fi
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
# The flags cargo-fuzz gives, without AddressSanitizer: the filter forbids unsafe code. With `--target`
# they leave build scripts alone.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
export CARGO_TARGET_DIR=../../target/fuzz
cargo +nightly build --quiet --release --target "$host" --bins
failed=0
for target in targets/*.rs; do
  name=$(basename "$target" .rs)
  [[ -z ${FUZZ_TARGET:-} || $FUZZ_TARGET == "$name" ]] || continue
  mkdir -p "corpus/$name" "artifacts/$name"
  if "$CARGO_TARGET_DIR/$host/release/$name" -max_total_time="$seconds" -max_len=4096 -timeout=5 \
    -rss_limit_mb=512 -artifact_prefix="artifacts/$name/" "corpus/$name" "seeds/$name" \
    >"artifacts/$name/log" 2>&1; then
    echo "fuzz: $name ok: $(grep -oE '^Done [0-9]+ runs' "artifacts/$name/log")"
  else
    echo "fuzz: $name FAILED, see tests/fuzz/artifacts/$name/log" >&2
    failed=1
  fi
done
exit $failed
