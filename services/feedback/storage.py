"""Storage of feedback: a table that stores a repeated request only once."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.chassis.problem import Problem
from services.feedback.databases import Connection, Database, closed_on_error

log = logging.getLogger(__name__)

_MAX_KEY_CHARACTERS = 128

_ADD = """
    INSERT INTO feedback (request_id, operation, sentence, polarity, correct, created_at)
    VALUES (:request_id, :operation, :sentence, :polarity, :correct, :created_at)
    ON CONFLICT (request_id, operation) DO NOTHING
    RETURNING sentence, polarity, correct, id, created_at
"""
_EARLIER = """
    SELECT sentence, polarity, correct, id, created_at FROM feedback
    WHERE request_id = :request_id AND operation = :operation
"""
_NEWEST = "SELECT sentence, polarity, correct, id, created_at FROM feedback ORDER BY id DESC LIMIT :limit"
_COUNT = "SELECT count(*) FROM feedback"


@dataclass(frozen=True, slots=True)
class Feedback:
    """A user's feedback: whether this polarity of this sentence is right."""

    sentence: str
    polarity: float
    correct: bool


@dataclass(frozen=True, slots=True)
class Stored(Feedback):
    """Stored feedback; a higher `id` is newer, `created_at` is in UTC."""

    id: int
    created_at: datetime


class Unavailable(Problem):
    """The database cannot be reached, is locked for too long, or cannot be written."""

    def __init__(self) -> None:
        super().__init__(503, "The database of feedback is not available.")


class Storage:
    """The feedback in one database; safe for concurrent use by threads and processes.

    It connects on first use, so that it can be created before the fork, and keeps its connections: one for
    each thread that has used it at the same time as others.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._idle: list[Connection] = []

    def unavailability(self) -> str | None:
        """A readiness check: returns one sentence if the database is unavailable, None otherwise."""
        try:
            with self._connection() as connection:
                self._database.execute(connection, "SELECT 1", {})
        except Unavailable as error:
            return error.detail
        return None

    def add(self, feedback: Feedback, *, request_id: str, operation: str) -> tuple[Stored, bool]:
        """Store `feedback` once per operation and request; returns what is stored, and whether it is new."""
        key = {"request_id": _key(request_id), "operation": operation}
        row = {"sentence": feedback.sentence, "polarity": feedback.polarity, "correct": feedback.correct}
        with self._connection() as connection:
            with self._database.writing:
                values = {**key, **row, "created_at": datetime.now(UTC)}
                added = self._database.execute(connection, _ADD, values)
            if added:
                return _stored(added[0]), True
            return _stored(self._database.execute(connection, _EARLIER, key)[0]), False

    def newest(self, limit: int) -> list[Stored]:
        """The newest `limit` entries, newest first."""
        with self._connection() as connection:
            return [_stored(row) for row in self._database.execute(connection, _NEWEST, {"limit": limit})]

    def count(self) -> int:
        """The number of stored entries."""
        with self._connection() as connection:
            number: int = self._database.execute(connection, _COUNT, {})[0][0]
            return number

    def close(self) -> None:
        """Close every connection that is not in use."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """A connection, to use for one request; each statement is a separate transaction."""
        try:
            connection = self._working()
            with closed_on_error(connection):
                yield connection
            self._idle.append(connection)
        except self._database.errors as error:
            log.warning("database not available", extra={"fields": {"error": str(error)}})
            raise Unavailable from error

    def _working(self) -> Connection:
        """A connection that was idle, or a new one."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if self._database.works(connection):
                return connection
        return self._database.connect()


def _key(request_id: str) -> str:
    """`request_id`, or its hash if it is too long for the index."""
    if len(request_id) <= _MAX_KEY_CHARACTERS:
        return request_id
    return "sha256:" + hashlib.sha256(request_id.encode()).hexdigest()


def _stored(row: Sequence[Any]) -> Stored:
    sentence, polarity, correct, number, created_at = row
    if isinstance(created_at, str):  # SQLite stores texts, without a time zone
        created_at = datetime.fromisoformat(created_at).replace(tzinfo=UTC)
    return Stored(sentence, polarity, bool(correct), number, created_at.astimezone(UTC))
