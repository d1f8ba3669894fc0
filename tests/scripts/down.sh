#!/usr/bin/env bash
# Ends what `make up` started, with whichever stack program is there; with none, nothing was started.
set -euo pipefail
cd "$(dirname "$0")/../.."
for program in target/local/stack target/debug/stack; do
  if [ -x "$program" ]; then exec "$program" down; fi
done
echo "stack: ${STACK:-default} does not run" >&2
