"""The metrics of a running mesh: of each pod as Istio's agent serves them, and of all pods at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiohttp

from localmesh.catalog import Address
from localmesh.runtime.mesh import Mesh
from localmesh.runtime.protocols import RunningPod, RunningProxy
from localmesh.telemetry.istio_metrics import STATS_PATH, STATS_PORT, federated, with_labels
from localmesh.telemetry.reading import metrics_text

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The type of Prometheus' text format."""

_SCRAPE, _PORT, _PATH = (f"prometheus.io/{name}" for name in ("scrape", "port", "path"))


async def metrics_of(client: aiohttp.ClientSession, part: RunningPod | RunningProxy) -> str:
    """The metrics of a pod or gateway: its Envoy's, then its application's; "" for those that do not answer.

    The annotations `prometheus.io/scrape`, `port` and `path` say where the application has them (istio.io,
    "Prometheus", "Option 1: Metrics merging").
    """
    proxy = part.sidecar if isinstance(part, RunningPod) else part
    of_envoy = await proxy.metrics() if proxy is not None else ""
    of_application = await metrics_text(client, url) if (url := _application_url(part)) else ""
    return f"{of_envoy}{of_application}"


async def federate(client: aiohttp.ClientSession, mesh: Mesh) -> str:
    """The metrics of all pods and gateways, with the labels `namespace`, `pod`, `app` and `version`.

    The last two are those of the pod, if it has them.
    """
    parts: Mapping[tuple[str, str], RunningPod | RunningProxy] = {**mesh.pods, **mesh.gateways}
    texts = await asyncio.gather(*(metrics_of(client, part) for part in parts.values()))
    return federated(
        with_labels(text, {"namespace": namespace, "pod": name, **_of_version(part)})
        for ((namespace, name), part), text in zip(parts.items(), texts, strict=True)
    )


def _of_version(part: RunningPod | RunningProxy) -> Mapping[str, str]:
    """The labels by which dashboards tell versions apart, as scrapes on a cluster copy them from the pod."""
    labels = part.planned.workload.labels if isinstance(part, RunningPod) else {}
    return {name: labels[name] for name in ("app", "version") if name in labels}


def _application_url(part: RunningPod | RunningProxy) -> str | None:
    """Where the application of a pod has metrics, if its annotations say so."""
    if not isinstance(part, RunningPod) or part.application.host is None:
        return None
    annotations = part.planned.workload.annotations
    port = annotations.get(_PORT, "")
    if annotations.get(_SCRAPE) != "true" or not port.isdecimal():
        return None
    real = part.planned.ports.get(int(port))
    path = annotations.get(_PATH, "/metrics")
    return f"http://{Address(part.application.host, real)}{path}" if real is not None else None


def is_metrics(port: str, path: str) -> bool:
    """Whether a request to a pod is for its metrics."""
    return port == str(STATS_PORT) and f"/{path}" == STATS_PATH
