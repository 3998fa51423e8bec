"""Overlays for controllers (Flagger, Argo Rollouts), which no test runs: checks of their objects.

The schemas are those that the tools publish, in the versions of tests/schemas/NOTICE.
"""

from __future__ import annotations

import copy
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from localmesh.catalog.peers import Peer
from localmesh.manifests import build_kustomization, load
from localmesh.problems import ManifestError
from localmesh.telemetry.istio_metrics import istio_labels
from localmesh.tests.promql import unanswered
from localmesh.translate.metrics import source_values
from tests.custom_resources import DEFINITIONS, problems
from tests.live import ROOT

Object = dict[str, Any]

PROMTOOL = shutil.which("promtool") or ""
OVERLAYS = ["flagger", "argo-rollouts"]
OWN_KINDS = {"flagger": {"Canary"}, "argo-rollouts": {"AnalysisTemplate", "Rollout"}}
WORKLOAD = {"flagger": "Deployment", "argo-rollouts": "Rollout"}


@cache
def built(folder: str) -> tuple[Object, ...]:
    """The objects of a folder of istio/overlays, without kustomize's annotations of their origin."""
    objects = tuple(yaml.safe_load_all(build_kustomization(ROOT / "istio" / "overlays" / folder).text))
    for item in objects:
        for note in ("config.kubernetes.io/origin", "alpha.config.kubernetes.io/transformations"):
            item["metadata"]["annotations"].pop(note, None)
    return objects


def one(folder: str, kind: str, name: str = "logic") -> Object:
    """The only object with that kind and name."""
    (match,) = (item for item in built(folder) if (item["kind"], item["metadata"]["name"]) == (kind, name))
    return copy.deepcopy(match)


@pytest.mark.parametrize("overlay", OVERLAYS)
class TestSchemas:
    def test_custom_resources_are_valid(self, overlay: str) -> None:
        """Each object of the tool's kinds, in the overlay and in its release of v2."""
        for folder in (overlay, f"{overlay}/v2"):
            own = [item for item in built(folder) if item["kind"] in OWN_KINDS[overlay]]

            assert {item["kind"] for item in own} == OWN_KINDS[overlay]
            assert [list(problems(item)) for item in own] == [[]] * len(own)

    def test_an_unknown_field_is_a_problem(self, overlay: str) -> None:
        """At any depth, as in the API server's strict mode."""
        for kind in OWN_KINDS[overlay]:
            valid = next(item for item in built(overlay) if item["kind"] == kind)
            wrong = copy.deepcopy(valid)
            where = wrong["spec"]["template"]["spec"]["containers"][0] if kind == "Rollout" else wrong["spec"]
            where["intervall"] = "30s"

            assert ["intervall" in problem for problem in problems(wrong)] == [True]

    def test_localmesh_rejects_it_and_names_the_tool(self, overlay: str) -> None:
        """One problem for each unsupported object, and none for the others."""
        with pytest.raises(ManifestError) as refused:
            load(kustomizations=[ROOT / "istio" / "overlays" / overlay])

        refusals = [(problem.code, str(problem)) for problem in refused.value.problems]
        tool = {"flagger": "Flagger", "argo-rollouts": "Argo Rollouts"}[overlay]
        assert {code for code, _ in refusals} == {"SM302"}
        assert all(f"it is for {tool}, which runs on a cluster" in text for _, text in refusals)


@pytest.mark.parametrize("overlay", OVERLAYS)
class TestRelease:
    def test_the_release_changes_only_the_template(self, overlay: str) -> None:
        """v1 and v2 differ only in the template, which the tool watches; the selector stays the same."""
        kind = WORKLOAD[overlay]
        before, after = one(overlay, kind), one(f"{overlay}/v2", kind)
        others = [
            [item for item in built(folder) if item["kind"] != kind or item["metadata"]["name"] != "logic"]
            for folder in (overlay, f"{overlay}/v2")
        ]

        templates = [workload["spec"].pop("template") for workload in (before, after)]

        assert others[0] == others[1]
        assert before["spec"] == after["spec"]
        assert [template["metadata"]["labels"]["version"] for template in templates] == ["v1", "v2"]

    def test_the_released_pod_equals_that_of_the_base(self, overlay: str) -> None:
        """The templates equal those of logic-v1 and logic-v2, with faults and hardening."""
        for version, folder in (("v1", overlay), ("v2", f"{overlay}/v2")):
            base = one("../base", "Deployment", f"logic-{version}")

            assert one(folder, WORKLOAD[overlay])["spec"]["template"] == base["spec"]["template"]

    def test_the_selector_matches_both_versions(self, overlay: str) -> None:
        """The selector of a workload is immutable."""
        workload = one(overlay, WORKLOAD[overlay])["spec"]

        selector = workload["selector"]["matchLabels"]

        assert "version" not in selector
        assert selector.items() <= workload["template"]["metadata"]["labels"].items()

    def test_the_route_of_the_base_is_removed(self, overlay: str) -> None:
        """A second VirtualService or DestinationRule for logic would conflict with the tool's."""
        subsets = [
            destination["destination"].get("subset")
            for item in built(overlay)
            if item["kind"] == "VirtualService" and item["metadata"]["name"] == "logic"
            for route in item["spec"]["http"]
            for destination in route["route"]
        ]
        rules = [item for item in built(overlay) if item["kind"] == "DestinationRule"]

        assert not any(subsets)
        assert {rule["metadata"]["name"] for rule in rules} == {"frontend"}


def test_the_canary_of_flagger_refers_to_existing_objects() -> None:
    """The target exists; the Service and VirtualService of logic do not, as Flagger creates them."""
    canary = one("flagger", "Canary")["spec"]
    names = {(item["kind"], item["metadata"]["name"]) for item in built("flagger")}

    assert (canary["targetRef"]["kind"], canary["targetRef"]["name"]) in names
    assert not names & {("Service", "logic"), ("VirtualService", "logic")}
    assert canary["service"]["name"] == "logic"


def test_the_rollout_refers_to_existing_objects() -> None:
    """Both Services, the route with both as destinations, and the analysis with its argument."""
    canary = one("argo-rollouts", "Rollout")["spec"]["strategy"]["canary"]
    istio = canary["trafficRouting"]["istio"]["virtualService"]
    route = next(
        rule
        for rule in one("argo-rollouts", "VirtualService", istio["name"])["spec"]["http"]
        if rule["name"] in istio["routes"]
    )
    services = [canary["stableService"], canary["canaryService"]]

    assert [destination["destination"]["host"] for destination in route["route"]] == services
    assert [destination["weight"] for destination in route["route"]] == [100, 0]
    assert all(one("argo-rollouts", "Service", service) for service in services)
    for analysis in (step["analysis"] for step in canary["steps"] if "analysis" in step):
        (template,) = analysis["templates"]
        wanted = one("argo-rollouts", "AnalysisTemplate", template["templateName"])["spec"]["args"]
        assert [argument["name"] for argument in analysis["args"]] == [
            argument["name"] for argument in wanted
        ]
        assert analysis["args"][0]["value"] == canary["canaryService"]


def test_the_analysis_of_the_rollout_asks_for_metrics_of_the_callers() -> None:
    """The query is answered by what a caller's sidecar counts of requests to the new version."""
    cluster = "outbound|80||logic-canary.sentimesh.svc.cluster.local"
    logic = Peer.of("logic", "sentimesh", {"app": "logic", "version": "v2"})
    sent = source_values("")._replace(code="200", grpc_status="", cluster=cluster, peer=str(logic))

    counted = ("istio_requests_total", dict(istio_labels(str(sent)) or ()))

    assert unanswered(query_of_the_rollout(), [counted]) == []


def query_of_the_rollout() -> str:
    """The query of the AnalysisTemplate about the Service of the new version."""
    (metric,) = one("argo-rollouts", "AnalysisTemplate", "logic-succeeds")["spec"]["metrics"]
    query: str = metric["provider"]["prometheus"]["query"]
    return query.replace("{{args.service}}", "logic-canary")


_SERIES = (
    'istio_requests_total{{reporter="source", destination_service_namespace="sentimesh", '
    'destination_service_name="{service}", response_code="{code}"}}'
)


@pytest.mark.skipif(not PROMTOOL, reason="promtool is not on the PATH")
@pytest.mark.parametrize(
    ("rates", "results"),
    [
        pytest.param({"200": 10}, [1], id="each request succeeds"),
        pytest.param({"200": 3, "500": 1}, [0.75], id="some fail"),
        pytest.param({"500": 10}, [0], id="each request fails"),
        pytest.param({}, [], id="without requests"),
    ],
)
def test_the_result_of_the_analysis(tmp_path: Path, rates: dict[str, int], results: list[float]) -> None:
    """Evaluated by Prometheus' tool; no result is inconclusive, so a version that always fails has one."""
    counted = {"logic-canary": rates, "logic-stable": {"200": 7}}
    series = [
        {
            "series": _SERIES.format(service=name, code=code),
            "values": f"0+{increase}x8",
        }
        for name, increases in counted.items()
        for code, increase in increases.items()
    ]
    expected = [{"labels": "{}", "value": result} for result in results]
    evaluation = {"expr": query_of_the_rollout(), "eval_time": "2m", "exp_samples": expected}
    case = {"interval": "15s", "input_series": series, "promql_expr_test": [evaluation]}
    file = tmp_path / "analysis.yml"
    file.write_text(yaml.safe_dump({"tests": [case]}))

    done = subprocess.run([PROMTOOL, "test", "rules", file], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed() -> Iterator[None]:
    """The pinned definitions on the cluster; those that the test created are deleted."""
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
    """With strict validation, which includes rules that a JSON schema cannot express."""
    own = [item for item in built(folder) if item["kind"] in OWN_KINDS[folder.partition("/")[0]]]
    existing_namespace = {"namespace": "default"}
    own = [{**item, "metadata": {**item["metadata"], **existing_namespace}} for item in own]
    text = yaml.safe_dump_all(own)

    answer = _kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", text=text)

    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("(server dry run)") == len(own)


def _kubectl(*arguments: str | Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["kubectl", *arguments], input=text, capture_output=True, text=True, check=False)
