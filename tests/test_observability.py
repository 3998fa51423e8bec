"""The configuration of Prometheus, Grafana and Jaeger: every query uses metrics that are scraped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from localmesh.catalog.peers import Peer
from localmesh.catalog.workload import Workload
from localmesh.telemetry.envoy_stats import stats_config
from localmesh.telemetry.istio_metrics import istio_labels
from localmesh.tests.promql import Series, unanswered
from localmesh.translate.metrics import Reporter, source_values
from tests.compose_file import PLACES, applications, composed, workloads
from tests.kustomize_builds import build
from tests.live import ROOT

COMPONENT = ROOT / "k8s" / "components" / "observability"
SERVICES = COMPONENT / "sentimesh.json"
ISTIO = COMPONENT / "sentimesh-istio.json"
GRAFANA = ROOT / "compose" / "grafana"
ENVOYS = GRAFANA / "dashboards" / "envoys.json"
DASHBOARDS = (SERVICES, ISTIO, ENVOYS)
TARGET_LABELS = {"app", "version", "pod", "instance", "job"}
"""Labels that a scrape adds: those of the pod, or those of compose/prometheus.yml."""
ISTIO_METRICS = {"istio_requests_total", "istio_request_duration_milliseconds_bucket"}


def panels(dashboard: Path) -> list[dict[str, Any]]:
    """The panels of a dashboard."""
    content: list[dict[str, Any]] = json.loads(dashboard.read_text())["panels"]
    return content


def queries(dashboard: Path) -> list[str]:
    """The queries of its panels."""
    return [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]


def metrics(dashboard: Path) -> set[str]:
    """The metrics in its queries."""
    return set(
        re.findall(r"\b(?:istio|sentimesh|process|envoy)_\w+(?=[{\[)\s])", " ".join(queries(dashboard)))
    )


def canary_series() -> Iterator[Series]:
    """What both sides of the calls of logic count in the scenario canary, of answers and failures."""
    webapp = Peer.of("webapp-v1", "sentimesh", {"app": "webapp", "version": "v1"})
    for version, code in product(("v1", "v2"), ("200", "500")):
        logic = Peer.of(f"logic-{version}", "sentimesh", {"app": "logic", "version": version})
        cluster = f"outbound|80|{version}|logic.sentimesh.svc.cluster.local"
        sent = source_values(str(webapp))._replace(
            code=code, grpc_status="", cluster=cluster, peer=str(logic)
        )
        received = sent._replace(reporter=Reporter.DESTINATION, own=str(logic), peer=str(webapp))
        for values in (sent, received):
            labels = dict(istio_labels(str(values)) or ())
            yield "istio_requests_total", labels
            yield "istio_request_duration_milliseconds_bucket", {**labels, "le": "+Inf"}


def test_prometheus_scrapes_every_pod_of_the_base_and_its_envoy() -> None:
    """Applications and Envoys; pods of a profile are excluded, as they do not always run."""
    jobs = yaml.safe_load((ROOT / "compose" / "prometheus.yml").read_text())["scrape_configs"]
    queried = {
        job["job_name"]: {target["targets"][0]: target["labels"] for target in job["static_configs"]}
        for job in jobs
    }
    base = {workload.name: workload for workload in workloads(ROOT / "istio" / "base")}
    pods = {
        place.host: {"pod": place.name, **_app_and_version(base[place.workload.partition("/")[2]])}
        for place in PLACES.pods
        if "profiles" not in applications(place)[0]
    }

    assert queried["applications"] == {f"{host}:9102": labels for host, labels in pods.items()}
    assert {host: labels for host, labels in queried["envoys"].items() if "ingress" not in host} == {
        f"{host}:15021": labels for host, labels in pods.items()
    }
    assert {host for host in queried["envoys"] if "ingress" in host} == {f"{PLACES.gateways[0].host}:15021"}


ENVOY_STATISTICS = [
    *("upstream_rq_completed", "upstream_rq_5xx", "upstream_rq_retry", "upstream_rq_timeout"),
    *("upstream_rq_pending_overflow", "outlier_detection.ejections_active"),
]
"""The cluster statistics of Envoy's documentation that a dashboard of a mesh shows."""


def test_the_dashboard_queries_counters_by_the_names_that_envoy_exports() -> None:
    """The cluster's name and the status class become labels; the rest is the metric's name."""
    patterns = {tag["tag_name"]: tag["regex"] for tag in stats_config(of_each_cluster=True)["stats_tags"]}
    cluster = "outbound|80|v1|logic.sentimesh.svc.cluster.local"
    counted = {}
    for statistic in ENVOY_STATISTICS:
        name, labels = f"cluster.{cluster}.{statistic}", {}
        for label, pattern in patterns.items():
            if match := re.search(pattern, name):
                labels[label.replace(".", "_")] = match[2]
                name = name[: match.start(1)] + name[match.end(1) :]
        counted["envoy_" + name.replace(".", "_")] = labels
    expressions = [query for query in queries(ENVOYS) if 'job="envoys"' in query]

    queried = {
        metric for expression in expressions for metric in re.findall(r"envoy_cluster_\w+(?={)", expression)
    }

    assert queried == counted.keys()
    assert {labels["envoy_cluster_name"] for labels in counted.values()} == {cluster}
    for expression in expressions:
        used = re.findall(r"envoy_cluster_\w+(?={)", expression)
        known = {label for metric in used for label in counted[metric]}
        assert set(re.findall(r"\b(envoy_\w+)=", expression)) == known


def test_every_metric_of_the_services_dashboard_is_defined_in_a_service() -> None:
    """Except for the memory of the process, joined with a metric of the services."""
    sources = "".join(path.read_text() for path in (ROOT / "services").glob("*/*.py"))
    defined = set(re.findall(r'"(sentimesh_\w+)"', sources))

    own = metrics(SERVICES) - {"process_resident_memory_bytes"}

    assert len(own) >= 4
    assert {re.sub(r"_(total|bucket|info)$", "", metric) for metric in own} <= defined
    assert "process_resident_memory_bytes and on (instance) sentimesh_service_info" in " ".join(
        queries(SERVICES)
    )


def test_labels_in_queries_of_the_services_dashboard_exist() -> None:
    """They are labels of the scrape or of a service's metrics."""
    labels = TARGET_LABELS | {"route", "status", "outcome", "le"}

    for query in queries(SERVICES):
        grouped = {
            name for group in re.findall(r"\b(?:by|on) \((.*?)\)", query) for name in group.split(", ")
        }
        selected = set(re.findall(r"[{,]\s*(\w+)(?:=|!)", query))
        assert grouped | selected <= labels, query


def test_istio_metrics_are_on_a_separate_dashboard() -> None:
    """Its panels are empty where there is no proxy, or where the proxy has no filter for them."""
    assert metrics(ISTIO) == ISTIO_METRICS
    assert not (metrics(SERVICES) | metrics(ENVOYS)) & ISTIO_METRICS


def test_queries_of_the_istio_dashboard_are_answered() -> None:
    """Each selector selects series of the canary, and each label by which it groups is there."""
    found = list(canary_series())

    assert {query: problems for query in queries(ISTIO) if (problems := unanswered(query, found))} == {}


def test_grafana_on_a_cluster_has_every_dashboard(tmp_path: Path) -> None:
    """As a ConfigMap with the label that Grafana's sidecar looks for."""
    (config,) = [
        item for item in build(tmp_path, ROOT / "istio" / "base", COMPONENT) if item["kind"] == "ConfigMap"
    ]

    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert set(config["data"]) == {path.name for path in COMPONENT.glob("*.json")}


def test_grafana_in_a_container_has_the_dashboards_that_its_prometheus_can_answer() -> None:
    """All dashboards, in the provisioned folder."""
    provider = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "sentimesh.yml").read_text())
    folder = provider["providers"][0]["options"]["path"]

    mounted = dict(volume.split(":")[:2] for volume in composed()["grafana"]["volumes"])

    assert {path: to for path, to in mounted.items() if to.startswith(folder + "/")} == {
        "./" + str(ENVOYS.parent.relative_to(ROOT)): f"{folder}/compose",
        **{
            "./" + str(path.relative_to(ROOT)): f"{folder}/services/{path.name}" for path in (SERVICES, ISTIO)
        },
    }


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=[path.stem for path in DASHBOARDS])
def test_a_dashboard_uses_an_existing_data_source(dashboard: Path) -> None:
    """Either a provisioned one or the one selected on the page."""
    sources = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "sentimesh.yml").read_text())
    variables = json.loads(dashboard.read_text()).get("templating", {}).get("list", [])
    known = {source["uid"] for source in sources["datasources"]}
    known |= {f"${{{variable['name']}}}" for variable in variables if variable["type"] == "datasource"}

    queried = {panel["datasource"]["uid"] for panel in panels(dashboard)}

    assert queried <= known


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=[path.stem for path in DASHBOARDS])
def test_rates_use_grafanas_interval(dashboard: Path) -> None:
    """A fixed interval is empty if Prometheus scrapes less often; Grafana's is four scrape intervals."""
    spans = [span for query in queries(dashboard) for span in re.findall(r"\[(.*?)\]", query)]

    assert spans
    assert set(spans) == {"$__rate_interval"}


def test_grafana_knows_the_scrape_interval_of_prometheus() -> None:
    """It determines the interval of rates."""
    queried = yaml.safe_load((ROOT / "compose" / "prometheus.yml").read_text())["global"]["scrape_interval"]
    sources = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "sentimesh.yml").read_text())

    assert sources["datasources"][0]["jsonData"]["timeInterval"] == queried


def _app_and_version(of: Workload) -> dict[str, str]:
    return {name: of.labels[name] for name in ("app", "version")}
