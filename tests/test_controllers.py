"""Overlays for controllers (Flagger, Argo Rollouts): no test runs those, so their objects are checked.

The schemas are those that the tools publish, in the versions that tests/schemas/NOTICE names.
"""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from localmesh.manifests import build_kustomization, load
from localmesh.problems import ManifestError
from tests.custom_resources import DEFINITIONS, problems
from tests.live import ROOT

Object = dict[str, Any]

OVERLAYS = ["flagger", "argo-rollouts"]
OWN_KINDS = {"flagger": {"Canary"}, "argo-rollouts": {"AnalysisTemplate", "Rollout"}}
WORKLOAD = {"flagger": "Deployment", "argo-rollouts": "Rollout"}


@cache
def built(folder: str) -> tuple[Object, ...]:
    """What kustomize makes of a folder below istio/overlays, without its notes on where from."""
    objects = tuple(yaml.safe_load_all(build_kustomization(ROOT / "istio" / "overlays" / folder).text))
    for each in objects:
        for note in ("config.kubernetes.io/origin", "alpha.config.kubernetes.io/transformations"):
            each["metadata"]["annotations"].pop(note, None)
    return objects


def one(folder: str, kind: str, name: str = "logic") -> Object:
    """The only object of that kind and name."""
    (found,) = (each for each in built(folder) if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return copy.deepcopy(found)


@pytest.mark.parametrize("overlay", OVERLAYS)
class TestSchemas:
    def test_custom_resources_are_valid(self, overlay: str) -> None:
        """Each object of the tool's kinds, in the overlay and in its release of v2."""
        for folder in (overlay, f"{overlay}/v2"):
            own = [each for each in built(folder) if each["kind"] in OWN_KINDS[overlay]]

            assert {each["kind"] for each in own} == OWN_KINDS[overlay]
            assert [list(problems(each)) for each in own] == [[]] * len(own)

    def test_an_unknown_field_is_found(self, overlay: str) -> None:
        """At any depth, as the API server would in strict mode."""
        for kind in OWN_KINDS[overlay]:
            found = next(each for each in built(overlay) if each["kind"] == kind)
            wrong = copy.deepcopy(found)
            where = wrong["spec"]["template"]["spec"]["containers"][0] if kind == "Rollout" else wrong["spec"]
            where["intervall"] = "30s"

            assert ["intervall" in problem for problem in problems(wrong)] == [True]

    def test_localmesh_refuses_it_and_says_whose_it_is(self, overlay: str) -> None:
        """One problem for each object that it cannot run, and none with the others."""
        with pytest.raises(ManifestError) as refused:
            load(kustomizations=[ROOT / "istio" / "overlays" / overlay])

        told = [(problem.code, str(problem)) for problem in refused.value.problems]
        tool = {"flagger": "Flagger", "argo-rollouts": "Argo Rollouts"}[overlay]
        assert {code for code, _ in told} == {"SM302"}
        assert all(f"it is for {tool}, which runs on a cluster" in text for _, text in told)


@pytest.mark.parametrize("overlay", OVERLAYS)
class TestRelease:
    def test_the_release_changes_the_template_alone(self, overlay: str) -> None:
        """From v1 to v2 everything else stays, the selector too: the template is what the tool watches."""
        kind = WORKLOAD[overlay]
        before, after = one(overlay, kind), one(f"{overlay}/v2", kind)
        others = [
            [each for each in built(folder) if each["kind"] != kind or each["metadata"]["name"] != "logic"]
            for folder in (overlay, f"{overlay}/v2")
        ]

        templates = [each["spec"].pop("template") for each in (before, after)]

        assert others[0] == others[1]
        assert before["spec"] == after["spec"]
        assert [each["metadata"]["labels"]["version"] for each in templates] == ["v1", "v2"]

    def test_the_released_pod_is_that_of_the_base(self, overlay: str) -> None:
        """The templates are those of logic-v1 and logic-v2, faults and hardening included."""
        for version, folder in (("v1", overlay), ("v2", f"{overlay}/v2")):
            base = one("../base", "Deployment", f"logic-{version}")

            assert one(folder, WORKLOAD[overlay])["spec"]["template"] == base["spec"]["template"]

    def test_the_selector_fits_and_names_no_version(self, overlay: str) -> None:
        """Kubernetes lets nobody change a selector later."""
        workload = one(overlay, WORKLOAD[overlay])["spec"]

        selector = workload["selector"]["matchLabels"]

        assert "version" not in selector
        assert selector.items() <= workload["template"]["metadata"]["labels"].items()

    def test_the_route_of_the_base_is_gone(self, overlay: str) -> None:
        """A second VirtualService or rule for logic would be in the tool's way."""
        subsets = [
            destination["destination"].get("subset")
            for each in built(overlay)
            if each["kind"] == "VirtualService" and each["metadata"]["name"] == "logic"
            for route in each["spec"]["http"]
            for destination in route["route"]
        ]
        rules = [each for each in built(overlay) if each["kind"] == "DestinationRule"]

        assert not any(subsets)
        assert {each["metadata"]["name"] for each in rules} == {"frontend"}


def test_what_the_canary_of_flagger_names_is_there() -> None:
    """The target; and not what Flagger makes itself: the Services and the VirtualService of logic."""
    canary = one("flagger", "Canary")["spec"]
    names = {(each["kind"], each["metadata"]["name"]) for each in built("flagger")}

    assert (canary["targetRef"]["kind"], canary["targetRef"]["name"]) in names
    assert not names & {("Service", "logic"), ("VirtualService", "logic")}
    assert canary["service"]["name"] == "logic"


def test_what_the_rollout_names_is_there() -> None:
    """Both Services, the route with both as its destinations, the analysis with its argument."""
    canary = one("argo-rollouts", "Rollout")["spec"]["strategy"]["canary"]
    istio = canary["trafficRouting"]["istio"]["virtualService"]
    route = next(
        each
        for each in one("argo-rollouts", "VirtualService", istio["name"])["spec"]["http"]
        if each["name"] in istio["routes"]
    )
    services = [canary["stableService"], canary["canaryService"]]

    assert [each["destination"]["host"] for each in route["route"]] == services
    assert [each["weight"] for each in route["route"]] == [100, 0]
    assert all(one("argo-rollouts", "Service", service) for service in services)
    for analysis in (step["analysis"] for step in canary["steps"] if "analysis" in step):
        (template,) = analysis["templates"]
        wanted = one("argo-rollouts", "AnalysisTemplate", template["templateName"])["spec"]["args"]
        assert [each["name"] for each in analysis["args"]] == [each["name"] for each in wanted]
        assert analysis["args"][0]["value"] == canary["canaryService"]


@pytest.fixture(scope="module")
def installed() -> Iterator[None]:
    """The pinned definitions on the cluster; those that were not there before go again."""
    new = [file for file in sorted(DEFINITIONS.glob("*.json")) if _kubectl("get", "-f", file).returncode]
    files = [argument for file in new for argument in ("-f", file)]
    if new:
        assert _kubectl("create", *files).returncode == 0
        assert _kubectl("wait", "--for=condition=Established", "--timeout=60s", *files).returncode == 0
    yield
    if new:
        _kubectl("delete", *files)


@pytest.mark.cluster
@pytest.mark.parametrize("folder", ["flagger", "flagger/v2", "argo-rollouts", "argo-rollouts/v2"])
def test_the_api_server_accepts_the_custom_resources(installed: None, folder: str) -> None:
    """With strict validation, which knows the rules that a JSON schema cannot say."""
    own = [each for each in built(folder) if each["kind"] in OWN_KINDS[folder.partition("/")[0]]]
    there_at_all_times = {"namespace": "default"}
    own = [{**each, "metadata": {**each["metadata"], **there_at_all_times}} for each in own]
    text = yaml.safe_dump_all(own)

    answer = _kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", text=text)

    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("(server dry run)") == len(own)


def _kubectl(*arguments: str | Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["kubectl", *arguments], input=text, capture_output=True, text=True, check=False)
