"""feedback: stores users' feedback on judgements."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import flask
import sqlalchemy as sql

from services.chassis import application
from services.chassis.settings import Settings, settings_or_exit, variable
from services.feedback import routes
from services.feedback.storage import Storage

_FILE = "feedback.sqlite3"


def database_url(text: str) -> sql.URL:
    """Parse the URL of an SQLite file or of a PostgreSQL database, which is accessed through psycopg."""
    expected = "a URL such as postgresql://user:password@host/database or sqlite:////folder/file"
    try:
        url = sql.make_url(text)
    except (sql.exc.ArgumentError, ValueError):
        raise ValueError(expected) from None
    if url.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername == "sqlite" and url.database not in {None, "", ":memory:"}:
        return url
    raise ValueError(expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackSettings(Settings):
    """The settings of feedback."""

    data_dir: str = variable(
        "DATA_DIR",
        str,
        f"Folder of the SQLite file `{_FILE}`; created if it is missing.",
        default="build/feedback",
    )
    database_url: sql.URL | None = variable(  # noqa: RUF009 - a dataclass field like all others
        "DATABASE_URL",
        database_url,
        "Another database: `postgresql://…`, or `sqlite:////folder/file`; overrides `DATA_DIR`.",
        default=None,
        secret=True,
    )

    @property
    def database(self) -> sql.URL:
        """The URL of the database to use."""
        file = Path(self.data_dir) / _FILE
        return self.database_url or sql.URL.create("sqlite", database=str(file))


def create_app(settings: FeedbackSettings | None = None) -> flask.Flask:
    """Create the service with these settings, by default those of the environment."""
    settings = settings or settings_or_exit(FeedbackSettings, "feedback", os.environ)
    app = application.create("feedback", settings)
    chassis = application.chassis_of(app)
    storage = Storage(settings.database, connections=settings.threads)
    chassis.resources.callback(storage.close)
    chassis.readiness.checks.append(storage.unavailability)
    app.register_blueprint(routes.routes(storage, chassis.metrics))
    return app
