"""Storage of feedback: a table in SQLite or PostgreSQL that stores a repeated request only once."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.schema import CreateTable

from services.chassis.problem import Problem

log = logging.getLogger(__name__)

_MAX_KEY_CHARACTERS = 128

# How many seconds a writer waits for other writers, or for a connection to the database.
_TIMEOUT_SECONDS = 10

# An arbitrary key for advisory locks; no other application uses it in this database.
_CREATION_LOCK = 0x73656E74

_TABLE = sql.Table(
    "feedback",
    sql.MetaData(),
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("request_id", sql.String(_MAX_KEY_CHARACTERS), nullable=False),
    sql.Column("operation", sql.String(32), nullable=False),
    sql.Column("sentence", sql.Text, nullable=False),
    sql.Column("polarity", sql.Float, nullable=False),
    sql.Column("correct", sql.Boolean, nullable=False),
    sql.Column("created_at", sql.DateTime(timezone=True), nullable=False),
    sql.UniqueConstraint("request_id", "operation"),
)
_STORED = (_TABLE.c.sentence, _TABLE.c.polarity, _TABLE.c.correct, _TABLE.c.id, _TABLE.c.created_at)


_KEY = ("request_id", "operation")
_EARLIER = sql.select(*_STORED).where(*(_TABLE.c[name] == sql.bindparam(name) for name in _KEY))


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
    """The feedback in one database; safe for concurrent use by threads and processes."""

    def __init__(self, url: sql.URL, *, connections: int) -> None:
        self._engine = _engine(url, connections)
        self._sqlite = url.get_backend_name() == "sqlite"
        self._insert = (
            _insert_into(_TABLE, url).on_conflict_do_nothing(index_elements=_KEY).returning(*_STORED)
        )
        self._created = False
        self._creating = threading.Lock()
        self._writing = threading.Lock()

    def unavailability(self) -> str | None:
        """A readiness check: returns one sentence if the database is unavailable, None otherwise."""
        try:
            with self._connection() as connection:
                connection.execute(sql.select(1))
        except Unavailable as error:
            return error.detail
        return None

    def add(self, feedback: Feedback, *, request_id: str, operation: str) -> tuple[Stored, bool]:
        """Store `feedback` once per operation and request; returns what is stored, and whether it is new."""
        key = {"request_id": _key(request_id), "operation": operation}
        row = {"sentence": feedback.sentence, "polarity": feedback.polarity, "correct": feedback.correct}
        with self._connection() as connection:
            with self._write_lock():
                added = connection.execute(self._insert, {**key, **row, "created_at": datetime.now(UTC)})
                stored = added.one_or_none()
            if stored is not None:
                return _stored(stored), True
            return _stored(connection.execute(_EARLIER, key).one()), False

    def newest(self, limit: int) -> list[Stored]:
        """The newest `limit` entries, newest first."""
        with self._connection() as connection:
            rows = connection.execute(sql.select(*_STORED).order_by(_TABLE.c.id.desc()).limit(limit)).all()
        return [_stored(row) for row in rows]

    def count(self) -> int:
        """The number of stored entries."""
        with self._connection() as connection:
            return connection.execute(sql.select(sql.func.count()).select_from(_TABLE)).scalar_one()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _write_lock(self) -> AbstractContextManager[object]:
        """A lock for SQLite, which allows one writer at a time; its own waiting sleeps longer than needed."""
        return self._writing if self._sqlite else nullcontext()

    @contextmanager
    def _connection(self) -> Iterator[sql.Connection]:
        """A connection to a database that has the table; each statement is a separate transaction."""
        try:
            self._create()
            with self._engine.connect() as connection:
                yield connection
        except (OperationalError, InterfaceError, PoolTimeoutError, OSError) as error:
            cause = getattr(error, "orig", None) or error
            log.warning("database not available", extra={"fields": {"error": str(cause)}})
            raise Unavailable from error

    def _create(self) -> None:
        """Create the table if it is missing; several processes may do so at the same time."""
        with self._creating:
            if self._created:
                return
            if self._sqlite and self._engine.url.database:
                Path(self._engine.url.database).parent.mkdir(parents=True, exist_ok=True)
            with (
                self._engine.connect() as connection,
                connection.execution_options(isolation_level="SERIALIZABLE").begin(),
            ):
                if not self._sqlite:
                    # In PostgreSQL, IF NOT EXISTS fails if two sessions create the table at the same time.
                    connection.execute(sql.select(sql.func.pg_advisory_xact_lock(_CREATION_LOCK)))
                connection.execute(CreateTable(_TABLE, if_not_exists=True))
            self._created = True


def _insert_into(table: sql.Table, url: sql.URL) -> Any:
    """The INSERT with ON CONFLICT of the dialect of this database."""
    if url.get_backend_name() == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(table)
    # Each dialect takes 2 MB of memory, so only the one in use is imported.
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert

    return postgresql_insert(table)


def _engine(url: sql.URL, connections: int) -> sql.Engine:
    """An engine that connects on first use, so that it can be created before the fork."""
    if url.get_backend_name() == "sqlite":
        engine = sql.create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            pool_size=connections,
            max_overflow=0,
            connect_args={"timeout": _TIMEOUT_SECONDS},
        )
        sql.event.listen(engine, "connect", _prepare_sqlite)
        return engine
    return sql.create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"connect_timeout": _TIMEOUT_SECONDS},
    )


def _prepare_sqlite(connection: Any, _: object) -> None:
    """Allow readers concurrently with one writer.

    With NORMAL, a killed process loses nothing that it acknowledged; only a power failure may.
    """
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _key(request_id: str) -> str:
    """`request_id`, or its hash if it is too long for the index."""
    if len(request_id) <= _MAX_KEY_CHARACTERS:
        return request_id
    return "sha256:" + hashlib.sha256(request_id.encode()).hexdigest()


def _stored(row: Sequence[Any]) -> Stored:
    sentence, polarity, correct, number, created_at = row
    # SQLite stores no time zone: the value is in UTC, as it was written.
    known = created_at.astimezone(UTC) if created_at.tzinfo else created_at.replace(tzinfo=UTC)
    return Stored(sentence, polarity, correct, number, known)
