"""When the Envoy of a place is ready: what it says counts, and on a busy machine it may say it late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import aiohttp

from localmesh.catalog import Proxy, ProxyKind
from localmesh.runtime.external.inventory import GatewayEntry
from localmesh.runtime.external.pods import HEALTH_PATH, ExternalProxy, Watch
from localmesh.xds import AdsServer

PROXY = Proxy(kind=ProxyKind.GATEWAY, namespace="istio-system", workload="gate", name="gate", labels={})


@dataclass
class Ads:
    """The configuration server, as far as it is asked."""

    is_synced: bool = True

    def synced(self, proxy: str) -> bool:
        """Whether the proxy has acknowledged what it was sent last."""
        return proxy.startswith("gateway") and self.is_synced


@dataclass
class Health:
    """What the proxy answers about itself, and whether in time: the client that asks it."""

    status: int = 200
    is_late: bool = False

    @asynccontextmanager
    async def get(self, url: str) -> AsyncIterator[Health]:
        """Its answer, or none."""
        assert url == f"http://gate:15021{HEALTH_PATH}"
        if self.is_late:
            raise aiohttp.ServerTimeoutError
        yield self


def proxy_of(ads: Ads, health: Health) -> ExternalProxy:
    """A proxy that is asked only when the test asks it."""
    watch = Watch(cast("AdsServer", ads), cast("aiohttp.ClientSession", health), lambda: None)
    return ExternalProxy(PROXY, GatewayEntry(workload="shop/gate", name="gate", host="gate"), watch)


def asked(proxy: ExternalProxy) -> bool:
    """Whether it is ready now."""
    proxy.ready = asyncio.run(proxy.is_ready())
    return proxy.ready


def test_a_proxy_is_ready_with_its_first_configuration() -> None:
    """Not before, whatever it says; what comes later it may acknowledge late."""
    ads = Ads(is_synced=False)
    proxy = proxy_of(ads, Health())

    before = asked(proxy)
    ads.is_synced = True
    with_it = asked(proxy)
    ads.is_synced = False
    later = asked(proxy)

    assert (before, with_it, later) == (False, True, True)


def test_a_late_answer_is_no_end() -> None:
    """Four in a row are."""
    health = Health()
    proxy = proxy_of(Ads(), health)
    assert asked(proxy)

    health.is_late = True
    found = [asked(proxy) for _ in range(4)]

    assert found == [True, True, True, False]


def test_a_proxy_that_says_no_is_not_ready() -> None:
    """At once."""
    health = Health()
    proxy = proxy_of(Ads(), health)
    assert asked(proxy)

    health.status = 503

    assert not asked(proxy)
