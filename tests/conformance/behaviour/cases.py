"""The cases of this folder: manifests, the requests to send, and the recorded answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
BASE = FOLDER / "base.yaml"
ANSWERS = FOLDER / "answers.yaml"
NAMESPACE = "behaviour"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Request:
    """A request to the gateway; `shows` are compared headers of the answer, `saw` those that `web` received.

    With `any`, only the number of versions that answer is compared.
    """

    path: str
    host: str = "web.example.com"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    shows: tuple[str, ...] = ()
    saw: tuple[str, ...] = ()
    any: bool = False


@dataclass(frozen=True)
class Case:
    """Manifests and the requests that are sent with them."""

    name: str
    requests: tuple[Request, ...]
    documents: tuple[dict[str, Any], ...]


@cache
def cases() -> tuple[Case, ...]:
    """All cases, by name."""
    return tuple(_case(path) for path in sorted((FOLDER / "cases").glob("*.yaml")))


def _case(path: Path) -> Case:
    head, *documents = yaml.load_all(path.read_text(encoding="utf-8"), Loader=_LOADER)
    requests = tuple(
        Request(**{**entry, "shows": tuple(entry.get("shows", ())), "saw": tuple(entry.get("saw", ()))})
        for entry in head["requests"]
    )
    return Case(path.stem, requests, tuple(documents))


def recorded() -> dict[str, Any]:
    """The versions of the cluster, and its answers by case, in the order of the requests."""
    answers: dict[str, Any] = yaml.safe_load(ANSWERS.read_text(encoding="utf-8"))
    return answers
