"""Which pods get a sidecar, here and on a cluster (Istio, "Installing the Sidecar").

On a cluster a pod gets none if its own label or its namespace's disables injection, one if either enables it,
and none if neither says anything. Here the last case counts as enabled, as most samples have no Namespace.
"""

from __future__ import annotations

from collections.abc import Mapping

NAMESPACE_LABEL = "istio-injection"
REVISION_LABEL = "istio.io/rev"
POD_LABEL = "sidecar.istio.io/inject"

Labels = Mapping[str, str]


def is_disabled(namespace: Labels, pod: Labels, pod_annotations: Labels) -> bool:
    """Whether injection is disabled for a pod; the annotation is the older form of the pod's label."""
    own = pod.get(POD_LABEL, pod_annotations.get(POD_LABEL))
    return namespace.get(NAMESPACE_LABEL) == "disabled" or own == "false"


def is_enabled(namespace: Labels, pod: Labels) -> bool:
    """Whether a pod for which injection is not disabled gets a sidecar on a cluster.

    The pod's own labels count only in a namespace that has neither of the two labels.
    """
    if NAMESPACE_LABEL in namespace:
        return namespace[NAMESPACE_LABEL] == "enabled"
    if REVISION_LABEL in namespace:
        return bool(namespace[REVISION_LABEL])
    return pod.get(POD_LABEL) == "true" or bool(pod.get(REVISION_LABEL))
