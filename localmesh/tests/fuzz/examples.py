"""Meshes with one generated object of Istio's, and their translation."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from localmesh.kinds import Kind
from localmesh.manifests import LoadResult, load_text
from localmesh.problems import ManifestError
from localmesh.tests.fuzz.shapes import KINDS, objects
from localmesh.translate import ProxyConfig, translate
from localmesh.translate.from_manifests import proxies
from localmesh.xds import Encoder

MESH = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: other, namespace: shop}
spec: {selector: {app: other}, ports: [{name: http, port: 80}, {name: any, port: 9000}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web, version: v1}}
  template:
    metadata: {labels: {app: web, version: v1}}
    spec: {containers: [{name: web, image: stub, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
"""


GATEWAY_API = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: api, namespace: shop}
spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
"""


def _object(kind: Kind, spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": kind.api_versions[0],
        "kind": kind.name,
        "metadata": {"name": "generated", "namespace": "shop"},
        "spec": spec,
    }


def _objects(kind: Kind) -> st.SearchStrategy[dict[str, Any]]:
    return objects(kind).map(lambda spec: _object(kind, spec))


GENERATED = {kind.name: _objects(kind) for kind in KINDS}


def configurations(generated: dict[str, Any]) -> tuple[ProxyConfig, ...] | None:
    """The configurations of all proxies, or None if localmesh refuses the object; other errors are bugs."""
    try:
        mesh = f"{MESH}---{GATEWAY_API}" if generated["kind"] == "HTTPRoute" else MESH
        loaded = load_text(f"{mesh}---\n{json.dumps(generated, ensure_ascii=False)}")
    except ManifestError as error:
        message = str(error)
    else:
        return _translated(loaded)
    assert message
    return None


def _translated(loaded: LoadResult) -> tuple[ProxyConfig, ...]:
    catalog, known = proxies(loaded.resources)
    configs = tuple(translate(catalog, proxy) for proxy in known)
    encoder = Encoder()
    for config in configs:
        encoder.snapshot(config)
    return configs
