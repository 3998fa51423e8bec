"""EnvoyFilter: its record and what Istio requires of it (istio: pkg/config/validation/envoyfilter)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from localmesh.formats.regexes import regex_fault
from localmesh.kinds.kind import NETWORKING, Kind
from localmesh.kinds.rules.istio import targets, workload_selector
from localmesh.problems import Problem
from localmesh.problems.codes import invalid, unsupported
from localmesh.problems.fields import Field

MESSAGES: Mapping[str, str] = {
    "BOOTSTRAP": "envoy.config.bootstrap.v3.Bootstrap",
    "CLUSTER": "envoy.config.cluster.v3.Cluster",
    "EXTENSION_CONFIG": "envoy.config.core.v3.TypedExtensionConfig",
    "FILTER_CHAIN": "envoy.config.listener.v3.FilterChain",
    "HTTP_FILTER": "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
    "HTTP_ROUTE": "envoy.config.route.v3.Route",
    "LISTENER": "envoy.config.listener.v3.Listener",
    "LISTENER_FILTER": "envoy.config.listener.v3.ListenerFilter",
    "NETWORK_FILTER": "envoy.config.listener.v3.Filter",
    "ROUTE_CONFIGURATION": "envoy.config.route.v3.RouteConfiguration",
    "VIRTUAL_HOST": "envoy.config.route.v3.VirtualHost",
}
"""The message of the value of a patch, by what it applies to."""

_OF_LISTENERS = ("LISTENER", "FILTER_CHAIN", "NETWORK_FILTER", "HTTP_FILTER")
_OF_ROUTES = ("ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE")
_OBJECTS = ("listener", "routeConfiguration", "cluster")
_MANAGERS = ("envoy.filters.network.http_connection_manager", "envoy.http_connection_manager")
ABSENT_FILTERS = ("istio.metadata_exchange", "envoy.filters.http.grpc_stats", "istio.alpn", "istio.stats")
"""HTTP filters of Istio's proxies that the proxies here do not have; other filters can be put beside them."""
_CHANGES = ("MERGE", "REPLACE")


def patches(root: Field) -> Iterator[Problem]:
    """Every patch says what it applies to and what it does, and its value is a message of Envoy."""
    for entry in root.get("spec", "configPatches").items():
        if entry.get("match", "context").text == "WAYPOINT":
            continue
        missing = [name for name, field in _required(entry) if not field or field.value == "INVALID"]
        if missing:
            name = missing[0]
            yield entry.problem(invalid.MISSING_FIELD, name=name, why="", remedy=f"add {name}")
            continue
        version = entry.get("match", "proxy", "proxyVersion")
        if version.text and (fault := regex_fault(version.text)):
            yield version.problem(invalid.BAD_REGEX, reason=fault, remedy="correct it")
        yield from _match(entry)
        yield from _value(entry)


def _required(entry: Field) -> Iterator[tuple[str, Field]]:
    yield "applyTo", entry.get("applyTo")
    yield "patch", entry.get("patch")
    yield "patch.operation", entry.get("patch", "operation")
    if entry.get("patch", "operation").text != "REMOVE":
        yield "patch.value", entry.get("patch", "value")


def _match(entry: Field) -> Iterator[Problem]:
    """What a patch applies to decides which objects it can match."""
    applied, match = entry.get("applyTo").text or "", entry.get("match")
    own = (
        "listener"
        if applied in _OF_LISTENERS
        else "routeConfiguration"
        if applied in _OF_ROUTES
        else "cluster"
    )
    others = [name for name in _OBJECTS if match.get(name) and name != own]
    if others and applied in (*_OF_LISTENERS, *_OF_ROUTES, "CLUSTER"):
        yield match.get(others[0]).problem(
            invalid.BAD_MATCH, found=others[0], expected=f"{own}, which is what {applied} is about"
        )
    named = match.get("listener", "filterChain", "filter")
    sub_filter = named.get("subFilter")
    if named and not named.get("name").text and applied in _OF_LISTENERS:
        yield named.problem(invalid.MISSING_FIELD, name="name", why="", remedy="add the name of the filter")
    elif sub_filter and applied in _OF_LISTENERS:
        if applied != "HTTP_FILTER":
            yield sub_filter.problem(
                invalid.BAD_MATCH, found="subFilter", expected="it with HTTP_FILTER only"
            )
        elif named.get("name").text not in _MANAGERS:
            yield named.get("name").problem(invalid.BAD_MATCH, expected=f"{_MANAGERS[0]} above subFilter")
        elif not sub_filter.get("name").text:
            yield sub_filter.problem(invalid.MISSING_FIELD, name="name", why="", remedy="add its name")


def _value(entry: Field) -> Iterator[Problem]:
    from localmesh.envoy_messages.documents import UNKNOWN_TYPE, InvalidDocumentError, normalized

    value, name = entry.get("patch", "value"), MESSAGES.get(entry.get("applyTo").text or "")
    if not isinstance(value.value, dict) or name is None:
        return
    try:
        normalized(name, value.value)
    except InvalidDocumentError as error:
        if str(error).startswith(UNKNOWN_TYPE):
            remedy = "use an extension of Envoy itself, with its v3 type"
            yield value.problem(unsupported.FIELD_NOT_SUPPORTED, remedy=f"{remedy}: {error}")
        else:
            yield value.problem(
                invalid.WRONG_TYPE,
                found="a value",
                type=f"not a message {name}",
                expected=f"one: {error}",
                remedy="correct the value",
            )


def shapes(root: Field) -> Iterator[Problem]:
    """Patches of what the proxies here do not have in Istio's form."""
    for entry in root.get("spec", "configPatches").items():
        applied, operation = entry.get("applyTo"), entry.get("patch", "operation").text
        listener, context = entry.get("match", "listener"), entry.get("match", "context").text
        if applied.text == "BOOTSTRAP":
            yield _absent(applied, "Envoys are started by localmesh: write what can change while they run")
        if applied.text == "LISTENER" and operation in (
            "ADD",
            "INSERT_BEFORE",
            "INSERT_AFTER",
            "INSERT_FIRST",
        ):
            yield _absent(entry.get("patch", "operation"), "its address would be that of the whole machine")
        if context == "SIDECAR_OUTBOUND":
            for name in ("portNumber", "name"):
                if listener.get(name):
                    reason = "a sidecar has one outbound listener for all ports: leave it out"
                    yield _absent(listener.get(name), reason)
        sub_filter = listener.get("filterChain", "filter", "subFilter", "name")
        if sub_filter.text in ABSENT_FILTERS and operation in _CHANGES:
            yield _absent(sub_filter, "the proxies here do not have this filter")


def _absent(field: Field, remedy: str) -> Problem:
    return field.problem(unsupported.FIELD_NOT_SUPPORTED, remedy=remedy)


ENVOY_FILTER = Kind(
    group=NETWORKING,
    name="EnvoyFilter",
    versions=("v1alpha3",),
    plural="envoyfilters",
    rules=(workload_selector, targets, patches),
    unsupported_fields={
        "spec.configPatches[].match.proxy.metadata": "use workloadSelector: proxies here have no metadata",
    },
    support_rules=(shapes,),
    ineffective_fields={
        "spec.configPatches[].match.listener.portName": "Istio ignores it",
        "spec.configPatches[].match.waypoint": "there are no waypoints",
        "spec.configPatches[].patch.filterClass": "Istio ignores it",
    },
)
