"""Make tests/schemas: the custom resource definitions that overlays for other tools are checked against.

A tool for developers, run when another version of a tool is adopted. It reads what the tools publish,
takes the prose out, and writes one definition a file; the result is committed.

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
    """The same without `description`, also not in the properties; a property of that name stays."""
    if isinstance(schema, list):
        return [without_prose(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            kept[key] = {name: without_prose(each) for name, each in value.items()}
        elif key != "description":
            kept[key] = without_prose(value)
    return kept


def main(checkouts: list[str]) -> None:
    """Write every definition that one of the checkouts has."""
    for kind, path in DEFINITIONS.items():
        file = next(Path(checkout) / path for checkout in checkouts if (Path(checkout) / path).exists())
        definitions = (each for each in yaml.safe_load_all(file.read_text()) if each)
        definition = next(each for each in definitions if each["spec"]["names"]["kind"] == kind)
        for version in definition["spec"]["versions"]:
            version.pop("additionalPrinterColumns", None)
        text = json.dumps(without_prose(definition), separators=(",", ":"), sort_keys=True)
        (TARGET / f"{kind.lower()}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
