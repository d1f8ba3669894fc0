#!/usr/bin/env bash
# Checks the description of the admin API against a running bridge, with requests that schemathesis draws: those
# that the description allows, and those that it does not. EXAMPLES (20) of each operation.
set -euo pipefail
cd "$(dirname "$0")/../.."

VERSION=4.32.5
venv=target/schemathesis
if ! "$venv/bin/schemathesis" --version >/dev/null 2>&1; then
  echo "openapi: install schemathesis $VERSION into $venv" >&2
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$VERSION"
fi

bridge=${TIDEGATE_BRIDGE:-target/debug/redis-bridge}
[ -x "$bridge" ] || cargo build --quiet -p redis-bridge
dir=$(mktemp -d)
pids=()
end() {
  kill "${pids[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap end EXIT

redis-server --port 0 --unixsocket "$dir/redis" --save '' --dir "$dir" >"$dir/redis.log" &
pids+=($!)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
token=openapi-check
cat >"$dir/policy.yaml" <<'YAML'
version: 1
bridge: { cluster: redis-bridge }
sessions:
  web: { cookie: __Host-sid, idle: 30m, absolute: 12h }
limits:
  per-ip:   { algorithm: fixed_window, limit: 100, window: 1h, key: [client.ip] }
  per-user: { algorithm: token_bucket, limit: 60, window: 1m, burst: 10, key: [session.user], override: true }
policies:
  api: { session: web, limits: [per-ip, per-user] }
YAML
env -i TIDEGATE_ADMIN_TOKEN=$token \
  TIDEGATE_SESSION_KEYS=1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 \
  TIDEGATE_MASTER_KEY=ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8 \
  "$bridge" serve --data "unix:$dir/data" --admin "127.0.0.1:$port" --redis "redis+unix://$dir/redis" \
  --policy "$dir/policy.yaml" 2>"$dir/bridge.log" &
pids+=($!)
for _ in $(seq 300); do
  curl -sf "http://127.0.0.1:$port/readyz" >/dev/null && break
  sleep 0.1
done

# What it serves is what is in the repository.
curl -sf -H "authorization: Bearer $token" "http://127.0.0.1:$port/v1/openapi.json" | cmp - redis-bridge/openapi.json

# A head that is too large is refused before anybody looks at what is wrong with its fields.
cat >"$dir/schemathesis.toml" <<'TOML'
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "409", "413", "414", "415", "431"]
TOML
"$venv/bin/schemathesis" --config-file "$dir/schemathesis.toml" run redis-bridge/openapi.json --url "http://127.0.0.1:$port" \
  --header "Authorization: Bearer $token" --max-examples "${EXAMPLES:-20}" --generation-database=none \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection,unsupported_method,ignored_auth
curl -sf "http://127.0.0.1:$port/readyz" >/dev/null
! grep -E 'panicked|ERROR' "$dir/bridge.log"
