#!/usr/bin/env bash
# Resolves the dependencies in pyproject.toml to pinned versions: requirements/*.txt, with hashes and without URLs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
.venv/bin/python -m venv "$folder"
"$folder/bin/pip" install --quiet uv
compile() {
  "$folder/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --custom-compile-command 'make requirements' "$@"
}
# dev.txt decides all versions; the other files are subsets of it, so that what is tested is also what runs.
compile pyproject.toml --group services --group postgres --group build --group dev -o requirements/dev.txt
subset() { compile --constraint requirements/dev.txt --no-annotate "${@:2}" -o "requirements/$1.txt"; }
subset run pyproject.toml --group services --group build
subset services --group services --group postgres
subset localmesh --group localmesh
subset loadgen --group loadgen
compile --no-deps requirements/kubectl.in -o requirements/kubectl.txt
