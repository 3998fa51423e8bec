"""docs/target.md keeps its word: every table is held against the manifests or the running services."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from localmesh.manifests import Resource, load
from services.chassis.hop import elements
from services.chassis.propagation import PROPAGATED
from services.logic.faults import Faults
from services.testing import Launcher, Workload
from tests.live import ROOT

SERVICES = ("frontend", "webapp", "logic", "feedback")


@cache
def page() -> str:
    return (ROOT / "docs" / "target.md").read_text()


def table(heading: str) -> list[list[str]]:
    """The rows of the last table of a section, without its head; cells without their marks of code."""
    section = page().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    last = max(number for number, row in enumerate(rows) if set(row) <= set("|-"))
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows[last + 1 :]]


def first_table(heading: str) -> list[list[str]]:
    """The rows of a section's only or first table."""
    section = page().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    block = re.search(r"(?:^\|.*\n)+", section, flags=re.MULTILINE)
    assert block is not None
    rows = block[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows]


@cache
def base() -> tuple[Resource, ...]:
    return tuple(load(kustomizations=[ROOT / "istio" / "base"]).resources)


def of_kind(kind: str) -> dict[str, Resource]:
    return {each.name: each for each in base() if each.kind == kind}


def container(deployment: Resource) -> dict[str, Any]:
    (found,) = deployment.spec["template"]["spec"]["containers"]
    return dict(found)


class TestManifests:
    def test_workloads(self) -> None:
        """Each Deployment with its labels and its container; no other."""
        found = {
            (name, labels["app"], labels["version"], container(each)["name"])
            for name, each in of_kind("Deployment").items()
            for labels in [each.spec["template"]["metadata"]["labels"]]
        }

        assert {tuple(row[:4]) for row in table("Workloads")} == found

    def test_labels_services_and_identities(self) -> None:
        """Every app is a Service with port 80 named http, and a ServiceAccount of that name."""
        for deployment in of_kind("Deployment").values():
            template = deployment.spec["template"]
            labels = template["metadata"]["labels"]
            (port,) = of_kind("Service")[labels["app"]].spec["ports"]

            assert labels["app.kubernetes.io/name"] == labels["app"]
            assert labels["app.kubernetes.io/version"] == labels["version"]
            assert labels["app.kubernetes.io/part-of"] == "sentimesh"
            assert (port["port"], port["name"]) == (80, "http")
            assert template["spec"]["serviceAccountName"] == labels["app"]
            assert labels["app"] in of_kind("ServiceAccount")
            assert deployment.namespace == "sentimesh"

    def test_subsets(self) -> None:
        """frontend and logic have v1 and v2."""
        subsets = {
            rule.spec["host"]: {each["name"]: each["labels"] for each in rule.spec["subsets"]}
            for rule in of_kind("DestinationRule").values()
        }

        versions = {"v1": {"version": "v1"}, "v2": {"version": "v2"}}
        assert subsets == {"frontend": versions, "logic": versions}

    def test_ports_of_a_pod(self) -> None:
        """In every Deployment the same."""
        told = {(int(number), name) for number, name, _ in table("Ports of a pod")}

        for deployment in of_kind("Deployment").values():
            declared = {(each["containerPort"], each["name"]) for each in container(deployment)["ports"]}
            assert declared == told

    def test_routes(self) -> None:
        """The paths that the gateway tells apart, and the host that each goes to."""
        found = {
            match["uri"]["exact"]: route["route"][0]["destination"]["host"]
            for route in of_kind("VirtualService")["ingress"].spec["http"]
            for match in route.get("match", [{"uri": {"exact": "/"}}])
        }

        told = {
            request.strip("`").split()[1].strip("`"): re.split(r"[\s,]", service)[0]
            for request, service, _ in table("Routes at the gateway")
        }
        assert told == found

    def test_fault_switches(self) -> None:
        """As both Deployments of logic set them."""
        environments = {
            name: {each["name"]: each.get("value") for each in container(each_deployment)["env"]}
            for name, each_deployment in of_kind("Deployment").items()
        }

        for variable, sound, buggy, _ in first_table("Fault switches"):
            assert environments["logic-v1"].get(variable, "unset") == sound
            assert environments["logic-v2"].get(variable, "unset") == buggy


class TestServices:
    @pytest.fixture(scope="class")
    @staticmethod
    def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Workload]]:
        """One of each service; each has been asked something, so that it has counted."""
        with Launcher(tmp_path_factory.mktemp("target")) as launch:
            logic = launch("logic", wait=False)
            url = f"http://127.0.0.1:{logic.port}"
            others = {name: launch(name, LOGIC_URL=url) for name in SERVICES if name != "logic"}
            found = {**others, "logic": logic}
            assert all(each.get("/about").ok for each in found.values())
            found["webapp"].post("/sentiment", json={"sentence": "I like it"})
            yield found

    def test_metrics(self, running: dict[str, Workload]) -> None:
        """Name, type and labels of each, in the services that are named; and no other of the project's."""
        found = {
            (*metric, service)
            for service, workload in running.items()
            for metric in exposed(workload.metrics())
        }

        told = {
            (name, kind, labels.replace("`", ""), service)
            for name, kind, labels, of in table("Metrics")
            for service in (SERVICES if of == "all" else (of,))
        }
        assert found == told

    def test_an_answer_says_who_gave_it(self, running: dict[str, Workload]) -> None:
        """In the grammar of the page, which its example follows."""
        answer = running["webapp"].post(
            "/sentiment",
            json={"sentence": "I like it"},
            headers={"x-request-id": "target-1", "x-envoy-attempt-count": "1"},
        )
        example = re.search(r"For example `([^`]+)`", page())

        assert answer.headers["x-request-id"] == "target-1"
        assert answer.headers["served-by"] == "webapp/v1/webapp-pod;attempt=1, logic/v1/logic-pod"
        assert example is not None
        assert ", ".join(elements(example[1])) == example[1]

    def test_routing_headers_are_passed_on(self) -> None:
        """Those that the page names, among others."""
        named = set(re.findall(r"`([a-z0-9-]+)`", page().split("\n## Headers\n")[1].split("The grammar")[0]))

        passed_on = {each.name for each in PROPAGATED}
        assert named - {"served-by", "x-envoy-attempt-count"} <= passed_on

    def test_the_fate_of_a_request_is_as_told(self) -> None:
        """Each id and attempt of the page, with the switches of logic-v2."""
        values = {variable: buggy for variable, _, buggy, _ in first_table("Fault switches")}
        faults = Faults(
            error_percent=float(values["FAULT_ERROR_PERCENT"]),
            hang_percent=float(values["FAULT_HANG_PERCENT"]),
            hang_seconds=float(values["HANG_SECONDS"]),
            seed=values["FAULT_SEED"],
        )

        for request_id, *fates in table("Fault switches"):
            found = [faults.outcome(request_id, attempt).value for attempt in range(1, len(fates) + 1)]
            assert found == fates


def exposed(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, type and labels of each of the project's metrics in an exposition."""
    types = re.findall(r"^# TYPE (sentimesh_\w+) (\w+)$", text, flags=re.MULTILINE)
    for name, kind in types:
        suffix = "_bucket" if kind == "histogram" else ""
        sample = re.search(rf"^{name}{suffix}(?:\{{(.*)\}})? ", text, flags=re.MULTILINE)
        labels = re.findall(r'(\w+)="', sample[1] or "") if sample else []
        yield name, kind, ", ".join(sorted(set(labels) - {"le"}))
