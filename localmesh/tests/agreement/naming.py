"""What the rules of a mesh name: requests are made of it, so that they meet the rules or almost do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from localmesh.tests.agreement.values import REGEXES
from localmesh.tests.analysis.meshes import Json


@dataclass(frozen=True, slots=True)
class Named:
    """Hosts by who can call them, paths, headers with values, query parameters, and places of tokens.

    A place is the kind of it (header, parameter or cookie), its name, and what comes before the token.
    """

    mesh_hosts: tuple[str, ...]
    gateway_hosts: tuple[str, ...]
    paths: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    queries: tuple[str, ...]
    places: tuple[tuple[str, str, str], ...]


def named(objects: Iterable[Json]) -> Named:
    """What the objects name."""
    objects = tuple(objects)
    matches = list(_matches(objects))
    return Named(
        mesh_hosts=tuple(_hosts(objects, "mesh")),
        gateway_hosts=tuple(_hosts(objects, "edge")),
        paths=tuple(_paths(objects)),
        headers=tuple(_headers(objects, matches)),
        queries=tuple(
            f"?{name}={quote(value)}"
            for match in matches
            for name, condition in (match.get("queryParams") or {}).items()
            for value in _values(condition)
        ),
        places=tuple(_places(objects)),
    )


def _places(objects: Iterable[Json]) -> Iterator[tuple[str, str, str]]:
    for rule in (rule for item in objects for rule in item["spec"].get("jwtRules") or ()):
        for header in rule.get("fromHeaders") or ():
            yield "header", header["name"], header.get("prefix", "")
        yield from (("parameter", name, "") for name in rule.get("fromParams") or ())
        yield from (("cookie", name, "") for name in rule.get("fromCookies") or ())
        if not any(f"from{kind}" in rule for kind in ("Headers", "Params", "Cookies")):
            yield "header", "authorization", "Bearer "
            yield "parameter", "access_token", ""


def _hosts(objects: Iterable[Json], gateway: str) -> Iterator[str]:
    """The hosts of VirtualServices that are bound to a gateway, short and in full."""
    for item in objects:
        spec, namespace = item["spec"], item["metadata"]["namespace"]
        bound = [name.rpartition("/")[2] for name in spec.get("gateways", ["mesh"])]
        if item["kind"] != "VirtualService" or gateway not in bound:
            continue
        for host in spec.get("hosts") or ():
            yield host.replace("*.a.", "x.a.").replace("*", "www")
            if "." not in host:
                yield f"{host}.{namespace}"


def _paths(objects: Iterable[Json]) -> Iterator[str]:
    for text in (text for item in objects for text in _texts(item["spec"])):
        if "/" in text and text in REGEXES:
            yield from REGEXES[text]
        elif text.startswith("/"):
            yield text.replace("*", "b").replace("{", "").replace("}", "")


def _matches(objects: Iterable[Json]) -> Iterator[Json]:
    for item in objects:
        for route in item["spec"].get("http") or ():
            yield from route.get("match") or ()


def _headers(objects: Iterable[Json], matches: Iterable[Json]) -> Iterator[tuple[str, str]]:
    for match in matches:
        for block in ("headers", "withoutHeaders"):
            for name, condition in (match.get(block) or {}).items():
                yield from ((name, value) for value in _values(condition))
    for item in objects:
        for rule in item["spec"].get("rules") or ():
            for condition in rule.get("when") or ():
                key, _, name = condition["key"].rstrip("]").partition("[")
                for value in condition.get("values") or condition["notValues"]:
                    yield (name if key == "request.headers" else "x-other"), value.strip("*")


def _values(condition: Mapping[str, str]) -> Iterator[str]:
    """Values that meet a condition, or almost meet it."""
    yield from ("", "tester") if not condition else ()
    for kind, text in condition.items():
        yield from REGEXES.get(text, ("",)) if kind == "regex" else (text,)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for below in value.values():
            yield from _texts(below)
    elif isinstance(value, list):
        for below in value:
            yield from _texts(below)
