"""In which order the parts of a pod start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from unittest.mock import AsyncMock, Mock, call

from localmesh.catalog.workload import Workload
from localmesh.runtime.protocols import RunningPod

INIT = [{"name": "wait", "command": ["sh", "-c", "until wget -q http://web; do sleep 1; done"]}]


def starts(workload: Workload) -> list[Any]:
    """The starts of a pod's parts, in their order; the parts are mocks."""
    parts = Mock(application=AsyncMock(), sidecar=AsyncMock())
    asyncio.run(RunningPod(Mock(workload=workload), parts.application, parts.sidecar).start())
    return [one for one in parts.mock_calls if one in (call.application.start(), call.sidecar.start())]


def test_init_containers_find_the_sidecar_ready(make_workload: Callable[..., Workload]) -> None:
    """They often wait for another service, which they call through the sidecar."""
    order = starts(make_workload({}, initContainers=INIT))

    assert order == [call.sidecar.start(), call.application.start()]


def test_without_init_containers_both_start_at_once(make_workload: Callable[..., Workload]) -> None:
    """The sidecar takes over its configuration while the application starts."""
    order = starts(make_workload({}))

    assert order == [call.application.start(), call.sidecar.start()]
