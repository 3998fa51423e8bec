"""Services of type ExternalName: what they stand for."""

from localmesh.catalog import Catalog, build
from localmesh.manifests import load_text


def mesh(**targets: str) -> Catalog:
    """A mesh with the Service web, and an alias for each target."""
    aliases = [f"{{type: ExternalName, externalName: {target}}}" for target in targets.values()]
    specs = zip(("web", *targets), ("{ports: [{name: http, port: 80}]}", *aliases), strict=True)
    text = "---\n".join(
        f"{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {spec}}}\n"
        for name, spec in specs
    )
    return build(load_text(text).resources)


def full(name: str) -> str:
    return f"{name}.default.svc.cluster.local"


def test_an_alias_of_an_alias_stands_for_the_service_itself() -> None:
    """Which alone is a Service of the catalog, and is called by all names."""
    catalog = mesh(first=full("second"), second=full("web"))

    service = catalog.service(full("web"))
    assert service is not None
    assert service.aliases == (full("first"), full("second"))
    assert catalog.service(full("first")) is service
    assert full("first") not in {known.host for known in catalog.services}


def test_aliases_in_a_circle_stand_for_nothing() -> None:
    """Also one that leads into the circle; the others keep what they stand for."""
    catalog = mesh(a=full("b"), b=full("a"), c=full("a"), d=full("web"))

    assert catalog.destinations.aliases == {full("d"): full("web")}
    assert catalog.service(full("a")) is None


def test_an_alias_of_an_unknown_host_stands_for_that_host() -> None:
    """Which is no Service; routes to it name the host."""
    catalog = mesh(outside="www.example.com")

    assert catalog.service(full("outside")) is None
    assert catalog.destinations.resolved(full("outside")) == "www.example.com"
