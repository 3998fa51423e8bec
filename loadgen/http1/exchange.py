"""One request and its answer, or its loss."""

from __future__ import annotations

import time
from dataclasses import dataclass

from loadgen.http1.loss import Loss

clock = time.perf_counter_ns
"""The one clock of all measurements: monotonic, in nanoseconds."""
SECOND = 1_000_000_000
"""A second of that clock."""

END_OF_HEAD = b"\r\n\r\n"


@dataclass(slots=True, eq=False)
class Exchange:
    """A request in progress; the client fills in the answer, or the loss.

    Times are in nanoseconds of `clock`. `intended` is the scheduled send time: latency and timeout count from
    there, so a request that had to wait is not counted as fast. `number` is the sender's sequence number.
    """

    request: bytes
    intended: int
    number: int = 0
    status: int = 0
    head: bytes = b""
    body: bytes = b""
    ended: int = 0
    loss: Loss | None = None

    @property
    def latency(self) -> int:
        """Nanoseconds from the intended send time to the end of the answer, or to the loss."""
        return self.ended - self.intended

    def field(self, name: bytes) -> bytes | None:
        """The value of a header field of the answer (name in lower case)."""
        return field(self.head, name)


def field(head: bytes, name: bytes) -> bytes | None:
    """The value of a header field (name in lower case); repeated fields are joined by a comma (RFC 9110).

    It searches instead of parsing, because it runs for every answer of a measurement.

    >>> field(b"HTTP/1.1 200 OK\\r\\nServed-By: a/v1/a-1\\r\\n\\r\\n", b"served-by")
    b'a/v1/a-1'
    """
    end = head.find(END_OF_HEAD)
    wanted = b"\r\n" + name + b":"
    lowered = head.lower()
    values = []
    start = lowered.find(wanted, 0, end)
    while start >= 0:
        start += len(wanted)
        values.append(head[start : head.find(b"\r\n", start)].strip(b" \t"))
        start = lowered.find(wanted, start, end)
    return b", ".join(values) if values else None
