"""What Envoy's statistics say about requests."""

from __future__ import annotations

from collections import Counter
from typing import Any

from localmesh.telemetry.request_stats import Endpoint, ProxyCounts, Requests, read, read_endpoints

V1 = "outbound|80|v1|web.shop.svc.cluster.local"


def stats(**values: int) -> list[dict[str, Any]]:
    return [{"name": f"cluster.{V1}.{name}", "value": value} for name, value in values.items()]


def test_requests_are_counted_by_their_answers() -> None:
    """Classes and totals, which Envoy counts as well, are not counted twice."""
    document = stats(
        upstream_rq_200=5,
        upstream_rq_2xx=5,
        upstream_rq_404=1,
        upstream_rq_503=2,
        upstream_rq_completed=8,
    )

    requests = read({"stats": document}).clusters[V1]

    assert requests.codes == {200: 5, 404: 1, 503: 2}
    assert (requests.total, requests.errors, requests.client_errors) == (8, 2, 1)


def test_attempts_are_counted_beside_requests() -> None:
    """Retries, requests that a circuit breaker refuses, and both kinds of timeouts."""
    document = stats(
        upstream_rq_total=9,
        upstream_rq_retry=2,
        upstream_rq_pending_overflow=3,
        upstream_rq_timeout=1,
        upstream_rq_per_try_timeout=1,
    )

    requests = read({"stats": document}).clusters[V1]

    assert (requests.attempts, requests.retries, requests.overflow, requests.timeouts) == (9, 2, 3, 2)
    assert requests.chosen == 10


def test_connections_are_attempts_without_an_answer() -> None:
    """With the bytes of both directions."""
    document = stats(upstream_rq_total=2, upstream_cx_tx_bytes_total=300, upstream_cx_rx_bytes_total=4000)

    requests = read({"stats": document}).clusters[V1]

    assert (requests.attempts, requests.total) == (2, 0)
    assert (requests.sent, requests.received) == (300, 4000)


def test_durations_are_taken_from_the_bins() -> None:
    """The percentile is the middle of the bin that contains it; without answers there is none."""
    totals = [{"lower_bound": 2, "width": 0.2, "count": 98}, {"lower_bound": 300, "width": 10, "count": 2}]
    histograms = {"details": [{"name": f"cluster.{V1}.upstream_rq_time", "totals": totals}]}

    requests = read({"stats": [{"histograms": histograms}]}).clusters[V1]

    assert requests.percentiles(50, 98, 99) == [2.1, 2.1, 305]
    assert Requests().percentiles(50, 99) == [None, None]


def test_a_cluster_of_a_host_with_statistics_in_its_name_is_recognized() -> None:
    """Names of hosts contain dots; the cluster ends where the statistic begins."""
    name = "cluster.outbound|443||api.example.com.upstream_rq_200"

    assert set(read({"stats": [{"name": name, "value": 1}]}).clusters) == {"outbound|443||api.example.com"}


def test_filters_and_listeners_are_counted_by_proxy() -> None:
    """Injected faults, refused requests, and what a gateway received."""
    names = (
        "outbound.fault.aborts_injected",
        "inbound_8080.rbac.denied",
        "outbound_0.0.0.0_8080.downstream_rq_5xx",
    )

    counted = read({"stats": [{"name": f"http.{name}", "value": 4} for name in names]})

    assert counted.filters == {"aborts": 4, "denied": 4}
    assert counted.received.codes == {500: 4}


def test_only_what_was_added_is_shown() -> None:
    """A cluster without new requests is left out."""
    before = ProxyCounts({V1: Requests(Counter({200: 5}), attempts=5), "other": Requests(Counter({200: 1}))})
    now = ProxyCounts(
        {V1: Requests(Counter({200: 7, 500: 1}), attempts=8), "other": Requests(Counter({200: 1}))}
    )

    added = now.since(before)

    assert added.clusters == {V1: Requests(Counter({200: 2, 500: 1}), attempts=3)}


def test_after_a_restart_of_the_proxy_everything_is_new() -> None:
    """Its counters begin at zero again; negative rates would be shown otherwise."""
    before = ProxyCounts({V1: Requests(Counter({200: 50}), attempts=50)}, filters=Counter(denied=9))
    now = ProxyCounts({V1: Requests(Counter({200: 3}), attempts=3)}, filters=Counter(denied=1))

    added = now.since(before)

    assert (added.clusters[V1].codes, added.filters) == ({200: 3}, {"denied": 1})


def test_ejected_endpoints_are_told_from_others() -> None:
    """A count of zero is left out by Envoy."""
    counts = [{"name": "rq_success", "value": "8"}, {"name": "rq_error"}]

    def host(port: int, **health: bool) -> dict[str, Any]:
        address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
        return {"address": address, "stats": counts, "health_status": health}

    clusters = [{"name": V1, "host_statuses": [host(1), host(2, failed_outlier_check=True)]}]

    assert read_endpoints({"cluster_statuses": clusters}) == {
        (V1, "127.0.0.1:1"): Endpoint(8, 0, ejected=False),
        (V1, "127.0.0.1:2"): Endpoint(8, 0, ejected=True),
    }
