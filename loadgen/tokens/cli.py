"""The command line of `loadgen token`."""

from __future__ import annotations

from typing import Any

import click

from loadgen.errors import ExitStatus
from loadgen.run.cli import Duration
from loadgen.tokens.jwt import ISSUER, claims, demo_key, signed


@click.command()
@click.option("--group", "groups", multiple=True, help="The claim `group`; several become a list.")
@click.option("--subject", default="demo", show_default=True, help="Whom the token is about (`sub`).")
@click.option("--issuer", default=ISSUER, show_default=True, help="Who claims to have made it (`iss`).")
@click.option("--expires-in", type=Duration(), default=3600.0, help="Like 30s or 5m.  [default: 1h]")
@click.option("--expired", is_flag=True, help="A token that expired so long ago instead.")
def token(
    groups: tuple[str, ...], subject: str, issuer: str, expires_in: float, *, expired: bool
) -> ExitStatus:
    """Print a token (JWT) for the scenario jwt, signed with its key.

    The key is public, in loadgen/tokens/demo-key.pem: such a token proves nothing to anybody but the
    demonstration.
    """
    more: dict[str, Any] = {"sub": subject}
    if groups:
        more["group"] = groups[0] if len(groups) == 1 else list(groups)
    lifetime = -expires_in if expired else expires_in
    click.echo(signed(claims(issuer=issuer, lifetime_seconds=lifetime, **more), demo_key()))
    return ExitStatus.OK
