"""Reading metrics over HTTP."""

from __future__ import annotations

import aiohttp

from localmesh.telemetry.istio_metrics import STATS_PATH, exposition

_TEXT_TYPES = ("text/plain", "application/openmetrics-text")
_TIMEOUT = aiohttp.ClientTimeout(total=5)


async def metrics_text(client: aiohttp.ClientSession, url: str) -> str:
    """What is served there in Prometheus' text format; "" where nothing answers in it."""
    try:
        async with client.get(url, timeout=_TIMEOUT, headers={"accept-encoding": "identity"}) as answer:
            is_text = answer.status == 200 and answer.content_type in _TEXT_TYPES
            return await answer.text() if is_text else ""
    except (aiohttp.ClientError, TimeoutError):
        return ""


async def envoy_metrics(client: aiohttp.ClientSession, admin: object) -> str:
    """The statistics of the Envoy with that admin interface, without those that are still 0.

    Envoy merges what its threads have recorded in histograms after it has answered a request for statistics,
    so the first request is only there to have the second one answered with the current state.
    """
    await metrics_text(client, f"http://{admin}{STATS_PATH}?filter=^$")
    return exposition(await metrics_text(client, f"http://{admin}{STATS_PATH}?usedonly"))
