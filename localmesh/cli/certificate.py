"""`localmesh certificate`: a certificate for tests, with the Secret that a Gateway names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import click

from localmesh.catalog.default_gateways import SYSTEM_NAMESPACE
from localmesh.cli.host_certificates import HostAuthority, Pair
from localmesh.formats.hostnames import is_address, is_label, is_wildcard_domain

_PRIVATE = 0o600


@click.command()
@click.argument("hosts", nargs=-1, metavar="HOST...")
@click.option("--name", help="Name of the Secret and the files.  [default: the first host, with dashes]")
@click.option(
    "-n", "--namespace", default=SYSTEM_NAMESPACE, show_default=True, help="Namespace of the Secret."
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("certificates"),
    show_default=True,
    help="Folder of the files; a CA that is there issues this certificate, too.",
)
@click.option(
    "--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="How long it is valid."
)
def certificate(hosts: tuple[str, ...], name: str | None, namespace: str, folder: Path, days: int) -> None:
    """Make a certificate for hosts, a CA for tests that signs it, and a Secret with it.

    A Gateway names the Secret in credentialName; with the mode MUTUAL, the CA also verifies clients. The
    certificate can be that of a client, too. Nothing but tests may trust this CA: its key is a plain file.
    """
    _require(hosts, name, namespace)
    name = name or hosts[0].replace("*", "any").replace(".", "-").replace(":", "-").strip("-").lower()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        authority, is_new = _authority(folder, days)
        pair = authority.issue(hosts)
        files = _write(folder, name, pair)
        manifest = folder / f"{name}.yaml"
        _write_private(manifest, secret(name, namespace, pair, authority.pair.certificate).encode())
    except OSError as error:
        raise click.UsageError(f"--folder {folder} cannot be used: {error.strerror}") from None
    lines = [
        (folder / "ca.crt", f"the CA for tests{'' if is_new else ', as it was'}"),
        (manifest, f"Secret {namespace}/{name}, for credentialName: {name}"),
        (files, "the same as files"),
    ]
    width = max(len(str(path)) for path, _ in lines) + 2
    for path, text in lines:
        click.echo(f"{path!s:<{width}}{text}")
    host = hosts[0].replace("*", "any")
    click.echo(f"localmesh apply -f {manifest}")
    click.echo(f"curl --cacert {folder / 'ca.crt'} --connect-to {host}:443:127.0.0.1:8443 https://{host}/")


def _require(hosts: Sequence[str], name: str | None, namespace: str) -> None:
    """Raises click.UsageError for what cannot be in a certificate or a Secret."""
    if not hosts:
        raise click.UsageError("no hosts: give the names that clients use, such as shop.example.com")
    for host in hosts:
        if not is_address(host) and (host == "*" or not is_wildcard_domain(host)):
            raise click.UsageError(f'"{host}" is not a host: write a DNS name, *.example.com or an address')
    if name is not None and not re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name):
        raise click.UsageError(f'--name "{name}" is not a name: write lower-case letters, digits, - and .')
    if not is_label(namespace):
        raise click.UsageError(f'--namespace "{namespace}" is not a namespace')


def _authority(folder: Path, days: int) -> tuple[HostAuthority, bool]:
    """The CA of the folder, and whether it is new. Raises click.UsageError if it is unusable."""
    certificate_file, key_file = folder / "ca.crt", folder / "ca.key"
    if certificate_file.exists() and key_file.exists():
        try:
            return HostAuthority(days, Pair(certificate_file.read_bytes(), key_file.read_bytes())), False
        except ValueError:
            raise click.UsageError(
                f"{certificate_file} and {key_file} are not a CA of this command: choose another --folder"
            ) from None
    authority = HostAuthority(days)
    certificate_file.write_bytes(authority.pair.certificate)
    _write_private(key_file, authority.pair.private_key)
    return authority, True


def _write(folder: Path, name: str, pair: Pair) -> str:
    (folder / f"{name}.crt").write_bytes(pair.certificate)
    _write_private(folder / f"{name}.key", pair.private_key)
    return f"{folder / name}.crt, .key"


def _write_private(file: Path, content: bytes) -> None:
    file.touch(mode=_PRIVATE)
    file.chmod(_PRIVATE)
    file.write_bytes(content)


def secret(name: str, namespace: str, pair: Pair, authority: bytes) -> str:
    """The manifest of a Secret with a certificate, its key, and the CA that verifies clients."""
    keys = {"tls.crt": pair.certificate, "tls.key": pair.private_key, "ca.crt": authority}
    blocks = (f"  {key}: |\n" + _indented(content.decode()) for key, content in keys.items())
    return (
        "apiVersion: v1\nkind: Secret\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\n"
        f"type: kubernetes.io/tls\nstringData:\n{''.join(blocks)}"
    )


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())
