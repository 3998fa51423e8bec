"""What a proxy is sent on its stream, and how long it may take."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from localmesh.envoy_messages.messages import CLUSTER, ENDPOINTS, message_class
from localmesh.xds import AdsServer, Snapshot
from localmesh.xds.sessions import Session
from localmesh.xds.snapshots import Resources

REQUEST = "envoy.service.discovery.v3.DiscoveryRequest"


def snapshot(**values: str) -> Snapshot:
    """Clusters and endpoints with these contents."""
    resources = Resources({name: value.encode() for name, value in values.items()})
    return Snapshot({CLUSTER: resources, ENDPOINTS: resources})


class Proxy:
    """A session, and the resources of each response to it."""

    def __init__(self, **values: str) -> None:
        self.responses: list[Any] = []
        self.session = Session("proxy", snapshot(**values), self.responses.append)

    def request(self, type_url: str, *names: str) -> None:
        self.session.receive(message_class(REQUEST)(type_url=type_url, resource_names=names))

    def acknowledge(self) -> None:
        """Acknowledges the last response, and keeps its subscription."""
        last = self.responses[-1]
        names = self.session._subscription(last.type_url).names
        self.session.receive(
            message_class(REQUEST)(type_url=last.type_url, resource_names=names, response_nonce=last.nonce)
        )

    def sent(self) -> list[list[str]]:
        """The contents of all responses."""
        return [
            [resource.value.decode() for resource in response.resources]
            for response in self.responses
            if response is not None
        ]


def subscribed(type_url: str) -> Proxy:
    """A proxy that has acknowledged two resources of a type."""
    proxy = Proxy(a="a1", b="b1")
    proxy.request(type_url, *(() if type_url == CLUSTER else ("a", "b")))
    proxy.acknowledge()
    return proxy


def test_only_endpoints_that_have_changed_are_sent() -> None:
    """A pod that becomes ready costs its clusters, not those of a thousand Services."""
    proxy = subscribed(ENDPOINTS)

    proxy.session.send(ENDPOINTS, snapshot(a="a1", b="b2").of(ENDPOINTS))

    assert proxy.sent() == [["a1", "b1"], ["b2"]]


def test_all_clusters_are_sent_if_one_has_changed() -> None:
    """Envoy removes clusters that are not in a response."""
    proxy = subscribed(CLUSTER)

    proxy.session.send(CLUSTER, snapshot(a="a1", b="b2").of(CLUSTER))

    assert proxy.sent() == [["a1", "b1"], ["a1", "b2"]]


def test_endpoints_that_are_not_acknowledged_are_sent_again_with_the_next() -> None:
    """The answer to a response that was replaced is ignored."""
    proxy = subscribed(ENDPOINTS)

    proxy.session.send(ENDPOINTS, snapshot(a="a2", b="b1").of(ENDPOINTS))
    proxy.session.send(ENDPOINTS, snapshot(a="a2", b="b2").of(ENDPOINTS))

    assert proxy.sent() == [["a1", "b1"], ["a2"], ["a2", "b2"]]


@pytest.mark.parametrize("again", [False, True])
def test_equal_endpoints_are_sent_only_on_request(again: bool) -> None:
    """After a change of clusters, Envoy has to get the same endpoints again."""
    proxy = subscribed(ENDPOINTS)

    proxy.session.send(ENDPOINTS, snapshot(a="a1", b="b1").of(ENDPOINTS), again=again)

    assert proxy.sent() == [["a1", "b1"], *([["a1", "b1"]] if again else [])]


def test_the_same_endpoints_are_not_compared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of one route does not look through the endpoints of thousands of Services."""
    proxy = subscribed(ENDPOINTS)
    endpoints = snapshot(a="a1", b="b2").of(ENDPOINTS)
    proxy.session.send(ENDPOINTS, endpoints)
    monkeypatch.setattr(endpoints, "of_names", pytest.fail)

    proxy.session.send(ENDPOINTS, endpoints)

    assert proxy.sent() == [["a1", "b1"], ["b2"]]


def test_removed_endpoints_need_no_response() -> None:
    """The proxy unsubscribes from them when their cluster is gone."""
    proxy = subscribed(ENDPOINTS)

    proxy.session.send(ENDPOINTS, snapshot(a="a1").of(ENDPOINTS))

    assert proxy.sent() == [["a1", "b1"]]
    asyncio.run(asyncio.wait_for(proxy.session.settled(ENDPOINTS), 1))


def test_the_time_to_take_over_grows_with_what_all_proxies_are_sent() -> None:
    """The proxies of one machine share its processors."""
    server = AdsServer()
    nothing = server.longest_transfer_seconds

    for number in range(12):
        server.expect(f"proxy-{number}", snapshot(**{f"cluster-{n}": "" for n in range(3_000)}))

    assert (nothing, server.longest_transfer_seconds) == (0, 72)
