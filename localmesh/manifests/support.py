"""What Istio and Kubernetes act on and localmesh does not: refused, never dropped silently.

To support a field, translate it and delete its line here. A test lists every field of the kinds with
what becomes of it, so that a new field of a new Istio version cannot slip through.

Paths are written as in problems, with `[]` for each entry of a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from localmesh.problems import Problem
from localmesh.problems.codes import unsupported
from localmesh.problems.fields import Field, listed

_LEAVE_OUT = "leave the field away for the local run"
_TLS_LATER = "leave TLS away for the local run, or run on a cluster"
_ONE_LISTENER = "leave it away: a sidecar has one outbound port, which all hosts share"
_BY_SELECTOR = "write selector.matchLabels: there are no waypoints and no Kubernetes Gateways here"
_INLINE_KEYS = "write the keys themselves, as jwks: nothing is fetched from outside here"
_CLIENT_TLS = (
    "caCertificates",
    "caCrl",
    "clientCertificate",
    "credentialName",
    "insecureSkipVerify",
    "privateKey",
)
_POLICY_GAPS = {
    "loadBalancer.localityLbSetting": "leave it away: all pods are in one place here",
    "loadBalancer.zoneAwareLbSetting": "leave it away: all pods are in one place here",
    "connectionPool.http.http2KeepAlive": _LEAVE_OUT,
    "outlierDetection.outlierDetectionHttpErrorCodes": "write consecutive5xxErrors",
    **{f"tls.{field}": _TLS_LATER for field in _CLIENT_TLS},
}
_WHOLE_POLICY_GAPS = {
    "proxyProtocol": _LEAVE_OUT,
    "retryBudget": "write connectionPool.http.maxRetries",
    "tunnel": _LEAVE_OUT,
}


def _traffic_policies(*places: str) -> dict[str, str]:
    gaps: dict[str, str] = {}
    for place in places:
        gaps |= {f"{place}.{path}": remedy for path, remedy in (_WHOLE_POLICY_GAPS | _POLICY_GAPS).items()}
        gaps |= {f"{place}.portLevelSettings[].{path}": remedy for path, remedy in _POLICY_GAPS.items()}
    return gaps


_SERVER_TLS = (
    "caCertCredentialName",
    "caCertificates",
    "caCrl",
    "cipherSuites",
    "credentialName",
    "credentialNames",
    "insecureSkipVerify",
    "maxProtocolVersion",
    "minProtocolVersion",
    "mode",
    "privateKey",
    "serverCertificate",
    "subjectAltNames",
    "tlsCertificates",
    "verifyCertificateHash",
    "verifyCertificateSpki",
)
_POD = "spec.template.spec"
_CONTAINER = f"{_POD}.containers[]"

NOT_TRANSLATED: Mapping[str, Mapping[str, str]] = {
    "Deployment": {
        "spec.paused": "remove it: a paused Deployment starts no pods",
        f"{_POD}.activeDeadlineSeconds": _LEAVE_OUT,
        f"{_POD}.dnsConfig": "use names of Services",
        f"{_POD}.hostAliases": "use names of Services: a process shares the machine's /etc/hosts",
        f"{_POD}.hostNetwork": "remove it: a pod on the host's network is outside the mesh",
        f"{_POD}.hostname": "leave it away: HOSTNAME is the pod's name",
        f"{_POD}.hostnameOverride": "leave it away: HOSTNAME is the pod's name",
        f"{_POD}.initContainers": "do their work at the beginning of the container's command",
        f"{_POD}.readinessGates": _LEAVE_OUT,
        f"{_POD}.resourceClaims": _LEAVE_OUT,
        f"{_POD}.setHostnameAsFQDN": "leave it away: HOSTNAME is the pod's name",
        f"{_POD}.subdomain": "use names of Services",
        f"{_CONTAINER}.env[].valueFrom.fileKeyRef": "take the value from a ConfigMap or a Secret",
        f"{_CONTAINER}.lifecycle.postStart": "do its work at the beginning of the command",
        f"{_CONTAINER}.livenessProbe.grpc": "use httpGet, tcpSocket or exec",
        f"{_CONTAINER}.readinessProbe.grpc": "use httpGet, tcpSocket or exec",
        f"{_CONTAINER}.restartPolicy": "leave it away: a container that ends is always started again",
        f"{_CONTAINER}.restartPolicyRules": "leave it away: a container that ends is always started again",
        f"{_CONTAINER}.startupProbe.grpc": "use httpGet, tcpSocket or exec",
        f"{_CONTAINER}.volumeDevices": "mount the volume as files",
    },
    "DestinationRule": {
        "spec.workloadSelector": _LEAVE_OUT,
        **_traffic_policies("spec.trafficPolicy", "spec.subsets[].trafficPolicy"),
    },
    "Gateway": {
        "spec.servers[].bind": "leave it away: the gateway listens on 127.0.0.1",
        "spec.servers[].defaultEndpoint": _LEAVE_OUT,
        **{f"spec.servers[].tls.{field}": _TLS_LATER for field in _SERVER_TLS},
    },
    "AuthorizationPolicy": {
        "spec.provider": "use action ALLOW or DENY: there is no external authorizer here",
        "spec.targetRef": _BY_SELECTOR,
        "spec.targetRefs": _BY_SELECTOR,
    },
    "RequestAuthentication": {
        "spec.jwtRules[].jwksUri": _INLINE_KEYS,
        "spec.jwtRules[].jwks_uri": _INLINE_KEYS,
        "spec.targetRef": _BY_SELECTOR,
        "spec.targetRefs": _BY_SELECTOR,
    },
    "Service": {
        "spec.externalIPs": "leave them away: the machine has not got these addresses",
        "spec.publishNotReadyAddresses": "leave it away: only ready pods are endpoints here",
    },
    "Sidecar": {
        "spec.egress[].bind": _ONE_LISTENER,
        "spec.egress[].captureMode": _ONE_LISTENER,
        "spec.egress[].port": _ONE_LISTENER,
        "spec.inboundConnectionPool": "write connectionPool in a DestinationRule for the Service",
        "spec.ingress": "leave it away: a sidecar listens for the ports that Services send to",
        "spec.outboundTrafficPolicy.egressProxy": _LEAVE_OUT,
    },
    "VirtualService": {
        "spec.http[].fault.abort.grpcStatus": "write httpStatus",
        "spec.http[].mirror_percent": "write mirrorPercentage: {value: …}",
        "spec.http[].retries.retryRemoteLocalities": "leave it away: all pods are in one place here",
        "spec.tcp": "localmesh routes HTTP only: write the routes under spec.http",
        "spec.tls": "localmesh routes HTTP only: write the routes under spec.http",
    },
}
"""Fields that are refused, with what to do instead."""

_TLS_MODES = ("DISABLE", "ISTIO_MUTUAL")

ONLY: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "AuthorizationPolicy": {"spec.action": ("ALLOW", "DENY", "AUDIT")},
    "DestinationRule": {
        f"{place}{level}.tls.mode": _TLS_MODES
        for place in ("spec.trafficPolicy", "spec.subsets[].trafficPolicy")
        for level in ("", ".portLevelSettings[]")
    },
    "Gateway": {"spec.servers[].port.protocol": ("HTTP",)},
    "ServiceEntry": {"spec.resolution": ("NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN")},
    "Service": {"spec.type": ("ClusterIP", "NodePort", "LoadBalancer")},
}
"""Fields of which localmesh knows some values only. (Capitals do not matter in a protocol.)"""

VOLUMES = ("emptyDir", "configMap", "secret", "persistentVolumeClaim")
"""Kinds of volumes that can be folders."""

WITHOUT_MEANING: Mapping[str, Mapping[str, str]] = {
    "RequestAuthentication": {"spec.jwtRules[].timeout": "nothing is fetched"},
    "Deployment": {
        "spec.minReadySeconds": "only paces rollouts",
        "spec.progressDeadlineSeconds": "only reports on rollouts",
        "spec.revisionHistoryLimit": "there is no history",
        f"{_POD}.affinity": "there is one node",
        f"{_POD}.automountServiceAccountToken": "there is no API server",
        f"{_POD}.dnsPolicy": "names are resolved by the sidecar",
        f"{_POD}.enableServiceLinks": "no such variables are made",
        f"{_POD}.ephemeralContainers": "not allowed in templates",
        f"{_POD}.hostIPC": "a process shares the machine's",
        f"{_POD}.hostPID": "a process shares the machine's",
        f"{_POD}.hostUsers": "a process runs as the caller",
        f"{_POD}.imagePullSecrets": "there are no images",
        f"{_POD}.nodeName": "there is one node",
        f"{_POD}.nodeSelector": "there is one node",
        f"{_POD}.os": "the machine's",
        f"{_POD}.overhead": "nothing is scheduled",
        f"{_POD}.preemptionPolicy": "nothing is scheduled",
        f"{_POD}.priority": "nothing is scheduled",
        f"{_POD}.priorityClassName": "nothing is scheduled",
        f"{_POD}.resources": "nothing is limited",
        f"{_POD}.restartPolicy": "only Always is allowed in a Deployment",
        f"{_POD}.runtimeClassName": "there is no container runtime",
        f"{_POD}.schedulerName": "nothing is scheduled",
        f"{_POD}.schedulingGates": "nothing is scheduled",
        f"{_POD}.schedulingGroup": "nothing is scheduled",
        f"{_POD}.securityContext": "a process runs as the caller",
        f"{_POD}.shareProcessNamespace": "processes share the machine's",
        f"{_POD}.tolerations": "there is one node",
        f"{_POD}.topologySpreadConstraints": "there is one node",
        f"{_CONTAINER}.image": "the command is run from the machine; without a command a stub answers",
        f"{_CONTAINER}.imagePullPolicy": "there are no images",
        f"{_CONTAINER}.lifecycle.preStop.sleep": "no proxy knows the pod any more when it is stopped",
        f"{_CONTAINER}.ports[].hostIP": "every port is given out on 127.0.0.1",
        f"{_CONTAINER}.ports[].hostPort": "every port is given out on 127.0.0.1",
        f"{_CONTAINER}.resizePolicy": "nothing is limited",
        f"{_CONTAINER}.securityContext": "a process runs as the caller",
        f"{_CONTAINER}.stdin": "there is no terminal",
        f"{_CONTAINER}.stdinOnce": "there is no terminal",
        f"{_CONTAINER}.terminationMessagePath": "the log tells",
        f"{_CONTAINER}.terminationMessagePolicy": "the log tells",
        f"{_CONTAINER}.tty": "there is no terminal",
        f"{_CONTAINER}.volumeMounts[].mountPropagation": "mounts are folders",
        f"{_CONTAINER}.volumeMounts[].recursiveReadOnly": "mounts are folders",
    },
    "ServiceEntry": {
        "spec.addresses": "a process calls by name",
        "spec.endpoints[].locality": "everything is in one place",
        "spec.endpoints[].network": "everything is in one network",
        "spec.endpoints[].serviceAccount": "only pods prove an identity here",
        "spec.subjectAltNames": "the proxies begin no TLS with hosts outside",
    },
    "Service": {
        "spec.allocateLoadBalancerNodePorts": "nothing is opened outside",
        "spec.clusterIPs": "clusterIP says it",
        "spec.externalTrafficPolicy": "nothing is opened outside",
        "spec.healthCheckNodePort": "nothing is opened outside",
        "spec.internalTrafficPolicy": "there is one node",
        "spec.ipFamilies": "everything is on 127.0.0.1",
        "spec.ipFamilyPolicy": "everything is on 127.0.0.1",
        "spec.loadBalancerClass": "nothing is opened outside",
        "spec.loadBalancerIP": "nothing is opened outside",
        "spec.loadBalancerSourceRanges": "nothing is opened outside",
        "spec.ports[].nodePort": "nothing is opened outside",
        "spec.sessionAffinity": "proxies of the mesh do not follow it, in Istio neither",
        "spec.sessionAffinityConfig": "proxies of the mesh do not follow it, in Istio neither",
        "spec.trafficDistribution": "there is one node",
    },
}
"""Fields that change nothing for a process on one machine, with the reason; they are accepted."""


# -- checking ----------------------------------------------------------------------------------------

_Tree = dict[str, Any]
_LEAF = ""


def support_problems(root: Field) -> Iterator[Problem]:
    """What of an object localmesh would have to drop."""
    yield from _refused_fields(root, _tree(root.place.kind))
    for path, values in ONLY.get(root.place.kind, {}).items():
        yield from _other_values(_fields(root, tuple(_segments(path))), values)
    if root.place.kind == "Deployment":
        yield from _pod_problems(root.get("spec", "template"))
    if root.place.kind == "VirtualService":
        yield from _claim_matches(root)


@cache
def _tree(kind: str) -> _Tree:
    tree: _Tree = {}
    for path, remedy in NOT_TRANSLATED.get(kind, {}).items():
        node = tree
        for segment in _segments(path):
            node = node.setdefault(segment, {})
        node[_LEAF] = remedy
    return tree


def _segments(path: str) -> list[str]:
    return path.replace("[]", ".[]").split(".")


def _refused_fields(field: Field, tree: _Tree) -> Iterator[Problem]:
    for segment, below in tree.items():
        if segment == "[]":
            for entry in field.items():
                yield from _refused_fields(entry, below)
        elif segment != _LEAF:
            found = field.get(segment)
            if _LEAF in below and found.value not in (None, False, "", []):
                yield found.problem(unsupported.FIELD_NOT_SUPPORTED, remedy=below[_LEAF])
            elif found:
                yield from _refused_fields(found, below)


def _fields(field: Field, segments: tuple[str, ...]) -> Iterator[Field]:
    if not segments:
        yield field
    elif segments[0] == "[]":
        for entry in field.items():
            yield from _fields(entry, segments[1:])
    else:
        yield from _fields(field.get(segments[0]), segments[1:])


def _other_values(fields: Iterator[Field], values: tuple[str, ...]) -> Iterator[Problem]:
    for field in fields:
        if field.text and field.text.upper() not in {value.upper() for value in values}:
            yield field.problem(
                unsupported.VALUE_NOT_SUPPORTED,
                expected=listed(values),
                remedy=f"write {listed(values, 'or')} for the local run, or run on a cluster",
            )


def _pod_problems(template: Field) -> Iterator[Problem]:
    for volume in template.get("spec", "volumes").items():
        for kind, source in volume.entries():
            if kind != "name" and kind not in VOLUMES and source:
                remedy = f"use {listed(VOLUMES, 'or')}"
                yield source.problem(unsupported.FIELD_NOT_SUPPORTED, remedy=remedy)
    for block in ("labels", "annotations"):
        for key, setting in template.get("metadata", block).entries():
            if key.startswith("traffic.sidecar.istio.io/"):
                remedy = "leave it away: nothing is intercepted here, a pod reaches its sidecar by HTTP_PROXY"
                yield setting.problem(unsupported.FIELD_NOT_SUPPORTED, remedy=remedy)


def _claim_matches(root: Field) -> Iterator[Problem]:
    for route in root.get("spec", "http").items():
        for match in route.get("match").items():
            for block in ("headers", "withoutHeaders"):
                for name, condition in match.get(block).entries():
                    if name.startswith("@request.auth.claims"):
                        remedy = "match on a header that the caller sends"
                        yield condition.problem(unsupported.FIELD_NOT_SUPPORTED, remedy=remedy)
