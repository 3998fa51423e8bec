"""The READMEs list every endpoint, variable, header and metric of the code."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import get_args, get_type_hints

import flask
import pytest

from services.chassis.application import chassis_of
from services.chassis.propagation import PROPAGATED
from services.chassis.settings import Settings, variables
from services.feedback.app import FeedbackSettings
from services.testing import ROOT, SERVICES


def settings_of(service: str) -> type[Settings]:
    """The class of the settings with which the application of a service is created."""
    create_app = importlib.import_module(f"services.{service}.app").create_app
    settings: type[Settings] = get_args(get_type_hints(create_app)["settings"])[0]
    return settings


def readme(folder: str) -> str:
    """The README of a folder of services."""
    return (ROOT / "services" / folder / "README.md").read_text("utf-8")


def application(service: str, tmp_path: Path) -> flask.Flask:
    """The service's application."""
    create_app = importlib.import_module(f"services.{service}.app").create_app
    settings = settings_of(service)(pod="pod")
    if isinstance(settings, FeedbackSettings):
        settings = FeedbackSettings(pod="pod", database_url=f"sqlite:///{tmp_path}/x.sqlite3")
    app: flask.Flask = create_app(settings)
    chassis_of(app).resources.close()
    return app


def endpoints(app: flask.Flask) -> set[str]:
    """The endpoints of the application, as `METHOD /path`."""
    return {
        f"{method} {re.sub('<([^>]+)>', lambda found: found[1].upper(), rule.rule)}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def environment_table(settings: type[Settings]) -> str:
    """The table of the variables of `settings`, those of the service first."""
    common = set(variables(Settings))
    ordered = sorted(variables(settings).items(), key=lambda item: item[0] in common)
    rows = [
        f"| `{known.name}` | {default_words(known.name, value)} | {known.explanation} |"
        for known, value in ordered
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def default_words(name: str, value: object) -> str:
    """A default in the form of a manifest."""
    if value is None:
        return "host name" if name == "POD_NAME" else "unset"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


@pytest.mark.parametrize("service", SERVICES)
def test_every_endpoint_is_in_the_readme_of_its_service(service, tmp_path):
    """And no other."""
    app = application(service, tmp_path)

    documented = set(re.findall(r"^\| `([A-Z]+ /[^`?]*)", readme(service), re.MULTILINE))

    assert documented == endpoints(app) | {"GET /metrics"}


def test_all_endpoints_are_on_one_page(tmp_path):
    """The README of all services lists their endpoints."""
    every = {endpoint for service in SERVICES for endpoint in endpoints(application(service, tmp_path))}

    documented = set(re.findall(r"`([A-Z]+ /[^`?]*)", readme(".")))

    assert documented == every | {"GET /metrics"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_is_in_the_readme_of_its_service(service):
    """With its default and its meaning, as the code has them."""
    assert environment_table(settings_of(service)) in readme(service)


def test_every_propagated_header_is_in_the_readme_of_the_chassis():
    """With the reason for its propagation."""
    rows = [f"| `{header.name}` | {header.reason} |" for header in PROPAGATED]

    assert "\n".join(rows) in readme("chassis")


def test_every_metric_is_in_the_readme_of_the_chassis(tmp_path):
    """By the name under which it is scraped."""
    metrics = {
        sample.name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum")
        for service in SERVICES
        for metric in chassis_of(application(service, tmp_path)).metrics.registry.collect()
        for sample in metric.samples
        if sample.name.startswith("sentimesh_")
    }
    # Those with labels that no request has filled yet have no samples.
    metrics |= {"sentimesh_http_requests_total", "sentimesh_http_request_duration_seconds"}

    assert metrics == set(re.findall(r"^\| `(sentimesh_\w+)", readme("chassis"), re.MULTILINE))
