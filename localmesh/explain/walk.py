"""One request on its way from proxy to proxy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from localmesh.catalog import Address, Pod, Proxy, ProxyKind
from localmesh.explain.authorization import authorize_connection
from localmesh.explain.calls import Call, refusal, without_cluster
from localmesh.explain.connections import (
    chain_for,
    connection_chain,
    connection_listener,
    connection_to,
    gateway_chain,
    is_of_mesh,
    route_name_of,
    server_name_of,
    tls_of,
)
from localmesh.explain.explanation import (
    Answer,
    Authorization,
    Connection,
    HeaderChange,
    Hop,
    HopKind,
    Outcome,
    Routing,
)
from localmesh.explain.inbound import Judgement, judge
from localmesh.explain.outbound import Leg, Routed, forwarded, route
from localmesh.explain.paths import normalized
from localmesh.explain.policy_filters import Inspected
from localmesh.explain.prepared_mesh import PreparedMesh
from localmesh.explain.request import InvalidUrlError, Message, Request, message_of
from localmesh.explain.route_actions import changed_headers
from localmesh.explain.upstreams import CalledPods
from localmesh.translate.formats import BLACK_HOLE

Json = Mapping[str, Any]

UNKNOWN_ADDRESS = "203.0.113.1"
"""The address of a client outside whose address is not known: one of those that are for documentation."""
_NOT_CONNECTED = "UF"
"""The response flag where a connection fails."""
_KNOWN_TO_BE_HTTP = frozenset({"CONNECT", "GET", "HEAD", "POST", "PUT"})
"""Methods of plain HTTP at which a TLS server only closes the connection: at others it sends a TLS alert.

BoringSSL: ssl/s3_both.cc, `tls_open_handshake`. A caller that expects HTTP cannot read the alert.
"""
_MOST_HOPS = 20
"""A route may lead back to its own gateway: real requests then go round until Envoy's limits stop them."""


class Walk:
    """Follows a request, and collects the hops and the outcomes."""

    def __init__(self, mesh: PreparedMesh, request: Request) -> None:
        self.hops: list[Hop] = []
        self.outcomes: list[Outcome] = []
        self._mesh = mesh
        self._request = request
        self._normalization = mesh.catalog.mesh_config.path_normalization
        self._changes: tuple[HeaderChange, ...] = ()
        """What the proxies so far change about responses, the last first; not those of the leg at hand."""
        self._to_gateway: Call | None = None
        """The call by which the request has come to the gateway at hand; None from outside."""

    def leave(self, proxy: Proxy) -> None:
        """The request leaves a workload through its sidecar. Raises InvalidUrlError."""
        scheme = self._request.scheme
        message = message_of(
            self._request, self._mesh.address_of(proxy) or UNKNOWN_ADDRESS, self._normalization
        )
        prepared = self._mesh.prepared(proxy)
        listener = connection_listener(prepared, message)
        if listener is not None:
            chain = connection_chain(listener, message)
            self._pass_on(proxy, message, chain, Inspected(message, "", message.port), 100.0)
            return
        if scheme != "http":
            raise InvalidUrlError(
                f"a sidecar cannot route {scheme}://, which the application encrypts: write http://"
            )
        routed = route(prepared, prepared.outbound_table(message.port), message)
        self.hops.append(_hop(HopKind.OUTBOUND, proxy, message, "outbound", routed=routed))
        self._send(proxy, routed, 100.0)

    def call_directly(self, pod: Pod) -> None:
        """A pod without a sidecar calls a Service as Kubernetes alone does: in plain text, without routes."""
        address = next((each.host for each in pod.addresses.values()), UNKNOWN_ADDRESS)
        message = message_of(self._request, address, self._normalization)
        upstream = self._mesh.service_called(pod.namespace, message)
        leg = Leg(upstream.destination, upstream, message)
        self.hops.append(
            Hop(
                HopKind.DIRECT,
                pod.workload,
                pod.namespace,
                pod.name,
                message,
                routing=Routing("", destinations=(upstream.destination,)),
            )
        )
        if upstream.destination.is_external:
            self._end(100.0, None, leg, message=message)
        elif not upstream.called:
            cause = f"no pod is ready behind {message.host}"
            self._end(100.0, Answer(None, "", cause, pod.name), leg)
        for called in upstream.called:
            percent = 100.0 * len(called.names) / len(upstream.destination.pods)
            self._arrive(Call("", leg, called, percent), message)

    def enter(self, proxy: Proxy) -> None:
        """The request enters the mesh at a gateway."""
        message = message_of(self._request, UNKNOWN_ADDRESS, self._normalization)
        target = self._mesh.target_port(proxy, message.port)
        if target is None:
            self._is_not_listening(proxy, message, 100.0, "no server of a Gateway has it")
            return
        self._at_gateway(proxy, message, target, 100.0)

    def _at_gateway(self, proxy: Proxy, message: Message, target: int, percent: float) -> None:
        listener = f"0.0.0.0_{target}"
        message = _forwarded(message)
        prepared = self._mesh.prepared(proxy)
        listen = proxy.listen[target]
        if listener not in prepared.listeners:  # as in Istio: a server for connections that none is routed to
            self._is_not_listening(proxy, message, percent, "no VirtualService has tcp or tls routes for it")
            return
        chain, reason = gateway_chain(prepared.listeners[listener], message)
        if chain is None:
            flag = _NOT_CONNECTED
            if message.scheme == "http":
                flag = "UC" if message.method in _KNOWN_TO_BE_HTTP else "UPE"
            self._close(_hop(HopKind.GATEWAY, proxy, message, listener), percent, reason, flag)
            return
        name = route_name_of(chain)
        if not name:
            self._pass_on(proxy, message, chain, Inspected(message, listen.host, listen.port), percent)
            return
        judgement = judge(prepared, Inspected(message, listen.host, listen.port))
        if judgement.answer is not None:
            self.hops.append(_judged(_hop(HopKind.GATEWAY, proxy, message, listener), judgement))
            refused = replace(judgement.answer, by=proxy.name)
            self._refuse(percent, refused, route(prepared, name, message).legs)
            return
        # a valid token makes a gateway choose the route again, with the headers made of its claims
        claims = judgement.tokens.claims if judgement.tokens is not None else None
        seen = message if claims is None else replace(judgement.message, verified_claims=claims)
        routed = route(prepared, name, seen, judgement.message)
        hop = _hop(HopKind.GATEWAY, proxy, message, listener, routed=routed)
        self.hops.append(_judged(hop, judgement))
        self._send(proxy, routed, percent)

    def _is_not_listening(self, proxy: Proxy, message: Message, percent: float, why: str) -> None:
        """A gateway refuses connections to a port."""
        reason = f"the gateway does not listen on port {message.port}: {why}"
        self._close(_hop(HopKind.GATEWAY, proxy, message, ""), percent, reason, _NOT_CONNECTED)

    def _close(self, hop: Hop, percent: float, reason: str, flag: str) -> None:
        """A gateway closes a connection: a proxy that has called it answers, other clients get nothing."""
        self.hops.append(replace(hop, answer=Answer(None, "", reason, hop.proxy)))
        call = self._to_gateway
        if call is None:
            self._end(percent, self.hops[-1].answer)
        else:
            leg = call.leg._replace(response_changes=())  # which are those of the proxies so far now
            self._end(percent, refusal(call, reason, flag), leg, call.called)

    def _pass_on(
        self, proxy: Proxy, message: Message, chain: Json, inspected: Inspected, percent: float
    ) -> None:
        """A proxy forwards the connection as it is: what is in it is between the client and the pods."""
        prepared = self._mesh.prepared(proxy)
        routed = forwarded(prepared, chain, message)
        authorization = authorize_connection(prepared, chain, inspected)
        kind = HopKind.GATEWAY if proxy.kind is ProxyKind.GATEWAY else HopKind.OUTBOUND
        hop = replace(_hop(kind, proxy, message, "", routed=routed), authorization=authorization)
        if authorization is not None and not authorization.allowed:
            self._close(hop, percent, authorization.reason, "UC")
            return
        if any(leg.destination.cluster == BLACK_HOLE for leg in routed.legs):
            name = message.server_name or message.host
            reason = f"no route is for {f'TLS for {name}' if message.scheme == 'https' else 'plain text'}"
            self._close(hop, percent, reason, "UC")
            return
        self.hops.append(hop)
        if "transportSocket" in chain:
            message = replace(message, scheme="http")
        for leg in routed.legs:
            own = percent * leg.destination.percent / 100
            if not leg.destination.exists or not leg.destination.endpoints:
                cause = f"nothing is ready behind {leg.destination.cluster}"
                self._end(own, Answer(None, "UH" if leg.destination.exists else "NC", cause, proxy.name), leg)
            elif leg.destination.is_external:
                self._end(own, None, leg, message=message)
            for called in leg.upstream.called:
                share = own * len(called.names) / len(leg.destination.pods)
                self._arrive(Call("", leg, called, share, as_bytes=True), self._sent(proxy, called, message))

    def _send(self, proxy: Proxy, routed: Routed, percent: float) -> None:
        """What can happen after a route: aborts, its answer, or a call of each destination."""
        answer = self.hops[-1].answer
        for fault in routed.routing.actions.faults:
            if fault.status is not None and fault.percent:
                cause = f"the route aborts {fault.percent:g} % of the requests"
                aborted = percent * fault.percent / 100
                fault_answer = Answer(fault.status, "FI", cause, proxy.name, body="fault filter abort")
                self._refuse(aborted, fault_answer, routed.legs)
                percent -= aborted
        if answer is not None:
            self._end(percent, answer)
            return
        for leg in routed.legs:
            self._follow(proxy, leg, percent * leg.destination.percent / 100)

    def _refuse(self, percent: float, answer: Answer, legs: Iterable[Leg]) -> None:
        """A filter before the router answers: the route, and its weighted cluster, change the headers."""
        shares: dict[tuple[HeaderChange, ...], float] = {}
        for leg in legs:
            shares[leg.refusal_changes] = shares.get(leg.refusal_changes, 0.0) + leg.destination.percent
        for changes, share in (shares or {(): 100.0}).items():
            self._end(percent * share / 100, answer, changes=changes)

    def _follow(self, proxy: Proxy, leg: Leg, percent: float) -> None:
        destination = leg.destination
        if not destination.exists:
            cause = f"the proxy has no cluster {destination.cluster}"
            answer = Answer(leg.missing_status, "NC", cause, proxy.name)
            self._end(percent, answer, without_cluster(leg))
        elif destination.is_external:
            self._end(percent, None, leg, message=leg.message)
        elif not destination.pods or len(self.hops) > _MOST_HOPS:
            cause = f"no pod is ready behind {destination.cluster}"
            answer = Answer(503, "UH", cause, proxy.name, body="no healthy upstream")
            self._end(percent, answer, leg)
        else:
            for called in leg.upstream.called:
                self._call(proxy, leg, called, percent * len(called.names) / len(destination.pods))

    def _call(self, caller: Proxy, leg: Leg, called: CalledPods, percent: float) -> None:
        message = replace(leg.message, path=normalized(leg.message.path, leg.message.normalization))
        self._arrive(Call(caller.name, leg, called, percent), self._sent(caller, called, message))

    def _sent(self, caller: Proxy, called: CalledPods, message: Message) -> Message:
        """The request with what a proxy shows of itself on its connection to pods."""
        return replace(
            message,
            identity=self._mesh.catalog.identity(caller) if is_of_mesh(called.socket) else "",
            server_name=server_name_of(called.socket),
            address=self._mesh.address_of(caller) or message.address,
        )

    def _arrive(self, call: Call, message: Message) -> None:
        """The request arrives at pods: at their sidecars, at a gateway, or without a proxy."""
        called = call.called
        proxy = self._mesh.proxy_of(called.first)
        if proxy is None and call.caller and not self._takes(called):
            reason = f"the caller sends {tls_of(called.socket)}, and {called.first.workload} has no sidecar"
            self._end(call.percent, refusal(call, reason, _NOT_CONNECTED), call.leg, called)
        elif proxy is None or (call.as_bytes and proxy.kind is ProxyKind.GATEWAY):
            self._end(call.percent, None, call.leg, called, message)
        elif proxy.kind is ProxyKind.GATEWAY:
            target = next(port for port, at in proxy.listen.items() if at == Address(*called.address))
            scheme = "http" if called.socket is None else "https"
            before = self._changes, self._to_gateway
            self._changes, self._to_gateway = (*call.leg.response_changes, *self._changes), call
            self._at_gateway(proxy, replace(message, scheme=scheme), target, call.percent)
            self._changes, self._to_gateway = before
        else:
            self._at_sidecar(proxy, message, call)

    def _takes(self, called: CalledPods) -> bool:
        """Whether a pod without a proxy takes the connection: plain text, or TLS that it may speak itself."""
        if called.socket is None:
            return True
        pod = called.first
        services = self._mesh.catalog.services_of(pod.namespace, pod.labels)
        ports = [
            port
            for of in services
            for port in of.ports
            if pod.address(port.target) == Address(*called.address)
        ]
        return not is_of_mesh(called.socket) and any(not port.protocol.may_be_http for port in ports)

    def _at_sidecar(self, proxy: Proxy, message: Message, call: Call) -> None:
        prepared = self._mesh.prepared(proxy)
        leg, called = call.leg, call.called
        inbound = next(port for port in proxy.inbound if port.listen == Address(*called.address))
        listener = prepared.listeners.get(f"inbound_{inbound.container_port}")
        if listener is None:  # a port that no Service sends to
            self._end(call.percent, None, leg, called, message)
            return
        decision = self._mesh.catalog.peer_authentications.decision(
            proxy.namespace, proxy.labels, inbound.container_port
        )
        own = self._mesh.catalog.identity(proxy)
        connection = connection_to(listener, called.socket, decision, message.identity, own)
        hop = _hop(HopKind.INBOUND, proxy, message, listener["name"], connection=connection)
        if not connection.accepted:
            self.hops.append(hop)
            self._end(call.percent, refusal(call, connection.reason, connection.flag), leg, called)
            return
        inspected = Inspected(message, *called.address)
        if connection.is_tcp:
            chain = chain_for(listener, called.socket) or {}
            self._through(hop, authorize_connection(prepared, chain, inspected), call)
            return
        if call.as_bytes and message.scheme == "https":  # TLS, which the sidecar cannot read
            self.hops.append(hop)
            self._end(call.percent, None, leg, called, message)
            return
        judgement = judge(prepared, inspected)
        hop = _judged(hop, judgement)
        self.hops.append(hop)
        self._end(call.percent, hop.answer, leg, called, judgement.message)

    def _through(self, hop: Hop, authorization: Authorization | None, call: Call) -> None:
        """A port that is TCP passes the request on as bytes, unless a policy closes the connection."""
        self.hops.append(replace(hop, authorization=authorization))
        if authorization is not None and not authorization.allowed:
            self._end(call.percent, refusal(call, authorization.reason, "UC"), call.leg, call.called)
            return
        # the application is not told who calls
        self._end(call.percent, None, call.leg, call.called, replace(hop.message, identity=""))

    def _end(
        self,
        percent: float,
        answer: Answer | None,
        leg: Leg | None = None,
        called: CalledPods | None = None,
        message: Message | None = None,
        *,
        changes: tuple[HeaderChange, ...] = (),
    ) -> None:
        """Something that can happen, unless its odds are 0."""
        if not percent:
            return
        pod = called.first if called else None
        changes = (*changes, *(leg.response_changes if leg else ()), *self._changes)
        if answer is not None:
            answer = replace(answer, headers=changed_headers(answer.headers, changes))
        self.outcomes.append(
            Outcome(
                percent=percent,
                destination=leg.destination if leg else None,
                workload=pod.workload if pod else "",
                namespace=pod.namespace if pod else "",
                pods=called.names if called else (),
                answer=answer,
                message=message if answer is None else None,
                response_changes=changes,
            )
        )


def _hop(
    kind: HopKind,
    proxy: Proxy,
    message: Message,
    listener: str,
    *,
    routed: Routed | None = None,
    connection: Connection | None = None,
) -> Hop:
    answer = routed.answer if routed else None
    return Hop(
        kind=kind,
        workload=proxy.workload,
        namespace=proxy.namespace,
        proxy=proxy.name,
        message=message,
        listener=listener,
        connection=connection,
        routing=routed.routing if routed else None,
        answer=replace(answer, by=proxy.name) if answer else None,
    )


def _judged(hop: Hop, judgement: Judgement) -> Hop:
    """The hop with the decisions of its security filters, which come before its routes."""
    _, tokens, authorization, answer = judgement
    if tokens is None and authorization is None:
        return hop
    answer = replace(answer, by=hop.proxy) if answer else hop.answer
    return replace(hop, tokens=tokens, authorization=authorization, answer=answer)


def _forwarded(message: Message) -> Message:
    """The request as a gateway handles it: it adds the client's address."""
    before = message.headers.get("x-forwarded-for")
    forwarded = f"{before},{message.address}" if before else message.address
    return message.with_headers({**message.headers, "x-forwarded-for": forwarded})
