"""`localmesh proxy-config`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from localmesh.cli import client
from localmesh.cli.options import (
    manifest_options,
    state_option,
    strict_option,
)
from localmesh.cli.sources import Sources

_PARTS = ("listeners", "routes", "clusters", "endpoints")


@click.command("proxy-config")
@click.argument("part", type=click.Choice([*_PARTS, "policies", "all"]))
@click.argument("workload")
@manifest_options
@strict_option
@state_option
def proxy_config(
    *,
    part: str,
    workload: str,
    sources: Sources,
    strict: bool,
    state_folder: Path | None,
) -> None:
    """Print the Envoy configuration of a workload's sidecar or of a gateway, as JSON.

    WORKLOAD is the name of a Deployment, of a gateway such as istio-ingressgateway, or of one of their pods;
    NAME.NAMESPACE if the name alone is not unique. With -k or -f the manifests are translated and nothing is
    started.
    """
    if sources:
        from localmesh.translate.from_manifests import UnknownWorkloadError
        from localmesh.translate.from_manifests import proxy_config as offline
        from localmesh.xds.config_dump import config_dump

        try:
            config = config_dump(offline(sources.load(strict=strict).resources, workload))
        except UnknownWorkloadError as error:
            raise click.UsageError(str(error)) from None
    else:
        config = client.connect(state_folder).get(f"/mesh/proxy-config/{workload}")
    chosen = {name: config[name] for name in _PARTS} if part == "all" else config[part]
    click.echo(json.dumps(chosen, indent=2))
