"""Running proofs for somebody who watches: printed one by one as they are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loadgen.http1 import Target
from loadgen.meshstate import MeshApi

if TYPE_CHECKING:
    from rich.console import Console

    from loadgen.deploy import Deployer
    from loadgen.proofs.common.proof import Proof, ProofContext, Result


@dataclass(frozen=True, slots=True)
class ProofRunner:
    """The mesh that is proven on: `target` is localmesh or cluster."""

    api: MeshApi
    gateway: Target
    target: str
    istio_namespace: str

    def proven(self, wanted: Sequence[Proof], output: Console) -> list[Result]:
        """Each proof once, in order, of what is in force."""
        from loadgen.prove.sequence import prove_as_in_force

        return _printed(prove_as_in_force(wanted, self.bench), output)

    def in_turn(self, wanted: Sequence[Proof], overlays: Mapping[str, Path], output: Console) -> list[Result]:
        """Each proof on its own overlay, and a table of all in the end."""
        from loadgen.prove.sequence import prove_in_turn, put_back
        from loadgen.reporting.report import print_summary

        stage = self._stage()
        with put_back(stage, lambda sentence: click.echo(f"loadgen: {sentence}", err=True)):
            results = _printed(prove_in_turn(wanted, overlays, stage, self.bench), output)
            print_summary(output, results)
            if any(result.interrupted for result in results):
                click.echo(
                    "loadgen: putting back what was in force before; Ctrl-C again ends without that", err=True
                )
        return results

    def bench(self, proof: Proof) -> ProofContext:
        """What a proof works with."""
        from loadgen.proofs.common.live_update import change_cluster, change_localmesh
        from loadgen.proofs.common.proof import ProofContext
        from loadgen.reporting.progress import listener

        change = change_cluster if self.target == "cluster" else change_localmesh
        return ProofContext(self.api, self.gateway, listener(proof.scenario), change)

    def _stage(self) -> Deployer:
        from loadgen.deploy import ClusterDeployer, LocalmeshDeployer
        from loadgen.deploy.localmesh import TIMEOUT_SECONDS

        if self.target == "cluster":
            return ClusterDeployer(self.api, self.api.elsewhere(self.istio_namespace))
        return LocalmeshDeployer(MeshApi(self.api.url, self.api.namespace, timeout_seconds=TIMEOUT_SECONDS))


def _printed(results: Iterator[Result], output: Console) -> list[Result]:
    """All of them, each printed as soon as it is there, and the legend."""
    from loadgen.reporting.report import print_legend, print_result

    done = []
    for result in results:
        print_result(output, result)
        done.append(result)
    if any(check.measured for result in done for check in result.checks):
        print_legend(output)
    return done
