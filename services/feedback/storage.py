"""Where feedback is kept: a table in SQLite or PostgreSQL, in which a repeated request stands once."""

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

_MOST_KEY_CHARACTERS = 128

# Seconds that a writer waits for the others, or for the database to take a connection.
_PATIENCE = 10

# Any number that nobody else locks in this database.
_CREATION_LOCK = 0x73656E74

_TABLE = sql.Table(
    "feedback",
    sql.MetaData(),
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("request_id", sql.String(_MOST_KEY_CHARACTERS), nullable=False),
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
    """What a person said about a judgement: whether this polarity of this sentence is right."""

    sentence: str
    polarity: float
    correct: bool


@dataclass(frozen=True, slots=True)
class Stored(Feedback):
    """Feedback as it is kept; a higher `id` is newer, `created_at` is in UTC."""

    id: int
    created_at: datetime


class Unavailable(Problem):
    """The database cannot be reached, is busy for too long, or cannot be written to."""

    def __init__(self) -> None:
        super().__init__(503, "The database of feedback is not available.")


class Storage:
    """The feedback in one database; safe to use from many threads, and from several processes at once."""

    def __init__(self, url: sql.URL, *, connections: int) -> None:
        self._engine = _engine(url, connections)
        self._sqlite = url.get_backend_name() == "sqlite"
        self._insert = (
            _insert_into(_TABLE, url).on_conflict_do_nothing(index_elements=_KEY).returning(*_STORED)
        )
        self._created = False
        self._creating = threading.Lock()
        self._writing = threading.Lock()

    def missing(self) -> str | None:
        """Why nothing can be stored, in one sentence; None when it can."""
        try:
            with self._connection() as connection:
                connection.execute(sql.select(1))
        except Unavailable as error:
            return error.detail
        return None

    def add(self, feedback: Feedback, *, request_id: str, operation: str) -> tuple[Stored, bool]:
        """Store `feedback`, unless this operation of this request is; what is stored, and whether now."""
        key = {"request_id": _key(request_id), "operation": operation}
        row = {"sentence": feedback.sentence, "polarity": feedback.polarity, "correct": feedback.correct}
        with self._connection() as connection:
            with self._turn():
                added = connection.execute(self._insert, {**key, **row, "created_at": datetime.now(UTC)})
                stored = added.one_or_none()
            if stored is not None:
                return _stored(stored), True
            return _stored(connection.execute(_EARLIER, key).one()), False

    def newest(self, limit: int) -> list[Stored]:
        """The newest feedback, at most `limit` of it, newest first."""
        with self._connection() as connection:
            rows = connection.execute(sql.select(*_STORED).order_by(_TABLE.c.id.desc()).limit(limit)).all()
        return [_stored(row) for row in rows]

    def count(self) -> int:
        """How many feedbacks are stored."""
        with self._connection() as connection:
            return connection.execute(sql.select(sql.func.count()).select_from(_TABLE)).scalar_one()

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def _turn(self) -> AbstractContextManager[object]:
        """The right to write: SQLite has one writer at a time, and the others sleep longer than need be."""
        return self._writing if self._sqlite else nullcontext()

    @contextmanager
    def _connection(self) -> Iterator[sql.Connection]:
        """A connection to a database with the table, on which each statement is a transaction of its own."""
        try:
            self._create()
            with self._engine.connect() as connection:
                yield connection
        except (OperationalError, InterfaceError, PoolTimeoutError, OSError) as error:
            cause = getattr(error, "orig", None) or error
            log.warning("database not available", extra={"fields": {"error": str(cause)}})
            raise Unavailable from error

    def _create(self) -> None:
        """Create the table unless it is there; every process may, also at the same time."""
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
                    # In PostgreSQL, IF NOT EXISTS fails when two sessions find the table missing at once.
                    connection.execute(sql.select(sql.func.pg_advisory_xact_lock(_CREATION_LOCK)))
                connection.execute(CreateTable(_TABLE, if_not_exists=True))
            self._created = True


def _insert_into(table: sql.Table, url: sql.URL) -> Any:
    """An INSERT in the dialect of this database: the one with ON CONFLICT."""
    if url.get_backend_name() == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(table)
    # Each dialect takes 2 MB: only the one in use is loaded.
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert

    return postgresql_insert(table)


def _engine(url: sql.URL, connections: int) -> sql.Engine:
    """An engine that connects when it is first used, so that it can be made before a fork."""
    if url.get_backend_name() == "sqlite":
        engine = sql.create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            pool_size=connections,
            max_overflow=0,
            connect_args={"timeout": _PATIENCE},
        )
        sql.event.listen(engine, "connect", _prepare_sqlite)
        return engine
    return sql.create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"connect_timeout": _PATIENCE},
    )


def _prepare_sqlite(connection: Any, _: object) -> None:
    """Let readers and one writer work at the same time.

    With NORMAL a killed process loses nothing that it acknowledged; only a machine that loses power may.
    """
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _key(request_id: str) -> str:
    """`request_id` in a form that an index takes, however long it is."""
    if len(request_id) <= _MOST_KEY_CHARACTERS:
        return request_id
    return "sha256:" + hashlib.sha256(request_id.encode()).hexdigest()


def _stored(row: Sequence[Any]) -> Stored:
    sentence, polarity, correct, number, created_at = row
    # SQLite keeps no time zone: what it gives back is the UTC that was put in.
    known = created_at.astimezone(UTC) if created_at.tzinfo else created_at.replace(tzinfo=UTC)
    return Stored(sentence, polarity, correct, number, known)
