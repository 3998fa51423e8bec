"""The component for proxies without Istio's filter: its labels, after Prometheus' relabeling, are Istio's."""

from __future__ import annotations

import re
import runpy
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import yaml

from localmesh.manifests import load
from localmesh.telemetry.istio_metrics import istio_labels
from localmesh.translate.from_manifests import proxy_config
from localmesh.translate.metrics import source_values
from tests.live import ROOT, overlay

FOLDER = ROOT / "istio" / "components" / "stock-envoy-metrics"
ID = "spiffe://cluster.local/ns/sentimesh/sa/webapp"
PEER = {
    "destination_workload": "logic-v2",
    "destination_workload_namespace": "sentimesh",
    "destination_canonical_service": "logic",
    "destination_canonical_revision": "v2",
    "destination_app": "logic",
    "destination_version": "v2",
    "destination_cluster": "Kubernetes",
}
STRANGER = {
    "source_workload": "unknown",
    "source_canonical_service": "unknown",
    "source_canonical_revision": "latest",
    "source_app": "unknown",
    "source_version": "unknown",
    "source_cluster": "unknown",
    "source_workload_namespace": "sentimesh",
    "source_principal": ID,
}


@cache
def loggers() -> dict[str, dict[str, Any]]:
    """The settings of the access logger by context."""
    (item,) = yaml.safe_load_all((FOLDER / "envoyfilter.yaml").read_text())
    return {
        patch["match"]["context"]: patch["patch"]["value"]["typed_config"]["access_log"][0]["typed_config"]
        for patch in item["spec"]["configPatches"]
    }


def relabeled(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels after `metric_relabel_configs`: prometheus.io, "relabel_config"."""
    result = dict(labels)
    for rule in yaml.safe_load((FOLDER / "metric-relabel-configs.yaml").read_text()):
        if rule.get("action") == "labeldrop":
            result = {name: value for name, value in result.items() if not re.fullmatch(rule["regex"], name)}
            continue
        joined = ";".join(result.get(name, "") for name in rule["source_labels"])
        if match := re.fullmatch(rule["regex"], joined):
            result[rule["target_label"]] = rule.get("replacement") or match[1]
    return result


def counted(context: str, **known: str) -> dict[str, str]:
    """What Prometheus stores of a request whose labels are those written, and these."""
    logger = loggers()[context]
    (counter,) = logger["counters"]
    tags = {tag["name"]: tag["value_format"] for tag in counter["stat"]["tags"]}
    values = {name: "" if value.startswith("%") else value for name, value in tags.items()}
    assert known.keys() <= tags.keys()
    name = f"envoy_{logger['stat_prefix']}_{counter['stat']['name']}"
    return relabeled({"__name__": name, **values, **known})


@pytest.mark.parametrize("context", ["SIDECAR_OUTBOUND", "GATEWAY", "SIDECAR_INBOUND"])
def test_the_names_of_metric_and_labels_are_those_of_istio(context: str) -> None:
    """Each label is there even if nothing is known of the request."""
    istio = dict(istio_labels(str(source_values("")._replace(code="200"))) or ())

    labels = counted(context)

    assert labels.pop("__name__") == "istio_requests_total"
    assert labels.keys() == istio.keys()


def test_a_caller_knows_the_called_workload_from_istiods_metadata() -> None:
    """It is one string, which Prometheus splits."""
    labels = counted("SIDECAR_OUTBOUND", destination_peer="logic-v2;sentimesh;logic;v2;Kubernetes")

    assert PEER.items() <= labels.items()
    assert "destination_peer" not in labels


def test_a_called_proxy_knows_the_callers_namespace_and_identity() -> None:
    """It knows them from the certificate, and nothing else of the caller."""
    labels = counted("SIDECAR_INBOUND", source_principal=ID)

    assert STRANGER.items() <= labels.items()


def test_durations_have_the_labels_of_requests() -> None:
    """In all contexts."""
    for logger in loggers().values():
        (histogram,) = logger["histograms"]
        assert histogram["stat"]["name"] == "request_duration_milliseconds"
        assert histogram["stat"]["tags"] == logger["counters"][0]["stat"]["tags"]


def test_localmesh_adds_the_logger_to_its_own() -> None:
    """In both directions of a sidecar."""
    added = load(files=[FOLDER / "envoyfilter.yaml"]).resources

    listeners = proxy_config([*overlay("base"), *added], "webapp-v1").listeners

    for listener in listeners:
        manager = listener["filterChains"][0]["filters"][-1]["typedConfig"]
        kinds = [logger["name"].rpartition(".")[2] for logger in manager["accessLog"]]
        assert kinds[-2:] == ["file", "stats"], listener["name"]


def test_the_program_of_the_workshop_reads_them_as_those_of_istio() -> None:
    """Before Prometheus relabels them: the called workload is in one string, the calling one is not known."""
    counted = runpy.run_path(str(ROOT / "docs" / "workshop" / "metrics.py"))["counted"]
    istio, stock = (
        f"""{name}{{reporter="source",source_workload="webapp-v1",{called},response_code="200"}} 3\n"""
        f"""{name}{{reporter="destination",destination_workload="webapp-v1",response_code="200"}} 4\n"""
        for name, called in (
            ("istio_requests_total", 'destination_workload="logic-v2"'),
            ("envoy_istio_requests_total", 'destination_peer="logic-v2;sentimesh;logic;v2;Kubernetes"'),
        )
    )

    assert counted(stock) == counted(istio)
    assert dict(counted(stock)) == {
        ("source", "webapp-v1", "logic-v2", "200"): 3,
        ("destination", "unknown", "webapp-v1", "200"): 4,
    }
