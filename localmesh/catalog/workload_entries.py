"""WorkloadEntries: endpoints that are no pods, which Services and ServiceEntries select by their labels.

istiod: pilot/pkg/serviceregistry/serviceentry/conversion.go.
"""

from __future__ import annotations

from localmesh.catalog.locality import ISTIO_LOCALITY, Locality, pod_locality
from localmesh.catalog.objects import Objects
from localmesh.catalog.proxies import Pod
from localmesh.kinds.workload_entry import WORKLOAD_ENTRY
from localmesh.manifests import Resource

_TLS_MODE = "security.istio.io/tlsMode"


def workload_entries(objects: Objects) -> tuple[Pod, ...]:
    """The entries that have an address, as endpoints; they are always ready."""
    resources = (resource for resource in objects.of(WORKLOAD_ENTRY) if resource.spec.get("address"))
    return tuple(_endpoint(resource) for resource in resources)


def _endpoint(resource: Resource) -> Pod:
    spec = resource.spec
    labels = {**(spec.get("labels") or {}), **resource.labels}
    written = spec.get("locality") or ""
    return Pod(
        name=resource.name,
        namespace=resource.namespace,
        workload=resource.name,
        labels=labels,
        service_account=spec.get("serviceAccount") or "",
        addresses={},
        port_names={},
        ready=True,
        # one with an identity has a proxy, unless a label says otherwise
        has_sidecar=labels.get(_TLS_MODE, "istio" if spec.get("serviceAccount") else "") == "istio",
        locality=Locality.parsed(written)
        if written and ISTIO_LOCALITY not in labels
        else pod_locality(labels, {}, (), 0),
        entry_address=spec["address"],
        entry_ports={name: int(number) for name, number in (spec.get("ports") or {}).items()},
        weight=int(spec.get("weight") or 1),
    )
