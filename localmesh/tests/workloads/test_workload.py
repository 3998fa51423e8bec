"""Deployments read as workloads."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from localmesh.catalog.container import (
    ContainerPort,
    FieldReference,
    KeyReference,
    ResourceReference,
    Variable,
    VariableImport,
)
from localmesh.catalog.probe import Execute, HttpGet, Probe, TcpSocket
from localmesh.catalog.volume import Claim, ConfigFiles, EmptyDirectory, KeyFile, Mount, Volume
from localmesh.catalog.workload import Workload, workload
from localmesh.manifests import Resource

MakeDeployment = Callable[..., Resource]
MakeWorkload = Callable[..., Workload]


class TestDeployment:
    def test_unset_fields_have_kubernetes_defaults(self, deployment: MakeDeployment) -> None:
        """A Deployment that says nothing runs one pod as the account default with 30 s to end."""
        result = workload(deployment({"containers": [{"name": "web"}]}))

        assert result.replicas == 1
        assert result.service_account == "default"
        assert result.termination_grace_seconds == 30
        assert not result.one_at_a_time
        assert result.problems == ()

    def test_zero_is_not_unset(self, deployment: MakeDeployment) -> None:
        """Zero replicas and no grace period are kept."""
        result = workload(
            deployment({"containers": [], "terminationGracePeriodSeconds": 0}, spec={"replicas": 0})
        )

        assert (result.replicas, result.termination_grace_seconds) == (0, 0)

    def test_recreate_ends_old_pods_first(self, deployment: MakeDeployment) -> None:
        """The strategy Recreate is kept."""
        assert workload(deployment({}, spec={"strategy": {"type": "Recreate"}})).one_at_a_time

    def test_declared_ports_are_those_of_all_containers(self, deployment: MakeDeployment) -> None:
        """TCP ports count once each, in order; UDP ports do not."""
        first = {"name": "a", "ports": [{"containerPort": 8080}, {"containerPort": 53, "protocol": "UDP"}]}
        second = {"name": "b", "ports": [{"containerPort": 9102}, {"containerPort": 8080}]}

        assert workload(deployment({"containers": [first, second]})).declared_ports == (8080, 9102)


class TestRestartKey:
    @pytest.fixture
    def pod_spec(self) -> dict[str, Any]:
        return {"containers": [{"name": "web", "env": [{"name": "A", "value": "1"}]}]}

    def test_it_does_not_hang_on_the_order_of_fields(
        self, deployment: MakeDeployment, pod_spec: dict[str, Any]
    ) -> None:
        """The same template written in another order has the same key."""
        container = pod_spec["containers"][0]
        reordered = {"containers": [dict(reversed(container.items()))]}

        assert workload(deployment(pod_spec)).restart_key == workload(deployment(reordered)).restart_key

    def test_it_changes_with_the_template_only(
        self, deployment: MakeDeployment, pod_spec: dict[str, Any]
    ) -> None:
        """Another environment means other pods; another number of replicas does not."""
        changed = copy.deepcopy(pod_spec)
        changed["containers"][0]["env"][0]["value"] = "2"
        key = workload(deployment(pod_spec)).restart_key

        assert workload(deployment(changed)).restart_key != key
        assert workload(deployment(pod_spec, spec={"replicas": 3})).restart_key == key


class TestContainer:
    def test_variables_keep_their_order_and_sources(self, make_workload: MakeWorkload) -> None:
        """Values, fields, resources and keys are distinguished."""
        env = [
            {"name": "PORT", "value": "8080"},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
            {"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k", "optional": True}}},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "EMPTY"},
        ]

        container = make_workload({"env": env}).containers[0]

        assert container.variables == (
            Variable("PORT", "8080"),
            Variable("POD", source=FieldReference("metadata.name")),
            Variable("CPU", source=ResourceReference("limits.cpu", "1m")),
            Variable("KEY", source=KeyReference("ConfigMap", "m", "k", optional=True)),
            Variable("TOKEN", source=KeyReference("Secret", "s", "k")),
            Variable("EMPTY"),
        )

    def test_imports_name_their_object(self, make_workload: MakeWorkload) -> None:
        """envFrom can take a ConfigMap or a Secret, with a prefix."""
        env_from = [
            {"prefix": "A_", "configMapRef": {"name": "m"}},
            {"secretRef": {"name": "s", "optional": True}},
        ]

        container = make_workload({"envFrom": env_from}).containers[0]

        assert container.imports == (
            VariableImport("ConfigMap", "m", "A_"),
            VariableImport("Secret", "s", optional=True),
        )

    def test_ports_and_resources_are_read(self, make_workload: MakeWorkload) -> None:
        """Names, protocols and quantities are kept as written."""
        container = make_workload(
            {
                "ports": [{"name": "http", "containerPort": 8080}, {"containerPort": 53, "protocol": "UDP"}],
                "resources": {"limits": {"memory": "64Mi", "cpu": 1}},
            }
        ).containers[0]

        assert container.ports == (ContainerPort(8080, "http"), ContainerPort(53, "", "UDP"))
        assert container.limits == {"memory": "64Mi", "cpu": "1"}
        assert container.requests is None


class TestProbes:
    def test_defaults_are_those_of_kubernetes(self, make_workload: MakeWorkload) -> None:
        """Every ten seconds, one second to answer, three failures, one success."""
        container = make_workload({"readinessProbe": {"httpGet": {"port": 8080}}}).containers[0]

        assert container.readiness == Probe(HttpGet(8080, "/", "HTTP", None, ()), 0, 10, 1, 1, 3, None)

    def test_all_fields_are_read(self, make_workload: MakeWorkload) -> None:
        """A port can be named; headers, scheme and all times are kept."""
        probe = {
            "httpGet": {
                "path": "/readyz",
                "port": "http",
                "scheme": "HTTPS",
                "host": "example.com",
                "httpHeaders": [{"name": "Host", "value": "web"}],
            },
            "initialDelaySeconds": 1,
            "periodSeconds": 2,
            "timeoutSeconds": 3,
            "successThreshold": 4,
            "failureThreshold": 5,
            "terminationGracePeriodSeconds": 0,
        }

        container = make_workload(
            {"ports": [{"name": "http", "containerPort": 8080}], "livenessProbe": probe}
        ).containers[0]

        action = HttpGet(8080, "/readyz", "HTTPS", "example.com", (("Host", "web"),))
        assert container.liveness == Probe(action, 1, 2, 3, 4, 5, 0)

    def test_other_handlers_are_read(self, make_workload: MakeWorkload) -> None:
        """Sockets and commands probe too; a sleep before the stop is for proxies that have not heard yet."""
        container = make_workload(
            {
                "startupProbe": {"exec": {"command": ["test", "-f", "/tmp/up"]}},
                "livenessProbe": {"tcpSocket": {"port": "8080"}},
                "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
            }
        ).containers[0]

        assert container.startup is not None
        assert container.startup.action == Execute(("test", "-f", "/tmp/up"))
        assert container.liveness is not None
        assert container.liveness.action == TcpSocket(8080)
        assert container.pre_stop is None

    def test_a_port_that_no_container_names_is_a_problem(self, make_workload: MakeWorkload) -> None:
        """Kubernetes accepts it, and the pod never becomes ready."""
        result = make_workload(
            {
                "ports": [{"name": "http", "containerPort": 8080}],
                "readinessProbe": {"httpGet": {"port": "metrics"}},
            }
        )

        (problem,) = result.problems
        assert str(problem.path) == "spec.template.spec.containers[0].readinessProbe.httpGet.port"
        assert problem.code == "SM117"


class TestVolumes:
    def test_kinds_of_volumes_are_told_apart(self, make_workload: MakeWorkload) -> None:
        """Empty folders, claims, ConfigMaps and Secrets, with items and modes."""
        result = make_workload(
            {},
            volumes=[
                {"name": "a"},
                {"name": "b", "emptyDir": {}},
                {"name": "c", "persistentVolumeClaim": {"claimName": "data"}},
                {
                    "name": "d",
                    "configMap": {"name": "m", "items": [{"key": "k", "path": "x/y", "mode": 0o600}]},
                },
                {"name": "e", "secret": {"secretName": "s", "defaultMode": 0o400, "optional": True}},
            ],
        )

        assert result.volumes == (
            Volume("a", EmptyDirectory()),
            Volume("b", EmptyDirectory()),
            Volume("c", Claim("data")),
            Volume("d", ConfigFiles("ConfigMap", "m", (KeyFile("k", "x/y", 0o600),))),
            Volume("e", ConfigFiles("Secret", "s", None, 0o400, optional=True)),
        )

    def test_mounts_are_normalised(self, make_workload: MakeWorkload) -> None:
        """A trailing slash goes; only subPathExpr expands variables."""
        result = make_workload(
            {
                "volumeMounts": [
                    {"name": "a", "mountPath": "/data/", "subPath": "$(X)"},
                    {"name": "a", "mountPath": "/other", "subPathExpr": "$(X)", "readOnly": True},
                ]
            },
            volumes=[{"name": "a"}],
        )

        assert result.containers[0].mounts == (
            Mount("a", "/data", "$$(X)"),
            Mount("a", "/other", "$(X)", read_only=True),
        )

    @pytest.mark.parametrize(
        ("volume", "mount", "path"),
        [
            (
                {"configMap": {"items": [{"key": "k", "path": "../x"}]}},
                {},
                "volumes[0].configMap.items[0].path",
            ),
            ({}, {"name": "b"}, "containers[0].volumeMounts[0].name"),
            ({}, {"subPath": "a/../.."}, "containers[0].volumeMounts[0].subPath"),
            ({}, {"subPathExpr": "/etc"}, "containers[0].volumeMounts[0].subPathExpr"),
        ],
    )
    def test_volumes_that_cannot_be_are_problems(
        self, make_workload: MakeWorkload, volume: dict[str, Any], mount: dict[str, Any], path: str
    ) -> None:
        """Unknown names and paths that leave the volume are reported with their place."""
        result = make_workload(
            {"volumeMounts": [{"name": "a", "mountPath": "/data", **mount}]},
            volumes=[{"name": "a", **volume}],
        )

        assert [str(problem.path) for problem in result.problems] == [f"spec.template.spec.{path}"]
