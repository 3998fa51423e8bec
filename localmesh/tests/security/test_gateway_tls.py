"""TLS at a gateway: certificates from Secrets, their rotation, and clients with certificates."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest

from localmesh.cli.host_certificates import HostAuthority, Pair
from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.tests.mesh.shop import V1, apply
from localmesh.tests.security.credentials import secret, tls_secret

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("security")]

SERVED = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
    - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"], tls: {httpsRedirect: true}}
    - port: {number: 443, name: https, protocol: HTTPS}
      hosts: [shop.example.com]
      tls: {mode: SIMPLE, credentialName: shop}
    - port: {number: 443, name: https-missing, protocol: HTTPS}
      hosts: [missing.example.com]
      tls: {mode: SIMPLE, credentialName: missing}
    - port: {number: 443, name: https-partners, protocol: HTTPS}
      hosts: [partners.example.com]
      tls: {mode: MUTUAL, credentialName: partners, subjectAltNames: [client.example.com]}
    - port: {number: 443, name: https-anybody, protocol: HTTPS}
      hosts: [anybody.example.com]
      tls: {mode: OPTIONAL_MUTUAL, credentialName: partners, minProtocolVersion: TLSV1_3}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec: {hosts: ["*"], gateways: [edge], http: [{route: [{destination: {host: web}}]}]}
"""


class Clients:
    """Clients of a gateway that trust one CA."""

    def __init__(self, mesh: Mesh, authority: HostAuthority, folder: Path) -> None:
        (self._gateway,) = mesh.gateways.values()
        self._authority = authority
        self._folder = folder

    async def answer(
        self, host: str, *, client: Pair | None = None, version: ssl.TLSVersion | None = None
    ) -> tuple[int, str]:
        """Status and x-forwarded-client-cert of an answer; (0, …) if there was no TLS connection."""
        context = ssl.create_default_context(cadata=self._authority.pair.certificate.decode())
        if client is not None:
            file = self._folder / "client.pem"
            file.write_bytes(client.certificate + client.private_key)
            context.load_cert_chain(file)
        if version is not None:
            context.maximum_version = version
        url = f"https://{self._gateway.proxy.listen[8443]}/"
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(url, ssl=context, server_hostname=host, headers={"Host": host}) as answer,
            ):
                seen = (await answer.json())["headers"] if answer.status == 200 else {}
                return answer.status, seen.get("x-forwarded-client-cert", "")
        except aiohttp.ClientError as error:
            return 0, type(error).__name__

    async def serial_number(self, host: str) -> str:
        """The serial number of the certificate that clients of a host get."""
        context = ssl.create_default_context(cadata=self._authority.pair.certificate.decode())
        address = self._gateway.proxy.listen[8443]
        _, writer = await asyncio.open_connection(
            address.host, address.port, ssl=context, server_hostname=host
        )
        certificate = writer.get_extra_info("peercert")
        writer.transport.abort()
        return str(certificate["serialNumber"])


def test_a_gateway_serves_https_with_the_certificates_of_secrets(tmp_path: Path) -> None:
    """A missing one closes the connections of its own hosts only; clients are verified where required."""
    authority, other = HostAuthority(1), HostAuthority(1)
    pair, partners = authority.issue(["shop.example.com"]), authority.issue(["*.example.com"])
    generic = {"cert": partners.certificate, "key": partners.private_key, "cacert": other.pair.certificate}
    secrets = tls_secret("shop", pair) + secret("partners", generic)

    async def run() -> dict[str, tuple[int, str]]:
        async with Mesh(MeshSettings(tmp_path / "state", tmp_path)) as mesh:
            await apply(mesh, SERVED + V1 + secrets)
            clients = Clients(mesh, authority, tmp_path)
            known, stranger = other.issue(["client.example.com"]), authority.issue(["client.example.com"])
            named_otherwise = other.issue(["other.example.com"])
            old = ssl.TLSVersion.TLSv1_2
            return {
                "simple": await clients.answer("shop.example.com"),
                "simple, old": await clients.answer("shop.example.com", version=old),
                "missing": await clients.answer("missing.example.com"),
                "no host": await clients.answer("unknown.example.com"),
                "mutual": await clients.answer("partners.example.com", client=known),
                "mutual, none": await clients.answer("partners.example.com"),
                "mutual, stranger": await clients.answer("partners.example.com", client=stranger),
                "mutual, other name": await clients.answer("partners.example.com", client=named_otherwise),
                "optional": await clients.answer("anybody.example.com", client=known),
                "optional, none": await clients.answer("anybody.example.com"),
                "optional, stranger": await clients.answer("anybody.example.com", client=stranger),
                "optional, old": await clients.answer("anybody.example.com", version=old),
            }

    answers = asyncio.run(run())

    connected = {name for name, (status, _) in answers.items() if status}
    assert connected == {"simple", "simple, old", "mutual", "optional", "optional, none"}
    with_name = {name for name, (_, seen) in answers.items() if "DNS=client.example.com" in seen}
    assert with_name == {"mutual", "optional"}


def test_a_changed_secret_is_the_certificate_of_the_next_connection(tmp_path: Path) -> None:
    """Also one that comes later; one that Envoy would reject leaves the last certificate in place."""
    authority = HostAuthority(1)
    first, second = authority.issue(["shop.example.com"]), authority.issue(["shop.example.com"])
    mixed = Pair(first.certificate, second.private_key)

    async def run() -> list[str]:
        async with Mesh(MeshSettings(tmp_path / "state", tmp_path)) as mesh:
            await apply(mesh, SERVED + V1)
            clients, serials = Clients(mesh, authority, tmp_path), []
            for pair in (first, second, mixed):
                await apply(mesh, SERVED + V1 + tls_secret("shop", pair))
                serials.append(await clients.serial_number("shop.example.com"))
            return serials

    before, after, unchanged = asyncio.run(run())

    assert before != after
    assert unchanged == after
