#!/usr/bin/env bash
# Create .venv with every locked dependency and the packages of this repository, editable.
# Do nothing if the lock file has not changed since the last run. Usage: hack/make_venv.sh
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/.installed-from
wanted=$(cat requirements-dev.lock pyproject.toml client/pyproject.toml | sha256sum | cut -d' ' -f1)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  exit 0
fi

log() { echo "[venv] $*"; }

python=""
for candidate in python3.14 python3.13 python3.12 python3.11 python3; do
  if command -v "$candidate" >/dev/null 2>&1 &&
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  log "Python 3.11 or newer was not found. On Debian 12: apt-get install python3"
  exit 1
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    log "installing python3-venv"
    apt-get install -y -qq python3-venv >/dev/null 2>&1 ||
      { apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null; }
  else
    log "the venv module of $python is missing. On Debian: apt-get install python3-venv"
    exit 1
  fi
fi

log "installing the locked dependencies for $("$python" --version) (a minute or two)"
"$python" -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e client
echo "$wanted" >"$stamp"
log "ready"
