"""docs/target.md is correct: every table is compared with the manifests or the running services."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localmesh.manifests import Resource
from services.chassis.hop import elements
from services.chassis.propagation import PROPAGATED
from services.chassis.settings import Settings
from services.logic.faults import Faults
from services.testing import SERVICES, Launcher, Workload
from tests.live import ROOT, loaded
from tests.target_page import code_in, fate, page, section, table, tables


def base() -> tuple[Resource, ...]:
    return loaded(ROOT / "istio" / "base").resources


def of_kind(kind: str) -> dict[str, Resource]:
    return {resource.name: resource for resource in base() if resource.kind == kind}


def container(deployment: Resource) -> dict[str, Any]:
    (only,) = deployment.spec["template"]["spec"]["containers"]
    return dict(only)


class TestManifests:
    def test_workloads(self) -> None:
        """The table lists all Deployments with their labels and containers."""
        declared = {
            (name, labels["app"], labels["version"], container(deployment)["name"])
            for name, deployment in of_kind("Deployment").items()
            for labels in [deployment.spec["template"]["metadata"]["labels"]]
        }

        assert {tuple(row[:4]) for row in table("Workloads")} == declared

    def test_labels_services_and_identities(self) -> None:
        """Every app has a Service with a port 80 named http, and a ServiceAccount with its name."""
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
            rule.spec["host"]: {subset["name"]: subset["labels"] for subset in rule.spec["subsets"]}
            for rule in of_kind("DestinationRule").values()
        }

        versions = {"v1": {"version": "v1"}, "v2": {"version": "v2"}}
        assert subsets == {"frontend": versions, "logic": versions}

    def test_ports_of_a_pod(self) -> None:
        """They are the same in every Deployment."""
        documented = {(int(number), name) for number, name, _ in table("Ports of a pod")}

        for deployment in of_kind("Deployment").values():
            declared = {(port["containerPort"], port["name"]) for port in container(deployment)["ports"]}
            assert declared == documented

    def test_routes(self) -> None:
        """The paths that the gateway distinguishes, and the destination of each."""
        configured = {
            match["uri"]["exact"]: route["route"][0]["destination"]["host"]
            for route in of_kind("VirtualService")["ingress"].spec["http"]
            for match in route.get("match", [{"uri": {"exact": "/"}}])
        }

        documented = {
            request.strip("`").split()[1].strip("`"): re.split(r"[\s,]", service)[0]
            for request, service, _ in table("Routes at the gateway")
        }
        assert documented == configured

    def test_fault_switches(self) -> None:
        """The values are those of the Deployments of logic."""
        environments = {
            name: {variable["name"]: variable.get("value") for variable in container(deployment)["env"]}
            for name, deployment in of_kind("Deployment").items()
        }

        for variable, reliable, buggy, _ in tables("Fault switches")[0]:
            assert environments["logic-v1"].get(variable, "unset") == reliable
            assert environments["logic-v2"].get(variable, "unset") == buggy

    def test_probes(self) -> None:
        """They are the same in every Deployment, so the page's statements about load apply to each."""
        documented = {tuple(row) for row in tables("Capacity")[1]}

        for deployment in of_kind("Deployment").values():
            declared = {
                probe_row(name, body) for name, body in container(deployment).items() if "Probe" in name
            }
            assert declared == documented

    def test_threads_and_the_load_that_they_can_handle(self) -> None:
        """The table of threads, and the figures that are computed from it."""
        threads = {
            name: int(environment(deployment).get("THREADS", Settings().threads))
            for name, deployment in of_kind("Deployment").items()
        }
        buggy = environment(of_kind("Deployment")["logic-v2"])
        text = section("Capacity")

        held = float(buggy["FAULT_HANG_PERCENT"]) / 100 * float(buggy["HANG_SECONDS"])
        limit = min(threads["webapp-v1"], threads["logic-v2"]) / held
        rows = tables("Capacity")[0]
        assert {name.strip("`"): int(count) for names, count in rows for name in names.split(", ")} == threads
        hang = f"{buggy['FAULT_HANG_PERCENT']} % of {buggy['HANG_SECONDS']} s"
        assert f"occupies its threads for {held:g} s on average ({hang})" in text
        assert f"{threads['webapp-v1']} / {held:g} = {limit:.0f} sentences per second" in text
        assert f"{limit:.0f} / w if the share w does: {limit / 0.2:.0f} with the 20 % of the canary" in text


class TestReports:
    def test_versions_of_the_schemas(self) -> None:
        """The documents that loadgen writes, each with the version of its schema."""
        rows = tables("Reports")[0]

        assert len(rows) == 2
        for command, _, schema, version, _ in rows:
            link = re.search(r"\(\.\./(.+)\)", schema)
            assert link is not None
            wanted = json.loads((ROOT / link[1]).read_text())
            assert wanted["properties"]["version"] == {"const": int(version)}
            assert command.startswith(wanted["properties"]["report"]["const"])
            assert wanted["additionalProperties"] is False


class TestServices:
    @pytest.fixture(scope="class")
    @staticmethod
    def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Workload]]:
        """A process of each service that has served a request, so that its metrics are not empty."""
        with Launcher(tmp_path_factory.mktemp("target")) as launch:
            logic = launch("logic", wait=False)
            url = f"http://127.0.0.1:{logic.port}"
            others = {name: launch(name, LOGIC_URL=url) for name in SERVICES if name != "logic"}
            services = {**others, "logic": logic}
            assert all(service.get("/about").ok for service in services.values())
            services["webapp"].post("/sentiment", json={"sentence": "I like it"})
            yield services

    def test_metrics(self, running: dict[str, Workload]) -> None:
        """Name, type, labels and services of all metrics of the project."""
        measured = {
            (*metric, service)
            for service, workload in running.items()
            for metric in exposed(workload.metrics())
        }

        documented = {
            (name, kind, labels.replace("`", ""), service)
            for name, kind, labels, of in tables("Metrics")[0]
            for service in (SERVICES if of == "all" else (of,))
        }
        assert measured == documented

    def test_values_of_labels(self, running: dict[str, Workload]) -> None:
        """Every outcome exists from the first scrape; unknown methods and routes share one value."""
        running["webapp"].request("BREW", "/nowhere")
        text = "".join(service.metrics() for service in running.values())
        rows = code_in("Metrics")[1]

        for (label, *of), values in ((row[0], row[1]) for row in rows if row[0][0] == "outcome"):
            assert set(re.findall(rf'^{of[0]}{{{label}="(\w+)"', text, flags=re.MULTILINE)) == set(values)
        assert 'sentimesh_http_requests_total{method="other",route="unmatched",status="404"} 1.0' in text
        assert {"other"} < set(next(row[1] for row in rows if row[0] == ["method"]))

    def test_fields_of_the_log(self, running: dict[str, Workload], tmp_path: Path) -> None:
        """The fields of log lines about requests, by service, are those of the page."""
        documented = {
            name: set(re.findall(r"`(\w+)`", section("Logs").split("; one with")[0])) for name in SERVICES
        }
        for (_, _, of), (fields, _, _) in zip(tables("Logs")[0], code_in("Logs")[0], strict=True):
            for name in SERVICES if of == "all" else of.split(", "):
                documented[name] |= set(fields)
        with Launcher(tmp_path) as launch:
            failing = launch("webapp", LOGIC_URL="http://127.0.0.1:9")
            failing.post("/sentiment", json={"sentence": "I like it"})
            feedback = {"sentence": "I like it", "polarity": 0.4, "correct": True}
            running["feedback"].post("/feedback", json=feedback)
            for service in running.values():
                service.get("/nowhere")

            logs = {name: service.log() for name, service in running.items()}
            logs["webapp"] += failing.log()

        logged = {
            name: {field for line in lines if line["message"] == "request" for field in line}
            for name, lines in logs.items()
        }
        assert logged == documented

    def test_a_response_names_the_pods_that_served_it(self, running: dict[str, Workload]) -> None:
        """The header and the page's example follow the page's grammar."""
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
        """The services pass on all headers that the page names."""
        named = set(re.findall(r"`([a-z0-9-]+)`", section("Headers").split("The grammar")[0]))

        passed_on = {header.name for header in PROPAGATED}
        assert named - {"served-by", "x-envoy-attempt-count"} <= passed_on

    def test_the_fate_of_a_request_is_as_documented(self) -> None:
        """With the switches of logic-v2, for the page's ids and for many others by the page's function."""
        faults = buggy()
        ids = [f"{number:x}-ü" for number in range(1000)]

        for request_id, *fates in tables("Fault switches")[1]:
            outcomes = [faults.outcome(request_id, attempt).value for attempt in range(1, len(fates) + 1)]
            assert outcomes == fates
        assert [fate()(request_id, 2) for request_id in ids] == [
            faults.outcome(request_id, 2).value for request_id in ids
        ]


def buggy() -> Faults:
    """The fault switches of logic-v2, from the page."""
    values = {variable: value for variable, _, value, _ in tables("Fault switches")[0]}
    return Faults(
        error_percent=float(values["FAULT_ERROR_PERCENT"]),
        hang_percent=float(values["FAULT_HANG_PERCENT"]),
        hang_seconds=float(values["HANG_SECONDS"]),
        seed=values["FAULT_SEED"],
    )


def environment(deployment: Resource) -> dict[str, str]:
    """The environment of a Deployment's container, without fields of the pod."""
    return {
        variable["name"]: variable["value"]
        for variable in container(deployment)["env"]
        if "value" in variable
    }


def probe_row(name: str, probe: dict[str, Any]) -> tuple[str, ...]:
    """A probe as a row of the page, with the defaults of Kubernetes."""
    action = probe["httpGet"]
    every, within = probe.get("periodSeconds", 10), probe.get("timeoutSeconds", 1)
    failures = probe.get("failureThreshold", 3)
    return name, action["path"], action["port"], f"{every} s", f"{within} s", str(failures)


def exposed(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, type and labels of each of the project's metrics in an exposition."""
    types = re.findall(r"^# TYPE (sentimesh_\w+) (\w+)$", text, flags=re.MULTILINE)
    for name, kind in types:
        suffix = "_bucket" if kind == "histogram" else ""
        sample = re.search(rf"^{name}{suffix}(?:\{{(.*)\}})? ", text, flags=re.MULTILINE)
        labels = re.findall(r'(\w+)="', sample[1] or "") if sample else []
        yield name, kind, ", ".join(sorted(set(labels) - {"le"}))
