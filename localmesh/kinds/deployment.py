"""Deployment: its record and what Kubernetes requires (kubernetes: apps/validation, ValidateDeployment)."""

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

TEMPLATES_ANNOTATION = "inject.istio.io/templates"
"""The annotation of a pod that names the injection templates that it asks for."""
GATEWAY_TEMPLATE = "gateway"
"""The injection template of gateways."""
PROXY_CONTAINER = "istio-proxy"
"""The container that Istio injects."""

_TEMPLATE = ("spec", "template")
_POD = "spec.template.spec"
_CONTAINER = f"{_POD}.containers[]"


def replicas(root: Field) -> Iterator[Problem]:
    """The number of pods is not negative."""
    count = root.get("spec", "replicas")
    if (count.integer or 0) < 0:
        yield count.problem(invalid.OUT_OF_RANGE, expected="0 or more", remedy="write 0 or more")


def selector(root: Field) -> Iterator[Problem]:
    """The selector matches the labels of the template."""
    spec = root.get("spec")
    wanted = spec.get("selector", "matchLabels")
    template = spec.get("template", "metadata", "labels")
    yield from label_problems(wanted)
    yield from label_problems(template)
    if not len(wanted) and not len(spec.get("selector", "matchExpressions")):
        yield spec.get("selector").problem(
            invalid.EMPTY_BLOCK, expected="matchLabels and matchExpressions", found="an empty selector"
        )
    labels = template.value if isinstance(template.value, dict) else {}
    if any(labels.get(key) != label.value for key, label in wanted.entries()):
        place = template or wanted
        yield place.problem(invalid.SELECTOR_MISMATCH, wanted=_shown(wanted), found=_shown(template))


def _shown(labels: Field) -> str:
    return ", ".join(f"{key}={label.value}" for key, label in labels.entries()) or "none"


def strategy(root: Field) -> Iterator[Problem]:
    """The strategy is consistent: Recreate has no rollingUpdate, and an update can make progress."""
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
            remedy="set maxSurge or maxUnavailable to 1 or more",
        )


def restart_policy(root: Field) -> Iterator[Problem]:
    """Pods of a Deployment are always restarted."""
    policy = root.get("spec", "template", "spec", "restartPolicy")
    if policy.text in {"Never", "OnFailure"}:
        yield policy.problem(
            invalid.NOT_IN_SET, expected="Always, in a Deployment", remedy="remove restartPolicy"
        )


def pods(root: Field) -> Iterator[Problem]:
    """The pod template."""
    spec = root.get("spec", "template", "spec")
    if not spec:
        yield root.get("spec", "template").problem(
            invalid.MISSING_FIELD, name="spec", why="", remedy="add spec.template.spec with containers"
        )
    for rule in POD_RULES:
        yield from rule(spec)


def volume_types(root: Field) -> Iterator[Problem]:
    """localmesh supports the types of volumes that can be folders."""
    for volume in root.get(*_TEMPLATE, "spec", "volumes").items():
        for kind, source in volume.entries():
            if kind != "name" and kind not in VOLUMES and source:
                remedy = f"use {listed(VOLUMES, 'or')}"
                yield source.problem(unsupported.FIELD_NOT_SUPPORTED, remedy=remedy)


def interception(root: Field) -> Iterator[Problem]:
    """Labels and annotations that change what a sidecar intercepts are not supported."""
    for block in ("labels", "annotations"):
        for key, setting in root.get(*_TEMPLATE, "metadata", block).entries():
            if key.startswith("traffic.sidecar.istio.io/"):
                remedy = "remove it: pods reach their sidecar through HTTP_PROXY here, without interception"
                yield setting.problem(unsupported.FIELD_NOT_SUPPORTED, remedy=remedy)


def gateway_containers(root: Field) -> Iterator[Problem]:
    """In the pods of a gateway localmesh runs Envoy only."""
    template = root.get(*_TEMPLATE)
    templates = template.get("metadata", "annotations", TEMPLATES_ANNOTATION).text or ""
    if GATEWAY_TEMPLATE not in map(str.strip, templates.split(",")):
        return
    for container in template.get("spec", "containers").items():
        if container.get("name").text != PROXY_CONTAINER:
            remedy = "remove it: in the pods of a gateway only its Envoy runs here"
            yield container.problem(unsupported.FIELD_NOT_SUPPORTED, remedy=remedy)


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
        f"{_POD}.hostAliases": "use names of Services: processes share the machine's /etc/hosts",
        f"{_POD}.hostNetwork": "remove it: a pod on the host's network is outside the mesh",
        f"{_POD}.hostname": "remove it: HOSTNAME is the name of the pod",
        f"{_POD}.hostnameOverride": "remove it: HOSTNAME is the name of the pod",
        f"{_POD}.initContainers": "do their work at the start of the container's command",
        f"{_POD}.readinessGates": REMOVE_FIELD,
        f"{_POD}.resourceClaims": REMOVE_FIELD,
        f"{_POD}.setHostnameAsFQDN": "remove it: HOSTNAME is the name of the pod",
        f"{_POD}.subdomain": "use names of Services",
        f"{_CONTAINER}.env[].valueFrom.fileKeyRef": "take the value from a ConfigMap or a Secret",
        f"{_CONTAINER}.lifecycle.postStart": "do its work at the start of the command",
        f"{_CONTAINER}.livenessProbe.grpc": "use httpGet, tcpSocket or exec",
        f"{_CONTAINER}.readinessProbe.grpc": "use httpGet, tcpSocket or exec",
        f"{_CONTAINER}.restartPolicy": "remove it: a container that exits is always restarted",
        f"{_CONTAINER}.restartPolicyRules": "remove it: a container that exits is always restarted",
        f"{_CONTAINER}.startupProbe.grpc": "use httpGet, tcpSocket or exec",
        f"{_CONTAINER}.volumeDevices": "mount the volume as files",
    },
    support_rules=(volume_types, interception, gateway_containers),
    ineffective_fields={
        "spec.minReadySeconds": "it only paces rollouts",
        "spec.progressDeadlineSeconds": "it only affects how rollouts are reported",
        "spec.revisionHistoryLimit": "revisions are not kept",
        f"{_POD}.affinity": "there is one node",
        f"{_POD}.automountServiceAccountToken": "there is no API server",
        f"{_POD}.dnsPolicy": "the sidecar resolves names",
        f"{_POD}.enableServiceLinks": "these variables are not set",
        f"{_POD}.ephemeralContainers": "not allowed in pod templates",
        f"{_POD}.hostIPC": "processes share those of the machine",
        f"{_POD}.hostPID": "processes share those of the machine",
        f"{_POD}.hostUsers": "processes run as the user who starts localmesh",
        f"{_POD}.imagePullSecrets": "images are not pulled",
        f"{_POD}.nodeName": "there is one node",
        f"{_POD}.nodeSelector": "there is one node",
        f"{_POD}.os": "pods run on this machine",
        f"{_POD}.overhead": "pods are not scheduled",
        f"{_POD}.preemptionPolicy": "pods are not scheduled",
        f"{_POD}.priority": "pods are not scheduled",
        f"{_POD}.priorityClassName": "pods are not scheduled",
        f"{_POD}.resources": "resources are not limited",
        f"{_POD}.restartPolicy": "only Always is allowed in a Deployment",
        f"{_POD}.runtimeClassName": "there is no container runtime",
        f"{_POD}.schedulerName": "pods are not scheduled",
        f"{_POD}.schedulingGates": "pods are not scheduled",
        f"{_POD}.schedulingGroup": "pods are not scheduled",
        f"{_POD}.securityContext": "processes run as the user who starts localmesh",
        f"{_POD}.shareProcessNamespace": "processes share that of the machine",
        f"{_POD}.tolerations": "there is one node",
        f"{_POD}.topologySpreadConstraints": "there is one node",
        f"{_CONTAINER}.image": "the command runs on this machine; without a command, a stub answers",
        f"{_CONTAINER}.imagePullPolicy": "images are not pulled",
        f"{_CONTAINER}.lifecycle.preStop.sleep": "proxies stop sending to a pod before it is stopped",
        f"{_CONTAINER}.ports[].hostIP": "every port is on 127.0.0.1",
        f"{_CONTAINER}.ports[].hostPort": "every port is on 127.0.0.1",
        f"{_CONTAINER}.resizePolicy": "resources are not limited",
        f"{_CONTAINER}.securityContext": "processes run as the user who starts localmesh",
        f"{_CONTAINER}.stdin": "there is no terminal",
        f"{_CONTAINER}.stdinOnce": "there is no terminal",
        f"{_CONTAINER}.terminationMessagePath": "messages are in the log",
        f"{_CONTAINER}.terminationMessagePolicy": "messages are in the log",
        f"{_CONTAINER}.tty": "there is no terminal",
        f"{_CONTAINER}.volumeMounts[].mountPropagation": "volumes are folders",
        f"{_CONTAINER}.volumeMounts[].recursiveReadOnly": "volumes are folders",
    },
)
