"""Components: each can be combined with everything, and does what its page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from localmesh.analysis import analyze_manifests
from localmesh.manifests import load
from tests.custom_resources import problems
from tests.kustomize_builds import (
    BASES,
    COMPONENTS,
    EXCLUDING,
    FOR_CONTROLLERS,
    TOGETHER,
    Object,
    build,
    combine,
    kinds,
    pods,
)
from tests.live import ROOT

NAMES = [component.name for component in COMPONENTS]
WARNINGS_LOCALLY = {"observability": "SM241"}
"""Components with a provider of a cluster."""
OUTSIDE = {
    "egress": {"outside"},
    "ext-authz": {"istio-system"},
    "tls": {"istio-system"},
    "tls-origination": {"outside"},
}
"""Overlays with objects in another namespace than the project's."""


def named(name: str) -> Path:
    return ROOT / "k8s" / "components" / name


def one(objects: list[Object], kind: str, name: str) -> Object:
    return next(item for item in objects if item["kind"] == kind and item["metadata"]["name"] == name)


NO_MESH = named("no-mesh")
COMBINATIONS = {"together": TOGETHER, "excluding": [named(name) for name in sorted(EXCLUDING)]}
"""The fewest combinations in which every component is added to an overlay."""


@pytest.mark.parametrize("component", COMPONENTS, ids=NAMES)
def test_a_component_can_be_added_alone(component: Path, tmp_path: Path) -> None:
    """It needs no other component: neither with the base without a mesh, nor with the canary.

    With the latter, it loads without a warning other than the expected one.
    """
    without_mesh, canary = tmp_path / "without-mesh", tmp_path / "canary"
    for folder in (without_mesh, canary):
        folder.mkdir()

    objects = build(without_mesh, ROOT / "k8s" / "base", component)
    loaded = load(kustomizations=[combine(canary, ROOT / "istio" / "overlays" / "canary", component)])

    assert_sound(objects, "base")
    assert_sound([resource.body for resource in (*loaded.resources, *loaded.ignored)], "canary")
    expected = WARNINGS_LOCALLY.get(component.name)
    reported = {problem.code for problem in analyze_manifests(loaded)}
    assert reported == ({expected} if expected else set())


@pytest.mark.parametrize("base", BASES, ids=["-".join(base.parts[-2:]) for base in BASES])
def test_components_can_be_added_to_every_overlay(base: Path, tmp_path: Path) -> None:
    """With correct namespaces and hardened pods: all components, as far as they do not exclude each other."""
    for name, components in COMBINATIONS.items():
        # Without a mesh, controllers have no routes to change.
        added = [one for one in components if one != NO_MESH or base.name not in FOR_CONTROLLERS]
        folder = tmp_path / name
        folder.mkdir()

        objects = build(folder, base, *added)

        assert_sound(objects, base.name)
        if NO_MESH in added:
            assert_without_a_mesh(objects, base.name)
        if name == "together":
            assert {"HorizontalPodAutoscaler", "Job", "NetworkPolicy", "StatefulSet", "Telemetry"} <= kinds(
                objects
            )


def assert_sound(objects: list[Object], where: str) -> None:
    """Everything is in the expected namespaces, and every pod is hardened."""
    places = {item["metadata"].get("namespace", item["metadata"]["name"]) for item in objects}
    assert places == {"sentimesh"} | OUTSIDE.get(where, set()), where
    templates = dict(pods(objects))
    assert {"Deployment webapp-v1", "Deployment feedback-v1"} <= set(templates), where
    for name, template in templates.items():
        assert violations(template) == [], f"{where}: {name}"
        assert template["spec"]["automountServiceAccountToken"] is False, f"{where}: {name}"


def assert_without_a_mesh(objects: list[Object], where: str) -> None:
    """No custom resource, no sidecar, Pod Security enforced, and only v1 of services with two versions."""
    labels = one(objects, "Namespace", "sentimesh")["metadata"]["labels"]
    assert not [item for item in objects if item["apiVersion"].partition("/")[0].endswith("istio.io")], where
    assert labels["istio-injection"] == "disabled", where
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted", where
    for name in ("frontend", "logic"):
        assert one(objects, "Service", name)["spec"]["selector"]["version"] == "v1", where


def violations(template: Object) -> list[str]:
    """Violations of Pod Security's `restricted` in a pod (kubernetes.io: Pod Security Standards)."""
    pod = template["spec"]
    kinds_of_volumes = {kind for volume in pod.get("volumes", []) for kind in volume if kind != "name"}
    wrong = {
        "runAsNonRoot": pod["securityContext"].get("runAsNonRoot") is not True,
        "seccompProfile": pod["securityContext"].get("seccompProfile") != {"type": "RuntimeDefault"},
        "volumes": not kinds_of_volumes <= {"configMap", "emptyDir", "persistentVolumeClaim", "secret"},
    }
    in_pod = [name for name, is_wrong in wrong.items() if is_wrong]
    return in_pod + [
        violation
        for container in (*pod.get("initContainers", ()), *pod["containers"])
        for violation in violations_of(container)
    ]


def violations_of(container: Object) -> list[str]:
    """Violations of `restricted` in a container, or of the project's rules.

    Those are: a read-only root file system, an image that is not pulled at every start, requests and limits.
    """
    context, resources = container["securityContext"], container["resources"]
    wrong = {
        "allowPrivilegeEscalation": context.get("allowPrivilegeEscalation") is not False,
        "capabilities": context.get("capabilities") != {"drop": ["ALL"]},
        "readOnlyRootFilesystem": context.get("readOnlyRootFilesystem") is not True,
        "imagePullPolicy": container.get("imagePullPolicy") != "IfNotPresent",
        "requests": not {"cpu", "memory"} <= set(resources["requests"]),
        "limits": "memory" not in resources["limits"],
    }
    return [f"{container['name']}: {name}" for name, is_wrong in wrong.items() if is_wrong]


@pytest.mark.parametrize(
    ("component", "kind"),
    [
        ("autoscaling", "HorizontalPodAutoscaler"),
        ("disruption-budgets", "PodDisruptionBudget"),
        ("network-policies", "NetworkPolicy"),
    ],
)
def test_localmesh_lists_ignored_objects(component: str, kind: str, tmp_path: Path) -> None:
    """No object of a component is dropped silently."""
    combined = combine(tmp_path, ROOT / "istio" / "base", named(component))

    loaded = load(kustomizations=[combined])

    assert {resource.kind for resource in loaded.ignored} == {kind}


@pytest.mark.parametrize("component", COMPONENTS, ids=NAMES)
def test_a_component_has_a_page(component: Path) -> None:
    """The first line of its README describes it, and the list of components links it."""
    first = (component / "README.md").read_text().splitlines()[0]
    listed = (component.parent / "README.md").read_text()

    assert re.match(r"# \S.{20,}", first)
    assert f"| [{component.name}]({component.name}/README.md) |" in listed


def test_every_version_with_traffic_is_scaled_by_the_application_container(tmp_path: Path) -> None:
    """One autoscaler per version; the container that it measures exists, and no Deployment sets replicas."""
    objects = build(tmp_path, ROOT / "istio" / "base", named("autoscaling"))
    scalers = [item for item in objects if item["kind"] == "HorizontalPodAutoscaler"]

    assert {scaler["metadata"]["name"] for scaler in scalers} == {
        "frontend-v1",
        "frontend-v2",
        "webapp-v1",
        "logic-v1",
        "logic-v2",
    }
    for scaler in scalers:
        deployment = one(objects, "Deployment", scaler["spec"]["scaleTargetRef"]["name"])
        containers = {container["name"] for container in deployment["spec"]["template"]["spec"]["containers"]}
        (metric,) = scaler["spec"]["metrics"]
        assert metric["containerResource"]["container"] in containers
        assert "replicas" not in deployment["spec"]


@pytest.mark.parametrize("release", ["", "v2"], ids=["v1", "v2"])
@pytest.mark.parametrize("overlay", sorted(FOR_CONTROLLERS))
def test_with_a_controller_logic_has_one_autoscaler(overlay: str, release: str, tmp_path: Path) -> None:
    """It targets the only workload of logic, which does not set replicas either."""
    folder = ROOT / "istio" / "overlays" / overlay / release
    objects = build(tmp_path, folder, named("autoscaling"), named("autoscaling") / overlay)

    scalers = {
        item["metadata"]["name"]: item["spec"]["scaleTargetRef"]
        for item in objects
        if item["kind"] == "HorizontalPodAutoscaler"
    }
    assert set(scalers) == {"frontend-v1", "frontend-v2", "webapp-v1", "logic"}
    for target in scalers.values():
        workload = one(objects, target["kind"], target["name"])
        assert workload["apiVersion"] == target["apiVersion"]
        assert "replicas" not in workload["spec"]


def test_flagger_refers_to_the_autoscaler_that_it_copies(tmp_path: Path) -> None:
    """Without the reference, Flagger's copy of logic would not be scaled."""
    overlay = ROOT / "istio" / "overlays" / "flagger"
    canary = one(
        build(tmp_path, overlay, named("autoscaling"), named("autoscaling") / "flagger"), "Canary", "logic"
    )

    assert list(problems(canary)) == []
    assert canary["spec"]["autoscalerRef"] == {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "name": "logic",
    }


def test_a_budget_is_for_the_pods_of_one_version(tmp_path: Path) -> None:
    """Each Deployment of the base has a budget that selects its pods and no others."""
    objects = build(tmp_path, ROOT / "k8s" / "base", named("disruption-budgets"))
    budgets = [budget for budget in objects if budget["kind"] == "PodDisruptionBudget"]

    for name, template in pods(objects):
        labels = template["metadata"]["labels"].items()
        selecting = [
            budget["metadata"]["name"]
            for budget in budgets
            if budget["spec"]["selector"]["matchLabels"].items() <= labels
        ]
        assert selecting == [name.removeprefix("Deployment ")]


def test_the_load_job_ends_with_its_sidecar(tmp_path: Path) -> None:
    """It requests a native sidecar whatever Istio's default is, and has a deadline."""
    objects = build(tmp_path, ROOT / "k8s" / "base", named("load-job"))

    spec = one(objects, "Job", "load")["spec"]
    assert spec["template"]["metadata"]["annotations"] == {"sidecar.istio.io/nativeSidecar": "true"}
    assert spec["activeDeadlineSeconds"] > 5 * 60


def test_feedback_keeps_its_file_on_a_claim(tmp_path: Path) -> None:
    """The claim replaces the volume that is deleted with the pod."""
    objects = build(tmp_path, ROOT / "k8s" / "base", named("feedback-volume"))

    spec = one(objects, "Deployment", "feedback-v1")["spec"]
    volumes = {volume["name"]: volume for volume in spec["template"]["spec"]["volumes"]}
    assert volumes["data"] == {"name": "data", "persistentVolumeClaim": {"claimName": "feedback"}}
    assert spec["strategy"] == {"type": "Recreate"}
    assert "PersistentVolumeClaim" in kinds(objects)


def test_feedback_on_postgres_has_replicas_that_are_replaced_one_by_one(tmp_path: Path) -> None:
    """Two pods, one database, and the password from a Secret, not in the URL."""
    objects = build(tmp_path, ROOT / "k8s" / "base", named("postgres"))

    spec = one(objects, "Deployment", "feedback-v1")["spec"]
    variables = {variable["name"]: variable for variable in spec["template"]["spec"]["containers"][0]["env"]}
    secret = next(item["metadata"]["name"] for item in objects if item["kind"] == "Secret")
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert variables["DATABASE_URL"]["value"] == "postgresql://feedback@postgres/feedback"
    assert variables["PGPASSWORD"]["valueFrom"]["secretKeyRef"] == {"name": secret, "key": "password"}
