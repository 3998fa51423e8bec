"""frontend: the contract of the page and its files, and the separation of versions."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

import pytest

from services.frontend.app import FrontendSettings, create_app

VERSIONS = ["v1", "v2"]


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version in turn."""
    return str(request.param)


@pytest.fixture
def client(version: str):
    """A test client of this version."""
    return create_app(FrontendSettings(version=version, pod="frontend-pod")).test_client()


def addresses(html: str) -> list[str]:
    """Every URL that the page loads."""
    return re.findall(r'(?:src|href)="([^"]+)"', html)


def test_the_page_is_served(client, version):
    """As HTML with its hop, in the header and, for its script, in the document."""
    answer = client.get("/")

    assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8")
    assert answer.headers["served-by"] == f"frontend/{version}/frontend-pod"
    assert f'<meta name="served-by" content="frontend/{version}/frontend-pod">' in answer.text


def test_the_page_links_to_the_live_page_of_localmesh(client, version):
    """If localmesh has started it; elsewhere there is no such page."""
    url = "http://127.0.0.1:7080"
    started = create_app(FrontendSettings(version=version, pod="frontend-pod", localmesh_url=url))

    assert f'<a href="{url}/">live page</a>' in started.test_client().get("/").text
    assert "live page" not in client.get("/").text


def test_all_files_of_the_page_exist_and_have_its_version(client, version):
    """Only files of its version from its own origin."""
    loaded = addresses(client.get("/").text)

    assert {address.rpartition(".")[2] for address in loaded} == {"css", "js", "svg"}
    assert all(address.startswith(f"/static/{version}/") for address in loaded)
    assert {client.get(address).status_code for address in loaded} == {200}


def test_no_version_has_the_files_of_another(client, version):
    """404 with the reason."""
    other = next(candidate for candidate in VERSIONS if candidate != version)

    answer = client.get(f"/static/{other}/app.js")

    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert answer.json["detail"] == f'This is frontend {version}; it has no files of version "{other}".'
    assert answer.headers["served-by"] == f"frontend/{version}/frontend-pod"


def test_the_versions_look_different():
    """Same page, same script, another style."""
    clients = [
        create_app(FrontendSettings(version=other_version, pod="p")).test_client()
        for other_version in VERSIONS
    ]

    def file(name: str) -> list[bytes]:
        return [
            client.get(f"/static/{other_version}/{name}").data
            for other_version, client in zip(VERSIONS, clients, strict=True)
        ]

    first, second = file("style.css")
    assert first != second
    assert len(set(file("app.js"))) == 1


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("app.js", "text/javascript; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("favicon.svg", "image/svg+xml"),
    ],
)
def test_files_are_cached_and_revalidated(client, version, name, media_type):
    """A client with the current content gets 304."""
    first = client.get(f"/static/{version}/{name}")
    again = client.get(f"/static/{version}/{name}", headers={"If-None-Match": first.headers["ETag"]})

    assert first.content_type == media_type
    assert first.headers["Cache-Control"] == "no-cache"
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["served-by"] == f"frontend/{version}/frontend-pod"


def test_the_page_is_not_cached(client):
    """Each request may reach another version."""
    assert client.get("/").headers["Cache-Control"] == "no-store"


def test_a_browser_runs_nothing_but_the_page_and_its_files(client):
    """The policy allows this origin and the two snippets, by their digests."""
    answer = client.get("/")

    policy = dict(
        directive.split(" ", 1) for directive in answer.headers["Content-Security-Policy"].split("; ")
    )
    snippets = {"script-src": r"<script>(.*?)</script>", "style-src": r"<style>(.*?)</style>"}
    assert policy["default-src"] == "'none'"
    for directive, pattern in snippets.items():
        (snippet,) = re.findall(pattern, answer.text, re.DOTALL)
        digest = b64encode(sha256(snippet.encode()).digest()).decode()
        assert policy[directive] == f"'self' 'sha256-{digest}'"
    assert not re.search(r'\son\w+="|\sstyle="', answer.text)


@pytest.mark.parametrize(
    "path", ["/static/", "/static/v1/", "/static/{}/nothing.js", "/static/{}/../app.py", "/x"]
)
def test_a_missing_file_is_a_problem(client, version, path):
    """404, also for path traversal."""
    answer = client.get(path.format(version))

    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


def test_favicon_ico_exists(client):
    """Browsers request it without reading the page."""
    answer = client.get("/favicon.ico")

    assert (answer.status_code, answer.content_type) == (200, "image/svg+xml")


@pytest.mark.parametrize("path", ["/", "/favicon.ico"])
def test_the_page_accepts_only_get(client, path):
    """405 for other methods."""
    assert client.post(path).status_code == 405
