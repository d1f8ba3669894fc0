#!/usr/bin/env bash
# The compose file, as deployed: builds, starts, waits, runs the tests that need nothing but addresses, stops.
set -euo pipefail
cd "$(dirname "$0")/../.."
docker compose version >/dev/null 2>&1 || {
  echo "e2e: docker with the compose plugin is missing; BACKEND=local needs neither" >&2
  exit 1
}
compose=(docker compose -f envoy/docker-compose.yaml)
trap '"${compose[@]}" down --volumes >&2' EXIT
"${compose[@]}" config --quiet
"${compose[@]}" up --build --detach >&2
TIDEGATE_ADMIN_TOKEN="${TIDEGATE_ADMIN_TOKEN:-for-trying-out-only}" \
  cargo test -p tidegate-e2e --test deployed -- --ignored
