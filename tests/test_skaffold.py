"""skaffold.yaml is complete: it has a profile for every overlay, and all its references exist."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from loadgen.deploy.overlays import FOLDER, find_overlays
from services.testing import SERVICES
from tests.kustomize_builds import FOR_CONTROLLERS
from tests.live import ROOT
from tests.scenario_lists import SKAFFOLD as FILE
from tests.scenario_lists import scenarios, with_profiles

Object = dict[str, Any]

OVERLAYS = {path.parent.name for path in (ROOT / "istio" / "overlays").glob("*/kustomization.yaml")}
SKAFFOLD = shutil.which("skaffold")
KUSTOMIZE = [[program] for program in [shutil.which("kustomize")] if program] + [
    [program, "kustomize"] for program in [shutil.which("kubectl")] if program
]

needs_skaffold = pytest.mark.skipif(SKAFFOLD is None, reason="skaffold is not on the PATH")
needs_kustomize = pytest.mark.skipif(not KUSTOMIZE, reason="neither kustomize nor kubectl is on the PATH")


@cache
def skaffold() -> Object:
    """The content of skaffold.yaml."""
    config: Object = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
    return config


def profile(name: str) -> Object:
    """The profile with that name."""
    (only,) = (entry for entry in skaffold()["profiles"] if entry["name"] == name)
    return dict(only)


def patched(name: str, path: str) -> Any:
    """The value that a profile sets at a path of the configuration."""
    (value,) = (patch["value"] for patch in profile(name)["patches"] if patch["path"] == path)
    return value


def artifacts() -> Iterator[Object]:
    """Every image that is built, always or by a profile."""
    yield from skaffold()["build"]["artifacts"]
    for entry in skaffold()["profiles"]:
        for patch in entry.get("patches", []):
            if patch["path"] == "/build/artifacts/-":
                yield patch["value"]


def test_the_profiles_of_scenarios_are_golden(update_golden: bool) -> None:
    """One for each scenario; `make golden` adds those that are missing."""
    text = FILE.read_text()
    if update_golden:
        text = with_profiles(text, scenarios())
        FILE.write_text(text)

    assert text == with_profiles(text, scenarios()), "run `make golden`"


class TestProfiles:
    def test_every_overlay_has_a_profile(self) -> None:
        """The other profiles are for debugging, for development and without a mesh."""
        assert {entry["name"] for entry in skaffold()["profiles"]} == OVERLAYS | {"debug", "dev", "no-mesh"}

    @pytest.mark.parametrize("name", sorted(OVERLAYS))
    def test_a_profile_deploys_and_proves_its_overlay(self, name: str) -> None:
        """The overlay of its name, for a cluster, and the proof of its name, sent to the ingress gateway."""
        overlay = find_overlays(FOLDER, [name], target="cluster")[name]
        assert patched(name, "/manifests/kustomize/paths/0") == str(overlay)
        if name not in FOR_CONTROLLERS:
            command, scenario, *options = patched(name, "/verify/0/container/args")
            assert (command, scenario) == ("prove", name)
            assert options == [
                "--target",
                "cluster",
                "--gateway",
                "http://istio-ingressgateway.istio-system",
            ]

    def test_without_a_proof_every_request_must_succeed(self) -> None:
        """Without a profile and without a mesh; with controllers, some requests may fail."""
        (base,) = skaffold()["verify"]

        assert "--all-good" in base["container"]["args"]
        assert "--all-good" in patched("no-mesh", "/verify/0/container/args")
        for name in FOR_CONTROLLERS:
            assert patched(name, "/verify/0/container/args") == base["container"]["args"][:-1]

    def test_the_development_component_is_only_for_skaffold_dev(self) -> None:
        """No other command uses the component that allows editing code in pods."""
        (hook,) = profile("dev")["manifests"]["hooks"]["after"]
        others = json.dumps([entry for entry in skaffold()["profiles"] if entry["name"] != "dev"])

        assert profile("dev")["activation"] == [{"command": "dev"}]
        assert hook["host"]["command"] == ["scripts/with_component.sh", "k8s/components/dev"]
        assert "components/dev" not in others


class TestReferences:
    def test_every_folder_and_file_exists(self) -> None:
        """Kustomizations, Dockerfiles, scripts, sources to sync and the job."""
        named = [
            *(f"{path}/kustomization.yaml" for path in skaffold()["manifests"]["kustomize"]["paths"]),
            *(
                f"{patch['value']}/kustomization.yaml"
                for entry in skaffold()["profiles"]
                for patch in entry.get("patches", [])
                if patch["path"].startswith("/manifests/kustomize/paths/")
            ),
            *(artifact["docker"]["dockerfile"] for artifact in artifacts()),
            *(custom["command"].split()[0] for entry in skaffold()["test"] for custom in entry["custom"]),
            *(rule["src"].removesuffix("/**") for artifact in artifacts() for rule in _sync_rules(artifact)),
            skaffold()["verify"][0]["executionMode"]["kubernetesCluster"]["jobManifestPath"],
        ]

        assert [name for name in named if not (ROOT / name).exists()] == []

    def test_every_service_is_built_tested_and_synced(self) -> None:
        """Its code and the chassis are synced to the folder from which development pods run."""
        built = {artifact["image"].removeprefix("sentimesh/"): artifact for artifact in artifacts()}
        tested = {entry["image"].removeprefix("sentimesh/") for entry in skaffold()["test"]}

        assert set(built) >= {*SERVICES, "loadgen"} == tested, "edit artifacts and test in skaffold.yaml"
        for service in SERVICES:
            assert built[service]["docker"]["buildArgs"] == {"SERVICE": service}
            assert [(rule["src"], rule["dest"]) for rule in _sync_rules(built[service])] == [
                ("services/chassis/**", "/live"),
                (f"services/{service}/**", "/live"),
            ]

    def test_the_job_has_the_container_that_skaffold_fills_in(self) -> None:
        """It is found by name; otherwise skaffold would run a container without hardening and script."""
        wanted = skaffold()["verify"][0]["container"]
        job = yaml.safe_load((ROOT / "k8s" / "verify" / "job.yaml").read_text())

        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert (container["name"], container["image"]) == (wanted["name"], wanted["image"])
        assert wanted["command"][-1] == f"{container['volumeMounts'][0]['mountPath']}/start.py"

    def test_the_gateway_is_forwarded(self) -> None:
        """Not a service, as its requests would bypass the routes."""
        (forward,) = skaffold()["portForward"]

        assert (forward["resourceName"], forward["namespace"]) == ("istio-ingressgateway", "istio-system")


def _sync_rules(artifact: Object) -> list[Object]:
    return list(artifact.get("sync", {}).get("manual", []))


@needs_kustomize
def test_the_development_component_runs_every_service_from_live_code() -> None:
    """The hook of `skaffold dev` changes only the Deployments."""
    overlay = subprocess.run(
        [*KUSTOMIZE[0], "istio/overlays/canary"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    changed = subprocess.run(
        ["scripts/with_component.sh", "k8s/components/dev"],
        cwd=ROOT,
        input=overlay,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    before, after = ({_key(item): item for item in yaml.safe_load_all(text)} for text in (overlay, changed))
    assert before.keys() == after.keys()
    assert {key for key in before if before[key] != after[key]} == {
        key for key in before if key.startswith("Deployment")
    }
    for key in (key for key in before if key.startswith("Deployment")):
        old, new = (objects[key]["spec"]["template"]["spec"]["containers"][0] for objects in (before, after))
        runner = ["python", "-m", "services.chassis.development", "/live"]
        assert new["command"] == runner + old["command"]
        assert new["securityContext"] == old["securityContext"]
        assert not {"livenessProbe", "startupProbe", "lifecycle"} & new.keys()


def _key(resource: Object) -> str:
    return f"{resource['kind']} {resource['metadata']['name']}"


@needs_skaffold
class TestRealSkaffold:
    def test_it_accepts_the_configuration(self) -> None:
        """With several profiles at once, as they are used."""
        output = _run("diagnose", "--yaml-only", "--profile", "canary,debug,dev")

        config = yaml.safe_load(output)
        paths = [Path(path).relative_to(ROOT) for path in config["manifests"]["kustomize"]["paths"]]
        assert list(map(str, paths)) == ["istio/overlays/canary", "k8s/verify", "k8s/debug"]
        assert config["verify"][0]["container"]["args"][:2] == ["prove", "canary"]
        assert "sentimesh/debug" in [artifact["image"] for artifact in config["build"]["artifacts"]]

    @needs_kustomize
    def test_it_renders_with_the_images_of_another_registry(self, tmp_path: Path) -> None:
        """Offline; every image of the project is replaced, also that of loadgen."""
        builds = tmp_path / "builds.json"
        images = [artifact["image"] for artifact in skaffold()["build"]["artifacts"]]
        tags = [{"imageName": image, "tag": f"{image}:tried"} for image in images]
        builds.write_text(json.dumps({"builds": tags}))

        output = _run(
            "render",
            "--offline",
            "--digest-source=tag",
            "--profile=canary",
            "--default-repo=registry.example",
            f"--build-artifacts={builds}",
        )

        rendered = {image for item in yaml.safe_load_all(output) for image in _images(item)}
        assert rendered == {f"registry.example/{image.replace('/', '_')}:tried" for image in images}


def _images(node: Any) -> Iterator[str]:
    """The images of all containers in an object."""
    if isinstance(node, list):
        for item in node:
            yield from _images(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "containers":
                yield from (container["image"] for container in value)
            yield from _images(value)


def _run(*arguments: str) -> str:
    command = [str(SKAFFOLD), *arguments, "--interactive=false", "--update-check=false"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout
