"""Localities: the region, zone and subzone of pods, and the pretended nodes that they are on.

On a cluster a pod has the locality of its node. Here there is one machine, so the manifests decide: the label
`istio-locality` of a pod, else the node that its `nodeSelector` asks for, else its own topology labels, else
one of the zones that the person who starts the mesh names, in turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

REGION = "topology.kubernetes.io/region"
ZONE = "topology.kubernetes.io/zone"
SUBZONE = "topology.istio.io/subzone"
CLUSTER = "topology.istio.io/cluster"
HOSTNAME = "kubernetes.io/hostname"
ISTIO_LOCALITY = "istio-locality"
NODE_NAME = "localmesh"
"""The `spec.nodeName` of every pod without a locality; nodes of zones have the zone appended."""

_CLUSTER_NAME = "Kubernetes"


class Locality(NamedTuple):
    """Where a pod is; "" for what is not known."""

    region: str = ""
    zone: str = ""
    subzone: str = ""

    @classmethod
    def parsed(cls, text: str) -> Locality:
        """The locality that `region/zone/subzone` means, the last two of which may be left out."""
        parts = text.split("/", 2)
        return cls(*parts)

    @property
    def text(self) -> str:
        """`region/zone/subzone`, "" if nothing is known."""
        return "/".join(self) if any(self) else ""

    @property
    def node(self) -> str:
        """The name of the pretended node of its pods: one for each locality."""
        return "-".join((NODE_NAME, *filter(None, self)))

    def topology_labels(self) -> Mapping[str, str]:
        """The labels that Istio adds to those of a pod (istiod: serviceregistry/util/label)."""
        written = {REGION: self.region, ZONE: self.zone, SUBZONE: self.subzone, HOSTNAME: self.node}
        return {CLUSTER: _CLUSTER_NAME, **{name: value for name, value in written.items() if value}}


NOWHERE = Locality()
"""The locality of pods of which nothing is known."""


def pod_locality(
    labels: Mapping[str, str], node_selector: Mapping[str, str], zones: Sequence[Locality], ordinal: int
) -> Locality:
    """The locality of a workload's `ordinal`-th pod; `zones` are those of the pretended nodes."""
    if written := labels.get(ISTIO_LOCALITY):
        # a label cannot have slashes, so that dots stand for them (istiod: model.GetLocalityLabel)
        return Locality.parsed(written if "/" in written else written.replace(".", "/"))
    wanted = _of_labels(node_selector) if _names_place(node_selector) else _of_labels(labels)
    fitting = [zone for zone in zones if _fits(wanted, zone)]
    if fitting:
        return fitting[ordinal % len(fitting)]
    return wanted


def _names_place(labels: Mapping[str, str]) -> bool:
    return any(labels.get(name) for name in (REGION, ZONE, SUBZONE))


def _of_labels(labels: Mapping[str, str]) -> Locality:
    return Locality(*(labels.get(name, "") for name in (REGION, ZONE, SUBZONE)))


def _fits(wanted: Locality, zone: Locality) -> bool:
    """Whether a node of a zone is where a pod wants to be; what the pod leaves open does not matter."""
    return all(part in ("", own) for part, own in zip(wanted, zone, strict=True))
