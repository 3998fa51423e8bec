"""Passing spans on to a collector."""

from __future__ import annotations

import asyncio
import logging

import pytest
from aiohttp import web

from localmesh.telemetry.export import ENDPOINT_VARIABLE, SpanExporter


def test_spans_are_sent_to_the_collector_of_the_environment(caplog: pytest.LogCaptureFixture) -> None:
    """They arrive as they came; one line in the log says that the collector failed, one that it is back."""
    arrived: list[bytes] = []
    statuses = [200, 503, 503, 200]

    async def collect(request: web.Request) -> web.Response:
        arrived.append(await request.read())
        return web.Response(status=statuses[len(arrived) - 1])

    async def run() -> None:
        app = web.Application()
        app.router.add_post("/v1/traces", collect)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        exporter = SpanExporter.of({ENDPOINT_VARIABLE: f"http://{host}:{port}/"})
        assert exporter is not None
        running = asyncio.create_task(exporter.run())
        for number in range(4):
            exporter.put(b"spans %d" % number)
        while len(arrived) < 4 or "again" not in caplog.text:
            await asyncio.sleep(0.01)
        running.cancel()
        await runner.cleanup()

    with caplog.at_level(logging.WARNING):
        asyncio.run(asyncio.wait_for(run(), 10))

    assert arrived == [b"spans %d" % number for number in range(4)]
    assert [("503" in record.message, "again" in record.message) for record in caplog.records] == [
        (True, False),
        (False, True),
    ]


def test_without_a_collector_there_is_no_exporter() -> None:
    """Nothing is sent anywhere unless the environment says so."""
    assert SpanExporter.of({}) is None


def test_spans_that_a_slow_collector_does_not_take_are_lost() -> None:
    """They do not fill the memory."""
    exporter = SpanExporter("http://127.0.0.1:9")

    for _ in range(10_000):
        exporter.put(b"spans")

    assert exporter.waiting < 1_000
