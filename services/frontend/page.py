"""The page and its files: built once at start, for one version, and held in memory."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

THEME_COLORS: Mapping[str, str] = {"v1": "#eceae4", "v2": "#d6dcf7"}
"""The versions that have a page, each with its colour for the browser's user interface."""

_MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page; `digest` identifies its content."""

    content: bytes
    media_type: str
    digest: str


@dataclass(frozen=True, slots=True)
class Page:
    """The page of one version, its content security policy, and its files by name."""

    html: str
    security_policy: str
    assets: Mapping[str, Asset]


def build(version: str, served_by: str, localmesh_url: str | None = None) -> Page:
    """Build the page of `version`; it contains `served_by` because its script cannot read the header.

    It links to the live page at `localmesh_url`, if there is one.
    """
    environment = Environment(
        loader=PackageLoader("services.frontend"), autoescape=True, undefined=StrictUndefined
    )
    guard_js, guard_css = _source("guard.js"), _source("guard.css")
    html = environment.get_template("page.html").render(
        version=version,
        served_by=served_by,
        localmesh_url=localmesh_url,
        theme_color=THEME_COLORS[version],
        guard_js=Markup(guard_js),  # noqa: S704 - a file of this package, without any variables
        guard_css=Markup(guard_css),  # noqa: S704
    )
    return Page(html, _security_policy(guard_js, guard_css), _assets(version))


def _source(name: str) -> str:
    return (_folder("templates") / name).read_text("utf-8")


def _folder(name: str) -> Traversable:
    return resources.files("services.frontend") / name


def _assets(version: str) -> Mapping[str, Asset]:
    """The files of this version: the common ones and its own."""
    files = [*(_folder("static") / "common").iterdir(), *(_folder("static") / version).iterdir()]
    return {file.name: _asset(file) for file in files}


def _asset(file: Traversable) -> Asset:
    content = file.read_bytes()
    media_type = _MEDIA_TYPES[file.name.rpartition(".")[2]]
    return Asset(content, media_type, sha256(content).hexdigest()[:16])


def _security_policy(script: str, style: str) -> str:
    """Allow only files of this origin and the two inline snippets of the page."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {_hash(script)}",
            f"style-src 'self' {_hash(style)}",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
