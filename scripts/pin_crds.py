"""Generate tests/schemas: the custom resource definitions to validate overlays for other tools.

A developer tool, run when a new version of another tool is adopted. It reads the published definitions,
removes the prose, and writes each definition to a file; the result is committed.

    .venv/bin/python scripts/pin_crds.py FLAGGER_CHECKOUT ARGO_ROLLOUTS_CHECKOUT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

DEFINITIONS = {
    "Canary": "artifacts/flagger/crd.yaml",
    "Rollout": "manifests/crds/rollout-crd.yaml",
    "AnalysisTemplate": "manifests/crds/analysis-template-crd.yaml",
}
TARGET = Path(__file__).resolve().parent.parent / "tests" / "schemas"


def without_prose(schema: Any) -> Any:
    """The schema without any `description`; a property of that name is kept."""
    if isinstance(schema, list):
        return [without_prose(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            kept[key] = {name: without_prose(inner) for name, inner in value.items()}
        elif key != "description":
            kept[key] = without_prose(value)
    return kept


def main(checkouts: list[str]) -> None:
    """Write every definition that one of the checkouts contains."""
    for kind, path in DEFINITIONS.items():
        file = next(Path(checkout) / path for checkout in checkouts if (Path(checkout) / path).exists())
        documents = filter(None, yaml.safe_load_all(file.read_text()))
        definition = next(document for document in documents if document["spec"]["names"]["kind"] == kind)
        for version in definition["spec"]["versions"]:
            version.pop("additionalPrinterColumns", None)
        text = json.dumps(without_prose(definition), separators=(",", ":"), sort_keys=True)
        (TARGET / f"{kind.lower()}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
