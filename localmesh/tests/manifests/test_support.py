"""What becomes of every field: translated, refused, or without a meaning here."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from localmesh.manifests.support import NOT_TRANSLATED, WITHOUT_MEANING

GOLDEN = Path(__file__).parent / "golden" / "fields.txt"

KINDS = {
    "Gateway": ("istio.json", "networking.istio.io/v1/Gateway"),
    "VirtualService": ("istio.json", "networking.istio.io/v1/VirtualService"),
    "DestinationRule": ("istio.json", "networking.istio.io/v1/DestinationRule"),
    "PeerAuthentication": ("istio.json", "security.istio.io/v1/PeerAuthentication"),
    "RequestAuthentication": ("istio.json", "security.istio.io/v1/RequestAuthentication"),
    "AuthorizationPolicy": ("istio.json", "security.istio.io/v1/AuthorizationPolicy"),
    "ServiceEntry": ("istio.json", "networking.istio.io/v1/ServiceEntry"),
    "Sidecar": ("istio.json", "networking.istio.io/v1/Sidecar"),
    "Service": ("kubernetes.json", "v1/Service"),
    "Deployment": ("kubernetes.json", "apps/v1/Deployment"),
}


def _fields(schemas: dict[str, Any], node: dict[str, Any], path: str, decided: set[str]) -> Iterator[str]:
    """All fields of a schema; what is below a decided one, or in a mapping of the user's, is not listed."""
    if "$ref" in node:
        node = schemas["$defs"][node["$ref"].removeprefix("#/$defs/")]
    if isinstance(node.get("items"), dict):
        yield from _fields(schemas, node["items"], f"{path}[]", decided)
    for name, below in node.get("properties", {}).items():
        field = f"{path}.{name}"
        yield field
        if field not in decided:
            yield from _fields(schemas, below, field, decided)


def _table() -> Iterator[str]:
    for kind, (name, key) in KINDS.items():
        schemas = json.loads((files("localmesh.manifests") / "schemas" / name).read_text(encoding="utf-8"))
        spec = schemas["$defs"][schemas["kinds"][key]]["properties"]["spec"]
        refused, idle = set(NOT_TRANSLATED.get(kind, {})), set(WITHOUT_MEANING.get(kind, {}))
        fields = set(_fields(schemas, spec, "spec", refused | idle))
        assert fields >= refused | idle, f"{kind} has no {sorted((refused | idle) - fields)}"
        for field in sorted(fields):
            fate = "refused" if field in refused else "without meaning" if field in idle else "translated"
            yield f"{kind} {field}: {fate}"


def test_the_fate_of_every_field_is_golden(update_golden: bool) -> None:
    """A field of a new version of Istio or Kubernetes must not slip through: read what `make golden` adds."""
    table = "\n".join(_table()) + "\n"
    if update_golden:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(table, encoding="utf-8")

    assert GOLDEN.read_text(encoding="utf-8") == table
