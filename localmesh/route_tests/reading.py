"""Files and folders → cases, or every problem in them at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from localmesh.explain.request import OUTSIDE, Request
from localmesh.manifests import Document, Text, read_text, texts
from localmesh.manifests.files import CASE_SUFFIX, NAME_OF_STANDARD_INPUT
from localmesh.problems import FieldPath, ManifestError
from localmesh.problems.fields import quoted
from localmesh.route_tests import config_validator
from localmesh.route_tests.case_schema import (
    CaseFileError,
    CaseLines,
    FaultyFieldError,
    one_line,
    schema_errors,
    traffic_policy_errors,
)
from localmesh.route_tests.cases import Case, CaseFile
from localmesh.route_tests.destinations import FORM, misnamed
from localmesh.route_tests.requests import as_fields, as_list, merged, requests
from localmesh.route_tests.tables import rows


def read_case_files(paths: Sequence[Path]) -> list[CaseFile]:
    """The cases of files, of `-` (standard input), and of the `*.test.yaml` files below folders.

    Raises CaseFileError with every problem.
    """
    files = [file for path in paths for file in _files(path)]
    try:
        read = texts(files)
    except ManifestError as error:
        raise CaseFileError(map(one_line, error.problems)) from None
    out: list[CaseFile] = []
    problems: list[str] = []
    for text in read:
        try:
            out += _read(text)
        except CaseFileError as error:
            problems.append(str(error))
    if problems:
        raise CaseFileError(problems)
    return out


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.rglob(f"*{CASE_SUFFIX}"))
    if not files:
        raise CaseFileError(
            [f"{path}: the folder has no *{CASE_SUFFIX} files; name a file or another folder"]
        )
    return files


def _read(text: Text) -> Iterator[CaseFile]:
    reading = read_text(text.text, text.file)
    if reading.problems:
        raise CaseFileError(map(one_line, reading.problems))
    if not reading.documents:
        raise CaseFileError([f"{text.file}: the file is empty; write `cases:` and a list of cases"])
    for document in reading.documents:
        if isinstance(document.body, dict) and config_validator.KEY in document.body:
            yield config_validator.read(document)
        else:
            yield _case_file(document)


def _case_file(document: Document) -> CaseFile:
    lines = CaseLines(document)
    body = document.body
    if problems := schema_errors(body, "File", lines, FieldPath()):
        raise CaseFileError(problems)
    folder = folder_of(document.file)
    cases: list[Case] = []
    for index, written in enumerate(body["cases"]):
        try:
            cases += _Reader(document.file, folder, body.get("defaults") or {}, lines).cases(
                written, FieldPath("cases", index)
            )
        except CaseFileError as error:
            problems.append(str(error))
    if problems:
        raise CaseFileError(problems)
    return CaseFile(
        document.file,
        tuple(cases),
        tuple(folder / path for path in as_list(body.get("kustomization", []))),
        tuple(folder / path for path in as_list(body.get("manifests", []))),
    )


def folder_of(file: str) -> Path:
    """The folder that paths in a file are relative to."""
    return Path() if file == NAME_OF_STANDARD_INPUT else Path(file).parent


class _Reader:
    """Reads the cases of one file."""

    def __init__(self, file: str, folder: Path, defaults: Mapping[str, Any], lines: CaseLines) -> None:
        self._file = file
        self._folder = folder
        self._defaults = defaults
        self._lines = lines

    def cases(self, written: Mapping[str, Any], at: FieldPath) -> list[Case]:
        """The cases of an entry: one, or one for each row of a table and each combination of lists."""
        try:
            return [case for body, path, cells in rows(written, at) for case in self._row(body, path, cells)]
        except FaultyFieldError as error:
            raise CaseFileError([self._lines.message(error.path, error.message)]) from None

    def _row(self, body: Mapping[str, Any], at: FieldPath, cells: str) -> Iterator[Case]:
        if problems := schema_errors(body, "Case", self._lines, at):
            raise CaseFileError(problems)
        expect = {**(self._defaults.get("expect") or {}), **(body.get("expect") or {})}
        if not expect:
            raise FaultyFieldError(
                at, "the case expects nothing; add `expect` with for example a destination"
            )
        self._require_sound(expect, FieldPath(*at, "expect"))
        fields = merged(as_fields(self._defaults.get("request")), as_fields(body.get("request")))
        sources = as_list(body.get("from", self._defaults.get("from", OUTSIDE)))
        try:
            made = list(requests(fields, sources, self._folder))
        except FaultyFieldError as error:
            raise FaultyFieldError(FieldPath(*at, "request", *error.path), error.message) from None
        line = self._lines.line(at)
        for request in made:
            name = _name(body.get("name", ""), cells, request, alone=len(made) == 1)
            yield Case(name, request, expect, self._file, line)

    def _require_sound(self, expect: Mapping[str, Any], at: FieldPath) -> None:
        """Raises an error for names and parts of objects that cannot be those of any."""
        for field, name in misnamed(expect):
            raise FaultyFieldError(at / field, f"{quoted(name)} is not a destination; write {FORM}")
        policy = expect.get("trafficPolicy") or {}
        if problems := traffic_policy_errors(policy, self._lines, at / "trafficPolicy"):
            raise CaseFileError(problems)
        if "not" in expect:
            self._require_sound(expect["not"], at / "not")


def _name(name: str, cells: str, request: Request, *, alone: bool) -> str:
    """The name of the case, with the cells of its row, and with the request unless it is the only one."""
    shown = f"{request.method} {request.authority}{request.path}"
    if request.source != OUTSIDE:
        shown += f" from {request.source}"
    parts = [name, *([cells] if cells else []), *([] if alone and (name or cells) else [shown])]
    return ": ".join(filter(None, parts))
