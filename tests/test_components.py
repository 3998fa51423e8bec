"""What can be added to the application: every component goes with everything, and does what its page says."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from localmesh.analysis import analyze_manifests
from localmesh.manifests import load
from localmesh.problems import ManifestError
from tests.custom_resources import problems
from tests.kustomize_builds import (
    BASES,
    COMPONENTS,
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
NOT_RUN_LOCALLY = {"postgres": "StatefulSet", "load-job": "Job"}
"""Components that localmesh refuses, with the kind because of which."""
OUTSIDE = {"egress": {"outside"}}
"""Overlays that bring a namespace besides the project's."""


def named(name: str) -> Path:
    return ROOT / "k8s" / "components" / name


def one(objects: list[Object], kind: str, name: str) -> Object:
    return next(each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name)


@pytest.mark.parametrize("component", COMPONENTS, ids=NAMES)
def test_a_component_goes_with_everything(component: Path, tmp_path: Path) -> None:
    """kustomize combines it with both bases and every overlay; where it belongs, and hardened."""

    def built(base: Path) -> list[Object]:
        folder = tmp_path / "-".join(base.parts[-2:])
        folder.mkdir()
        return build(folder, base, component)

    # Without a mesh there is nothing that a controller could steer.
    bases = [base for base in BASES if component.name != "no-mesh" or base.name not in FOR_CONTROLLERS]
    with ThreadPoolExecutor(max_workers=3) as several:
        results = dict(zip(bases, several.map(built, bases), strict=True))

    for base, objects in results.items():
        assert_sound(objects, base.name)
        if component.name == "no-mesh":
            assert_without_a_mesh(objects, base.name)


def test_components_go_together(tmp_path: Path) -> None:
    """All that do not exclude each other can be added at once."""
    objects = build(tmp_path, ROOT / "istio" / "overlays" / "canary", *TOGETHER)

    assert_sound(objects, "together")
    assert {"HorizontalPodAutoscaler", "Job", "NetworkPolicy", "StatefulSet", "Telemetry"} <= kinds(objects)


def assert_sound(objects: list[Object], where: str) -> None:
    """Everything in the namespaces that are meant, and every pod hardened."""
    places = {each["metadata"].get("namespace", each["metadata"]["name"]) for each in objects}
    assert places == {"sentimesh"} | OUTSIDE.get(where, set()), where
    found = dict(pods(objects))
    assert {"Deployment webapp-v1", "Deployment feedback-v1"} <= set(found), where
    for name, template in found.items():
        assert violations(template) == [], f"{where}: {name}"
        assert template["spec"]["automountServiceAccountToken"] is False, f"{where}: {name}"


def assert_without_a_mesh(objects: list[Object], where: str) -> None:
    """No custom resource, no sidecar, Pod Security enforced, and only v1 where a route would choose."""
    labels = one(objects, "Namespace", "sentimesh")["metadata"]["labels"]
    assert not [each for each in objects if each["apiVersion"].partition("/")[0].endswith("istio.io")], where
    assert labels["istio-injection"] == "disabled", where
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted", where
    for name in ("frontend", "logic"):
        assert one(objects, "Service", name)["spec"]["selector"]["version"] == "v1", where


def violations(template: Object) -> list[str]:
    """What of a pod Pod Security's `restricted` forbids (kubernetes.io: Pod Security Standards)."""
    pod = template["spec"]
    kinds_of_volumes = {kind for volume in pod.get("volumes", []) for kind in volume if kind != "name"}
    wrong = {
        "runAsNonRoot": pod["securityContext"].get("runAsNonRoot") is not True,
        "seccompProfile": pod["securityContext"].get("seccompProfile") != {"type": "RuntimeDefault"},
        "volumes": not kinds_of_volumes <= {"configMap", "emptyDir", "persistentVolumeClaim", "secret"},
    }
    in_pod = [name for name, is_wrong in wrong.items() if is_wrong]
    return in_pod + [
        found
        for container in (*pod.get("initContainers", ()), *pod["containers"])
        for found in violations_of(container)
    ]


def violations_of(container: Object) -> list[str]:
    """What of a container `restricted` forbids, or the project: a root file system that can be written, an
    image called latest that is pulled at every start, no requests and limits."""
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


@pytest.mark.parametrize("component", COMPONENTS, ids=NAMES)
def test_localmesh_takes_a_component_or_says_why_not(component: Path, tmp_path: Path) -> None:
    """What it cannot run it refuses by kind; everything else loads without a warning."""
    combined = combine(tmp_path, ROOT / "istio" / "overlays" / "canary", component)

    if component.name in NOT_RUN_LOCALLY:
        with pytest.raises(ManifestError) as refused:
            load(kustomizations=[combined])
        assert {problem.code for problem in refused.value.problems} == {"SM302"}
        assert f"{NOT_RUN_LOCALLY[component.name]} (" in str(refused.value)
    else:
        assert analyze_manifests(load(kustomizations=[combined])) == ()


@pytest.mark.parametrize(
    ("component", "kind"),
    [
        ("autoscaling", "HorizontalPodAutoscaler"),
        ("disruption-budgets", "PodDisruptionBudget"),
        ("network-policies", "NetworkPolicy"),
        ("observability", "Telemetry"),
    ],
)
def test_localmesh_lists_what_it_ignores(component: str, kind: str, tmp_path: Path) -> None:
    """Nothing of a component is dropped silently."""
    combined = combine(tmp_path, ROOT / "istio" / "base", named(component))

    loaded = load(kustomizations=[combined])

    assert {resource.kind for resource in loaded.ignored} == {kind}


@pytest.mark.parametrize("component", COMPONENTS, ids=NAMES)
def test_a_component_has_a_page(component: Path) -> None:
    """The first line of its README is its description, and the list of components knows it."""
    first = (component / "README.md").read_text().splitlines()[0]
    listed = (component.parent / "README.md").read_text()

    assert re.match(r"# \S.{20,}", first)
    assert f"| [{component.name}]({component.name}/README.md) |" in listed


def test_every_version_that_takes_traffic_is_scaled_by_its_own_container(tmp_path: Path) -> None:
    """One autoscaler per version; the container it measures exists, and no Deployment fixes the number."""
    objects = build(tmp_path, ROOT / "istio" / "base", named("autoscaling"))
    scalers = [each for each in objects if each["kind"] == "HorizontalPodAutoscaler"]

    assert {each["metadata"]["name"] for each in scalers} == {
        "frontend-v1",
        "frontend-v2",
        "webapp-v1",
        "logic-v1",
        "logic-v2",
    }
    for scaler in scalers:
        deployment = one(objects, "Deployment", scaler["spec"]["scaleTargetRef"]["name"])
        containers = {each["name"] for each in deployment["spec"]["template"]["spec"]["containers"]}
        (metric,) = scaler["spec"]["metrics"]
        assert metric["containerResource"]["container"] in containers
        assert "replicas" not in deployment["spec"]


@pytest.mark.parametrize("release", ["", "v2"], ids=["v1", "v2"])
@pytest.mark.parametrize("overlay", sorted(FOR_CONTROLLERS))
def test_under_a_controller_logic_has_one_autoscaler(overlay: str, release: str, tmp_path: Path) -> None:
    """It names the one workload that there is, which says no number of pods either."""
    folder = ROOT / "istio" / "overlays" / overlay / release
    objects = build(tmp_path, folder, named("autoscaling"), named("autoscaling") / overlay)

    scalers = {
        each["metadata"]["name"]: each["spec"]["scaleTargetRef"]
        for each in objects
        if each["kind"] == "HorizontalPodAutoscaler"
    }
    assert set(scalers) == {"frontend-v1", "frontend-v2", "webapp-v1", "logic"}
    for target in scalers.values():
        workload = one(objects, target["kind"], target["name"])
        assert workload["apiVersion"] == target["apiVersion"]
        assert "replicas" not in workload["spec"]


def test_flagger_knows_the_autoscaler_that_it_has_to_copy(tmp_path: Path) -> None:
    """Without this its own copy of logic would stay at one pod."""
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
    budgets = [each for each in objects if each["kind"] == "PodDisruptionBudget"]

    for name, template in pods(objects):
        labels = template["metadata"]["labels"].items()
        selecting = [
            each["metadata"]["name"]
            for each in budgets
            if each["spec"]["selector"]["matchLabels"].items() <= labels
        ]
        assert selecting == [name.removeprefix("Deployment ")]


def test_the_load_job_ends_with_its_sidecar(tmp_path: Path) -> None:
    """It asks for a native one, whatever Istio would take; a deadline ends what does not end."""
    objects = build(tmp_path, ROOT / "k8s" / "base", named("load-job"))

    spec = one(objects, "Job", "load")["spec"]
    assert spec["template"]["metadata"]["annotations"] == {"sidecar.istio.io/nativeSidecar": "true"}
    assert spec["activeDeadlineSeconds"] > 5 * 60


def test_feedback_keeps_its_file_on_a_claim(tmp_path: Path) -> None:
    """The claim takes the place of the volume that ends with the pod."""
    objects = build(tmp_path, ROOT / "k8s" / "base", named("feedback-volume"))

    spec = one(objects, "Deployment", "feedback-v1")["spec"]
    volumes = {each["name"]: each for each in spec["template"]["spec"]["volumes"]}
    assert volumes["data"] == {"name": "data", "persistentVolumeClaim": {"claimName": "feedback"}}
    assert spec["strategy"] == {"type": "Recreate"}
    assert "PersistentVolumeClaim" in kinds(objects)


def test_feedback_on_postgres_has_replicas_that_are_replaced_one_by_one(tmp_path: Path) -> None:
    """Two pods, one database, the password from a Secret and not in the address."""
    objects = build(tmp_path, ROOT / "k8s" / "base", named("postgres"))

    spec = one(objects, "Deployment", "feedback-v1")["spec"]
    variables = {each["name"]: each for each in spec["template"]["spec"]["containers"][0]["env"]}
    secret = next(each["metadata"]["name"] for each in objects if each["kind"] == "Secret")
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert variables["DATABASE_URL"]["value"] == "postgresql://feedback@postgres/feedback"
    assert variables["PGPASSWORD"]["valueFrom"]["secretKeyRef"] == {"name": secret, "key": "password"}
