"""Keeps access logs from filling the disk: a mesh may run for days, under load."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

PROXY_LOG_SUFFIX = ".envoy.log"
"""The end of the names of proxies' logs, below a folder for each namespace."""

_LARGEST_BYTES = 64 * 1024**2
_PAUSE_SECONDS = 15.0


async def limit_logs(folder: Path) -> None:
    """Empties the logs of proxies that have become too large, until cancelled."""
    while True:
        await asyncio.sleep(_PAUSE_SECONDS)
        await asyncio.to_thread(empty_large_logs, folder, _LARGEST_BYTES)


def empty_large_logs(folder: Path, largest_bytes: int) -> None:
    """Empties the logs of proxies with more bytes; proxies append, so that they go on from the beginning."""
    for file in folder.glob(f"*/*{PROXY_LOG_SUFFIX}"):
        if file.stat().st_size > largest_bytes:
            os.truncate(file, 0)
