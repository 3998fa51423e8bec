"""External authorizers: the extension providers that AuthorizationPolicies with the action CUSTOM name.

istiod: pilot/pkg/security/authz/builder/extauthz.go, `processExtensionProvider`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from localmesh.catalog.mesh_config import ExtensionProvider, MeshConfig
from localmesh.catalog.services import Service

HTTP = "envoyExtAuthzHttp"
GRPC = "envoyExtAuthzGrpc"

_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\Z")
_HEADER_LISTS = (
    "includeRequestHeadersInCheck",
    "includeHeadersInCheck",
    "headersToDownstreamOnDeny",
    "headersToDownstreamOnAllow",
    "headersToUpstreamOnAllow",
)


@dataclass(frozen=True, slots=True)
class Authorizer:
    """A provider with its Service found; `fault` says why it cannot be used, "" if it can."""

    name: str
    kind: str = ""
    host: str = ""
    port: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    fault: str = ""

    @property
    def is_grpc(self) -> bool:
        """Whether it speaks gRPC, so that it can be asked about connections that are not HTTP as well."""
        return self.kind == GRPC


def authorizer(name: str, mesh_config: MeshConfig, services: Iterable[Service]) -> Authorizer:
    """The authorizer that a policy names."""
    provider = mesh_config.provider(name)
    if provider is None or provider.kind not in (HTTP, GRPC):
        known = [each.name for each in mesh_config.extension_providers if each.kind in (HTTP, GRPC)]
        return Authorizer(name, fault=f"the mesh has no such provider; it has {', '.join(known) or 'none'}")
    found = _service(str(provider.settings.get("service", "")), services)
    fault = _fault(provider) or (found if isinstance(found, str) else "")
    if fault or isinstance(found, str):
        return Authorizer(name, provider.kind, fault=fault)
    port = int(provider.settings["port"])
    return Authorizer(name, provider.kind, found.host, port, provider.settings)


def _fault(provider: ExtensionProvider) -> str:
    settings = provider.settings
    if not _NAME.match(provider.name):
        return "its name is not of at most 63 small letters, digits and -"
    if not 1 <= int(settings.get("port", 0)) <= 65535:
        return "it has no port from 1 to 65535"
    if settings.get("pathPrefix") and not settings["pathPrefix"].startswith("/"):
        return "its pathPrefix does not start with /"
    if not _is_status(settings.get("statusOnError", "")):
        return "its statusOnError is not an HTTP status code"
    if any("*" in settings.get(name, ()) for name in _HEADER_LISTS):
        return "a header is only *, instead of a name, PREFIX* or *SUFFIX"
    return ""


def _service(written: str, services: Iterable[Service]) -> Service | str:
    """The Service of a provider, or why there is none; NAMESPACE/HOST says in which namespace it is."""
    namespace, slash, host = written.rpartition("/")
    found = [
        service
        for service in services
        if service.host == host and (not slash or service.namespace == namespace)
    ]
    return found[0] if found else f"there is no Service or ServiceEntry {written}"


def _is_status(text: str) -> bool:
    return not text or (text.isdecimal() and int(text) in STATUSES)


STATUSES = frozenset(
    {100, *range(200, 209), 226, *range(300, 309), *range(400, 418), 421, 422, 423, 424, 426, 428, 429, 431}
    | {*range(500, 509), 510, 511} - {306}
)
"""The codes of Envoy's type.v3.StatusCode."""
