"""Talking to a running mesh: where it is, and its HTTP interface."""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import psutil

from localmesh.errors import LocalmeshError

URL_VARIABLE = "LOCALMESH_URL"
DEFAULT_API_PORT = 7080
DEFAULT_STATE_FOLDER = Path(".localmesh")
_TIMEOUT_SECONDS = 120
_ADDRESS = re.compile(r"http://[^/?#\s]+(?::\d+)?/*")


class NoMeshError(LocalmeshError):
    """No mesh answers; the message says where it was looked for."""


class RefusedError(LocalmeshError):
    """The mesh refused a request; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.exit_status = 2 if status in (400, 404, 422) else 1
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class RunningMesh:
    """What a running mesh writes into its state folder: how to reach and to stop it."""

    url: str
    pid: int
    started: float

    def write(self, state_folder: Path) -> None:
        """Leaves the note."""
        _note(state_folder).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @staticmethod
    def remove(state_folder: Path) -> None:
        """Takes the note away."""
        _note(state_folder).unlink(missing_ok=True)

    @staticmethod
    def read(state_folder: Path) -> RunningMesh | None:
        """The mesh that runs with this state folder; None where none does, even if one left its note."""
        try:
            found = RunningMesh(**json.loads(_note(state_folder).read_text(encoding="utf-8")))
            same = abs(psutil.Process(found.pid).create_time() - found.started) < 1
        except (OSError, ValueError, TypeError, psutil.Error):
            return None
        return found if same else None


def _note(state_folder: Path) -> Path:
    return state_folder / "mesh.json"


def url_of(state_folder: Path) -> str:
    """The address of the mesh: LOCALMESH_URL, else that of the mesh with this state folder.

    Raises NoMeshError where none runs, click.UsageError for what is no address.
    """
    named = os.environ.get(URL_VARIABLE)
    if named and not _ADDRESS.fullmatch(named):
        raise click.UsageError(f'{URL_VARIABLE} is "{named}", which must look like http://127.0.0.1:7080')
    if named:
        return named.rstrip("/")
    found = RunningMesh.read(state_folder)
    if found is None:
        raise NoMeshError(
            f"no mesh runs with the state folder {state_folder.resolve()}; "
            f"start one with `localmesh up -k DIR`, or name its address in {URL_VARIABLE}"
        )
    return found.url


def is_named() -> bool:
    """Whether the mesh is known by its address alone: its files need not be this machine's."""
    return bool(os.environ.get(URL_VARIABLE))


def get(url: str, path: str) -> Any:
    """The JSON answer to a GET. Raises NoMeshError or RefusedError."""
    return _exchange(urllib.request.Request(url + path))  # noqa: S310 - the address of the mesh


def post(url: str, path: str, document: Mapping[str, Any]) -> Any:
    """The JSON answer to a POST of a JSON document. Raises NoMeshError or RefusedError."""
    return _exchange(
        urllib.request.Request(  # noqa: S310 - the address of the mesh
            url + path, json.dumps(document).encode(), {"Content-Type": "application/json"}
        )
    )


def _exchange(request: urllib.request.Request) -> Any:
    # never through a proxy of the environment: the mesh is on this machine
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            try:
                message = json.load(error)["message"]
            except (ValueError, KeyError):
                message = f"{request.full_url} answered {error.code}: is that the address of a mesh's API?"
        raise RefusedError(error.code, message) from None
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise NoMeshError(f"no mesh answers at {request.full_url}: {reason}") from None
