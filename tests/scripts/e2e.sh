#!/usr/bin/env bash
# The end-to-end tests, on local processes or on the compose file.
set -euo pipefail
cd "$(dirname "$0")/../.."
case "${BACKEND:-local}" in
local)
  cargo build --quiet --workspace --all-targets >&2
  exec cargo test --workspace --test e2e
  ;;
docker) exec tests/scripts/docker.sh ;;
*)
  echo "BACKEND: must be local or docker, got '${BACKEND}'" >&2
  exit 2
  ;;
esac
