"""What Kubernetes asks of a Deployment (kubernetes: pkg/apis/apps/validation, ValidateDeployment)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.kinds.kind import REMOVE_FIELD, Kind
from localmesh.kinds.rules.metadata import label_problems
from localmesh.kinds.rules.pod import POD_RULES
from localmesh.problems import Problem
from localmesh.problems.codes import invalid, unsupported
from localmesh.problems.fields import Field, listed

VOLUMES = ("emptyDir", "configMap", "secret", "persistentVolumeClaim")
"""Types of volumes that can be folders."""

_TEMPLATE = ("spec", "template")
_POD = "spec.template.spec"
_CONTAINER = f"{_POD}.containers[]"


def replicas(root: Field) -> Iterator[Problem]:
    """A number of pods."""
    count = root.get("spec", "replicas")
    if (count.integer or 0) < 0:
        yield count.problem(invalid.OUT_OF_RANGE, expected="0 or more", remedy="write a number from 0")


def selector(root: Field) -> Iterator[Problem]:
    """A Deployment must recognise its own pods."""
    spec = root.get("spec")
    wanted = spec.get("selector", "matchLabels")
    found = spec.get("template", "metadata", "labels")
    yield from label_problems(wanted)
    yield from label_problems(found)
    if not len(wanted) and not len(spec.get("selector", "matchExpressions")):
        yield spec.get("selector").problem(
            invalid.EMPTY_BLOCK, expected="matchLabels and matchExpressions", found="an empty selector"
        )
    labels = found.value if isinstance(found.value, dict) else {}
    if any(labels.get(key) != label.value for key, label in wanted.entries()):
        place = found or wanted
        yield place.problem(invalid.SELECTOR_MISMATCH, wanted=_shown(wanted), found=_shown(found))


def _shown(labels: Field) -> str:
    return ", ".join(f"{key}={label.value}" for key, label in labels.entries()) or "none"


def strategy(root: Field) -> Iterator[Problem]:
    """Replacing all pods at once knows no rolling update."""
    block = root.get("spec", "strategy")
    if block.get("type").text == "Recreate" and block.get("rollingUpdate"):
        yield block.problem(
            invalid.EXCLUSIVE_FIELDS,
            found="type Recreate and rollingUpdate",
            expected="type Recreate and rollingUpdate",
        )
    rolling = block.get("rollingUpdate")
    amounts = rolling.get("maxSurge").value, rolling.get("maxUnavailable").value
    if all(amount in (0, "0%") for amount in amounts):
        yield rolling.problem(
            invalid.OUT_OF_RANGE,
            found="maxSurge 0 and maxUnavailable 0",
            expected="one of them above 0",
            remedy="let a pod more start or one less run during an update",
        )


def restart_policy(root: Field) -> Iterator[Problem]:
    """Pods of a Deployment run until they are replaced."""
    policy = root.get("spec", "template", "spec", "restartPolicy")
    if policy.text in {"Never", "OnFailure"}:
        yield policy.problem(
            invalid.NOT_IN_SET, expected="Always, in a Deployment", remedy="remove restartPolicy"
        )


def pods(root: Field) -> Iterator[Problem]:
    """The template of the pods."""
    spec = root.get("spec", "template", "spec")
    if not spec:
        yield root.get("spec", "template").problem(
            invalid.MISSING_FIELD, name="spec", why="", remedy="add the pod with its containers"
        )
    for rule in POD_RULES:
        yield from rule(spec)


def volume_types(root: Field) -> Iterator[Problem]:
    """Volumes of which localmesh can make folders."""
    for volume in root.get(*_TEMPLATE, "spec", "volumes").items():
        for kind, source in volume.entries():
            if kind != "name" and kind not in VOLUMES and source:
                remedy = f"use {listed(VOLUMES, 'or')}"
                yield source.problem(unsupported.FIELD_NOT_SUPPORTED, remedy=remedy)


def interception(root: Field) -> Iterator[Problem]:
    """Labels and annotations that change what a sidecar intercepts."""
    for block in ("labels", "annotations"):
        for key, setting in root.get(*_TEMPLATE, "metadata", block).entries():
            if key.startswith("traffic.sidecar.istio.io/"):
                remedy = "leave it away: nothing is intercepted here, a pod reaches its sidecar by HTTP_PROXY"
                yield setting.problem(unsupported.FIELD_NOT_SUPPORTED, remedy=remedy)


DEPLOYMENT = Kind(
    group="apps",
    name="Deployment",
    versions=("v1",),
    plural="deployments",
    short_names=("deploy",),
    rules=(replicas, selector, strategy, restart_policy, pods),
    removed={
        "apps/v1beta1": "Kubernetes 1.16",
        "apps/v1beta2": "Kubernetes 1.16",
        "extensions/v1beta1": "Kubernetes 1.16",
    },
    unsupported_fields={
        "spec.paused": "remove it: a paused Deployment starts no pods",
        f"{_POD}.activeDeadlineSeconds": REMOVE_FIELD,
        f"{_POD}.dnsConfig": "use names of Services",
        f"{_POD}.hostAliases": "use names of Services: a process shares the machine's /etc/hosts",
        f"{_POD}.hostNetwork": "remove it: a pod on the host's network is outside the mesh",
        f"{_POD}.hostname": "leave it away: HOSTNAME is the pod's name",
        f"{_POD}.hostnameOverride": "leave it away: HOSTNAME is the pod's name",
        f"{_POD}.initContainers": "do their work at the beginning of the container's command",
        f"{_POD}.readinessGates": REMOVE_FIELD,
        f"{_POD}.resourceClaims": REMOVE_FIELD,
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
    support_rules=(volume_types, interception),
    ineffective_fields={
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
)
