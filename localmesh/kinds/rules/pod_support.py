"""What localmesh supports of pods, wherever a kind describes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from localmesh.kinds.kind import REMOVE_FIELD, Rule
from localmesh.problems import Problem
from localmesh.problems.codes import unsupported
from localmesh.problems.fields import Field, listed

VOLUMES = ("emptyDir", "configMap", "secret", "persistentVolumeClaim")
"""Types of volumes that can be folders."""

TEMPLATES_ANNOTATION = "inject.istio.io/templates"
"""The annotation of a pod that names the injection templates that it asks for."""
GATEWAY_TEMPLATE = "gateway"
"""The injection template of gateways."""
PROXY_CONTAINER = "istio-proxy"
"""The container that Istio injects."""


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """Where objects of a kind describe their pods: the path of what has `metadata` and `spec` of a pod."""

    path: tuple[str, ...] = ()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """What localmesh does not support of a pod, where the path of a field cannot express it."""
        return (self.volume_types, self.interception, self.gateway_containers)

    def volume_types(self, root: Field) -> Iterator[Problem]:
        """localmesh supports the types of volumes that can be folders."""
        for volume in root.get(*self.path, "spec", "volumes").items():
            for kind, source in volume.entries():
                if kind != "name" and kind not in VOLUMES and source:
                    remedy = f"use {listed(VOLUMES, 'or')}"
                    yield source.problem(unsupported.FIELD_NOT_SUPPORTED, remedy=remedy)

    def interception(self, root: Field) -> Iterator[Problem]:
        """Labels and annotations that change what a sidecar intercepts are not supported."""
        for block in ("labels", "annotations"):
            for key, setting in root.get(*self.path, "metadata", block).entries():
                if key.startswith("traffic.sidecar.istio.io/"):
                    remedy = "remove it: pods reach their sidecar through HTTP_PROXY, without interception"
                    yield setting.problem(unsupported.FIELD_NOT_SUPPORTED, remedy=remedy)

    def gateway_containers(self, root: Field) -> Iterator[Problem]:
        """In the pods of a gateway localmesh runs Envoy only."""
        template = root.get(*self.path)
        templates = template.get("metadata", "annotations", TEMPLATES_ANNOTATION).text or ""
        if GATEWAY_TEMPLATE not in map(str.strip, templates.split(",")):
            return
        for container in template.get("spec", "containers").items():
            if container.get("name").text != PROXY_CONTAINER:
                remedy = "remove it: in the pods of a gateway only its Envoy runs here"
                yield container.problem(unsupported.FIELD_NOT_SUPPORTED, remedy=remedy)

    @property
    def unsupported_fields(self) -> Mapping[str, str]:
        """The fields of a pod that localmesh does not support, each with what to do instead."""
        pod = ".".join((*self.path, "spec"))
        container = f"{pod}.containers[]"
        return {
            f"{pod}.activeDeadlineSeconds": REMOVE_FIELD,
            f"{pod}.dnsConfig": "use names of Services",
            f"{pod}.hostAliases": "use names of Services: processes share the machine's /etc/hosts",
            f"{pod}.hostNetwork": "remove it: a pod on the host's network is outside the mesh",
            f"{pod}.hostname": "remove it: HOSTNAME is the name of the pod",
            f"{pod}.hostnameOverride": "remove it: HOSTNAME is the name of the pod",
            f"{pod}.initContainers[].restartPolicy": "write it under containers: it runs beside them",
            f"{pod}.readinessGates": REMOVE_FIELD,
            f"{pod}.resourceClaims": REMOVE_FIELD,
            f"{pod}.setHostnameAsFQDN": "remove it: HOSTNAME is the name of the pod",
            f"{pod}.subdomain": "use names of Services",
            f"{container}.env[].valueFrom.fileKeyRef": "take the value from a ConfigMap or a Secret",
            f"{container}.restartPolicy": "remove it: a container that exits is always restarted",
            f"{container}.restartPolicyRules": "remove it: a container that exits is always restarted",
            f"{container}.volumeDevices": "mount the volume as files",
        }

    @property
    def ineffective_fields(self) -> Mapping[str, str]:
        """The fields of a pod that change nothing on one machine, each with the reason."""
        pod = ".".join((*self.path, "spec"))
        container = f"{pod}.containers[]"
        return {
            f"{pod}.affinity": "there is one node",
            f"{pod}.automountServiceAccountToken": "there is no API server",
            f"{pod}.dnsPolicy": "the sidecar resolves names",
            f"{pod}.enableServiceLinks": "those of Services with TCP ports are always set",
            f"{pod}.ephemeralContainers": "not allowed in pod templates",
            f"{pod}.hostIPC": "processes share those of the machine",
            f"{pod}.hostPID": "processes share those of the machine",
            f"{pod}.hostUsers": "processes run as the user who starts localmesh",
            f"{pod}.imagePullSecrets": "images are not pulled",
            f"{pod}.nodeName": "there is one node",
            f"{pod}.nodeSelector": "its topology labels say where pods are; there is one node",
            f"{pod}.os": "pods run on this machine",
            f"{pod}.overhead": "pods are not scheduled",
            f"{pod}.preemptionPolicy": "pods are not scheduled",
            f"{pod}.priority": "pods are not scheduled",
            f"{pod}.priorityClassName": "pods are not scheduled",
            f"{pod}.resources": "resources are not limited",
            f"{pod}.restartPolicy": "only Always is allowed in a Deployment",
            f"{pod}.runtimeClassName": "there is no container runtime",
            f"{pod}.schedulerName": "pods are not scheduled",
            f"{pod}.schedulingGates": "pods are not scheduled",
            f"{pod}.schedulingGroup": "pods are not scheduled",
            f"{pod}.securityContext": "processes run as the user who starts localmesh",
            f"{pod}.shareProcessNamespace": "processes share that of the machine",
            f"{pod}.tolerations": "there is one node",
            f"{pod}.topologySpreadConstraints": "there is one node",
            f"{container}.image": "the command runs on this machine; without a command, a stub answers",
            f"{container}.imagePullPolicy": "images are not pulled",
            f"{container}.lifecycle.stopSignal": "a container is stopped by SIGTERM",
            f"{container}.lifecycle.preStop.sleep": "proxies stop sending to a pod before it is stopped",
            f"{container}.ports[].hostIP": "every port is on 127.0.0.1",
            f"{container}.ports[].hostPort": "every port is on 127.0.0.1",
            f"{container}.resizePolicy": "resources are not limited",
            f"{container}.securityContext": "processes run as the user who starts localmesh",
            f"{container}.stdin": "there is no terminal",
            f"{container}.stdinOnce": "there is no terminal",
            f"{container}.terminationMessagePath": "messages are in the log",
            f"{container}.terminationMessagePolicy": "messages are in the log",
            f"{container}.tty": "there is no terminal",
            f"{container}.volumeMounts[].mountPropagation": "volumes are folders",
            f"{container}.volumeMounts[].recursiveReadOnly": "volumes are folders",
        }
