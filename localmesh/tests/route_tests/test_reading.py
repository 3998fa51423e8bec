"""Files of cases: what a case can be written as, and a line for everything that cannot be used."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from localmesh.manifests.files import manifest_files, texts
from localmesh.route_tests.case_schema import CaseFileError
from localmesh.route_tests.cases import CaseFile
from localmesh.route_tests.reading import read_case_files


def read(folder: Path, text: str) -> CaseFile:
    file = folder / "a.test.yaml"
    file.write_text(text)
    (read_file,) = read_case_files([file])
    return read_file


def requests(folder: Path, text: str) -> list[str]:
    """The cases as `SOURCE METHOD URL`."""
    cases = read(folder, text).cases
    return [f"{r.source} {r.method} {r.authority}{r.path}" for r in (case.request for case in cases)]


def test_a_request_is_a_line_or_fields(tmp_path: Path) -> None:
    """Without a method it is GET, without a host it is for the gateway's own address."""
    text = """
cases:
  - {request: GET /a, expect: {status: 200}}
  - {request: "http://books:8080/b?c=d", from: web-v1, expect: {status: 200}}
  - {request: {method: PUT, host: books, path: /e}, expect: {status: 200}}
  - {request: {url: books/f, headers: {x-a: b}}, expect: {status: 200}}
"""

    assert requests(tmp_path, text) == [
        "outside GET localhost/a",
        "web-v1 GET books:8080/b?c=d",
        "outside PUT books/e",
        "outside GET books/f",
    ]
    assert read(tmp_path, text).cases[3].request.headers == {"x-a": "b"}


def test_lists_are_combined(tmp_path: Path) -> None:
    """Each combination is a case, whose name has the request."""
    text = """
cases:
  - name: all
    from: [a, b]
    request: {method: [GET, PUT], host: [v, w], path: /}
    expect: {status: 200}
"""

    cases = read(tmp_path, text).cases

    assert len(cases) == 8
    assert cases[0].name == "all: GET v/ from a"
    assert cases[-1].name == "all: PUT w/ from b"


def test_every_row_of_a_table_is_a_case(tmp_path: Path) -> None:
    """An empty cell leaves the field as it is; the line is that of the row, the name has its cells."""
    text = """
cases:
  - name: pages
    request: {path: /, headers: {group: all}}
    expect: {destination: page/v1}
    table:
      - [request.headers.group, request.path, destination, expect.headers.request.x-a]
      - [inside,                /in,          page/v2,     b]
      - [~,                     ~,            ~,           ~]
"""

    first, second = read(tmp_path, text).cases

    assert (first.request.path, first.request.headers) == ("/in", {"group": "inside"})
    assert first.expect == {"destination": "page/v2", "headers": {"request": {"x-a": "b"}}}
    assert (first.line, first.name) == (8, "pages: inside, /in, page/v2, b")
    assert (second.request.path, second.request.headers) == ("/", {"group": "all"})
    assert second.expect == {"destination": "page/v1"}
    assert second.name == "pages: –, –, –, –"


def test_cells_replace_parts_of_a_request_line(tmp_path: Path) -> None:
    """The path of a URL, and the host; the name of a header may contain dots."""
    text = """
cases:
  - request: PUT http://books/a
    expect: {status: 200}
    table:
      - [request.host, request.path, request.headers.x.a, headers.request.x.b]
      - [cart,         /b,           c,                   d]
"""

    (case,) = read(tmp_path, text).cases

    assert requests(tmp_path, text) == ["outside PUT cart/b"]
    assert case.request.headers == {"x.a": "c"}
    assert case.expect == {"status": 200, "headers": {"request": {"x.b": "d"}}}


def test_defaults_hold_unless_a_case_says_otherwise(tmp_path: Path) -> None:
    """For the fields of the request, for its headers, and for the fields of `expect`."""
    text = """
defaults:
  from: web-v1
  request: {method: POST, host: books, headers: {x-a: a, x-b: b}}
  expect: {status: 200, timeout: 1s}
cases:
  - request: /one
  - {request: {path: /two, method: GET, headers: {x-b: ~}}, from: outside, expect: {timeout: 2s}}
  - request: http://cart/three
"""

    first, second, _ = read(tmp_path, text).cases

    assert requests(tmp_path, text) == [
        "web-v1 POST books/one",
        "outside GET books/two",
        "web-v1 POST cart/three",
    ]
    assert first.expect == {"status": 200, "timeout": "1s"}
    assert second.expect == {"status": 200, "timeout": "2s"}
    assert second.request.headers == {"x-a": "a"}


def test_a_token_is_a_file_or_claims(tmp_path: Path) -> None:
    """A file is sent as it is, claims are those of an imagined valid token."""
    (tmp_path / "token").write_text("a.b.c\n")
    text = """
cases:
  - {request: {path: /, jwt: token}, expect: {status: 200}}
  - {request: {path: /, jwt: {iss: me}}, expect: {status: 200}}
"""

    first, second = read(tmp_path, text).cases

    assert first.request.headers == {"authorization": "Bearer a.b.c"}
    assert second.request.claims == {"iss": "me"}


def test_manifests_are_relative_to_the_file(tmp_path: Path) -> None:
    """One or several folders to build, files and folders."""
    text = """
kustomization: [., ../other]
manifests: web.yaml
cases: [{request: GET /, expect: {status: 200}}]
"""

    file = read(tmp_path, text)

    assert file.kustomizations == (tmp_path / ".", tmp_path / "../other")
    assert file.manifests == (tmp_path / "web.yaml",)


def test_folders_are_searched(tmp_path: Path) -> None:
    """For the files *.test.yaml; as manifests these are left out."""
    text = "cases: [{request: GET /, expect: {status: 200}}]"
    for name in ("b/c.test.yaml", "a.test.yaml", "d.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    found = read_case_files([tmp_path])

    assert [file.file for file in found] == [
        str(tmp_path / name) for name in ("a.test.yaml", "b/c.test.yaml")
    ]
    assert list(manifest_files(tmp_path)) == [tmp_path / "d.yaml"]
    assert [each.file for each in texts([tmp_path])] == [str(tmp_path / "d.yaml")]


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name `-`, relative to the current folder."""
    text = b"manifests: a.yaml\ncases: [{request: GET /, expect: {status: 200}}]"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))

    (file,) = read_case_files([Path("-")])

    assert (file.file, file.manifests) == ("<stdin>", (Path("a.yaml"),))


LINE = "write METHOD URL, such as GET http://logic/path, or POST /path to enter through the gateway"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty; write `cases:` and a list of cases"),
        ("a: [", ": not YAML: did not find expected node content"),
        ("cases: []", "1: cases: found [], expected at least 1 entry; set a value"),
        ("[1]", "1: found [1], which is a list, expected a mapping"),
        (
            "case: []",
            '1: case: "case" is not a field here; the fields are cases, defaults, kustomization and',
        ),
        (
            "cases:\n- {request: GET /, expect: {destinaton: a}}",
            '2: cases[0].expect.destinaton: "destinaton" is not a field here; the fields are',
        ),
        (
            "cases:\n- {request: GET /}",
            "2: cases[0]: the case expects nothing; add `expect` with for example",
        ),
        ("cases:\n- {expect: {status: 200}}", f"2: cases[0].request: the request has no URL; {LINE}"),
        (
            "cases:\n- {request: get /, expect: {status: 200}}",
            f'2: cases[0].request.method: "get" is not a method; {LINE}',
        ),
        (
            "cases:\n- {request: GET ftp://a/, expect: {status: 200}}",
            '2: cases[0].request.url: "ftp://a/" has the scheme ftp; routes are for http:// and https://',
        ),
        (
            "cases:\n- {request: {url: a/, path: /}, expect: {status: 200}}",
            "2: cases[0].request.url: url is set beside host or path; keep one of them",
        ),
        (
            "cases:\n- {request: {path: a}, expect: {status: 200}}",
            '2: cases[0].request.path: "a" does not start with /; write /a',
        ),
        (
            "cases:\n- {request: {path: /, jwt: none}, expect: {status: 200}}",
            "2: cases[0].request.jwt: FOLDER/none cannot be read: No such file or directory; write the",
        ),
        (
            "cases:\n- {request: GET /, expect: {status: 20}}",
            "2: cases[0].expect.status: found 20, expected a number from 100 to 599; write a number in this",
        ),
        (
            "cases:\n- {request: GET /, expect: {timeout: 5}}",
            "2: cases[0].expect.timeout: found 5, expected a duration with its unit",
        ),
        (
            "cases:\n- {request: GET /, expect: {destination: a/b/c}}",
            '2: cases[0].expect.destination: "a/b/c" is not a destination; write HOST, HOST:PORT',
        ),
        (
            "cases:\n- {request: GET /, expect: {weights: {a/: 1}}}",
            '2: cases[0].expect.weights: "a/" is not a destination',
        ),
        (
            "cases:\n- {request: GET /, expect: {trafficPolicy: {conectionPool: {}}}}",
            '2: cases[0].expect.trafficPolicy.conectionPool: "conectionPool" is not a field here; the fields',
        ),
        (
            "cases:\n- {request: GET /, expect: {not: {trafficPolicy: {outlierDetection: {interval: 1}}}}}",
            "2: cases[0].expect.not.trafficPolicy.outlierDetection.interval: found 1, expected a duration",
        ),
        (
            "cases:\n- {request: GET /, expect: {not: {mirror: a//}}}",
            '2: cases[0].expect.not.mirror: "a//" is not a destination',
        ),
        (
            "cases:\n- request: GET /\n  table:\n  - [destinaton]\n  - [a]",
            '4: cases[0].table[0][0]: "destinaton" is not a field of a case; write destination',
        ),
        (
            "cases:\n- request: GET /\n  table:\n  - [destination, status]\n  - [a]",
            "5: cases[0].table[1]: the row has 1 of 2 cells; write ~ for an empty cell",
        ),
        (
            "cases:\n- request: GET /\n  table:\n  - [status]\n  - [none]",
            '5: cases[0].table[1].expect.status: found "none", which is a string, expected a whole number',
        ),
    ],
)
def test_what_cannot_be_used_is_a_line(text: str, message: str, tmp_path: Path) -> None:
    """With file, line and field, what is wrong and what would be right."""
    with pytest.raises(CaseFileError) as caught:
        read(tmp_path, text)

    (line,) = str(caught.value).splitlines()
    assert caught.value.exit_status == 2
    assert line.startswith(str(tmp_path / "a.test.yaml:"))
    assert message.replace("FOLDER", str(tmp_path)) in line


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    """Of all files, in the order of the lines."""
    (tmp_path / "a.test.yaml").write_text("cases:\n- {request: GET /}\n- {expect: {status: 404}}\n")
    (tmp_path / "b.test.yaml").write_text("cases: [{nam: a}]\nkind: [b]\n")

    with pytest.raises(CaseFileError) as caught:
        read_case_files([tmp_path])

    places = [line.removeprefix(str(tmp_path)).split(": ")[0] for line in str(caught.value).splitlines()]
    assert places == ["/a.test.yaml:2", "/a.test.yaml:3", "/b.test.yaml:1", "/b.test.yaml:2"]


def test_a_folder_without_cases_is_refused(tmp_path: Path) -> None:
    """As is a file that cannot be read."""
    with pytest.raises(CaseFileError, match=r"the folder has no \*\.test\.yaml files; name a file"):
        read_case_files([tmp_path])
    with pytest.raises(CaseFileError, match="cannot be read: No such file or directory"):
        read_case_files([tmp_path / "none"])
