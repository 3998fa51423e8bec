"""What becomes of every field: translated, refused, or without a meaning here."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from localmesh.kinds.authorization_policy import AUTHORIZATION_POLICY
from localmesh.kinds.deployment import DEPLOYMENT
from localmesh.kinds.destination_rule import DESTINATION_RULE
from localmesh.kinds.gateway import GATEWAY
from localmesh.kinds.peer_authentication import PEER_AUTHENTICATION
from localmesh.kinds.request_authentication import REQUEST_AUTHENTICATION
from localmesh.kinds.service import SERVICE
from localmesh.kinds.service_entry import SERVICE_ENTRY
from localmesh.kinds.sidecar import SIDECAR
from localmesh.kinds.virtual_service import VIRTUAL_SERVICE

GOLDEN = Path(__file__).parent / "golden" / "fields.txt"

KINDS = (
    GATEWAY,
    VIRTUAL_SERVICE,
    DESTINATION_RULE,
    PEER_AUTHENTICATION,
    REQUEST_AUTHENTICATION,
    AUTHORIZATION_POLICY,
    SERVICE_ENTRY,
    SIDECAR,
    SERVICE,
    DEPLOYMENT,
)


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
    for kind in KINDS:
        name = "istio.json" if kind.group.endswith(".istio.io") else "kubernetes.json"
        schemas = json.loads((files("localmesh.manifests") / "schemas" / name).read_text(encoding="utf-8"))
        key = f"{kind.api_versions[0]}/{kind.name}"
        spec = schemas["$defs"][schemas["kinds"][key]]["properties"]["spec"]
        unsupported, ineffective = set(kind.unsupported_fields), set(kind.ineffective_fields)
        fields = set(_fields(schemas, spec, "spec", unsupported | ineffective))
        assert fields >= unsupported | ineffective, (kind, (unsupported | ineffective) - fields)
        for field in sorted(fields):
            status = (
                "refused"
                if field in unsupported
                else "without meaning"
                if field in ineffective
                else "translated"
            )
            yield f"{kind.name} {field}: {status}"


def test_the_fate_of_every_field_is_golden(update_golden: bool) -> None:
    """A field of a new version of Istio or Kubernetes must not slip through: read what `make golden` adds."""
    table = "\n".join(_table()) + "\n"
    if update_golden:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(table, encoding="utf-8")

    assert GOLDEN.read_text(encoding="utf-8") == table
