"""Logs: one JSON object a line on standard output, each naming the workload."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

_identity: dict[str, str] = {}


def identify(**identity: str) -> None:
    """Name the workload that this process is, for every line from now on."""
    _identity.clear()
    _identity.update(identity)


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON; `extra={"fields": {...}}` adds members."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            **_identity,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: str) -> None:
    """Send everything this process logs, from `level` on, to standard output as JSON."""
    # No line shows them, so no record need find them out.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # Connections opened and requests sent, at debug: our own line about the request says more in less.
    logging.getLogger("urllib3").setLevel(logging.INFO)
