"""The command line of `loadgen token`."""

from __future__ import annotations

from typing import Any

import click

from loadgen.errors import ExitStatus
from loadgen.run.cli import Duration
from loadgen.tokens.signing import ISSUER, claims, demo_key, signed


@click.command()
@click.option("--group", "groups", multiple=True, help="The claim `group`; repeat it for a list.")
@click.option("--subject", default="demo", show_default=True, help="The claim `sub`.")
@click.option("--issuer", default=ISSUER, show_default=True, help="The claim `iss`.")
@click.option(
    "--expires-in", type=Duration(), default=3600.0, help="Lifetime, such as 30s or 5m.  [default: 1h]"
)
@click.option("--expired", is_flag=True, help="Print a token that expired that long ago.")
def token(
    groups: tuple[str, ...], subject: str, issuer: str, expires_in: float, *, expired: bool
) -> ExitStatus:
    """Print a JSON Web Token (JWT) for the scenario jwt, signed with the demo key.

    The key is public (loadgen/tokens/demo-key.pem): the token is worthless outside of the demo.
    """
    more: dict[str, Any] = {"sub": subject}
    if groups:
        more["group"] = groups[0] if len(groups) == 1 else list(groups)
    lifetime = -expires_in if expired else expires_in
    click.echo(signed(claims(issuer=issuer, lifetime_seconds=lifetime, **more), demo_key()))
    return ExitStatus.OK
