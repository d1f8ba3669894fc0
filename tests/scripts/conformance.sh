#!/usr/bin/env bash
# Runs the public suite for HTTP caches against the stack, with one worker and with two. The recorded scores are
# in tests/http-cache/scores.json. First argument: where the programs are (default: target/local).
set -euo pipefail
cd "$(dirname "$0")/../.."
programs="${1:-target/local}"
home=target/http-cache
port="${PORT:-12000}"
mkdir -p "$home"

# One copy of the package for each lock file.
if ! cmp -s tests/http-cache/package-lock.json "$home/installed.json"; then
  cp tests/http-cache/package.json tests/http-cache/package-lock.json "$home/"
  npm ci --prefix "$home" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  cp tests/http-cache/package-lock.json "$home/installed.json"
fi
package="$PWD/$home/node_modules/http-cache-tests"

run() { # workers, first port
  local workers="$1" first="$2" key stack server status=0
  key="$workers-worker$([ "$workers" = 1 ] || echo s)"
  stack="conformance-$workers"
  node tests/http-cache/server.mjs "$package" $((first + 81)) >"$home/server-$workers.log" 2>&1 &
  server=$!
  STACK="$stack" PORT="$first" WORKERS="$workers" UPSTREAM="127.0.0.1:$((first + 81))" \
    POLICY=tests/http-cache/policy.yaml "$programs/stack" up >"$home/up-$workers.json" 2>"$home/up-$workers.log" || {
    cat "$home/up-$workers.log"
    kill "$server"
    return 1
  }
  node tests/http-cache/run.mjs "$package" "http://127.0.0.1:$first" tests/http-cache/scores.json \
    tests/http-cache/unreached.json "$key" "$home/results-$workers.json" || status=$?
  STACK="$stack" PORT="$first" "$programs/stack" down 2>/dev/null || true
  kill "$server" 2>/dev/null || true
  return "$status"
}

# Side by side: most of the time the tests wait.
run 1 "$port" >"$home/out-1.txt" 2>&1 & one=$!
run 2 $((port + 100)) >"$home/out-2.txt" 2>&1 & two=$!
status=0
wait "$one" || status=1
cat "$home/out-1.txt"
wait "$two" || status=1
cat "$home/out-2.txt"
exit "$status"
