"""logic: computes how positive a sentence is; with FAULT_* set, it is deliberately buggy and says so."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass

import flask

from services.chassis import application
from services.chassis.settings import Settings, number, settings_or_exit, variable
from services.logic import analyse
from services.logic.faults import Faults

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicSettings(Settings):
    """The settings of logic."""

    fault_error_percent: float = variable(
        "FAULT_ERROR_PERCENT",
        number(0, 100),
        "Percentage of requests that fail at once with 500.",
        default=0.0,
    )
    fault_hang_percent: float = variable(
        "FAULT_HANG_PERCENT",
        number(0, 100),
        "Percentage of requests that hang and then fail with 500.",
        default=0.0,
    )
    hang_seconds: float = variable(
        "HANG_SECONDS", number(0, 3600), "How many seconds the hanging requests take.", default=3.0
    )
    fault_seed: str = variable(
        "FAULT_SEED", str, "Selects which requests fail; the percentages stay the same.", default="sentimesh"
    )

    def contradictions(self) -> Iterable[str]:
        """One sentence for each invalid combination of valid values."""
        yield from super(LogicSettings, self).contradictions()
        total = self.fault_error_percent + self.fault_hang_percent
        if total > 100:
            yield f"FAULT_ERROR_PERCENT and FAULT_HANG_PERCENT are {total:g} together, expected at most 100"


def create_app(settings: LogicSettings | None = None) -> flask.Flask:
    """Create the service with these settings, by default those of the environment."""
    settings = settings or settings_or_exit(LogicSettings, "logic", os.environ)
    faults = Faults(
        error_percent=settings.fault_error_percent,
        hang_percent=settings.fault_hang_percent,
        hang_seconds=settings.hang_seconds,
        seed=settings.fault_seed,
    )
    app = application.create("logic", settings, faults=faults.about())
    if faults:
        log.warning("this version is deliberately buggy", extra={"fields": {"faults": faults.about()}})
    app.register_blueprint(analyse.routes(faults, application.chassis_of(app).metrics))
    return app
