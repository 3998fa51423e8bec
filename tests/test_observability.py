"""What Prometheus, Grafana and Jaeger are told: every query can be answered by what is scraped."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from localmesh.catalog.workload import Workload
from localmesh.telemetry.envoy_stats import stats_config
from tests.compose_file import PLACES, applications, composed, workloads
from tests.kustomize_builds import build
from tests.live import ROOT

COMPONENT = ROOT / "k8s" / "components" / "observability"
SERVICES = COMPONENT / "sentimesh.json"
ISTIO = COMPONENT / "sentimesh-istio.json"
GRAFANA = ROOT / "compose" / "grafana"
ENVOYS = GRAFANA / "dashboards" / "envoys.json"
DASHBOARDS = (SERVICES, ISTIO, ENVOYS)
OF_A_TARGET = {"app", "version", "pod", "instance", "job"}
"""Labels that a scrape gives: those of the pod, or those of compose/prometheus.yml."""
ISTIO_METRICS = {"istio_requests_total", "istio_request_duration_milliseconds_bucket"}


def panels(dashboard: Path) -> list[dict[str, Any]]:
    """The panels of a dashboard."""
    found: list[dict[str, Any]] = json.loads(dashboard.read_text())["panels"]
    return found


def queries(dashboard: Path) -> list[str]:
    """What its panels ask."""
    return [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]


def metrics(dashboard: Path) -> set[str]:
    """The metrics that it asks for."""
    return set(
        re.findall(r"\b(?:istio|sentimesh|process|envoy)_\w+(?=[{\[)\s])", " ".join(queries(dashboard)))
    )


def test_prometheus_asks_every_pod_of_the_base_and_its_envoy() -> None:
    """Applications for their metrics, Envoys for their counters; a pod of a profile is not always there."""
    jobs = yaml.safe_load((ROOT / "compose" / "prometheus.yml").read_text())["scrape_configs"]
    asked = {
        job["job_name"]: {each["targets"][0]: each["labels"] for each in job["static_configs"]}
        for job in jobs
    }
    base = {each.name: each for each in workloads(ROOT / "istio" / "base")}
    pods = {
        place.host: {"pod": place.name, **_app_and_version(base[place.workload.partition("/")[2]])}
        for place in PLACES.pods
        if "profiles" not in applications(place)[0]
    }

    assert asked["applications"] == {f"{host}:9102": labels for host, labels in pods.items()}
    assert {host: labels for host, labels in asked["envoys"].items() if "ingress" not in host} == {
        f"{host}:15021": labels for host, labels in pods.items()
    }
    assert {host for host in asked["envoys"] if "ingress" in host} == {f"{PLACES.gateways[0].host}:15021"}


ENVOY_STATISTICS = [
    *("upstream_rq_completed", "upstream_rq_5xx", "upstream_rq_retry", "upstream_rq_timeout"),
    *("upstream_rq_pending_overflow", "outlier_detection.ejections_active"),
]
"""Of the statistics in Envoy's documentation of clusters, those that a dashboard of a mesh wants."""


def test_the_dashboard_asks_for_counters_under_the_names_that_envoys_give_them() -> None:
    """The name of a cluster and the class of a status are labels; what is left is the metric's name."""
    patterns = {tag["tag_name"]: tag["regex"] for tag in stats_config(of_each_cluster=True)["stats_tags"]}
    cluster = "outbound|80|v1|logic.sentimesh.svc.cluster.local"
    counted = {}
    for statistic in ENVOY_STATISTICS:
        name, labels = f"cluster.{cluster}.{statistic}", {}
        for label, pattern in patterns.items():
            if found := re.search(pattern, name):
                labels[label.replace(".", "_")] = found[2]
                name = name[: found.start(1)] + name[found.end(1) :]
        counted["envoy_" + name.replace(".", "_")] = labels
    expressions = [query for query in queries(ENVOYS) if 'job="envoys"' in query]

    asked = {
        metric for expression in expressions for metric in re.findall(r"envoy_cluster_\w+(?={)", expression)
    }

    assert asked == counted.keys()
    assert {labels["envoy_cluster_name"] for labels in counted.values()} == {cluster}
    for expression in expressions:
        (metric,) = re.findall(r"envoy_cluster_\w+(?={)", expression)
        assert set(re.findall(r"\b(envoy_\w+)=", expression)) == counted[metric].keys()


def test_every_metric_of_the_services_dashboard_is_defined_in_a_service() -> None:
    """Or is Python's process, of those processes that say whose they are."""
    sources = "".join(path.read_text() for path in (ROOT / "services").glob("*/*.py"))
    defined = set(re.findall(r'"(sentimesh_\w+)"', sources))

    own = metrics(SERVICES) - {"process_resident_memory_bytes"}

    assert len(own) >= 4
    assert {re.sub(r"_(total|bucket|info)$", "", metric) for metric in own} <= defined
    assert "process_resident_memory_bytes and on (instance) sentimesh_service_info" in " ".join(
        queries(SERVICES)
    )


def test_labels_that_the_services_dashboard_asks_by_are_there() -> None:
    """Those of the scrape, and those that a service gives its metrics."""
    labels = OF_A_TARGET | {"route", "status", "outcome", "le"}

    for query in queries(SERVICES):
        grouped = {
            name for group in re.findall(r"\b(?:by|on) \((.*?)\)", query) for name in group.split(", ")
        }
        selected = set(re.findall(r"[{,]\s*(\w+)(?:=|!)", query))
        assert grouped | selected <= labels, query


def test_istios_own_metrics_are_on_a_dashboard_of_their_own() -> None:
    """Where the proxy is not Istio's, or there is none, every panel of it would be empty."""
    assert metrics(ISTIO) == ISTIO_METRICS
    assert not (metrics(SERVICES) | metrics(ENVOYS)) & ISTIO_METRICS


def test_grafana_on_a_cluster_gets_every_dashboard(tmp_path: Path) -> None:
    """As a ConfigMap with the label that Grafana's sidecar looks for."""
    (config,) = [
        each for each in build(tmp_path, ROOT / "istio" / "base", COMPONENT) if each["kind"] == "ConfigMap"
    ]

    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert set(config["data"]) == {path.name for path in COMPONENT.glob("*.json")}


def test_grafana_in_a_container_gets_what_prometheus_there_can_answer() -> None:
    """The dashboard of the services and that of the Envoys, in the folder that is provisioned."""
    provider = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "sentimesh.yml").read_text())
    folder = provider["providers"][0]["options"]["path"]

    mounted = dict(volume.split(":")[:2] for volume in composed()["grafana"]["volumes"])

    assert {path: to for path, to in mounted.items() if to.startswith(folder + "/")} == {
        "./" + str(ENVOYS.parent.relative_to(ROOT)): f"{folder}/compose",
        "./" + str(SERVICES.relative_to(ROOT)): f"{folder}/services/{SERVICES.name}",
    }


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=[path.stem for path in DASHBOARDS])
def test_a_dashboard_asks_a_data_source_that_there_is(dashboard: Path) -> None:
    """One that is provisioned, or the one that is chosen on the page."""
    sources = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "sentimesh.yml").read_text())
    variables = json.loads(dashboard.read_text()).get("templating", {}).get("list", [])
    known = {source["uid"] for source in sources["datasources"]}
    known |= {f"${{{each['name']}}}" for each in variables if each["type"] == "datasource"}

    asked = {panel["datasource"]["uid"] for panel in panels(dashboard)}

    assert asked <= known


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=[path.stem for path in DASHBOARDS])
def test_rates_are_counted_over_what_grafana_finds_long_enough(dashboard: Path) -> None:
    """A fixed interval is empty where Prometheus asks more seldom; Grafana takes four times its interval."""
    spans = [span for query in queries(dashboard) for span in re.findall(r"\[(.*?)\]", query)]

    assert spans
    assert set(spans) == {"$__rate_interval"}


def test_grafana_knows_how_often_prometheus_asks() -> None:
    """What it counts rates over follows from that."""
    asked = yaml.safe_load((ROOT / "compose" / "prometheus.yml").read_text())["global"]["scrape_interval"]
    sources = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "sentimesh.yml").read_text())

    assert sources["datasources"][0]["jsonData"]["timeInterval"] == asked


def _app_and_version(of: Workload) -> dict[str, str]:
    return {name: of.labels[name] for name in ("app", "version")}
