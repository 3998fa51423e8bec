"""What proxies tell each other about their workloads, for the labels of metrics.

Istio calls it metadata exchange. Its Envoy encodes the metadata as protobuf; here they are one flat string,
which Envoy as released can copy from an endpoint or a header into a statistic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_SERVICE_LABELS = ("service.istio.io/canonical-name", "app.kubernetes.io/name", "app")
_REVISION_LABELS = ("service.istio.io/canonical-revision", "app.kubernetes.io/version", "version")
_CLUSTER = "Kubernetes"  # the id of Istio's only cluster where nothing else is configured
_SEPARATOR = ";"


class Peer(NamedTuple):
    """A workload as the labels of Istio's metrics describe it; "" is unknown.

    The first five are in the order of istiod's own metadata of endpoints
    (pkg/config/labels and pilot/pkg/networking/util, `BuildLbEndpointMetadata`).
    """

    workload: str = ""
    namespace: str = ""
    canonical_service: str = ""
    canonical_revision: str = ""
    cluster: str = ""
    app: str = ""
    version: str = ""

    @classmethod
    def of(cls, workload: str, namespace: str, labels: Mapping[str, str]) -> Peer:
        """The peer that a pod is (pkg/config/labels/labels.go, `CanonicalService`)."""
        return cls(
            workload,
            namespace,
            _first(labels, _SERVICE_LABELS) or workload,
            _first(labels, _REVISION_LABELS) or "latest",
            _CLUSTER,
            labels.get("app", ""),
            labels.get("version", ""),
        )

    @classmethod
    def parse(cls, text: str) -> Peer:
        """The peer that `str` has written; what a stranger sends in its place gives what it happens to be."""
        return cls(*text.split(_SEPARATOR)[: len(cls._fields)])

    def __str__(self) -> str:
        return _SEPARATOR.join(self)


def _first(labels: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")
