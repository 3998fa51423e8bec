"""What an explanation says about the fields that cases compare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from localmesh.catalog import Catalog
from localmesh.explain import (
    Actions,
    Answer,
    Destination,
    Explanation,
    Hop,
    HopKind,
    Message,
    Outcome,
    Rule,
)
from localmesh.explain.explanation import HeaderChange, Routing


class Observation:
    """An explanation, read as a case reads it.

    The route is that of the last sidecar or gateway that chooses one, so that behind an egress gateway it is
    the gateway's. Policies are those of the called pods.
    """

    def __init__(self, explanation: Explanation, catalog: Catalog) -> None:
        self.explanation = explanation
        self._catalog = catalog
        routed = [hop for hop in explanation.hops if hop.routing is not None]
        self._caller = routed[-1] if routed else None

    @property
    def routing(self) -> Routing | None:
        """The choice of a route."""
        return self._caller.routing if self._caller else None

    @property
    def rule(self) -> Rule | None:
        """The rule of the VirtualService, or the default route."""
        return self.routing.rule if self.routing else None

    @property
    def actions(self) -> Actions:
        """What the route does besides choosing a destination."""
        return self.routing.actions if self.routing else Actions()

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """Where the route sends requests."""
        return self.routing.destinations if self.routing else ()

    def is_missing(self, destination: Destination) -> bool:
        """Whether a destination of a known host does not exist, such as a subset that no rule defines.

        Hosts that the manifests do not have may be defined elsewhere.
        """
        return not destination.exists and self._catalog.service(destination.host) is not None

    @property
    def arriving(self) -> list[Outcome]:
        """The outcomes in which an application is asked."""
        return [outcome for outcome in self.explanation.outcomes if outcome.answer is None]

    @property
    def messages(self) -> list[Message]:
        """The request as applications get it; where no proxy answers for certain."""
        return [outcome.message for outcome in self.arriving if outcome.message is not None]

    @property
    def answers(self) -> list[tuple[float, Answer]]:
        """What proxies answer themselves, with the odds of each."""
        return [(outcome.percent, outcome.answer) for outcome in self.explanation.outcomes if outcome.answer]

    @property
    def called(self) -> Iterator[Hop]:
        """The called sides that decide about access, and gateways that refuse the request."""
        return (
            hop for hop in self.explanation.hops if hop.kind is HopKind.INBOUND or _is_refused_by_gateway(hop)
        )

    def responses(self) -> list[Mapping[str, str | None]]:
        """For each destination what the mesh sets in its answer, and None for what it removes."""
        certain = self.explanation.answer
        own = self.actions.header_changes
        if certain is not None:
            answered = {name.lower(): value for name, value in certain.headers.items()}
            return [{**_changes(own), **answered}]
        return [_changes((*each.header_changes, *own)) for each in self.destinations]

    def traffic_policies(self) -> list[Mapping[str, Any]]:
        """The policy of the DestinationRule for each destination, as it is after subset and port."""
        return [self._policy(destination) for destination in self.destinations]

    def _policy(self, destination: Destination) -> Mapping[str, Any]:
        namespace = self._caller.namespace if self._caller else ""
        rule = self._catalog.rule_for(destination.host, namespace)
        if rule is None:
            return {}
        return rule.policy_for(destination.port, rule.subset(destination.subset))


def _changes(changes: Iterable[HeaderChange]) -> dict[str, str | None]:
    return {
        change.name.lower(): None if change.operation == "remove" else change.value
        for change in changes
        if change.side == "response"
    }


def _is_refused_by_gateway(hop: Hop) -> bool:
    refused = bool(hop.tokens and hop.tokens.rejected) or bool(
        hop.authorization and not hop.authorization.allowed
    )
    return hop.kind is HopKind.GATEWAY and refused
