"""MeshConfig, the mesh-wide settings: what Istio requires of them, and what localmesh does with each field.

Istio, "Global Mesh Options"; istio: pkg/config/validation/agent, ValidateMeshConfig. They are not an object
of their own, but the text `mesh` of the ConfigMap `istio` in `istio-system`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from localmesh.formats.durations import is_duration, nanoseconds
from localmesh.formats.hostnames import is_label
from localmesh.kinds.kind import REMOVE_FIELD, Rule
from localmesh.kinds.rules.traffic_policy import policy_blocks
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field

_HOUR = 3_600_000_000_000
_SECOND = 1_000_000_000
_PORTS = (
    ("proxyListenPort",),
    ("defaultConfig", "proxyAdminPort"),
    ("defaultConfig", "statusPort"),
)


def trust_domains(root: Field) -> Iterator[Problem]:
    """The trust domain and its aliases are DNS names."""
    for field in (root.get("trustDomain"), *root.get("trustDomainAliases").items()):
        if field.text and not all(map(is_label, field.text.removesuffix(".").split("."))):
            yield field.problem(
                invalid.BAD_HOST, expected="a DNS name, such as cluster.local", remedy="correct the name"
            )


def timeouts(root: Field) -> Iterator[Problem]:
    """Durations are in whole milliseconds, or in whole seconds where Envoy's command line takes them."""
    connect = root.get("connectTimeout")
    length = nanoseconds(connect.text or "") or 0
    if connect.text is not None and (not is_duration(connect.text) or length > _HOUR):
        expected = "a duration in whole milliseconds, from 1ms to 1h"
        yield connect.problem(invalid.BAD_DURATION, expected=expected)
    drain = root.get("defaultConfig", "drainDuration")
    length = nanoseconds(drain.text or "") or 0
    if drain.text is not None and (length < _SECOND or length % _SECOND):
        yield drain.problem(invalid.BAD_DURATION, expected="a duration in whole seconds, at least 1s")


def ports(root: Field) -> Iterator[Problem]:
    """Ports are in range."""
    for path in _PORTS:
        port = root.get(*path)
        if port and not 1 <= int(port.value) <= 65535:
            yield port.problem(
                invalid.BAD_PORT, expected="a port from 1 to 65535", remedy="write another port"
            )


def default_policy(root: Field) -> Iterator[Problem]:
    """The mesh-wide traffic policy is as valid as one of a DestinationRule."""
    yield from policy_blocks(root.get("defaultTrafficPolicy"))


def mesh_tls(root: Field) -> Iterator[Problem]:
    """mTLS between proxies has no curves of its own."""
    curves = root.get("meshMTLS", "ecdhCurves")
    if curves:
        yield curves.problem(
            invalid.BAD_POLICY,
            expected="no curves: Istio has none for mTLS in the mesh",
            remedy="remove it, or write it under tlsDefaults",
        )


MESH_CONFIG_RULES: tuple[Rule, ...] = (trust_domains, timeouts, ports, default_policy, mesh_tls)

_BOOTSTRAP = "Envoys are started by localmesh, not from Istio's bootstrap"
_REPORTS = "it changes what proxies report and no response"
_ONE_CLUSTER = "there is one cluster and one control plane"
_NO_INTERCEPTION = "no connections are intercepted"
_NO_AMBIENT = "there is no ambient mode"

TRANSLATED: Mapping[str, str] = {
    "accessLogEncoding": "whether access logs are text or JSON",
    "accessLogFormat": "the format of access logs, instead of Istio's",
    "connectTimeout": "how long proxies wait for a connection, where no DestinationRule says so",
    "defaultConfig.tracing.sampling": "the percentage of requests that are traced",
    "defaultDestinationRuleExportTo": "the exportTo of DestinationRules that have none",
    "defaultHttpRetryPolicy": "the retries of routes that have none of their own",
    "defaultProviders": "the providers of metrics, traces and logs where no Telemetry object names any",
    "defaultServiceExportTo": "the exportTo of Services and ServiceEntries that have none",
    "defaultTrafficPolicy": "connection pools and outlier detection where no DestinationRule has them",
    "defaultVirtualServiceExportTo": "the exportTo of VirtualServices that have none",
    "enableAutoMtls": "whether sidecars choose mTLS for endpoints that accept it",
    "enableTracing": "whether proxies make spans where no Telemetry object decides",
    "extensionProviders": "what AuthorizationPolicies and Telemetry objects can name",
    "ingressClass": "the class, in an annotation, of the Ingresses that are served",
    "ingressControllerMode": "which Ingresses are served: none, those of the class, or those without one too",
    "ingressSelector": "the label `istio` of the gateway that serves Ingresses",
    "ingressService": "its label too, where there is no `ingressSelector`",
    "localityLbSetting": "which localities sidecars prefer, where no DestinationRule says so",
    "meshMTLS": "the oldest version of TLS and the cipher suites that sidecars accept for mTLS",
    "outboundTrafficPolicy.mode": "what becomes of requests to unknown hosts; `ALLOW_ANY` looks their names"
    " up, as `ALLOW_ANY_DYNAMIC_DNS` does",
    "pathNormalization": "how paths are normalized before routes and policies see them",
    "rootNamespace": "the namespace whose policies, Sidecars and DestinationRules are for the whole mesh",
    "tcpKeepalive": "TCP keep-alive towards destinations; DestinationRules replace its fields",
    "trustDomain": "the first part of all identities; in principals, cluster.local stands for it",
    "trustDomainAliases": "trust domains whose identities are treated as if they were of this one",
}
"""Fields that are translated, each with what it does."""

INEFFECTIVE: Mapping[str, str] = {
    "accessLogFile": "`localmesh logs --proxy` prints access logs, which are always there",
    "certificates": "Istio ignores it",
    "configSources": _ONE_CLUSTER,
    "ca": "localmesh is the certificate authority",
    "defaultConfig.availabilityZone": "Istio ignores it",
    "defaultConfig.binaryPath": _BOOTSTRAP,
    "defaultConfig.concurrency": _BOOTSTRAP,
    "defaultConfig.configPath": _BOOTSTRAP,
    "defaultConfig.controlPlaneAuthPolicy": _ONE_CLUSTER,
    "defaultConfig.customConfigFile": _BOOTSTRAP,
    "defaultConfig.discoveryAddress": _ONE_CLUSTER,
    "defaultConfig.discoveryRefreshDelay": "Istio ignores it",
    "defaultConfig.drainDuration": _BOOTSTRAP,
    "defaultConfig.envoyAccessLogService": _REPORTS,
    "defaultConfig.envoyMetricsService": _REPORTS,
    "defaultConfig.envoyMetricsServiceAddress": _REPORTS,
    "defaultConfig.extraStatTags": _REPORTS,
    "defaultConfig.fileFlushInterval": _REPORTS,
    "defaultConfig.fileFlushMinSizeKb": _REPORTS,
    "defaultConfig.holdApplicationUntilProxyStarts": "applications are always started after their proxy",
    "defaultConfig.image": _BOOTSTRAP,
    "defaultConfig.interceptionMode": _NO_INTERCEPTION,
    "defaultConfig.meshId": _ONE_CLUSTER,
    "defaultConfig.proxyAdminPort": "several Envoys share one machine",
    "defaultConfig.proxyBootstrapTemplatePath": _BOOTSTRAP,
    "defaultConfig.proxyMetadata": _BOOTSTRAP,
    "defaultConfig.proxyStatsMatcher": _REPORTS,
    "defaultConfig.readinessProbe": "proxies are ready once they have acknowledged their configuration",
    "defaultConfig.runtimeValues": _BOOTSTRAP,
    "defaultConfig.sds": "Istio ignores it",
    "defaultConfig.serviceCluster": _REPORTS,
    "defaultConfig.statNameLength": _REPORTS,
    "defaultConfig.statsCompression": _REPORTS,
    "defaultConfig.statsdUdpAddress": _REPORTS,
    "defaultConfig.statusPort": "several Envoys share one machine",
    "defaultConfig.terminationDrainDuration": _BOOTSTRAP,
    "defaultConfig.tracingServiceName": _REPORTS,
    "defaultConfig.zipkinAddress": _REPORTS,
    "disableEnvoyListenerLog": _REPORTS,
    "dnsRefreshRate": "names outside the mesh are looked up for each request",
    "enableEnvoyAccessLogService": _REPORTS,
    "enablePrometheusMerge": _REPORTS,
    "extensionProviders[].envoyExtAuthzGrpc.clearRouteCache": "Istio ignores it",
    "extensionProviders[].envoyExtAuthzHttp.clearRouteCache": "Istio ignores it",
    "hboneIdleTimeout": _NO_AMBIENT,
    "inboundClusterStatName": _REPORTS,
    "inboundTrafficPolicy": _NO_INTERCEPTION,
    "outboundClusterStatName": _REPORTS,
    "protocolDetectionTimeout": _NO_INTERCEPTION,
    "proxyHttpPort": "every sidecar has such a port, which its application gets as HTTP_PROXY",
    "proxyInboundListenPort": _NO_INTERCEPTION,
    "proxyListenPort": _NO_INTERCEPTION,
    "serviceScopeConfigs": _NO_AMBIENT,
    "serviceSettings": _ONE_CLUSTER,
    "verifyCertificateAtClient": "Istio ignores it",
}
"""Fields that are accepted and change nothing on one machine, each with the reason."""

UNSUPPORTED: Mapping[str, str] = {
    "caCertificates": REMOVE_FIELD,
    "defaultConfig.caCertificatesPem": REMOVE_FIELD,
    "defaultConfig.connectionSettings": REMOVE_FIELD,
    "defaultConfig.gatewayTopology": REMOVE_FIELD,
    "defaultConfig.privateKeyProvider": REMOVE_FIELD,
    "defaultConfig.proxyHeaders": REMOVE_FIELD,
    "discoverySelectors": REMOVE_FIELD,
    "h2UpgradePolicy": "write connectionPool.http.h2UpgradePolicy in a DestinationRule",
    "outboundTrafficPolicy.tls": REMOVE_FIELD,
    "serviceEntryVisibility": "write exportTo in the ServiceEntries",
    "tlsDefaults": REMOVE_FIELD,
    "zoneAwareLbSetting": "write it in DestinationRules",
}
"""Fields that Istio acts on and localmesh does not, each with what to do instead."""

ISTIO_DEFAULTS: Mapping[str, object] = {
    "defaultConfig.binaryPath": "/usr/local/bin/envoy",
    "defaultConfig.configPath": "./etc/istio/proxy",
    "defaultConfig.controlPlaneAuthPolicy": "MUTUAL_TLS",
    "defaultConfig.discoveryAddress": "istiod.istio-system.svc:15012",
    "defaultConfig.drainDuration": "45s",
    "defaultConfig.proxyAdminPort": 15000,
    "defaultConfig.serviceCluster": "istio-proxy",
    "defaultConfig.statNameLength": 189,
    "defaultConfig.statusPort": 15020,
    "defaultConfig.terminationDrainDuration": "5s",
    "defaultProviders": {"metrics": ["prometheus"]},
    "connectTimeout": "10s",
    "defaultDestinationRuleExportTo": ["*"],
    "defaultServiceExportTo": ["*"],
    "defaultVirtualServiceExportTo": ["*"],
    "dnsRefreshRate": "60s",
    "h2UpgradePolicy": "DO_NOT_UPGRADE",
    "enablePrometheusMerge": True,
    "enableTracing": True,
    "ingressClass": "istio",
    "ingressControllerMode": "STRICT",
    "ingressService": "istio-ingressgateway",
    "localityLbSetting.enabled": True,
    "protocolDetectionTimeout": "0s",
    "proxyInboundListenPort": 15006,
    "proxyListenPort": 15001,
    "rootNamespace": "istio-system",
    "trustDomain": "cluster.local",
}
"""The values that ConfigMaps of an installation repeat, which are always accepted and without a warning."""
