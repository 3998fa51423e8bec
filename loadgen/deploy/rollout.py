"""Waits until a cluster has adopted a new configuration: pods are replaced, and all proxies are updated.

istiod collects changes for a moment and then pushes the configuration to the proxies. Its counters show both;
if none of them changes for a while, no push is pending or in progress.

A policy is part of a proxy's listener. A replaced listener keeps its connections for a while (45 s in Istio),
and a request on one of them is still subject to the old policy. The proxy reports how many are draining.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from loadgen.errors import NotReachable, Refused
from loadgen.meshstate import MeshApi
from loadgen.meshstate.pods import is_completed, is_ready, is_running, is_terminating, name_of, sample_sum

PODS_SECONDS = 180.0
PUSHES_SECONDS = 60.0
DRAINED_SECONDS = 120.0
POLL_SECONDS = 0.2
QUIET_SECONDS = 1.0
"""Ten times the time that istiod waits for further changes (`PILOT_DEBOUNCE_AFTER`, 100 ms)."""
ISTIOD_PORT = 15014
PROXY_PORT = 15090
SIDECAR = "istio-proxy"
DRAINING = (
    "envoy_listener_manager_total_listeners_draining",
    "envoy_listener_manager_total_filter_chains_draining",
)
DRAINING_STATS = "stats/prometheus?filter=_draining$"
COUNTERS = (
    "pilot_inbound_updates",
    "pilot_debounce_time_count",
    "pilot_xds_pushes",
    "pilot_proxy_convergence_time_count",
)


def await_pods(api: MeshApi) -> None:
    """Wait until every Deployment has its replicas, all of them ready, and no old pod is left."""

    def unfinished() -> str:
        deployments = api.objects("apps/v1", "deployments")
        waiting = [_deployment(item) for item in deployments if not rolled_out(item)]
        pods = (pod for pod in api.pods() if not is_completed(pod))
        waiting += [f"pod {name_of(pod)}" for pod in pods if is_terminating(pod) or not is_ready(pod)]
        return ", ".join(waiting)

    _await(unfinished, PODS_SECONDS)


def rolled_out(deployment: Mapping[str, Any]) -> bool:
    """Whether all pods of a Deployment have its current template and are available."""
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return bool(seen and counts == [wanted] * 3)


def await_pushes(istio: MeshApi) -> None:
    """Wait until istiod has neither received a change nor pushed a configuration for a moment."""
    last, since = _counted(istio), time.monotonic()

    def unfinished() -> str:
        nonlocal last, since
        now = _counted(istio)
        if now != last:
            last, since = now, time.monotonic()
        return "" if time.monotonic() - since >= QUIET_SECONDS else "istiod, which still pushes to proxies"

    _await(unfinished, PUSHES_SECONDS)


def await_drained(api: MeshApi) -> None:
    """Wait until no sidecar has a replaced listener that is still draining."""

    def unfinished() -> str:
        pods = (name_of(pod) for pod in api.pods() if is_running(pod) and _has_sidecar(pod))
        draining = (name for name in pods if _draining(api.pod_text(name, PROXY_PORT, DRAINING_STATS)))
        return ", ".join(f"the old listeners of {name}" for name in draining)

    _await(unfinished, DRAINED_SECONDS)


def _has_sidecar(pod: Mapping[str, Any]) -> bool:
    containers = (*pod["spec"]["containers"], *pod["spec"].get("initContainers", ()))
    return any(container["name"] == SIDECAR for container in containers)


def _draining(stats: str) -> bool:
    return any(sample_sum(stats, gauge) for gauge in DRAINING)


def _counted(istio: MeshApi) -> tuple[float, ...]:
    pods = istio.pods(app="istiod")
    if not pods:
        raise NotReachable(
            f"there is no istiod in namespace {istio.namespace}; pass its namespace with --istio-namespace"
        )
    texts = [istio.pod_text(name_of(pod), ISTIOD_PORT, "metrics") for pod in pods if is_ready(pod)]
    return tuple(sum(sample_sum(text, counter) for text in texts) for counter in COUNTERS)


def _await(unfinished: Callable[[], str], within_seconds: float) -> None:
    end = time.monotonic() + within_seconds
    while what := unfinished():
        if time.monotonic() >= end:
            raise Refused(f"still waiting for {what} after {within_seconds:.0f} s")
        time.sleep(POLL_SECONDS)


def _deployment(item: Mapping[str, Any]) -> str:
    return f"Deployment {item['metadata']['name']}"
