#!/usr/bin/env bash
# Adds kustomize components to the manifests on standard input and prints the result.
#   scripts/with_component.sh k8s/components/dev < manifests.yaml
set -euo pipefail

cd "$(dirname "$0")/.."
folder=$(mktemp -d .with-component.XXXXXX) # in this folder, as kustomize accepts only relative paths
trap 'rm -rf "$folder"' EXIT
cat >"$folder/manifests.yaml"
{
  printf 'resources: [manifests.yaml]\ncomponents:\n'
  printf -- '- ../%s\n' "$@"
} >"$folder/kustomization.yaml"
if command -v kubectl >/dev/null; then kubectl kustomize "$folder"; else kustomize build "$folder"; fi
