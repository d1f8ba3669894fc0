#!/usr/bin/env bash
# A long and steady load of everything. Knobs: SOAK_SECONDS, ENVOYS, WORKERS, BRIDGES, REDIS, STACK, PORT.
set -euo pipefail
cd "$(dirname "$0")/../.."
STACK="${STACK:-soak}" PORT="${PORT:-12000}" exec target/local/stack soak
