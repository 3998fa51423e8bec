"""Runs proofs and prints each result as soon as it is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadgen.errors import NotReachable, Refused
from loadgen.http1 import Target
from loadgen.meshstate import MeshApi, MeshLocation

if TYPE_CHECKING:
    from rich.console import Console

    from loadgen.proofs.common.proof import Proof, ProofContext, Result

    AnyProof = Proof[Any, Any]


@dataclass(frozen=True, slots=True)
class ProofRunner:
    """Runs proofs on one mesh; `target` is localmesh or cluster."""

    api: MeshApi
    gateway: Target
    target: str
    istio_namespace: str

    def run(self, proofs: Sequence[AnyProof], output: Console) -> list[Result]:
        """Prove the current configuration, one proof after the other."""
        from loadgen.prove.sequence import prove_current

        return self._printed(prove_current(proofs, self.context), output)

    def run_on_overlays(
        self, proofs: Sequence[AnyProof], overlays: Mapping[str, Path], output: Console
    ) -> list[Result]:
        """Run each proof on its own overlay, and print a table of all at the end."""
        from loadgen.deploy import deployer_of
        from loadgen.prove.sequence import prove_overlays, restored
        from loadgen.reporting.report import print_summary

        deployer = deployer_of(self.target, self.api, self.istio_namespace)
        with restored(deployer, lambda sentence: click.echo(f"loadgen: {sentence}", err=True)):
            results = self._printed(prove_overlays(proofs, overlays, deployer, self.context), output)
            print_summary(output, results)
            if any(result.interrupted for result in results):
                click.echo(
                    "loadgen: restoring the previous configuration; Ctrl-C again ends without that", err=True
                )
        return results

    def context(self, proof: AnyProof) -> ProofContext:
        """The context of a proof."""
        from loadgen.proofs.common.proof import ProofContext, change_cluster, change_localmesh
        from loadgen.reporting.progress import listener

        change = change_cluster if self.target == "cluster" else change_localmesh
        return ProofContext(self.api, self.gateway, listener(proof.scenario), change)

    def _printed(self, results: Iterator[Result], output: Console) -> list[Result]:
        """Print each result as soon as it is there, and the legend; returns all of them."""
        from loadgen.reporting.report import print_legend, print_result

        done = []
        for result in results:
            print_result(output, result)
            self._show_on_live_page(result)
            done.append(result)
        if any(check.measured for result in done for check in result.checks):
            print_legend(output)
        return done

    def _show_on_live_page(self, result: Result) -> None:
        """Report a result to the local mesh; one that does not take it changes nothing about the verdict."""
        if self.target == "cluster":
            return
        from loadgen.reporting.report_json import document

        mesh, started = MeshLocation(self.api.url), datetime.now(UTC) - timedelta(seconds=result.seconds)
        report = document([result], mesh=mesh, gateway=self.gateway.url, started=started)
        with suppress(NotReachable, Refused):
            self.api.send("POST", "/mesh/proofs", report)
