"""Sends a request as it is, byte for byte, and returns what came back and what the application saw."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

from localmesh.catalog import LOOPBACK, Proxy
from localmesh.explain import OUTSIDE, Request

SECONDS = 60.0
"""How long an answer may take, of a proxy as of an application."""
TARGET_PORTS = {80: 8080, 443: 8443, 9000: 9000}
"""Where the ingress gateway listens for the ports of its servers."""

_ANY_CERTIFICATE = ssl.create_default_context()
_ANY_CERTIFICATE.check_hostname = False
_ANY_CERTIFICATE.verify_mode = ssl.CERT_NONE
_HOP = re.compile(r"(?P<service>[^/]*)/(?P<version>[^/]*)/(?P<pod>[^;,]*)")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and its sender: a workload of the mesh, or a client outside of it.

    For requests from outside, `port` is the gateway's, and `secure` whether it is called with TLS, for the
    host of the authority; `authority` may have another port.
    """

    sender: str
    authority: str
    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    port: int = 80
    secure: bool = False

    @property
    def scheme(self) -> str:
        """http or https."""
        return "https" if self.secure else "http"

    def __str__(self) -> str:
        headers = "".join(f" -H '{name}: {value}'" for name, value in self.headers)
        url = f"{self.scheme}://{self.authority}{self.path}"
        return f"{self.method} {url}{headers} --from {self.sender}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, with status 0 if the connection failed.

    `pod` is the pod that answered, "" if none did; `saw` its report about the request, which a response
    without a body lacks.
    """

    status: int
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    body: str = ""
    pod: str = ""
    saw: Mapping[str, Any] = field(default_factory=dict)


def imagined(asked: Asked) -> Request:
    """The request as explain takes it."""
    host, _, port = asked.authority.partition(":")
    return Request(
        host=host,
        scheme=asked.scheme,
        port=asked.port if asked.sender == OUTSIDE else int(port or 80),
        path=asked.path,
        method=asked.method,
        headers={"host": asked.authority, **dict(asked.headers)},
        source=asked.sender,
        source_ip=LOOPBACK,
    )


def ask(proxy: Proxy, asked: Asked) -> Answer:
    """Sends a request to a proxy."""
    address, target = proxy.outbound, f"http://{asked.authority}{asked.path}"
    if address is None:
        address, target = proxy.listen[TARGET_PORTS[asked.port]], asked.path
    connection = HTTPConnection(address.host, address.port, timeout=SECONDS)
    try:
        if asked.secure:
            connection.connect()
            name = asked.authority.partition(":")[0]
            connection.sock = _ANY_CERTIFICATE.wrap_socket(connection.sock, server_hostname=name)
        connection.putrequest(asked.method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in (("host", asked.authority), *asked.headers):
            connection.putheader(name, value.encode())
        connection.endheaders()
        return _answer(connection.getresponse())
    except (OSError, HTTPException):
        return Answer(0)
    finally:
        connection.close()


def _answer(response: HTTPResponse) -> Answer:
    headers: dict[str, tuple[str, ...]] = {}
    for name, value in response.getheaders():
        headers[name.lower()] = (*headers.get(name.lower(), ()), value.strip(" \t"))
    body = response.read().decode(errors="replace")
    hop = _HOP.match(", ".join(headers.get("served-by", ())))
    if hop is None:
        return Answer(response.status, headers, body)
    return Answer(response.status, headers, body, hop["pod"], json.loads(body or "{}"))
