"""Every overlay is complete: it builds, loads without a warning, and has a page."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from localmesh.analysis import analyze_manifests
from tests.kustomize_builds import FOR_CONTROLLERS
from tests.live import ROOT, loaded

OVERLAYS = sorted(
    path.parent
    for path in (ROOT / "istio" / "overlays").glob("*/kustomization.yaml")
    if path.parent.name not in FOR_CONTROLLERS
)
WARNED = {"retry-naive": {"SM218"}, "ext-authz": {"SM210"}, "cluster": {"SM210", "SM239"}}
"""Overlays that show a mistake, with the code of localmesh's warning: an authorizer of ext-authz is down, and
its folder for clusters relies on the mesh-wide settings there."""
OUTSIDE = {
    "egress": {"outside"},
    "ext-authz": {"istio-system"},
    "tls": {"istio-system"},
    "tls-origination": {"outside"},
}
"""Overlays that have objects in further namespaces."""
STEPS = sorted(path.parent for overlay in OVERLAYS for path in overlay.glob("*/kustomization.yaml"))
"""Further steps of a scenario, each a folder in its overlay."""
BASES = [ROOT / "k8s" / "base", ROOT / "istio" / "base", ROOT / "istio" / "base" / "gateway-api"]
KUSTOMIZATIONS = [*BASES, *OVERLAYS, *STEPS]

pytestmark = pytest.mark.xdist_group("overlays")
"""One process, so that every kustomization is built once."""


@pytest.mark.parametrize(
    "folder", KUSTOMIZATIONS, ids=[str(path.relative_to(ROOT)) for path in KUSTOMIZATIONS]
)
def test_a_kustomization_builds_and_loads_without_a_warning(folder: Path) -> None:
    """Its objects are valid and in the expected namespaces; only intended warnings are reported."""
    manifests = loaded(folder)

    assert {warning.code for warning in analyze_manifests(manifests)} == WARNED.get(folder.name, set())
    namespaces = {resource.namespace or resource.name for resource in manifests.resources}
    assert namespaces == {"sentimesh"} | OUTSIDE.get(folder.name, set())


@pytest.mark.parametrize("folder", OVERLAYS, ids=[path.name for path in OVERLAYS])
def test_an_overlay_is_the_whole_application(folder: Path) -> None:
    """An overlay can be applied alone: every object of the base is in it."""
    base = {resource.name for resource in loaded(ROOT / "k8s" / "base").resources}

    overlay = {resource.name for resource in loaded(folder).resources}

    assert base <= overlay


@pytest.mark.parametrize("folder", OVERLAYS, ids=[path.name for path in OVERLAYS])
def test_an_overlay_uses_current_api_versions(folder: Path) -> None:
    """No beta version of an Istio kind that has a stable version."""
    versions = {resource.api_version for resource in loaded(folder).resources}

    current = {"v1", "apps/v1", "networking.istio.io/v1", "security.istio.io/v1"}
    current |= {"rbac.authorization.k8s.io/v1"}
    assert versions <= current | {"networking.istio.io/v1alpha3"}  # the only one of EnvoyFilter


@pytest.mark.parametrize("folder", OVERLAYS, ids=[path.name for path in OVERLAYS])
def test_an_overlay_has_a_page_and_a_proof(folder: Path) -> None:
    """A README whose first line describes it, and a proof of the same name."""
    first = (folder / "README.md").read_text().splitlines()[0]

    assert first.startswith("# ")
    assert (ROOT / "loadgen" / "proofs" / f"{folder.name.replace('-', '_')}.py").exists()


@pytest.mark.parametrize("name", sorted(FOR_CONTROLLERS))
def test_an_overlay_for_a_controller_has_a_page_and_no_proof(name: str) -> None:
    """It is not a scenario: neither `loadgen prove` nor `make scenarios` lists it."""
    listed = subprocess.run(
        ["make", "--no-print-directory", "scenarios"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert (ROOT / "istio" / "overlays" / name / "README.md").read_text().startswith("# ")
    assert not (ROOT / "loadgen" / "proofs" / f"{name.replace('-', '_')}.py").exists()
    assert {line.split()[0] for line in listed.stdout.splitlines()} == {overlay.name for overlay in OVERLAYS}


@pytest.mark.parametrize(
    "folder", KUSTOMIZATIONS, ids=[str(path.relative_to(ROOT)) for path in KUSTOMIZATIONS]
)
def test_pods_are_hardened(folder: Path) -> None:
    """Every container meets Pod Security's `restricted`, and no token is mounted."""
    for resource in loaded(folder).resources:
        if resource.kind != "Deployment":
            continue
        pod = resource.spec["template"]["spec"]

        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for context in (container["securityContext"] for container in pod["containers"]):
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize(
    "folder",
    [".", *(path.parent.name for path in ROOT.glob("istio/overlays/canary/*-*0/kustomization.yaml"))],
)
def test_a_step_has_the_weights_of_its_name(folder: str) -> None:
    """The overlay itself has 80/20; the steps before and after it are named after their weights."""
    steps = Path(ROOT, "istio", "overlays", "canary", folder)

    route = next(
        resource
        for resource in loaded(steps).resources
        if resource.name == "logic" and resource.kind == "VirtualService"
    )

    weights = [destination["weight"] for destination in route.spec["http"][0]["route"]]
    assert "-".join(map(str, weights)) == ("80-20" if folder == "." else folder)
