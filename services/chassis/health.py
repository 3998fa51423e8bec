"""Health: is the process alive, may traffic come, and who is it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import flask

from services.chassis.problem import Problem

PATHS = frozenset({"/livez", "/readyz", "/about"})

Check = Callable[[], str | None]
"""A condition for traffic: None when it holds, otherwise one sentence on what is missing."""


@dataclass(slots=True)
class Readiness:
    """Whether traffic may come: every check holds and the process is not stopping."""

    checks: list[Check] = field(default_factory=list)
    stopping: bool = False

    def missing(self) -> str | None:
        """Why no traffic may come, in one sentence; None when it may."""
        if self.stopping:
            return "The service is stopping and finishes what it has begun."
        return next((reason for check in self.checks if (reason := check())), None)


def routes(readiness: Readiness, about: Mapping[str, Any]) -> flask.Blueprint:
    """`/livez`, `/readyz` and `/about`: the routes that no fault touches."""
    blueprint = flask.Blueprint("health", __name__)

    @blueprint.get("/livez")
    def livez() -> Mapping[str, Any]:
        return {"status": "alive"}

    @blueprint.get("/readyz")
    def readyz() -> Mapping[str, Any]:
        if reason := readiness.missing():
            raise Problem(503, reason)
        return {"status": "ready"}

    @blueprint.get("/about", endpoint="about")
    def tell() -> Mapping[str, Any]:
        # The headers as they arrived: what the mesh has set, added and removed on the way shows here.
        return {**about, "headers": {name.lower(): value for name, value in flask.request.headers}}

    return blueprint
