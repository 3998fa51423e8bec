"""What the conversion of the Gateway API reads of the other objects of a mesh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localmesh.catalog.config_data import ConfigData
from localmesh.catalog.default_gateways import SYSTEM_NAMESPACE
from localmesh.catalog.objects import Objects
from localmesh.kinds.config_map import CONFIG_MAP, SECRET
from localmesh.kinds.gateway_api import GATEWAY_CLASS, GROUP, REFERENCE_GRANT
from localmesh.kinds.kubernetes import NAMESPACE
from localmesh.kinds.service import SERVICE
from localmesh.kinds.service_entry import SERVICE_ENTRY
from localmesh.manifests import Resource

Block = Mapping[str, Any]

CONTROLLER = "istio.io/gateway-controller"
"""The controller of GatewayClasses that are Istio's."""
REMOTE_CONTROLLER = "istio.io/unmanaged-gateway"
_BUILT_IN = {"istio": CONTROLLER, "istio-remote": REMOTE_CONTROLLER}
_NAME_LABEL = "kubernetes.io/metadata.name"
_OPERATORS = {"In": True, "NotIn": False, "Exists": True, "DoesNotExist": False}


@dataclass(frozen=True, slots=True)
class Kinded:
    """A group and a kind, as references write them."""

    group: str
    kind: str


SERVICE_KIND = Kinded("", "Service")
SERVICE_ENTRY_KIND = Kinded("networking.istio.io", "ServiceEntry")
HOSTNAME_KIND = Kinded("networking.istio.io", "Hostname")
SERVICE_IMPORT_KIND = Kinded("multicluster.x-k8s.io", "ServiceImport")
GATEWAY_KIND = Kinded(GROUP, "Gateway")
LISTENER_SET_KIND = Kinded(GROUP, "ListenerSet")
SECRET_KIND = Kinded("", "Secret")
CONFIG_MAP_KIND = Kinded("", "ConfigMap")


def kinded(reference: Block, default: Kinded) -> Kinded:
    """The group and kind of a reference; each defaults by itself."""
    return Kinded(reference.get("group", default.group), reference.get("kind", default.kind))


class Inputs:
    """The objects of a mesh, by what the Gateway API asks of them."""

    def __init__(self, objects: Objects, config: ConfigData) -> None:
        self.objects = objects
        self.config = config

    def controller_of(self, class_name: str) -> str:
        """The controller of a GatewayClass, "" if there is no such class."""
        written = self.objects.named(GATEWAY_CLASS, "", class_name)
        if written is not None:
            return str(written.spec.get("controllerName", ""))
        return _BUILT_IN.get(class_name, "")

    def service(self, namespace: str, name: str) -> Resource | None:
        """The Service of that name, or None."""
        return self.objects.named(SERVICE, namespace, name)

    def service_entry(self, namespace: str, name: str) -> Resource | None:
        """The ServiceEntry of that name, or None."""
        return self.objects.named(SERVICE_ENTRY, namespace, name)

    def has_host(self, host: str, namespace: str) -> bool:
        """Whether a host belongs to a Service or ServiceEntry of a namespace."""
        in_namespace = (item for item in self.objects.of(SERVICE_ENTRY) if item.namespace == namespace)
        if any(host in (item.spec.get("hosts") or ()) for item in in_namespace):
            return True
        name, _, rest = host.partition(".")
        return rest == f"{namespace}.svc.cluster.local" and self.service(namespace, name) is not None

    def secret(self, namespace: str, name: str) -> Resource | None:
        """The Secret of that name, or None."""
        return self.objects.named(SECRET, namespace, name)

    def config_map(self, namespace: str, name: str) -> Resource | None:
        """The ConfigMap of that name, or None."""
        return self.objects.named(CONFIG_MAP, namespace, name)

    def labels_of_namespace(self, name: str) -> Mapping[str, str]:
        """The labels of a namespace, with its name, which Kubernetes adds."""
        written = self.objects.named(NAMESPACE, "", name)
        return {**(written.labels if written else {}), _NAME_LABEL: name}

    def namespaces(self) -> list[str]:
        """All namespaces: Istio's, those with an object of their own, and those of other objects."""
        written = {item.name for item in self.objects.of(NAMESPACE)}
        return sorted({SYSTEM_NAMESPACE} | written | self.objects.namespaces())

    def is_granted(self, *, source: Kinded, namespace: str, target: Kinded, owner: str, name: str) -> bool:
        """Whether objects of a kind and namespace may refer to an object of another namespace, `owner`."""
        return any(
            _has(grant, "from", {"group": source.group, "kind": source.kind, "namespace": namespace})
            and any(
                (entry.get("group", ""), entry["kind"]) == (target.group, target.kind)
                and entry.get("name", name) == name
                for entry in grant.spec.get("to") or ()
            )
            for grant in self.objects.of(REFERENCE_GRANT)
            if grant.namespace == owner
        )


def _has(grant: Resource, key: str, wanted: Block) -> bool:
    return any(wanted.items() <= dict(entry).items() for entry in grant.spec.get(key) or ())


def selects(selector: Block, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches (Kubernetes, "Labels and Selectors")."""
    exact: Mapping[str, str] = selector.get("matchLabels") or {}
    return exact.items() <= labels.items() and all(_expressions(selector, labels))


def _expressions(selector: Block, labels: Mapping[str, str]) -> Iterator[bool]:
    for entry in selector.get("matchExpressions") or ():
        operator, key = entry["operator"], entry["key"]
        values = entry.get("values")
        found = key in labels and (labels[key] in (values or ()) if operator in ("In", "NotIn") else True)
        yield found is _OPERATORS.get(operator, True)
