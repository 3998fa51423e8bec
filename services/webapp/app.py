"""webapp: receives sentences from the page and asks logic for their polarity."""

from __future__ import annotations

import os
from dataclasses import dataclass

import flask

from services.chassis import application
from services.chassis.settings import Settings, http_url, number, settings_or_exit, variable
from services.chassis.upstream import Upstream
from services.webapp import sentiment


@dataclass(frozen=True, slots=True, kw_only=True)
class WebappSettings(Settings):
    """The settings of webapp."""

    logic_url: str = variable("LOGIC_URL", http_url, "URL of logic.", default="http://logic")
    upstream_timeout_seconds: float = variable(
        "UPSTREAM_TIMEOUT_SECONDS",
        number(0.001, 600),
        "How long logic may take before the answer is 504.",
        default=10.0,
    )


def create_app(settings: WebappSettings | None = None) -> flask.Flask:
    """Create the service with these settings, by default those of the environment."""
    settings = settings or settings_or_exit(WebappSettings, "webapp", os.environ)
    app = application.create("webapp", settings)
    chassis = application.chassis_of(app)
    logic = Upstream("logic", settings.logic_url, seconds=settings.upstream_timeout_seconds, caller=chassis)
    chassis.resources.enter_context(logic)
    app.register_blueprint(sentiment.routes(logic))
    return app
