"""Logs: one JSON object per line on standard output, each with the identity of the workload."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

_identity: dict[str, str] = {}


def identify(**identity: str) -> None:
    """Set the identity of this workload, which every further line contains."""
    _identity.clear()
    _identity.update(identity)


class JsonFormatter(logging.Formatter):
    """Formats a log record as one line of JSON; `extra={"fields": {...}}` adds members."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line without a line break."""
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
    """Write everything that this process logs, from `level` up, to standard output as JSON."""
    # The lines do not contain these, so the records need not collect them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # At debug, urllib3 logs connections and requests, which our own line about the request already covers.
    logging.getLogger("urllib3").setLevel(logging.INFO)
