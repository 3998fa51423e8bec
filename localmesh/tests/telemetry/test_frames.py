"""What happened on the edges of a graph in the last seconds."""

from __future__ import annotations

from collections import Counter

import pytest

from localmesh.explain import Explainer
from localmesh.manifests import load_text
from localmesh.telemetry.frames import frame_of, point, summary
from localmesh.telemetry.graph import CLIENTS, Graph, edge_id, graph_of
from localmesh.telemetry.intervals import wilson
from localmesh.telemetry.request_stats import Endpoint, ProxyCounts, Requests
from localmesh.tests.mesh.shop import BASE, V1, V2, routed

GATEWAY, WEB_V1, WEB_V2 = "istio-system/istio-ingressgateway", "shop/web-v1", "shop/web-v2"
SUBSET_V1, SUBSET_V2, WHOLE = (
    f"outbound|80|{subset}|web.shop.svc.cluster.local" for subset in ("v1", "v2", "")
)


def graph(*seen: tuple[str, str]) -> Graph:
    explainer = Explainer.of(load_text(BASE + V1 + V2 + routed(v1=80, v2=20)).resources)
    return graph_of(explainer, explainer.catalog.workloads, seen)


def answered(ok: int = 0, failed: int = 0) -> Requests:
    return Requests(Counter({200: ok, 500: failed}), attempts=ok + failed)


def gateway_of(made: Graph) -> tuple[str, str]:
    return next(proxy for proxy, node in made.sources.items() if node == GATEWAY)


def test_rates_errors_and_shares_are_those_of_the_seconds_shown() -> None:
    """150 of 200 requests in two seconds to v1, whose weight is 80 %."""
    made = graph()
    counts = ProxyCounts({SUBSET_V1: answered(150), SUBSET_V2: answered(40, 10)}, answered(190, 10))
    frame = frame_of(made, 2.0, {gateway_of(made): counts}, {}, {})

    shown = summary([frame], [frame], made)["edges"]

    assert shown[edge_id(CLIENTS, GATEWAY)]["rate"] == 100.0
    assert (shown[edge_id(GATEWAY, WEB_V2)]["rate"], shown[edge_id(GATEWAY, WEB_V2)]["errors"]) == (
        25.0,
        20.0,
    )
    share = shown[edge_id(GATEWAY, WEB_V1)]["share"]
    assert (share["percent"], share["count"], share["total"]) == (75.0, 150, 200)
    assert share["low"] < 75 < share["high"] < 81


def test_requests_that_hang_count_for_the_share_at_once() -> None:
    """A version that answers after three seconds would otherwise seem to get too little at first."""
    made = graph()
    counts = ProxyCounts({SUBSET_V1: answered(8), SUBSET_V2: Requests(attempts=2)})
    frame = frame_of(made, 1.0, {gateway_of(made): counts}, {}, {})

    assert summary([frame], [frame], made)["edges"][edge_id(GATEWAY, WEB_V2)]["share"]["percent"] == 20.0


def test_requests_to_several_workloads_are_divided_as_their_endpoints_count() -> None:
    """A Service without subsets has one cluster; each endpoint knows what it got."""
    made = graph((WEB_V1, WHOLE))
    proxy = next(proxy for proxy, node in made.sources.items() if node == WEB_V1)
    before = {(WHOLE, "a"): Endpoint(5, 0, ejected=False)}
    now = {(WHOLE, "a"): Endpoint(11, 0, ejected=False), (WHOLE, "b"): Endpoint(1, 2, ejected=True)}
    counts = ProxyCounts({WHOLE: answered(7, 2)})

    frame = frame_of(made, 1.0, {proxy: counts}, {proxy: (before, now)}, {"a": WEB_V1, "b": WEB_V2})

    assert frame.edges[edge_id(WEB_V1, WEB_V1)].codes == {200: 6}
    assert frame.edges[edge_id(WEB_V1, WEB_V2)].codes == {200: 1, 500: 2}
    assert frame.ejected == {"b"}


RAW = """---
apiVersion: v1
kind: Service
metadata: {name: raw, namespace: shop}
spec: {selector: {version: v2}, ports: [{name: tcp, port: 9000, targetPort: 9000}]}
"""


def test_lines_of_tcp_have_connections_and_bytes() -> None:
    """Also while no connection is opened; a line that has requests as well shows those."""
    cluster = "outbound|9000||raw.shop.svc.cluster.local"
    explainer = Explainer.of(load_text(BASE + V1 + V2 + RAW).resources)
    made = graph_of(explainer, explainer.catalog.workloads, [(WEB_V1, cluster), (GATEWAY, cluster)])
    mixed = graph_of(explainer, explainer.catalog.workloads, [(WEB_V1, cluster), (WEB_V1, WHOLE)])
    proxy = next(proxy for proxy, node in made.sources.items() if node == WEB_V1)
    frame = frame_of(
        made, 2.0, {proxy: ProxyCounts({cluster: Requests(attempts=1, sent=300, received=5000)})}, {}, {}
    )

    shown = summary([frame], [frame], made)["edges"][edge_id(WEB_V1, WEB_V2)]

    assert (shown["rate"], shown["sent"], shown["received"]) == (0.5, 150, 2500)
    assert made.tcp_edges == {edge_id(WEB_V1, WEB_V2), edge_id(GATEWAY, WEB_V2)}
    assert not mixed.tcp_edges


def test_a_point_has_rates_and_percentiles() -> None:
    """Without answers there are no durations."""
    requests = Requests(Counter({200: 3, 503: 1}), Counter({4.0: 4}))

    assert point(requests, 2.0) == [2.0, 0.5, 4.0, 4.0, 4.0]
    assert point(Requests(), 1.0) == [0.0, 0.0, None, None, None]


@pytest.mark.parametrize(("successes", "total"), [(0, 10), (10, 10), (1, 1000), (500, 1000)])
def test_the_interval_contains_the_observed_share(successes: int, total: int) -> None:
    """It stays between 0 and 100 %, and is the smaller the more requests there are."""
    low, high = (round(bound, 6) for bound in wilson(successes, total))
    narrow = wilson(100 * successes, 100 * total)

    assert 0 <= low <= 100 * successes / total <= high <= 100
    assert narrow[1] - narrow[0] < high - low
