"""The deliberate faults: which requests fail or hang, decided by their id alone and so reproducible."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b


class Outcome(Enum):
    """How a request ends."""

    ANSWERED = "answered"
    ERROR = "error"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class Faults:
    """The percentages of requests that fail at once, and that hang for a while and then fail."""

    error_percent: float
    hang_percent: float
    hang_seconds: float
    seed: str

    def __bool__(self) -> bool:
        """Whether any request fails."""
        return self.error_percent + self.hang_percent > 0

    def outcome(self, request_id: str, attempt: int) -> Outcome:
        """The outcome of this attempt of this request, the same in every run and pod with the same seed."""
        digest = blake2b(f"{self.seed}\0{request_id}\0{attempt}".encode(), digest_size=8).digest()
        percentile = int.from_bytes(digest) / 2**64 * 100
        if percentile < self.error_percent:
            return Outcome.ERROR
        if percentile < self.error_percent + self.hang_percent:
            return Outcome.HANG
        return Outcome.ANSWERED

    def about(self) -> dict[str, object]:
        """The faults for `/about`; empty if there are none."""
        if not self:
            return {}
        return {
            "deliberate": True,
            "error_percent": self.error_percent,
            "hang_percent": self.hang_percent,
            "hang_seconds": self.hang_seconds,
            "seed": self.seed,
        }
