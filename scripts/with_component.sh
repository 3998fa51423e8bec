#!/usr/bin/env bash
# Adds kustomize components to manifests: reads those from standard input, writes the result.
#   scripts/with_component.sh k8s/components/dev < manifests.yaml
set -euo pipefail

cd "$(dirname "$0")/.."
folder=$(mktemp -d .with-component.XXXXXX) # here, since kustomize takes relative folders alone
trap 'rm -rf "$folder"' EXIT
cat >"$folder/manifests.yaml"
{
  printf 'resources: [manifests.yaml]\ncomponents:\n'
  printf -- '- ../%s\n' "$@"
} >"$folder/kustomization.yaml"
if command -v kubectl >/dev/null; then kubectl kustomize "$folder"; else kustomize build "$folder"; fi
