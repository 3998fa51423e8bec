"""Calls that leave through the sidecar's proxy port."""

from __future__ import annotations

import socket

import pytest

from services.chassis.metrics import Metrics
from services.chassis.upstream import Upstream


def test_small_requests_do_not_wait_for_an_acknowledgement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nagle's algorithm is off towards a proxy: with it each request takes 40 ms longer."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    metrics = Metrics("webapp", "v1", "webapp-v1-test")
    upstream = Upstream("logic", "http://logic", seconds=1, connections=1, metrics=metrics)
    adapter = upstream.get_adapter("http://logic")

    pool = adapter.proxy_manager_for(upstream.proxies["http"]).connection_from_url("http://logic")

    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in pool.conn_kw["socket_options"]
