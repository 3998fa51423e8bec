"""Pods that are not ready are no endpoints, except of Services that publish them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from localmesh.manifests import load_text
from localmesh.translate import translate
from localmesh.translate.from_manifests import proxies

MESH = """
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, publishNotReadyAddresses: {published}, ports: [{{name: http, port: 80}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: web, labels: {{app: web}}}}
spec: {{containers: [{{name: web, image: web, ports: [{{containerPort: 80}}]}}]}}
"""


@pytest.mark.parametrize(("published", "expected"), [("true", 1), ("false", 0)])
def test_a_pod_that_is_not_ready_is_an_endpoint_if_the_service_publishes_it(
    published: str, expected: int
) -> None:
    """As in a cluster, where such addresses count as ready."""
    catalog, known = proxies(load_text(MESH.format(published=published)).resources)
    unready = catalog.with_pods(replace(pod, ready=False) for pod in catalog.pods)

    assignments = {item["clusterName"]: item for item in translate(unready, known[0]).endpoints}

    of_web = assignments["outbound|80||web.default.svc.cluster.local"]
    assert len(of_web.get("endpoints", ())) == expected
