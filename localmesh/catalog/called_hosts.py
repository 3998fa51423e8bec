"""The hosts with TCP ports that a pod calls, and the addresses on the loopback that stand for them.

Nothing intercepts the connections of a process, so each TCP port of a Service has an address of its own for
every pod, where the pod's sidecar listens. It takes the place of the host wherever the manifest names one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from localmesh.catalog.default_gateways import HOSTS
from localmesh.catalog.proxies import Address
from localmesh.catalog.services import Protocol, Service
from localmesh.formats.hostnames import SERVICE_DOMAIN

_BEGINS = r"(?<![\w.\-])"
_ENDS = r"(?![\w\-]|\.[\w])"
_HTTP = re.compile(r"https?://[^\s/@]*$")


def names_of(host: str, namespace: str) -> list[str]:
    """A host, and its short forms for pods of a namespace if it has the form of a Service's name.

    >>> names_of("db.shop.svc.cluster.local", "shop")[2:], names_of("db.example.com", "shop")
    (['db', 'db.shop.svc', 'db.shop'], ['db.example.com', 'db.example.com.'])
    """
    names = [host, f"{host}."]
    short = host.removesuffix(f".{SERVICE_DOMAIN}")
    name, dot, owner = short.partition(".")
    if not dot or short == host:
        return names
    return names + ([name, f"{short}.svc", short] if owner == namespace else [short, f"{short}.svc"])


def has_tcp_ports(service: Service) -> bool:
    """Whether pods reach ports of a Service by TCP; those of Istio's own gateways are for callers outside."""
    return service.host not in HOSTS and any(port.protocol.is_tcp for port in service.ports)


@dataclass(frozen=True, slots=True)
class CalledHost:
    """A host with TCP ports; `ports` are these, with where the sidecar listens for each."""

    name: str
    namespace: str
    names: tuple[str, ...]
    ports: Mapping[int, Address]
    has_only_tcp: bool
    """Whether it has no other ports, so that its name alone stands for them."""
    has_tls: bool = False
    """Whether it has a port of TLS that applications begin themselves."""
    service: str = ""
    """The host of the Service that it is, or one pod of which it is."""

    @property
    def address(self) -> str | None:
        """What can take the place of the name alone: where every port has its own number."""
        hosts = {address.host for number, address in self.ports.items() if address.port == number}
        is_whole = self.has_only_tcp and all(at.port == number for number, at in self.ports.items())
        return hosts.pop() if is_whole and len(hosts) == 1 else None


@dataclass(frozen=True)
class CalledHosts:
    """All hosts with TCP ports that a pod calls."""

    hosts: tuple[CalledHost, ...] = ()

    @property
    def has_tls(self) -> bool:
        """Whether any of them has a port of TLS that applications begin themselves."""
        return any(host.has_tls for host in self.hosts)

    @cached_property
    def _by_name(self) -> Mapping[str, CalledHost]:
        return {name: host for host in self.hosts for name in host.names}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        names = "|".join(re.escape(name) for name in sorted(self._by_name, key=len, reverse=True))
        return re.compile(rf"{_BEGINS}(?P<name>{names}){_ENDS}(?P<port>(?::|[ \t]+)\d{{1,5}}(?!\w))?")

    def replaced(self, text: str) -> str:
        """The text with addresses in place of hosts.

        With a port that is anywhere; alone a host is replaced as the whole text, or as the host of a URL.
        URLs of HTTP stay, as programs send these requests to their proxy.
        """
        if not self.hosts:
            return text
        return self._pattern.sub(lambda match: self._replacement(match, text) or match[0], text)

    def mentions(self, text: str) -> Iterator[tuple[CalledHost, bool]]:
        """The hosts that a text names, each with whether an address takes the place of the name there."""
        for match in self._pattern.finditer(text) if self.hosts else ():
            yield self._by_name[match["name"]], self._replacement(match, text) is not None

    def variables(self, namespace: str) -> dict[str, str]:
        """The variables by which Kubernetes tells pods where the Services of their namespace are.

        https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
        """
        values: dict[str, str] = {}
        for host in self.hosts:
            if host.namespace != namespace or not host.ports:
                continue
            prefix = re.sub(r"\W", "_", host.name).upper()
            first = next(iter(host.ports.values()))
            values |= {f"{prefix}_SERVICE_HOST": first.host, f"{prefix}_SERVICE_PORT": str(first.port)}
        return values

    def _replacement(self, match: re.Match[str], text: str) -> str | None:
        """What takes the place of a name, with the port behind it; None if it stays."""
        before, after = text[: match.start()], text[match.end() :]
        host = self._by_name[match["name"]]
        if _HTTP.search(before):
            return None
        if match["port"]:
            address = host.ports.get(int(match["port"].strip(" \t:")))
            separator = match["port"].rstrip("0123456789")
            return None if address is None else f"{address.host}{separator}{address.port}"
        stands_alone = (not before and not after) or before.endswith(("//", "@", "="))
        return host.address if stands_alone else None


def called_hosts(
    services: Iterable[Service], namespace: str, connections: Mapping[tuple[str, int], Address]
) -> CalledHosts:
    """Services, and their pods that have names, as pods of a namespace call them."""
    return CalledHosts(
        tuple(host for service in services for host in _called(service, namespace, connections))
    )


def _called(
    service: Service, namespace: str, connections: Mapping[tuple[str, int], Address]
) -> Iterator[CalledHost]:
    """A Service, and each of its pods, with the ports that have an address."""

    def called(host: str, name: str, owner: str, names: Iterable[str]) -> CalledHost:
        keys = ((host, port.number) for port in service.ports)
        return CalledHost(
            name=name,
            namespace=owner,
            names=tuple(dict.fromkeys(names)),
            ports={key[1]: connections[key] for key in keys if key in connections},
            has_only_tcp=all(port.protocol.is_tcp for port in service.ports),
            has_tls=any(port.protocol is Protocol.TLS for port in service.ports),
            service=service.host,
        )

    names = [name for host in (service.host, *service.aliases) for name in names_of(host, namespace)]
    yield called(service.host, service.name, "" if service.is_entry else service.namespace, names)
    for host, pod in service.pod_hosts.items():
        yield called(host, host, "", names_of_pod(pod, service, namespace))


def names_of_pod(pod: str, service: Service, namespace: str) -> list[str]:
    """The names by which pods of a namespace call one pod of a headless Service, the longest first."""
    return [f"{pod}.{name}" for name in names_of(service.host, namespace)]
