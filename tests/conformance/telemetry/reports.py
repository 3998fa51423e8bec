"""What a proxy reports of HTTP requests, from its configuration: metrics, access logs and traces.

Both Istio's and localmesh's configuration is brought into this form, in which they can be compared: Istio
has a filter for metrics, localmesh access loggers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from localmesh.translate.metrics import LABEL, REMOVED
from localmesh.translate.telemetry_settings import METRICS
from localmesh.translate.tracing import CONTROL_PLANE_CLUSTER

Json = dict[str, Any]

_HTTP_METRICS = frozenset(name for name in METRICS.values() if not name.startswith("tcp_"))
_LOGGER = "type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config"
# tags of policies that are tried out are not made here
_DRY_RUN = "istio.authorization.dry_run."
_CANONICAL = "istio.canonical_"


def istio_report(manager: Json) -> Json:
    """The report of an HTTP connection manager of Istio, in snake case."""
    filters = [item for item in manager["http_filters"] if item["name"] == "istio.stats"]
    metrics = _of_filter(filters[0]["typed_config"]) if filters else None
    logs = [_camel(log) for log in manager.get("access_log", ())]
    tracing = _tracing(_camel(manager.get("tracing")))
    return {
        "metrics": metrics,
        "logs": logs,
        "tracing": tracing,
        "sampledById": _sampled_by_id(_camel(manager)),
    }


def localmesh_report(manager: Json) -> Json:
    """The report of an HTTP connection manager of localmesh."""
    counting = [log for log in manager["accessLog"] if log["typedConfig"]["@type"] == _LOGGER]
    logs = [log for log in manager["accessLog"] if log not in counting]
    metrics = _of_loggers(counting) if counting else None
    tracing = _tracing(manager.get("tracing"))
    return {"metrics": metrics, "logs": logs, "tracing": tracing, "sampledById": _sampled_by_id(manager)}


def _of_filter(config: Json) -> Json:
    """The metrics that differ from Istio's standard: those dropped, and the tags of others."""
    out: Json = {}
    for metric in config.get("metrics", ()):
        if metric["name"] in _HTTP_METRICS:
            tags = {**dict.fromkeys(metric.get("tags_to_remove", ())), **metric.get("dimensions", {})}
            out[metric["name"]] = "dropped" if metric.get("drop") else tags
    return out


def _of_loggers(loggers: Iterable[Json]) -> Json:
    counted: Json = {}
    for logger in loggers:
        config = logger["typedConfig"]
        for statistic in (*config.get("counters", ()), *config.get("histograms", ())):
            counted[statistic["stat"]["name"]] = _tags(statistic["stat"]["tags"])
    changed = {name: tags for name, tags in counted.items() if tags}
    return {**dict.fromkeys(_HTTP_METRICS - counted.keys(), "dropped"), **changed}


def _tags(tags: Iterable[Mapping[str, str]]) -> Json:
    out: Json = {}
    for tag in tags:
        if tag["name"] == REMOVED:
            out |= dict.fromkeys(tag["valueFormat"].split())
        elif tag["name"] != LABEL:
            out[tag["name"]] = tag["valueFormat"].removeprefix("%CEL(").removesuffix(")%")
    return out


def _sampled_by_id(manager: Json) -> bool:
    """Whether the id of a request says whether it is traced."""
    extension = manager.get("requestIdExtension", {}).get("typedConfig", {})
    return bool(extension.get("useRequestIdForTraceSampling", True))


def _tracing(tracing: Any) -> Any:
    """Tracing without the name of the service, which Istio's bootstrap decides.

    Where no object says anything, Istio's proxies have no tracer, and those of localmesh send spans to it.
    """
    if not tracing:
        return None
    if "provider" not in tracing or CONTROL_PLANE_CLUSTER in str(tracing["provider"]):
        return "without settings"
    # the injector decides what Istio's names of services are
    tags = [
        {"tag": tag["tag"]} if tag["tag"].startswith(_CANONICAL) else tag
        for tag in tracing.get("customTags", ())
        if not tag["tag"].startswith(_DRY_RUN)
    ]
    provider = tracing.get("provider") or {}
    typed = {key: value for key, value in provider.get("typedConfig", {}).items() if key != "serviceName"}
    return {
        **tracing,
        "randomSampling": tracing["randomSampling"] or {"value": 0},
        "customTags": tags,
        "provider": {**provider, "typedConfig": typed},
    }


def _camel(value: Any) -> Any:
    """The same JSON with the names that protobuf's JSON form has; labels of logs are no fields."""
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    value = {key: below for key, below in value.items() if key != "json_format_options" or below}
    return {_name(key): below if key == "json_format" else _camel(below) for key, below in value.items()}


def _name(text: str) -> str:
    first, *others = text.split("_")
    return first + "".join(word if word[:1].isdigit() else word.capitalize() for word in others)
