"""`localmesh explain`."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localmesh.cli import client
from localmesh.cli.options import source_options, state_option
from localmesh.cli.sources import Sources

if TYPE_CHECKING:
    from localmesh.explain.document import Locate
    from localmesh.explain.request import Request
    from localmesh.manifests import LoadResult

_METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
_FORMATS = ("text", "json")


@click.command()
@click.argument("words", nargs=-1, metavar="[METHOD] URL")
@source_options
@click.option(
    "--from",
    "source",
    default="outside",
    show_default=True,
    metavar="WORKLOAD",
    help="The workload or gateway that sends the request, or outside: a gateway takes it.",
)
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header.")
@click.option(
    "--jwt",
    metavar="FILE|CLAIMS",
    help="A file with a token, or the claims of an imagined valid one as JSON.",
)
@click.option("--source-ip", metavar="ADDRESS", help="The address of the client, for rules about addresses.")
@click.option("-o", "--output", "form", type=click.Choice(_FORMATS), default="text", help="Output format.")
@state_option
def explain(
    *,
    words: tuple[str, ...],
    kustomizations: tuple[Path, ...],
    files: tuple[Path, ...],
    form: str,
    state_folder: Path | None,
    **options: Any,
) -> None:
    """Explain what becomes of a request, and which rule decides it, without sending it.

    The request is followed from proxy to proxy through the configuration of the manifests, or of the running
    mesh where neither -k nor -f is given. METHOD is GET by default.
    """
    request = _request(words, **options)
    loaded, locate = _loaded(Sources(kustomizations, files), state_folder)
    from localmesh.explain import Explainer
    from localmesh.explain.document import document

    explainer = Explainer.of(loaded.resources)
    described = document(explainer, explainer.explain(request), locate)
    if form == "json":
        click.echo(json.dumps(described, indent=2))
    else:
        from localmesh.explain.text import text

        click.echo(text(described, _width()))


def _width() -> int:
    """The columns of the terminal; 100 where the output is not one."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100


def _request(
    words: tuple[str, ...], *, source: str, headers: tuple[str, ...], jwt: str | None, source_ip: str | None
) -> Request:
    """The imagined request. Raises click.UsageError, InvalidUrlError."""
    from localmesh.explain.request import Request

    if not 1 <= len(words) <= 2:
        raise click.UsageError("write [METHOD] URL, for example: GET http://web/path")
    method, url = words if len(words) == 2 else ("GET", words[0])
    if method not in _METHODS:
        hint = (
            f": write {method.upper()}"
            if method.upper() in _METHODS
            else f"; methods are {', '.join(_METHODS)}"
        )
        raise click.UsageError(f'"{method}" is not a method{hint}')
    given = dict(map(_header, headers))
    claims = None
    if jwt is not None:
        token, claims = _token(jwt)
        given |= {"authorization": f"Bearer {token}"} if token else {}
    return Request.to(url, method=method, headers=given, source=source, claims=claims, source_ip=source_ip)


def _header(written: str) -> tuple[str, str]:
    name, colon, value = written.partition(":")
    if not colon or not name.strip():
        raise click.UsageError(f"\"{written}\" is not a header: write 'name: value'")
    return name.strip(), value.strip()


def _token(written: str) -> tuple[str, Mapping[str, Any] | None]:
    """A written token, or the claims of an imagined one."""
    if written.lstrip().startswith("{"):
        try:
            return "", dict(json.loads(written))
        except ValueError as error:
            raise click.UsageError(f"--jwt: the claims are not JSON: {error}") from None
    try:
        token = Path(written).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise click.UsageError(
            f"--jwt: {written} cannot be read ({reason}); give a file with a token, or claims such as "
            '\'{"sub": "me"}\''
        ) from None
    return _token(token) if token.startswith("{") else (token, None)


def _loaded(sources: Sources, state_folder: Path | None) -> tuple[LoadResult, Locate]:
    """The objects, and what finds their files and lines: those of the running mesh are in none."""
    from localmesh.manifests import Locator, load, load_text

    if sources:
        loaded = load(kustomizations=sources.kustomizations, files=sources.files)
        return loaded, Locator(loaded).place
    text = client.connect(state_folder).get("/mesh/manifests")["text"]
    return load_text(text, "the running mesh"), lambda _resource, _path: None
