"""A mesh of a thousand Services."""

from __future__ import annotations

import time
from statistics import median

from localmesh.explain import Explainer, Request
from localmesh.manifests import load_text

SERVICES = 1000
SERVICE = """---
apiVersion: v1
kind: Service
metadata: {{name: web-{number}, namespace: shop}}
spec: {{selector: {{app: client}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
"""
CLIENT = """---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client, namespace: shop}
spec:
  selector: {matchLabels: {app: client}}
  template:
    metadata: {labels: {app: client}}
    spec: {containers: [{name: app, image: stub, ports: [{containerPort: 8080}]}]}
"""


def test_a_request_is_explained_in_20_milliseconds_of_cpu() -> None:
    """After the first request, which translates the client's configuration."""
    manifests = CLIENT + "".join(SERVICE.format(number=number) for number in range(SERVICES))
    explainer = Explainer.of(load_text(manifests).resources)
    explainer.explain(Request.to("http://web-0/", source="client"))
    seconds: list[float] = []

    for number in range(100, 120):
        start = time.process_time()
        explanation = explainer.explain(Request.to(f"http://web-{number}/", source="client"))
        seconds.append(time.process_time() - start)
        assert explanation.outcomes[0].workload == "client"

    assert median(seconds) <= 0.020
