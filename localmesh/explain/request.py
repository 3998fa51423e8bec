"""An imagined request, and the form it has on its way from proxy to proxy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from localmesh.catalog.mesh_config import Normalization
from localmesh.errors import InvalidInputError
from localmesh.explain.paths import normalized

OUTSIDE = "outside"
"""The source of requests that enter the mesh through a gateway."""
DEFAULT_HOST = "localhost"
"""The host of requests to a gateway whose URL has none."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


class InvalidUrlError(InvalidInputError):
    """A URL that no proxy of the mesh could route."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as its sender writes it.

    `host` is the name in the URL; a header `host` takes its place, as with curl. `path` includes the query.
    `source` is a workload, with or without its namespace (`web-v1`, `web-v1.shop`), a gateway, at which the
    request then enters the mesh, or `OUTSIDE`: the gateway that serves the port and host. `claims` are those
    of an imagined valid token; a written token is an ordinary header. `source_ip` is None where it is not
    known: then a workload has the address of its pod.
    """

    host: str
    path: str = "/"
    method: str = "GET"
    scheme: str = "http"
    port: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    source: str = OUTSIDE
    claims: Mapping[str, Any] | None = None
    source_ip: str | None = None

    @classmethod
    def to(cls, url: str, **others: Any) -> Request:
        """The request for a URL; `http://` and the host of a gateway may be left out. Raises InvalidUrlError.

        >>> Request.to("web:9080/a?b=1", method="POST")
        ... # doctest: +NORMALIZE_WHITESPACE
        Request(host='web', path='/a?b=1', method='POST', scheme='http', port=9080, headers={},
                source='outside', claims=None, source_ip=None)
        """
        if url.startswith("/"):
            if others.get("source", OUTSIDE) != OUTSIDE:
                raise InvalidUrlError(f'"{url}" has no host: from a workload write http://HOST{url}')
            url = f"http://{DEFAULT_HOST}{url}"
        parts = _parts(url)
        query = f"?{parts.query}" if parts.query else ""
        return cls(
            host=_host(parts.netloc),
            path=(parts.path or "/") + query,
            scheme=parts.scheme,
            port=parts.port,
            **others,
        )

    @property
    def destination_port(self) -> int:
        """The port that is called: the URL's, else the scheme's."""
        return self.port or _DEFAULT_PORTS[self.scheme]

    @property
    def authority(self) -> str:
        """The host and, unless it is the scheme's own, the port."""
        if self.port in (None, _DEFAULT_PORTS[self.scheme]):
            return self.host
        return f"{self.host}:{self.port}"


def _host(netloc: str) -> str:
    """The host as it is written: Envoy compares an `authority` with its case."""
    host = netloc.rpartition("@")[2]
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _parts(url: str) -> Any:
    written = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(written)
    except ValueError as error:
        raise InvalidUrlError(
            f'"{url}" is not a URL: {error}; write one such as http://web:8080/path'
        ) from None
    try:
        port_is_valid = parts.port != 0
    except ValueError:
        port_is_valid = False
    if not port_is_valid:
        raise InvalidUrlError(f'"{url}" has a port that is not a number from 1 to 65535')
    if "[" in parts.netloc:
        raise InvalidUrlError(f'"{url}" has an IPv6 address, which the mesh does not route: name a host')
    if parts.scheme not in _DEFAULT_PORTS:
        raise InvalidUrlError(f'"{url}" has the scheme {parts.scheme}; routes are for http:// and https://')
    if not parts.hostname or any(character.isspace() for character in written):
        raise InvalidUrlError(f'"{url}" is not a URL; write one such as http://web:8080/path')
    return parts


@dataclass(frozen=True, slots=True)
class Message:
    """A request as it arrives at a proxy.

    Names of headers are in lower case. `identity` is the SPIFFE ID that the sender has proven, "" without
    mTLS; `address` the sender's.
    """

    method: str
    scheme: str
    authority: str
    path: str
    headers: Mapping[str, str]
    port: int
    identity: str = ""
    address: str = ""
    server_name: str = ""
    claims: Mapping[str, Any] | None = None
    """Those of an imagined token, which is taken to be where its receiver looks for it."""
    verified_claims: Mapping[str, Any] | None = None
    """Those of a token that the proxy has found valid."""
    first_values: Mapping[str, str] = field(default_factory=dict)
    """Of headers to which proxies have added values: `headers` has them joined."""
    normalization: Normalization = Normalization.DEFAULT
    """What proxies do to paths."""

    @property
    def host(self) -> str:
        """The authority without a port, in lower case."""
        host, colon, port = self.authority.rpartition(":")
        return (host if colon and port.isdigit() else self.authority).lower()

    @property
    def bare_path(self) -> str:
        """The path without its query and fragment, which routes compare."""
        return self.path.partition("#")[0].partition("?")[0]

    def header(self, name: str) -> str | None:
        """The value of a header or of a pseudo header such as `:method`; None if it is absent."""
        pseudo = {
            ":method": self.method,
            ":authority": self.authority,
            "host": self.authority,
            ":scheme": self.scheme,
            ":path": self.path,
        }
        name = name.lower()
        return pseudo[name] if name in pseudo else self.headers.get(name)

    def first_value(self, name: str) -> str | None:
        """The value of a header, of several the first; None if it is absent."""
        return self.first_values.get(name.lower(), self.header(name))

    def with_headers(self, headers: Mapping[str, str]) -> Message:
        """The same with other headers."""
        return replace(self, headers=headers)


def message_of(
    request: Request, address: str, normalization: Normalization = Normalization.DEFAULT
) -> Message:
    """The request as the first proxy reads it.

    The connection is to the port of the URL, whatever a header `host` says.
    """
    headers = {name.lower(): value.strip(" \t") for name, value in request.headers.items()}
    return Message(
        method=request.method,
        scheme=request.scheme,
        authority=headers.pop("host", request.authority),
        path=normalized(request.path, normalization),
        headers=headers,
        port=request.destination_port,
        address=request.source_ip or address,
        claims=request.claims,
        normalization=normalization,
    )
