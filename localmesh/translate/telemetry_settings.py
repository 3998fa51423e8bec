"""What the Telemetry objects for a workload say together, for one direction of its requests.

istio: pilot/pkg/model/telemetry.go, `mergeMetrics`, `mergeLogs` and `Telemetries.Tracing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from localmesh.catalog.mesh_config import ExtensionProvider, MeshConfig
from localmesh.catalog.telemetry import Telemetry

Settings = Mapping[str, Any]

_BOTH = "CLIENT_AND_SERVER"
_ALL = "ALL_METRICS"
_BUILT_IN_METRICS = ("prometheus",)
METRICS: Mapping[str, str] = {
    "REQUEST_COUNT": "requests_total",
    "REQUEST_DURATION": "request_duration_milliseconds",
    "REQUEST_SIZE": "request_bytes",
    "RESPONSE_SIZE": "response_bytes",
    "TCP_OPENED_CONNECTIONS": "tcp_connections_opened_total",
    "TCP_CLOSED_CONNECTIONS": "tcp_connections_closed_total",
    "TCP_SENT_BYTES": "tcp_sent_bytes_total",
    "TCP_RECEIVED_BYTES": "tcp_received_bytes_total",
    "GRPC_REQUEST_MESSAGES": "request_messages_total",
    "GRPC_RESPONSE_MESSAGES": "response_messages_total",
}
"""The names of Istio's metrics in Telemetry objects, and in Prometheus after `istio_`."""


class Mode(StrEnum):
    """Which requests: those that a proxy sends, or those that it receives."""

    CLIENT = "CLIENT"
    SERVER = "SERVER"


@dataclass(frozen=True, slots=True)
class MetricSettings:
    """What is different in one metric; a tag without an expression is removed."""

    disabled: bool = False
    tags: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogSettings:
    """One log; `expression` filters it, "" is all requests."""

    provider: ExtensionProvider
    expression: str = ""


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """How requests are traced; what is None is not set."""

    provider: ExtensionProvider | None = None
    is_named: bool = False
    """Whether a provider is named, which may not exist."""
    disabled: bool = False
    sampling: float | None = None
    """Percent."""
    custom_tags: Mapping[str, Settings] = field(default_factory=dict)
    istio_tags: bool = True
    uses_request_id: bool = True


def metric_settings(
    objects: Iterable[Telemetry], mesh: MeshConfig, mode: Mode
) -> Mapping[str, MetricSettings] | None:
    """The settings of metrics by their name in Prometheus; None where no requests are counted."""
    entries = [entry for item in objects for entry in item.metrics]
    defaults = mesh.default_providers.metrics or _BUILT_IN_METRICS
    providers = [name for name in _in_scope(entries, defaults) if _kind(mesh, name) == "prometheus"]
    if not providers:
        return None
    by_metric: dict[str, MetricSettings] = {}
    all_disabled = False
    for entry, names in _with_parents(entries, defaults):
        if not set(names) & set(providers):
            continue
        for override in entry.get("overrides") or ():
            match = override.get("match") or {}
            if not _applies(match, mode):
                continue
            if override.get("disabled") and match.get("metric", _ALL) == _ALL:
                all_disabled = True
                continue
            # a wider scope disables all, a narrower one enables them again
            all_disabled = False
            for metric in _matched(match):
                by_metric[metric] = _overridden(by_metric.get(metric, MetricSettings()), override)
    return None if all_disabled else by_metric


def _overridden(before: MetricSettings, override: Settings) -> MetricSettings:
    disabled = override.get("disabled")
    tags = {
        name: None if (tag or {}).get("operation") == "REMOVE" else (tag or {}).get("value", "")
        for name, tag in (override.get("tagOverrides") or {}).items()
    }
    return MetricSettings(before.disabled if disabled is None else disabled, {**before.tags, **tags})


def _matched(match: Settings) -> Iterable[str]:
    metric = match.get("metric", _ALL)
    return METRICS.values() if metric == _ALL else (METRICS[metric],)


def log_settings(
    objects: Iterable[Telemetry], mesh: MeshConfig, mode: Mode
) -> tuple[LogSettings, ...] | None:
    """The logs, by the names of their providers; None where no object and no default says anything."""
    groups = [item.access_logging for item in objects if item.access_logging]
    defaults = mesh.default_providers.access_logging
    if not groups and not defaults:
        return None
    enabled = _enabled_logs(groups, defaults, mode) if groups else dict.fromkeys(defaults, "")
    found = ((_provider(mesh, name), expression) for name, expression in enabled.items())
    logs = [LogSettings(provider, expression) for provider, expression in found if provider is not None]
    return tuple(sorted(logs, key=lambda log: log.provider.name))


def _enabled_logs(
    groups: list[tuple[Settings, ...]], defaults: tuple[str, ...], mode: Mode
) -> dict[str, str]:
    """The expressions of the logs that are not disabled, by their providers."""
    expressions: dict[str, str] = {}
    in_scope: tuple[str, ...] = defaults
    for group in groups:
        named: list[str] = []
        for entry in group:
            if _applies(entry.get("match") or {}, mode):
                names = _names(entry)
                named += names
                expressions |= dict.fromkeys(names, (entry.get("filter") or {}).get("expression", ""))
        in_scope = tuple(named) or in_scope
    enabled: dict[str, str] = {}
    for entry, names in _with_parents([entry for group in groups for entry in group], defaults):
        if not _applies(entry.get("match") or {}, mode):
            continue
        for name in names:
            if name not in in_scope:
                continue
            if entry.get("disabled"):
                enabled.pop(name, None)
            else:
                enabled[name] = expressions.get(name, "")
    return enabled


def trace_settings(objects: Iterable[Telemetry], mesh: MeshConfig, mode: Mode) -> TraceSettings | None:
    """How requests are traced; None where no object and no default says anything."""
    entries = [entry for item in objects for entry in item.tracing]
    defaults = mesh.default_providers.tracing
    if not entries and not defaults:
        return None
    out: dict[str, Any] = {"is_named": bool(defaults)}
    if defaults:
        out["provider"] = _provider(mesh, defaults[0])
    for entry in entries:
        if not _applies(entry.get("match") or {}, mode):
            continue
        if names := _names(entry):
            out |= {"provider": _provider(mesh, names[0]), "is_named": True}
        for written, name in _TRACE_FIELDS.items():
            if entry.get(written) is not None:
                out[name] = entry[written]
    return TraceSettings(**out)


_TRACE_FIELDS = {
    "disableSpanReporting": "disabled",
    "customTags": "custom_tags",
    "randomSamplingPercentage": "sampling",
    "useRequestIdForTraceSampling": "uses_request_id",
    "enableIstioTags": "istio_tags",
}


def _in_scope(entries: Iterable[Settings], defaults: tuple[str, ...]) -> tuple[str, ...]:
    """The providers of the narrowest scope that names any."""
    names = defaults
    for entry in entries:
        names = _names(entry) or names
    return names


def _with_parents(
    entries: Iterable[Settings], defaults: tuple[str, ...]
) -> Iterator[tuple[Settings, tuple[str, ...]]]:
    """Each entry with its providers: those of the entry before it where it names none."""
    names = defaults
    for entry in entries:
        names = _names(entry) or names
        yield entry, names


def _names(entry: Settings) -> tuple[str, ...]:
    return tuple(provider["name"] for provider in entry.get("providers") or ())


def _applies(match: Settings, mode: Mode) -> bool:
    return match.get("mode", _BOTH) in (_BOTH, mode)


def _provider(mesh: MeshConfig, name: str) -> ExtensionProvider | None:
    """The provider of a name, whose case does not matter."""
    return next((item for item in mesh.extension_providers if item.name.lower() == name.lower()), None)


def _kind(mesh: MeshConfig, name: str) -> str:
    provider = _provider(mesh, name)
    return provider.kind if provider is not None else ""
