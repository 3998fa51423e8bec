"""Addresses take the place of hosts with TCP ports in what a pod is told."""

from __future__ import annotations

import pytest

from localmesh.catalog import Address, Protocol, Service, ServicePort
from localmesh.catalog.called_hosts import CalledHost, CalledHosts, called_hosts, names_of


def host(name: str, *ports: int, has_only_tcp: bool = True, address: str = "127.42.0.3") -> CalledHost:
    """A Service of namespace shop, called from there."""
    return CalledHost(
        name=name,
        namespace="shop",
        names=tuple(names_of(f"{name}.shop.svc.cluster.local", "shop")),
        ports={port: Address(address, port) for port in ports},
        has_only_tcp=has_only_tcp,
    )


HOSTS = CalledHosts((host("db", 5432), host("mixed", 7000, has_only_tcp=False, address="127.42.0.4")))


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("db:5432", "127.42.0.3:5432"),
        ("db.shop:5432", "127.42.0.3:5432"),
        ("db.shop.svc.cluster.local.:5432", "127.42.0.3:5432"),
        ("postgres://user:word@db:5432/data?ssl=off", "postgres://user:word@127.42.0.3:5432/data?ssl=off"),
        ("user@tcp(db:5432)/data", "user@tcp(127.42.0.3:5432)/data"),
        ("nc -z db 5432 && echo the db is up", "nc -z 127.42.0.3 5432 && echo the db is up"),
        ("db", "127.42.0.3"),
        ("postgres://db/data", "postgres://127.42.0.3/data"),
        ("--host=db", "--host=127.42.0.3"),
        ("mixed:7000", "127.42.0.4:7000"),
    ],
)
def test_a_host_is_replaced_where_its_port_is_known(text: str, replaced: str) -> None:
    """With the port anywhere; alone where it is a whole value, if all of its ports are TCP."""
    assert HOSTS.replaced(text) == replaced


@pytest.mark.parametrize(
    "text",
    [
        "db:5433",
        "mydb:5432",
        "db.example.com:5432",
        "my-db:5432",
        "the db is up",
        "http://db:5432/data",
        "mixed",
        "tcp://mixed",
    ],
)
def test_other_names_and_ports_stay(text: str) -> None:
    """So do URLs of HTTP, which programs send to their proxy, and names that stand for HTTP ports as well."""
    assert HOSTS.replaced(text) == text


def test_a_name_stays_where_another_port_stands_for_its_own() -> None:
    """Where the port of a host cannot be used, only the two together can be replaced."""
    elsewhere = host("db", address="127.0.0.1")
    moved = CalledHosts(
        (CalledHost("db", "shop", elsewhere.names, {443: Address("127.0.0.1", 20001)}, True),)
    )

    replaced = [moved.replaced(text) for text in ("db", "db:443")]

    assert replaced == ["db", "127.0.0.1:20001"]
    assert moved.variables("shop") == {"DB_SERVICE_HOST": "127.0.0.1", "DB_SERVICE_PORT": "20001"}


def test_services_of_other_namespaces_have_no_variables() -> None:
    """As in Kubernetes."""
    assert HOSTS.variables("office") == {}


QUIET = Service(
    namespace="shop",
    name="quiet",
    host="quiet.shop.svc.cluster.local",
    ports=(ServicePort("tcp", 9100, 9100, Protocol.TCP),),
    selector={"app": "quiet"},
    addresses=(),
    headless=True,
    export_to=(),
    pod_names=("quiet-0", "quiet-1"),
)
ADDRESSES = {
    (host, 9100): Address(f"127.42.0.{number}", 9100)
    for number, host in enumerate((QUIET.host, *QUIET.pod_hosts), start=3)
}


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("quiet:9100", "127.42.0.3:9100"),
        ("quiet-0.quiet:9100,quiet-1.quiet:9100", "127.42.0.4:9100,127.42.0.5:9100"),
        ("quiet-1.quiet.shop.svc.cluster.local", "127.42.0.5"),
        ("quiet-2.quiet:9100", "quiet-2.quiet:9100"),
        ("quiet-0:9100", "quiet-0:9100"),
    ],
)
def test_pods_of_a_headless_service_have_addresses_of_their_own(text: str, replaced: str) -> None:
    """A name below that of the Service is a pod's, or nobody's."""
    called = called_hosts([QUIET], "shop", ADDRESSES)

    assert called.replaced(text) == replaced
    assert called.variables("shop") == {"QUIET_SERVICE_HOST": "127.42.0.3", "QUIET_SERVICE_PORT": "9100"}
