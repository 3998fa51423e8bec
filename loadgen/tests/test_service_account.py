"""loadgen in a pod: the cluster's API over TLS, with the token and the authority that the kubelet mounts."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from loadgen.errors import NotReachable
from loadgen.meshstate import MeshApi
from loadgen.meshstate.location import ServiceAccount
from loadgen.tests.authority import write_authority
from loadgen.tests.servers import Received, json_answer, read_request, serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the kubelet mounts, and beside it the key of the API server."""
    write_authority(tmp_path / "ca.crt", tmp_path / "key.pem")
    (tmp_path / "token").write_text("first\n")
    return tmp_path


def own(url: str, folder: Path) -> ServiceAccount | None:
    """What a pod in whose cluster the API is at this address knows."""
    parts = urlsplit(url)
    environ = {"KUBERNETES_SERVICE_HOST": str(parts.hostname), "KUBERNETES_SERVICE_PORT": str(parts.port)}
    return ServiceAccount.of_this_pod(environ, folder)


def test_a_pod_speaks_to_its_own_api(folder: Path) -> None:
    """Over TLS, with the token as it is at that moment."""
    received: list[Received] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            received.append(await read_request(reader))
            writer.write(json_answer(200, {"items": []}))

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "ca.crt", folder / "key.pem")

    with serving(handle, tls) as url:
        account = own(url, folder)
        assert account is not None
        with MeshApi(account.url, "sentimesh", service_account=account) as api:
            api.pods(app="logic")
            (folder / "token").write_text("second\n")
            api.pods(app="logic")

    assert [request.headers["authorization"] for request in received] == ["Bearer first", "Bearer second"]
    assert received[0].path.startswith("/api/v1/namespaces/sentimesh/pods")


def test_an_api_of_another_authority_is_not_trusted(folder: Path) -> None:
    """The token is not sent to it."""
    received: list[Received] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await read_request(reader))

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "ca.crt", folder / "key.pem")
    write_authority(folder / "ca.crt", folder / "another-key.pem")

    with serving(handle, tls) as url:
        account = own(url, folder)
        assert account is not None
        with MeshApi(account.url, "sentimesh", service_account=account) as api, pytest.raises(NotReachable):
            api.pods(app="logic")

    assert received == []


def test_outside_of_a_pod_there_is_none(tmp_path: Path) -> None:
    """Neither the variables nor the token alone make a pod that may ask."""
    (tmp_path / "with").mkdir()
    (tmp_path / "with" / "token").write_text("token")
    there = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}

    assert ServiceAccount.of_this_pod({}, tmp_path / "with") is None
    assert ServiceAccount.of_this_pod(there, tmp_path / "without") is None
    assert ServiceAccount.of_this_pod(there, tmp_path / "with") is not None


def test_an_address_of_ipv6_is_bracketed(tmp_path: Path) -> None:
    """As URLs want it."""
    (tmp_path / "token").write_text("token")

    account = own("https://[fd00::1]:443", tmp_path)

    assert account is not None
    assert account.url == "https://[fd00::1]:443"
