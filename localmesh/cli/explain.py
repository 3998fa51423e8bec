"""`localmesh explain`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localmesh.cli.options import manifest_options, state_option
from localmesh.cli.output import terminal_width
from localmesh.cli.sources import Sources

if TYPE_CHECKING:
    from localmesh.cli.client import Client
    from localmesh.explain import Explainer
    from localmesh.explain.document import Locate
    from localmesh.explain.request import Request

_METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
_FORMATS = ("text", "json")


@click.command()
@click.argument("words", nargs=-1, metavar="[METHOD] URL")
@manifest_options
@click.option(
    "--from",
    "source",
    metavar="WORKLOAD",
    help="The workload or gateway that sends the request, or outside. By default outside; for a host that "
    "only the mesh has, any workload.",
)
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header.")
@click.option(
    "--jwt",
    metavar="FILE|CLAIMS",
    help="A file with a token, or the claims of an imagined valid one as JSON.",
)
@click.option("--source-ip", metavar="ADDRESS", help="The address of the client, for rules about addresses.")
@click.option("--follow", is_flag=True, help="Really send the request through the running mesh as well.")
@click.option("-o", "--output", "form", type=click.Choice(_FORMATS), default="text", help="Output format.")
@state_option
def explain(
    *,
    words: tuple[str, ...],
    sources: Sources,
    follow: bool,
    form: str,
    state_folder: Path | None,
    **options: Any,
) -> None:
    """Explain what becomes of a request, and which rule decides it, without sending it.

    The request is followed from proxy to proxy through the configuration of the manifests, or of the running
    mesh where neither -k nor -f is given. METHOD is GET by default.
    """
    request = _request(words, **options)
    if follow and sources:
        raise click.UsageError("--follow sends the request through the running mesh: give neither -k nor -f")
    mesh = None if sources else _connected(state_folder)
    if mesh:
        explainer, locate = _of_running(mesh)
    else:
        has_caller = options["source"] is not None
        explainer, locate, request = _of_manifests(sources, request, has_caller=has_caller)
    from localmesh.explain.document import document

    explanation = explainer.explain(request)
    described = document(explainer, explanation, locate)
    if mesh and follow:
        from localmesh.cli.follow import followed

        described["followed"] = followed(mesh, explanation)
    click.echo(json.dumps(described, indent=2) if form == "json" else _text(described))


def _connected(state_folder: Path | None) -> Client:
    """The running mesh; its client takes a tenth of the time of the whole command to import."""
    from localmesh.cli import client

    return client.connect(state_folder)


def _text(described: Mapping[str, Any]) -> str:
    from localmesh.explain.text import text

    return text(described, terminal_width())


def _request(
    words: tuple[str, ...],
    *,
    source: str | None,
    headers: tuple[str, ...],
    jwt: str | None,
    source_ip: str | None,
) -> Request:
    """The imagined request. Raises click.UsageError, InvalidUrlError."""
    from localmesh.explain.request import OUTSIDE, Request
    from localmesh.formats.hostnames import is_address

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
    if source_ip is not None and not is_address(source_ip):
        raise click.UsageError(f'--source-ip: "{source_ip}" is not an IP address')
    given = dict(map(_header, headers))
    claims = None
    if jwt is not None:
        token, claims = _token(jwt)
        given |= {"authorization": f"Bearer {token}"} if token else {}
    others: dict[str, Any] = {"headers": given, "claims": claims, "source_ip": source_ip}
    return Request.to(url, method=method, source=source or OUTSIDE, **others)


def _header(written: str) -> tuple[str, str]:
    from localmesh.formats.http_headers import is_header_name

    name, colon, value = written.partition(":")
    if not colon or not is_header_name(name.strip()):
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
    if not token:
        raise click.UsageError(f"--jwt: {written} is empty; write a token to it")
    return _token(token) if token.startswith("{") else (token, None)


def _of_manifests(
    sources: Sources, request: Request, *, has_caller: bool
) -> tuple[Explainer, Locate, Request]:
    """The mesh of manifests, with all pods ready, what finds the lines of its objects, and the request.

    If the request names no caller and is for a host of the mesh, a workload is added that sends it.
    """
    from localmesh.explain import Explainer
    from localmesh.manifests import Locator

    loaded = sources.objects()
    resources = loaded.resources
    if not has_caller:
        from localmesh.route_tests.entrances import with_caller

        resources, request = with_caller(resources, request)
    return Explainer.of(resources), Locator(loaded).place, request


def _of_running(mesh: Client) -> tuple[Explainer, Locate]:
    """The running mesh, with the pods that are ready; its objects are in no file."""
    from localmesh.explain import Explainer
    from localmesh.manifests import load_text
    from localmesh.translate.from_manifests import proxies

    loaded = load_text(mesh.get("/mesh/manifests")["text"], "the running mesh")
    catalog, known = proxies(loaded.resources)
    state = mesh.get("/mesh")
    running = (*state["pods"], *state["proxies"])
    by_name = {(pod["namespace"], pod["name"]): pod["ready"] for pod in running}
    # pods that others have started have other names
    by_workload = {(pod["namespace"], pod["workload"]) for pod in running if pod["ready"]}
    pods = (
        replace(
            pod,
            ready=by_name.get((pod.namespace, pod.name), (pod.namespace, pod.workload) in by_workload),
        )
        for pod in catalog.pods
    )
    return Explainer(catalog.with_pods(pods), known), lambda _resource, _path: None
