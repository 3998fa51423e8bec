"""SQLite and PostgreSQL: the URLs that name them, how to connect, and what differs in their SQL."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

Connection = Any
"""An open connection of a Python DB-API module, in autocommit mode."""

_TABLE = """
    CREATE TABLE IF NOT EXISTS feedback (
        id {number} PRIMARY KEY,
        request_id VARCHAR(128) NOT NULL,
        operation VARCHAR(32) NOT NULL,
        sentence TEXT NOT NULL,
        polarity DOUBLE PRECISION NOT NULL,
        correct BOOLEAN NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        UNIQUE (request_id, operation)
    )
"""

# How many seconds a writer waits for other writers, or for a connection to the database.
_TIMEOUT_SECONDS = 10

# An arbitrary key for advisory locks; no other application uses it in this database.
_CREATION_LOCK = 0x73656E74


class Database(Protocol):
    """A database that has the table `feedback`, or gets it with the first connection."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What its module raises if it cannot be reached, is locked for too long, or cannot be written."""

    @property
    def writing(self) -> AbstractContextManager[object]:
        """To hold while writing."""

    def connect(self) -> Connection:
        """A new connection; creates the table if it is missing."""

    def works(self, connection: Connection) -> bool:
        """Whether a connection that was idle can still be used."""

    def execute(
        self, connection: Connection, sql: str, values: Mapping[str, object]
    ) -> list[tuple[Any, ...]]:
        """The rows of a statement with parameters such as `:name`."""


def database(url: str) -> Database:
    """The database of a URL that `database_url` has accepted."""
    parts = urlsplit(url)
    return Sqlite(Path(parts.path[1:])) if parts.scheme == "sqlite" else Postgresql(url)


def database_url(text: str) -> str:
    """Parse the URL of an SQLite file or of a PostgreSQL database."""
    expected = "a URL such as postgresql://user:password@host/database or sqlite:////folder/file"
    text = text.replace("postgresql+psycopg:", "postgresql:", 1)  # as SQLAlchemy names the module
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme in {"postgresql", "postgres"} and text.startswith(f"{parts.scheme}://"):
        return text
    if parts.scheme == "sqlite" and not parts.netloc and parts.path[1:] not in {"", ":memory:"}:
        return text
    raise ValueError(expected)


@dataclass(frozen=True, slots=True)
class Sqlite:
    """An SQLite file. It allows one writer at a time, and the lock of a process is faster than SQLite's."""

    file: Path
    writing: threading.Lock = field(default_factory=threading.Lock)
    errors: tuple[type[Exception], ...] = (sqlite3.OperationalError, sqlite3.InterfaceError, OSError)

    def connect(self) -> Connection:
        """A new connection; creates the file if it is missing."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self.file, timeout=_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
        with closed_on_error(connection):
            # Readers do not wait for the writer. With NORMAL, a killed process loses nothing that it
            # acknowledged; only a power failure may.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(_TABLE.format(number="INTEGER"))
        return connection

    def works(self, connection: Connection) -> bool:  # noqa: ARG002 - the signature of Database
        """Always: it is a file."""
        return True

    def execute(
        self, connection: Connection, sql: str, values: Mapping[str, object]
    ) -> list[tuple[Any, ...]]:
        """The rows of a statement; times are texts in UTC."""
        stored = {
            name: value.replace(tzinfo=None).isoformat(" ", "microseconds")
            if isinstance(value, datetime)
            else value
            for name, value in values.items()
        }
        rows: list[tuple[Any, ...]] = connection.execute(sql, stored).fetchall()
        return rows


class Postgresql:
    """A PostgreSQL database, accessed through psycopg; it is imported only if it is used."""

    def __init__(self, url: str) -> None:
        import psycopg

        self._psycopg = psycopg
        self._url = url
        self.errors = (psycopg.OperationalError, psycopg.InterfaceError, OSError)
        self.writing = nullcontext()

    def connect(self) -> Connection:
        """A new connection."""
        connection = self._psycopg.connect(self._url, autocommit=True, connect_timeout=_TIMEOUT_SECONDS)
        with closed_on_error(connection), connection.transaction():
            # IF NOT EXISTS fails if two sessions create the table at the same time.
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_CREATION_LOCK])
            connection.execute(_TABLE.format(number="SERIAL").encode())
        return connection

    def works(self, connection: Connection) -> bool:
        """Whether the server answers; it may have been restarted."""
        try:
            connection.execute("SELECT 1")
        except self.errors:
            connection.close()
            return False
        return True

    def execute(
        self, connection: Connection, sql: str, values: Mapping[str, object]
    ) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        rows: list[tuple[Any, ...]] = connection.execute(_psycopg_parameters(sql), values).fetchall()
        return rows


@contextmanager
def closed_on_error(connection: Connection) -> Iterator[None]:
    """Closes the connection if the block raises an exception."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _psycopg_parameters(sql: str) -> str:
    """The statement with parameters as psycopg expects them.

    >>> _psycopg_parameters("SELECT :name")
    'SELECT %(name)s'
    """
    return re.sub(r":(\w+)", r"%(\1)s", sql)
