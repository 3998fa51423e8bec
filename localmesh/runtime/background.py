"""Tasks that run beside a mesh until they are cancelled.

Nothing awaits such a task while it runs, so that an exception would go unnoticed until the mesh ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from localmesh.errors import LocalmeshError

_log = logging.getLogger(__name__)


def start_task(coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Starts a task; should an exception end it, that is logged with its traceback."""
    task = asyncio.create_task(coroutine, name=name)
    task.add_done_callback(_log_failure)
    return task


async def stop_tasks(*tasks: asyncio.Task[None] | None) -> None:
    """Cancels tasks and waits for their end."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)  # failures are logged when they happen


async def attempt(action: Callable[[], Awaitable[None]], name: str) -> None:
    """Does something that a loop will try again: a failure is logged, a bug with its traceback."""
    try:
        await action()
    except LocalmeshError as error:
        _log.warning("%s failed: %s", name, error)
    except Exception:
        _log.exception("%s failed", name)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("%s has stopped", task.get_name(), exc_info=error)
