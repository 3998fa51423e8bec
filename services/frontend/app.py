"""frontend: the page, in the design of its version."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import flask

from services.chassis import application
from services.chassis.settings import Settings, http_url, settings_or_exit, variable
from services.frontend import page, routes


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontendSettings(Settings):
    """The settings of frontend."""

    localmesh_url: str | None = variable(
        "LOCALMESH_URL", http_url, "Where localmesh serves its live page, to which the page then links."
    )

    def contradictions(self) -> Iterable[str]:
        """One sentence for each invalid combination of valid values."""
        yield from super(FrontendSettings, self).contradictions()
        if self.version not in page.THEME_COLORS:
            known = " or ".join(page.THEME_COLORS)
            yield f'SERVICE_VERSION is "{self.version}", expected {known}, the versions that have a page'


def create_app(settings: FrontendSettings | None = None) -> flask.Flask:
    """Create the service with these settings, by default those of the environment."""
    settings = settings or settings_or_exit(FrontendSettings, "frontend", os.environ)
    app = application.create("frontend", settings)
    served_by = str(application.chassis_of(app).hop())
    built = page.build(settings.version, served_by, settings.localmesh_url)
    app.register_blueprint(routes.routes(built, settings.version))
    return app
