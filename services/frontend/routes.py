"""`GET /` and `GET /static/VERSION/FILE`: the page and its files; files of another version are not there."""

from __future__ import annotations

import flask

from services.chassis.problem import Problem
from services.frontend.page import Asset, Page


def routes(page: Page, version: str) -> flask.Blueprint:
    """The routes of `page`."""
    blueprint = flask.Blueprint("page", __name__)

    @blueprint.get("/")
    def show() -> flask.Response:
        answer = flask.Response(page.html, content_type="text/html; charset=utf-8")
        # Which version comes is decided anew each time: a kept page would hide that.
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["Content-Security-Policy"] = page.security_policy
        answer.headers["Referrer-Policy"] = "same-origin"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    @blueprint.get("/static/<asked>/<name>")
    def file(asked: str, name: str) -> flask.Response:
        if asked != version:
            raise Problem(404, f'This is frontend {version}; it has no files of version "{asked}".')
        if name not in page.assets:
            raise Problem(404, f'Frontend {version} has no file "{name}".')
        return _answer(page.assets[name])

    @blueprint.get("/favicon.ico")
    def icon() -> flask.Response:
        return _answer(page.assets["favicon.svg"])

    return blueprint


def _answer(asset: Asset) -> flask.Response:
    """The file, or the word that the browser has it already."""
    answer = flask.Response(asset.content, content_type=asset.media_type)
    answer.set_etag(asset.digest)
    # The path names the version, not the content: a browser keeps the file, but asks whether it holds.
    answer.headers["Cache-Control"] = "no-cache"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.make_conditional(flask.request)
    return answer
