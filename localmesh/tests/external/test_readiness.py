"""The readiness of an external Envoy: its own report counts, and may be late on a busy machine."""

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
    """A stand-in for the configuration server."""

    is_synced: bool = True

    def synced(self, proxy: str) -> bool:
        """Whether the proxy has acknowledged its last configuration."""
        return proxy.startswith("gateway") and self.is_synced


@dataclass
class Health:
    """A stand-in for the HTTP client: what the health check answers, and whether in time."""

    status: int = 200
    is_late: bool = False

    @asynccontextmanager
    async def get(self, url: str) -> AsyncIterator[Health]:
        """The answer of the health check."""
        assert url == f"http://gate:15021{HEALTH_PATH}"
        if self.is_late:
            raise aiohttp.ServerTimeoutError
        yield self


def proxy_of(ads: Ads, health: Health) -> ExternalProxy:
    """A proxy whose readiness the test checks by hand."""
    watch = Watch(cast("AdsServer", ads), cast("aiohttp.ClientSession", health), lambda: None)
    return ExternalProxy(PROXY, GatewayEntry(workload="shop/gate", name="gate", host="gate"), watch)


def check(proxy: ExternalProxy) -> bool:
    """Whether it is ready now."""
    proxy.ready = asyncio.run(proxy.is_ready())
    return proxy.ready


def test_a_proxy_is_ready_with_its_first_configuration() -> None:
    """Not before, whatever it reports; later configurations may be acknowledged late."""
    ads = Ads(is_synced=False)
    proxy = proxy_of(ads, Health())

    before = check(proxy)
    ads.is_synced = True
    with_it = check(proxy)
    ads.is_synced = False
    later = check(proxy)

    assert (before, with_it, later) == (False, True, True)


def test_a_late_answer_does_not_end_readiness() -> None:
    """Four late answers in a row do."""
    health = Health()
    proxy = proxy_of(Ads(), health)
    assert check(proxy)

    health.is_late = True
    results = [check(proxy) for _ in range(4)]

    assert results == [True, True, True, False]


def test_a_failing_health_check_ends_readiness() -> None:
    """Immediately."""
    health = Health()
    proxy = proxy_of(Ads(), health)
    assert check(proxy)

    health.status = 503

    assert not check(proxy)
