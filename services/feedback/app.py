"""feedback: stores users' feedback on judgements."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import flask

from services.chassis import application
from services.chassis.settings import Settings, settings_or_exit, variable
from services.feedback import routes
from services.feedback.databases import Database, Sqlite, database, database_url
from services.feedback.storage import Storage

_FILE = "feedback.sqlite3"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackSettings(Settings):
    """The settings of feedback."""

    data_dir: str = variable(
        "DATA_DIR",
        str,
        f"Folder of the SQLite file `{_FILE}`; created if it is missing.",
        default="build/feedback",
    )
    database_url: str | None = variable(
        "DATABASE_URL",
        database_url,
        "Another database: `postgresql://…`, or `sqlite:////folder/file`; overrides `DATA_DIR`.",
        default=None,
        secret=True,
    )

    @property
    def database(self) -> Database:
        """The database to use."""
        return database(self.database_url) if self.database_url else Sqlite(Path(self.data_dir) / _FILE)


def create_app(settings: FeedbackSettings | None = None) -> flask.Flask:
    """Create the service with these settings, by default those of the environment."""
    settings = settings or settings_or_exit(FeedbackSettings, "feedback", os.environ)
    app = application.create("feedback", settings)
    chassis = application.chassis_of(app)
    storage = Storage(settings.database)
    chassis.resources.callback(storage.close)
    chassis.readiness.checks.append(storage.unavailability)
    app.register_blueprint(routes.routes(storage, chassis.metrics))
    return app
