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
# What an image holds is a part of what was tested: the same versions, without the rest.
for part in services localmesh loadgen; do
  compile --extra "$part" --constraint requirements/dev.txt --no-annotate pyproject.toml -o "requirements/$part.txt"
done
compile --no-deps requirements/kubectl.in -o requirements/kubectl.txt
