"""Security policies that apply to no workload or to none of its ports."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from localmesh.analysis.label_hints import nearest, shown
from localmesh.catalog import Catalog
from localmesh.catalog.security import PolicyScope, policy_scope
from localmesh.kinds.authorization_policy import AUTHORIZATION_POLICY
from localmesh.kinds.peer_authentication import PEER_AUTHENTICATION
from localmesh.kinds.request_authentication import REQUEST_AUTHENTICATION
from localmesh.manifests import Resource
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field, listed

_KINDS = (AUTHORIZATION_POLICY, PEER_AUTHENTICATION, REQUEST_AUTHENTICATION)


def policies(catalog: Catalog) -> Iterator[Problem]:
    """Policies whose selector matches no workload in their reach, or that reach none."""
    root = catalog.mesh_config.root_namespace
    pods = list(_pods(catalog))
    everywhere = {name: labels for name, _, labels in pods} if catalog.workloads else {}
    for resource in catalog.objects.of(*_KINDS):
        scope = policy_scope(resource, root)
        if scope.gateways is not None:
            yield from _without_targets(resource, scope, pods)
            continue
        reach = {name: labels for name, namespace, labels in pods if scope.reaches(namespace)}
        known = reach or everywhere  # the policy may be in the wrong namespace
        if not scope.labels and not reach and everywhere:
            namespaces = sorted({namespace for _, namespace, _ in pods if namespace != root})
            yield resource.root.get("metadata").problem(
                warnings.POLICY_WITHOUT_REACH, found=resource.namespace, known=listed(namespaces)
            )
        if not scope.labels or not known or any(map(scope.selects, reach.values())):
            continue
        wanted = resource.root.get("spec", "selector", "matchLabels")
        elsewhere = [(name, namespace) for name, namespace, labels in pods if scope.selects(labels)]
        hint, remedy = nearest(scope.labels, known), "correct the labels, or deploy the workload"
        if elsewhere:
            name, namespace = elsewhere[0]
            hint = f"{name} has them, and a policy applies to its own namespace, {resource.namespace}"
            remedy = f"move it to namespace {namespace}"
        yield wanted.problem(
            warnings.POLICY_WITHOUT_PODS, found=shown(scope.labels), known=hint, remedy=remedy
        )


def port_levels(catalog: Catalog) -> Iterator[Problem]:
    """Ports of PeerAuthentications that no selected pod has: ports of containers are meant."""
    for resource in catalog.objects.of(PEER_AUTHENTICATION):
        levels = dict(resource.root.get("spec", "portLevelMtls").entries())
        yield from _of_no_pod(catalog, resource, levels.items(), "the mode applies to nothing")


def policy_ports(catalog: Catalog) -> Iterator[Problem]:
    """Ports that AuthorizationPolicies name and no selected pod has."""
    for resource in catalog.objects.of(AUTHORIZATION_POLICY):
        fields = [(field.text or "", field) for field in _port_conditions(resource)]
        yield from _of_no_pod(catalog, resource, fields, "it is never called")


def _port_conditions(resource: Resource) -> Iterator[Field]:
    for rule in resource.root.get("spec", "rules").items():
        for target in rule.get("to").items():
            yield from target.get("operation", "ports").items()
        for condition in rule.get("when").items():
            if condition.get("key").text == "destination.port":
                yield from condition.get("values").items()


def _of_no_pod(
    catalog: Catalog, resource: Resource, ports: Collection[tuple[str, Field]], effect: str
) -> Iterator[Problem]:
    """The ports, each with its field, that none of the pods has to which a policy applies."""
    scope = policy_scope(resource, catalog.mesh_config.root_namespace)
    leading = list(_ports_to_pods(catalog, scope)) if ports else []
    known = sorted({target for _, _, target in leading})
    for number, field in ports:
        if known and int(number) not in known:
            hints = [
                f"; port {number} of {subject} leads to {target}"
                for subject, port, target in leading
                if port == int(number)
            ]
            yield field.problem(
                warnings.PORT_OF_NO_POD,
                found=number,
                known=listed(map(str, known)),
                hint="".join(hints[:1]),
                effect=effect,
            )


def _ports_to_pods(catalog: Catalog, scope: PolicyScope) -> Iterator[tuple[str, int, int]]:
    """The Services of the selected pods with their ports and those of the pods; pods alone have "" and 0."""
    for workload in (*catalog.workloads, *(gateway.workload for gateway in catalog.gateways)):
        if scope.includes(workload.namespace, workload.labels):
            yield from (("", 0, number) for number in workload.declared_ports)
            sidecar = catalog.sidecar_of(workload)
            yield from (("", 0, listener.number) for listener in (sidecar.ingress if sidecar else ()))
            for service in catalog.services_of(workload.namespace, workload.labels):
                for port in service.ports:
                    target = workload.port_names.get(str(port.target), port.target)
                    if isinstance(target, int):
                        yield service.subject, port.number, target


def _without_targets(
    resource: Resource, scope: PolicyScope, pods: Iterable[tuple[str, str, Mapping[str, str]]]
) -> Iterator[Problem]:
    """A policy for gateways of the Gateway API that have no pods, or for what only waypoints enforce."""
    if any(scope.includes(namespace, labels) for _, namespace, labels in pods):
        return
    spec = resource.root.get("spec")
    for reference in (spec.get("targetRef"), *spec.get("targetRefs").items()):
        if reference:
            kind, name = reference.get("kind").text, reference.get("name").text
            reason = "only a waypoint enforces policies for it, and there are none here"
            if kind == "Gateway":
                reason = f"namespace {resource.namespace} has no pods of such a Gateway"
            yield reference.problem(warnings.POLICY_WITHOUT_TARGET, found=f"{kind} {name}", reason=reason)


def authorizers(catalog: Catalog) -> Iterator[Problem]:
    """CUSTOM policies whose authorizer Istio cannot use, or of which a workload has several."""
    several: dict[str, set[str]] = {}
    custom = [
        item for item in catalog.objects.of(AUTHORIZATION_POLICY) if item.spec.get("action") == "CUSTOM"
    ]
    pods = list(_pods(catalog)) if custom else []
    for resource in custom:
        name = resource.root.get("spec", "provider", "name")
        found = catalog.authorizer(name.text or "")
        if found.fault:
            remedy = "correct extensionProviders in the mesh-wide settings"
            yield name.problem(warnings.BAD_AUTHORIZER, reason=found.fault, remedy=remedy)
        scope = policy_scope(resource, catalog.mesh_config.root_namespace)
        for workload, namespace, labels in pods:
            if scope.includes(namespace, labels):
                others = several.setdefault(workload, set())
                others.add(found.name)
                if len(others) > 1:
                    reason = f"{workload} has several authorizers, {listed(sorted(others))}"
                    remedy = "let all policies of a workload name one authorizer"
                    yield name.problem(warnings.BAD_AUTHORIZER, reason=reason, remedy=remedy)
                    break


def _pods(catalog: Catalog) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """Name, namespace and labels of everything that a policy can select."""
    for workload in catalog.workloads:
        yield workload.place.subject, workload.namespace, workload.labels
    for gateway in catalog.gateways:
        yield f"the gateway {gateway.name}", gateway.namespace, gateway.labels
