"""`GET /` and `GET /static/VERSION/FILE`: the page and its files, but no files of other versions."""

from __future__ import annotations

import flask

from services.chassis.problem import Problem
from services.frontend.page import Asset, Page


def routes(page: Page, own_version: str) -> flask.Blueprint:
    """The routes of `page`, which is that of `own_version`."""
    blueprint = flask.Blueprint("page", __name__)

    @blueprint.get("/")
    def show() -> flask.Response:
        answer = flask.Response(page.html, content_type="text/html; charset=utf-8")
        # Every request may reach another version; a cached page would hide that.
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["Content-Security-Policy"] = page.security_policy
        answer.headers["Referrer-Policy"] = "same-origin"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    @blueprint.get("/static/<version>/<name>")
    def file(version: str, name: str) -> flask.Response:
        if version != own_version:
            raise Problem(404, f'This is frontend {own_version}; it has no files of version "{version}".')
        if name not in page.assets:
            raise Problem(404, f'Frontend {own_version} has no file "{name}".')
        return _answer(page.assets[name])

    @blueprint.get("/favicon.ico")
    def icon() -> flask.Response:
        return _answer(page.assets["favicon.svg"])

    return blueprint


def _answer(asset: Asset) -> flask.Response:
    """The file, or 304 if the browser already has it."""
    answer = flask.Response(asset.content, content_type=asset.media_type)
    answer.set_etag(asset.digest)
    # The path names the version, not the content: browsers cache the file, but must revalidate it.
    answer.headers["Cache-Control"] = "no-cache"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.make_conditional(flask.request)
    return answer
