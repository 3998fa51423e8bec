"""TLS that proxies originate: sidecars with files, an egress gateway with a Secret."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from localmesh.cli.host_certificates import HostAuthority, Pair
from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.server.status import gateways
from localmesh.tests.mesh.shop import V1, apply
from localmesh.tests.security.credentials import secret
from localmesh.translate.from_manifests import find

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("security")]

OUTSIDE = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {host}, namespace: shop}}
spec:
  hosts: [{host}.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{{address: 127.0.0.1, ports: {{http: {port}}}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {host}, namespace: shop}}
spec: {{host: {host}.example.com, trafficPolicy: {{tls: {{{tls}}}}}{selector}}}
"""
EGRESS = """---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: egress, namespace: shop}
spec:
  selector: {istio: egressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [egress.example.com]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: egress, namespace: shop}
spec:
  hosts: [egress.example.com]
  gateways: [egress, mesh]
  http:
    - match: [{gateways: [mesh], port: 80}]
      route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 80}}}]
    - match: [{gateways: [egress], port: 80}]
      route: [{destination: {host: egress.example.com, port: {number: 80}}}]
"""

PASSED_ON = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: passed-on, namespace: shop}}
spec:
  hosts: [first.example.com, second.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{{number: 443, name: tls, protocol: TLS}}]
  endpoints: [{{address: 127.0.0.1, ports: {{tls: {port}}}}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: passed-on, namespace: shop}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
    - port: {{number: 443, name: tls, protocol: TLS}}
      hosts: ["*.example.com"]
      tls: {{mode: PASSTHROUGH}}
    - {{port: {{number: 31400, name: tcp, protocol: TCP}}, hosts: ["*"]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: passed-on, namespace: shop}}
spec:
  hosts: [first.example.com, second.example.com]
  gateways: [passed-on]
  tls:
    - match: [{{sniHosts: [first.example.com]}}]
      route: [{{destination: {{host: first.example.com}}}}]
  tcp:
    - route: [{{destination: {{host: first.example.com, port: {{number: 443}}}}}}]
"""


@asynccontextmanager
async def server(authority: HostAuthority, folder: Path, *, client: bool) -> AsyncIterator[int]:
    """An HTTPS server outside the mesh, on the port that this yields; `client`: it requires a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_verify_locations(cadata=authority.pair.certificate.decode())
    context.verify_mode = ssl.CERT_REQUIRED if client else ssl.CERT_NONE
    context.load_cert_chain(*files(folder, "server", authority.issue(["*.example.com"])))

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def files(folder: Path, name: str, pair: Pair) -> tuple[Path, Path]:
    """A certificate and its key as files."""
    certificate, private_key = folder / f"{name}.crt", folder / f"{name}.key"
    certificate.write_bytes(pair.certificate)
    private_key.write_bytes(pair.private_key)
    return certificate, private_key


def test_proxies_originate_tls_as_destination_rules_say(tmp_path: Path) -> None:
    """The server must prove its name with a trusted CA, and gets the client's certificate in mode MUTUAL."""
    authority = HostAuthority(1)
    pair = authority.issue(["client.example.com"])
    root = tmp_path / "ca.crt"
    root.write_bytes(authority.pair.certificate)
    certificate, private_key = files(tmp_path, "client", pair)
    own = f"clientCertificate: {certificate}, privateKey: {private_key}"
    settings = {
        "trusted": f"mode: SIMPLE, caCertificates: {root}",
        "system": "mode: SIMPLE",
        "unverified": "mode: SIMPLE, insecureSkipVerify: true",
        "named": f'mode: SIMPLE, caCertificates: {root}, subjectAltNames: ["*.example.com"]',
        "misnamed": f"mode: SIMPLE, caCertificates: {root}, subjectAltNames: [other.org]",
        "mutual": f"mode: MUTUAL, {own}, caCertificates: {root}",
        "anonymous": f"mode: SIMPLE, caCertificates: {root}",
        "egress": "mode: MUTUAL, credentialName: client",
        "selected": "mode: MUTUAL, credentialName: client",
        "selecting-others": "mode: MUTUAL, credentialName: client",
    }
    selectors = {
        "selected": ", workloadSelector: {matchLabels: {app: web}}",
        "selecting-others": ", workloadSelector: {matchLabels: {app: other}}",
    }
    keys = {"tls.crt": pair.certificate, "tls.key": pair.private_key, "ca.crt": authority.pair.certificate}

    async def run() -> dict[str, int]:
        async with (
            server(authority, tmp_path, client=False) as open_port,
            server(authority, tmp_path, client=True) as port,
            Mesh(MeshSettings(tmp_path / "state", tmp_path)) as mesh,
            aiohttp.ClientSession() as session,
        ):
            closed = {"mutual", "anonymous", "egress", "selected"}
            outside = "".join(
                OUTSIDE.format(
                    host=host,
                    tls=tls,
                    port=port if host in closed else open_port,
                    selector=selectors.get(host, ""),
                )
                for host, tls in settings.items()
            )
            secrets = secret("client", keys)
            secrets += secrets.replace("istio-system", "shop")
            await apply(mesh, V1 + outside + EGRESS + secrets)
            sidecar = f"http://{find(mesh.desired_state.proxies, 'web-v1').outbound}"
            statuses = {}
            for host in settings:
                async with session.get(f"http://{host}.example.com/", proxy=sidecar) as answer:
                    statuses[host] = answer.status
            return statuses

    statuses = asyncio.run(run())

    refused = {host for host, status in statuses.items() if status != 200}
    assert refused == {"system", "misnamed", "anonymous", "selecting-others"}
    assert {statuses[host] for host in refused - {"selecting-others"}} == {503}


def test_a_gateway_passes_tls_on_by_the_name_that_clients_ask_for(tmp_path: Path) -> None:
    """The client sees the certificate of the server; a name without a route is refused, TCP is forwarded."""
    authority = HostAuthority(1)
    context = ssl.create_default_context(cadata=authority.pair.certificate.decode())

    async def run() -> list[str]:
        async with (
            server(authority, tmp_path, client=False) as port,
            Mesh(MeshSettings(tmp_path / "state", tmp_path)) as mesh,
            aiohttp.ClientSession() as session,
        ):
            await apply(mesh, V1 + PASSED_ON.format(port=port))
            ingress = gateways(mesh)["istio-ingressgateway"]
            answers = []
            for name, at in (("first", "tls-443"), ("second", "tls-443"), ("second", "tcp-31400")):
                url = ingress[at].replace(at.partition("-")[0], "https")
                try:
                    host = f"{name}.example.com"
                    async with session.get(url, ssl=context, server_hostname=host) as answer:
                        answers.append(await answer.text())
                except aiohttp.ClientConnectionError:
                    answers.append("refused")
            return answers

    assert asyncio.run(run()) == ["hello", "refused", "hello"]


SECURE = """---
apiVersion: v1
kind: Service
metadata: {{name: secure, namespace: shop}}
spec: {{selector: {{app: secure}}, ports: [{{name: https, port: 443, targetPort: 8443}}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: secure, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: secure}}}}
  template:
    metadata: {{labels: {{app: secure}}}}
    spec:
      containers:
        - name: secure
          image: secure
          command: [python, -c, {program}]
          env: [{{name: PORT, value: "8443"}}]
          ports: [{{containerPort: 8443}}]
          readinessProbe: {{tcpSocket: {{port: 8443}}, periodSeconds: 1}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: secure, namespace: shop}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
    - port: {{number: 443, name: tls, protocol: TLS}}
      hosts: [secure.example.com]
      tls: {{mode: PASSTHROUGH}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: secure, namespace: shop}}
spec:
  hosts: [secure.example.com]
  gateways: [secure]
  tls:
    - match: [{{sniHosts: [secure.example.com]}}]
      route: [{{destination: {{host: secure, port: {{number: 443}}}}}}]
"""
PROGRAM = """
import http.server, os, ssl
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain({certificate!r}, {private_key!r})
server = http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), http.server.SimpleHTTPRequestHandler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
POLICIES = {
    "none": "",
    "strict": """---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {mtls: {mode: STRICT}}
""",
    "denied": """---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: secure, namespace: shop}
spec:
  selector: {matchLabels: {app: secure}}
  action: DENY
  rules: [{from: [{source: {namespaces: [istio-system]}}], to: [{operation: {ports: ["8443"]}}]}]
""",
    "denied at the gateway": """---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: edge, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  action: DENY
  rules: [{when: [{key: connection.sni, values: [secure.example.com]}]}]
""",
    "allowed for requests": """---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: secure, namespace: shop}
spec:
  selector: {matchLabels: {app: secure}}
  rules: [{to: [{operation: {methods: [GET]}}]}]
""",
}


def test_tls_reaches_a_pod_with_a_sidecar_and_policies_apply_to_the_connection(tmp_path: Path) -> None:
    """Inside the mesh's mTLS; what a policy allows by method cannot be allowed for a connection."""
    authority = HostAuthority(1)
    certificate, private_key = files(tmp_path, "server", authority.issue(["secure.example.com"]))
    program = PROGRAM.format(certificate=str(certificate), private_key=str(private_key))
    manifests = SECURE.format(program=json.dumps(program))
    context = ssl.create_default_context(cadata=authority.pair.certificate.decode())

    async def run() -> dict[str, int]:
        async with Mesh(MeshSettings(tmp_path / "state", tmp_path)) as mesh:
            statuses = {}
            for name, policy in POLICIES.items():
                await apply(mesh, manifests + policy)
                url = gateways(mesh)["istio-ingressgateway"]["tls-443"].replace("tls", "https")
                try:
                    async with (
                        aiohttp.ClientSession() as session,
                        session.get(url, ssl=context, server_hostname="secure.example.com") as answer,
                    ):
                        statuses[name] = answer.status
                except aiohttp.ClientConnectionError:
                    statuses[name] = 0
            return statuses

    statuses = asyncio.run(run())

    assert {name for name, status in statuses.items() if status == 200} == {"none", "strict"}
    assert set(statuses.values()) == {0, 200}
