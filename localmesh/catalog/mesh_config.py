"""MeshConfig: the settings of the whole mesh, with Istio's defaults for those that are not written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from localmesh.catalog.conversion_cache import ConversionCache
from localmesh.catalog.objects import Objects
from localmesh.catalog.trust import TRUST_DOMAIN, Trust
from localmesh.kinds.config_map import CONFIG_MAP
from localmesh.manifests import Resource
from localmesh.manifests.mesh_config import (
    CONFIG_MAP_NAME,
    SYSTEM_NAMESPACE,
    has_mesh_settings,
    mesh_settings,
)

Settings = Mapping[str, Any]
"""A message of MeshConfig as plain data, with the names of protobuf's JSON form."""


class OutboundMode(Enum):
    """What sidecars do with requests to hosts that the mesh does not know."""

    REGISTRY_ONLY = 0
    ALLOW_ANY = 1
    ALLOW_ANY_DYNAMIC_DNS = 3


class IngressMode(Enum):
    """Which Ingresses are served: none, those without a class too, or those of Istio's class."""

    UNSPECIFIED = 0
    OFF = 1
    DEFAULT = 2
    STRICT = 3


class AccessLogEncoding(Enum):
    """How access logs are written."""

    TEXT = 0
    JSON = 1


class Normalization(Enum):
    """How paths are normalized before policies and routes see them."""

    DEFAULT = 0
    NONE = 1
    BASE = 2
    MERGE_SLASHES = 3
    DECODE_AND_MERGE_SLASHES = 4


@dataclass(frozen=True, slots=True)
class ExtensionProvider:
    """One of `extensionProviders`: something outside the proxies that policies and Telemetry objects name.

    `kind` is the field that is set, such as `envoyExtAuthzHttp` or `zipkin`, and `settings` its content;
    "" and empty where none is.
    """

    name: str
    kind: str
    settings: Settings = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class DefaultProviders:
    """The providers that apply where no Telemetry object names any."""

    tracing: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    access_logging: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshConfig:
    """The mesh-wide settings. Defaults are Istio's (istio: pkg/config/mesh, DefaultMeshConfig).

    `proxy_config` is `defaultConfig` as it is written, without Istio's defaults.
    """

    outbound_traffic_policy: OutboundMode = OutboundMode.ALLOW_ANY
    extension_providers: tuple[ExtensionProvider, ...] = ()
    default_providers: DefaultProviders = DefaultProviders()
    proxy_config: Settings = field(default_factory=dict, hash=False)
    enable_tracing: bool = True
    access_log_file: str = ""
    access_log_format: str = ""
    access_log_encoding: AccessLogEncoding = AccessLogEncoding.TEXT
    path_normalization: Normalization = Normalization.DEFAULT
    default_http_retry_policy: Settings | None = field(default=None, hash=False)
    trust_domain: str = TRUST_DOMAIN
    trust_domain_aliases: tuple[str, ...] = ()
    """Sorted."""
    root_namespace: str = SYSTEM_NAMESPACE
    connect_timeout: str = "10s"
    """A Go duration."""
    enable_auto_mtls: bool = True
    locality_lb_setting: Settings = field(default_factory=dict, hash=False)
    mesh_mtls: Settings = field(default_factory=dict, hash=False)
    tls_defaults: Settings = field(default_factory=dict, hash=False)
    default_traffic_policy: Settings = field(default_factory=dict, hash=False)
    tcp_keepalive: Settings | None = field(default=None, hash=False)
    upgrades_to_http2: bool = False
    """`h2UpgradePolicy`: whether sidecars speak HTTP/2 to each other for applications that speak HTTP/1.1."""
    ingress_controller_mode: IngressMode = IngressMode.STRICT
    ingress_class: str = "istio"
    ingress_gateway: str = "ingressgateway"
    """The label `istio` of the pods that serve Ingresses."""
    default_service_export_to: tuple[str, ...] = ("*",)
    default_virtual_service_export_to: tuple[str, ...] = ("*",)
    default_destination_rule_export_to: tuple[str, ...] = ("*",)

    @property
    def trust(self) -> Trust:
        """The trust domain and its aliases."""
        return Trust(self.trust_domain, self.trust_domain_aliases)

    def provider(self, name: str) -> ExtensionProvider | None:
        """The extension provider of that name, or None."""
        return next((provider for provider in self.extension_providers if provider.name == name), None)


_DEFAULT_PROVIDERS = (
    ExtensionProvider("prometheus", "prometheus"),
    ExtensionProvider("stackdriver", "stackdriver"),
    ExtensionProvider("envoy", "envoyFileAccessLog", {"path": "/dev/stdout"}),
)
DEFAULT = MeshConfig(extension_providers=_DEFAULT_PROVIDERS)
"""The settings of a mesh that sets none."""

Member = TypeVar("Member", bound=Enum)


def mesh_config_object(objects: Objects) -> Resource | None:
    """The ConfigMap with the mesh-wide settings, or None."""
    resource = objects.named(CONFIG_MAP, SYSTEM_NAMESPACE, CONFIG_MAP_NAME)
    return resource if resource is not None and has_mesh_settings(resource) else None


def mesh_config(objects: Objects, conversions: ConversionCache) -> MeshConfig:
    """The mesh-wide settings of these objects."""
    resource = mesh_config_object(objects)
    return DEFAULT if resource is None else conversions.of(resource, _converted)


def _converted(resource: Resource) -> MeshConfig:
    return converted(mesh_settings(resource).body)


def converted(body: Settings) -> MeshConfig:
    """The settings, with Istio's defaults for others (istio: pkg/config/mesh, ApplyMeshConfig)."""
    outbound = body.get("outboundTrafficPolicy")
    mode = OutboundMode.ALLOW_ANY if outbound is None else _member(OutboundMode, outbound.get("mode", 0))
    normalization = (body.get("pathNormalization") or {}).get("normalization", 0)
    return MeshConfig(
        outbound_traffic_policy=mode,
        extension_providers=_providers(body.get("extensionProviders") or ()),
        default_providers=_default_providers(body.get("defaultProviders") or {}),
        proxy_config=body.get("defaultConfig") or {},
        enable_tracing=body.get("enableTracing", True),
        access_log_file=body.get("accessLogFile", ""),
        access_log_format=body.get("accessLogFormat", ""),
        access_log_encoding=_member(AccessLogEncoding, body.get("accessLogEncoding", 0)),
        path_normalization=_member(Normalization, normalization),
        default_http_retry_policy=body.get("defaultHttpRetryPolicy"),
        trust_domain=body.get("trustDomain", DEFAULT.trust_domain),
        trust_domain_aliases=tuple(sorted(set(body.get("trustDomainAliases") or ()))),
        root_namespace=body.get("rootNamespace", DEFAULT.root_namespace),
        connect_timeout=body.get("connectTimeout", DEFAULT.connect_timeout),
        enable_auto_mtls=body.get("enableAutoMtls", True),
        locality_lb_setting=body.get("localityLbSetting") or {},
        mesh_mtls=body.get("meshMTLS") or {},
        tls_defaults=body.get("tlsDefaults") or {},
        default_traffic_policy=body.get("defaultTrafficPolicy") or {},
        tcp_keepalive=body.get("tcpKeepalive"),
        upgrades_to_http2=body.get("h2UpgradePolicy") in ("UPGRADE", 1),
        ingress_controller_mode=_member(IngressMode, body.get("ingressControllerMode", 3)),
        ingress_class=body.get("ingressClass", DEFAULT.ingress_class),
        ingress_gateway=_ingress_gateway(body),
        default_service_export_to=tuple(body.get("defaultServiceExportTo", ("*",))),
        default_virtual_service_export_to=tuple(body.get("defaultVirtualServiceExportTo", ("*",))),
        default_destination_rule_export_to=tuple(body.get("defaultDestinationRuleExportTo", ("*",))),
    )


def _ingress_gateway(body: Settings) -> str:
    """istiod: pilot/pkg/config/kube/ingress, `getIngressGatewaySelector`."""
    service = body.get("ingressService", "")
    named = "" if service == "istio-ingressgateway" else service
    return str(body.get("ingressSelector") or named or DEFAULT.ingress_gateway)


def _member(enumeration: type[Member], written: str | int) -> Member:
    """protobuf's JSON form accepts the name or the number of a value."""
    return enumeration[written] if isinstance(written, str) else enumeration(written)


def _providers(written: list[Settings] | tuple[()]) -> tuple[ExtensionProvider, ...]:
    """Istio's providers, replaced by those of the same name, and then all others."""
    providers = {provider.name: provider for provider in _DEFAULT_PROVIDERS}
    for entry in written:
        kind = next((name for name in entry if name != "name"), "")
        name = entry.get("name", "")
        providers[name] = ExtensionProvider(name, kind, entry.get(kind) or {} if kind else {})
    return tuple(providers.values())


def _default_providers(written: Settings) -> DefaultProviders:
    return DefaultProviders(
        tracing=tuple(written.get("tracing") or ()),
        metrics=tuple(written.get("metrics") or ()),
        access_logging=tuple(written.get("accessLogging") or ()),
    )
