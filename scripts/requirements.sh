#!/usr/bin/env bash
# Resolves pyproject.toml into requirements/*.txt, with hashes and without addresses.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
.venv/bin/python -m venv "$folder"
"$folder/bin/pip" install --quiet uv
compile() {
  "$folder/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --custom-compile-command 'make requirements' "$@"
}
compile --all-extras pyproject.toml -o requirements/dev.txt
compile --no-deps requirements/kubectl.in -o requirements/kubectl.txt
