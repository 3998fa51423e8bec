"""`localmesh certificate`: files and a Secret that a Gateway can name."""

from __future__ import annotations

import contextlib
import ssl
import stat
from pathlib import Path

import pytest

from localmesh.catalog import build
from localmesh.catalog.credentials import credential
from localmesh.cli.commands import run
from localmesh.manifests import load


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_secret_is_a_credential_of_the_ingress_gateway(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For certificates and for the CA of clients; Envoy accepts both."""
    status = run(["certificate", "shop.example.com", "10.0.0.1"])

    assert status == 0
    assert capsys.readouterr().out == (
        "certificates/ca.crt                      the CA for tests\n"
        "certificates/shop-example-com.yaml       Secret istio-system/shop-example-com, for credentialName: "
        "shop-example-com\n"
        "certificates/shop-example-com.crt, .key  the same as files\n"
        "localmesh apply -f certificates/shop-example-com.yaml\n"
        "curl --cacert certificates/ca.crt --connect-to shop.example.com:443:127.0.0.1:8443 "
        "https://shop.example.com/\n"
    )
    config = build(load(files=[folder / "certificates" / "shop-example-com.yaml"]).resources).config
    for name in ("kubernetes://shop-example-com", "kubernetes://shop-example-com-cacert"):
        found = credential(config, name, "istio-system")
        assert found is not None
        assert found.fault == ""


def test_a_ca_in_the_folder_issues_further_certificates(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So clients need one CA only; keys can be read by their owner only."""
    run(["certificate", "*.example.com", "--folder", "own", "--name", "first", "--days", "1"])
    authority = (folder / "own" / "ca.crt").read_bytes()
    capsys.readouterr()
    run(["certificate", "b.example.com", "--folder", "own", "-n", "edge"])

    assert "own/ca.crt" in (printed := capsys.readouterr().out)
    assert "the CA for tests, as it was" in printed
    assert "Secret edge/b-example-com" in printed
    assert (folder / "own" / "ca.crt").read_bytes() == authority
    for name in ("first", "b-example-com"):
        ssl.create_default_context().load_cert_chain(
            folder / "own" / f"{name}.crt", folder / "own" / f"{name}.key"
        )
    private = [path for path in (folder / "own").iterdir() if not path.match("*.crt")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert len(private) == 5


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> ssl.SSLObject:
    """The client's side of a connection in memory. Raises ssl.SSLError if a side refuses the other."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for end in ends * 2:
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    return ends[0]


def test_clients_that_verify_strictly_trust_the_certificate(folder: Path) -> None:
    """As clients in Python 3.13 do; and a server that verifies strictly trusts it as that of a client."""
    run(["certificate", "shop.example.com", "--folder", "."])
    contexts = [ssl.SSLContext(protocol) for protocol in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT)]
    for context in contexts:
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_verify_locations("ca.crt")
        context.load_cert_chain("shop-example-com.crt", "shop-example-com.key")

    connection = handshake(*contexts, "shop.example.com")

    assert connection.cipher() is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no hosts: give the names that clients use, such as shop.example.com"),
        (["https://shop"], '"https://shop" is not a host: write a DNS name, *.example.com or an address'),
        (["*"], '"*" is not a host: write a DNS name, *.example.com or an address'),
        (["a.b", "--name", "A"], '--name "A" is not a name: write lower-case letters, digits, - and .'),
        (["a.b", "-n", "a.b"], '--namespace "a.b" is not a namespace'),
        (["a.b", "--folder", "file"], "Invalid value for '--folder': Directory 'file' is a file."),
        (["a.b", "--folder", "file/x"], "--folder file/x cannot be used: Not a directory"),
        (["a.b", "--folder", "bad"], "bad/ca.crt and bad/ca.key are not a CA of this command: choose another "
         "--folder"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """With exit status 2, and nothing is written over."""
    (folder / "file").touch()
    (folder / "bad").mkdir()
    for name in ("ca.crt", "ca.key"):
        (folder / "bad" / name).write_text("mine")

    status = run(["certificate", *arguments])

    assert status == 2
    assert capsys.readouterr().err == (
        f"localmesh certificate: error: {message} (see localmesh certificate --help)\n"
    )
    assert (folder / "bad" / "ca.key").read_text() == "mine"
