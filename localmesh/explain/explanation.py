"""What becomes of a request: the values that an explanation is made of.

All are plain and frozen. Where something is written in the manifests it has a `Reference`; files and lines
are looked up only when an explanation is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from localmesh.explain.request import Message, Request
from localmesh.manifests import Resource
from localmesh.problems import FieldPath

Json = Mapping[str, Any]
_WHOLE_OBJECT = FieldPath()


@dataclass(frozen=True, slots=True)
class Reference:
    """A field of an object of the manifests; with an empty path the object itself."""

    resource: Resource
    path: FieldPath = _WHOLE_OBJECT

    @property
    def subject(self) -> str:
        """Kind, namespace and name: `VirtualService shop/web`."""
        return self.resource.place.subject


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was looked at: `field` in Istio's words, and the value that the request has there.

    `seen` is None if the request has nothing there, such as no header of that name.
    """

    field: str
    expected: str
    seen: str | None
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A route of a virtual host: which rule of which object it was made from.

    `virtual_service` is `namespace/name`, "" for the default route of a Service and for unknown hosts.
    `index` is the rule's place in `spec.http`, `match_index` that of the match, None where it has none.
    `name` is Envoy's: the rule's, and that of the match. `fields` are the fields that the rule sets, such as
    `timeout`, by name.
    """

    name: str
    virtual_service: str = ""
    index: int | None = None
    match_index: int | None = None
    match: Json = field(default_factory=dict)
    reference: Reference | None = None
    fields: Mapping[str, Reference] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SkippedRule:
    """A rule before the chosen one, and the first of its conditions that did not hold."""

    rule: Rule
    failed: Condition


class Tls(StrEnum):
    """How a connection is secured."""

    MUTUAL = "mTLS"
    PLAIN = "plain text"
    OTHER = "TLS"
    """TLS that is not of the mesh, so that the caller has no identity there."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of a cluster: its name and value in words, and the part of a DestinationRule that has it.

    `level` is host, port, subset or subset port, or default where no DestinationRule says anything.
    """

    name: str
    value: str
    level: str
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class HeaderChange:
    """An operation on a header: `set`, `add` or `remove`; `side` is request or response."""

    side: str
    operation: str
    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a route sends requests: an Envoy cluster, and its share in percent.

    `host` is the full name, `subset` "" for none. `exists` is False if the proxy has no such cluster, which
    Envoy answers with 503. `is_external`: outside the mesh, where endpoints are not pods. `pods` are the
    names of the pods that are ready, `endpoints` the addresses of all endpoints.
    """

    cluster: str
    host: str = ""
    port: int = 0
    subset: str = ""
    percent: float = 100.0
    exists: bool = True
    is_external: bool = False
    pods: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    header_changes: tuple[HeaderChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """An injected fault: a delay (such as `3s`) or an abort with a status, and its odds in percent."""

    percent: float
    delay: str = ""
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Mirror:
    """Copies of requests, and of how many, in percent."""

    destination: Destination
    percent: float


@dataclass(frozen=True, slots=True)
class Actions:
    """What a route does with a request besides choosing its destination; most of it is empty for most routes.

    `retries` and `cors` are Envoy's settings, None for no retries and no CORS policy; `timeout` is "" for
    none.
    """

    rewrite_path: str = ""
    rewrite_authority: str = ""
    header_changes: tuple[HeaderChange, ...] = ()
    timeout: str = ""
    retries: Json | None = None
    faults: tuple[Fault, ...] = ()
    mirrors: tuple[Mirror, ...] = ()
    cors: Json | None = None
    hash_policy: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Connection:
    """The connection to a called pod: how it is secured, what is accepted, and who both sides are.

    `accepts` is the mode of the port (PERMISSIVE, STRICT or DISABLE), `policy` the PeerAuthentication that
    says so, None for the mesh's default. A connection that is not accepted has a reason and Envoy's response
    flag.
    """

    tls: Tls
    accepts: str
    client: str = ""
    server: str = ""
    policy: Reference | None = None
    accepted: bool = True
    reason: str = ""
    flag: str = ""
    is_tcp: bool = False
    """Whether the called port is TCP, so that the sidecar passes requests on as bytes."""


@dataclass(frozen=True, slots=True)
class TokenCheck:
    """What RequestAuthentications make of the token.

    `claims` are those of a valid one, `refused` those of one that is refused for its claims; else None.
    """

    issuers: tuple[str, ...]
    claims: Json | None = None
    rejected: str = ""
    references: tuple[Reference, ...] = ()
    """The rules of RequestAuthentications that apply to the workload."""
    refused: Json | None = None


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """A rule of an AuthorizationPolicy: whether it matched, or the first condition that did not hold.

    `unchecked` are its conditions on requests where connections are not HTTP: a rule that allows is then left
    out, so that it allows nothing; any other goes without them. `held` are the conditions of a rule that
    matched.
    """

    policy: str
    action: str
    index: int | None
    matched: bool
    failed: Condition | None = None
    dry_run: bool = False
    reference: Reference | None = None
    unchecked: tuple[str, ...] = ()
    held: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Authorization:
    """The decision of the AuthorizationPolicies; `deciding` is the rule that made it, if one did.

    A request that no ALLOW rule matches is denied without a deciding rule; `rules` then says why each did
    not.
    """

    allowed: bool
    reason: str
    deciding: PolicyRule | None = None
    rules: tuple[PolicyRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that a proxy gives itself, so that no application is asked.

    `status` is None if the connection is closed without an answer. `flag` is Envoy's response flag, "" for
    none; `cause` one sentence for people.
    """

    status: int | None
    flag: str = ""
    cause: str = ""
    by: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


class HopKind(StrEnum):
    """Which side of a call a proxy is on; a gateway is on both."""

    OUTBOUND = "outbound"
    GATEWAY = "gateway"
    INBOUND = "inbound"
    DIRECT = "direct"
    """A pod without a sidecar calls."""


@dataclass(frozen=True, slots=True)
class Routing:
    """What a route configuration makes of a request: the virtual host, the rule, and where it leads.

    `domain` is the one of the virtual host that matched. Without a virtual host or a rule nothing matched,
    which Envoy answers with 404. `skipped` are the rules before the chosen one, or all. A rule that redirects
    or answers has no destinations. `connection_rule` is the `tcp` or `tls` rule of a proxy that forwards the
    connection as it is, which has no route configuration.
    """

    configuration: str
    virtual_host: str = ""
    domain: str = ""
    rule: Rule | None = None
    skipped: tuple[SkippedRule, ...] = ()
    actions: Actions = Actions()
    destinations: tuple[Destination, ...] = ()
    connection_rule: Reference | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """One proxy on the way, in the order of what it does; `message` is the request as it arrives.

    `connection` is None where the proxy takes requests of its own application, `tokens` and `authorization`
    are None where no policy applies, `routing` is None on the called side, which has one route to the
    application. `answer` is what the proxy answers for certain; the faults in `routing.actions` come with
    odds.
    """

    kind: HopKind
    workload: str
    namespace: str
    proxy: str
    message: Message
    listener: str = ""
    connection: Connection | None = None
    tokens: TokenCheck | None = None
    authorization: Authorization | None = None
    routing: Routing | None = None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One thing that can happen, with its odds in percent.

    `answer` is None if an application is asked: then it is one of `pods` of `workload`, with `message`;
    outside the mesh these are empty. `response_changes` are made to the response, in this order.
    """

    percent: float
    destination: Destination | None = None
    workload: str = ""
    namespace: str = ""
    pods: tuple[str, ...] = ()
    answer: Answer | None = None
    message: Message | None = None
    response_changes: tuple[HeaderChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """What becomes of a request: the proxies on its way in order, and everything that can happen.

    The first hop is that of the calling side, the others follow by destination. `outcomes` add up to 100 %.
    """

    request: Request
    hops: tuple[Hop, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def answer(self) -> Answer | None:
        """The answer that proxies give for certain; None if an application can be asked."""
        answers = [outcome.answer for outcome in self.outcomes]
        first = answers[0] if answers else None
        if first is None:
            return None
        same = all(answer is not None and replace(answer, by=first.by) == first for answer in answers)
        return first if same else None

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """Where the last proxy before the applications sends the request, with weights."""
        routed = [hop.routing for hop in self.hops if hop.routing is not None]
        return routed[-1].destinations if routed else ()
