"""`localmesh explain`: what it takes, and what it says about input that it cannot use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localmesh.cli.commands import run
from localmesh.tests.explain.broken_cases import FOLDER

SHOP = FOLDER / "_shop.yaml"


def explain(*arguments: str) -> int:
    return run(["explain", *arguments, "-f", str(SHOP)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "write [METHOD] URL, for example: GET http://web/path"),
        (["GET", "http://web/", "more"], "write [METHOD] URL, for example: GET http://web/path"),
        (["get", "http://web/"], '"get" is not a method: write GET'),
        (["FETCH", "http://web/"], '"FETCH" is not a method; methods are CONNECT, DELETE, GET'),
        (["ftp://web/"], '"ftp://web/" has the scheme ftp; routes are for http:// and https://'),
        (["/a", "--from", "client"], '"/a" has no host: from a workload write http://HOST/a'),
        (["http://"], '"http://" is not a URL; write one such as http://web:8080/path'),
        (["http://web:port/"], '"http://web:port/" has a port that is not a number from 1 to 65535'),
        (["http://[::1]:80/"], '"http://[::1]:80/" has an IPv6 address'),
        (
            ["https://web/", "--from", "client"],
            "a sidecar cannot route https://, which the application encrypts",
        ),
        (
            ["http://web/", "--from", "cleint"],
            'no workload or gateway is called "cleint"; there are: bare, client',
        ),
        (["http://web/", "-H", "user"], "\"user\" is not a header: write 'name: value'"),
        (["http://web/", "-H", "bad name: x"], "\"bad name: x\" is not a header: write 'name: value'"),
        (["http://web/", "--jwt", "/dev/null"], "--jwt: /dev/null is empty; write a token to it"),
        (["http://web/", "--jwt", "{sub}"], "--jwt: the claims are not JSON: "),
        (["http://web/", "--jwt", "/nowhere"], "--jwt: /nowhere cannot be read (No such file or directory)"),
        (["http://web/", "--source-ip", "here"], '--source-ip: "here" is not an IP address'),
        (
            ["http://web/", "--follow"],
            "--follow sends the request through the running mesh: give neither -k nor -f",
        ),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what was found and what to write, with exit status 2."""
    status = explain(*arguments)

    captured = capsys.readouterr()
    assert (status, captured.out) == (2, "")
    assert message in captured.err
    assert len(captured.err.splitlines()) == 1


def test_json_is_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    """`-o json` prints the request, the hops and what can happen."""
    assert explain("POST", "http://web/a?b=c", "--from", "client", "-H", "X-User: me", "-o", "json") == 0

    described = json.loads(capsys.readouterr().out)
    assert described["request"] == {
        "method": "POST",
        "url": "http://web/a?b=c",
        "headers": {"X-User": "me"},
        "from": "client",
        "claims": None,
    }
    assert [hop["kind"] for hop in described["hops"]] == ["outbound", "inbound", "inbound"]
    assert {outcome["workload"]: outcome["percent"] for outcome in described["outcomes"]} == {
        "web-v1": 50,
        "web-v2": 50,
    }


def test_a_path_alone_is_one_of_the_gateway(capsys: pytest.CaptureFixture[str]) -> None:
    """The request comes from outside, to any host."""
    assert explain("/a", "-o", "json") == 0

    described = json.loads(capsys.readouterr().out)
    assert described["request"]["url"] == "http://localhost/a"
    assert described["hops"][0]["kind"] == "gateway"


def test_a_token_is_read_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--jwt FILE` sends the token as a bearer token."""
    token = tmp_path / "token"
    token.write_text("header.payload.signature\n")

    assert explain("http://web/", "--from", "client", "--jwt", str(token), "-o", "json") == 0

    described = json.loads(capsys.readouterr().out)
    assert described["request"]["headers"] == {"authorization": "Bearer header.payload.signature"}


def test_claims_are_those_of_a_valid_token(capsys: pytest.CaptureFixture[str]) -> None:
    """`--jwt '{…}'` imagines a token, which the policy of the case asks for."""
    arguments = ["http://web/", "--from", "client", "-f", str(FOLDER / "no_token.yaml")]

    assert explain(*arguments, "--jwt", '{"sub": "me"}') == 0

    assert "403" not in capsys.readouterr().out


def test_the_name_of_a_service_says_which_workloads_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    """Callers are workloads."""
    assert explain("http://web/", "--from", "web") == 2

    assert '"web" is a Service: write web-v1 or web-v2' in capsys.readouterr().err


def test_without_a_gateway_the_selector_that_fits_none_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the fix of the warning."""
    shop = tmp_path / "shop.yaml"
    shop.write_text(SHOP.read_text().replace("istio: ingressgateway", "istio: ingress"))

    status = run(["explain", "http://shop.example.com/", "-f", str(shop)])

    message = capsys.readouterr().err
    assert (status, len(message.splitlines())) == (2, 1)
    assert "no gateway has the labels istio=ingress" in message
    assert "(SM223); correct the labels" in message


def test_columns_set_the_width(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where the output is not a terminal."""
    monkeypatch.setenv("COLUMNS", "60")

    assert explain("http://web/", "--from", "client") == 0

    lines = capsys.readouterr().out.splitlines()
    assert 40 < max(len(line) for line in lines if "[/" not in line) <= 60


@pytest.mark.parametrize(
    ("url", "caller"),
    [
        ("http://web/", "any-workload.shop"),
        ("http://web.shop.svc.cluster.local/", "any-workload.shop"),
        ("http://shop.example.com/", "outside"),
        ("/", "outside"),
    ],
)
def test_a_host_of_the_mesh_is_called_by_any_workload_unless_one_is_named(
    url: str, caller: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is in the namespace of the Service; other hosts are called from outside."""
    explain(url)

    assert capsys.readouterr().out.startswith(
        f"GET {url if url != '/' else 'http://localhost/'} from {caller}\n"
    )


def test_a_virtual_service_alone_is_called_from_its_own_namespace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The manifests of an application may be elsewhere; what the routes lack is named."""
    (tmp_path / "web.yaml").write_text(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: shop}\n"
        "spec: {hosts: [web], http: [{route: [{destination: {host: web}}]}]}\n"
    )

    status = run(["explain", "http://web/", "-f", str(tmp_path)])

    shown = capsys.readouterr().out
    assert status == 0
    assert "from any-workload.shop" in shown
    assert "there is no Service or ServiceEntry web.shop.svc.cluster.local" in shown
