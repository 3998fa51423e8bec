"""How long to wait before a container is restarted."""

from __future__ import annotations

# Kubernetes: 10 s, doubling to 300 s, forgotten after 10 minutes. Nobody waits that long at a laptop.
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
FORGOTTEN_AFTER_SECONDS = 10.0


class BackOff:
    """Pauses that double with every end, until a run was a good one."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE_SECONDS

    def pause_after(self, run_seconds: float) -> float:
        """The seconds to wait after a run of that length."""
        if run_seconds >= FORGOTTEN_AFTER_SECONDS:
            self._next = FIRST_PAUSE_SECONDS
        pause = self._next
        self._next = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return pause
