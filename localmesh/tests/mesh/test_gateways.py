"""Gateways in a running mesh: shared by selectors, brought along as a Deployment, and on the way out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from localmesh.manifests import load_text
from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.server.status import gateways
from localmesh.tests.web import WEB
from localmesh.translate.from_manifests import find

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("mesh")]

APPLICATION = (
    WEB
    + """---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  action: DENY
  rules:
    - to: [{operation: {paths: [/private]}}]
      from: [{source: {notPrincipals: [cluster.local/ns/edge/sa/front]}}]
"""
)

SHARED = """---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: first, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [first.example.com]}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: second, namespace: office}
spec:
  selector: {app: istio-ingressgateway, istio: ingressgateway}
  servers:
    - {port: {number: 80, name: http, protocol: HTTP}, hosts: [second.example.com]}
    - {port: {number: 15030, name: http-more, protocol: HTTP}, hosts: [second.example.com]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: both, namespace: shop}
spec:
  hosts: [first.example.com, second.example.com]
  gateways: [first, office/second]
  http: [{route: [{destination: {host: web}}]}]
"""

FRONT = """---
apiVersion: v1
kind: ServiceAccount
metadata: {name: front, namespace: edge}
---
apiVersion: v1
kind: Service
metadata: {name: front, namespace: edge}
spec: {selector: {app: front}, ports: [{name: http2, port: 80, targetPort: 8081}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: front, namespace: edge}
spec:
  replicas: 2
  selector: {matchLabels: {app: front}}
  template:
    metadata:
      labels: {app: front, tier: private}
      annotations: {inject.istio.io/templates: gateway}
    spec:
      serviceAccountName: front
      containers: [{name: istio-proxy, image: auto}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: private, namespace: shop}
spec:
  selector: {tier: private}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: private, namespace: shop}
spec:
  hosts: ["*"]
  gateways: [private]
  http: [{route: [{destination: {host: web}}]}]
"""

EGRESS = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: outside, namespace: shop}}
spec:
  hosts: [outside.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{{address: 127.0.0.1, ports: {{http: {port}}}}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: egress, namespace: shop}}
spec:
  selector: {{istio: egressgateway}}
  servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: [outside.example.com]}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: egress, namespace: shop}}
spec:
  host: istio-egressgateway.istio-system.svc.cluster.local
  subsets: [{{name: outside}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: outside, namespace: shop}}
spec:
  hosts: [outside.example.com]
  gateways: [egress, mesh]
  http:
    - match: [{{gateways: [mesh], port: 80}}]
      route:
        - destination:
            host: istio-egressgateway.istio-system.svc.cluster.local
            subset: outside
            port: {{number: 80}}
    - match: [{{gateways: [egress], port: 80}}]
      route: [{{destination: {{host: outside.example.com, port: {{number: 80}}}}}}]
      headers: {{request: {{set: {{left-by: egress-gateway}}}}}}
"""

SECURE_EGRESS = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: secure, namespace: shop}}
spec:
  hosts: [secure.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{{address: 127.0.0.1, ports: {{http: {port}}}}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: secure-egress, namespace: shop}}
spec:
  selector: {{istio: egressgateway}}
  servers:
    - port: {{number: 443, name: https, protocol: HTTPS}}
      hosts: [secure.example.com]
      tls: {{mode: ISTIO_MUTUAL}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: secure-egress, namespace: shop}}
spec:
  host: istio-egressgateway.istio-system.svc.cluster.local
  subsets:
    - name: secure
      trafficPolicy:
        portLevelSettings:
          - {{port: {{number: 443}}, tls: {{mode: ISTIO_MUTUAL, sni: secure.example.com}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: secure, namespace: shop}}
spec:
  hosts: [secure.example.com]
  gateways: [secure-egress, mesh]
  http:
    - match: [{{gateways: [mesh], port: 80}}]
      route:
        - destination:
            host: istio-egressgateway.istio-system.svc.cluster.local
            subset: secure
            port: {{number: 443}}
    - match: [{{gateways: [secure-egress], port: 443}}]
      route: [{{destination: {{host: secure.example.com, port: {{number: 80}}}}}}]
      headers: {{request: {{set: {{left-by: "%DOWNSTREAM_PEER_URI_SAN%"}}}}}}
"""


Answers = Mapping[str, tuple[int, str]]
"""Status and body of the answers, by the name of the request."""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """What each request got."""
    return asyncio.run(_ask_all(tmp_path_factory.mktemp("gateways")))


async def _ask_all(folder: Path) -> Answers:
    async with (
        _outside() as port,
        Mesh(MeshSettings(folder / "state", folder)) as mesh,
        aiohttp.ClientSession() as session,
    ):
        egress = EGRESS.format(port=port) + SECURE_EGRESS.format(port=port)
        await mesh.apply(load_text(APPLICATION + SHARED + FRONT + egress).resources)
        addresses = gateways(mesh)
        ingress = addresses["istio-ingressgateway"]
        fronts = [ports["http"] for name, ports in sorted(addresses.items()) if name.startswith("front")]
        sidecar = f"http://{find(mesh.desired_state.proxies, 'web').outbound}"
        requests = {
            "first host": (ingress["http"], "first.example.com", None),
            "second host": (ingress["http"], "second.example.com", None),
            "second port": (ingress["http-15030"], "second.example.com", None),
            "first host at the second port": (ingress["http-15030"], "first.example.com", None),
            "private path at the ingress gateway": (f"{ingress['http']}/private", "first.example.com", None),
            "front": (f"{fronts[0]}/private", "anything.example.com", None),
            "front, second pod": (f"{fronts[1]}/private", "anything.example.com", None),
            "front, from inside": ("http://front.edge/", "front.edge", sidecar),
            "outside": ("http://outside.example.com/", "outside.example.com", sidecar),
            "outside, secured": ("http://secure.example.com/", "secure.example.com", sidecar),
        }
        answers_by_name = {}
        for name, (url, host, proxy) in requests.items():
            async with session.get(url, headers={"Host": host}, proxy=proxy) as answer:
                answers_by_name[name] = answer.status, await answer.text()
        answers_by_name["addresses"] = (
            len({url for ports in addresses.values() for url in ports.values()}),
            " ".join(
                name.partition("-")[0] if name.startswith("front") else name for name in sorted(addresses)
            ),
        )
        return answers_by_name


@asynccontextmanager
async def _outside() -> AsyncIterator[int]:
    """A server outside the mesh, which says by whom a request left it."""

    async def left_by(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("left-by", "itself"))

    app = web.Application()
    app.router.add_get("/", left_by)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def test_gateways_with_different_selectors_share_port_80_of_the_pods_that_both_select(
    answers: Answers,
) -> None:
    """Each request is answered: none is left to the listener that happens to take the connection."""
    assert [answers[name][0] for name in ("first host", "second host", "second port")] == [200, 200, 200]
    assert answers["first host at the second port"][0] == 404


def test_a_gateway_of_a_deployment_calls_with_its_own_identity(answers: Answers) -> None:
    """A policy that names its ServiceAccount lets it pass, and not Istio's ingress gateway."""
    assert answers["front"][0] == 200
    assert answers["private path at the ingress gateway"] == (403, "RBAC: access denied")


def test_every_pod_of_a_gateway_has_addresses_of_its_own(answers: Answers) -> None:
    """Two gateways and three pods serve port 80 beside each other."""
    assert answers["front, second pod"][0] == 200
    assert answers["addresses"] == (6, "front front istio-egressgateway istio-ingressgateway")


def test_a_gateway_is_called_by_its_service_from_inside(answers: Answers) -> None:
    """Its pods are endpoints of the Service in front of them."""
    assert answers["front, from inside"][0] == 200


def test_a_call_leaves_through_the_egress_gateway(answers: Answers) -> None:
    """From the sidecar to the gateway's Service, and from there to the host outside: Istio's own task."""
    assert answers["outside"] == (200, "egress-gateway")


def test_a_call_to_the_egress_gateway_is_secured_where_both_say_so(answers: Answers) -> None:
    """With mTLS the gateway knows the caller; without, as by default in Istio, it would not."""
    assert answers["outside, secured"] == (200, "spiffe://cluster.local/ns/shop/sa/default")
