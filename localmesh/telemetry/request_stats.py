"""What an Envoy has counted of the requests that it forwards: statistics by cluster, and their differences.

Envoy, "Cluster manager statistics": `upstream_rq_<code>` counts each request once, with the answer that its
caller got; `upstream_rq_total` counts every attempt.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Self

Json = Mapping[str, Any]

QUERY: Mapping[str, str] = {
    "format": "json",
    "histogram_buckets": "detailed",
    "usedonly": "",
    "filter": r"^cluster\.outbound\|.*\.upstream_rq_"
    r"|^cluster\.outbound\|.*\.upstream_cx_[rt]x_bytes_total$"
    r"|^http\.(?:inbound|outbound_).*\.downstream_rq_[2-5]xx$"
    r"|^http\..*\.(?:fault\.(?:delays|aborts)_injected|rbac\.denied|jwt_authn\.denied)$",
}
"""The parameters of Envoy's `/stats` for which `read` is made."""

_OF_CLUSTER = re.compile(r"cluster\.(outbound\|.*?)\.((?:retry\.)?upstream_(?:rq|cx)_\w+)")
_OF_LISTENER = re.compile(r"http\.(?:inbound|outbound_).*\.downstream_rq_([2-5])xx")
_OF_FILTER = re.compile(r"http\.(.+?)\.(fault|rbac|jwt_authn)\.(\w+)")
_PREFIX = "upstream_rq_"


@dataclass(frozen=True, slots=True)
class Requests:
    """Counts of requests: since a proxy started, or in a span of time.

    `codes` are the answers by status, `milliseconds` how many answers took how long (in the middle of
    Envoy's bins). `attempts` includes retries, `overflow` are requests that a circuit breaker refused.
    Where connections are forwarded as they are, each is an attempt without an answer; `sent` and `received`
    are their bytes.
    """

    codes: Counter[int] = field(default_factory=Counter)
    milliseconds: Counter[float] = field(default_factory=Counter)
    attempts: int = 0
    retries: int = 0
    overflow: int = 0
    timeouts: int = 0
    sent: int = 0
    received: int = 0

    @property
    def total(self) -> int:
        """The number of requests that were answered."""
        return self.codes.total()

    @property
    def chosen(self) -> int:
        """How often a route chose the cluster: requests that were sent to it, answered or not.

        Where it has no endpoints, requests are answered and never sent.
        """
        return max(self.attempts - self.retries + self.overflow, self.total)

    @property
    def errors(self) -> int:
        """How many answers had a status of 500 or above."""
        return sum(count for code, count in self.codes.items() if code >= 500)

    @property
    def client_errors(self) -> int:
        """How many answers had a status from 400 to 499."""
        return sum(count for code, count in self.codes.items() if 400 <= code < 500)

    def since(self, before: Requests) -> Requests:
        """What was added since `before`; everything if the proxy has been restarted in between."""
        if before.attempts > self.attempts or before.total > self.total:
            return self
        return Requests(
            codes=self.codes - before.codes,
            milliseconds=self.milliseconds - before.milliseconds,
            **{name: getattr(self, name) - getattr(before, name) for name in _NUMBERS},
        )

    @classmethod
    def sum(cls, of: Iterable[Requests]) -> Self:
        """All of them together."""
        codes: Counter[int] = Counter()
        milliseconds: Counter[float] = Counter()
        numbers = dict.fromkeys(_NUMBERS, 0)
        for each in of:
            codes.update(each.codes)
            milliseconds.update(each.milliseconds)
            for name in _NUMBERS:
                numbers[name] += getattr(each, name)
        return cls(codes, milliseconds, **numbers)

    def percentiles(self, *percents: float) -> list[float | None]:
        """The durations in milliseconds below which so many percent of the answers are; None without any."""
        total = self.milliseconds.total()
        if not total:
            return [None] * len(percents)
        bins = sorted(self.milliseconds.items())
        reached = list(accumulate(count for _, count in bins))
        return [
            next(middle for (middle, _), below in zip(bins, reached, strict=True) if below >= total * p / 100)
            for p in percents
        ]


_NUMBERS = ("attempts", "retries", "overflow", "timeouts", "sent", "received")
_NUMBER_OF = {
    "upstream_rq_total": "attempts",
    "upstream_rq_retry": "retries",
    "upstream_rq_pending_overflow": "overflow",
    "upstream_rq_timeout": "timeouts",
    "upstream_rq_per_try_timeout": "timeouts",
    "upstream_cx_tx_bytes_total": "sent",
    "upstream_cx_rx_bytes_total": "received",
}
_FILTER_COUNTS = {
    ("fault", "delays_injected"): "delays",
    ("fault", "aborts_injected"): "aborts",
    ("rbac", "denied"): "denied",
    ("jwt_authn", "denied"): "rejectedTokens",
}


@dataclass(frozen=True, slots=True)
class ProxyCounts:
    """What one proxy has counted: requests by cluster, received ones, and what its filters did to requests.

    The codes of `received` are classes: 500 stands for 5xx. `filters` counts injected `delays` and `aborts`,
    requests that policies `denied`, and `rejectedTokens`.
    """

    clusters: Mapping[str, Requests] = field(default_factory=dict)
    received: Requests = field(default_factory=Requests)
    filters: Counter[str] = field(default_factory=Counter)

    def since(self, before: ProxyCounts) -> ProxyCounts:
        """What was added since `before`, without clusters where nothing was."""
        unknown = Requests()
        clusters = {
            name: now.since(before.clusters.get(name, unknown)) for name, now in self.clusters.items()
        }
        restarted = any(before.filters[name] > self.filters[name] for name in before.filters)
        return ProxyCounts(
            {
                name: added
                for name, added in clusters.items()
                if any((added.total, added.attempts, added.sent))
            },
            self.received.since(before.received),
            self.filters if restarted else self.filters - before.filters,
        )


def read(document: Json) -> ProxyCounts:
    """The counts in the answer of Envoy's `/stats` to `QUERY`."""
    clusters: dict[str, Requests] = {}
    numbers: dict[str, Counter[str]] = {}
    received: Counter[int] = Counter()
    filters: Counter[str] = Counter()
    for entry in document["stats"]:
        if "histograms" in entry:
            for histogram in entry["histograms"].get("details") or ():
                _read_durations(histogram, clusters)
        elif found := _OF_CLUSTER.fullmatch(entry["name"]):
            cluster, name = found.groups()
            _read_number(name, entry["value"], clusters.setdefault(cluster, Requests()), numbers, cluster)
        elif found := _OF_LISTENER.fullmatch(entry["name"]):
            received[100 * int(found[1])] += entry["value"]
        elif found := _OF_FILTER.fullmatch(entry["name"]):
            filters[_FILTER_COUNTS[found[2], found[3]]] += entry["value"]
    return ProxyCounts(
        {
            name: Requests(of.codes, of.milliseconds, **numbers.get(name, Counter()))
            for name, of in clusters.items()
        },
        Requests(received),
        filters,
    )


def _read_number(
    name: str, value: int, requests: Requests, numbers: dict[str, Counter[str]], cluster: str
) -> None:
    code = name.removeprefix(_PREFIX)
    if name in _NUMBER_OF:
        numbers.setdefault(cluster, Counter())[_NUMBER_OF[name]] += value
    elif code.isdecimal():
        requests.codes[int(code)] += value


def _read_durations(histogram: Json, clusters: dict[str, Requests]) -> None:
    found = _OF_CLUSTER.fullmatch(histogram["name"])
    if found is None or found[2] != "upstream_rq_time":
        return
    requests = clusters.setdefault(found[1], Requests())
    for each in histogram.get("totals") or ():
        requests.milliseconds[each["lower_bound"] + each["width"] / 2] += each["count"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of a cluster, as the calling proxy sees it: counts since it is known there.

    `ejected`: by outlier detection.
    """

    succeeded: int
    failed: int
    ejected: bool


def read_endpoints(document: Json) -> Mapping[tuple[str, str], Endpoint]:
    """The endpoints in the answer of Envoy's `/clusters?format=json`, by cluster and address."""
    return {
        (cluster["name"], f"{address['address']}:{address['port_value']}"): _endpoint(host)
        for cluster in document.get("cluster_statuses") or ()
        for host in cluster.get("host_statuses") or ()
        if (address := host["address"].get("socket_address"))
    }


def _endpoint(host: Json) -> Endpoint:
    counts = {stat["name"]: int(stat.get("value", 0)) for stat in host["stats"]}
    ejected = bool(host["health_status"].get("failed_outlier_check"))
    return Endpoint(counts["rq_success"], counts["rq_error"], ejected)
