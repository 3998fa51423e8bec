"""Passing spans on to a collector, as OpenTelemetry's environment variables say."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping

import aiohttp

ENDPOINT_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""The variable with the base URL of a collector for OTLP over HTTP."""

_WAITING = 256
_TIMEOUT = aiohttp.ClientTimeout(total=5)
_TYPE = {"content-type": "application/x-protobuf"}

_log = logging.getLogger(__name__)


class SpanExporter:
    """Sends payloads to a collector, one after the other; it loses them while that does not answer."""

    def __init__(self, endpoint: str) -> None:
        self._url = f"{endpoint.rstrip('/')}/v1/traces"
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        self._failing = False

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> SpanExporter | None:
        """The exporter that the environment asks for, or None."""
        endpoint = environment.get(ENDPOINT_VARIABLE, "")
        return cls(endpoint) if endpoint else None

    def put(self, payload: bytes) -> None:
        """Sends a payload later; it is lost if too many are waiting."""
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait(payload)

    @property
    def waiting(self) -> int:
        """How many payloads wait."""
        return self._queue.qsize()

    async def run(self) -> None:
        """Sends until cancelled."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as client:
            while True:
                await self._send(client, await self._queue.get())

    async def _send(self, client: aiohttp.ClientSession, payload: bytes) -> None:
        try:
            async with client.post(self._url, data=payload, headers=_TYPE) as answer:
                reason = f"it answers {answer.status}" if answer.status >= 400 else ""
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            reason = str(error) or type(error).__name__
        if bool(reason) != self._failing:
            self._failing = bool(reason)
            lost = f"does not take spans, which are lost: {reason}" if reason else "takes spans again"
            _log.warning("the collector at %s %s", self._url, lost)
