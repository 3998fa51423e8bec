"""Kinds of Kubernetes that have no rules of their own."""

from localmesh.kinds.kind import Kind, NameFormat, Status

NAMESPACE = Kind(
    group="",
    name="Namespace",
    versions=("v1",),
    plural="namespaces",
    short_names=("ns",),
    namespaced=False,
    name_format=NameFormat.LABEL,
)
SERVICE_ACCOUNT = Kind(
    group="",
    name="ServiceAccount",
    versions=("v1",),
    plural="serviceaccounts",
    short_names=("sa",),
)

# -- without effect on one machine -------------------------------------------------------------------

CLUSTER_ROLE = Kind(
    group="rbac.authorization.k8s.io",
    name="ClusterRole",
    versions=("v1",),
    plural="clusterroles",
    namespaced=False,
    name_format=NameFormat.PATH_SEGMENT,
    removed={"rbac.authorization.k8s.io/v1beta1": "Kubernetes 1.22"},
    status=Status.IGNORED,
    reason="no API server checks permissions",
)
CLUSTER_ROLE_BINDING = Kind(
    group="rbac.authorization.k8s.io",
    name="ClusterRoleBinding",
    versions=("v1",),
    plural="clusterrolebindings",
    namespaced=False,
    name_format=NameFormat.PATH_SEGMENT,
    removed={"rbac.authorization.k8s.io/v1beta1": "Kubernetes 1.22"},
    status=Status.IGNORED,
    reason="no API server checks permissions",
)
HORIZONTAL_POD_AUTOSCALER = Kind(
    group="autoscaling",
    name="HorizontalPodAutoscaler",
    versions=("v2", "v1"),
    plural="horizontalpodautoscalers",
    short_names=("hpa",),
    removed={"autoscaling/v2beta1": "Kubernetes 1.25", "autoscaling/v2beta2": "Kubernetes 1.26"},
    status=Status.IGNORED,
    reason="nothing is scaled",
)
LIMIT_RANGE = Kind(
    group="",
    name="LimitRange",
    versions=("v1",),
    plural="limitranges",
    short_names=("limits",),
    status=Status.IGNORED,
    reason="resources are not limited",
)
NETWORK_POLICY = Kind(
    group="networking.k8s.io",
    name="NetworkPolicy",
    versions=("v1",),
    plural="networkpolicies",
    short_names=("netpol",),
    removed={"extensions/v1beta1": "Kubernetes 1.16"},
    status=Status.IGNORED,
    reason="all pods share the network of one machine",
)
PERSISTENT_VOLUME = Kind(
    group="",
    name="PersistentVolume",
    versions=("v1",),
    plural="persistentvolumes",
    short_names=("pv",),
    namespaced=False,
    status=Status.IGNORED,
    reason="volumes are folders",
)
POD_DISRUPTION_BUDGET = Kind(
    group="policy",
    name="PodDisruptionBudget",
    versions=("v1",),
    plural="poddisruptionbudgets",
    short_names=("pdb",),
    removed={"policy/v1beta1": "Kubernetes 1.25"},
    status=Status.IGNORED,
    reason="pods are not evicted",
)
PRIORITY_CLASS = Kind(
    group="scheduling.k8s.io",
    name="PriorityClass",
    versions=("v1",),
    plural="priorityclasses",
    short_names=("pc",),
    namespaced=False,
    removed={"scheduling.k8s.io/v1beta1": "Kubernetes 1.22"},
    status=Status.IGNORED,
    reason="pods are not scheduled",
)
RESOURCE_QUOTA = Kind(
    group="",
    name="ResourceQuota",
    versions=("v1",),
    plural="resourcequotas",
    short_names=("quota",),
    status=Status.IGNORED,
    reason="resources are not limited",
)
ROLE = Kind(
    group="rbac.authorization.k8s.io",
    name="Role",
    versions=("v1",),
    plural="roles",
    name_format=NameFormat.PATH_SEGMENT,
    removed={"rbac.authorization.k8s.io/v1beta1": "Kubernetes 1.22"},
    status=Status.IGNORED,
    reason="no API server checks permissions",
)
ROLE_BINDING = Kind(
    group="rbac.authorization.k8s.io",
    name="RoleBinding",
    versions=("v1",),
    plural="rolebindings",
    name_format=NameFormat.PATH_SEGMENT,
    removed={"rbac.authorization.k8s.io/v1beta1": "Kubernetes 1.22"},
    status=Status.IGNORED,
    reason="no API server checks permissions",
)
STORAGE_CLASS = Kind(
    group="storage.k8s.io",
    name="StorageClass",
    versions=("v1",),
    plural="storageclasses",
    short_names=("sc",),
    namespaced=False,
    removed={"storage.k8s.io/v1beta1": "Kubernetes 1.22"},
    status=Status.IGNORED,
    reason="volumes are folders",
)

# -- not supported yet -------------------------------------------------------------------------------

REPLICATION_CONTROLLER = Kind(
    group="",
    name="ReplicationController",
    versions=("v1",),
    plural="replicationcontrollers",
    short_names=("rc",),
    status=Status.UNSUPPORTED,
)
