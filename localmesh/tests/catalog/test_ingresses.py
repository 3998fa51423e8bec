"""Which of several Ingresses for one path decides."""

from __future__ import annotations

from localmesh.catalog.ingresses import ingress_objects
from localmesh.catalog.mesh_config import DEFAULT
from localmesh.catalog.objects import Objects
from localmesh.kinds.virtual_service import VIRTUAL_SERVICE
from localmesh.manifests import Resource, load_text
from localmesh.runtime.changes import ObjectKey, carry_over


def ingress(name: str, service: str, namespace: str = "shop") -> str:
    """An Ingress of Istio's class with one path of one host."""
    return f"""---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, namespace: {namespace}, annotations: {{kubernetes.io/ingress.class: istio}}}}
spec:
  rules:
    - host: shop.example.com
      http:
        paths:
          - {{path: /, pathType: Prefix, backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}
"""


def called(*applies: str) -> list[str]:
    """The hosts that the path leads to after several applies, the one that decides first."""
    objects: dict[ObjectKey, Resource] = {}
    for text in applies:
        objects = carry_over(objects, load_text(text).resources)
    found = ingress_objects(Objects(objects.values()), DEFAULT)
    (made,) = (item for item in found if item.is_a(VIRTUAL_SERVICE))
    return [route["route"][0]["destination"]["host"].partition(".svc")[0] for route in made.spec["http"]]


def test_of_one_apply_the_first_by_name_and_namespace_decides() -> None:
    """They are created in the same second on a cluster, and istiod then compares names."""
    text = ingress("b", "one") + ingress("a", "two") + ingress("a", "three", "office")

    assert called(text) == ["three.office", "two.shop", "one.shop"]


def test_an_older_one_decides_whatever_its_name() -> None:
    """It keeps its age when it is changed."""
    first = ingress("b", "one")

    assert called(first, first + ingress("a", "two")) == ["one.shop", "two.shop"]
    assert called(first, first + ingress("a", "two"), ingress("b", "new") + ingress("a", "two")) == [
        "new.shop",
        "two.shop",
    ]
