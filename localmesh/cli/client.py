"""The HTTP client of a running mesh, and how the mesh is found."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import click
import psutil

from localmesh.errors import LocalmeshError

URL_VARIABLE = "LOCALMESH_URL"
STATE_VARIABLE = "LOCALMESH_STATE"
DEFAULT_API_PORT = 7080
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_API_PORT}"
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
        """Writes the file."""
        _file(state_folder).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @staticmethod
    def remove(state_folder: Path) -> None:
        """Removes the file."""
        _file(state_folder).unlink(missing_ok=True)

    @staticmethod
    def read(state_folder: Path) -> RunningMesh | None:
        """The mesh that runs with this state folder; None if none does, even if the file is still there."""
        try:
            mesh = RunningMesh(**json.loads(_file(state_folder).read_text(encoding="utf-8")))
            is_same_process = abs(psutil.Process(mesh.pid).create_time() - mesh.started) < 1
        except (OSError, ValueError, TypeError, psutil.Error):
            return None
        return mesh if is_same_process else None


def _file(state_folder: Path) -> Path:
    return state_folder / "mesh.json"


def default_state_folder() -> Path:
    """The state folder if `--state` is not given: LOCALMESH_STATE, else `.localmesh`."""
    return Path(os.environ.get(STATE_VARIABLE) or DEFAULT_STATE_FOLDER)


def is_given_by_url() -> bool:
    """Whether LOCALMESH_URL names the mesh: it may be on another machine, without these files."""
    return bool(os.environ.get(URL_VARIABLE))


@dataclass(frozen=True, slots=True)
class Client:
    """Sends requests to one mesh. Every method raises NoMeshError or RefusedError."""

    url: str
    not_found: str = ""
    """What to say if no mesh answers; by default the address and the reason."""

    def get(self, path: str) -> Any:
        """The JSON answer to a GET."""
        return self._exchange("GET", path)

    def post(self, path: str, document: Mapping[str, Any]) -> Any:
        """The JSON answer to a POST of a JSON document."""
        return self._exchange("POST", path, json.dumps(document).encode())

    def runs_here(self) -> bool:
        """Whether the mesh runs on this machine, where it can read the files of the caller itself."""
        running = RunningMesh.read(Path(self.get("/mesh")["stateFolder"]))
        return running is not None and running.url == self.url

    def objects(self, *, with_status: bool = False) -> list[dict[str, Any]]:
        """All applied objects, as they were applied or with their statuses."""
        text = self.get(f"/mesh/manifests{'?status' if with_status else ''}")["text"]
        return [json.loads(document) for document in text.split("\n---\n") if document]

    def _exchange(self, method: str, path: str, body: bytes | None = None) -> Any:
        try:
            status, text = self._answer(method, path, body)
            if status < 400:
                return json.loads(text)
        except (OSError, HTTPException, ValueError) as error:
            no_answer = (
                f"no mesh answers at {self.url}{path}: {error}; `make up` or `localmesh up` starts one"
            )
            raise NoMeshError(self.not_found or no_answer) from None
        raise RefusedError(status, _message(text) or _other_program(f"{self.url}{path}", status))

    def _answer(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        # Unlike urllib.request, http.client uses no proxy of the environment: the mesh is on this machine.
        connection = HTTPConnection(self.url.removeprefix("http://"), timeout=_TIMEOUT_SECONDS)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _message(text: bytes) -> str | None:
    """The message of a refusal; None if it is not one of a mesh."""
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return None


def _other_program(url: str, status: int) -> str:
    return f"{url} answered {status}: is this the address of a mesh's API?"


def connect(state_folder: Path | None) -> Client:
    """The client of the running mesh; `state_folder` is the option `--state`.

    The mesh is found as by loadgen: by LOCALMESH_URL, else by the state folder, else at the default
    address; that one is not tried if `--state` names a folder. Raises NoMeshError, click.UsageError for
    a malformed LOCALMESH_URL.
    """
    if url := os.environ.get(URL_VARIABLE):
        if not _ADDRESS.fullmatch(url):
            raise click.UsageError(f'{URL_VARIABLE} is "{url}", expected an address like {DEFAULT_URL}')
        return Client(url.rstrip("/"))
    folder = state_folder or default_state_folder()
    running = RunningMesh.read(folder)
    if running is not None:
        return Client(running.url)
    nowhere = f"no mesh runs with the state folder {folder.resolve()}"
    remedy = f"start one with `localmesh up -k DIR`, or set {URL_VARIABLE} to its address"
    if state_folder is not None:
        raise NoMeshError(f"{nowhere}; {remedy}")
    return Client(DEFAULT_URL, f"{nowhere} and none answers at {DEFAULT_URL}; {remedy}")
