"""The mesh-wide settings: fields that Istio ignores or that change nothing here, and unusable providers."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.analysis.object_checks import once_per_object
from localmesh.catalog import Catalog
from localmesh.catalog.authorizers import GRPC, HTTP, STATUSES
from localmesh.catalog.mesh_config import mesh_config_object
from localmesh.formats.hostnames import is_address, is_domain, is_label, is_wildcard_domain
from localmesh.kinds.mesh_config import INEFFECTIVE, ISTIO_DEFAULTS
from localmesh.manifests import Resource
from localmesh.manifests.mesh_config import mesh_settings
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field, quoted

_WITHOUT_SERVICE = frozenset({"prometheus", "stackdriver", "envoyFileAccessLog", "sds"})
_AUTHORIZERS = frozenset({HTTP, GRPC})


def mesh_config(catalog: Catalog) -> Iterator[Problem]:
    """What of the mesh-wide settings is ignored."""
    resource = mesh_config_object(catalog.objects)
    if resource is not None:
        yield from _settings(resource)


@once_per_object
def _settings(resource: Resource) -> Iterator[Problem]:
    settings = mesh_settings(resource)
    yield from settings.unknown
    for path, reason in INEFFECTIVE.items():
        field = settings.root.get(*path.split("."))
        if field and field.value not in (ISTIO_DEFAULTS.get(path), "", [], {}):
            yield field.problem(warnings.NO_EFFECT_HERE, reason=reason)
    providers = settings.root.get("extensionProviders")
    names: set[str] = set()
    for provider in providers.items():
        yield from _provider(provider, names)
        names.add(provider.get("name").text or "")


def _provider(provider: Field, earlier: set[str]) -> Iterator[Problem]:
    """istio: pkg/config/validation/agent/extensionprovider.go."""
    name = provider.get("name")
    if not name.text:
        yield _bad(provider, "no name", "a name", "add name")
    elif name.text in earlier:
        yield _bad(
            name, quoted(name.value), "a name of its own: the last of two counts", "rename or remove one"
        )
    kinds = [(kind, settings) for kind, settings in provider.entries() if kind != "name"]
    if not kinds:
        yield _bad(
            provider, "no provider", "one of envoyExtAuthzHttp, opentelemetry, …", "add one, or remove it"
        )
    for kind, settings in kinds:
        yield from _ignored(kind, settings)
        if kind not in _WITHOUT_SERVICE:
            yield from _service(settings)
        if kind in _AUTHORIZERS:
            yield from _authorizer(settings)
        if kind == "lightstep" and not settings.get("accessToken").text:
            yield _bad(settings, "no accessToken", "an access token", "add accessToken")
        if kind == "opentelemetry" and settings.get("http") and settings.get("grpc"):
            yield _bad(settings, "http and grpc", "one of them", "keep one of them")


def _ignored(kind: str, settings: Field) -> Iterator[Problem]:
    for name, field in settings.entries():
        reason = INEFFECTIVE.get(f"extensionProviders[].{kind}.{name}")
        if reason and field.value:
            yield field.problem(warnings.NO_EFFECT_HERE, reason=reason)


def _service(settings: Field) -> Iterator[Problem]:
    service, port = settings.get("service"), settings.get("port")
    if not service.text or not _is_service(service.text):
        remedy = "write the full name of a Service, such as NAME.NAMESPACE.svc.cluster.local"
        expected = "the host of a Service or ServiceEntry, or an IP address"
        yield _bad(service or settings, quoted(service.value) if service else "no service", expected, remedy)
    if not port or not 1 <= int(port.value) <= 65535:
        found = quoted(port.value) if port else "no port"
        yield _bad(port or settings, found, "a port from 1 to 65535", "write the port of the Service")


def _is_service(text: str) -> bool:
    """A host, an address, or a host after the namespace that it is looked up in."""
    namespace, slash, host = text.rpartition("/")
    if not slash:
        return is_domain(text) or is_address(text)
    return (namespace in ("*", ".") or is_label(namespace)) and is_wildcard_domain(host)


def _authorizer(settings: Field) -> Iterator[Problem]:
    status, prefix = settings.get("statusOnError"), settings.get("pathPrefix")
    if status.text and not (status.text.isdecimal() and int(status.text) in STATUSES):
        yield _bad(status, quoted(status.value), "an HTTP status code", 'write for example "503"')
    if prefix.text and not prefix.text.startswith("/"):
        yield _bad(prefix, quoted(prefix.value), "a path that starts with /", "write the slash")


def _bad(field: Field, found: str, expected: str, remedy: str) -> Problem:
    return field.problem(warnings.BAD_PROVIDER, found=found, expected=expected, remedy=remedy)
