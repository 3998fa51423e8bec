"""Health: is the process alive, is it ready for traffic, and which workload is it?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import flask

from services.chassis.problem import Problem

PATHS = frozenset({"/livez", "/readyz", "/about"})

Check = Callable[[], str | None]
"""A readiness check: returns None if it passes, otherwise one sentence about what is missing."""


@dataclass(slots=True)
class Readiness:
    """Whether the service is ready for traffic: every check passes and the process is not stopping."""

    checks: list[Check] = field(default_factory=list)
    stopping: bool = False

    def missing(self) -> str | None:
        """Why the service is not ready, in one sentence; None if it is."""
        if self.stopping:
            return "The service is stopping and finishes the requests in progress."
        return next((reason for check in self.checks if (reason := check())), None)


def routes(readiness: Readiness, about: Mapping[str, Any]) -> flask.Blueprint:
    """The routes `/livez`, `/readyz` and `/about`, which are exempt from faults."""
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
    def describe() -> Mapping[str, Any]:
        # The headers as received, to see what the mesh set, added and removed on the way.
        return {**about, "headers": {name.lower(): value for name, value in flask.request.headers}}

    return blueprint
