"""The status of every field: translated, unsupported or ineffective."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from localmesh.kinds import Kind
from localmesh.kinds.authorization_policy import AUTHORIZATION_POLICY
from localmesh.kinds.deployment import DEPLOYMENT
from localmesh.kinds.destination_rule import DESTINATION_RULE
from localmesh.kinds.endpoints import ENDPOINT_SLICE, ENDPOINTS
from localmesh.kinds.envoy_filter import ENVOY_FILTER
from localmesh.kinds.extensions import TRAFFIC_EXTENSION, WASM_PLUGIN
from localmesh.kinds.gateway import GATEWAY
from localmesh.kinds.gateway_api import (
    BACKEND_TLS_POLICY,
    GATEWAY_CLASS,
    GROUP,
    KUBERNETES_GATEWAY,
    LISTENER_SET,
    REFERENCE_GRANT,
    ROUTES,
)
from localmesh.kinds.kind import Status
from localmesh.kinds.peer_authentication import PEER_AUTHENTICATION
from localmesh.kinds.registry import KINDS as ALL
from localmesh.kinds.request_authentication import REQUEST_AUTHENTICATION
from localmesh.kinds.service import SERVICE
from localmesh.kinds.service_entry import SERVICE_ENTRY
from localmesh.kinds.sidecar import SIDECAR
from localmesh.kinds.telemetry import TELEMETRY
from localmesh.kinds.virtual_service import VIRTUAL_SERVICE
from localmesh.kinds.workload_entry import WORKLOAD_ENTRY

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
    WORKLOAD_ENTRY,
    ENVOY_FILTER,
    TELEMETRY,
    WASM_PLUGIN,
    TRAFFIC_EXTENSION,
    GATEWAY_CLASS,
    KUBERNETES_GATEWAY,
    LISTENER_SET,
    *ROUTES,
    REFERENCE_GRANT,
    BACKEND_TLS_POLICY,
    SERVICE,
    ENDPOINT_SLICE,
    ENDPOINTS,
    DEPLOYMENT,
)


def test_every_kind_of_istio_that_is_translated_is_in_the_table() -> None:
    """A kind is not supported before the status of its fields has been reviewed."""
    translated = {
        kind
        for kind in ALL.values()
        if kind.status is Status.TRANSLATED and kind.group.endswith((".istio.io", GROUP))
    }

    assert translated - set(KINDS) == set(), "add it to KINDS in this file, and run `make golden`"


def _fields(schemas: dict[str, Any], node: dict[str, Any], path: str, decided: set[str]) -> Iterator[str]:
    """All fields of a schema, except those below a decided one and in mappings with keys of the user."""
    if "$ref" in node:
        node = schemas["$defs"][node["$ref"].removeprefix("#/$defs/")]
    if isinstance(node.get("items"), dict):
        yield from _fields(schemas, node["items"], f"{path}[]", decided)
    for name, below in node.get("properties", {}).items():
        field = f"{path}.{name}"
        yield field
        if field not in decided:
            yield from _fields(schemas, below, field, decided)


_COMMON = {"apiVersion", "kind", "metadata", "status"}


def _table() -> Iterator[str]:
    for kind in KINDS:
        name = _schema_file(kind)
        schemas = json.loads((files("localmesh.manifests") / "schemas" / name).read_text(encoding="utf-8"))
        key = f"{kind.api_versions[0]}/{kind.name}"
        properties = schemas["$defs"][schemas["kinds"][key]]["properties"]
        unsupported, ineffective = set(kind.unsupported_fields), set(kind.ineffective_fields)
        fields = {
            field
            for part in properties.keys() - _COMMON
            for field in (part, *_fields(schemas, properties[part], part, unsupported | ineffective))
        }
        fields -= {"spec"}
        assert fields >= unsupported | ineffective, (kind, (unsupported | ineffective) - fields)
        for field in sorted(fields):
            yield f"{_name(kind)} {field}: {_status(field, kind)}"


def _schema_file(kind: Kind) -> str:
    if kind.group == GROUP:
        return "gateway_api.json"
    return "istio.json" if kind.group.endswith(".istio.io") else "kubernetes.json"


def _name(kind: Kind) -> str:
    """The name of a kind, with its group where Istio has one of that name."""
    return f"{kind.name}.{kind.group}" if kind is KUBERNETES_GATEWAY else kind.name


def _status(field: str, kind: Kind) -> str:
    if field in kind.unsupported_fields:
        return "unsupported"
    return "ineffective" if field in kind.ineffective_fields else "translated"


def test_the_status_of_every_field_is_golden(update_golden: bool) -> None:
    """A field of a new version of Istio or Kubernetes must not go unnoticed: review what is added."""
    table = "\n".join(_table()) + "\n"
    if update_golden:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(table, encoding="utf-8")

    assert GOLDEN.read_text(encoding="utf-8") == table
