"""Which pods get a sidecar, here and on a cluster: Istio's page "Installing the Sidecar".

There, a pod gets none if its own label or its namespace's says no; it gets one if one of them says yes; and
none if neither says anything. Here what says nothing counts as yes: most samples come without a Namespace.
"""

from __future__ import annotations

from collections.abc import Mapping

NAMESPACE_LABEL = "istio-injection"
REVISION_LABEL = "istio.io/rev"
POD_LABEL = "sidecar.istio.io/inject"

Labels = Mapping[str, str]


def is_refused(namespace: Labels, pod: Labels, pod_annotations: Labels) -> bool:
    """Whether a pod gets no sidecar whatever else is said; the annotation is the label's predecessor."""
    own = pod.get(POD_LABEL, pod_annotations.get(POD_LABEL))
    return namespace.get(NAMESPACE_LABEL) == "disabled" or own == "false"


def is_asked_for_all(namespace: Labels) -> bool:
    """Whether a namespace asks for sidecars; `istio-injection` decides where both labels are."""
    if NAMESPACE_LABEL in namespace:
        return namespace[NAMESPACE_LABEL] == "enabled"
    return bool(namespace.get(REVISION_LABEL))


def is_asked(namespace: Labels, pod: Labels) -> bool:
    """Whether a pod that is not refused gets a sidecar on a cluster, too.

    Its own labels are looked at only in a namespace that has neither of the two.
    """
    if is_asked_for_all(namespace):
        return True
    if NAMESPACE_LABEL in namespace or REVISION_LABEL in namespace:
        return False
    return pod.get(POD_LABEL) == "true" or bool(pod.get(REVISION_LABEL))
