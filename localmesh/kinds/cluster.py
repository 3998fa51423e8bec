"""Kinds that are about the cluster itself: its API server, nodes and storage. None has an effect here."""

from __future__ import annotations

from localmesh.kinds.kind import Kind, Status

_ADMISSION = "no API server admits objects"


def _of_cluster(group: str, name: str, plural: str, reason: str, *, namespaced: bool = False) -> Kind:
    return Kind(
        group=group,
        name=name,
        versions=("v1",),
        plural=plural,
        namespaced=namespaced,
        has_schema=False,
        status=Status.IGNORED,
        reason=reason,
    )


API_SERVICE = _of_cluster("apiregistration.k8s.io", "APIService", "apiservices", "no API is extended")
CONTROLLER_REVISION = _of_cluster(
    "apps", "ControllerRevision", "controllerrevisions", "revisions are not kept", namespaced=True
)
CUSTOM_RESOURCE_DEFINITION = _of_cluster(
    "apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", "no API is extended"
)
CSI_DRIVER = _of_cluster("storage.k8s.io", "CSIDriver", "csidrivers", "volumes are folders")
LEASE = _of_cluster("coordination.k8s.io", "Lease", "leases", "nothing elects a leader", namespaced=True)
MUTATING_WEBHOOK = _of_cluster(
    "admissionregistration.k8s.io",
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
    _ADMISSION,
)
VALIDATING_WEBHOOK = _of_cluster(
    "admissionregistration.k8s.io",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    _ADMISSION,
)
VALIDATING_POLICY = _of_cluster(
    "admissionregistration.k8s.io",
    "ValidatingAdmissionPolicy",
    "validatingadmissionpolicies",
    _ADMISSION,
)
VALIDATING_POLICY_BINDING = _of_cluster(
    "admissionregistration.k8s.io",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    _ADMISSION,
)
NODE = _of_cluster("", "Node", "nodes", "there is one machine")
RUNTIME_CLASS = _of_cluster("node.k8s.io", "RuntimeClass", "runtimeclasses", "pods are processes")
