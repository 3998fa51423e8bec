"""Istio's standard metrics as Prometheus reads them, from the statistics of an Envoy.

`localmesh.translate.metrics` gives each statistic one label with all values that vary. This module splits it
into the labels of istio.io, "Istio Standard Metrics", with the values that Istio's own filter gives them
(istio/proxy: source/extensions/filters/http/istio_stats/istio_stats.cc, `populatePeerInfo`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from localmesh.catalog.peers import Peer
from localmesh.catalog.trust import SPIFFE
from localmesh.translate.formats import BLACK_HOLE, is_passed_on
from localmesh.translate.metrics import LABEL, PREFIX, REMOVED, Reporter, Values

STATS_PATH = "/stats/prometheus"
"""Where a pod serves its metrics, at `STATS_PORT`."""
STATS_PORT = 15020
"""The port of Istio's agent."""

_UNKNOWN = "unknown"
_LOCAL_DOMAIN = ".svc.cluster.local"
_SAMPLE = re.compile(
    rf'^envoy_{PREFIX}_(?P<name>\w+)\{{{LABEL}="(?P<values>(?:[^"\\]|\\.)*)"'
    r'(?P<more>(?:,\w+="(?:[^"\\]|\\.)*")*)\} (?P<value>\S+)$'
)
_MORE = re.compile(r',(\w+)="((?:[^"\\]|\\.)*)"')
_PAIR = re.compile(r'(\w+)="(?:[^"\\]|\\.)*"')
_TYPE = re.compile(rf"^# (?P<comment>TYPE|HELP) envoy_{PREFIX}_(?P<rest>.+)$")

Labels = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    """One number of a metric.

    `labels` have Istio's names; a bucket of a histogram has `le` as well. Values are escaped as in
    Prometheus' text format, where a caller has put a quote into a header.
    """

    name: str
    labels: Labels
    value: float


def samples(envoy_text: str) -> Iterator[Sample]:
    """The samples of Istio's metrics among an Envoy's statistics.

    Where requests differ in what has no label, such as the port in their authority, there is one sample.
    """
    sums: dict[tuple[str, Labels], float] = {}
    for line in envoy_text.splitlines():
        match = _SAMPLE.match(line)
        if match is None or (labels := istio_labels(match["values"])) is None:
            continue
        if match["more"]:
            labels = _with(labels, dict(_MORE.findall(match["more"])))
        key = f"{PREFIX}_{match['name']}", labels
        sums[key] = sums.get(key, 0.0) + float(match["value"])
    return (Sample(name, labels, value) for (name, labels), value in sums.items())


def exposition(envoy_text: str) -> str:
    """An Envoy's statistics with Istio's metrics under their own names."""
    others: list[str] = []
    types: list[str] = []
    for line in envoy_text.splitlines():
        if match := _TYPE.match(line):
            types.append(f"# {match['comment']} {PREFIX}_{match['rest']}")
        elif not _SAMPLE.match(line):
            others.append(line)
    found = list(samples(envoy_text))
    lines = [*others]
    for declared in types:
        family = declared.split()[2]
        lines.append(declared)
        lines += [_line(sample) for sample in found if _family(sample) == family]
    return "".join(f"{line}\n" for line in lines)


def _family(sample: Sample) -> str:
    """The metric that a sample belongs to: those of a histogram have suffixes."""
    if any(name == "le" for name, _ in sample.labels):
        return sample.name.removesuffix("_bucket")
    if sample.name.endswith(("_sum", "_count")):
        return sample.name.rpartition("_")[0]
    return sample.name


def _line(sample: Sample) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in sample.labels)
    return f"{sample.name}{{{labels}}} {sample.value:.15g}"


def _with(labels: Labels, more: dict[str, str]) -> Labels:
    """The labels with those that Telemetry objects add, change or remove, and `le` of a histogram."""
    removed = more.pop(REMOVED, "").split()
    merged = {**dict(labels), **more}
    return tuple((name, value) for name, value in merged.items() if name not in removed)


@lru_cache(maxsize=4096)
def istio_labels(text: str) -> Labels | None:
    """The labels of a statistic, in Istio's order; None if its label is none of ours."""
    values = Values.parse(text)
    if values is None or values.reporter not in tuple(Reporter):
        return None
    own, peer = Peer.parse(values.own), Peer.parse(values.peer)
    is_source = values.reporter == Reporter.SOURCE
    # an identity that has been proven counts more than what a header says
    peer = peer._replace(namespace=_namespace_of(values.peer_principal) or peer.namespace)
    source, destination = (own, peer) if is_source else (peer, own)
    principals = (values.own_principal, values.peer_principal)
    source_principal, destination_principal = principals if is_source else reversed(principals)
    host, name = _service(values)
    named = {
        "reporter": values.reporter,
        **_peer_labels("source", source, source_principal),
        **_peer_labels("destination", destination, destination_principal),
        "destination_service": host or _UNKNOWN,
        "destination_service_name": name or _UNKNOWN,
        "destination_service_namespace": destination.namespace or _UNKNOWN,
        **_protocol_labels(values),
        "response_flags": values.flags or "-",
        "connection_security_policy": _security(values),
    }
    return tuple(named.items())


def _peer_labels(side: str, peer: Peer, principal: str) -> Mapping[str, str]:
    named = {
        "workload": peer.workload,
        "canonical_service": peer.canonical_service,
        "canonical_revision": peer.canonical_revision or "latest",
        "workload_namespace": peer.namespace,
        "principal": principal,
        "app": peer.app,
        "version": peer.version,
        "cluster": peer.cluster,
    }
    return {f"{side}_{name}": value or _UNKNOWN for name, value in named.items()}


def _protocol_labels(values: Values) -> Mapping[str, str]:
    """Requests have a code, and those of gRPC a status; connections have neither."""
    if not values.code:
        return {"request_protocol": "tcp"}
    return {
        "request_protocol": "grpc" if values.grpc_status else "http",
        "response_code": values.code,
        "grpc_response_status": values.grpc_status,
    }


def _service(values: Values) -> tuple[str, str]:
    """Host and name of the called Service; a name of Istio's where it is none of the mesh."""
    host = values.authority
    if is_passed_on(values.cluster) or values.cluster == BLACK_HOLE:
        return host, values.cluster.partition("|")[0]
    parts = values.cluster.split("|")
    if len(parts) != 4:
        return host, host
    service = parts[3]
    return service, service.partition(".")[0] if service.endswith(_LOCAL_DOMAIN) else service


def _security(values: Values) -> str:
    """Whether the called side was called with mTLS; the calling side does not say."""
    if values.reporter == Reporter.SOURCE:
        return _UNKNOWN
    return "mutual_tls" if values.own_principal and values.peer_principal else "none"


def _namespace_of(principal: str) -> str:
    """The namespace in ``spiffe://cluster.local/ns/shop/sa/web``."""
    parts = principal.removeprefix(SPIFFE).split("/")
    return parts[2] if principal.startswith(SPIFFE) and len(parts) > 2 and parts[1] == "ns" else ""


def with_labels(text: str, labels: Mapping[str, str]) -> Iterator[str]:
    """The lines of an exposition, with further labels on each sample.

    A sample's own label of the same name becomes `exported_NAME`, as with a target's labels in Prometheus
    (prometheus.io, "scrape_config", `honor_labels`).

    >>> list(with_labels('up 1\\nhits{code="200"} 2\\n', {"pod": "a"}))
    ['up{pod="a"} 1', 'hits{pod="a",code="200"} 2']
    >>> list(with_labels('info{pod="b"} 1', {"pod": "a"}))
    ['info{pod="a",exported_pod="b"} 1']
    """
    added = ",".join(f'{name}="{value}"' for name, value in labels.items())
    for line in text.splitlines():
        if not line or line.startswith("#"):
            yield line
            continue
        name, brace, rest = line.partition("{")
        if brace:
            if any(f'{label}="' in rest for label in labels):
                rest = _PAIR.sub(lambda pair: f"exported_{pair[0]}" if pair[1] in labels else pair[0], rest)
            yield f"{name}{{{added}{'' if rest.startswith('}') else ','}{rest}"
        else:
            name, _, rest = line.partition(" ")
            yield f"{name}{{{added}}} {rest}"


def federated(expositions: Iterable[Iterable[str]]) -> str:
    """Several expositions as one: all samples of a metric together, its type and help once."""
    comments: dict[str, dict[str, None]] = {}
    of_family: dict[str, list[str]] = {}
    for exposition_lines in expositions:
        family = ""
        for line in filter(None, exposition_lines):
            words = line.split(" ", 3)
            if words[0] == "#":
                family = words[2] if len(words) > 2 else ""
                comments.setdefault(family, {})[line] = None
                of_family.setdefault(family, [])
            else:
                of_family.setdefault(family, []).append(line)
    lines = (line for family, found in of_family.items() for line in (*comments.get(family, ()), *found))
    return "".join(f"{line}\n" for line in lines)
